//! A cache with many tasks: how quick its lists are, what it takes in memory, and how soon a daemon that has them answers.

use std::time::Duration;

use super::cache::Cache;
use super::client::{Connection, Dialogue, accepted, converse};
use super::figures::Sample;
use super::kernel::{between, now, rss};
use super::report::Line;
use super::tracker::connect;

const MANY: usize = 100_000;
const CLIENTS: usize = 16;
const PAGES: usize = 500;

pub fn measure() -> Vec<Line> {
    let mut cache = Cache::start();
    cache.origin.put("small", 1 << 10);
    let proxy = cache.proxy();
    let began = now();
    let mut each = Each { cache: &cache, next: 0 };
    converse(|| connect(proxy), CLIENTS, Duration::ZERO, &mut each);
    let fetched = MANY as f64 / (between(began, now()) / 1000.0);
    let mut connection = Connection::open(&cache.daemon.socket());
    let mut times = Vec::new();
    for n in 0..PAGES {
        // Near the beginning, in the middle and at the end.
        let page = 1 + n * (MANY / 50) / PAGES;
        let began = now();
        let answer = connection.call("GET", &format!("/oapi/v1/tasks?page={page}&per_page=50"), "").ok();
        times.push(between(began, now()));
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).expect("a page");
        assert_eq!(rows.len(), 50, "page {page}");
    }
    drop(connection);
    let sample: Sample = times.into_iter().collect();
    let (p50, p99) = (sample.percentile(50.0), sample.percentile(99.0));
    let memory = rss(cache.daemon.core_pid().expect("a core"));
    let began = now();
    cache.daemon.restart();
    let started = between(began, now()) / 1000.0;
    let after = rss(cache.daemon.core_pid().expect("a core"));
    vec![
        Line::new(
            format!("cold files of 1 KiB through the proxy, {CLIENTS} clients, per second"),
            format!("{fetched:.0}"),
        ),
        Line::new(format!("a page of 50 of {MANY} tasks, ms"), format!("p50 {p50:.2} p99 {p99:.2}"))
            .aim("p99 ≤ 20", p99 <= 20.0),
        Line::new(format!("core RSS with {MANY} tasks, MiB"), format!("{memory:.0}, {after:.0} after a restart"))
            .aim("≤ 200", memory <= 200.0 && after <= 200.0),
        Line::new("restart to the first answer, s", format!("{started:.2}")).aim("< 2", started < 2.0),
    ]
}

/// Every client fetches what nobody has fetched yet.
struct Each<'a> {
    cache: &'a Cache,
    next: usize,
}

impl Dialogue for Each<'_> {
    fn next(&mut self, _: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            assert_eq!(accepted(answer).len(), 1 << 10);
        }
        self.next += 1;
        self.cache.request(&format!("/small?n={}", self.next))
    }

    fn may_leave(&self, _: usize) -> bool {
        self.next >= MANY
    }
}
