//! Tasks, and which of their pieces are there.

use super::{Base64, Digest, Id, Pin, is_default};
use crate::base::{Nanos, Span, Wall};
use crate::cache::model::{
    self, Crc, DEFAULT_FILTER, Extent, Failure, Filter, Identity, Ids, LastUse, Source, TaskId, TaskNo, TaskState,
    Validators,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See [`model::Task`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Task {
    /// The URL.
    u: String,
    /// The names that do not count, where they are not the default list.
    #[serde(default, skip_serializing_if = "is_default")]
    f: Option<String>,
    /// Tag and application.
    #[serde(default, skip_serializing_if = "is_default")]
    t: String,
    #[serde(default, skip_serializing_if = "is_default")]
    a: String,
    /// The wish for a length of pieces.
    #[serde(default, skip_serializing_if = "is_default")]
    l: Option<u64>,
    /// What names the content by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    n: Option<String>,
    /// The digest is its first id.
    #[serde(default, skip_serializing_if = "is_default")]
    b: bool,
    /// Its ids: they stay as they were when its file got its name.
    i: StoredIds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Digest>,
    /// Private.
    #[serde(default, skip_serializing_if = "is_default")]
    p: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    k: Vec<Pin>,
    /// How long it is kept unused.
    #[serde(default, skip_serializing_if = "is_default")]
    x: Option<Span>,
    /// The UUID of the peer.
    e: Id,
    /// Created.
    c: Nanos,
    /// Last used, in microseconds.
    y: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<Origin>,
    s: State,
}

/// The primary id, and those of manager, daemon and digest where they are other ones.
#[derive(Serialize, Deserialize)]
struct StoredIds(Base64, Alias, Alias, Alias);

/// None: there is no such id. Empty: it is the primary one.
type Alias = Option<Base64>;

impl From<&Ids> for StoredIds {
    fn from(ids: &Ids) -> StoredIds {
        let alias = |id: &Option<TaskId>| {
            let own = id.as_ref().filter(|id| **id != ids.primary);
            id.as_ref().map(|_| Base64(own.map_or_else(Vec::new, |id| id.bytes().to_vec())))
        };
        StoredIds(Base64(ids.primary.bytes().to_vec()), alias(&ids.manager), alias(&ids.daemon), alias(&ids.digest))
    }
}

impl From<StoredIds> for Ids {
    fn from(StoredIds(primary, manager, daemon, digest): StoredIds) -> Ids {
        let primary = TaskId::new(&primary.0);
        let alias =
            |id: Alias| id.map(|Base64(bytes)| if bytes.is_empty() { primary.clone() } else { TaskId::new(&bytes) });
        Ids { manager: alias(manager), daemon: alias(daemon), digest: alias(digest), primary }
    }
}

/// See [`Source`].
#[derive(Serialize, Deserialize)]
struct Origin {
    /// How long the content is, and its pieces.
    #[serde(default, skip_serializing_if = "is_default")]
    n: Option<u64>,
    p: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    e: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    m: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    h: Vec<(String, String)>,
    /// When it said so.
    c: Nanos,
}

/// See [`TaskState`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Being fetched, or not complete.
    Partial,
    Failed(Nanos, String),
    Complete(Nanos),
    Doomed,
}

impl From<&model::Task> for Task {
    fn from(task: &model::Task) -> Task {
        let Identity { url, filter, tag, application, piece_length, content, by_digest } = &task.identity;
        Task {
            u: url.clone(),
            f: (filter.text() != DEFAULT_FILTER).then(|| filter.text().to_owned()),
            t: tag.clone(),
            a: application.clone(),
            l: *piece_length,
            n: content.clone(),
            b: *by_digest,
            i: StoredIds::from(&task.ids),
            d: task.digest.as_ref().map(Digest::from),
            p: task.private,
            k: task.pins.iter().map(Pin::from).collect(),
            x: task.ttl.map(Span::from),
            e: Id(task.peer),
            c: Nanos(task.created),
            y: task.used.get().timestamp_micros(),
            o: task.source.as_ref().map(|source| Origin {
                n: source.extent.length,
                p: source.extent.piece_length,
                e: source.validators.etag.clone(),
                m: source.validators.last_modified.clone(),
                h: source.headers.clone(),
                c: Nanos(source.checked),
            }),
            s: match &task.state {
                TaskState::Fetching | TaskState::Partial(None) => State::Partial,
                TaskState::Partial(Some(failure)) => State::Failed(Nanos(failure.at), failure.why.clone()),
                TaskState::Complete(since) => State::Complete(Nanos(*since)),
                TaskState::Doomed => State::Doomed,
            },
        }
    }
}

/// Lists of names, each made once: nearly all tasks have the default one, which is long.
pub(in super::super) struct Filters {
    default: Filter,
    last: Option<Filter>,
}

impl Filters {
    pub(in super::super) fn new() -> Filters {
        Filters { default: Filter::new(""), last: None }
    }

    fn get(&mut self, text: Option<String>) -> Filter {
        let Some(text) = text else { return self.default.clone() };
        match &self.last {
            Some(last) if last.text() == text => last.clone(),
            _ => self.last.insert(Filter::new(&text)).clone(),
        }
    }
}

impl Task {
    /// With its pieces, and when it was last used where that was written down by itself.
    pub(in super::super) fn into_model(
        self,
        no: u64,
        pieces: Option<Pieces>,
        used: Option<Used>,
        filters: &mut Filters,
    ) -> model::Task {
        let micros = used.map_or(self.y, |Used(micros)| micros.max(self.y));
        model::Task {
            no: TaskNo(no),
            identity: Identity {
                url: self.u,
                filter: filters.get(self.f),
                tag: self.t,
                application: self.a,
                piece_length: self.l,
                content: self.n,
                by_digest: self.b,
            },
            ids: self.i.into(),
            digest: self.d.and_then(Digest::into_model),
            private: self.p,
            pins: self.k.into_iter().map(Into::into).collect::<BTreeSet<_>>(),
            ttl: self.x.map(Into::into),
            peer: self.e.0,
            created: self.c.0,
            used: LastUse::at(Wall::from_timestamp_micros(micros).unwrap_or_default()),
            source: self.o.map(|origin| Source {
                extent: Extent { length: origin.n, piece_length: origin.p },
                validators: Validators { etag: origin.e, last_modified: origin.m },
                headers: origin.h,
                checked: origin.c.0,
            }),
            pieces: Arc::new(pieces.map(Pieces::into_model).unwrap_or_default()),
            state: match self.s {
                State::Partial => TaskState::Partial(None),
                State::Failed(at, why) => TaskState::Partial(Some(Failure { at: at.0, why })),
                State::Complete(since) => TaskState::Complete(since.0),
                State::Doomed => TaskState::Doomed,
            },
        }
    }

    /// Its first id.
    pub(in super::super) fn primary(&self) -> TaskId {
        TaskId::new(&self.i.0.0)
    }

    /// Where it is complete: how long it is, and how many pieces that are.
    pub(in super::super) fn complete(&self) -> Option<(Option<u64>, Option<u32>)> {
        let State::Complete(_) = self.s else { return None };
        let length = self.o.as_ref().and_then(|origin| origin.n);
        let pieces = self.o.as_ref().and_then(|origin| Some(model::piece::pieces_of(origin.n?, origin.p)));
        Some((length, pieces))
    }
}

/// See [`model::Pieces`]: a bit for each piece, the lowest of a byte first, and the checksums of those that are there, in
/// four bytes each, the lowest first.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Pieces {
    there: Base64,
    crcs: Base64,
}

impl From<&model::Pieces> for Pieces {
    fn from(pieces: &model::Pieces) -> Pieces {
        let (mut there, mut crcs) = (Vec::new(), Vec::new());
        for (number, Crc(crc)) in pieces.iter() {
            let at = number as usize / 8;
            there.resize(there.len().max(at + 1), 0u8);
            if let Some(byte) = there.get_mut(at) {
                *byte |= 1 << (number % 8);
            }
            crcs.extend(crc.to_le_bytes());
        }
        Pieces { there: Base64(there), crcs: Base64(crcs) }
    }
}

impl Pieces {
    /// The numbers of those that are there.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let bits = self.there.0.iter().flat_map(|byte| (0..8).map(move |bit| byte & (1 << bit) != 0));
        (0..).zip(bits).filter_map(|(number, there)| there.then_some(number))
    }

    /// How many are there.
    pub(in super::super) fn count(&self) -> usize {
        self.numbers().count()
    }

    /// Whether there are as many checksums as pieces.
    pub(in super::super) fn is_whole(&self) -> bool {
        self.count() * 4 == self.crcs.0.len()
    }

    fn into_model(self) -> model::Pieces {
        let mut pieces = model::Pieces::new();
        // A piece without its checksum is not there.
        for (number, crc) in self.numbers().zip(self.crcs.0.as_chunks().0) {
            pieces.put(number, Crc(u32::from_le_bytes(*crc)));
        }
        pieces
    }
}

/// When a task was last used, in microseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(in super::super) struct Used(pub i64);
