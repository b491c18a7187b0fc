//! What is left of queues that are gone: tasks and standings from before the epoch in which their project was wiped.

use super::shapes::{Marked, Standing, Task};
use crate::store::{Batch, ReadError, Reader, Record};
use crate::tracker::machine::Marks;
use crate::tracker::model::{ProjectId, TaskId};
use std::ops::RangeInclusive;

/// A walk over the queue of a project, in pieces.
#[derive(Clone, Copy, Debug)]
pub struct Remains {
    project: ProjectId,
    wiped: u32,
    from: u64,
}

/// How many records a piece looks at: a wiped queue may lie behind a long one that is not.
const LOOKED_AT: usize = 10_000;

impl Remains {
    /// From the start of a project's queue. None: it was never wiped. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn of(reader: &Reader, project: ProjectId) -> Result<Option<Remains>, ReadError> {
        let marks = reader.get::<Marked>(&project.0)?.map(Marks::from).unwrap_or_default();
        Ok((marks.wiped > 0).then_some(Remains { project, wiped: marks.wiped, from: 0 }))
    }

    /// At most `most` of its tasks of which something is left, and the walk from there; none: it is at its end. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn next(self, reader: &Reader, most: usize) -> Result<(Vec<TaskId>, Option<Remains>), ReadError> {
        let tasks = self.old::<Task>(reader, most, |task| task.e)?;
        let standings = self.old::<Standing>(reader, most, |standing| standing.e)?;
        // As far as both have looked, nothing is missing.
        let end = tasks.end.min(standings.end);
        let mut found = [tasks.found, standings.found].concat();
        found.retain(|task| *task < end);
        found.sort_unstable();
        found.dedup();
        let over = end == u64::MAX && found.len() <= most;
        let cut = found.get(most).copied().unwrap_or(end);
        found.truncate(most);
        let rest = (!over).then_some(Remains { from: cut, ..self });
        Ok((found.into_iter().map(TaskId).collect(), rest))
    }

    fn old<R: Record<Key = (u32, u64)>>(
        &self,
        reader: &Reader,
        most: usize,
        epoch: impl Fn(&R) -> u32,
    ) -> Result<Old, ReadError> {
        let mut old = Old { found: Vec::new(), end: u64::MAX };
        let keys: RangeInclusive<_> = (self.project.0, self.from)..=(self.project.0, u64::MAX);
        for (looked_at, entry) in reader.scan::<R>(keys).enumerate() {
            let ((_, task), record) = entry?;
            if looked_at == LOOKED_AT || old.found.len() == most {
                old.end = task;
                break;
            }
            if epoch(&record) < self.wiped {
                old.found.push(task);
            }
        }
        Ok(old)
    }
}

/// What one kind of record has left.
struct Old {
    found: Vec<u64>,
    /// Nothing was looked at from this number on.
    end: u64,
}

/// Removes these tasks and where they stood: two operations each.
pub fn delete_remains(project: ProjectId, tasks: &[TaskId], batch: &mut Batch) {
    for task in tasks {
        batch.delete::<Task>(&(project.0, task.0));
        batch.delete::<Standing>(&(project.0, task.0));
    }
}
