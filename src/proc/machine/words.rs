//! The vocabulary of the room: what it hears, what it is asked, and what it answers with.

use super::stored::{LiveRun, Standing, StoredRest, StoredTask};
use crate::base::{RunId, Wall};
use crate::proc::model::{
    Definition, Firing, Incarnation, Offsets, Owner, Replicas, RunRecord, Signal, StartedBy, Status, StoppedBy,
    TaskName, Usage,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A client wants something.
    Asked {
        /// What.
        ask: Ask,
        /// Who.
        by: Asker,
    },
    /// A launch has become a process.
    Spawned {
        /// Which.
        run: RunId,
        /// Its leader.
        pid: i32,
        /// When that was born, in clock ticks since boot: with the pid, its identity on this boot.
        start_ticks: u64,
        /// Where its output begins.
        log: Option<Offsets>,
    },
    /// A launch has failed, or was withdrawn in time. The run never was a process.
    NotLaunched {
        /// Which.
        run: RunId,
        /// Why, for people.
        why: String,
    },
    /// A leader has ended. May come again until it was acknowledged.
    Exited(Exit),
    /// The last process of an ended run's tree is gone.
    TreeEmpty {
        /// Which.
        run: RunId,
    },
    /// What an earlier keeper had left behind of this run is gone.
    LeftoverGone {
        /// Which.
        run: RunId,
    },
    /// A probe has come to a result.
    Probed {
        /// Of which run.
        run: RunId,
        /// Of which probe.
        what: Probing,
        /// What it saw, for people, when it did not hold.
        outcome: Result<(), String>,
    },
    /// A deadline has come, or a clock was set.
    Tick,
    /// End everything in order, then say so.
    Shutdown,
    /// End everything at once, then say so.
    ShutdownNow,
}

/// The end of a leader, as the keeper tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// The number to acknowledge.
    pub seq: u64,
    /// Which.
    pub run: RunId,
    /// How.
    pub status: Status,
    /// What it used.
    pub usage: Usage,
    /// When.
    pub ended: Wall,
    /// Whether the memory killer struck in its cgroup.
    pub oom: bool,
    /// Whether nothing of its tree is left.
    pub tree_empty: bool,
    /// Where its output ended.
    pub log: Option<Offsets>,
}

/// Which of a run's two probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probing {
    /// Is it ready yet?
    Ready,
    /// Does it still work?
    Health,
}

/// Who asks, and whose tasks he may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// He himself: the owner of what he creates.
    pub owner: Owner,
    /// Whether everybody's tasks are his to touch; else only those that run as his uid.
    pub all: bool,
}

/// A definition with what was found out about it outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What the client said.
    pub definition: Definition,
    /// The uid it will run as, looked up when it was offered. Decides who may see and touch it.
    pub runs_as: u32,
}

/// What a client may want.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A new task, started at once (cron: when due).
    Create(Box<Offer>),
    /// End what runs of it and run it again, whatever its type and state.
    Restart(TaskName),
    /// End what runs of it and forget it.
    Delete(TaskName),
    /// End what runs of it, keep it, and leave it down until asked again.
    Stop(TaskName),
    /// Run what of it does not run; a stopped cron task goes by its schedule again.
    Start(TaskName),
    /// Another number of replicas; those that stay are not touched.
    Scale {
        /// Which task.
        name: TaskName,
        /// How many.
        replica: Replicas,
    },
    /// A signal to what runs of it.
    Signal {
        /// Which task.
        name: TaskName,
        /// Which replica; none: all.
        replica: Option<u32>,
        /// Which signal.
        signal: Signal,
    },
    /// Its reload signal to what runs of it.
    Reload(TaskName),
    /// These tasks shall be so: creates, changes and restarts only what differs. All or nothing.
    Apply {
        /// How they shall be.
        offers: Vec<Offer>,
        /// Only say what would be done.
        dry_run: bool,
    },
}

/// The answer to an [`Ask`].
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will be so; durable with the plan's writes.
    Accepted,
    /// It was so before.
    AlreadySo,
    /// No, and why. Nothing has changed.
    Refused(Refusal),
}

/// Why an [`Ask`] was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such task.
    #[error("there is no task {0:?}")]
    NotFound(TaskName),
    /// The name is in use.
    #[error("there already is a task {0:?}")]
    Exists(TaskName),
    /// It would wait for itself. The path begins and ends with the same name.
    #[error("the tasks would wait for each other: {}", Path(.0))]
    Cycle(Vec<TaskName>),
    /// More replicas than the configuration allows.
    #[error("at most {max} replicas are allowed")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// More replicas in one request than one task may have.
    #[error("at most {max} replicas can be created or changed at once: apply the list in parts")]
    TooManyAtOnce {
        /// The limit.
        max: u32,
    },
    /// The task runs as somebody else.
    #[error("task {0:?} is not yours")]
    NotAllowed(TaskName),
    /// The task has no reload signal.
    #[error("task {0:?} has no reload signal")]
    NoReload(TaskName),
    /// There is no process the signal could go to.
    #[error("nothing of task {0:?} runs")]
    NotRunning(TaskName),
    /// There is no such replica.
    #[error("task {name:?} has no replica {replica}")]
    NoReplica {
        /// Which task.
        name: TaskName,
        /// Which index.
        replica: u32,
    },
    /// A list names a task more than once.
    #[error("task {0:?} is given more than once")]
    Twice(TaskName),
    /// The daemon is ending.
    #[error("the daemon is stopping")]
    ShuttingDown,
}

/// A cycle as text: `a -> b -> a`.
struct Path<'a>(&'a [TaskName]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if place == 0 { "" } else { " -> " })?;
        }
        Ok(())
    }
}

/// What [`Ask::Apply`] does to one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is new.
    Created,
    /// Its processes are replaced.
    Restarted,
    /// Only what hostler does around its processes, or their number, changes.
    Adjusted,
    /// It is as it should be.
    Unchanged,
}

/// What is to be done about an event, in this order: submit `writes` as one batch; perform `effects`; when the
/// batch is durable, acknowledge `heard` and give the `verdict`. `changes` may be published at once.
#[must_use]
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The new state, one decision.
    pub writes: Vec<Write>,
    /// What to do, safe to repeat.
    pub effects: Vec<Effect>,
    /// What to tell whoever listens.
    pub changes: Vec<Change>,
    /// Exits that may be forgotten by the keeper once the writes are durable.
    pub heard: Vec<u64>,
    /// The answer, if the event was an ask.
    pub verdict: Option<Verdict>,
    /// The runs that end in the places this ask is about, told by it or before: who wants to wait, waits until
    /// [`super::Room::run`] knows none of them.
    pub ending: Vec<RunId>,
    /// What [`Ask::Apply`] does or would do, in the order given.
    pub differences: Vec<(TaskName, Difference)>,
}

/// Which processes a signal goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The leader alone.
    Leader,
    /// The leader's process group.
    Group,
    /// All of the run.
    Tree,
}

/// All that is needed to launch a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Its number, and the keeper's slot.
    pub run: RunId,
    /// The life of the task it belongs to.
    pub incarnation: Incarnation,
    /// The index of the replica.
    pub replica: u32,
    /// What to run.
    pub definition: Arc<Definition>,
    /// Whose it is.
    pub owner: Arc<Owner>,
    /// The uid that had been looked up for it.
    pub runs_as: u32,
    /// Why.
    pub started_by: StartedBy,
}

/// Something to do in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this; answer with [`Event::Spawned`] or [`Event::NotLaunched`].
    Launch(Launch),
    /// A launch under way is no longer wanted. Answered like a launch: if it is too late, with `Spawned`.
    Withdraw {
        /// Which.
        run: RunId,
    },
    /// Send a signal.
    Signal {
        /// To which run.
        run: RunId,
        /// Which.
        signal: Signal,
        /// To which of its processes.
        scope: Scope,
    },
    /// End what an earlier keeper left behind; answer with [`Event::LeftoverGone`].
    EndLeftover {
        /// Of which run.
        run: RunId,
        /// Its leader and when that was born, if it got that far. Without: only its cgroup can be swept.
        leader: Option<(i32, u64)>,
        /// What ends it.
        signal: Signal,
        /// After this it is killed.
        grace: Duration,
    },
    /// Try a probe once and answer with [`Event::Probed`]. A log line or a notification is simply waited for.
    Probe {
        /// Of which run.
        run: RunId,
        /// Which.
        what: Probing,
    },
    /// Drop a try that is under way; no answer is expected.
    StopProbes {
        /// Of which run.
        run: RunId,
    },
    /// Nothing runs any more and nothing will: the daemon may end.
    Done,
}

/// A change of the stored state.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A task's definition.
    PutTask(StoredTask),
    /// What a task is doing.
    PutStanding {
        /// Which.
        incarnation: Incarnation,
        /// What.
        standing: Standing,
    },
    /// A task with its standing and all its seats is gone. Its history stays.
    DeleteTask {
        /// Which.
        incarnation: Incarnation,
        /// Its name.
        name: TaskName,
        /// The uid it ran as, who may see its history.
        runs_as: u32,
    },
    /// Why a replica does not run.
    PutSeat {
        /// Of which task.
        incarnation: Incarnation,
        /// Its index.
        replica: u32,
        /// Why.
        rest: StoredRest,
    },
    /// A replica has nothing of the kind.
    DeleteSeat {
        /// Of which task.
        incarnation: Incarnation,
        /// Its index.
        replica: u32,
    },
    /// A run that is not over, tree included.
    PutLive(Box<LiveRun>),
    /// It is over.
    DeleteLive(RunId),
    /// A line of the history.
    PutRun(Box<RunRecord>),
    /// Firings that did not run: a line of the history.
    PutFiring {
        /// Of which task.
        incarnation: Incarnation,
        /// Its name.
        name: TaskName,
        /// Which, and why.
        firing: Firing,
    },
    /// Numbers below this may have been handed out.
    PutCeiling(u64),
    /// The host's boot that the live runs belong to.
    PutBoot(String),
}

/// Something that changed, for listeners.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The task.
    pub name: TaskName,
    /// The uid that may see it.
    pub owner: u32,
    /// What.
    pub what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The task was created.
    Created,
    /// Its definition was changed.
    Changed,
    /// It was deleted.
    Deleted,
    /// It was stopped and stays down.
    Stopped,
    /// Its launch waits for a dependency.
    Queued,
    /// Its replicas were launched.
    Launched(StartedBy),
    /// A run has become a process.
    RunStarted {
        /// Which.
        run: RunId,
        /// The index of the replica.
        replica: u32,
        /// Its leader.
        pid: i32,
    },
    /// A run is ready.
    RunReady {
        /// Which.
        run: RunId,
        /// The index of the replica.
        replica: u32,
    },
    /// A run was told to end.
    RunStopping {
        /// Which.
        run: RunId,
        /// The index of the replica.
        replica: u32,
        /// Why.
        by: StoppedBy,
    },
    /// A run has ended.
    RunEnded(Box<RunRecord>),
    /// A run and its whole tree are gone.
    RunGone {
        /// Which.
        run: RunId,
        /// The index of the replica.
        replica: u32,
    },
    /// A replica was given up.
    GaveUp {
        /// The index of the replica.
        replica: u32,
        /// How many lives in a row were not stable.
        failures: u32,
    },
    /// A firing did not run.
    NotFired(Firing),
}
