//! A store that knows nothing but the writes, and reads them back as `words` says: what a start would find.

use crate::base::Secret;
use crate::tracker::machine::{Marks, Numbers, Stored, Write};
use crate::tracker::model::{
    Access, Definition, ManagerId, Project, ProjectId, Role, Sample, Standing, Status, Task, TaskId, Worker, WorkerId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that was written.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    workers: BTreeMap<WorkerId, Worker>,
    worker_closed: BTreeMap<WorkerId, u64>,
    projects: BTreeMap<ProjectId, Arc<Definition>>,
    secrets: BTreeMap<ProjectId, (Secret, Secret)>,
    closed: BTreeMap<ProjectId, u64>,
    marks: BTreeMap<ProjectId, Marks>,
    access: BTreeMap<(ProjectId, WorkerId), Access>,
    roles: BTreeMap<(ProjectId, ManagerId), Role>,
    tasks: BTreeMap<(ProjectId, TaskId), (Arc<Task>, u32)>,
    standings: BTreeMap<(ProjectId, TaskId), (Standing, u32)>,
    pub(super) samples: Vec<(ProjectId, Sample)>,
    numbers: Numbers,
}

impl Shelf {
    pub(super) fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            self.apply_one(write.clone());
        }
    }

    fn apply_one(&mut self, write: Write) {
        match write {
            Write::PutWorker(worker) => {
                self.workers.insert(worker.id, *worker);
            }
            Write::PutWorkerClosed(worker, closed) => {
                self.worker_closed.insert(worker, closed);
            }
            Write::PutProject(project, definition) => {
                self.projects.insert(project, definition);
            }
            Write::PutSecrets(project, secret, webhook) => {
                self.secrets.insert(project, (secret, webhook));
            }
            Write::PutClosed(project, closed) => {
                self.closed.insert(project, closed);
            }
            Write::PutMarks(project, marks) => {
                self.marks.insert(project, marks);
            }
            Write::PutAccess(project, worker, Some(access)) => {
                self.access.insert((project, worker), access);
            }
            Write::PutAccess(project, worker, None) => {
                self.access.remove(&(project, worker));
            }
            Write::PutRole(project, manager, role) if role == Role::NONE => {
                self.roles.remove(&(project, manager));
            }
            Write::PutRole(project, manager, role) => {
                self.roles.insert((project, manager), role);
            }
            Write::PutTask(task, epoch) => {
                self.tasks.insert((task.project, task.id), (task, epoch));
            }
            Write::PutStanding(project, task, standing, epoch) => {
                self.standings.insert((project, task), (*standing, epoch));
            }
            Write::DeleteTask(project, task) => {
                self.tasks.remove(&(project, task));
                self.standings.remove(&(project, task));
            }
            Write::PutSample(project, sample) => self.samples.push((project, sample)),
            Write::PutNumbers(numbers) => self.numbers = numbers,
        }
    }

    /// What a start reads.
    pub(super) fn stored(&self) -> Stored {
        let closed = |worker: &WorkerId| self.worker_closed.get(worker).copied().unwrap_or(0);
        Stored {
            workers: self.workers.iter().map(|(id, worker)| (worker.clone(), closed(id))).collect(),
            projects: self.projects.iter().map(|(id, definition)| self.project(*id, definition)).collect(),
            tasks: self.tasks.iter().filter_map(|((project, id), row)| self.task(*project, *id, row)).collect(),
            numbers: self.numbers,
        }
    }

    fn marks_of(&self, project: ProjectId) -> Marks {
        self.marks.get(&project).copied().unwrap_or_default()
    }

    fn project(&self, id: ProjectId, definition: &Definition) -> (Project, Marks) {
        let (secret, webhook_secret) = self.secrets[&id].clone();
        let roles = self.roles.iter().filter(|((project, _), _)| *project == id);
        let access = self.access.iter().filter(|((project, _), _)| *project == id);
        let project = Project {
            id,
            definition: definition.clone(),
            secret,
            webhook_secret,
            roles: roles.map(|((_, manager), role)| (*manager, *role)).collect(),
            access: access.map(|((_, worker), access)| (*worker, *access)).collect(),
            closed: self.closed.get(&id).copied().unwrap_or(0),
        };
        (project, self.marks_of(id))
    }

    fn task(&self, project: ProjectId, id: TaskId, (task, epoch): &(Arc<Task>, u32)) -> Option<(Arc<Task>, Standing)> {
        let marks = self.marks_of(project);
        if *epoch < marks.wiped {
            return None;
        }
        let Some((standing, written)) = self.standings.get(&(project, id)) else {
            return Some((task.clone(), Standing::default()));
        };
        let mut standing = standing.clone();
        if *written < marks.reset && standing.status == Status::Failed {
            (standing.status, standing.retries) = (Status::New, 0);
        }
        if *written < marks.reclaimed {
            standing.lease = None;
        }
        Some((task.clone(), standing))
    }
}
