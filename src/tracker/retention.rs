//! What is thrown away by itself: samples and log entries that are too old or too many, and what is left of wiped queues.
//!
//! At the start and once an hour, and queues as they are wiped; in pieces, each when the one before is durable, so that
//! others write in between.

use super::engine::{Failed, Handle};
use super::model::{ProjectId, TaskId};
use super::records::{self, Remains};
use crate::store::{Batch, Ticket};
use chrono::Utc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(3600);
/// How many operations a piece has at most.
const PIECE: usize = 200;
/// Tasks and log entries are two records each.
const PAIRS: usize = PIECE / 2;

/// Keeps the bounds, until the daemon ends.
pub async fn keep_bounds(handle: Handle) {
    while !handle.mailbox.is_closed() {
        if let Err(why) = pass(&handle).await {
            tracing::warn!("samples and logs of the tracker cannot be bounded: {why}");
        }
        let next = Instant::now() + EVERY;
        loop {
            sweep(&handle).await;
            tokio::select! {
                () = handle.wiped.added() => {}
                () = tokio::time::sleep_until(next) => break,
            }
        }
    }
}

/// The last second that is older than this.
fn before(age: Duration) -> i64 {
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    Utc::now().timestamp().saturating_sub(age)
}

/// Forgets samples and log entries beyond the bounds.
pub(super) async fn pass(handle: &Handle) -> Result<(), Failed> {
    let settings = &handle.settings;
    let projects: Vec<ProjectId> =
        handle.look(|room| room.projects().map(|project| project.id).collect::<Vec<_>>()).await?;
    let since = before(settings.keep_samples);
    for project in projects {
        while forget(handle, handle.read(move |it| records::forget_samples(it, project, since, PIECE)).await?).await? {}
    }
    let (keep, since) = (settings.keep_logs, before(settings.keep_logs_for));
    while forget(handle, handle.read(move |it| records::forget_logs(it, keep, since, PAIRS)).await?).await? {}
    Ok(())
}

/// Whether there was something to forget. Returns when that is durable.
async fn forget(handle: &Handle, batch: Batch) -> Result<bool, Failed> {
    if batch.is_empty() {
        return Ok(false);
    }
    handle.tools.store.submit(batch).durable().await.map_err(|why| Failed::Write(why.to_string()))?;
    Ok(true)
}

/// Removes what is left of all wiped queues that are known.
pub(super) async fn sweep(handle: &Handle) {
    while let Some(project) = handle.wiped.take() {
        if let Err(why) = sweep_project(handle, project).await {
            tracing::warn!("records of the wiped queue of project {project} stay until the next start: {why}");
        }
    }
}

async fn sweep_project(handle: &Handle, project: ProjectId) -> Result<(), Failed> {
    // What was decided so far can be read after this.
    let so_far = handle.tools.store.submit(Batch::new());
    so_far.durable().await.map_err(|why| Failed::Write(why.to_string()))?;
    let mut next = handle.read(move |reader| Remains::of(reader, project)).await?;
    while let Some(remains) = next {
        let (tasks, rest) = handle.read(move |reader| remains.next(reader, PAIRS)).await?;
        next = rest;
        let ticket = remove(handle, project, tasks).await?;
        if let Some(ticket) = ticket {
            ticket.durable().await.map_err(|why| Failed::Write(why.to_string()))?;
        }
    }
    Ok(())
}

/// Removes records of tasks that are gone. An import may have brought one with such a number since it was read: what the
/// room holds stays. While the room is looked at nobody decides, so what comes later is also written later.
async fn remove(handle: &Handle, project: ProjectId, mut tasks: Vec<TaskId>) -> Result<Option<Ticket>, Failed> {
    let store = handle.tools.store.clone();
    let removed = handle.look(move |room| {
        tasks.retain(|task| room.task(*task).is_none_or(|(known, _)| known.project != project));
        let mut batch = Batch::new();
        records::delete_remains(project, &tasks, &mut batch);
        (!batch.is_empty()).then(|| store.submit(batch))
    });
    removed.await
}

#[cfg(test)]
mod tests;
