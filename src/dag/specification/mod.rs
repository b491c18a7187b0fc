//! From JSON text to a blueprint: what a client may write, checked with messages that name task and key.

use super::model::{Addition, Blueprint, Capacity, Invalid, Job, Template};
use serde_json::{Map, Value};

/// What a specification must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No task may need more; none: anything goes, since it was checked before (a stored specification).
    pub capacity: Option<Capacity>,
    /// Tasks of one run.
    pub max_tasks: u32,
}

/// Reads, checks and compiles a specification. Takes time with its size: big ones belong on the blocking pool.
///
/// # Errors
/// Names the offending task and key, and what was expected.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Blueprint, Invalid> {
    let _ = (text, limits);
    unimplemented!()
}

/// The same specification with these parameters over its own, as text: what a stored DAG is run with. A parameter that
/// the specification does not have is refused, so that a misspelt one is noticed.
///
/// # Errors
/// As [`parse`].
pub fn with_parameters(text: &[u8], parameters: &Map<String, Value>) -> Result<String, Invalid> {
    let _ = (text, parameters);
    unimplemented!()
}

/// Reads what a generator of this run has printed, and compiles each task as if the specification had defined it. Which
/// names exist is not looked at: the machine does that, against the run as it then is.
///
/// # Errors
/// As [`parse`]; also for empty output.
pub fn generated(output: &[u8], run: &Blueprint, limits: &Limits) -> Result<Addition, Invalid> {
    let _ = (output, run, limits);
    unimplemented!()
}

/// Reads another job for one instance of a template: tokens get that instance's values.
///
/// # Errors
/// As [`parse`].
pub fn job(value: &Value, template: &Template, index: u32, limits: &Limits) -> Result<Job, Invalid> {
    let _ = (value, template, index, limits);
    unimplemented!()
}
