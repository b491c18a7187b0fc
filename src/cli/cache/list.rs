//! `cache list`: what the cache holds.

use super::{number, size, text};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, ValueEnum};
use serde_json::Value;

/// Contents in one answer.
const PAGE: usize = 500;

/// List what the cache holds, newest first
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler cache list
  hostler cache list --q alpine --state partial
  hostler cache list --all --json | jq -r '.[] | select(.pins == []) | .id'

`hostler cache stat URL` shows what there is of one address."
)]
pub(super) struct List {
    /// Only those with this in their address, tag or application
    #[arg(short, long, value_name = "TEXT")]
    q: Option<String>,
    /// Only those with this tag
    #[arg(long, value_name = "TEXT")]
    tag: Option<String>,
    /// Only those of this application
    #[arg(long, value_name = "TEXT")]
    application: Option<String>,
    /// Only those where this is so
    #[arg(long, value_enum)]
    state: Option<State>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, conflicts_with = "all")]
    limit: usize,
    /// All of them
    #[arg(short, long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Being fetched.
    Fetching,
    /// Not whole, and nobody fetches it.
    Partial,
    /// All of it is there.
    Complete,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Fetching => "fetching",
            State::Partial => "partial",
            State::Complete => "complete",
        }
    }
}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let limit = if self.all { usize::MAX } else { self.limit };
        let of_page = PAGE.min(limit).max(1);
        let mut tasks = Vec::new();
        let mut more = limit > 0;
        for page in 1.. {
            if !more || tasks.len() >= limit {
                break;
            }
            let call = Call::get("/oapi/v1/tasks")
                .maybe("q", self.q.as_ref())
                .maybe("tag", self.tag.as_ref())
                .maybe("application", self.application.as_ref())
                .maybe("state", self.state.map(State::word))
                .query("page", page)
                .query("per_page", of_page);
            let Value::Array(found) = at.client.ask(call).await? else { break };
            more = found.len() == of_page;
            tasks.extend(found);
        }
        more |= tasks.len() > limit;
        tasks.truncate(limit);
        if at.out.json() {
            at.out.value(&Value::Array(tasks))?;
            return Ok(Exit::Done);
        }
        table(at, &tasks)?;
        if more && !self.all {
            at.out.aside("there may be more: --all");
        }
        Ok(Exit::Done)
    }
}

/// Contents as a table.
pub(super) fn table(at: &Session, tasks: &[Value]) -> Result<(), Problem> {
    let rows: Vec<_> = tasks.iter().map(row).collect();
    at.out.table(&["ID", "STATE", "SIZE", "TAG", "URL"], &rows)
}

fn row(task: &Value) -> Vec<String> {
    let id = text(task, "id").to_owned();
    let cached = number(task, "cached_bytes").unwrap_or_default();
    let bytes = match (text(task, "state"), number(task, "content_length")) {
        ("complete", Some(length)) => size(length),
        (_, Some(length)) => format!("{} of {}", size(cached), size(length)),
        (_, None) => size(cached),
    };
    let pinned = task.get("pins").and_then(Value::as_array).is_some_and(|pins| !pins.is_empty());
    let state = format!("{}{}", text(task, "state"), if pinned { ", pinned" } else { "" });
    vec![id, state, bytes, text(task, "tag").to_owned(), text(task, "url").to_owned()]
}
