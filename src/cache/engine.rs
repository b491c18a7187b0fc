//! The driver: one task owns the decisions, hears everything through one mailbox, and carries out its plans.
//!
//! Effects of a plan are performed before its verdict is given: who was told that a content is being fetched finds its
//! progress. Verdicts wait for the disk; that of [`Ask::Open`] does not.

use super::content::{Contents, DataThread};
use super::machine::{Ask, Room, Rules, Verdict, Wanted};
use super::model::{Image, Job, JobId, NewJob, Platform, Task};
use super::origin::Origins;
use super::registry::{Credentials, ResolveError, Resolved};
use crate::auth::{Accounts, Audit};
use crate::base::Bus;
use crate::metrics::Metrics;
use crate::store::{ReadError, Store};
use futures_util::future::BoxFuture;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the machine needs to know.
    pub rules: Rules,
    /// The cache's directory.
    pub dir: PathBuf,
    /// See [`super::origin::Settings`].
    pub origin: super::origin::Settings,
    /// See [`super::content::Settings::retries`].
    pub retries: u32,
    /// See [`super::content::Settings::retry_after`].
    pub retry_after: Duration,
    /// See [`super::content::Settings::scrub_rate`].
    pub scrub_rate: u64,
    /// As jobs name this host.
    pub hostname: String,
    /// As jobs name this host.
    pub ip: IpAddr,
    /// Ids of peers have the task's UUID in them.
    pub long_peer_ids: bool,
    /// `super` or `normal`.
    pub host_type: &'static str,
    /// How long lines of the audit log are kept for a gc job.
    pub keep_audit_for: Duration,
    /// How long a session lasts: of the token that a sign-in gives.
    pub session: Duration,
    /// What the proxy does; none: it does not listen.
    pub proxy: Option<super::proxy::Settings>,
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// Accounts.
    pub accounts: Accounts,
    /// The audit log.
    pub audit: Audit,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
    /// Who knows whether owners of pins live.
    pub owners: Arc<dyn Owners>,
}

/// Who knows whether owners of pins live: other rooms' matter.
pub trait Owners: Send + Sync {
    /// Whether it lives.
    fn lives<'a>(&'a self, owner: &'a super::model::PinOwner) -> BoxFuture<'a, bool>;
}

/// The room, as its routes, its proxy and the daemon hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("it could not be written down: {0}")]
    Write(String),
}

/// A content that is at hand or on its way, for as long as this is held.
pub struct Opened {
    /// As it was.
    pub task: Arc<Task>,
}

/// What a job was given that is not written down.
#[derive(Clone, Default)]
pub struct JobSecrets {
    /// Headers and account for registry and origin.
    pub credentials: Credentials,
}

impl Handle {
    /// Asks for something, and answers when the decision is durable.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn ask(&self, _ask: Ask) -> Result<Verdict, Failed> {
        unimplemented!()
    }

    /// Asks for a content; fetched with these credentials where it has to be.
    ///
    /// # Errors
    /// See [`Failed`]; inside, the room's refusal.
    pub async fn open(
        &self,
        _wanted: Wanted,
        _credentials: Credentials,
    ) -> Result<Result<Opened, super::machine::Refusal>, Failed> {
        unimplemented!()
    }

    /// The content of a complete task, without asking the room: counts as used now. None where it is not complete, or
    /// its source is not known.
    pub fn hit(&self, _ids: &super::model::Ids) -> Option<Arc<Task>> {
        unimplemented!()
    }

    /// Submits a job, with what it was given that is not written down.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn submit(&self, _job: NewJob, _secrets: JobSecrets) -> Result<Verdict, Failed> {
        unimplemented!()
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush. From any thread; a few microseconds
    /// at most.
    pub fn look<T>(&self, _look: impl FnOnce(&Room) -> T) -> T {
        unimplemented!()
    }

    /// A job, be it over or not.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn job(&self, _id: JobId) -> Result<Option<Arc<Job>>, Failed> {
        unimplemented!()
    }

    /// The same, as soon as it is over, or at the latest after `wait`, or when `gone` returns.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn job_over(
        &self,
        _id: JobId,
        _wait: Duration,
        _gone: impl Future<Output = ()> + Send,
    ) -> Result<Option<Arc<Job>>, Failed> {
        unimplemented!()
    }

    /// Bytes a job has fetched and is to fetch, as far as known: progress of those of its URLs that are being fetched.
    pub fn job_bytes(&self, _job: &Job) -> (u64, u64) {
        unimplemented!()
    }

    /// Resolves an image, on the data thread.
    ///
    /// # Errors
    /// See [`Failed`]; inside, what the registry says.
    pub async fn resolve(
        &self,
        _image: Image,
        _platform: Platform,
        _credentials: Credentials,
    ) -> Result<Result<Resolved, ResolveError>, Failed> {
        unimplemented!()
    }

    /// The bytes.
    pub fn contents(&self) -> &Contents {
        unimplemented!()
    }

    /// The client.
    pub fn origins(&self) -> &Origins {
        unimplemented!()
    }

    /// The thread on which bytes move.
    pub fn thread(&self) -> &DataThread {
        unimplemented!()
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        unimplemented!()
    }

    /// Accounts.
    pub fn accounts(&self) -> &Accounts {
        unimplemented!()
    }

    /// The audit log.
    pub fn audit(&self) -> &Audit {
        unimplemented!()
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        unimplemented!()
    }
}

/// The driver's state.
pub struct Engine {}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(self) -> io::Result<()> {
        unimplemented!()
    }
}

/// Reads the room back from the store and takes up what was going on.
///
/// # Errors
/// The store or the cache's directory cannot be read.
pub async fn start(_tools: Tools, _settings: Settings) -> Result<(Handle, Engine), Box<dyn std::error::Error>> {
    unimplemented!()
}
