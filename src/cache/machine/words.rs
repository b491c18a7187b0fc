//! The vocabulary of the room: what it hears, what it is asked, what it answers with, and what it wants done.

use crate::base::Wall;
use crate::cache::model::{
    Cluster, ClusterChange, ClusterId, Crc, Digest, Extent, Identity, Ids, Image, Job, JobId, NewCluster, NewJob,
    Pieces, PinOwner, Platform, Source, Task, TaskNo,
};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In bytes, of all files together; none: as much as the disk holds.
    pub bytes: Option<u64>,
    /// When more than `bytes` are kept, so much of it is left: a share in percent.
    pub low_percent: u8,
    /// What is to stay free on the disk, in bytes.
    pub keep_free: u64,
    /// How many tasks are kept.
    pub tasks: usize,
}

/// How full the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Bytes that are free.
    pub free: u64,
}

/// On whose behalf something is fetched. What may not be stored (headers, credentials) is kept by the engine under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// A job.
    Job(JobId),
    /// Somebody who reads, or waits; never reused while the daemon lives.
    Reader(u64),
    /// Nobody's: a damaged piece is fetched again.
    Repair,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody wants something.
    Asked(Ask),
    /// Somebody is done with a task, or has gone.
    Left(TaskNo, Errand),
    /// The origin has answered, also a second time when the content had changed since: then what was there is gone. Nothing is written before
    /// [`Effect::Proceed`] or [`Effect::Stop`] answers.
    Answered(TaskNo, Box<Source>),
    /// The origin says that what is there has not changed. The fetch is over.
    Unchanged(TaskNo),
    /// A piece is on its way to the disk.
    Piece(TaskNo, u32, Crc),
    /// A fetch is over. Exactly one per [`Effect::Fetch`], save where [`Event::Unchanged`] came.
    Fetched(TaskNo, FetchEnd),
    /// Pieces are not what they were.
    Damaged(TaskNo, Vec<u32>),
    /// The file of a doomed task is gone, or why it is not.
    Removed(TaskNo, Removed),
    /// The images of a job are resolved: the addresses of their blobs, in order and each once; or why not.
    Resolved(JobId, Result<Vec<String>, String>),
    /// How a job that was done elsewhere ended ([`Effect::PurgeAudit`]).
    Purged(JobId, Result<u64, String>),
    /// How full the disk is.
    Disk(Pressure),
    /// These owners of pins do not live any more.
    Widowed(Vec<PinOwner>),
    /// A deadline has come, or a clock was set.
    Tick,
}

/// How a fetch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchEnd {
    /// Everything is on disk, and what it must be; so long.
    Whole {
        /// In bytes.
        length: u64,
    },
    /// It failed; for people. What is there stays, unless `discard` says that it is worth nothing (a wrong digest).
    Failed {
        /// For people.
        why: String,
        /// What is there is worth nothing.
        discard: bool,
    },
    /// It was stopped by [`Effect::Stop`].
    Stopped,
}

/// How the removal of a file ended.
pub type Removed = Result<(), String>;

/// A content that somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What it is.
    pub identity: Identity,
    /// Its ids.
    pub ids: Ids,
    /// What it must be: given, or of the blob's URL.
    pub digest: Option<Digest>,
    /// It is fetched with credentials.
    pub private: bool,
    /// See [`Task::ttl`].
    pub ttl: Option<Duration>,
    /// Who keeps it.
    pub pin: Option<PinOwner>,
    /// The origin is asked whether it has changed, even where it is complete.
    pub revalidate: bool,
    /// Freshly drawn: [`Task::peer`], where it is new.
    pub peer: Uuid,
}

/// What somebody may want. Who he is, and whether he may, was found out before.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A content: at hand, or fetched from now on. Whoever asks says [`Event::Left`] in the end.
    Open(Box<Wanted>, Errand),
    /// A job.
    Submit(Box<NewJob>),
    /// A job that is over when it is made: what an image's blobs are, and which of them are cached.
    Distributed(Box<NewJob>, Result<Vec<String>, String>),
    /// Changes what a job says about itself; what is none stays.
    PatchJob {
        /// Which.
        id: JobId,
        /// See [`Job::bio`].
        bio: Option<String>,
        /// See [`Job::user`].
        user: Option<u32>,
    },
    /// Forgets a job. What it does goes on.
    ForgetJob(JobId),
    /// Removes these tasks; answers when their files are gone.
    Remove(Vec<TaskNo>),
    /// Keeps a task.
    Pin(TaskNo, PinOwner),
    /// Keeps it no longer.
    Unpin(TaskNo, PinOwner),
    /// Throws away what is old or too much, now.
    Collect,
    /// A cluster.
    CreateCluster(Box<NewCluster>),
    /// Changes a cluster.
    PatchCluster(ClusterId, Box<ClusterChange>),
    /// Forgets a cluster.
    DeleteCluster(ClusterId),
}

/// What an ask led to.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Verdict {
    /// The task, complete or being fetched.
    Opened(Arc<Task>),
    /// The job, as it was made, or as it is now; a [`JobKind::Gc`] job when it is over.
    ///
    /// [`JobKind::Gc`]: crate::cache::model::JobKind::Gc
    Job(Arc<Job>),
    /// For a job that is over: only its record changes ([`Change::JobText`]).
    Patched(JobId),
    /// What was removed, and what was not and why. What did not exist is in neither.
    Removed {
        /// Gone with their files.
        removed: Vec<Arc<Task>>,
        /// Still there.
        failed: Vec<(Arc<Task>, String)>,
    },
    /// How many tasks and bytes were thrown away.
    Collected {
        /// Tasks.
        tasks: usize,
        /// Bytes.
        bytes: u64,
    },
    /// The cluster, as it is now.
    Cluster(Box<Cluster>),
    /// It is so.
    Done,
    /// No, and why.
    Refused(Refusal),
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none of that number.
    #[error("record not found")]
    NotFound,
    /// There is no such cluster.
    #[error("scheduler cluster id {}: record not found", .0.0)]
    NoCluster(ClusterId),
    /// The name is taken.
    #[error("Conflict")]
    NameTaken,
    /// Nobody works for any of the clusters named: for a preheat.
    #[error("candidate schedulers not found")]
    NoCandidates,
    /// Nobody works for any of the clusters named: for any other job.
    #[error("active schedulers not found")]
    NoSchedulers,
    /// This host works for it.
    #[error("scheduler cluster exists scheduler")]
    ClusterInUse,
    /// Too many jobs for that cluster at once.
    #[error("rate limit exceeded")]
    TooMany,
    /// It does not fit, whatever is thrown away.
    #[error("the cache is full: {0}")]
    Full(String),
    /// It is being removed, and that failed.
    #[error("the old file could not be removed: {0}")]
    Stuck(String),
}

/// How a content is fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Which task.
    pub task: TaskNo,
    /// Names its file.
    pub ids: Ids,
    /// From where.
    pub url: String,
    /// On whose behalf: whose headers and credentials go with it.
    pub errand: Errand,
    /// The caller's wish.
    pub piece_length: Option<u64>,
    /// What it must be.
    pub digest: Option<Digest>,
    /// What is there already, and what the origin said then: where it says now that nothing has changed, only what is
    /// missing is fetched.
    pub have: Option<(Box<Source>, Arc<Pieces>)>,
    /// Everything is there: the origin is only asked whether it has changed.
    pub revalidate: bool,
    /// A complete task with the same verified digest: its file is taken, and nothing is fetched.
    pub twin: Option<(TaskNo, Ids, Extent, Arc<Pieces>)>,
}

/// What is to be done. Internal effects need not wait for the disk; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Fetch.
    Fetch(Box<Order>),
    /// There is room: go on after [`Event::Answered`].
    Proceed(TaskNo),
    /// Stop fetching; [`Event::Fetched`] follows, where one was going on.
    Stop(TaskNo),
    /// Remove the file of a task that is written down as doomed; [`Event::Removed`] follows. Must wait for the disk.
    Remove(TaskNo, Ids),
    /// Find the blobs of these images for a job; [`Event::Resolved`] follows.
    Resolve(JobId, Vec<Image>, Platform),
    /// Forget lines of the audit log older than this; [`Event::Purged`] follows.
    PurgeAudit(JobId, Wall),
    /// Look how full the disk is; [`Event::Disk`] follows.
    Measure,
    /// Ask whether these owners of pins live; [`Event::Widowed`] follows.
    Inquire(Vec<PinOwner>),
    /// What is kept under a job's errand is not needed any more.
    Release(Errand),
}

/// What is to be written down, in order, as one decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A task, new or changed, without its pieces.
    Task(Arc<Task>),
    /// The pieces of a task.
    Pieces(TaskNo, Arc<Pieces>),
    /// When a task was last used, alone.
    Used(TaskNo, Wall),
    /// It is gone, with its pieces.
    TaskGone(TaskNo),
    /// A job, new or changed.
    Job(Arc<Job>),
    /// What a job that is over says about itself.
    JobText {
        /// Which.
        id: JobId,
        /// See [`Job::bio`].
        bio: Option<String>,
        /// See [`Job::user`].
        user: Option<u32>,
        /// When.
        at: Wall,
    },
    /// It is gone.
    JobGone(JobId),
    /// A cluster, new or changed.
    Cluster(Box<Cluster>),
    /// It is gone.
    ClusterGone(ClusterId),
}

/// What a step leads to.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Plan {
    /// One decision, in order.
    pub changes: Vec<Change>,
    /// In order.
    pub effects: Vec<Effect>,
    /// To the one who asked now; none: he hears later, in `late`.
    pub verdict: Option<Verdict>,
    /// He hears later: under this number.
    pub owed: Option<u64>,
    /// Verdicts owed from earlier, by their numbers.
    pub late: Vec<(u64, Verdict)>,
    /// Jobs of which clients see something new.
    pub jobs: Vec<JobId>,
    /// Tasks of which clients see something new: their state, not each piece.
    pub tasks: Vec<TaskNo>,
    /// Those among them that stand otherwise than before: not those that were only pinned, or are fetched further.
    pub moved: Vec<TaskNo>,
    /// How many tasks were thrown away because they were old, or to make room: nobody wished that.
    pub evicted: usize,
}
