//! The listener for local clients: an HTTP proxy, and a mirror of registries, that serve what is cached and cache what they
//! serve.
//!
//! **Absent:** TLS towards clients, `CONNECT`.

use super::engine::Handle;
use crate::auth::Gate;
use crate::http::Bound;
use std::io;

/// What the proxy does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is served from the cache without a header that asks for it; the first that matches counts.
    pub rules: Vec<Rule>,
    /// The registry that is mirrored where neither header nor query name one: its URL.
    pub registry: Option<String>,
    /// Requests a second.
    pub rate: u32,
}

/// Which requests are served from the cache, and how.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Matches the URL without query and fragment.
    pub regex: regex::Regex,
    /// The origin is asked over https.
    pub use_tls: bool,
    /// The origin is asked at this host instead.
    pub redirect: Option<String>,
    /// Instead of the default list.
    pub filter: Option<String>,
}

/// A running proxy.
pub struct Proxy {}

impl Proxy {
    /// Serves on this listener, on the data thread.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn start(_handle: Handle, _settings: Settings, _gate: Gate, _listeners: Vec<Bound>) -> io::Result<Proxy> {
        unimplemented!()
    }

    /// Accepts nothing more, and waits at most so long for the connections to end.
    pub async fn drain(&self, _limit: std::time::Duration) {
        unimplemented!()
    }
}
