//! A start: what was told is there, leases go on, and no number is given out twice.

use super::picture::Picture;
use super::play::*;
use crate::base::Mono;
use crate::tracker::machine::*;
use crate::tracker::model::*;

#[test]
fn leases_go_on_for_what_they_had_left() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 100, ..task("x") });
    assert_eq!(play.fetch_tied(worker, project, 1), Some(id));
    play.pass(secs(40));
    // The host was down for 30 seconds: its monotonic clock begins again.
    play.now.wall += chrono::TimeDelta::seconds(30);
    play.now.mono = Mono(secs(3));
    play.crash();
    assert_eq!(play.watched.iter().collect::<Vec<_>>(), [&process(1)]);
    play.pass(millis(29_999));
    assert!(play.standing(id).lease.is_some());
    play.pass(millis(1));
    assert!(play.standing(id).lease.is_none());
    assert!(play.watched.is_empty());
}

#[test]
fn a_clock_set_back_grants_no_more_than_was_granted() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 100, ..task("x") });
    play.fetch(worker, project);
    play.now.wall -= chrono::TimeDelta::days(1);
    play.crash();
    play.pass(secs(100));
    assert!(play.standing(id).lease.is_none());
}

#[test]
fn what_ended_while_nobody_was_there_ends_at_once() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let id = play.put_one(project, NewTask { max_assign: 100, ..task("x") });
    play.fetch(worker, project);
    play.now.wall += chrono::TimeDelta::seconds(100);
    play.crash();
    assert_eq!(play.room.deadline(), Some(play.now.mono));
    assert_eq!(play.fetch(worker, project), Some(id));
}

#[test]
fn numbers_are_never_given_out_twice() {
    let mut play = Play::new();
    let project = play.open_project("p");
    let (mut last, mut workers, mut projects) = (TaskId(0), vec![], vec![project]);
    let mut written = 0;
    for round in 0..60 {
        let ask = Ask::Submit { by: Submitter::Manager(ADMIN), project, tasks: vec![task("x"); 100] };
        let plan = play.step(Event::Asked(ask));
        written += plan.writes.iter().filter(|write| matches!(write, Write::PutNumbers(_))).count();
        let Some(Verdict::Submitted(answers)) = plan.verdict else { panic!() };
        for id in answers {
            let id = id.unwrap();
            assert!(id > last);
            last = id;
        }
        workers.push(play.worker());
        projects.push(play.open_project(&format!("p{round}")));
        if round % 20 == 19 {
            play.ask(Ask::HardReset { by: ADMIN, project });
            play.crash();
        }
    }
    assert!(written < 12, "{written}");
    assert!(workers.is_sorted_by(|a, b| a < b) && projects.is_sorted_by(|a, b| a < b));
}

#[test]
fn numbers_run_out_without_harm() {
    let worker = Worker {
        id: WorkerId(2_147_483_646),
        alias: "last but one".into(),
        created: 0,
        secret: WorkerSecret([0; 32]),
        paused: false,
    };
    let numbers = Numbers { worker: 2_147_483_647, project: 2_147_483_647, task: i64::MAX.unsigned_abs() };
    let stored = Stored { workers: vec![(worker, 0)], numbers, ..Stored::default() };
    let now = beginning();
    let (mut room, _) = Room::recover(SETTINGS, stored, now);
    let mut ask = |ask| room.step(Event::Asked(ask), now).verdict.unwrap();
    let make = |alias: &str| Ask::CreateWorker { alias: alias.into(), secret: WorkerSecret([0; 32]) };
    assert!(matches!(ask(make("last")), Verdict::Worker(_)));
    assert_eq!(ask(make("none")), Verdict::Refused(Refusal::Full));
    let project = |name: &str| {
        let definition = Box::new(definition(name));
        Ask::CreateProject { by: ADMIN, definition, webhook_secret: crate::base::Secret::new("") }
    };
    assert_eq!(ask(project("last")), Verdict::Project(ProjectId(2_147_483_647)));
    assert_eq!(ask(project("none")), Verdict::Refused(Refusal::Full));
    let tasks = vec![task("a"), task("b")];
    let submit = Ask::Submit { by: Submitter::Manager(ADMIN), project: ProjectId(2_147_483_647), tasks };
    let last = TaskId(i64::MAX.unsigned_abs());
    assert_eq!(ask(submit), Verdict::Submitted(vec![Ok(last), Err(Refusal::Full)]));
}

#[test]
fn an_empty_store_is_an_empty_room() {
    let (room, plan) = Room::recover(SETTINGS, Stored::default(), beginning());
    assert!(plan.writes.is_empty() && plan.effects.is_empty() && plan.changes.is_empty() && plan.verdict.is_none());
    let picture = Picture::of(&room, beginning());
    assert_eq!((picture.workers.len(), picture.projects.len(), room.is_empty()), (0, 0, true));
    assert_eq!(room.deadline(), Some(beginning().mono + SETTINGS.sample_every));
}
