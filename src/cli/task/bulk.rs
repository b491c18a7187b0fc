//! Many tasks at once: read line by line, submitted in pieces, with what was refused told by its line.

use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::worker::Identity;
use hyper::StatusCode;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

/// Tasks in one request: its answer is awaited before the next.
const MOST: usize = 1000;
/// Bytes of recipes in one request; the daemon takes 4 MiB.
const BYTES: usize = 1 << 20;
/// Refused lines that are told one by one.
const NAMED: usize = 20;

/// A file of tasks.
pub(super) struct Lines {
    from: Box<dyn BufRead>,
    name: String,
    json: bool,
    /// Of the line read last, from 1.
    number: u64,
}

impl Lines {
    /// Opens it; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(file: &Path, json: bool) -> Result<Lines, Problem> {
        let (from, name): (Box<dyn BufRead>, _) = if file.as_os_str() == "-" {
            (Box::new(BufReader::new(std::io::stdin())), "standard input".to_owned())
        } else {
            let name = file.display().to_string();
            let opened = File::open(file).map_err(|error| Problem::Misuse(format!("cannot read {name}: {error}")))?;
            (Box::new(BufReader::new(opened)), name)
        };
        Ok(Lines { from, name, json, number: 0 })
    }

    /// The next task that is one, in the words of the API; `defaults` are what it does not say itself. Empty lines are
    /// none.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no object.
    fn next(&mut self, defaults: &Map<String, Value>) -> Result<Option<Map<String, Value>>, Problem> {
        loop {
            let mut line = String::new();
            let place = |number| format!("{} line {number}", self.name);
            let read = self.from.read_line(&mut line);
            if read.map_err(|error| Problem::Misuse(format!("{}: {error}", place(self.number + 1))))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let line = line.strip_suffix('\n').unwrap_or(&line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let mut task = defaults.clone();
            if !self.json {
                task.insert("recipe".to_owned(), line.into());
                return Ok(Some(task));
            }
            let wrong = |why: String| Problem::Misuse(format!("{}: {why}", place(self.number)));
            let said: Map<String, Value> = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            // The whole bulk is for one project.
            task.extend(said.into_iter().filter(|(key, _)| key != "project"));
            return match task.get("recipe") {
                Some(Value::String(recipe)) if !recipe.is_empty() => Ok(Some(task)),
                _ => Err(wrong("expected an object with a \"recipe\", a text that is not empty".to_owned())),
            };
        }
    }
}

/// What became of them.
#[derive(Default)]
struct Tally {
    submitted: u64,
    rejected: Vec<Value>,
    refused: u64,
}

/// Submits them all. A refused one does not keep the others from it; a broken line ends it, with everything before it
/// submitted.
pub(super) async fn submit(
    at: &mut Session,
    mut lines: Lines,
    defaults: Map<String, Value>,
    identity: Option<&Identity>,
) -> Result<Exit, Problem> {
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {pos} tasks {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    if at.out.json() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut tally = Tally::default();
    let mut broken = None;
    while broken.is_none() {
        let (mut piece, mut numbers, mut bytes) = (Vec::new(), Vec::new(), 0);
        while piece.len() < MOST && bytes < BYTES {
            match lines.next(&defaults) {
                Ok(Some(task)) => {
                    bytes += task.get("recipe").and_then(Value::as_str).map_or(0, str::len);
                    piece.push(Value::Object(task));
                    numbers.push(lines.number);
                }
                Ok(None) => break,
                Err(problem) => {
                    broken = Some(problem);
                    break;
                }
            }
        }
        if piece.is_empty() {
            break;
        }
        send(at, piece, &numbers, identity, &mut tally).await?;
        bar.set_position(tally.submitted);
    }
    bar.finish_and_clear();
    finish(at, &tally)?;
    match broken {
        Some(problem) => Err(problem),
        None if tally.refused > 0 => Ok(Exit::Unhealthy),
        None => Ok(Exit::Done),
    }
}

async fn send(
    at: &mut Session,
    piece: Vec<Value>,
    numbers: &[u64],
    identity: Option<&Identity>,
    tally: &mut Tally,
) -> Result<(), Problem> {
    let call = Call::post("/task/bulk_submit").query("id", 1).body(&json!({ "requests": piece }));
    let call = identity.map_or(call.clone(), |identity| identity.sign(call));
    let content = loop {
        let (status, mut answer) = at.client.verdict(call.clone()).await?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = answer.get("rate_limit_delay").and_then(Value::as_f64).unwrap_or(1.0);
            let pause = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
            tokio::time::sleep(pause.clamp(Duration::from_millis(10), Duration::from_secs(60))).await;
            continue;
        }
        if !status.is_success() || answer.get("ok") == Some(&Value::Bool(false)) {
            let why = answer.get("message").and_then(Value::as_str).unwrap_or("no reason").to_owned();
            let done = format!(
                "{why} ({}); {} tasks before line {} are submitted",
                status.as_u16(),
                tally.submitted,
                numbers.first().unwrap_or(&1)
            );
            return Err(CallError::Refused { status, message: done }.into());
        }
        break answer.get_mut("content").map(Value::take).unwrap_or_default();
    };
    tally.submitted += content.get("submitted").and_then(Value::as_u64).unwrap_or(0);
    for id in content.get("ids").and_then(Value::as_array).into_iter().flatten().filter(|id| !id.is_null()) {
        match at.out.json() {
            true => at.out.record(&json!({ "id": id }))?,
            false => at.out.line(&word(id))?,
        }
    }
    for rejected in content.get("rejected").and_then(Value::as_array).into_iter().flatten() {
        let index = rejected.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let line = index.and_then(|index| numbers.get(index)).copied();
        let mut why = rejected.get("message").map(word).unwrap_or_default();
        if why.contains("duplicate key") {
            why = "the project has such a task already".to_owned();
        }
        tally.refused += 1;
        if at.out.json() {
            at.out.record(&json!({ "line": line, "error": why }))?;
        } else if tally.rejected.len() < NAMED {
            tally.rejected.push(json!({ "line": line, "error": why }));
        }
    }
    Ok(())
}

fn finish(at: &Session, tally: &Tally) -> Result<(), Problem> {
    for one in &tally.rejected {
        let field = |key: &str| one.get(key).map(word).unwrap_or_default();
        at.out.failure(&format!("line {}: {}", field("line"), field("error")), Exit::Unhealthy);
    }
    let more = tally.refused.saturating_sub(tally.rejected.len() as u64);
    if more > 0 && !at.out.json() {
        at.out.aside(&format!("and {more} more"));
    }
    if !at.out.json() {
        at.out.aside(&format!("{} tasks submitted, {} refused", tally.submitted, tally.refused));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str, json: bool) -> Lines {
        Lines { from: Box::new(text.as_bytes()), name: "tasks".to_owned(), json, number: 0 }
    }

    fn all(mut lines: Lines) -> (Vec<Value>, Option<String>) {
        let defaults = Map::from_iter([("project".to_owned(), json!(3)), ("priority".to_owned(), json!(5))]);
        let mut found = Vec::new();
        loop {
            match lines.next(&defaults) {
                Ok(Some(task)) => found.push(Value::Object(task)),
                Ok(None) => return (found, None),
                Err(problem) => return (found, Some(problem.to_string())),
            }
        }
    }

    #[test]
    fn each_line_is_a_recipe() {
        let (tasks, problem) = all(lines("one\r\n\n {\"two\": 2}\nthree", false));
        let recipes: Vec<&str> = tasks.iter().map(|task| task["recipe"].as_str().unwrap()).collect();
        assert_eq!((recipes, problem), (vec!["one", " {\"two\": 2}", "three"], None));
        assert!(tasks.iter().all(|task| task["priority"] == 5 && task["project"] == 3));
    }

    #[test]
    fn or_each_line_is_an_object_that_says_more() {
        let text =
            "{\"recipe\":\"a\",\"priority\":9,\"project\":8}\n{\"recipe\":\"b\",\"unique_string\":\"b\"}\n{\"x\":1}\n";
        let (tasks, problem) = all(lines(text, true));
        assert_eq!(tasks[0], json!({ "project": 3, "priority": 9, "recipe": "a" }));
        assert_eq!(tasks[1], json!({ "project": 3, "priority": 5, "recipe": "b", "unique_string": "b" }));
        assert!(problem.unwrap().starts_with("tasks line 3: expected an object with a \"recipe\""));
        let (_, problem) = all(lines("[1]", true));
        assert!(problem.unwrap().starts_with("tasks line 1: "));
    }
}
