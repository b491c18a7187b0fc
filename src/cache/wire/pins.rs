//! Owners of pins as text: `dag:RUN`, `proc:TASK`, or a name. A name that looks like one of the former is written
//! `name:NAME`.

use super::fields::{Fault, Fields};
use crate::cache::model::PinOwner;
use serde_json::Value;

/// The longest owner, in bytes.
const LONGEST: usize = 256;

/// Reads an owner.
///
/// # Errors
/// It is empty or too long.
pub fn owner(text: &str) -> Result<PinOwner, String> {
    let (kind, name) = match text.split_once(':') {
        Some((kind @ ("dag" | "proc" | "name"), name)) => (kind, name),
        _ => ("name", text),
    };
    if name.is_empty() || name.len() > LONGEST {
        return Err(format!("expected dag:RUN, proc:TASK or a name of 1 to {LONGEST} bytes"));
    }
    let name = name.to_owned();
    Ok(match kind {
        "dag" => PinOwner::Dag(name),
        "proc" => PinOwner::Proc(name),
        _ => PinOwner::Name(name),
    })
}

/// An owner as text.
pub fn text(owner: &PinOwner) -> String {
    match owner {
        PinOwner::Dag(run) => format!("dag:{run}"),
        PinOwner::Proc(task) => format!("proc:{task}"),
        PinOwner::Name(name) if ["dag:", "proc:", "name:"].iter().any(|kind| name.starts_with(kind)) => {
            format!("name:{name}")
        }
        PinOwner::Name(name) => name.clone(),
    }
}

/// Reads `pin`: `true` for whoever asks, an owner's text, or an object such as `{"dag":RUN}`.
///
/// # Errors
/// It is none of these.
pub fn read(fields: &Fields, caller: &str) -> Result<Option<PinOwner>, Fault> {
    let text = match fields.json("pin")? {
        None | Some(Value::Bool(false)) => return Ok(None),
        Some(Value::Bool(true)) => return Ok(Some(PinOwner::Name(caller.to_owned()))),
        Some(Value::String(text)) => text,
        Some(Value::Object(object)) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((kind, Value::String(name))), None) if ["dag", "proc", "name"].contains(&kind.as_str()) => {
                    format!("{kind}:{name}")
                }
                _ => return Err(expected(fields)),
            }
        }
        Some(_) => return Err(expected(fields)),
    };
    owner(&text).map(Some).map_err(|why| fields.breach("pin", why))
}

fn expected(fields: &Fields) -> Fault {
    let one = r#"{"dag":RUN}, {"proc":TASK} or {"name":NAME}"#;
    fields.breach("pin", format_args!("expected true, dag:RUN, proc:TASK, a name, or one of {one}"))
}
