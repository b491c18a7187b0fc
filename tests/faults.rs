//! # What a daemon does when its disk, its data or its neighbours fail it
//!
//! The real binary on disks that fill up, on directories that cannot be written, on damaged and foreign data, beside a
//! second daemon, and under a backup. Disks are small tmpfs mounts in a mount namespace of the test's own thread, which
//! needs root.

mod support;

#[path = "faults/backup.rs"]
mod backup;
#[path = "faults/damage.rs"]
mod damage;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/doubles.rs"]
mod doubles;
#[path = "faults/full.rs"]
mod full;
#[path = "faults/reload.rs"]
mod reload;
#[path = "faults/unwritable.rs"]
mod unwritable;

use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};
use support::{Answer, Client, Daemon, Request, SOON, process, until};

/// A task of one replica; what else there is to say about it goes in `more`.
fn task(name: &str, kind: &str, cmd: &str, more: &Value) -> Value {
    let mut task = json!({ "name": name, "type": kind, "cmd": cmd, "interval": 0.2 });
    for (key, value) in more.as_object().expect("an object") {
        task[key] = value.clone();
    }
    task
}

/// The recorded and the running runs of a task, newest first.
fn history(client: &Client, name: &str) -> Vec<Value> {
    let answer = client.get(&format!("/proc/history?name={name}&limit=500")).expect(200).json();
    answer["data"].as_array().expect("a list").clone()
}

/// How many of its runs have ended with this exit code.
fn ended_with(client: &Client, name: &str, code: i64) -> usize {
    history(client, name).iter().filter(|run| run["exit_code"] == code && !run["end"].is_null()).count()
}

/// The process of a task that runs now.
fn leader(client: &Client, name: &str) -> i32 {
    until("its process", SOON, || {
        let runs = history(client, name);
        let pid = runs.iter().find(|run| run["end"].is_null()).and_then(|run| run["pid"].as_i64())?;
        i32::try_from(pid).ok().filter(|pid| process::alive(*pid))
    })
}

/// An answer over the socket, when there is one.
fn look(daemon: &Daemon, path: &str) -> Option<Answer> {
    daemon.unix().try_send(Request::new("GET", path)).ok()
}

/// The cause that a degraded daemon gives; panics when it is not degraded within a bound.
#[track_caller]
fn degraded(daemon: &Daemon) -> String {
    until("the daemon is degraded", SOON, || {
        let answer = look(daemon, "/healthz")?;
        (answer.status == 503).then(|| answer.json()["error"].as_str().expect("a text").to_owned())
    })
}

/// `hostler` with these arguments.
fn hostler(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    command.args(args).stdin(Stdio::null()).output().expect("the binary")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
