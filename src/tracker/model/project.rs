//! A project: a queue with rights, limits and secrets.

use super::people::Access;
use super::values::{ManagerId, ProjectId, Role, WorkerId};
use crate::base::Secret;
use std::collections::BTreeMap;

/// What clients may set of a project. An update replaces all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Unique in the tracker, never empty.
    pub name: String,
    /// Where its program comes from.
    pub clone_url: String,
    /// `owner/name`, as in the payload of a git hook.
    pub git_repo: String,
    /// Free text, mostly a commit.
    pub version: String,
    /// A message to workers.
    pub motd: String,
    /// Advice to workers, and the order of projects where a worker takes whatever there is: 0 to 2147483647.
    pub priority: i32,
    /// Any worker may be handed its tasks. Never together with `hidden`.
    pub public: bool,
    /// Only who has access or a role sees it.
    pub hidden: bool,
    /// No task is handed out.
    pub paused: bool,
    /// The project that gets a copy of every closed task.
    pub chain: Option<ProjectId>,
    /// Handing out.
    pub assign: Limit,
    /// Submitting.
    pub submit: Limit,
}

#[cfg(test)]
impl Definition {
    /// Private, with nothing but a name.
    pub fn named(name: &str) -> Definition {
        Definition {
            name: name.into(),
            clone_url: String::new(),
            git_repo: String::new(),
            version: String::new(),
            motd: String::new(),
            priority: 0,
            public: false,
            hidden: false,
            paused: false,
            chain: None,
            assign: Limit::default(),
            submit: Limit::default(),
        }
    }
}

/// How often something may be done: a token bucket for all workers together, and one for each of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Tokens per second, for all workers together.
    pub rate: Rate,
    /// How many tokens the bucket holds, at least 1: the original's only capacity.
    pub burst: f64,
    /// Tokens per second for each worker, in a bucket that holds 1.
    pub per_worker: Rate,
}

impl Default for Limit {
    /// Unlimited.
    fn default() -> Limit {
        Limit { rate: Rate::UNLIMITED, burst: 1.0, per_worker: Rate::UNLIMITED }
    }
}

/// Tokens per second: positive, or unlimited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// No limit. On the wire the largest finite double, as the original stores it.
    pub const UNLIMITED: Rate = Rate(f64::MAX);

    /// What a client says: 0 and negative numbers mean unlimited, as the largest double does.
    pub fn new(per_second: f64) -> Rate {
        match per_second {
            rate if rate > 0.0 && rate < f64::MAX => Rate(rate),
            _ => Rate::UNLIMITED,
        }
    }

    /// Tokens per second; none when unlimited.
    pub fn limit(self) -> Option<f64> {
        (self != Rate::UNLIMITED).then_some(self.0)
    }

    /// The number on the wire.
    pub fn wire(self) -> f64 {
        self.0
    }
}

/// A project as it stands, its tasks aside.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its number.
    pub id: ProjectId,
    /// What was set.
    pub definition: Definition,
    /// Free text for workers; `{}` at first.
    pub secret: Secret,
    /// The key that signs git hooks; a random UUID at first.
    pub webhook_secret: Secret,
    /// What managers may do here; none without a bit.
    pub roles: BTreeMap<ManagerId, Role>,
    /// What workers may do here, or ask to.
    pub access: BTreeMap<WorkerId, Access>,
    /// Tasks closed since it was made.
    pub closed: u64,
}

impl Project {
    /// What this worker may do here, or asks to.
    pub fn access_of(&self, worker: WorkerId) -> Option<Access> {
        self.access.get(&worker).copied()
    }

    /// Whether this worker may be handed tasks: an accepted `assign`, or no row at all where the project is public
    /// (`tracker.md` 4.2, as the page's own table amends it: submitting includes fetching).
    pub fn may_fetch(&self, worker: WorkerId) -> bool {
        match self.access_of(worker) {
            Some(access) => !access.pending && (access.assign || access.submit) || self.definition.public,
            None => self.definition.public,
        }
    }

    /// Whether this worker may submit tasks.
    pub fn may_submit(&self, worker: WorkerId) -> bool {
        self.access_of(worker).is_some_and(Access::may_submit)
    }
}

/// The queue in numbers, at one moment: `tracker.md` 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, in Unix seconds.
    pub at: i64,
    /// NEW tasks, held or not, without a vote.
    pub new: u64,
    /// FAILED tasks.
    pub failed: u64,
    /// Tasks closed since the project was made.
    pub closed: u64,
    /// Rows of access, pending ones included.
    pub access: u64,
    /// Votes stored for tasks that are not closed.
    pub votes: u64,
}
