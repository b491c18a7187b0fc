//! # The conformance cases of the DAG runs
//!
//! Numbered as in the reference of the interface that `/v1` speaks, over real HTTP against the real binary; where this
//! daemon decided otherwise, the case says so. `additions`, `calendar`, `others` and `rules` are about what goes beyond that interface.
//!
//! A task that shall still run when something happens waits at a [`Gate`], so that nothing depends on how long a
//! machine takes; only where a case is about seconds do seconds pass.

mod additions;
mod calendar;
mod durable;
mod execute;
mod expand;
mod generate;
mod kill;
mod old;
mod others;
mod read;
mod restart;
mod rules;
mod service;
mod submit;
#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use support::{Answer, Daemon, Request, SOON, await_gone, holds, keys, millis, plus, process, until};

/// The capacity that the cases are written for.
const CAPACITY: &str = "[dag]\ncores = 4\nmemory_mb = 4096\n";

fn daemon() -> Daemon {
    Daemon::configured(CAPACITY)
}

#[test]
fn the_relay_carries_bytes_both_ways() {
    support::relay::entry();
}

// What is submitted

/// `T(cmd…)` of the reference: a task that executes a command.
fn t(command: &[&str]) -> Value {
    json!({"job": {"command": command}})
}

/// `sh:X` of the reference.
fn sh(script: &str) -> Value {
    t(&["/bin/sh", "-c", script])
}

fn after(task: Value, parents: &[&str]) -> Value {
    plus(task, json!({"parents": parents}))
}

/// A specification of these tasks.
fn dag(tasks: Value) -> Value {
    json!({"tag": "t", "tasks": tasks})
}

/// The same with parameters.
fn expanded(parameters: Value, tasks: Value) -> Value {
    json!({"tag": "t", "parameters": parameters, "tasks": tasks})
}

#[track_caller]
fn submit(daemon: &Daemon, specification: &Value) -> u64 {
    let answer = daemon.post("/v1/dagrun", specification).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let run = body["runID"].as_u64().unwrap_or_else(|| panic!("no number of a run: {body}"));
    assert_eq!(body, json!({"runID": run}));
    run
}

/// Submits these tasks and waits for the end of the run.
#[track_caller]
fn run(daemon: &Daemon, specification: &Value, end: &str) -> Value {
    let run = submit(daemon, specification);
    ends(daemon, run, end)
}

/// A place where tasks wait until the test lets them pass.
struct Gate {
    path: PathBuf,
    opened: Option<File>,
}

impl Gate {
    fn new(daemon: &Daemon, name: &str) -> Gate {
        let path = daemon.path(name);
        mkfifo(&path, Mode::S_IRWXU | Mode::S_IRWXG | Mode::S_IRWXO).expect("a FIFO");
        Gate { path, opened: None }
    }

    /// The line of a script that waits here.
    fn wait(&self) -> String {
        format!("read _ < {}", self.path.display())
    }

    /// A task that waits here.
    fn task(&self) -> Value {
        sh(&self.wait())
    }

    /// Lets pass whoever waits, and whoever comes later: each takes one of many lines.
    fn open(&mut self) {
        // Also for reading, so that it can be opened while nobody waits.
        let mut fifo = File::options().read(true).write(true).open(&self.path).expect("the FIFO");
        fifo.write_all(&[b'\n'; 4096]).expect("as much as a FIFO holds");
        self.opened = Some(fifo);
    }
}

// What comes back

/// Refused with this status and the error body; its text.
#[track_caller]
fn refused(answer: Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let text = body["error"].as_str().unwrap_or_else(|| panic!("no error text: {body}"));
    assert!(!text.is_empty() && body["message"] == text, "{body}");
    text.to_owned()
}

/// Neither accepted nor valid, and nothing has come of it; the error's text.
#[track_caller]
fn rejected(daemon: &Daemon, specification: &Value) -> String {
    let text = refused(daemon.post("/v1/dagrun", specification), 400);
    let said = daemon.post("/v1/dagrun/validate", specification).expect(200).json();
    assert_eq!(said, json!({"valid": false, "error": text}), "{specification}");
    assert_eq!(list(daemon, "?all=1"), json!([]), "{specification}");
    text
}

#[track_caller]
fn list(daemon: &Daemon, query: &str) -> Value {
    daemon.get(&format!("/v1/dagruns{query}")).expect(200).json()
}

/// The numbers of the listed runs.
#[track_caller]
fn listed(daemon: &Daemon, query: &str) -> Vec<u64> {
    let list = list(daemon, query);
    list.as_array().expect("a list").iter().map(|run| run["runID"].as_u64().expect("a number")).collect()
}

/// The line of one run in the list.
#[track_caller]
fn summary(daemon: &Daemon, run: u64) -> Value {
    let list = list(daemon, "?all=1");
    let found = list.as_array().expect("a list").iter().find(|line| line["runID"] == run);
    found.unwrap_or_else(|| panic!("run {run} is not in {list}")).clone()
}

#[track_caller]
fn record(daemon: &Daemon, run: u64) -> Value {
    daemon.get(&format!("/v1/dagrun/{run}")).expect(200).json()
}

#[track_caller]
fn state(daemon: &Daemon, run: u64) -> String {
    word(daemon.get(&format!("/v1/dagrun/{run}/state")))
}

#[track_caller]
fn task_state(daemon: &Daemon, run: u64, task: &str) -> String {
    word(daemon.get(&format!("/v1/dagrun/{run}/task/{task}/state")))
}

#[track_caller]
fn word(answer: Answer) -> String {
    let body = answer.expect(200).json();
    let state = body["state"].as_str().unwrap_or_else(|| panic!("no state: {body}"));
    assert_eq!(body, json!({"state": state}));
    state.to_owned()
}

/// The definition of a task.
#[track_caller]
fn definition(daemon: &Daemon, run: u64, task: &str) -> Value {
    daemon.get(&format!("/v1/dagrun/{run}/task/{task}")).expect(200).json()
}

/// "Ends S" of the reference: waits until the run's state is that; its record.
#[track_caller]
fn ends(daemon: &Daemon, run: u64, end: &str) -> Value {
    let reached = |state: String| match state.as_str() {
        state if state == end => Some(()),
        "COMPLETED" | "ERRORED" => panic!("run {run} is {state}, not {end}: {}", record(daemon, run)),
        _ => None,
    };
    until(&format!("run {run} is {end}"), SOON, || reached(state(daemon, run)));
    record(daemon, run)
}

#[track_caller]
fn await_task(daemon: &Daemon, run: u64, task: &str, wanted: &str) {
    until(&format!("{task} of run {run} is {wanted}"), SOON, || {
        (task_state(daemon, run, task) == wanted).then_some(())
    });
}

#[track_caller]
fn set_state(daemon: &Daemon, run: u64, word: &str) -> Answer {
    daemon.tcp().send(Request::new("PATCH", &format!("/v1/dagrun/{run}/state/{word}")))
}

/// Sets a run's state; accepted.
#[track_caller]
fn becomes(daemon: &Daemon, run: u64, word: &str) {
    assert_eq!(set_state(daemon, run, word).expect(200).json(), json!({"runID": run}));
}

/// Kills a run or a task by its path below `/v1/dagrun/`.
#[track_caller]
fn kill(daemon: &Daemon, path: &str) {
    let answer = daemon.delete(&format!("/v1/dagrun/{path}")).expect(200);
    assert_eq!(answer.text(), "", "an empty body");
}

#[track_caller]
fn attempts<'a>(record: &'a Value, task: &str) -> &'a [Value] {
    let list = record["taskAttempts"][task].as_array();
    list.unwrap_or_else(|| panic!("no attempts of {task} in {record}"))
}

/// The one attempt of a task.
#[track_caller]
fn attempt<'a>(record: &'a Value, task: &str) -> &'a Value {
    let [one] = attempts(record, task) else { panic!("not one attempt of {task}: {record}") };
    one
}

#[track_caller]
fn output<'a>(record: &'a Value, task: &str) -> &'a str {
    attempt(record, task)["outputLog"].as_str().expect("text")
}

/// The exit codes of a task's attempts.
#[track_caller]
fn codes(record: &Value, task: &str) -> Vec<i64> {
    attempts(record, task).iter().map(|attempt| attempt["rc"].as_i64().expect("an integer")).collect()
}

/// Nanoseconds, as they are on the wire: 19 digits in a text.
#[track_caller]
fn nanos(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?} is not 19 digits");
    text.parse().expect("nanoseconds")
}

/// When an attempt began and ended.
#[track_caller]
fn span(attempt: &Value) -> (u64, u64) {
    let (start, stop) = (nanos(&attempt["startTime"]), nanos(&attempt["stopTime"]));
    assert!(start <= stop, "{attempt}");
    (start, stop)
}

/// The one attempt of each of these tasks began only when that of the one before had ended.
#[track_caller]
fn in_order(record: &Value, tasks: &[&str]) {
    let spans: Vec<(u64, u64)> = tasks.iter().map(|task| span(attempt(record, task))).collect();
    for (pair, names) in spans.windows(2).zip(tasks.windows(2)) {
        assert!(pair[0].1 <= pair[1].0, "{} began before {} had ended", names[1], names[0]);
    }
}

/// How many attempts ran at once, at most.
#[track_caller]
fn overlap(record: &Value) -> usize {
    let all = record["taskAttempts"].as_object().expect("an object").values();
    let spans: Vec<(u64, u64)> =
        all.flat_map(|attempts| attempts.as_array().expect("a list")).map(|attempt| span(attempt)).collect();
    let during = |moment: u64| spans.iter().filter(|(start, stop)| *start <= moment && moment < *stop).count();
    spans.iter().map(|(start, _)| during(*start)).max().unwrap_or_default()
}

/// The words of `dagStateChanges`.
#[track_caller]
fn history(record: &Value) -> Vec<&str> {
    let changes = record["dagStateChanges"].as_array().expect("a list");
    changes.iter().map(|change| change["state"].as_str().expect("a state")).collect()
}

/// The pids that tasks have noted in a file, a line each.
fn noted(path: &std::path::Path) -> Vec<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
