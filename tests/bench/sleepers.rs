//! Two thousand daemons that do nothing: what they take while they do it, how long they take to come back when all are
//! killed at once, and how long a listing of them takes. Beside the return a loop that only starts so many sleeps.

use std::collections::HashSet;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::bare;
use super::client::Connection;
use super::figures::{Sample, Spread, over_rounds};
use super::kernel::{between, children, now, rss, settle, sleeps, woken};
use super::report::Line;
use super::support::{Daemon, process, until};

const TASKS: usize = 2000;
const IDLE: Duration = Duration::from_secs(30);
/// Idleness begins when nobody has woken up for so long: some look once more at what has just happened.
const CALM: Duration = Duration::from_secs(6);
const ROUNDS: usize = 3;
const LISTINGS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let (keeper, core) = (daemon.keeper_pid(), daemon.core_pid().expect("a core"));
    let mut connection = Connection::open(&daemon.socket());
    let began = Instant::now();
    let all: Value = (0..TASKS)
        .map(|n| json!({ "name": format!("sleeper-{n}"), "argv": ["/bin/sleep", "100000"], "type": "daemon", "interval": 0.1 }))
        .collect();
    connection.call("POST", "/proc/apply", &all.to_string()).ok();
    let answered = began.elapsed().as_secs_f64();
    sleepers(keeper, core, &HashSet::new());
    let started = Line::new("one apply to all started, s", format!("{:.2}", began.elapsed().as_secs_f64()))
        .beside(format!("answered after {answered:.2} s"));

    settle(&[keeper, core], CALM);
    let (ours, theirs) = (rss(keeper), rss(core));
    let memory = Line::new("keeper + core, RSS MiB", format!("{:.1}", ours + theirs))
        .beside(format!("{ours:.1} + {theirs:.1}"))
        .aim("≤ 64 MB", (ours + theirs) * 1.048_576 <= 64.0);
    let idle = idle(&[keeper, core]);
    let listing = listing(&mut connection);
    vec![started, memory, idle, returning(keeper, core), listing]
}

/// The live sleeps, once there are all of them and none of `before`.
fn sleepers(keeper: i32, core: i32, before: &HashSet<i32>) -> HashSet<i32> {
    until("all of them sleep", PATIENCE, || {
        let found: HashSet<i32> = children(keeper).into_iter().filter(|pid| *pid != core).collect();
        (found.len() == TASKS && found.is_disjoint(before)).then_some(found)
    })
}

fn idle(pids: &[i32]) -> Line {
    let before = sleeps(pids);
    thread::sleep(IDLE); // nothing is what is waited for
    let woken = woken(pids, &before);
    let times: u64 = woken.iter().map(|(_, times)| times).sum();
    let who: Vec<String> = woken.iter().map(|(name, times)| format!("{name} {times}")).collect();
    Line::new("wake-ups in 30 s of idleness", times).beside(who.join(", ")).aim("0", times == 0)
}

fn returning(keeper: i32, core: i32) -> Line {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = sleepers(keeper, core, &HashSet::new());
        let began = Instant::now();
        for pid in &before {
            process::signal(*pid, Signal::SIGKILL);
        }
        sleepers(keeper, core, &before);
        ours.push(began.elapsed().as_secs_f64());
        bare.push(start_bare());
    }
    let (ours, bare): (Spread, Spread) = (ours.into_iter().collect(), bare.into_iter().collect());
    Line::new("all killed to all restarted, s", ours.digits(2))
        .beside(format!("{} to start so many, bare", bare.digits(2)))
        .ratio(format!("{:.1}", ours.median / bare.median))
        .aim("≤ 5 s", ours.median <= 5.0)
}

/// Seconds to start so many sleeps one after the other.
fn start_bare() -> f64 {
    /// Ended whatever happens.
    struct Started(Vec<Child>);
    impl Drop for Started {
        fn drop(&mut self) {
            for child in &mut self.0 {
                let _ = child.kill().and_then(|()| child.wait()); // it is ours and not reaped: it cannot fail
            }
        }
    }
    let began = Instant::now();
    let mut started = Started(Vec::with_capacity(TASKS));
    for _ in 0..TASKS {
        started.0.push(bare::quiet("/bin/sleep").arg("100000").spawn().expect("/bin/sleep"));
    }
    began.elapsed().as_secs_f64()
}

fn listing(connection: &mut Connection) -> Line {
    let mut bytes = 0;
    let rounds: Vec<Sample> = (0..ROUNDS)
        .map(|_| {
            let one = |_| {
                let began = now();
                bytes = connection.call("GET", "/proc", "").ok().body.len();
                between(began, now())
            };
            (0..LISTINGS).map(one).collect()
        })
        .collect();
    let p99 = over_rounds(&rounds, 99.0);
    Line::new("GET /proc, p99 ms", p99)
        .beside(format!("p50 {}, {} KiB", over_rounds(&rounds, 50.0), bytes >> 10))
        .aim("≤ 20 ms", p99.median <= 20.0)
}
