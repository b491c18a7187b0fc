//! How fast work is taken in and handed out, on disk before every answer. Beside it a hyper server that does nothing,
//! asked by the same clients, and beanstalkd with an fsync for every change; all take turns.

use std::time::Duration;

use serde_json::json;

use super::beanstalk::Beanstalk;
use super::client::{Dialogue, Tally, accepted, complete, converse};
use super::figures::{Sample, Spread, over_rounds};
use super::hello;
use super::report::Line;
use super::tracker::{BULK, CROWD, Cycles, RECIPE, Same, Tracker, bulk, connect};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(2);
/// More than are handed out in one span.
const STOCK: usize = 100_000;

/// What the rounds measured.
#[derive(Default)]
struct Rates {
    hello: Vec<f64>,
    submits: Vec<f64>,
    cycles: Vec<f64>,
    puts: Vec<f64>,
    reserves: Vec<f64>,
    bulks: Vec<f64>,
    latency: Vec<Sample>,
}

/// Submits, cycles and bulks.
pub fn measure() -> Vec<Line> {
    let tracker = Tracker::start();
    let (inbox, stock) = (tracker.project("inbox", json!({})), tracker.project("stock", json!({})));
    let worker = tracker.worker(&[inbox, stock]);
    let plain = hello::serve();
    let recipe = "r".repeat(RECIPE);
    let peer = Beanstalk::start(tracker.daemon.dir(), STOCK, &recipe);
    let submit = json!({ "project": inbox, "recipe": recipe }).to_string();
    let mut rates = Rates::default();
    for _ in 0..ROUNDS {
        let mut greet = Same(worker.request("GET", "/", ""));
        rates.hello.push(converse(|| connect(plain), CROWD, SPAN, &mut greet).per_second);
        let Tally { per_second, latency } =
            tracker.converse(CROWD, SPAN, &mut Same(worker.request("POST", "/task/submit", &submit)));
        rates.submits.push(per_second);
        rates.latency.push(latency);
        rates.puts.push(peer.puts(CROWD, SPAN, &recipe).per_second);
        tracker.fill(&worker, stock, STOCK);
        rates.cycles.push(tracker.converse(CROWD, SPAN, &mut Cycles::new(&worker, stock, CROWD)).per_second / 2.0);
        rates.reserves.push(peer.cycles(CROWD, SPAN).per_second / 2.0);
        let bulks = tracker.converse(2, SPAN, &mut Same(bulk(&worker, inbox))).per_second;
        rates.bulks.push(bulks * BULK as f64);
    }
    rates.lines()
}

impl Rates {
    fn lines(self) -> Vec<Line> {
        let spread = |rates: &Vec<f64>| rates.iter().copied().collect::<Spread>();
        let ratio = |ours: &Vec<f64>, theirs: &Vec<f64>| {
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Spread>().digits(2)
        };
        let (p50, p99) = (over_rounds(&self.latency, 50.0).median, over_rounds(&self.latency, 99.0).median);
        let line = |what: &str, ours: &Vec<f64>, theirs: &Vec<f64>, name: &str, aim: f64| {
            let ratio = ratio(ours, theirs);
            Line::new(format!("{what}, {CROWD} clients, per second"), spread(ours))
                .beside(format!("{} {name}", spread(theirs)))
                .ratio(ratio)
                .aim(format!("≥ {aim} of it"), ratio.median >= aim)
        };
        let bulks = spread(&self.bulks);
        vec![
            line("durable submits", &self.submits, &self.hello, "hello, world", 0.2),
            line("durable submits", &self.submits, &self.puts, "beanstalkd -f0, put", 4.0),
            Line::new(format!("durable submits, {CROWD} clients, ms"), format!("p50 {p50:.2} p99 {p99:.2}")),
            line("fetch and release", &self.cycles, &self.hello, "hello, world", 0.08),
            line("fetch and release", &self.cycles, &self.reserves, "beanstalkd -f0, reserve and delete", 2.0),
            Line::new(format!("tasks of {RECIPE} bytes in bulks of {BULK}, 2 clients, per second"), bulks)
                .aim("≥ 40000", bulks.median >= 40_000.0),
        ]
    }
}

/// Clients that ask again at once when they are told to wait.
pub fn measure_spin() -> Vec<Line> {
    const SPINNING: usize = 20;
    const OTHERS: usize = 4;
    let tracker = Tracker::start();
    let slow = tracker.project("slow", json!({ "assign_rate": 0.001 }));
    let busy = tracker.project("busy", json!({}));
    let worker = tracker.worker(&[slow, busy]);
    let submit = json!({ "project": busy, "recipe": "r".repeat(RECIPE) }).to_string();
    let (mut alone, mut beside, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ask = worker.request("POST", "/task/submit", &submit);
        alone.push(tracker.converse(OTHERS, SPAN, &mut Same(ask.clone())).latency);
        std::thread::scope(|scope| {
            let spin = worker.request("GET", &format!("/task/get/{slow}"), "");
            let spinning = scope.spawn(|| tracker.converse(SPINNING, SPAN, &mut Refused(spin)));
            beside.push(tracker.converse(OTHERS, SPAN, &mut Same(ask)).latency);
            refusals.push(spinning.join().expect("those who spin").per_second);
        });
    }
    let (p99, before) = (over_rounds(&beside, 99.0), over_rounds(&alone, 99.0));
    let ratio = p99.median / before.median;
    let refused: Spread = refusals.into_iter().collect();
    let line = Line::new(format!("p99 ms of {OTHERS} that submit while {SPINNING} spin on 429 ({refused}/s)"), p99)
        .beside(format!("{before} without them"))
        .ratio(format!("{ratio:.2}"))
        .aim("≤ 2 of it", ratio <= 2.0);
    vec![line]
}

/// Asks again whatever the answer is.
struct Refused(Vec<u8>);

impl Dialogue for Refused {
    fn next(&mut self, _: usize, _: Option<&[u8]>) -> Vec<u8> {
        self.0.clone()
    }
}

/// From the death of a process that holds a task to that task in the hands of a worker that waits for one.
pub fn measure_death() -> Vec<Line> {
    const DEATHS: usize = 100;
    let tracker = Tracker::start();
    let project = tracker.project("mortal", json!({}));
    let worker = tracker.worker(&[project]);
    let submit = json!({ "project": project, "recipe": "hot potato" }).to_string();
    let once = |request: Vec<u8>| accepted(&exchange(&mut connect(tracker.address()), &request));
    once(worker.request("POST", "/task/submit", &submit));
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut waits = Vec::new();
        for _ in 0..DEATHS {
            let mut holder = super::bare::quiet("sleep").arg("600").spawn().expect("sleep");
            let fetch = format!("/task/get/{project}");
            let held = worker.request("GET", &fetch, "");
            let held =
                String::from_utf8_lossy(&held).replacen("\r\n", &format!("\r\nX-Worker-Pid: {}\r\n", holder.id()), 1);
            let held: serde_json::Value = serde_json::from_slice(&once(held.into_bytes())).expect("JSON");
            assert_eq!(held["ok"], true, "{held}");
            let mut waiting = connect(tracker.address());
            std::io::Write::write_all(&mut waiting, &worker.request("GET", &format!("{fetch}?wait=30"), ""))
                .expect("a request");
            // An answer to somebody else means that the one before was read.
            once(worker.request("GET", "/", ""));
            let began = super::kernel::now();
            holder.kill().expect("it lives");
            let got: serde_json::Value = serde_json::from_slice(&accepted(&heard(&mut waiting))).expect("JSON");
            waits.push(super::kernel::between(began, super::kernel::now()));
            holder.wait().expect("it is dead");
            let task = got["content"]["task"]["id"].as_u64().unwrap_or_else(|| panic!("no task: {got}"));
            once(worker.request("POST", "/task/release", &format!(r#"{{"task_id":{task},"result":2}}"#)));
        }
        rounds.push(waits.into_iter().collect::<Sample>());
    }
    let worst = over_rounds(&rounds, 99.0);
    let line = Line::new("p50 ms", over_rounds(&rounds, 50.0));
    vec![line, Line::new("p99 ms", worst).aim("≤ 20 ms", worst.median <= 20.0)]
}

fn exchange(stream: &mut std::net::TcpStream, request: &[u8]) -> Vec<u8> {
    std::io::Write::write_all(stream, request).expect("a request");
    heard(stream)
}

/// One answer.
fn heard(stream: &mut std::net::TcpStream) -> Vec<u8> {
    let (mut got, mut chunk) = (Vec::new(), [0; 4096]);
    while complete(&got).is_none() {
        let count = std::io::Read::read(stream, &mut chunk).expect("an answer");
        assert!(count > 0, "the daemon hung up");
        got.extend_from_slice(&chunk[..count]);
    }
    got
}
