//! What the administration asks of others: of the daemon, which knows its processes and listeners, and of the rooms,
//! which know their things. Nobody here knows them; they are handed over as objects.

use crate::auth::Caller;
use crate::base::{Wall, Why};
use crate::store::Rule;
use futures_util::future::BoxFuture;
use std::path::PathBuf;

/// The daemon, as far as its operator may ask it for something.
pub trait House: Send + Sync {
    /// How it stands, now.
    fn facts(&self) -> Facts;

    /// What the next start could not use of the files that the configuration names. Blocks.
    fn check(&self) -> Vec<String>;

    /// Replaces the binary in place, by the one at the path the daemon was started by if none is named. Resolves once
    /// the new binary has checked itself and is about to take over.
    ///
    /// # Errors
    /// It did not pass its check, or could not be started: why, for the operator. Nothing has changed then.
    fn upgrade(&self, binary: Option<PathBuf>) -> BoxFuture<'_, Result<(), String>>;

    /// Stops every task and then the daemon, as SIGTERM would. Returns at once.
    fn stop(&self);
}

/// How the daemon stands.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Process number of the keeper: the service's main process.
    pub keeper_pid: i32,
    /// Process number of the core.
    pub core_pid: i32,
    /// When the keeper started.
    pub started: Wall,
    /// When this core started.
    pub core_started: Wall,
    /// The user the daemon runs as.
    pub uid: u32,
    /// Where it listens, with the ports it really got.
    pub listeners: Vec<Listener>,
    /// Where its data is.
    pub data_dir: PathBuf,
    /// How whole process trees are held together: the cgroup used, or why there is none.
    pub cgroup: Result<PathBuf, String>,
    /// Running children.
    pub children: usize,
    /// Why the daemon serves nothing but refusals, if it does.
    pub degraded: Option<String>,
}

/// Somewhere the daemon listens.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `unix:/run/hostler/hostler.sock`, `127.0.0.1:8606`.
    pub address: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// A room, as far as it can be asked about its things.
pub trait Room: Send + Sync {
    /// Its name: `proc`.
    fn name(&self) -> &'static str;

    /// Why the thing of this name is as it is: what it waits for or how it ended, who asked for that, and since when.
    /// Nothing when the room has no such thing, or the caller may not see it.
    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>>;

    /// What must hold between its records, and between them and its files, for a check of the whole store.
    fn rules(&self) -> Vec<Rule>;
}
