//! What a start reads, and what an ask about a run that is over does.

use super::dags::{Dag, DagText};
use super::shapes::{Added, Edited, Live, Numbers, Run, Text, Unfinished};
use super::{ACCEPTED, row, tasks};
use crate::dag::machine;
use crate::dag::machine::{Stored, StoredAddition, StoredDag, StoredRun};
use crate::dag::model::*;
use crate::dag::specification;
use crate::dag::stored;
use crate::store::{ReadError, Reader};
use std::collections::BTreeSet;
use std::sync::Arc;

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

/// Everything a start needs. Blocks.
///
/// # Errors
/// The store's.
pub fn load(reader: &Reader) -> Result<Stored, LoadError> {
    let mut needed = BTreeSet::new();
    for entry in reader.scan::<Unfinished>(..) {
        let (run, Unfinished(state)) = entry?;
        if !state.is_over() {
            needed.insert(DagRunId(run));
        }
    }
    let mut live = Vec::new();
    for entry in reader.scan::<Live>(..) {
        live.push(machine::LiveAttempt::from(entry?.1));
    }
    needed.extend(live.iter().map(|attempt| attempt.run));
    let mut runs = Vec::new();
    for run in needed {
        runs.extend(load_run(reader, run)?);
    }
    let numbers = reader.get::<Numbers>(&())?.unwrap_or_default();
    let newest = reader.scan_back::<Run>(..).next().transpose()?;
    let after_newest = DagRunId(newest.map_or(0, |(run, _)| run.saturating_add(1)));
    Ok(Stored { runs, live, next_run: numbers.run.max(after_newest), slots: numbers.slots, dags: dags(reader)? })
}

/// One run, whatever its state. Blocks.
///
/// # Errors
/// The store's.
pub fn load_run(reader: &Reader, run: DagRunId) -> Result<Option<StoredRun>, LoadError> {
    let Some(row) = row(reader, run)? else { return Ok(None) };
    let what = || format!("run {run}");
    let text = reader.get::<Text>(&run.0)?.ok_or_else(|| missing(what()))?.get();
    let blueprint = specification::parse(text.as_bytes(), &ACCEPTED).map_err(refused(what()))?;
    let mut additions = Vec::new();
    for entry in reader.scan::<Added>((run.0, 0)..=(run.0, u32::MAX)) {
        let ((_, first), added) = entry?;
        let (by, text) = added.into_model();
        let addition = specification::generated(text.as_bytes(), &blueprint, &ACCEPTED)
            .map_err(refused(format!("what a generator added to run {run}")))?;
        additions.push(StoredAddition { first, by, addition });
    }
    let edits = edits(reader, run)?;
    let entries = tasks::entries(reader, run)?;
    Ok(Some(StoredRun { row, blueprint: Arc::new(blueprint), additions, entries, edits }))
}

/// The jobs that were replaced. They are stored as they are shown, with nothing left to be filled in.
fn edits(reader: &Reader, run: DagRunId) -> Result<Vec<(TaskId, Arc<Job>)>, LoadError> {
    let mut edits = Vec::new();
    for entry in reader.scan::<Edited>((run.0, (0, 0))..=(run.0, (u32::MAX, u32::MAX))) {
        let ((_, (group, index)), Edited(shown)) = entry?;
        let what = format!("the job given to task {index} of group {group} of run {run}");
        edits.push((TaskId { group, index }, Arc::new(Job::read(shown).map_err(refused(what))?)));
    }
    Ok(edits)
}

fn dags(reader: &Reader) -> Result<Vec<StoredDag>, LoadError> {
    let mut dags = Vec::new();
    for entry in reader.scan::<Dag>(..) {
        let (key, record) = entry?;
        let what = || format!("DAG {key}");
        let name = DagName::new(&key).map_err(|why| refused(what())(Invalid(why.to_string())))?;
        let row = record.into_model(name).map_err(refused(what()))?;
        let text = reader.get::<DagText>(&key)?.ok_or_else(|| missing(what()))?.0.get();
        let dag = stored::compile(row.name, text, row.schedule, &ACCEPTED, row.owner, row.runs_as)
            .map_err(refused(what()))?;
        dags.push(StoredDag { dag, cursor: row.cursor });
    }
    Ok(dags)
}

fn missing(what: String) -> LoadError {
    LoadError::Specification { what, why: Invalid("the specification is not in the store".to_owned()) }
}

fn refused(what: String) -> impl FnOnce(Invalid) -> LoadError {
    move |why| LoadError::Specification { what, why }
}
