//! The start of the room: what is stored and what the keeper holds become one again, and the driver begins.

use super::engine::{Cause, Engine, Handle, READ_AT_ONCE, Settings, Tools, close};
use super::executors::{Hands, Known, Local, Phase, collect, exit};
use super::machine::{self, FIRST_SLOT, Found, Held, LiveAttempt, Room, Stored, Write};
use super::model::{Blueprint, DagRunId, TaskId};
use super::output::{self, Collected, Files, Generator};
use super::{records, retention};
use crate::base::{Now, RunId};
use crate::keeper as kept;
use crate::keeper::Owner as KeptFor;
use crate::logs::{Logs, Stem, highest_number};
use crate::schedule::Clock;
use crate::store::{Batch, Reader};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Semaphore, watch};

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
    /// When a backup was restored, in microseconds: attempts may have had slots since that the store does not know.
    pub restored: Option<u64>,
}

/// Why the room cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error("DAG runs cannot be read back")]
    Load(#[from] records::LoadError),
    /// The kernel.
    #[error("DAG runs")]
    Io(#[from] io::Error),
}

/// Reads everything back, takes what the keeper holds, and returns the room with its first plan's effects under way.
///
/// # Errors
/// The store cannot be read, or the kernel refuses a timer.
pub async fn start(tools: Tools, settings: Settings, host: Host) -> Result<(Handle, Engine), StartError> {
    let settings = Arc::new(settings);
    let (reader, logs, reading) = (tools.store.reader(), tools.logs.clone(), settings.clone());
    let read = tokio::task::spawn_blocking(move || read_back(&reader, &logs, &reading, host));
    let ReadBack { stored, found, mut known, meeting, left } = read.await.map_err(io::Error::other)??;
    let kept: HashSet<_> = found.held.iter().map(|held| held.live.slot).collect();

    let (own, mailbox) = unbounded_channel();
    let (closing, closed) = unbounded_channel();
    let (sweeper, swept) = unbounded_channel();
    let (purger, purged) = unbounded_channel();
    left.into_iter().try_for_each(|run| purger.send(run)).map_err(io::Error::other)?;
    tokio::spawn(close(closed, tools.link.clone(), own.clone(), sweeper));
    tokio::spawn(output::sweep(swept, tools.logs.clone()));
    tokio::spawn(retention::clear_away(purged, tools.store.clone(), tools.logs.clone()));
    let done = watch::Sender::new(false);
    let handle = Handle {
        tools: tools.clone(),
        settings: settings.clone(),
        mailbox: own.clone(),
        done: done.subscribe(),
        children: Arc::default(),
        reading: Arc::new(Semaphore::new(READ_AT_ONCE)),
    };
    let now = Now::read();
    let machine_settings =
        machine::Settings { capacity: settings.capacity, grace: settings.grace, max_tasks: settings.max_tasks };
    let (room, plan) = Room::recover(machine_settings, stored, found, now);
    let spent = plan.writes.iter().flat_map(spent).collect();
    // Of the stored ones, only those matter of which something may be left.
    known.retain(|slot, _| kept.contains(slot) || room.live(*slot).is_some());
    let local = Local::new(&tools, &settings, &own, known);
    let mut engine = Engine {
        room,
        hands: Hands::new(&tools, &settings, &own, local),
        news: tools.link.subscribe(KeptFor::DAG),
        tools,
        mailbox,
        own,
        clock: Clock::new()?,
        loading: HashMap::new(),
        meeting: Some(meeting),
        reading: handle.reading.clone(),
        closing,
        purged: purger,
        undurable: 0,
        deferred: 0,
        children: handle.children.clone(),
        done,
    };
    engine.carry_out(plan, now, Cause { spent, first: true, ..Cause::default() });
    Ok((handle, engine))
}

/// The blocking part of the start.
struct ReadBack {
    stored: Stored,
    found: Found,
    known: HashMap<RunId, Known>,
    /// That this keeper and this boot are known.
    meeting: Batch,
    /// Runs that were purged, of which something is left.
    left: Vec<DagRunId>,
}

/// The files whose bytes this record holds. Those of an end that was recorded before may be all there is of its output:
/// what was a long stream, or one that could still grow, is not in the record.
fn spent(write: &Write) -> Vec<Stem> {
    let Write::PutAttempt { run, attempt, .. } = write else { return Vec::new() };
    let files = attempt.slot.map(|slot| Files { run: *run, slot });
    files.map_or_else(Vec::new, |files| output::spent(files, &attempt.output, &attempt.errors))
}

fn read_back(reader: &Reader, logs: &Logs, settings: &Settings, host: Host) -> Result<ReadBack, StartError> {
    let mut stored = records::load(reader)?;
    if let Some(restored) = host.restored {
        stored.slots = stored.slots.max(RunId(FIRST_SLOT.0 + restored));
    }
    let directory = Stem::new(output::ROOT).map(|stem| logs.path(&stem)).map_err(io::Error::other)?;
    if let Some(highest) = highest_number(&directory) {
        stored.next_run = stored.next_run.max(DagRunId(highest + 1));
    }
    let mut meeting = Batch::new();
    let met = records::meet_keeper(reader, &host.keeper, &host.boot, &mut meeting);
    let (new_keeper, new_boot) = met.map_err(records::LoadError::from)?;
    let generators = Generators::of(&stored);
    let known =
        |live: &LiveAttempt, phase| (live.slot, Known::new(live.run, phase, generators.find(live.run, live.task)));
    let mut all: HashMap<_, _> = stored.live.iter().map(|live| known(live, Phase::Over)).collect();
    let mut found = Found { new_keeper, new_boot, stopping: host.stopping, ..Found::default() };
    for held in host.held {
        let live = match records::read_intent(&held.intent) {
            Ok(live) => live,
            Err(why) => {
                tracing::error!(slot = held.slot, "the keeper holds a child of unreadable intent: {why}");
                continue;
            }
        };
        let phase = match held.state {
            kept::HeldState::Starting => Phase::Asked,
            kept::HeldState::Live => Phase::Up,
            kept::HeldState::Exited { .. } => Phase::Over,
        };
        let generator = generators.find(live.run, live.task);
        let held = taken(logs, settings, held, live, generator);
        match &held.end {
            Some(end) if end.tree_empty => drop(all.remove(&held.live.slot)),
            _ => all.extend([known(&held.live, phase)]),
        }
        found.held.push(held);
    }
    // Where processes may be left, they may still write.
    let over = !new_keeper || new_boot;
    let held: HashSet<_> = found.held.iter().map(|held| held.live.slot).collect();
    for live in stored.live.iter().filter(|live| !live.ended && !held.contains(&live.slot)) {
        let files = Files { run: live.run, slot: live.slot };
        let Collected { output, errors, .. } = output::collect(logs, files, over, None);
        found.written.insert(live.slot, (output, errors));
    }
    let left = records::purged(reader).map_err(records::LoadError::from)?;
    Ok(ReadBack { stored, found, known: all, meeting, left })
}

/// What the keeper holds, in the machine's words.
fn taken(
    logs: &Logs,
    settings: &Settings,
    held: kept::Held,
    mut live: LiveAttempt,
    generator: Option<Arc<Blueprint>>,
) -> Held {
    if held.pid > 0 {
        live.leader = Some((held.pid, held.start_ticks));
    }
    let end = match held.state {
        kept::HeldState::Starting | kept::HeldState::Live => None,
        kept::HeldState::Exited { seq, status, rusage, ended, oom, .. } => {
            let mut end = exit(seq, live.slot, status, rusage, ended, oom, held.tree_empty);
            let files = Files { run: live.run, slot: live.slot };
            let generator = generator.map(|blueprint| Generator { blueprint, limits: settings.limits() });
            collect(logs, files, generator.as_ref(), &mut end);
            Some(Box::new(end))
        }
    };
    Held { live, end, tree_empty: held.tree_empty }
}

/// Which tasks of the stored runs are generators.
struct Generators(HashMap<DagRunId, (Arc<Blueprint>, Vec<bool>)>);

impl Generators {
    fn of(stored: &Stored) -> Generators {
        let runs = stored.runs.iter().map(|run| {
            let added = run.additions.iter().flat_map(|added| &added.addition.templates);
            let groups = run.blueprint.templates.iter().chain(added);
            (run.row.id, (run.blueprint.clone(), groups.map(|template| template.is_generator).collect()))
        });
        Generators(runs.collect())
    }

    /// What this task's output is read with, if it is one.
    fn find(&self, run: DagRunId, task: TaskId) -> Option<Arc<Blueprint>> {
        let (blueprint, groups) = self.0.get(&run)?;
        groups.get(task.group as usize)?.then(|| blueprint.clone())
    }
}
