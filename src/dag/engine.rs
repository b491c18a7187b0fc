//! The driver: one task owns the machine, hears everything through one mailbox, and carries out its plans.

use super::machine::{Ask, Asker, Room, Verdict, View};
use super::model::{Attempt, Capacity, DagRunId};
use super::records::LoadError;
use super::specification::Limits;
use crate::base::{Bus, RunId};
use crate::keeper::Link;
use crate::launch::Launcher;
use crate::logs::{Logs, Stem};
use crate::metrics::Metrics;
use crate::proc;
use crate::store::Store;
use std::io;
use std::time::Duration;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all attempts together may reserve.
    pub capacity: Capacity,
    /// The most tasks of one run.
    pub max_tasks: u32,
    /// How long an attempt may take to end after SIGTERM.
    pub grace: Duration,
    /// Bytes of output kept per file.
    pub log_max: u64,
    /// Runs that are over remembered.
    pub keep_runs: usize,
    /// For how long.
    pub keep_for: Duration,
    /// How long an `Idempotency-Key` is remembered.
    pub keep_keys: Duration,
    /// The uid the daemon runs as.
    pub own_uid: u32,
}

impl Settings {
    /// What a specification must keep to here.
    pub fn limits(&self) -> Limits {
        Limits { capacity: Some(self.capacity), max_tasks: self.max_tasks }
    }
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// The keeper.
    pub link: Link,
    /// Output of attempts.
    pub logs: Logs,
    /// From job to spawn request.
    pub launcher: Launcher,
    /// Supervised processes, for steps that act on them.
    pub tasks: proc::Handle,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// The room, as other rooms and its own routes hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) tools: Tools,
    pub(super) settings: std::sync::Arc<Settings>,
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The store.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Handle {
    /// Asks for something, and answers when the decision is durable. A run that the room does not hold is read from the
    /// store first.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn ask(&self, ask: Ask, by: Asker) -> Result<Verdict, Failed> {
        let _ = (ask, by);
        unimplemented!()
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Room) -> T + Send + 'static) -> Result<T, Failed> {
        let _ = look;
        unimplemented!()
    }

    /// A run, held or stored, as it is now. Every attempt that its states tell of is in the store when this returns.
    /// Whoever may not see it must not be told of it: that is the caller's to check.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn view(&self, run: DagRunId) -> Result<Option<View>, Failed> {
        let _ = run;
        unimplemented!()
    }

    /// Returns when everything decided so far can be read from the store.
    pub async fn settled(&self) {
        unimplemented!()
    }

    /// How many attempts run, or are about to.
    pub fn children(&self) -> usize {
        unimplemented!()
    }

    /// Ends everything, in order or at once, and returns when nothing runs any more.
    pub async fn shutdown(&self, now: bool) {
        let _ = now;
        unimplemented!()
    }
}

/// The two streams of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Where a live attempt writes now, or where an ended one wrote that was not kept in its record.
///
/// # Errors
/// The attempt is not known, or the file system's.
pub fn file_of(handle: &Handle, run: DagRunId, slot: RunId, stream: Stream) -> io::Result<Stem> {
    let _ = (handle, run, slot, stream);
    unimplemented!()
}

/// All bytes of one stream of an ended attempt, from its record or its file; at most the last `most` of them.
///
/// # Errors
/// The file system's.
pub async fn bytes_of(
    handle: &Handle,
    run: DagRunId,
    attempt: &Attempt,
    stream: Stream,
    most: u64,
) -> io::Result<bytes::Bytes> {
    let _ = (handle, run, attempt, stream, most);
    unimplemented!()
}
