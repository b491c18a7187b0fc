//! What is known of runs and firings, and of the people behind them.

use super::values::{Incarnation, TaskName};
use crate::base::{RunId, Wall};
use std::time::Duration;

/// Why a run was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartedBy {
    /// A client asked; his name.
    Client(String),
    /// The run before it had ended (daemons).
    Restart,
    /// The schedule: the moment it was due.
    Schedule(Wall),
    /// The host has booted (`@reboot`).
    HostBoot,
    /// It had been running when the daemon ended.
    Recovery,
}

/// Why a run was told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoppedBy {
    /// A client asked; his name.
    Client(String),
    /// The daemon itself was stopped.
    Shutdown,
    /// It was not ready in time.
    NotReady,
    /// Its liveness probe failed; what was said last.
    Unhealthy(String),
    /// A later firing took its place.
    Replaced,
    /// Its task is not known: it was started by a decision that was never recorded.
    Unknown,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether a core file was written.
        core_dumped: bool,
    },
}

impl Status {
    /// Exit code 0.
    pub fn is_success(self) -> bool {
        self == Status::Code(0)
    }
}

/// What a run used, as the kernel counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of its own.
    pub user: Duration,
    /// Processor time of the kernel on its behalf.
    pub system: Duration,
    /// The most memory it held at once, in KiB.
    pub max_rss_kib: u64,
    /// Page faults served without reading.
    pub minor_faults: u64,
    /// Page faults that had to read.
    pub major_faults: u64,
    /// File system reads, in blocks of 512 bytes.
    pub blocks_in: u64,
    /// File system writes, likewise.
    pub blocks_out: u64,
}

/// Places in a replica's output files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// In the only file, or that of standard output.
    pub out: u64,
    /// In that of standard error, where it has its own.
    pub err: Option<u64>,
}

/// Where a run is in its life, in one word for listings and the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Decided, not yet a process: the tree of its predecessor still ends, or the launch is under way.
    Starting,
    /// A process that is not ready yet.
    Unready,
    /// A process, ready.
    Running,
    /// Told to end, or ended with processes left behind that are told to.
    Stopping,
    /// Ended by itself with exit code 0.
    Succeeded,
    /// Ended by itself otherwise, or by hostler because it did not do its work.
    Failed,
    /// Ended because somebody wanted so.
    Stopped,
    /// The host or the keeper went down under it; how it ended is not known.
    Interrupted,
    /// It could not be started.
    NotStarted,
}

/// The words for the states of runs.
const RUN_STATES: [(&str, RunState); 9] = [
    ("starting", RunState::Starting),
    ("unready", RunState::Unready),
    ("running", RunState::Running),
    ("stopping", RunState::Stopping),
    ("succeeded", RunState::Succeeded),
    ("failed", RunState::Failed),
    ("stopped", RunState::Stopped),
    ("interrupted", RunState::Interrupted),
    ("not_started", RunState::NotStarted),
];

impl RunState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        RUN_STATES.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }

    /// The state of this word.
    pub fn named(word: &str) -> Option<RunState> {
        RUN_STATES.iter().find(|(known, _)| *known == word).map(|(_, state)| *state)
    }
}

/// What is known of a run that has ended: one line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Which.
    pub run: RunId,
    /// The task's name then.
    pub name: TaskName,
    /// The task.
    pub incarnation: Incarnation,
    /// Who may see it beside the operators.
    pub owner: u32,
    /// The index of the replica.
    pub replica: u32,
    /// Its leader, if it ever was a process.
    pub pid: Option<i32>,
    /// When it became a process.
    pub start: Option<Wall>,
    /// When the leader ended; of an interrupted run: when that was noticed.
    pub end: Wall,
    /// How; unknown when interrupted or never started.
    pub status: Option<Status>,
    /// The same in one word.
    pub state: RunState,
    /// Why it began.
    pub started_by: StartedBy,
    /// Why it was told to end, if it was.
    pub stopped_by: Option<StoppedBy>,
    /// Whether the kernel's memory killer struck in its cgroup.
    pub oom: bool,
    /// What it used.
    pub usage: Option<Usage>,
    /// Where its output begins.
    pub log_from: Option<Offsets>,
    /// Where its output ended with the leader.
    pub log_to: Option<Offsets>,
    /// Why it could not be started.
    pub error: Option<String>,
}

/// Firings of a schedule that did not run: one line of the history for a whole stretch of them.
/// (A firing that ran is its runs' [`StartedBy::Schedule`].)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The first.
    pub first: Wall,
    /// The last.
    pub last: Wall,
    /// How many, as far as they were counted.
    pub count: u32,
    /// Whether there were more than were counted.
    pub more: bool,
    /// Why they did not run.
    pub why: NotRun,
}

/// Why a firing did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// Skipped: an earlier one still ran.
    StillRunning,
    /// Skipped: an earlier one still waited for a dependency.
    StillQueued,
    /// Skipped: the task had been stopped.
    Stopped,
    /// Missed: nobody was there, or the clock jumped over it.
    Missed,
}

/// The words for the reasons.
const NOT_RUNS: [(&str, NotRun); 4] = [
    ("still running", NotRun::StillRunning),
    ("still queued", NotRun::StillQueued),
    ("stopped", NotRun::Stopped),
    ("missed", NotRun::Missed),
];

impl NotRun {
    /// The word for it.
    pub fn word(self) -> &'static str {
        NOT_RUNS.iter().find(|(_, why)| *why == self).map_or("", |(word, _)| word)
    }

    /// The reason of this word.
    pub fn named(word: &str) -> Option<NotRun> {
        NOT_RUNS.iter().find(|(known, _)| *known == word).map(|(_, why)| *why)
    }
}
