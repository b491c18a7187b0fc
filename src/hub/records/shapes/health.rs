//! How a file stands.

use super::is_default;
use crate::base::Nanos;
use crate::hub::model::{self, Reason};
use serde::{Deserialize, Serialize};

/// See [`model::Health`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Health {
    #[serde(default, skip_serializing_if = "is_default")]
    s: State,
    /// Since when.
    t: Nanos,
    /// When its bytes were last compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<Nanos>,
    /// The stamp that needs no reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<Stamp>,
}

/// See [`model::Stamp`]: device, inode, size, and when content and anything were changed.
#[derive(Serialize, Deserialize)]
struct Stamp(u64, u64, u64, i64, i64);

impl From<&model::Stamp> for Stamp {
    fn from(&model::Stamp { dev, ino, size, mtime, ctime }: &model::Stamp) -> Stamp {
        Stamp(dev, ino, size, mtime, ctime)
    }
}

impl From<Stamp> for model::Stamp {
    fn from(Stamp(dev, ino, size, mtime, ctime): Stamp) -> model::Stamp {
        model::Stamp { dev, ino, size, mtime, ctime }
    }
}

/// See [`model::State`] and [`Reason`].
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Normal,
    Pending,
    Missing,
    NotAFile,
    Unreadable(String),
    Escaped,
    PoolGone(String),
    SizeChanged,
    ContentChanged,
}

impl From<&model::State> for State {
    fn from(state: &model::State) -> State {
        match state {
            model::State::Normal => State::Normal,
            model::State::Pending => State::Pending,
            model::State::Abnormal(reason) => match reason {
                Reason::Missing => State::Missing,
                Reason::NotAFile => State::NotAFile,
                Reason::Unreadable(why) => State::Unreadable(why.clone()),
                Reason::Escaped => State::Escaped,
                Reason::PoolGone(why) => State::PoolGone(why.clone()),
                Reason::SizeChanged => State::SizeChanged,
                Reason::ContentChanged => State::ContentChanged,
            },
        }
    }
}

impl From<State> for model::State {
    fn from(state: State) -> model::State {
        model::State::Abnormal(match state {
            State::Normal => return model::State::Normal,
            State::Pending => return model::State::Pending,
            State::Missing => Reason::Missing,
            State::NotAFile => Reason::NotAFile,
            State::Unreadable(why) => Reason::Unreadable(why),
            State::Escaped => Reason::Escaped,
            State::PoolGone(why) => Reason::PoolGone(why),
            State::SizeChanged => Reason::SizeChanged,
            State::ContentChanged => Reason::ContentChanged,
        })
    }
}

impl From<&model::Health> for Health {
    fn from(health: &model::Health) -> Health {
        Health {
            s: (&health.state).into(),
            t: Nanos(health.since),
            h: health.hashed.map(Nanos),
            r: health.right.as_ref().map(Stamp::from),
        }
    }
}

impl From<Health> for model::Health {
    fn from(stored: Health) -> model::Health {
        model::Health {
            state: stored.s.into(),
            since: stored.t.0,
            hashed: stored.h.map(|Nanos(at)| at),
            right: stored.r.map(model::Stamp::from),
        }
    }
}

impl Health {
    /// Whether it says that the file is well.
    pub(in super::super) fn is_normal(&self) -> bool {
        self.s == State::Normal
    }
}
