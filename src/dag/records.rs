//! What the room stores, and how it is written and read back. The shapes below this file are the stored format; a change
//! of one raises its `FORMAT` and teaches `migrate` the old one.
//!
//! | kind | key | what |
//! | --- | --- | --- |
//! | `dag.run` | run | a run's row |
//! | `dag.unfinished` | run | index of the runs that are not COMPLETED, with their states |
//! | `dag.text` | run | its specification, as it was written |
//! | `dag.addition` | run, first group | what a generator has added |
//! | `dag.attempt` | run, group, index, number | an attempt that has ended |
//! | `dag.passed` | run, group, first index | the same first attempt of several tasks in a row |
//! | `dag.mark` | run, group, first index, pass, count | tasks that came to their state without an attempt |
//! | `dag.edit` | run, group, index | the job in place of the template's |
//! | `dag.live` | slot | an attempt that has not ended |
//! | `dag.numbers` | – | numbers handed out |
//! | `dag.key` | uid, key | the run that an `Idempotency-Key` has made |
//! | `dag.dag`, `dag.dag_text` | name | a stored DAG |
//! | `dag.firing` | name, moment | what became of its firings |
//! | `dag.keeper`, `dag.boot` | – | the keeper and the boot that the live attempts belong to |
//! | `dag.purged` | run | a run that is gone, of which some of the above may be left |
//!
//! `shapes` and `dags` say how each looks, `tasks` what has become of a run's tasks, `load` what a start reads,
//! `purged` how a run ends, `rules` what must hold between them.

mod dags;
mod load;
mod purged;
mod rules;
mod shapes;
mod tasks;

#[cfg(test)]
mod tests;

use super::machine::{FiringRow, LiveAttempt, Write};
use super::model::*;
use super::specification::Limits;
use crate::base::Wall;
use crate::store::{Batch, ReadError, Reader, Table, record};
use std::ops::Range;
use std::sync::Arc;

pub use load::{LoadError, load, load_run};
pub use purged::{purged, remains};
pub use rules::rules;
pub use tasks::{attempts, attempts_from, mark};

record!(shapes::Run, 0x30, "dag.run", u64);
record!(shapes::Unfinished, 0x31, "dag.unfinished", u64);
record!(shapes::Text, 0x32, "dag.text", u64);
record!(shapes::Added, 0x33, "dag.addition", (u64, u32));
record!(shapes::Attempted, 0x34, "dag.attempt", (u64, (u32, (u32, u32))));
record!(shapes::Passed, 0x35, "dag.passed", (u64, (u32, u32)));
record!(shapes::Marked, 0x36, "dag.mark", (u64, (u32, (u32, (u32, u32)))));
record!(shapes::Edited, 0x37, "dag.edit", (u64, (u32, u32)));
record!(shapes::Live, 0x38, "dag.live", u64);
record!(shapes::Numbers, 0x39, "dag.numbers", ());
record!(shapes::Keyed, 0x3A, "dag.key", (u32, String));
record!(dags::Dag, 0x3B, "dag.dag", String);
record!(dags::DagText, 0x3C, "dag.dag_text", String);
record!(dags::Firing, 0x3D, "dag.firing", dags::FiringKey);
record!(shapes::Keeper, 0x3E, "dag.keeper", ());
record!(shapes::Boot, 0x3F, "dag.boot", ());
record!(shapes::Purged, 0x40, "dag.purged", u64);

/// All kinds of records, for the store: 0x30 on.
pub const TABLES: [Table; 17] = [
    Table::of::<shapes::Run>(),
    Table::of::<shapes::Unfinished>(),
    Table::of::<shapes::Text>(),
    Table::of::<shapes::Added>(),
    Table::of::<shapes::Attempted>(),
    Table::of::<shapes::Passed>(),
    Table::of::<shapes::Marked>(),
    Table::of::<shapes::Edited>(),
    Table::of::<shapes::Live>(),
    Table::of::<shapes::Numbers>(),
    Table::of::<shapes::Keyed>(),
    Table::of::<dags::Dag>(),
    Table::of::<dags::DagText>(),
    Table::of::<dags::Firing>(),
    Table::of::<shapes::Keeper>(),
    Table::of::<shapes::Boot>(),
    Table::of::<shapes::Purged>(),
];

/// With nothing to check against: what was accepted once stays accepted.
pub const ACCEPTED: Limits = Limits { capacity: None, max_tasks: u32::MAX };

/// Appends what a plan writes.
pub fn write(writes: Vec<Write>, batch: &mut Batch) {
    for write in writes {
        match write {
            Write::PutRun(row) => put_run(&row, batch),
            Write::PutText(run, text) => batch.put::<shapes::Text>(&run.0, &shapes::Text::of(&text)),
            Write::PutAddition { run, first, by, text } => {
                batch.put::<shapes::Added>(&(run.0, first), &shapes::Added::of(by, &text));
            }
            Write::PutAttempt { run, task, count, number, attempt } => {
                tasks::put_attempt(run, task, count, number, &attempt, batch);
            }
            Write::PutMark { run, task, count, pass, after, mark } => {
                tasks::put_mark(run, task, count, pass, &shapes::Marked::of(after, &mark), batch);
            }
            Write::PutEdit { run, task, job } => {
                let edited = shapes::Edited(job.shown.clone());
                batch.put::<shapes::Edited>(&(run.0, (task.group, task.index)), &edited);
            }
            Write::PutLive(live) => batch.put::<shapes::Live>(&live.slot.0, &shapes::Live::from(&*live)),
            Write::DeleteLive(slot) => batch.delete::<shapes::Live>(&slot.0),
            Write::DeleteRun(run) => purged::delete(run, batch),
            Write::PutKey { uid, key, digest, run } => {
                batch.put::<shapes::Keyed>(&(uid, key), &shapes::Keyed { digest, run });
            }
            Write::PutNumbers { run, slots } => batch.put::<shapes::Numbers>(&(), &shapes::Numbers { run, slots }),
            Write::PutDag(row) => batch.put::<dags::Dag>(&row.name.to_string(), &dags::Dag::from(&*row)),
            Write::PutDagText(name, text) => {
                batch.put::<dags::DagText>(&name.into(), &dags::DagText(shapes::Text::of(&text)));
            }
            Write::DeleteDag(name) => dags::delete(&name, batch),
            Write::PutFiring(name, firing) => dags::put_firing(&name, &firing, batch),
        }
    }
}

fn put_run(row: &RunRow, batch: &mut Batch) {
    let run = row.id.0;
    batch.put::<shapes::Run>(&run, &shapes::Run::from(row));
    match row.state() {
        State::Completed => batch.delete::<shapes::Unfinished>(&run),
        state => batch.put::<shapes::Unfinished>(&run, &shapes::Unfinished(state)),
    }
}

/// Whether the live attempts belong to another keeper than this one, and whether to another boot. Notes these from now
/// on.
///
/// # Errors
/// The store's.
pub fn meet_keeper(reader: &Reader, keeper: &str, boot: &str, batch: &mut Batch) -> Result<(bool, bool), ReadError> {
    let known_keeper = reader.get::<shapes::Keeper>(&())?;
    let known_boot = reader.get::<shapes::Boot>(&())?;
    batch.put::<shapes::Keeper>(&(), &shapes::Keeper(keeper.to_owned()));
    batch.put::<shapes::Boot>(&(), &shapes::Boot(boot.to_owned()));
    Ok((known_keeper.is_none_or(|known| known.0 != keeper), known_boot.is_none_or(|known| known.0 != boot)))
}

/// A run's row. Blocks.
///
/// # Errors
/// The store's.
pub fn row(reader: &Reader, run: DagRunId) -> Result<Option<RunRow>, ReadError> {
    Ok(reader.get::<shapes::Run>(&run.0)?.map(|row| row.into_model(run)))
}

/// The rows of runs with numbers in a range, ascending or descending; `unfinished`: only of those not COMPLETED, found by
/// an index. Blocks while it is iterated.
pub fn rows(
    reader: &Reader,
    range: Range<u64>,
    unfinished: bool,
    descending: bool,
) -> Box<dyn Iterator<Item = Result<RunRow, ReadError>> + Send> {
    if unfinished {
        let index = if descending { reader.scan_back(range) } else { reader.scan(range) };
        let reader = reader.clone();
        let found = move |entry: Result<(u64, shapes::Unfinished), ReadError>| match entry {
            Ok((run, _)) => row(&reader, DagRunId(run)).transpose(), // none: it was deleted meanwhile
            Err(why) => Some(Err(why)),
        };
        return Box::new(index.filter_map(found));
    }
    let rows = if descending { reader.scan_back::<shapes::Run>(range) } else { reader.scan(range) };
    Box::new(rows.map(|entry| entry.map(|(run, row)| row.into_model(DagRunId(run)))))
}

/// The digest and the run of an `Idempotency-Key`. Blocks.
///
/// # Errors
/// The store's.
pub fn key(reader: &Reader, uid: u32, key: &str) -> Result<Option<(String, DagRunId)>, ReadError> {
    let found = reader.get::<shapes::Keyed>(&(uid, key.to_owned()))?;
    Ok(found.map(|known| (known.digest, known.run)))
}

/// Forgets the `Idempotency-Key`s of runs before this one. Looks at all keys. Blocks.
///
/// # Errors
/// The store's.
pub fn forget_keys(reader: &Reader, before: DagRunId, batch: &mut Batch) -> Result<(), ReadError> {
    for entry in reader.scan::<shapes::Keyed>(..) {
        let (key, known) = entry?;
        if known.run < before {
            batch.delete::<shapes::Keyed>(&key);
        }
    }
    Ok(())
}

/// The text of a run's specification. Blocks.
///
/// # Errors
/// The store's.
pub fn text(reader: &Reader, run: DagRunId) -> Result<Option<Arc<str>>, ReadError> {
    Ok(reader.get::<shapes::Text>(&run.0)?.map(|text| text.get()))
}

/// The last decided firings of a stored DAG, newest first. Blocks.
///
/// # Errors
/// The store's.
pub fn firings(reader: &Reader, dag: &DagName, most: usize) -> Result<Vec<FiringRow>, ReadError> {
    dags::firings_back(reader, dag).take(most).collect()
}

/// Forgets the firings of a stored DAG but for the newest. Blocks.
///
/// # Errors
/// The store's.
pub fn forget_firings(reader: &Reader, dag: &DagName, keep: usize, batch: &mut Batch) -> Result<(), ReadError> {
    let surplus = dags::firings_back(reader, dag).nth(keep).transpose()?;
    if let Some(newest) = surplus {
        dags::delete_firings(dag, newest.at, batch);
    }
    Ok(())
}

/// A live attempt as the keeper's record of intent.
pub fn intent(live: &LiveAttempt) -> Vec<u8> {
    serde_json::to_vec(&shapes::Live::from(live)).unwrap_or_default() // numbers alone: cannot fail
}

/// Reads it back.
///
/// # Errors
/// It is none.
pub fn read_intent(bytes: &[u8]) -> Result<LiveAttempt, serde_json::Error> {
    serde_json::from_slice::<shapes::Live>(bytes).map(LiveAttempt::from)
}

/// The number that parts the runs submitted before a moment from the others, found by halving. Blocks.
///
/// # Errors
/// The store's.
pub fn since(reader: &Reader, since: Wall) -> Result<DagRunId, ReadError> {
    let newest = reader.scan_back::<shapes::Run>(..).next().transpose()?;
    let (mut low, mut high) = (0, newest.map_or(0, |(run, _)| run.saturating_add(1)));
    while low < high {
        let middle = low + (high - low) / 2;
        let found = rows(reader, middle..high, false, false).next().transpose()?;
        match found {
            Some(row) if row.history.first().is_some_and(|change| change.at < since) => low = row.id.0 + 1,
            _ => high = middle,
        }
    }
    Ok(DagRunId(low))
}
