//! The start of the room: what is stored and what the keeper holds become one again, and the driver begins.

use super::engine::{Engine, Handle, Settings, Tools, close};
use super::known::{Early, Known};
use super::launch::Place;
use super::machine::{self, Found, Held, LiveRun, Room, Stored};
use super::notify::Notify;
use super::{news, records};
use crate::base::{Now, RunId};
use crate::keeper as kept;
use crate::keeper::Owner as KeptFor;
use crate::logs::{Stem, highest_number};
use crate::schedule::Clock;
use crate::store::{Batch, Reader};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

/// Reads everything back, takes what the keeper holds, and returns the room with its first plan's effects under way.
///
/// # Errors
/// The store cannot be read, or the kernel refuses a timer or a socket.
pub async fn start(tools: Tools, settings: Settings, host: Host) -> Result<(Handle, Engine), StartError> {
    let reader = tools.store.reader();
    let output = Stem::new("proc").map(|stem| tools.logs.path(&stem)).map_err(io::Error::other)?;
    let read = tokio::task::spawn_blocking(move || read_back(&reader, host, &output));
    let ReadBack { stored, kept, mut found, batch } = read.await.map_err(io::Error::other)??;
    for (held, intent, recorded) in kept {
        found.held.push(news::held(&tools.logs, held, intent, recorded).await);
    }

    let machine_settings = machine::Settings { max_replicas: settings.max_replicas };
    let known = known_runs(&stored, &found.held);
    let leaders = known.iter().filter_map(|(run, known)| Some((known.leader?, *run))).collect();
    let (own, mailbox) = unbounded_channel();
    let (closing, closed) = unbounded_channel();
    tokio::spawn(close(closed, tools.link.clone(), own.clone()));
    Notify::listen(&settings.notify, own.clone())?;
    let settings = Arc::new(settings);
    let done = watch::Sender::new(false);
    let handle = Handle {
        mailbox: own.clone(),
        done: done.subscribe(),
        children: Arc::default(),
        tools: tools.clone(),
        settings: settings.clone(),
    };
    let now = Now::read();
    let (room, plan) = Room::recover(machine_settings, stored, found, now);
    let mut engine = Engine {
        room,
        news: tools.link.subscribe(KeptFor::PROC),
        tools,
        settings,
        mailbox,
        own,
        clock: Clock::new()?,
        known,
        children: handle.children.clone(),
        leaders,
        early: Early::default(),
        watched: HashMap::new(),
        probes: HashMap::new(),
        waiting: Vec::new(),
        closing,
        undurable: 0,
        done,
    };
    let processes: Vec<_> = engine.leaders.values().copied().collect();
    for run in processes {
        engine.watch_logs(run);
    }
    engine.carry_out(plan, now, None, batch);
    Ok((handle, engine))
}

/// What the start finds beside the store.
#[derive(Debug)]
pub struct Host {
    /// What the keeper holds of this room.
    pub held: Vec<kept::Held>,
    /// The keeper, by a name no other keeper of this boot has.
    pub keeper: String,
    /// The host's boot, by the kernel's name for it.
    pub boot: String,
    /// Whether the keeper was already told to stop everything.
    pub stopping: bool,
    /// No number below this one is given to a run or a life: those may be known to the world and unknown to the store.
    pub numbers_from: u64,
}

/// The store's part of the start, and what goes into its first batch.
struct ReadBack {
    stored: Stored,
    kept: Vec<(kept::Held, LiveRun, bool)>,
    found: Found,
    batch: Batch,
}

fn read_back(reader: &Reader, host: Host, output: &Path) -> Result<ReadBack, records::LoadError> {
    let mut stored = records::load(reader)?;
    stored.ceiling = stored.ceiling.max(host.numbers_from);
    let mut batch = Batch::new();
    let new_keeper = records::meet_keeper(reader, &host.keeper, &mut batch)?;
    let mut kept = Vec::with_capacity(host.held.len());
    for held in host.held {
        match records::read_intent(&held.intent) {
            Ok(intent) => {
                let recorded = records::is_recorded(reader, intent.incarnation, intent.run)?;
                kept.push((held, intent, recorded));
            }
            Err(why) => tracing::error!(slot = held.slot, "the keeper holds a child of unreadable intent: {why}"),
        }
    }
    let logged = highest_number(output).unwrap_or(0);
    let found = Found { held: Vec::new(), logged, new_keeper, stopping: host.stopping, boot: host.boot };
    Ok(ReadBack { stored, kept, found, batch })
}

/// Why the room cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error("supervised processes cannot be read back")]
    Load(#[from] records::LoadError),
    /// The kernel.
    #[error("supervised processes")]
    Io(#[from] io::Error),
}

fn known_runs(stored: &Stored, held: &[Held]) -> HashMap<RunId, Known> {
    let definitions: HashMap<_, _> =
        stored.tasks.iter().map(|(task, _)| (task.incarnation, task.definition.clone())).collect();
    let lives = stored.live.iter().chain(held.iter().map(|held| &held.intent));
    lives
        .map(|live| {
            let place = Place::of_run(live.incarnation, live.replica, live.log_from);
            let leader = live.leader.map(|(pid, _)| pid);
            let mut known = Known::new(place, definitions.get(&live.incarnation).cloned(), live.runs_as);
            (known.leader, known.offsets) = (leader, live.log_from);
            (live.run, known)
        })
        .collect()
}
