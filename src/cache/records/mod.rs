//! What the cache keeps in the store, from kind 0x70 to 0x8F. The shapes are the stored format; a change of one raises its
//! `FORMAT` and teaches `migrate` the old one.
//!
//! | kind | key | what |
//! | --- | --- | --- |
//! | `cache.task` | task | a task, without its pieces |
//! | `cache.pieces` | task | which of its pieces are there, with their checksums; none: none |
//! | `cache.use` | task | when it was last used, where that is later than the task says |
//! | `cache.job` | job | a job, with what it was given and what came of it |
//! | `cache.job_bio` | job | what a job says about itself, changed after its end |
//! | `cache.job_user` | job | whom a job is for, changed after its end |
//! | `cache.cluster` | cluster | a cluster |
//! | `cache.numbers` | – | the highest numbers handed out |
//!
//! `shapes` says how each looks, `load` what a start reads, `rules` what must hold between them.

mod load;
mod rules;
mod shapes;

#[cfg(test)]
mod tests;

use super::machine::Change;
use super::model::{Job, JobId, Pieces, TaskNo};
use crate::store::{Batch, ReadError, Reader, Table, record};

pub use load::load;
pub use rules::{FileState, Looks, rules};

record!(shapes::Task, 0x70, "cache.task", u64, shapes::mask_task);
record!(shapes::Pieces, 0x71, "cache.pieces", u64);
record!(shapes::Used, 0x72, "cache.use", u64);
record!(shapes::Job, 0x73, "cache.job", u64, shapes::mask_job);
// The same records, of which only what lists are made of is read.
record!(shapes::Head, 0x73, "cache.job", u64);
record!(shapes::JobBio, 0x74, "cache.job_bio", u64);
record!(shapes::JobUser, 0x75, "cache.job_user", u64);
record!(shapes::Cluster, 0x76, "cache.cluster", u32);
record!(shapes::Numbers, 0x77, "cache.numbers", ());

/// The kinds of records that the cache keeps.
pub const TABLES: [Table; 8] = [
    Table::of::<shapes::Task>(),
    Table::of::<shapes::Pieces>(),
    Table::of::<shapes::Used>(),
    Table::of::<shapes::Job>(),
    Table::of::<shapes::JobBio>(),
    Table::of::<shapes::JobUser>(),
    Table::of::<shapes::Cluster>(),
    Table::of::<shapes::Numbers>(),
];

/// The highest numbers ever given: written with the first record that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of tasks.
    pub task: u64,
    /// Of jobs.
    pub job: u64,
    /// Of clusters.
    pub cluster: u32,
}

/// Appends what a plan changes, one to three operations for each; `numbers` follows.
pub fn write(changes: &[Change], numbers: &mut Numbers, batch: &mut Batch) {
    let before = *numbers;
    for change in changes {
        match change {
            Change::Task(task) => {
                numbers.task = numbers.task.max(task.no.0);
                batch.put(&task.no.0, &shapes::Task::from(&**task));
            }
            Change::Pieces(no, pieces) => write_pieces(*no, pieces, batch),
            Change::Used(no, at) => batch.put(&no.0, &shapes::Used(at.timestamp_micros())),
            Change::TaskGone(no) => {
                batch.delete::<shapes::Task>(&no.0);
                batch.delete::<shapes::Pieces>(&no.0);
                batch.delete::<shapes::Used>(&no.0);
            }
            Change::Job(job) => {
                numbers.job = numbers.job.max(job.id.0);
                batch.put(&job.id.0, &shapes::Job::from(&**job));
            }
            Change::JobText { id, bio, user, at } => {
                if let Some(bio) = bio {
                    batch.put(&id.0, &shapes::JobBio::new(bio, *at));
                }
                if let Some(user) = user {
                    batch.put(&id.0, &shapes::JobUser::new(*user, *at));
                }
            }
            Change::JobGone(id) => {
                batch.delete::<shapes::Job>(&id.0);
                batch.delete::<shapes::JobBio>(&id.0);
                batch.delete::<shapes::JobUser>(&id.0);
            }
            Change::Cluster(cluster) => {
                numbers.cluster = numbers.cluster.max(cluster.id.0);
                batch.put(&cluster.id.0, &shapes::Cluster::from(&**cluster));
            }
            Change::ClusterGone(id) => batch.delete::<shapes::Cluster>(&id.0),
        }
    }
    if *numbers != before {
        batch.put(&(), &shapes::Numbers::from(*numbers));
    }
}

/// Appends the pieces of a task.
pub fn write_pieces(no: TaskNo, pieces: &Pieces, batch: &mut Batch) {
    match pieces.count() {
        0 => batch.delete::<shapes::Pieces>(&no.0),
        _ => batch.put(&no.0, &shapes::Pieces::from(pieces)),
    }
}

/// A job, as it is stored. Blocks.
///
/// # Errors
/// The store's.
pub fn job(reader: &Reader, id: JobId) -> Result<Option<Job>, ReadError> {
    let Some(stored) = reader.get::<shapes::Job>(&id.0)? else { return Ok(None) };
    let mut job = stored.into_model(id);
    if let Some(bio) = reader.get::<shapes::JobBio>(&id.0)? {
        job.updated = job.updated.max(bio.at());
        job.bio = bio.into_text();
    }
    if let Some(user) = reader.get::<shapes::JobUser>(&id.0)? {
        job.updated = job.updated.max(user.at());
        job.user = user.user();
    }
    Ok(Some(job))
}
