//! `task show`: one task.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::tasks::moment;
use crate::cli::why::clock;
use clap::Args;
use serde_json::Value;

/// Show a task: what it is, where it stands, why it failed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler task show 12
  hostler task show 12 --json | jq -r .recipe")]
pub(super) struct Show {
    /// Its number
    #[arg(value_name = "ID")]
    task: u64,
}

impl Show {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let content = at.client.content(Call::get(&format!("/task/{}", self.task))).await?;
        let task = content.get("task").unwrap_or(&content);
        if at.out.json() {
            at.out.value(task)?;
            return Ok(Exit::Done);
        }
        at.out.table(&["FIELD", "VALUE"], &rows(task))?;
        Ok(Exit::Done)
    }
}

/// A field as a cell of a table.
pub(super) fn cell(task: &Value, key: &str) -> String {
    task.get(key).map(word).unwrap_or_default()
}

/// Where it stands, in a word.
pub(super) fn standing(task: &Value) -> &'static str {
    let held = task.get("assignee").and_then(Value::as_u64).is_some_and(|worker| worker > 0);
    match task.get("status").and_then(Value::as_u64) {
        Some(2) => "failed",
        _ if held => "held",
        _ => "free",
    }
}

fn rows(task: &Value) -> Vec<Vec<String>> {
    let time =
        |value: Option<&Value>| moment(value.filter(|at| at.as_f64() != Some(0.0))).map(clock).unwrap_or_default();
    let project = task.get("project");
    let project = match project.and_then(|project| project.get("name")) {
        Some(name) => word(name),
        None => project.map(word).unwrap_or_default(),
    };
    let mut rows = vec![
        ("id", cell(task, "id")),
        ("project", project),
        ("state", standing(task).to_owned()),
        ("priority", cell(task, "priority")),
        ("retries", format!("{} of {}", cell(task, "retries"), cell(task, "max_retries"))),
        ("votes", votes(task)),
        ("hash", Some(cell(task, "hash")).filter(|hash| hash != "0").unwrap_or_default()),
        ("not before", time(task.get("not_before"))),
    ];
    if standing(task) == "held" {
        rows.push(("worker", cell(task, "assignee")));
        rows.push(("worker pid", cell(task, "worker_pid")));
        rows.push(("since", time(task.get("assign_time"))));
        rows.push(("until", time(task.get("expires"))));
    }
    if let Some(failure) = task.get("failure").filter(|failure| failure.is_object()) {
        rows.push(("last failure", time(failure.get("at"))));
        rows.push(("of worker", cell(failure, "worker")));
        rows.push(("because", cell(failure, "reason")));
    }
    rows.push(("recipe", cell(task, "recipe")));
    let told = rows.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(key, value)| vec![key.to_owned(), value]).collect()
}

/// `2 of 3`, where more than one result is wanted.
fn votes(task: &Value) -> String {
    let wanted = task.get("verification_count").and_then(Value::as_i64).unwrap_or(1);
    let votes = match task.get("votes") {
        Some(Value::Array(votes)) => votes.len().to_string(),
        Some(votes) => word(votes),
        None => "0".to_owned(),
    };
    if wanted > 1 { format!("{votes}, {wanted} equal ones wanted") } else { String::new() }
}
