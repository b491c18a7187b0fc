//! The end of a run's records. A run may have a million of them, and whoever wants something written waits while they
//! are removed: so its row goes first, which is the end of the run for everybody, and the rest goes piece by piece. What
//! is left to be removed is known by `dag.purged`, also to the next start.

use super::shapes::{Added, Attempted, Edited, Marked, Passed, Purged, Run, Text, Unfinished};
use crate::dag::model::DagRunId;
use crate::store::{Batch, ReadError, Reader, Record};
use std::ops::RangeBounds;

/// So many records go at a time: with what objects add, about what fits one batch of the store.
const PIECE: usize = 200;

const LAST: u32 = u32::MAX;

/// The run is gone; its other records are to follow. An `Idempotency-Key` that names it stays as long as any.
pub(super) fn delete(run: DagRunId, batch: &mut Batch) {
    batch.delete::<Run>(&run.0);
    batch.delete::<Unfinished>(&run.0);
    batch.delete::<Text>(&run.0);
    batch.put::<Purged>(&run.0, &Purged {});
}

/// The runs of which something may be left, for a start to go on with. Blocks.
///
/// # Errors
/// The store's.
pub fn purged(reader: &Reader) -> Result<Vec<DagRunId>, ReadError> {
    reader.scan::<Purged>(..).map(|entry| entry.map(|(run, _)| DagRunId(run))).collect()
}

/// What is to be removed next of a run that is gone; empty when nothing is left. Blocks.
///
/// # Errors
/// The store's.
pub fn remains(reader: &Reader, run: DagRunId) -> Result<Batch, ReadError> {
    let (id, mut batch) = (run.0, Batch::new());
    if reader.get::<Purged>(&id)?.is_none() {
        return Ok(batch);
    }
    some::<Added>(reader, (id, 0)..=(id, LAST), &mut batch)?;
    some::<Attempted>(reader, (id, (0, (0, 0)))..=(id, (LAST, (LAST, LAST))), &mut batch)?;
    some::<Passed>(reader, (id, (0, 0))..=(id, (LAST, LAST)), &mut batch)?;
    some::<Marked>(reader, (id, (0, (0, (0, 0))))..=(id, (LAST, (LAST, (LAST, LAST)))), &mut batch)?;
    some::<Edited>(reader, (id, (0, 0))..=(id, (LAST, LAST)), &mut batch)?;
    if batch.len() < PIECE {
        batch.delete::<Purged>(&id);
    }
    Ok(batch)
}

/// Removes the first of these records, as far as there is room.
fn some<R: Record>(reader: &Reader, range: impl RangeBounds<R::Key>, batch: &mut Batch) -> Result<(), ReadError> {
    for entry in reader.scan::<R>(range).take(PIECE.saturating_sub(batch.len())) {
        batch.delete::<R>(&entry?.0);
    }
    Ok(())
}
