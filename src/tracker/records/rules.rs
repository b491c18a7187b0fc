//! What must hold between the records.
//!
//! The store is checked while the daemon writes, and a scan sees some of what is written meanwhile. So what a record is about
//! is read after it; and where that is gone, the record must still be there, or both went together.

use super::shapes::{
    Access, Closed, Log, LogAt, Marked, Numbers, Project, Role, Sample, Secrets, Standing, Task, Worker, WorkerClosed,
};
use super::{second, shapes};
use crate::store::{ReadError, Reader, Record, Rule};
use crate::tracker::machine::{self, Marks};

/// What must hold between the records, for a check of the whole store.
pub fn rules() -> Vec<Rule> {
    vec![
        of_project::<Secrets>(|project| project, |key| *key),
        of_project::<Closed>(|project| project, |key| *key),
        of_project::<Marked>(|project| project, |key| *key),
        of_project::<Access>(|project| (project, 0), |key| key.0),
        of_project::<Role>(|project| (project, 0), |key| key.0),
        of_project::<Task>(|project| (project, 0), |key| key.0),
        of_project::<Sample>(|project| (project, 0), |key| key.0),
        Box::new(projects),
        Box::new(workers),
        Box::new(tasks),
        Box::new(numbers),
        Box::new(logs),
    ]
}

type Reports<'a> = &'a mut dyn FnMut(String);

/// Every record of this kind belongs to a project. Looks at the first one of each project, wherever the others are.
fn of_project<R: Record<Key: 'static>>(first_key: fn(u32) -> R::Key, project_of: fn(&R::Key) -> u32) -> Rule {
    Box::new(move |reader, report| {
        let mut from = Some(0);
        while let Some(start) = from {
            let Some(found) = reader.scan::<R>(first_key(start)..).next().transpose()? else { break };
            let project = project_of(&found.0);
            if reader.get::<Project>(&project)?.is_none() {
                report(format!("{} belongs to no project: {project}", R::KIND.name()));
            }
            from = project.checked_add(1);
        }
        Ok(())
    })
}

fn projects(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    for entry in reader.scan::<Project>(..) {
        let (id, project) = entry?;
        if reader.get::<Secrets>(&id)?.is_none() {
            report(format!("tracker.project {id} has no secrets"));
        }
        if let Some(chain) = project.chain
            && reader.get::<Project>(&chain)?.is_none()
        {
            report(format!("tracker.project {id} is chained to {chain}, which is no project"));
        }
    }
    Ok(())
}

fn workers(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let known = |worker: u32| Ok::<_, ReadError>(reader.get::<Worker>(&worker)?.is_some());
    for entry in reader.scan::<WorkerClosed>(..) {
        let (worker, _) = entry?;
        if !known(worker)? {
            report(format!("tracker.worker_closed belongs to no worker: {worker}"));
        }
    }
    for entry in reader.scan::<Access>(..) {
        let ((project, worker), _) = entry?;
        if !known(worker)? {
            report(format!("tracker.access to project {project} belongs to no worker: {worker}"));
        }
    }
    Ok(())
}

/// Standings belong to tasks, their holders are workers, and nothing is from an epoch that has not begun.
fn tasks(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let epoch_of = |project: u32| {
        let marks = reader.get::<Marked>(&project)?.map(Marks::from).unwrap_or_default();
        Ok::<_, ReadError>((project, marks.epoch))
    };
    let mut tasks = reader.scan::<Task>(..).peekable();
    let mut current = (0, 0);
    let begun = |current: &mut (u32, u32), project: u32, epoch: u32| {
        if current.0 != project || epoch > current.1 {
            *current = epoch_of(project)?; // it may have begun meanwhile
        }
        Ok::<_, ReadError>(epoch <= current.1)
    };
    for entry in reader.scan::<Standing>(..) {
        let (key, standing) = entry?;
        let (project, task) = key;
        let mut found = false;
        while let Some(next) = tasks.next_if(|next| next.as_ref().map_or(true, |(other, _)| *other <= key)) {
            found = next?.0 == key;
        }
        if !found && reader.get::<Task>(&key)?.is_none() && reader.get::<Standing>(&key)?.is_some() {
            report(format!("tracker.standing of project {project} belongs to no task: {task}"));
        }
        if !begun(&mut current, project, standing.e)? {
            report(format!("task {task} of project {project} stands in epoch {}, which has not begun", standing.e));
        }
        if let Some(holder) = standing.holder()
            && reader.get::<Worker>(&holder)?.is_none()
        {
            report(format!("task {task} of project {project} is held by no worker: {holder}"));
        }
    }
    for entry in reader.scan::<Task>(..) {
        let ((project, task), record) = entry?;
        if !begun(&mut current, project, record.e)? {
            report(format!("task {task} of project {project} is from epoch {}, which has not begun", record.e));
        }
    }
    Ok(())
}

/// No number is in use that may be given out again.
fn numbers(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let worker = reader.scan_back::<Worker>(..).next().transpose()?.map_or(0, |(id, _)| id);
    let project = reader.scan_back::<Project>(..).next().transpose()?.map_or(0, |(id, _)| id);
    let mut task = 0;
    let mut projects = reader.scan::<Project>(..);
    while let Some((project, _)) = projects.next().transpose()? {
        let last = reader.scan_back::<Task>((project, 0)..=(project, u64::MAX)).next().transpose()?;
        task = task.max(last.map_or(0, |((_, task), _)| task));
    }
    // Read last: they are written with, or before, the first that is in use.
    let next = reader.get::<Numbers>(&())?.map(machine::Numbers::from).unwrap_or_default();
    let in_use = [
        ("worker", u64::from(worker), u64::from(next.worker)),
        ("project", u64::from(project), u64::from(next.project)),
        ("task", task, next.task),
    ];
    for (what, last, next) in in_use {
        if last >= next {
            report(format!("tracker.numbers would give out {what} {next} again: there is a {last}"));
        }
    }
    Ok(())
}

fn logs(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    for entry in reader.scan::<LogAt>(..) {
        let key = entry?.0;
        let (level, (at, number)) = key;
        let found = reader.get::<Log>(&number)?;
        if !found.is_some_and(|log: shapes::Log| log.level == level && second(log.at) == at)
            && reader.get::<LogAt>(&key)?.is_some()
        {
            report(format!("tracker.log_at {level}, {at}, {number} names no such entry"));
        }
    }
    for entry in reader.scan::<Log>(..) {
        let (number, log) = entry?;
        let indexed = reader.get::<LogAt>(&(log.level, (second(log.at), number)))?.is_some();
        if !indexed && reader.get::<Log>(&number)?.is_some() {
            report(format!("tracker.log {number} is not in the index"));
        }
    }
    Ok(())
}
