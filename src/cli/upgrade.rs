//! `upgrade`: a new binary takes over the running daemon; what it supervises notices nothing.

use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::watch::{Watch, patiently};
use clap::Args;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// The self-check and the start of the new core together take seconds.
const TAKES_AT_MOST: Duration = Duration::from_secs(60);
/// The event that says that the new binary has failed its self-check.
const REFUSED: &str = "hostler.upgrade.refused";

/// Put a new binary in place of the running daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler upgrade
  hostler upgrade --binary /opt/hostler-2/hostler

The new binary first checks itself against configuration, the certificates and addresses that it
names, store and what runs. If that fails, the old one goes on, the daemon's log says why, and the
exit code is 1. What the daemon supervises goes on in any case.")]
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
        let mut watch = Watch::open(&at.client, Some("hostler"), None).await?;
        let before = at.client.ask(status()).await?;
        match at.client.ask(Call::post("/hostler/v1/upgrade").body(&ask)).await {
            Err(CallError::Refused { status: StatusCode::CONFLICT, message }) => return Err(refused(&message)),
            // The core that answers is replaced, and its answer may be lost: the next core is what counts.
            Ok(_) | Err(CallError::Lost { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let taken = tokio::time::timeout(TAKES_AT_MOST, taken_over(at, &mut watch, &before)).await;
        let late = |_| Problem::Late("the new binary has not taken over in time: the daemon's log says why".to_owned());
        let after = taken.map_err(late)??;
        match at.out.json() {
            true => at.out.value(&after)?,
            false => {
                at.out.line(&format!("upgraded to {}", plain(&after.get("version").map(word).unwrap_or_default())))?
            }
        }
        Ok(Exit::Done)
    }
}

fn refused(reason: &str) -> Problem {
    Problem::InVain(format!("the new binary was refused, the old one goes on: {reason}"))
}

fn status() -> Call {
    Call::get("/hostler/v1/status")
}

/// Waits for a core of another pid, which the loss of the event stream announces; its status.
async fn taken_over(at: &mut Session, watch: &mut Watch, before: &Value) -> Result<Value, Problem> {
    loop {
        let event = watch.next().await?;
        if event.kind == REFUSED {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            let reason = data.get("data").and_then(|data| data.get("reason")).map(word).unwrap_or_default();
            return Err(refused(&reason));
        }
        let client = &mut at.client;
        let now = patiently(async || client.ask(status()).await).await?;
        if now.get("core_pid") != before.get("core_pid") {
            return Ok(now);
        }
    }
}
