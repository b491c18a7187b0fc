//! The twin of the store that lives in memory: for tests of rooms, and for crash stories.
//!
//! A decision is committed the moment it is submitted, so a story is the same every time. A twin that is dying commits
//! a given number of decisions and nothing after them, as a process does that is killed there.

use super::batch::{Batch, Op};
use super::reader::{Pair, Pairs, ReadError, View};
use super::ticket::CommitError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many pairs a scan takes at a time.
const SLICE: usize = 256;

#[derive(Clone, Default)]
struct Contents {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    commits: u64,
    /// How many more decisions are committed before it dies; none: it lives.
    left: Option<u64>,
}

/// The pairs, and when it dies.
#[derive(Default)]
pub(super) struct Memory {
    contents: Mutex<Contents>,
}

impl Memory {
    /// Dies after so many commits.
    pub(super) fn dying_after(commits: u64) -> Memory {
        Memory { contents: Mutex::new(Contents { left: Some(commits), ..Contents::default() }) }
    }

    /// What was committed, alive again.
    pub(super) fn survivors(&self) -> Memory {
        let pairs = self.contents().pairs.clone();
        Memory { contents: Mutex::new(Contents { pairs, ..Contents::default() }) }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits at once, or refuses when it is dead.
    pub(super) fn submit(&self, batch: Batch) -> Result<(), CommitError> {
        let mut contents = self.contents();
        match &mut contents.left {
            Some(0) => return Err(CommitError::Stopped),
            Some(left) => *left -= 1,
            None => {}
        }
        for op in batch.ops {
            match op {
                Op::Put { key, value } => drop(contents.pairs.insert(key, value)),
                Op::Delete { key } => drop(contents.pairs.remove(&key)),
                Op::DeleteRange { from, to } => contents.pairs.retain(|key, _| *key < from || *key >= to),
            }
        }
        contents.commits += 1;
        Ok(())
    }

    /// How many decisions were committed, and the bytes of all pairs.
    pub(super) fn counts(&self) -> (u64, u64) {
        let contents = self.contents();
        let bytes: usize = contents.pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        (contents.commits, bytes as u64)
    }

    fn slice(&self, from: &[u8], to: &[u8], back: bool) -> Vec<Pair> {
        if from >= to {
            return Vec::new();
        }
        let contents = self.contents();
        let range = contents.pairs.range(from.to_vec()..to.to_vec());
        let own = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        if back { range.rev().take(SLICE).map(own).collect() } else { range.take(SLICE).map(own).collect() }
    }
}

/// What a reader holds: the scans outlive the call that starts them.
pub(super) struct MemoryView(pub(super) Arc<Memory>);

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.contents().pairs.get(key).cloned())
    }

    fn scan(&self, mut from: Vec<u8>, mut to: Vec<u8>, back: bool) -> Pairs {
        let memory = self.0.clone();
        let slices = std::iter::from_fn(move || {
            let slice = memory.slice(&from, &to, back);
            let (last, _) = slice.last()?;
            if back {
                to.clone_from(last);
            } else {
                from.clone_from(last);
                from.push(0); // the smallest key above it
            }
            Some(slice)
        });
        Box::new(slices.flatten().map(Ok))
    }
}
