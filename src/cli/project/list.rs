//! `project list`: which queues there are.

use super::named::list;
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use clap::Args;
use serde_json::{Value, json};

/// List projects
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler project list
  hostler project list --json | jq -r '.projects[].name'"
)]
pub(super) struct List {}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let projects = list(&mut at.client).await?;
        if at.out.json() {
            at.out.value(&json!({ "projects": projects }))?;
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = projects.iter().map(row).collect();
        at.out.table(&["ID", "NAME", "PRIORITY", "VISIBILITY", "STATE", "CHAIN", "VERSION", "MESSAGE"], &rows)?;
        Ok(Exit::Done)
    }
}

fn row(project: &Value) -> Vec<String> {
    let field = |key: &str| project.get(key).map(word).unwrap_or_default();
    let state = if is(project, "paused") { "paused" } else { "open" };
    let chain = project.get("chain").and_then(Value::as_u64).filter(|next| *next > 0);
    let chain = chain.map(|next| next.to_string()).unwrap_or_default();
    let (id, name, priority) = (field("id"), field("name"), field("priority"));
    vec![id, name, priority, visibility(project).to_owned(), state.to_owned(), chain, field("version"), field("motd")]
}

fn is(project: &Value, key: &str) -> bool {
    project.get(key) == Some(&Value::Bool(true))
}

/// Who sees a project and who may be handed its tasks, in a word.
fn visibility(project: &Value) -> &'static str {
    match (is(project, "public"), is(project, "hidden")) {
        (true, _) => "public",
        (_, true) => "hidden",
        _ => "private",
    }
}
