//! One decision: the operations that become durable together or not at all.

use super::record::{Record, encode, full_key, full_range};
use std::ops::RangeBounds;

/// The longest key in the tree: with values of at most 4 KiB it keeps pages far below the size that sled does not sync.
const LONGEST_KEY: usize = 1024;

/// One change of the tree. Applying a sequence of them twice leaves what applying it once leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Sets a key.
    Put { key: Vec<u8>, value: Vec<u8> },
    /// Removes a key, if it is there.
    Delete { key: Vec<u8> },
    /// Removes every key from `from` up to, not including, `to`.
    DeleteRange { from: Vec<u8>, to: Vec<u8> },
}

impl Op {
    /// About what it takes in memory and in the log.
    pub(super) fn weight(&self) -> usize {
        match self {
            Op::Put { key, value } => key.len() + value.len(),
            Op::Delete { key } => key.len(),
            Op::DeleteRange { from, to } => from.len() + to.len(),
        }
    }
}

/// Operations of one decision, in order: a later one sees what an earlier one did.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) ops: Vec<Op>,
    /// Why a record could not be written as JSON. Such a batch is refused whole.
    pub(super) unwritable: Option<String>,
}

impl Batch {
    /// Decisions are put into one batch up to so many operations: well below what the store writes at once, since a value
    /// that becomes a file takes several.
    pub const TOGETHER: usize = 100;

    /// An empty decision.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Stores a record under a key, replacing what was there.
    ///
    /// A record that serde cannot write as JSON (a map with keys that are no text), or a key over 1 KiB, makes
    /// [`Store::submit`] refuse the whole batch.
    ///
    /// [`Store::submit`]: super::Store::submit
    pub fn put<R: Record>(&mut self, key: &R::Key, record: &R) {
        let key = full_key::<R>(key);
        match encode(record) {
            Ok(value) if key.len() <= LONGEST_KEY => self.ops.push(Op::Put { key, value }),
            Ok(_) => self.unwritable = Some(format!("{}: a key of {} bytes", R::KIND.name(), key.len())),
            Err(why) => self.unwritable = Some(format!("{}: {why}", R::KIND.name())),
        }
    }

    /// Removes the record with this key; nothing happens if there is none.
    pub fn delete<R: Record>(&mut self, key: &R::Key) {
        self.ops.push(Op::Delete { key: full_key::<R>(key) });
    }

    /// Removes every record whose key lies in the range. It is stored as one operation however many these are; the
    /// work still grows with their number (about 20 µs each), and later decisions wait for it.
    pub fn delete_range<R: Record>(&mut self, range: impl RangeBounds<R::Key>) {
        let (from, to) = full_range::<R>(range);
        if from < to {
            self.ops.push(Op::DeleteRange { from, to });
        }
    }

    /// Appends the operations of another decision: both become one.
    pub fn append(&mut self, other: Batch) {
        self.ops.extend(other.ops);
        self.unwritable = self.unwritable.take().or(other.unwritable);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.unwritable.is_none()
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.ops.len()
    }
}
