//! `events`: what changes, as it changes.

use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{Out, plain, word};
use crate::cli::watch::Watch;
use crate::cli::why::clock;
use crate::cli::{Session, sse, tasks};
use clap::Args;
use serde_json::Value;

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
    let field = |key: &str| data.get(key).map(word).unwrap_or_default();
    let at = tasks::moment(data.get("at")).map(clock).unwrap_or_default();
    let details = data.get("data").filter(|details| !details.is_null()).map(word).unwrap_or_default();
    let line = format!("{at:19}  {}  {}  {details}", event.kind, field("name"));
    out.line(plain(&line).trim_end())
}
