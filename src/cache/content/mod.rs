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

#![allow(clippy::result_large_err, reason = "failures carry what the origin answered, and are rare")]

mod body;
mod check;
mod claims;
mod fetch;
mod files;
mod hand_out;
mod known;
mod live;
mod range;
mod sums;
#[cfg(test)]
mod tests;
mod thread;
mod watching;
mod writer;

pub use files::in_memory;
pub use thread::DataThread;

use super::machine::{Event, Order, Removed};
use super::model::{Ids, Source, Task, TaskId, TaskNo};
use super::origin::{Authority, Origins};
use bytes::Bytes;
use fetch::Ask;
use files::Files;
use futures_util::stream::BoxStream;
use hyper::{HeaderMap, StatusCode};
use known::Knowledge;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use watching::Fetches;

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

/// All contents. Clones are the same.
#[derive(Clone)]
pub struct Contents {
    inner: Arc<Inner>,
}

/// What everything here shares.
struct Inner {
    settings: Settings,
    thread: DataThread,
    files: Files,
    ask: Arc<dyn Ask>,
    events: UnboundedSender<Event>,
    knowledge: Knowledge,
    fetches: Mutex<Fetches>,
}

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
    pub answer: Option<Box<Said>>,
    /// It must not be connected to.
    pub forbidden: bool,
}

/// An origin's answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; none where that was long, or did not come.
    pub body: Option<Bytes>,
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
        settings: Settings,
        thread: DataThread,
        origins: Origins,
        events: UnboundedSender<Event>,
    ) -> io::Result<Contents> {
        Contents::over(settings, thread, Arc::new(origins), events)
    }

    /// The same, over whoever answers requests.
    fn over(
        settings: Settings,
        thread: DataThread,
        ask: Arc<dyn Ask>,
        events: UnboundedSender<Event>,
    ) -> io::Result<Contents> {
        let files = Files::open(&settings.dir)?;
        let (knowledge, fetches) = (Knowledge::default(), Mutex::default());
        Ok(Contents { inner: Arc::new(Inner { settings, thread, files, ask, events, knowledge, fetches }) })
    }

    /// Begins a fetch, in the background. From now on [`Contents::progress`] knows it. Where that task is being fetched
    /// already, nothing happens; where that fetch is to stop, this one follows it.
    pub fn fetch(&self, order: Order, authority: Arc<dyn Authority>) {
        watching::begin(&self.inner, order, authority);
    }

    /// Goes on after [`Event::Answered`].
    pub fn proceed(&self, task: TaskNo) {
        self.inner.running(task).inspect(|live| live.proceed());
    }

    /// Ends a fetch; what is there stays. A fetch that has got everything goes on to its end: all that is left is to check
    /// and to sync it.
    pub fn stop(&self, task: TaskNo) {
        self.inner.running(task).inspect(|live| live.stop());
    }

    /// Removes the file of a task; that there is none is as good. Those who are reading it read on. A fetch of it is
    /// stopped first.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove(&self, task: TaskNo, ids: &Ids) -> Removed {
        watching::remove(&self.inner, task, ids).await
    }

    /// Waits until a task's origin has answered: what it said. At once for a task whose source is known.
    ///
    /// # Errors
    /// The fetch ended before.
    pub async fn source(&self, task: &Arc<Task>) -> Result<Arc<Source>, FetchFailure> {
        watching::source(self.progress(task), task).await
    }

    /// How far a task is that is being fetched; one that is not is told once.
    pub fn progress(&self, task: &Arc<Task>) -> tokio::sync::watch::Receiver<Progress> {
        self.inner.progress(task)
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// The fetch failed.
    pub async fn whole(&self, task: &Arc<Task>) -> Result<(), FetchFailure> {
        watching::whole(self.progress(task)).await
    }

    /// The bytes of a range, in order, each as soon as it is there. Where a digest is to be checked, the last byte of the
    /// content comes after that; where something fails the stream ends with an error. Where the length is not known, the
    /// stream of a range that goes further ends with the content.
    pub fn read(&self, task: &Arc<Task>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        body::read(&self.inner, task, range)
    }

    /// Reads all pieces that are there and compares them, and the whole with its digest where it is complete: the pieces
    /// that are not what they were, which are reported as [`Event::Damaged`], too.
    ///
    /// # Errors
    /// The file cannot be read at all: all pieces are reported.
    pub async fn verify(&self, task: &Arc<Task>) -> Result<Vec<u32>, String> {
        check::verify(&self.inner, task).await
    }

    /// Compares what was not compared since the start: the pieces that are not what they were, which are reported, too.
    ///
    /// # Errors
    /// The file cannot be read at all: all pieces are reported.
    pub async fn compare(&self, task: &Arc<Task>) -> Result<Vec<u32>, String> {
        hand_out::compare(&self.inner, task).await
    }

    /// The path of a task's file.
    pub fn path(&self, id: &TaskId) -> PathBuf {
        self.inner.files.path(id)
    }

    /// Puts the file of a complete task somewhere else, in place of what is there. For operators: it happens with the
    /// daemon's rights. Pieces that were not compared since the start are, before.
    ///
    /// # Errors
    /// What the kernel says; the task is not complete, or damaged, which is reported.
    pub async fn place(&self, task: &Arc<Task>, to: &Path, how: Placing) -> io::Result<()> {
        hand_out::place(&self.inner, task, to, how).await
    }

    /// Removes files that belong to no task, as `known` tells by the primary id; how many, and how many bytes.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn remove_orphans(&self, known: Arc<dyn Fn(&TaskId) -> bool + Send + Sync>) -> io::Result<(usize, u64)> {
        let inner = Arc::clone(&self.inner);
        self.inner.thread.blocking(move || inner.files.remove_orphans(&*known)).await
    }

    /// Bytes that are free on the cache's file system. Blocks for a moment.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn free(&self) -> io::Result<u64> {
        self.inner.files.free()
    }

    /// Compares what is there slowly, task by task, for as long as the daemon lives: `next` gives the next task to look at,
    /// none when there is nothing to do for now; it is asked on the blocking pool.
    pub async fn scrub(&self, next: impl Fn() -> Option<Arc<Task>> + Send + Sync + 'static) {
        check::scrub(&self.inner, next).await;
    }

    /// The range of bytes that a `Range` header asks for; none: the header is absent, or not to be heeded, since an
    /// `If-Range` beside it names another version.
    ///
    /// # Errors
    /// It asks for nothing that there is.
    #[expect(clippy::result_unit_err, reason = "there is nothing more to say")]
    pub fn range(headers: &HeaderMap, source: &Source) -> Result<Option<Range<u64>>, ()> {
        range::range(headers, source)
    }
}

impl Inner {
    /// Tells the room. It may be gone: the daemon is ending.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
