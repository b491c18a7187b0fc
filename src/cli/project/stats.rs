//! `project stats`: how a queue has developed.

use super::named::find;
use crate::base::{Now, Wall, duration};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::tasks::moment;
use crate::cli::why::clock;
use clap::Args;
use serde_json::Value;
use std::time::Duration;

/// Show how a project's queue has developed, newest first
#[derive(Debug, Args)]
#[command(
    visible_alias = "monitoring",
    after_help = "\
Examples:
  hostler project stats thumbnails
  hostler project stats thumbnails -n 200
  hostler project stats thumbnails --since 1d --json

The daemon takes a sample every `tracker.snapshot_interval`."
)]
pub(super) struct Stats {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// The newest so many samples
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..1000), conflicts_with = "since")]
    limit: u16,
    /// All of the last so much time
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    since: Option<Duration>,
}

impl Stats {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let call = match self.since {
            None => Call::get(&format!("/project/monitoring/{}", project.id)).query("count", self.limit),
            Some(since) => {
                let now = Now::read().wall.timestamp();
                let since = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
                let call = Call::get(&format!("/project/monitoring-between/{}", project.id));
                call.query("from", now.saturating_sub(since).max(1)).query("to", now)
            }
        };
        let content = at.client.content(call).await?;
        if at.out.json() {
            at.out.value(&content)?;
            return Ok(Exit::Done);
        }
        let samples = content.get("snapshots").and_then(Value::as_array).into_iter().flatten();
        let rows: Vec<Vec<String>> = samples.map(row).collect();
        at.out.table(&["TIME", "NEW", "FAILED", "CLOSED", "VOTES", "WORKERS"], &rows)?;
        Ok(Exit::Done)
    }
}

fn row(sample: &Value) -> Vec<String> {
    let field = |key: &str| sample.get(key).map(word).unwrap_or_default();
    let time: Option<Wall> = moment(sample.get("time_stamp"));
    let mut row = vec![time.map(clock).unwrap_or_default()];
    let counts = ["new_task_count", "failed_task_count", "closed_task_count", "awaiting_verification_count"];
    row.extend(counts.into_iter().chain(["worker_access_count"]).map(field));
    row
}
