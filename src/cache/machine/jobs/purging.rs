//! Forgetting records: of jobs here, of the audit log elsewhere; because a job asks for it, or because they are old or too
//! many.

use super::super::{Change, Effect, Room};
use super::{Flow, is_over};
use crate::base::Wall;
use crate::cache::model::{GcArgs, GcKind, JobId, JobResult};
use chrono::TimeDelta;
use std::ops::Bound;
use std::time::Duration;

/// A round of forgetting jobs.
#[derive(Debug)]
pub(super) struct Purge {
    /// For whom; none: for nobody.
    job: Option<JobId>,
    /// Those that were made before this.
    before: Wall,
    /// How many are left, at most.
    keep: usize,
    gone: u64,
    /// All up to this one were looked at.
    after: JobId,
}

/// So long ago; the beginning of all time where that does not reach.
fn ago(now: Wall, ttl: Duration) -> Wall {
    let ttl = TimeDelta::from_std(ttl).ok();
    ttl.and_then(|ttl| now.checked_sub_signed(ttl)).unwrap_or(Wall::MIN_UTC)
}

impl Room {
    pub(super) fn begin_purging(&mut self, id: JobId, args: GcArgs) {
        self.jobs.set_flow(id, Flow::Purging);
        let before = ago(self.now.wall, args.ttl);
        match args.kind {
            GcKind::Job => {
                self.jobs.purges.push_back(Purge { job: Some(id), before, keep: usize::MAX, gone: 0, after: JobId(0) })
            }
            GcKind::Audit => self.plan.effects.push(Effect::PurgeAudit(id, before)),
        }
    }

    /// Lines of the audit log are forgotten, or not.
    pub(in super::super) fn purged(&mut self, id: JobId, result: Result<u64, String>) {
        let is_purging = |flow: &Flow| matches!(flow, Flow::Purging);
        if !self.jobs.running.get(&id).is_some_and(|running| is_purging(&running.flow)) {
            return;
        }
        if let Ok(count) = result {
            self.jobs.change(id, |job| job.part.result = JobResult::Purged(count));
        }
        self.finish(id, result.map(|_| ()));
    }

    /// Jobs that are old, or too many.
    pub(in super::super) fn forget_old_jobs(&mut self) {
        if self.jobs.purges.iter().all(|purge| purge.job.is_some()) {
            let before = ago(self.now.wall, self.rules.keep_jobs_for);
            let purge = Purge { job: None, before, keep: self.rules.keep_jobs, gone: 0, after: JobId(0) };
            self.jobs.purges.push_back(purge);
        }
    }

    /// Goes on with rounds of forgetting, as far as the plan has room.
    pub(in super::super) fn purge(&mut self) {
        while self.has_room() && self.looks > 0 {
            self.looks -= 1;
            let running = self.jobs.running.len() - self.jobs.forgotten;
            let Some(purge) = self.jobs.purges.front_mut() else { return };
            let is_too_many = self.jobs.heads.len().saturating_sub(running) > purge.keep;
            let rest = (Bound::Excluded(purge.after), Bound::Unbounded);
            let next = self.jobs.heads.range(rest).next().map(|(_, head)| head);
            match next.filter(|head| is_too_many || head.created < purge.before) {
                Some(head) => {
                    purge.after = head.id;
                    if is_over(head) {
                        let id = head.id;
                        purge.gone += 1;
                        self.jobs.heads.remove(&id);
                        self.plan.changes.push(Change::JobGone(id));
                        self.plan.jobs.push(id);
                    }
                }
                None => {
                    let Some(purge) = self.jobs.purges.pop_front() else { return };
                    if let Some(id) = purge.job {
                        self.purged(id, Ok(purge.gone));
                    }
                }
            }
        }
    }
}
