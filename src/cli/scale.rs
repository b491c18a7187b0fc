//! `scale`: another number of replicas; only the difference is touched.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;

/// Change how many replicas a task has
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler scale web 4
  hostler scale 'worker-*' 2")]
pub(super) struct Scale {
    /// A name or a glob
    name: String,
    /// How many from now on
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    replicas: u32,
}

impl Scale {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let replicas = self.replicas;
        tasks::each(at, &[self.name], &format!("scaled to {replicas}:"), |name| {
            Call::post("/proc/scale").query("name", name).query("replica", replicas)
        })
        .await
    }
}
