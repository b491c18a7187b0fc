//! `restart`: the same definition again, in new processes.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;

/// Stop tasks and start them again; a cron task runs now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler restart web
  hostler restart --wait 'web*'")]
pub(super) struct Restart {
    /// Come back when the old processes have ended
    #[arg(long)]
    wait: bool,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Restart {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let wait = self.wait;
        tasks::each(at, &self.names, "restarted", |name| tasks::waiting(Call::put("/proc").query("name", name), wait))
            .await
    }
}
