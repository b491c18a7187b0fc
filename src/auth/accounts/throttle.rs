//! Pauses after failed sign-ins: a pure machine, one for names and one for peers.
//!
//! ```text
//! mistakes in a row   1 … 10   11   12   13   …   17 and more
//! pause after it        0      1 s  2 s  4 s  …      60 s
//! ```
//!
//! Mistakes are forgotten on demand, or [`QUIET`] after the last. Attempts during a pause are no mistakes: nothing was
//! tried. At most [`MOST`] keys are remembered; beyond that the one that has been quiet for longest goes.

use crate::base::{Mono, Timers};
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Mistakes in a row without a pause.
pub(super) const FREE: u32 = 10;
/// The pause after the first mistake that is not free; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// After so long without a mistake all is forgotten.
pub(super) const QUIET: Duration = Duration::from_secs(15 * 60);
/// Keys that are remembered: some 2 MB.
pub(super) const MOST: usize = 10_000;

/// Who has made which mistakes.
#[derive(Debug)]
pub(super) struct Throttle<Key> {
    mistakes: HashMap<Key, Mistakes>,
    /// When each key is forgotten.
    quiet: Timers<Mono, Key>,
}

#[derive(Clone, Copy, Debug)]
struct Mistakes {
    in_a_row: u32,
    last: Mono,
}

impl Mistakes {
    fn pause(self) -> Duration {
        match self.in_a_row.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST),
        }
    }
}

impl<Key> Default for Throttle<Key> {
    /// Nobody.
    fn default() -> Self {
        Throttle { mistakes: HashMap::new(), quiet: Timers::default() }
    }
}

impl<Key: Clone + Ord + Hash> Throttle<Key> {
    /// The rest of the pause that `key` has to make.
    pub(super) fn rest(&self, key: &Key, now: Mono) -> Option<Duration> {
        let mistakes = self.mistakes.get(key)?;
        let rest = (mistakes.last + mistakes.pause()) - now;
        (rest > Duration::ZERO).then_some(rest)
    }

    /// `key` has made a mistake.
    pub(super) fn failed(&mut self, key: Key, now: Mono) {
        while let Some(quiet) = self.quiet.pop(now) {
            self.mistakes.remove(&quiet);
        }
        if !self.mistakes.contains_key(&key)
            && self.mistakes.len() >= MOST
            && let Some(quietest) = self.quiet.pop(Mono(Duration::MAX))
        {
            self.mistakes.remove(&quietest);
        }
        let mistakes = self.mistakes.entry(key.clone()).or_insert(Mistakes { in_a_row: 0, last: now });
        mistakes.in_a_row = mistakes.in_a_row.saturating_add(1);
        mistakes.last = mistakes.last.max(now);
        self.quiet.set(key, mistakes.last + QUIET);
    }

    /// `key` has shown that it knows better.
    pub(super) fn forget(&mut self, key: &Key) {
        self.mistakes.remove(key);
        self.quiet.clear(key.clone());
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.mistakes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn ten_mistakes_are_free_and_then_pauses_double_up_to_a_minute() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE {
            throttle.failed("alice", at(100));
            assert_eq!(throttle.rest(&"alice", at(100)), None);
        }
        let mut now = 100;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            throttle.failed("alice", at(now));
            assert_eq!(throttle.rest(&"alice", at(now)), Some(Duration::from_secs(pause)));
            assert_eq!(throttle.rest(&"alice", at(now + pause - 1)), Some(Duration::from_secs(1)));
            now += pause;
            assert_eq!(throttle.rest(&"alice", at(now)), None);
        }
        assert_eq!(throttle.rest(&"bob", at(now)), None);
        for _ in 0..200 {
            throttle.failed("alice", at(now));
        }
        assert_eq!(throttle.rest(&"alice", at(now)), Some(LONGEST));
    }

    #[test]
    fn mistakes_are_forgotten_on_demand_and_with_time() {
        let mut throttle = Throttle::default();
        let fail = |throttle: &mut Throttle<&str>, times: u32, now: Mono| {
            for _ in 0..times {
                throttle.failed("alice", now);
            }
        };
        fail(&mut throttle, FREE + 1, at(0));
        throttle.forget(&"alice");
        assert_eq!((throttle.rest(&"alice", at(0)), throttle.len()), (None, 0));
        fail(&mut throttle, FREE, at(0));
        throttle.failed("alice", at(QUIET.as_secs() - 1));
        assert!(throttle.rest(&"alice", at(QUIET.as_secs() - 1)).is_some());
        let later = at(2 * QUIET.as_secs() - 1);
        fail(&mut throttle, FREE, later);
        assert_eq!(throttle.rest(&"alice", later), None, "it began anew");
    }

    #[test]
    fn only_so_many_are_remembered_and_the_quietest_goes_first() {
        let mut throttle = Throttle::default();
        for _ in 0..=FREE {
            throttle.failed(0, at(0));
        }
        for key in 1..MOST + 5 {
            throttle.failed(key, at(1));
        }
        assert_eq!((throttle.len(), throttle.rest(&0, at(0))), (MOST, None));
        throttle.failed(0, at(1 + QUIET.as_secs()));
        assert_eq!(throttle.len(), 1, "all others have been quiet for long enough");
    }

    #[test]
    fn a_clock_that_seems_to_go_back_shortens_no_pause() {
        let mut throttle = Throttle::default();
        for _ in 0..=FREE {
            throttle.failed("alice", at(100));
        }
        throttle.failed("alice", at(50));
        assert_eq!(throttle.rest(&"alice", at(100)), Some(2 * FIRST));
    }
}
