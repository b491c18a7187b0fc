//! The vocabulary of the room: what it hears, what it is asked, and what it answers with.

use super::calendar::{Dag, DagRow, FiringRow};
use super::stored::{LiveAttempt, StoredRun};
use crate::base::{RunId, Wall};
use crate::dag::model::{
    Addition, Attempt, Blueprint, DagName, DagRunId, Edit, Executor, Job, Kept, Mark, Origin, Outcome, Owner, RunRow,
    State, TaskId, Template, Usage,
};
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
        /// The run it is about as the store has it, where [`Ask::run`] names one that the room does not hold. Without
        /// it, such an ask is refused with [`Refusal::NoRun`]. What the ask leaves over is not held any longer than it.
        found: Option<Box<StoredRun>>,
    },
    /// An attempt has become a process, or a step has begun.
    Started {
        /// Which.
        slot: RunId,
        /// Its leader and when that was born, in clock ticks since boot; none: a step.
        leader: Option<(i32, u64)>,
    },
    /// An attempt has come to its end. May come again until it was acknowledged.
    Ended(Box<End>),
    /// These tasks of a run without processes have succeeded: see [`Effect::Pass`].
    Passed {
        /// Which run.
        run: DagRunId,
        /// The first of them.
        first: TaskId,
        /// How many, instance after instance.
        count: u32,
    },
    /// The last process of an ended attempt's tree is gone.
    TreeEmpty {
        /// Which.
        slot: RunId,
    },
    /// What an earlier keeper had left behind of this attempt is gone.
    LeftoverGone {
        /// Which.
        slot: RunId,
    },
    /// A deadline has come, or a clock was set.
    Tick,
    /// End everything in order, then say so. What was running is recorded as interrupted, and goes on after the next
    /// start.
    Shutdown,
    /// End everything at once, then say so.
    ShutdownNow,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Which.
    pub slot: RunId,
    /// The keeper's number to acknowledge, where there was a process.
    pub seq: Option<u64>,
    /// How.
    pub how: How,
    /// When.
    pub at: Wall,
    /// Whether nothing of its tree is left. Otherwise [`Event::TreeEmpty`] follows.
    pub tree_empty: bool,
    /// Standard output.
    pub output: Kept,
    /// Standard error.
    pub errors: Kept,
    /// What it used, if it was a process.
    pub usage: Option<Usage>,
    /// Of a generator that ended with code 0: what it has printed, compiled, or why that is no good.
    pub generated: Option<Result<Addition, String>>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// With this exit code. A step ends with 0, or with 1 and a remark.
    Code {
        /// The code.
        code: i32,
        /// What the executor has to say, mostly nothing.
        remark: String,
    },
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether the kernel's memory killer struck in its cgroup.
        oom: bool,
    },
    /// It never was a process.
    NotStarted {
        /// 127: the program was not found. 126: it cannot be executed, or anything else.
        rc: i32,
        /// Why, for people.
        why: String,
    },
}

/// Who asks, and whose runs he may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// He himself: the owner of what he submits.
    pub owner: Owner,
    /// Whether everybody's runs are his to touch; else only those that run as his uid. What he may not touch is not
    /// there for him.
    pub all: bool,
}

/// A run to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Compiled.
    pub blueprint: Arc<Blueprint>,
    /// The specification's text, for the record.
    pub text: Arc<str>,
    /// The uid its commands will run as.
    pub runs_as: u32,
    /// [`Origin::Client`] or [`Origin::Dag`].
    pub origin: Origin,
    /// An `Idempotency-Key` that was not known to the store, with a digest of the request: it is stored with the run.
    pub key: Option<(String, String)>,
}

/// What a client may want.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A new run.
    Submit(Box<Submission>),
    /// The run shall come into this state: `PATCH …/state/…`. The table is in daggy.md 3.2.
    SetState(DagRunId, State),
    /// Kill the run, if it is not over: `DELETE`.
    Kill(DagRunId),
    /// Kill one task, if it is not over.
    KillTask(DagRunId, TaskId),
    /// Change one task that is not running, of a run that is over or paused.
    Edit(DagRunId, TaskId, Edit),
    /// Forget a run that is over, with all that it has written.
    Purge(DagRunId),
    /// Store a DAG, or replace it.
    PutDag(Box<Dag>),
    /// Forget a stored DAG. Its runs stay.
    DeleteDag(DagName),
}

impl Ask {
    /// The run it is about.
    pub fn run(&self) -> Option<DagRunId> {
        match self {
            Ask::SetState(run, _) | Ask::Kill(run) | Ask::KillTask(run, _) | Ask::Edit(run, ..) | Ask::Purge(run) => {
                Some(*run)
            }
            Ask::Submit(_) | Ask::PutDag(_) | Ask::DeleteDag(_) => None,
        }
    }
}

/// The answer to an [`Ask`].
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will be so; durable with the plan's writes.
    Accepted,
    /// A new run has this number.
    Submitted(DagRunId),
    /// It was so before, and nothing has changed.
    AlreadySo,
    /// No, and why. Nothing has changed.
    Refused(Refusal),
}

/// Why an [`Ask`] was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such run, or not for him. 404.
    #[error("there is no run {0}")]
    NoRun(DagRunId),
    /// There is no such task in the run. 404.
    #[error("run {0} has no such task")]
    NoTask(DagRunId),
    /// There is no such stored DAG, or not for him. 404.
    #[error("there is no DAG {0}")]
    NoDag(DagName),
    /// The stored DAG of this name is somebody else's. 403.
    #[error("the DAG {0} is somebody else's")]
    NotYours(DagName),
    /// The state cannot follow upon the present one. 409.
    #[error("run {run} is {from}: it cannot become {to}", from = .from.word(), to = .to.word())]
    Transition {
        /// Which run.
        run: DagRunId,
        /// Its state.
        from: State,
        /// The state asked for.
        to: State,
    },
    /// It has to be over for that, or paused. 409.
    #[error("run {0} is active: kill or pause it first")]
    Active(DagRunId),
    /// Processes of it are still ending. 409.
    #[error("processes of run {0} are still ending")]
    StillEnding(DagRunId),
    /// The task runs. 409.
    #[error("the task is running")]
    TaskRunning,
    /// The task has completed. 409.
    #[error("the task has completed")]
    TaskCompleted,
    /// The daemon is ending. 503.
    #[error("the daemon is stopping")]
    ShuttingDown,
}

/// What is to be done about an event, in this order: submit `writes` as one batch; perform `effects`; when the batch is
/// durable, acknowledge `heard` and give the `verdict`. `changes` may be published at once.
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
}

/// Something to do in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this; answer with [`Event::Started`] and [`Event::Ended`], or with [`Event::Ended`] alone.
    Start(Box<Launch>),
    /// Let the executor that starts nothing pass these tasks; answer with [`Event::Passed`].
    Pass {
        /// Which run.
        run: DagRunId,
        /// The first of them.
        first: TaskId,
        /// How many, instance after instance; at most [`super::AT_ONCE`], and more than one only if all are fresh.
        count: u32,
    },
    /// End an attempt: the first time kindly, then by force; a step is given up either way. Before the keeper has
    /// heard of it, a launch under way is withdrawn (and ends with [`How::NotStarted`]).
    Stop {
        /// Which.
        slot: RunId,
        /// SIGTERM to the process group (after the leader's end: to the whole tree), or SIGKILL to the whole tree.
        force: bool,
    },
    /// End what an earlier keeper left behind; answer with [`Event::LeftoverGone`].
    EndLeftover {
        /// Of which attempt.
        slot: RunId,
        /// Its leader and when that was born, if it got that far. Without: only its cgroup can be swept.
        leader: Option<(i32, u64)>,
        /// After this it is killed.
        grace: Duration,
    },
    /// Remove the output of a purged run.
    RemoveOutput(DagRunId),
    /// Nothing runs any more: the room may end.
    Done,
}

/// All that is needed to start an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The attempt as it is stored while it runs; also the keeper's record of intent.
    pub live: LiveAttempt,
    /// Where its job comes from.
    pub template: Arc<Template>,
    /// In place of the template's job.
    pub edited: Option<Arc<Job>>,
    /// The run's blueprint: executor, user, and what a generator's output is compiled with.
    pub blueprint: Arc<Blueprint>,
    /// Whose.
    pub owner: Arc<Owner>,
    /// The uid that had been looked up for it.
    pub runs_as: u32,
    /// The stored DAG the run comes from.
    pub dag: Option<DagName>,
}

impl Launch {
    /// What carries it out.
    pub fn executor(&self) -> Executor {
        self.blueprint.executor
    }
}

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A run, new or changed.
    PutRun(Box<RunRow>),
    /// A new run's specification.
    PutText(DagRunId, Arc<str>),
    /// What a generator has added, from this group on.
    PutAddition {
        /// To which run.
        run: DagRunId,
        /// The place of the first new group. An addition without groups is not written.
        first: u32,
        /// The instance that made it.
        by: TaskId,
        /// What.
        text: Arc<str>,
    },
    /// An attempt that has ended; of a run without processes, the same one of several fresh tasks in a row.
    PutAttempt {
        /// Of which run.
        run: DagRunId,
        /// Of which task, or the first of them.
        task: TaskId,
        /// How many tasks, instance after instance.
        count: u32,
        /// Which attempt of the task, from 1, over all passes.
        number: u32,
        /// What became of it.
        attempt: Box<Attempt>,
    },
    /// Tasks came to their state without an attempt.
    PutMark {
        /// Of which run.
        run: DagRunId,
        /// Which, or the first of them.
        task: TaskId,
        /// How many, instance after instance.
        count: u32,
        /// In which pass.
        pass: u32,
        /// How many attempts the task had had then: a later one outweighs the mark.
        after: u32,
        /// What.
        mark: Mark,
    },
    /// A task has another job.
    PutEdit {
        /// Of which run.
        run: DagRunId,
        /// Which.
        task: TaskId,
        /// The job.
        job: Arc<Job>,
    },
    /// An attempt that has not ended.
    PutLive(Box<LiveAttempt>),
    /// It has ended, and nothing of it is left.
    DeleteLive(RunId),
    /// Everything that is stored of a run goes.
    DeleteRun(DagRunId),
    /// An `Idempotency-Key` of this uid belongs to a run.
    PutKey {
        /// Whose.
        uid: u32,
        /// The key.
        key: String,
        /// Of the request.
        digest: String,
        /// The run it made.
        run: DagRunId,
    },
    /// Numbers up to these may have been given: runs, slots.
    PutNumbers {
        /// The next run.
        run: DagRunId,
        /// Slots below this one are reserved.
        slots: RunId,
    },
    /// A stored DAG, new or replaced, or its schedule has moved on.
    PutDag(Box<DagRow>),
    /// A stored DAG's text.
    PutDagText(DagName, Arc<str>),
    /// A stored DAG goes, with what it remembered of its firings.
    DeleteDag(DagName),
    /// A firing of a schedule was decided.
    PutFiring(DagName, Box<FiringRow>),
}

/// Something changed, for whoever listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The uid that may see it beside the operators.
    pub owner: u32,
    /// What.
    pub what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A run has come into a state.
    Run {
        /// Which.
        run: DagRunId,
        /// Its label.
        tag: String,
        /// Into which.
        state: State,
    },
    /// A task has come into a state.
    Task {
        /// Of which run.
        run: DagRunId,
        /// Which.
        task: TaskId,
        /// Its instance name.
        name: String,
        /// Into which.
        state: State,
        /// Of the attempt that has ended with this, if one has: its number, its `rc`, what it made of the task.
        attempt: Option<(u32, i32, Outcome)>,
    },
    /// Several tasks of a group have completed at once.
    Tasks {
        /// Of which run.
        run: DagRunId,
        /// The first.
        first: TaskId,
        /// How many.
        count: u32,
        /// The group's name.
        group: String,
    },
    /// A generator has added groups.
    Added {
        /// To which run.
        run: DagRunId,
        /// Their names.
        groups: Vec<String>,
    },
    /// A run and its record are gone.
    Purged(DagRunId),
    /// A stored DAG was stored, replaced or removed.
    Dag(DagName),
    /// A schedule's firing did not run, and why.
    NotFired(DagName, FiringRow),
}
