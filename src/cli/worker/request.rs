//! `worker request`: asks for access to a project, for a worker program of one's own.

use super::identity::Identity;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use crate::cli::project::find;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Ask that a worker may use a project
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true),
    after_help = "\
Examples:
  hostler worker request thumbnails --submit --identity crawler-a.json
  hostler project access grant thumbnails 7"
)]
pub(super) struct Request {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// To be handed tasks
    #[arg(long, group = "what")]
    assign: bool,
    /// To submit tasks, and to be handed them
    #[arg(long, group = "what")]
    submit: bool,
    /// The file with the worker's number and secret
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

impl Request {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let identity = Identity::read(&self.identity)?;
        let project = find(&mut at.client, &self.project).await?;
        let body = json!({ "project": project.id, "assign": self.assign, "submit": self.submit });
        at.client.content(identity.sign(Call::post("/project/request_access").body(&body))).await?;
        match at.out.json() {
            true => at.out.value(&json!({ "project": project.id, "worker": identity.id, "done": "requested" }))?,
            false => {
                let how = format!("hostler project access grant {} {}", project.name, identity.id);
                at.out.line(&plain(&format!("worker {} has asked: `{how}` grants it", identity.id)))?;
            }
        }
        Ok(Exit::Done)
    }
}
