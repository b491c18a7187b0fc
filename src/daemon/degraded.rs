//! A daemon that cannot use its data: it says so on every route, and what runs is left in peace.

use super::{DRAIN, End, gate_settings, http_settings, listeners, serve_on};
use crate::auth::tokens::Tokens;
use crate::auth::{Audit, Gate};
use crate::base::Bus;
use crate::config::Config;
use crate::http::{Health, Server, Services, State};
use crate::keeper::{Link, News, Owner, Scope, Welcome};
use crate::metrics::Metrics;
use crate::store::Store;
use chrono::Utc;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long processes have to end by themselves, as `stop_timeout` unless a task says otherwise: what tasks say cannot
/// be read.
const GRACE: Duration = Duration::from_secs(10);
/// How long after a KILL the daemon waits. Only a process that hangs in the kernel is still there then.
const KILLED: Duration = Duration::from_secs(5);

/// The server that refuses everything.
pub(super) struct Degraded {
    server: Server,
    health: Health,
    cause: String,
}

impl Degraded {
    /// Answers every request with the cause from now on.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn start(config: &Config, sockets: &[listeners::Bound], cause: String) -> Result<Degraded, End> {
        tracing::error!("degraded: {cause}");
        let health = Health::new(State::Degraded { cause: cause.clone() });
        // No store, no tokens: only the kernel's word counts, and nothing but refusals is given.
        let tokens = Tokens::load(Store::in_memory())?;
        let services = Services {
            gate: Gate::new(gate_settings(config), tokens),
            audit: Audit::discarding(),
            bus: Bus::new(Utc::now()),
            metrics: Metrics::new(env!("CARGO_PKG_VERSION")),
            health: health.clone(),
            admits: Arc::new(|_| Err("the store is not open".to_owned())),
        };
        Ok(Degraded { server: serve_on(sockets, Vec::new(), services, http_settings(config)).await?, health, cause })
    }

    /// The cause as of the last try.
    pub(super) fn because(&mut self, cause: String) {
        if self.cause != cause {
            tracing::error!("still degraded: {cause}");
            self.health.set(State::Degraded { cause: cause.clone() });
            self.cause = cause;
        }
    }

    /// The cause is gone: another server takes over the listeners.
    pub(super) async fn over(self) {
        tracing::info!("the data can be used: serving again");
        self.server.drain(DRAIN).await;
    }
}

/// Ends everything that the keeper holds: TERM, and KILL after a time or when the daemon is told to stop at once.
pub(super) async fn end_children(link: &Link, welcome: &Welcome, news: &mut UnboundedReceiver<News>) {
    for helper in welcome.held_by(Owner::PROBE) {
        link.signal(helper.slot, libc::SIGKILL, Scope::Tree);
    }
    let mut told = link.subscribe(Owner::PROC);
    let held = welcome.held_by(Owner::PROC).into_iter().filter(|held| !held.tree_empty);
    let mut left: BTreeSet<u64> = held.map(|held| held.slot).collect();
    for (signal, time) in [(libc::SIGTERM, GRACE), (libc::SIGKILL, KILLED)] {
        left.iter().for_each(|slot| link.signal(*slot, signal, Scope::Tree));
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        while !left.is_empty() {
            tokio::select! {
                biased; // what has ended already need not be killed
                heard = told.recv() => match heard {
                    Some(News::Exited { slot, tree_empty: true, .. } | News::TreeEmpty { slot }) => {
                        left.remove(&slot);
                    }
                    Some(_) => {}
                    None => return, // the keeper is gone
                },
                () = &mut over => break,
                Some(News::StopNow) = news.recv() => break,
            }
        }
    }
    if !left.is_empty() {
        tracing::error!(slots = ?left, "processes that do not end are left behind");
    }
}
