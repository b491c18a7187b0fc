//! A template and what its instances are: everything about an instance follows from the template and the index.

use super::job::{self, Instance};
use super::names::Needs;
use super::values::Values;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The value or the values of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Substituted; multiplies nothing.
    One(Arc<str>),
    /// One instance for each.
    List(Arc<Values>),
}

/// Parameters by name, without braces.
pub type Parameters = BTreeMap<String, Parameter>;

/// A vertex of the graph as defined, which stands for `count` tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The defined name.
    pub name: String,
    /// The job as defined: defaults applied, values in the form in which they are shown (scalars as text, `environment`
    /// an array that is always there), tokens not yet substituted.
    pub job: Map<String, Value>,
    /// The run's parameters.
    pub parameters: Arc<Parameters>,
    /// The task's own, which go before the run's.
    pub own_parameters: Arc<Parameters>,
    /// The array parameters its job refers to, by name. The instances are their product; the last varies fastest.
    pub axes: Vec<(String, Arc<Values>)>,
    /// How many instances: the product of the axes' lengths, 1 without axes.
    pub count: u32,
    /// What every instance reserves; none: it depends on the instance's values.
    pub needs: Option<Needs>,
    /// Further attempts after the first.
    pub max_retries: u32,
    /// The wait before each further attempt, in seconds.
    pub retry_interval: u64,
    /// How that wait grows.
    pub retry_backoff: Option<RetryBackoff>,
    /// Tasks that wait for this one, as declared, duplicates removed.
    pub children: Vec<String>,
    /// Tasks this one waits for, likewise.
    pub parents: Vec<String>,
    /// Whether its output adds tasks.
    pub is_generator: bool,
    /// What its parents must have come to.
    pub trigger: Trigger,
    /// Among the ready tasks of its run, the highest goes first.
    pub priority: i32,
}

/// How the wait between attempts grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBackoff {
    /// Each wait is the one before times this, at least 1.
    pub factor: f64,
    /// But never longer.
    pub max: Duration,
}

/// When a task whose parents have all come to an end runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// All have completed.
    #[default]
    Success,
    /// At least one has not. Otherwise the task is passed over, which counts as completed.
    Failure,
    /// In any case.
    Always,
}

/// One instance's job: what clients see of it and what an executor makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// As shown.
    pub shown: Map<String, Value>,
    /// What to do.
    pub work: Work,
    /// What it reserves.
    pub needs: Needs,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

/// What an attempt does.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Executes a command.
    Command {
        /// What.
        command: Command,
        /// Added to the environment, in order.
        env: Vec<(String, String)>,
        /// Where; none: as the launcher has it.
        dir: Option<PathBuf>,
    },
    /// Acts on a supervised task.
    Step(Step),
}

/// The two forms of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Program and arguments; at least the program.
    Argv(Vec<String>),
    /// A script for `bash -c`, or `sh -c` where there is no bash.
    Script(String),
}

/// `{"proc":{"start":"NAME"}}`: a step that acts on a supervised task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// The name of the supervised task.
    pub name: String,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Starts it; done when its processes run.
    Start,
    /// Restarts it; done when the new processes run.
    Restart,
    /// Stops it; done when its processes are gone.
    Stop,
    /// Done when it is ready.
    WaitReady,
}

/// Why something a client wrote is not accepted; fit for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// The same, saying which task it is about.
    pub fn of_task(self, name: &str) -> Invalid {
        Invalid(format!("task '{name}': {}", self.0))
    }

    /// The same, saying which key it is about.
    pub fn of_key(self, key: &str) -> Invalid {
        Invalid(format!("{key}: {}", self.0))
    }
}

impl Template {
    /// The name of an instance: `merge_0`.
    pub fn instance(&self, index: u32) -> String {
        format!("{}_{index}", self.name)
    }

    /// An instance's job, tokens substituted.
    ///
    /// # Errors
    /// It cannot be made sense of: never for a template whose instances were checked.
    pub fn job(&self, index: u32) -> Result<Job, Invalid> {
        let instance = Instance::new(self, index)
            .ok_or_else(|| Invalid(format!("task '{}' has no instance {index}", self.name)))?;
        Job::read(instance.job(&self.job)).map_err(|why| why.of_key("job").of_task(&self.name))
    }

    /// What an instance reserves. Costs nothing where `cores` and `memoryMB` have no tokens.
    pub fn needs(&self, index: u32) -> Needs {
        if let Some(needs) = self.needs {
            return needs;
        }
        let instance = Instance::new(self, index);
        let filled = |key| Some(instance.as_ref()?.text(job::text(&self.job, key)?));
        Needs {
            cores: filled("cores").and_then(|text| job::cores(&text).ok()).unwrap_or(1),
            memory_mb: filled("memoryMB").and_then(|text| job::memory(&text).ok()).unwrap_or(0),
        }
    }

    /// How long to wait after the attempt that was the `failed`th of this pass (from 1) before the next one.
    pub fn retry_wait(&self, failed: u32) -> Duration {
        let interval = Duration::from_secs(self.retry_interval);
        let Some(RetryBackoff { factor, max }) = self.retry_backoff else { return interval };
        let growth = factor.powf(f64::from(failed.saturating_sub(1)));
        // Beyond what a duration holds, or zero times infinity: the cap is right for the one, the interval for the other.
        if interval.is_zero() {
            return interval;
        }
        Duration::try_from_secs_f64(interval.as_secs_f64() * growth).map_or(max, |wait| wait.min(max))
    }
}
