//! `start`: tasks that are stopped or finished.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;

/// Start tasks that are stopped or finished
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler start web
  hostler start 'web*' db")]
pub(super) struct Start {
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Start {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        tasks::each(at, &self.names, "started", |name| Call::post("/proc/start").query("name", name)).await
    }
}
