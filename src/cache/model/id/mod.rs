//! Which requests mean the same content: ids of tasks, as a Dragonfly manager and a Dragonfly daemon compute them.
//!
//! Both hash the URL, without those parameters of its query that do not count, and what else names the content, end to
//! end without separators. They differ in how they write a URL: `go` writes it as the manager does, `whatwg` as the
//! daemon does.

mod go;
pub mod persistent;
#[cfg(test)]
mod tests;
mod whatwg;

use super::digest::Digest;
use crate::base::{Hex, hex};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// The query parameters that do not count unless a request says which do not: signatures of object stores, and the
/// name space that containerd adds. Joined with `&`, in the order of Dragonfly's own list (two names occur twice).
pub const DEFAULT_FILTER: &str = "X-Amz-Algorithm&X-Amz-Credential&X-Amz-Date&X-Amz-Expires&X-Amz-SignedHeaders\
    &X-Amz-Signature&X-Amz-Security-Token&X-Amz-User-Agent\
    &X-Goog-Algorithm&X-Goog-Credential&X-Goog-Date&X-Goog-Expires&X-Goog-SignedHeaders&X-Goog-Signature\
    &OSSAccessKeyId&Expires&Signature&SecurityToken\
    &AccessKeyId&Signature&Expires&X-Obs-Date&X-Obs-Security-Token\
    &q-sign-algorithm&q-ak&q-sign-time&q-key-time&q-header-list&q-url-param-list&q-signature&x-cos-security-token\
    &ns";

/// The shortest and the longest id that is read, in hexadecimal digits: a checksum, and SHA-512.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=128;

/// The id of a task: lower-case hexadecimal, kept as bytes. SHA-256 in most cases; the digest of a blob may be of another
/// length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Arc<[u8]>);

impl TaskId {
    /// Of these bytes.
    pub fn new(bytes: &[u8]) -> TaskId {
        TaskId(bytes.into())
    }

    /// Reads an id; none where it is no hexadecimal text of 8 to 128 digits, two to a byte. Capitals are read, too.
    pub fn parse(text: &str) -> Option<TaskId> {
        let fits = DIGITS.contains(&text.len()) && text.len().is_multiple_of(2);
        fits.then(|| hex::read(text))?.map(|bytes: Vec<u8>| TaskId(bytes.into()))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The SHA-256 of these texts, one after the other.
    fn hash<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> TaskId {
        let mut hash = Sha256::new();
        texts.into_iter().for_each(|text| hash.update(text));
        TaskId::new(&hash.finalize())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
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
    pub fn new(text: &str) -> Filter {
        Filter { text: if text.is_empty() { DEFAULT_FILTER } else { text }.into() }
    }

    /// The names joined with `&`, as jobs echo them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a parameter of this decoded name does not count. Small letters and capitals are different.
    fn hides(&self, name: &[u8]) -> bool {
        self.text.split('&').any(|hidden| hidden.as_bytes() == name)
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
    /// Those by which a request for exactly this task may find it, each once: all but the digest's, unless that is the
    /// primary one.
    pub fn own(&self) -> impl Iterator<Item = &TaskId> {
        let manager = self.manager.as_ref().filter(|id| **id != self.primary);
        let daemon = self.daemon.as_ref().filter(|id| **id != self.primary && Some(*id) != manager);
        std::iter::once(&self.primary).chain(manager).chain(daemon)
    }
}

impl Identity {
    /// Of a URL, with nothing else given.
    pub fn of_url(url: &str) -> Identity {
        Identity {
            url: url.to_owned(),
            filter: Filter::new(""),
            tag: String::new(),
            application: String::new(),
            piece_length: None,
            content: None,
            by_digest: false,
        }
    }

    /// Its ids.
    pub fn ids(&self) -> Ids {
        if let Some(content) = &self.content {
            let primary = TaskId::hash([content.as_bytes()]);
            return Ids { primary, manager: None, daemon: None, digest: None };
        }
        // The manager takes a URL that it cannot read for the empty one.
        let manager = self.of_written(&go::write(&self.url, &self.filter).unwrap_or_default(), "");
        let daemon = whatwg::write(&self.url, &self.filter).map(|url| self.of_written(url.as_bytes(), ""));
        let daemon = daemon.map(|id| if id == manager { manager.clone() } else { id }); // of most URLs: kept once
        let digest = self.blob_digest().map(|digest| digest.id());
        let primary = digest.clone().filter(|_| self.by_digest).unwrap_or_else(|| manager.clone());
        Ids { primary, manager: Some(manager), daemon, digest }
    }

    /// The digest in the URL of a blob, `…/v2/REPOSITORY/blobs/ALGORITHM:HEX`.
    pub fn blob_digest(&self) -> Option<Digest> {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        let (_, rest) = self.url[..end].split_once("://")?;
        let (_, path) = rest.split_once('/')?;
        let (repository, digest) = path.strip_prefix("v2/")?.rsplit_once("/blobs/")?;
        digest.parse().ok().filter(|_| !repository.is_empty())
    }

    /// The id of a URL that is written as it counts. Only model hubs, which no route here speaks of, have revisions.
    fn of_written(&self, url: &[u8], revision: &str) -> TaskId {
        let piece_length = self.piece_length.map(|length| length.to_string()).unwrap_or_default();
        let named = [&self.tag, &self.application, revision, &piece_length, "STANDARD"];
        TaskId::hash(std::iter::once(url).chain(named.map(str::as_bytes)))
    }
}
