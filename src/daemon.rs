//! The core of the daemon, from its first breath to its last: the only place that knows every room.
//!
//! ```text
//! connected ──> listening ──> opened ──> serving ──> drained
//!                   │ ^ the data cannot be opened, or not be read back
//!                   v │
//!                 degraded: every route says so; again every second
//! ```
//!
//! Clients that come before it serves wait in the listeners' queues, which the keeper holds open all the while.
//! When the keeper hangs up (an upgrade, or its death) the core answers what it has in hand and ends; when it says
//! stop, everything is stopped first.

mod degraded;
mod downloads;
mod formats;
mod hosting;
mod house;
mod listeners;
mod log;
mod opened;
mod preflight;

pub use preflight::{certificates, configured, self_check};

use crate::base::{Now, Secret};
use crate::config::{Config, Listen, LogFormat};
use crate::http::{self, Admits, Health, Route, Server, Services, State};
use crate::keeper::{Hello, Link, News, Owner, Stopping, Welcome};
use crate::store::{self, Batch, Table};
use crate::{admin, auth, cache, dag, hub, proc, tracker};
use degraded::Degraded;
use house::{Mansion, Rooms};
use opened::{Obstacle, Opened, Own};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// Between two tries to open data that could not be opened.
const AGAIN: Duration = Duration::from_secs(1);
/// How long another process may have the data before this daemon gives up: a core whose keeper was killed needs a
/// moment to end.
const IN_USE: Duration = Duration::from_secs(3);
/// Between two tries meanwhile.
const IN_USE_AGAIN: Duration = Duration::from_millis(50);
/// How long requests in hand may take when the core ends.
const DRAIN: Duration = Duration::from_secs(1);
/// How much longer than asked systemd is told to wait while tasks stop.
const EXTENSION: Duration = Duration::from_secs(30);
/// A start that cannot succeed: the same call would fail again.
const MISUSE: u8 = 100;

/// What `serve` can be told beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// The only configuration file to read.
    pub config: Option<PathBuf>,
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// The TCP addresses, in place of the configured ones.
    pub listen: Vec<String>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// How the daemon's own log is written.
    pub log_format: Option<LogFormat>,
}

impl Arguments {
    /// The configuration with these arguments over it.
    ///
    /// # Errors
    /// The configuration's.
    pub fn configuration(&self) -> Result<Config, crate::config::ConfigError> {
        let mut config = crate::config::load(self.config.as_deref())?;
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if let Some(dir) = &self.data_dir {
            config.data_dir = absolute(dir);
        }
        if let Some(socket) = &self.socket {
            config.socket = absolute(socket);
        }
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
        if !self.listen.is_empty() {
            let plain = |address: &String| Listen { address: address.clone(), tls: None, plaintext: false };
            config.listen = self.listen.iter().map(plain).collect();
        }
        Ok(config)
    }
}

/// All kinds of records, of every room.
pub fn tables() -> Vec<Table> {
    let known = auth::tokens::TABLES.into_iter().chain(auth::accounts::TABLES);
    known
        .chain(proc::TABLES)
        .chain(dag::TABLES)
        .chain(tracker::TABLES)
        .chain(cache::TABLES)
        .chain(hub::TABLES)
        .collect()
}

/// How the store of this configuration is opened.
pub fn store_settings(config: &Config) -> store::Settings {
    store::Settings {
        cache_bytes: config.store.cache.as_u64(),
        most_dead_bytes: config.store.compact_over.as_u64(),
        tables: tables(),
        ..store::Settings::new(&config.data_dir)
    }
}

/// Runs the core until it has to end.
pub fn run(arguments: &Arguments) -> ExitCode {
    let started = arguments.configuration().map_err(|why| why.to_string()).and_then(|config| {
        log::start(&config.log)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok((config, runtime.map_err(|why| why.to_string())?))
    });
    let (config, runtime) = match started {
        Ok(started) => started,
        Err(why) => {
            eprintln!("hostler: {why}");
            return ExitCode::from(MISUSE);
        }
    };
    let code = runtime.block_on(Box::pin(core(config)));
    runtime.shutdown_background(); // a name look-up that hangs must not hold up the end
    code
}

async fn core(config: Config) -> ExitCode {
    let connected = match connect(&config).await {
        Ok(connected) => connected,
        Err(why) => {
            tracing::error!("no keeper: {}", chain(&*why));
            return ExitCode::from(MISUSE);
        }
    };
    let link = connected.link.clone();
    match connected.serve(config).await {
        Ok(code) => code,
        Err(End::HungUp) => ExitCode::SUCCESS,
        Err(End::Stopped) => {
            link.done(0);
            link.closed().await;
            ExitCode::SUCCESS
        }
        Err(End::Hopeless(why)) => {
            tracing::error!("{why}");
            ExitCode::from(MISUSE)
        }
        Err(End::Failed(why)) => {
            tracing::error!("{}", chain(&*why));
            ExitCode::FAILURE
        }
    }
}

/// The causes, outermost first.
fn chain(why: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(why), |why| (*why).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why the core ends before its time.
enum End {
    /// The keeper is gone or wants another core.
    HungUp,
    /// It was told to stop, and nothing runs any more.
    Stopped,
    /// The next core would fail in the same way, until somebody does something about it. A keeper whose first core says
    /// so ends; one that has had a core which served keeps what it holds, and tries again.
    Hopeless(String),
    /// The next core may do better.
    Failed(Box<dyn Error>),
}

impl<E: Error + 'static> From<E> for End {
    fn from(why: E) -> End {
        End::Failed(Box::new(why))
    }
}

/// A core that knows its keeper.
struct Connected {
    link: Link,
    welcome: Welcome,
    news: UnboundedReceiver<News>,
}

async fn connect(config: &Config) -> Result<Connected, Box<dyn Error>> {
    let socket =
        crate::keeper::socket_from_env().ok_or("this process was not started by a keeper; run `hostler serve`")?;
    let root = Some(config.cgroup.root.clone()).filter(|root| !root.as_os_str().is_empty());
    let hello = Hello { max_slots: Some(config.keeper.max_slots as u64), cgroup_root: root };
    let (link, welcome) = Link::connect(socket, hello).await?;
    let news = link.subscribe(Owner::DAEMON);
    Ok(Connected { link, welcome, news })
}

impl Connected {
    /// Every phase up to the end.
    async fn serve(mut self, config: Config) -> Result<ExitCode, End> {
        let held = std::mem::take(&mut self.welcome.listeners);
        let known: Vec<_> = held.iter().map(|(name, _)| name.clone()).collect();
        let named = listeners::certificates(&config);
        let found = tokio::task::spawn_blocking(move || listeners::read(&named)).await?;
        if !found.problems.is_empty() {
            return Err(End::Hopeless(found.problems.join("; ")));
        }
        let sockets = listeners::open(&config, held).map_err(|why| End::Hopeless(why.to_string()))?;
        for socket in &sockets {
            self.link.hold_listener(&socket.key(), socket.fd())?;
        }
        for name in known.iter().filter(|name| sockets.iter().all(|socket| socket.key() != **name)) {
            self.link.drop_listener(name);
        }
        let opened = self.open(&config, &sockets).await?;
        Box::pin(self.opened(config, sockets, opened)).await
    }

    /// Opens the data and reads it back, trying again for as long as it takes, and says meanwhile what is wrong.
    async fn open(&mut self, config: &Config, sockets: &[listeners::Bound]) -> Result<Opened, End> {
        let began = Instant::now();
        let mut degraded: Option<Degraded> = None;
        let own = Own::of(sockets);
        loop {
            let obstacle = match Box::pin(Opened::attempt(config, &self.link, &self.welcome, &own)).await {
                Ok(opened) => {
                    if let Some(degraded) = degraded {
                        degraded.over().await;
                    }
                    return Ok(opened);
                }
                Err(obstacle) => obstacle,
            };
            let mut again = AGAIN;
            match (&obstacle, &mut degraded) {
                (Obstacle::InUse(_), None) if began.elapsed() < IN_USE => again = IN_USE_AGAIN,
                (Obstacle::InUse(why), None) if self.welcome.highest_slot().is_none() => {
                    return Err(End::Hopeless(why.clone()));
                }
                (obstacle, None) => {
                    degraded = Some(Degraded::start(config, sockets, obstacle.to_string()).await?);
                    // Connections are answered: nobody need replace this core, or give the daemon up.
                    self.link.ready();
                    self.link.notify(&format!("READY=1\nSTATUS=degraded: {obstacle}"));
                }
                (obstacle, Some(degraded)) => degraded.because(obstacle.to_string()),
            }
            if self.welcome.stopping != Stopping::No {
                return Err(self.stop_degraded().await);
            }
            tokio::select! {
                () = self.link.closed() => return Err(End::HungUp),
                news = self.news.recv() => match news {
                    Some(News::Stop | News::StopNow) => return Err(self.stop_degraded().await),
                    None => return Err(End::HungUp),
                    Some(_) => {}
                },
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    /// Without its data a daemon cannot stop tasks in their order nor record how they ended. Their processes are ended
    /// all the same: the next start records them as interrupted and starts again what should run.
    async fn stop_degraded(&mut self) -> End {
        tracing::warn!("stopping while degraded: what runs is ended without a record");
        tokio::select! {
            () = degraded::end_children(&self.link, &self.welcome, &mut self.news) => End::Stopped,
            () = self.link.closed() => End::HungUp,
        }
    }

    /// All is read back, and the daemon serves until it is told to stop.
    async fn opened(mut self, config: Config, sockets: Vec<listeners::Bound>, opened: Opened) -> Result<ExitCode, End> {
        let Opened { store, tokens, accounts, audit, bus, metrics, rooms, .. } = opened;
        let (task_engine, run_engine, work_engine) = (opened.task_engine, opened.run_engine, opened.work_engine);
        let health = Health::new(State::Starting);
        let gate = auth::Gate::new(gate_settings(&config), tokens.clone());
        tokio::spawn(async move { give_up("supervised processes", task_engine.run().await) });
        tokio::spawn(async move { give_up("DAG runs", run_engine.run().await) });
        tokio::spawn(async move { give_up("work for workers", work_engine.run().await) });
        seed(&tokens).await;
        tokio::spawn(tokens.clone().follow(accounts.clone()));
        let download_engine = opened.download_engine;
        tokio::spawn(async move { give_up("downloads", download_engine.run().await) });
        let data_engine = opened.data_engine;
        tokio::spawn(async move { give_up("published data", data_engine.run().await) });
        tokio::spawn(tracker::keep_bounds(opened.work.clone()));
        tokio::spawn(proc::keep_bounds(rooms.tasks.clone()));
        tokio::spawn(dag::keep_bounds(rooms.runs.clone()));

        let house = Arc::new(Mansion::new(&config, &self.link, &self.welcome, &sockets, rooms.clone(), bus.clone()));
        let administration = admin::Handle::new(admin::Services {
            tokens: tokens.clone(),
            accounts,
            audit: audit.clone(),
            store: store.clone(),
            tables: tables(),
            bus: bus.clone(),
            house: house.clone(),
            rooms: vec![
                Arc::new(house::ProcRoom(rooms.tasks.clone())),
                Arc::new(house::DagRoom(rooms.runs.clone())),
                Arc::new(house::TrackerRoom(opened.work.clone())),
                Arc::new(downloads::CacheRoom(opened.downloads.clone())),
                Arc::new(hosting::HubRoom(opened.data.clone())),
            ],
        });
        let (work, downloads) = (opened.work.clone(), opened.downloads);
        let mut routes = tracker::routes(opened.work);
        routes.extend(proc::routes(rooms.tasks.clone()));
        routes.extend(dag::routes(rooms.runs.clone()));
        let of_hub = hub::Shared { handle: opened.data.clone(), tokens: tokens.clone() };
        routes.extend(hub::routes(of_hub.clone()));
        let of_cache = cache::routes(cache::Shared { handle: downloads.clone(), tokens });
        routes.extend(downloads::closable(of_cache, &downloads));
        routes.extend(admin::routes(administration));
        let admitting = store.clone();
        let admits: Admits = Arc::new(move |bytes| {
            let admitted = if bytes == 0 { admitting.admits() } else { admitting.admits_bytes(bytes) };
            admitted.map_err(|full| full.to_string())
        });
        let proxy = match downloads.settings().proxy.clone() {
            Some(settings) => {
                let listeners = listeners::serving(&sockets, listeners::Serves::Proxy)?;
                let listeners = listeners.into_iter().map(|listener| listener.bound).collect();
                Some(cache::proxy::Proxy::start(downloads.clone(), settings, gate.clone(), listeners)?)
            }
            None => None,
        };
        let data = opened.data;
        let entry = match listeners::serving(&sockets, listeners::Serves::Entry)? {
            listeners if listeners.is_empty() => None,
            listeners => Some(hub::entry::Entry::start(of_hub, gate.clone(), audit.clone(), listeners).await?),
        };
        let services = Services { gate, audit: audit.clone(), bus, metrics, health: health.clone(), admits };
        let settings = http::Settings { server_ips: vec![downloads.settings().ip], ..http_settings(&config) };
        let server = serve_on(&sockets, routes, services, settings).await?;
        health.set(State::Ready);
        self.link.ready();
        self.link.notify("READY=1\nSTATUS=serving");
        for socket in &sockets {
            match socket.serves {
                listeners::Serves::Api => tracing::info!("listening on {}", socket.address()),
                listeners::Serves::Proxy => tracing::info!("the cache's proxy listens on {}", socket.address()),
                listeners::Serves::Entry => tracing::info!("the entry listener listens on {}", socket.address()),
            }
        }
        if !self.welcome.cgroup.remark.is_empty() {
            tracing::info!("{}", self.welcome.cgroup.remark);
        }
        let named = listeners::certificates(&config);
        let code = self.live((&server, entry.as_ref()), &named, &rooms, &health, &house).await;
        work.drain();
        if let Some(proxy) = proxy {
            proxy.drain(DRAIN).await;
        }
        if let Some(entry) = entry {
            entry.drain(DRAIN).await;
        }
        data.drain().await;
        // Downloads are not waited for: they go on after the next start.
        downloads.drain().await;
        server.drain(DRAIN).await;
        // An empty decision is durable when all earlier ones are.
        drop(store.submit(Batch::new()).durable().await);
        tokio::task::spawn_blocking(move || audit.settle()).await?;
        if let Some(code) = code {
            self.link.done(code);
            self.link.closed().await;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Serves. The answer is the code to end with when everything was stopped; none when the keeper hung up.
    async fn live(
        &mut self,
        served: listeners::Served<'_>,
        named: &[(String, http::TlsFiles)],
        rooms: &Rooms,
        health: &Health,
        house: &Mansion,
    ) -> Option<i32> {
        let stopped = watch::Sender::new(false);
        let stop = |now| {
            health.set(State::Stopping);
            let (rooms, stopped) = (rooms.clone(), stopped.clone());
            tokio::spawn(async move {
                rooms.shutdown(now).await;
                stopped.send_replace(true);
            });
        };
        match self.welcome.stopping {
            Stopping::No => {}
            Stopping::Yes => stop(false),
            Stopping::Now => stop(true),
        }
        let mut over = stopped.subscribe();
        let mut extend = tokio::time::interval(EXTENSION / 2);
        loop {
            let stopping = health.state() == State::Stopping;
            tokio::select! {
                () = self.link.closed() => return None,
                _ = over.wait_for(|over| *over) => return Some(0),
                _ = extend.tick(), if stopping => {
                    self.link.notify(&format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
                }
                () = house.stop_asked() => {
                    tracing::info!("stopping: an operator asked for it");
                    self.link.notify("STOPPING=1\nSTATUS=stopping");
                    stop(false);
                }
                news = self.news.recv() => match news {
                    Some(News::Stop) => {
                        tracing::info!("stopping");
                        self.link.notify("STOPPING=1\nSTATUS=stopping");
                        stop(false);
                    }
                    Some(News::StopNow) => {
                        tracing::info!("stopping at once");
                        stop(true);
                    }
                    Some(News::UpgradeRefused { reason }) => {
                        tracing::warn!("the upgrade was refused, everything goes on: {reason}");
                        house.refused(reason);
                        listeners::reload(served, named.to_vec()).await;
                    }
                    Some(News::Stray { pid, session, command }) => {
                        tracing::warn!(pid, session, command, "a stray process: it left its session and its environment");
                    }
                    Some(_) => {}
                    None => return None,
                },
            }
        }
    }
}

/// Makes the token that the environment asks for. Without it the daemon serves all the same.
async fn seed(tokens: &auth::tokens::Tokens) {
    let text = Secret::new(std::env::var("DRAGONFLY_PAT").unwrap_or_default());
    if let Err(why) = tokens.seed(&text, Now::read()).await {
        tracing::error!("no token could be made of DRAGONFLY_PAT: {}", chain(&why));
    }
}

/// An engine has come to its end, which it only does when it cannot go on.
fn give_up(room: &str, ended: std::io::Result<()>) {
    if let Err(why) = ended {
        tracing::error!("{room}: {why}");
        std::process::exit(70); // EX_SOFTWARE: the keeper starts a core that can
    }
}

async fn serve_on(
    sockets: &[listeners::Bound],
    routes: Vec<Route>,
    services: Services,
    settings: http::Settings,
) -> Result<Server, End> {
    let listeners = listeners::serving(sockets, listeners::Serves::Api)?;
    Ok(Server::start(routes, settings, services, listeners).await?)
}

fn http_settings(config: &Config) -> http::Settings {
    http::Settings {
        connections: config.http.max_connections,
        connections_per_peer: config.http.max_connections_per_uid,
        head_limit: usize::try_from(config.http.max_head.as_u64()).unwrap_or(usize::MAX),
        head_timeout: config.http.head_timeout,
        body_pause: config.http.body_timeout,
        idle_timeout: config.http.idle_timeout,
        hosts: config.http.hosts.clone(),
        cors_origins: config.http.cors_origins.clone(),
        ..http::Settings::default()
    }
}

fn gate_settings(config: &Config) -> auth::Settings {
    auth::Settings {
        daemon_uid: nix::unistd::geteuid().as_raw(),
        operator_group: config.auth.operator_group.clone(),
        loopback_uid: config.auth.loopback_uid,
        own_pids: vec![nix::unistd::getpid().as_raw(), nix::unistd::getppid().as_raw()],
    }
}
