//! Keeping the history within the configured bounds: once at the start and once an hour, beside the driver.
//!
//! Runs that are over go through the machine like any operator's purge, the oldest first, so nothing that was taken up
//! again meanwhile is lost. Numbers grow with time: what is too old is found from the front, and ends at the first run
//! that was submitted since.

use super::engine::{Failed, Handle};
use super::machine::{Ask, Asker, Verdict};
use super::model::{DagName, DagRunId, Owner};
use super::{output, records};
use crate::base::Wall;
use crate::logs::{Logs, Stem};
use crate::store::{Batch, ReadError, Reader, Store};
use chrono::{TimeDelta, Utc};
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(3600);
/// How many runs are looked for at a time.
const AT_ONCE: usize = 1_000;
/// How many firings of a stored DAG are remembered.
const FIRINGS: usize = 1_000;

/// Passes for ever. Returns when the engine is gone.
pub async fn keep_bounds(handle: Handle) {
    if let Err(why) = remove_unknown_output(&handle).await {
        tracing::warn!("output of unknown runs cannot be looked for: {why}");
    }
    while let Ok(()) = pass(&handle).await {
        tokio::time::sleep(EVERY).await;
    }
}

/// One pass. An error: the engine is gone. What goes wrong otherwise is tried again by the next one.
async fn pass(handle: &Handle) -> Result<(), Failed> {
    let now = Utc::now();
    let (keep, since) = (handle.settings.keep_runs, before(now, handle.settings.keep_for));
    if let Some(mut surplus) = read(handle, move |reader| Surplus::of(reader, keep, since)).await {
        while let Some((next, found)) = read(handle, move |reader| surplus.next(reader)).await {
            surplus = next;
            if found.is_empty() {
                break;
            }
            purge(handle, found).await?;
        }
    }
    let names = |room: &super::machine::Room| room.calendar().iter().map(|dag| dag.name.clone()).collect();
    let dags: Vec<DagName> = handle.look(names).await?;
    let keys_since = before(now, handle.settings.keep_keys);
    let batch = read(handle, move |reader| forgotten(reader, keys_since, &dags)).await;
    if let Some(batch) = batch.filter(|batch| !batch.is_empty()) {
        drop(handle.tools.store.submit(batch));
    }
    Ok(())
}

/// Reads where that may block. None, and a line in the log: it could not be read.
async fn read<T: Send + 'static>(
    handle: &Handle,
    read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
) -> Option<T> {
    let reader = handle.tools.store.reader();
    match tokio::task::spawn_blocking(move || read(&reader)).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(why)) => {
            tracing::warn!("the history of DAG runs cannot be bounded: {why}");
            None
        }
        Err(why) => {
            tracing::warn!("the history of DAG runs cannot be bounded: {why}");
            None
        }
    }
}

fn before(now: Wall, age: Duration) -> Wall {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(Wall::MIN_UTC)
}

async fn purge(handle: &Handle, runs: Vec<DagRunId>) -> Result<(), Failed> {
    let owner = Owner { uid: handle.settings.own_uid, name: "retention".to_owned(), operator: true };
    let by = Asker { owner, all: true };
    for run in runs {
        match handle.ask(Ask::Purge(run), by.clone()).await {
            Ok(Verdict::Refused(why)) => tracing::debug!("not purged yet: {why}"),
            Ok(_) => {}
            Err(Failed::Gone) => return Err(Failed::Gone),
            Err(Failed::Load(why)) => tracing::warn!("run {run} cannot be purged: {why}"),
        }
    }
    Ok(())
}

/// Removes what is left of runs that are gone: their output, then their records.
pub(super) async fn clear_away(mut gone: UnboundedReceiver<DagRunId>, store: Store, logs: Logs) {
    while let Some(run) = gone.recv().await {
        output::remove(logs.clone(), run).await;
        if let Err(why) = clear(&store, run).await {
            tracing::warn!(run = run.0, "records of a purged run stay until the next start: {why}");
        }
    }
}

/// Removes the records of a run, piece by piece, each when the one before is durable: others write in between.
async fn clear(store: &Store, run: DagRunId) -> Result<(), Box<dyn Error + Send + Sync>> {
    loop {
        let reader = store.reader();
        let piece = tokio::task::spawn_blocking(move || records::remains(&reader, run)).await??;
        if piece.is_empty() {
            return Ok(());
        }
        store.submit(piece).durable().await?;
    }
}

/// Which runs are too many or too old, as it was when this was made.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Surplus {
    /// Runs that are over, below this number, are too many.
    crowded: u64,
    /// Runs from this number on were submitted since.
    young: u64,
    /// Runs that last changed before are too old.
    since: Wall,
    /// Those below this number were looked at.
    from: u64,
}

impl Surplus {
    /// With `keep` runs that are over kept, and none that has not changed since.
    fn of(reader: &Reader, keep: usize, since: Wall) -> Result<Surplus, ReadError> {
        let end = |descending| records::rows(reader, 0..u64::MAX, false, descending).next().transpose();
        let from = end(false)?.map_or(0, |row| row.id.0);
        let newest = end(true)?.map_or(0, |row| row.id.0);
        let mut crowded = 0;
        // As long as there are fewer numbers than places, there is nothing to count.
        if newest - from >= keep as u64 {
            let over =
                |row: &Result<_, _>| row.as_ref().map_or(true, |row: &super::model::RunRow| row.state().is_over());
            let mut runs = records::rows(reader, from..newest.saturating_add(1), false, true).filter(over);
            crowded = runs.nth(keep).transpose()?.map_or(0, |row| row.id.0 + 1);
        }
        Ok(Surplus { crowded, young: records::since(reader, since)?.0, since, from })
    }

    /// The next of them, the oldest first; empty at the end.
    fn next(mut self, reader: &Reader) -> Result<(Surplus, Vec<DagRunId>), ReadError> {
        let mut found = Vec::new();
        for row in records::rows(reader, self.from..self.crowded.max(self.young), false, false) {
            let row = row?;
            let surplus = row.id.0 < self.crowded || row.last_update < self.since;
            if row.state().is_over() && surplus {
                found.push(row.id);
            }
            self.from = row.id.0 + 1;
            if found.len() == AT_ONCE {
                break;
            }
        }
        Ok((self, found))
    }
}

/// What goes without being asked for: keys of runs submitted before, and old firings.
fn forgotten(reader: &Reader, keys_since: Wall, dags: &[DagName]) -> Result<Batch, ReadError> {
    let mut batch = Batch::new();
    records::forget_keys(reader, records::since(reader, keys_since)?, &mut batch)?;
    for dag in dags {
        records::forget_firings(reader, dag, FIRINGS, &mut batch)?;
    }
    Ok(batch)
}

/// Removes the output of runs that nobody knows: a crash may have come between the end of a record and that of its
/// files.
async fn remove_unknown_output(handle: &Handle) -> io::Result<()> {
    let root = handle.tools.logs.path(&Stem::new(output::ROOT).map_err(io::Error::other)?);
    let runs = tokio::task::spawn_blocking(move || directories(&root)).await.map_err(io::Error::other)??;
    // A run whose directory was there then had been decided before; after this it is in the store.
    handle.settled().await;
    for run in read(handle, move |reader| unknown(reader, runs)).await.unwrap_or_default() {
        output::remove(handle.tools.logs.clone(), run).await;
    }
    Ok(())
}

/// The runs that have a directory in this one.
fn directories(root: &Path) -> io::Result<Vec<DagRunId>> {
    let entries = match std::fs::read_dir(root) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let number = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(number).map(DagRunId).collect())
}

/// Those of them that are not in the store.
fn unknown(reader: &Reader, mut runs: Vec<DagRunId>) -> Result<Vec<DagRunId>, ReadError> {
    let mut found = Vec::new();
    runs.sort_unstable();
    for run in runs {
        if records::row(reader, run)?.is_none() {
            found.push(run);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
