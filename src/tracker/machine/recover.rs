//! The start: the room as the store left it.

use super::counters::Counters;
use super::lane::Lane;
use super::{Member, Plan, Room, Settings, Stored};
use crate::base::{Now, Wall};
use crate::tracker::model::{Lease, Status, TaskId, Vote};
use std::collections::BTreeSet;
use std::time::Duration;

impl Room {
    /// What was stored, as the machine sees it now: leases of before go on for as long as they had left on the wall
    /// clock, never longer than they were granted for. The plan watches their processes.
    pub fn recover(settings: Settings, stored: Stored, now: Now) -> (Room, Plan) {
        let mut room = Room::empty(settings, Counters::new(stored.numbers), now);
        for (worker, closed) in stored.workers {
            // A number that was written down was reserved before; this only guards against a store that was not.
            let _ = room.counters.skip_worker(worker.id);
            room.workers.insert(worker.id, Member { worker, closed });
        }
        for (project, marks) in stored.projects {
            let _ = room.counters.skip_project(project.id);
            room.open(Lane::new(project, marks));
        }
        for (task, mut standing) in stored.tasks {
            let _ = room.counters.skip_task(task.id);
            let Some(lane) = room.lanes.get_mut(&task.project) else { continue };
            if standing.status == Status::Failed {
                standing.lease = None;
            }
            room.places.set(task.id, task.project);
            let (id, lease) = (task.id, standing.lease);
            lane.insert(task, standing, now.wall);
            if let Some(lease) = lease {
                room.resume(id, lease);
            }
        }
        let projects: Vec<_> = room.lanes.keys().copied().collect();
        for project in projects {
            room.list(project);
        }
        let plan = std::mem::take(&mut room.plan);
        (room, plan)
    }

    /// A lease of before goes on.
    pub(super) fn resume(&mut self, task: TaskId, lease: Lease) {
        let end = self.now.later(left(&lease, self.now.wall));
        self.lease_runs(task, end, lease.process);
    }
}

/// How long a lease has left: a wall clock that was set back does not make it longer than it was granted for.
fn left(lease: &Lease, now: Wall) -> Duration {
    let granted = (lease.until - lease.since).to_std().unwrap_or(Duration::ZERO);
    (lease.until - now).to_std().unwrap_or(Duration::ZERO).min(granted)
}

/// The first vote of each worker.
pub(super) fn one_each(votes: &mut Vec<Vote>) {
    let mut seen = BTreeSet::new();
    votes.retain(|vote| seen.insert(vote.worker));
}
