//! Those who wait for a task: by project, by worker, and in the order in which they came.
//!
//! Nobody waits for what he could have: whatever gives somebody something he could not have before (a task becomes free,
//! a project opens, a right is granted, a bucket refills) stirs its project, and before the step ends those who wait for
//! it are asked in their order, until nothing is left.

use super::lane::Lane;
use super::words::From;
use super::{Effect, Room, WaitId};
use crate::base::{Mono, Timers};
use crate::tracker::model::{Process, ProjectId, WorkerId};
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

    /// The next after `last` who wait for this project, or for any.
    fn after(&self, last: WaitId, project: Option<ProjectId>) -> Option<(WaitId, Option<ProjectId>)> {
        let waits = match project {
            Some(project) => self.of_project.get(&project)?,
            None => &self.any,
        };
        let next = waits.range((Bound::Excluded(last), Bound::Unbounded)).next()?;
        Some((*next, project))
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

    /// Whoever waits for something that may be had now gets it, those first who have waited longest.
    pub(super) fn serve_stirred(&mut self) {
        let mut stirred: Vec<_> = std::mem::take(&mut self.stirred).into_iter().collect();
        let mut line: BTreeSet<_> =
            stirred.iter().filter_map(|project| self.waiting.after(WaitId(0), Some(*project))).collect();
        line.extend(self.waiting.after(WaitId(0), None));
        while let Some((id, from)) = line.pop_first() {
            stirred.retain(|project| self.lanes.get(project).is_some_and(Lane::is_ready));
            let goes_on = match from {
                Some(project) => stirred.contains(&project),
                None => self.some_are_open(&stirred),
            };
            if goes_on {
                self.serve_one(id, from, &stirred);
                line.extend(self.waiting.after(id, from));
            }
        }
    }

    /// Whether the bucket of one of these has a token: those who wait for any project have not paid yet.
    fn some_are_open(&mut self, projects: &[ProjectId]) -> bool {
        let mut open = false;
        for project in projects {
            let Some(lane) = self.lanes.get(project) else { continue };
            let delay = lane.assign.shared_delay(&lane.project.definition.assign, self.now.mono);
            open |= delay.is_zero();
            if !delay.is_zero() {
                self.refill_at(*project, self.now.mono + delay);
            }
        }
        open
    }

    /// Hands what there is to one who waits, if one of these projects has something for him.
    fn serve_one(&mut self, id: WaitId, from: Option<ProjectId>, stirred: &[ProjectId]) {
        let Some(waiter) = self.waiting.all.get(&id).copied() else { return };
        let has_some = |project: &ProjectId| {
            let fits = from.is_none_or(|from| from == *project);
            fits && self.lanes.get(project).is_some_and(|lane| lane.first_for(waiter.worker).is_some())
        };
        let paused = self.workers.get(&waiter.worker).is_none_or(|member| member.worker.paused);
        if !paused && stirred.iter().any(has_some) {
            self.serve_waiter(id, waiter);
        }
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
