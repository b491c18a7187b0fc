//! What the room stores, and how it is written and read back.

use super::machine::{FiringRow, LiveAttempt, Stored, StoredRun, Write};
use super::model::*;
use super::specification::Limits;
use crate::store::{Batch, ReadError, Reader, Rule, Table};
use std::sync::Arc;

/// All kinds of records, for the store: 0x30 on.
pub const TABLES: [Table; 0] = [];

/// What must hold between the records, for a check of the whole store.
pub fn rules() -> Vec<Rule> {
    Vec::new()
}

/// Why a stored run cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A specification that was accepted once is not any more.
    #[error("{what}: {why}")]
    Specification {
        /// Whose: `run 4`, `DAG nightly`.
        what: String,
        /// Why.
        why: Invalid,
    },
}

/// Appends what a plan writes.
pub fn write(writes: Vec<Write>, batch: &mut Batch) {
    let _ = (writes, batch);
    unimplemented!()
}

/// Everything a start needs. Blocks.
///
/// # Errors
/// The store's.
pub fn load(reader: &Reader) -> Result<Stored, LoadError> {
    let _ = reader;
    unimplemented!()
}

/// One run, whatever its state. Blocks.
///
/// # Errors
/// The store's.
pub fn load_run(reader: &Reader, run: DagRunId) -> Result<Option<StoredRun>, LoadError> {
    let _ = (reader, run);
    unimplemented!()
}

/// A run's row. Blocks.
///
/// # Errors
/// The store's.
pub fn row(reader: &Reader, run: DagRunId) -> Result<Option<RunRow>, ReadError> {
    let _ = (reader, run);
    unimplemented!()
}

/// The rows of runs with numbers in a range, ascending or descending; `unfinished`: only of those not COMPLETED, found by
/// an index. Blocks while it is iterated.
pub fn rows(
    reader: &Reader,
    range: std::ops::Range<u64>,
    unfinished: bool,
    descending: bool,
) -> Box<dyn Iterator<Item = Result<RunRow, ReadError>> + Send> {
    let _ = (reader, range, unfinished, descending);
    unimplemented!()
}

/// The ended attempts of one task, oldest first, with their numbers. Blocks.
///
/// # Errors
/// The store's.
pub fn attempts(reader: &Reader, run: DagRunId, task: TaskId) -> Result<Vec<(u32, Attempt)>, ReadError> {
    let _ = (reader, run, task);
    unimplemented!()
}

/// The ended attempts of a run's tasks from one task on, task by task in the order of their ids; tasks without any are
/// left out. Blocks while it is iterated.
#[expect(clippy::type_complexity, reason = "one use")]
pub fn attempts_from(
    reader: &Reader,
    run: DagRunId,
    from: TaskId,
) -> Box<dyn Iterator<Item = Result<(TaskId, Vec<(u32, Attempt)>), ReadError>> + Send> {
    let _ = (reader, run, from);
    unimplemented!()
}

/// The marks of one task: who killed, skipped or completed it by hand. Blocks.
///
/// # Errors
/// The store's.
pub fn mark(reader: &Reader, run: DagRunId, task: TaskId) -> Result<Option<Mark>, ReadError> {
    let _ = (reader, run, task);
    unimplemented!()
}

/// The digest and the run of an `Idempotency-Key`. Blocks.
///
/// # Errors
/// The store's.
pub fn key(reader: &Reader, uid: u32, key: &str) -> Result<Option<(String, DagRunId)>, ReadError> {
    let _ = (reader, uid, key);
    unimplemented!()
}

/// The text of a run's specification. Blocks.
///
/// # Errors
/// The store's.
pub fn text(reader: &Reader, run: DagRunId) -> Result<Option<Arc<str>>, ReadError> {
    let _ = (reader, run);
    unimplemented!()
}

/// The last decided firings of a stored DAG, newest first. Blocks.
///
/// # Errors
/// The store's.
pub fn firings(reader: &Reader, dag: &DagName, most: usize) -> Result<Vec<FiringRow>, ReadError> {
    let _ = (reader, dag, most);
    unimplemented!()
}

/// A live attempt as the keeper's record of intent.
pub fn intent(live: &LiveAttempt) -> Vec<u8> {
    let _ = live;
    unimplemented!()
}

/// Reads it back.
///
/// # Errors
/// It is none.
pub fn read_intent(bytes: &[u8]) -> Result<LiveAttempt, serde_json::Error> {
    let _ = bytes;
    unimplemented!()
}

/// With nothing to check against: what was accepted once stays accepted.
pub const ACCEPTED: Limits = Limits { capacity: None, max_tasks: u32::MAX };

/// Whether the live attempts belong to another keeper than this one, and whether to another boot. Notes these from now
/// on. Blocks.
///
/// # Errors
/// The store's.
pub fn meet_keeper(reader: &Reader, keeper: &str, boot: &str, batch: &mut Batch) -> Result<(bool, bool), ReadError> {
    let _ = (reader, keeper, boot, batch);
    unimplemented!()
}
