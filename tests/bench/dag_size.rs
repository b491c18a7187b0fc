//! How large runs may be: a million tasks from one list of values, and complete edges between groups. Nothing is
//! executed, so that what is measured is the daemon alone. And many runs beside each other: whether they are served
//! alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use super::client::Connection;
use super::dag::{IN_FLIGHT, Submitter, completed, daemon, specification, summary, wide};
use super::figures::{Sample, Spread};
use super::kernel::{between, kib, now};
use super::report::Line;
use super::support::{Daemon, Request, until};

const MILLION: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(300);

// A million tasks

pub fn measure_million() -> Vec<Line> {
    let body = wide(MILLION, true);
    let mut lines = undisturbed(&body);
    lines.extend(restarted(&body));
    lines
}

fn undisturbed(body: &str) -> Vec<Line> {
    let daemon = daemon("");
    let mut submitter = Submitter::of(&daemon);
    let over = AtomicBool::new(false);
    let (finished, [list, run, page]) = thread::scope(|scope| {
        let looking = scope.spawn(|| look(&daemon, &over));
        let finished = submitter.finish(body);
        over.store(true, Ordering::SeqCst);
        (finished, looking.join().expect("queries were answered"))
    });
    let peak = kib(daemon.core_pid().expect("a core"), "status", "VmHWM") / 1024.0;
    let seconds = |millis: f64| format!("{:.2}", millis / 1000.0);
    let query = |what: &str, sample: &Sample| {
        let (median, p99) = (sample.percentile(50.0), sample.percentile(99.0));
        Line::new(format!("{what} meanwhile, p99 ms"), format!("{p99:.2}"))
            .beside(format!("{median:.2} p50"))
            .aim("≤ 50 ms", p99 <= 50.0)
    };
    vec![
        Line::new("1,000,000 noop tasks: accepted after, s", seconds(finished.accepted))
            .aim("< 5 s", finished.accepted < 5_000.0),
        Line::new("done after, s", seconds(finished.done))
            .ratio(format!("{:.0} tasks/s", MILLION as f64 / finished.done * 1000.0))
            .aim("< 60 s", finished.done < 60_000.0),
        Line::new("core, highest RSS MiB", format!("{peak:.0}")).aim("≤ 1 GB", peak <= 1024.0),
        query("list of runs", &list),
        query("state of the run", &run),
        query("a page of its tasks", &page),
    ]
}

/// Asks for the list, for the run's state and for a page of its tasks in turns until it is over; how long the answers
/// took. What is asked while there is no run yet counts too: accepting one must not keep anybody waiting.
fn look(daemon: &Daemon, over: &AtomicBool) -> [Sample; 3] {
    let mut connection = Connection::open(&daemon.socket());
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let paths = ["/v1/dagruns?all=1", "/v1/dagrun/0/state", "/v1/dagrun/0/tasks?limit=100"];
    while !over.load(Ordering::SeqCst) {
        for (path, times) in paths.iter().zip(&mut times) {
            let began = now();
            let status = connection.call("GET", path, "").status;
            times.push(between(began, now()));
            assert!(matches!(status, 200 | 404), "{path}: {status}");
        }
    }
    times.map(|times| times.into_iter().collect())
}

/// The same, with the daemon stopped and started again half-way, which has to be slowed down for that: sixteen at once.
fn restarted(body: &str) -> Vec<Line> {
    let mut daemon = daemon("");
    let body = body.replacen('{', &format!(r#"{{"maxParallel":{IN_FLIGHT},"#), 1);
    let run = Submitter::of(&daemon).submit(&body);
    until("half of it is done", PATIENCE, || (completed(&summary(&daemon, run)) * 2 >= MILLION as u64).then_some(()));
    daemon.stop();
    let began = now();
    daemon.launch();
    let answered = between(began, now());
    let done = completed(&summary(&daemon, run));
    until("all of it is done", PATIENCE, || (completed(&summary(&daemon, run)) == MILLION as u64).then_some(()));
    let began = now();
    let record = daemon.unix().get(&format!("/v1/dagrun/{run}?logs=0")).expect(200).body;
    let read = between(began, now());
    let attempts = count(&record, br#""startTime""#);
    vec![
        Line::new("started again half-way: first answer after, s", format!("{:.2}", answered / 1000.0))
            .beside(format!("{done} tasks were done"))
            .aim("< 5 s", answered < 5_000.0),
        Line::new("attempts of 1,000,000 tasks", attempts).aim("1,000,000", attempts == MILLION),
        Line::new("the whole record, s", format!("{:.2}", read / 1000.0)).beside(format!("{} MiB", record.len() >> 20)),
    ]
}

fn count(text: &[u8], word: &[u8]) -> usize {
    text.windows(word.len()).filter(|window| *window == word).count()
}

// Complete edges

/// 1,000 → 1,000 → 1,000 instances: two million dependencies.
pub fn measure_edges() -> Vec<Line> {
    let daemon = daemon("");
    let mut submitter = Submitter::of(&daemon);
    let numbers: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let task = |parents: &[&str]| json!({ "job": { "command": ["true", "{{N}}"] }, "parents": parents });
    let tasks = json!({ "a": task(&[]), "b": task(&["a"]), "c": task(&["b"]) });
    let body = specification(json!({ "N": numbers }), tasks, true);
    let done: Spread = (0..5).map(|_| submitter.finish(&body).done).collect();
    // The same tasks without an edge: what the edges themselves cost.
    let apart = json!({ "a": task(&[]), "b": task(&[]), "c": task(&[]) });
    let apart = specification(json!({ "N": numbers }), apart, true);
    let apart: Spread = (0..5).map(|_| submitter.finish(&apart).done).collect();
    let line = Line::new("1,000 → 1,000 → 1,000 noop, ms", done)
        .beside(format!("{apart} without edges"))
        .ratio(format!("{:.2}", done.median / apart.median))
        .aim("< 1 s", done.median < 1_000.0);
    vec![line]
}

// Many runs

const RUNS: usize = 100;

/// 100 runs of 100 programs each, all submitted while one task holds the whole capacity: whether each begins before any
/// has ended, and how far they are from each other on the way.
pub fn measure_fairness() -> Vec<Line> {
    let daemon = daemon("");
    let mut submitter = Submitter::of(&daemon);
    let fifo = daemon.path("gate");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let script = format!("read _ < {}", fifo.display());
    let holder = json!({ "job": { "command": ["/bin/sh", "-c", script], "cores": IN_FLIGHT } });
    let holder = submitter.submit(&specification(json!({}), json!({ "h": holder }), false));
    let body = wide(100, false);
    let runs: Vec<u64> = (0..RUNS).map(|_| submitter.submit(&body)).collect();
    let began = now();
    std::fs::write(&fifo, "\n").expect("the holder waits");
    submitter.await_end(holder);

    // How far the runs are apart, seen while they run: percent of their tasks between the first and the last.
    let mut apart: Vec<f64> = Vec::new();
    until("all are over", PATIENCE, || {
        let list = daemon.unix().get("/v1/dagruns?all=1").expect(200).json();
        let lines = list.as_array().expect("a list").iter();
        let done: Vec<u64> = lines.filter(|line| line["runID"] != holder).map(completed).collect();
        let (least, most) = (done.iter().min().copied(), done.iter().max().copied());
        let (least, most) = least.zip(most).expect("runs");
        apart.push((most - least) as f64);
        (least == 100).then_some(())
    });
    let took = between(began, now());
    let spans: Vec<(u64, u64)> = runs.iter().map(|run| span(&daemon, *run)).collect();
    let first_end = spans.iter().map(|(_, end)| *end).min().expect("runs");
    let in_time = spans.iter().filter(|(start, _)| *start < first_end).count();
    let apart: Sample = apart.into_iter().collect();
    vec![
        Line::new(format!("{RUNS} runs of 100 /bin/true: begun before any had ended"), in_time)
            .aim(RUNS.to_string(), in_time == RUNS),
        Line::new("percent between the first and the last on the way, at worst", apart.percentile(100.0))
            .beside(format!("{} p50", apart.percentile(50.0))),
        Line::new("all of them, tasks/s", format!("{:.0}", (RUNS * 100) as f64 / took * 1000.0)),
    ]
}

/// When the first attempt of a run began and the last ended.
fn span(daemon: &Daemon, run: u64) -> (u64, u64) {
    let record = daemon.unix().send(Request::new("GET", &format!("/v1/dagrun/{run}?logs=0"))).expect(200).json();
    let attempts = record["taskAttempts"].as_object().expect("an object").values().filter_map(Value::as_array);
    let attempts: Vec<&Value> = attempts.flatten().collect();
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).expect("a time");
    let starts = attempts.iter().map(|attempt| time(&attempt["startTime"]));
    let stops = attempts.iter().map(|attempt| time(&attempt["stopTime"]));
    (starts.min().expect("attempts"), stops.max().expect("attempts"))
}
