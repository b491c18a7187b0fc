//! The driver: one task owns the decisions, hears everything through one door, and carries out its plans.
//!
//! ```text
//!   routes, proxy ──ask──┐                    ┌──> store (one batch for what came in at once) ──durable──> answers, removals
//!   contents ───event────┼──> step ──> Plan ──┼──> contents, registry (at once; safe to repeat)
//!   clock ──────tick─────┘                    └──> bus
//! ```
//!
//! Effects of a plan are performed before its verdict is given: who was told that a content is being fetched finds its
//! progress. Verdicts wait for the disk; that of [`Ask::Open`] does not. Which pieces have come is written down some time
//! later, since a piece is compared at its first use after a start in any case.
//!
//! While the cache's directory cannot be used the room is *closed*: it decides nothing, whoever asks is told why, and it is
//! tried again until it can be.
//!
//! **Absent:** decisions. They are the machine's.

mod closing;
mod deciding;
mod driving;
mod errands;
mod looking;
mod performing;
mod starting;

use super::content::{Contents, DataThread};
use super::machine::{Ask, Errand, Event, Refusal, Room, Rules, Verdict, Wanted};
use super::model::{Image, NewJob, Platform, Task};
use super::origin::Origins;
use super::registry::{Credentials, ResolveError, Resolved};
use crate::auth::{Accounts, Audit};
use crate::base::{Bus, Now};
use crate::metrics::Metrics;
use crate::store::{ReadError, Store};
use deciding::SharedRoom;
use errands::Errands;
use futures_util::future::BoxFuture;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};

#[cfg(test)]
mod tests;

pub use driving::Engine;
pub use starting::start;

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
pub struct Handle(Arc<Inner>);

/// What all handles share.
struct Inner {
    tools: Tools,
    settings: Settings,
    room: SharedRoom,
    origins: Origins,
    thread: DataThread,
    /// Not there while the room is closed.
    contents: OnceLock<Contents>,
    /// Why it is.
    obstacle: Mutex<String>,
    errands: Errands,
    mailbox: UnboundedSender<Message>,
    events: UnboundedSender<Event>,
    /// How many have come to read: each has a number of its own.
    readers: AtomicU64,
    /// Grows with whatever somebody who waits may be glad of.
    news: watch::Sender<u64>,
    draining: watch::Sender<bool>,
}

/// What the driver is told by those who hold the room.
enum Message {
    Ask(Box<Asked>),
    /// What waits to be written is to be written now, and nobody is to wait any more; answered when it is on disk.
    Drain(oneshot::Sender<()>),
}

/// A wish, and where the answer goes.
struct Asked {
    ask: Ask,
    /// Only of an open.
    reader: Option<Reader>,
    /// Only of a job.
    secrets: Option<JobSecrets>,
    answer: oneshot::Sender<Given>,
}

/// An answer.
enum Given {
    Verdict(Verdict),
    Opened(Opened),
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The room is closed: with the directory, and why it cannot be used.
    #[error("{0}")]
    Closed(String),
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
    reader: Reader,
}

/// Somebody who reads, or waits. When he goes, what he fetched with is forgotten.
struct Reader {
    number: u64,
    errands: Errands,
    events: UnboundedSender<Event>,
}

impl Reader {
    /// With a content that was opened for him.
    fn holding(self, task: Arc<Task>) -> Opened {
        Opened { task, reader: self }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.errands.remove_reader(self.number);
    }
}

impl Drop for Opened {
    /// From any thread.
    fn drop(&mut self) {
        let left = Event::Left(self.task.no, Errand::Reader(self.reader.number));
        let _ = self.reader.events.send(left); // the driver has ended
    }
}

/// What a job was given that is not written down.
#[derive(Clone, Default)]
pub struct JobSecrets {
    /// Headers and account for registry and origin.
    pub credentials: Credentials,
}

impl Handle {
    /// Asks for something, and answers when the decision is durable. What is to be opened is asked for with
    /// [`Handle::open`].
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn ask(&self, ask: Ask) -> Result<Verdict, Failed> {
        match self.send(ask, None, None).await? {
            Given::Verdict(verdict) => Ok(verdict),
            Given::Opened(opened) => Ok(Verdict::Opened(opened.task.clone())),
        }
    }

    /// Asks for a content; fetched with these credentials where it has to be.
    ///
    /// # Errors
    /// See [`Failed`]; inside, the room's refusal.
    pub async fn open(&self, wanted: Wanted, credentials: Credentials) -> Result<Result<Opened, Refusal>, Failed> {
        // What is at hand costs the store nothing; whoever wants more is refused before anything changes.
        let is_here = |room: &Room| room.find(&wanted.ids.primary).is_some_and(|task| task.is_complete());
        if let Err(why) = self.0.tools.store.admits()
            && (wanted.revalidate || !self.look(is_here))
        {
            return Ok(Err(Refusal::Full(why.to_string())));
        }
        let number = self.0.readers.fetch_add(1, Ordering::Relaxed);
        self.0.errands.add_reader(number, credentials);
        let reader = Reader { number, errands: self.0.errands.clone(), events: self.0.events.clone() };
        let given = self.send(Ask::Open(Box::new(wanted), Errand::Reader(number)), Some(reader), None).await?;
        match given {
            Given::Opened(opened) => {
                match opened.task.is_complete() {
                    true => self.metrics().cache_hit(),
                    false => self.metrics().cache_miss(),
                }
                Ok(Ok(opened))
            }
            Given::Verdict(Verdict::Refused(why)) => Ok(Err(why)),
            // The machine answers an open with nothing else.
            Given::Verdict(_) => Err(Failed::Gone),
        }
    }

    /// The content of a complete task, without asking the room: counts as used now. None where it is not complete, or
    /// its source is not known.
    pub fn hit(&self, ids: &super::model::Ids) -> Option<Arc<Task>> {
        self.0.contents.get()?;
        let found =
            |room: &Room| room.find(&ids.primary).filter(|task| task.is_complete() && task.source.is_some()).cloned();
        let task = self.look(found)?;
        task.used.touch(Now::read().wall);
        self.metrics().cache_hit();
        Some(task)
    }

    /// Submits a job, with what it was given that is not written down.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn submit(&self, job: NewJob, secrets: JobSecrets) -> Result<Verdict, Failed> {
        match self.send(Ask::Submit(Box::new(job)), None, Some(secrets)).await? {
            Given::Verdict(verdict) => Ok(verdict),
            Given::Opened(_) => Err(Failed::Gone), // no job is answered so
        }
    }

    async fn send(&self, ask: Ask, reader: Option<Reader>, secrets: Option<JobSecrets>) -> Result<Given, Failed> {
        self.is_open()?;
        let (answer, answered) = oneshot::channel();
        let asked = Box::new(Asked { ask, reader, secrets, answer });
        self.0.mailbox.send(Message::Ask(asked)).map_err(|_| Failed::Gone)?;
        answered.await.map_err(|_| Failed::Gone)
    }

    /// Whether the cache's directory can be used.
    ///
    /// # Errors
    /// [`Failed::Closed`] says why not.
    pub fn is_open(&self) -> Result<(), Failed> {
        match self.0.contents.get() {
            Some(_) => Ok(()),
            None => Err(Failed::Closed(self.0.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone())),
        }
    }

    /// Resolves an image, on the data thread.
    ///
    /// # Errors
    /// See [`Failed`]; inside, what the registry says.
    pub async fn resolve(
        &self,
        image: Image,
        platform: Platform,
        credentials: Credentials,
    ) -> Result<Result<Resolved, ResolveError>, Failed> {
        let thread = match self.0.thread.handle() {
            Ok(thread) => thread,
            Err(why) => return Ok(Err(ResolveError::Registry(format!("there is no thread to ask it on: {why}")))),
        };
        let origins = self.0.origins.clone();
        let resolving = async move { super::registry::resolve(&origins, &image, &platform, &credentials).await };
        thread.spawn(resolving).await.map_err(|_| Failed::Gone)
    }

    /// What waits to be written is written, and whoever waits is answered: the daemon is about to end. Downloads are not
    /// waited for: they go on after the next start.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        let (done, drained) = oneshot::channel();
        if self.0.mailbox.send(Message::Drain(done)).is_ok() {
            let _ = drained.await; // the driver has ended
        }
    }

    /// The bytes. Whoever was given a task may ask for them: a closed room gives none.
    ///
    /// # Panics
    /// The room is closed.
    pub fn contents(&self) -> &Contents {
        self.0.contents.get().expect("a closed room answers nothing that leads here")
    }

    /// The client.
    pub fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// The thread on which bytes move.
    pub fn thread(&self) -> &DataThread {
        &self.0.thread
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.tools.accounts
    }

    /// The audit log.
    pub fn audit(&self) -> &Audit {
        &self.0.tools.audit
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.tools.metrics
    }
}
