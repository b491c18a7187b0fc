//! The room as it is shared, and a decision of it with its batch: made at once, or aside where it takes long.

use super::super::events::{self, News};
use crate::base::{Now, Wall};
use crate::cache::machine::{Change, Effect, Event, Plan, Room, Verdict};
use crate::cache::model::{Job, JobId, JobKind, JobState, Pieces, TaskNo};
use crate::cache::records::{self, Numbers};
use crate::store::Batch;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A decision that goes through more entries than this is made aside: so many take some ten milliseconds.
pub(super) const LONG: usize = 2_000;

/// The room, which only the driver changes. Anybody looks at it between two decisions, from any thread; nobody keeps it
/// across an await.
#[derive(Clone)]
pub(in crate::cache) struct SharedRoom {
    inside: Arc<RwLock<Inside>>,
    /// The highest numbers that were written down. The driver's alone.
    numbers: Arc<Mutex<Numbers>>,
}

pub(super) struct Inside {
    pub(super) room: Room,
    /// Jobs that are over, on their way to the disk: the room has forgotten all but their heads.
    pub(super) finished: HashMap<JobId, Arc<Job>>,
}

/// A decision, ready to be written and carried out.
pub(in crate::cache) struct Decided {
    /// When.
    pub(super) at: Wall,
    pub(super) batch: Batch,
    /// Pieces that have come, of tasks of which nothing else is written: these can wait.
    pub(super) lazy: Vec<(TaskNo, Arc<Pieces>)>,
    /// Tasks of which something is written that must come after their pieces.
    pub(super) touched: Vec<TaskNo>,
    /// Tasks that are gone.
    pub(super) gone: Vec<TaskNo>,
    /// Jobs that are over with this.
    pub(super) finished: Vec<JobId>,
    pub(super) verdict: Option<Verdict>,
    pub(super) owed: Option<u64>,
    pub(super) late: Vec<(u64, Verdict)>,
    pub(super) effects: Vec<Effect>,
    /// For listeners.
    pub(super) news: Vec<News>,
    /// Jobs that were made or are over: what they do, and how they stand.
    pub(super) jobs: Vec<(JobKind, JobState)>,
    /// Whether somebody who waits for a job or a task may be glad of it.
    pub(super) stirs: bool,
    /// How many tasks were thrown away to make room, or because they were old.
    pub(super) evicted: usize,
}

impl SharedRoom {
    pub(in crate::cache) fn new(room: Room, numbers: Numbers) -> SharedRoom {
        let inside = Inside { room, finished: HashMap::new() };
        SharedRoom { inside: Arc::new(RwLock::new(inside)), numbers: Arc::new(Mutex::new(numbers)) }
    }

    /// What there is, between two decisions.
    pub(super) fn get(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Inside> {
        self.inside.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// These jobs can be read from the store.
    pub(super) fn forget_finished(&self, jobs: &[JobId]) {
        if !jobs.is_empty() {
            let mut inside = self.change();
            jobs.iter().for_each(|id| drop(inside.finished.remove(id)));
        }
    }

    /// Decides what follows from an event, here and now.
    pub(super) fn decide(&self, event: Event) -> Decided {
        let now = Now::read();
        let cause = Cause::of(&event);
        let (plan, news) = {
            let mut inside = self.change();
            let plan = inside.room.step(event, now);
            let news = plan.moved.iter().filter_map(|no| events::task(inside.room.task(*no)?)).collect();
            for job in plan.changes.iter().filter_map(over) {
                inside.finished.insert(job.id, job.clone());
            }
            (plan, news)
        };
        self.prepared(plan, news, now.wall, cause)
    }

    /// What a start has to do, as a decision.
    pub(super) fn recovered(&self, plan: Plan, at: Wall) -> Decided {
        let mut inside = self.change();
        for job in plan.changes.iter().filter_map(over) {
            inside.finished.insert(job.id, job.clone());
        }
        drop(inside);
        self.prepared(plan, Vec::new(), at, Cause::Course)
    }

    fn prepared(&self, plan: Plan, news: Vec<News>, at: Wall, cause: Cause) -> Decided {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        Decided::of(plan, news, at, cause, &mut numbers)
    }

    /// As [`SharedRoom::decide`], on a thread that may take long. None: the daemon is ending.
    pub(super) async fn decide_aside(&self, event: Event) -> Option<Decided> {
        let room = self.clone();
        match tokio::task::spawn_blocking(move || room.decide(event)).await {
            Ok(decided) => Some(decided),
            Err(why) if why.is_panic() => std::panic::resume_unwind(why.into_panic()),
            Err(_) => None,
        }
    }
}

/// The job of a change that ends it.
fn over(change: &Change) -> Option<&Arc<Job>> {
    match change {
        Change::Job(job) if job.state() != JobState::Pending => Some(job),
        _ => None,
    }
}

/// What led to a decision, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A piece has come.
    Piece,
    /// Anything else.
    Course,
}

impl Cause {
    pub(super) fn of(event: &Event) -> Cause {
        match event {
            Event::Piece(..) => Cause::Piece,
            _ => Cause::Course,
        }
    }
}

impl Decided {
    /// A plan of that time.
    pub(super) fn of(plan: Plan, mut news: Vec<News>, at: Wall, cause: Cause, numbers: &mut Numbers) -> Decided {
        let Plan { changes, effects, verdict, owed, late, jobs, tasks, evicted, moved: _ } = plan;
        let last_job = numbers.job;
        let with_task: HashSet<TaskNo> = changes.iter().filter_map(task_of).collect();
        let (mut now, mut lazy) = (Vec::with_capacity(changes.len()), BTreeMap::new());
        for change in changes {
            match change {
                Change::Pieces(no, pieces) if cause == Cause::Piece && !with_task.contains(&no) => {
                    lazy.insert(no, pieces);
                }
                change => now.push(change),
            }
        }
        let mut batch = Batch::new();
        records::write(&now, numbers, &mut batch);

        let (mut told, mut finished) = (Vec::new(), Vec::new());
        for job in now.iter().filter_map(|change| if let Change::Job(job) = change { Some(job) } else { None }) {
            if job.id.0 > last_job {
                told.push((job.kind(), JobState::Pending));
                news.push(events::job_made(job));
            }
            if job.state() != JobState::Pending {
                told.push((job.kind(), job.state()));
                news.push(events::job_over(job));
                finished.push(job.id);
            }
        }
        Decided {
            at,
            batch,
            lazy: lazy.into_iter().collect(),
            touched: now.iter().filter_map(pieces_before).collect(),
            gone: now.iter().filter_map(|it| if let Change::TaskGone(no) = it { Some(*no) } else { None }).collect(),
            finished,
            verdict,
            owed,
            late,
            effects,
            news,
            jobs: told,
            stirs: !jobs.is_empty() || !tasks.is_empty(),
            evicted,
        }
    }
}

fn task_of(change: &Change) -> Option<TaskNo> {
    match change {
        Change::Task(task) => Some(task.no),
        _ => None,
    }
}

/// The task whose pieces, where they wait to be written, must be written before this.
fn pieces_before(change: &Change) -> Option<TaskNo> {
    match change {
        Change::Task(task) => Some(task.no),
        Change::Pieces(no, _) | Change::TaskGone(no) => Some(*no),
        _ => None,
    }
}
