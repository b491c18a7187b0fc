//! `status`: how tasks are; its exit code says whether all is well.

use crate::base::Now;
use crate::cli::exit::{Exit, Problem};
use crate::cli::tasks::{self, Task};
use crate::cli::{Session, out::word};
use clap::Args;
use serde_json::Value;

/// Show how tasks are; exits 1 when one of them is down
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler status
  hostler status web 'worker-*'
  hostler status --replicas web
  hostler status >/dev/null || echo something is down")]
pub(super) struct Status {
    /// A line for each replica instead of each task
    #[arg(short, long)]
    replicas: bool,
    /// Names or globs; none: all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Status {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let names = match self.names.is_empty() {
            true => tasks::all(&mut at.client).await?.into_iter().map(|(name, _)| name).collect(),
            false => tasks::resolve(&mut at.client, &self.names).await?,
        };
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match Task::get(&mut at.client, &name).await? {
                Some(task) => found.push((name, task)),
                // Listed a moment ago and removed since.
                None if self.names.is_empty() => {}
                None => return Err(tasks::unknown(&name)),
            }
        }
        let exit = if found.iter().any(|(_, task)| task.is_down()) { Exit::Unhealthy } else { Exit::Done };
        if at.out.json() {
            at.out.value(&found.into_iter().map(|(_, task)| task.0).collect())?;
            return Ok(exit);
        }
        let rows: Vec<Vec<String>> = match self.replicas {
            true => {
                found.iter().flat_map(|(name, task)| task.replicas().iter().map(move |one| line(name, one))).collect()
            }
            false => found.iter().map(|(name, task)| summary(name, task)).collect(),
        };
        let first = if self.replicas { "REPLICA" } else { "NAME" };
        let second = if self.replicas { "RUN" } else { "READY" };
        at.out.table(&[first, "STATE", second, "PID", "SINCE", "RESTARTS", "REASON"], &rows)?;
        Ok(exit)
    }
}

/// One task in one line: the pids of a few, the time of the latest change, the restarts of all.
fn summary(name: &str, task: &Task) -> Vec<String> {
    let replicas = task.replicas();
    let pids = task.pids();
    let shown = match pids.as_slice() {
        [first, .., last] if pids.len() > 3 => format!("{first}…{last}"),
        few => few.iter().map(i64::to_string).collect::<Vec<_>>().join(" "),
    };
    let restarts: u64 = replicas.iter().filter_map(|replica| replica.get("restarts")?.as_u64()).sum();
    // What is not well comes first, and it is that whose time and reason a person looks for.
    let (down, well): (Vec<_>, Vec<_>) = replicas.iter().partition(|replica| tasks::is_down(replica));
    let told = if down.is_empty() { &well } else { &down };
    let latest = told.iter().filter_map(|replica| tasks::moment(replica.get("since"))).max();
    let since = latest.map(|since| tasks::age(since, Now::read().wall)).unwrap_or_default();
    let mut reasons = told.iter().filter_map(|replica| replica.get("reason").map(word));
    let reason = reasons.find(|reason| !reason.is_empty()).unwrap_or_default();
    let ready = format!("{}/{}", task.ready(), replicas.len());
    vec![name.to_owned(), task.state().to_owned(), ready, shown, since, restarts.to_string(), reason]
}

fn line(name: &str, replica: &Value) -> Vec<String> {
    let field = |key: &str| replica.get(key).map(word).unwrap_or_default();
    let since = tasks::moment(replica.get("since"));
    let since = since.map(|since| tasks::age(since, Now::read().wall)).unwrap_or_default();
    let alias = format!("{name}:{}", field("replica"));
    vec![alias, field("state"), field("run"), field("pid"), since, field("restarts"), field("reason")]
}
