//! How long it takes from a daemon's last instruction to the first one of its next life, beyond the pause it asked for.
//! Beside it a loop that starts the same program again as soon as it has ended.

use std::collections::HashMap;

use serde_json::json;

use super::child::Ear;
use super::client::Connection;
use super::figures::{Sample, over_rounds};
use super::kernel::between;
use super::report::Line;
use super::support::Daemon;

const ROUNDS: usize = 5;
const LIVES: usize = 200;
/// Replicas die independently of each other; their pauses overlap.
const REPLICAS: usize = 4;
/// Seconds between the end of a life and the beginning of the next.
const INTERVAL: f64 = 0.05;

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let mut ear = Ear::open(daemon.dir());
    let bare: Vec<Sample> = (0..ROUNDS).map(|_| bare(&mut ear)).collect();
    let mut connection = Connection::open(&daemon.socket());
    let task = json!({
        "name": "blink", "argv": ear.argv("blink", &[]), "type": "daemon", "interval": INTERVAL, "replica": REPLICAS,
    });
    connection.call("POST", "/proc", &task.to_string()).ok();
    let mut last = HashMap::new();
    let ours: Vec<Sample> = (0..ROUNDS).map(|_| round(&mut ear, &mut last)).collect();
    connection.call("DELETE", "/proc?name=blink&wait=1", "").ok();
    let line = |percent: f64| {
        let beside = format!("{} bare wait, vfork and exec", over_rounds(&bare, percent));
        Line::new(format!("p{percent} ms beyond the interval"), over_rounds(&ours, percent)).beside(beside)
    };
    let worst = over_rounds(&ours, 99.0).median;
    vec![line(50.0), line(99.0).aim("≤ 5 ms", worst <= 5.0)]
}

fn bare(ear: &mut Ear) -> Sample {
    let mut last = None;
    let mut pauses = Vec::new();
    while pauses.len() < LIVES {
        let mut command = ear.command("blink", &[]);
        let status = command.env("HOSTLER_REPLICA", "0").status().expect("this program");
        assert!(status.success(), "it only blinks");
        let life = ear.numbers();
        pauses.extend(last.replace(life[2]).map(|ended| between(ended, life[1])));
    }
    pauses.into_iter().collect()
}

/// The pauses of the next lives, less what was asked for. `last` has the ends of those before.
fn round(ear: &mut Ear, last: &mut HashMap<i64, i64>) -> Sample {
    let mut beyond = Vec::new();
    while beyond.len() < LIVES {
        let life = ear.numbers();
        let (replica, began, ended) = (life[0], life[1], life[2]);
        beyond.extend(last.insert(replica, ended).map(|ended| between(ended, began) - INTERVAL * 1000.0));
    }
    beyond.into_iter().collect()
}
