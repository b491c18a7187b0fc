//! The daemon dies, at every point of a story, and starts again.

use super::play::*;
use super::shelf::Shelf;
use crate::cache::machine::*;
use crate::cache::model::*;
use std::sync::Arc;

/// Everything that is asked of the engine is done, whatever it is, until nothing is left to do.
pub(super) fn work_off(play: &mut Play) {
    for _ in 0..10_000 {
        play.calm();
        match play.to_do.pop_front() {
            None => return,
            Some(Effect::Fetch(order)) if order.twin.is_some() => {
                let length = order.twin.and_then(|(_, _, extent, _)| extent.length).unwrap();
                play.tell(Event::Fetched(order.task, FetchEnd::Whole { length }));
            }
            Some(Effect::Fetch(order)) => {
                if order.revalidate {
                    play.tell(Event::Unchanged(order.task));
                } else if order.url.contains("missing") {
                    play.fail(order.task, "404");
                } else {
                    play.tell(Event::Answered(order.task, source(2 * PIECE, "v1")));
                }
            }
            Some(Effect::Proceed(no)) => {
                play.pieces(no, 0..2);
                play.end(no, FetchEnd::Whole { length: 2 * PIECE });
            }
            Some(Effect::Stop(no)) => play.end(no, FetchEnd::Stopped),
            Some(Effect::Resolve(job, ..)) => {
                play.tell(Event::Resolved(job, Ok(vec![url("x"), url("y")])));
            }
            Some(Effect::PurgeAudit(job, _)) => {
                play.tell(Event::Purged(job, Ok(1)));
            }
            Some(Effect::Inquire(owners)) => {
                play.tell(Event::Widowed(owners));
            }
            Some(Effect::Measure | Effect::Remove(..) | Effect::Release(_)) => {}
        }
    }
    panic!("there is no end to it");
}

/// A story in which everything happens that is written down.
fn story() -> Play {
    let mut play = Play::new(with_quota(40 * PIECE));
    play.calm();
    play.cached("old", 2 * PIECE);
    let job = play.preheat(&["a", "missing", "old", "b"]);
    let a = play.task_of("a");
    play.order(a);
    play.answer(a, source(2 * PIECE, "v1"));
    play.pieces(a, 0..1);
    let image = Args::Preheat(PreheatArgs { kind: PreheatKind::Image, urls: None, ..preheat_args(&[]) });
    play.submit(image);
    play.submit(Args::DeleteTask(find_args(by_url("old"))));
    play.submit(Args::GetTask(find_args(by_url("a"))));
    work_off(&mut play);
    play.submit(Args::DeleteTask(find_args(by_url("b"))));
    let gc = play.ask_and_wait(Ask::Submit(new_job(Args::Gc(GcArgs { kind: GcKind::Job, ttl: secs(0) }))));
    assert!(matches!(gc, Verdict::Job(_)));
    let _ = play.ask(Ask::Pin(play.task_of("x"), PinOwner::Dag("d".into())));
    play.open(Box::new(Wanted { revalidate: true, ..*wanted("x") }), 5);
    work_off(&mut play);
    play.tell(Event::Damaged(play.task_of("x"), vec![0]));
    work_off(&mut play);
    let _ = play.ask(Ask::ForgetJob(job));
    play.pass(hours(1));
    work_off(&mut play);
    play
}

#[test]
fn from_every_point_of_a_story_the_room_recovers_and_every_job_ends() {
    let history = story().history;
    assert!(history.iter().flatten().count() > 40, "a story worth the name");
    for lived in 0..=history.len() {
        let mut shelf = Shelf::default();
        history[..lived].iter().for_each(|changes| shelf.apply(changes));
        let mut play = Play::of(with_quota(40 * PIECE), shelf, beginning());
        work_off(&mut play);
        for job in play.shelf.jobs.values() {
            assert_ne!(job.state(), JobState::Pending, "after {lived} plans: {job:?}");
        }
        for task in play.room.tasks() {
            assert_ne!(task.state, TaskState::Doomed, "after {lived} plans");
            assert_ne!(task.state, TaskState::Fetching, "after {lived} plans");
            assert!(task.pieces.count() > 0, "after {lived} plans: {task:?}");
        }
        assert_eq!(play.room.clusters().count(), 1);
        let bytes: u64 = play.room.tasks().map(|task| task.cached_bytes()).sum();
        assert_eq!(play.room.bytes(), bytes, "after {lived} plans");
        assert!(play.owed.is_empty());
    }
}

#[test]
fn a_preheat_goes_on_where_it_was_and_keeps_what_is_there() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["missing", "a"]);
    let (a, missing) = (play.task_of("a"), play.task_of("missing"));
    play.order(missing);
    play.fail(missing, "404");
    play.order(a);
    play.answer(a, source(3 * PIECE, "v1"));
    play.pieces(a, 0..2);
    let mut play = Play::of(rules(), play.shelf.clone(), play.now);
    play.calm();
    assert_eq!(ends(play.room.unfinished(job).unwrap()), ["404", "open"], "what is known stays");
    let (_, pieces) = play.order(a).have.expect("what is there");
    assert_eq!(pieces.count(), 2);
    assert!(play.answer(a, source(3 * PIECE, "v1")));
    play.pieces(a, 2..3);
    play.end(a, FetchEnd::Whole { length: 3 * PIECE });
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
}

#[test]
fn a_job_with_secrets_fails_and_says_why() {
    let mut play = Play::started(rules());
    let new = |args| Ask::Submit(Box::new(NewJob { has_secrets: true, ..*new_job(args) }));
    let _ = play.ask(new(Args::Preheat(preheat_args(&["a"]))));
    play.calm();
    let mut play = Play::of(rules(), play.shelf.clone(), play.now);
    play.calm();
    let job = play.shelf.job(1);
    assert_eq!(job.state(), JobState::Failure);
    assert!(job.part.error.contains("restart") && job.part.error.contains("secrets"), "{}", job.part.error);
    assert!(!play.has(|effect| matches!(effect, Effect::Fetch(_))));
}

#[test]
fn what_was_doomed_is_removed_again() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    play.tell(Event::Asked(Ask::Remove(vec![no])));
    let mut play = Play::of(rules(), play.shelf.clone(), play.now);
    assert!(play.room.find(&wanted("a").ids.primary).is_none());
    play.calm();
    assert!(play.is_gone(no));
    assert_eq!(play.room.bytes(), 0);
}

#[test]
fn numbers_go_on_and_uses_are_remembered() {
    let mut play = Play::started(rules());
    let a = play.cached("a", 1);
    let job = play.submit(Args::GetTask(find_args(by_url("a"))));
    play.calm();
    play.pass(secs(5));
    play.room.task(a).unwrap().used.touch(play.now.wall);
    play.pass(secs(120));
    let used = play.room.task(a).unwrap().used.get();
    let mut play = Play::of(rules(), play.shelf.clone(), play.now);
    play.calm();
    assert_eq!(play.room.task(a).unwrap().used.get(), used);
    assert!(play.cached("b", 1) > a);
    assert!(play.submit(Args::GetTask(find_args(by_url("a")))) > job);
}

#[test]
fn a_smaller_quota_counts_from_the_start() {
    let mut play = Play::started(rules());
    let kept: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| {
            play.pass(secs(1));
            play.cached(name, PIECE)
        })
        .collect();
    let mut play = Play::of(with_quota(2 * PIECE), play.shelf.clone(), play.now);
    play.calm();
    assert!(play.room.bytes() <= 2 * PIECE && !play.is_gone(kept[3]) && play.is_gone(kept[0]));
    assert!(Arc::strong_count(play.room.task(kept[3]).unwrap()) >= 1);
}
