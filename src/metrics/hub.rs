//! What the data hub counts.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Job {
    r#type: &'static str,
    state: &'static str,
}

/// Counters of the hub.
#[derive(Default)]
pub(super) struct Hub {
    tags: Family<Status, Gauge>,
    accounts: Family<Status, Gauge>,
    jobs: Family<Job, Counter>,
    sent_bytes: Counter,
    pulled_bytes: Counter,
}

impl Hub {
    pub(super) fn register(registry: &mut Registry) -> Hub {
        let all = Hub::default();
        registry.register("hub_tags", "Published files, by how they were found", all.tags.clone());
        registry.register("hub_accounts", "Accounts that the hub has heard of, by presence", all.accounts.clone());
        registry.register("hub_jobs", "Jobs that are over, by type and state", all.jobs.clone());
        registry.register("hub_sent_bytes", "Bytes of published files sent to other hosts", all.sent_bytes.clone());
        registry.register("hub_pulled_bytes", "Bytes of files pulled from other hosts", all.pulled_bytes.clone());
        all
    }
}

/// A count as a gauge takes it.
fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Metrics {
    /// So many tags are well now, and so many are not.
    pub fn hub_tags(&self, normal: usize, abnormal: usize) {
        let tags = &self.all.hub.tags;
        tags.get_or_create(&Status { status: "normal" }).set(gauge(normal));
        tags.get_or_create(&Status { status: "abnormal" }).set(gauge(abnormal));
    }

    /// So many accounts are online now, and so many are not.
    pub fn hub_accounts(&self, online: usize, offline: usize) {
        let accounts = &self.all.hub.accounts;
        accounts.get_or_create(&Status { status: "online" }).set(gauge(online));
        accounts.get_or_create(&Status { status: "offline" }).set(gauge(offline));
    }

    /// A job is over; both are fixed words.
    pub fn hub_job(&self, kind: &'static str, state: &'static str) {
        self.all.hub.jobs.get_or_create(&Job { r#type: kind, state }).inc();
    }

    /// So many bytes of published files went to another host.
    pub fn hub_sent(&self, bytes: u64) {
        self.all.hub.sent_bytes.inc_by(bytes);
    }

    /// So many bytes of a file came from another host.
    pub fn hub_pulled(&self, bytes: u64) {
        self.all.hub.pulled_bytes.inc_by(bytes);
    }
}
