//! How each record looks. Of tasks there may be a million, all of which a start reads: their names are one letter, and what
//! is usual is left out.

mod cluster;
mod job;
mod task;

pub(super) use cluster::Cluster;
pub(super) use job::{Head, Job, JobBio, JobUser, mask_job, mask_task};
pub(super) use task::{Filters, Pieces, Task, Used};

use crate::cache::model::{self, PinOwner};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use uuid::Uuid;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Bytes, as base64.
#[derive(Clone, Debug, Default, PartialEq)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(&self.0).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Base64, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        BASE64.decode(&*text).map(Base64).map_err(|why| de::Error::custom(format_args!("no base64: {why}")))
    }
}

/// A UUID, as text.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Id(Uuid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Id, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        Uuid::parse_str(&text).map(Id).map_err(|why| de::Error::custom(format_args!("no UUID: {why}")))
    }
}

/// See [`model::Digest`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Digest {
    Sha256(Base64),
    Sha512(Base64),
    Crc32(u32),
}

impl From<&model::Digest> for Digest {
    fn from(digest: &model::Digest) -> Digest {
        match digest {
            model::Digest::Sha256(hash) => Digest::Sha256(Base64(hash.to_vec())),
            model::Digest::Sha512(hash) => Digest::Sha512(Base64(hash.to_vec())),
            model::Digest::Crc32(sum) => Digest::Crc32(*sum),
        }
    }
}

impl Digest {
    /// None where it is not as long as it must be, which was never written.
    fn into_model(self) -> Option<model::Digest> {
        Some(match self {
            Digest::Sha256(Base64(hash)) => model::Digest::Sha256(hash.try_into().ok()?),
            Digest::Sha512(Base64(hash)) => model::Digest::Sha512(Box::new(hash.try_into().ok()?)),
            Digest::Crc32(sum) => model::Digest::Crc32(sum),
        })
    }
}

/// See [`PinOwner`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pin {
    Dag(String),
    Proc(String),
    Name(String),
}

impl From<&PinOwner> for Pin {
    fn from(owner: &PinOwner) -> Pin {
        match owner {
            PinOwner::Dag(run) => Pin::Dag(run.clone()),
            PinOwner::Proc(task) => Pin::Proc(task.clone()),
            PinOwner::Name(name) => Pin::Name(name.clone()),
        }
    }
}

impl From<Pin> for PinOwner {
    fn from(pin: Pin) -> PinOwner {
        match pin {
            Pin::Dag(run) => PinOwner::Dag(run),
            Pin::Proc(task) => PinOwner::Proc(task),
            Pin::Name(name) => PinOwner::Name(name),
        }
    }
}

/// See [`super::Numbers`].
#[derive(Serialize, Deserialize)]
pub(super) struct Numbers {
    task: u64,
    job: u64,
    cluster: u32,
}

impl From<super::Numbers> for Numbers {
    fn from(numbers: super::Numbers) -> Numbers {
        Numbers { task: numbers.task, job: numbers.job, cluster: numbers.cluster }
    }
}

impl From<Numbers> for super::Numbers {
    fn from(numbers: Numbers) -> super::Numbers {
        super::Numbers { task: numbers.task, job: numbers.job, cluster: numbers.cluster }
    }
}
