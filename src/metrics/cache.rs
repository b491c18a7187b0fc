//! What the download cache counts.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Job {
    r#type: &'static str,
    state: &'static str,
}

/// Counters of the cache.
#[derive(Default)]
pub(super) struct Cache {
    hits: Counter,
    misses: Counter,
    origin_bytes: Counter,
    client_bytes: Counter,
    evictions: Counter,
    damaged_pieces: Counter,
    jobs: Family<Job, Counter>,
    tasks: Gauge,
    bytes: Gauge,
}

impl Cache {
    pub(super) fn register(registry: &mut Registry) -> Cache {
        let all = Cache::default();
        registry.register("cache_hits", "Contents that were asked for and complete", all.hits.clone());
        registry.register("cache_misses", "Contents that were asked for and had to be fetched", all.misses.clone());
        registry.register("cache_origin_bytes", "Bytes of pieces that came from origins", all.origin_bytes.clone());
        registry.register("cache_client_bytes", "Bytes of contents sent to clients", all.client_bytes.clone());
        let evictions = all.evictions.clone();
        registry.register("cache_evictions", "Contents thrown away for their age or for want of room", evictions);
        registry.register("cache_damaged_pieces", "Pieces that were not what they were", all.damaged_pieces.clone());
        registry.register("cache_jobs", "Jobs made (pending) and ended, by type and state", all.jobs.clone());
        registry.register("cache_tasks", "Contents known now, complete or not", all.tasks.clone());
        registry.register("cache_bytes", "Bytes that they take", all.bytes.clone());
        all
    }
}

impl Metrics {
    /// A content was asked for, and all of it was there.
    pub fn cache_hit(&self) {
        self.all.cache.hits.inc();
    }

    /// A content was asked for, and had to be fetched.
    pub fn cache_miss(&self) {
        self.all.cache.misses.inc();
    }

    /// So many bytes came from an origin.
    pub fn cache_fetched(&self, bytes: u64) {
        self.all.cache.origin_bytes.inc_by(bytes);
    }

    /// So many bytes of contents went to a client.
    pub fn cache_sent(&self, bytes: u64) {
        self.all.cache.client_bytes.inc_by(bytes);
    }

    /// So many contents were thrown away for their age or for want of room.
    pub fn cache_evicted(&self, tasks: usize) {
        self.all.cache.evictions.inc_by(tasks as u64);
    }

    /// So many pieces were not what they were.
    pub fn cache_damaged(&self, pieces: usize) {
        self.all.cache.damaged_pieces.inc_by(pieces as u64);
    }

    /// A job was made (`pending`) or is over; both are fixed words.
    pub fn cache_job(&self, kind: &'static str, state: &'static str) {
        self.all.cache.jobs.get_or_create(&Job { r#type: kind, state }).inc();
    }

    /// So many contents are known now, and so many bytes they take.
    pub fn cache_holds(&self, tasks: usize, bytes: u64) {
        self.all.cache.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        self.all.cache.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
