//! `events`: what changes, as it changes.

use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{Out, fields, plain, word};
use crate::cli::watch::Watch;
use crate::cli::why::clock;
use crate::cli::{Session, sse, tasks};
use clap::Args;
use serde_json::Value;

/// The event that stands for others, which the daemon no longer has.
const MISSED: &str = "missed";

/// Show what happens, as it happens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler events
  hostler events --name web
  hostler events --kind proc.run.exited --json | jq .data.exit_code")]
pub(super) struct Events {
    /// Only this kind, or all that begin like this: proc.run, or proc.run.exited
    #[arg(long, value_name = "K")]
    kind: Option<String>,
    /// Only what happens to this task
    #[arg(long, value_name = "N")]
    name: Option<String>,
}

impl Events {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut watch = Watch::open(&at.client, self.kind.as_deref(), self.name.as_deref()).await?;
        loop {
            let event = watch.next().await?;
            // One that says nothing tells only how far the stream has come, or that it was made anew.
            if !event.kind.is_empty() || !event.data.is_empty() {
                show(&at.out, &event)?;
            }
        }
    }
}

fn show(out: &Out, event: &sse::Event) -> Result<(), Problem> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_else(|_| Value::from(event.data.as_str()));
    if out.json() {
        return out.record(&data);
    }
    if event.kind == MISSED {
        return out.line("…  some events were missed: the daemon had been away, or this program too slow");
    }
    let field = |key: &str| data.get(key).map(word).unwrap_or_default();
    let at = tasks::moment(data.get("at")).map(clock).unwrap_or_default();
    let details = data.get("data").map(fields).unwrap_or_default();
    let told = details.iter().filter(|row| row.first().is_some_and(|name| !is_bulky(name)));
    let told: Vec<String> = told.map(|row| row.join("=")).collect();
    let line = format!("{at:19}  {}  {}  {}", event.kind, field("name"), told.join("  "));
    out.line(plain(&line).trim_end())
}

/// What a run used and where its output is: in the history, and with --json.
fn is_bulky(name: &str) -> bool {
    name.starts_with("rusage.") || name.starts_with("log.")
}
