//! `task list`: the tasks of a project.

use super::show::{cell, standing};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::project::find;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Tasks in one answer.
const PAGE: usize = 500;
/// A recipe in a table is cut after so many characters.
const SHOWN: usize = 60;

/// List the tasks of a project, oldest first
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler task list thumbnails
  hostler task list thumbnails --status failed
  hostler task list thumbnails --all --json | jq -r '.tasks[].recipe'

Tasks that are done are gone, and not listed."
)]
pub(super) struct List {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Only those where this is so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, conflicts_with = "all")]
    limit: usize,
    /// All of them
    #[arg(short, long)]
    all: bool,
    /// Only those with higher numbers
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    /// Nobody holds it, and it has not failed.
    Free,
    /// A worker holds it.
    Held,
    /// It has failed for good.
    Failed,
    /// It has not failed, held or not.
    New,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Free => "free",
            Status::Held => "held",
            Status::Failed => "failed",
            Status::New => "new",
        }
    }
}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let limit = if self.all { usize::MAX } else { self.limit };
        let (mut tasks, mut after) = (Vec::new(), self.after);
        while tasks.len() < limit {
            let call = Call::get(&format!("/project/tasks/{}", project.id))
                .query("limit", PAGE.min(limit - tasks.len()))
                .maybe("status", self.status.map(Status::word))
                .maybe("after", after);
            let mut content = at.client.content(call).await?;
            if let Some(Value::Array(page)) = content.get_mut("tasks").map(Value::take) {
                tasks.extend(page);
            }
            let next = content.get("next").and_then(Value::as_u64);
            // A page may be empty where many were passed over; one that leads nowhere is the last.
            if next.is_none() || next <= after {
                after = None;
                break;
            }
            after = next;
        }
        if at.out.json() {
            at.out.value(&json!({ "tasks": tasks, "next": after }))?;
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = tasks.iter().map(row).collect();
        at.out.table(&["ID", "STATE", "PRIORITY", "RETRIES", "WORKER", "RECIPE"], &rows)?;
        if let Some(after) = after {
            at.out.aside(&format!("there may be more: --all, or --after {after}"));
        }
        Ok(Exit::Done)
    }
}

fn row(task: &Value) -> Vec<String> {
    let recipe = cell(task, "recipe");
    let mut short: String = recipe.chars().take(SHOWN).collect();
    if short.len() < recipe.len() {
        short.push('…');
    }
    let worker = task.get("assignee").and_then(Value::as_u64).filter(|worker| *worker > 0);
    let retries = format!("{}/{}", cell(task, "retries"), cell(task, "max_retries"));
    let worker = worker.map(|worker| worker.to_string()).unwrap_or_default();
    vec![cell(task, "id"), standing(task).to_owned(), cell(task, "priority"), retries, worker, short]
}
