//! So many bytes a second, shared by all who read without anybody waiting for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket that is filled at a steady rate and holds one second's worth. Whoever takes more than there is goes into debt,
/// and waits until it is paid: so those who share it take turns by themselves.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes a second; none: as many as come.
    rate: Option<f64>,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes; below zero: owed.
    left: f64,
    at: Instant,
}

impl Pace {
    /// Full, from now on. 0 is no limit.
    pub(super) fn new(rate: u64, now: Instant) -> Pace {
        let rate = (rate > 0).then_some(rate as f64);
        Pace { rate, bucket: Mutex::new(Bucket { left: rate.unwrap_or_default(), at: now }) }
    }

    /// So many bytes were read: how long to wait before the next ones.
    pub(super) fn took(&self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * rate).min(rate) - bytes as f64;
        bucket.at = bucket.at.max(now);
        Duration::try_from_secs_f64(-bucket.left / rate).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_it_is_free_and_the_rest_comes_at_the_rate() {
        let start = Instant::now();
        let pace = Pace::new(1000, start);
        assert_eq!(pace.took(1000, start), Duration::ZERO);
        assert_eq!(pace.took(500, start), Duration::from_millis(500));
        assert_eq!(pace.took(0, start + Duration::from_millis(300)), Duration::from_millis(200));
        assert_eq!(pace.took(0, start + Duration::from_millis(600)), Duration::ZERO);
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_second() {
        let start = Instant::now();
        let pace = Pace::new(1000, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.took(2000, later), Duration::from_secs(1));
    }

    #[test]
    fn those_who_share_it_get_it_together() {
        let start = Instant::now();
        let pace = Pace::new(1000, start);
        let (mut now, mut read) = (start, 0_u64);
        // Two readers, one after the other, each waiting as long as it was told.
        while now < start + Duration::from_secs(10) {
            now += pace.took(100, now).max(pace.took(100, now));
            read += 200;
        }
        assert!((10_800..=11_400).contains(&read), "{read} bytes in ten seconds");
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let start = Instant::now();
        let pace = Pace::new(0, start);
        assert_eq!(pace.took(u64::MAX, start), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_seems_to_go_back_takes_nothing_away() {
        let start = Instant::now();
        let pace = Pace::new(1000, start + Duration::from_secs(5));
        assert_eq!(pace.took(1000, start), Duration::ZERO);
    }
}
