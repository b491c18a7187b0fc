//! `task fetch`, `task release`, `task extend`: a worker by hand, or made of shell.

use crate::base::duration;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::project::find;
use crate::cli::worker::{Identity, default_place};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How much longer than it waits an answer may take.
const SLACK: Duration = Duration::from_secs(30);

/// Be handed a task; prints its number, and its recipe below that
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler task fetch thumbnails
  hostler task fetch thumbnails --wait 60 --identity me.json --json | jq -r .task.recipe

Exits 1 when there is none. The task is this worker's until it is released, or its time is up.")]
pub(super) struct Fetch {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Wait so long for one, at most 5 minutes
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// The file with the worker's number and secret [default: that of `hostler worker run`]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Give a task back: done, failed or untouched
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler task release 12 --identity me.json
  hostler task release 12 fail --reason 'no such file' --identity me.json

Exits 1 when that has changed nothing: the task was not this worker's, or more results are wanted.")]
pub(super) struct Release {
    /// Its number
    #[arg(value_name = "ID")]
    task: u64,
    /// How it went
    #[arg(value_enum, default_value_t = How::Ok)]
    how: How,
    /// What speaks for how it was done, where several workers have to agree
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    verification: i64,
    /// Why it failed, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The file with the worker's number and secret
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

/// Ask for more time for a task, from now on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler task extend 12 10m --identity me.json")]
pub(super) struct Extend {
    /// Its number
    #[arg(value_name = "ID")]
    task: u64,
    /// How much
    #[arg(value_name = "D", value_parser = duration::parse)]
    by: Duration,
    /// The file with the worker's number and secret
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    Ok,
    Fail,
    Skip,
}

impl Fetch {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let file = match self.identity {
            Some(file) => file,
            None => {
                let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
                default_place(&project.name, variable, nix::unistd::geteuid().is_root())?
            }
        };
        let identity = Identity::read(&file)?;
        let call = Call::get(&format!("/task/get/{}", project.id))
            .maybe("wait", self.wait.map(|wait| wait.as_secs_f64().ceil() as u64));
        let call = call.within(self.wait.unwrap_or_default().saturating_add(SLACK));
        let (status, answer) = at.client.verdict(identity.sign(call)).await?;
        let Some(task) = answer.get("content").and_then(|content| content.get("task")) else {
            let why = answer.get("message").and_then(Value::as_str).unwrap_or("no task");
            return match status.is_success() {
                true => {
                    Err(Problem::InVain(format!("there is no task in {} for worker {}", project.name, identity.id)))
                }
                false => Err(crate::cli::client::CallError::Refused {
                    status,
                    message: format!("{why} ({})", status.as_u16()),
                }
                .into()),
            };
        };
        match at.out.json() {
            true => at.out.value(&json!({ "task": task }))?,
            false => {
                let field = |key: &str| task.get(key).map(word).unwrap_or_default();
                at.out.line(&field("id"))?;
                at.out.line(&field("recipe"))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Release {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let identity = Identity::read(&self.identity)?;
        let result = match self.how {
            How::Ok => 0,
            How::Fail => 1,
            How::Skip => 2,
        };
        let mut body = json!({ "task_id": self.task, "result": result, "verification": self.verification });
        if let Some(reason) = self.reason {
            body["reason"] = reason.into();
        }
        let content = at.client.content(identity.sign(Call::post("/task/release").body(&body))).await?;
        let updated = content.get("updated") == Some(&Value::Bool(true));
        match at.out.json() {
            true => at.out.value(&content)?,
            false if updated => at.out.line(&format!("released {}", self.task))?,
            false => at.out.aside(&format!("task {} was not changed by that", self.task)),
        }
        Ok(if updated { Exit::Done } else { Exit::Unhealthy })
    }
}

impl Extend {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let identity = Identity::read(&self.identity)?;
        let body = json!({ "task_id": self.task, "seconds": duration::to_json(self.by) });
        let content = at.client.content(identity.sign(Call::post("/task/extend").body(&body))).await?;
        match at.out.json() {
            true => at.out.value(&content)?,
            false => {
                let until = crate::cli::tasks::moment(content.get("expires")).map(crate::cli::why::clock);
                at.out.line(&format!("task {} is this worker's until {}", self.task, until.unwrap_or_default()))?;
            }
        }
        Ok(Exit::Done)
    }
}
