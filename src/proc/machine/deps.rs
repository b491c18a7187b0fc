//! Who waits for whom.
//!
//! `until: idle` is Meproc's dependency: a task is not started while one that it depends on, directly or through
//! others, runs or is itself queued. The other conditions look at the named task alone. A dependency is looked at
//! when a task is to be launched, never afterwards: neither a daemon's restart nor a stop waits for anybody.
//!
//! Tasks that wait for each other are refused when the second is offered, so the existing ones never form a cycle.
//! A queued task watches what holds it back, and those through which it depends on that, and is looked at again when
//! one of them changes: of a long chain that waits, every link watches the next alone.

use super::Room;
use super::stored::{Queued, Seats};
use super::task::Task;
use super::words::{Refusal, What};
use crate::proc::model::{Definition, Dependency, Incarnation, StartedBy, TaskName, Until};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What holds a launch back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// This task runs.
    Runs(TaskName),
    /// This task is itself queued.
    Queued(TaskName),
    /// This task does not yet fulfil what is waited for.
    Until(Dependency),
}

impl Room {
    /// What holds the launch of a queued task back at the moment.
    pub fn blocker(&self, incarnation: Incarnation) -> Option<Blocker> {
        self.held_by(incarnation).map(|(blocker, _)| blocker)
    }

    /// The first thing found that holds a task back, and the tasks that have to change before it does not: the blocker
    /// and those through which it is depended on.
    fn held_by(&self, incarnation: Incarnation) -> Option<(Blocker, Vec<TaskName>)> {
        let deps = &self.tasks.get(&incarnation)?.stored.definition.deps;
        let unmet = |dep: &&Dependency| dep.until != Until::Idle && !self.is_met(dep);
        if let Some(dep) = deps.iter().find(unmet) {
            return Some((Blocker::Until(dep.clone()), vec![dep.task.clone()]));
        }
        // Those that were passed, each with the place of the one that named it.
        let mut passed: Vec<(&TaskName, Option<usize>)> = Vec::new();
        let mut seen = HashSet::new();
        let mut open: Vec<_> = idle(deps).map(|name| (name, None)).collect();
        while let Some((name, by)) = open.pop() {
            let Some(other) = self.task(name.as_str()).filter(|_| seen.insert(name)) else { continue };
            let blocker = match () {
                () if other.live > 0 => Blocker::Runs(name.clone()),
                () if other.standing.queued.is_some() => Blocker::Queued(name.clone()),
                () => {
                    open.extend(idle(&other.stored.definition.deps).map(|next| (next, Some(passed.len()))));
                    passed.push((name, by));
                    continue;
                }
            };
            let through = std::iter::successors(by.and_then(|at| passed.get(at)), |(_, by)| passed.get((*by)?));
            let path = std::iter::once(name).chain(through.map(|(name, _)| *name));
            return Some((blocker, path.cloned().collect()));
        }
        None
    }

    /// Whether a condition other than `idle` holds. A task that does not exist fulfils none.
    fn is_met(&self, dep: &Dependency) -> bool {
        let Some(other) = self.task(dep.task.as_str()) else { return false };
        let (tally, all) = (other.tally, other.seats.len());
        let all = |count: u32| count as usize == all;
        match dep.until {
            Until::Idle => other.live == 0,
            Until::Started => all(tally.spawned),
            Until::Ready => all(tally.ready),
            Until::Finished => all(tally.finished + tally.failed),
            Until::Succeeded => all(tally.succeeded),
        }
    }

    /// Launches a task, or queues it while its dependencies do not allow that.
    pub(super) fn launch_task(&mut self, incarnation: Incarnation, by: StartedBy, seats: Seats) {
        let now = self.scratch.now.wall;
        let blocked = self.blocker(incarnation).is_some();
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.standing.stopped = false;
        task.standing.start_time = Some(now);
        self.scratch.standings.insert(incarnation);
        if !blocked {
            return self.begin_task(incarnation, by, seats);
        }
        task.standing.queued = Some(Queued { by, seats });
        let (name, owner) = (task.name().clone(), task.runs_as());
        self.watch(incarnation);
        self.change(&name, owner, What::Queued);
    }

    /// Gives the replicas meant a run each.
    fn begin_task(&mut self, incarnation: Incarnation, by: StartedBy, seats: Seats) {
        self.unqueue(incarnation);
        let now = self.scratch.now.wall;
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.standing.last_time = Some(now);
        let meant: Vec<u32> =
            (0..).zip(&task.seats).filter(|(_, seat)| seat.is_meant(seats)).map(|(at, _)| at).collect();
        for replica in &meant {
            task.seat_mut(*replica, |seat| seat.reset());
        }
        let (name, owner) = (task.name().clone(), task.runs_as());
        self.scratch.changed.insert(name.clone());
        self.change(&name, owner, What::Launched(by.clone()));
        meant.into_iter().for_each(|replica| self.begin_run(incarnation, replica, by.clone()));
    }

    /// One more run for each replica, beside those that run (`overlap = allow`).
    pub(super) fn begin_beside(&mut self, incarnation: Incarnation, by: StartedBy) {
        let now = self.scratch.now.wall;
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        (task.standing.last_time, task.standing.start_time) = (Some(now), Some(now));
        let replicas = task.stored.definition.replica.get();
        let (name, owner) = (task.name().clone(), task.runs_as());
        self.scratch.standings.insert(incarnation);
        self.change(&name, owner, What::Launched(by.clone()));
        (0..replicas).for_each(|replica| self.begin_run(incarnation, replica, by.clone()));
    }

    /// Looks at a queued task again: something it waits for has changed.
    pub(super) fn reconsider(&mut self, incarnation: Incarnation) {
        if self.is_ending() {
            return;
        }
        let queued = self.tasks.get(&incarnation).and_then(|task| task.standing.queued.clone());
        let Some(Queued { by, seats }) = queued else { return };
        if self.blocker(incarnation).is_none() {
            if let Some(task) = self.tasks.get_mut(&incarnation) {
                task.standing.start_time = Some(self.scratch.now.wall);
            }
            self.begin_task(incarnation, by, seats);
        } else {
            // What holds it back may be another by now.
            self.watch(incarnation);
        }
    }

    /// Takes a task out of the queue, launched or not.
    pub(super) fn unqueue(&mut self, incarnation: Incarnation) {
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        self.scratch.standings.insert(incarnation);
        if task.standing.queued.take().is_some() {
            self.scratch.changed.insert(task.name().clone());
        }
        for name in std::mem::take(&mut task.watching) {
            unlink(&mut self.watched, &name, incarnation);
        }
    }

    /// Registers a queued task with the tasks one of which has to change to free it.
    pub(super) fn watch(&mut self, incarnation: Incarnation) {
        let names = self.held_by(incarnation).map_or_else(Vec::new, |(_, names)| names);
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        for name in std::mem::replace(&mut task.watching, names.clone()) {
            unlink(&mut self.watched, &name, incarnation);
        }
        names.into_iter().for_each(|name| link(&mut self.watched, name, incarnation));
    }

    /// Enters a task under the names it depends on.
    pub(super) fn index_deps(&mut self, incarnation: Incarnation, definition: &Definition) {
        for dep in &definition.deps {
            link(&mut self.needed_by, dep.task.clone(), incarnation);
        }
    }

    /// The reverse.
    pub(super) fn unindex_deps(&mut self, incarnation: Incarnation, definition: &Definition) {
        for dep in &definition.deps {
            unlink(&mut self.needed_by, &dep.task, incarnation);
        }
    }

    /// Refuses definitions that, put among the existing tasks, would wait for themselves.
    pub(super) fn refuse_cycles(&self, offered: &HashMap<&TaskName, &Definition>) -> Result<(), Refusal> {
        let names_of = |name: &TaskName| -> Vec<TaskName> {
            let existing = || self.task(name.as_str()).map(Task::definition).map(AsRef::as_ref);
            let definition = offered.get(name).copied().or_else(existing);
            definition.map_or_else(Vec::new, |it| it.deps.iter().map(|dep| dep.task.clone()).collect())
        };
        // What has been left without finding a cycle need not be entered again, from wherever.
        let mut left = HashSet::new();
        let mut starts: Vec<_> = offered.keys().copied().collect();
        starts.sort();
        for start in starts {
            let mut path = vec![(start.clone(), names_of(start))];
            let mut on_path = HashSet::from([start.clone()]);
            while let Some((name, rest)) = path.last_mut() {
                let Some(next) = rest.pop() else {
                    on_path.remove(name);
                    left.insert(name.clone());
                    path.pop();
                    continue;
                };
                if on_path.contains(&next) {
                    let names = path.into_iter().map(|(name, _)| name);
                    let mut cycle: Vec<_> = names.skip_while(|name| *name != next).collect();
                    cycle.push(next);
                    return Err(Refusal::Cycle(cycle));
                }
                if !left.contains(&next) {
                    on_path.insert(next.clone());
                    path.push((next.clone(), names_of(&next)));
                }
            }
        }
        Ok(())
    }
}

/// The tasks that are named with `until: idle`.
fn idle(deps: &[Dependency]) -> impl Iterator<Item = &TaskName> {
    deps.iter().filter(|dep| dep.until == Until::Idle).map(|dep| &dep.task)
}

fn link(index: &mut HashMap<TaskName, BTreeSet<Incarnation>>, name: TaskName, incarnation: Incarnation) {
    index.entry(name).or_default().insert(incarnation);
}

fn unlink(index: &mut HashMap<TaskName, BTreeSet<Incarnation>>, name: &TaskName, incarnation: Incarnation) {
    if let Some(entries) = index.get_mut(name) {
        entries.remove(&incarnation);
        if entries.is_empty() {
            index.remove(name);
        }
    }
}
