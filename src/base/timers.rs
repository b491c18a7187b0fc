//! Deadlines by what they are for: one each, the next one at hand.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// At most one deadline per key, on either clock. Every operation is logarithmic.
#[derive(Debug)]
pub struct Timers<At, Key> {
    by_time: BTreeSet<(At, Key)>,
    by_key: HashMap<Key, At>,
}

impl<At, Key> Default for Timers<At, Key> {
    /// None.
    fn default() -> Self {
        Timers { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<At: Copy + Ord, Key: Clone + Ord + Hash> Timers<At, Key> {
    /// Sets the deadline of `key`, in place of the one it had.
    pub fn set(&mut self, key: Key, at: At) {
        if let Some(before) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(before, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// `key` has no deadline any more.
    pub fn clear(&mut self, key: Key) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: Key) -> Option<At> {
        self.by_key.get(&key).copied()
    }

    /// How many deadlines there are.
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<At> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest that is not after `now`.
    pub fn pop(&mut self, now: At) -> Option<Key> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}
