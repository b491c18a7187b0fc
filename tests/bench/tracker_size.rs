//! Whether a queue of a million tasks is as quick as one of a thousand, what it takes in memory, and how soon a daemon
//! that has one answers after a start.

use std::time::Duration;

use serde_json::json;

use super::figures::{Sample, over_rounds};
use super::kernel::{between, now, rss};
use super::report::Line;
use super::tracker::{CROWD, RECIPE, Tracker, Turns};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(2);
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;

pub fn measure() -> Vec<Line> {
    let mut tracker = Tracker::start();
    let (small, big) = (tracker.project("small", json!({})), tracker.project("big", json!({})));
    let worker = tracker.worker(&[small, big]);
    tracker.fill(&worker, small, FEW);
    let measure = |tracker: &Tracker, project| -> Vec<Sample> {
        (0..ROUNDS).map(|_| tracker.converse(CROWD, SPAN, &mut Turns::new(&worker, project, CROWD)).latency).collect()
    };
    let few = measure(&tracker, small);
    tracker.fill(&worker, big, MANY);
    let many = measure(&tracker, big);
    let memory = rss(tracker.daemon.core_pid().expect("a core"));
    let began = now();
    tracker.daemon.restart();
    let started = between(began, now()) / 1000.0;

    let percentile = |percent: f64, aim: f64| {
        let (few, many) = (over_rounds(&few, percent), over_rounds(&many, percent));
        let ratio = many.median / few.median;
        Line::new(format!("submit and fetch with {MANY} queued, {CROWD} clients, p{percent} ms"), many)
            .beside(format!("{few} with {FEW}"))
            .ratio(format!("{ratio:.2}"))
            .aim(format!("≤ {aim} of it"), ratio <= aim)
    };
    vec![
        percentile(50.0, 1.2),
        percentile(99.0, 1.5),
        Line::new(format!("core RSS with {MANY} tasks of {RECIPE} bytes, MiB"), format!("{memory:.0}"))
            .aim("≤ 600", memory <= 600.0),
        Line::new("restart to the first answer, s", format!("{started:.2}")).aim("< 4", started < 4.0),
    ]
}
