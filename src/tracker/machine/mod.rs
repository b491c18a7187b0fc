//! The decisions of the room: which worker gets which task, for how long, and when one is done.
//!
//! [`Room::step`] takes an event and the time and answers with a [`Plan`]; [`Room::deadline`] says when an
//! [`Event::Tick`] is owed. Questions that change nothing are asked of the [`Room`] itself.

mod words;

pub use words::*;

use super::model::{
    Access, Manager, ManagerId, Project, ProjectId, Role, Sample, Standing, Task, TaskId, Worker, WorkerId,
};
use crate::base::{Mono, Now};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the machine goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a task may be held that says 0.
    pub default_assign: Duration,
    /// The pause between two samples.
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
}

impl Room {
    /// What was stored, as the machine sees it now: leases of before go on for as long as they had left on the wall
    /// clock, never longer than they were granted for. The plan watches their processes.
    pub fn recover(settings: Settings, stored: Stored, now: Now) -> (Room, Plan) {
        let _ = (stored, now);
        (Room { settings }, Plan::default())
    }

    /// Decides what follows from an event.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        let _ = (event, now, self.settings);
        Plan::default()
    }

    /// When an [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        None
    }

    /// A worker.
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        let _ = id;
        None
    }

    /// All workers by number, with how many tasks each has closed.
    pub fn workers(&self) -> impl Iterator<Item = (&Worker, u64)> {
        std::iter::empty()
    }

    /// A project.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        let _ = id;
        None
    }

    /// All projects, by name.
    pub fn projects(&self) -> impl Iterator<Item = &Project> {
        std::iter::empty()
    }

    /// The projects whose `git_repo` is this, without regard to case; never those without one.
    pub fn projects_of_repository(&self, repository: &str) -> Vec<ProjectId> {
        let _ = repository;
        Vec::new()
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
        let _ = project;
        Vec::new()
    }

    /// Managers with a role in a project, by number.
    pub fn roles(&self, project: ProjectId) -> BTreeMap<ManagerId, Role> {
        self.project(project).map(|project| project.roles.clone()).unwrap_or_default()
    }

    /// How many tasks each worker holds in a project, and how many nobody holds (`None`): the most first, at most
    /// `limit` entries, none of them 0.
    pub fn assignees(&self, project: ProjectId, limit: usize) -> Vec<(Option<WorkerId>, u64)> {
        let _ = (project, limit);
        Vec::new()
    }

    /// The queue of a project in numbers.
    pub fn count(&self, project: ProjectId, now: Now) -> Sample {
        let _ = (project, now);
        Sample::default()
    }

    /// A task and where it stands.
    pub fn task(&self, id: TaskId) -> Option<(Arc<Task>, Standing)> {
        let _ = id;
        None
    }

    /// Tasks of a project with numbers above `after`, by number, as far as `wanted` agrees: at most `limit`, having looked
    /// at no more than `most`. The second value is where the next page begins, while there may be more.
    pub fn tasks(
        &self,
        project: ProjectId,
        after: TaskId,
        (limit, most): (usize, usize),
        wanted: impl Fn(&Task, &Standing) -> bool,
    ) -> (Vec<(Arc<Task>, Standing)>, Option<TaskId>) {
        let _ = (project, after, limit, most, wanted);
        (Vec::new(), None)
    }

    /// How many tasks exist, for metrics.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether no task exists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
