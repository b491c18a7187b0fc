//! How each record looks. Of tasks and standings there may be a million, all of which a start reads: their names are one
//! letter, and what is usual is left out.

use crate::base::{Nanos, Secret};
use crate::tracker::machine;
use crate::tracker::machine::Marks;
use crate::tracker::model;
use crate::tracker::model::{
    Definition, Failing, Lease, NewTask, Process, ProjectId, Rate, Status, TaskId, Vote, WorkerId, WorkerSecret,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_one(count: &i16) -> bool {
    *count == 1
}

fn one() -> i16 {
    1
}

/// A fraction as text: as JSON number its last digit might be read back as another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Exact(f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Exact, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        text.parse().map(Exact).map_err(|_| de::Error::custom(format_args!("{} is no number", text.escape_debug())))
    }
}

/// See [`model::Worker`].
#[derive(Serialize, Deserialize)]
pub(super) struct Worker {
    alias: String,
    created: i64,
    secret: Bytes32,
    #[serde(default, skip_serializing_if = "is_default")]
    paused: bool,
}

/// 32 bytes, as base64.
struct Bytes32([u8; 32]);

impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(self.0).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes32, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        let bytes = BASE64.decode(&*text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Bytes32).ok_or_else(|| de::Error::custom("the secret is not 32 bytes in base64"))
    }
}

impl From<&model::Worker> for Worker {
    fn from(worker: &model::Worker) -> Worker {
        let secret = Bytes32(worker.secret.0);
        Worker { alias: worker.alias.clone(), created: worker.created, secret, paused: worker.paused }
    }
}

impl Worker {
    pub(super) fn into_model(self, id: u32) -> model::Worker {
        let secret = WorkerSecret(self.secret.0);
        model::Worker { id: WorkerId(id), alias: self.alias, created: self.created, secret, paused: self.paused }
    }
}

/// How many tasks a worker has closed.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct WorkerClosed(pub u64);

/// How many tasks of a project were closed.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Closed(pub u64);

/// See [`Definition`].
#[derive(Serialize, Deserialize)]
pub(super) struct Project {
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    clone_url: String,
    #[serde(default, skip_serializing_if = "is_default")]
    git_repo: String,
    #[serde(default, skip_serializing_if = "is_default")]
    version: String,
    #[serde(default, skip_serializing_if = "is_default")]
    motd: String,
    #[serde(default, skip_serializing_if = "is_default")]
    priority: i32,
    #[serde(default, skip_serializing_if = "is_default")]
    public: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    hidden: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    paused: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) chain: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    assign: Limit,
    #[serde(default, skip_serializing_if = "is_default")]
    submit: Limit,
}

/// See [`model::Limit`]: what is missing is unlimited, or 1.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Limit {
    #[serde(default, skip_serializing_if = "is_default")]
    rate: Option<Exact>,
    #[serde(default, skip_serializing_if = "is_default")]
    burst: Option<Exact>,
    #[serde(default, skip_serializing_if = "is_default")]
    per_worker: Option<Exact>,
}

impl From<model::Limit> for Limit {
    fn from(limit: model::Limit) -> Limit {
        Limit {
            rate: limit.rate.limit().map(Exact),
            burst: (limit.burst != model::Limit::default().burst).then_some(Exact(limit.burst)),
            per_worker: limit.per_worker.limit().map(Exact),
        }
    }
}

impl From<Limit> for model::Limit {
    fn from(limit: Limit) -> model::Limit {
        let rate = |rate: Option<Exact>| rate.map_or(Rate::UNLIMITED, |Exact(rate)| Rate::new(rate));
        let burst = limit.burst.map_or(model::Limit::default().burst, |Exact(burst)| burst);
        model::Limit { rate: rate(limit.rate), burst, per_worker: rate(limit.per_worker) }
    }
}

impl From<&Definition> for Project {
    fn from(set: &Definition) -> Project {
        Project {
            name: set.name.clone(),
            clone_url: set.clone_url.clone(),
            git_repo: set.git_repo.clone(),
            version: set.version.clone(),
            motd: set.motd.clone(),
            priority: set.priority,
            public: set.public,
            hidden: set.hidden,
            paused: set.paused,
            chain: set.chain.map(|project| project.0),
            assign: set.assign.into(),
            submit: set.submit.into(),
        }
    }
}

impl From<Project> for Definition {
    fn from(set: Project) -> Definition {
        Definition {
            name: set.name,
            clone_url: set.clone_url,
            git_repo: set.git_repo,
            version: set.version,
            motd: set.motd,
            priority: set.priority,
            public: set.public,
            hidden: set.hidden,
            paused: set.paused,
            chain: set.chain.map(ProjectId),
            assign: set.assign.into(),
            submit: set.submit.into(),
        }
    }
}

/// The secrets of a project: for workers, and for hooks. Clients read them back, so they are stored readable.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    secret: String,
    webhook: String,
}

impl Secrets {
    pub(super) fn of(secret: &Secret, webhook: &Secret) -> Secrets {
        Secrets { secret: secret.expose().to_owned(), webhook: webhook.expose().to_owned() }
    }

    pub(super) fn into_model(self) -> (Secret, Secret) {
        (Secret::new(self.secret), Secret::new(self.webhook))
    }
}

/// See [`Marks`].
#[derive(Serialize, Deserialize)]
pub(super) struct Marked {
    epoch: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    wiped: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    reset: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    reclaimed: u32,
}

impl From<Marks> for Marked {
    fn from(marks: Marks) -> Marked {
        Marked { epoch: marks.epoch, wiped: marks.wiped, reset: marks.reset, reclaimed: marks.reclaimed }
    }
}

impl From<Marked> for Marks {
    fn from(marks: Marked) -> Marks {
        Marks { epoch: marks.epoch, wiped: marks.wiped, reset: marks.reset, reclaimed: marks.reclaimed }
    }
}

/// See [`model::Access`].
#[derive(Serialize, Deserialize)]
pub(super) struct Access {
    #[serde(default, skip_serializing_if = "is_default")]
    assign: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    submit: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pending: bool,
}

impl From<model::Access> for Access {
    fn from(access: model::Access) -> Access {
        Access { assign: access.assign, submit: access.submit, pending: access.pending }
    }
}

impl From<Access> for model::Access {
    fn from(access: Access) -> model::Access {
        model::Access { assign: access.assign, submit: access.submit, pending: access.pending }
    }
}

/// See [`model::Role`]: its number.
pub(super) struct Role(pub model::Role);

impl From<model::Role> for Role {
    fn from(role: model::Role) -> Role {
        Role(role)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.bits().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        model::Role::new(i64::deserialize(from)?).map(Role).map_err(de::Error::custom)
    }
}

/// A text that is read into its last place at once.
struct Text(Arc<str>);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Arc::from(text)))
            }
        }

        from.deserialize_str(Visitor)
    }
}

/// See [`model::Task`]: recipe, priority, retries, time, verifications, hash, not before, epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    r: Text,
    #[serde(default, skip_serializing_if = "is_default")]
    p: i16,
    #[serde(default, skip_serializing_if = "is_default")]
    m: i16,
    #[serde(default, skip_serializing_if = "is_default")]
    t: i32,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    v: i16,
    #[serde(default, skip_serializing_if = "is_default")]
    h: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    n: Option<Nanos>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) e: u32,
}

impl Task {
    pub(super) fn of(what: &NewTask, epoch: u32) -> Task {
        Task {
            r: Text(what.recipe.clone()),
            p: what.priority,
            m: what.max_retries,
            t: what.max_assign,
            v: what.verification_count,
            h: what.hash,
            n: what.not_before.map(Nanos),
            e: epoch,
        }
    }

    pub(super) fn into_model(self, (project, id): (u32, u64)) -> model::Task {
        let what = NewTask {
            recipe: self.r.0,
            priority: self.p,
            max_retries: self.m,
            max_assign: self.t,
            verification_count: self.v,
            hash: self.h,
            not_before: self.n.map(|Nanos(at)| at),
        };
        model::Task { id: TaskId(id), project: ProjectId(project), what }
    }
}

/// See [`model::Standing`]: failed, retries, lease, votes, the last failure, epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    #[serde(default, skip_serializing_if = "is_default")]
    f: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    r: i16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<Held>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    v: Vec<(u32, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Failed>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) e: u32,
}

/// See [`Lease`]: worker, since, until, pid and birth of the process.
#[derive(Serialize, Deserialize)]
struct Held {
    w: u32,
    s: Nanos,
    u: Nanos,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<(i32, u64)>,
}

/// See [`Failing`]: when, whose, why.
#[derive(Serialize, Deserialize)]
struct Failed {
    a: Nanos,
    w: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    r: String,
}

impl From<Lease> for Held {
    fn from(lease: Lease) -> Held {
        let process = lease.process.map(|process| (process.pid, process.born));
        Held { w: lease.worker.0, s: Nanos(lease.since), u: Nanos(lease.until), p: process }
    }
}

impl From<Held> for Lease {
    fn from(held: Held) -> Lease {
        let process = held.p.map(|(pid, born)| Process { pid, born });
        Lease { worker: WorkerId(held.w), since: held.s.0, until: held.u.0, process }
    }
}

impl Standing {
    pub(super) fn of(standing: model::Standing, epoch: u32) -> Standing {
        let failed = |failing: Failing| Failed { a: Nanos(failing.at), w: failing.worker.0, r: failing.reason };
        Standing {
            f: standing.status == Status::Failed,
            r: standing.retries,
            l: standing.lease.map(Held::from),
            v: standing.votes.into_iter().map(|vote| (vote.worker.0, vote.value)).collect(),
            x: standing.failing.map(failed),
            e: epoch,
        }
    }

    /// The worker who holds the task.
    pub(super) fn holder(&self) -> Option<u32> {
        self.l.as_ref().map(|held| held.w)
    }

    pub(super) fn into_model(self) -> model::Standing {
        let failing = |failed: Failed| Failing { at: failed.a.0, worker: WorkerId(failed.w), reason: failed.r };
        model::Standing {
            status: if self.f { Status::Failed } else { Status::New },
            retries: self.r,
            lease: self.l.map(Lease::from),
            votes: self.v.into_iter().map(|(worker, value)| Vote { worker: WorkerId(worker), value }).collect(),
            failing: self.x.map(failing),
        }
    }
}

/// See [`model::Sample`]; its moment is the key.
#[derive(Serialize, Deserialize)]
pub(super) struct Sample {
    new: u64,
    failed: u64,
    closed: u64,
    access: u64,
    votes: u64,
}

impl From<model::Sample> for Sample {
    fn from(sample: model::Sample) -> Sample {
        let model::Sample { at: _, new, failed, closed, access, votes } = sample;
        Sample { new, failed, closed, access, votes }
    }
}

impl Sample {
    pub(super) fn into_model(self, at: u64) -> model::Sample {
        let Sample { new, failed, closed, access, votes } = self;
        model::Sample { at: i64::try_from(at).unwrap_or(i64::MAX), new, failed, closed, access, votes }
    }
}

/// See [`machine::Numbers`].
#[derive(Serialize, Deserialize)]
pub(super) struct Numbers {
    worker: u32,
    project: u32,
    task: u64,
}

impl From<machine::Numbers> for Numbers {
    fn from(numbers: machine::Numbers) -> Numbers {
        Numbers { worker: numbers.worker, project: numbers.project, task: numbers.task }
    }
}

impl From<Numbers> for machine::Numbers {
    fn from(numbers: Numbers) -> machine::Numbers {
        machine::Numbers { worker: numbers.worker, project: numbers.project, task: numbers.task }
    }
}

/// Something that a worker has logged: its level, its time by the worker's clock, the worker, scope, message, and when
/// it was written, in Unix seconds.
#[derive(Serialize, Deserialize)]
pub(super) struct Log {
    pub(super) level: u8,
    pub(super) at: i64,
    pub(super) worker: u32,
    pub(super) scope: String,
    pub(super) message: String,
    pub(super) written: i64,
}

/// There is such an entry.
#[derive(Serialize, Deserialize)]
pub(super) struct LogAt;
