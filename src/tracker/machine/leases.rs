//! When held tasks are free again: their time on the monotonic clock, and the processes whose death ends it sooner.

use super::Effect;
use crate::base::{Mono, Timers};
use crate::tracker::model::{Process, TaskId};
use std::collections::{BTreeSet, HashMap};

/// The ends of all leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    ends: Timers<Mono, TaskId>,
    tied: HashMap<Process, BTreeSet<TaskId>>,
}

impl Leases {
    /// A task is held until then, or until its process dies. The first one tied to a process is to be watched.
    pub(super) fn add(&mut self, task: TaskId, end: Mono, process: Option<Process>) -> Option<Effect> {
        self.ends.set(task, end);
        let process = process?;
        let tasks = self.tied.entry(process).or_default();
        tasks.insert(task);
        (tasks.len() == 1).then_some(Effect::Watch(process))
    }

    /// A task is held no longer. With the last one, nobody watches its process.
    pub(super) fn remove(&mut self, task: TaskId, process: Option<Process>) -> Option<Effect> {
        self.ends.clear(task);
        let process = process?;
        let tasks = self.tied.get_mut(&process)?;
        tasks.remove(&task);
        if !tasks.is_empty() {
            return None;
        }
        self.tied.remove(&process);
        Some(Effect::Unwatch(process))
    }

    /// A held task's time is another.
    pub(super) fn extend(&mut self, task: TaskId, end: Mono) {
        self.ends.set(task, end);
    }

    /// Whether a task's time is up, though nobody has freed it yet.
    pub(super) fn is_over(&self, task: TaskId, now: Mono) -> bool {
        self.ends.get(task).is_some_and(|end| end <= now)
    }

    /// The first end of all.
    pub(super) fn next(&self) -> Option<Mono> {
        self.ends.next()
    }

    /// A task whose time is up.
    pub(super) fn over(&mut self, now: Mono) -> Option<TaskId> {
        self.ends.pop(now)
    }

    /// Tasks that are tied to a process: at most so many.
    pub(super) fn of(&self, process: Process, most: usize) -> Vec<TaskId> {
        self.tied.get(&process).map(|tasks| tasks.iter().copied().take(most).collect()).unwrap_or_default()
    }
}
