//! From a data directory to rooms that can serve.
//!
//! Everything that may fail because of the disk is here, so that whatever fails leads to a degraded daemon and not to one
//! core after another that dies at its start.

use super::house::Rooms;
use super::listeners::{self, Bound, Serves};
use super::{chain, downloads, formats, hosting, house, store_settings, tables};
use crate::auth::tokens::Tokens;
use crate::auth::{Accounts, Audit, audit};
use crate::base::Bus;
use crate::cache;
use crate::config::{self, Config};
use crate::dag;
use crate::hub;
use crate::keeper::{Link, Owner, Stopping, Welcome};
use crate::launch::{Base, Helpers, Launcher};
use crate::logs::{self, Logs};
use crate::metrics::Metrics;
use crate::proc;
use crate::store::{self, OpenError, Store};
use crate::tracker;
use chrono::Utc;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

/// What has been opened and read back.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) tokens: Tokens,
    pub(super) accounts: Accounts,
    pub(super) audit: Audit,
    pub(super) bus: Bus,
    pub(super) metrics: Metrics,
    pub(super) rooms: Rooms,
    pub(super) task_engine: proc::Engine,
    pub(super) run_engine: dag::Engine,
    pub(super) work: tracker::Handle,
    pub(super) work_engine: tracker::Engine,
    pub(super) downloads: cache::Handle,
    pub(super) download_engine: cache::Engine,
    pub(super) data: hub::Handle,
    pub(super) data_engine: hub::Engine,
}

/// The addresses on which this daemon listens.
pub(super) struct Own {
    /// All of them.
    all: Vec<SocketAddr>,
    /// Those of the entry listener.
    entry: hosting::Entries,
}

impl Own {
    pub(super) fn of(sockets: &[Bound]) -> Own {
        let entry = listeners::addresses(sockets, Serves::Entry);
        Own { all: downloads::own_addresses(sockets), entry }
    }
}

/// What is in the way, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// Another process works with the data.
    #[error("{0}")]
    InUse(String),
    /// It may pass, or somebody has to do something about it.
    #[error("{0}")]
    Other(String),
}

impl Opened {
    /// Tries once. A failure leaves nothing open.
    pub(super) async fn attempt(
        config: &Config,
        link: &Link,
        welcome: &Welcome,
        own: &Own,
    ) -> Result<Opened, Obstacle> {
        let dir = config.data_dir.display();
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let settings = store::Settings { metrics: Some(metrics.clone()), ..store_settings(config) };
        let store = match tokio::task::spawn_blocking(move || Store::open(settings)).await {
            Ok(Ok(store)) => store,
            Ok(Err(why @ OpenError::Locked { .. })) => return Err(Obstacle::InUse(chain(&why))),
            Ok(Err(why)) => {
                return Err(Obstacle::Other(format!("the store in {dir} cannot be opened: {}", chain(&why))));
            }
            Err(why) => return Err(Obstacle::Other(format!("the store in {dir} cannot be opened: {why}"))),
        };
        match Opened::read_back(config, link, welcome, own, store.clone(), metrics).await {
            Ok(opened) => Ok(opened),
            Err(why) => {
                let why = format!("the data in {dir} cannot be used: {}", chain(&*why));
                // The last handle closes it, which may take a while.
                match tokio::task::spawn_blocking(move || drop(store)).await {
                    Ok(()) => Err(Obstacle::Other(why)),
                    Err(panic) => Err(Obstacle::Other(format!("{why}; then {panic}"))),
                }
            }
        }
    }

    async fn read_back(
        config: &Config,
        link: &Link,
        welcome: &Welcome,
        own: &Own,
        store: Store,
        metrics: Metrics,
    ) -> Result<Opened, Box<dyn Error>> {
        formats::note(&config.data_dir, &tables())?;
        let audit = Audit::open(&config.data_dir.join("audit"), audit_settings(config))?;
        let reading = store.clone();
        let load = move || Ok::<_, store::ReadError>((Tokens::load(reading.clone())?, Accounts::load(reading)?));
        let (tokens, accounts) = tokio::task::spawn_blocking(load).await??;
        let bus = Bus::new(Utc::now());
        let helpers = Helpers::start(link, welcome);
        let logs = Logs::open(config.data_dir.join("logs"), logs::Settings::default())?;
        let launcher = Launcher::new(Base::of_this_process(&config.proc.pass_env), helpers);
        let tools = proc::Tools {
            store: store.clone(),
            link: link.clone(),
            logs: logs.clone(),
            launcher: launcher.clone(),
            bus: bus.clone(),
            metrics: metrics.clone(),
        };
        let (keeper, boot) = (house::keeper_name()?, house::boot_id()?);
        let host = proc::Host {
            held: welcome.held_by(Owner::PROC),
            keeper: keeper.clone(),
            boot: boot.clone(),
            stopping: welcome.stopping != Stopping::No,
            numbers_from: store.restored().unwrap_or(0),
        };
        let (tasks, task_engine) = proc::start(tools, proc_settings(config)?, host).await?;
        let tools = dag::Tools {
            store: store.clone(),
            link: link.clone(),
            logs,
            launcher,
            tasks: tasks.clone(),
            bus: bus.clone(),
            metrics: metrics.clone(),
        };
        let host = dag::Host {
            held: welcome.held_by(Owner::DAG),
            keeper,
            boot,
            stopping: welcome.stopping != Stopping::No,
            restored: store.restored(),
        };
        let (runs, run_engine) = dag::start(tools, dag_settings(config)?, host).await?;
        let tools = tracker::Tools {
            store: store.clone(),
            accounts: accounts.clone(),
            bus: bus.clone(),
            metrics: metrics.clone(),
        };
        let (work, work_engine) = Box::pin(tracker::start(tools, tracker_settings(&config.tracker)?)).await?;
        let tools = cache::Tools {
            store: store.clone(),
            accounts: accounts.clone(),
            audit: audit.clone(),
            bus: bus.clone(),
            metrics: metrics.clone(),
            owners: Arc::new(downloads::Tenants { tasks: tasks.clone(), runs: runs.clone() }),
        };
        let (configured, all) = (config.clone(), own.all.clone());
        let settings = tokio::task::spawn_blocking(move || downloads::settings(&configured, all)).await??;
        let (downloads, download_engine) = Box::pin(cache::start(tools, settings)).await?;
        let tools = hub::Tools {
            store: store.clone(),
            accounts: accounts.clone(),
            bus: bus.clone(),
            metrics: metrics.clone(),
            tasks: tasks.clone(),
            runs: runs.clone(),
            downloads: downloads.clone(),
        };
        let settings = hosting::settings(config, downloads.settings().origin.clone(), own.entry.clone())?;
        let (data, data_engine) = Box::pin(hub::start(tools, settings)).await?;
        let rooms = Rooms { tasks, runs };
        Ok(Opened {
            store,
            tokens,
            accounts,
            audit,
            bus,
            metrics,
            rooms,
            task_engine,
            run_engine,
            work,
            work_engine,
            downloads,
            download_engine,
            data,
            data_engine,
        })
    }
}

/// Whether the rooms can use their settings, and the files that these name. Blocks.
///
/// # Errors
/// What one of them cannot use, by its key.
pub(super) fn check_settings(config: &Config) -> Result<(), Box<dyn Error>> {
    proc_settings(config)?;
    dag_settings(config)?;
    tracker_settings(&config.tracker)?;
    let cache = downloads::settings(config, Vec::new())?;
    hosting::settings(config, cache.origin.clone(), hosting::Entries::new())?;
    cache::origin::Origins::new(cache.origin)?;
    Ok(())
}

fn audit_settings(config: &Config) -> audit::Settings {
    audit::Settings { max_bytes: config.audit.max_size.as_u64(), files: config.audit.keep }
}

fn proc_settings(config: &Config) -> std::io::Result<proc::Settings> {
    Ok(proc::Settings {
        max_replicas: config.proc.max_replicas,
        log_max: config.proc.log_max.as_u64(),
        keep_runs: config.proc.keep_runs,
        keep_for: config.proc.keep_for,
        keep_deleted: config.proc.keep_deleted,
        program: std::env::current_exe()?,
        notify: config.socket.with_extension("notify"),
        own_uid: nix::unistd::geteuid().as_raw(),
    })
}

fn dag_settings(config: &Config) -> std::io::Result<dag::Settings> {
    let dag = &config.dag;
    let cores = if dag.cores > 0 { dag.cores } else { house::hardware_threads() };
    let memory_mb = if dag.memory_mb > 0 { dag.memory_mb } else { house::memory_mb()? / 4 * 3 };
    Ok(dag::Settings {
        capacity: dag::model::Capacity { cores, memory_mb, running: dag.max_running },
        max_tasks: dag.max_tasks,
        grace: dag.stop_timeout,
        log_max: dag.log_max.as_u64(),
        keep_runs: dag.keep_runs,
        keep_for: dag.keep_for,
        keep_keys: dag.keep_keys,
        own_uid: nix::unistd::geteuid().as_raw(),
    })
}

fn tracker_settings(tracker: &config::Tracker) -> std::io::Result<tracker::Settings> {
    let unknown = |key: &str, word: &str, known: &str| {
        std::io::Error::other(format!("tracker.{key}: expected {known}, not \"{}\"", word.escape_debug()))
    };
    let level = |word: &String| {
        let level = tracker::Level::ALL.into_iter().find(|level| level.word() == word);
        level.ok_or_else(|| unknown("log_levels", word, "error, warn, info or trace"))
    };
    Ok(tracker::Settings {
        registration: match tracker.registration {
            config::Registration::Open => tracker::Registration::Open,
            config::Registration::First => tracker::Registration::First,
            config::Registration::Closed => tracker::Registration::Closed,
        },
        anybody_makes_workers: tracker.workers == config::Workers::Open,
        cookie: tracker.cookie.clone(),
        session: tracker.session,
        max_assign_time: tracker.max_assign_time,
        webhook_header: tracker.webhook_header.clone(),
        webhook_hash: match tracker.webhook_hash.as_str() {
            "sha1" => tracker::HookHash::Sha1,
            "sha256" => tracker::HookHash::Sha256,
            other => return Err(unknown("webhook_hash", other, "sha1 or sha256")),
        },
        webhook_branches: tracker.webhook_branches.clone(),
        public_logs: tracker.public_logs,
        log_levels: tracker.log_levels.iter().map(level).collect::<Result<_, _>>()?,
        keep_logs: tracker.keep_logs,
        keep_logs_for: tracker.keep_logs_for,
        sample_every: tracker.snapshot_interval,
        keep_samples: tracker.history_length,
    })
}
