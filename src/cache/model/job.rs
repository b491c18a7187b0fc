//! Jobs: something to be done with the cache, kept with what came of it.

use super::cluster::ClusterId;
use super::id::{Filter, Identity, TaskId};
use super::image::{Image, Platform};
use super::pin::PinOwner;
use super::task::TaskNo;
use crate::base::Wall;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The number of a job, from 1; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Fetch files or the blobs of images.
    Preheat,
    /// Find a task.
    GetTask,
    /// Remove a task.
    DeleteTask,
    /// Find the blobs of an image.
    Distribution,
    /// Forget old records.
    Gc,
}

/// What clients see of how a job stands. There are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Not over.
    Pending,
    /// Over.
    Success,
    /// Over.
    Failure,
}

/// How the one part of a job that is done here stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartState {
    /// Written down.
    Pending,
    /// At work.
    Started,
    /// Over.
    Success,
    /// Over.
    Failure,
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
    /// `group_…` on the wire; a bare UUID for [`JobKind::Gc`].
    pub group: Uuid,
    /// Free text.
    pub bio: String,
    /// Who a client says it is for; 0 is nobody.
    pub user: u32,
    /// What is to be done, secrets masked.
    pub args: Arc<Args>,
    /// To which clusters it was sent.
    pub clusters: Vec<ClusterId>,
    /// It was given secrets, which are not written down: it cannot be taken up again after a restart.
    pub has_secrets: bool,
    /// How it stands, and what came of it.
    pub part: Part,
}

/// The part of a job that is done on this host.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `task_…` on the wire.
    pub unit: Uuid,
    /// How it stands.
    pub state: PartState,
    /// Why it failed; empty unless it did.
    pub error: String,
    /// What came of it so far.
    pub result: JobResult,
}

/// What came of a job, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum JobResult {
    /// One entry per URL, in order; empty before an image is resolved.
    Preheat(Vec<UrlOutcome>),
    /// Tasks found, as they were.
    Found(Vec<Found>),
    /// What was removed.
    Deleted {
        /// Removed with their files.
        removed: Vec<TaskNo>,
        /// Not removed, and why.
        failed: Vec<(TaskNo, String)>,
    },
    /// The answer to the one who asked.
    Distribution {
        /// Addresses of all blobs, in order.
        layers: Vec<String>,
        /// Those that are cached.
        cached: Vec<String>,
    },
    /// How many records were forgotten.
    Purged(u64),
}

/// A task as a job found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its primary id.
    pub id: TaskId,
    /// See [`super::Task::peer`].
    pub peer: Uuid,
    /// When it was first wanted.
    pub created: Wall,
    /// When it was last wanted.
    pub used: Wall,
    /// Whether it is complete.
    pub finished: bool,
    /// Its length in bytes, where known.
    pub length: Option<u64>,
    /// The length of its pieces in bytes; 0 where not known.
    pub piece_length: u64,
    /// Bytes that are there.
    pub cached_bytes: u64,
    /// Pieces that are there.
    pub finished_pieces: u32,
    /// All pieces, where known.
    pub total_pieces: Option<u32>,
}

/// What became of one URL of a preheat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlOutcome {
    /// As it was given, or of the blob.
    pub url: String,
    /// None: not over.
    pub end: Option<Result<(), String>>,
    /// How many bytes it is long, where known.
    pub bytes: Option<u64>,
}

/// A job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Freshly drawn.
    pub group: Uuid,
    /// Freshly drawn.
    pub unit: Uuid,
    /// See [`Job::bio`].
    pub bio: String,
    /// See [`Job::user`].
    pub user: u32,
    /// Secrets masked.
    pub args: Arc<Args>,
    /// As given; empty: all that somebody works for.
    pub clusters: Vec<ClusterId>,
    /// See [`Job::has_secrets`].
    pub has_secrets: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Args {
    /// [`JobKind::Preheat`]
    Preheat(PreheatArgs),
    /// [`JobKind::GetTask`]
    GetTask(FindArgs),
    /// [`JobKind::DeleteTask`]
    DeleteTask(FindArgs),
    /// [`JobKind::Distribution`]
    Distribution(ImageArgs),
    /// [`JobKind::Gc`]
    Gc(GcArgs),
}

/// What a preheat fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreheatKind {
    /// URLs.
    File,
    /// The blobs of images.
    Image,
}

/// Which hosts a preheat is for. All of them are this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The default; unknown words mean it.
    SingleSeedPeer,
    /// Every seed peer.
    AllSeedPeers,
    /// Every peer.
    AllPeers,
}

/// What all that names a content by URL has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// As echoed; 4 MiB to 64 MiB.
    pub piece_length: Option<u64>,
    /// See [`Identity::tag`].
    pub tag: String,
    /// See [`Identity::application`].
    pub application: String,
    /// See [`Identity::filter`].
    pub filter: Filter,
}

impl Naming {
    /// Of a URL.
    pub fn of(&self, url: &str) -> Identity {
        Identity {
            url: url.to_owned(),
            filter: self.filter.clone(),
            tag: self.tag.clone(),
            application: self.application.clone(),
            piece_length: self.piece_length,
            content: None,
            by_digest: false,
        }
    }
}

/// See [`JobKind::Preheat`].
#[derive(Clone, Debug, PartialEq)]
pub struct PreheatArgs {
    /// What the URLs are.
    pub kind: PreheatKind,
    /// `url`, as given.
    pub url: String,
    /// `urls`, as given.
    pub urls: Option<Vec<String>>,
    /// Which images `urls` and `url` name; empty for files.
    pub images: Vec<Image>,
    /// See [`Naming`].
    pub naming: Naming,
    /// Sent to registry and origin; secret values are `***`.
    pub headers: Option<BTreeMap<String, String>>,
    /// For the registry.
    pub username: String,
    /// For the registry: `***`, or empty.
    pub password: String,
    /// As given.
    pub platform_text: String,
    /// Parsed.
    pub platform: Platform,
    /// Echoed as its word.
    pub scope: Scope,
    /// Echoed. Other hosts than this one make the job fail.
    pub ips: Option<Vec<String>>,
    /// Echoed; no effect on one host.
    pub count: Option<u32>,
    /// Echoed; no effect on one host.
    pub percentage: Option<u32>,
    /// URLs at once.
    pub concurrent_tasks: u32,
    /// Echoed; no effect on one host.
    pub concurrent_peers: u32,
    /// For the whole job.
    pub timeout: Duration,
    /// Asks the origin whether what is cached has changed.
    pub revalidate: bool,
    /// How long what is fetched is kept unused.
    pub ttl: Option<Duration>,
    /// Who keeps what is fetched.
    pub pin: Option<PinOwner>,
    /// What the content of the only URL must be.
    pub digest: Option<super::Digest>,
}

/// Which of several selectors counts: the first that is given.
#[derive(Clone, Debug, PartialEq)]
pub enum FindBy {
    /// `url`, with what else names it.
    Url(Box<Identity>),
    /// The blobs of the image at `url`.
    Image(Image, Platform),
    /// `content_for_calculating_task_id`.
    Content(String),
    /// `task_id`; one that is no id finds nothing.
    Id(Option<TaskId>),
}

/// See [`JobKind::GetTask`] and [`JobKind::DeleteTask`].
#[derive(Clone, Debug, PartialEq)]
pub struct FindArgs {
    /// What counts.
    pub by: FindBy,
    /// `task_id`, as given.
    pub task_id: String,
    /// `url`, as given.
    pub url: String,
    /// `content_for_calculating_task_id`, as given.
    pub content: Option<String>,
    /// See [`Naming`].
    pub naming: Naming,
    /// Echoed by `get_task` alone; no effect on one host.
    pub concurrent_peers: u32,
    /// For the whole job.
    pub timeout: Duration,
    /// `image`: remove the blobs of the image at `url`.
    pub image: bool,
    /// For the registry; secret values are `***`.
    pub headers: Option<BTreeMap<String, String>>,
    /// For the registry.
    pub username: String,
    /// For the registry: `***`, or empty.
    pub password: String,
    /// As given.
    pub platform: String,
}

/// See [`JobKind::Distribution`].
#[derive(Clone, Debug, PartialEq)]
pub struct ImageArgs {
    /// As given.
    pub url: String,
    /// Parsed.
    pub image: Image,
    /// See [`Naming`].
    pub naming: Naming,
    /// For the registry; secret values are `***`.
    pub headers: Option<BTreeMap<String, String>>,
    /// For the registry.
    pub username: String,
    /// For the registry: `***`, or empty.
    pub password: String,
    /// As given.
    pub platform_text: String,
    /// Parsed.
    pub platform: Platform,
    /// Echoed; no effect on one host.
    pub concurrent_layers: u32,
    /// Echoed; no effect on one host.
    pub concurrent_peers: u32,
    /// For the whole job.
    pub timeout: Duration,
}

/// What a gc job forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcKind {
    /// Jobs.
    Job,
    /// Lines of the audit log.
    Audit,
}

/// See [`JobKind::Gc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcArgs {
    /// What is forgotten.
    pub kind: GcKind,
    /// What is older than this.
    pub ttl: Duration,
}

/// What lists of jobs are made of; kept in memory for every job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobHead {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// For whom.
    pub user: u32,
    /// When it was made.
    pub created: Wall,
}

impl JobKind {
    /// The original's word for it.
    pub fn word(self) -> &'static str {
        match self {
            JobKind::Preheat => "preheat",
            JobKind::GetTask => "get_task",
            JobKind::DeleteTask => "delete_task",
            JobKind::Distribution => "get_image_distribution",
            JobKind::Gc => "gc",
        }
    }
}

impl Job {
    /// What it does.
    pub fn kind(&self) -> JobKind {
        self.args.kind()
    }

    /// How it stands, in the words there are for jobs.
    pub fn state(&self) -> JobState {
        match self.part.state {
            PartState::Pending | PartState::Started => JobState::Pending,
            PartState::Success => JobState::Success,
            PartState::Failure => JobState::Failure,
        }
    }

    /// For lists.
    pub fn head(&self) -> JobHead {
        JobHead { id: self.id, kind: self.kind(), state: self.state(), user: self.user, created: self.created }
    }
}

impl Args {
    /// Of which kind of job.
    pub fn kind(&self) -> JobKind {
        match self {
            Args::Preheat(_) => JobKind::Preheat,
            Args::GetTask(_) => JobKind::GetTask,
            Args::DeleteTask(_) => JobKind::DeleteTask,
            Args::Distribution(_) => JobKind::Distribution,
            Args::Gc(_) => JobKind::Gc,
        }
    }
}
