//! Who is handed what, for how long, and what ends it.

use super::play::*;
use crate::base::Wall;
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::time::Duration;

#[test]
fn higher_priorities_come_first_then_lower_numbers() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let of = |priority| NewTask { priority, ..task("x") };
    let ids = play.put(project, vec![of(1), of(5), of(-3), of(5), of(i16::MAX), of(i16::MIN)]);
    let got: Vec<_> = std::iter::from_fn(|| play.fetch(worker, project)).collect();
    assert_eq!(got, [4, 1, 3, 0, 2, 5].map(|place: usize| ids[place]));
}

#[test]
fn a_task_comes_with_its_lease_and_its_project() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    play.put(project, vec![NewTask { max_assign: 10, ..task("x") }]);
    let ask =
        Ask::Fetch { worker, from: From::Project(project), count: 1, wait: Duration::ZERO, process: Some(process(9)) };
    let Verdict::Handed(handed) = play.ask(ask) else { panic!() };
    let lease = handed[0].standing.lease.expect("a lease");
    let now = play.now.wall;
    let until = play.now.later(secs(10)).wall;
    assert_eq!(lease, Lease { worker, since: now, until, process: Some(process(9)) });
    assert_eq!((handed[0].task.what.recipe.as_ref(), handed[0].project.name.as_str()), ("x", "p"));
}

#[test]
fn only_who_is_entitled_is_handed_anything() {
    let mut play = Play::new();
    let project = play.project(definition("p"));
    let (stranger, asking, fetching, submitting) = (play.worker(), play.worker(), play.worker(), play.worker());
    play.ask(Ask::RequestAccess { worker: asking, project, assign: true, submit: true });
    play.grant(project, fetching, true, false);
    play.grant(project, submitting, false, true);
    play.put(project, vec![task("a"), task("b")]);
    assert_eq!(play.fetch(stranger, project), None);
    assert_eq!(play.fetch(asking, project), None);
    assert!(play.fetch(fetching, project).is_some());
    assert!(play.fetch(submitting, project).is_some(), "submitting includes fetching");
}

#[test]
fn refusals_come_in_their_order() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let fetch = |play: &mut Play, worker, from| play.fetch_from(worker, from, 1, secs(9));
    let unknown = From::Project(ProjectId(77));
    assert_eq!(fetch(&mut play, WorkerId(99), unknown), Verdict::Refused(Refusal::NoWorker));
    assert_eq!(play.ask(Ask::PauseWorker { by: ADMIN, worker, paused: true }), Verdict::Accepted);
    assert_eq!(fetch(&mut play, worker, unknown), Verdict::Refused(Refusal::Paused));
    assert_eq!(fetch(&mut play, worker, From::Any), Verdict::Refused(Refusal::Paused));
    play.crash();
    assert_eq!(fetch(&mut play, worker, From::Project(project)), Verdict::Refused(Refusal::Paused));
    play.ask(Ask::PauseWorker { by: ADMIN, worker, paused: false });
    assert_eq!(fetch(&mut play, worker, unknown), Verdict::Refused(Refusal::NoProject));
}

#[test]
fn a_paused_worker_may_release_and_submit() {
    let mut play = Play::new();
    let (project, worker) = (play.project(definition("p")), play.worker());
    play.grant(project, worker, true, true);
    let id = play.put_one(project, task("x"));
    assert_eq!(play.fetch(worker, project), Some(id));
    play.ask(Ask::PauseWorker { by: ADMIN, worker, paused: true });
    assert!(matches!(play.submit(worker, project, vec![task("y")]), Verdict::Submitted(_)));
    assert!(play.release(worker, id, Outcome::Done(0)));
}

#[test]
fn a_paused_project_hands_nothing_out_and_takes_everything() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    play.update(ADMIN, project, |definition| definition.paused = true);
    let id = play.put_one(project, task("x"));
    assert_eq!(play.fetch(worker, project), None);
    assert_eq!(play.fetch_from(worker, From::Any, 1, Duration::ZERO), Verdict::Handed(vec![]));
    play.update(ADMIN, project, |definition| definition.paused = false);
    assert_eq!(play.fetch(worker, project), Some(id));
}

#[test]
fn several_are_handed_out_at_once() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let ids = play.put(project, vec![task("a"), task("b"), task("c")]);
    let got = |verdict| match verdict {
        Verdict::Handed(handed) => handed.into_iter().map(|handed| handed.task.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(got(play.fetch_from(worker, From::Project(project), 2, Duration::ZERO)), ids[..2]);
    assert_eq!(got(play.fetch_from(worker, From::Project(project), 100, Duration::ZERO)), ids[2..]);
    assert_eq!(got(play.fetch_from(worker, From::Project(project), 100, Duration::ZERO)), []);
}

#[test]
fn any_means_the_most_important_project_first() {
    let mut play = Play::new();
    let worker = play.worker();
    let low = play.project(Definition { priority: 1, public: true, ..definition("low") });
    let high = play.project(Definition { priority: 9, public: true, ..definition("high") });
    let also_high = play.project(Definition { priority: 9, public: true, ..definition("also") });
    let closed = play.project(Definition { priority: 99, ..definition("closed") });
    let of = |play: &mut Play, project| play.put_one(project, task("x"));
    let (a, b, c, _) = (of(&mut play, low), of(&mut play, high), of(&mut play, also_high), of(&mut play, closed));
    let Verdict::Handed(handed) = play.fetch_from(worker, From::Any, 10, Duration::ZERO) else { panic!() };
    assert_eq!(handed.iter().map(|handed| handed.task.id).collect::<Vec<_>>(), [b, c, a]);
}

#[test]
fn a_lease_ends_exactly_when_its_time_is_up() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 10, ..task("x") });
    assert_eq!(play.fetch(one, project), Some(id));
    assert_eq!(play.room.deadline(), Some(play.now.mono + secs(10)));
    play.pass(millis(9_999));
    assert_eq!(play.fetch(two, project), None);
    play.pass(millis(1));
    assert_eq!(play.fetch(two, project), Some(id));
    assert_eq!(play.standing(id).retries, 0);
    assert!(!play.release(one, id, Outcome::Done(0)), "too late");
    assert!(play.release(two, id, Outcome::Done(0)));
}

#[test]
fn a_lease_that_ends_is_told() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, task("x"));
    play.fetch(worker, project);
    let lease = play.standing(id).lease.unwrap();
    play.pass(SETTINGS.default_assign);
    assert_eq!(play.changes, [Change { project, what: What::Lost { task: id, lease, died: false } }]);
}

#[test]
fn what_is_due_comes_before_what_is_asked_at_that_moment() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 10, ..task("x") });
    play.fetch(worker, project);
    // Nobody ticked.
    play.now = play.now.later(secs(10));
    assert!(!play.release(worker, id, Outcome::Done(0)));
    assert_eq!(play.fetch(worker, project), Some(id));
}

#[test]
fn the_wall_clock_does_not_end_leases() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 10, ..task("x") });
    play.fetch(worker, project);
    play.now.wall += chrono::TimeDelta::days(400);
    play.step(Event::Tick);
    assert!(play.standing(id).lease.is_some());
    play.now.wall -= chrono::TimeDelta::days(800);
    play.step(Event::Tick);
    play.pass(secs(10));
    assert!(play.standing(id).lease.is_none());
}

#[test]
fn negative_and_huge_times_are_taken_at_their_word() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let none = play.put_one(project, NewTask { max_assign: -5, ..task("x") });
    assert_eq!(play.fetch(worker, project), Some(none));
    assert_eq!(play.fetch(worker, project), Some(none), "its time was up at once");
    play.ask(Ask::DeleteTask { by: ADMIN, task: none });
    let huge = play.put_one(project, NewTask { max_assign: i32::MAX, ..task("x") });
    let usual = play.put_one(project, task("y"));
    assert_eq!(play.fetch(worker, project), Some(huge));
    assert_eq!(play.fetch(worker, project), Some(usual));
    play.pass(secs(300));
    assert_eq!(play.fetch(worker, project), Some(usual));
    assert_eq!(play.fetch(worker, project), None);
}

#[test]
fn nothing_is_handed_out_before_its_moment() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let at = |seconds: u64| Some(play.now.later(secs(seconds)).wall);
    let tasks = [at(20), at(10), at(10), None].map(|not_before| NewTask { not_before, ..task("x") });
    let ids = play.put(project, tasks.to_vec());
    assert_eq!(play.fetch(worker, project), Some(ids[3]));
    assert_eq!(play.fetch(worker, project), None);
    assert_eq!(play.room.deadline(), Some(play.now.mono + secs(10)));
    play.pass(secs(10));
    assert_eq!([play.fetch(worker, project), play.fetch(worker, project)], [Some(ids[1]), Some(ids[2])]);
    assert_eq!(play.fetch(worker, project), None);
    play.now.wall += chrono::TimeDelta::seconds(10);
    assert_eq!(play.fetch(worker, project), Some(ids[0]), "the wall clock counts here");
    assert_eq!(play.count(project).new, 4);
}

#[test]
fn a_moment_at_the_end_of_time_is_never() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    play.put_one(project, NewTask { not_before: Some(Wall::MAX_UTC), ..task("x") });
    play.put_one(project, NewTask { not_before: Some(Wall::MIN_UTC), ..task("y") });
    assert!(play.fetch(worker, project).is_some());
    play.pass(secs(1_000_000));
    play.ask(Ask::HardReset { by: ADMIN, project });
    assert_eq!(play.fetch(worker, project), None);
}

#[test]
fn the_death_of_a_process_frees_what_was_tied_to_it() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let ids = play.put(project, vec![task("a"), task("b"), task("c")]);
    assert_eq!(play.fetch_tied(worker, project, 1), Some(ids[0]));
    assert_eq!(play.effects, [Effect::Watch(process(1))]);
    assert_eq!(play.fetch_tied(worker, project, 1), Some(ids[1]));
    assert_eq!(play.effects, []);
    assert_eq!(play.fetch_tied(worker, project, 2), Some(ids[2]));
    play.step(Event::Died(process(1)));
    assert_eq!(play.effects, [Effect::Unwatch(process(1))]);
    assert_eq!(play.changes.len(), 2);
    assert!(matches!(play.changes[0].what, What::Lost { died: true, .. }));
    assert_eq!(play.standing(ids[0]), Standing::default());
    assert!(!play.release(worker, ids[0], Outcome::Done(0)));
    assert!(play.release(worker, ids[2], Outcome::Done(0)));
    assert_eq!(play.effects, [Effect::Unwatch(process(2))]);
    play.step(Event::Died(process(2)));
    assert_eq!((play.effects.len(), play.changes.len()), (0, 0));
}

#[test]
fn what_never_arrived_was_never_handed_out() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, task("x"));
    assert_eq!(play.fetch_tied(one, project, 1), Some(id));
    play.undelivered(two, id);
    play.undelivered(one, TaskId(99));
    assert!(play.standing(id).lease.is_some(), "it was not his");
    play.undelivered(one, id);
    assert_eq!((&play.effects[..], &play.changes[..]), (&[Effect::Unwatch(process(1))][..], &[][..]));
    assert_eq!(play.standing(id), Standing::default());
    assert_eq!(play.fetch(two, project), Some(id));
}

/// The news that a task was not delivered comes late: its time was up meanwhile, and the worker was handed it again.
#[test]
fn what_was_handed_out_anew_is_not_taken_for_what_never_arrived() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 10, ..task("x") });
    play.fetch(one, project);
    let first = play.standing(id).lease.unwrap();
    play.pass(secs(10));
    assert_eq!(play.fetch(one, project), Some(id));
    let second = play.standing(id).lease;
    play.step(Event::Undelivered(vec![(id, first)]));
    assert_eq!(play.standing(id).lease, second);
    assert_eq!(play.fetch(two, project), None);
}

#[test]
fn a_holder_may_ask_for_more_time() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 10, ..task("x") });
    let extend = |worker| Ask::Extend { worker, task: id, by: secs(30) };
    assert_eq!(play.ask(extend(one)), Verdict::Refused(Refusal::NotHeld));
    play.fetch(one, project);
    play.pass(secs(9));
    assert_eq!(play.ask(extend(two)), Verdict::Refused(Refusal::NotHeld));
    assert_eq!(play.ask(extend(one)), Verdict::Extended(play.now.later(secs(30)).wall));
    play.pass(secs(29));
    play.crash();
    assert!(play.standing(id).lease.is_some());
    play.pass(secs(1));
    assert_eq!(play.ask(extend(one)), Verdict::Refused(Refusal::NotHeld));
    let forever = Ask::Extend { worker: one, task: id, by: Duration::MAX };
    play.fetch(one, project);
    assert_eq!(play.ask(forever), Verdict::Extended(Wall::MAX_UTC));
}
