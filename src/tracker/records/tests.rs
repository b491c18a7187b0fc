//! Each write is read back as it was, each epoch has its effect, and the stored form of each record.

use super::shapes::*;
use super::*;
use crate::base::{Secret, Wall};
use crate::store::{Kind, ReadError, Record, Store};
use crate::tracker::machine::{self, Marks};
use crate::tracker::model::{Access, Role, Sample, Standing, Task, Worker, *};
use chrono::TimeDelta;
use expect_test::expect;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PROJECT: ProjectId = ProjectId(3);

fn batch(writes: Vec<Write>) -> Batch {
    let mut batch = Batch::new();
    write(writes, &mut batch);
    batch
}

fn store(writes: Vec<Write>) -> Store {
    let store = Store::in_memory();
    drop(store.submit(batch(writes)));
    store
}

fn read(store: &Store) -> machine::Stored {
    load(&store.reader()).unwrap().stored
}

fn at(seconds: i64) -> Wall {
    Wall::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds) + TimeDelta::nanoseconds(123_456_789)
}

fn definition() -> Definition {
    Definition {
        name: "pages".into(),
        clone_url: "https://example.org/pages.git".into(),
        git_repo: "ada/pages".into(),
        version: "4f2a".into(),
        motd: "be gentle".into(),
        priority: 7,
        public: true,
        hidden: false,
        paused: true,
        chain: Some(ProjectId(4)),
        assign: Limit { rate: Rate::new(0.1), burst: 2.5, per_worker: Rate::new(1.0 / 3.0) },
        submit: Limit::default(),
    }
}

fn plain(name: &str) -> Definition {
    let limit = Limit::default();
    let text = String::new;
    Definition {
        name: name.into(),
        clone_url: text(),
        git_repo: text(),
        version: text(),
        motd: text(),
        priority: 0,
        public: false,
        hidden: false,
        paused: false,
        chain: None,
        assign: limit,
        submit: limit,
    }
}

fn worker(id: u32) -> Worker {
    let secret = WorkerSecret([7; 32]);
    Worker { id: WorkerId(id), alias: format!("worker {id}"), created: 1_700_000_000, secret, paused: id == 9 }
}

fn task(id: u64) -> Arc<Task> {
    let what = NewTask::plain(format!("{{\"page\": {id}}}"));
    Arc::new(Task { id: TaskId(id), project: PROJECT, what })
}

fn full_task(id: u64) -> Arc<Task> {
    let what = NewTask {
        recipe: "first line\nsecond \u{1F600}".into(),
        priority: -5,
        max_retries: 3,
        max_assign: -1,
        verification_count: 2,
        hash: i64::MIN,
        not_before: Some(at(60)),
    };
    Arc::new(Task { id: TaskId(id), project: PROJECT, what })
}

fn lease() -> Lease {
    let process = Some(Process { pid: 4_194_304, born: 987_654_321 });
    Lease { worker: WorkerId(1), since: at(0), until: at(300), process }
}

fn failing() -> Failing {
    Failing { at: at(5), worker: WorkerId(9), reason: "no such page".into() }
}

fn votes() -> Vec<Vote> {
    vec![Vote { worker: WorkerId(1), value: -8 }, Vote { worker: WorkerId(9), value: i64::MAX }]
}

fn failed() -> Standing {
    Standing { status: Status::Failed, retries: 4, lease: None, votes: votes(), failing: Some(failing()) }
}

fn held() -> Standing {
    Standing { status: Status::New, retries: 1, lease: Some(lease()), votes: votes(), failing: Some(failing()) }
}

fn standing(id: u64, standing: Standing, epoch: u32) -> Write {
    Write::PutStanding(PROJECT, TaskId(id), Box::new(standing), epoch)
}

/// A project without tasks, and what else it needs.
fn project() -> Vec<Write> {
    vec![
        Write::PutProject(PROJECT, Arc::new(plain("pages"))),
        Write::PutSecrets(PROJECT, Secret::new("{}"), Secret::new("a-key")),
        Write::PutNumbers(machine::Numbers { worker: 100, project: 100, task: 100 }),
    ]
}

fn with_project(writes: Vec<Write>) -> Store {
    store([project(), writes].concat())
}

#[test]
fn people_and_projects_are_read_as_they_were_written() {
    let store = store(vec![
        Write::PutWorker(Box::new(worker(1))),
        Write::PutWorker(Box::new(worker(9))),
        Write::PutWorkerClosed(WorkerId(9), 12),
        Write::PutProject(PROJECT, Arc::new(definition())),
        Write::PutSecrets(PROJECT, Secret::new("{\"key\": 1}"), Secret::new("a-key")),
        Write::PutClosed(PROJECT, 77),
        Write::PutMarks(PROJECT, Marks { epoch: 4, wiped: 1, reset: 2, reclaimed: 4 }),
        Write::PutAccess(PROJECT, WorkerId(1), Some(Access { assign: true, submit: false, pending: true })),
        Write::PutAccess(PROJECT, WorkerId(9), Some(Access { assign: false, submit: true, pending: false })),
        Write::PutRole(PROJECT, ManagerId(0), Role::ALL),
        Write::PutRole(PROJECT, ManagerId(5), Role::READ),
        Write::PutNumbers(machine::Numbers { worker: 10, project: 20, task: 1 << 51 }),
    ]);
    let found = read(&store);
    assert_eq!(found.workers, [(worker(1), 0), (worker(9), 12)]);
    assert_eq!(found.numbers, machine::Numbers { worker: 10, project: 20, task: 1 << 51 });
    let [(project, marks)] = &found.projects[..] else { panic!("{:?}", found.projects) };
    assert_eq!(*marks, Marks { epoch: 4, wiped: 1, reset: 2, reclaimed: 4 });
    assert_eq!((project.id, &project.definition, project.closed), (PROJECT, &definition(), 77));
    assert_eq!((project.secret.expose(), project.webhook_secret.expose()), ("{\"key\": 1}", "a-key"));
    assert_eq!(project.access_of(WorkerId(1)), Some(Access { assign: true, submit: false, pending: true }));
    assert_eq!(project.access_of(WorkerId(9)), Some(Access { assign: false, submit: true, pending: false }));
    assert_eq!(project.roles, [(ManagerId(0), Role::ALL), (ManagerId(5), Role::READ)].into());
}

#[test]
fn what_is_taken_away_is_gone() {
    let store = with_project(vec![
        Write::PutWorker(Box::new(worker(1))),
        Write::PutAccess(PROJECT, WorkerId(1), Some(Access { assign: true, submit: true, pending: false })),
        Write::PutRole(PROJECT, ManagerId(5), Role::READ),
        Write::PutTask(task(1), 0),
        standing(1, held(), 0),
    ]);
    drop(store.submit(batch(vec![
        Write::PutAccess(PROJECT, WorkerId(1), None),
        Write::PutRole(PROJECT, ManagerId(5), Role::NONE),
        Write::DeleteTask(PROJECT, TaskId(1)),
    ])));
    let found = read(&store);
    assert!(found.projects[0].0.access.is_empty() && found.projects[0].0.roles.is_empty());
    assert!(found.tasks.is_empty());
    assert_eq!(store.reader().scan::<shapes::Standing>(..).count(), 0);
}

#[test]
fn tasks_are_read_with_where_they_stand() {
    let store = with_project(vec![
        Write::PutTask(task(1), 0),
        Write::PutTask(full_task(2), 0),
        Write::PutTask(task(4), 0),
        Write::PutTask(task(5), 0),
        standing(2, held(), 0),
        standing(3, held(), 0), // of no task
        standing(5, failed(), 0),
    ]);
    let expected =
        [(task(1), Standing::default()), (full_task(2), held()), (task(4), Standing::default()), (task(5), failed())];
    assert_eq!(read(&store).tasks, expected);
}

#[test]
fn tasks_of_several_projects_keep_apart() {
    let other = ProjectId(8);
    let foreign = Arc::new(Task { project: other, ..(*task(2)).clone() });
    let lost = Arc::new(Task { project: ProjectId(5), ..(*task(6)).clone() });
    let mut writes = vec![
        Write::PutProject(other, Arc::new(plain("others"))),
        Write::PutSecrets(other, Secret::new(""), Secret::new("")),
        Write::PutMarks(other, Marks { epoch: 1, wiped: 0, reset: 1, reclaimed: 1 }),
        Write::PutTask(task(3), 0),
        Write::PutTask(foreign.clone(), 0),
        Write::PutTask(lost, 0), // of no project
        standing(3, failed(), 0),
    ];
    writes.push(Write::PutStanding(other, TaskId(2), Box::new(failed()), 0));
    let found = read(&with_project(writes));
    let reset = Standing { status: Status::New, retries: 0, ..failed() };
    assert_eq!(found.tasks, [(task(3), failed()), (foreign, reset)]);
}

#[test]
fn wiping_takes_what_was_submitted_before() {
    let marks = Marks { epoch: 2, wiped: 2, ..Marks::default() };
    let store = with_project(vec![
        Write::PutTask(task(1), 0),
        Write::PutTask(task(2), 1),
        Write::PutTask(task(3), 2),
        standing(2, held(), 1),
        standing(3, failed(), 1), // of an earlier task of that number
        Write::PutMarks(PROJECT, marks),
    ]);
    let found = load(&store.reader()).unwrap();
    assert_eq!(found.stored.tasks, [(task(3), Standing::default())]);
    assert_eq!(found.wiped, BTreeSet::from([PROJECT]));
}

#[test]
fn resetting_changes_what_had_failed_before() {
    let retried = Standing { retries: 2, failing: Some(failing()), ..Standing::default() };
    let store = with_project(vec![
        Write::PutTask(task(1), 0),
        Write::PutTask(task(2), 0),
        Write::PutTask(task(3), 0),
        Write::PutTask(task(4), 0),
        standing(1, failed(), 2),
        standing(2, failed(), 3),
        standing(3, held(), 0),
        standing(4, retried.clone(), 0),
        Write::PutMarks(PROJECT, Marks { epoch: 3, reset: 3, ..Marks::default() }),
    ]);
    let found = load(&store.reader()).unwrap();
    let reset = Standing { status: Status::New, retries: 0, ..failed() };
    let expected = [(task(1), reset), (task(2), failed()), (task(3), held()), (task(4), retried)];
    assert_eq!(found.stored.tasks, expected);
    assert!(found.wiped.is_empty());
}

#[test]
fn reclaiming_frees_what_was_held_before() {
    let store = with_project(vec![
        Write::PutTask(task(1), 0),
        Write::PutTask(task(2), 0),
        Write::PutTask(task(3), 0),
        standing(1, held(), 0),
        standing(2, held(), 1),
        standing(3, failed(), 0),
        Write::PutMarks(PROJECT, Marks { epoch: 1, reclaimed: 1, ..Marks::default() }),
    ]);
    let free = Standing { lease: None, ..held() };
    assert_eq!(read(&store).tasks, [(task(1), free), (task(2), held()), (task(3), failed())]);
}

#[test]
fn numbers_are_above_all_that_is_there() {
    let store = store(vec![
        Write::PutWorker(Box::new(worker(6))),
        Write::PutProject(PROJECT, Arc::new(plain("pages"))),
        Write::PutSecrets(PROJECT, Secret::new(""), Secret::new("")),
        Write::PutTask(task(50), 0),
        Write::PutMarks(PROJECT, Marks { epoch: 1, wiped: 1, ..Marks::default() }),
    ]);
    assert_eq!(read(&store).numbers, machine::Numbers { worker: 7, project: 4, task: 51 });
    assert_eq!(read(&Store::in_memory()).numbers, machine::Numbers::default());
}

fn sample(at: i64) -> Sample {
    Sample { at, new: 1, failed: 2, closed: 3, access: 4, votes: 5 }
}

#[test]
fn samples_are_read_newest_first_and_forgotten_by_age() {
    let put = |project, at| Write::PutSample(ProjectId(project), sample(at));
    let store = store(vec![put(3, 10), put(3, 20), put(3, 30), put(4, 20)]);
    let read = |within, limit| -> Vec<i64> {
        let found = samples(&store.reader(), PROJECT, within, limit).unwrap();
        found.iter().map(|found| found.at).collect()
    };
    assert_eq!(samples(&store.reader(), ProjectId(4), 0..=99, 9).unwrap(), [sample(20)]);
    assert_eq!(read(0..=i64::MAX, 2), [30, 20]);
    assert_eq!(read(10..=20, 9), [20, 10]);
    #[expect(clippy::reversed_empty_ranges, reason = "clients may ask so")]
    let backwards = 20..=10;
    assert_eq!(read(backwards, 9), [0_i64; 0]);
    drop(store.submit(forget_samples(&store.reader(), PROJECT, 30, 1).unwrap()));
    assert_eq!(read(0..=99, 9), [30, 20]);
    drop(store.submit(forget_samples(&store.reader(), PROJECT, 30, 9).unwrap()));
    assert_eq!(read(0..=99, 9), [30]);
    assert_eq!(samples(&store.reader(), ProjectId(4), 0..=99, 9).unwrap().len(), 1);
}

fn entry(level: u8, at: i64, written: i64) -> Logged {
    Logged { level, at, worker: 7, scope: "fetch".into(), message: format!("at {at}"), written }
}

fn with_logs(entries: &[(u8, i64, i64)]) -> Store {
    let store = Store::in_memory();
    for (number, (level, at, written)) in (1..).zip(entries) {
        let mut batch = Batch::new();
        put_log(number, entry(*level, *at, *written), &mut batch);
        drop(store.submit(batch));
    }
    store
}

#[test]
fn log_entries_are_found_by_level_and_time_in_the_order_of_writing() {
    let store = with_logs(&[(5, 30, 0), (5, 10, 0), (4, 20, 0), (5, 20, 0), (5, 20, 0), (5, i64::MAX, 0)]);
    let read = |level, since, limit| -> Vec<i64> {
        let found = logged(&store.reader(), level, since, limit).unwrap();
        found.iter().map(|found| found.at).collect()
    };
    assert_eq!(read(5, 1, 9), [30, 10, 20, 20, i64::MAX]);
    assert_eq!(read(5, 10, 9), [30, 20, 20, i64::MAX]);
    assert_eq!(read(5, 20, 9), [30, i64::MAX]);
    assert_eq!(read(5, 1, 2), [20, i64::MAX], "the newest of them");
    assert_eq!(read(4, 1, 9), [20]);
    assert_eq!(read(5, i64::MAX, 9), [0_i64; 0]);
    assert_eq!(logged(&store.reader(), 4, 1, 1).unwrap(), [entry(4, 20, 0)]);
    assert_eq!(last_log(&store.reader()).unwrap(), 6);
}

#[test]
fn only_so_much_text_of_log_entries_is_read_at_once() {
    let store = Store::in_memory();
    for number in 1..=3 {
        let mut batch = Batch::new();
        put_log(number, Logged { message: "x".repeat(7 << 20), ..entry(5, number as i64 * 10, 0) }, &mut batch);
        drop(store.submit(batch));
    }
    let found = logged(&store.reader(), 5, 1, 9).unwrap();
    assert_eq!(found.iter().map(|found| found.at).collect::<Vec<_>>(), [20, 30], "the newest that fit");
}

#[test]
fn the_oldest_log_entries_go_first() {
    // The worker's clock says nothing about when an entry was written.
    let store = with_logs(&[(5, 900, 1), (4, 1, 2), (5, 800, 3), (3, 2, 4), (7, 3, 5)]);
    let left = || -> Vec<u64> {
        assert_eq!(store.check(&rules()).findings, [""; 0]);
        store.reader().scan::<Log>(..).map(|found| found.unwrap().0).collect()
    };
    let forget = |keep, before, most| {
        drop(store.submit(forget_logs(&store.reader(), keep, before, most).unwrap()));
        left()
    };
    assert_eq!(forget(10, 0, 9), [1, 2, 3, 4, 5]);
    assert_eq!(forget(10, 3, 1), [2, 3, 4, 5], "no more at once than asked for");
    assert_eq!(forget(10, 3, 9), [3, 4, 5]);
    assert_eq!(forget(1, 0, 1), [4, 5]);
    assert_eq!(forget(1, 0, 9), [5]);
    assert_eq!(forget(0, 0, 9), [0_u64; 0]);
}

#[test]
fn what_is_left_of_a_wiped_queue_is_found_in_pieces() {
    let mut writes = vec![Write::PutMarks(PROJECT, Marks { epoch: 1, wiped: 1, ..Marks::default() })];
    for id in 1..=50 {
        writes.push(Write::PutTask(task(id), u32::from(id % 10 == 0)));
        if id % 3 == 0 {
            writes.push(standing(id, held(), u32::from(id % 10 == 0)));
        }
    }
    writes.push(standing(60, held(), 0));
    let store = with_project(writes);
    assert!(Remains::of(&store.reader(), ProjectId(2)).unwrap().is_none());
    let mut next = Remains::of(&store.reader(), PROJECT).unwrap();
    let mut found = Vec::new();
    while let Some(remains) = next {
        let (tasks, rest) = remains.next(&store.reader(), 7).unwrap();
        assert!(tasks.len() <= 7);
        let mut batch = Batch::new();
        delete_remains(PROJECT, &tasks, &mut batch);
        assert_eq!(batch.len(), 2 * tasks.len());
        drop(store.submit(batch));
        found.extend(tasks);
        next = rest;
    }
    let expected: Vec<_> = (1..=50).filter(|id| id % 10 != 0).chain([60]).map(TaskId).collect();
    assert_eq!(found, expected);
    let loaded = load(&store.reader()).unwrap();
    assert_eq!(loaded.stored.tasks.len(), 5);
    assert!(loaded.wiped.is_empty());
    assert_eq!(store.reader().scan::<shapes::Standing>(..).count(), 1);
}

prop_compose! {
    fn new_tasks()(
        recipe in ".{1,40}",
        priority: i16,
        max_retries: i16,
        max_assign: i32,
        verification_count: i16,
        hash: i64,
        not_before in proptest::option::of(0..i64::MAX),
    ) -> NewTask {
        let not_before = not_before.map(Wall::from_timestamp_nanos);
        NewTask { recipe: recipe.into(), priority, max_retries, max_assign, verification_count, hash, not_before }
    }
}

prop_compose! {
    fn standings()(
        failed: bool,
        retries: i16,
        lease in proptest::option::of((1..9_u32, 0..i64::MAX, 0..i64::MAX, proptest::option::of((1..i32::MAX, 0..u64::MAX)))),
        votes in prop::collection::vec((1..9_u32, any::<i64>()), 0..4),
        failing in proptest::option::of((0..i64::MAX, 1..9_u32, ".{0,9}")),
    ) -> Standing {
        let moment = Wall::from_timestamp_nanos;
        let lease = lease.map(|(worker, since, until, process)| Lease {
            worker: WorkerId(worker),
            since: moment(since),
            until: moment(until),
            process: process.map(|(pid, born)| Process { pid, born }),
        });
        Standing {
            status: if failed { Status::Failed } else { Status::New },
            retries,
            lease,
            votes: votes.into_iter().map(|(worker, value)| Vote { worker: WorkerId(worker), value }).collect(),
            failing: failing.map(|(at, worker, reason)| Failing { at: moment(at), worker: WorkerId(worker), reason }),
        }
    }
}

proptest! {
    #[test]
    fn any_queue_is_read_as_it_was_written(
        queue in prop::collection::btree_map(1..u64::MAX, (new_tasks(), proptest::option::of(standings())), 0..20)
    ) {
        let mut writes = project();
        let mut expected = Vec::new();
        for (id, (what, stands)) in queue {
            let task = Arc::new(Task { id: TaskId(id), project: PROJECT, what });
            writes.push(Write::PutTask(task.clone(), 0));
            writes.extend(stands.clone().map(|stands| standing(id, stands, 0)));
            expected.push((task, stands.unwrap_or_default()));
        }
        prop_assert_eq!(read(&store(writes)).tasks, expected);
    }

    #[test]
    fn any_rate_is_read_as_it_was_written(rate: f64, burst in 1.0..f64::MAX, per_worker in 0.0..1000.0_f64) {
        let assign = Limit { rate: Rate::new(rate), burst, per_worker: Rate::new(per_worker) };
        let set = Definition { assign, ..definition() };
        let mut writes = project();
        writes.push(Write::PutProject(PROJECT, Arc::new(set.clone())));
        prop_assert_eq!(&read(&store(writes)).projects[0].0.definition, &set);
    }
}

/// How records are stored, one line each.
fn lines(store: &Store) -> String {
    let mut lines = Vec::new();
    store.export(&TABLES, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

#[test]
fn the_stored_form_is_a_promise() {
    let store = store(vec![
        Write::PutWorker(Box::new(worker(1))),
        Write::PutWorker(Box::new(worker(9))),
        Write::PutWorkerClosed(WorkerId(9), 12),
        Write::PutProject(PROJECT, Arc::new(definition())),
        Write::PutProject(ProjectId(4), Arc::new(plain("others"))),
        Write::PutSecrets(PROJECT, Secret::new("{}"), Secret::new("a-key")),
        Write::PutClosed(PROJECT, 77),
        Write::PutMarks(PROJECT, Marks { epoch: 4, wiped: 1, reset: 2, reclaimed: 4 }),
        Write::PutAccess(PROJECT, WorkerId(1), Some(Access { assign: true, submit: true, pending: true })),
        Write::PutRole(PROJECT, ManagerId(5), Role::ALL),
        Write::PutTask(task(1), 0),
        Write::PutTask(full_task(2), 4),
        standing(1, Standing::default(), 0),
        standing(2, held(), 4),
        standing(3, failed(), 0),
        Write::PutSample(PROJECT, sample(1_700_000_000)),
        Write::PutNumbers(machine::Numbers { worker: 10, project: 5, task: 3 }),
    ]);
    let mut logs = Batch::new();
    put_log(1, entry(5, 1_700_000_000, 1_700_000_009), &mut logs);
    drop(store.submit(logs));
    expect![[r#"
        {"key":1,"kind":"tracker.worker","record":{"alias":"worker 1","created":1700000000,"secret":"…"}}
        {"key":9,"kind":"tracker.worker","record":{"alias":"worker 9","created":1700000000,"paused":true,"secret":"…"}}
        {"key":9,"kind":"tracker.worker_closed","record":12}
        {"key":3,"kind":"tracker.project","record":{"assign":{"burst":"2.5","per_worker":"0.3333333333333333","rate":"0.1"},"chain":4,"clone_url":"https://example.org/pages.git","git_repo":"ada/pages","motd":"be gentle","name":"pages","paused":true,"priority":7,"public":true,"version":"4f2a"}}
        {"key":4,"kind":"tracker.project","record":{"name":"others"}}
        {"key":3,"kind":"tracker.secrets","record":{"secret":"…","webhook":"…"}}
        {"key":3,"kind":"tracker.closed","record":77}
        {"key":3,"kind":"tracker.marks","record":{"epoch":4,"reclaimed":4,"reset":2,"wiped":1}}
        {"key":[3,1],"kind":"tracker.access","record":{"assign":true,"pending":true,"submit":true}}
        {"key":[3,5],"kind":"tracker.role","record":31}
        {"key":[3,1],"kind":"tracker.task","record":{"r":"{\"page\": 1}"}}
        {"key":[3,2],"kind":"tracker.task","record":{"e":4,"h":-9223372036854775808,"m":3,"n":1700000060123456789,"p":-5,"r":"first line\nsecond 😀","t":-1,"v":2}}
        {"key":[3,1],"kind":"tracker.standing","record":{}}
        {"key":[3,2],"kind":"tracker.standing","record":{"e":4,"l":{"p":[4194304,987654321],"s":1700000000123456789,"u":1700000300123456789,"w":1},"r":1,"v":[[1,-8],[9,9223372036854775807]],"x":{"a":1700000005123456789,"r":"no such page","w":9}}}
        {"key":[3,3],"kind":"tracker.standing","record":{"f":true,"r":4,"v":[[1,-8],[9,9223372036854775807]],"x":{"a":1700000005123456789,"r":"no such page","w":9}}}
        {"key":[3,1700000000],"kind":"tracker.sample","record":{"access":4,"closed":3,"failed":2,"new":1,"votes":5}}
        {"key":null,"kind":"tracker.numbers","record":{"project":5,"task":3,"worker":10}}
        {"key":1,"kind":"tracker.log","record":{"at":1700000000,"level":5,"message":"at 1700000000","scope":"fetch","worker":7,"written":1700000009}}
        {"key":[5,[1700000000,1]],"kind":"tracker.log_at","record":null}
    "#]].assert_eq(&lines(&store));
    // What an export hides.
    let secret =
        store.reader().get::<shapes::Worker>(&1).unwrap().map(|worker| serde_json::to_string(&worker).unwrap());
    expect![[r#"{"alias":"worker 1","created":1700000000,"secret":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#]]
        .assert_eq(&secret.unwrap());
    let secrets = store.reader().get::<Secrets>(&3).unwrap().map(|secrets| serde_json::to_string(&secrets).unwrap());
    expect![[r#"{"secret":"{}","webhook":"a-key"}"#]].assert_eq(&secrets.unwrap());
}

/// A record of any JSON, in place of one that the room would write.
macro_rules! damaged {
    ($record:ty, $key:ty) => {{
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        struct Damaged(Value);

        impl Record for Damaged {
            const KIND: Kind = <$record>::KIND;
            const FORMAT: u8 = <$record>::FORMAT;
            type Key = $key;
        }

        |key: $key, json: &str| {
            let store = with_project(Vec::new());
            let mut batch = Batch::new();
            batch.put(&key, &Damaged(serde_json::from_str(json).unwrap()));
            drop(store.submit(batch));
            load(&store.reader()).unwrap_err().to_string()
        }
    }};
}

#[test]
fn damaged_records_are_refused() {
    let why = [
        damaged!(shapes::Task, (u32, u64))((3, 1), r#"{"p": 4}"#),
        damaged!(shapes::Task, (u32, u64))((3, 1), r#"{"r": "x", "p": 40000}"#),
        damaged!(shapes::Worker, u32)(1, r#"{"alias": "a", "created": 1, "secret": "AAAA"}"#),
        damaged!(shapes::Role, (u32, u32))((3, 1), "32"),
        damaged!(shapes::Project, u32)(3, r#"{"name": "pages", "assign": {"rate": "much"}}"#),
        damaged!(shapes::Numbers, ())((), "{}"),
    ];
    expect![[r#"
        tracker.task: missing field `r` at line 1 column 7
        tracker.task: invalid value: integer `40000`, expected i16 at line 1 column 10
        tracker.worker: the secret is not 32 bytes in base64 at line 1 column 41
        tracker.role: role: expected 0 to 31, not 32
        tracker.project: much is no number at line 1 column 25
        tracker.numbers: missing field `worker` at line 1 column 2"#]]
    .assert_eq(&why.join("\n"));
    let store = store(vec![Write::PutProject(PROJECT, Arc::new(plain("pages")))]);
    assert_eq!(load(&store.reader()).unwrap_err().to_string(), "project 3 has no secrets");
    assert!(matches!(store.reader().get::<shapes::Secrets>(&9), Ok::<_, ReadError>(None)));
}

#[test]
fn a_check_finds_what_belongs_to_nothing() {
    let foreign = |id, project| Arc::new(Task { project: ProjectId(project), ..(*task(id)).clone() });
    let store = store(vec![
        Write::PutProject(PROJECT, Arc::new(definition())),
        Write::PutTask(task(1), 0),
        Write::PutTask(task(2), 1),
        Write::PutTask(foreign(1, 6), 0),
        standing(1, held(), 2),
        standing(7, failed(), 0),
        Write::PutWorkerClosed(WorkerId(4), 1),
        Write::PutAccess(PROJECT, WorkerId(4), Some(Access { assign: true, submit: true, pending: true })),
        Write::PutRole(ProjectId(8), ManagerId(5), Role::ALL),
        Write::PutSample(ProjectId(8), sample(1)),
        Write::PutClosed(ProjectId(8), 1),
        Write::PutMarks(ProjectId(8), Marks::default()),
        Write::PutSecrets(ProjectId(8), Secret::new(""), Secret::new("")),
    ]);
    let mut logs = Batch::new();
    put_log(1, entry(5, 10, 0), &mut logs);
    logs.delete::<Log>(&1);
    put_log(2, entry(5, 10, 0), &mut logs);
    logs.delete::<LogAt>(&(5, (10, 2)));
    drop(store.submit(logs));
    expect![[r#"
        tracker.secrets belongs to no project: 8
        tracker.closed belongs to no project: 8
        tracker.marks belongs to no project: 8
        tracker.role belongs to no project: 8
        tracker.task belongs to no project: 6
        tracker.sample belongs to no project: 8
        tracker.project 3 has no secrets
        tracker.project 3 is chained to 4, which is no project
        tracker.worker_closed belongs to no worker: 4
        tracker.access to project 3 belongs to no worker: 4
        task 1 of project 3 stands in epoch 2, which has not begun
        task 1 of project 3 is held by no worker: 1
        tracker.standing of project 3 belongs to no task: 7
        task 2 of project 3 is from epoch 1, which has not begun
        tracker.numbers would give out project 1 again: there is a 3
        tracker.numbers would give out task 1 again: there is a 2
        tracker.log_at 5, 10, 1 names no such entry
        tracker.log 2 is not in the index"#]]
    .assert_eq(&store.check(&rules()).findings.join("\n"));
    assert_eq!(
        with_project(vec![Write::PutTask(task(1), 0), standing(1, failed(), 0)]).check(&rules()).findings,
        [""; 0]
    );
}

/// Tasks come, are held and go, queues are wiped and logs forgotten, while the store is checked.
#[test]
fn a_check_finds_nothing_wrong_while_all_is_in_motion() {
    let store = with_project(vec![Write::PutWorker(Box::new(worker(1)))]);
    let over = AtomicBool::new(false);
    let submit = |writes| drop(store.submit(batch(writes)));
    let live = || {
        for nth in 1..3_000 {
            let epoch = u32::try_from(nth).unwrap();
            let numbers = machine::Numbers { worker: 100, project: 100, task: nth + 1 };
            submit(vec![Write::PutMarks(PROJECT, Marks { epoch, ..Marks::default() })]);
            submit(vec![Write::PutNumbers(numbers), Write::PutTask(task(nth), epoch)]);
            submit(vec![standing(nth, held(), epoch)]);
            submit(vec![Write::DeleteTask(PROJECT, TaskId(nth.saturating_sub(20)))]);
            let mut logs = Batch::new();
            put_log(nth, entry(5, 10, 0), &mut logs);
            drop(store.submit(logs));
            drop(store.submit(forget_logs(&store.reader(), 20, 0, 1).unwrap()));
        }
        over.store(true, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        scope.spawn(live);
        while !over.load(Ordering::Relaxed) {
            assert_eq!(store.check(&rules()).findings, [""; 0]);
        }
    });
}
