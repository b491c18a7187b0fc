//! `task rm`, `task requeue`: what is done to single tasks by hand.

use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::json;

/// Throw tasks away, done or not
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler task rm 12 15")]
pub(super) struct Rm {
    /// Their numbers
    #[arg(value_name = "ID", required = true)]
    tasks: Vec<u64>,
}

/// Try failed tasks again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler task requeue 12 15
  hostler task list thumbnails --status failed --json | jq '.tasks[].id' | xargs hostler task requeue

`hostler project reset-failed` does it for all of a project.")]
pub(super) struct Requeue {
    /// Their numbers
    #[arg(value_name = "ID", required = true)]
    tasks: Vec<u64>,
}

impl Rm {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        each(at, &self.tasks, "removed", |task| Call::delete(&format!("/task/{task}"))).await
    }
}

impl Requeue {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        each(at, &self.tasks, "requeued", |task| Call::post("/task/requeue").body(&json!({ "task_id": task }))).await
    }
}

/// What one refuses does not keep the others from it.
async fn each(at: &mut Session, tasks: &[u64], done: &str, call: impl Fn(u64) -> Call) -> Result<Exit, Problem> {
    let mut worst = Exit::Done;
    for task in tasks {
        match at.client.content(call(*task)).await {
            Ok(_) if at.out.json() => at.out.record(&json!({ "id": task, "done": done }))?,
            Ok(_) => at.out.line(&format!("{done} {task}"))?,
            Err(error @ CallError::Refused { .. }) => {
                worst = worst.worse(error.exit());
                match at.out.json() {
                    true => at.out.record(&json!({ "id": task, "error": error.to_string() }))?,
                    false => at.out.failure(&format!("task {task}: {error}"), error.exit()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(worst)
}
