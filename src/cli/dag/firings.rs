//! `dag firings`: when a stored DAG has run, and when it will.

use super::answer::{cell, moment, of_dag, time};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::why::clock;
use clap::Args;
use serde_json::Value;

/// Show when a stored DAG has been due, and when it will be
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag firings nightly
  hostler dag firings nightly --json | jq .next[0]")]
pub(super) struct Firings {
    /// The name of the stored DAG
    #[arg(value_name = "NAME")]
    name: String,
}

impl Firings {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let answer = at.client.ask(Call::get(&of_dag(&self.name, "/firings"))).await?;
        if at.out.json() {
            at.out.value(&answer)?;
            return Ok(Exit::Done);
        }
        let list = |key: &str| answer.get(key).and_then(Value::as_array).into_iter().flatten();
        let next = list("next").map(|due| vec![moment(Some(due)).map(clock).unwrap_or_default(), "due".to_owned()]);
        let rows: Vec<Vec<String>> = list("past").map(past).chain(next).collect();
        at.out.table(&["TIME", "WHAT", "RUN"], &rows)?;
        Ok(Exit::Done)
    }
}

/// One that was due, or several in a row that came to the same.
fn past(firing: &Value) -> Vec<String> {
    let what = match firing.get("count").and_then(Value::as_u64) {
        Some(count) if count > 1 => format!("{} {count} times, until {}", cell(firing, "what"), time(firing, "last")),
        _ => cell(firing, "what"),
    };
    vec![time(firing, "time"), what, cell(firing, "runID")]
}
