//! The two clocks, as values that machines are given.
//!
//! Back-off and time-outs count on the monotonic clock, which a clock step cannot touch; schedules and records use
//! the wall clock. A machine gets both in one [`Now`] and never guesses one from the other.

use chrono::{DateTime, TimeDelta, Utc};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of the wall clock, in UTC.
pub type Wall = DateTime<Utc>;

/// A moment of the host's monotonic clock: time since boot, suspended time included (`CLOCK_BOOTTIME`).
///
/// Comparable across processes of one boot, so a stored one means something to the next core of the same boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mono(pub Duration);

impl Add<Duration> for Mono {
    type Output = Mono;
    /// Saturates: a time-out of a million years is "never", not a panic.
    fn add(self, rest: Duration) -> Mono {
        Mono(self.0.saturating_add(rest))
    }
}

impl Sub for Mono {
    type Output = Duration;
    /// Zero when `earlier` is later.
    fn sub(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment as it is stored: nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nanos(pub Wall);

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // What does not fit, beyond 2262 or before 1677, is as far away as can be.
        let farthest = if self.0 < Wall::UNIX_EPOCH { i64::MIN } else { i64::MAX };
        self.0.timestamp_nanos_opt().unwrap_or(farthest).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        i64::deserialize(from).map(|nanos| Nanos(Wall::from_timestamp_nanos(nanos)))
    }
}

/// A duration as it is stored: seconds, and nanoseconds beyond them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span(u64, u32);

impl From<Duration> for Span {
    fn from(span: Duration) -> Span {
        Span(span.as_secs(), span.subsec_nanos())
    }
}

impl From<Span> for Duration {
    fn from(Span(seconds, nanos): Span) -> Duration {
        // More than a second's worth of nanoseconds was never written; it must not overflow all the same.
        Duration::from_secs(seconds).saturating_add(Duration::from_nanos(u64::from(nanos)))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub mono: Mono,
    /// For schedules and records.
    pub wall: Wall,
}

impl Now {
    /// Reads the host's clocks. Shells do this once per event; machines never do.
    pub fn read() -> Now {
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        Now { mono: Mono(since_boot), wall: Utc::now() }
    }

    /// The same moment, later by `by` on both clocks.
    pub fn later(self, by: Duration) -> Now {
        let wall = TimeDelta::from_std(by).ok().and_then(|by| self.wall.checked_add_signed(by));
        Now { mono: self.mono + by, wall: wall.unwrap_or(Wall::MAX_UTC) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_arithmetic_saturates() {
        let early = Mono(Duration::from_secs(1));
        assert_eq!(early + Duration::MAX, Mono(Duration::MAX));
        assert_eq!(early - Mono(Duration::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn a_duration_is_stored_in_two_numbers() {
        let stored = |span: Duration| serde_json::to_string(&Span::from(span)).unwrap();
        let read = |text: &str| Duration::from(serde_json::from_str::<Span>(text).unwrap());
        assert_eq!(stored(Duration::from_millis(1500)), "[1,500000000]");
        assert_eq!(stored(Duration::MAX), "[18446744073709551615,999999999]");
        for span in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(86_400), Duration::MAX] {
            assert_eq!(read(&stored(span)), span);
        }
        assert_eq!(read("[1,4294967295]"), Duration::new(5, 294_967_295), "which nobody has written");
        assert_eq!(read("[18446744073709551615,4294967295]"), Duration::MAX);
    }

    #[test]
    fn both_clocks_move_together() {
        let now = Now { mono: Mono::default(), wall: Wall::UNIX_EPOCH };
        let then = now.later(Duration::from_secs(60));
        assert_eq!(then.mono - now.mono, Duration::from_secs(60));
        assert_eq!((then.wall - now.wall).num_seconds(), 60);
        assert_eq!(now.later(Duration::MAX).wall, Wall::MAX_UTC);
    }
}
