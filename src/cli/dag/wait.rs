//! `dag wait`: comes back to a run, until it is over.

use super::progress;
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Wait until a run is over; exits 0 only when it is COMPLETED
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag wait 7
  hostler dag wait 7 && hostler dag purge 7

Shows how far the run has come, on a terminal as a bar. Ctrl-C leaves the run alone.")]
pub(super) struct Wait {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
}

impl Wait {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        progress::until_over(at, self.run).await
    }
}
