//! How stored DAGs, their schedules and their firings are stored.

use super::shapes::{Owned, Text};
use crate::base::{Nanos, Wall};
use crate::dag::machine::{Cursor, DagRow, Fired, FiringRow};
use crate::dag::model::{DagName, DagRunId, Invalid};
use crate::dag::stored::{read_schedule, show_schedule};
use crate::store::{Batch, Key, ReadError, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// See [`DagRow`].
#[derive(Serialize, Deserialize)]
pub(super) struct Dag {
    /// As clients write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<Map<String, Value>>,
    owner: Owned,
    runs_as: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided: Option<Nanos>,
    /// Stretches: after, through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    owed: Vec<(Nanos, Nanos)>,
}

impl From<&DagRow> for Dag {
    fn from(row: &DagRow) -> Dag {
        let stretch = |(after, through): &(Wall, Wall)| (Nanos(*after), Nanos(*through));
        Dag {
            schedule: row.schedule.as_ref().map(show_schedule),
            owner: (&*row.owner).into(),
            runs_as: row.runs_as,
            decided: row.cursor.as_ref().map(|cursor| Nanos(cursor.decided)),
            owed: row.cursor.as_ref().map_or_else(Vec::new, |cursor| cursor.owed.iter().map(stretch).collect()),
        }
    }
}

impl Dag {
    pub(super) fn into_model(self, name: DagName) -> Result<DagRow, Invalid> {
        let owed = self.owed.into_iter().map(|(after, through)| (after.0, through.0)).collect();
        Ok(DagRow {
            name,
            schedule: self.schedule.map(read_schedule).transpose()?,
            owner: self.owner.into(),
            runs_as: self.runs_as,
            cursor: self.decided.map(|decided| Cursor { decided: decided.0, owed }),
        })
    }
}

/// A stored DAG's specification, as it was written.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DagText(pub Text);

/// The name of a stored DAG, and the nanosecond at which it was due. No name contains the zero byte that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FiringKey {
    name: DagName,
    at: u64,
}

impl FiringKey {
    fn new(name: &DagName, at: Wall) -> FiringKey {
        let at = at.timestamp_nanos_opt().and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
        FiringKey { name: name.clone(), at }
    }

    fn first(name: &DagName) -> FiringKey {
        FiringKey { name: name.clone(), at: 0 }
    }

    fn last(name: &DagName) -> FiringKey {
        FiringKey { name: name.clone(), at: u64::MAX }
    }

    pub(super) fn name(&self) -> &DagName {
        &self.name
    }
}

impl Key for FiringKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_str().as_bytes());
        out.push(0);
        out.extend_from_slice(&self.at.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<FiringKey> {
        let (rest, at) = bytes.split_last_chunk()?;
        let name = std::str::from_utf8(rest.strip_suffix(&[0])?).ok()?;
        Some(FiringKey { name: DagName::new(name).ok()?, at: u64::from_be_bytes(*at) })
    }

    fn to_json(&self) -> Value {
        Value::from(vec![Value::from(self.name.as_str()), Value::from(self.at)])
    }
}

/// See [`FiringRow`].
#[derive(Serialize, Deserialize)]
pub(super) struct Firing {
    at: Nanos,
    /// Of a stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Nanos>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u32,
    what: Fate,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Run(DagRunId),
    Skipped,
    Missed,
}

impl From<&FiringRow> for Firing {
    fn from(row: &FiringRow) -> Firing {
        Firing {
            at: Nanos(row.at),
            last: (row.last != row.at).then_some(Nanos(row.last)),
            count: row.count,
            what: match row.what {
                Fired::Run(run) => Fate::Run(run),
                Fired::Skipped => Fate::Skipped,
                Fired::Missed => Fate::Missed,
            },
        }
    }
}

impl From<Firing> for FiringRow {
    fn from(stored: Firing) -> FiringRow {
        FiringRow {
            at: stored.at.0,
            last: stored.last.unwrap_or(stored.at).0,
            count: stored.count,
            what: match stored.what {
                Fate::Run(run) => Fired::Run(run),
                Fate::Skipped => Fired::Skipped,
                Fate::Missed => Fired::Missed,
            },
        }
    }
}

pub(super) fn put_firing(name: &DagName, row: &FiringRow, batch: &mut Batch) {
    batch.put::<Firing>(&FiringKey::new(name, row.at), &row.into());
}

/// The firings of a stored DAG, newest first.
pub(super) fn firings_back(
    reader: &Reader,
    name: &DagName,
) -> impl Iterator<Item = Result<FiringRow, ReadError>> + use<> {
    let firings = reader.scan_back::<Firing>(FiringKey::first(name)..=FiringKey::last(name));
    firings.map(|entry| entry.map(|(_, firing)| firing.into()))
}

/// Forgets the firings of a stored DAG through a moment.
pub(super) fn delete_firings(name: &DagName, through: Wall, batch: &mut Batch) {
    batch.delete_range::<Firing>(FiringKey::first(name)..=FiringKey::new(name, through));
}

/// Forgets a stored DAG.
pub(super) fn delete(name: &DagName, batch: &mut Batch) {
    batch.delete::<Dag>(&name.to_string());
    batch.delete::<DagText>(&name.to_string());
    batch.delete_range::<Firing>(FiringKey::first(name)..=FiringKey::last(name));
}
