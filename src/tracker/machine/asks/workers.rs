//! Workers: made, renamed, paused.

use crate::tracker::machine::{Member, Refusal, Room, Verdict, Write};
use crate::tracker::model::{Manager, Worker, WorkerId, WorkerSecret};

impl Room {
    pub(super) fn create_worker(&mut self, alias: String, secret: WorkerSecret) -> Result<Verdict, Refusal> {
        let id = self.counters.worker()?;
        let worker = Worker { id, alias, created: self.now.wall.timestamp(), secret, paused: false };
        self.workers.insert(id, Member { worker: worker.clone(), closed: 0 });
        self.plan.writes.push(Write::PutWorker(Box::new(worker.clone())));
        Ok(Verdict::Worker(Box::new(worker)))
    }

    pub(super) fn rename_worker(&mut self, id: WorkerId, alias: String) -> Result<Verdict, Refusal> {
        self.change_worker(id, |worker| worker.alias = alias)
    }

    pub(super) fn pause_worker(&mut self, by: Manager, id: WorkerId, paused: bool) -> Result<Verdict, Refusal> {
        if !by.is_admin() {
            return Err(Refusal::Unauthorized);
        }
        let verdict = self.change_worker(id, |worker| worker.paused = paused)?;
        self.serve_worker(id, None);
        Ok(verdict)
    }

    fn change_worker(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker)) -> Result<Verdict, Refusal> {
        let member = self.workers.get_mut(&id).ok_or(Refusal::NoWorker)?;
        let mut worker = member.worker.clone();
        change(&mut worker);
        if worker != member.worker {
            member.worker = worker.clone();
            self.plan.writes.push(Write::PutWorker(Box::new(worker)));
        }
        Ok(Verdict::Accepted)
    }
}
