//! How fast what is cached is served, and what is not is fetched. Beside the proxy nginx, serving the same file with sendfile;
//! beside a fetch curl, straight from the origin; all on loopback, in turns.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::cache::{Cache, Sink, curl, drain};
use super::client::converse;
use super::figures::{Sample, Spread};
use super::kernel::{between, now};
use super::report::Line;
use super::support::{SOON, until};
use super::tracker::{Same, connect};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(2);
const GIB: u64 = 1 << 30;

/// Hits: small, medium, large.
pub fn measure_hot() -> Vec<Line> {
    const CLIENTS: usize = 64;
    let cache = Cache::start();
    for (name, bytes) in [("small", 1 << 10), ("medium", 1 << 20), ("large", GIB)] {
        cache.origin.put(name, bytes);
    }
    let (proxy, origin) = (cache.proxy(), cache.origin.address());
    for name in ["/small", "/medium", "/large"] {
        // Once to fetch, once more to have compared every piece.
        for _ in 0..2 {
            Sink::open(proxy).fetch(&cache.request(name));
        }
    }
    let mut small = Pairs::default();
    for _ in 0..ROUNDS {
        let ours = converse(|| connect(proxy), CLIENTS, SPAN, &mut Same(cache.request("/small"))).per_second;
        let theirs = converse(|| connect(origin), CLIENTS, SPAN, &mut Same(cache.direct("/small"))).per_second;
        small.add(ours, theirs);
    }
    let mut lines = vec![small.aiming(&format!("hits of 1 KiB, {CLIENTS} clients, per second"), "nginx", 0.6)];
    for (name, what, clients) in [("/medium", "1 MiB, 4 clients", 4), ("/large", "1 GiB, 1 client", 1)] {
        let mut pairs = Pairs::default();
        for _ in 0..ROUNDS {
            let ours = drain(proxy, &cache.request(name), clients, SPAN) / 1e6;
            let theirs = drain(origin, &cache.direct(name), clients, SPAN) / 1e6;
            pairs.add(ours, theirs);
        }
        lines.push(pairs.aiming(&format!("hits of {what}, MB/s"), "nginx", 0.6));
    }
    lines
}

/// What has to be fetched first.
pub fn measure_cold() -> Vec<Line> {
    const SMALL: usize = 60;
    let cache = Cache::start();
    cache.origin.put("small", 10 << 10);
    cache.origin.put("large", GIB);
    let proxy = cache.proxy();
    let to = cache.file("got");
    let mut times = (Vec::new(), Vec::new());
    for n in 0..SMALL {
        let url = cache.origin.url(&format!("/small?n={n}"));
        times.0.push(curl(&url, &to, Some(proxy)));
        times.1.push(curl(&url, &to, None));
    }
    let (ours, theirs): (Spread, Spread) = (times.0.into_iter().collect(), times.1.into_iter().collect());
    let (ours, theirs) = (ours.digits(2), theirs.digits(2));
    let more = ours.median - theirs.median;
    let mut lines = vec![
        Line::new("cold 10 KiB by curl through the proxy, ms", ours)
            .beside(format!("{theirs} directly"))
            .ratio(format!("{more:+.2}"))
            .aim("≤ + 5 ms", more <= 5.0),
    ];
    let (mut get, mut through, mut written) = (Pairs::default(), Pairs::default(), Pairs::default());
    for n in 0..ROUNDS {
        let url = cache.origin.url(&format!("/large?n={n}"));
        let ours = cache.hostler(&["cache", "get", &url, "--force", "-o", to.to_str().expect("a plain name")]);
        assert_eq!(fs::metadata(&to).expect("what was fetched").len(), GIB);
        let to_disk = curl(&url, &cache.file("direct"), None);
        get.add(1e3 / ours, 1e3 / to_disk);
        let (began, path) = (now(), format!("/large?m={n}"));
        Sink::open(proxy).fetch(&cache.request(&path));
        let ours = between(began, now());
        written.add(1e3 / ours, 1e3 / to_disk);
        let began = now();
        Sink::open(cache.origin.address()).fetch(&cache.direct(&path));
        through.add(1e3 / ours, 1e3 / between(began, now()));
        cache.hostler(&["cache", "rm", "--q", "/large"]);
    }
    let reflinks = reflinks(&cache);
    let (aim, how) = if reflinks { (0.8, "reflink") } else { (0.5, "copy: no reflinks here") };
    lines.push(get.aiming(&format!("cold 1 GiB by `cache get -o` ({how}), GiB/s"), "curl -o", aim));
    lines.push(through.aiming("cold 1 GiB through the proxy, thrown away, GiB/s", "the same directly", 0.6));
    // What is cached is written down, as curl writes it: that is the least that it can cost.
    lines.push(written.line("the same, GiB/s", "curl -o"));
    lines
}

/// Whether the file system of the measurement shares blocks between files.
fn reflinks(cache: &Cache) -> bool {
    let (from, to) = (cache.file("reflink-from"), cache.file("reflink-to"));
    fs::write(&from, [1; 8192]).expect("a file");
    let mut copy = Command::new("cp");
    copy.arg("--reflink=always").args([&from, &to]).stderr(Stdio::null());
    copy.status().is_ok_and(|status| status.success())
}

/// A hundred clients that want the same at once.
pub fn measure_crowd() -> Vec<Line> {
    const CROWD: usize = 100;
    const BYTES: u64 = 64 << 20;
    let cache = Cache::start();
    cache.origin.put("wanted", BYTES);
    let proxy = cache.proxy();
    let (mut spans, mut transfers) = (Vec::new(), 0);
    for n in 0..ROUNDS {
        let path = format!("/wanted?n={n}");
        let request = cache.request(&path);
        let started = std::sync::Barrier::new(CROWD);
        let mut firsts: Vec<i64> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CROWD)
                .map(|_| {
                    scope.spawn(|| {
                        let mut sink = Sink::open(proxy);
                        started.wait();
                        let gone = sink.fetch(&request);
                        assert_eq!(gone.bytes, BYTES);
                        gone.first
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().expect("a client")).collect()
        });
        firsts.sort_unstable();
        spans.push(between(firsts[0], firsts[CROWD - 1]));
        // nginx writes its log once a second.
        transfers = transfers.max(until("the origin has logged it", SOON, || {
            let asked = cache.origin.asked(&path);
            (asked > 0).then_some(asked)
        }));
    }
    let spread = spans.into_iter().collect::<Spread>().digits(1);
    vec![
        Line::new(format!("{CROWD} clients on one cold URL of 64 MiB: transfers from the origin"), transfers)
            .aim("1", transfers == 1),
        Line::new("first byte of the last of them after that of the first, ms", spread)
            .aim("≤ 20 ms", spread.median <= 20.0),
    ]
}

/// Jobs that find and remove.
pub fn measure_jobs() -> Vec<Line> {
    const JOBS: usize = 300;
    let cache = Cache::start();
    cache.origin.put("small", 1 << 10);
    let proxy = cache.proxy();
    let mut lines = Vec::new();
    for kind in ["get_task", "delete_task"] {
        let mut connection = super::client::Connection::open(&cache.daemon.socket());
        let mut times = Vec::new();
        for n in 0..JOBS {
            let path = format!("/small?n={n}");
            Sink::open(proxy).fetch(&cache.request(&path));
            let body = serde_json::json!({ "type": kind, "args": { "url": cache.origin.url(&path) } }).to_string();
            let began = now();
            let made = connection.call("POST", "/oapi/v1/jobs", &body).ok();
            let made: serde_json::Value = serde_json::from_slice(&made.body).expect("a job");
            let over = connection.call("GET", &format!("/oapi/v1/jobs/{}?wait=10s", made["id"]), "").ok();
            times.push(between(began, now()));
            let over: serde_json::Value = serde_json::from_slice(&over.body).expect("a job");
            assert_eq!(over["state"], "SUCCESS", "{over}");
        }
        let sample: Sample = times.into_iter().collect();
        let (p50, p99) = (sample.percentile(50.0), sample.percentile(99.0));
        lines.push(
            Line::new(format!("{kind}, created to SUCCESS, ms"), format!("p50 {p50:.2} p99 {p99:.2}"))
                .aim("p99 ≤ 20", p99 <= 20.0),
        );
    }
    lines
}

/// The same figure of ours and of a peer, round by round.
#[derive(Default)]
struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pairs {
    fn add(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    fn ratio(&self) -> Spread {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect::<Spread>().digits(2)
    }

    fn line(&self, what: &str, peer: &str) -> Line {
        let digits = if self.theirs.iter().all(|figure| *figure < 100.0) { 2 } else { 0 };
        let spread = |figures: &Vec<f64>| figures.iter().copied().collect::<Spread>().digits(digits);
        let beside = format!("{} {peer}", spread(&self.theirs));
        Line::new(what, spread(&self.ours)).beside(beside).ratio(self.ratio())
    }

    /// The same, with what was promised of the ratio.
    fn aiming(&self, what: &str, peer: &str, aim: f64) -> Line {
        self.line(what, peer).aim(format!("≥ {aim} of it"), self.ratio().median >= aim)
    }
}
