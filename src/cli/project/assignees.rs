//! `project assignees`: who holds how many tasks.

use super::named::find;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use clap::Args;
use serde_json::Value;

/// Show who holds how many tasks of a project; nobody's are `unassigned`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler project assignees thumbnails")]
pub(super) struct Assignees {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

impl Assignees {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let content = at.client.content(Call::get(&format!("/project/assignees/{}", project.id))).await?;
        if at.out.json() {
            at.out.value(&content)?;
            return Ok(Exit::Done);
        }
        let listed = content.get("assignees").and_then(Value::as_array).into_iter().flatten();
        let field = |row: &Value, key: &str| row.get(key).map(word).unwrap_or_default();
        let rows: Vec<Vec<String>> = listed.map(|row| vec![field(row, "assignee"), field(row, "task_count")]).collect();
        at.out.table(&["ASSIGNEE", "TASKS"], &rows)?;
        Ok(Exit::Done)
    }
}
