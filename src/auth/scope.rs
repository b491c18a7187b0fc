//! The rights a token can carry, as words.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One right. As text: `proc:read`, `proc:write`, `dag:read`, `dag:write`, `job`, `job:read`, `cluster`, `tracker`,
/// `hub`, `admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Scope {
    /// See supervised processes and their logs.
    ProcRead,
    /// Define, start, stop and forget supervised processes.
    ProcWrite,
    /// See DAGs, their runs and logs.
    DagRead,
    /// Submit and steer DAGs.
    DagWrite,
    /// Create and see cache jobs.
    Job,
    /// See cache jobs.
    JobRead,
    /// See and change cache clusters.
    Cluster,
    /// The tracker's routes.
    Tracker,
    /// The hub's routes.
    Hub,
    /// Everything: its holder is an operator.
    Admin,
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a scope: expected one of {list}", list = Scope::list(&Scope::ALL))]
pub struct UnknownScope(String);

impl Scope {
    /// Every scope there is.
    pub const ALL: [Scope; 10] = [
        Scope::ProcRead,
        Scope::ProcWrite,
        Scope::DagRead,
        Scope::DagWrite,
        Scope::Job,
        Scope::JobRead,
        Scope::Cluster,
        Scope::Tracker,
        Scope::Hub,
        Scope::Admin,
    ];

    /// The word for it.
    pub const fn text(self) -> &'static str {
        match self {
            Scope::ProcRead => "proc:read",
            Scope::ProcWrite => "proc:write",
            Scope::DagRead => "dag:read",
            Scope::DagWrite => "dag:write",
            Scope::Job => "job",
            Scope::JobRead => "job:read",
            Scope::Cluster => "cluster",
            Scope::Tracker => "tracker",
            Scope::Hub => "hub",
            Scope::Admin => "admin",
        }
    }

    /// Whether holding `self` is enough where `needed` is asked for.
    ///
    /// `admin` is enough for everything, `job` for `job:read` (the original's one word means both). Otherwise only
    /// the same scope is: a token that may write but not read is a sensible thing to give to a build server.
    pub fn covers(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin || (self == Scope::Job && needed == Scope::JobRead)
    }

    /// Whether every local user holds it, for his own tasks.
    pub fn is_everyones(self) -> bool {
        matches!(self, Scope::ProcRead | Scope::ProcWrite | Scope::DagRead | Scope::DagWrite)
    }

    /// The words of several, separated by commas.
    pub fn list(scopes: &[Scope]) -> String {
        scopes.iter().map(|scope| scope.text()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(word: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL.into_iter().find(|scope| scope.text() == word).ok_or_else(|| UnknownScope(word.to_owned()))
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> &'static str {
        scope.text()
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;
    fn try_from(word: String) -> Result<Scope, UnknownScope> {
        word.parse()
    }
}
