//! What a worker's word does to a task: section 6.4 of the protocol, case by case.

use super::play::*;
use crate::tracker::machine::*;
use crate::tracker::model::*;

fn voted(count: i16) -> NewTask {
    NewTask { verification_count: count, max_retries: 5, ..task("x") }
}

#[test]
fn a_result_closes_a_task_and_is_counted() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, task("x"));
    play.fetch(worker, project);
    assert!(play.release(worker, id, Outcome::Done(7)));
    assert_eq!(play.room.task(id), None);
    assert_eq!((play.room.len(), play.count(project).closed), (0, 1));
    assert_eq!(play.room.workers().map(|(_, closed)| closed).collect::<Vec<_>>(), [1]);
    assert!(!play.release(worker, id, Outcome::Done(7)), "it is closed already");
    play.crash();
}

#[test]
fn only_the_holder_changes_anything() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, task("x"));
    play.fetch(one, project);
    for outcome in [Outcome::Done(0), Outcome::Failed, Outcome::Skipped] {
        assert!(!play.release(two, id, outcome));
    }
    let nothing = Ask::Release { worker: one, task: id, outcome: None, reason: String::new() };
    assert_eq!(play.ask(nothing), Verdict::Released(false));
    assert_eq!(play.fetch(two, project), None, "still held");
    assert!(play.release(one, id, Outcome::Done(0)));
    assert!(!play.release(one, TaskId(99), Outcome::Done(0)));
    assert!(!play.release(WorkerId(99), id, Outcome::Done(0)));
}

#[test]
fn failures_are_counted_until_they_are_too_many() {
    for (max_retries, tries) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        let mut play = Play::new();
        let (project, worker) = (play.open_project("p"), play.worker());
        let id = play.put_one(project, NewTask { max_retries, ..task("x") });
        for failed in 0..tries {
            assert_eq!(play.standing(id).retries, failed);
            assert_eq!(play.fetch(worker, project), Some(id));
            assert!(play.release(worker, id, Outcome::Failed));
        }
        assert_eq!(play.fetch(worker, project), None);
        assert_eq!(play.changes, []);
        let standing = play.standing(id);
        assert_eq!((standing.status, standing.retries), (Status::Failed, tries));
        let failing = Failing { at: play.now.wall, worker, reason: "because".into() };
        assert_eq!(standing.failing, Some(failing));
        assert_eq!((play.count(project).failed, play.count(project).new), (1, 0));
        play.crash();
    }
}

#[test]
fn a_failure_for_good_is_told() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_retries: 2, ..task("x") });
    play.fetch(worker, project);
    play.release(worker, id, Outcome::Failed);
    assert_eq!(play.changes, []);
    play.fetch(worker, project);
    play.release(worker, id, Outcome::Failed);
    assert_eq!(play.changes, [Change { project, what: What::Failed(id) }]);
}

#[test]
fn who_skips_may_get_it_again() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, task("x"));
    play.fetch(worker, project);
    assert!(play.release(worker, id, Outcome::Skipped));
    assert_eq!(play.standing(id), Standing::default());
    assert_eq!(play.fetch(worker, project), Some(id));
}

#[test]
fn several_have_to_agree() {
    let mut play = Play::new();
    let project = play.open_project("p");
    let workers = [play.worker(), play.worker(), play.worker()];
    let id = play.put_one(project, voted(2));
    for (worker, value, updated) in [(0, 7, false), (1, 8, false), (2, 7, true)] {
        assert_eq!(play.fetch(workers[worker], project), Some(id));
        assert_eq!(play.release(workers[worker], id, Outcome::Done(value)), updated);
        if !updated {
            play.crash();
            assert_eq!(play.fetch(workers[worker], project), None, "he has voted");
            assert_eq!(play.count(project).votes, worker as u64 + 1);
            assert_eq!(play.count(project).new, 0);
        }
    }
    assert_eq!(play.room.workers().map(|(_, closed)| closed).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(play.count(project).votes, 0);
}

#[test]
fn failing_and_skipping_cast_no_vote() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, voted(2));
    play.fetch(one, project);
    play.release(one, id, Outcome::Done(1));
    play.fetch(two, project);
    assert!(play.release(two, id, Outcome::Failed));
    assert_eq!(play.fetch(two, project), Some(id));
    assert!(play.release(two, id, Outcome::Skipped));
    assert_eq!(play.standing(id).votes, [Vote { worker: one, value: 1 }]);
    assert_eq!(play.fetch(two, project), Some(id));
    assert!(play.release(two, id, Outcome::Done(1)));
}

#[test]
fn one_result_is_enough_where_no_more_are_asked_for() {
    for count in [i16::MIN, -1, 1] {
        let mut play = Play::new();
        let (project, worker) = (play.open_project("p"), play.worker());
        let id = play.put_one(project, voted(count));
        play.fetch(worker, project);
        assert!(play.release(worker, id, Outcome::Done(1)), "{count}");
    }
}

#[test]
fn who_has_voted_gets_the_next_best() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let best = play.put_one(project, NewTask { priority: 9, ..voted(3) });
    let next = play.put_one(project, NewTask { priority: 5, ..voted(3) });
    let plain = play.put_one(project, task("x"));
    play.fetch(one, project);
    play.release(one, best, Outcome::Done(1));
    assert_eq!(play.fetch(one, project), Some(next));
    play.release(one, next, Outcome::Done(1));
    assert_eq!(play.fetch(one, project), Some(plain));
    assert_eq!(play.fetch(two, project), Some(best), "votes cost no priority");
}

#[test]
fn a_closed_task_goes_on_in_the_next_project() {
    let mut play = Play::new();
    let (first, worker) = (play.open_project("first"), play.worker());
    let second = play.project(Definition { public: true, chain: Some(first), ..definition("second") });
    play.update(ADMIN, first, |definition| definition.paused = true);
    let what = NewTask {
        priority: 3,
        max_retries: 4,
        max_assign: 77,
        verification_count: 1,
        hash: 5,
        not_before: Some(play.now.wall),
        ..task("###")
    };
    let id = play.put_one(second, what.clone());
    play.fetch(worker, second);
    assert!(play.release(worker, id, Outcome::Done(0)));
    play.crash();
    play.update(ADMIN, first, |definition| definition.paused = false);
    let copy = play.fetch(worker, first).expect("a copy");
    let (task, standing) = play.room.task(copy).unwrap();
    assert_eq!(task.what, NewTask { not_before: None, ..what.clone() });
    assert_eq!(standing.retries, 0);
    // The hash is free again where it closed, and taken where the copy is.
    let id = play.put_one(second, what);
    assert_eq!(play.fetch(worker, second), Some(id));
    assert!(play.release(worker, id, Outcome::Done(0)));
    assert_eq!((play.count(first).new, play.count(second).closed), (1, 2));
}

#[test]
fn failing_chains_nothing() {
    let mut play = Play::new();
    let (first, worker) = (play.open_project("first"), play.worker());
    let second = play.project(Definition { public: true, chain: Some(first), ..definition("second") });
    let id = play.put_one(second, NewTask { max_retries: 0, ..task("x") });
    play.fetch(worker, second);
    play.release(worker, id, Outcome::Failed);
    assert_eq!(play.ask(Ask::HardReset { by: ADMIN, project: second }), Verdict::Affected(1));
    assert_eq!(play.room.len(), 0);
}

#[test]
fn a_hash_is_taken_while_its_task_exists() {
    let mut play = Play::new();
    let (project, other, worker) = (play.open_project("p"), play.open_project("q"), play.worker());
    let hashed = |hash| NewTask { hash, max_retries: 0, ..task("x") };
    let tasks = vec![hashed(9), hashed(9), hashed(0), hashed(0), hashed(-9)];
    let Verdict::Submitted(answers) = play.ask(Ask::Submit { by: Submitter::Manager(ADMIN), project, tasks }) else {
        panic!()
    };
    let refused: Vec<_> = answers.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false, false, false]);
    assert_eq!(answers[1], Err(Refusal::Duplicate));
    play.put_one(other, hashed(9));
    play.crash();
    let again =
        |play: &mut Play| play.ask(Ask::Submit { by: Submitter::Manager(ADMIN), project, tasks: vec![hashed(9)] });
    assert_eq!(again(&mut play), Verdict::Submitted(vec![Err(Refusal::Duplicate)]));
    let id = play.fetch(worker, project).unwrap();
    play.release(worker, id, Outcome::Failed);
    assert_eq!(again(&mut play), Verdict::Submitted(vec![Err(Refusal::Duplicate)]), "failed tasks exist");
    play.ask(Ask::DeleteTask { by: ADMIN, task: id });
    assert!(matches!(again(&mut play), Verdict::Submitted(answers) if answers[0].is_ok()));
}
