//! Those who wait for a task: who gets it, when, and what makes it happen.

use super::play::*;
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::time::Duration;

#[test]
fn a_new_task_goes_to_whoever_has_waited_longest() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let first = play.wait(one, From::Project(project), secs(30));
    let second = play.wait(two, From::Any, secs(30));
    let a = play.put_one(project, task("a"));
    assert_eq!(play.served(), [(first, vec![a])]);
    assert_eq!(play.standing(a).lease.map(|lease| lease.worker), Some(one));
    let b = play.put_one(project, task("b"));
    assert_eq!(play.served(), [(second, vec![b])]);
    let c = play.put_one(project, task("c"));
    assert_eq!(play.served(), []);
    assert_eq!(play.fetch(one, project), Some(c));
    play.crash();
}

#[test]
fn the_lease_of_one_who_waited_is_in_the_same_plan() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    play.wait(worker, From::Project(project), secs(30));
    let ask = Ask::Submit { by: Submitter::Manager(ADMIN), project, tasks: vec![task("a")] };
    let plan = play.step(Event::Asked(ask));
    let held = |write: &Write| matches!(write, Write::PutStanding(_, _, standing, _) if standing.lease.is_some());
    assert!(plan.writes.iter().any(held));
    assert!(matches!(&plan.effects[..], [Effect::Hand(_, who, handed)] if *who == worker && handed.len() == 1));
}

#[test]
fn patience_ends() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let wait = play.wait(worker, From::Project(project), secs(30));
    play.pass(millis(29_999));
    assert_eq!(play.effects, []);
    play.pass(millis(1));
    assert_eq!(play.effects, [Effect::GiveUp(wait)]);
    play.put_one(project, task("a"));
    assert_eq!(play.effects, []);
    assert_eq!(play.room.waiting(), 0);
}

#[test]
fn at_the_last_moment_is_in_time() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 30, ..task("x") });
    play.fetch(one, project);
    let wait = play.wait(two, From::Project(project), secs(30));
    play.pass(secs(30));
    assert_eq!(play.served(), [(wait, vec![id])]);
    assert_eq!(play.effects.len(), 1);
}

#[test]
fn who_has_left_gets_nothing() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let first = play.wait(one, From::Project(project), secs(30));
    let second = play.wait(two, From::Project(project), secs(30));
    play.step(Event::Left(first));
    let id = play.put_one(project, task("a"));
    assert_eq!(play.served(), [(second, vec![id])]);
    play.step(Event::Left(second));
    assert!(play.standing(id).lease.is_some());
    play.undelivered(two, id);
    assert_eq!(play.fetch(one, project), Some(id));
}

#[test]
fn what_was_not_delivered_goes_to_the_next() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    play.wait(one, From::Project(project), secs(30));
    let second = play.wait(two, From::Project(project), secs(30));
    let id = play.put_one(project, task("a"));
    play.undelivered(one, id);
    assert_eq!(play.served(), [(second, vec![id])]);
}

#[test]
fn whatever_frees_a_task_serves_those_who_wait() {
    let frees: [fn(&mut Play, WorkerId, TaskId); 8] = [
        |play, one, id| assert!(play.release(one, id, Outcome::Skipped)),
        |play, one, id| assert!(play.release(one, id, Outcome::Failed)),
        |play, one, id| assert!(!play.release(one, id, Outcome::Done(1))),
        |play, _, _| drop(play.step(Event::Died(process(1)))),
        |play, _, _| play.pass(SETTINGS.default_assign),
        |play, _, _| drop(play.ask(Ask::Reclaim { by: ADMIN, project: ProjectId(1) })),
        |play, one, id| play.undelivered(one, id),
        |play, _, _| assert!(play.put_one(ProjectId(1), NewTask { priority: -1, ..task("y") }).0 > 1),
    ];
    for (at, free) in frees.into_iter().enumerate() {
        let mut play = Play::new();
        let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
        let id = play.put_one(project, NewTask { verification_count: 2, ..task("x") });
        assert_eq!(play.fetch_tied(one, project, 1), Some(id));
        let wait = play.wait(two, From::Any, secs(1_000));
        free(&mut play, one, id);
        let served = play.served();
        assert_eq!((served.len(), served[0].0), (1, wait), "{at}");
    }
}

#[test]
fn what_failed_serves_those_who_wait_when_it_is_reset() {
    let asks: [fn(TaskId) -> Ask; 2] =
        [|_| Ask::ResetFailed { by: ADMIN, project: ProjectId(1) }, |task| Ask::Requeue { by: ADMIN, task }];
    for ask in asks {
        let mut play = Play::new();
        let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
        let id = play.put_one(project, NewTask { max_retries: 0, ..task("x") });
        play.fetch(one, project);
        play.release(one, id, Outcome::Failed);
        let wait = play.wait(two, From::Project(project), secs(30));
        play.ask(ask(id));
        assert_eq!(play.served(), [(wait, vec![id])]);
        play.crash();
    }
}

#[test]
fn whatever_opens_a_project_serves_those_who_wait() {
    let mut play = Play::new();
    let (project, worker) = (play.project(definition("p")), play.worker());
    let ids = play.put(project, vec![task("a"), task("b"), task("c"), task("d")]);
    let wait = play.wait(worker, From::Any, secs(300));
    play.ask(Ask::RequestAccess { worker, project, assign: true, submit: false });
    assert_eq!(play.served(), []);
    play.ask(Ask::AcceptAccess { by: ADMIN, project, worker });
    assert_eq!(play.served(), [(wait, vec![ids[0]])]);

    play.ask(Ask::RejectAccess { by: ADMIN, project, worker });
    let wait = play.wait(worker, From::Project(project), secs(300));
    play.update(ADMIN, project, |definition| definition.public = true);
    assert_eq!(play.served(), [(wait, vec![ids[1]])]);

    play.update(ADMIN, project, |definition| definition.paused = true);
    let wait = play.wait(worker, From::Any, secs(300));
    play.update(ADMIN, project, |definition| definition.paused = false);
    assert_eq!(play.served(), [(wait, vec![ids[2]])]);
}

#[test]
fn a_paused_worker_waits_on() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let first = play.wait(one, From::Project(project), secs(30));
    let second = play.wait(two, From::Project(project), secs(30));
    play.ask(Ask::PauseWorker { by: ADMIN, worker: one, paused: true });
    let a = play.put_one(project, task("a"));
    assert_eq!(play.served(), [(second, vec![a])]);
    let b = play.put_one(project, task("b"));
    assert_eq!(play.served(), []);
    play.ask(Ask::PauseWorker { by: ADMIN, worker: one, paused: false });
    assert_eq!(play.served(), [(first, vec![b])]);
}

#[test]
fn a_moment_that_comes_serves_those_who_wait() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let not_before = Some(play.now.later(secs(20)).wall);
    let id = play.put_one(project, NewTask { not_before, ..task("x") });
    let wait = play.wait(worker, From::Project(project), secs(30));
    play.pass(millis(19_999));
    assert_eq!(play.served(), []);
    play.pass(millis(1));
    assert_eq!(play.served(), [(wait, vec![id])]);
}

#[test]
fn a_bucket_that_refills_serves_those_who_wait_for_any() {
    let mut play = Play::new();
    let (one, two, three) = (play.worker(), play.worker(), play.worker());
    let project = play.project(Definition { public: true, assign: rate(2.0), ..definition("p") });
    let ids = play.put(project, vec![task("a"), task("b"), task("c")]);
    assert_eq!(play.fetch(one, project), Some(ids[0]));
    let first = play.wait(two, From::Any, secs(30));
    let second = play.wait(three, From::Any, secs(30));
    play.pass(millis(499));
    assert_eq!(play.served(), []);
    play.pass(millis(1));
    assert_eq!(play.served(), [(first, vec![ids[1]])]);
    play.pass(millis(500));
    assert_eq!(play.served(), [(second, vec![ids[2]])]);
}

#[test]
fn a_workers_own_bucket_lets_others_pass() {
    let mut play = Play::new();
    let (one, two) = (play.worker(), play.worker());
    let assign = Limit { per_worker: Rate::new(1.0), ..Limit::default() };
    let project = play.project(Definition { public: true, assign, ..definition("p") });
    let a = play.put_one(project, task("a"));
    assert_eq!(play.fetch(one, project), Some(a));
    let first = play.wait(one, From::Any, secs(30));
    let second = play.wait(two, From::Any, secs(30));
    let ids = play.put(project, vec![task("b"), task("c")]);
    assert_eq!(play.served(), [(second, vec![ids[0]])]);
    play.pass(secs(1));
    assert_eq!(play.served(), [(first, vec![ids[1]])]);
}

#[test]
fn who_waits_for_a_project_has_paid_already() {
    let mut play = Play::new();
    let worker = play.worker();
    let project = play.project(Definition { public: true, assign: rate(0.1), ..definition("p") });
    let wait = play.wait(worker, From::Project(project), secs(30));
    play.pass(secs(1));
    let id = play.put_one(project, task("a"));
    assert_eq!(play.served(), [(wait, vec![id])]);
}

#[test]
fn who_has_voted_waits_for_another_task() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let id = play.put_one(project, NewTask { verification_count: 2, ..task("x") });
    play.fetch(one, project);
    let first = play.wait(one, From::Project(project), secs(30));
    let second = play.wait(two, From::Project(project), secs(30));
    play.release(one, id, Outcome::Done(1));
    assert_eq!(play.served(), [(second, vec![id])]);
    let other = play.put_one(project, task("y"));
    assert_eq!(play.served(), [(first, vec![other])]);
}

#[test]
fn one_who_waits_may_get_several() {
    let mut play = Play::new();
    let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
    let wait = play.fetch_from(one, From::Any, 2, secs(30));
    let Verdict::Waiting(first) = wait else { panic!() };
    let second = play.wait(two, From::Any, secs(30));
    let ids = play.put(project, vec![task("a"), task("b"), task("c")]);
    assert_eq!(play.served(), [(first, ids[..2].to_vec()), (second, ids[2..].to_vec())]);
}

#[test]
fn the_longest_waiting_comes_first_over_all_projects_that_stir() {
    let mut play = Play::new();
    let (one, two, holder) = (play.worker(), play.worker(), play.worker());
    let high = play.project(Definition { public: true, priority: 9, ..definition("high") });
    let low = play.open_project("low");
    let ids = [play.put_one(high, task("a")), play.put_one(low, task("b"))];
    let tied = Some(process(1));
    play.ask(Ask::Fetch { worker: holder, from: From::Any, count: 9, wait: Duration::ZERO, process: tied });
    let first = play.wait(one, From::Project(low), secs(30));
    let Verdict::Waiting(second) = play.fetch_from(two, From::Any, 9, secs(30)) else { panic!() };
    play.step(Event::Died(process(1)));
    assert_eq!(play.served(), [(first, vec![ids[1]]), (second, vec![ids[0]])]);
}

#[test]
fn chains_serve_those_who_wait() {
    let mut play = Play::new();
    let (first, one, two) = (play.open_project("first"), play.worker(), play.worker());
    let second = play.project(Definition { public: true, chain: Some(first), ..definition("second") });
    let id = play.put_one(second, task("x"));
    play.fetch(one, second);
    let wait = play.wait(two, From::Project(first), secs(30));
    play.release(one, id, Outcome::Done(0));
    assert_eq!(play.served().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [wait]);
}
