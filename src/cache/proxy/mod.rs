//! The listener for local clients: an HTTP proxy, and a mirror of registries, that serve what is cached and cache what they
//! serve.
//!
//! ```text
//! accept --> who is it? --> seat --> head --> rate --> way: --+-- refused: a sentence, and what kind of error it is
//!                                                             +-- forwarded: streamed both ways, redirects passed on
//!                                                             `-- cached: at hand, or fetched --> private? --> body
//! ```
//!
//! `way.rs` decides what becomes of a request and `wishes.rs` reads what it asks for in headers of Dragonfly's; `headers.rs`
//! says what is passed on, `conditions.rs` what a client has already, `held.rs` how long what is
//! fetched goes on. `cached.rs` and `forward.rs` do it, `trust.rs` knows
//! whose credentials an origin has accepted lately. Connections are those of the HTTP room; all of it runs on the data
//! thread.
//!
//! **Absent:** TLS towards clients, `CONNECT`; what may be connected to, which the origins' client decides.

mod cached;
mod conditions;
mod forward;
mod headers;
mod held;
mod known;
mod rate;
mod refusal;
mod serve;
#[cfg(test)]
mod tests;
mod trust;
mod way;
mod wishes;

pub use serve::Proxy;

/// What the proxy does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is served from the cache without a header that asks for it; the first that matches counts.
    pub rules: Vec<Rule>,
    /// The registry that is mirrored where neither header nor query name one: its URL.
    pub registry: Option<String>,
    /// Requests a second; 0: as many as come.
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
