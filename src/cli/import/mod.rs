//! `import`: takes over what another program has kept so far.
//!
//! `dump` reads the files of a task_tracker's database, `send` hands their rows to the daemon.

mod dump;
mod send;
mod tracker;

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};

/// Take over what another program has kept so far
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler import tracker /srv/dump --dry-run
  hostler import tracker /srv/dump"
)]
pub(super) struct Import {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Tracker(tracker::Tracker),
}

impl Import {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Tracker(verb) => verb.run(at).await,
        }
    }
}
