//! `dag pause`: starts nothing more of a run.

use super::answer::{change, put};
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Start nothing more of a run; what runs goes on to its end
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hostler dag pause 7\n  hostler dag resume 7")]
pub(super) struct Pause {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
}

impl Pause {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        change(at, put(self.run, "PAUSED"), &format!("paused run {}", self.run)).await?;
        Ok(Exit::Done)
    }
}
