//! The vocabulary of the room: what it hears, what it is asked, and what it answers with.

use crate::base::{Secret, Wall};
use crate::tracker::model::{
    Access, Definition, Lease, Manager, ManagerId, NewTask, Outcome, Process, ProjectId, Role, Sample, Standing, Task,
    TaskId, Worker, WorkerId, WorkerSecret,
};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody wants something.
    Asked(Ask),
    /// A process that leases are tied to is gone.
    Died(Process),
    /// Whoever waited does so no longer.
    Left(WaitId),
    /// These tasks were handed to a worker that had gone before it heard of them: it never had them. Where one is held by
    /// another lease by now, be it of the same worker, that lease stays.
    Undelivered(Vec<(TaskId, Lease)>),
    /// A deadline has come, or a clock was set.
    Tick,
}

/// The number of one who waits for a task; never reused while the daemon lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitId(pub u64);

/// What somebody may want. Who he is was proven before; what he may is decided here.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A new worker.
    CreateWorker {
        /// Not the reserved one, not empty.
        alias: String,
        /// Freshly drawn.
        secret: WorkerSecret,
    },
    /// A worker calls itself something else.
    RenameWorker {
        /// Which.
        worker: WorkerId,
        /// Anything.
        alias: String,
    },
    /// Keep a worker from being handed tasks, or no longer. For admins.
    PauseWorker {
        /// Who asks.
        by: Manager,
        /// Which.
        worker: WorkerId,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// A new project: valid in itself.
    CreateProject {
        /// Who asks; he gets every role.
        by: Manager,
        /// What is to be.
        definition: Box<Definition>,
        /// A random UUID.
        webhook_secret: Secret,
    },
    /// Replace all that can be set of a project.
    UpdateProject {
        /// Who asks.
        by: Manager,
        /// Which.
        project: ProjectId,
        /// What is to be.
        definition: Box<Definition>,
    },
    /// A git hook whose signature was checked says that these projects are at another version.
    SetVersion {
        /// Which.
        projects: Vec<ProjectId>,
        /// What it is.
        version: String,
    },
    /// Replace a project's secret.
    SetSecret {
        /// Who asks.
        by: Manager,
        /// Which.
        project: ProjectId,
        /// What it is.
        secret: Secret,
    },
    /// Replace the key that signs git hooks.
    SetWebhookSecret {
        /// Who asks.
        by: Manager,
        /// Which.
        project: ProjectId,
        /// What it is.
        secret: Secret,
    },
    /// A worker asks for access.
    RequestAccess {
        /// Which.
        worker: WorkerId,
        /// To what.
        project: ProjectId,
        /// To be handed tasks.
        assign: bool,
        /// To submit tasks.
        submit: bool,
    },
    /// Grant what was asked for.
    AcceptAccess {
        /// Who asks.
        by: Manager,
        /// To what.
        project: ProjectId,
        /// For whom.
        worker: WorkerId,
    },
    /// Take back what was granted, or refuse what was asked for.
    RejectAccess {
        /// Who asks.
        by: Manager,
        /// To what.
        project: ProjectId,
        /// For whom.
        worker: WorkerId,
    },
    /// What a manager may do in a project. That the account exists was checked.
    SetRole {
        /// Who asks.
        by: Manager,
        /// Where.
        project: ProjectId,
        /// Who gets it.
        manager: ManagerId,
        /// Replaces what he had; none removes it.
        role: Role,
    },
    /// An account is gone, and with it its roles.
    ForgetManager(ManagerId),
    /// Every FAILED task is NEW again, without retries.
    ResetFailed {
        /// Who asks.
        by: Manager,
        /// Where.
        project: ProjectId,
    },
    /// Every task is gone, uncounted and unchained.
    HardReset {
        /// Who asks.
        by: Manager,
        /// Where.
        project: ProjectId,
    },
    /// Every NEW task is free.
    Reclaim {
        /// Who asks.
        by: Manager,
        /// Where.
        project: ProjectId,
    },
    /// New tasks, each valid in itself.
    Submit {
        /// Which worker asks; none: a manager does, who has to be admin or to hold EDIT.
        by: Submitter,
        /// Where.
        project: ProjectId,
        /// What; at least one.
        tasks: Vec<NewTask>,
    },
    /// More of what was admitted before: it costs as much, and is not kept waiting. So a large bulk, which takes one token
    /// to begin with, becomes several decisions.
    SubmitMore {
        /// Who asks.
        by: Submitter,
        /// Where.
        project: ProjectId,
        /// What; at least one.
        tasks: Vec<NewTask>,
    },
    /// To be handed tasks.
    Fetch {
        /// Which worker asks.
        worker: WorkerId,
        /// From where.
        from: From,
        /// At most so many; at least 1.
        count: usize,
        /// How long to wait when there is none.
        wait: Duration,
        /// The process whose death gives them back.
        process: Option<Process>,
    },
    /// A worker gives a task back.
    Release {
        /// Which.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// How; none: with a number that means nothing, which changes nothing.
        outcome: Option<Outcome>,
        /// Why, for people; mostly nothing.
        reason: String,
    },
    /// A worker needs more time: so much, from now on.
    Extend {
        /// Which.
        worker: WorkerId,
        /// For what.
        task: TaskId,
        /// How much.
        by: Duration,
    },
    /// Take a task away for good.
    DeleteTask {
        /// Who asks.
        by: Manager,
        /// Which.
        task: TaskId,
    },
    /// A FAILED task is NEW again, without retries.
    Requeue {
        /// Who asks.
        by: Manager,
        /// Which.
        task: TaskId,
    },
    /// Rows of another tracker; each replaces nothing that is there.
    Import {
        /// Who asks; only an admin may.
        by: Manager,
        /// What.
        rows: Vec<Imported>,
    },
}

/// Who submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// A worker.
    Worker(WorkerId),
    /// A manager: the command line.
    Manager(Manager),
}

/// Where a task may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// One project.
    Project(ProjectId),
    /// Any project that the worker may be handed tasks of: the highest priority first, then the lowest number.
    Any,
}

/// A row of another tracker, with the numbers it had there.
#[derive(Clone, Debug, PartialEq)]
pub enum Imported {
    /// A worker, and how many tasks it has closed.
    Worker(Worker, u64),
    /// A project with its secrets, and how many of its tasks were closed.
    Project {
        /// Its number.
        id: ProjectId,
        /// What was set.
        definition: Box<Definition>,
        /// For workers.
        secret: Secret,
        /// For hooks.
        webhook_secret: Secret,
        /// Closed tasks.
        closed: u64,
    },
    /// What a worker may do in a project.
    Access(ProjectId, WorkerId, Access),
    /// What a manager may do in a project.
    Role(ProjectId, ManagerId, Role),
    /// A task, and where it stands.
    Task(Task, Standing),
}

/// What follows from an event.
#[derive(Debug, Default)]
pub struct Plan {
    /// The answer to [`Event::Asked`], once the writes are durable.
    pub verdict: Option<Verdict>,
    /// One decision, in order.
    pub writes: Vec<Write>,
    /// What is to be done beside, once the writes are durable.
    pub effects: Vec<Effect>,
    /// For listeners.
    pub changes: Vec<Change>,
    /// To be dropped where that disturbs nobody.
    pub waste: Option<Waste>,
}

/// What is of no use any more, but takes its time to be dropped.
#[derive(Debug)]
pub struct Waste(#[expect(dead_code, reason = "only to be dropped")] Box<dyn Any + Send>);

impl Waste {
    pub(super) fn of(what: impl Any + Send) -> Waste {
        Waste(Box::new(what))
    }
}

/// What is to be done. Each is safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Whoever waits gets these; [`Event::Undelivered`] if he has gone.
    Hand(WaitId, WorkerId, Vec<Handed>),
    /// Whoever waits has waited long enough.
    GiveUp(WaitId),
    /// Say when this process dies: at once, if it is gone already.
    Watch(Process),
    /// No lease is tied to this process any more.
    Unwatch(Process),
}

/// A task as its new holder gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// What to do.
    pub task: Arc<Task>,
    /// Where it stands now, with the lease.
    pub standing: Standing,
    /// The project, as it was then.
    pub project: Arc<Definition>,
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is so now.
    Accepted,
    /// A new worker.
    Worker(Box<Worker>),
    /// A new project.
    Project(ProjectId),
    /// Tasks were stored under these numbers; those that were not have none, in the order of the ask.
    Submitted(Vec<Result<TaskId, Refusal>>),
    /// These are the worker's now; none: there is nothing for him.
    Handed(Vec<Handed>),
    /// There is nothing yet: [`Effect::Hand`] or [`Effect::GiveUp`] with this number follows.
    Waiting(WaitId),
    /// A task was given back: whether that changed what `tracker.md` 6.4 calls `updated`.
    Released(bool),
    /// The time is up then.
    Extended(Wall),
    /// So many tasks were affected.
    Affected(u64),
    /// What became of each row.
    Imported(Vec<Result<(), Refusal>>),
    /// No.
    Refused(Refusal),
}

/// Why not. The texts are those that clients of the original know, where it has one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not with these rights.
    #[error("Unauthorized")]
    Unauthorized,
    /// No right to chain to that project.
    #[error("Unauthorized (You need RoleEdit on the project you wish to chain tasks to)")]
    NoChain,
    /// A project like that is not this person's to create.
    #[error("You are not permitted to create a project with this configuration")]
    NotPermitted,
    /// The worker is gone.
    #[error("worker id does not match any valid worker")]
    NoWorker,
    /// No such project.
    #[error("Project not found")]
    NoProject,
    /// No such task.
    #[error("Task not found")]
    NoTask,
    /// The project it is to be chained to does not exist.
    #[error(r#"pq: insert or update on table "project" violates foreign key constraint "project_chain_fkey""#)]
    ChainUnknown,
    /// Another project has that name.
    #[error(r#"pq: duplicate key value violates unique constraint "project_name_key""#)]
    NameTaken,
    /// There is a row of access already, or no such project.
    #[error("Project is public, you already have an active request or you already have access to this project")]
    NoRequest,
    /// There is no row of access.
    #[error("Worker did not have access to this project")]
    NoAccess,
    /// The worker is paused.
    #[error("A manager has paused you")]
    Paused,
    /// The bucket is empty.
    #[error("Too many requests")]
    TooMany {
        /// Seconds until this very request would be admitted.
        delay: f64,
    },
    /// No right to submit.
    #[error("unauthorized task submit")]
    NoSubmit,
    /// A task of the project has that hash.
    #[error(r#"pq: duplicate key value violates unique constraint "project_hash_unique""#)]
    Duplicate,
    /// The worker does not hold it.
    #[error("the task is not yours: it was never, or its time is up")]
    NotHeld,
    /// Only FAILED tasks are requeued.
    #[error("the task has not failed")]
    NotFailed,
    /// Something else has that number.
    #[error("{0} is taken")]
    NumberTaken(String),
    /// A row is about something that is not there.
    #[error("{0} is unknown")]
    Unknown(String),
    /// There are no numbers left of that kind.
    #[error("no more can be made: the numbers are used up")]
    Full,
}

/// What a plan stores. `records` says how.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A worker.
    PutWorker(Box<Worker>),
    /// How many tasks a worker has closed.
    PutWorkerClosed(WorkerId, u64),
    /// What was set of a project.
    PutProject(ProjectId, Arc<Definition>),
    /// A project's secrets: for workers, and for hooks.
    PutSecrets(ProjectId, Secret, Secret),
    /// How many of its tasks were closed.
    PutClosed(ProjectId, u64),
    /// See [`Marks`].
    PutMarks(ProjectId, Marks),
    /// What a worker may do in a project; none: nothing.
    PutAccess(ProjectId, WorkerId, Option<Access>),
    /// What a manager may do in a project; none removes it.
    PutRole(ProjectId, ManagerId, Role),
    /// A task, as submitted.
    PutTask(Arc<Task>, u32),
    /// Where a task stands, written in this epoch of its project. One that was never written is free and NEW.
    PutStanding(ProjectId, TaskId, Box<Standing>, u32),
    /// A task is gone, with its standing.
    DeleteTask(ProjectId, TaskId),
    /// The queue, at one moment.
    PutSample(ProjectId, Sample),
    /// Numbers below these may have been given out.
    PutNumbers(Numbers),
}

/// What was done to all tasks of a project at once, without writing each. A task or standing carries the epoch in which
/// it was written; each mass change begins a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// In which things are written now.
    pub epoch: u32,
    /// What was submitted before this epoch is gone.
    pub wiped: u32,
    /// What was FAILED before this epoch is NEW, free, without retries. Votes and the last failure are kept.
    pub reset: u32,
    /// What was held before this epoch is free, and else as it was.
    pub reclaimed: u32,
}

/// The next number of each kind that was certainly never given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Of workers.
    pub worker: u32,
    /// Of projects.
    pub project: u32,
    /// Of tasks.
    pub task: u64,
}

impl Default for Numbers {
    /// From 1.
    fn default() -> Numbers {
        Numbers { worker: 1, project: 1, task: 1 }
    }
}

/// Something that listeners may want to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// In which project.
    pub project: ProjectId,
    /// What.
    pub what: What,
}

/// What has changed. Traffic (submitting, handing out, ordinary closing) is counted, not told.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A project was made or changed.
    Project,
    /// Access was asked for, granted or taken.
    Access(WorkerId),
    /// A task has failed for good.
    Failed(TaskId),
    /// A lease came to its end without its holder's doing.
    Lost {
        /// Of which task.
        task: TaskId,
        /// Whose.
        lease: Lease,
        /// Whether its process died; else its time was up.
        died: bool,
    },
    /// A mass change.
    Mass {
        /// `reset`, `wiped` or `reclaimed`.
        how: &'static str,
        /// How many tasks.
        affected: u64,
    },
}
