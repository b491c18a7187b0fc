//! What clients see: the envelope, listings, the history, events.

use super::document;
use super::machine::{Blocker, Difference, Rest, Room, Run, Seat, Task, TaskState, What};
use super::model::*;
use crate::base::{Mono, Wall, duration};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

/// `{"code":200,"msg":"OK"}`
pub fn ok() -> Value {
    json!({ "code": 200, "msg": "OK" })
}

/// The same with `data`.
pub fn ok_with(data: impl Into<Value>) -> Value {
    json!({ "code": 200, "msg": "OK", "data": data.into() })
}

/// A moment, in UTC with milliseconds: `2026-03-29T01:30:00.000Z`.
pub fn moment(at: Wall) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `GET /proc`: the live processes and the tasks that `visible` lets through.
pub fn listing(room: &Room, visible: impl Fn(u32) -> bool) -> Value {
    let mut running = Vec::new();
    let mut tasks = Map::new();
    for task in room.tasks().filter(|task| visible(task.runs_as())) {
        for run in live_runs(room, task) {
            let facts = run.facts();
            if let Some((pid, _)) = facts.leader {
                let command = command_text(&task.definition().command);
                let alias = task.name().alias(facts.replica);
                running.push(json!({ "command": command, "pid": pid, "alias": alias }));
            }
        }
        tasks.insert(task.name().to_string(), Value::Object(task_object(task)));
    }
    json!({ "running": running, "tasks": tasks })
}

/// The runs that count as the task's own and whose leaders live.
fn live_runs<'a>(room: &'a Room, task: &'a Task) -> impl Iterator<Item = &'a Run> {
    let runs = task.seats().iter().flat_map(|seat| seat.runs());
    runs.filter_map(|run| room.run(*run)).filter(|run| run.is_live() && run.facts().leader.is_some())
}

/// A task as listings show it: what was posted, defaults filled in, and what it is doing.
pub fn task_object(task: &Task) -> Map<String, Value> {
    let definition = task.definition();
    let standing = task.standing();
    let mut object = document::write(definition);
    let seconds = |at: Wall| Value::from(at.timestamp());
    object.insert("last_time".into(), standing.last_time.map_or(json!(0), seconds));
    object.insert("run_flag".into(), standing.queued.is_some().into());
    if let Some(at) = standing.start_time {
        object.insert("start_time".into(), seconds(at));
    }
    if let Some(running) = task.running() {
        object.insert("running".into(), running.into());
    }
    // The original shows them as null from the first start on that no dependency held back.
    for (field, name) in [("user", &definition.user), ("group", &definition.group)] {
        if name.is_some() || standing.last_time.is_some() {
            object.insert(field.into(), json!(name));
        }
    }
    object
}

/// `GET /proc/task`: the listing's object with its state and every replica. How a replica at rest ended last is not the
/// room's knowledge: see `detail`. Tasks that `visible` does not let through are not named, unless the task names them
/// itself.
pub fn task_detail(room: &Room, task: &Task, visible: impl Fn(u32) -> bool, now: Mono) -> Value {
    let mut object = task_object(task);
    object.insert("state".into(), task_state(task.state()).into());
    object.insert("created_by".into(), task.owner().name.clone().into());
    object.insert("runs_as".into(), task.runs_as().into());
    if let Some(next) = room.next_firing(task.incarnation()) {
        object.insert("next_firing".into(), moment(next).into());
    }
    let queued = task.standing().queued.is_some();
    let waiting = task.standing().start_time.filter(|_| queued);
    let foreign = |name: &TaskName| room.task(name.as_str()).is_some_and(|other| !visible(other.runs_as()));
    let blocked = room.blocker(task.incarnation()).filter(|_| queued).map(|blocker| match blocker {
        Blocker::Runs(other) | Blocker::Queued(other) if foreign(&other) => {
            "waits for a task of somebody else".to_owned()
        }
        Blocker::Runs(other) => format!("waits until {} does not run", other.as_str()),
        Blocker::Queued(other) => format!("waits for {}", other.as_str()),
        Blocker::Until(dep) => format!("waits until {} is {}", dep.task.as_str(), until(dep.until)),
    });
    let replicas = task.seats().iter().enumerate().map(|(index, seat)| {
        let run = seat.runs().last().and_then(|run| room.run(*run));
        let facts = run.map(Run::facts);
        json!({
            "replica": index,
            "state": run.map_or_else(|| rest(task, seat), |run| run.state().word().to_owned()),
            "pid": facts.and_then(|facts| facts.leader).map(|(pid, _)| pid),
            "run": facts.map(|facts| facts.run.0),
            "since": facts.and_then(|facts| facts.start).or(waiting).map(moment),
            "ready": facts.is_some_and(|facts| facts.ready),
            "restarts": seat.failures(),
            "started_by": facts.map(|facts| started_by(&facts.started_by)),
            "reason": match facts {
                Some(facts) => facts.stopped_by.as_ref().map(ending),
                None => resting(seat, now).or_else(|| blocked.clone()),
            },
        })
    });
    object.insert("replicas".into(), replicas.collect());
    Value::Object(object)
}

/// What a replica without a run is doing.
fn rest(task: &Task, seat: &Seat) -> String {
    let word = match seat.rest() {
        Rest::Idle if task.standing().stopped => "stopped",
        Rest::Idle if task.standing().queued.is_some() => "queued",
        Rest::Idle if task.definition().schedule().is_some() => "scheduled",
        Rest::Idle | Rest::Again => "idle",
        Rest::Pause(_) => "pausing",
        Rest::Finished { success: true } => "succeeded",
        Rest::Finished { success: false } | Rest::Failed => "failed",
    };
    word.to_owned()
}

/// What is to be said of a replica without a run, beside how its last one ended.
pub fn resting(seat: &Seat, now: Mono) -> Option<String> {
    let after = match seat.failures() {
        0 | 1 => String::new(),
        failures => format!(" after {failures} short lives in a row"),
    };
    match seat.rest() {
        Rest::Idle | Rest::Finished { .. } => None,
        Rest::Again => Some("starting again with the daemon".to_owned()),
        Rest::Pause(until) => Some(format!("starting again in {:.1} s{after}", (until - now).as_secs_f64())),
        Rest::Failed => Some(format!("given up{after}")),
    }
}

/// The word for a task's state.
pub fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Starting => "starting",
        TaskState::Running => "running",
        TaskState::Pausing => "pausing",
        TaskState::Scheduled => "scheduled",
        TaskState::Stopping => "stopping",
        TaskState::Stopped => "stopped",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::New => "new",
    }
}

/// The word for what a dependency waits for.
pub fn until(until: Until) -> &'static str {
    document::until_word(until)
}

/// A command as one line: the shell's, or the words, quoted where a shell would need it.
pub fn command_text(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.clone(),
        Command::Argv(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Who or what started a run.
pub fn started_by(by: &StartedBy) -> String {
    match by {
        StartedBy::Client(name) => name.clone(),
        StartedBy::Restart => "restart".to_owned(),
        StartedBy::Schedule(due) => format!("schedule {}", moment(*due)),
        StartedBy::HostBoot => "host boot".to_owned(),
        StartedBy::Recovery => "recovery".to_owned(),
    }
}

/// Who or what ended a run.
pub fn stopped_by(by: &StoppedBy) -> String {
    match by {
        StoppedBy::Client(name) => name.clone(),
        StoppedBy::Shutdown => "shutdown".to_owned(),
        StoppedBy::NotReady => "not ready in time".to_owned(),
        StoppedBy::Unhealthy(why) => format!("unhealthy: {why}"),
        StoppedBy::Replaced => "replaced by a later firing".to_owned(),
        StoppedBy::Unknown => "its start was never recorded".to_owned(),
    }
}

/// The same as part of a sentence.
pub fn ending(by: &StoppedBy) -> String {
    match by {
        StoppedBy::Client(name) => format!("stopped by {name}"),
        StoppedBy::Shutdown => "stopped with the daemon".to_owned(),
        other => stopped_by(other),
    }
}

/// How a run ended, in a few words: `exit code 3`; `signal TERM, stopped by uid 1000 (alice)`.
pub fn outcome(run: &RunRecord) -> String {
    let mut text = match (run.status, &run.error) {
        (_, Some(error)) => format!("could not be started: {error}"),
        (Some(Status::Code(code)), None) => format!("exit code {code}"),
        (Some(Status::Signal { signal, .. }), None) => {
            let name = Signal::new(i64::from(signal)).map_or_else(|_| signal.to_string(), |signal| signal.to_string());
            format!("signal {name}")
        }
        (None, None) => "its end was not seen".to_owned(),
    };
    if run.oom {
        text.push_str(", out of memory");
    }
    if let Some(by) = &run.stopped_by {
        text.push_str(&format!(", {}", ending(by)));
    }
    text
}

/// A line of the history.
pub fn run_record(run: &RunRecord) -> Value {
    let (exit_code, signal) = ends(run.status);
    let mut line = json!({
        "run": run.run.0,
        "replica": run.replica,
        "pid": run.pid,
        "start": run.start.map(moment),
        "end": moment(run.end),
        "exit_code": exit_code,
        "signal": signal,
        "state": run.state.word(),
        "started_by": started_by(&run.started_by),
        "stopped_by": run.stopped_by.as_ref().map(stopped_by),
        "oom": run.oom,
        "rusage": run.usage.map(|usage| json!({
            "user": duration::to_json(usage.user),
            "system": duration::to_json(usage.system),
            "max_rss_kib": usage.max_rss_kib,
            "minor_faults": usage.minor_faults,
            "major_faults": usage.major_faults,
            "blocks_in": usage.blocks_in,
            "blocks_out": usage.blocks_out,
        })),
        "log": log_range(run.log_from, run.log_to),
    });
    if let (Some(error), Some(line)) = (&run.error, line.as_object_mut()) {
        line.insert("error".into(), error.clone().into());
    }
    line
}

/// A run that is not over, as a line of the history.
pub fn live_run(run: &Run) -> Value {
    let facts = run.facts();
    json!({
        "run": facts.run.0,
        "replica": facts.replica,
        "pid": facts.leader.map(|(pid, _)| pid),
        "start": facts.start.map(moment),
        "end": Value::Null,
        "exit_code": Value::Null,
        "signal": Value::Null,
        "state": run.state().word(),
        "started_by": started_by(&facts.started_by),
        "stopped_by": facts.stopped_by.as_ref().map(stopped_by),
        "oom": false,
        "rusage": Value::Null,
        "log": log_range(facts.log_from, None),
    })
}

fn ends(status: Option<Status>) -> (Option<i32>, Option<i32>) {
    match status {
        None => (None, None),
        Some(Status::Code(code)) => (Some(code), None),
        Some(Status::Signal { signal, .. }) => (None, Some(signal)),
    }
}

fn log_range(from: Option<Offsets>, to: Option<Offsets>) -> Value {
    let Some(from) = from else { return Value::Null };
    let mut range = json!({ "from": from.out, "to": to.map(|to| to.out) });
    if let (Some(err), Some(range)) = (from.err, range.as_object_mut()) {
        range.insert("err".into(), json!({ "from": err, "to": to.and_then(|to| to.err) }));
    }
    range
}

/// Firings that did not run, as a line of the history.
pub fn firing(firing: &Firing) -> Value {
    json!({
        "state": if firing.why == NotRun::Missed { "missed" } else { "skipped" },
        "why": firing.why.word(),
        "first": moment(firing.first),
        "last": moment(firing.last),
        "count": firing.count,
        "more": firing.more,
    })
}

/// What an apply does to a task.
pub fn difference(difference: Difference) -> &'static str {
    match difference {
        Difference::Created => "created",
        Difference::Restarted => "restarted",
        Difference::Adjusted => "adjusted",
        Difference::Unchanged => "unchanged",
    }
}

/// A change as an event: its kind and its data.
pub fn change(what: &What) -> (&'static str, Value) {
    match what {
        What::Created => ("proc.task.created", json!({})),
        What::Changed => ("proc.task.changed", json!({})),
        What::Deleted => ("proc.task.deleted", json!({})),
        What::Stopped => ("proc.task.stopped", json!({})),
        What::Queued => ("proc.task.queued", json!({})),
        What::Launched(by) => ("proc.task.launched", json!({ "by": started_by(by) })),
        What::RunStarted { run, replica, pid } => {
            ("proc.run.started", json!({ "run": run.0, "replica": replica, "pid": pid }))
        }
        What::RunReady { run, replica } => ("proc.run.ready", json!({ "run": run.0, "replica": replica })),
        What::RunStopping { run, replica, by } => {
            ("proc.run.stopping", json!({ "run": run.0, "replica": replica, "by": stopped_by(by) }))
        }
        What::RunEnded(record) => ("proc.run.exited", run_record(record)),
        What::RunGone { run, replica } => ("proc.run.gone", json!({ "run": run.0, "replica": replica })),
        What::GaveUp { replica, failures } => {
            ("proc.task.gave_up", json!({ "replica": replica, "failures": failures }))
        }
        What::NotFired(not_run) => ("proc.task.not_fired", firing(not_run)),
    }
}
