//! The decisions of the room: one machine for all runs, pure and total.
//!
//! [`Room::step`] hears one event at one moment and answers with a [`Plan`]. It reads no clock, performs nothing and
//! never fails; what comes twice or too late changes nothing. [`Room::deadline`] and [`Room::wall_deadline`] say when an
//! [`Event::Tick`] is owed.
//!
//! * `words` the vocabulary, `stored` the memory, `view` what clients see, `why` what a task waits for
//! * `run` groups, and what follows when one settles; `group` one of them; `queue` who goes next
//! * `attempts` the life of an attempt, `judge` what its end means; `passes` runs that start nothing; `generators`
//! * `asks` what clients want, `restart` the one that is more than a line; `calendar`, `schedules` stored DAGs
//! * `ending` the orderly shutdown, `recover` the start
//!
//! An event costs time logarithmic in the number of runs and tasks, and linear in the tasks that it changes. Restarting a
//! run, and taking up one that was edited, look at all of its groups once; so does its first failure, if that is to stop
//! it, and the end of a generator.

mod asks;
mod attempts;
mod calendar;
mod ending;
mod generators;
mod group;
mod judge;
mod passes;
mod queue;
mod recover;
mod restart;
mod run;
mod schedules;
mod stored;
mod view;
mod why;
mod words;

#[cfg(test)]
mod tests;

pub use calendar::{Calendar, Cursor, Dag, DagRow, Decided, Fire, Fired, FiringRow, Schedule, StoredDag};
pub use run::Run;
pub use stored::{Entry, Found, Held, Last, LiveAttempt, Stored, StoredAddition, StoredRun};
pub use words::{Ask, Asker, Change, Effect, End, Event, How, Launch, Plan, Refusal, Submission, Verdict, What, Write};

use crate::base::{Mono, Now, RunId, Timers, Wall};
use crate::dag::model::{Capacity, DagName, DagRunId, Job, RunRow, State, TaskId, Template};
use attempts::{Live, Stopping};
use ending::Ending;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many tasks one [`Effect::Pass`] covers at most, how many attempts one step starts and how many deadlines one tick
/// serves, so that the engine's thread is never held for long.
pub const AT_ONCE: u32 = 1_000;

/// The first slot of this room: those of supervised processes are below, and 2^53, from which on JavaScript rounds, is
/// above.
pub const FIRST_SLOT: RunId = RunId(1 << 52);

/// So many slots are always reserved in the store, and more when there are fewer.
const SLOTS_AHEAD: u64 = 4_096;

/// What the configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What all attempts together may reserve.
    pub capacity: Capacity,
    /// How long an attempt may take to end after SIGTERM.
    pub grace: Duration,
    /// How many tasks a run may have with all that generators add.
    pub max_tasks: u32,
}

/// All runs that are not over, and what is to be done about them.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    /// Runs that are not over, and those over of which something still lives.
    runs: BTreeMap<DagRunId, Run>,
    /// Attempts that have not ended, and ended ones of which something is left.
    lives: BTreeMap<RunId, Live>,
    /// Of these, what an earlier keeper had left behind.
    leftovers: BTreeSet<RunId>,
    queue: Queue,
    alarms: Timers<Mono, Alarm>,
    calendar: Calendar,
    /// Runs of stored DAGs that are not over.
    by_dag: HashMap<DagName, BTreeSet<DagRunId>>,
    /// Stored DAGs of which the last run is over: what they owe may run.
    idle: BTreeSet<DagName>,
    next_run: DagRunId,
    next_slot: RunId,
    /// Slots below this one are reserved.
    slots: RunId,
    /// Present from the moment the daemon is told to stop.
    ending: Option<Ending>,
    /// A step has left something for the next tick, which is due at once.
    unfinished: bool,
    scratch: Scratch,
}

/// What a monotonic deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Alarm {
    /// The next try of a task may start.
    Retry(DagRunId, TaskId),
    /// An attempt has had its time.
    Timeout(RunId),
    /// An attempt, or what is left of its tree, has had its time to end.
    Force(RunId),
}

/// What one step gathers.
#[derive(Debug)]
struct Scratch {
    now: Now,
    plan: Plan,
    /// Runs whose row is to be written, as it is in the end.
    rows: BTreeSet<DagRunId>,
    /// Runs of which something has changed.
    touched: BTreeSet<DagRunId>,
    /// Runs that may not have to be held any more.
    seen: BTreeSet<DagRunId>,
}

impl Scratch {
    fn at(now: Now) -> Scratch {
        Scratch { now, plan: Plan::default(), rows: BTreeSet::new(), touched: BTreeSet::new(), seen: BTreeSet::new() }
    }

    fn write(&mut self, write: Write) {
        self.plan.writes.push(write);
    }

    fn effect(&mut self, effect: Effect) {
        self.plan.effects.push(effect);
    }

    fn change(&mut self, owner: u32, what: What) {
        self.plan.changes.push(Change { owner, what });
    }
}

/// Everything that clients may see of a run, at one moment, apart from attempts; cheap to take.
#[derive(Clone, Debug)]
pub struct View {
    /// The row, with the present `counts` and `last_update`.
    pub row: RunRow,
    /// The groups in their order.
    pub groups: Vec<GroupView>,
    /// All dependencies: (parent, child), sorted.
    pub edges: Vec<(u32, u32)>,
}

/// One group in a [`View`].
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its template.
    pub template: Arc<Template>,
    /// The states of its instances, one byte each: see [`GroupView::state`].
    pub states: Arc<Vec<u8>>,
    /// Instances whose job was replaced.
    pub edits: BTreeMap<u32, Arc<Job>>,
    /// The generator instance that added it.
    pub by: Option<TaskId>,
    /// Names of groups that this generator has added, in order.
    pub added: Vec<String>,
}

impl Room {
    /// Hears an event and decides.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        self.scratch = Scratch::at(now);
        self.unfinished = false;
        match event {
            Event::Asked { ask, by, found } => self.asked(ask, &by, found),
            Event::Started { slot, leader } => self.started(slot, leader),
            Event::Ended(end) => self.ended(*end),
            Event::Passed { run, first, count } => self.passed(run, first, count),
            Event::TreeEmpty { slot } | Event::LeftoverGone { slot } => self.gone(slot),
            Event::Tick => self.tick(),
            Event::Shutdown => self.shutdown(),
            Event::ShutdownNow => self.shutdown_now(),
        }
        self.finish()
    }

    fn tick(&mut self) {
        let now = self.scratch.now.mono;
        for _ in 0..AT_ONCE {
            let Some(alarm) = self.alarms.pop(now) else { break };
            match alarm {
                Alarm::Retry(run, task) => self.retry_due(run, task),
                Alarm::Timeout(slot) => self.timed_out(slot),
                Alarm::Force(slot) => self.stop(slot, Stopping::Forced),
            }
        }
        self.look_at_calendar();
    }

    /// Lets what follows from this step follow, then writes down what it has changed.
    fn finish(&mut self) -> Plan {
        self.look_at_touched();
        self.run_owed();
        self.dispatch();
        self.finish_ending();
        let now = self.scratch.now;
        let scratch = std::mem::replace(&mut self.scratch, Scratch::at(now));
        let mut plan = scratch.plan;
        for id in scratch.rows {
            if let Some(run) = self.runs.get(&id) {
                plan.writes.push(Write::PutRun(Box::new(run.row.clone())));
            }
        }
        for id in scratch.seen {
            if self.runs.get(&id).is_some_and(|run| run.state().is_over() && run.live.is_empty()) {
                self.runs.remove(&id);
            }
        }
        plan
    }

    /// Draws the conclusions for every run of which something has changed.
    fn look_at_touched(&mut self) {
        while let Some(id) = self.scratch.touched.pop_first() {
            self.scratch.seen.insert(id);
            if let Some(run) = self.runs.get_mut(&id) {
                run.conclude(&mut self.scratch);
            }
            self.count_for_dag(id);
            self.pass_next(id);
            self.line_up(id);
            // What this has changed itself is not looked at again.
            self.scratch.touched.remove(&id);
        }
    }

    /// When a tick is owed on the monotonic clock, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        if self.unfinished { Some(self.scratch.now.mono) } else { self.alarms.next() }
    }

    /// When a tick is owed on the wall clock. When that clock is set, a tick is owed at once.
    pub fn wall_deadline(&self) -> Option<Wall> {
        if self.is_ending() { None } else { self.calendar.deadline() }
    }

    /// Whether the room holds this run: it is not over, or something of it still runs.
    pub fn holds(&self, run: DagRunId) -> bool {
        self.runs.contains_key(&run)
    }

    /// A run that the room holds, as clients see it.
    pub fn view(&self, run: DagRunId) -> Option<View> {
        self.runs.get(&run).map(Run::view)
    }

    /// The same in one line.
    pub fn row(&self, run: DagRunId) -> Option<RunRow> {
        self.runs.get(&run).map(|run| run.row.clone())
    }

    /// All runs that the room holds, in one line each, by number.
    pub fn rows(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.values().map(|run| &run.row)
    }

    /// The state of one task of a run that the room holds.
    pub fn task_state(&self, run: DagRunId, task: TaskId) -> Option<State> {
        self.runs.get(&run)?.task(task)
    }

    /// The live attempt of a task, if one runs.
    pub fn attempt(&self, run: DagRunId, task: TaskId) -> Option<&LiveAttempt> {
        let mut lives = self.runs.get(&run)?.lives(task);
        lives.find_map(|slot| self.live(slot).filter(|live| !live.ended))
    }

    /// A live attempt by its slot.
    pub fn live(&self, slot: RunId) -> Option<&LiveAttempt> {
        self.lives.get(&slot).map(|live| &live.attempt)
    }

    /// How many attempts run, or are about to.
    pub fn running(&self) -> usize {
        self.queue.running() as usize
    }

    /// Stored DAGs.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Whether something of an attempt is left that an earlier keeper had.
    pub fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// Whether the daemon was told to stop.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }
}
