//! `dag retry`: starts again what a run has not completed.

use super::answer::{change, only_if, put};
use super::progress;
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Run again what a run that has failed or was killed has not completed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag retry 7
  hostler dag edit 7 fetch_0 --job better.yaml && hostler dag retry 7 --wait

Completed tasks are kept. The others get all their attempts again.")]
pub(super) struct Retry {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
    /// Wait until the run is over
    #[arg(short, long)]
    wait: bool,
}

impl Retry {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let run = self.run;
        only_if(at, run, &["ERRORED", "KILLED"]).await?;
        change(at, put(run, "QUEUED"), &format!("restarted run {run}")).await?;
        if self.wait { progress::until_over(at, run).await } else { Ok(Exit::Done) }
    }
}
