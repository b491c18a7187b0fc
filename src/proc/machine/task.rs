//! A task and its replicas as the machine holds them.
//!
//! ```text
//!              Pause --tick--> run --end--> Pause            daemon
//!   Idle --> run --end--> Finished                           once, cron; daemon by its policy
//!            run --end, budget used up--> Failed             daemon
//!   any --stop--> Idle          Finished, Failed, Idle --start--> run
//! ```
//!
//! The tally is kept along with every change of a seat, so that asking about a whole task costs nothing, however
//! many replicas it has.

use super::stored::{Seats, Standing, StoredRest, StoredTask};
use crate::base::{Mono, RunId};
use crate::proc::model::{Definition, Incarnation, Kind, Owner, TaskName};
use std::sync::Arc;

/// A task.
#[derive(Debug)]
pub struct Task {
    /// What is stored of it.
    pub(super) stored: StoredTask,
    /// What it is doing.
    pub(super) standing: Standing,
    /// Its replicas, by index.
    pub(super) seats: Vec<Seat>,
    /// Sums over `seats`.
    pub(super) tally: Tally,
    /// Its runs whose leader has not ended, dying ones included: what "it runs" means to tasks that depend on it.
    pub(super) live: u32,
    /// Its runs, dying trees included: what a shutdown waits for.
    pub(super) present: u32,
    /// While it is queued: the tasks whose changes may free it.
    pub(super) watching: Vec<TaskName>,
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The runs that are its own: one, or with `overlap = allow` several. Those told to end by a client are not.
    pub(super) runs: Vec<RunId>,
    /// What it does while it has none.
    pub(super) rest: Rest,
    /// Whether it has become a process since the last launch.
    pub(super) spawned: bool,
    /// Whether its run is ready.
    pub(super) ready: bool,
    /// How many lives in a row were not stable.
    pub(super) failures: u32,
}

/// What a replica without a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: it waits for a launch.
    Idle,
    /// It is started again at this moment.
    Pause(Mono),
    /// Nothing more: it has ended.
    Finished {
        /// With exit code 0.
        success: bool,
    },
    /// Nothing more: it was given up.
    Failed,
    /// It was cut short when the daemon ended, and runs again in the daemon's next life.
    Again,
}

/// How many seats are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Have a run.
    pub busy: u32,
    /// Have become a process since the last launch.
    pub spawned: u32,
    /// Are ready.
    pub ready: u32,
    /// Pause before they are started again.
    pub pausing: u32,
    /// Have finished.
    pub finished: u32,
    /// Have finished with exit code 0.
    pub succeeded: u32,
    /// Were given up.
    pub failed: u32,
}

/// A task in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for a dependency.
    Queued,
    /// Some replicas are not yet processes, or not yet ready.
    Starting,
    /// All it should run runs.
    Running,
    /// A daemon none of whose replicas runs at the moment: they will be started again.
    Pausing,
    /// A cron task between two firings.
    Scheduled,
    /// Stopped by an operator; what is left of it is ending.
    Stopping,
    /// Stopped by an operator.
    Stopped,
    /// Nothing runs, and all replicas ended well.
    Succeeded,
    /// Nothing runs, and some replica did not end well or was given up; or a daemon lacks such a replica.
    Failed,
    /// It has not been launched yet.
    New,
}

impl Seat {
    pub(super) const IDLE: Seat =
        Seat { runs: Vec::new(), rest: Rest::Idle, spawned: false, ready: false, failures: 0 };

    /// Its runs: normally at most one.
    pub fn runs(&self) -> &[RunId] {
        &self.runs
    }

    /// What it does while it has none.
    pub fn rest(&self) -> Rest {
        self.rest
    }

    /// How many lives in a row were not stable.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a launch means this one.
    pub(super) fn is_meant(&self, seats: Seats) -> bool {
        self.runs.is_empty()
            && match seats {
                Seats::Idle => true,
                Seats::Again => self.rest == Rest::Again,
            }
    }

    /// As before its first run.
    pub(super) fn reset(&mut self) {
        (self.rest, self.spawned, self.ready, self.failures) = (Rest::Idle, false, false, 0);
    }

    fn count(&self) -> Tally {
        let resting = self.runs.is_empty();
        let when = |holds: bool| u32::from(holds);
        Tally {
            busy: when(!resting),
            spawned: when(self.spawned),
            ready: when(self.ready && !resting),
            pausing: when(resting && matches!(self.rest, Rest::Pause(_))),
            finished: when(resting && matches!(self.rest, Rest::Finished { .. })),
            succeeded: when(resting && self.rest == Rest::Finished { success: true }),
            failed: when(resting && self.rest == Rest::Failed),
        }
    }
}

impl Rest {
    /// What recovery has to be told of it; nothing when it follows from the task alone.
    pub(super) fn stored(self, failures: u32) -> Option<StoredRest> {
        match self {
            Rest::Idle => None,
            Rest::Pause(until) => Some(StoredRest::Pause { until, failures }),
            Rest::Finished { success } => Some(StoredRest::Finished { success }),
            Rest::Failed => Some(StoredRest::Failed),
            Rest::Again => Some(StoredRest::Again),
        }
    }
}

impl Tally {
    fn each(&mut self, other: Tally, apply: impl Fn(u32, u32) -> u32) {
        self.busy = apply(self.busy, other.busy);
        self.spawned = apply(self.spawned, other.spawned);
        self.ready = apply(self.ready, other.ready);
        self.pausing = apply(self.pausing, other.pausing);
        self.finished = apply(self.finished, other.finished);
        self.succeeded = apply(self.succeeded, other.succeeded);
        self.failed = apply(self.failed, other.failed);
    }
}

impl Task {
    pub(super) fn new(stored: StoredTask, standing: Standing) -> Task {
        let seats = vec![Seat::IDLE; stored.definition.replica.get() as usize];
        Task { stored, standing, seats, tally: Tally::default(), live: 0, present: 0, watching: Vec::new() }
    }

    /// Changes a seat and the sums with it; nothing when there is no such seat.
    pub(super) fn seat_mut<T>(&mut self, replica: u32, change: impl FnOnce(&mut Seat) -> T) -> Option<T> {
        let seat = self.seats.get_mut(replica as usize)?;
        let before = seat.count();
        let result = change(seat);
        let after = seat.count();
        self.tally.each(after, u32::saturating_add);
        self.tally.each(before, u32::saturating_sub);
        Some(result)
    }

    /// Sets the number of seats, which must be free of runs where they go.
    pub(super) fn resize(&mut self, replicas: u32) {
        for seat in self.seats.drain((replicas as usize).min(self.seats.len())..) {
            self.tally.each(seat.count(), u32::saturating_sub);
        }
        self.seats.resize(replicas as usize, Seat::IDLE);
    }

    /// Its life.
    pub fn incarnation(&self) -> Incarnation {
        self.stored.incarnation
    }

    /// Its name.
    pub fn name(&self) -> &TaskName {
        &self.stored.definition.name
    }

    /// What the client said.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.stored.definition
    }

    /// Whose it is.
    pub fn owner(&self) -> &Arc<Owner> {
        &self.stored.owner
    }

    /// The uid it runs as, who may see and touch it.
    pub fn runs_as(&self) -> u32 {
        self.stored.runs_as
    }

    /// What it is doing, as stored: times, queue, schedule.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Its replicas, by index.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Sums over the replicas.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Meproc's counter: absent before the first launch; replicas of a once or cron task that have not ended; of a
    /// daemon all that run or will run again.
    pub fn running(&self) -> Option<u32> {
        self.standing.last_time.map(|_| self.tally.busy + self.tally.pausing)
    }

    /// The task in one word.
    pub fn state(&self) -> TaskState {
        let Tally { busy, ready, pausing, finished, succeeded, failed, .. } = self.tally;
        let daemon = matches!(self.stored.definition.kind, Kind::Daemon(_));
        match () {
            () if self.standing.queued.is_some() => TaskState::Queued,
            () if self.standing.stopped && self.present > 0 => TaskState::Stopping,
            () if self.standing.stopped => TaskState::Stopped,
            () if failed > 0 || (daemon && finished > succeeded) => TaskState::Failed,
            () if busy > ready => TaskState::Starting,
            () if busy > 0 => TaskState::Running,
            () if pausing > 0 => TaskState::Pausing,
            () if self.stored.definition.schedule().is_some() => TaskState::Scheduled,
            () if finished == 0 => TaskState::New,
            () if succeeded == finished => TaskState::Succeeded,
            () => TaskState::Failed,
        }
    }
}
