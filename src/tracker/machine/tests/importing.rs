//! Rows of another tracker.

use super::play::*;
use crate::base::Secret;
use crate::tracker::machine::*;
use crate::tracker::model::*;

fn worker(id: u32) -> Imported {
    let secret = WorkerSecret([1; 32]);
    Imported::Worker(Worker { id: WorkerId(id), alias: "old".into(), created: 5, secret, paused: true }, 7)
}

fn project(id: u32, name: &str, chain: Option<u32>) -> Imported {
    let definition = Box::new(Definition { public: true, chain: chain.map(ProjectId), ..definition(name) });
    let (secret, webhook_secret) = (Secret::new("s"), Secret::new("w"));
    Imported::Project { id: ProjectId(id), definition, secret, webhook_secret, closed: 3 }
}

fn row(id: u64, project: u32, hash: i64, standing: Standing) -> Imported {
    let what = NewTask { hash, verification_count: 3, ..task("x") };
    Imported::Task(Task { id: TaskId(id), project: ProjectId(project), what }, standing)
}

fn unknown(what: &str) -> Result<(), Refusal> {
    Err(Refusal::Unknown(what.into()))
}

fn taken(what: &str) -> Result<(), Refusal> {
    Err(Refusal::NumberTaken(what.into()))
}

#[test]
fn rows_keep_their_numbers_and_counters_go_on_behind_them() {
    let mut play = Play::new();
    let now = play.now.wall;
    let lease = Lease { worker: WorkerId(40), since: now, until: play.now.later(secs(60)).wall, process: None };
    let vote = |worker, value| Vote { worker: WorkerId(worker), value };
    let access = Access { assign: true, submit: true, pending: false };
    let rows = vec![
        worker(40),
        project(30, "p", Some(31)),
        project(31, "q", None),
        Imported::Access(ProjectId(30), WorkerId(40), access),
        Imported::Role(ProjectId(30), ManagerId(4), Role::EDIT),
        row(500, 30, 1, Standing { lease: Some(lease), ..Standing::default() }),
        row(501, 30, 2, Standing { votes: vec![vote(40, 1), vote(40, 2)], ..Standing::default() }),
        row(502, 30, 3, Standing { status: Status::Failed, retries: 3, lease: Some(lease), ..Standing::default() }),
    ];
    let count = rows.len();
    let verdict = play.ask(Ask::Import { by: ADMIN, rows });
    assert_eq!(verdict, Verdict::Imported(vec![Ok(()); count]));
    play.crash();
    assert_eq!(play.room.project(ProjectId(30)).unwrap().closed, 3);
    assert_eq!(play.room.workers().map(|(_, closed)| closed).collect::<Vec<_>>(), [7]);
    assert_eq!(play.standing(TaskId(501)).votes, [vote(40, 1)], "one vote each");
    assert_eq!(play.standing(TaskId(502)).lease, None);
    let fresh = play.worker();
    assert!(fresh.0 > 40 && play.open_project("new").0 > 31);
    assert!(play.put_one(ProjectId(30), task("y")) > TaskId(502));
    assert_eq!(play.fetch(fresh, ProjectId(30)), Some(TaskId(501)));
    play.pass(secs(60));
    assert_eq!(play.fetch(fresh, ProjectId(30)), Some(TaskId(500)));
}

#[test]
fn what_is_there_is_never_replaced() {
    let mut play = Play::new();
    let rows = || vec![worker(1), project(1, "p", None), row(1, 1, 5, Standing::default())];
    play.ask(Ask::Import { by: ADMIN, rows: rows() });
    let mut again = rows();
    again.push(project(2, "p", None));
    again.push(row(2, 1, 5, Standing::default()));
    let verdict = play.ask(Ask::Import { by: ADMIN, rows: again });
    let expected =
        vec![taken("worker 1"), taken("project 1"), taken("task 1"), Err(Refusal::NameTaken), Err(Refusal::Duplicate)];
    assert_eq!(verdict, Verdict::Imported(expected));
    play.crash();
}

#[test]
fn rows_about_nothing_are_refused() {
    let mut play = Play::new();
    let access = Access { assign: true, submit: true, pending: true };
    let lease = Lease { worker: WorkerId(9), since: play.now.wall, until: play.now.wall, process: None };
    let vote = Vote { worker: WorkerId(8), value: 1 };
    let rows = vec![
        worker(0),
        worker(u32::MAX),
        project(0, "zero", None),
        project(u32::MAX, "huge", None),
        project(1, "p", Some(9)),
        project(2, "q", Some(2)),
        project(3, "r", None),
        Imported::Access(ProjectId(9), WorkerId(9), access),
        Imported::Access(ProjectId(3), WorkerId(9), access),
        Imported::Role(ProjectId(9), ManagerId(1), Role::EDIT),
        row(0, 3, 0, Standing::default()),
        row(u64::MAX, 3, 0, Standing::default()),
        row(1, 9, 0, Standing::default()),
        row(1, 3, 0, Standing { lease: Some(lease), ..Standing::default() }),
        row(1, 3, 0, Standing { votes: vec![vote], ..Standing::default() }),
    ];
    assert_eq!(
        play.ask(Ask::Import { by: Manager::Guest, rows: rows.clone() }),
        Verdict::Refused(Refusal::Unauthorized)
    );
    let expected = vec![
        unknown("worker 0"),
        Err(Refusal::Full),
        unknown("project 0"),
        Err(Refusal::Full),
        unknown("project 9"),
        unknown("project 2"),
        Ok(()),
        unknown("project 9"),
        unknown("worker 9"),
        unknown("project 9"),
        unknown("task 0"),
        Err(Refusal::Full),
        unknown("project 9"),
        unknown("worker 9"),
        unknown("worker 8"),
    ];
    assert_eq!(play.ask(Ask::Import { by: ADMIN, rows }), Verdict::Imported(expected));
    play.crash();
}

#[test]
fn a_chain_to_a_row_that_was_refused_is_cut() {
    let mut play = Play::new();
    play.project(definition("taken"));
    let rows = vec![project(30, "p", Some(31)), project(31, "taken", None)];
    let verdict = play.ask(Ask::Import { by: ADMIN, rows });
    assert_eq!(verdict, Verdict::Imported(vec![Ok(()), Err(Refusal::NameTaken)]));
    assert_eq!(play.room.project(ProjectId(30)).unwrap().definition.chain, None);
    play.crash();
}

#[test]
fn imported_tasks_serve_those_who_wait() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    let wait = play.wait(worker, From::Project(project), secs(30));
    play.ask(Ask::Import { by: ADMIN, rows: vec![row(77, project.0, 0, Standing::default())] });
    assert_eq!(play.served(), [(wait, vec![TaskId(77)])]);
}
