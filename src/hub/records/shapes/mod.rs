//! How each record looks. Of tags there may be hundreds of thousands, all of which a start reads: their names are one
//! letter, and what is usual is left out.
//!
//! What is read is turned into the model's words by `into_model`; none: it was never written so.

mod health;
mod job;
mod tag;

pub(super) use health::Health;
pub(super) use job::Job;
pub(super) use tag::{Item, Tag};

use crate::base::{Nanos, Span, Wall};
use crate::hub::machine;
use crate::hub::model::{self, DaemonId, EntryPoint, PoolName, RepName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A path: text, or bytes where it is none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Dir {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for Dir {
    fn from(path: &Path) -> Dir {
        match path.to_str() {
            Some(text) => Dir::Text(text.to_owned()),
            None => Dir::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<Dir> for PathBuf {
    fn from(dir: Dir) -> PathBuf {
        match dir {
            Dir::Text(text) => text.into(),
            Dir::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

/// See [`model::Requirements`].
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Requirements {
    by: u32,
    all: Vec<Requirement>,
}

/// See [`model::Requirement`].
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Requirement {
    Proc(String),
    Dag(String, Option<Span>),
    Url(String),
}

impl From<&model::Requirements> for Requirements {
    fn from(requires: &model::Requirements) -> Requirements {
        let stored = |it: &model::Requirement| match it {
            model::Requirement::Proc(name) => Requirement::Proc(name.to_string()),
            model::Requirement::Dag(name, age) => Requirement::Dag(name.to_string(), age.map(Span::from)),
            model::Requirement::Url(url) => Requirement::Url(url.to_string()),
        };
        Requirements { by: requires.by, all: requires.all.iter().map(stored).collect() }
    }
}

impl From<Requirements> for model::Requirements {
    fn from(stored: Requirements) -> model::Requirements {
        let read = |it: Requirement| match it {
            Requirement::Proc(name) => model::Requirement::Proc(name.into()),
            Requirement::Dag(name, age) => model::Requirement::Dag(name.into(), age.map(Duration::from)),
            Requirement::Url(url) => model::Requirement::Url(url.into()),
        };
        model::Requirements { all: stored.all.into_iter().map(read).collect(), by: stored.by }
    }
}

/// See [`model::Member`].
#[derive(Serialize, Deserialize)]
pub(super) struct Member {
    daemon: String,
    serving: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    requires: Requirements,
}

impl From<&model::Member> for Member {
    fn from(member: &model::Member) -> Member {
        Member {
            daemon: member.daemon.expose().to_owned(),
            serving: member.serving,
            entries: member.entries.iter().map(EntryPoint::to_string).collect(),
            requires: (&member.requires).into(),
        }
    }
}

impl Member {
    pub(super) fn into_model(self, account: u32) -> Option<model::Member> {
        let daemon = DaemonId::parse(&self.daemon)?;
        let entries = self.entries.iter().map(|entry| EntryPoint::new(entry).ok()).collect::<Option<_>>()?;
        Some(model::Member { account, daemon, serving: self.serving, entries, requires: self.requires.into() })
    }
}

/// Whoever has the daemon id may beat for the account.
pub(super) fn mask_member(json: &mut Value) {
    if let Some(daemon) = json.get_mut("daemon") {
        *daemon = "***".into();
    }
}

/// A line: when it was written, where its text does not begin with that.
#[derive(Serialize, Deserialize)]
pub(super) struct Line(Option<Nanos>, String);

impl Line {
    pub(super) fn new(at: Option<Wall>, text: &str) -> Line {
        Line(at.map(Nanos), text.to_owned())
    }

    pub(super) fn into_model(self) -> super::Line {
        (self.0.map(|Nanos(at)| at), self.1)
    }
}

/// See [`model::Pool`].
#[derive(Serialize, Deserialize)]
pub(super) struct Pool {
    dir: Dir,
    owner: u32,
    made: Nanos,
}

impl From<&model::Pool> for Pool {
    fn from(pool: &model::Pool) -> Pool {
        Pool { dir: pool.dir.as_path().into(), owner: pool.owner, made: Nanos(pool.made) }
    }
}

impl Pool {
    pub(super) fn into_model(self, name: &str) -> Option<model::Pool> {
        let name = PoolName::new(name).ok()?;
        Some(model::Pool { name, dir: Arc::new(self.dir.into()), owner: self.owner, made: self.made.0 })
    }
}

/// See [`model::Repository`].
#[derive(Serialize, Deserialize)]
pub(super) struct Repository {
    owner: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    comment: String,
    made: Nanos,
}

impl From<&model::Repository> for Repository {
    fn from(it: &model::Repository) -> Repository {
        Repository { owner: it.owner, comment: it.comment.to_string(), made: Nanos(it.made) }
    }
}

impl Repository {
    pub(super) fn into_model(self, name: &str) -> Option<model::Repository> {
        let name = RepName::new(name).ok()?;
        Some(model::Repository { name, owner: self.owner, comment: self.comment.into(), made: self.made.0 })
    }
}

/// See [`machine::Numbers`].
#[derive(Serialize, Deserialize)]
pub(super) struct Numbers {
    item: u64,
    tag: u64,
    job: u64,
}

impl From<machine::Numbers> for Numbers {
    fn from(numbers: machine::Numbers) -> Numbers {
        Numbers { item: numbers.item, tag: numbers.tag, job: numbers.job }
    }
}

impl From<Numbers> for machine::Numbers {
    fn from(numbers: Numbers) -> machine::Numbers {
        machine::Numbers { item: numbers.item, tag: numbers.tag, job: numbers.job }
    }
}

/// By which id this host is known. It proves nothing.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Host(pub(super) String);
