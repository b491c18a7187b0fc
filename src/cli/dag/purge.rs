//! `dag purge`: forgets a run.

use super::answer::{change, of_run};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Forget a run that is over, with all that its tasks have written
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler dag purge 7")]
pub(super) struct Purge {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
}

impl Purge {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let call = Call::delete(&of_run(self.run, "")).query("purge", 1);
        change(at, call, &format!("purged run {}", self.run)).await?;
        Ok(Exit::Done)
    }
}
