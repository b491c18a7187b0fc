//! `list`: what is defined.

use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::{Map, Value};

/// List tasks: what they are and how many of them run
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler list
  hostler list 'web*'
  hostler list --json | jq 'keys'"
)]
pub(super) struct List {
    /// Names or globs; none: all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut all = tasks::all(&mut at.client).await?;
        if !self.names.is_empty() {
            let known: Vec<String> = all.keys().cloned().collect();
            let wanted = tasks::expand(&self.names, &known)?;
            if let Some(missing) = wanted.iter().find(|name| !all.contains_key(*name)) {
                return Err(tasks::unknown(missing));
            }
            all.retain(|name, _| wanted.contains(name));
        }
        if at.out.json() {
            at.out.value(&Value::Object(all))?;
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = all.iter().map(|(name, task)| row(name, task)).collect();
        at.out.table(&["NAME", "TYPE", "REPLICAS", "RUNNING", "COMMAND"], &rows)?;
        Ok(Exit::Done)
    }
}

fn row(name: &str, task: &Value) -> Vec<String> {
    let empty = Map::new();
    let task = task.as_object().unwrap_or(&empty);
    let field = |key: &str| task.get(key).map(word).unwrap_or_default();
    let kind = match field("cron") {
        cron if !cron.is_empty() && field("type") == "cron" => format!("cron {cron}"),
        _ => field("type"),
    };
    vec![name.to_owned(), kind, field("replica"), field("running"), command(task)]
}

/// The command on one line: as the shell gets it, or its words.
fn command(task: &Map<String, Value>) -> String {
    let words = task.get("argv").and_then(Value::as_array).filter(|words| !words.is_empty());
    match words {
        Some(words) => words.iter().map(word).collect::<Vec<_>>().join(" "),
        None => task.get("cmd").map(word).unwrap_or_default(),
    }
}
