//! The decisions of the room: which worker gets which task, for how long, and when one is done.
//!
//! [`Room::step`] takes an event and the time and answers with a [`Plan`]; [`Room::deadline`] says when an
//! [`Event::Tick`] is owed. It reads no clock, performs nothing and never fails. Questions that change nothing are asked
//! of the [`Room`] itself.
//!
//! * `words` the vocabulary; `asks` what clients want, by theme
//! * `lane` one project with its tasks, `queue` the free ones in their order, `places` the project of each task
//! * `fetch` handing out and taking back, `leases` when that ends, `waiting` those for whom there was nothing
//! * `bucket` rate limits, `counters` numbers, `time` what comes with time, `recover` the start
//!
//! An event costs time logarithmic in the number of tasks, and linear in those that it changes. Emptying a project drops
//! all of its tasks at once.

mod asks;
mod bucket;
mod counters;
mod fetch;
mod lane;
mod leases;
mod places;
mod queue;
mod recover;
mod time;
mod waiting;
mod words;

#[cfg(test)]
mod tests;

pub use words::*;

use super::model::{
    Access, Manager, ManagerId, Process, Project, ProjectId, Role, Sample, Standing, Task, TaskId, Worker, WorkerId,
};
use crate::base::{Mono, Now, Timers, Wall};
use counters::Counters;
use lane::Lane;
use leases::Leases;
use places::Places;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use waiting::Waiting;

/// What the machine goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a task may be held that says 0.
    pub default_assign: Duration,
    /// The pause between two samples; zero: none are taken.
    pub sample_every: Duration,
}

/// All that was stored, as a start reads it. Epochs have been applied already.
#[derive(Debug, Default)]
pub struct Stored {
    /// Workers, and how many tasks each has closed.
    pub workers: Vec<(Worker, u64)>,
    /// Projects with access, roles and counts, and the marks of each.
    pub projects: Vec<(Project, Marks)>,
    /// Tasks that exist, and where they stand.
    pub tasks: Vec<(Arc<Task>, Standing)>,
    /// What was given out.
    pub numbers: Numbers,
}

/// The tracker as it stands.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    workers: BTreeMap<WorkerId, Member>,
    lanes: BTreeMap<ProjectId, Lane>,
    names: BTreeMap<String, ProjectId>,
    /// Projects by the small letters of their `git_repo`, where they have one.
    repositories: BTreeMap<String, BTreeSet<ProjectId>>,
    /// Projects that have something to hand out, the most important first.
    ready: BTreeSet<(Reverse<i32>, ProjectId)>,
    places: Places,
    leases: Leases,
    /// When the first task of a project may be handed out that may not yet.
    ripening: Timers<Wall, ProjectId>,
    /// When the bucket of a project has a token again, if somebody waits for that.
    refills: Timers<Mono, ProjectId>,
    waiting: Waiting,
    /// Projects of which more may be had than at the beginning of the step.
    stirred: BTreeSet<ProjectId>,
    counters: Counters,
    /// Processes that are gone, whose tasks have not all been freed yet.
    dead: BTreeSet<Process>,
    next_sample: Option<Mono>,
    /// The first project of which a sample is still to be taken at this time.
    sampling: Option<ProjectId>,
    /// A step has left something for the next tick, which is due at once.
    unfinished: bool,
    now: Now,
    plan: Plan,
}

/// A worker, and how many tasks it has closed.
#[derive(Debug)]
struct Member {
    worker: Worker,
    closed: u64,
}

impl Room {
    fn empty(settings: Settings, counters: Counters, now: Now) -> Room {
        Room {
            settings,
            workers: BTreeMap::new(),
            lanes: BTreeMap::new(),
            names: BTreeMap::new(),
            repositories: BTreeMap::new(),
            ready: BTreeSet::new(),
            places: Places::default(),
            leases: Leases::default(),
            ripening: Timers::default(),
            refills: Timers::default(),
            waiting: Waiting::default(),
            stirred: BTreeSet::new(),
            counters,
            dead: BTreeSet::new(),
            next_sample: Room::first_sample(now.mono, settings.sample_every),
            sampling: None,
            unfinished: false,
            now,
            plan: Plan::default(),
        }
    }

    /// Decides what follows from an event. What was due before it comes before it.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        self.now = now;
        self.pass_time();
        match event {
            Event::Asked(ask) => self.plan.verdict = Some(self.asked(ask)),
            Event::Died(process) => {
                self.dead.insert(process);
                self.bury();
            }
            Event::Left(wait) => self.waiting.remove(wait),
            Event::Undelivered(leases) => self.undelivered(&leases),
            Event::Tick => {}
        }
        self.serve_stirred();
        if let Some(numbers) = self.counters.owed() {
            self.plan.writes.insert(0, Write::PutNumbers(numbers)); // whoever reads meanwhile finds no number above them
        }
        std::mem::take(&mut self.plan)
    }

    /// When an [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        if self.unfinished {
            return Some(self.now.mono);
        }
        let ripe = self.ripening.next().map(|at| self.mono_of(at));
        let all = [self.leases.next(), self.waiting.next(), self.refills.next(), ripe, self.next_sample];
        all.into_iter().flatten().min()
    }

    /// About how many tasks the answer to an ask goes through.
    pub fn effort(&self, ask: &Ask) -> usize {
        let lane = |project| self.lanes.get(project);
        match ask {
            Ask::Submit { tasks, .. } => tasks.len(),
            Ask::Import { rows, .. } => rows.len(),
            Ask::HardReset { project, .. } => lane(project).map_or(0, Lane::len),
            Ask::ResetFailed { project, .. } => lane(project).map_or(0, |lane| lane.failed_and_held().0),
            Ask::Reclaim { project, .. } => lane(project).map_or(0, |lane| lane.failed_and_held().1),
            _ => 1,
        }
    }

    /// Takes a project in.
    fn open(&mut self, lane: Lane) {
        let project = &lane.project;
        self.names.insert(project.definition.name.clone(), project.id);
        if !project.definition.git_repo.is_empty() {
            let repository = project.definition.git_repo.to_lowercase();
            self.repositories.entry(repository).or_default().insert(project.id);
        }
        self.lanes.insert(project.id, lane);
    }

    /// Whether a project has something to hand out, and when it will have more, may have changed.
    fn list(&mut self, project: ProjectId) {
        let Some(lane) = self.lanes.get_mut(&project) else { return };
        let listed = lane.is_ready().then_some(lane.project.definition.priority);
        if listed != lane.listed {
            if let Some(before) = lane.listed {
                self.ready.remove(&(Reverse(before), project));
            }
            if let Some(priority) = listed {
                self.ready.insert((Reverse(priority), project));
            }
            lane.listed = listed;
        }
        match lane.ripens() {
            Some(at) if self.ripening.get(project) != Some(at) => self.ripening.set(project, at),
            Some(_) => {}
            None => self.ripening.clear(project),
        }
    }

    fn tell(&mut self, project: ProjectId, what: What) {
        self.plan.changes.push(Change { project, what });
    }

    /// A worker.
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id).map(|member| &member.worker)
    }

    /// All workers by number, with how many tasks each has closed.
    pub fn workers(&self) -> impl Iterator<Item = (&Worker, u64)> {
        self.workers.values().map(|member| (&member.worker, member.closed))
    }

    /// A project.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.lanes.get(&id).map(|lane| &lane.project)
    }

    /// All projects, by name.
    pub fn projects(&self) -> impl Iterator<Item = &Project> {
        self.names.values().filter_map(|id| self.project(*id))
    }

    /// The projects whose `git_repo` is this, without regard to case; never those without one.
    pub fn projects_of_repository(&self, repository: &str) -> Vec<ProjectId> {
        let found = self.repositories.get(&repository.to_lowercase());
        found.map(|projects| projects.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether this person may do that in a project; nobody but admins may in one that is not there.
    pub fn may(&self, who: Manager, project: ProjectId, needed: Role) -> bool {
        match self.project(project) {
            Some(project) => who.may(project, needed),
            None => who.is_admin(),
        }
    }

    /// Rows of access to a project: accepted first, then pending, each by alias, then by number.
    pub fn access_list(&self, project: ProjectId) -> Vec<(&Worker, Access)> {
        let Some(project) = self.project(project) else { return Vec::new() };
        let rows = project.access.iter().filter_map(|(id, access)| Some((self.worker(*id)?, *access)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|(a, his), (b, hers)| (his.pending, &a.alias, a.id).cmp(&(hers.pending, &b.alias, b.id)));
        rows
    }

    /// Managers with a role in a project, by number.
    pub fn roles(&self, project: ProjectId) -> BTreeMap<ManagerId, Role> {
        self.project(project).map(|project| project.roles.clone()).unwrap_or_default()
    }

    /// How many tasks each worker holds in a project, and how many nobody holds (`None`): the most first, at most
    /// `limit` entries, none of them 0.
    pub fn assignees(&self, project: ProjectId, limit: usize) -> Vec<(Option<WorkerId>, u64)> {
        let mut entries = self.lanes.get(&project).map(Lane::assignees).unwrap_or_default();
        entries.sort_by_key(|(worker, count)| (Reverse(*count), *worker));
        entries.truncate(limit);
        entries
    }

    /// The queue of a project in numbers.
    pub fn count(&self, project: ProjectId, now: Now) -> Sample {
        self.lanes.get(&project).map(|lane| lane.sample(now.wall)).unwrap_or_default()
    }

    /// A task and where it stands.
    pub fn task(&self, id: TaskId) -> Option<(Arc<Task>, Standing)> {
        self.lanes.get(&self.places.get(id)?)?.task(id)
    }

    /// Tasks of a project with numbers above `after`, by number, as far as `wanted` agrees: at most `limit`, having looked
    /// at no more than `most`. The second value is the `after` of the next page, where there is one.
    pub fn tasks(
        &self,
        project: ProjectId,
        after: TaskId,
        (limit, most): (usize, usize),
        wanted: impl Fn(&Task, &Standing) -> bool,
    ) -> (Vec<(Arc<Task>, Standing)>, Option<TaskId>) {
        match self.lanes.get(&project) {
            Some(lane) => lane.page(after, (limit, most), wanted),
            None => (Vec::new(), None),
        }
    }

    /// How many tasks exist, for metrics.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no task exists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait for a task, for metrics.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
