//! Those who wait for a task: by project, by worker, and in the order in which they came.
//!
//! Nobody waits for what he could have: whatever gives somebody something he could not have before (a task becomes free,
//! a project opens, a right is granted, a bucket refills) stirs its project, and before the step ends those who wait for
//! it are asked in their order, until nothing is left.

use super::words::From;
use super::{Effect, Room, WaitId};
use crate::base::{Mono, Timers};
use crate::tracker::model::{Process, ProjectId, WorkerId};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// Somebody who waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) worker: WorkerId,
    pub(super) from: From,
    pub(super) count: usize,
    pub(super) process: Option<Process>,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last: u64,
    all: HashMap<WaitId, Waiter>,
    until: Timers<Mono, WaitId>,
    of_project: HashMap<ProjectId, BTreeSet<WaitId>>,
    of_worker: HashMap<WorkerId, BTreeSet<WaitId>>,
    /// For a task of any project.
    any: BTreeSet<WaitId>,
}

impl Waiting {
    /// Somebody waits until then.
    pub(super) fn add(&mut self, waiter: Waiter, until: Mono) -> WaitId {
        self.last += 1;
        let id = WaitId(self.last);
        match waiter.from {
            From::Project(project) => self.of_project.entry(project).or_default().insert(id),
            From::Any => self.any.insert(id),
        };
        self.of_worker.entry(waiter.worker).or_default().insert(id);
        self.until.set(id, until);
        self.all.insert(id, waiter);
        id
    }

    /// Somebody waits no longer.
    pub(super) fn remove(&mut self, id: WaitId) {
        let Some(waiter) = self.all.remove(&id) else { return };
        self.until.clear(id);
        match waiter.from {
            From::Project(project) => take_out(&mut self.of_project, project, id),
            From::Any => {
                self.any.remove(&id);
            }
        }
        take_out(&mut self.of_worker, waiter.worker, id);
    }

    /// When the first of them has waited long enough.
    pub(super) fn next(&self) -> Option<Mono> {
        self.until.next()
    }

    /// One who has waited long enough: he waits no longer.
    pub(super) fn over(&mut self, now: Mono) -> Option<WaitId> {
        if self.until.next()? > now {
            return None;
        }
        let id = self.until.pop(now)?;
        self.remove(id);
        Some(id)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The next after `last` who may be content with a task of this project.
    fn after(&self, project: ProjectId, last: WaitId, any: bool) -> Option<WaitId> {
        let beyond = (Bound::Excluded(last), Bound::Unbounded);
        let here = self.of_project.get(&project).and_then(|waits| waits.range(beyond).next());
        let anywhere = if any { self.any.range(beyond).next() } else { None };
        here.into_iter().chain(anywhere).min().copied()
    }

    /// Those of one worker who may be content with a task of this project, or of any.
    fn of(&self, worker: WorkerId, project: Option<ProjectId>) -> Vec<WaitId> {
        let Some(waits) = self.of_worker.get(&worker) else { return Vec::new() };
        let fits = |id: &&WaitId| match (self.all.get(id).map(|waiter| waiter.from), project) {
            (Some(From::Project(his)), Some(project)) => his == project,
            (Some(_), _) => true,
            (None, _) => false,
        };
        waits.iter().filter(fits).copied().collect()
    }
}

fn take_out<Key: std::hash::Hash + Eq>(map: &mut HashMap<Key, BTreeSet<WaitId>>, key: Key, id: WaitId) {
    if let Some(waits) = map.get_mut(&key) {
        waits.remove(&id);
        if waits.is_empty() {
            map.remove(&key);
        }
    }
}

impl Room {
    /// Something of this project may be had that could not be had before.
    pub(super) fn stir(&mut self, project: ProjectId) {
        if self.waiting.len() > 0 {
            self.stirred.insert(project);
        }
    }

    /// Whoever waits for something that may be had now gets it.
    pub(super) fn serve_stirred(&mut self) {
        let stirred = std::mem::take(&mut self.stirred);
        let ready = |id: &ProjectId| self.lanes.get(id).filter(|lane| lane.is_ready());
        let mut order: Vec<_> = stirred
            .iter()
            .filter_map(|id| ready(id).map(|lane| (Reverse(lane.project.definition.priority), *id)))
            .collect();
        order.sort_unstable();
        for (_, project) in order {
            self.serve(project);
        }
    }

    fn serve(&mut self, project: ProjectId) {
        let mut last = WaitId(0);
        loop {
            let Some(lane) = self.lanes.get(&project).filter(|lane| lane.is_ready()) else { return };
            // Those who wait for this project have paid; for the others its bucket has to be open.
            let delay = lane.assign.shared_delay(&lane.project.definition.assign, self.now.mono);
            if !delay.is_zero() {
                self.refill_at(project, self.now.mono + delay);
            }
            let Some(next) = self.waiting.after(project, last, delay.is_zero()) else { return };
            last = next;
            self.serve_one(next, project);
        }
    }

    /// Hands what there is to one who waits, if he may have a task of this project.
    fn serve_one(&mut self, id: WaitId, project: ProjectId) {
        let Some(waiter) = self.waiting.all.get(&id).copied() else { return };
        let paused = self.workers.get(&waiter.worker).is_none_or(|member| member.worker.paused);
        if paused || self.lanes.get(&project).is_none_or(|lane| lane.first_for(waiter.worker).is_none()) {
            return;
        }
        self.serve_waiter(id, waiter);
    }

    fn serve_waiter(&mut self, id: WaitId, waiter: Waiter) {
        let gathered = self.gather(waiter);
        for (project, delay) in gathered.limited {
            self.refill_at(project, self.now.mono + delay);
        }
        if !gathered.handed.is_empty() {
            self.waiting.remove(id);
            self.plan.effects.push(Effect::Hand(id, waiter.worker, gathered.handed));
        }
    }

    /// A worker may have more than before, in one project or anywhere.
    pub(super) fn serve_worker(&mut self, worker: WorkerId, project: Option<ProjectId>) {
        if self.workers.get(&worker).is_none_or(|member| member.worker.paused) {
            return;
        }
        for id in self.waiting.of(worker, project) {
            if let Some(waiter) = self.waiting.all.get(&id).copied() {
                self.serve_waiter(id, waiter);
            }
        }
    }

    /// Somebody waits for nothing but this bucket.
    pub(super) fn refill_at(&mut self, project: ProjectId, at: Mono) {
        if !self.waiting.any.is_empty() && self.refills.get(project).is_none_or(|before| at < before) {
            self.refills.set(project, at);
        }
    }
}
