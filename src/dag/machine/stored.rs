//! What a start, or an ask about a run that is over, finds in the store and at the keeper.

use super::calendar::StoredDag;
use crate::base::{Mono, RunId, Wall};
use crate::dag::model::{Addition, Blueprint, DagRunId, Job, Kept, Mark, Outcome, RunRow, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its row.
    pub row: RunRow,
    /// Its specification, compiled again.
    pub blueprint: Arc<Blueprint>,
    /// What generators have added, in the order of their first groups.
    pub additions: Vec<StoredAddition>,
    /// What has become of tasks, in the order of their ids; tasks without an entry are untouched.
    pub entries: Vec<Entry>,
    /// Jobs that were replaced.
    pub edits: Vec<(TaskId, Arc<Job>)>,
}

/// What a generator has added.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAddition {
    /// The place of its first group.
    pub first: u32,
    /// The instance that made it.
    pub by: TaskId,
    /// What.
    pub addition: Addition,
}

/// What has become of one task, or of several in a row alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which, or the first of them.
    pub task: TaskId,
    /// How many, instance after instance.
    pub count: u32,
    /// Attempts so far, over all passes: the number of the last one.
    pub attempts: u32,
    /// Attempts of the last one's pass that count against the retries: all but interrupted ones.
    pub used: u32,
    /// The last one, or the mark that came after it.
    pub last: Last,
    /// In which pass that was.
    pub pass: u32,
}

/// What a task has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Last {
    /// By an attempt.
    Attempt {
        /// What it made of the task.
        outcome: Outcome,
        /// When it ended.
        stop: Wall,
    },
    /// Without one.
    Mark(Mark),
}

/// An attempt that has not ended, as stored and as the keeper's record of intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAttempt {
    /// Its slot, which also names its output files.
    pub slot: RunId,
    /// Its run.
    pub run: DagRunId,
    /// Its task.
    pub task: TaskId,
    /// Which attempt of the task, from 1, over all passes.
    pub number: u32,
    /// In which pass.
    pub pass: u32,
    /// When it was started.
    pub start: Wall,
    /// The same on the monotonic clock of this boot, for its time limit.
    pub born: Mono,
    /// Its leader and when that was born, once it is a process.
    pub leader: Option<(i32, u64)>,
    /// It has ended and is recorded; what is left of its tree is being ended.
    pub ended: bool,
}

/// Everything a start reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Runs that are not over, and those over of which an attempt is still live.
    pub runs: Vec<StoredRun>,
    /// Attempts that have not ended.
    pub live: Vec<LiveAttempt>,
    /// The next run's number.
    pub next_run: DagRunId,
    /// Slots below this one may have been given.
    pub slots: RunId,
    /// Stored DAGs.
    pub dags: Vec<StoredDag>,
}

/// What a start finds beside the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Attempts that the keeper holds. An attempt of an unknown run is stopped.
    pub held: Vec<Held>,
    /// The stored live attempts belong to another keeper than this one: what this one does not hold is a leftover of
    /// theirs, if it is of this boot at all.
    pub new_keeper: bool,
    /// The live attempts belong to an earlier boot of the host: nothing can be left of them.
    pub new_boot: bool,
    /// Whether the keeper was already told to stop everything.
    pub stopping: bool,
    /// What stored attempts that the keeper does not hold have written to both streams.
    pub written: BTreeMap<RunId, (Kept, Kept)>,
}

/// An attempt that the keeper holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its intent, with the leader as the keeper knows it.
    pub live: LiveAttempt,
    /// Its end, if it has ended: to be heard like any other. Recorded ones may come again; they are only acknowledged.
    pub end: Option<Box<super::words::End>>,
    /// Whether nothing of its tree is left.
    pub tree_empty: bool,
}
