//! What must hold for a tag or an account to be well: facts of this host, in and out.
//!
//! `[{"proc":"NAME"}, {"dag":"NAME","max_age":"26h"}, {"url":"http://…"}]`

use super::Fault;
use super::fields::Fields;
use crate::base::duration;
use crate::hub::model::{AccountId, Requirement, Requirements};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Facts that one thing may depend on.
const MOST: usize = 8;
/// The longest name of a process or a DAG, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest address, in bytes.
const LONGEST_URL: usize = 2048;

/// The field `requires`; none: it is not there. They count because `by` says so.
///
/// # Errors
/// There are too many, or one is none.
pub fn read(fields: &Fields, by: AccountId) -> Result<Option<Requirements>, Fault> {
    let Some(entries) = fields.objects("requires")? else { return Ok(None) };
    if entries.len() > MOST {
        return Err(fields.breach("requires", format_args!("expected at most {MOST} entries")));
    }
    let mut all = Vec::with_capacity(entries.len());
    for entry in &entries {
        let fact = fact(entry)?;
        if !all.contains(&fact) {
            all.push(fact);
        }
    }
    Ok(Some(Requirements { all, by }))
}

/// A body that says nothing else.
///
/// # Errors
/// It is no object, the field is missing, or see [`read`].
pub fn body(body: &[u8], by: AccountId) -> Result<Requirements, Fault> {
    let fields = Fields::read(body)?;
    read(&fields, by)?.ok_or_else(|| fields.absent("requires"))
}

fn fact(entry: &Fields) -> Result<Requirement, Fault> {
    let given: Vec<&str> = ["proc", "dag", "url"].into_iter().filter(|kind| entry.has(kind)).collect();
    let [kind] = given[..] else {
        return Err(entry.breach("proc, dag, url", "expected exactly one of them"));
    };
    let text = entry.text(kind)?.unwrap_or_default();
    match kind {
        "url" => address(entry, &text),
        _ if text.is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) => {
            Err(entry.breach(kind, format_args!("expected a name of 1 to {LONGEST_NAME} bytes")))
        }
        "proc" => Ok(Requirement::Proc(text.into())),
        _ => Ok(Requirement::Dag(text.into(), max_age(entry)?)),
    }
}

fn address(entry: &Fields, text: &str) -> Result<Requirement, Fault> {
    let expected = || entry.breach("url", "expected http://… or https://…, without a user and a password");
    let url = Url::parse(text).map_err(|_| expected())?;
    if url.as_str().len() > LONGEST_URL {
        return Err(entry.breach("url", format_args!("expected at most {LONGEST_URL} bytes")));
    }
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    // It is shown to others.
    let is_plain = url.username().is_empty() && url.password().is_none();
    if is_web && is_plain { Ok(Requirement::Url(url.as_str().into())) } else { Err(expected()) }
}

fn max_age(entry: &Fields) -> Result<Option<Duration>, Fault> {
    let Some(value) = entry.json("max_age")? else { return Ok(None) };
    let age = duration::from_json(&value).map_err(|why| entry.breach("max_age", why))?;
    if age.is_zero() {
        return Err(entry.breach("max_age", "expected more than nothing"));
    }
    Ok(Some(age))
}

/// As they are shown, in the form in which they are read.
pub fn show(requires: &Requirements) -> Value {
    requires.all.iter().map(shown).collect()
}

fn shown(fact: &Requirement) -> Value {
    match fact {
        Requirement::Proc(name) => json!({ "proc": &**name }),
        Requirement::Dag(name, None) => json!({ "dag": &**name }),
        Requirement::Dag(name, Some(age)) => {
            json!({ "dag": &**name, "max_age": humantime::format_duration(*age).to_string() })
        }
        Requirement::Url(url) => json!({ "url": &**url }),
    }
}
