//! Who works, who manages, and the process that a lease may be tied to.

use super::project::Project;
use super::values::{ManagerId, Role, WorkerId};
use crate::base::same;
use std::fmt;

/// A machine account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number.
    pub id: WorkerId,
    /// What it calls itself; need not be unique.
    pub alias: String,
    /// When it was made, in Unix seconds.
    pub created: i64,
    /// What it proves itself with.
    pub secret: WorkerSecret,
    /// Whether a manager keeps it from being handed tasks.
    pub paused: bool,
}

/// 32 random bytes. `Debug` hides them.
#[derive(Clone, Copy)]
pub struct WorkerSecret(pub [u8; 32]);

impl WorkerSecret {
    /// Whether these are the same bytes; takes equally long wherever they differ.
    pub fn is(&self, other: &[u8]) -> bool {
        same(&self.0, other)
    }
}

impl PartialEq for WorkerSecret {
    fn eq(&self, other: &WorkerSecret) -> bool {
        self.is(&other.0)
    }
}

impl Eq for WorkerSecret {}

impl fmt::Debug for WorkerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerSecret(…)")
    }
}

/// What a worker may do in a project, or asks to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Being handed tasks.
    pub assign: bool,
    /// Submitting tasks.
    pub submit: bool,
    /// Nobody has agreed yet: it allows nothing.
    pub pending: bool,
}

impl Access {
    /// Whether it allows being handed tasks.
    pub fn may_fetch(self) -> bool {
        self.assign && !self.pending
    }

    /// Whether it allows submitting.
    pub fn may_submit(self) -> bool {
        self.submit && !self.pending
    }
}

/// The person who asks, as far as the room's rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Nobody in particular.
    Guest,
    /// An account that is a manager: may do what his roles say.
    Known(ManagerId),
    /// An account that is tracker admin, or the operator: may do everything.
    Admin(ManagerId),
}

impl Manager {
    /// His number.
    pub fn id(self) -> Option<ManagerId> {
        match self {
            Manager::Guest => None,
            Manager::Known(id) | Manager::Admin(id) => Some(id),
        }
    }

    /// Whether he may do everything.
    pub fn is_admin(self) -> bool {
        matches!(self, Manager::Admin(_))
    }

    /// Whether he may do in `project` what `needed` stands for.
    pub fn may(self, project: &Project, needed: Role) -> bool {
        match self {
            Manager::Guest => false,
            Manager::Known(id) => project.roles.get(&id).is_some_and(|role| role.allows(needed)),
            Manager::Admin(_) => true,
        }
    }
}

/// A process of this host that a lease is tied to: when it dies, its tasks are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was born, in clock ticks since boot: no other process of this boot has both.
    pub born: u64,
}
