//! Bytes: from an origin to the disk once, from the disk to everybody who asked.
//!
//! ```text
//! origin --chunks--> [fetch: crc, digest] --blocking pool--> file <--reads that do not wait, else blocking pool-- body --> clients
//!                        |  arrived: so many bytes of this piece                                     ^
//!                        `---------------------------- progress (a watch) ---------------------------'
//! ```
//!
//! One file per task, `content/tasks/ABC/ABCDEF…` below the cache's directory, as long as its content, pieces at their
//! offsets. A piece is known by its CRC-32; the first time it is read after a start it is read whole and compared. What is
//! not what it was is reported, and readers wait for it to be fetched again.
//!
//! All of this runs on the data thread (a runtime of its own, started when it is first needed), and nothing on it waits for
//! a disk.
//!
//! **Absent:** what may be fetched, kept or served. The machine decides, the routes ask who is calling.

use super::machine::{Event, Order, Removed};
use super::model::{Extent, Ids, Source, Task, TaskId, TaskNo};
use super::origin::{Authority, Origins};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use hyper::{HeaderMap, StatusCode};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How bytes are moved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cache's directory.
    pub dir: PathBuf,
    /// How often a request that failed for a reason that may pass is sent again.
    pub retries: u32,
    /// The pause before the first of these; doubled each time, up to a minute. A `Retry-After` goes before.
    pub retry_after: Duration,
    /// How many bytes a second the background check reads; 0: there is none.
    pub scrub_rate: u64,
}

/// The thread on which bytes move: a runtime of its own, started when it is first needed. Clones are the same thread.
#[derive(Clone, Default)]
pub struct DataThread {}

impl DataThread {
    /// The runtime's handle; starts the thread.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub fn handle(&self) -> io::Result<tokio::runtime::Handle> {
        unimplemented!()
    }
}

/// All contents. Clones are the same.
#[derive(Clone)]
pub struct Contents {}

/// How far a content is. A value of [`Contents::progress`].
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What the origin said, once it has answered.
    pub source: Option<Arc<Source>>,
    /// Bytes on disk, in finished pieces and in those that are coming.
    pub bytes: u64,
    /// The end of the fetch.
    pub end: Option<Result<(), FetchFailure>>,
}

/// Why a fetch failed, for those who wait for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct FetchFailure {
    /// For people.
    pub why: String,
    /// What the origin answered, where it did answer: passed on by the proxy.
    pub answer: Option<(StatusCode, HeaderMap)>,
    /// It must not be connected to.
    pub forbidden: bool,
}

/// How a file is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// A reflink where the file system can, else a copy.
    Copy,
    /// A hard link, or nothing.
    HardLink,
}

impl Contents {
    /// Opens the cache's directory, or makes it (0700, fsynced with its parent). Blocks.
    ///
    /// # Errors
    /// It cannot be read or written: with its path.
    pub fn open(
        _settings: Settings,
        _thread: DataThread,
        _origins: Origins,
        _events: UnboundedSender<Event>,
    ) -> io::Result<Contents> {
        unimplemented!()
    }

    /// Begins a fetch, in the background. From now on [`Contents::progress`] knows it.
    pub fn fetch(&self, _order: Order, _authority: Arc<dyn Authority>) {
        unimplemented!()
    }

    /// Goes on after [`Event::Answered`].
    pub fn proceed(&self, _task: TaskNo) {
        unimplemented!()
    }

    /// Ends a fetch; what is there stays.
    pub fn stop(&self, _task: TaskNo) {
        unimplemented!()
    }

    /// Removes the file of a task; that there is none is as good. Those who are reading it read on.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove(&self, _task: TaskNo, _ids: &Ids) -> Removed {
        unimplemented!()
    }

    /// Waits until a task's origin has answered: what it said. At once for a task whose source is known.
    ///
    /// # Errors
    /// The fetch ended before.
    pub async fn source(&self, _task: &Arc<Task>) -> Result<Arc<Source>, FetchFailure> {
        unimplemented!()
    }

    /// How far a task is that is being fetched; one that is not is told once.
    pub fn progress(&self, _task: &Arc<Task>) -> tokio::sync::watch::Receiver<Progress> {
        unimplemented!()
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// The fetch failed.
    pub async fn whole(&self, _task: &Arc<Task>) -> Result<(), FetchFailure> {
        unimplemented!()
    }

    /// The bytes of a range, in order, each as soon as it is there. Where a digest is to be checked, the last byte of the
    /// content comes after that; where something fails the stream ends with an error.
    pub fn read(&self, _task: &Arc<Task>, _range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        unimplemented!()
    }

    /// Reads all pieces that are there and compares them, and the whole with its digest where it is complete: the pieces
    /// that are not what they were, which are reported as [`Event::Damaged`], too.
    ///
    /// # Errors
    /// The file cannot be read at all: all pieces are reported.
    pub async fn verify(&self, _task: &Arc<Task>) -> Result<Vec<u32>, String> {
        unimplemented!()
    }

    /// The path of a task's file.
    pub fn path(&self, _id: &TaskId) -> PathBuf {
        unimplemented!()
    }

    /// Puts the file of a complete task somewhere else. For operators: it happens with the daemon's rights.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn place(&self, _task: &Arc<Task>, _to: &Path, _how: Placing) -> io::Result<()> {
        unimplemented!()
    }

    /// Removes files that belong to no task, as `known` tells by the primary id; how many, and how many bytes.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn remove_orphans(&self, _known: Arc<dyn Fn(&TaskId) -> bool + Send + Sync>) -> io::Result<(usize, u64)> {
        unimplemented!()
    }

    /// Bytes that are free on the cache's file system. Blocks for a moment.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn free(&self) -> io::Result<u64> {
        unimplemented!()
    }

    /// Compares what is there slowly, task by task, for as long as the daemon lives: `next` gives the next task to look at,
    /// none when there is nothing to do for now.
    pub async fn scrub(&self, _next: impl Fn() -> Option<Arc<Task>> + Send + Sync + 'static) {
        unimplemented!()
    }

    /// The range of bytes that a `Range` header asks for; none: the header is absent, or not to be heeded.
    ///
    /// # Errors
    /// It asks for nothing that there is.
    pub fn range(_headers: &HeaderMap, _extent: Extent) -> Result<Option<Range<u64>>, ()> {
        unimplemented!()
    }
}
