//! `worker create`, `worker rename`: machine accounts, for worker programs of one's own.

use super::identity::Identity;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Register a worker; prints its number and its secret, which is not shown again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler worker create crawler-a > crawler-a.json
  hostler worker create crawler-a --identity crawler-a.json

`hostler worker run` registers its worker by itself.")]
pub(super) struct Create {
    /// What it calls itself; need not be unique
    #[arg(value_name = "ALIAS")]
    alias: Option<String>,
    /// A new file to write it to, instead of showing it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Let a worker call itself something else
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler worker rename crawler-b --identity crawler-a.json")]
pub(super) struct Rename {
    /// What it is to call itself
    #[arg(value_name = "ALIAS")]
    alias: String,
    /// The file with its number and secret
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

impl Create {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if let Some(file) = self.identity.as_ref().filter(|file| file.exists()) {
            return Err(Problem::Misuse(format!("{} is there already: a worker may be in it", file.display())));
        }
        let body = json!({ "alias": self.alias.unwrap_or_default() });
        let content = at.client.content(Call::post("/worker/create").body(&body)).await?;
        let identity = Identity::of(&content)?;
        match self.identity {
            Some(file) => {
                identity.write(&file)?;
                match at.out.json() {
                    true => at.out.value(&json!({ "id": identity.id, "alias": identity.alias }))?,
                    false => at.out.line(&plain(&format!("worker {} is in {}", identity.id, file.display())))?,
                }
            }
            None => at.out.record(&content.get("worker").cloned().unwrap_or(Value::Null))?,
        }
        Ok(Exit::Done)
    }
}

impl Rename {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut identity = Identity::read(&self.identity)?;
        let call = Call::post("/worker/update").body(&json!({ "alias": self.alias }));
        at.client.content(identity.sign(call)).await?;
        identity.alias = self.alias;
        identity.write(&self.identity)?;
        match at.out.json() {
            true => at.out.value(&json!({ "id": identity.id, "alias": identity.alias }))?,
            false => at.out.line(&plain(&format!("worker {} is {} now", identity.id, identity.alias)))?,
        }
        Ok(Exit::Done)
    }
}
