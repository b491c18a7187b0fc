//! A stored DAG as clients write and see it: a specification, and a schedule if it is to run by itself.
//!
//! ```text
//! {"specification": {…},
//!  "schedule": {"cron": "0 3 * * *", "timezone": "UTC", "overlap": "skip", "catch_up": "none", "parameters": {…}}}
//! ```
//!
//! Of the schedule only `cron` must be there. A body that is a specification itself means one without a schedule. The
//! schedule is also stored in this form.

use super::machine::{Dag, Schedule};
use super::model::{DagName, Invalid, Owner};
use super::specification::{self, Limits};
use crate::schedule::{CatchUp, Cron, Overlap, Zone};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a body says.
const KEYS: [&str; 2] = ["specification", "schedule"];
/// What [`show`] says beside it: let pass, so that what was got can be put.
const SHOWN: [&str; 2] = ["name", "owner"];
const SCHEDULE_KEYS: [&str; 5] = ["cron", "timezone", "overlap", "catch_up", "parameters"];

/// Reads the body of `PUT /v1/dag/{name}`. Takes time with its size: big ones belong on the blocking pool.
///
/// # Errors
/// Names the key and what was expected.
pub fn read(name: DagName, body: &[u8], limits: &Limits, owner: Arc<Owner>, runs_as: u32) -> Result<Dag, Invalid> {
    let whole: &RawValue = serde_json::from_slice(body).map_err(|why| Invalid(format!("this is no JSON: {why}")))?;
    if !whole.get().starts_with('{') {
        return Err(Invalid(format!("expected an object with specification, not {}", start(whole.get()))));
    }
    let broken = |why: serde_json::Error| Invalid(why.to_string());
    let parts: BTreeMap<String, &RawValue> = serde_json::from_str(whole.get()).map_err(broken)?;
    if parts.contains_key("tasks") && !parts.contains_key("specification") {
        return compile(name, whole.get().into(), None, limits, owner, runs_as);
    }
    if let Some(key) = parts.keys().find(|key| !KEYS.iter().chain(&SHOWN).any(|known| known == key)) {
        return Err(unknown(key, &KEYS));
    }
    let specification = parts.get("specification");
    let text = specification.ok_or_else(|| Invalid("specification: expected an object, and there is none".into()))?;
    let schedule = match parts.get("schedule") {
        Some(raw) if raw.get().starts_with('{') => Some(serde_json::from_str(raw.get()).map_err(broken)?),
        Some(raw) if raw.get() != "null" => {
            return Err(Invalid(format!("schedule: expected an object with cron, not {}", start(raw.get()))));
        }
        _ => None,
    };
    let schedule = schedule.map(read_schedule).transpose()?;
    compile(name, text.get().into(), schedule, limits, owner, runs_as)
}

/// What a firing runs is made once, when the DAG is stored.
///
/// # Errors
/// Those of the specification, also with the schedule's parameters.
pub fn compile(
    name: DagName,
    text: Arc<str>,
    schedule: Option<Schedule>,
    limits: &Limits,
    owner: Arc<Owner>,
    runs_as: u32,
) -> Result<Dag, Invalid> {
    let plain = specification::parse(text.as_bytes(), limits)?;
    let parameters = schedule.as_ref().map(|schedule| &schedule.parameters).filter(|given| !given.is_empty());
    let (blueprint, fired_text) = match parameters {
        None => (plain, text.clone()),
        Some(given) => {
            let in_schedule = |why: Invalid| why.of_key("schedule");
            let fired = specification::with_parameters(text.as_bytes(), given).map_err(in_schedule)?;
            (specification::parse(fired.as_bytes(), limits).map_err(in_schedule)?, fired.into())
        }
    };
    Ok(Dag { name, text, blueprint: Arc::new(blueprint), fired_text, schedule, owner, runs_as })
}

/// Reads the schedule's part.
///
/// # Errors
/// Names the key and what was expected.
pub fn read_schedule(parts: Map<String, Value>) -> Result<Schedule, Invalid> {
    if let Some(key) = parts.keys().find(|key| !SCHEDULE_KEYS.contains(&key.as_str())) {
        return Err(unknown(key, &SCHEDULE_KEYS).of_key("schedule"));
    }
    let text = text_of(&parts, "cron")?
        .ok_or_else(|| Invalid("schedule: cron: expected a crontab line, and there is none".into()))?;
    let cron = Cron::parse(text).map_err(|why| Invalid(format!("schedule: cron: {why}")))?;
    if cron.is_reboot() {
        return Err(Invalid("schedule: cron: expected times, and @reboot is none: only cron tasks have it".into()));
    }
    let zone = text_of(&parts, "timezone")?;
    let parameters = match parts.get("parameters") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(parameters)) => parameters.clone(),
        Some(other) => {
            let other = start(&other.to_string());
            return Err(Invalid(format!("schedule: parameters: expected an object, not {other}")));
        }
    };
    Ok(Schedule {
        cron,
        zone: zone
            .map_or_else(|| Ok(Zone::host()), Zone::parse)
            .map_err(|why| Invalid(format!("schedule: timezone: {why}")))?,
        zone_given: zone.is_some(),
        overlap: word_of(&parts, "overlap", &Overlap::WORDS)?,
        catch_up: word_of(&parts, "catch_up", &CatchUp::WORDS)?,
        parameters,
    })
}

/// A stored DAG as [`read`] takes it, with its name and owner, as JSON. The specification is the text that was put, and
/// never becomes values: those could be many times its size, and not all that JSON can say is a value.
pub fn show(dag: &Dag) -> String {
    let (name, owner) = (Value::from(dag.name.as_str()), Value::from(dag.owner.name.as_str()));
    let schedule = dag.schedule.as_ref().map(|schedule| Value::from(show_schedule(schedule)));
    let schedule = schedule.map(|schedule| format!(r#","schedule":{schedule}"#)).unwrap_or_default();
    format!(r#"{{"name":{name},"owner":{owner},"specification":{}{schedule}}}"#, dag.text)
}

/// A schedule as [`read_schedule`] takes it.
pub fn show_schedule(schedule: &Schedule) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| drop(shown.insert(key.to_owned(), value));
    put("cron", schedule.cron.text().into());
    if schedule.zone_given {
        put("timezone", schedule.zone.name().into());
    }
    put("overlap", word(&Overlap::WORDS, schedule.overlap).into());
    put("catch_up", word(&CatchUp::WORDS, schedule.catch_up).into());
    if !schedule.parameters.is_empty() {
        put("parameters", schedule.parameters.clone().into());
    }
    shown
}

/// As much of a value as a message has room for.
fn start(json: &str) -> String {
    json.chars().take(40).collect()
}

fn unknown(key: &str, valid: &[&str]) -> Invalid {
    let alike = |valid: &&&str| strsim::jaro_winkler(valid, key);
    let nearest = valid.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    let nearest = nearest.filter(|nearest| alike(nearest) > 0.6).map(|nearest| format!(": did you mean {nearest}?"));
    let all = || format!(": expected one of {}", valid.join(", "));
    Invalid(format!("there is no key {key:?}{}", nearest.unwrap_or_else(all)))
}

fn text_of<'a>(parts: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Invalid> {
    match parts.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Invalid(format!("schedule: {key}: expected a string, not {}", start(&other.to_string())))),
    }
}

fn word_of<T: Copy + Default>(parts: &Map<String, Value>, key: &str, words: &[(&str, T)]) -> Result<T, Invalid> {
    let Some(text) = text_of(parts, key)? else { return Ok(T::default()) };
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Invalid(format!("schedule: {key}: expected one of {}, not {text:?}", words.join(", ")))
    })
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests;
