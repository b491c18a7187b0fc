//! Tasks, as they are listed and shown.

use super::{moment, pins};
use crate::base::Wall;
use crate::cache::model::address::masked;
use crate::cache::model::piece::bytes_of;
use crate::cache::model::{Identity, Ids, Source, Task, TaskId, TaskState};
use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a task stands, in a word. Also the words that lists are asked with.
pub fn state(task: &Task) -> &'static str {
    match task.state {
        TaskState::Fetching => "fetching",
        TaskState::Partial(_) => "partial",
        TaskState::Complete(_) => "complete",
        TaskState::Doomed => "removing",
    }
}

/// A task. `ttl` is how long those are kept that do not say so themselves.
pub fn task(task: &Task, ttl: Duration) -> Value {
    let (identity, source) = (&task.identity, task.source.as_ref());
    let aliases = task.ids.own().chain(&task.ids.digest).filter(|id| **id != task.ids.primary);
    let header = |name: &str| {
        let headers = source.map(|source| source.headers.as_slice()).unwrap_or_default();
        headers.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    };
    let piece_length = source.map(|source| source.extent.piece_length).or(identity.piece_length);
    let error = match &task.state {
        TaskState::Partial(Some(failure)) => failure.why.as_str(),
        _ => "",
    };
    let finished = match task.state {
        TaskState::Complete(since) => Some(since),
        _ => None,
    };
    json!({
        "id": task.ids.primary.to_string(),
        "aliases": aliases.map(TaskId::to_string).collect::<Vec<_>>(),
        "url": masked(&identity.url),
        "tag": identity.tag,
        "application": identity.application,
        "filtered_query_params": identity.filter.text(),
        "piece_length": piece_length,
        "content_length": task.length(),
        "cached_bytes": task.cached_bytes(),
        "finished_pieces": task.pieces.count(),
        "total_pieces": task.total_pieces(),
        "state": state(task),
        "error": error,
        "digest": task.digest.as_ref().map(ToString::to_string),
        "private": task.private,
        "pins": task.pins.iter().map(pins::text).collect::<Vec<_>>(),
        "content_type": header("content-type"),
        "etag": source.and_then(|source| source.validators.etag.as_ref()),
        "last_modified": source.and_then(|source| source.validators.last_modified.as_ref()),
        "created_at": moment(task.created),
        "used_at": moment(task.used.get()),
        "finished_at": finished.map(moment),
        "checked_at": source.map(|source| moment(source.checked)),
        "expires_at": expires(task, ttl).map(moment),
    })
}

/// When nobody will have wanted it for long enough. Never, where somebody keeps it.
fn expires(task: &Task, ttl: Duration) -> Option<Wall> {
    let ttl = TimeDelta::from_std(task.ttl.unwrap_or(ttl)).ok()?;
    if task.pins.is_empty() { task.used.get().checked_add_signed(ttl) } else { None }
}

/// The pieces that are there.
pub fn pieces(task: &Task) -> Value {
    let Some(Source { extent, .. }) = &task.source else { return json!([]) };
    let pieces = task.pieces.iter().map(|(number, crc)| {
        let bytes = bytes_of(number, extent.length.unwrap_or(u64::MAX), extent.piece_length);
        json!({
            "number": number,
            "offset": bytes.start,
            "length": bytes.end - bytes.start,
            "digest": format!("crc32:{}", crc.0),
        })
    });
    pieces.collect()
}

/// All ids of a content: which of them counts, and which others find it.
pub fn ids(identity: &Identity, ids: &Ids) -> Value {
    let text = |id: &Option<TaskId>| id.as_ref().map(TaskId::to_string);
    json!({
        "manager_id": text(&ids.manager),
        "daemon_id": text(&ids.daemon),
        "blob_digest_id": text(&ids.digest),
        "content_id": identity.content.is_some().then(|| ids.primary.to_string()),
        "primary": ids.primary.to_string(),
    })
}

/// What is asked of a list of tasks; what is none does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Exactly this address.
    pub url: Option<String>,
    /// Exactly this tag.
    pub tag: Option<String>,
    /// Exactly this application.
    pub application: Option<String>,
    /// In this state, as [`state`] says.
    pub state: Option<String>,
    /// Somewhere in address, tag or application.
    pub part: Option<String>,
}

impl Selection {
    /// The words of `state=`.
    pub const STATES: [&str; 3] = ["fetching", "partial", "complete"];

    /// Whether everything is selected.
    pub fn is_all(&self) -> bool {
        *self == Selection::default()
    }

    /// Whether a task is selected.
    pub fn takes(&self, task: &Task) -> bool {
        let Identity { url, tag, application, .. } = &task.identity;
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        // Parts are looked for in what is shown: nobody is to find out a password piece by piece.
        let has = |part: &String| [&*masked(url), tag, application].iter().any(|text| text.contains(part.as_str()));
        is(&self.url, url)
            && is(&self.tag, tag)
            && is(&self.application, application)
            && is(&self.state, state(task))
            && self.part.as_ref().is_none_or(has)
    }
}

/// What is kept, by tag and by application.
#[derive(Debug, Default)]
pub struct Usage {
    by_tag: BTreeMap<String, (u64, u64)>,
    by_application: BTreeMap<String, (u64, u64)>,
    pinned: (u64, u64),
}

/// The most tags, and applications, that are told one by one: those with the most bytes.
const SHARES_MAX: usize = 1_000;

impl Usage {
    /// Counts a task.
    pub fn count(&mut self, task: &Task) {
        let bytes = task.cached_bytes();
        let mut shares = vec![
            self.by_tag.entry(task.identity.tag.clone()).or_default(),
            self.by_application.entry(task.identity.application.clone()).or_default(),
        ];
        if !task.pins.is_empty() {
            shares.push(&mut self.pinned);
        }
        for share in shares {
            *share = (share.0 + 1, share.1 + bytes);
        }
    }

    /// Adds the shares to what is told of the whole.
    pub fn told(self, mut whole: Map<String, Value>) -> Value {
        whole.insert("pinned".to_owned(), json!({ "tasks": self.pinned.0, "bytes": self.pinned.1 }));
        whole.insert("by_tag".to_owned(), shares("tag", self.by_tag));
        whole.insert("by_application".to_owned(), shares("application", self.by_application));
        Value::Object(whole)
    }
}

/// The largest first.
fn shares(by: &str, shares: BTreeMap<String, (u64, u64)>) -> Value {
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
    shares.truncate(SHARES_MAX);
    shares.into_iter().map(|(name, (tasks, bytes))| json!({ by: name, "tasks": tasks, "bytes": bytes })).collect()
}
