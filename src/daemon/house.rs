//! What the administration may ask of the daemon, and of the rooms.

use super::listeners::{self, Bound};
use crate::admin::{Facts, House, Listener, Room};
use crate::auth::Caller;
use crate::base::{Bus, Wall, Why};
use crate::config::Config;
use crate::dag;
use crate::http::TlsFiles;
use crate::keeper::{CgroupFacts, Link, Welcome, start_ticks};
use crate::proc;
use crate::store::Rule;
use crate::tracker;
use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::unistd::{SysconfVar, geteuid, getpid, getppid, sysconf};
use std::io;
use std::path::PathBuf;
use tokio::sync::{Notify, watch};

/// The kernel's name for this boot.
///
/// # Errors
/// `/proc` is not there.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A name for the keeper that no other process of this boot has: its pid and when it was born. It keeps both over an
/// upgrade, because it stays the same process.
///
/// # Errors
/// `/proc` is not there.
pub fn keeper_name() -> io::Result<String> {
    let keeper = getppid().as_raw();
    let born = start_ticks(keeper).ok_or_else(|| io::Error::other(format!("/proc/{keeper}/stat cannot be read")))?;
    Ok(format!("{keeper}/{born}"))
}

/// How many threads the host's processors run at once.
pub fn hardware_threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
}

/// The host's memory, in MB.
///
/// # Errors
/// The kernel does not say.
pub fn memory_mb() -> io::Result<u64> {
    let ask = |what| Ok::<_, io::Error>(u64::try_from(sysconf(what)?.unwrap_or(0)).unwrap_or(0));
    match (ask(SysconfVar::_PHYS_PAGES)? * ask(SysconfVar::PAGE_SIZE)?) >> 20 {
        0 => Err(io::Error::other("the size of the host's memory is not known: set dag.memory_mb")),
        mb => Ok(mb),
    }
}

/// When a process was born.
fn born(pid: i32) -> Option<Wall> {
    let ticks = start_ticks(pid)?;
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let age = uptime - ticks as f64 / per_second as f64;
    Utc::now().checked_sub_signed(TimeDelta::milliseconds((age * 1000.0) as i64))
}

/// The rooms that have children.
#[derive(Clone)]
pub struct Rooms {
    /// Supervised processes.
    pub tasks: proc::Handle,
    /// DAG runs.
    pub runs: dag::Handle,
}

impl Rooms {
    /// How many children they have or are about to get.
    pub fn children(&self) -> usize {
        self.tasks.children() + self.runs.children()
    }

    /// Ends everything, in order or at once, and returns when nothing runs any more. Runs come first: their steps may
    /// be waiting for supervised processes.
    pub async fn shutdown(&self, now: bool) {
        self.runs.shutdown(now).await;
        self.tasks.shutdown(now).await;
    }
}

/// The daemon, as its administration sees it.
pub struct Mansion {
    link: Link,
    data_dir: PathBuf,
    listeners: Vec<Listener>,
    certificates: Vec<(String, TlsFiles)>,
    cgroup: CgroupFacts,
    started: Wall,
    core_started: Wall,
    rooms: Rooms,
    bus: Bus,
    refusals: watch::Sender<String>,
    stop: Notify,
}

impl Mansion {
    /// Gathers what does not change.
    pub fn new(config: &Config, link: &Link, welcome: &Welcome, sockets: &[Bound], rooms: Rooms, bus: Bus) -> Mansion {
        let listener = |socket: &Bound| Listener { address: socket.address(), tls: socket.tls.is_some() };
        let now = Utc::now();
        Mansion {
            link: link.clone(),
            data_dir: config.data_dir.clone(),
            listeners: sockets.iter().map(listener).collect(),
            certificates: listeners::certificates(config),
            cgroup: welcome.cgroup.clone(),
            started: born(getppid().as_raw()).unwrap_or(now),
            core_started: born(getpid().as_raw()).unwrap_or(now),
            rooms,
            bus,
            refusals: watch::Sender::new(String::new()),
            stop: Notify::new(),
        }
    }

    /// The keeper has refused an upgrade: told to who asked for it, and to every operator who listens.
    pub fn refused(&self, reason: String) {
        let data = serde_json::json!({ "reason": &reason });
        self.bus.publish(Utc::now(), "hostler.upgrade.refused", "hostler", None, data);
        self.refusals.send_replace(reason);
    }

    /// Returns when an operator wants the daemon to stop.
    pub async fn stop_asked(&self) {
        self.stop.notified().await;
    }
}

impl House for Mansion {
    fn facts(&self) -> Facts {
        Facts {
            keeper_pid: getppid().as_raw(),
            core_pid: getpid().as_raw(),
            started: self.started,
            core_started: self.core_started,
            uid: geteuid().as_raw(),
            listeners: self.listeners.clone(),
            data_dir: self.data_dir.clone(),
            cgroup: self.cgroup.root.clone().ok_or_else(|| self.cgroup.remark.clone()),
            children: self.rooms.children(),
            degraded: None, // a degraded daemon does not get as far as answering this
        }
    }

    fn check(&self) -> Vec<String> {
        listeners::read(&self.certificates).problems
    }

    fn upgrade(&self, binary: Option<PathBuf>) -> BoxFuture<'_, Result<(), String>> {
        let mut refusals = self.refusals.subscribe();
        refusals.mark_unchanged();
        self.link.upgrade(binary);
        async move {
            tokio::select! {
                // The keeper hangs up on this core once it has become the new binary.
                () = self.link.closed() => Ok(()),
                _ = refusals.changed() => Err(refusals.borrow().clone()),
            }
        }
        .boxed()
    }

    fn stop(&self) {
        self.stop.notify_one();
    }
}

/// The room of processes, asked by the administration.
pub struct ProcRoom(pub proc::Handle);

impl Room for ProcRoom {
    fn name(&self) -> &'static str {
        "proc"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        self.0.why(caller, name).boxed()
    }

    fn rules(&self) -> Vec<Rule> {
        proc::rules()
    }
}

/// The room of DAG runs, asked by the administration.
pub struct DagRoom(pub dag::Handle);

impl Room for DagRoom {
    fn name(&self) -> &'static str {
        "dag"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        self.0.why(caller, name).boxed()
    }

    fn rules(&self) -> Vec<Rule> {
        dag::rules()
    }
}

/// The room of work for workers, asked by the administration.
pub struct TrackerRoom(pub tracker::Handle);

impl Room for TrackerRoom {
    fn name(&self) -> &'static str {
        "tracker"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        self.0.why(caller, name).boxed()
    }

    fn rules(&self) -> Vec<Rule> {
        tracker::rules()
    }
}
