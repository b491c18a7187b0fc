//! Reading a specification, or a job: JSON or YAML, from a file or from standard input.

use crate::cli::exit::Problem;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Reads a file, `-` being standard input, as an object. What is in it is for the daemon to judge.
///
/// # Errors
/// It cannot be read, or is neither JSON nor YAML, or says something twice.
pub fn object(file: &Path) -> Result<Map<String, Value>, Problem> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(file),
    };
    let text = read.map_err(|error| Problem::Misuse(format!("cannot read {}: {error}", shown(file))))?;
    specification(file, &text)
}

/// The file's name, for messages.
pub fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

/// The text of a file as an object: by the file's ending, else JSON when it begins like JSON.
pub fn specification(file: &Path, text: &str) -> Result<Map<String, Value>, Problem> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let read = match ending {
        Some("json") => json(text),
        Some("yaml" | "yml") => yaml(text),
        _ if text.trim_start().starts_with('{') => json(text),
        _ => yaml(text),
    };
    let wrong = |why: String| Problem::Misuse(format!("{}: {why}", shown(file)));
    match read.map_err(wrong)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong("expected an object: keys and their values".to_owned())),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map(|Unique(value)| value).map_err(|error| error.to_string())
}

fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        // A list of a million values is a specification like another. Aliases, and how deep it goes, stay bounded.
        budget: serde_saphyr::budget! { max_events: usize::MAX, max_nodes: usize::MAX, max_total_scalar_bytes: usize::MAX },
        // As YAML 1.2 and JSON have it: `on` and `007` are texts.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map(|Unique(value)| value)
        // What it advises is for programmers.
        .map_err(|error| {
            error.without_snippet().to_string().replace(", set DuplicateKeyPolicy in Options if acceptable", "")
        })
}

/// A JSON value that does not say anything twice: `serde_json` alone keeps the last of two.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Unique, D::Error> {
        from.deserialize_any(Builder).map(Unique)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(format!("{value} is no number of JSON")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let Unique(value) = members.next_value()?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key \"{}\" is there twice", key.escape_debug())));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
