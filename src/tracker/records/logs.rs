//! Log entries: numbered in the order in which they were written, and found by level and time through an index.
//!
//! The oldest go first, so the numbers have no gaps: how many there are is seen from the first and the last.

use super::second;
use super::shapes::{Log, LogAt};
use crate::store::{Batch, ReadError, Reader};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How much text of entries is read at once, in bytes; the newest is read in any case.
const READ: usize = 16 << 20;

/// A log entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its level's number on the wire.
    pub level: u8,
    /// When, by the worker's clock: Unix seconds.
    pub at: i64,
    /// Whose.
    pub worker: u32,
    /// About what.
    pub scope: String,
    /// What.
    pub message: String,
    /// When it was written, in Unix seconds.
    pub written: i64,
}

/// Stores an entry under its number.
pub fn put_log(number: u64, entry: Logged, batch: &mut Batch) {
    let Logged { level, at, worker, scope, message, written } = entry;
    batch.put(&number, &Log { level, at, worker, scope, message, written });
    batch.put(&(level, (second(at), number)), &LogAt);
}

/// The number of the newest entry; 0: there is none. Blocks.
///
/// # Errors
/// The store's.
pub fn last_log(reader: &Reader) -> Result<u64, ReadError> {
    let newest = reader.scan_back::<Log>(..).next().transpose()?;
    Ok(newest.map_or(0, |(number, _)| number))
}

/// Entries of this level with a time above `since`, in the order in which they were written; the newest `limit` where
/// there are more, and fewer where those are very long. Blocks.
///
/// # Errors
/// The store's.
pub fn logged(reader: &Reader, level: u8, since: i64, limit: usize) -> Result<Vec<Logged>, ReadError> {
    let first = (level, (second(since).saturating_add(1), 0));
    let mut newest = BinaryHeap::new();
    for entry in reader.scan::<LogAt>(first..=(level, (u64::MAX, u64::MAX))) {
        let (_, (_, number)) = entry?.0;
        newest.push(Reverse(number));
        if newest.len() > limit {
            newest.pop();
        }
    }
    let mut numbers: Vec<u64> = newest.into_iter().map(|Reverse(number)| number).collect();
    numbers.sort_unstable();
    let mut found = Vec::with_capacity(numbers.len());
    let mut left = READ;
    for number in numbers.into_iter().rev() {
        // None: it was forgotten meanwhile.
        let Some(Log { level, at, worker, scope, message, written }) = reader.get(&number)? else { continue };
        let rest = left.checked_sub(scope.len() + message.len());
        if rest.is_none() && !found.is_empty() {
            break;
        }
        left = rest.unwrap_or(0);
        found.push(Logged { level, at, worker, scope, message, written });
    }
    found.reverse();
    Ok(found)
}

/// Forgets the oldest entries: what is beyond the newest `keep`, and what was written before this Unix second; at most
/// `most` of them. Blocks.
///
/// # Errors
/// The store's.
pub fn forget_logs(reader: &Reader, keep: usize, before: i64, most: usize) -> Result<Batch, ReadError> {
    let mut batch = Batch::new();
    let kept_from = last_log(reader)?.saturating_sub(keep as u64);
    for entry in reader.scan::<Log>(..).take(most) {
        let (number, Log { level, at, written, .. }) = entry?;
        if number > kept_from && written >= before {
            break;
        }
        batch.delete::<Log>(&number);
        batch.delete::<LogAt>(&(level, (second(at), number)));
    }
    Ok(batch)
}
