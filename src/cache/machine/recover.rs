//! The start: what was written down becomes the room again.
//!
//! Little of it is done here; the rest is put in line, and done in slices by the ticks that follow at once.

use super::catalogue::Catalogue;
use super::clusters::Clusters;
use super::eviction::Keeping;
use super::fetching::Fetching;
use super::jobs::Jobs;
use super::removal::Removing;
use super::{Effect, Memory, Plan, Room, Rules, pause};
use crate::base::Now;
use crate::cache::model::address::host;
use crate::cache::model::{Task, TaskState};
use std::collections::BTreeSet;

pub(super) fn recover(mut rules: Rules, memory: Memory, now: Now) -> (Room, Plan) {
    let Memory { tasks, last_task, unfinished, heads, last_job, clusters, last_cluster } = memory;
    rules.accounts = rules.accounts.iter().map(|name| host(name)).collect();
    let mut plan = Plan::default();
    let clusters = Clusters::recover(clusters, last_cluster, &rules.cluster_name, now, &mut plan);
    plan.effects.push(Effect::Measure);
    let mut room = Room {
        catalogue: Catalogue::new(rules.ttl),
        fetching: Fetching::default(),
        removing: Removing::default(),
        keeping: Keeping::default(),
        jobs: Jobs::default(),
        clusters,
        widowed: BTreeSet::new(),
        noting: None,
        next_note: now.mono + pause(rules.note_use_every),
        last_owed: 0,
        unfinished: false,
        opened: 0,
        looks: 0,
        now,
        plan,
        rules,
    };
    // The first round begins at once: the quota may be another one than before.
    room.keeping.next = now.mono;
    room.fetching.last = last_task;
    for task in tasks {
        room.take_back(task);
    }
    room.jobs.last = heads.iter().map(|head| head.id.0).fold(last_job, u64::max);
    room.jobs.recover_heads(heads);
    for job in unfinished {
        room.jobs.last = room.jobs.last.max(job.id.0);
        room.jobs.recover(job);
    }
    room.unfinished = true;
    let plan = std::mem::take(&mut room.plan);
    (room, plan)
}

impl Room {
    fn take_back(&mut self, mut task: Task) {
        let no = task.no;
        self.fetching.last = self.fetching.last.max(no.0);
        if task.state == TaskState::Fetching {
            task.state = TaskState::Partial(None);
        }
        let is_empty = task.pieces.count() == 0;
        let is_unknown = task.source.is_none();
        let state = task.state.clone();
        self.catalogue.insert(task);
        self.settle(no);
        match state {
            TaskState::Doomed => self.recover_doomed(no),
            // Unfinished jobs are taken up first: what they want stays.
            TaskState::Partial(_) | TaskState::Fetching if is_empty => {
                if is_unknown {
                    self.removing.may_have_file(no); // from a fetch of which nothing else was written down
                }
                self.fetching.suspect(no);
            }
            TaskState::Partial(_) | TaskState::Fetching | TaskState::Complete(_) => {}
        }
    }
}
