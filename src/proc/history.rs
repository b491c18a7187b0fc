//! What has happened: runs that ended, runs that go on, and firings that did not run, newest first.

use super::engine::Handle;
use super::machine::Run;
use super::model::*;
use super::{records, routes, wire};
use crate::base::{RunId, Wall};
use crate::http::{Cx, Failure, Reply};
use crate::store::Reader;
use serde_json::Value;

/// Lines of the history in one answer, where the client does not say.
const LIMIT: usize = 50;
/// The most lines in one answer.
const LIMIT_MAX: usize = 1000;

/// The task whose history is asked for, alive or deleted.
struct Subject {
    incarnation: Incarnation,
    /// Its runs that are not over.
    live: Vec<(RunId, Value)>,
}

/// A run of a task, as far as its output goes.
pub(super) struct Found {
    pub incarnation: Incarnation,
    pub replica: u32,
    pub from: Option<Offsets>,
    pub to: Option<Offsets>,
}

/// `GET /proc/history`
pub async fn list(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let limit = cx.number::<usize>("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let before = cx.number::<u64>("before")?.map_or(RunId(u64::MAX), RunId);
    let subject = subject(&handle, &cx).await?;
    let reader = handle.tools.store.reader();
    let lines = blocking(move || page(&reader, subject, limit, before)).await?;
    Ok(Reply::json(&wire::ok_with(lines)))
}

/// Finds one run of the task in the query, live or over.
pub(super) async fn find(handle: &Handle, cx: &Cx, run: RunId) -> Result<Option<Found>, Failure> {
    let subject = subject(handle, cx).await?;
    let incarnation = subject.incarnation;
    let live = handle.look(move |room| {
        let facts = room.run(run).map(Run::facts).filter(|facts| facts.incarnation == incarnation && !facts.over)?;
        Some(Found { incarnation, replica: facts.replica, from: facts.log_from, to: None })
    });
    if let Some(found) = live.await? {
        return Ok(Some(found));
    }
    let reader = handle.tools.store.reader();
    let record = blocking(move || records::run(&reader, incarnation, run)).await?;
    Ok(record.map(|record| Found {
        incarnation,
        replica: record.replica,
        from: record.log_from,
        to: record.log_to,
    }))
}

/// The task of this name; else the one deleted last.
async fn subject(handle: &Handle, cx: &Cx) -> Result<Subject, Failure> {
    let name = routes::name(cx)?;
    let (caller, wanted) = (cx.caller.clone(), name.clone());
    let alive = handle
        .look(move |room| {
            let task = room.task(wanted.as_str())?;
            let of_task = |run: &&Run| run.facts().incarnation == task.incarnation();
            let runs = task.seats().iter().flat_map(|seat| seat.runs()).filter_map(|run| room.run(*run));
            let ending = (0..task.seats().len()).flat_map(|replica| room.runs_at(task.name(), replica as u32));
            let mut live: Vec<_> = runs
                .chain(ending)
                .filter(of_task)
                .filter(|run| !run.facts().over)
                .map(|run| (run.facts().run, wire::live_run(run)))
                .collect();
            live.sort_by_key(|(run, _)| std::cmp::Reverse(*run));
            live.dedup_by_key(|(run, _)| *run);
            Some((caller.may_touch(task.runs_as()), Subject { incarnation: task.incarnation(), live }))
        })
        .await?;
    if let Some((allowed, subject)) = alive {
        return if allowed { Ok(subject) } else { Err(routes::missing()) };
    }
    let reader = handle.tools.store.reader();
    let past = blocking(move || records::past(&reader)).await?;
    let last = past.into_iter().rev().find(|(_, past)| past.name == name.as_str());
    match last {
        Some((incarnation, past)) if cx.caller.may_touch(past.runs_as) => Ok(Subject { incarnation, live: Vec::new() }),
        _ => Err(routes::missing()),
    }
}

fn page(
    reader: &Reader,
    subject: Subject,
    limit: usize,
    before: RunId,
) -> Result<Vec<Value>, records::LoadError> {
    let Subject { incarnation, live } = subject;
    let mut lines: Vec<(Wall, Value)> = Vec::new();
    let newest = Wall::MAX_UTC;
    lines.extend(live.into_iter().filter(|(run, _)| *run < before).map(|(_, line)| (newest, line)));
    for run in records::runs_back(reader, incarnation, before).take(limit) {
        let run = run?;
        lines.push((run.start.unwrap_or(run.end), wire::run_record(&run)));
    }
    // A page that begins at a run begins at its time for firings, too.
    let top = match before {
        RunId(u64::MAX) => None,
        before => records::run(reader, incarnation, before)?.map(|run| run.start.unwrap_or(run.end)),
    };
    let firings = records::firings_back(reader, incarnation);
    for firing in firings.take(limit) {
        let firing = firing?;
        if top.is_none_or(|top| firing.first < top) {
            lines.push((firing.first, wire::firing(&firing)));
        }
    }
    lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    lines.truncate(limit);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Reads the store off the HTTP thread.
pub(super) async fn blocking<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(why)) => Err(Failure::internal(why)),
        Err(why) => Err(Failure::internal(why)),
    }
}
