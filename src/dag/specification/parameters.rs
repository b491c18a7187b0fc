//! Parameters: `{"ZONE": ["north", "south"], "OUT": "/srv/tiles"}`.

use super::json;
use crate::dag::model::job::quoted;
use crate::dag::model::{Invalid, Parameter, Parameters};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The longest name of a parameter, in bytes.
const NAME_MAX: usize = 200;

/// Reads an object of parameters.
///
/// # Errors
/// The parameter that is neither a text nor a list of texts, or whose name is none.
pub fn read(raw: &RawValue) -> Result<Parameters, Invalid> {
    let mut found = Parameters::new();
    for (key, raw) in json::members(raw)? {
        let name = bare(&key);
        check_name(name)?;
        let parameter = one(raw).map_err(|why| why.of_key(&quoted(name)))?;
        if found.insert(name.to_owned(), parameter).is_some() {
            return Err(Invalid(format!("{} is there twice", quoted(name))));
        }
    }
    Ok(found)
}

/// The name without the braces in which it may be written.
pub fn bare(key: &str) -> &str {
    key.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(key)
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let plain = |letter: char| !letter.is_control() && !matches!(letter, '{' | '}');
    if (1..=NAME_MAX).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    let expected = format!("expected names of 1 to {NAME_MAX} bytes without control characters and braces");
    Err(Invalid(format!("{expected}, not {}", quoted(name))))
}

fn one(raw: &RawValue) -> Result<Parameter, Invalid> {
    // No job may contain a NUL byte, wherever it comes from.
    let no_nul = || Invalid("expected values without NUL bytes".into());
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text = json::text(raw)?;
            if text.contains('\0') { Err(no_nul()) } else { Ok(Parameter::One(text.into())) }
        }
        Some(b'[') => {
            let values = json::texts(raw)?;
            let has_nul = values.iter().any(|value| value.contains('\0'));
            if has_nul { Err(no_nul()) } else { Ok(Parameter::List(Arc::new(values))) }
        }
        _ => Err(json::expected("a string or an array of strings", raw)),
    }
}
