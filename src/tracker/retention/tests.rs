//! What goes and what stays.

use super::*;
use crate::store::Store;
use crate::tracker::engine::tests::{new_task, opened, people, running, submit};
use crate::tracker::engine::{Level, LogEntry};
use crate::tracker::machine::{Ask, Imported, Marks, Verdict, Write};
use crate::tracker::model::{Manager, ManagerId, Sample, Standing, Task};
use std::future::pending;

const OPERATOR: Manager = Manager::Admin(ManagerId(0));

fn put(store: &Store, writes: Vec<Write>) {
    let mut batch = Batch::new();
    records::write(writes, &mut batch);
    drop(store.submit(batch));
}

/// Records of tasks, whoever they belong to.
fn stored_tasks(store: &Store) -> usize {
    let mut lines = Vec::new();
    store.export(&records::TABLES, &mut lines).unwrap();
    String::from_utf8(lines).unwrap().lines().filter(|line| line.contains("\"tracker.task\"")).count()
}

#[tokio::test]
async fn samples_and_logs_are_bounded() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let (_, _, project) = people(&handle).await;
    let now = Utc::now().timestamp();
    let sample = |at| Write::PutSample(project, Sample { at, ..Sample::default() });
    put(&store, (1..=500).map(sample).collect());
    put(&store, vec![sample(now)]);
    for nth in 0..350 {
        let entry =
            LogEntry { level: Level::Info, timestamp: 1, worker: 1, scope: "s".into(), message: nth.to_string() };
        handle.log(entry).await.unwrap();
    }
    let commits = store.stats().commits;
    pass(&handle).await.unwrap();
    assert_eq!(store.stats().commits - commits, 3 + 3, "500 samples, and 250 of two records, in pieces of 200");
    let kept: Vec<_> = handle.samples(project, 0..=i64::MAX, 999).await.unwrap().iter().map(|kept| kept.at).collect();
    assert_eq!(kept, [now]);
    let kept = handle.logged(Level::Info, 0, 999).await.unwrap();
    assert_eq!((kept.len(), kept[0].message.as_str()), (100, "250"));
    let commits = store.stats().commits;
    pass(&handle).await.unwrap();
    assert_eq!(store.stats().commits, commits, "nothing is left to do");
}

#[tokio::test]
async fn a_wiped_queue_is_swept_and_what_came_since_stays() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let (_, _, project) = people(&handle).await;
    let ask = async |ask: Ask| handle.ask(ask, pending()).await.unwrap();
    ask(submit(project, (0..250).map(|_| new_task("old", 0)).collect())).await;
    assert_eq!(ask(Ask::HardReset { by: OPERATOR, project }).await, Verdict::Affected(250));
    ask(submit(project, vec![new_task("young", 0)])).await;
    // It has the number of one that is gone.
    let again = Task { id: TaskId(7), project, what: new_task("again", 0) };
    let rows = vec![Imported::Task(again, Standing::default())];
    assert_eq!(ask(Ask::Import { by: OPERATOR, rows }).await, Verdict::Imported(vec![Ok(())]));
    let (tasks, _) = (stored_tasks(&store), sweep(&handle).await);
    assert_eq!((tasks, stored_tasks(&store)), (251, 2));
    let found = records::load(&store.reader()).unwrap();
    assert_eq!(found.stored.tasks.iter().map(|(task, _)| &*task.what.recipe).collect::<Vec<_>>(), ["again", "young"]);
    assert!(handle.wiped.take().is_none() && found.wiped.is_empty());
}

#[tokio::test]
async fn what_was_read_as_gone_and_came_back_stays() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let (_, _, project) = people(&handle).await;
    handle.ask(submit(project, vec![new_task("back", 0)]), pending()).await.unwrap();
    assert!(remove(&handle, project, vec![TaskId(1)]).await.unwrap().is_none());
    let ticket = remove(&handle, ProjectId(9), vec![TaskId(1)]).await.unwrap();
    assert!(ticket.is_some(), "in another project it is gone");
    assert_eq!(stored_tasks(&store), 1);
}

#[tokio::test]
async fn what_a_crash_left_of_a_queue_is_swept_after_the_next_start() {
    let store = Store::in_memory();
    let first = running(store.clone()).await;
    let (_, _, project) = people(&first).await;
    first.ask(submit(project, vec![new_task("old", 0)]), pending()).await.unwrap();
    put(&store, vec![Write::PutMarks(project, Marks { epoch: 1, wiped: 1, ..Marks::default() })]);
    let (handle, _engine) = opened(store.clone()).await;
    assert_eq!(stored_tasks(&store), 1);
    sweep(&handle).await;
    assert_eq!(stored_tasks(&store), 0);
}

#[tokio::test]
async fn it_ends_with_the_driver() {
    let (handle, engine) = opened(Store::in_memory()).await;
    drop(engine);
    keep_bounds(handle).await;
}
