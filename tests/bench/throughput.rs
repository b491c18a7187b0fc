//! How many once tasks are started, run and recorded per second, sixteen of them in flight, by clients that create a
//! task and hear of its end from `/events`. Beside it the bare loop over the same program; the two take turns.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bare;
use super::client::Connection;
use super::figures::Spread;
use super::kernel::cpu;
use super::report::Line;
use super::support::http::Streaming;
use super::support::{Daemon, Request};

const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_secs(2);

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let mut lines = Vec::new();
    for (in_flight, aim) in [(1, None), (16, Some(0.65))] {
        let mut rounds = Rounds::default();
        for round in 0..ROUNDS {
            let (rate, each) = bare::programs(in_flight, SPAN);
            rounds.bare.push(rate);
            rounds.bare_cpu.push(each);
            rounds.measure(&daemon, in_flight, round);
        }
        lines.extend(rounds.lines(in_flight, aim));
    }
    lines
}

/// What the rounds measured: rates, and processor time per task in milliseconds.
#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    bare: Vec<f64>,
    ours_cpu: Vec<f64>,
    bare_cpu: Vec<f64>,
}

impl Rounds {
    fn lines(self, in_flight: usize, aim: Option<f64>) -> [Line; 2] {
        let ratio: Spread = self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours / bare).collect();
        let spread = |measured: Vec<f64>| measured.into_iter().collect::<Spread>();
        let (cpu, bare_cpu) = (spread(self.ours_cpu).digits(2), spread(self.bare_cpu).digits(2));
        let rate = Line::new(format!("{in_flight} in flight, tasks/s"), spread(self.ours))
            .beside(format!("{} bare, of /bin/true", spread(self.bare)))
            .ratio(ratio.digits(2));
        let rate = match aim {
            Some(aim) => rate.aim(format!("≥ {aim} of bare"), ratio.median >= aim),
            None => rate,
        };
        // Tells apart a daemon that works too much from one that had to wait for a busy machine.
        let work = Line::new(format!("{in_flight} in flight, keeper + core ms of processor per task"), cpu)
            .beside(format!("{bare_cpu} bare, /bin/true included"))
            .ratio(format!("{:.2}", cpu.median / bare_cpu.median));
        [rate, work]
    }

    fn measure(&mut self, daemon: &Daemon, in_flight: usize, round: usize) {
        let pids = [daemon.keeper_pid(), daemon.core_pid().expect("a core")];
        let used = || pids.map(cpu).iter().sum::<Duration>();
        let events = daemon.unix().stream(Request::new("GET", "/events?kind=proc.run.exited,proc.run.gone"));
        let (ended, ends): (Vec<Sender<Value>>, Vec<Receiver<Value>>) = (0..in_flight).map(|_| channel()).unzip();
        let last = format!("last-{round}-0-{in_flight}");
        let (began, before) = (Instant::now(), used());
        thread::scope(|scope| {
            let client = |(client, ends)| {
                let name = format!("{in_flight}-{round}-{client}");
                scope.spawn(move || run_tasks(daemon, &name, &ends, began))
            };
            let clients: Vec<_> = ends.into_iter().enumerate().map(client).collect();
            let ear = scope.spawn(|| listen(events, &ended, &last));
            let ran: u64 = clients.into_iter().map(|client| client.join().expect("a client")).sum();
            self.ours.push(ran as f64 / began.elapsed().as_secs_f64());
            self.ours_cpu.push((used() - before).as_secs_f64() * 1000.0 / ran as f64);
            let task = json!({ "name": last, "argv": ["/bin/true"], "type": "once" });
            Connection::open(&daemon.socket()).call("POST", "/proc", &task.to_string()).ok();
            ear.join().expect("the ear");
        });
    }
}

/// Tells each client how its task ended, once nothing of it is left; until the task `last` has gone.
fn listen(mut events: Streaming, ended: &[Sender<Value>], last: &str) {
    let mut outcomes: HashMap<String, Value> = HashMap::new();
    while let Some(event) = events.event().expect("events") {
        let mut told: Value = serde_json::from_str(&event.data).expect("an event is JSON");
        let name = told["name"].as_str().unwrap_or_default().to_owned();
        if event.event.as_deref() == Some("proc.run.exited") {
            outcomes.insert(name, told["data"].take());
            continue;
        }
        if name == last {
            return;
        }
        let client = name.split('-').nth(2).and_then(|number| number.parse::<usize>().ok());
        let (client, outcome) = client.zip(outcomes.remove(&name)).expect("the end of a task of ours");
        ended[client].send(outcome).expect("a client that waits");
    }
    panic!("events have ended");
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
