//! `ep`: where an account's data can be reached.

use crate::cli::Session;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::id::acting;
use crate::cli::out::{plain, word};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Show or set where an account's data can be reached
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler ep
  hostler ep alice
  hostler ep set https://data.example:35800
  hostler ep alice rm

Listed are the addresses that were set, then those that this host listens on, then those that the
account's other hosts have reported lately. For an account that is called like a verb: --as NAME.")]
pub(super) struct Ep {
    /// Whose [default: your own]
    #[arg(value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Set the addresses, in place of those that were set
    #[command(after_help = "Example:\n  hostler ep set https://data.example:35800 http://198.51.100.7:35800")]
    Set {
        /// http://HOST:PORT or https://HOST:PORT; at most eight
        #[arg(value_name = "URL", required = true)]
        urls: Vec<String>,
    },
    /// Remove the addresses that were set; those that this host listens on stay
    #[command(after_help = "Example:\n  hostler ep rm")]
    Rm,
}

impl Ep {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let user = self.user.as_deref();
        match &self.verb {
            Some(Verb::Set { urls }) => {
                let call = Call::post("/api/ep").body(&json!({ "entrypoint": urls }));
                acting(at, user)?.ask(call).await?;
            }
            Some(Verb::Rm) => {
                acting(at, user)?.ask(Call::delete("/api/ep")).await?;
            }
            None => {}
        }
        let answer = match user {
            Some(user) => at.client.data(Call::get(&format!("/api/users/{}", segment(user)))).await?,
            None => at.client.data(Call::get("/api/daemon/status")).await?,
        };
        let entries = answer.get("entrypoint").cloned().unwrap_or_else(|| json!([]));
        if at.out.json() {
            at.out.value(&json!({ "entrypoint": entries }))?;
            return Ok(Exit::Done);
        }
        for entry in entries.as_array().map(Vec::as_slice).unwrap_or_default() {
            at.out.line(&plain(&word(entry)))?;
        }
        if entries.as_array().is_none_or(Vec::<Value>::is_empty) {
            at.out.aside("none: `hostler ep set URL` sets one, hub.entry_listen in the configuration another");
        }
        Ok(Exit::Done)
    }
}
