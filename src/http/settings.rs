//! Limits and names, as plain values: what `[http]` of the configuration says.

use super::table::Family;
use std::net::IpAddr;
use std::time::Duration;

/// See each field. [`Settings::default`] gives what the shipped configuration gives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at once, all listeners together.
    pub connections: usize,
    /// Connections at once of one uid; where no uid is known, of one address.
    pub connections_per_peer: usize,
    /// The largest head (request line and headers) in bytes; a larger one is a 431.
    pub head_limit: usize,
    /// How long a client may take over a head, and over the TLS handshake.
    pub head_timeout: Duration,
    /// The longest pause between two pieces of a body.
    pub body_pause: Duration,
    /// How long a body may take in all.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer untouched.
    pub write_timeout: Duration,
    /// How long a closed connection is read on, so that the last answer arrives.
    pub linger: Duration,
    /// The pause after which an event stream writes a comment.
    pub keep_alive: Duration,
    /// Names by which the daemon may be called, beside localhost, its addresses and `host_name`.
    pub hosts: Vec<String>,
    /// This host's name.
    pub host_name: Option<String>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// This host's addresses, as answers of the cache's family tell them; none: they do not.
    pub server_ips: Vec<IpAddr>,
    /// The one family that answers here, whatever the path says: for a listener of its own. None: the table decides, and
    /// the server brings its own routes.
    pub only: Option<Family>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections: 1024,
            connections_per_peer: 256,
            head_limit: 16 << 10,
            head_timeout: Duration::from_secs(10),
            body_pause: Duration::from_secs(10),
            body_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            keep_alive: super::reply::KEEP_ALIVE,
            hosts: Vec::new(),
            host_name: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()),
            cors_origins: Vec::new(),
            server_ips: Vec::new(),
            only: None,
        }
    }
}
