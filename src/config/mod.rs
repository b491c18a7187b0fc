//! # config — what the operator has set
//!
//! `defaults.toml` is both the manual and the fallback: the operator's files are laid over it, key by key, and the
//! result is read into [`Config`]. A key that the defaults do not have is an error that names the nearest one.
//!
//! **Absent:** policy, other rooms. `daemon.rs` hands each room its settings as plain values.

mod read;
#[cfg(test)]
mod tests;

pub use read::{ConfigError, default_socket, load, parse};

use bytesize::ByteSize;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The shipped configuration, which documents every key.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Everything that can be set. The keys and their meaning are those of [`DEFAULTS`].
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The Unix socket.
    pub socket: PathBuf,
    /// The TCP addresses.
    pub listen: Vec<Listen>,
    /// The daemon's own log.
    pub log: Log,
    /// Limits and rules of HTTP.
    pub http: Http,
    /// Who counts as whom.
    pub auth: Auth,
    /// The audit log.
    pub audit: Audit,
    /// The store.
    pub store: Store,
    /// The keeper.
    pub keeper: Keeper,
    /// Control groups.
    pub cgroup: Cgroup,
    /// Supervised processes.
    pub proc: Proc,
    /// DAG runs.
    pub dag: Dag,
    /// The task tracker.
    pub tracker: Tracker,
    /// The download cache.
    pub cache: Cache,
    /// The data hub.
    pub hub: Hub,
}

/// One TCP address to listen on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "ListenEntry")]
pub struct Listen {
    /// Address and port; port 0 lets the kernel choose.
    pub address: String,
    /// Certificate chain and key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether plain HTTP is wanted on an address that is not loopback.
    pub plaintext: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListenEntry {
    Address(String),
    Table { address: String, cert: Option<PathBuf>, key: Option<PathBuf>, plaintext: Option<bool> },
}

impl From<ListenEntry> for Listen {
    fn from(entry: ListenEntry) -> Listen {
        match entry {
            ListenEntry::Address(address) => Listen { address, tls: None, plaintext: false },
            ListenEntry::Table { address, cert, key, plaintext } => {
                Listen { address, tls: cert.zip(key), plaintext: plaintext.unwrap_or(false) }
            }
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

/// How the daemon's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// journald's fields when started by systemd, else text.
    Auto,
    /// Text lines.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Http {
    pub hosts: Vec<String>,
    pub cors_origins: Vec<String>,
    pub max_connections: usize,
    pub max_connections_per_uid: usize,
    pub max_head: ByteSize,
    pub max_body: ByteSize,
    #[serde(with = "crate::base::duration")]
    pub head_timeout: Duration,
    #[serde(with = "crate::base::duration")]
    pub body_timeout: Duration,
    #[serde(with = "crate::base::duration")]
    pub idle_timeout: Duration,
}

/// `[auth]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Auth {
    pub loopback_uid: bool,
    pub operator_group: String,
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Audit {
    pub max_size: ByteSize,
    pub keep: usize,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Store {
    pub cache: ByteSize,
    pub compact_over: ByteSize,
}

/// `[keeper]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Keeper {
    pub max_slots: usize,
}

/// `[cgroup]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Cgroup {
    pub root: PathBuf,
}

/// `[proc]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Proc {
    pub pass_env: Vec<String>,
    pub max_replicas: u32,
    pub log_max: ByteSize,
    pub keep_runs: usize,
    #[serde(with = "crate::base::duration")]
    pub keep_for: Duration,
    #[serde(with = "crate::base::duration")]
    pub keep_deleted: Duration,
}

/// `[dag]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Dag {
    pub cores: u32,
    pub memory_mb: u64,
    pub max_running: u32,
    pub max_tasks: u32,
    #[serde(with = "crate::base::duration")]
    pub stop_timeout: Duration,
    pub log_max: ByteSize,
    pub keep_runs: usize,
    #[serde(with = "crate::base::duration")]
    pub keep_for: Duration,
    #[serde(with = "crate::base::duration")]
    pub keep_keys: Duration,
}

/// `[tracker]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Tracker {
    pub registration: Registration,
    pub workers: Workers,
    pub cookie: String,
    #[serde(with = "crate::base::duration")]
    pub session: Duration,
    #[serde(with = "crate::base::duration")]
    pub max_assign_time: Duration,
    pub webhook_header: String,
    pub webhook_hash: String,
    pub webhook_branches: Vec<String>,
    pub public_logs: bool,
    pub log_levels: Vec<String>,
    pub keep_logs: usize,
    #[serde(with = "crate::base::duration")]
    pub keep_logs_for: Duration,
    #[serde(with = "crate::base::duration")]
    pub snapshot_interval: Duration,
    #[serde(with = "crate::base::duration")]
    pub history_length: Duration,
}

/// Who may make an account for himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anybody who can reach the daemon.
    Open,
    /// Only until there is one; then an operator makes them.
    First,
    /// Nobody: an operator makes them.
    Closed,
}

/// Who may create workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workers {
    /// Anybody who can reach the daemon.
    Open,
    /// Managers.
    Closed,
}

/// `[cache]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Cache {
    pub dir: PathBuf,
    pub quota: ByteSize,
    pub low_percent: u8,
    pub keep_free: ByteSize,
    pub max_tasks: usize,
    #[serde(with = "crate::base::duration")]
    pub ttl: Duration,
    #[serde(with = "crate::base::duration")]
    pub collect_every: Duration,
    pub scrub_rate: ByteSize,
    pub keep_jobs: usize,
    #[serde(with = "crate::base::duration")]
    pub keep_jobs_for: Duration,
    pub cluster: String,
    pub hostname: String,
    pub ip: String,
    pub host_type: HostType,
    pub peer_id: PeerId,
    pub allow_loopback: bool,
    #[serde(with = "crate::base::duration")]
    pub connect_timeout: Duration,
    #[serde(with = "crate::base::duration")]
    pub idle_timeout: Duration,
    pub retries: u32,
    #[serde(with = "crate::base::duration")]
    pub retry_after: Duration,
    #[serde(with = "crate::base::duration")]
    pub session: Duration,
    pub registries: Vec<Registry>,
    pub proxy: CacheProxy,
}

/// What this host calls itself towards clients of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostType {
    /// A seed peer.
    Super,
    /// A peer like others.
    Normal,
}

/// What the ids of peers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerId {
    /// With a UUID for each task.
    Long,
    /// Of the host alone.
    Short,
}

/// An entry of `cache.registries`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Host, with its port where that is not the scheme's own.
    pub host: String,
    /// It speaks plain HTTP.
    #[serde(default)]
    pub plain: bool,
    /// Its certificate is not verified.
    #[serde(default)]
    pub insecure: bool,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Who signs in where a request brings no credentials.
    #[serde(default)]
    pub username: String,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
}

/// `[cache.proxy]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct CacheProxy {
    pub listen: Vec<String>,
    pub registry: String,
    pub rate: u32,
    pub rules: Vec<ProxyRule>,
}

/// An entry of `cache.proxy.rules`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyRule {
    /// Matches the URL without query and fragment.
    pub regex: String,
    /// The origin is asked over https.
    #[serde(default)]
    pub use_tls: bool,
    /// The origin is asked at this host instead.
    pub redirect: Option<String>,
    /// Query parameters that do not count, joined with `&`, instead of the default list.
    pub filter: Option<String>,
}

/// `[hub]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "documented in defaults.toml, key by key")]
pub struct Hub {
    pub entry_listen: Vec<Listen>,
    pub pool_roots: Vec<PathBuf>,
    #[serde(with = "crate::base::duration")]
    pub stat_every: Duration,
    #[serde(with = "crate::base::duration")]
    pub hash_every: Duration,
    pub hash_rate: ByteSize,
    pub inline_hash_max: ByteSize,
    #[serde(with = "crate::base::duration")]
    pub beat_every: Duration,
    #[serde(with = "crate::base::duration")]
    pub offline_after: Duration,
    pub trust_daemonid: bool,
    pub log_ring: usize,
    pub pulls: usize,
    pub keep_jobs: usize,
    #[serde(with = "crate::base::duration")]
    pub keep_jobs_for: Duration,
    pub allow_loopback: bool,
}
