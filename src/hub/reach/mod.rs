//! Whether entry points answer, this host's own ones included.

use super::model::{DaemonId, EntryPoint};
use crate::cache::content::DataThread;
use crate::cache::origin::Origins;
use std::net::SocketAddr;
use std::time::Duration;

/// What asks entry points. Clones are the same.
#[derive(Clone)]
pub struct Reach {}

impl Reach {
    /// `listens`: the addresses of this host's entry listener; `keep` is how long a good answer counts.
    pub fn new(
        _origins: Origins,
        _thread: DataThread,
        _listens: Vec<SocketAddr>,
        _tls: bool,
        _keep: Duration,
    ) -> Reach {
        unimplemented!()
    }

    /// The entry points of this host's listener: a wildcard stands for every address of the host that is not loopback, and
    /// for loopback where there is none. Found out anew now and then.
    pub fn own(&self) -> Vec<EntryPoint> {
        unimplemented!()
    }

    /// Asks an entry point whether it works for this daemon.
    pub async fn probe(&self, _entry: &EntryPoint, _daemon: &DaemonId) -> bool {
        unimplemented!()
    }

    /// What the last probe found; none: it was never asked.
    pub fn latest(&self, _entry: &EntryPoint, _daemon: &DaemonId) -> Option<bool> {
        unimplemented!()
    }

    /// Asks this host's own listener over its socket; true where there is none.
    pub async fn beat(&self, _daemon: &DaemonId) -> bool {
        unimplemented!()
    }

    /// A GET for a fact: whether it is answered with 2xx; why not.
    ///
    /// # Errors
    /// For people.
    pub async fn get(&self, _url: &str) -> Result<(), String> {
        unimplemented!()
    }
}
