//! `stop`: tasks end and stay stopped, also over a reboot.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;

/// Stop tasks; they stay listed and stay stopped, also over a reboot
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler stop web
  hostler stop --wait 'worker-*'

Each process group gets the task's stop signal and, after its stop time-out, KILL.")]
pub(super) struct Stop {
    /// Come back when the last of their processes has ended
    #[arg(long)]
    wait: bool,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Stop {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let wait = self.wait;
        tasks::each(at, &self.names, "stopped", |name| {
            tasks::waiting(Call::post("/proc/stop").query("name", name), wait)
        })
        .await
    }
}
