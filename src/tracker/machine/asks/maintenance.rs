//! What is done to all tasks of a project at once. The store hears of it in one write: see [`Marks`].

use crate::tracker::machine::{Marks, Refusal, Room, Verdict, What, Write};
use crate::tracker::model::{Manager, ProjectId, Role, Status};

impl Room {
    pub(super) fn reset_failed(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let now = self.now.wall;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        let failed = lane.failed();
        for task in &failed {
            lane.change(*task, now, |standing| {
                standing.status = Status::New;
                standing.retries = 0;
            });
        }
        let affected = failed.len() as u64;
        Ok(self.done_to_all(project, affected, "reset", |marks| marks.reset = marks.epoch))
    }

    pub(super) fn reclaim(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let now = self.now.wall;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        // All NEW tasks count, whether or not anybody held them: `tracker.md` 8.3.
        let affected = lane.new_tasks();
        for task in lane.held() {
            let lease = lane.task(task).and_then(|(_, standing)| standing.lease);
            let process = lease.and_then(|lease| lease.process);
            self.plan.effects.extend(self.leases.remove(task, process));
            lane.change(task, now, |standing| standing.lease = None);
        }
        Ok(self.done_to_all(project, affected, "reclaimed", |marks| marks.reclaimed = marks.epoch))
    }

    pub(super) fn hard_reset(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        let wiped = lane.wipe();
        for (task, standing) in wiped.held {
            let process = standing.lease.and_then(|lease| lease.process);
            self.plan.effects.extend(self.leases.remove(task, process));
        }
        for task in &wiped.tasks {
            self.places.clear(*task);
        }
        let affected = wiped.tasks.len() as u64;
        Ok(self.done_to_all(project, affected, "wiped", |marks| marks.wiped = marks.epoch))
    }

    fn done_to_all(
        &mut self,
        project: ProjectId,
        affected: u64,
        how: &'static str,
        mark: impl FnOnce(&mut Marks),
    ) -> Verdict {
        if affected > 0
            && let Some(lane) = self.lanes.get_mut(&project)
        {
            lane.marks.epoch += 1;
            mark(&mut lane.marks);
            self.plan.writes.push(Write::PutMarks(project, lane.marks));
            self.list(project);
            self.stir(project);
            self.tell(project, What::Mass { how, affected });
        }
        Verdict::Affected(affected)
    }
}
