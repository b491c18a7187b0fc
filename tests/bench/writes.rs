//! How many changes per second are on disk and acknowledged, by many clients and by one. Two kinds of change: the
//! smallest (a task stopped, started: one record) and a whole life of a task (created, deleted: records, events, and a
//! line of the audit log each). Beside them a loop that appends a record and calls fdatasync; all take turns.

use std::time::Duration;

use serde_json::json;

use super::bare::Journal;
use super::client::{Connection, Tally, crowd, request};
use super::figures::{Sample, Spread, over_rounds};
use super::report::Line;
use super::support::Daemon;

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(2);
const CROWD: usize = 64;

/// A client's requests by client and number.
type Script = fn(usize, usize) -> Vec<u8>;

/// One cell of the table.
struct Load {
    what: &'static str,
    clients: usize,
    script: Script,
    rates: Vec<f64>,
    latencies: Vec<Sample>,
}

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let mut connection = Connection::open(&daemon.socket());
    for client in 0..CROWD {
        connection.call("POST", "/proc", &task(&format!("c{client}"))).ok();
    }
    let load = |what, clients, script| Load { what, clients, script, rates: Vec::new(), latencies: Vec::new() };
    let mut loads = [
        load("stop, start", CROWD, stop_and_start as Script),
        load("create, delete", CROWD, create_and_delete),
        load("stop, start", 1, stop_and_start),
        load("create, delete", 1, create_and_delete),
    ];
    let mut journal = Journal::open(daemon.dir());
    let mut bare = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(journal.write_for(SPAN));
        for load in &mut loads {
            let Tally { per_second, latency } = crowd(&daemon.socket(), load.clients, SPAN, load.script);
            load.rates.push(per_second);
            load.latencies.push(latency);
        }
    }
    let bare: Spread = bare.iter().map(|round| 1000.0 / round.mean()).collect();
    loads.iter().map(|load| line(load, bare)).collect()
}

fn line(load: &Load, bare: Spread) -> Line {
    let rate: Spread = load.rates.iter().copied().collect();
    let ratio = rate.median / bare.median;
    let (p50, p99) = (over_rounds(&load.latencies, 50.0).median, over_rounds(&load.latencies, 99.0).median);
    let name = if load.clients == 1 { "1 client".to_owned() } else { format!("{} clients", load.clients) };
    let line = Line::new(format!("{name}, {}: writes/s", load.what), format!("{rate}, p50 {p50:.2} p99 {p99:.2} ms"))
        .beside(format!("{bare} bare write and fdatasync"))
        .ratio(format!("{ratio:.2}"));
    if load.clients == 1 {
        line.aim("≥ 0.5 of bare", ratio >= 0.5)
    } else {
        line.aim("≥ 12000", rate.median >= 12_000.0)
    }
}

/// A task that is never due while this runs.
fn task(name: &str) -> String {
    json!({ "name": name, "argv": ["/bin/true"], "type": "cron", "cron": "0 0 29 2 *" }).to_string()
}

fn stop_and_start(client: usize, step: usize) -> Vec<u8> {
    let verb = if step.is_multiple_of(2) { "stop" } else { "start" };
    request("POST", &format!("/proc/{verb}?name=c{client}"), "")
}

fn create_and_delete(client: usize, step: usize) -> Vec<u8> {
    let name = format!("n{client}-{}", step / 2);
    if step.is_multiple_of(2) {
        request("POST", "/proc", &task(&name))
    } else {
        request("DELETE", &format!("/proc?name={name}"), "")
    }
}
