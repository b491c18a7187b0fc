//! `--param`: values for a specification's parameters.

use crate::cli::exit::Problem;
use clap::Args;
use serde_json::{Map, Value};

/// Values for parameters, as given on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Parameters {
    /// A value for a parameter; several values of one make a list; K=@FILE is a list of the lines of a file, K=@@x the
    /// text @x; may be repeated
    #[arg(long, value_name = "K=V", value_parser = parameter)]
    param: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("\"{text}\" is no parameter: expected K=V")),
    }
}

impl Parameters {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.param.is_empty()
    }

    /// As an object: one value is a text, several are a list, and so are the lines of a file.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn object(&self) -> Result<Map<String, Value>, Problem> {
        let mut object: Map<String, Value> = Map::new();
        for (name, value) in &self.param {
            let value = match value.strip_prefix('@') {
                Some(text) if text.starts_with('@') => Value::from(text),
                Some(file) => lines(name, file)?,
                None => Value::from(value.as_str()),
            };
            let both = match (object.remove(name), value) {
                (None, value) => value,
                (Some(before), value) => Value::Array(list(before).into_iter().chain(list(value)).collect()),
            };
            object.insert(name.clone(), both);
        }
        Ok(object)
    }

    /// Puts them in place of those of the specification.
    ///
    /// # Errors
    /// The specification has no such parameter, or a file cannot be read.
    pub fn put_into(&self, specification: &mut Map<String, Value>) -> Result<(), Problem> {
        let mut none = Map::new();
        let own = specification.get_mut("parameters").and_then(Value::as_object_mut).unwrap_or(&mut none);
        for (name, value) in self.object()? {
            // The interface takes names with their braces as well.
            let braced = format!("{{{{{name}}}}}");
            let key = if own.contains_key(&braced) { braced } else { name };
            match own.get_mut(&key) {
                Some(place) => *place = value,
                None => return Err(unknown(&key, own)),
            }
        }
        Ok(())
    }
}

fn unknown(name: &str, known: &Map<String, Value>) -> Problem {
    let names: Vec<&str> = known.keys().map(|key| key.trim_matches(['{', '}'])).collect();
    Problem::Misuse(match names.is_empty() {
        true => format!("--param {name}: the specification has no parameters"),
        false => format!("--param {name}: the specification has no such parameter; it has {}", names.join(", ")),
    })
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// The lines of a file, empty ones left out.
fn lines(name: &str, file: &str) -> Result<Value, Problem> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problem::Misuse(format!("--param {name}: cannot read {file}: {error}")))?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(Value::from).collect())
}
