//! Crashes that are to come at any moment, and at the same ones again when a failure is looked into.

use std::thread;
use std::time::{Duration, Instant};

/// Numbers that only look random, so that a failure can be repeated; Knuth's multiplier for 64-bit words.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// Waits a while that is not an event's: the moment of a kill is to be anywhere.
pub fn let_pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
