//! Handing out: who is handed which task, at what price, and what becomes of it when its time ends.

use super::time::AT_ONCE;
use super::waiting::Waiter;
use super::words::From;
use super::{Effect, Handed, Refusal, Room, Verdict, What};
use crate::base::Now;
use crate::tracker::model::{Lease, Process, ProjectId, Standing, Task, TaskId, WorkerId};
use std::cmp::Reverse;
use std::ops::Bound;
use std::time::Duration;

/// What there was for a worker.
#[derive(Default)]
pub(super) struct Gathered {
    /// His from now on.
    pub(super) handed: Vec<Handed>,
    /// Projects that had something, but whose buckets are empty for so long.
    pub(super) limited: Vec<(ProjectId, Duration)>,
}

impl Room {
    /// A worker wants tasks: `tracker.md` 8.4 gives the order of the refusals.
    pub(super) fn fetch(&mut self, waiter: Waiter, wait: Duration) -> Result<Verdict, Refusal> {
        let member = self.workers.get(&waiter.worker).ok_or(Refusal::NoWorker)?;
        if member.worker.paused {
            return Err(Refusal::Paused);
        }
        if let From::Project(project) = waiter.from {
            let lane = self.lanes.get_mut(&project).ok_or(Refusal::NoProject)?;
            let limit = lane.project.definition.assign;
            let delay = lane.assign.delay(&limit, waiter.worker, self.now.mono);
            if !delay.is_zero() {
                return Err(Refusal::TooMany { delay: delay.as_secs_f64() });
            }
            // Asking costs a token, whether or not there is a task.
            lane.assign.spend(&limit, waiter.worker, 1, self.now.mono);
        }
        let gathered = self.gather(waiter);
        if !gathered.handed.is_empty() {
            return Ok(Verdict::Handed(gathered.handed));
        }
        if wait.is_zero() {
            return match gathered.limited.iter().map(|(_, delay)| *delay).min() {
                Some(delay) => Err(Refusal::TooMany { delay: delay.as_secs_f64() }),
                None => Ok(Verdict::Handed(Vec::new())),
            };
        }
        let id = self.waiting.add(waiter, self.now.mono + wait);
        for (project, delay) in gathered.limited {
            self.refill_at(project, self.now.mono + delay);
        }
        Ok(Verdict::Waiting(id))
    }

    /// Hands out what there is. From one project the first task has been paid for; from any, each is paid for here.
    pub(super) fn gather(&mut self, waiter: Waiter) -> Gathered {
        let mut gathered = Gathered::default();
        match waiter.from {
            From::Project(project) => {
                let taken = self.take(project, waiter, &mut gathered.handed);
                self.pay(project, waiter.worker, taken.saturating_sub(1));
            }
            From::Any => self.gather_anywhere(waiter, &mut gathered),
        }
        gathered
    }

    fn gather_anywhere(&mut self, waiter: Waiter, gathered: &mut Gathered) {
        let mut last = None;
        while gathered.handed.len() < waiter.count {
            let from = last.map_or(Bound::Unbounded, Bound::Excluded);
            let Some(next) = self.ready.range((from, Bound::Unbounded)).next().copied() else { return };
            last = Some(next);
            let (Reverse(_), project) = next;
            let Some(lane) = self.lanes.get(&project) else { continue };
            if lane.first_for(waiter.worker).is_none() {
                continue;
            }
            let delay = lane.assign.delay(&lane.project.definition.assign, waiter.worker, self.now.mono);
            if delay.is_zero() {
                let taken = self.take(project, waiter, &mut gathered.handed);
                self.pay(project, waiter.worker, taken);
            } else {
                gathered.limited.push((project, delay));
            }
        }
    }

    fn pay(&mut self, project: ProjectId, worker: WorkerId, tokens: usize) {
        if let Some(lane) = self.lanes.get_mut(&project) {
            let limit = lane.project.definition.assign;
            lane.assign.spend(&limit, worker, tokens, self.now.mono);
        }
    }

    /// Hands tasks of one project out until there are as many as were asked for. How many it were.
    fn take(&mut self, project: ProjectId, waiter: Waiter, handed: &mut Vec<Handed>) -> usize {
        let before = handed.len();
        while handed.len() < waiter.count {
            let Some(lane) = self.lanes.get(&project) else { break };
            let Some((task, _)) = lane.first_for(waiter.worker).and_then(|id| lane.task(id)) else { break };
            let definition = lane.definition();
            let standing = self.lend(&task, waiter.worker, waiter.process);
            handed.push(Handed { task, standing, project: definition });
        }
        handed.len() - before
    }

    /// A free task is a worker's from now on.
    fn lend(&mut self, task: &Task, worker: WorkerId, process: Option<Process>) -> Standing {
        let end = self.now.later(self.span(task));
        let lease = Lease { worker, since: self.now.wall, until: end.wall, process };
        self.lease_runs(task.id, end, process);
        self.change(task.project, task.id, |standing| standing.lease = Some(lease))
    }

    /// For how long a task may be held.
    fn span(&self, task: &Task) -> Duration {
        match task.what.max_assign {
            0 => self.settings.default_assign,
            seconds => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        }
    }

    pub(super) fn lease_runs(&mut self, task: TaskId, end: Now, process: Option<Process>) {
        self.plan.effects.extend(self.leases.add(task, end.mono, process));
    }

    /// A task stands elsewhere now: this is written down. Where it stands then.
    pub(super) fn change(&mut self, project: ProjectId, task: TaskId, change: impl FnOnce(&mut Standing)) -> Standing {
        let Some(lane) = self.lanes.get_mut(&project) else { return Standing::default() };
        lane.change(task, self.now.wall, change);
        self.plan.writes.extend(lane.written(task));
        let standing = lane.task(task).map(|(_, standing)| standing).unwrap_or_default();
        self.list(project);
        standing
    }

    /// A held task is so no longer, and what else is to change with that does.
    pub(super) fn free(
        &mut self,
        project: ProjectId,
        task: TaskId,
        change: impl FnOnce(&mut Standing),
    ) -> Option<Lease> {
        let (_, standing) = self.lanes.get(&project)?.task(task)?;
        let lease = standing.lease?;
        self.plan.effects.extend(self.leases.remove(task, lease.process));
        self.change(project, task, |standing| {
            standing.lease = None;
            change(standing);
        });
        self.stir(project);
        Some(lease)
    }

    /// A lease has come to its end without its holder's doing.
    pub(super) fn lose(&mut self, task: TaskId, died: bool) {
        let Some(project) = self.places.get(task) else { return };
        if let Some(lease) = self.free(project, task, |_| ()) {
            self.tell(project, What::Lost { task, lease, died });
        }
    }

    /// Processes are gone: what was tied to them is free, as much of it as one step serves. How much it has served then.
    pub(super) fn bury(&mut self) -> usize {
        let mut served = 0;
        while let Some(process) = self.dead.first().copied() {
            let tasks = self.leases.of(process, AT_ONCE - served + 1);
            for task in tasks {
                if served == AT_ONCE {
                    self.unfinished = true;
                    return served;
                }
                self.lose(task, true);
                served += 1;
            }
            self.dead.pop_first();
        }
        served
    }

    /// Tasks never came to the workers to whom they were handed.
    pub(super) fn undelivered(&mut self, leases: &[(TaskId, Lease)]) {
        for (task, lease) in leases {
            if let Some((project, standing)) = self.held_by(lease.worker, *task)
                && standing.lease == Some(*lease)
            {
                self.free(project, *task, |_| ());
            }
        }
    }

    /// The project of a task that this worker holds, and where it stands. A task whose time is up is freed instead.
    pub(super) fn held_by(&mut self, worker: WorkerId, task: TaskId) -> Option<(ProjectId, Standing)> {
        let project = self.places.get(task)?;
        if self.leases.is_over(task, self.now.mono) {
            self.lose(task, false);
        }
        let (_, standing) = self.lanes.get(&project)?.task(task)?;
        let held = standing.lease.is_some_and(|lease| lease.worker == worker);
        held.then_some((project, standing))
    }

    /// A deadline on the monotonic clock has come for one who waits.
    pub(super) fn give_up(&mut self) -> bool {
        let Some(id) = self.waiting.over(self.now.mono) else { return false };
        self.plan.effects.push(Effect::GiveUp(id));
        true
    }
}
