//! Numbers that name things.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One execution of one command, and the keeper's slot that holds it: the same number names both.
///
/// Never reused, not even after a restart or a restore: the core reserves numbers in the store before it hands
/// them out. Children see it as `HOSTLER_RUN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
