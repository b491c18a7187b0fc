//! `worker`: those who do the tasks of projects: machine accounts, and `worker run`, which does tasks by a command.
//!
//! ```text
//! run ──> identity (who) ──> access (may it) ──> job: fetch ──> command (child) ──> outcome ──> release, log
//! ```
//!
//! Every verb is one file; `service` is how a worker speaks to the daemon.

mod access;
mod command;
mod create;
mod identity;
mod job;
mod list;
mod logs;
mod outcome;
mod pause;
mod request;
mod run;
mod service;
mod show;
mod tail;

pub(super) use identity::{Identity, default_place};

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};

/// Do the tasks of projects: run a command for each, and look after the workers there are
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler worker run --project thumbnails -- ./thumbnail
  hostler worker list
  hostler worker pause 7
  hostler worker logs --level error

A pool of workers is a supervised task with `replica`: see examples/tracker/pool.json."
)]
pub(super) struct Worker {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Box<run::Run>),
    Create(create::Create),
    Rename(create::Rename),
    List(list::List),
    Show(show::Show),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Request(request::Request),
    Logs(logs::Logs),
}

impl Worker {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Run(verb) => verb.run(at).await,
            Verb::Create(verb) => verb.run(at).await,
            Verb::Rename(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Show(verb) => verb.run(at).await,
            Verb::Pause(verb) => verb.run(at).await,
            Verb::Resume(verb) => verb.run(at).await,
            Verb::Request(verb) => verb.run(at).await,
            Verb::Logs(verb) => verb.run(at).await,
        }
    }
}
