//! Tasks: submitted, given back, kept for longer, taken away.

use crate::tracker::machine::{Refusal, Room, Submitter, Verdict, What, Write};
use crate::tracker::model::{
    Failing, Manager, NewTask, Outcome, ProjectId, Role, Standing, Status, Task, TaskId, Vote, WorkerId,
};
use std::sync::Arc;
use std::time::Duration;

/// Whether the bucket was asked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is asked now.
    Asked,
    /// It was, for the beginning of the same bulk.
    Given,
}

impl Room {
    pub(super) fn submit(
        &mut self,
        by: Submitter,
        project: ProjectId,
        tasks: Vec<NewTask>,
        admission: Admission,
    ) -> Result<Verdict, Refusal> {
        match by {
            Submitter::Worker(worker) => self.admit(worker, project, tasks.len(), admission)?,
            Submitter::Manager(by) if !self.lanes.contains_key(&project) => {
                return Err(if by == Manager::Guest { Refusal::Unauthorized } else { Refusal::NoProject });
            }
            // The buckets are there for workers.
            Submitter::Manager(by) => self.require(by, project, Role::EDIT)?,
        }
        let answers = tasks.into_iter().map(|what| self.add(project, what)).collect();
        Ok(Verdict::Submitted(answers))
    }

    /// Whether a worker may submit so many tasks: `tracker.md` 8.4 gives the order of the refusals, and 5 their price.
    fn admit(
        &mut self,
        worker: WorkerId,
        project: ProjectId,
        count: usize,
        admission: Admission,
    ) -> Result<(), Refusal> {
        if !self.workers.contains_key(&worker) {
            return Err(Refusal::NoWorker);
        }
        let lane = self.lanes.get_mut(&project).ok_or(Refusal::NoProject)?;
        let limit = lane.project.definition.submit;
        let delay = lane.submit.delay(&limit, worker, self.now.mono);
        if !delay.is_zero() && admission == Admission::Asked {
            return Err(Refusal::TooMany { delay: delay.as_secs_f64() });
        }
        lane.submit.spend(&limit, worker, count, self.now.mono);
        if lane.project.may_submit(worker) { Ok(()) } else { Err(Refusal::NoSubmit) }
    }

    /// A new task, free.
    fn add(&mut self, project: ProjectId, what: NewTask) -> Result<TaskId, Refusal> {
        let lane = self.lanes.get_mut(&project).ok_or(Refusal::NoProject)?;
        if lane.knows(what.hash) {
            return Err(Refusal::Duplicate);
        }
        let id = self.counters.task()?;
        let task = Arc::new(Task { id, project, what });
        self.plan.writes.push(Write::PutTask(task.clone(), lane.marks.epoch));
        lane.insert(task, Standing::default(), self.now.wall);
        self.places.set(id, project);
        self.list(project);
        self.stir(project);
        Ok(id)
    }

    /// A task is given back: `tracker.md` 6.4.
    pub(super) fn release(
        &mut self,
        worker: WorkerId,
        id: TaskId,
        outcome: Option<Outcome>,
        reason: String,
    ) -> Verdict {
        let Some((project, standing)) = self.held_by(worker, id) else { return Verdict::Released(false) };
        let updated = match outcome {
            None => false,
            Some(Outcome::Done(value)) => self.done(project, id, Vote { worker, value }, &standing),
            Some(Outcome::Failed) => {
                self.fail(project, id, Failing { at: self.now.wall, worker, reason });
                true
            }
            Some(Outcome::Skipped) => {
                self.free(project, id, |_| ());
                true
            }
        };
        Verdict::Released(updated)
    }

    /// A worker has come to a result. Whether that closes the task.
    fn done(&mut self, project: ProjectId, id: TaskId, vote: Vote, standing: &Standing) -> bool {
        let Some((task, _)) = self.lanes.get(&project).and_then(|lane| lane.task(id)) else { return false };
        let needed = usize::try_from(task.what.verification_count).unwrap_or(0);
        let others = standing.votes.iter().filter(|other| other.worker != vote.worker);
        let agreeing = 1 + others.filter(|other| other.value == vote.value).count();
        if needed > 1 && agreeing < needed {
            self.free(project, id, |standing| {
                standing.votes.retain(|other| other.worker != vote.worker);
                standing.votes.push(vote);
            });
            return false;
        }
        self.close(project, &task, vote.worker);
        true
    }

    /// A task is done: it is gone, counted, and goes on where its project is chained to.
    fn close(&mut self, project: ProjectId, task: &Task, worker: WorkerId) {
        self.drop_task(project, task.id);
        if let Some(member) = self.workers.get_mut(&worker) {
            member.closed += 1;
            self.plan.writes.push(Write::PutWorkerClosed(worker, member.closed));
        }
        let Some(lane) = self.lanes.get_mut(&project) else { return };
        lane.project.closed += 1;
        self.plan.writes.push(Write::PutClosed(project, lane.project.closed));
        if let Some(next) = lane.project.definition.chain {
            // A hash that is known there, or numbers that are used up, end the chain without a word.
            let _ = self.add(next, NewTask { not_before: None, ..task.what.clone() });
        }
    }

    fn fail(&mut self, project: ProjectId, id: TaskId, failing: Failing) {
        let Some((task, standing)) = self.lanes.get(&project).and_then(|lane| lane.task(id)) else { return };
        let retries = standing.retries.saturating_add(1);
        let for_good = retries >= task.what.max_retries;
        self.free(project, id, |standing| {
            standing.retries = retries;
            standing.failing = Some(failing);
            if for_good {
                standing.status = Status::Failed;
            }
        });
        if for_good {
            self.tell(project, What::Failed(id));
        }
    }

    /// A task is gone for good, with its lease.
    fn drop_task(&mut self, project: ProjectId, id: TaskId) {
        let Some((_, standing)) = self.lanes.get_mut(&project).and_then(|lane| lane.remove(id)) else { return };
        if let Some(lease) = standing.lease {
            self.plan.effects.extend(self.leases.remove(id, lease.process));
        }
        self.places.clear(id);
        self.plan.writes.push(Write::DeleteTask(project, id));
        self.list(project);
    }

    pub(super) fn extend(&mut self, worker: WorkerId, id: TaskId, by: Duration) -> Result<Verdict, Refusal> {
        let (project, _) = self.held_by(worker, id).ok_or(Refusal::NotHeld)?;
        let end = self.now.later(by);
        self.leases.extend(id, end.mono);
        self.change(project, id, |standing| {
            if let Some(lease) = &mut standing.lease {
                lease.until = end.wall;
            }
        });
        Ok(Verdict::Extended(end.wall))
    }

    pub(super) fn delete_task(&mut self, by: Manager, id: TaskId) -> Result<Verdict, Refusal> {
        let project = self.places.get(id).ok_or(Refusal::NoTask)?;
        self.require(by, project, Role::MAINTENANCE)?;
        self.drop_task(project, id);
        Ok(Verdict::Accepted)
    }

    pub(super) fn requeue(&mut self, by: Manager, id: TaskId) -> Result<Verdict, Refusal> {
        let project = self.places.get(id).ok_or(Refusal::NoTask)?;
        self.require(by, project, Role::MAINTENANCE)?;
        let (_, standing) = self.task(id).ok_or(Refusal::NoTask)?;
        if standing.status != Status::Failed {
            return Err(Refusal::NotFailed);
        }
        self.change(project, id, |standing| {
            standing.status = Status::New;
            standing.retries = 0;
        });
        self.stir(project);
        Ok(Verdict::Accepted)
    }
}
