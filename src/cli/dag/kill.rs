//! `dag kill`: ends a run, or one of its tasks.

use super::answer::{change, of_run, of_task};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;

/// Kill a run, or one of its tasks, which is then not tried again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag kill 7
  hostler dag kill 7 pack_3

What runs gets SIGTERM, and SIGKILL when it does not end. `hostler dag retry` starts again what is
not completed.")]
pub(super) struct Kill {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
    /// Only this task: the others go on, as far as they do not wait for it
    #[arg(value_name = "TASK")]
    task: Option<String>,
}

impl Kill {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let (path, what) = match &self.task {
            None => (of_run(self.run, ""), format!("run {}", self.run)),
            Some(task) => (of_task(self.run, task, ""), plain(&format!("{task} of run {}", self.run))),
        };
        change(at, Call::delete(&path), &format!("killed {what}")).await?;
        Ok(Exit::Done)
    }
}
