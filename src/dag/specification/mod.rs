//! From JSON text to a blueprint: what a client may write, checked with messages that name task and key.
//!
//! ```text
//! text --json--> pieces --parameters, task, shape--> templates --expand--> counted and checked --graph--> blueprint
//! ```
//!
//! Nothing here grows with the number of instances: a list of a million values is read into one packed text, and an
//! instance is its template and an index.

mod expand;
mod json;
mod parameters;
mod shape;
mod task;
#[cfg(test)]
mod tests;

use super::model::job::quoted;
use super::model::{
    Addition, Attributes, Blueprint, Capacity, Defaults, Executor, Invalid, Job, OnFailure, Parameters, Template, Work,
    graph,
};
use serde_json::value::{self, RawValue};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use task::Around;

/// What a specification must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No task may need more; none: anything goes, since it was checked before (a stored specification).
    pub capacity: Option<Capacity>,
    /// Tasks of one run.
    pub max_tasks: u32,
}

/// The longest tag, in bytes.
const TAG_MAX: usize = 256;

/// The longest name of a user, in bytes.
const USER_MAX: usize = 256;

/// The most bytes that the copies of the defaults in all tasks may come to together.
const DEFAULTS_MAX: usize = 128 << 20;

/// Reads, checks and compiles a specification. Takes time with its size: big ones belong on the blocking pool.
///
/// # Errors
/// Names the offending task and key, and what was expected.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Blueprint, Invalid> {
    let mut given = Given::default();
    for (key, raw) in members(text)? {
        given.read(&key, raw).map_err(|why| why.of_key(&key))?;
    }
    let missing = |key: &str, what: &str| Invalid(format!("{key}: expected {what}, and there is none"));
    let tag = given.tag.ok_or_else(|| missing("tag", "a string"))?;
    let tasks = given.tasks.ok_or_else(|| missing("tasks", "an object with at least one task"))?;
    let (job, task) = given.task_defaults;
    let defaults = Defaults { job: shape::over(job, &given.job_defaults), task };
    let around = Around { parameters: &given.parameters, defaults: &defaults, executor: given.executor };
    let templates = compile(tasks, around, limits)?;
    if templates.is_empty() {
        return Err(Invalid("tasks: expected an object with at least one task, not {}".into()));
    }
    Ok(Blueprint {
        tag,
        edges: graph::edges(&templates)?,
        templates,
        executor: given.executor,
        on_failure: given.on_failure,
        max_parallel: given.max_parallel,
        priority: given.priority,
        user: given.user,
        parameters: given.parameters,
        defaults,
    })
}

/// The top level of a specification.
fn members(text: &[u8]) -> Result<json::Members<'_>, Invalid> {
    json::members(json::document(text)?).map_err(|why| why.of_key("specification"))
}

/// The top level of a specification while it is read.
#[derive(Default)]
struct Given<'a> {
    tag: Option<String>,
    tasks: Option<&'a RawValue>,
    parameters: Arc<Parameters>,
    job_defaults: Map<String, Value>,
    task_defaults: (Map<String, Value>, Attributes),
    executor: Executor,
    on_failure: OnFailure,
    max_parallel: Option<u32>,
    priority: i32,
    user: Option<String>,
}

impl<'a> Given<'a> {
    fn read(&mut self, key: &str, raw: &'a RawValue) -> Result<(), Invalid> {
        match key {
            "tag" => self.tag = Some(label(raw, TAG_MAX)?),
            "tasks" => self.tasks = Some(raw),
            "parameters" => self.parameters = Arc::new(parameters::read(raw)?),
            "jobDefaults" => self.job_defaults = task::job(raw)?,
            "taskDefaults" => self.task_defaults = task::defaults(raw)?,
            "executor" => self.executor = json::word(raw, &[("local", Executor::Local), ("noop", Executor::Noop)])?,
            "onFailure" => {
                self.on_failure = json::word(raw, &[("continue", OnFailure::Continue), ("stop", OnFailure::Stop)])?;
            }
            "maxParallel" => self.max_parallel = Some(json::count(raw, 1)?),
            "priority" => self.priority = task::priority(raw)?,
            "user" => self.user = Some(label(raw, USER_MAX)?),
            _ => {}
        }
        Ok(())
    }
}

/// A text that is neither empty nor long.
fn label(raw: &RawValue, max: usize) -> Result<String, Invalid> {
    let text = json::text(raw)?;
    if (1..=max).contains(&text.len()) && !text.contains('\0') {
        return Ok(text);
    }
    Err(Invalid(format!("expected a string of 1 to {max} bytes without NUL, not {}", quoted(&text))))
}

/// Reads an object of tasks: templates by defined name, counted and checked.
fn compile(tasks: &RawValue, around: Around<'_>, limits: &Limits) -> Result<Vec<Arc<Template>>, Invalid> {
    let members = json::members(tasks).map_err(|why| why.of_key("tasks"))?;
    let defaults = serde_json::to_string(&around.defaults.job).map_or(0, |text| text.len());
    if defaults.saturating_mul(members.len()) > DEFAULTS_MAX {
        return Err(Invalid(format!(
            "defaults of jobs: expected at most {DEFAULTS_MAX} bytes in all tasks together, not {defaults} in each of {}",
            members.len()
        )));
    }
    let mut templates = Vec::with_capacity(members.len());
    for (name, raw) in members {
        task::check_name(&name)?;
        templates.push(task::read(&name, raw, around).map_err(|why| why.of_task(&name))?);
    }
    templates.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    expand::expand(&mut templates, limits)?;
    expand::check(&mut templates, limits)?;
    Ok(templates.into_iter().map(Arc::new).collect())
}

/// The same specification with these parameters over its own, as text: what a stored DAG is run with. A parameter that
/// the specification does not have is refused, so that a misspelt one is noticed.
///
/// # Errors
/// As [`parse`].
pub fn with_parameters(text: &[u8], parameters: &Map<String, Value>) -> Result<String, Invalid> {
    let members = members(text)?;
    check_parameters(parameters).map_err(|why| why.of_key("parameters"))?;
    let own = members.iter().find(|(key, _)| key == "parameters").map(|(_, raw)| *raw);
    let own = own.map(json::members).transpose().map_err(|why| why.of_key("parameters"))?.unwrap_or_default();
    let mut merged: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (key, raw) in &own {
        merged.insert(parameters::bare(key), raw.get().into());
    }
    for (key, value) in parameters {
        let name = parameters::bare(key);
        let Some(text) = merged.get_mut(name) else {
            return Err(Invalid(format!("parameters: the specification has no {} to give a value", quoted(name))));
        };
        *text = value.to_string().into();
    }
    let merged = json::object_text(merged.iter().map(|(name, text)| (*name, &**text)));
    Ok(json::object_text(
        members.iter().map(|(key, raw)| (key.as_str(), if key == "parameters" { merged.as_str() } else { raw.get() })),
    ))
}

/// The same specification under another tag, as text.
///
/// # Errors
/// As [`parse`].
pub fn with_tag(text: &[u8], tag: &str) -> Result<String, Invalid> {
    let (members, tag) = (members(text)?, Value::from(tag).to_string());
    let tag = tag.as_str();
    let members = members.iter().map(|(key, raw)| (key.as_str(), if key == "tag" { tag } else { raw.get() }));
    Ok(json::object_text(members))
}

/// Whether these could stand in a specification.
fn check_parameters(parameters: &Map<String, Value>) -> Result<(), Invalid> {
    let text = value::to_raw_value(parameters).map_err(|why| Invalid(why.to_string()))?;
    parameters::read(&text).map(|_| ())
}

/// Reads what a generator of this run has printed, and compiles each task as if the specification had defined it. Which
/// names exist is not looked at: the machine does that, against the run as it then is.
///
/// # Errors
/// As [`parse`]; also for empty output.
pub fn generated(output: &[u8], run: &Blueprint, limits: &Limits) -> Result<Addition, Invalid> {
    let output = output.trim_ascii();
    if output.is_empty() {
        return Err(Invalid("expected an object of tasks, and nothing was printed".into()));
    }
    let tasks = json::document(output)?;
    let around = Around { parameters: &run.parameters, defaults: &run.defaults, executor: run.executor };
    Ok(Addition { templates: compile(tasks, around, limits)?, text: tasks.get().into() })
}

/// Reads another job for one instance of a template: tokens get that instance's values.
///
/// # Errors
/// As [`parse`].
pub fn job(value: &Value, template: &Template, index: u32, limits: &Limits) -> Result<Job, Invalid> {
    let read = || {
        let Value::Object(given) = value else { return Err(Invalid("expected an object".into())) };
        let mut job = shape::shape(given.clone())?;
        job.entry("environment").or_insert_with(|| Value::Array(Vec::new()));
        let job = expand::one(&job, template, index, limits)?;
        if template.is_generator && matches!(job.work, Work::Step(_)) {
            return Err(Invalid("expected a command that prints tasks: the task is a generator".into()));
        }
        Ok(job)
    };
    read().map_err(|why: Invalid| why.of_key("job").of_task(&template.instance(index)))
}
