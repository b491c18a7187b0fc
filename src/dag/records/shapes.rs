//! How runs and what belongs to them are stored. Of attempts there may be a million, so their names are short, and what
//! is empty or usual is left out.

use crate::base::{Mono, Nanos, RunId, Wall};
use crate::dag::machine::LiveAttempt;
use crate::dag::model;
use crate::dag::model::{Counts, DagName, DagRunId, Kept, Mark, Origin, Outcome, Owner, RunRow, State, TaskId, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A state, by its word.
mod state {
    use super::*;

    pub(super) fn serialize<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
        state.word().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let word = String::deserialize(from)?;
        State::named(&word).ok_or_else(|| de::Error::custom(format_args!("state {word} is unknown")))
    }
}

/// A run that is not COMPLETED: its state.
#[derive(Serialize, Deserialize)]
pub(super) struct Unfinished(#[serde(with = "state")] pub State);

/// See [`RunRow`].
#[derive(Serialize, Deserialize)]
pub(super) struct Run {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tag: String,
    history: Vec<Change>,
    last_update: Nanos,
    /// By the state's number; none while memory knows better.
    #[serde(default, skip_serializing_if = "is_default")]
    counts: [u32; State::ALL.len()],
    #[serde(default, skip_serializing_if = "is_default")]
    pass: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resets: Vec<(u32, u32)>,
    owner: Owned,
    runs_as: u32,
    /// The stored DAG it comes from, and when its schedule was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dag: Option<DagName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Nanos>,
}

#[derive(Serialize, Deserialize)]
struct Change(Nanos, #[serde(with = "state")] State);

/// See [`Owner`].
#[derive(Serialize, Deserialize)]
pub(super) struct Owned {
    uid: u32,
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    operator: bool,
}

impl From<&Owner> for Owned {
    fn from(owner: &Owner) -> Owned {
        Owned { uid: owner.uid, name: owner.name.clone(), operator: owner.operator }
    }
}

impl From<Owned> for Arc<Owner> {
    fn from(owned: Owned) -> Arc<Owner> {
        Arc::new(Owner { uid: owned.uid, name: owned.name, operator: owned.operator })
    }
}

impl From<&RunRow> for Run {
    fn from(row: &RunRow) -> Run {
        let due = match row.origin {
            Origin::Schedule(_, due) => Some(Nanos(due)),
            Origin::Client | Origin::Dag(_) => None,
        };
        Run {
            tag: row.tag.clone(),
            history: row.history.iter().map(|change| Change(Nanos(change.at), change.state)).collect(),
            last_update: Nanos(row.last_update),
            counts: row.counts.0,
            pass: row.pass,
            resets: row.resets.clone(),
            owner: (&*row.owner).into(),
            runs_as: row.runs_as,
            dag: row.origin.dag().cloned(),
            due,
        }
    }
}

impl Run {
    pub(super) fn into_model(self, id: DagRunId) -> RunRow {
        let origin = match (self.dag, self.due) {
            (None, _) => Origin::Client,
            (Some(dag), None) => Origin::Dag(dag),
            (Some(dag), Some(due)) => Origin::Schedule(dag, due.0),
        };
        let change = |Change(at, state): Change| model::StateChange { at: at.0, state };
        RunRow {
            id,
            tag: self.tag,
            history: self.history.into_iter().map(change).collect(),
            last_update: self.last_update.0,
            counts: Counts(self.counts),
            pass: self.pass,
            resets: self.resets,
            owner: self.owner.into(),
            runs_as: self.runs_as,
            origin,
        }
    }
}

/// JSON text as it was written, apart from blanks around it; tens of megabytes of it are copied, not understood.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(Box<RawValue>);

impl Text {
    /// Text that is no JSON, which nobody ever accepts as a specification, is kept as a JSON string.
    pub(super) fn of(text: &str) -> Text {
        let raw = serde_json::from_str::<Box<RawValue>>(text).or_else(|_| serde_json::value::to_raw_value(text));
        Text(raw.unwrap_or_default())
    }

    pub(super) fn get(&self) -> Arc<str> {
        match serde_json::from_str::<String>(self.0.get()) {
            Ok(text) => text.into(),
            Err(_) => self.0.get().into(),
        }
    }
}

/// What a generator has added.
#[derive(Serialize, Deserialize)]
pub(super) struct Added {
    by: (u32, u32),
    text: Text,
}

impl Added {
    pub(super) fn of(by: TaskId, text: &str) -> Added {
        Added { by: (by.group, by.index), text: Text::of(text) }
    }

    pub(super) fn into_model(self) -> (TaskId, Arc<str>) {
        (TaskId { group: self.by.0, index: self.by.1 }, self.text.get())
    }
}

/// See [`model::Attempt`].
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempted {
    /// Slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<RunId>,
    /// Pass.
    #[serde(default, skip_serializing_if = "is_default")]
    p: u32,
    /// Beginning and end.
    t: (Nanos, Nanos),
    /// `rc`.
    #[serde(default, skip_serializing_if = "is_default")]
    rc: i32,
    /// Outcome.
    #[serde(default, skip_serializing_if = "is_default")]
    o: Came,
    /// Remark.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
    #[serde(default, skip_serializing_if = "is_default")]
    out: Stream,
    #[serde(default, skip_serializing_if = "is_default")]
    err: Stream,
    /// User and system time in microseconds, peak memory in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<(u64, u64, u64)>,
}

/// See [`Outcome`].
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    #[default]
    Completed,
    Retry,
    Errored,
    Killed,
    Interrupted,
}

impl From<Outcome> for Came {
    fn from(outcome: Outcome) -> Came {
        match outcome {
            Outcome::Completed => Came::Completed,
            Outcome::Retry => Came::Retry,
            Outcome::Errored => Came::Errored,
            Outcome::Killed => Came::Killed,
            Outcome::Interrupted => Came::Interrupted,
        }
    }
}

impl From<Came> for Outcome {
    fn from(came: Came) -> Outcome {
        match came {
            Came::Completed => Outcome::Completed,
            Came::Retry => Outcome::Retry,
            Came::Errored => Outcome::Errored,
            Came::Killed => Outcome::Killed,
            Came::Interrupted => Outcome::Interrupted,
        }
    }
}

/// See [`Kept`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Stream {
    Text(String),
    File(u64),
    Bytes {
        #[serde(with = "base64_text")]
        base64: Bytes,
    },
}

/// Bytes in base 64.
mod base64_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(bytes).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        BASE64.decode(String::deserialize(from)?).map(Bytes::from).map_err(de::Error::custom)
    }
}

impl Default for Stream {
    fn default() -> Stream {
        Stream::Text(String::new())
    }
}

impl From<&Kept> for Stream {
    fn from(kept: &Kept) -> Stream {
        match kept {
            Kept::File(length) => Stream::File(*length),
            Kept::Here(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if is_plain(text) => Stream::Text(text.to_owned()),
                _ => Stream::Bytes { base64: bytes.clone() },
            },
        }
    }
}

/// Whether text takes less room as a JSON string than in base 64: the two streams of an attempt stay below the 4 KiB
/// from which on a record is a file.
fn is_plain(text: &str) -> bool {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        byte if byte < b' ' => 5,
        _ => 0,
    };
    text.bytes().map(escape).sum::<usize>() <= text.len() / 3
}

impl From<Stream> for Kept {
    fn from(stream: Stream) -> Kept {
        match stream {
            Stream::Text(text) => Kept::Here(text.into()),
            Stream::File(length) => Kept::File(length),
            Stream::Bytes { base64 } => Kept::Here(base64),
        }
    }
}

impl From<&model::Attempt> for Attempted {
    fn from(attempt: &model::Attempt) -> Attempted {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Attempted {
            s: attempt.slot,
            p: attempt.pass,
            t: (Nanos(attempt.start), Nanos(attempt.stop)),
            rc: attempt.rc,
            o: attempt.outcome.into(),
            why: attempt.remark.clone(),
            out: (&attempt.output).into(),
            err: (&attempt.errors).into(),
            u: attempt.usage.map(|usage| (micros(usage.user), micros(usage.system), usage.max_rss_kib)),
        }
    }
}

impl Attempted {
    pub(super) fn pass(&self) -> u32 {
        self.p
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.o.into()
    }

    pub(super) fn stop(&self) -> Wall {
        self.t.1.0
    }
}

impl From<Attempted> for model::Attempt {
    fn from(stored: Attempted) -> model::Attempt {
        let usage = |(user, system, max_rss_kib)| Usage {
            user: Duration::from_micros(user),
            system: Duration::from_micros(system),
            max_rss_kib,
        };
        model::Attempt {
            slot: stored.s,
            pass: stored.p,
            start: stored.t.0.0,
            stop: stored.t.1.0,
            rc: stored.rc,
            outcome: stored.o.into(),
            remark: stored.why,
            output: stored.out.into(),
            errors: stored.err.into(),
            usage: stored.u.map(usage),
        }
    }
}

/// The same first attempt of several tasks in a row.
#[derive(Serialize, Deserialize)]
pub(super) struct Passed {
    /// How many.
    pub n: u32,
    /// What it was.
    pub a: Attempted,
}

/// See [`Mark`].
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Marked {
    /// After so many attempts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: u32,
    what: Marks,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Marks {
    Killed,
    Done,
    Skipped,
    NotNeeded,
}

impl Marked {
    pub(super) fn of(after: u32, mark: &Mark) -> Marked {
        let (what, by) = match mark {
            Mark::Killed(by) => (Marks::Killed, by.clone()),
            Mark::Done(by) => (Marks::Done, by.clone()),
            Mark::Skipped(by) => (Marks::Skipped, by.clone()),
            Mark::NotNeeded => (Marks::NotNeeded, String::new()),
        };
        Marked { after, what, by }
    }

    /// Whether the task counts as completed by it. Nothing but the next pass follows upon that.
    pub(super) fn completes(&self) -> bool {
        self.what != Marks::Killed
    }

    pub(super) fn mark(&self) -> Mark {
        match self.what {
            Marks::Killed => Mark::Killed(self.by.clone()),
            Marks::Done => Mark::Done(self.by.clone()),
            Marks::Skipped => Mark::Skipped(self.by.clone()),
            Marks::NotNeeded => Mark::NotNeeded,
        }
    }
}

/// Another job, as it is shown.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Edited(pub Map<String, Value>);

/// See [`LiveAttempt`]. Also the intent that travels with a spawn request.
#[derive(Serialize, Deserialize)]
pub(super) struct Live {
    slot: RunId,
    run: DagRunId,
    task: (u32, u32),
    number: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pass: u32,
    start: Nanos,
    born: Mono,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leader: Option<(i32, u64)>,
    #[serde(default, skip_serializing_if = "is_default")]
    ended: bool,
}

impl From<&LiveAttempt> for Live {
    fn from(live: &LiveAttempt) -> Live {
        Live {
            slot: live.slot,
            run: live.run,
            task: (live.task.group, live.task.index),
            number: live.number,
            pass: live.pass,
            start: Nanos(live.start),
            born: live.born,
            leader: live.leader,
            ended: live.ended,
        }
    }
}

impl Live {
    pub(super) fn run(&self) -> DagRunId {
        self.run
    }
}

impl From<Live> for LiveAttempt {
    fn from(stored: Live) -> LiveAttempt {
        LiveAttempt {
            slot: stored.slot,
            run: stored.run,
            task: TaskId { group: stored.task.0, index: stored.task.1 },
            number: stored.number,
            pass: stored.pass,
            start: stored.start.0,
            born: stored.born,
            leader: stored.leader,
            ended: stored.ended,
        }
    }
}

/// Numbers below these may have been handed out.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub run: DagRunId,
    pub slots: RunId,
}

/// The run that an `Idempotency-Key` has made. It is as old as that run.
#[derive(Serialize, Deserialize)]
pub(super) struct Keyed {
    pub digest: String,
    pub run: DagRunId,
}

/// A run that is gone, of which records may be left.
#[derive(Serialize, Deserialize)]
pub(super) struct Purged {}

/// The keeper that the live attempts belong to, by a name no other keeper of this boot has.
#[derive(Serialize, Deserialize)]
pub(super) struct Keeper(pub String);

/// The boot that the live attempts belong to.
#[derive(Serialize, Deserialize)]
pub(super) struct Boot(pub String);
