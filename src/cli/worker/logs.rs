//! `worker logs`: what workers have logged.

use crate::base::{Now, duration};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::tasks::moment;
use crate::cli::why::clock;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::time::Duration;

/// Show what workers have logged
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler worker logs
  hostler worker logs --level error --since 1d

`hostler worker run` logs what its commands print as info, and what they complain of as error.")]
pub(super) struct Logs {
    /// Of this level, and no other
    #[arg(long, value_enum, default_value_t = Level::Info)]
    level: Level,
    /// Of the last so much time
    #[arg(long, value_name = "D", value_parser = duration::parse, default_value = "1h")]
    since: Duration,
}

/// In the API's numbers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error = 3,
    Warn = 4,
    Info = 5,
    Trace = 7,
}

impl Logs {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let ago = i64::try_from(self.since.as_secs()).unwrap_or(i64::MAX);
        let since = Now::read().wall.timestamp().saturating_sub(ago).max(1);
        let body = json!({ "level": self.level as i64, "since": since });
        let content = at.client.content(Call::post("/logs").body(&body)).await?;
        if at.out.json() {
            at.out.value(&content)?;
            return Ok(Exit::Done);
        }
        for entry in content.get("logs").and_then(Value::as_array).into_iter().flatten() {
            at.out.line(&line(entry))?;
        }
        Ok(Exit::Done)
    }
}

/// When, who, about what, and what: each line of a message on a line of its own, below its head.
fn line(entry: &Value) -> String {
    let data: Value =
        entry.get("data").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let when = moment(entry.get("timestamp")).map(clock).unwrap_or_default();
    let of = |key: &str| data.get(key).map(word).unwrap_or_default();
    let message = entry.get("message").and_then(Value::as_str).unwrap_or_default();
    let head = format!("{when} worker {} {}:", of("worker"), of("scope"));
    let lines: Vec<String> = message.lines().map(plain).collect();
    match lines.as_slice() {
        [one] => format!("{} {one}", plain(&head)),
        many => format!("{}\n    {}", plain(&head), many.join("\n    ")),
    }
}
