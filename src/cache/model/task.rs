//! A task: one content, wanted once.

use super::digest::Digest;
use super::id::{Identity, Ids};
use super::piece::{Pieces, pieces_of};
use super::pin::PinOwner;
use crate::base::Wall;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Our number for a task; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskNo(pub u64);

/// A task, complete or not. Shared as it is at some moment; what changes makes another one.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number.
    pub no: TaskNo,
    /// What it is.
    pub identity: Identity,
    /// Its ids, computed once.
    pub ids: Ids,
    /// What its content must be.
    pub digest: Option<Digest>,
    /// It was fetched with credentials: only for operators, and for those whose own the origin accepts.
    pub private: bool,
    /// Who keeps it.
    pub pins: BTreeSet<PinOwner>,
    /// How long it is kept unused, where not as long as others.
    pub ttl: Option<Duration>,
    /// The stable part of the peer id that tells of it.
    pub peer: Uuid,
    /// When it was first wanted.
    pub created: Wall,
    /// When it was last wanted.
    pub used: LastUse,
    /// What its origin said; none before the first answer.
    pub source: Option<Source>,
    /// What is there.
    pub pieces: Arc<Pieces>,
    /// How it stands.
    pub state: TaskState,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Being fetched.
    Fetching,
    /// Not complete, and nobody fetches it; with why, where that failed.
    Partial(Option<Failure>),
    /// Everything is there, and was what it must be, since then.
    Complete(Wall),
    /// Its file is being removed; then it is gone.
    Doomed,
}

/// Why and when a fetch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Wall,
    /// For people: what the origin or the disk said.
    pub why: String,
}

/// What an origin said about a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How long, in what pieces.
    pub extent: Extent,
    /// How to ask whether it has changed.
    pub validators: Validators,
    /// Other headers worth passing on: `content-type`, `content-disposition`, `content-encoding`, `docker-content-digest`…;
    /// names in small letters.
    pub headers: Vec<(String, String)>,
    /// When it said so last.
    pub checked: Wall,
}

/// How long a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// In bytes; none while the origin has not said and has not ended.
    pub length: Option<u64>,
    /// In bytes.
    pub piece_length: u64,
}

/// What an origin names a version of a content by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it was written.
    pub etag: Option<String>,
    /// `Last-Modified`, as it was written.
    pub last_modified: Option<String>,
}

/// When something was last used: set by whoever serves it, without asking the room. Microseconds since 1970; clones are
/// the same.
#[derive(Clone, Debug, Default)]
pub struct LastUse(Arc<AtomicI64>);

impl LastUse {
    /// At this moment.
    pub fn at(moment: Wall) -> LastUse {
        LastUse(Arc::new(AtomicI64::new(moment.timestamp_micros())))
    }

    /// Again, at this moment.
    pub fn touch(&self, moment: Wall) {
        self.0.fetch_max(moment.timestamp_micros(), Ordering::Relaxed);
    }

    /// When.
    pub fn get(&self) -> Wall {
        Wall::from_timestamp_micros(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

impl Task {
    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, TaskState::Complete(_))
    }

    /// How many bytes it is long, where that is known.
    pub fn length(&self) -> Option<u64> {
        self.source.as_ref()?.extent.length
    }

    /// How many pieces it has, where that is known.
    pub fn total_pieces(&self) -> Option<u32> {
        let extent = self.source.as_ref()?.extent;
        extent.length.map(|length| pieces_of(length, extent.piece_length))
    }

    /// Bytes of the pieces that are there.
    pub fn cached_bytes(&self) -> u64 {
        let Some(Source { extent, .. }) = &self.source else { return 0 };
        let whole = u64::from(self.pieces.count()) * extent.piece_length;
        let Some(length) = extent.length else { return whole };
        // The last piece is shorter than the others.
        let last = pieces_of(length, extent.piece_length).checked_sub(1);
        let missing = last.filter(|last| self.pieces.get(*last).is_some());
        whole - missing.map_or(0, |last| (u64::from(last) + 1) * extent.piece_length - length)
    }
}

/// Two readings of one task are equal when all that is stored of them is, but for [`Task::used`].
impl PartialEq for Task {
    fn eq(&self, other: &Task) -> bool {
        self.no == other.no
            && self.identity == other.identity
            && self.digest == other.digest
            && self.private == other.private
            && self.pins == other.pins
            && self.ttl == other.ttl
            && self.source == other.source
            && self.pieces == other.pieces
            && self.state == other.state
    }
}
