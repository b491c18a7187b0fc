//! Stories from the corners: what happens while something else is going on.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;

fn me() -> PinOwner {
    PinOwner::Name("me".into())
}

fn with_secrets(urls: &[&str]) -> Ask {
    Ask::Submit(Box::new(NewJob { has_secrets: true, ..*new_job(Args::Preheat(preheat_args(urls))) }))
}

/// A content of unknown length has grown past the quota beside one that is kept, and is complete all the same.
fn too_much_kept(owner: PinOwner) -> (Play, TaskNo, TaskNo) {
    let mut play = Play::started(with_quota(4 * PIECE));
    let kept = play.cached("kept", 3 * PIECE);
    let _ = play.ask(Ask::Pin(kept, owner));
    let stream = play.open(wanted("stream"), 1).no;
    play.order(stream);
    assert!(play.answer(stream, source(None, "v")));
    play.pieces(stream, 0..2);
    assert!(play.is_stopped(stream), "one piece too many");
    play.end(stream, FetchEnd::Whole { length: 2 * PIECE }); // it was at its end
    assert_eq!(play.room.bytes(), 5 * PIECE, "nobody may throw anything away");
    (play, kept, stream)
}

#[test]
fn what_is_unpinned_beyond_the_quota_goes_at_once() {
    let (mut play, kept, stream) = too_much_kept(me());
    let _ = play.ask(Ask::Unpin(kept, me()));
    play.calm();
    assert!(play.is_gone(kept) && !play.is_gone(stream));

    let owner = PinOwner::Dag("1".into());
    let (mut play, kept, stream) = too_much_kept(owner.clone());
    play.tell(Event::Widowed(vec![owner]));
    play.calm();
    assert!(play.is_gone(kept) && !play.is_gone(stream));
}

#[test]
fn a_pinned_task_of_which_nothing_is_there_stays_until_it_is_unpinned() {
    let mut play = Play::started(rules());
    let no = play.open(Box::new(Wanted { pin: Some(me()), ..*wanted("missing") }), 1).no;
    play.order(no);
    play.fail(no, "404");
    play.leave(no, 1);
    assert!(matches!(play.state(no), TaskState::Partial(Some(_))), "whoever keeps it finds out why it is not there");
    let mut next = Play::of(rules(), play.shelf.clone(), play.now);
    next.calm();
    assert!(!next.is_gone(no));
    for play in [&mut play, &mut next] {
        let _ = play.ask(Ask::Unpin(no, me()));
        play.calm();
        assert!(play.is_gone(no));
    }
}

#[test]
fn files_that_cannot_be_removed_are_no_room() {
    let quota = Quota { keep_free: 10 * PIECE, ..rules().quota };
    let mut play = Play::started(Rules { quota, ..rules() });
    let stuck = play.cached("stuck", 5 * PIECE);
    play.free = 12 * PIECE;
    play.stuck = Some("busy".into());
    let removed = play.ask_and_wait(Ask::Remove(vec![stuck]));
    assert!(matches!(removed, Verdict::Removed { failed, .. } if failed.len() == 1));
    play.tell(Event::Disk(Pressure { free: play.free }));
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    assert!(!play.answer(no, source(5 * PIECE, "v")), "its bytes are not coming back");
    play.end(no, FetchEnd::Stopped);
    play.leave(no, 1);
    play.stuck = None;
    play.pass(hours(1));
    assert!(play.is_gone(stuck));
    play.free = 17 * PIECE;
    play.tell(Event::Disk(Pressure { free: play.free }));
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    assert!(play.answer(no, source(5 * PIECE, "v")));
}

/// A complete content of which somebody has the origin asked whether it has changed.
fn revalidated() -> (Play, TaskNo) {
    let mut play = Play::started(rules());
    let no = play.cached("a", 2 * PIECE);
    play.open(Box::new(Wanted { revalidate: true, ..*wanted("a") }), 1);
    assert!(play.order(no).revalidate);
    (play, no)
}

#[test]
fn damage_is_repaired_though_whoever_had_the_origin_asked_leaves() {
    let (mut play, no) = revalidated();
    play.tell(Event::Damaged(no, vec![1])); // found by one who reads without asking
    play.leave(no, 1);
    assert!(!play.is_stopped(no), "it is repaired for those who read");
    play.tell(Event::Unchanged(no));
    let order = play.order(no);
    assert!(!order.revalidate && order.have.is_some_and(|(_, pieces)| pieces.count() == 1));
    assert!(play.answer(no, source(2 * PIECE, "v1")));
    play.pieces(no, 1..2);
    play.end(no, FetchEnd::Whole { length: 2 * PIECE });
    assert!(play.room.task(no).is_some_and(|task| task.is_complete()));
}

#[test]
fn damage_that_is_found_while_a_fetch_is_stopped_is_repaired_after() {
    let (mut play, no) = revalidated();
    play.leave(no, 1);
    assert!(play.is_stopped(no));
    let reader = play.open(wanted("a"), 2);
    assert!(reader.is_complete(), "it is served while the origin is not asked any more");
    play.tell(Event::Damaged(no, vec![0]));
    play.end(no, FetchEnd::Stopped);
    assert_eq!(play.state(no), TaskState::Fetching);
    play.order(no);
}

#[test]
fn what_is_fetched_again_with_somebodys_secrets_is_private() {
    for reader_stays in [true, false] {
        let mut play = Play::started(rules());
        let no = play.open(wanted("a"), 1).no;
        assert_eq!(play.order(no).errand, Errand::Reader(1));
        let Verdict::Job(job) = play.ask(with_secrets(&["a"])) else { panic!() };
        play.calm();
        assert!(play.answer(no, source(2 * PIECE, "v1")));
        play.pieces(no, 0..1);
        play.tell(Event::Damaged(no, vec![0]));
        if !reader_stays {
            play.leave(no, 1);
        }
        play.end(no, FetchEnd::Whole { length: 2 * PIECE });
        let order = play.order(no);
        let expected = if reader_stays { Errand::Reader(1) } else { Errand::Job(job.id) };
        assert_eq!(order.errand, expected, "rather as it began");
        assert_eq!(play.room.task(no).unwrap().private, !reader_stays);
    }
}

#[test]
fn an_account_is_known_however_its_host_is_written() {
    let accounts = ["Registry.Example.net:5000", "docker.io", "plain.example.net:443"];
    let accounts = accounts.into_iter().map(str::to_owned).collect();
    let mut play = Play::started(Rules { accounts, ..rules() });
    for (url, private) in [
        ("https://registry.example.net:5000/a", true),
        ("https://REGISTRY.example.net:5000/b", true),
        ("https://%72egistry.example.net:5000/c", true),
        ("https:\\\\registry.example.net:5000\\d", true),
        ("https://registry.example.net/e", false),
        ("https://registry-1.docker.io/v2/f", true),
        ("https://plain.example.net/g", true),
        ("https://plain.example.net:443/h", true),
        ("https://ada:secret@other.example.net/i", true),
        ("https://other.example.net/j?u=registry.example.net:5000", false),
    ] {
        let identity = Identity::of_url(url);
        let wanted = Wanted { ids: identity.ids(), identity, ..*wanted("x") };
        let no = play.open(Box::new(wanted), 1).no;
        assert_eq!(play.room.task(no).unwrap().private, private, "{url}");
    }
}

#[test]
fn a_file_of_a_fetch_that_was_cut_off_by_a_death_goes() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    let mut next = Play::of(rules(), play.shelf.clone(), play.now);
    next.calm();
    assert!(next.effects.iter().any(|effect| matches!(effect, Effect::Remove(removed, _) if *removed == no)));
    assert!(next.is_gone(no));
    assert!(next.room.find(&wanted("a").ids.primary).is_none());
    play.order(no);
}

#[test]
fn only_what_nobody_wished_to_be_gone_is_counted_as_thrown_away() {
    let mut play = Play::started(Rules { collect_every: hours(10_000), ..rules() });
    let tasks: Vec<_> = (0..500).map(|number| play.cached(&format!("f{number}"), 1)).collect();
    let mut thrown_away = play.hear(Event::Asked(Ask::Remove(tasks))).evicted;
    while play.room.task_count() > 0 {
        for effect in std::mem::take(&mut play.to_do) {
            if let Effect::Remove(no, _) = effect {
                thrown_away += play.hear(Event::Removed(no, Ok(()))).evicted;
            }
        }
        thrown_away += play.hear(Event::Tick).evicted;
    }
    assert_eq!(thrown_away, 0);
    play.cached("old", PIECE);
    play.now = play.now.later(rules().ttl + secs(1));
    let _ = play.hear(Event::Asked(Ask::Collect));
    assert_eq!(play.hear(Event::Disk(Pressure { free: play.free })).evicted, 1);
}

#[test]
fn a_task_that_stands_as_before_is_no_news() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.tell(Event::Answered(no, source(PIECE, "v")));
    let plan = play.hear(Event::Tick);
    assert_eq!(plan.moved, []);
    play.calm();
    play.pieces(no, 0..1);
    assert_eq!(play.hear(Event::Fetched(no, FetchEnd::Whole { length: PIECE })).moved, [no]);
    let pinned = play.hear(Event::Asked(Ask::Pin(no, me())));
    assert_eq!((pinned.moved, pinned.tasks), (vec![], vec![no]));
}

#[test]
fn a_job_of_many_cached_urls_lets_others_have_a_turn() {
    let mut play = Play::started(rules());
    let names: Vec<_> = (0..700).map(|number| format!("f{number}")).collect();
    for name in &names {
        play.cached(name, 1);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let job = play.submit(Args::Preheat(preheat_args(&names)));
    play.tell(Event::Tick);
    assert_eq!(play.room.deadline(), Some(play.now.mono));
    let so_far = ends(play.room.unfinished(job).expect("not over")).iter().filter(|end| *end == "ok").count();
    assert!((100..=200).contains(&so_far), "{so_far}");
    assert_eq!(play.room.jobs_for(play.task_of("f0")), []);
    assert!(play.room.job_deadline(job).is_some());
    play.calm();
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
    assert_eq!(play.room.job_deadline(job), None);
}

#[test]
fn many_that_were_used_since_are_looked_at_in_slices() {
    let mut play = Play::started(Rules { collect_every: hours(10_000), ..rules() });
    for number in 0..4_500 {
        play.cached(&format!("f{number}"), 1);
    }
    play.now = play.now.later(rules().ttl + secs(1));
    play.tell(Event::Tick); // uses are looked at by themselves: once
    play.calm();
    play.now = play.now.later(rules().ttl + secs(1));
    let now = play.now.wall;
    play.room.tasks().for_each(|task| task.used.touch(now));
    let owed = play.hear(Event::Asked(Ask::Collect)).owed.expect("later");
    play.tell(Event::Disk(Pressure { free: play.free }));
    assert_eq!(play.room.deadline(), Some(play.now.mono), "there is more to look at");
    assert!(!play.late.contains_key(&owed));
    play.calm();
    assert!(matches!(play.late[&owed], Verdict::Collected { .. }));
}

#[test]
fn jobs_that_go_on_hide_no_old_ones() {
    let mut play = Play::started(rules());
    for number in 0..5_000 {
        play.submit(Args::Preheat(preheat_args(&[&format!("f{number}")])));
    }
    let old = play.submit(Args::GetTask(find_args(by_url("none"))));
    play.calm();
    let gc = Args::Gc(GcArgs { kind: GcKind::Job, ttl: secs(0) });
    play.now = play.now.later(secs(1));
    assert!(
        matches!(play.ask_and_wait(Ask::Submit(new_job(gc))), Verdict::Job(job) if job.part.result == JobResult::Purged(1))
    );
    assert!(!play.room.heads().any(|head| head.id == old));
}
