//! The committer over a backend that counts, and dies at every one of its steps.

use super::super::backend::{Backend, Changes, MOST_CHANGES, RawPairs};
use super::super::batch::Op;
use super::super::committer::{Committer, Decision};
use super::super::objects::{INDEX, LONGEST_INLINE, Objects, Reference, indexed};
use super::super::redo::{MARKER, Redo};
use super::super::ticket::{CommitError, Ticket};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A map in memory that knows what of it would survive.
#[derive(Default)]
struct Simulated {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Pairs,
    durable: Pairs,
    /// Applied since the last sync.
    pending: Vec<Changes>,
    /// The sizes of all batches.
    batches: Vec<usize>,
    syncs: usize,
    /// Calls that still succeed.
    left: usize,
}

fn apply_to(pairs: &mut Pairs, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(pairs.insert(key.clone(), value.clone())),
            None => drop(pairs.remove(key)),
        }
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("it died"))?;
        Ok(())
    }
}

impl Simulated {
    fn dying_after(calls: usize, pairs: Pairs) -> Arc<Simulated> {
        let state = State { seen: pairs.clone(), durable: pairs, left: calls, ..State::default() };
        Arc::new(Simulated { state: Mutex::new(state) })
    }

    /// What is on disk: what was synced and, of the rest, the first `kept` batches.
    fn survivors(&self, kept: usize) -> Option<Pairs> {
        let state = self.state.lock().unwrap();
        let mut pairs = state.durable.clone();
        state.pending.get(..kept)?.iter().for_each(|changes| apply_to(&mut pairs, changes));
        Some(pairs)
    }
}

impl Backend for Simulated {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state.lock().unwrap().seen.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], back: bool) -> RawPairs {
        assert!(!back, "the committer scans forwards");
        let state = self.state.lock().unwrap();
        let pairs: Vec<_> =
            state.seen.range(from.to_vec()..to.to_vec()).map(|(k, v)| Ok((k.clone(), v.clone()))).collect();
        Box::new(pairs.into_iter())
    }

    fn apply(&self, changes: Changes) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.step()?;
        state.batches.push(changes.len());
        apply_to(&mut state.seen, &changes);
        state.pending.push(changes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.step()?;
        state.syncs += 1;
        state.durable = state.seen.clone();
        state.pending.clear();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }
}

fn committer(backend: &Arc<Simulated>, dir: &Path) -> (Committer, Arc<Objects>) {
    for part in ["objects", "redo"] {
        std::fs::create_dir_all(dir.join(part)).unwrap();
    }
    let objects = Arc::new(Objects::open(dir.join("objects")).unwrap());
    (Committer::new(backend.clone(), objects.clone(), Redo::open(dir.join("redo")), 0), objects)
}

fn put(number: u64, value: &[u8]) -> Op {
    Op::Put { key: record_key(number), value: [b"\x01", value].concat() }
}

fn record_key(number: u64) -> Vec<u8> {
    [vec![0x10], number.to_be_bytes().to_vec()].concat()
}

fn decision(ops: Vec<Op>) -> (Decision, Ticket) {
    let (answer, ticket) = Ticket::awaited();
    (Decision { ops, answer: Some(answer) }, ticket)
}

#[test]
fn a_group_costs_one_sync_and_keeps_decisions_whole() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Simulated::dying_after(usize::MAX, Pairs::new());
    let (mut committer, _) = committer(&backend, dir.path());
    let (group, tickets): (Vec<_>, Vec<_>) =
        (0..10).map(|d| decision((0..100).map(|k| put(d * 100 + k, b"v")).collect())).unzip();
    committer.commit(group, false).unwrap();
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    let state = backend.state.lock().unwrap();
    assert_eq!(state.syncs, 1);
    assert_eq!(state.batches, [200; 5], "two whole decisions fit a batch of {MOST_CHANGES}");
}

#[test]
fn nothing_to_write_needs_no_sync() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Simulated::dying_after(0, Pairs::new());
    let (mut committer, _) = committer(&backend, dir.path());
    let (empty, ticket) = decision(Vec::new());
    committer.commit(vec![empty], false).unwrap();
    assert_eq!(ticket.wait(), Ok(()));
}

#[test]
fn a_failed_sync_is_told_to_all_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Simulated::dying_after(1, Pairs::new());
    let (mut committer, _) = committer(&backend, dir.path());
    let (group, tickets): (Vec<_>, Vec<_>) = (0..3).map(|d| decision(vec![put(d, b"v")])).unzip();
    committer.commit(group, false).unwrap_err();
    for ticket in tickets {
        assert_eq!(ticket.wait(), Err(CommitError::Storage("it died".into())));
    }
    assert_eq!(backend.state.lock().unwrap().syncs, 0);
}

/// Decisions of every kind: small, with objects, through redo files and markers.
fn story() -> Vec<Vec<Op>> {
    let range = |from, to| Op::DeleteRange { from: record_key(from), to: record_key(to) };
    let long = |letter: u8| vec![letter; LONGEST_INLINE + 1];
    vec![
        vec![put(1, b"one"), put(2, &long(b'a')), put(3, &long(b'b'))],
        (100..700).map(|n| put(n, format!("many {n}").as_bytes())).chain([put(2, &long(b'c'))]).collect(),
        vec![put(3, b"short"), Op::Delete { key: record_key(1) }],
        vec![put(4, &long(b'd')), put(4, &long(b'e')), put(650, &long(b'f'))],
        vec![range(100, 690), put(105, b"after the range")],
        vec![range(0, 4), put(2, &long(b'g')), range(690, 1000)],
        // The first replaces an object that the second brings back in another form: done twice, it must come out the same.
        (0..300).map(|n| put(5, format!("{n}").as_bytes())).chain([put(5, &long(b'h')), put(4, &long(b'i'))]).collect(),
    ]
}

/// What the records are after each decision, objects followed.
fn states() -> Vec<Pairs> {
    let mut states = vec![Pairs::new()];
    for ops in story() {
        let mut pairs = states.last().unwrap().clone();
        for op in ops {
            match op {
                Op::Put { key, value } => drop(pairs.insert(key, value)),
                Op::Delete { key } => drop(pairs.remove(&key)),
                Op::DeleteRange { from, to } => pairs.retain(|key, _| *key < from || *key >= to),
            }
        }
        states.push(pairs);
    }
    states
}

/// Does what opening a store does, and answers the records; every object must be there and none too many.
fn recover(pairs: Pairs, dir: &Path) -> Pairs {
    let backend = Simulated::dying_after(usize::MAX, pairs);
    let (mut committer, objects) = committer(&backend, dir);
    let markers: Vec<_> = backend.scan(&[MARKER], &[MARKER + 1], false).map(Result::unwrap).collect();
    for (marker, value) in markers {
        committer.recover(marker, &value).unwrap();
    }
    committer.unlink().unwrap();
    committer.forget_uncommitted().unwrap();
    let index: HashSet<u64> =
        backend.scan(&[INDEX], &[INDEX + 1], false).map(|pair| indexed(&pair.unwrap().0).unwrap()).collect();
    objects.retain(&index).unwrap();
    let mut owned = HashSet::new();
    let follow = |(key, value): (Vec<u8>, Vec<u8>)| match Reference::in_value(&value) {
        Some(reference) => {
            owned.insert(reference.id);
            (key, objects.read(reference).unwrap().expect("the object is missing"))
        }
        None => (key, value),
    };
    let records = backend.scan(&[0x10], &[0xFF], false).map(Result::unwrap).map(follow).collect();
    assert_eq!(owned, index, "the index does not match the records");
    assert_eq!(owned, objects.list().unwrap().into_iter().collect());
    records
}

#[test]
fn dying_at_any_step_leaves_the_state_after_some_decision() {
    let states = states();
    let mut finished = false;
    for calls in 0.. {
        for kept in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let backend = Simulated::dying_after(calls, Pairs::new());
            let (mut committer, _) = committer(&backend, dir.path());
            let mut acknowledged = 0;
            for ops in story() {
                let (decision, ticket) = decision(ops);
                let went_on = committer.commit(vec![decision], false).and_then(|_| committer.unlink());
                acknowledged += usize::from(ticket.wait().is_ok());
                if went_on.is_err() {
                    break;
                }
                finished |= acknowledged == story().len();
            }
            let Some(pairs) = backend.survivors(kept) else { break };
            let found = recover(pairs, dir.path());
            let place = states[acknowledged..].iter().position(|state| *state == found);
            assert!(place.is_some(), "died after {calls} calls, {kept} batches kept, {acknowledged} acknowledged");
        }
        if finished {
            assert!(calls > 30, "the story has too few steps: {calls}");
            return;
        }
    }
}
