//! How many once tasks are started, run and recorded per second, sixteen of them in flight, by clients that create a
//! task and hear of its end from `/events`. Beside it the bare loop over the same program; the two take turns.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bare;
use super::client::Connection;
use super::figures::Spread;
use super::report::Line;
use super::support::{Daemon, Request};

const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_secs(2);

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let lines = [(1, None), (16, Some(0.65))].map(|(in_flight, aim)| {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            bare.push(bare::programs_per_second(in_flight, SPAN));
            ours.push(tasks_per_second(&daemon, in_flight, round));
        }
        let ratio: Spread = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
        let line = Line::new(format!("{in_flight} in flight, tasks/s"), ours.into_iter().collect::<Spread>())
            .beside(format!("{} bare, of /bin/true", bare.into_iter().collect::<Spread>()))
            .ratio(ratio.digits(2));
        match aim {
            Some(aim) => line.aim(format!("≥ {aim} of bare"), ratio.median >= aim),
            None => line,
        }
    });
    lines.into()
}

fn tasks_per_second(daemon: &Daemon, in_flight: usize, round: usize) -> f64 {
    let mut events = daemon.unix().stream(Request::new("GET", "/events?kind=proc.run.exited,proc.run.gone"));
    let (ended, ends): (Vec<Sender<Value>>, Vec<Receiver<Value>>) = (0..in_flight).map(|_| channel()).unzip();
    let done = Mutex::new(0_u64);
    let began = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> = ends
            .into_iter()
            .enumerate()
            .map(|(client, ends)| {
                let done = &done;
                scope.spawn(move || {
                    let ran = run_tasks(daemon, &format!("{in_flight}-{round}-{client}"), &ends, began);
                    *done.lock().expect("nobody panicked") += ran;
                })
            })
            .collect();
        // The last word of the ear is the end of the clients: they hang up.
        let mut outcomes: HashMap<String, Value> = HashMap::new();
        while clients.iter().any(|client| !client.is_finished()) {
            let event = events.event().expect("events").expect("events go on");
            let Ok(mut told) = serde_json::from_str::<Value>(&event.data) else { continue };
            let name = told["name"].as_str().unwrap_or_default().to_owned();
            if event.event.as_deref() == Some("proc.run.exited") {
                outcomes.insert(name, told["data"].take());
                continue;
            }
            let client = name.split('-').nth(2).and_then(|number| number.parse::<usize>().ok());
            if let (Some(client), Some(outcome)) = (client, outcomes.remove(&name)) {
                let _ = ended[client].send(outcome); // a client that has all it wants is gone
            }
        }
    });
    done.into_inner().expect("nobody panicked") as f64 / began.elapsed().as_secs_f64()
}

/// One client: a task after the other, each awaited to its end; how many.
fn run_tasks(daemon: &Daemon, name: &str, ends: &Receiver<Value>, began: Instant) -> u64 {
    let mut connection = Connection::open(&daemon.socket());
    let mut ran = 0;
    while began.elapsed() < SPAN {
        let task = json!({ "name": format!("{name}-{ran}"), "argv": ["/bin/true"], "type": "once" });
        connection.call("POST", "/proc", &task.to_string()).ok();
        let outcome = ends.recv_timeout(Duration::from_secs(30)).expect("the end of the task");
        assert_eq!(outcome["exit_code"], 0, "{outcome}");
        ran += 1;
    }
    ran
}
