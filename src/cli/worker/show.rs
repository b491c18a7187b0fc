//! `worker show`: one worker.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::tasks::moment;
use crate::cli::why::clock;
use clap::Args;
use serde_json::Value;

/// Show a worker; its secret only with --json, and to tracker admins
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler worker show 7
  hostler worker show 7 --json > worker.json")]
pub(super) struct Show {
    /// Its number, from `hostler worker list`
    #[arg(value_name = "WORKER")]
    worker: u32,
}

impl Show {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let content = at.client.content(Call::get(&format!("/worker/get/{}", self.worker))).await?;
        let worker = content.get("worker").unwrap_or(&Value::Null);
        if at.out.json() {
            at.out.value(worker)?;
            return Ok(Exit::Done);
        }
        let field = |key: &str| worker.get(key).map(word).unwrap_or_default();
        let since = moment(worker.get("created")).map(clock).unwrap_or_default();
        let state = if worker.get("paused") == Some(&Value::Bool(true)) { "paused" } else { "open" };
        at.out.table(
            &["ID", "ALIAS", "CREATED", "STATE"],
            &[vec![field("id"), field("alias"), since, state.to_owned()]],
        )?;
        Ok(Exit::Done)
    }
}
