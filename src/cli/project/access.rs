//! `project access`: which workers may use a project.

use super::named::find;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Decide which workers may use a project
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler project access list thumbnails
  hostler project access grant thumbnails 7
  hostler project access reject thumbnails 7

A worker asks by itself (`hostler worker run` does) or by `hostler worker request`; granting gives it what
it asked for. Rejecting also takes back what was granted. What managers may do is `hostler project role`."
)]
pub(super) struct Access {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List who has access and who asks for it
    #[command(visible_alias = "ls", after_help = "Example:\n  hostler project access list thumbnails")]
    List {
        /// Name or number
        #[arg(value_name = "PROJECT")]
        project: String,
    },
    /// Give workers what they have asked for
    #[command(after_help = "Example:\n  hostler project access grant thumbnails 7 8")]
    Grant(Decision),
    /// Refuse workers what they have asked for, or take it back
    #[command(after_help = "Example:\n  hostler project access reject thumbnails 7")]
    Reject(Decision),
}

#[derive(Debug, Args)]
struct Decision {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Numbers of workers, from `hostler project access list`
    #[arg(value_name = "WORKER", required = true)]
    workers: Vec<u32>,
}

impl Access {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::List { project } => list(at, &project).await?,
            Verb::Grant(decision) => decision.carry_out(at, "accept_request", "granted").await?,
            Verb::Reject(decision) => decision.carry_out(at, "reject_request", "rejected").await?,
        }
        Ok(Exit::Done)
    }
}

async fn list(at: &mut Session, project: &str) -> Result<(), Problem> {
    let project = find(&mut at.client, project).await?;
    let content = at.client.content(Call::get(&format!("/project/access_list/{}", project.id))).await?;
    if at.out.json() {
        return at.out.value(&content);
    }
    let listed = content.get("accesses").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<Vec<String>> = listed.map(row).collect();
    at.out.table(&["WORKER", "ALIAS", "MAY", "STATE"], &rows)
}

fn row(access: &Value) -> Vec<String> {
    let worker = |key: &str| access.get("worker").and_then(|worker| worker.get(key)).map(word).unwrap_or_default();
    let is = |key: &str| access.get(key) == Some(&Value::Bool(true));
    let may = [("assign", is("assign")), ("submit", is("submit"))];
    let may: Vec<&str> = may.into_iter().filter(|(_, may)| *may).map(|(word, _)| word).collect();
    let state = if is("request") { "asks" } else { "granted" };
    vec![worker("id"), worker("alias"), may.join(" "), state.to_owned()]
}

impl Decision {
    async fn carry_out(self, at: &mut Session, route: &str, done: &str) -> Result<(), Problem> {
        let project = find(&mut at.client, &self.project).await?;
        for worker in self.workers {
            at.client.content(Call::post(&format!("/project/{route}/{}/{worker}", project.id))).await?;
            match at.out.json() {
                true => at.out.record(&json!({ "project": project.id, "worker": worker, "done": done }))?,
                false => at.out.line(&plain(&format!("{done}: worker {worker} in {}", project.name)))?,
            }
        }
        Ok(())
    }
}
