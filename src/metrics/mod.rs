//! # metrics — what is counted
//!
//! One registry, one method per thing that happens, one text for `GET /metrics`. Rooms say what happened in their
//! own words (`run_ended("proc", "exited")`); names, labels and buckets are decided here, so that a dashboard
//! finds all of them in one file.
//!
//! **Absent:** labels whose values a client chooses (task names, paths, users): they would let anybody grow the
//! registry without bound.

mod cache;
mod hub;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;

/// The content type of [`Metrics::text`]: the exposition format of OpenMetrics 1.0, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds, from half a millisecond (an answer from memory) to ten seconds (a long poll).
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    family: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Room {
    room: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    room: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FamilyName {
    family: &'static str,
}

/// The counters of this process. Clones are the same counters; every method takes well under a microsecond.
#[derive(Clone)]
pub struct Metrics {
    all: Arc<All>,
}

struct All {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<FamilyName, Histogram>,
    connections: Gauge,
    connections_refused: Family<Refused, Counter>,
    commits: Counter,
    commit_operations: Counter,
    commit_seconds: Histogram,
    runs_started: Family<Room, Counter>,
    runs_ended: Family<Ended, Counter>,
    runs_live: Family<Room, Gauge>,
    cache: cache::Cache,
    hub: hub::Hub,
}

impl Metrics {
    /// Everything at zero.
    pub fn new(version: &str) -> Metrics {
        let mut registry = Registry::with_prefix("hostler");
        let seconds = || Histogram::new(SECONDS);
        let all = All {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            commits: Counter::default(),
            commit_operations: Counter::default(),
            commit_seconds: seconds(),
            runs_started: Family::default(),
            runs_ended: Family::default(),
            runs_live: Family::default(),
            cache: cache::Cache::register(&mut registry),
            hub: hub::Hub::register(&mut registry),
            registry: Registry::default(),
        };
        let build = Info::new(vec![("version".to_owned(), version.to_owned())]);
        registry.register("build", "The daemon that answers", build);
        registry.register("http_requests", "Requests answered, by API family and status", all.requests.clone());
        registry.register("http_request_seconds", "From a request's head to its answer", all.request_seconds.clone());
        registry.register("http_connections", "Connections open now", all.connections.clone());
        let refused = all.connections_refused.clone();
        registry.register("http_connections_refused", "Connections refused, by reason", refused);
        registry.register("store_commits", "Group commits on disk", all.commits.clone());
        registry.register("store_operations", "Operations of those commits", all.commit_operations.clone());
        registry.register("store_commit_seconds", "Writing and syncing a group commit", all.commit_seconds.clone());
        registry.register("runs_started", "Runs started, by room", all.runs_started.clone());
        registry.register("runs_ended", "Runs ended, by room and outcome", all.runs_ended.clone());
        registry.register("runs_live", "Runs that are processes now, by room", all.runs_live.clone());
        Metrics { all: Arc::new(All { registry, ..all }) }
    }

    /// A request of `family` was answered with `status`, `took` after its head had been read.
    pub fn request(&self, family: &'static str, status: u16, took: Duration) {
        self.all.requests.get_or_create(&Request { family, status }).inc();
        self.all.request_seconds.get_or_create(&FamilyName { family }).observe(took.as_secs_f64());
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.all.connections.inc();
    }

    /// An accepted connection is gone.
    pub fn connection_closed(&self) {
        self.all.connections.dec();
    }

    /// A connection was turned away at once; `reason` is a fixed word.
    pub fn connection_refused(&self, reason: &'static str) {
        self.all.connections_refused.get_or_create(&Refused { reason }).inc();
    }

    /// One group commit of `operations` is on disk; writing and syncing it took `took`.
    pub fn committed(&self, operations: u64, took: Duration) {
        self.all.commits.inc();
        self.all.commit_operations.inc_by(operations);
        self.all.commit_seconds.observe(took.as_secs_f64());
    }

    /// `room` started a run.
    pub fn run_started(&self, room: &'static str) {
        self.all.runs_started.get_or_create(&Room { room }).inc();
    }

    /// A run of `room` is over; `outcome` is a fixed word, never a name or a number.
    pub fn run_ended(&self, room: &'static str, outcome: &'static str) {
        self.all.runs_ended.get_or_create(&Ended { room, outcome }).inc();
    }

    /// So many runs of `room` are processes now.
    pub fn runs_live(&self, room: &'static str, count: usize) {
        self.all.runs_live.get_or_create(&Room { room }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// All of it, as [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, and the registry holds no collector that could.
        if text::encode(&mut text, &self.all.registry).is_err() {
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests;
