//! The orderly shutdown: a task is told to stop when nothing that depends on it is left.
//!
//! What runs now is to run again in the daemon's next life, so nothing of the tasks' standing changes: a daemon's
//! replica simply has no run any more, and that of a once task is marked as cut short.

use super::run::Phase;
use super::words::Effect;
use super::{Alarm, Room};
use crate::base::RunId;
use crate::proc::model::{Incarnation, StoppedBy, TaskName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far the shutdown is.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Tasks not told to stop yet, with the number of tasks depending on them that are not down.
    held: BTreeMap<Incarnation, usize>,
    /// Tasks told to stop and not yet down.
    told: BTreeSet<Incarnation>,
    /// Whether time is up for everybody.
    killing: bool,
    /// Whether the end was announced.
    done: bool,
}

impl Room {
    /// Begins the shutdown. Heard again, it goes on as it is.
    pub(super) fn shutdown(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let mut ending = Ending::default();
        let mut free = Vec::new();
        for task in self.tasks.values() {
            let needed = self.needed_by.get(task.name()).map_or(0, BTreeSet::len);
            ending.held.insert(task.incarnation(), needed);
            if needed == 0 {
                free.push(task.incarnation());
            }
            for (replica, _) in (0..).zip(&task.seats).filter(|(_, seat)| seat.runs.is_empty()) {
                self.alarms.clear(Alarm::Start(task.incarnation(), replica));
            }
        }
        let firings: Vec<_> = self.tasks.keys().copied().collect();
        firings.into_iter().for_each(|incarnation| self.firings.clear(incarnation));
        self.ending = Some(ending);
        for run in self.runs_in(Phase::Waiting) {
            self.stop_run(run, StoppedBy::Shutdown, false);
        }
        self.end_tasks(free);
    }

    /// Ends everything at once.
    pub(super) fn shutdown_now(&mut self) {
        self.shutdown();
        if let Some(ending) = &mut self.ending {
            ending.killing = true;
        }
        for run in self.runs.keys().copied().collect::<Vec<_>>() {
            let Some(known) = self.runs.get_mut(&run) else { continue };
            match known.phase {
                Phase::Waiting | Phase::Launching => self.stop_run(run, StoppedBy::Shutdown, false),
                Phase::Up | Phase::Stopping | Phase::Leftover => {
                    known.live.stopped_by.get_or_insert(StoppedBy::Shutdown);
                    self.kill(run);
                }
                Phase::Foreign => self.end_foreign(run, Duration::ZERO),
            }
        }
    }

    pub(super) fn is_killing(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.killing)
    }

    /// Tells tasks to stop, and those that this leaves without anything that depends on them.
    fn end_tasks(&mut self, mut free: Vec<Incarnation>) {
        while let Some(incarnation) = free.pop() {
            if let Some(ending) = &mut self.ending
                && ending.held.remove(&incarnation).is_some()
            {
                ending.told.insert(incarnation);
            }
            let Some(task) = self.tasks.get(&incarnation) else { continue };
            let runs: Vec<RunId> = task.seats.iter().flat_map(|seat| seat.runs.iter().copied()).collect();
            runs.into_iter().for_each(|run| self.stop_run(run, StoppedBy::Shutdown, false));
            free.extend(self.downed_by(incarnation));
        }
    }

    /// If this task is down now: the tasks it was the last to depend on.
    fn downed_by(&mut self, incarnation: Incarnation) -> Vec<Incarnation> {
        let (Some(task), Some(ending)) = (self.tasks.get(&incarnation), &mut self.ending) else { return Vec::new() };
        if task.present > 0 || !ending.told.remove(&incarnation) {
            return Vec::new();
        }
        let names: BTreeSet<&TaskName> = task.stored.definition.deps.iter().map(|dep| &dep.task).collect();
        let mut free = Vec::new();
        for needed in names.into_iter().filter_map(|name| self.names.get(name)) {
            let Some(count) = ending.held.get_mut(needed) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                free.push(*needed);
            }
        }
        free
    }

    /// A run of this task is gone.
    pub(super) fn ending_heard_of(&mut self, incarnation: Incarnation) {
        let free = self.downed_by(incarnation);
        if !free.is_empty() {
            self.end_tasks(free);
        }
    }

    /// Says so when nothing is left, once.
    pub(super) fn finish_ending(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        if self.runs.is_empty() && !ending.done {
            ending.done = true;
            self.effect(Effect::Done);
        }
    }

    pub(super) fn runs_in(&self, phase: Phase) -> Vec<RunId> {
        self.runs.values().filter(|known| known.phase == phase).map(|known| known.live.run).collect()
    }
}
