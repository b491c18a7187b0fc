//! Which requests mean the same content: ids of tasks, as a Dragonfly manager and a Dragonfly daemon compute them.

use super::digest::Digest;
use std::fmt;
use std::sync::Arc;

/// The query parameters that do not count unless a request says which do not: signatures of object stores, and the
/// name space that containerd adds. Joined with `&`, in the order of Dragonfly's own list (two names occur twice).
pub const DEFAULT_FILTER: &str = "";

/// The id of a task: lower-case hexadecimal, kept as bytes. SHA-256 in most cases; the digest of a blob may be of another
/// length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Arc<[u8]>);

impl TaskId {
    /// Of these bytes.
    pub fn new(bytes: &[u8]) -> TaskId {
        TaskId(bytes.into())
    }

    /// Reads an id; none where it is no hexadecimal text of 8 to 128 digits. Capitals are read, too.
    pub fn parse(_text: &str) -> Option<TaskId> {
        unimplemented!()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names of query parameters that do not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// As given, or the default list.
    text: Arc<str>,
}

impl Filter {
    /// Of names joined with `&`; an empty text is the default list.
    pub fn new(_text: &str) -> Filter {
        unimplemented!()
    }

    /// The names joined with `&`, as jobs echo them.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What makes two requests the same task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// As given.
    pub url: String,
    /// See [`Filter`].
    pub filter: Filter,
    /// Tells contents behind one URL apart.
    pub tag: String,
    /// The same.
    pub application: String,
    /// Only where the request gives one: an automatic one does not count.
    pub piece_length: Option<u64>,
    /// The request names its content by itself: then nothing else counts. An empty text counts as given.
    pub content: Option<String>,
    /// The digest in the URL of a blob is the first of its ids.
    pub by_digest: bool,
}

/// The ids of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Under which it is kept: of the content, of the digest where [`Identity::by_digest`] is set and there is one, else
    /// the manager's.
    pub primary: TaskId,
    /// As a Dragonfly manager computes it; none where the content names the task.
    pub manager: Option<TaskId>,
    /// As a Dragonfly daemon computes it; none where the content names the task, or the URL cannot be parsed.
    pub daemon: Option<TaskId>,
    /// Of the digest in the URL of a blob; none where there is none, or where the content names the task.
    pub digest: Option<TaskId>,
}

impl Ids {
    /// Those by which a request for exactly this task may find it: all but the digest's, unless that is the primary one.
    pub fn own(&self) -> impl Iterator<Item = &TaskId> {
        let rest = [&self.manager, &self.daemon].into_iter().flatten();
        std::iter::once(&self.primary).chain(rest.filter(|id| **id != self.primary))
    }
}

impl Identity {
    /// Of a URL, with nothing else given.
    pub fn of_url(_url: &str) -> Identity {
        unimplemented!()
    }

    /// Its ids.
    pub fn ids(&self) -> Ids {
        unimplemented!()
    }

    /// The digest in the URL of a blob, `…/v2/REPOSITORY/blobs/ALGORITHM:HEX`.
    pub fn blob_digest(&self) -> Option<Digest> {
        unimplemented!()
    }
}
