//! Jobs.

use super::is_default;
use crate::base::Nanos;
use crate::hub::model::{self, Access, EntryPoint, ItemName, JobId, PoolName, PullSource, RepName, TagName, TagNo};
use serde::{Deserialize, Serialize};

/// See [`model::Job`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Job {
    owner: u32,
    kind: Kind,
    rep: String,
    item: String,
    tag: String,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    made: Nanos,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Nanos>,
}

/// See [`model::JobKind`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Pull(Box<Source>),
    Publish(u64),
}

/// See [`PullSource`].
#[derive(Serialize, Deserialize)]
struct Source {
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    secret: bool,
    pool: String,
    dir: String,
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publish: Option<String>,
}

/// See [`model::JobState`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Queued,
    Downloading,
    Verifying,
    Downloaded,
    Published,
    Failed(String),
}

impl From<&PullSource> for Source {
    fn from(source: &PullSource) -> Source {
        Source {
            from: source.from.to_string(),
            username: source.username.as_deref().map(str::to_owned),
            secret: source.secret,
            pool: source.pool.to_string(),
            dir: source.dir.to_string(),
            file: source.file.to_string(),
            publish: source.publish.map(|access| access.word().to_owned()),
        }
    }
}

impl Source {
    fn into_model(self) -> Option<PullSource> {
        Some(PullSource {
            from: EntryPoint::new(&self.from).ok()?,
            username: self.username.map(Into::into),
            secret: self.secret,
            pool: PoolName::new(&self.pool).ok()?,
            dir: self.dir.into(),
            file: self.file.into(),
            publish: match self.publish {
                Some(word) => Some(Access::parse(&word)?),
                None => None,
            },
        })
    }
}

impl From<&model::JobState> for State {
    fn from(state: &model::JobState) -> State {
        match state {
            model::JobState::Queued => State::Queued,
            model::JobState::Downloading => State::Downloading,
            model::JobState::Verifying => State::Verifying,
            model::JobState::Downloaded => State::Downloaded,
            model::JobState::Published => State::Published,
            model::JobState::Failed(why) => State::Failed(why.clone()),
        }
    }
}

impl From<State> for model::JobState {
    fn from(state: State) -> model::JobState {
        match state {
            State::Queued => model::JobState::Queued,
            State::Downloading => model::JobState::Downloading,
            State::Verifying => model::JobState::Verifying,
            State::Downloaded => model::JobState::Downloaded,
            State::Published => model::JobState::Published,
            State::Failed(why) => model::JobState::Failed(why),
        }
    }
}

impl From<&model::Job> for Job {
    fn from(job: &model::Job) -> Job {
        Job {
            owner: job.owner,
            kind: match &job.kind {
                model::JobKind::Pull(source) => Kind::Pull(Box::new((&**source).into())),
                model::JobKind::Publish(tag) => Kind::Publish(tag.0),
            },
            rep: job.rep.to_string(),
            item: job.item.to_string(),
            tag: job.tag.to_string(),
            state: (&job.state).into(),
            size: job.size,
            made: Nanos(job.made),
            over: job.over.map(Nanos),
        }
    }
}

impl Job {
    pub(in super::super) fn into_model(self, id: u64) -> Option<model::Job> {
        Some(model::Job {
            id: JobId(id),
            owner: self.owner,
            kind: match self.kind {
                Kind::Pull(source) => model::JobKind::Pull(Box::new(source.into_model()?)),
                Kind::Publish(tag) => model::JobKind::Publish(TagNo(tag)),
            },
            rep: RepName::new(&self.rep).ok()?,
            item: ItemName::new(&self.item).ok()?,
            tag: TagName::new(&self.tag).ok()?,
            state: self.state.into(),
            size: self.size,
            made: self.made.0,
            over: self.over.map(|Nanos(at)| at),
        })
    }

    /// The tag that it reads, where it is not over.
    pub(in super::super) fn reads(&self) -> Option<u64> {
        match (&self.kind, &self.state) {
            (Kind::Publish(tag), State::Queued | State::Downloading | State::Verifying) => Some(*tag),
            _ => None,
        }
    }
}
