//! `cache verify`, `cache gc`, `cache usage`: whether what is kept is what it was, and how much it is.

use super::naming::{Narrowed, path_of};
use super::{number, size, text};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::fields;
use clap::Args;
use serde_json::Value;

/// Read what is kept and compare it with its checksums; exits 1 when something is damaged
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache verify
  hostler cache verify https://example.com/big.iso

What is damaged is fetched again when it is wanted next.")]
pub(super) struct Verify {
    /// Only these: their ids, or addresses
    #[arg(value_name = "ID|URL")]
    what: Vec<String>,
    #[command(flatten)]
    narrowed: Narrowed,
}

/// Throw away now what is old or too much, and files that belong to nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler cache gc")]
pub(super) struct Gc {}

/// Show how much the cache holds, by tag and application
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hostler cache usage\n  hostler cache usage --json | jq .bytes")]
pub(super) struct Usage {}

impl Verify {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if self.what.is_empty() {
            let answer = at.client.ask(Call::post("/oapi/v1/tasks/verify").patient()).await?;
            return verdict(at, "the cache", &answer);
        }
        let mut worst = Exit::Done;
        for what in &self.what {
            for task in self.narrowed.find(&mut at.client, what).await? {
                let answer = at.client.ask(Call::post(&path_of(text(&task, "id"), "/verify")).patient()).await?;
                worst = worst.worse(verdict(at, what, &answer)?);
            }
        }
        Ok(worst)
    }
}

/// Whether anything in this answer is damaged: pieces of one content, or contents among all.
fn is_damaged(answer: &Value) -> bool {
    match answer {
        Value::Object(fields) => fields.iter().any(|(key, value)| match (key.as_str(), value) {
            ("damaged" | "failed", Value::Array(items)) => !items.is_empty(),
            ("damaged" | "failed", Value::Number(number)) => number.as_u64() != Some(0),
            ("damaged", Value::Bool(damaged)) => *damaged,
            ("error", Value::String(why)) => !why.is_empty(),
            _ => false,
        }),
        Value::Array(items) => items.iter().any(is_damaged),
        _ => false,
    }
}

fn verdict(at: &Session, what: &str, answer: &Value) -> Result<Exit, Problem> {
    let exit = if is_damaged(answer) { Exit::Unhealthy } else { Exit::Done };
    if at.out.json() {
        at.out.record(answer)?;
        return Ok(exit);
    }
    match exit {
        Exit::Done => at.out.line(&format!("{what} is what it was"))?,
        _ => {
            at.out.line(&format!("{what} is damaged:"))?;
            at.out.table(&["FIELD", "VALUE"], &fields(answer))?;
        }
    }
    Ok(exit)
}

impl Gc {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let answer = at.client.ask(Call::post("/oapi/v1/tasks/gc").patient()).await?;
        let of = |key| number(&answer, key).unwrap_or_default();
        match at.out.json() {
            true => at.out.value(&answer)?,
            false => at.out.line(&format!(
                "threw away {} contents ({}) and {} files that belonged to nothing",
                of("tasks"),
                size(of("bytes")),
                of("orphans")
            ))?,
        }
        Ok(Exit::Done)
    }
}

impl Usage {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let answer = at.client.ask(Call::get("/oapi/v1/usage")).await?;
        if at.out.json() {
            at.out.value(&answer)?;
            return Ok(Exit::Done);
        }
        let mut whole = format!(
            "{} in {} contents",
            size(number(&answer, "bytes").unwrap_or_default()),
            number(&answer, "tasks").unwrap_or_default()
        );
        for (key, says) in [("quota", "of at most"), ("free", "free on the disk:")] {
            if let Some(bytes) = number(&answer, key).filter(|bytes| *bytes > 0) {
                whole.push_str(&format!(", {says} {}", size(bytes)));
            }
        }
        at.out.line(&whole)?;
        let mut rows = shares(&answer, "by_tag", "tag");
        rows.extend(shares(&answer, "by_application", "application"));
        if !rows.is_empty() {
            at.out.table(&["BY", "NAME", "CONTENTS", "SIZE"], &rows)?;
        }
        Ok(Exit::Done)
    }
}

/// The shares of those that have a name, as an array of them or by name.
fn shares(answer: &Value, key: &str, by: &str) -> Vec<Vec<String>> {
    let share = |name: &str, share: &Value| {
        let of = |key| number(share, key).unwrap_or_default();
        let row = vec![by.to_owned(), name.to_owned(), of("tasks").to_string(), size(of("bytes"))];
        (!name.is_empty()).then_some(row)
    };
    match answer.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(|item| share(text(item, by), item)).collect(),
        Some(Value::Object(named)) => named.iter().filter_map(|(name, item)| share(name, item)).collect(),
        _ => Vec::new(),
    }
}
