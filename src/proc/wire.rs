//! What clients see: the envelope, listings, the history, events.

use super::document;
use super::machine::{Blocker, Difference, Rest, Room, Run, Seat, Task, TaskState, What};
use super::model::*;
use crate::base::{Mono, Wall, duration};
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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

/// What `GET /proc` shows of a task, taken while the room is looked at; cheap, because the definition is shared.
#[derive(Debug)]
pub struct Listed {
    incarnation: Incarnation,
    definition: Arc<Definition>,
    /// Beside the definition.
    changing: Changing,
    /// Whether it has ever been launched.
    launched: bool,
    /// Pid and replica of the processes that count as its own.
    live: Vec<(i32, u32)>,
}

/// The fields of a listed task that its definition does not have.
#[derive(Debug, Serialize)]
struct Changing {
    last_time: i64,
    run_flag: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<u32>,
}

impl Changing {
    fn of(task: &Task) -> Changing {
        let standing = task.standing();
        Changing {
            last_time: standing.last_time.map_or(0, |at| at.timestamp()),
            run_flag: standing.queued.is_some(),
            start_time: standing.start_time.map(|at| at.timestamp()),
            running: task.running(),
        }
    }
}

/// The tasks that `visible` lets through, for [`Documents::listing`].
pub fn listed(room: &Room, visible: impl Fn(u32) -> bool) -> Vec<Listed> {
    let tasks = room.tasks().filter(|task| visible(task.runs_as()));
    let live = |task| live_runs(room, task).map(Run::facts).filter_map(|run| Some((run.leader?.0, run.replica)));
    tasks
        .map(|task| Listed {
            incarnation: task.incarnation(),
            definition: task.definition().clone(),
            changing: Changing::of(task),
            launched: task.standing().last_time.is_some(),
            live: live(task).collect(),
        })
        .collect()
}

/// The unchanging part of listings as JSON text, made once for each definition: listings are asked for often and
/// definitions change rarely.
#[derive(Debug, Default)]
pub struct Documents(Mutex<HashMap<Incarnation, Document>>);

/// One definition as text.
#[derive(Clone, Debug)]
struct Document {
    /// Which one. As long as this is kept, no other can be where it was.
    of: Weak<Definition>,
    /// The object that [`document::write`] makes, without its last brace.
    open: Arc<[u8]>,
    /// The command line, as JSON.
    command: Arc<[u8]>,
}

impl Document {
    fn new(definition: &Arc<Definition>) -> Document {
        let (mut open, mut command) = (Vec::new(), Vec::new());
        put(&mut open, &document::write(definition));
        open.pop();
        put(&mut command, &command_text(&definition.command));
        Document { of: Arc::downgrade(definition), open: open.into(), command: command.into() }
    }

    fn is_of(&self, definition: &Arc<Definition>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(definition))
    }
}

impl Documents {
    /// `GET /proc` as JSON text, envelope included: the live processes and the tasks. Takes a moment when there are
    /// many: nothing for the thread that serves everybody.
    pub fn listing(&self, tasks: &[Listed]) -> Vec<u8> {
        let documents = self.of(tasks);
        let mut running = Vec::new();
        let mut text = br#"{"code":200,"msg":"OK","data":{"tasks":{"#.to_vec();
        for (task, document) in tasks.iter().zip(&documents) {
            let definition = &task.definition;
            comma(&mut text, b'{');
            put(&mut text, definition.name.as_str());
            text.push(b':');
            text.extend_from_slice(&document.open);
            // The original shows them as null from the first start on that no dependency held back.
            for (field, name) in [(&b",\"user\":"[..], &definition.user), (b",\"group\":", &definition.group)] {
                if name.is_some() || task.launched {
                    text.extend_from_slice(field);
                    put(&mut text, name);
                }
            }
            let brace = text.len();
            put(&mut text, &task.changing);
            if let Some(brace) = text.get_mut(brace) {
                *brace = b','; // the object goes on
            }
            for (pid, replica) in &task.live {
                comma(&mut running, b'[');
                running.extend_from_slice(br#"{"command":"#);
                running.extend_from_slice(&document.command);
                running.extend_from_slice(format!(r#","pid":{pid},"alias":"#).as_bytes());
                put(&mut running, &definition.name.alias(*replica));
                running.push(b'}');
            }
        }
        text.extend_from_slice(br#"},"running":["#);
        text.append(&mut running);
        text.extend_from_slice(b"]}}");
        text
    }

    /// The texts of these tasks; those that are missing are made while nobody else is kept waiting.
    fn of(&self, tasks: &[Listed]) -> Vec<Document> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner); // whole after every line
        let known: Vec<_> = {
            let kept = lock();
            let find = |task: &Listed| kept.get(&task.incarnation).filter(|it| it.is_of(&task.definition)).cloned();
            tasks.iter().map(find).collect()
        };
        let mut made = Vec::new();
        let documents = tasks.iter().zip(known).map(|(task, known)| {
            known.unwrap_or_else(|| {
                let document = Document::new(&task.definition);
                made.push((task.incarnation, document.clone()));
                document
            })
        });
        let documents = documents.collect();
        if !made.is_empty() {
            let mut kept = lock();
            kept.extend(made);
            kept.retain(|_, document| document.of.strong_count() > 0);
        }
        documents
    }
}

/// Writes a value as JSON. Into memory, and of what is written here, nothing can fail.
fn put<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(text, value);
}

/// Writes a comma, unless nothing stands before or what opened the list or object.
fn comma(text: &mut Vec<u8>, open: u8) {
    if text.last().is_some_and(|last| *last != open) {
        text.push(b',');
    }
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
