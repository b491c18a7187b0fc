//! A specification that has been read, checked and compiled: what a run is made from. It never changes.

use super::template::{Parameters, RetryBackoff, Template, Trigger};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A compiled specification.
#[derive(Clone, Debug, PartialEq)]
pub struct Blueprint {
    /// The label.
    pub tag: String,
    /// The groups, by defined name. Never empty.
    pub templates: Vec<Arc<Template>>,
    /// Dependencies between groups: (parent, child) as places in `templates`, sorted, each once, without a cycle.
    pub edges: Vec<(u32, u32)>,
    /// What carries out its tasks.
    pub executor: Executor,
    /// What the failure of one task means to the others.
    pub on_failure: OnFailure,
    /// Attempts of this run at once; none: as many as fit.
    pub max_parallel: Option<u32>,
    /// Among runs, the highest goes first.
    pub priority: i32,
    /// As whom its commands run; none: as their owner's default.
    pub user: Option<String>,
    /// For generated tasks: the run's parameters.
    pub parameters: Arc<Parameters>,
    /// For generated tasks: the defaults.
    pub defaults: Defaults,
}

/// What tasks get that do not say otherwise; kept for the tasks that generators add.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// `jobDefaults`, and the `job` of `taskDefaults` over it, in the form in which jobs are shown.
    pub job: Map<String, Value>,
    /// The rest of `taskDefaults`.
    pub task: Attributes,
}

/// What a task, or `taskDefaults`, says beside its job and its dependencies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// See [`Template::max_retries`].
    pub max_retries: Option<u32>,
    /// See [`Template::retry_interval`].
    pub retry_interval: Option<u64>,
    /// See [`Template::retry_backoff`].
    pub retry_backoff: Option<RetryBackoff>,
    /// See [`Template::is_generator`].
    pub is_generator: Option<bool>,
    /// See [`Template::trigger`].
    pub trigger: Option<Trigger>,
    /// See [`Template::priority`].
    pub priority: Option<i32>,
    /// See [`Template::own_parameters`].
    pub parameters: Option<Arc<Parameters>>,
}

/// What carries out tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Executor {
    /// Processes of this host.
    #[default]
    Local,
    /// Nothing: every task succeeds at once.
    Noop,
}

/// What the failure of one task means to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Branches that do not depend on it go on.
    #[default]
    Continue,
    /// Nothing more is started, but tasks whose trigger is `failure` or `always`; no task is tried again.
    Stop,
}

/// What a generator has printed, compiled. Names are checked against the run when it is attached.
#[derive(Clone, Debug, PartialEq)]
pub struct Addition {
    /// The new groups, by defined name. May be none.
    pub templates: Vec<Arc<Template>>,
    /// As it was printed, for the record.
    pub text: Arc<str>,
}
