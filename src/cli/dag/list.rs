//! `dag list`: which runs there are.

use super::answer::{Counts, cell, moment, time};
use crate::base::Now;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::Value;

/// List runs, without completed ones unless asked for
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler dag list
  hostler dag list --all --limit 20
  hostler dag list --state errored --tag nightly
  hostler dag list --json | jq '.[].runID'"
)]
pub(super) struct List {
    /// Completed ones too
    #[arg(short, long)]
    all: bool,
    /// Only those in this state: queued, running, paused, errored, killed, completed
    #[arg(long, value_name = "S")]
    state: Option<String>,
    /// Only those with this label
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    /// Only the newest so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u32>,
}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let call = Call::get("/v1/dagruns")
            .maybe("all", self.all.then_some(1))
            .maybe("state", self.state.as_ref())
            .maybe("tag", self.tag.as_ref())
            .maybe("limit", self.limit);
        let answer = at.client.ask(call).await?;
        if at.out.json() {
            at.out.value(&answer)?;
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = answer.as_array().into_iter().flatten().map(row).collect();
        at.out.table(&["RUN", "TAG", "STATE", "DONE", "RUNNING", "FAILED", "STARTED", "CHANGED"], &rows)?;
        Ok(Exit::Done)
    }
}

fn row(run: &Value) -> Vec<String> {
    let counts = Counts::of(run);
    let changed = moment(run.get("lastUpdate")).map(|then| format!("{} ago", tasks::age(then, Now::read().wall)));
    vec![
        cell(run, "runID"),
        cell(run, "tag"),
        cell(run, "state"),
        format!("{}/{}", counts.done, counts.total),
        counts.running.to_string(),
        counts.failed.to_string(),
        time(run, "startTime"),
        changed.unwrap_or_default(),
    ]
}
