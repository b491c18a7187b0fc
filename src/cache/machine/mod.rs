//! The decisions of the cache: who shares which fetch, what is kept and what is thrown away, what becomes of jobs.
//!
//! One [`Room`] is the whole state: every task, the jobs that are not over and the heads of those that are, the clusters.
//! [`Room::step`] takes an event and a moment and answers with a [`Plan`]: what to write down, what to do, whom to tell.
//!
//! **Absent:** bytes, addresses, files, clocks. Effects are safe to repeat; recovery repeats those that matter.

mod words;

#[cfg(test)]
mod tests;

pub use words::{
    Ask, Change, Effect, Errand, Event, FetchEnd, Order, Plan, Pressure, Quota, Refusal, Removed, Verdict, Wanted,
};

use crate::base::{Mono, Now};
use crate::cache::model::{Cluster, Job, JobHead, JobId, PinOwner, Task, TaskId, TaskNo};
use std::sync::Arc;
use std::time::Duration;

/// What the machine needs to know from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// See [`Quota`].
    pub quota: Quota,
    /// How long a task is kept unused, where it does not say so itself.
    pub ttl: Duration,
    /// How many jobs that are over are remembered.
    pub keep_jobs: usize,
    /// For how long.
    pub keep_jobs_for: Duration,
    /// The name of the local cluster, at the first start.
    pub cluster_name: String,
    /// The pause between two rounds in which what is old is thrown away.
    pub collect_every: Duration,
    /// The pause between two rounds in which what has changed of [`Task::used`] is written down.
    pub note_use_every: Duration,
}

/// The whole state.
#[derive(Debug)]
pub struct Room {}

/// What was read back from the store.
#[derive(Debug, Default)]
pub struct Memory {
    /// All tasks, in order of their numbers. Those that were being fetched are read as partial.
    pub tasks: Vec<Task>,
    /// The highest number of a task ever given.
    pub last_task: u64,
    /// Jobs that are not over.
    pub unfinished: Vec<Job>,
    /// All jobs, in order of their numbers.
    pub heads: Vec<JobHead>,
    /// The highest number of a job ever given.
    pub last_job: u64,
    /// All clusters.
    pub clusters: Vec<Cluster>,
    /// The highest number of a cluster ever given.
    pub last_cluster: u32,
}

impl Room {
    /// The state after a start, and what has to be done to go on: unfinished jobs are taken up again (those that were given
    /// secrets fail, and say so), doomed files are removed, the first cluster is made where there is none.
    pub fn recover(_rules: Rules, _memory: Memory, _now: Now) -> (Room, Plan) {
        unimplemented!()
    }

    /// Decides.
    pub fn step(&mut self, _event: Event, _now: Now) -> Plan {
        unimplemented!()
    }

    /// When a [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        unimplemented!()
    }

    /// How many entries deciding this goes through: what is more than some thousands is decided aside.
    pub fn effort(&self, _ask: &Ask) -> usize {
        unimplemented!()
    }

    /// The task of this number.
    pub fn task(&self, _no: TaskNo) -> Option<&Arc<Task>> {
        unimplemented!()
    }

    /// The task that a request by this id means: one of its own ids, or the digest of its blob. Not a doomed one.
    pub fn find(&self, _id: &TaskId) -> Option<&Arc<Task>> {
        unimplemented!()
    }

    /// All tasks, newest first.
    pub fn tasks(&self) -> Box<dyn DoubleEndedIterator<Item = &Arc<Task>> + '_> {
        unimplemented!()
    }

    /// The tasks whose numbers are below this one, newest first: the way through all of them in short looks.
    pub fn tasks_before(&self, _no: TaskNo) -> Box<dyn Iterator<Item = &Arc<Task>> + '_> {
        unimplemented!()
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        unimplemented!()
    }

    /// The bytes that all files are long: of what is fetched right now, all that was reserved.
    pub fn bytes(&self) -> u64 {
        unimplemented!()
    }

    /// Heads of all jobs, newest first.
    pub fn heads(&self) -> Box<dyn DoubleEndedIterator<Item = &JobHead> + '_> {
        unimplemented!()
    }

    /// A job that is not over; those that are lie in the store.
    pub fn unfinished(&self, _id: JobId) -> Option<&Arc<Job>> {
        unimplemented!()
    }

    /// All clusters, by number.
    pub fn clusters(&self) -> Box<dyn Iterator<Item = &Cluster> + '_> {
        unimplemented!()
    }

    /// All owners of pins, each once: to ask whether they still live.
    pub fn pin_owners(&self) -> Vec<PinOwner> {
        unimplemented!()
    }
}
