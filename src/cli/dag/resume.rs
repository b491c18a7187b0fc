//! `dag resume`: goes on with a run that is paused.

use super::answer::{change, only_if, put};
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Go on with a run that is paused
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hostler dag resume 7\n\nWhat has failed or was killed is started again by `hostler dag retry`."
)]
pub(super) struct Resume {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
}

impl Resume {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let run = self.run;
        only_if(at, run, &["PAUSED"]).await?;
        change(at, put(run, "QUEUED"), &format!("resumed run {run}")).await?;
        Ok(Exit::Done)
    }
}
