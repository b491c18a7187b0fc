//! What has happened: runs that ended, runs that go on, and firings that did not run, newest first.

use super::engine::Handle;
use super::machine::Run;
use super::model::*;
use super::{records, routes, wire};
use crate::base::{RunId, Wall};
use crate::http::{Cx, Failure, Reply, blocking};
use crate::store::{Batch, Reader};
use serde_json::Value;
use std::collections::BTreeMap;

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
    // What had ended when the room was looked at is in the store when this is.
    handle.tools.store.submit(Batch::new()).durable().await.map_err(Failure::internal)?;
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
    Ok(record.map(|record| Found { incarnation, replica: record.replica, from: record.log_from, to: record.log_to }))
}

/// The caller's task of this name; else the one of his that was deleted last. A task of somebody else's that has the
/// name now hides nothing.
async fn subject(handle: &Handle, cx: &Cx) -> Result<Subject, Failure> {
    let name = routes::name(cx)?;
    let (caller, wanted) = (cx.caller.clone(), name.clone());
    let alive = handle
        .look(move |room| {
            let task = room.task(wanted.as_str()).filter(|task| caller.may_touch(task.runs_as()))?;
            let of_task = |run: &&Run| run.facts().incarnation == task.incarnation();
            let runs = task.seats().iter().flat_map(|seat| seat.runs()).filter_map(|run| room.run(*run));
            let ending = (0..task.seats().len()).flat_map(|replica| room.runs_at(task.name(), replica as u32));
            let live: Vec<_> = runs
                .chain(ending)
                .filter(of_task)
                .filter(|run| !run.facts().over)
                .map(|run| (run.facts().run, wire::live_run(run)))
                .collect();
            Some(Subject { incarnation: task.incarnation(), live })
        })
        .await?;
    if let Some(subject) = alive {
        return Ok(subject);
    }
    let reader = handle.tools.store.reader();
    let past = blocking(move || records::past(&reader)).await?;
    let his = |past: &records::Past| past.name == name.as_str() && cx.caller.may_touch(past.runs_as);
    let last = past.into_iter().rev().find(|(_, past)| his(past));
    let (incarnation, _) = last.ok_or_else(routes::missing)?;
    Ok(Subject { incarnation, live: Vec::new() })
}

/// Runs by descending number, which is what a page is continued by; firings in between, by their time, neighbours of
/// the same reason as one line. Those below the last run of a page are left to the next one, so a page that is not
/// the last always goes on to older runs.
fn page(reader: &Reader, subject: Subject, limit: usize, before: RunId) -> Result<Vec<Value>, records::LoadError> {
    let Subject { incarnation, live } = subject;
    let mut runs: BTreeMap<RunId, (Wall, Value)> =
        live.into_iter().filter(|(run, _)| *run < before).map(|(run, line)| (run, (Wall::MAX_UTC, line))).collect();
    // A run that ended since it was looked at stands in both: its end counts.
    for run in records::runs_back(reader, incarnation, before).take(limit) {
        let run = run?;
        runs.insert(run.run, (run.start.unwrap_or(run.end), wire::run_record(&run)));
    }
    // A page that goes on from a run goes on from its time for firings, too.
    let top = match before {
        RunId(u64::MAX) => None,
        before => records::run(reader, incarnation, before)?.map(|run| run.start.unwrap_or(run.end)),
    };
    let is_last = runs.len() < limit;
    let mut firings = records::firings_back(reader, incarnation)
        .filter(|firing| firing.as_ref().map_or(true, |firing| top.is_none_or(|top| firing.first < top)))
        .peekable();
    let mut lines = Vec::new();
    for (at, line) in runs.into_values().rev().take(limit) {
        let above = |firing: &Result<Firing, _>| firing.as_ref().map_or(true, |firing| firing.first > at);
        let between = joined(std::iter::from_fn(|| firings.next_if(above)))?;
        lines.extend(between.iter().map(wire::firing));
        lines.push(line);
        if lines.len() >= limit {
            return Ok(lines);
        }
    }
    if is_last {
        lines.extend(joined(firings)?.iter().map(wire::firing));
        lines.truncate(limit);
    }
    Ok(lines)
}

/// Firings, newest first, with neighbours of the same reason as one.
fn joined(
    firings: impl Iterator<Item = Result<Firing, records::LoadError>>,
) -> Result<Vec<Firing>, records::LoadError> {
    let mut all: Vec<Firing> = Vec::new();
    for firing in firings {
        let firing = firing?;
        match all.last_mut().filter(|newer| newer.why == firing.why) {
            Some(newer) => {
                newer.first = firing.first;
                newer.count = newer.count.saturating_add(firing.count);
                newer.more |= firing.more;
            }
            None => all.push(firing),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Now;
    use crate::proc::machine::Write;
    use crate::proc::tests::interrupted;
    use crate::store::Store;
    use chrono::TimeDelta;

    const TASK: Incarnation = Incarnation(1);

    fn moment(minute: i64) -> Wall {
        Wall::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn ended(run: u64, minute: i64) -> Write {
        let line = interrupted(TASK, run, moment(minute + 1));
        Write::PutRun(Box::new(RunRecord {
            pid: Some(7),
            start: Some(moment(minute)),
            status: Some(Status::Code(0)),
            state: RunState::Succeeded,
            started_by: StartedBy::Schedule(moment(minute)),
            ..line
        }))
    }

    fn skipped(minute: i64) -> Write {
        let firing =
            Firing { first: moment(minute), last: moment(minute), count: 1, more: false, why: NotRun::StillRunning };
        Write::PutFiring { incarnation: TASK, name: TaskName::new("t").unwrap(), firing }
    }

    #[tokio::test]
    async fn page_after_page_leads_through_all_runs_whatever_was_skipped_between() {
        let store = Store::in_memory();
        let mut batch = Batch::new();
        let skips = (0..400).filter(|minute| minute % 100 != 0).map(skipped);
        records::write(
            (1..=4).map(|run| ended(run, run as i64 * 100 - 100)).chain(skips).collect(),
            Now::read().wall,
            &mut batch,
        );
        store.submit(batch).durable().await.unwrap();
        let mut before = RunId(u64::MAX);
        let (mut runs, mut skips) = (Vec::new(), 0);
        loop {
            let subject = Subject { incarnation: TASK, live: Vec::new() };
            let lines = page(&store.reader(), subject, 3, before).unwrap();
            skips += lines.iter().filter_map(|line| line["count"].as_u64()).sum::<u64>();
            let ended: Vec<u64> = lines.iter().filter_map(|line| line["run"].as_u64()).collect();
            let Some(last) = ended.last() else { break };
            before = RunId(*last);
            runs.extend(ended);
        }
        assert_eq!((runs, skips), (vec![4, 3, 2, 1], 396));
    }
}
