//! What is done to all tasks of a project at once. The store hears of it in one write: see [`Marks`].

use crate::tracker::machine::{Marks, Refusal, Room, Verdict, What, Write};
use crate::tracker::model::{Manager, ProjectId, Role, Status};

impl Room {
    pub(super) fn reset_failed(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let now = self.now.wall;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        lane.marks.next()?;
        let failed = lane.failed();
        for task in &failed {
            lane.change(*task, now, |standing| {
                standing.status = Status::New;
                standing.retries = 0;
            });
        }
        let affected = failed.len() as u64;
        self.done_to_all(project, affected, "reset", |marks| marks.reset = marks.epoch)
    }

    pub(super) fn reclaim(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let now = self.now.wall;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        lane.marks.next()?;
        // All NEW tasks count, whether or not anybody held them: `tracker.md` 8.3.
        let affected = lane.new_tasks();
        for task in lane.held() {
            let lease = lane.task(task).and_then(|(_, standing)| standing.lease);
            let process = lease.and_then(|lease| lease.process);
            self.plan.effects.extend(self.leases.remove(task, process));
            lane.change(task, now, |standing| standing.lease = None);
        }
        self.done_to_all(project, affected, "reclaimed", |marks| marks.reclaimed = marks.epoch)
    }

    pub(super) fn hard_reset(&mut self, by: Manager, project: ProjectId) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MAINTENANCE)?;
        let Some(lane) = self.lanes.get_mut(&project) else { return Ok(Verdict::Affected(0)) };
        lane.marks.next()?;
        let wiped = lane.wipe();
        for (task, standing) in wiped.held {
            let process = standing.lease.and_then(|lease| lease.process);
            self.plan.effects.extend(self.leases.remove(task, process));
        }
        for task in &wiped.tasks {
            self.places.clear(*task);
        }
        self.plan.waste = Some(wiped.waste);
        let affected = wiped.tasks.len() as u64;
        self.done_to_all(project, affected, "wiped", |marks| marks.wiped = marks.epoch)
    }

    fn done_to_all(
        &mut self,
        project: ProjectId,
        affected: u64,
        how: &'static str,
        mark: impl FnOnce(&mut Marks),
    ) -> Result<Verdict, Refusal> {
        if affected > 0
            && let Some(lane) = self.lanes.get_mut(&project)
        {
            lane.marks.epoch = lane.marks.next()?;
            mark(&mut lane.marks);
            self.plan.writes.push(Write::PutMarks(project, lane.marks));
            self.list(project);
            self.stir(project);
            self.tell(project, What::Mass { how, affected });
        }
        Ok(Verdict::Affected(affected))
    }
}

impl Marks {
    /// The epoch that a mass change begins.
    fn next(self) -> Result<u32, Refusal> {
        self.epoch.checked_add(1).ok_or(Refusal::Full)
    }
}
