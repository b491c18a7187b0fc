//! So many requests a second, and no more.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A bucket that is filled at a steady rate and holds one second's worth.
pub(super) struct Rate {
    /// A second; none: there is no limit.
    each_second: Option<f64>,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Rate {
    /// Full, from now on; 0 is no limit.
    pub(super) fn new(each_second: u32, now: Instant) -> Rate {
        let each_second = (each_second > 0).then(|| f64::from(each_second));
        Rate { each_second, bucket: Mutex::new(Bucket { left: each_second.unwrap_or_default(), at: now }) }
    }

    /// Whether one more may be, now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let Some(each_second) = self.each_second else { return true };
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * each_second).min(each_second);
        bucket.at = bucket.at.max(now);
        let admits = bucket.left >= 1.0;
        if admits {
            bucket.left -= 1.0;
        }
        admits
    }
}
