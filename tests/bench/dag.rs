//! What the measurements of DAG runs have in common: a daemon with sixteen cores to give away, specifications, and a
//! client that submits and hears of the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Connection;
use super::kernel::{between, now};
use super::support::http::Streaming;
use super::support::{Daemon, Request};

/// Attempts at once, here and beside it.
pub const IN_FLIGHT: usize = 16;

/// The longest run takes about a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// A daemon whose tasks may take so many cores together, whatever the machine has.
pub fn daemon(more: &str) -> Daemon {
    Daemon::configured(&format!("[dag]\ncores = {IN_FLIGHT}\nmemory_mb = 4096\n{more}"))
}

/// A specification of one group with so many instances, each of which executes `/bin/true` or, with `noop`, nothing.
pub fn wide(count: usize, noop: bool) -> String {
    let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let task = json!({ "job": { "command": ["/bin/true", "{{N}}"] } });
    specification(json!({ "N": numbers }), json!({ "s": task }), noop)
}

pub fn specification(parameters: Value, tasks: Value, noop: bool) -> String {
    let executor = if noop { "noop" } else { "local" };
    json!({ "tag": "bench", "executor": executor, "parameters": parameters, "tasks": tasks }).to_string()
}

/// Somebody who submits runs and hears of their ends.
pub struct Submitter {
    connection: Connection,
    events: Streaming,
}

/// A run that has ended, in milliseconds since it was sent.
pub struct Finished {
    pub accepted: f64,
    pub done: f64,
}

impl Submitter {
    pub fn of(daemon: &Daemon) -> Submitter {
        let events = daemon.unix().stream(Request::new("GET", "/events?kind=dag.run.state"));
        Submitter { connection: Connection::open(&daemon.socket()), events }
    }

    /// The run's number, as soon as it is accepted.
    #[track_caller]
    pub fn submit(&mut self, specification: &str) -> u64 {
        let answer = self.connection.call("POST", "/v1/dagrun", specification).ok();
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        body["runID"].as_u64().expect("a number")
    }

    /// Waits until the run is over, which must mean that it has completed.
    #[track_caller]
    pub fn await_end(&mut self, run: u64) {
        loop {
            let event = self.events.event_within(PATIENCE);
            let told: Value = serde_json::from_str(&event.data).expect("an event is JSON");
            if told["data"]["run"] != run {
                continue;
            }
            match told["data"]["state"].as_str() {
                Some("COMPLETED") => return,
                Some("QUEUED" | "RUNNING") => {}
                _ => panic!("the run failed: {told}"),
            }
        }
    }

    #[track_caller]
    pub fn finish(&mut self, specification: &str) -> Finished {
        let began = now();
        let run = self.submit(specification);
        let accepted = between(began, now());
        self.await_end(run);
        Finished { accepted, done: between(began, now()) }
    }
}

/// The line of a run in the list.
#[track_caller]
pub fn summary(daemon: &Daemon, run: u64) -> Value {
    let list = daemon.unix().get("/v1/dagruns?all=1").expect(200).json();
    let found = list.as_array().and_then(|lines| lines.iter().find(|line| line["runID"] == run));
    found.expect("the run").clone()
}

/// How many of its tasks are done.
#[track_caller]
pub fn completed(line: &Value) -> u64 {
    line["taskCounts"]["COMPLETED"].as_u64().unwrap_or(0)
}
