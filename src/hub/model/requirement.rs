//! Facts of this host that something depends on.

use super::AccountId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The supervised task of this name is up (ready, where it tells).
    Proc(Arc<str>),
    /// The last run of the stored DAG of this name that is over succeeded, and ended no longer ago than this.
    Dag(Arc<str>, Option<Duration>),
    /// A GET of this address is answered with 2xx.
    Url(Arc<str>),
}

/// Some facts, and who says that they count: they are asked for with his rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// All must hold; at most eight.
    pub all: Vec<Requirement>,
    /// Who set them.
    pub by: AccountId,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requirement::Proc(name) => write!(f, "proc {name}"),
            Requirement::Dag(name, _) => write!(f, "dag {name}"),
            Requirement::Url(url) => write!(f, "url {url}"),
        }
    }
}
