//! `project reset-failed`, `reclaim`, `hard-reset`: what is done to all tasks of a project at once.

use super::named::find;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use clap::Args;
use serde_json::Value;

/// Try every failed task of a project again
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hostler project reset-failed thumbnails

`hostler task requeue` does it for single tasks.")]
pub(super) struct ResetFailed {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

/// Take every task of a project back from its worker
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hostler project reclaim thumbnails

Every task that has not failed is free again. What their old workers release afterwards changes nothing.")]
pub(super) struct Reclaim {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

/// Throw away every task of a project, done or not
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler project hard-reset thumbnails --yes")]
pub(super) struct HardReset {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Mean it
    #[arg(long)]
    yes: bool,
}

impl ResetFailed {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        mend(at, &self.project, "reset_failed_tasks", "to be tried again").await
    }
}

impl Reclaim {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        mend(at, &self.project, "reclaim_assigned_tasks", "free").await
    }
}

impl HardReset {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if !self.yes {
            let what = "this throws away every task of the project: say --yes if that is meant";
            return Err(Problem::Misuse(what.to_owned()));
        }
        mend(at, &self.project, "hard_reset", "thrown away").await
    }
}

async fn mend(at: &mut Session, text: &str, route: &str, done: &str) -> Result<Exit, Problem> {
    let project = find(&mut at.client, text).await?;
    let content = at.client.content(Call::post(&format!("/project/{route}/{}", project.id))).await?;
    if at.out.json() {
        at.out.value(&content)?;
        return Ok(Exit::Done);
    }
    let count = content.get("affected_tasks").unwrap_or(&Value::Null);
    at.out.line(&plain(&format!("{} tasks of {} are {done}", word(count), project.name)))?;
    Ok(Exit::Done)
}
