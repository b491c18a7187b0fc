//! What the room stores, and how it is written and read back. The shapes below this file are the stored format; a change
//! of one raises its `FORMAT` and teaches `migrate` the old one.
//!
//! | kind | key | what |
//! | --- | --- | --- |
//! | `tracker.worker` | worker | a worker, with its secret |
//! | `tracker.worker_closed` | worker | how many tasks it has closed |
//! | `tracker.project` | project | what was set of a project |
//! | `tracker.secrets` | project | its two secrets |
//! | `tracker.closed` | project | how many of its tasks were closed |
//! | `tracker.marks` | project | what was done to all of its tasks at once |
//! | `tracker.access` | project, worker | what a worker may do there |
//! | `tracker.role` | project, account | what a manager may do there |
//! | `tracker.task` | project, task | a task, as it was submitted |
//! | `tracker.standing` | project, task | where it stands; none: free and NEW |
//! | `tracker.sample` | project, second | the queue in numbers, at one moment |
//! | `tracker.numbers` | – | numbers handed out |
//! | `tracker.log` | sequence | what a worker has logged |
//! | `tracker.log_at` | level, second, sequence | index of that by the worker's clock |
//!
//! Tasks and standings tell the epoch of their project in which they were written; what `tracker.marks` says of earlier
//! epochs counts as done, whatever they say themselves.
//!
//! `shapes` says how each looks, `load` what a start reads, `logs` how log entries are kept, `wiped` what is left of
//! queues that are gone, `rules` what must hold between them.

mod load;
mod logs;
mod rules;
mod shapes;
mod wiped;

#[cfg(test)]
mod tests;

use super::machine::Write;
use super::model::{ProjectId, Sample};
use crate::store::{Batch, ReadError, Reader, Table, record};
use serde_json::Value;
use std::ops::RangeInclusive;

pub use load::{Loaded, load};
pub use logs::{Logged, forget_logs, last_log, logged, put_log};
pub use rules::rules;
pub use wiped::{Remains, delete_remains};

record!(shapes::Worker, 0x50, "tracker.worker", u32, mask);
record!(shapes::WorkerClosed, 0x51, "tracker.worker_closed", u32);
record!(shapes::Project, 0x52, "tracker.project", u32);
record!(shapes::Secrets, 0x53, "tracker.secrets", u32, mask);
record!(shapes::Closed, 0x54, "tracker.closed", u32);
record!(shapes::Marked, 0x55, "tracker.marks", u32);
record!(shapes::Access, 0x56, "tracker.access", (u32, u32));
record!(shapes::Role, 0x57, "tracker.role", (u32, u32));
record!(shapes::Task, 0x58, "tracker.task", (u32, u64));
record!(shapes::Standing, 0x59, "tracker.standing", (u32, u64));
record!(shapes::Sample, 0x5A, "tracker.sample", (u32, u64));
record!(shapes::Numbers, 0x5B, "tracker.numbers", ());
record!(shapes::Log, 0x5C, "tracker.log", u64);
record!(shapes::LogAt, 0x5D, "tracker.log_at", (u8, (u64, u64)));

/// The secrets of workers and of projects.
fn mask(json: &mut Value) {
    for name in ["secret", "webhook"] {
        if let Some(secret) = json.get_mut(name) {
            *secret = Value::from("…");
        }
    }
}

/// All kinds of records, for the store: 0x50 on.
pub const TABLES: [Table; 14] = [
    Table::of::<shapes::Worker>(),
    Table::of::<shapes::WorkerClosed>(),
    Table::of::<shapes::Project>(),
    Table::of::<shapes::Secrets>(),
    Table::of::<shapes::Closed>(),
    Table::of::<shapes::Marked>(),
    Table::of::<shapes::Access>(),
    Table::of::<shapes::Role>(),
    Table::of::<shapes::Task>(),
    Table::of::<shapes::Standing>(),
    Table::of::<shapes::Sample>(),
    Table::of::<shapes::Numbers>(),
    Table::of::<shapes::Log>(),
    Table::of::<shapes::LogAt>(),
];

/// Appends what a plan writes: one operation or two for each.
pub fn write(writes: Vec<Write>, batch: &mut Batch) {
    for write in writes {
        match write {
            Write::PutWorker(worker) => batch.put(&worker.id.0, &shapes::Worker::from(&*worker)),
            Write::PutWorkerClosed(worker, count) => batch.put(&worker.0, &shapes::WorkerClosed(count)),
            Write::PutProject(project, definition) => batch.put(&project.0, &shapes::Project::from(&*definition)),
            Write::PutSecrets(project, secret, webhook) => {
                batch.put(&project.0, &shapes::Secrets::of(&secret, &webhook));
            }
            Write::PutClosed(project, count) => batch.put(&project.0, &shapes::Closed(count)),
            Write::PutMarks(project, marks) => batch.put(&project.0, &shapes::Marked::from(marks)),
            Write::PutAccess(project, worker, Some(access)) => {
                batch.put(&(project.0, worker.0), &shapes::Access::from(access));
            }
            Write::PutAccess(project, worker, None) => batch.delete::<shapes::Access>(&(project.0, worker.0)),
            Write::PutRole(project, manager, role) if role == super::model::Role::NONE => {
                batch.delete::<shapes::Role>(&(project.0, manager.0));
            }
            Write::PutRole(project, manager, role) => batch.put(&(project.0, manager.0), &shapes::Role::from(role)),
            Write::PutTask(task, epoch) => {
                batch.put(&(task.project.0, task.id.0), &shapes::Task::of(&task.what, epoch));
            }
            Write::PutStanding(project, task, standing, epoch) => {
                batch.put(&(project.0, task.0), &shapes::Standing::of(*standing, epoch));
            }
            Write::DeleteTask(project, task) => {
                batch.delete::<shapes::Task>(&(project.0, task.0));
                batch.delete::<shapes::Standing>(&(project.0, task.0));
            }
            Write::PutSample(project, sample) => {
                batch.put(&(project.0, second(sample.at)), &shapes::Sample::from(sample));
            }
            Write::PutNumbers(numbers) => batch.put(&(), &shapes::Numbers::from(numbers)),
        }
    }
}

/// A second since 1970, as a key. A clock that stands before that year is not worth a format of its own.
fn second(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}

/// The samples of a project within these Unix seconds, newest first, at most `limit`. Blocks.
///
/// # Errors
/// The store's.
pub fn samples(
    reader: &Reader,
    project: ProjectId,
    within: RangeInclusive<i64>,
    limit: usize,
) -> Result<Vec<Sample>, ReadError> {
    let keys = (project.0, second(*within.start()))..=(project.0, second(*within.end()));
    let found = reader.scan_back::<shapes::Sample>(keys).take(limit);
    found.map(|entry| entry.map(|((_, at), sample)| sample.into_model(at))).collect()
}

/// Forgets samples of a project from before this Unix second, at most `most`. Blocks.
///
/// # Errors
/// The store's.
pub fn forget_samples(reader: &Reader, project: ProjectId, before: i64, most: usize) -> Result<Batch, ReadError> {
    let mut batch = Batch::new();
    for entry in reader.scan::<shapes::Sample>((project.0, 0)..(project.0, second(before))).take(most) {
        batch.delete::<shapes::Sample>(&entry?.0);
    }
    Ok(batch)
}
