//! What a start reads: everything but samples and logs.
//!
//! Tasks and standings are read side by side in the order of their keys: nothing is looked up.

use super::shapes::{Access, Closed, Marked, Numbers, Project, Role, Secrets, Standing, Task, Worker, WorkerClosed};
use crate::store::{ReadError, Reader, beside};
use crate::tracker::machine::{self, Marks, Stored};
use crate::tracker::model::{self, ManagerId, ProjectId, Status, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why what is stored makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Half of a project is missing.
    #[error("project {0} has no secrets")]
    NoSecrets(u32),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// For the machine.
    pub stored: Stored,
    /// Projects of whose wiped queues something is left.
    pub wiped: BTreeSet<ProjectId>,
}

/// Everything a start needs. Blocks.
///
/// # Errors
/// See [`LoadError`].
pub fn load(reader: &Reader) -> Result<Loaded, LoadError> {
    let numbers = reader.get::<Numbers>(&())?.map(machine::Numbers::from).unwrap_or_default();
    let mut loaded = Loaded::default();
    let workers = workers(reader)?;
    let projects = projects(reader, &workers)?;
    let marks = projects.iter().map(|(project, marks)| (project.id, *marks)).collect();
    let highest = tasks(reader, &marks, &mut loaded)?;
    let after = |id: Option<u32>| id.map_or(1, |id| id.saturating_add(1));
    loaded.stored.numbers = machine::Numbers {
        worker: numbers.worker.max(after(workers.last_key_value().map(|(id, _)| id.0))),
        project: numbers.project.max(after(projects.last().map(|(project, _)| project.id.0))),
        task: numbers.task.max(highest.saturating_add(1)),
    };
    loaded.stored.workers = workers.into_values().collect();
    loaded.stored.projects = projects;
    Ok(loaded)
}

fn workers(reader: &Reader) -> Result<BTreeMap<WorkerId, (model::Worker, u64)>, ReadError> {
    let mut closed = reader.scan::<WorkerClosed>(..).peekable();
    let mut workers = BTreeMap::new();
    for entry in reader.scan::<Worker>(..) {
        let (id, worker) = entry?;
        let count = beside(&mut closed, &id)?.map_or(0, |WorkerClosed(count)| count);
        workers.insert(WorkerId(id), (worker.into_model(id), count));
    }
    Ok(workers)
}

fn projects(
    reader: &Reader,
    workers: &BTreeMap<WorkerId, (model::Worker, u64)>,
) -> Result<Vec<(model::Project, Marks)>, LoadError> {
    let mut projects = Vec::new();
    for entry in reader.scan::<Project>(..) {
        let (id, definition) = entry?;
        let (secret, webhook_secret) = reader.get::<Secrets>(&id)?.ok_or(LoadError::NoSecrets(id))?.into_model();
        let Closed(closed) = reader.get(&id)?.unwrap_or(Closed(0));
        let marks = reader.get::<Marked>(&id)?.map(Marks::from).unwrap_or_default();
        let mut roles = BTreeMap::new();
        for entry in reader.scan::<Role>((id, 0)..=(id, u32::MAX)) {
            let ((_, manager), Role(role)) = entry?;
            roles.insert(ManagerId(manager), role);
        }
        let mut access = BTreeMap::new();
        for entry in reader.scan::<Access>((id, 0)..=(id, u32::MAX)) {
            let ((_, worker), found) = entry?;
            // That of an unknown worker is for a check of the store to find: nobody can use it.
            if workers.contains_key(&WorkerId(worker)) {
                access.insert(WorkerId(worker), found.into());
            }
        }
        let definition = definition.into();
        let id = ProjectId(id);
        projects.push((model::Project { id, definition, secret, webhook_secret, roles, access, closed }, marks));
    }
    Ok(projects)
}

/// Reads tasks with where they stand, and answers the highest number of one, gone or not.
fn tasks(reader: &Reader, marks: &BTreeMap<ProjectId, Marks>, loaded: &mut Loaded) -> Result<u64, ReadError> {
    let mut standings = reader.scan::<Standing>(..).peekable();
    let mut highest = 0;
    let mut current = None;
    for entry in reader.scan::<Task>(..) {
        let (key, task) = entry?;
        highest = highest.max(key.1);
        let standing = beside(&mut standings, &key)?;
        let project = ProjectId(key.0);
        let marks = match current {
            Some((known, marks)) if known == project => marks,
            _ => marks.get(&project).copied(),
        };
        current = Some((project, marks));
        // A task of an unknown project is for a check of the store to find: nobody can ask for it.
        let Some(marks) = marks else { continue };
        if task.e < marks.wiped {
            loaded.wiped.insert(project);
            continue;
        }
        let standing = standing.map(|standing| now(standing, marks)).unwrap_or_default();
        loaded.stored.tasks.push((Arc::new(task.into_model(key)), standing));
    }
    Ok(highest)
}

/// Where a task stands after what was done to all of its project.
fn now(standing: Standing, marks: Marks) -> model::Standing {
    let epoch = standing.e;
    if epoch < marks.wiped {
        return model::Standing::default(); // of an earlier task with that number
    }
    let mut standing = standing.into_model();
    if epoch < marks.reset && standing.status == Status::Failed {
        standing.status = Status::New;
        standing.retries = 0;
    }
    if epoch < marks.reclaimed {
        standing.lease = None;
    }
    standing
}
