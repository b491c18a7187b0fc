//! The decisions of the room: one machine for all tasks and runs, pure and total.
//!
//! [`Room::step`] hears one event at one moment and answers with a [`Plan`]. It reads no clock, performs nothing
//! and never fails; what comes twice or too late changes nothing. [`Room::deadline`] and [`Room::wall_deadline`] say
//! when a [`Event::Tick`] is owed.
//!
//! * `words` the vocabulary, `stored` the memory; `task` tasks, replicas and their tally
//! * `run` the life of a run, `probing` its probes, `asks` what clients want, `apply` the declarative one
//! * `deps` who waits for whom, `firing` cron, `ending` the orderly shutdown, `recover` the start
//!
//! An event costs time logarithmic in the number of tasks and runs: a queued task is looked at only when one of the
//! tasks it waits for has changed, and a whole task's condition is read off its tally.

mod apply;
mod asks;
mod deps;
mod ending;
mod firing;
mod probing;
mod recover;
mod run;
mod stored;
mod task;
mod words;

pub use deps::Blocker;
pub use run::{Phase, Run};
pub use stored::{Cursor, Found, Held, LiveRun, Owed, Queued, Seats, Standing, Stored, StoredRest, StoredTask};
pub use task::{Rest, Seat, Tally, Task, TaskState};
pub use words::{
    Ask, Asker, Change, Difference, Effect, Event, Exit, Launch, Offer, Plan, Probing, Refusal, Scope, Verdict, What,
    Write,
};

use crate::base::{Mono, Now, RunId, Timers, Wall};
use crate::proc::model::{Incarnation, REPLICAS_MAX, TaskName};
use ending::Ending;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many deadlines one tick serves, so that the engine's thread is never held for long. The rest is due at once.
const TICK_SERVES: usize = 1_000;
/// Numbers are reserved in the store in steps of this many.
const NUMBERS_AT_ONCE: u64 = 4_096;

/// What the configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most replicas a task may have.
    pub max_replicas: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { max_replicas: REPLICAS_MAX }
    }
}

/// All tasks and runs, and what is to be done about them.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    tasks: BTreeMap<Incarnation, Task>,
    names: BTreeMap<TaskName, Incarnation>,
    /// Runs that are not over, tree included; of deleted tasks too.
    runs: BTreeMap<RunId, Run>,
    /// The same by name and replica: the place that a successor may have to wait for.
    places: HashMap<(TaskName, u32), Vec<RunId>>,
    /// Tasks by what they name in `deps`.
    needed_by: HashMap<TaskName, BTreeSet<Incarnation>>,
    /// Queued tasks by whose changes may free them.
    watched: HashMap<TaskName, BTreeSet<Incarnation>>,
    alarms: Timers<Mono, Alarm>,
    firings: Timers<Wall, Incarnation>,
    numbers: Numbers,
    /// Present from the moment the daemon is told to stop.
    ending: Option<Ending>,
    scratch: Scratch,
}

/// What a monotonic deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Alarm {
    /// A daemon's pause is over.
    Start(Incarnation, u32),
    /// A run has had its time to end.
    Kill(RunId),
    /// A run has had its time to become ready.
    Ready(RunId),
    /// The next try of a run's probe.
    Probe(RunId),
}

/// The numbers of runs and lives: handed out in order, reserved in the store first.
#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    ceiling: u64,
}

/// What one step gathers. State that is stored is only marked here and written once at the end, as it then is.
#[derive(Debug)]
struct Scratch {
    now: Now,
    plan: Plan,
    standings: BTreeSet<Incarnation>,
    seats: BTreeSet<(Incarnation, u32)>,
    lives: BTreeSet<RunId>,
    /// Tasks that changed in a way others may wait for.
    changed: BTreeSet<TaskName>,
    /// Cron tasks that have become idle.
    idle: BTreeSet<Incarnation>,
}

impl Scratch {
    fn at(now: Now) -> Scratch {
        Scratch {
            now,
            plan: Plan::default(),
            standings: BTreeSet::new(),
            seats: BTreeSet::new(),
            lives: BTreeSet::new(),
            changed: BTreeSet::new(),
            idle: BTreeSet::new(),
        }
    }
}

impl Room {
    /// Hears an event and decides.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        let set_back = now.wall < self.scratch.now.wall;
        self.scratch = Scratch::at(now);
        if set_back {
            self.clock_went_back();
        }
        match event {
            Event::Asked { ask, by } => self.asked(ask, &by),
            Event::Spawned { run, pid, start_ticks, log } => self.spawned(run, pid, start_ticks, log),
            Event::NotLaunched { run, why } => self.not_launched(run, why),
            Event::Exited(exit) => self.exited(&exit),
            Event::TreeEmpty { run } => self.tree_empty(run),
            Event::LeftoverGone { run } => self.leftover_gone(run),
            Event::Probed { run, what, outcome } => self.probed(run, what, outcome),
            Event::Tick => self.tick(),
            Event::Shutdown => self.shutdown(),
            Event::ShutdownNow => self.shutdown_now(),
        }
        self.finish()
    }

    /// When a tick is owed on the monotonic clock, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        self.alarms.next()
    }

    /// When a tick is owed on the wall clock. When that clock is set, a tick is owed at once.
    pub fn wall_deadline(&self) -> Option<Wall> {
        self.firings.next()
    }

    /// All tasks, oldest first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// The task of this name.
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.get(self.names.get(name)?)
    }

    /// The task of this life.
    pub fn incarnation(&self, incarnation: Incarnation) -> Option<&Task> {
        self.tasks.get(&incarnation)
    }

    /// All runs that are not over, tree included, oldest first; of deleted tasks too.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values()
    }

    /// A run that is not over. None: it is gone with its whole tree, or never was.
    pub fn run(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run)
    }

    /// The runs at one place that are not over: the one that runs, and those whose trees are still ending.
    pub fn runs_at(&self, name: &TaskName, replica: u32) -> impl Iterator<Item = &Run> {
        let at = self.places.get(&(name.clone(), replica));
        at.into_iter().flatten().filter_map(|run| self.runs.get(run))
    }

    /// Whether the daemon was told to stop.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// When the next firing of a cron task is due, jitter included.
    pub fn next_firing(&self, incarnation: Incarnation) -> Option<Wall> {
        self.firings.get(incarnation)
    }

    fn tick(&mut self) {
        let now = self.scratch.now;
        for _ in 0..TICK_SERVES {
            let Some(alarm) = self.alarms.pop(now.mono) else { break };
            match alarm {
                Alarm::Start(incarnation, replica) => self.pause_over(incarnation, replica),
                Alarm::Kill(run) => self.stop_timed_out(run),
                Alarm::Ready(run) => self.ready_timed_out(run),
                Alarm::Probe(run) => self.probe_due(run),
            }
        }
        for _ in 0..TICK_SERVES {
            let Some(incarnation) = self.firings.pop(now.wall) else { break };
            self.look_at_schedule(incarnation);
        }
    }

    /// Lets what follows from this step follow, then writes down what it has changed.
    fn finish(&mut self) -> Plan {
        loop {
            if let Some(incarnation) = self.scratch.idle.pop_first() {
                self.run_owed(incarnation);
            } else if let Some(name) = self.scratch.changed.pop_first() {
                let waiting: Vec<_> = self.watched.get(&name).into_iter().flatten().copied().collect();
                waiting.into_iter().for_each(|incarnation| self.reconsider(incarnation));
            } else {
                break;
            }
        }
        self.finish_ending();
        let now = self.scratch.now;
        let scratch = std::mem::replace(&mut self.scratch, Scratch::at(now));
        let mut plan = scratch.plan;
        for incarnation in scratch.standings {
            if let Some(task) = self.tasks.get(&incarnation) {
                plan.writes.push(Write::PutStanding { incarnation, standing: task.standing.clone() });
            }
        }
        for (incarnation, replica) in scratch.seats {
            let Some(task) = self.tasks.get(&incarnation) else { continue };
            // While it has a run, what was written of its rest before is simply not looked at.
            match task.seats.get(replica as usize) {
                Some(seat) if !seat.runs.is_empty() => {}
                seat => plan.writes.push(match seat.and_then(|seat| seat.rest.stored(seat.failures)) {
                    Some(rest) => Write::PutSeat { incarnation, replica, rest },
                    None => Write::DeleteSeat { incarnation, replica },
                }),
            }
        }
        for run in scratch.lives {
            plan.writes.push(match self.runs.get(&run) {
                Some(known) => Write::PutLive(Box::new(known.stored(self.alarms.get(Alarm::Kill(run))))),
                None => Write::DeleteLive(run),
            });
        }
        plan
    }

    fn write(&mut self, write: Write) {
        self.scratch.plan.writes.push(write);
    }

    fn effect(&mut self, effect: Effect) {
        self.scratch.plan.effects.push(effect);
    }

    fn change(&mut self, name: &TaskName, owner: u32, what: What) {
        self.scratch.plan.changes.push(Change { name: name.clone(), owner, what });
    }

    /// A number never handed out before.
    fn number(&mut self) -> u64 {
        if self.numbers.next >= self.numbers.ceiling {
            self.numbers.ceiling = self.numbers.next.saturating_add(NUMBERS_AT_ONCE);
            self.write(Write::PutCeiling(self.numbers.ceiling));
        }
        self.numbers.next += 1;
        self.numbers.next - 1
    }
}
