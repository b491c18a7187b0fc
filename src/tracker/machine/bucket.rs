//! How often something may be done: a token bucket for all workers of a project together, and one for each of them.
//!
//! A bucket is one moment: that at which it will be full again. Taking tokens moves it on by the time that their refill
//! takes; whoever finds a whole token in it may take as many as he needs, and those after him wait the longer.

use crate::base::Mono;
use crate::tracker::model::{Limit, WorkerId};
use std::collections::HashMap;
use std::time::Duration;

/// The longest time that one refill is taken to last: a hundred years, so that sums of it stay far from the end of time.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The buckets of a project for one thing to do. A moment that has passed is a full bucket.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    shared: Mono,
    own: HashMap<WorkerId, Mono>,
    /// How many of `own` were left when the full ones were dropped last.
    left: usize,
}

impl Buckets {
    /// How long until this worker would be admitted, or nobody in particular; zero: he is now.
    pub(super) fn delay(&self, limit: &Limit, worker: WorkerId, now: Mono) -> Duration {
        self.shared_delay(limit, now).max(self.own_delay(limit, worker, now))
    }

    /// How long until the bucket of all together would admit anybody.
    pub(super) fn shared_delay(&self, limit: &Limit, now: Mono) -> Duration {
        let Some(rate) = limit.rate.limit() else { return Duration::ZERO };
        (self.shared - now).saturating_sub(refill(limit.burst - 1.0, rate))
    }

    fn own_delay(&self, limit: &Limit, worker: WorkerId, now: Mono) -> Duration {
        match (limit.per_worker.limit(), self.own.get(&worker)) {
            (Some(_), Some(full)) => *full - now,
            _ => Duration::ZERO,
        }
    }

    /// Takes so many tokens out of both, though they may not be there yet.
    pub(super) fn spend(&mut self, limit: &Limit, worker: WorkerId, tokens: usize, now: Mono) {
        if tokens == 0 {
            return;
        }
        let tokens = tokens as f64;
        if let Some(rate) = limit.rate.limit() {
            self.shared = self.shared.max(now) + refill(tokens, rate);
        }
        if let Some(rate) = limit.per_worker.limit() {
            let full = self.own.entry(worker).or_default();
            *full = (*full).max(now) + refill(tokens, rate);
            self.drop_full(now);
        }
    }

    /// Drops the buckets of workers who have long done nothing, whenever they may be the half of all.
    fn drop_full(&mut self, now: Mono) {
        if self.own.len() > 2 * self.left + 64 {
            self.own.retain(|_, full| *full > now);
            self.left = self.own.len();
        }
    }
}

/// How long so many tokens take. Rounded down: as many tokens one by one never take longer than together.
fn refill(tokens: f64, rate: f64) -> Duration {
    let seconds = (tokens / rate).max(0.0);
    if seconds >= LONGEST.as_secs_f64() {
        return LONGEST;
    }
    let nanos = (seconds * 1e9) as u64;
    Duration::from_nanos(nanos)
}
