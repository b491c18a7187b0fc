//! Whose credentials an origin has accepted lately, for which content.

use crate::cache::model::TaskId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an acceptance is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many are remembered; one more, and what is too old goes, or else all.
const REMEMBERED: usize = 4096;

/// What is remembered: by the primary id of the content and the hash of the credentials.
#[derive(Default)]
pub(super) struct Trust(Mutex<HashMap<(TaskId, [u8; 32]), Instant>>);

impl Trust {
    /// Whether the origin has accepted these for this content, not too long ago.
    pub(super) fn accepted(&self, content: &TaskId, shown: [u8; 32], now: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(content.clone(), shown)).is_some_and(|at| is_fresh(*at, now))
    }

    /// It has just done so.
    pub(super) fn accept(&self, content: &TaskId, shown: [u8; 32], now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, at| is_fresh(*at, now));
            if known.len() >= REMEMBERED {
                known.clear();
            }
        }
        known.insert((content.clone(), shown), now);
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < BELIEVED
}
