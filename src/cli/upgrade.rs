//! `upgrade`: a new binary takes over the running daemon; what it supervises notices nothing.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::fields;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Put a new binary in place of the running daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler upgrade
  hostler upgrade --binary /opt/hostler-2/hostler

The new binary first checks itself against configuration, store and what runs. If it refuses, the old one goes on.
What the daemon supervises goes on in any case.")]
pub(super) struct Upgrade {
    /// The new binary [default: the path the daemon was started by]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

impl Upgrade {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut ask = json!({});
        if let Some(binary) = &self.binary {
            let whole = std::fs::canonicalize(binary)
                .map_err(|error| Problem::Misuse(format!("no binary {}: {error}", binary.display())))?;
            let text = whole.to_str().ok_or_else(|| Problem::Misuse(format!("{} is not UTF-8", whole.display())))?;
            ask["binary"] = Value::from(text);
        }
        let answer = at.client.ask(Call::post("/hostler/v1/upgrade").body(&ask).patient()).await?;
        match at.out.json() {
            true => at.out.value(&answer)?,
            false => at.out.table(&["WHAT", "VALUE"], &fields(&answer))?,
        }
        Ok(Exit::Done)
    }
}
