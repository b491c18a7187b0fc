//! What has become of runs and tasks.

use super::names::{DagName, DagRunId};
use crate::base::{Owner, RunId, Wall};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Of a run or a task. In capital letters on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Not started.
    #[default]
    Queued,
    /// A run that is being driven; a task of which an attempt is being executed.
    Running,
    /// A task whose attempt has failed and of which another will follow.
    Retry,
    /// A run that can get no further, a task that will not be tried again.
    Errored,
    /// On request.
    Killed,
    /// A run of which nothing new is started.
    Paused,
    /// Succeeded.
    Completed,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [State; 7] =
        [State::Queued, State::Running, State::Retry, State::Errored, State::Killed, State::Paused, State::Completed];

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            State::Queued => "QUEUED",
            State::Running => "RUNNING",
            State::Retry => "RETRY",
            State::Errored => "ERRORED",
            State::Killed => "KILLED",
            State::Paused => "PAUSED",
            State::Completed => "COMPLETED",
        }
    }

    /// The state of this word, in capital or small letters.
    pub fn named(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(word))
    }

    /// Whether a run in this state is over, unless somebody restarts it.
    pub const fn is_over(self) -> bool {
        matches!(self, State::Errored | State::Killed | State::Completed)
    }
}

/// How many tasks are in each state, by the state's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [u32; State::ALL.len()]);

impl Counts {
    /// Of this state.
    pub fn of(&self, state: State) -> u32 {
        self.0.get(state as usize).copied().unwrap_or(0)
    }

    /// Of all states together.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// Those that are not zero.
    pub fn present(&self) -> impl Iterator<Item = (State, u32)> {
        State::ALL.into_iter().map(|state| (state, self.of(state))).filter(|(_, count)| *count > 0)
    }
}

/// Why a run exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client submitted a specification.
    Client,
    /// A client ran a stored DAG.
    Dag(DagName),
    /// A stored DAG's schedule: the moment it was due.
    Schedule(DagName, Wall),
}

impl Origin {
    /// The stored DAG it comes from.
    pub fn dag(&self) -> Option<&DagName> {
        match self {
            Origin::Client => None,
            Origin::Dag(name) | Origin::Schedule(name, _) => Some(name),
        }
    }
}

/// A run has come into a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Wall,
    /// Into which.
    pub state: State,
}

/// What is stored of a run beside its specification and its tasks; written anew whenever any of it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which.
    pub id: DagRunId,
    /// The label.
    pub tag: String,
    /// Every state it was in, oldest first; the first is QUEUED, the last the present one.
    pub history: Vec<StateChange>,
    /// When the run or any of its tasks last changed. Of a run that is not over, memory knows a later one.
    pub last_update: Wall,
    /// How many tasks are in which state: present once the run is over, else memory knows.
    pub counts: Counts,
    /// How often it was restarted. An attempt or mark of an earlier pass counts only if it says COMPLETED.
    pub pass: u32,
    /// (group, pass): what was completed in this group before that pass does not count either. See `Trigger`.
    pub resets: Vec<(u32, u32)>,
    /// Whose.
    pub owner: Arc<Owner>,
    /// The uid its commands run as, looked up when it was submitted. Decides who may see and touch it.
    pub runs_as: u32,
    /// Why it exists.
    pub origin: Origin,
}

impl RunRow {
    /// The present state.
    pub fn state(&self) -> State {
        self.history.last().map_or(State::Queued, |change| change.state)
    }
}

/// One attempt that has ended. Without kinship to its place: that is its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The keeper's slot, and the name of its output files; none: it never had one.
    pub slot: Option<RunId>,
    /// The pass it belongs to.
    pub pass: u32,
    /// When the process began, as seen before it was started.
    pub start: Wall,
    /// When it ended; never before `start`.
    pub stop: Wall,
    /// The exit code; the signal's number; 127 not found, 126 not executable. Never 0 for an attempt that was killed,
    /// timed out or interrupted.
    pub rc: i32,
    /// What the task is after it.
    pub outcome: Outcome,
    /// The executor's remark: empty, or why (signal, timeout, kill, could not be started, bad generator output).
    pub remark: String,
    /// Standard output.
    pub output: Kept,
    /// Standard error.
    pub errors: Kept,
    /// What the process used, if there was one.
    pub usage: Option<Usage>,
}

/// What an attempt has made of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded.
    Completed,
    /// It failed and another will follow.
    Retry,
    /// It failed for the last time.
    Errored,
    /// Somebody killed it.
    Killed,
    /// The daemon or the host went down under it: it does not count against the retries, and is repeated.
    Interrupted,
}

/// Where a stream's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Here: at most 1 KiB.
    Here(Bytes),
    /// In the attempt's file, so many bytes when it ended.
    File(u64),
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::Here(Bytes::new())
    }
}

/// What a process used, as the kernel counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of its own.
    pub user: Duration,
    /// Processor time of the kernel on its behalf.
    pub system: Duration,
    /// The most memory it held at once, in KiB.
    pub max_rss_kib: u64,
}

/// What has become of a task without an attempt. A later attempt outweighs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Killed on request, in this pass; by whom.
    Killed(String),
    /// Completed by hand; by whom.
    Done(String),
    /// Passed over by hand, which counts as completed; by whom.
    Skipped(String),
    /// Passed over because its trigger is `failure` and nothing failed.
    NotNeeded,
}

/// A change of one task of a run that does not run it.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Another job, checked and expanded.
    Job(Arc<super::template::Job>),
    /// It counts as completed.
    Done,
    /// It is passed over, which counts as completed.
    Skip,
}
