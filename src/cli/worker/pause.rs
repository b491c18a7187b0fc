//! `worker pause`, `worker resume`: whether workers are handed tasks.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::json;

/// Hand no more tasks to workers; those they hold they may finish
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler worker pause 7 8")]
pub(super) struct Pause {
    /// Their numbers, from `hostler worker list`
    #[arg(value_name = "WORKER", required = true)]
    workers: Vec<u32>,
}

/// Hand tasks to workers again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler worker resume 7 8")]
pub(super) struct Resume {
    /// Their numbers, from `hostler worker list`
    #[arg(value_name = "WORKER", required = true)]
    workers: Vec<u32>,
}

impl Pause {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        set(at, self.workers, true, "paused").await
    }
}

impl Resume {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        set(at, self.workers, false, "resumed").await
    }
}

async fn set(at: &mut Session, workers: Vec<u32>, paused: bool, done: &str) -> Result<Exit, Problem> {
    for worker in workers {
        let body = json!({ "worker": worker, "paused": paused });
        at.client.content(Call::post("/worker/set_paused").body(&body)).await?;
        match at.out.json() {
            true => at.out.record(&json!({ "worker": worker, "done": done }))?,
            false => at.out.line(&format!("{done} worker {worker}"))?,
        }
    }
    Ok(Exit::Done)
}
