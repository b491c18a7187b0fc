//! `dag run`: runs a stored DAG now.

use super::answer::of_dag;
use super::parameters::Parameters;
use super::submit::started;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::json;

/// Run a stored DAG now; prints the number of the run
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag run nightly
  hostler dag run nightly --param DIR=/srv/other --wait

DAGs are stored with `hostler dag schedule`. With --wait it is as with `hostler dag submit --wait`.")]
pub(super) struct Run {
    /// The name of the stored DAG
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    parameters: Parameters,
    /// Wait until the run is over
    #[arg(short, long)]
    wait: bool,
}

impl Run {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let body = json!({ "parameters": self.parameters.object()? });
        let answer = at.client.ask(Call::post(&of_dag(&self.name, "/run")).body(&body)).await?;
        started(at, &answer, self.wait).await
    }
}
