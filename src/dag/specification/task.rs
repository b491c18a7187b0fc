//! One task: its attributes, its job and its dependencies, as written, brought into the form of a template.

use super::{json, parameters, shape};
use crate::dag::model::job::quoted;
use crate::dag::model::{Attributes, Defaults, Executor, Invalid, Parameters, RetryBackoff, Template, Trigger, job};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The longest defined name, in bytes.
const NAME_MAX: usize = 200;

/// How long a growing wait becomes when nobody says.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// What holds for all tasks of a run.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The run's parameters.
    pub parameters: &'a Arc<Parameters>,
    /// `jobDefaults` and `taskDefaults`.
    pub defaults: &'a Defaults,
    /// What will carry the tasks out.
    pub executor: Executor,
}

/// A task as it is written.
#[derive(Default)]
struct Written {
    job: Option<Map<String, Value>>,
    attributes: Attributes,
    children: Vec<String>,
    parents: Vec<String>,
}

/// Reads one task. Its instances are not looked at yet: [`Template::axes`] is empty.
///
/// # Errors
/// The key that does not fit.
pub fn read(name: &str, raw: &RawValue, around: Around<'_>) -> Result<Template, Invalid> {
    let written = written(raw, true)?;
    let own = written.job.ok_or_else(|| Invalid("job: expected an object, and there is none".into()))?;
    let mut job = shape::over(own, &around.defaults.job);
    let form = job::form(&job).map_err(|why| why.of_key("job"))?;
    job.entry("environment").or_insert_with(|| Value::Array(Vec::new()));
    let (own, common) = (written.attributes, &around.defaults.task);
    let template = Template {
        name: name.to_owned(),
        job,
        parameters: around.parameters.clone(),
        own_parameters: own.parameters.or_else(|| common.parameters.clone()).unwrap_or_default(),
        axes: Vec::new(),
        count: 1,
        needs: None,
        max_retries: own.max_retries.or(common.max_retries).unwrap_or(0),
        retry_interval: own.retry_interval.or(common.retry_interval).unwrap_or(0),
        retry_backoff: own.retry_backoff.or(common.retry_backoff),
        children: written.children,
        parents: written.parents,
        is_generator: own.is_generator.or(common.is_generator).unwrap_or(false),
        trigger: own.trigger.or(common.trigger).unwrap_or_default(),
        priority: own.priority.or(common.priority).unwrap_or(0),
    };
    if template.is_generator && (form == "proc" || around.executor == Executor::Noop) {
        let prints = if form == "proc" { "a proc step" } else { "the executor noop" };
        return Err(Invalid(format!("isGenerator: expected a command that prints tasks, and {prints} prints nothing")));
    }
    Ok(template)
}

/// Reads `taskDefaults`: the job and the attributes.
///
/// # Errors
/// The key that does not fit.
pub fn defaults(raw: &RawValue) -> Result<(Map<String, Value>, Attributes), Invalid> {
    let written = written(raw, false)?;
    Ok((written.job.unwrap_or_default(), written.attributes))
}

/// Reads `jobDefaults`, or the job of a task.
///
/// # Errors
/// The key that does not fit.
pub fn job(raw: &RawValue) -> Result<Map<String, Value>, Invalid> {
    shape::shape(json::object(raw)?)
}

/// Checks a defined name.
///
/// # Errors
/// What a name is.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    if (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let expected = format!("expected names of 1 to {NAME_MAX} bytes without control characters");
    Err(Invalid(format!("tasks: {expected}, not {}", quoted(name))))
}

fn written(raw: &RawValue, linked: bool) -> Result<Written, Invalid> {
    let mut task = Written::default();
    for (key, raw) in json::members(raw)? {
        let attributes = &mut task.attributes;
        let read = match key.as_str() {
            "job" => job(raw).map(|job| task.job = Some(job)),
            "maxRetries" => json::count(raw, 0).map(|most| attributes.max_retries = Some(most)),
            "retryIntervalSeconds" => {
                json::count(raw, 0).map(|seconds| attributes.retry_interval = Some(seconds.into()))
            }
            "retryBackoff" => backoff(raw).map(|backoff| attributes.retry_backoff = Some(backoff)),
            "isGenerator" => flag(raw).map(|flag| attributes.is_generator = Some(flag)),
            "trigger" => json::word(raw, &TRIGGERS).map(|trigger| attributes.trigger = Some(trigger)),
            "priority" => priority(raw).map(|priority| attributes.priority = Some(priority)),
            "parameters" => parameters::read(raw).map(|own| attributes.parameters = Some(Arc::new(own))),
            "children" | "parents" if !linked => Err(Invalid("not for all tasks at once: say it in each".into())),
            "children" => names(raw).map(|names| task.children = names),
            "parents" => names(raw).map(|names| task.parents = names),
            _ => continue,
        };
        read.map_err(|why| why.of_key(&key))?;
    }
    Ok(task)
}

const TRIGGERS: [(&str, Trigger); 3] =
    [("success", Trigger::Success), ("failure", Trigger::Failure), ("always", Trigger::Always)];

/// A priority: any integer of 32 bits.
///
/// # Errors
/// Anything else.
pub fn priority(raw: &RawValue) -> Result<i32, Invalid> {
    let number = json::integer(raw, i32::MIN.into(), i32::MAX.into())?;
    i32::try_from(number).map_err(|why| Invalid(why.to_string()))
}

fn flag(raw: &RawValue) -> Result<bool, Invalid> {
    json::value(raw)?.as_bool().ok_or_else(|| json::expected("true or false", raw))
}

/// Names of tasks, each once, in the order in which they are written.
fn names(raw: &RawValue) -> Result<Vec<String>, Invalid> {
    let values = json::texts(raw)?;
    let mut seen = HashSet::new();
    Ok(values.iter().filter(|name| seen.insert(*name)).map(str::to_owned).collect())
}

/// The factor, or factor and cap.
fn backoff(raw: &RawValue) -> Result<RetryBackoff, Invalid> {
    let expected = || json::expected("a factor of at least 1, or {\"factor\": F, \"maxSeconds\": S}", raw);
    let (factor, max) = match json::value(raw)? {
        Value::Object(members) => (members.get("factor").cloned(), members.get("maxSeconds").cloned()),
        other => (Some(other), None),
    };
    let factor = factor.and_then(|factor| factor.as_f64()).filter(|factor| *factor >= 1.0).ok_or_else(expected)?;
    let max = match max {
        None => BACKOFF_MAX,
        Some(max) => max.as_f64().and_then(|max| Duration::try_from_secs_f64(max).ok()).ok_or_else(expected)?,
    };
    Ok(RetryBackoff { factor, max })
}
