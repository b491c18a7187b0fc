//! A job in the form in which it is shown: numbers as text, `environment` a list that is always there. Here each key
//! is looked at by itself; whether they make sense together is for the task that has them.

use crate::dag::model::job::{self, quoted};
use crate::dag::model::{Invalid, StepKind};
use serde_json::{Map, Value};

/// Brings every known key into the form in which it is shown. Others stay as they came.
///
/// # Errors
/// The key of a wrong type.
pub fn shape(given: Map<String, Value>) -> Result<Map<String, Value>, Invalid> {
    let shaped = |(key, value): (String, Value)| {
        let value = match key.as_str() {
            "command" => command(value)?,
            "environment" => environment(value)?,
            "commandString" | "workDir" => script(&key, value)?,
            "cores" | "memoryMB" | "timeout" => number(&key, value)?,
            "proc" => step(value)?,
            _ => value,
        };
        Ok((key, value))
    };
    given.into_iter().map(shaped).collect()
}

/// Puts defaults under a job. Of a job that says what to run, no default says so too.
pub fn over(mut job: Map<String, Value>, defaults: &Map<String, Value>) -> Map<String, Value> {
    let decided = job::FORMS.iter().any(|form| job.contains_key(*form));
    for (key, value) in defaults {
        let settled = decided && job::FORMS.contains(&key.as_str());
        if !settled && !job.contains_key(key) {
            job.insert(key.clone(), value.clone());
        }
    }
    job
}

fn command(value: Value) -> Result<Value, Invalid> {
    match &value {
        Value::Array(words) if !words.is_empty() => strings("command", words)?,
        other => return Err(unfit("command", "an array of at least one string", other)),
    }
    Ok(value)
}

fn environment(value: Value) -> Result<Value, Invalid> {
    match value {
        Value::Array(entries) => {
            strings("environment", &entries)?;
            Ok(Value::Array(entries))
        }
        Value::Object(variables) => {
            let mut variables: Vec<_> = variables.into_iter().collect();
            variables.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            variables.iter().map(|(name, value)| variable(name, value)).collect()
        }
        other => Err(unfit("environment", "an array of strings, or an object of strings", &other)),
    }
}

fn variable(name: &str, value: &Value) -> Result<Value, Invalid> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Invalid(format!("environment: expected a name without '=' and NUL, not {}", quoted(name))));
    }
    let key = || format!("environment {}", quoted(name));
    let value = text_of(value).ok_or_else(|| unfit(&key(), "a string", value))?;
    no_nul(&key(), &value)?;
    Ok(Value::String(format!("{name}={value}")))
}

fn script(key: &str, value: Value) -> Result<Value, Invalid> {
    match &value {
        Value::String(text) => no_nul(key, text)?,
        other => return Err(unfit(key, "a string", other)),
    }
    Ok(value)
}

fn number(key: &str, value: Value) -> Result<Value, Invalid> {
    let text = text_of(&value).ok_or_else(|| unfit(key, "an integer of at least 0, also as a string", &value))?;
    Ok(Value::String(text))
}

fn step(value: Value) -> Result<Value, Invalid> {
    const EXPECTED: &str = "one of start, restart, stop and wait_ready, with the name of a supervised task";
    let Value::Object(step) = &value else { return Err(unfit("proc", &format!("an object with {EXPECTED}"), &value)) };
    let mut names = StepKind::ALL.iter().filter_map(|kind| step.get(kind.word()));
    match (names.next(), names.next()) {
        (Some(Value::String(_)), None) => Ok(value),
        (Some(other), None) => Err(unfit("proc", "the name of a supervised task", other)),
        _ => Err(Invalid(format!("proc: expected exactly {EXPECTED}"))),
    }
}

fn strings(key: &str, items: &[Value]) -> Result<(), Invalid> {
    for (place, item) in items.iter().enumerate() {
        match item {
            Value::String(text) => no_nul(key, text)?,
            other => return Err(unfit(&format!("{key}[{place}]"), "a string", other)),
        }
    }
    Ok(())
}

/// A text, or an integer as one.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn no_nul(key: &str, text: &str) -> Result<(), Invalid> {
    if text.contains('\0') { Err(Invalid(format!("{key}: expected text without NUL bytes"))) } else { Ok(()) }
}

fn unfit(key: &str, expected: &str, value: &Value) -> Invalid {
    let kind = match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    Invalid(format!("{key}: expected {expected}, not {kind}"))
}
