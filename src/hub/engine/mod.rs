//! The driver: one task owns the decisions, hears everything through one door, and carries out its plans.

mod facts;
mod publishing;

use super::files::Verifier;
use super::machine::{Ask, Room, Rules, Standing, Verdict};
use super::model::{AccountId, EntryPoint, ItemNo, Member};
use super::reach::Reach;
use super::transfer::Pulls;
use crate::auth::Accounts;
use crate::base::Bus;
use crate::metrics::Metrics;
use crate::store::{ReadError, Rule, Store};
use crate::{cache, dag, proc};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use publishing::PublishError;

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
    /// The addresses of the entry listener; none: there is none.
    pub entry: Vec<SocketAddr>,
    /// Whether entry points are `https`.
    pub entry_tls: bool,
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
    verifier: Verifier,
    reach: Reach,
    pulls: Pulls,
}

/// The driver's state.
pub struct Engine {}

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

/// Reads the room back from the store and takes up what was going on.
///
/// # Errors
/// The store cannot be read, or a client cannot be made.
pub async fn start(_tools: Tools, _settings: Settings) -> Result<(Handle, Engine), Box<dyn std::error::Error>> {
    unimplemented!()
}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(self) -> std::io::Result<()> {
        unimplemented!()
    }
}

impl Handle {
    /// Asks for something, and answers when the decision is durable.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn ask(&self, _ask: Ask) -> Result<Verdict, Failed> {
        unimplemented!()
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush. From any thread; a few microseconds
    /// at most.
    pub fn look<T>(&self, _look: impl FnOnce(&Room) -> T) -> T {
        unimplemented!()
    }

    /// Something happened, as told by those who perform effects.
    pub(in crate::hub) fn tell(&self, _event: super::machine::Event) {
        unimplemented!()
    }

    /// An account, as the hub knows it; made one of its members where it was none.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn member(&self, _account: AccountId) -> Result<Arc<Member>, Failed> {
        unimplemented!()
    }

    /// Lines of an account's log, as they are shown: `count` of them, from the one that is `index` younger ones away from
    /// the newest; newest first.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn lines(&self, _account: AccountId, _index: u64, _count: u64) -> Result<Vec<String>, Failed> {
        unimplemented!()
    }

    /// Where an account can be reached: what it set, the addresses this host listens on for it, what a fresh beat has
    /// reported; each once.
    pub fn entrypoints(&self, _account: AccountId) -> Vec<EntryPoint> {
        unimplemented!()
    }

    /// Whether an account is online, and why not.
    pub fn standing(&self, _account: AccountId) -> Standing {
        unimplemented!()
    }

    /// Returns when every tag of an item was looked at since the daemon started, at the latest after some seconds, or when
    /// `gone` returns.
    pub async fn looked_at(&self, _item: ItemNo, _gone: impl Future<Output = ()> + Send) {
        unimplemented!()
    }

    /// By which id this host is known: 40 small hexadecimal digits, the same for ever. It proves nothing.
    pub fn host_id(&self) -> &str {
        unimplemented!()
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

    /// The cache.
    pub fn downloads(&self) -> &cache::Handle {
        &self.0.tools.downloads
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.tools.metrics
    }

    /// What must hold between the records, for a check of the whole store.
    pub fn rules(&self) -> Vec<Rule> {
        unimplemented!()
    }

    /// Writes that the host stops, and what waits to be written; answers whoever waits. The daemon is about to end.
    pub async fn drain(&self) {
        unimplemented!()
    }
}
