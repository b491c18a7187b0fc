//! Jobs: what takes a while and is asked after.

use super::{Access, AccountId, EntryPoint, ItemName, PoolName, RepName, TagName, TagNo};
use crate::base::Wall;
use std::fmt;
use std::sync::Arc;

/// The number of a job; never reused. Written as eight hexadecimal digits (more, once there are more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl JobId {
    /// Reads the wire's text.
    pub fn parse(text: &str) -> Option<JobId> {
        let digits = (8..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u64::from_str_radix(text, 16).ok().map(JobId)).flatten()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What is pulled, and whereto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSource {
    /// From which daemon.
    pub from: EntryPoint,
    /// Who asks there, where the item is not public. The secret that goes with it is never written down.
    pub username: Option<Arc<str>>,
    /// A secret goes with it: after a restart the job fails and says so.
    pub secret: bool,
    /// Into which pool.
    pub pool: PoolName,
    /// Into which directory of it.
    pub dir: Arc<str>,
    /// The file's name there.
    pub file: Arc<str>,
    /// Whether it is published here under the same names, when it is there; to whom.
    pub publish: Option<Access>,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Fetches a tag of another daemon.
    Pull(Box<PullSource>),
    /// Reads a large file that was published.
    Publish(TagNo),
}

impl JobKind {
    /// For events and counters.
    pub fn word(&self) -> &'static str {
        match self {
            JobKind::Pull(_) => "pull",
            JobKind::Publish(_) => "publish",
        }
    }
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Others go before.
    Queued,
    /// Bytes come.
    Downloading,
    /// Bytes are read and compared.
    Verifying,
    /// A pull is done.
    Downloaded,
    /// A publication is done.
    Published,
    /// It failed; for people.
    Failed(String),
}

impl JobState {
    /// As the wire says it.
    pub fn word(&self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Downloading => "downloading",
            JobState::Verifying => "verifying",
            JobState::Downloaded => "downloaded",
            JobState::Published => "published",
            JobState::Failed(_) => "failed",
        }
    }

    /// Whether nothing happens any more.
    pub fn is_over(&self) -> bool {
        matches!(self, JobState::Downloaded | JobState::Published | JobState::Failed(_))
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Whose it is.
    pub owner: AccountId,
    /// What it does.
    pub kind: JobKind,
    /// Of which repository.
    pub rep: RepName,
    /// Of which item.
    pub item: ItemName,
    /// Which tag.
    pub tag: TagName,
    /// How it stands.
    pub state: JobState,
    /// How many bytes there are, once that is known.
    pub size: Option<u64>,
    /// Since when.
    pub made: Wall,
    /// When it was over.
    pub over: Option<Wall>,
}
