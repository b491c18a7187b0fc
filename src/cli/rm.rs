//! `rm`: tasks end and are forgotten.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;

/// Stop tasks and forget them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler rm web
  hostler rm --wait 'job-*'

`hostler stop` stops a task and keeps it.")]
pub(super) struct Rm {
    /// Come back when the last of their processes has ended
    #[arg(long)]
    wait: bool,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Rm {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let wait = self.wait;
        tasks::each(at, &self.names, "removed", |name| tasks::waiting(Call::delete("/proc").query("name", name), wait))
            .await
    }
}
