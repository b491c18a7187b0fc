//! How a file stands: what a look and a reading find, and what that means.

use super::Digests;
use crate::base::Wall;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the kernel says of a file, as far as a change of its content would change it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The device it lies on.
    pub dev: u64,
    /// Its inode there.
    pub ino: u64,
    /// In bytes.
    pub size: u64,
    /// When its content was last changed, in nanoseconds since 1970, as far as the kernel or `touch` says.
    pub mtime: i64,
    /// When anything of it was last changed; nobody can set this.
    pub ctime: i64,
}

/// What a look at a file finds: no byte of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// A file that can be read.
    There(Stamp),
    /// Nothing of that name.
    Missing,
    /// A directory, a socket, a device.
    NotAFile,
    /// The kernel does not let us read it; for people.
    Unreadable(String),
    /// A symbolic link leads out of the item's directory.
    Escaped,
    /// The pool's or the item's directory is not there, or does not answer; for people.
    PoolGone(String),
}

/// What the reading of a file led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It was read whole, and was the same before and after.
    Whole(Stamp, Digests),
    /// There is nothing to read: what a look finds.
    Nothing(Look),
    /// It was changed while it was read, again and again.
    Unsteady,
    /// The disk failed; for people.
    Failed(String),
}

/// Why a tag is not well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// See [`Look::Missing`].
    Missing,
    /// See [`Look::NotAFile`].
    NotAFile,
    /// See [`Look::Unreadable`]; also a disk that fails.
    Unreadable(String),
    /// See [`Look::Escaped`].
    Escaped,
    /// See [`Look::PoolGone`].
    PoolGone(String),
    /// It is not as long as it was.
    SizeChanged,
    /// It has other bytes.
    ContentChanged,
}

impl Reason {
    /// As the wire says it.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Missing => "missing",
            Reason::NotAFile => "not_a_file",
            Reason::Unreadable(_) => "unreadable",
            Reason::Escaped => "escaped",
            Reason::PoolGone(_) => "pool_gone",
            Reason::SizeChanged => "size_changed",
            Reason::ContentChanged => "content_changed",
        }
    }
}

/// How a file stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is there, and what it was.
    Normal,
    /// Not known: its bytes have not been compared since it was published, or since it was seen to have changed. Shown as
    /// abnormal, reason `unverified`.
    Pending,
    /// It is not, and why.
    Abnormal(Reason),
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Wall,
    /// When its bytes were last read and compared, whatever came of it.
    pub hashed: Option<Wall>,
    /// The file as it was when its bytes were last found to be right: a file with this stamp needs no reading.
    pub right: Option<Stamp>,
}

/// When a file was last looked at in this life of the daemon. The copies of a tag share it; it changes without a decision.
#[derive(Clone, Debug, Default)]
pub struct LookedAt(Arc<AtomicI64>);

impl LookedAt {
    /// It was looked at now.
    pub fn touch(&self, at: Wall) {
        self.0.store(at.timestamp_micros().max(1), Ordering::Release);
    }

    /// When; none: not since the daemon started.
    pub fn get(&self) -> Option<Wall> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            micros => Wall::from_timestamp_micros(micros),
        }
    }
}

/// When something was looked at makes no difference.
impl PartialEq for LookedAt {
    fn eq(&self, _: &LookedAt) -> bool {
        true
    }
}
