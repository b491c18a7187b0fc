//! The driver between a scripted keeper and a store that may die: what a crash leaves, and asks about runs that are
//! not held.

use super::super::executors::tests::{settings, tools};
use super::super::start::{Host, start};
use super::*;
use crate::dag::machine::{Refusal, Submission, Write};
use crate::dag::model::{Kept, Origin, Outcome, Owner, State, TaskId};
use crate::dag::specification;
use crate::keeper::{Ask as Asked, Held, HeldState, News, Rusage, Spawn, Stage, Status, Stdio, Twin};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const SEQ: u64 = 5;
const RUN: DagRunId = DagRunId(0);

/// One life of the core.
struct Life {
    handle: Handle,
    twin: Twin,
    driver: JoinHandle<io::Result<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn life(dir: &TempDir, store: Store, held: Vec<Held>) -> Life {
    let (tools, twin) = tools(dir, store).await;
    // So that news of what is held finds the room.
    let welcome = twin.welcome(held.into_iter().map(|held| (kept::Owner::DAG, held)).collect());
    let held = welcome.held_by(kept::Owner::DAG);
    let host = Host { held, keeper: "k".into(), boot: "b".into(), stopping: false, restored: None };
    let (handle, engine) = start(tools, settings(), host).await.unwrap();
    Life { handle, twin, driver: tokio::spawn(engine.run()) }
}

fn asker() -> Asker {
    let uid = nix::unistd::geteuid().as_raw();
    Asker { owner: Owner { uid, name: "somebody".into(), operator: true }, all: true }
}

fn submission() -> Ask {
    submission_of(json!({ "a": { "job": { "command": ["/bin/true"] } } }))
}

fn submission_of(tasks: Value) -> Ask {
    let text = json!({ "tag": "t", "tasks": tasks }).to_string();
    Ask::Submit(Box::new(Submission {
        blueprint: Arc::new(specification::parse(text.as_bytes(), &records::ACCEPTED).unwrap()),
        text: text.into(),
        runs_as: nix::unistd::geteuid().as_raw(),
        origin: Origin::Client,
        key: None,
    }))
}

impl Life {
    async fn ask(&self, ask: Ask) -> Result<Verdict, Failed> {
        self.handle.ask(ask, asker()).await
    }

    /// The next spawn request.
    async fn spawn(&mut self) -> Spawn {
        loop {
            if let Asked::Spawn(spawn) = self.twin.asked().await {
                return *spawn;
            }
        }
    }

    /// What was asked of the keeper by everything that was decided so far.
    async fn asked(&mut self) -> Vec<Asked> {
        self.handle.settled().await;
        for _ in 0..10 {
            tokio::task::yield_now().await; // what follows from a durable decision is done by another task
        }
        std::iter::from_fn(|| self.twin.asked_already()).collect()
    }

    async fn until(&self, wanted: State) {
        let mut changes = self.handle.tools.bus.listen(None);
        loop {
            let view = self.handle.view(RUN).await.unwrap();
            if view.is_some_and(|view| view.row.state() == wanted) {
                return;
            }
            changes.next().await.unwrap();
        }
    }

    fn attempts(&self) -> Vec<(u32, crate::dag::model::Attempt)> {
        records::attempts(&self.handle.tools.store.reader(), RUN, TaskId { group: 0, index: 0 }).unwrap()
    }

    /// A run that has failed, since its program cannot be executed.
    async fn failed(dir: &TempDir) -> Life {
        let mut life = life(dir, Store::in_memory(), Vec::new()).await;
        assert_eq!(life.ask(submission()).await.unwrap(), Verdict::Submitted(RUN));
        let slot = life.spawn().await.slot;
        life.twin.tell(News::Failed { slot, stage: Stage::Exec("/x".into()), errno: nix::libc::EACCES });
        life.until(State::Errored).await;
        life
    }
}

fn output(spawn: &Spawn) -> PathBuf {
    match &spawn.stdout {
        Stdio::Append(path) => path.clone(),
        other => panic!("{other:?}"),
    }
}

fn spawned(slot: u64) -> News {
    News::Spawned { slot, pid: 50, start_ticks: 60 }
}

fn exited(slot: u64) -> News {
    let rusage = Rusage::default();
    News::Exited { seq: SEQ, slot, status: Status::Code(0), rusage, ended: 7, oom: false, tree_empty: true }
}

/// What the keeper would tell the next core of a child.
fn held(spawn: &Spawn, exited: bool) -> Held {
    let over = HeldState::Exited {
        seq: SEQ,
        status: Status::Code(0),
        rusage: Rusage::default(),
        ended: 7,
        oom: false,
        acknowledged: false,
    };
    // The link has put the room's number in front, and will do so again.
    let intent = spawn.intent[1..].to_vec();
    let state = if exited { over } else { HeldState::Live };
    Held { slot: spawn.slot, pid: 50, start_ticks: 60, intent, state, tree_empty: exited }
}

/// Submits a run, lets its process write and end, and dies after so many commits. Whether the end was seen, and by the
/// next core.
async fn dies(commits: u64, ends_before: bool) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::dying_after(commits);
    let mut first = life(&dir, store.clone(), Vec::new()).await;
    let Ok(verdict) = first.ask(submission()).await else {
        drop(first);
        let mut second = life(&dir, store.survivors(), Vec::new()).await;
        assert!(second.handle.view(RUN).await.unwrap().is_none(), "a run that nobody was told of");
        assert_eq!(second.asked().await, []);
        return;
    };
    assert_eq!(verdict, Verdict::Submitted(RUN));
    let spawn = first.spawn().await;
    std::fs::write(output(&spawn), "hello\n").unwrap();
    let mut changes = first.handle.tools.bus.listen(None);
    first.twin.tell(spawned(spawn.slot));
    let mut told = false;
    if ends_before {
        first.twin.tell(exited(spawn.slot));
        while changes.next().await.unwrap().iter().all(|event| event.data["state"] != "COMPLETED") {}
        told = first.asked().await.contains(&Asked::Acknowledge(vec![SEQ]));
    }
    drop(first);

    let held = if told { Vec::new() } else { vec![held(&spawn, ends_before)] };
    let mut second = life(&dir, store.survivors(), held).await;
    if !ends_before {
        second.twin.tell(exited(spawn.slot));
    }
    second.until(State::Completed).await;
    let asked = second.asked().await;
    assert_eq!(asked.contains(&Asked::Acknowledge(vec![SEQ])), !told, "{commits} commits: {asked:?}");
    assert!(!asked.iter().any(|ask| matches!(ask, Asked::Spawn(_))), "{commits} commits: started twice");
    let attempts = second.attempts();
    assert_eq!(attempts.len(), 1, "{commits} commits");
    let (_, attempt) = &attempts[0];
    assert_eq!((attempt.outcome, &attempt.output), (Outcome::Completed, &Kept::Here("hello\n".into())));
}

#[tokio::test]
async fn whenever_the_core_dies_nothing_is_started_twice_and_no_end_is_lost() {
    for commits in 0..10 {
        dies(commits, true).await;
        dies(commits, false).await;
    }
}

#[tokio::test]
async fn no_step_is_taken_before_its_reason_is_durable() {
    for commits in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::dying_after(commits);
        let mut life = life(&dir, store.clone(), Vec::new()).await;
        let step = json!({ "job": { "proc": { "start": "nobody" } }, "parents": ["a"] });
        let tasks = json!({ "a": { "job": { "command": ["/bin/true"] } }, "b": step });
        let Ok(Verdict::Submitted(_)) = life.ask(submission_of(tasks)).await else { continue };
        let slot = life.spawn().await.slot;
        let mut changes = life.handle.tools.bus.listen(None);
        life.twin.tell(spawned(slot));
        life.twin.tell(exited(slot));
        while changes.next().await.unwrap().iter().all(|event| event.data["state"] != "COMPLETED") {}
        for _ in 0..100 {
            tokio::task::yield_now().await; // time enough to ask about a task that is not there, and to fail
        }
        // A run that is over is not held any more.
        let b = life.handle.look(|room| room.task_state(RUN, TaskId { group: 1, index: 0 })).await.unwrap();
        let known =
            !records::attempts(&store.survivors().reader(), RUN, TaskId { group: 0, index: 0 }).unwrap().is_empty();
        assert_eq!(b != Some(State::Running), known, "{commits} commits: {b:?}");
    }
}

#[tokio::test]
async fn asks_about_a_run_that_is_not_held_see_what_the_ones_before_have_made_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let life = Life::failed(&dir).await;
    assert!(!life.handle.look(|room| room.holds(RUN)).await.unwrap());
    let (restart, purge, unknown) = tokio::join!(
        life.ask(Ask::SetState(RUN, State::Queued)),
        life.ask(Ask::Purge(RUN)),
        life.ask(Ask::Kill(DagRunId(99)))
    );
    assert_eq!(restart.unwrap(), Verdict::Accepted);
    assert_eq!(purge.unwrap(), Verdict::Refused(Refusal::Active(RUN)));
    assert_eq!(unknown.unwrap(), Verdict::Refused(Refusal::NoRun(DagRunId(99))));
}

#[tokio::test]
async fn a_run_is_purged_once() {
    let dir = tempfile::tempdir().unwrap();
    let life = Life::failed(&dir).await;
    let (one, other) = tokio::join!(life.ask(Ask::Purge(RUN)), life.ask(Ask::Purge(RUN)));
    assert_eq!(one.unwrap(), Verdict::Accepted);
    assert_eq!(other.unwrap(), Verdict::Refused(Refusal::NoRun(RUN)));
    assert!(life.handle.view(RUN).await.unwrap().is_none());
}

#[tokio::test]
async fn a_start_goes_on_with_what_is_left_of_a_purged_run() {
    let dir = tempfile::tempdir().unwrap();
    let first = Life::failed(&dir).await;
    let store = first.handle.tools.store.clone();
    drop(first); // before it can remove anything
    let mut batch = Batch::new();
    records::write(vec![Write::DeleteRun(RUN)], &mut batch);
    store.submit(batch).durable().await.unwrap();
    let task = TaskId { group: 0, index: 0 };
    assert!(!records::attempts(&store.reader(), RUN, task).unwrap().is_empty(), "not all at once");
    let second = life(&dir, store.survivors(), Vec::new()).await;
    let reader = second.handle.tools.store.reader();
    while !records::purged(&reader).unwrap().is_empty() {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
    assert_eq!(records::attempts(&reader, RUN, task).unwrap(), []);
}

#[tokio::test]
async fn what_a_lost_attempt_has_written_is_kept_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::in_memory();
    let mut first = life(&dir, store.clone(), Vec::new()).await;
    assert_eq!(first.ask(submission()).await.unwrap(), Verdict::Submitted(RUN));
    let spawn = first.spawn().await;
    std::fs::write(output(&spawn), "half\n").unwrap();
    first.twin.tell(spawned(spawn.slot));
    first.asked().await;
    drop(first);
    let second = life(&dir, store.survivors(), Vec::new()).await;
    second.handle.settled().await;
    let attempts = second.attempts();
    let (_, attempt) = attempts.first().unwrap();
    assert_eq!((attempt.outcome, &attempt.output), (Outcome::Interrupted, &Kept::Here("half\n".into())));
}

#[tokio::test]
async fn the_file_of_an_end_that_was_recorded_before_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::in_memory();
    let mut first = life(&dir, store.clone(), Vec::new()).await;
    assert_eq!(first.ask(submission()).await.unwrap(), Verdict::Submitted(RUN));
    let spawn = first.spawn().await;
    std::fs::write(output(&spawn), "hello\n").unwrap();
    first.twin.tell(spawned(spawn.slot));
    let News::Exited { seq, slot, status, rusage, ended, oom, .. } = exited(spawn.slot) else { panic!() };
    first.twin.tell(News::Exited { seq, slot, status, rusage, ended, oom, tree_empty: false });
    first.until(State::Completed).await;
    assert_eq!(first.attempts()[0].1.output, Kept::File(6), "something of its tree may still write");
    drop(first);

    // The keeper was not told, and nothing is left of the tree by now.
    let mut second = life(&dir, store.survivors(), vec![held(&spawn, true)]).await;
    assert_eq!(second.ask(submission()).await.unwrap(), Verdict::Submitted(DagRunId(1)));
    let other = second.spawn().await;
    std::fs::write(output(&other), "other\n").unwrap();
    second.twin.tell(spawned(other.slot));
    second.twin.tell(exited(other.slot));
    while output(&other).exists() {
        tokio::task::spawn_blocking(|| ()).await.unwrap(); // files are removed in the order of the decisions
    }
    assert_eq!(std::fs::read(output(&spawn)).unwrap(), b"hello\n", "the record has its length alone");
}

#[tokio::test]
async fn nothing_runs_after_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut life = life(&dir, Store::in_memory(), Vec::new()).await;
    assert_eq!(life.ask(submission()).await.unwrap(), Verdict::Submitted(RUN));
    let slot = life.spawn().await.slot;
    life.twin.tell(spawned(slot));
    assert_eq!(life.handle.children(), 1);
    let ending = tokio::spawn({
        let handle = life.handle.clone();
        async move { handle.shutdown(false).await }
    });
    while !matches!(life.twin.asked().await, Asked::Signal { .. }) {}
    life.twin.tell(exited(slot));
    ending.await.unwrap();
    assert_eq!(life.handle.children(), 0);
    assert_eq!(life.ask(submission()).await.unwrap(), Verdict::Refused(Refusal::ShuttingDown));
}
