//! # The conformance cases of the task tracker
//!
//! Numbered as in the reference of the interface that clients of the tracker of 2019 speak, over real HTTP against the
//! real binary; where this daemon decided otherwise, the case says so. `wire` and `rules` are about what the reference
//! promises beyond its cases, `defects` about what the original got wrong; `additions`, `waiting` and `identity` about
//! what goes beyond that interface; `races`, `durable` and `killed` about many at once and about what outlives the daemon.
//!
//! Tests share a daemon where they do not disturb each other: each makes projects and workers of its own. What is about
//! rates uses rates so low that a slow machine cannot earn another token.

mod access;
mod additions;
mod cast;
mod chain;
mod defects;
mod durable;
mod fetch;
mod identity;
mod index;
mod killed;
mod lease;
mod logs;
mod managers;
mod monitoring;
mod old;
mod projects;
mod races;
mod rates;
mod release;
mod rules;
mod steer;
mod submit;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
mod webhook;
mod why;
mod wire;
mod workers;

use cast::{Person, Tracker, Worker, cookie, credentials, identified, shared};
use serde_json::{Value, json};
use support::{Answer, Client, Daemon, Request, SOON, fresh, hex, keys, list, millis, plus, unix_now, until};

/// What the cases are written for: samples come soon, and every level of log is kept.
const SETTINGS: &str =
    "[tracker]\nsnapshot_interval = \"1s\"\nlog_levels = [\"error\", \"warn\", \"info\", \"trace\"]\n";

/// How long a held task stays held unless a case is about time: no machine is as slow.
const LONG: i64 = 3600;

/// Unlimited, as it is on the wire.
const UNLIMITED: f64 = f64::MAX;

/// All that a password has to be.
const PASSWORD: &str = "correcthorse";

#[test]
fn the_relay_carries_bytes_both_ways() {
    support::relay::entry();
}

/// A task to submit: a recipe of its own, and enough time.
fn task(project: i64, more: Value) -> Value {
    plus(json!({"project": project, "recipe": fresh("recipe"), "max_assign_time": LONG}), more)
}

// What comes back

/// The body of an answer with this status, which is an envelope and holds nothing it need not.
#[track_caller]
fn envelope(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    let body = answer.json();
    let fields = body.as_object().unwrap_or_else(|| panic!("no object: {body}"));
    for (key, value) in fields {
        match key.as_str() {
            "ok" => assert!(value.is_boolean(), "{body}"),
            "message" => assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{body}"),
            "rate_limit_delay" => assert!(value.as_f64().is_some_and(|delay| delay > 0.0), "{body}"),
            "content" => assert!(value.is_object(), "{body}"),
            _ => panic!("{key} does not belong into an envelope: {body}"),
        }
    }
    assert!(fields.contains_key("ok"), "{body}");
    body
}

/// "ok" of the reference; the content, if there is one.
#[track_caller]
fn ok(answer: Answer) -> Value {
    let mut body = envelope(&answer, 200);
    assert_eq!(body["ok"], true, "{body}");
    assert_eq!((&body["message"], &body["rate_limit_delay"]), (&Value::Null, &Value::Null), "{body}");
    body["content"].take()
}

/// Exactly `{"ok":true}`.
#[track_caller]
fn bare(answer: Answer) {
    assert_eq!(envelope(&answer, 200), json!({"ok": true}));
}

/// Refused, for this reason and with nothing else.
#[track_caller]
fn refused(answer: Answer, status: u16, message: &str) {
    assert_eq!(envelope(&answer, status), json!({"ok": false, "message": message}));
}

/// Refused for any reason; which.
#[track_caller]
fn declined(answer: Answer, status: u16) -> String {
    let body = envelope(&answer, status);
    assert_eq!(body["ok"], false, "{body}");
    body["message"].as_str().unwrap_or_else(|| panic!("no message: {body}")).to_owned()
}

/// There is nothing for this worker.
#[track_caller]
fn none(answer: Answer) {
    refused(answer, 200, "No task available");
}

/// A release, and whether it changed anything.
#[track_caller]
fn released(answer: Answer, updated: bool) {
    let mut expected = json!({"ok": true, "content": {"updated": updated}});
    if !updated {
        expected["message"] = json!("Task was not marked as closed");
    }
    assert_eq!(envelope(&answer, 200), expected);
}

/// Refused by a rate; the seconds to wait.
#[track_caller]
fn limited(answer: Answer) -> f64 {
    let body = envelope(&answer, 429);
    assert_eq!((&body["ok"], &body["message"]), (&json!(false), &json!("Too many requests")), "{body}");
    body["rate_limit_delay"].as_f64().unwrap_or_else(|| panic!("no delay: {body}"))
}

/// An unknown path or a wrong method.
#[track_caller]
fn not_found(answer: Answer) {
    assert_eq!((answer.status, answer.text()), (404, "Not found".to_owned()));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

/// A mass change of so many tasks.
#[track_caller]
fn affected(answer: Answer, tasks: u64) {
    assert_eq!(ok(answer), json!({"affected_tasks": tasks}));
}

/// The number of a task.
#[track_caller]
fn number(task: &Value) -> i64 {
    task["id"].as_i64().unwrap_or_else(|| panic!("no number: {task}"))
}

/// A project with its rates as fractions, whether they were written so or not.
#[track_caller]
fn with_rates(mut project: Value) -> Value {
    for key in ["assign_rate", "submit_rate"] {
        project[key] = json!(project[key].as_f64().unwrap_or_else(|| panic!("no {key}: {project}")));
    }
    project
}

/// These fields of an object.
#[track_caller]
fn some(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}
