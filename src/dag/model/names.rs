//! What things are called, and what they need.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A run: `runID` on the wire. The first of a fresh store is 0, each accepted one has the next; none is given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DagRunId(pub u64);

impl fmt::Display for DagRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task of a run: the instance `index` of the group that stands at `group` among the run's groups. The groups of the
/// specification come first, in the order of their defined names; those of generators follow in the order in which they
/// were attached. Neither number ever changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// Which group.
    pub group: u32,
    /// Which of its instances.
    pub index: u32,
}

/// The name of a stored DAG: 1 to 128 bytes of letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DagName(Arc<str>);

/// The longest name of a stored DAG, in bytes.
const NAME_MAX: usize = 128;

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {NAME_MAX} letters, digits, '.', '_' or '-', and begins with none of '.' and '-'; not {0:?}")]
pub struct InvalidName(pub String);

impl DagName {
    /// Checks it.
    ///
    /// # Errors
    /// What a name is.
    pub fn new(text: &str) -> Result<DagName, InvalidName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fine = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-']);
        if fine { Ok(DagName(text.into())) } else { Err(InvalidName(text.into())) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DagName> for String {
    fn from(name: DagName) -> String {
        name.0.to_string()
    }
}

impl TryFrom<String> for DagName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<DagName, InvalidName> {
        DagName::new(&text)
    }
}

/// What a task reserves while an attempt runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Processor cores; 1 where the job does not say.
    pub cores: u32,
    /// Memory in MB; 0 where the job does not say.
    pub memory_mb: u64,
}

/// What all attempts of the host together may reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Processor cores.
    pub cores: u32,
    /// Memory in MB.
    pub memory_mb: u64,
    /// Attempts at once, whatever they need.
    pub running: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stored_dags_are_fit_for_paths() {
        for good in ["a", "Nightly_build-2.1", "_", &"x".repeat(128)] {
            assert_eq!(DagName::new(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", ".x", "-x", "a/b", "a b", "\u{e9}", "a\0", &"x".repeat(129)] {
            assert!(DagName::new(bad).is_err(), "{bad:?} was accepted");
            assert!(serde_json::from_value::<DagName>(bad.into()).is_err(), "{bad:?} was read");
        }
    }
}
