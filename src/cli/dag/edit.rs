//! `dag edit`: changes a task of a run before it is tried again.

use super::answer::{change, of_task};
use super::file;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::path::PathBuf;

/// Give a task that does not run another job, or count it as completed
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "\
Examples:
  hostler dag edit 7 fetch_0 --job better.yaml
  echo '{\"command\":[\"true\"]}' | hostler dag edit 7 fetch_0 --job -
  hostler dag edit 7 fetch_0 --done && hostler dag retry 7

The job is what stands under `job` in a specification."
)]
pub(super) struct Edit {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
    /// The task
    #[arg(value_name = "TASK")]
    task: String,
    /// Another job, in JSON or YAML; - is standard input
    #[arg(long, value_name = "FILE", group = "what")]
    job: Option<PathBuf>,
    /// Pass it over, which counts as completed
    #[arg(long, group = "what")]
    skip: bool,
    /// It was done by hand
    #[arg(long, group = "what")]
    done: bool,
}

impl Edit {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let (edit, done) = match &self.job {
            Some(file) => (json!({ "job": file::object(file)? }), "changed the job of"),
            None if self.skip => (json!({ "skip": true }), "skipped"),
            None => (json!({ "done": true }), "marked as done"),
        };
        let call = Call::new(Method::PATCH, &of_task(self.run, &self.task, "")).body(&edit);
        change(at, call, &plain(&format!("{done} {} of run {}", self.task, self.run))).await?;
        Ok(Exit::Done)
    }
}
