//! Keeping history and output within the configured bounds: once at the start and once an hour, beside the driver.
//!
//! Nothing is counted while runs end. A pass walks back over what a task may keep and forgets the rest with one
//! operation, so its cost is bounded by what is kept.

use super::engine::Handle;
use super::model::Incarnation;
use super::records;
use crate::base::{RunId, Wall};
use crate::logs::{Logs, Stem};
use crate::store::{Batch, Reader};
use chrono::{TimeDelta, Utc};
use std::io;
use std::time::Duration;

/// Between two passes.
const EVERY: Duration = Duration::from_secs(3600);

/// Passes for ever. Returns when the engine is gone.
pub async fn keep_bounds(handle: Handle) {
    while pass(&handle).await.is_some() {
        tokio::time::sleep(EVERY).await;
    }
}

/// One pass. None: the engine is gone.
async fn pass(handle: &Handle) -> Option<()> {
    let tasks: Vec<Incarnation> =
        handle.look(|room| room.tasks().map(|task| task.incarnation()).collect()).await.ok()?;
    let now = Utc::now();
    let (keep, since) = (handle.settings.keep_runs, before(now, handle.settings.keep_for));
    for task in tasks {
        let reader = handle.tools.store.reader();
        let batch = tokio::task::spawn_blocking(move || surplus(&reader, task, keep, since)).await;
        match batch {
            Ok(Ok(batch)) if !batch.is_empty() => drop(handle.tools.store.submit(batch)),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => tracing::warn!("the history of a task cannot be bounded: {why}"),
            Err(why) => tracing::warn!("the history of a task cannot be bounded: {why}"),
        }
    }
    forget_deleted(handle, before(now, handle.settings.keep_deleted)).await;
    Some(())
}

fn before(now: Wall, age: Duration) -> Wall {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(Wall::MIN_UTC)
}

/// Forgets all but the newest `keep` runs of a task, and what ended before `since`.
fn surplus(reader: &Reader, task: Incarnation, keep: usize, since: Wall) -> Result<Batch, records::LoadError> {
    let mut batch = Batch::new();
    for (place, run) in records::runs_back(reader, task, RunId(u64::MAX)).enumerate() {
        let run = run?;
        if place >= keep {
            records::forget_runs(&mut batch, task, Some(RunId(run.run.0.saturating_add(1))));
            break;
        }
        // A replica that ran for a year has an old number and a young end.
        if run.end < since {
            records::forget_run(&mut batch, task, run.run);
        }
    }
    for (place, firing) in records::firings_back(reader, task).enumerate() {
        let firing = firing?;
        if place >= keep || firing.last < since {
            records::forget_firings(&mut batch, task, Some(firing.first + TimeDelta::microseconds(1)));
            break;
        }
    }
    Ok(batch)
}

/// Forgets tasks deleted before `since`, with history and output, unless something of them still ends.
async fn forget_deleted(handle: &Handle, since: Wall) {
    let reader = handle.tools.store.reader();
    let Ok(Ok(past)) = tokio::task::spawn_blocking(move || records::past(&reader)).await else { return };
    for (incarnation, _) in past.into_iter().filter(|(_, past)| past.deleted < since) {
        let busy = handle.look(move |room| room.runs().any(|run| run.facts().incarnation == incarnation)).await;
        if busy.unwrap_or(true) {
            continue;
        }
        let logs = &handle.tools.logs;
        let Ok(all) = Stem::new(&format!("proc/{}", incarnation.0)) else { continue };
        if let Err(why) = remove_all(logs, &all).await {
            tracing::warn!(log = %all, "the output of a deleted task cannot be removed: {why}");
            continue; // the next pass tries again, as long as the task is remembered
        }
        let mut batch = Batch::new();
        records::forget_past(&mut batch, incarnation);
        drop(handle.tools.store.submit(batch));
    }
}

async fn remove_all(logs: &Logs, below: &Stem) -> io::Result<()> {
    for found in logs.usage(Some(below)).await? {
        logs.remove(&found.stem).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::machine::Write;
    use crate::proc::tests::interrupted;
    use crate::store::Store;

    const TASK: Incarnation = Incarnation(1);

    fn ended(run: u64, days_ago: i64) -> Write {
        Write::PutRun(Box::new(interrupted(TASK, run, Utc::now() - TimeDelta::days(days_ago))))
    }

    #[tokio::test]
    async fn too_many_and_too_old_is_forgotten_but_not_what_ended_just_now() {
        let store = Store::in_memory();
        let mut batch = Batch::new();
        let runs = [ended(1, 0), ended(2, 0), ended(3, 40), ended(4, 40), ended(5, 1), ended(6, 0)];
        records::write(runs.into(), Utc::now(), &mut batch);
        store.submit(batch).durable().await.unwrap();
        let batch = surplus(&store.reader(), TASK, 5, Utc::now() - TimeDelta::days(30)).unwrap();
        store.submit(batch).durable().await.unwrap();
        let left: Vec<u64> =
            records::runs_back(&store.reader(), TASK, RunId(u64::MAX)).map(|run| run.unwrap().run.0).collect();
        assert_eq!(left, [6, 5, 2]);
    }
}
