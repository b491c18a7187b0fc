//! The next number of each kind. Numbers are reserved in the store ahead of their use, so that few decisions have to
//! write that, and none is given out twice, whatever crashes.

use super::{Numbers, Refusal};
use crate::tracker::model::{ProjectId, TaskId, WorkerId};

/// The largest number of a worker or project: clients keep them in 32 bits with a sign.
const LARGEST: u32 = i32::MAX.unsigned_abs();

/// The largest number of a task: 64 bits with a sign.
const LARGEST_TASK: u64 = i64::MAX.unsigned_abs();

/// So many tasks, and so many of the others, are reserved at once.
const TASKS: u64 = 1_000;
const OTHERS: u32 = 16;

/// What was given out, and what is reserved.
#[derive(Debug)]
pub(super) struct Counters {
    next: Numbers,
    reserved: Numbers,
    /// Whether `reserved` has to be written down with this step.
    grown: bool,
}

impl Counters {
    /// Nothing below these is given out.
    pub(super) fn new(next: Numbers) -> Counters {
        Counters { next, reserved: next, grown: false }
    }

    /// What has to be written down, if anything, before any number of this step is told.
    pub(super) fn owed(&mut self) -> Option<Numbers> {
        std::mem::take(&mut self.grown).then_some(self.reserved)
    }

    /// A number for a worker.
    pub(super) fn worker(&mut self) -> Result<WorkerId, Refusal> {
        let id = WorkerId(self.next.worker);
        self.skip_worker(id)?;
        Ok(id)
    }

    /// A number for a project.
    pub(super) fn project(&mut self) -> Result<ProjectId, Refusal> {
        let id = ProjectId(self.next.project);
        self.skip_project(id)?;
        Ok(id)
    }

    /// A number for a task.
    pub(super) fn task(&mut self) -> Result<TaskId, Refusal> {
        let id = TaskId(self.next.task);
        self.skip_task(id)?;
        Ok(id)
    }

    /// A worker has this number: it is not given out any more.
    pub(super) fn skip_worker(&mut self, id: WorkerId) -> Result<(), Refusal> {
        if id.0 > LARGEST {
            return Err(Refusal::Full);
        }
        self.next.worker = self.next.worker.max(id.0 + 1);
        if self.next.worker > self.reserved.worker {
            self.reserved.worker = self.next.worker.saturating_add(OTHERS);
            self.grown = true;
        }
        Ok(())
    }

    /// A project has this number.
    pub(super) fn skip_project(&mut self, id: ProjectId) -> Result<(), Refusal> {
        if id.0 > LARGEST {
            return Err(Refusal::Full);
        }
        self.next.project = self.next.project.max(id.0 + 1);
        if self.next.project > self.reserved.project {
            self.reserved.project = self.next.project.saturating_add(OTHERS);
            self.grown = true;
        }
        Ok(())
    }

    /// A task has this number.
    pub(super) fn skip_task(&mut self, id: TaskId) -> Result<(), Refusal> {
        if id.0 > LARGEST_TASK {
            return Err(Refusal::Full);
        }
        self.next.task = self.next.task.max(id.0 + 1);
        if self.next.task > self.reserved.task {
            self.reserved.task = self.next.task.saturating_add(TASKS);
            self.grown = true;
        }
        Ok(())
    }
}
