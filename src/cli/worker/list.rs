//! `worker list`: who works, and how much.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use clap::Args;
use serde_json::Value;

/// List workers, with how many tasks each has done
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler worker list
  hostler worker list --json | jq '.stats[] | select(.paused)'"
)]
pub(super) struct List {}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let content = at.client.content(Call::get("/worker/stats")).await?;
        if at.out.json() {
            at.out.value(&content)?;
            return Ok(Exit::Done);
        }
        let mut workers: Vec<&Value> = content.get("stats").and_then(Value::as_array).into_iter().flatten().collect();
        workers.sort_by_key(|worker| worker.get("id").and_then(Value::as_u64));
        let field = |worker: &Value, key: &str| worker.get(key).map(word).unwrap_or_default();
        let row = |worker: &&Value| {
            let state = if worker.get("paused") == Some(&Value::Bool(true)) { "paused" } else { "open" };
            vec![field(worker, "id"), field(worker, "alias"), field(worker, "closed_task_count"), state.to_owned()]
        };
        let rows: Vec<Vec<String>> = workers.iter().map(row).collect();
        at.out.table(&["ID", "ALIAS", "DONE", "STATE"], &rows)?;
        Ok(Exit::Done)
    }
}
