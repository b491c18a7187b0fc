//! The clients behind [`super::Origins`]: one for every port and kind of trust.
//!
//! What may be connected to depends on the port, and whoever resolves a name on behalf of a client is not told for which
//! port; so each port has a client of its own. Connections that nobody uses are kept for a moment, a few for each host.

use super::names::Names;
use super::reach::Reach;
use super::tls::Trust;
use super::{OriginError, Settings};
use reqwest::{Client, redirect};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many clients at most; who needs another makes all of them anew. Hardly anybody speaks to so many ports.
const CLIENTS: usize = 32;
/// How many connections to one host wait for further use.
const IDLE_PER_HOST: usize = 4;
/// How long they wait.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Which client: the place among the hosts whose trust is special, and the port.
type Kind = (Option<usize>, u16);

pub(super) struct Clients {
    trust: Trust,
    reach: Reach,
    connect_timeout: Duration,
    made: Mutex<HashMap<Kind, Client>>,
}

impl Clients {
    pub(super) fn new(settings: &Settings, reach: Reach) -> Result<Clients, String> {
        let trust = Trust::read(&settings.registries)?;
        Ok(Clients { trust, reach, connect_timeout: settings.connect_timeout, made: Mutex::default() })
    }

    /// The client for this port, with the trust for the host at this place of the configured ones.
    pub(super) fn get(&self, registry: Option<usize>, port: u16) -> Result<Client, OriginError> {
        let special = registry.and_then(|at| Some((at, self.trust.special.get(at)?.as_ref()?)));
        let kind = (special.map(|(at, _)| at), port);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&kind) {
            return Ok(client.clone());
        }
        let trust = special.map_or(&self.trust.common, |(_, config)| config);
        let client = Client::builder()
            .tls_backend_preconfigured(trust.clone())
            .dns_resolver(Names { reach: self.reach.clone(), port })
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_FOR)
            .build()
            .map_err(|error| OriginError::Unreachable(format!("no client can be made: {error}")))?;
        if made.len() >= CLIENTS {
            made.clear();
        }
        made.insert(kind, client.clone());
        Ok(client)
    }
}
