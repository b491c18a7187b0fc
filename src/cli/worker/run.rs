//! `worker run`: does the tasks of a project by running a command for each.

use super::access;
use super::command::listen;
use super::identity::{Store, default_place};
use super::job::{Plan, work};
use super::service::Service;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::project::find;
use crate::cli::watch::patiently;
use clap::{Args, ValueEnum};
use futures_util::future::try_join_all;
use std::ffi::OsString;
use std::path::PathBuf;

/// Do the tasks of a project: run a command for each
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler worker run --project thumbnails -- ./thumbnail
  hostler worker run --project thumbnails --jobs 4 -- sh -c 'convert \"$TASK_RECIPE\" -resize 200 out/$TASK_ID.png'
  hostler worker run --project count --verification stdout -- wc -c
  hostler worker run --project thumbnails --once -- ./thumbnail

The command finds the recipe on standard input and in TASK_RECIPE (unless it is larger than 100 KiB), and
PROJECT_NAME, PROJECT_SECRET, TASK_ID, TASK_RETRIES in its environment. How it exits says what becomes of the task:

  0      done
  75     given back untouched, for this or another worker
  other  failed; it is tried again as often as the task allows

What it writes goes to this worker's own output and, the last 64 KiB of each stream, to the tracker's log.
INT and TERM: no new task is taken, and the running command gets the signal; when it ends by it, or has not
ended after 10 s or at a second signal, the task is given back. On the daemon's host a task is free
at once when this worker dies. Exits 0 when told to end; with --once 1 when the task has failed.")]
pub(super) struct Run {
    /// The project, by name or number
    #[arg(long, short, value_name = "PROJECT")]
    project: String,
    /// What the worker calls itself, when it registers [default: this host's name]
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
    /// Where it keeps its number and secret; several processes may share one [default:
    /// /var/lib/hostler-worker/PROJECT.json for root, else $XDG_STATE_HOME/hostler/workers/PROJECT.json]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Do one task, and end
    #[arg(long)]
    once: bool,
    /// How many commands at once
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with = "once")]
    jobs: u16,
    /// What speaks for how a task was done, where several workers have to agree: `stdout` is the number on the last
    /// line that the command prints
    #[arg(long, value_name = "FROM")]
    verification: Option<Verification>,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verification {
    /// The last line it prints.
    Stdout,
}

impl Run {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let told = listen()?;
        let mut end = told.clone();
        let mut begin = Box::pin(self.begin(at));
        let service = tokio::select! {
            service = &mut begin => service?,
            _ = end.wait_for(|told| told.times > 0) => return Ok(Exit::Done),
        };
        drop(begin);
        let plan = Plan { argv: self.command, votes: self.verification.is_some(), once: self.once };
        let jobs = (0..self.jobs).map(|_| work(service.another(), &plan, told.clone()));
        // What one of them cannot do none of them can.
        let ended = try_join_all(jobs.map(Box::pin)).await?;
        Ok(ended.into_iter().fold(Exit::Done, Exit::worse))
    }

    /// Who it is, for which project, and that it may.
    async fn begin(&self, at: &mut Session) -> Result<Service, Problem> {
        // At boot a worker may be there before the daemon is.
        let client = &mut at.client;
        patiently(async || client.ask(Call::get("/project/list")).await).await?;
        let project = find(client, &self.project).await?;
        let file = match &self.identity {
            Some(file) => file.clone(),
            None => {
                let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
                default_place(&project.name, variable, nix::unistd::geteuid().is_root())?
            }
        };
        let alias = match &self.alias {
            Some(alias) => alias.clone(),
            None => nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        let mut service = Service::open(client.another(), Store { file, alias }, project).await?;
        access::obtain(&mut service, true).await?;
        Ok(service)
    }
}
