//! One project with its tasks, sorted by where they stand, and counted, so that nothing ever looks at all of them.

use super::bucket::Buckets;
use super::queue::Queue;
use super::{Marks, Waste, Write};
use crate::base::Wall;
use crate::tracker::model::{Definition, Project, Sample, Standing, Status, Task, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// One project.
#[derive(Debug)]
pub(super) struct Lane {
    /// The project itself.
    pub(super) project: Project,
    /// Its definition, as tasks are handed out with it.
    shared: Arc<Definition>,
    /// What was done to all of its tasks.
    pub(super) marks: Marks,
    /// Handing out.
    pub(super) assign: Buckets,
    /// Submitting.
    pub(super) submit: Buckets,
    /// The priority under which it is listed among the projects that have something to hand out.
    pub(super) listed: Option<i32>,
    tasks: BTreeMap<TaskId, Entry>,
    /// The hashes of its tasks, where they have one.
    hashes: BTreeSet<i64>,
    sorted: Sorted,
}

/// A task. Most are free and NEW, without a trace of anybody: these need no standing.
#[derive(Debug)]
struct Entry {
    task: Arc<Task>,
    standing: Option<Box<Standing>>,
}

impl Entry {
    fn standing(&self) -> Standing {
        self.standing.as_deref().cloned().unwrap_or_default()
    }
}

/// Every task is in exactly one of the first four.
#[derive(Debug, Default)]
struct Sorted {
    free: Queue,
    /// Those that are not to be handed out yet.
    later: BTreeSet<(Wall, TaskId)>,
    held: BTreeSet<TaskId>,
    failed: BTreeSet<TaskId>,
    /// How many each worker holds; never 0.
    holders: BTreeMap<WorkerId, u64>,
    /// NEW ones without a vote.
    fresh: u64,
    /// Votes of all.
    votes: u64,
}

impl Sorted {
    fn add(&mut self, task: &Task, standing: &Standing, now: Wall) {
        let votes = standing.votes.len() as u64;
        self.votes += votes;
        self.fresh += u64::from(standing.status == Status::New && votes == 0);
        match (standing.status, standing.lease, task.what.not_before) {
            (Status::Failed, ..) => {
                self.failed.insert(task.id);
            }
            (Status::New, Some(lease), _) => {
                self.held.insert(task.id);
                *self.holders.entry(lease.worker).or_default() += 1;
            }
            (Status::New, None, Some(at)) if at > now => {
                self.later.insert((at, task.id));
            }
            (Status::New, None, _) => self.free.insert(task.id, task.what.priority, &standing.votes),
        }
    }

    fn remove(&mut self, task: &Task, standing: &Standing) {
        let votes = standing.votes.len() as u64;
        self.votes -= votes;
        self.fresh -= u64::from(standing.status == Status::New && votes == 0);
        match (standing.status, standing.lease, task.what.not_before) {
            (Status::Failed, ..) => {
                self.failed.remove(&task.id);
            }
            (Status::New, Some(lease), _) => {
                self.held.remove(&task.id);
                if let Some(count) = self.holders.get_mut(&lease.worker) {
                    *count -= 1;
                    if *count == 0 {
                        self.holders.remove(&lease.worker);
                    }
                }
            }
            (Status::New, None, Some(at)) if self.later.remove(&(at, task.id)) => {}
            (Status::New, None, _) => self.free.remove(task.id, task.what.priority, &standing.votes),
        }
    }
}

/// All that a project had.
pub(super) struct Wiped {
    /// Its tasks, by number.
    pub(super) tasks: Vec<TaskId>,
    /// Those that somebody held, and where they stood.
    pub(super) held: Vec<(TaskId, Standing)>,
    /// All else.
    pub(super) waste: Waste,
}

impl Lane {
    /// A project without tasks.
    pub(super) fn new(project: Project, marks: Marks) -> Lane {
        Lane {
            shared: Arc::new(project.definition.clone()),
            project,
            marks,
            assign: Buckets::default(),
            submit: Buckets::default(),
            listed: None,
            tasks: BTreeMap::new(),
            hashes: BTreeSet::new(),
            sorted: Sorted::default(),
        }
    }

    /// Its definition is another.
    pub(super) fn define(&mut self, definition: Definition) -> Write {
        self.shared = Arc::new(definition.clone());
        self.project.definition = definition;
        Write::PutProject(self.project.id, self.shared.clone())
    }

    /// Its definition, to be shared.
    pub(super) fn definition(&self) -> Arc<Definition> {
        self.shared.clone()
    }

    /// Whether something can be handed out.
    pub(super) fn is_ready(&self) -> bool {
        !self.project.definition.paused && !self.sorted.free.is_empty()
    }

    /// What this worker is handed next, if he may be handed anything.
    pub(super) fn first_for(&self, worker: WorkerId) -> Option<TaskId> {
        let open = !self.project.definition.paused && self.project.may_fetch(worker);
        if open { self.sorted.free.first_for(worker) } else { None }
    }

    /// Whether a task has this hash.
    pub(super) fn knows(&self, hash: i64) -> bool {
        hash != 0 && self.hashes.contains(&hash)
    }

    /// A task is new here. Its number and hash are known to nobody.
    pub(super) fn insert(&mut self, task: Arc<Task>, standing: Standing, now: Wall) {
        if task.what.hash != 0 {
            self.hashes.insert(task.what.hash);
        }
        self.sorted.add(&task, &standing, now);
        let standing = (standing != Standing::default()).then(|| Box::new(standing));
        self.tasks.insert(task.id, Entry { task, standing });
    }

    /// A task is gone.
    pub(super) fn remove(&mut self, id: TaskId) -> Option<(Arc<Task>, Standing)> {
        let entry = self.tasks.remove(&id)?;
        let standing = entry.standing.map(|standing| *standing).unwrap_or_default();
        self.sorted.remove(&entry.task, &standing);
        if entry.task.what.hash != 0 {
            self.hashes.remove(&entry.task.what.hash);
        }
        Some((entry.task, standing))
    }

    /// A task stands elsewhere now.
    pub(super) fn change(&mut self, id: TaskId, now: Wall, change: impl FnOnce(&mut Standing)) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        let mut standing = entry.standing.take().unwrap_or_default();
        self.sorted.remove(&entry.task, &standing);
        change(&mut standing);
        self.sorted.add(&entry.task, &standing, now);
        entry.standing = (*standing != Standing::default()).then_some(standing);
    }

    /// Where a task stands, to be written down.
    pub(super) fn written(&self, id: TaskId) -> Option<Write> {
        let standing = self.tasks.get(&id)?.standing.clone().unwrap_or_default();
        Some(Write::PutStanding(self.project.id, id, standing, self.marks.epoch))
    }

    /// A task and where it stands.
    pub(super) fn task(&self, id: TaskId) -> Option<(Arc<Task>, Standing)> {
        self.tasks.get(&id).map(|entry| (entry.task.clone(), entry.standing()))
    }

    /// The first moment at which a task may be handed out that may not yet.
    pub(super) fn ripens(&self) -> Option<Wall> {
        self.sorted.later.first().map(|(at, _)| *at)
    }

    /// Frees one task that may be handed out by now. Whether there was one.
    pub(super) fn ripen(&mut self, now: Wall) -> bool {
        let due = self.ripens().is_some_and(|at| at <= now);
        let Some((_, id)) = due.then(|| self.sorted.later.pop_first()).flatten() else { return false };
        if let Some(entry) = self.tasks.get(&id) {
            let votes = entry.standing.as_deref().map_or(&[][..], |standing| &standing.votes);
            self.sorted.free.insert(id, entry.task.what.priority, votes);
        }
        true
    }

    /// Every task is gone.
    pub(super) fn wipe(&mut self) -> Wiped {
        let sorted = std::mem::take(&mut self.sorted);
        let hashes = std::mem::take(&mut self.hashes);
        let tasks = std::mem::take(&mut self.tasks);
        let held = sorted.held.iter().filter_map(|id| Some((*id, tasks.get(id)?.standing()))).collect();
        Wiped { tasks: tasks.keys().copied().collect(), held, waste: Waste::of((sorted, hashes, tasks)) }
    }

    /// How many tasks it has.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many have failed, and how many somebody holds.
    pub(super) fn failed_and_held(&self) -> (usize, usize) {
        (self.sorted.failed.len(), self.sorted.held.len())
    }

    /// Those that have failed.
    pub(super) fn failed(&self) -> Vec<TaskId> {
        self.sorted.failed.iter().copied().collect()
    }

    /// Those that somebody holds.
    pub(super) fn held(&self) -> Vec<TaskId> {
        self.sorted.held.iter().copied().collect()
    }

    /// How many are NEW, held or not.
    pub(super) fn new_tasks(&self) -> u64 {
        (self.tasks.len() - self.sorted.failed.len()) as u64
    }

    /// How many each worker holds, and how many nobody does.
    pub(super) fn assignees(&self) -> Vec<(Option<WorkerId>, u64)> {
        let nobody = (self.tasks.len() - self.sorted.held.len()) as u64;
        let somebody = self.sorted.holders.iter().map(|(worker, count)| (Some(*worker), *count));
        std::iter::once((None, nobody)).filter(|(_, count)| *count > 0).chain(somebody).collect()
    }

    /// The queue in numbers.
    pub(super) fn sample(&self, now: Wall) -> Sample {
        Sample {
            at: now.timestamp(),
            new: self.sorted.fresh,
            failed: self.sorted.failed.len() as u64,
            closed: self.project.closed,
            access: self.project.access.len() as u64,
            votes: self.sorted.votes,
        }
    }

    /// One page of its tasks: see [`super::Room::tasks`].
    pub(super) fn page(
        &self,
        after: TaskId,
        (limit, most): (usize, usize),
        wanted: impl Fn(&Task, &Standing) -> bool,
    ) -> (Vec<(Arc<Task>, Standing)>, Option<TaskId>) {
        let (mut page, mut last) = (Vec::new(), after);
        let range = self.tasks.range((Bound::Excluded(after), Bound::Unbounded));
        for (seen, (id, entry)) in range.enumerate() {
            if page.len() >= limit || seen >= most {
                return (page, Some(last));
            }
            last = *id;
            let standing = entry.standing();
            if wanted(&entry.task, &standing) {
                page.push((entry.task.clone(), standing));
            }
        }
        (page, None)
    }
}
