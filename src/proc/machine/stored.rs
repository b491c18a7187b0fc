//! What the machine remembers from one life of the daemon to the next, and what it finds when it begins.

use super::words::Exit;
use crate::base::{Mono, RunId, Wall};
use crate::proc::model::{Definition, Incarnation, Offsets, Owner, Signal, StartedBy, StoppedBy, TaskName};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A task as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTask {
    /// Its life; older tasks have lower numbers.
    pub incarnation: Incarnation,
    /// What the client said.
    pub definition: Arc<Definition>,
    /// Whose it is.
    pub owner: Arc<Owner>,
    /// The uid it runs as.
    pub runs_as: u32,
}

/// What a task is doing, as stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Whether an operator has stopped it.
    pub stopped: bool,
    /// When its replicas were last launched on purpose; a daemon's restarts do not count.
    pub last_time: Option<Wall>,
    /// When that was last tried.
    pub start_time: Option<Wall>,
    /// It is to be launched as soon as its dependencies allow.
    pub queued: Option<Queued>,
    /// How far the schedule of a cron task has been dealt with.
    pub cursor: Option<Cursor>,
}

/// A launch that waits for dependencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// Why it is to be launched.
    pub by: StartedBy,
    /// Which replicas.
    pub seats: Seats,
}

/// Which replicas a launch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seats {
    /// Those that do not run.
    Idle,
    /// Those that were cut short when the daemon ended.
    Again,
}

/// How far a schedule has been dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Every firing up to here was decided: it has run, it is owed, or the history says why it did not.
    pub decided: Wall,
    /// Firings that will run, one after the other, oldest first.
    pub owed: VecDeque<Owed>,
}

/// A stretch of firings that will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Those after this moment,
    pub after: Wall,
    /// up to and with this one.
    pub through: Wall,
}

/// Why a replica does not run, where that is not plain from its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredRest {
    /// A daemon's pause before the next start.
    Pause {
        /// Until when, on the clock of this boot.
        until: Mono,
        /// How many lives in a row were not stable.
        failures: u32,
    },
    /// It was running when the daemon ended and is to be run again.
    Again,
    /// It has ended and is not started again.
    Finished {
        /// With exit code 0.
        success: bool,
    },
    /// It was given up.
    Failed,
}

/// A run that is not over, as stored: what recovery needs to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRun {
    /// Which.
    pub run: RunId,
    /// The task's name.
    pub name: TaskName,
    /// The task, which may be deleted.
    pub incarnation: Incarnation,
    /// The index of the replica.
    pub replica: u32,
    /// The uid it runs as.
    pub runs_as: u32,
    /// Why it began.
    pub started_by: StartedBy,
    /// Why it was told to end.
    pub stopped_by: Option<StoppedBy>,
    /// Whether the task still counts it as its own.
    pub attached: bool,
    /// Its leader and when that was born.
    pub leader: Option<(i32, u64)>,
    /// When it became a process.
    pub start: Option<Wall>,
    /// The same moment on the clock of this boot.
    pub born: Option<Mono>,
    /// Where its output begins.
    pub log_from: Option<Offsets>,
    /// Whether it has shown to be ready.
    pub ready: bool,
    /// Whether the leader has ended and is in the history; only its tree is left.
    pub over: bool,
    /// When it will be killed.
    pub kill_at: Option<Mono>,
    /// What ends it.
    pub stop_signal: Signal,
    /// How long it may take to end.
    pub stop_timeout: Duration,
}

/// All that is read back at start.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Tasks with their standing, in any order.
    pub tasks: Vec<(StoredTask, Standing)>,
    /// Resting replicas.
    pub seats: Vec<(Incarnation, u32, StoredRest)>,
    /// Runs that were not over.
    pub live: Vec<LiveRun>,
    /// See [`super::Write::PutCeiling`].
    pub ceiling: u64,
    /// See [`super::Write::PutBoot`]; none in a fresh store.
    pub boot: Option<String>,
}

/// What is found at start beside the store.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What the keeper holds of this room.
    pub held: Vec<Held>,
    /// The highest life that has left output behind; none: 0. A restored backup may have forgotten that it was given.
    pub logged: u64,
    /// Whether this keeper has just begun, so that what an earlier one had is lost to us.
    pub new_keeper: bool,
    /// Whether the keeper was already told to stop everything.
    pub stopping: bool,
    /// The host's boot, by the kernel's random name for it.
    pub boot: String,
}

/// A slot of this room that the keeper still holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The run, as its intent tells it: `leader`, `start`, `born` and `log_from` filled in as far as known,
    /// `attached` true, `over` false.
    pub intent: LiveRun,
    /// How it ended, if it has.
    pub exit: Option<Exit>,
    /// Whether nothing of its tree is left.
    pub tree_empty: bool,
    /// Whether the history already has its end (asked only of exits without a live record).
    pub recorded: bool,
}
