//! The decisions of the room: one machine for all runs, pure and total.
//!
//! [`Room::step`] hears one event at one moment and answers with a [`Plan`]. It reads no clock, performs nothing and
//! never fails; what comes twice or too late changes nothing. [`Room::deadline`] and [`Room::wall_deadline`] say when an
//! [`Event::Tick`] is owed.

mod calendar;
mod stored;
mod words;

pub use calendar::{
    Calendar, CatchUp, Cursor, Dag, DagRow, Decided, Fire, Fired, FiringRow, LATE, Overlap, Schedule, StoredDag,
};
pub use stored::{Entry, Found, Held, Last, LiveAttempt, Stored, StoredAddition, StoredRun};
pub use words::{Ask, Asker, Change, Effect, End, Event, How, Launch, Plan, Refusal, Submission, Verdict, What, Write};

use crate::base::{Mono, Now, RunId, Wall};
use crate::dag::model::{Capacity, DagRunId, Job, RunRow, State, Summary, TaskId, Template};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many tasks one [`Effect::Pass`] covers at most, and how many deadlines one tick serves, so that the engine's
/// thread is never held for long.
pub const AT_ONCE: u32 = 1_000;

/// The first slot of this room: those of supervised processes are below, and 2^53, from which on JavaScript rounds, is
/// above.
pub const FIRST_SLOT: RunId = RunId(1 << 52);

/// What the configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What all attempts together may reserve.
    pub capacity: Capacity,
    /// How long an attempt may take to end after SIGTERM.
    pub grace: Duration,
}

/// All runs that are not over, and what is to be done about them.
#[derive(Debug)]
pub struct Room {}

/// One run that the room holds.
#[derive(Debug)]
pub struct Run {}

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

impl GroupView {
    /// The state of one instance.
    pub fn state(&self, index: u32) -> State {
        let byte = self.states.get(index as usize).copied().unwrap_or(0);
        State::ALL.get(byte as usize).copied().unwrap_or_default()
    }
}

impl View {
    /// What a run looks like that only the store has.
    pub fn of_stored(stored: &StoredRun) -> View {
        let _ = stored;
        unimplemented!()
    }

    /// The task of this name: an instance's name first, else the defined name of a group with exactly one instance.
    pub fn find(&self, name: &str) -> Option<TaskId> {
        let _ = name;
        unimplemented!()
    }
}

impl Room {
    /// The room of a start, and what it does first.
    pub fn recover(settings: Settings, stored: Stored, found: Found, now: Now) -> (Room, Plan) {
        let _ = (settings, stored, found, now);
        unimplemented!()
    }

    /// Hears an event and decides.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        let _ = (event, now);
        unimplemented!()
    }

    /// When a tick is owed on the monotonic clock, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        unimplemented!()
    }

    /// When a tick is owed on the wall clock. When that clock is set, a tick is owed at once.
    pub fn wall_deadline(&self) -> Option<Wall> {
        unimplemented!()
    }

    /// Whether the room holds this run: it is not over, or something of it still runs.
    pub fn holds(&self, run: DagRunId) -> bool {
        let _ = run;
        unimplemented!()
    }

    /// A run that the room holds, as clients see it.
    pub fn view(&self, run: DagRunId) -> Option<View> {
        let _ = run;
        unimplemented!()
    }

    /// The same in one line.
    pub fn summary(&self, run: DagRunId) -> Option<Summary> {
        let _ = run;
        unimplemented!()
    }

    /// All runs that the room holds, in one line each, by number.
    pub fn summaries(&self) -> impl Iterator<Item = Summary> {
        std::iter::empty()
    }

    /// The state of one task of a run that the room holds.
    pub fn task_state(&self, run: DagRunId, task: TaskId) -> Option<State> {
        let _ = (run, task);
        unimplemented!()
    }

    /// The live attempt of a task, if one runs.
    pub fn attempt(&self, run: DagRunId, task: TaskId) -> Option<&LiveAttempt> {
        let _ = (run, task);
        unimplemented!()
    }

    /// A live attempt by its slot.
    pub fn live(&self, slot: RunId) -> Option<&LiveAttempt> {
        let _ = slot;
        unimplemented!()
    }

    /// Why a task does not run yet, in sentences, for people; none: it does run, or is over.
    pub fn why_waiting(&self, run: DagRunId, task: TaskId) -> Vec<String> {
        let _ = (run, task);
        unimplemented!()
    }

    /// How many attempts run, or are about to.
    pub fn running(&self) -> usize {
        unimplemented!()
    }

    /// Stored DAGs.
    pub fn calendar(&self) -> &Calendar {
        unimplemented!()
    }

    /// Whether the daemon was told to stop.
    pub fn is_ending(&self) -> bool {
        unimplemented!()
    }
}
