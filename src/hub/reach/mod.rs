//! Whether entry points answer, this host's own ones included.
//!
//! ```text
//! probe ── its own listener? ──yes──> beat: over the socket, as another host would
//!    |            no
//!    `── kept? ── data thread: GET …/health?daemonid=ID, no redirects, 2 s, 4 KiB ── kept, if it was good
//! ```
//!
//! Somebody names the address, and this host connects: so what may be connected to is [`Origins`]' to say, and it is only
//! used on the data thread. Of an own TLS listener the certificate is not verified: the question is whether whoever listens
//! there answers for this daemon, and not whose name it bears.
//!
//! **Absent:** what follows from an answer. The machine decides who is online.

mod beat;
mod own;
mod probe;
#[cfg(test)]
mod tests;

use super::model::{DaemonId, EntryPoint};
use crate::cache::content::DataThread;
use crate::cache::origin::Origins;
use own::Listens;
use probe::Findings;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use url::Url;

/// How long an entry point may take to answer, all in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a fact may take.
const PATIENCE_WITH_FACTS: Duration = Duration::from_secs(5);

/// What asks entry points. Clones are the same.
#[derive(Clone)]
pub struct Reach(Arc<Inner>);

struct Inner {
    origins: Origins,
    thread: DataThread,
    listens: Listens,
    findings: Mutex<Findings>,
}

impl Reach {
    /// `listens`: the addresses of this host's entry listener, each with whether it speaks TLS there; `keep` is how long a
    /// good answer counts.
    pub fn new(origins: Origins, thread: DataThread, listens: Vec<(SocketAddr, bool)>, keep: Duration) -> Reach {
        let findings = Mutex::new(Findings::new(keep));
        Reach(Arc::new(Inner { origins, thread, listens: Listens::new(listens), findings }))
    }

    /// The entry points of this host's listener: a wildcard stands for every address of the host that is not loopback, and
    /// for loopback where there is none. Found out anew now and then.
    pub fn own(&self) -> Vec<EntryPoint> {
        self.0.listens.entry_points()
    }

    /// Asks an entry point whether it works for this daemon.
    pub async fn probe(&self, entry: &EntryPoint, daemon: &DaemonId) -> bool {
        if self.findings(|findings| findings.is_good(entry, daemon, Instant::now())) {
            return true;
        }
        let good = match self.is_own(entry).await {
            Some(speaks) => speaks && self.beat(daemon).await,
            None => self.ask(entry, daemon).await,
        };
        self.findings(|findings| findings.found(entry, daemon, good, Instant::now()));
        good
    }

    /// What the last probe found; none: it was never asked.
    pub fn latest(&self, entry: &EntryPoint, daemon: &DaemonId) -> Option<bool> {
        self.findings(|findings| findings.latest(entry, daemon))
    }

    /// Asks this host's own listener over its socket; true where there is none. Of several addresses one has to answer:
    /// another may be one that the host has lost for now.
    pub async fn beat(&self, daemon: &DaemonId) -> bool {
        let doors = self.0.listens.doors();
        if doors.is_empty() {
            return true;
        }
        for (door, tls) in doors {
            if let Ok(true) = timeout(PATIENCE, beat::answers(door, tls, daemon)).await {
                return true;
            }
        }
        false
    }

    /// A GET for a fact: whether it is answered with 2xx; why not.
    ///
    /// # Errors
    /// For people.
    pub async fn get(&self, url: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|why| format!("{url} is no URL: {why}"))?;
        let origins = self.0.origins.clone();
        let asking = async move { timeout(PATIENCE_WITH_FACTS, probe::get(&origins, url)).await };
        match self.on_the_data_thread(asking).await? {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {} s", PATIENCE_WITH_FACTS.as_secs())),
        }
    }

    /// Whether it is an address of our own listener; then, whether it speaks as that does.
    async fn is_own(&self, entry: &EntryPoint) -> Option<bool> {
        let listens = &self.0.listens;
        if listens.is_empty() {
            return None;
        }
        let url = Url::parse(entry.as_str()).ok()?;
        let port = url.port_or_known_default()?;
        // Only who names our port can mean us: names of others are left to the one who connects.
        listens.has_port(port).then_some(())?;
        let addresses: Vec<SocketAddr> = match url.host()? {
            url::Host::Ipv4(ip) => vec![SocketAddr::new(ip.into(), port)],
            url::Host::Ipv6(ip) => vec![SocketAddr::new(ip.into(), port)],
            url::Host::Domain(name) => {
                let found = timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
                found.ok()?.ok()?.collect()
            }
        };
        let tls = addresses.into_iter().find_map(|address| listens.is(address))?;
        Some((url.scheme() == "https") == tls)
    }

    async fn ask(&self, entry: &EntryPoint, daemon: &DaemonId) -> bool {
        let (origins, entry, daemon) = (self.0.origins.clone(), entry.clone(), daemon.clone());
        let asking = async move { timeout(PATIENCE, probe::probe(&origins, &entry, &daemon)).await.unwrap_or(false) };
        self.on_the_data_thread(asking).await.unwrap_or(false)
    }

    async fn on_the_data_thread<T: Send + 'static>(
        &self,
        asking: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        let thread = self.0.thread.handle().map_err(|why| format!("there is no thread to ask it on: {why}"))?;
        thread.spawn(asking).await.map_err(|_| "the daemon is ending".to_owned())
    }

    fn findings<T>(&self, work: impl FnOnce(&mut Findings) -> T) -> T {
        work(&mut self.0.findings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
