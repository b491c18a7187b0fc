//! The driver: one task owns the machine, hears everything through one mailbox, and carries out its plans.
//!
//! **Absent:** decisions. They are the machine's.

use super::machine::{Ask, Room, Verdict};
use super::model::{Process, ProjectId, Sample};
use crate::auth::Accounts;
use crate::base::{Bus, Secret};
use crate::metrics::Metrics;
use crate::store::{ReadError, Store};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may register as a manager.
    pub registration: Registration,
    /// Whether anybody may create workers; else managers only.
    pub anybody_makes_workers: bool,
    /// The name of the session cookie.
    pub cookie: String,
    /// How long a session lasts.
    pub session: Duration,
    /// How long a task may be held that does not say so itself.
    pub max_assign_time: Duration,
    /// The configured header of git hooks.
    pub webhook_header: String,
    /// The hash in that header.
    pub webhook_hash: HookHash,
    /// The branches whose pushes count.
    pub webhook_branches: Vec<String>,
    /// Whether anybody may read what workers have logged.
    pub public_logs: bool,
    /// Which levels are kept.
    pub log_levels: Vec<Level>,
    /// How many log entries are kept.
    pub keep_logs: usize,
    /// For how long.
    pub keep_logs_for: Duration,
    /// The pause between two samples.
    pub sample_every: Duration,
    /// How long samples are kept.
    pub keep_samples: Duration,
}

/// Who may register as a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Only until there is a tracker admin.
    First,
    /// Nobody.
    Closed,
}

/// A hash that signs git hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// How grave a log entry is, in the original's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 3
    Error,
    /// 4
    Warn,
    /// 5
    Info,
    /// 7
    Trace,
}

impl Level {
    /// All of them, the gravest first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Trace];

    /// The word for it, in paths and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Trace => "trace",
        }
    }

    /// Its number on the wire.
    pub fn wire(self) -> i64 {
        match self {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 5,
            Level::Trace => 7,
        }
    }
}

/// Something that a worker has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// How grave.
    pub level: Level,
    /// When, by the worker's own clock: Unix seconds, positive.
    pub timestamp: i64,
    /// Which worker.
    pub worker: u32,
    /// About what.
    pub scope: String,
    /// What.
    pub message: String,
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// Managers.
    pub accounts: Accounts,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// The room, as its own routes and the daemon hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) tools: Tools,
    pub(super) settings: Arc<Settings>,
    /// What the first admin may show instead of being an operator: told in the daemon's log.
    pub(super) code: Secret,
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("the entry could not be written: {0}")]
    Write(String),
}

impl Handle {
    /// Asks for something, and answers when the decision is durable. [`Verdict::Waiting`] is never the answer: whoever asks
    /// to wait gets what became of it, or [`Verdict::Handed`] with nothing as soon as `gone` returns.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn ask(&self, ask: Ask, gone: impl Future<Output = ()> + Send) -> Result<Verdict, Failed> {
        let _ = (ask, gone);
        Err(Failed::Gone)
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Room) -> T + Send + 'static) -> Result<T, Failed> {
        let _ = look;
        Err(Failed::Gone)
    }

    /// The process of this number, if it lives and belongs to `uid`.
    ///
    /// # Errors
    /// It does not, or the kernel does not tell: a sentence for the worker.
    pub fn process(&self, pid: i32, uid: u32) -> Result<Process, String> {
        Err(format!("process {pid} of uid {uid} is not there"))
    }

    /// Writes a log entry down, if its level is kept, and to the daemon's own log in any case. Returns once it is on disk.
    ///
    /// # Errors
    /// The store's.
    pub async fn log(&self, entry: LogEntry) -> Result<(), Failed> {
        let _ = entry;
        Err(Failed::Gone)
    }

    /// Entries of this level with a timestamp above `since`, in the order in which they were written; the newest `limit`
    /// where there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn logged(&self, level: Level, since: i64, limit: usize) -> Result<Vec<LogEntry>, Failed> {
        let _ = (level, since, limit);
        Err(Failed::Gone)
    }

    /// The samples of a project within these Unix seconds, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn samples(
        &self,
        project: ProjectId,
        within: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Vec<Sample>, Failed> {
        let _ = (project, within, limit);
        Err(Failed::Gone)
    }
}

/// The driver's state.
pub struct Engine {
    pub(super) room: Room,
    pub(super) tools: Tools,
}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(self) -> io::Result<()> {
        let _ = (self.room, self.tools);
        std::future::pending().await
    }
}
