//! What is written down, as the store would give it back.

use crate::base::Wall;
use crate::cache::machine::{Change, Memory};
use crate::cache::model::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Shelf {
    tasks: BTreeMap<TaskNo, Task>,
    pieces: BTreeMap<TaskNo, Arc<Pieces>>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    clusters: BTreeMap<ClusterId, Cluster>,
    last: (u64, u64, u32),
}

impl Shelf {
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.clone() {
                Change::Task(task) => {
                    self.last.0 = self.last.0.max(task.no.0);
                    let used = LastUse::at(task.used.get()); // what is stored does not move
                    self.tasks.insert(task.no, Task { used, pieces: Arc::default(), ..Task::clone(&task) });
                }
                Change::Pieces(no, pieces) => {
                    self.pieces.insert(no, pieces);
                }
                Change::Used(no, at) => self.tasks.get(&no).expect("a task that is stored").used.touch(at),
                Change::TaskGone(no) => {
                    self.tasks.remove(&no).expect("a task that is stored");
                    self.pieces.remove(&no);
                }
                Change::Job(job) => {
                    self.last.1 = self.last.1.max(job.id.0);
                    self.jobs.insert(job.id, Job::clone(&job));
                }
                Change::JobText { id, bio, user, at } => {
                    let job = self.jobs.get_mut(&id).expect("a job that is stored");
                    job.bio = bio.unwrap_or(job.bio.clone());
                    job.user = user.unwrap_or(job.user);
                    job.updated = at;
                }
                Change::JobGone(id) => {
                    self.jobs.remove(&id).expect("a job that is stored");
                }
                Change::Cluster(cluster) => {
                    self.last.2 = self.last.2.max(cluster.id.0);
                    self.clusters.insert(cluster.id, *cluster);
                }
                Change::ClusterGone(id) => {
                    self.clusters.remove(&id).expect("a cluster that is stored");
                }
            }
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let tasks = self.tasks.values().map(|task| Task {
            pieces: self.pieces.get(&task.no).cloned().unwrap_or_default(),
            used: LastUse::at(task.used.get()),
            ..task.clone()
        });
        let head = |job: &Job| JobHead {
            id: job.id,
            kind: job.kind(),
            state: job.state(),
            user: job.user,
            created: job.created,
        };
        Memory {
            tasks: tasks.collect(),
            last_task: self.last.0,
            unfinished: self.jobs.values().filter(|job| job.state() == JobState::Pending).cloned().collect(),
            heads: self.jobs.values().map(head).collect(),
            last_job: self.last.1,
            clusters: self.clusters.values().cloned().collect(),
            last_cluster: self.last.2,
        }
    }

    pub(super) fn job(&self, id: u64) -> &Job {
        &self.jobs[&JobId(id)]
    }

    pub(super) fn used(&self, no: TaskNo) -> Wall {
        self.tasks[&no].used.get()
    }
}
