//! Which runs, keys and firings go, against a store in memory.

use super::*;
use crate::dag::machine::Write;
use crate::dag::model::{Counts, Origin, RunRow, State, StateChange};
use crate::store::Store;
use std::sync::Arc;

fn day(day: i64) -> Wall {
    Wall::UNIX_EPOCH + TimeDelta::days(day)
}

/// A run submitted on the day of its number.
fn run(id: u64, state: State, last_update: i64) -> Write {
    let change = |state| StateChange { at: day(i64::try_from(id).unwrap()), state };
    Write::PutRun(Box::new(RunRow {
        id: DagRunId(id),
        tag: String::new(),
        history: vec![change(State::Queued), change(state)],
        last_update: day(last_update),
        counts: Counts::default(),
        pass: 0,
        resets: Vec::new(),
        owner: Arc::new(Owner { uid: 0, name: "root".into(), operator: true }),
        runs_as: 0,
        origin: Origin::Client,
    }))
}

fn store(writes: Vec<Write>) -> Store {
    let store = Store::in_memory();
    let mut batch = Batch::new();
    records::write(writes, &mut batch);
    drop(store.submit(batch));
    store
}

fn surplus(store: &Store, keep: usize, since: i64) -> Vec<u64> {
    let reader = store.reader();
    let mut surplus = Surplus::of(&reader, keep, day(since)).unwrap();
    let mut all = Vec::new();
    loop {
        let (next, found) = surplus.next(&reader).unwrap();
        surplus = next;
        if found.is_empty() {
            return all;
        }
        all.extend(found.iter().map(|run| run.0));
    }
}

#[test]
fn too_many_and_too_old_goes_but_nothing_that_is_not_over() {
    use State::{Completed, Errored, Killed, Paused, Running};
    let states = [(2, Completed), (3, Running), (4, Errored), (6, Completed), (7, Paused), (8, Killed), (9, Completed)];
    let mut writes: Vec<Write> = states.into_iter().map(|(id, state)| run(id, state, 9)).collect();
    assert_eq!(surplus(&store(writes.clone()), 5, 0), [0; 0]);
    assert_eq!(surplus(&store(writes.clone()), 4, 0), [2]);
    assert_eq!(surplus(&store(writes.clone()), 2, 0), [2, 4, 6]);
    assert_eq!(surplus(&store(writes.clone()), 0, 0), [2, 4, 6, 8, 9]);
    // A run that went on for long has an old number and a young end.
    assert_eq!(surplus(&store(writes.clone()), 99, 9), [0; 0]);
    writes.extend([run(3, Running, 3), run(4, Errored, 4), run(8, Killed, 8)]);
    assert_eq!(surplus(&store(writes.clone()), 99, 9), [4, 8]);
    assert_eq!(surplus(&store(writes), 3, 9), [2, 4, 8]);
    assert_eq!(surplus(&store(Vec::new()), 0, 9), [0; 0]);
}

#[test]
fn a_long_history_goes_part_by_part() {
    let store = store((0..2_500).map(|id| run(id, State::Completed, 0)).collect());
    let reader = store.reader();
    let (next, found) = Surplus::of(&reader, 100, day(0)).unwrap().next(&reader).unwrap();
    assert_eq!((found.len(), found[0], next.from), (1_000, DagRunId(0), 1_000));
    assert_eq!(surplus(&store, 100, 0), (0..2_400).collect::<Vec<_>>());
}

#[test]
fn old_keys_go() {
    let key = |run| Write::PutKey { uid: 0, key: format!("of {run}"), digest: String::new(), run: DagRunId(run) };
    let store = store(vec![run(3, State::Running, 3), run(5, State::Completed, 5), key(3), key(5)]);
    let batch = forgotten(&store.reader(), day(4), &[]).unwrap();
    assert_eq!(batch.len(), 1);
    drop(store.submit(batch));
    let kept = |run: u64| records::key(&store.reader(), 0, &format!("of {run}")).unwrap().is_some();
    assert_eq!((kept(3), kept(5)), (false, true));
}

#[test]
fn output_of_runs_that_are_not_in_the_store_is_found() {
    let root = tempfile::tempdir().unwrap();
    for name in ["3", "4", "11", "lost+found"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    let reader = store(vec![run(3, State::Running, 3), run(5, State::Completed, 5)]).reader();
    assert_eq!(unknown(&reader, directories(root.path()).unwrap()), Ok(vec![DagRunId(4), DagRunId(11)]));
    assert_eq!(directories(&root.path().join("none")).unwrap(), []);
}
