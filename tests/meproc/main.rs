//! # The conformance cases of `/proc`
//!
//! Numbered as in the reference of the interface that `/proc` speaks, over real HTTP against the real binary. Where this
//! daemon decided otherwise, the case says so: intervals are in seconds and a daemon's first start is at once.
//!
//! Cases 55 to 57 (cron) run on a simulated clock beside the code that decides; here one real minute is waited for.
//! **Absent:** case 63, the web page: there is no console yet.

mod create;
mod deps;
mod examples;
mod kinds;
mod refuse;
mod rest;
mod steer;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{Answer, Daemon, Request, SOON, await_gone, holds, millis, process, unix_now, until};

const REQUIRED: &str = "JSON body is required";
const INVALID: &str = "Invalid JSON field";
const REPLICA: &str = "Replica must be a positive integer'";
const INTERVAL: &str = "Interval must be a positive integer'";
const EXISTS: &str = "Program exists, please stop it at first";
const ABSENT: &str = "Program not exists, please start it at first";
const NO_NAME: &str = "name is required";

#[track_caller]
fn ok(answer: Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), json!({"code": 200, "msg": "OK"}));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[track_caller]
fn refused(answer: Answer, code: u16, msg: &str) {
    assert_eq!(answer.json(), json!({"code": code, "msg": msg}));
    assert_eq!(answer.status, code, "the status is the code");
}

/// Refused with this code, in words that name each of `mentions`.
#[track_caller]
fn refused_naming(answer: Answer, code: u16, mentions: &[&str]) {
    let body = answer.json();
    assert_eq!((answer.status, &body["code"]), (code, &json!(code)), "{body}");
    assert!(body.get("data").is_none(), "{body}");
    let msg = body["msg"].as_str().expect("a message");
    for word in mentions {
        assert!(msg.contains(word), "{msg:?} does not name {word:?}");
    }
}

#[track_caller]
fn create(daemon: &Daemon, task: Value) {
    ok(daemon.post("/proc", &task));
}

#[track_caller]
fn data(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut body = answer.json();
    assert_eq!((&body["code"], &body["msg"]), (&json!(200), &json!("OK")));
    body["data"].take()
}

#[track_caller]
fn list(daemon: &Daemon) -> Value {
    data(daemon.get("/proc"))
}

/// The task as listed; `Null` when it is not.
#[track_caller]
fn task(daemon: &Daemon, name: &str) -> Value {
    list(daemon)["tasks"][name].take()
}

/// The live processes of a task, as (alias, pid), in the order of the aliases.
#[track_caller]
fn processes(daemon: &Daemon, name: &str) -> Vec<(String, i32)> {
    let listed = list(daemon);
    let mut found: Vec<(String, i32)> = listed["running"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| {
            (item["alias"].as_str().expect("an alias").to_owned(), item["pid"].as_i64().expect("a number") as i32)
        })
        .filter(|(alias, _)| alias.rsplit_once(':').is_some_and(|(task, _)| task == name))
        .collect();
    found.sort();
    found
}

#[track_caller]
fn pids(daemon: &Daemon, name: &str) -> Vec<i32> {
    processes(daemon, name).into_iter().map(|(_, pid)| pid).collect()
}

/// Waits until exactly `count` processes of the task live; their pids.
#[track_caller]
fn await_pids(daemon: &Daemon, name: &str, count: usize) -> Vec<i32> {
    until(&format!("{count} processes of {name}"), SOON, || Some(pids(daemon, name)).filter(|pids| pids.len() == count))
}

/// Waits until the task ran and none of its processes is left.
#[track_caller]
fn await_finished(daemon: &Daemon, name: &str) {
    until(&format!("{name} has finished"), SOON, || {
        let task = task(daemon, name);
        (task["running"] == 0 && task["last_time"].as_i64()? > 0).then_some(())
    });
}

/// The decoded text of each alias.
#[track_caller]
fn output(daemon: &Daemon, name: &str) -> Vec<(String, Vec<u8>)> {
    let data = data(daemon.get(&format!("/proc/output?name={name}")));
    let map = data.as_object().expect("an object").clone();
    map.into_iter()
        .map(|(alias, text)| (alias, STANDARD.decode(text.as_str().expect("text")).expect("base64")))
        .collect()
}

/// A body that is complete, with one field put or (by `Null` as a marker of absence) left out.
fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"name": "a", "cmd": "true", "type": "once"});
    body[field] = value;
    body
}

fn without(field: &str) -> Value {
    let mut body = with(field, Value::Null);
    body.as_object_mut().expect("an object").remove(field);
    body
}

/// A cron expression that is due once a day, twelve hours from now.
fn hours_from_now() -> String {
    use chrono::Timelike;
    format!("0 {} * * *", (chrono::Local::now().hour() + 12) % 24)
}
