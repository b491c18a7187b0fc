//! What must hold between the records, and between them and the files.
//!
//! The store is checked while the daemon writes, and a scan sees some of what is written meanwhile. So what a record is about
//! is read after it; and where that is gone, the record must still be there, or both went together.

use super::Numbers;
use super::shapes::{Cluster, Head, Job, JobBio, JobUser, Numbers as StoredNumbers, Pieces, Task, Used};
use crate::cache::model::TaskId;
use crate::store::{ReadError, Reader, Record, Rule};
use std::collections::HashSet;
use std::sync::Arc;

/// How the file of a task is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// There, and so long in bytes.
    There(u64),
    /// Not there.
    Missing,
    /// That cannot be told.
    Unknown,
}

/// Looks at the file of a task, by its primary id. Blocks.
pub type Looks = Arc<dyn Fn(&TaskId) -> FileState + Send + Sync>;

/// What must hold, for a check of the whole store; `file` looks at the files.
pub fn rules(file: Looks) -> Vec<Rule> {
    vec![
        belongs::<Pieces, Task>(),
        belongs::<Used, Task>(),
        belongs::<JobBio, Job>(),
        belongs::<JobUser, Job>(),
        Box::new(move |reader, report| tasks(reader, &file, report)),
        Box::new(numbers),
    ]
}

type Reports<'a> = &'a mut dyn FnMut(String);

/// Every record of this kind belongs to one of that.
fn belongs<R, To>() -> Rule
where
    R: Record<Key = u64> + 'static,
    To: Record<Key = u64> + 'static,
{
    Box::new(|reader, report| {
        for entry in reader.scan::<R>(..) {
            let (key, _) = entry?;
            if reader.get::<To>(&key)?.is_none() && reader.get::<R>(&key)?.is_some() {
                report(format!("{} {key} belongs to no {}", R::KIND.name(), To::KIND.name()));
            }
        }
        Ok(())
    })
}

/// No two tasks have one id, pieces have checksums, and of complete tasks everything is there.
fn tasks(reader: &Reader, file: &Looks, report: Reports<'_>) -> Result<(), ReadError> {
    let mut ids = HashSet::new();
    for entry in reader.scan::<Task>(..) {
        let (no, task) = entry?;
        let id = task.primary();
        if let Some((length, total)) = task.complete() {
            let found = reader.get::<Pieces>(&no)?;
            let count = found.as_ref().map_or(0, Pieces::count);
            let on_disk = file(&id);
            // It may have been removed, or found damaged, meanwhile.
            if reader.get::<Task>(&no)?.is_some_and(|task| task.complete() == Some((length, total))) {
                match (length, total) {
                    (Some(_), Some(total)) if count == total as usize => {}
                    (Some(_), Some(total)) => {
                        report(format!("cache.task {no} is complete, but has {count} pieces of {total}"));
                    }
                    _ => report(format!("cache.task {no} is complete, but of no known length")),
                }
                match (on_disk, length) {
                    (FileState::Missing, _) => {
                        report(format!("cache.task {no} is complete, but its file is not there: {id}"));
                    }
                    (FileState::There(bytes), Some(length)) if bytes != length => {
                        report(format!("cache.task {no} is {length} bytes long, but its file {bytes}: {id}"));
                    }
                    _ => {}
                }
            }
        }
        if !ids.insert(id.bytes().to_vec()) {
            report(format!("cache.task {no} has the id of another task: {id}"));
        }
    }
    for entry in reader.scan::<Pieces>(..) {
        let (no, pieces) = entry?;
        if !pieces.is_whole() {
            report(format!("cache.pieces {no} has not as many checksums as pieces"));
        }
    }
    Ok(())
}

/// No number is in use that may be given out again.
fn numbers(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let task = reader.scan_back::<Task>(..).next().transpose()?.map_or(0, |(no, _)| no);
    let job = reader.scan_back::<Head>(..).next().transpose()?.map_or(0, |(id, _)| id);
    let cluster = reader.scan_back::<Cluster>(..).next().transpose()?.map_or(0, |(id, _)| id);
    // Read last: they are written with the first record that is in use.
    let last = reader.get::<StoredNumbers>(&())?.map(Numbers::from).unwrap_or_default();
    let in_use =
        [("task", task, last.task), ("job", job, last.job), ("cluster", u64::from(cluster), u64::from(last.cluster))];
    for (what, found, last) in in_use {
        if found > last {
            report(format!("cache.numbers would give out {what} {found} again: {last} is the last that they know"));
        }
    }
    Ok(())
}
