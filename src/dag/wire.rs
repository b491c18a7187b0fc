//! What clients see. The keys of a run's line, a task's definition and an attempt are the interface's own, exactly;
//! what it has no place for is in objects of ours.

use super::events;
use super::machine::{Fired, FiringRow, View};
use super::model::*;
use crate::base::Wall;
use chrono::DateTime;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A moment: nanoseconds since the epoch as text, of 19 digits until the year 2286.
pub fn ns(at: Wall) -> String {
    let nanoseconds = i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos());
    format!("{:019}", nanoseconds.max(0))
}

/// Reads a moment back.
pub fn from_ns(text: &str) -> Option<Wall> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u64 = text.parse().ok()?;
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, u32::try_from(rest).ok()?)
}

/// The answer to whatever made or changed a run.
pub fn run_id(run: DagRunId) -> Value {
    json!({ "runID": run })
}

/// The answer about a state.
pub fn state(state: State) -> Value {
    json!({ "state": state.word() })
}

/// One line of the list of runs.
pub fn line(row: &RunRow) -> Map<String, Value> {
    let counts: Map<String, Value> =
        row.counts.present().map(|(state, count)| (state.word().to_owned(), count.into())).collect();
    let start = row.history.first().map_or(row.last_update, |change| change.at);
    object([
        ("runID", json!(row.id)),
        ("tag", json!(row.tag)),
        ("state", json!(row.state().word())),
        ("startTime", json!(ns(start))),
        ("lastUpdate", json!(ns(row.last_update))),
        ("taskCounts", json!(counts)),
    ])
}

/// The same with what the list has no place for.
pub fn summary(row: &RunRow) -> Map<String, Value> {
    let mut summary = line(row);
    summary.extend(object([
        ("owner", json!(row.owner.name)),
        ("runsAs", json!(row.runs_as)),
        ("origin", origin(&row.origin)),
        ("dag", json!(row.origin.dag())),
        ("pass", json!(row.pass)),
        ("tasks", json!(row.counts.total())),
        ("dagStateChanges", history(row)),
    ]));
    summary
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::Client => json!({ "by": "client" }),
        Origin::Dag(name) => json!({ "by": "dag", "dag": name }),
        Origin::Schedule(name, due) => json!({ "by": "schedule", "dag": name, "due": ns(*due) }),
    }
}

/// All states a run was in, oldest first.
pub fn history(row: &RunRow) -> Value {
    row.history.iter().map(|change| json!({ "time": ns(change.at), "state": change.state.word() })).collect()
}

/// A task's definition: these six keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition<'a> {
    max_retries: u32,
    retry_interval_seconds: u64,
    job: Map<String, Value>,
    children: Vec<&'a str>,
    parents: Vec<&'a str>,
    is_generator: bool,
}

/// A task's definition; none: the run has no such task.
///
/// # Errors
/// The job cannot be expanded: never for a template that was accepted.
pub fn definition(view: &View, task: TaskId) -> Result<Option<Definition<'_>>, Invalid> {
    let Some(group) = view.groups.get(task.group as usize) else { return Ok(None) };
    let template = &*group.template;
    let job = match group.edits.get(&task.index) {
        Some(edited) => edited.shown.clone(),
        None => template.job(task.index)?.shown,
    };
    let generator = group.by.and_then(|by| view.groups.get(by.group as usize)).map(|by| by.template.name.as_str());
    Ok(Some(Definition {
        max_retries: template.max_retries,
        retry_interval_seconds: template.retry_interval,
        job,
        children: each_once(template.children.iter().chain(&group.added).map(String::as_str)),
        parents: each_once(template.parents.iter().map(String::as_str).chain(generator)),
        is_generator: template.is_generator,
    }))
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// An attempt up to the text of its standard output, which may be too long for one piece, like that of its standard
/// error behind [`ERROR_LOG`]; then comes [`attempt_rest`].
pub fn attempt_start(attempt: &Attempt) -> String {
    let (start, stop, rc) = (ns(attempt.start), ns(attempt.stop), attempt.rc);
    format!(r#"{{"startTime":"{start}","stopTime":"{stop}","rc":{rc},"outputLog":""#)
}

/// What stands between the two texts of an attempt.
pub const ERROR_LOG: &str = r#"","errorLog":""#;

/// An attempt from behind the text of its standard error, with these members at the end.
pub fn attempt_rest(attempt: &Attempt, more: &str) -> String {
    format!(r#"","executorLog":{}{more}}}"#, Value::from(attempt.remark.as_str()))
}

/// What a run's record has no place for.
pub fn attempt_details(number: u32, attempt: &Attempt) -> String {
    let (outcome, used) = (events::word(attempt.outcome), attempt.usage.map(usage).unwrap_or_default());
    format!(r#","number":{number},"outcome":"{outcome}","usage":{used}"#)
}

/// What is told of a task in a page of tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskFacts {
    /// Its last ended attempt and its number, which is also how many there were.
    pub last: Option<(u32, Attempt)>,
    /// The attempt that runs now, and since when.
    pub live: Option<(u32, Wall)>,
    /// What was done to it without an attempt.
    pub mark: Option<Mark>,
}

/// One task of a page: what it is, and what its attempt that runs or its last one has come to.
pub fn task_line(name: &str, state: State, facts: &TaskFacts) -> Value {
    let last = facts.last.as_ref().filter(|_| facts.live.is_none()).map(|(_, attempt)| attempt);
    let attempts = facts.live.map(|(number, _)| number).or(facts.last.as_ref().map(|(number, _)| *number));
    let start = facts.live.map(|(_, start)| start).or(last.map(|attempt| attempt.start));
    json!({
        "name": name,
        "state": state.word(),
        "attempts": attempts.unwrap_or(0),
        "startTime": start.map(ns),
        "stopTime": last.map(|attempt| ns(attempt.stop)),
        "rc": last.map(|attempt| attempt.rc),
        "executorLog": last.map(|attempt| attempt.remark.as_str()),
        "usage": last.and_then(|attempt| attempt.usage).map(usage),
        "mark": facts.mark.as_ref().map(mark),
    })
}

fn usage(usage: Usage) -> Value {
    json!({
        "userSeconds": usage.user.as_secs_f64(),
        "systemSeconds": usage.system.as_secs_f64(),
        "maxRssKiB": usage.max_rss_kib,
    })
}

fn mark(mark: &Mark) -> Value {
    let (what, by) = match mark {
        Mark::Killed(by) => ("killed", Some(by)),
        Mark::Done(by) => ("done", Some(by)),
        Mark::Skipped(by) => ("skipped", Some(by)),
        Mark::NotNeeded => ("not needed", None),
    };
    json!({ "what": what, "by": by })
}

/// What became of a firing, or of a stretch of them.
pub fn firing(row: &FiringRow) -> Value {
    let (what, run) = match row.what {
        Fired::Run(run) => ("run", Some(run)),
        Fired::Skipped => ("skipped", None),
        Fired::Missed => ("missed", None),
    };
    json!({ "time": ns(row.at), "last": ns(row.last), "count": row.count, "what": what, "runID": run })
}

#[cfg(test)]
pub mod tests;
