//! The driver: one task owns the decisions, hears everything through one door, and carries out its plans.
//!
//! ```text
//!   routes, listener ──ask──┐                    ┌──> store (one batch for what came in at once) ──durable──> answers
//!   files, pulls ───event───┼──> step ──> Plan ──┼──> files, pulls, own beats (at once; safe to repeat)
//!   clock, accounts ─event──┘                    └──> bus
//! ```
//!
//! Whoever asks is answered when what was decided for him is on disk, and so is all that was decided before. What a crash
//! could not take back does not wait: a heartbeat that leaves no line, and a name that cannot be one.
//!
//! * `starting` from what was stored to a room that can be asked; `driving` the loop; `deciding` one decision with its batch
//! * `performing` what plans want done; `closing` the answers, once they are durable
//! * `looking` what the room shows without deciding anything; `facts` facts of this host that something depends on
//! * `publishing` what has to be done on disk before something can be asked
//!
//! **Absent:** decisions. They are the machine's.

mod closing;
mod deciding;
mod driving;
mod facts;
mod looking;
mod performing;
mod publishing;
mod starting;

#[cfg(test)]
mod tests;

use super::files::Verifier;
use super::machine::{Ask, Event, Newcomer, Rules, Verdict};
use super::model::{AccountId, DaemonId, Member, OPERATOR};
use super::reach::Reach;
use super::transfer::Pulls;
use crate::auth::Accounts;
use crate::auth::accounts::{BUILT_IN, Rights};
use crate::base::Bus;
use crate::metrics::Metrics;
use crate::schedule::Zone;
use crate::store::{ReadError, Store};
use crate::{cache, dag, proc};
use deciding::SharedRoom;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, oneshot, watch};

pub use driving::Engine;
pub use publishing::PublishError;
pub use starting::start;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the machine needs to know.
    pub rules: Rules,
    /// In this time every published file is looked at once.
    pub stat_every: Duration,
    /// How many bytes a second are read to compare files for which nobody waits; 0: as many as come.
    pub hash_rate: u64,
    /// Below which directories pools may lie.
    pub pool_roots: Vec<PathBuf>,
    /// Whether a heartbeat from another host needs no more than the daemon id.
    pub trust_daemonid: bool,
    /// The addresses of the entry listener, each with whether TLS is spoken there; none: there is none.
    pub entry: Vec<(SocketAddr, bool)>,
    /// What may be connected to, for probes and for facts.
    pub origin: cache::origin::Settings,
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// Accounts.
    pub accounts: Accounts,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
    /// Supervised processes, of which something may depend on.
    pub tasks: proc::Handle,
    /// DAG runs, as well.
    pub runs: dag::Handle,
    /// What pulls go through; its data thread is also that of the entry listener.
    pub downloads: cache::Handle,
}

/// The room, as its routes, its listener and the daemon hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

/// What all handles share.
struct Inner {
    tools: Tools,
    settings: Settings,
    /// By which id this host is known.
    host: String,
    /// In which lines of logs are shown.
    zone: Zone,
    room: SharedRoom,
    verifier: Verifier,
    reach: Reach,
    pulls: Pulls,
    mailbox: UnboundedSender<Message>,
    events: UnboundedSender<Event>,
    /// Grows with whatever somebody who waits for looks may be glad of.
    news: watch::Sender<u64>,
    /// Something depends on other facts than before.
    facts: Notify,
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
    answer: oneshot::Sender<Verdict>,
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Who is to be a member is no account: it was removed meanwhile.
    #[error("there is no such account any more")]
    NoAccount,
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

impl Handle {
    /// Asks for something, and answers when the decision is durable.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn ask(&self, ask: Ask) -> Result<Verdict, Failed> {
        let (answer, answered) = oneshot::channel();
        let asked = Box::new(Asked { ask, answer });
        self.0.mailbox.send(Message::Ask(asked)).map_err(|_| Failed::Gone)?;
        answered.await.map_err(|_| Failed::Gone)
    }

    /// Something happened, as told by those who perform effects.
    pub(in crate::hub) fn tell(&self, event: Event) {
        let _ = self.0.events.send(event); // the driver has ended
    }

    /// An account, as the hub knows it; made one of its members where it was none: this host serves for it then.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn member(&self, account: AccountId) -> Result<Arc<Member>, Failed> {
        match self.look(|room| room.member(account).cloned()) {
            Some(member) => Ok(member),
            None => self.welcome(account, true).await,
        }
    }

    /// The same for an account that was made just now: whether this host is to serve for it is known.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn welcome(&self, account: AccountId, serving: bool) -> Result<Arc<Member>, Failed> {
        let daemon = DaemonId::of(random().map_err(Failed::Write)?);
        match self.ask(Ask::Join(account, Newcomer { daemon, serving })).await? {
            Verdict::Member(member) => Ok(member),
            // Nobody else is refused.
            _ => Err(Failed::NoAccount),
        }
    }

    /// Writes that the host stops, and what waits to be written; answers whoever waits. The daemon is about to end.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        let _ = self.ask(Ask::Stopping).await; // the driver has ended, or the disk has
        let (done, drained) = oneshot::channel();
        if self.0.mailbox.send(Message::Drain(done)).is_ok() {
            let _ = drained.await; // the driver has ended
        }
    }

    /// By which id this host is known where no account is meant: 40 small hexadecimal digits, the same for ever. It is no
    /// account's, and proves nothing.
    pub fn host_id(&self) -> &str {
        &self.0.host
    }

    /// What asks entry points.
    pub fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.tools.accounts
    }

    /// What an account is called; none: it is none any more.
    pub fn name_of(&self, account: AccountId) -> Option<String> {
        match account {
            OPERATOR => Some(BUILT_IN.to_owned()),
            id => self.accounts().get(id).map(|account| account.name),
        }
    }

    /// What an account may do, which is everything for the built-in operator; none: it is none any more.
    pub fn rights_of(&self, account: AccountId) -> Option<Rights> {
        match account {
            OPERATOR => Some(Rights::ADMIN),
            id => self.accounts().get(id).map(|account| account.rights),
        }
    }

    /// Whether this may be a member.
    pub fn is_account(&self, account: AccountId) -> bool {
        self.rights_of(account).is_some()
    }

    /// The cache.
    pub fn downloads(&self) -> &cache::Handle {
        &self.0.tools.downloads
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.tools.metrics
    }
}

/// 160 random bits.
///
/// # Errors
/// The kernel gives none; for people.
fn random() -> Result<[u8; 20], String> {
    let mut bits = [0; 20];
    getrandom::fill(&mut bits).map_err(|why| format!("no random bytes can be had: {why}"))?;
    Ok(bits)
}
