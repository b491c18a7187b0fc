//! `task`: units of work in the queues of projects.
//!
//! Every verb is one file. `bulk` submits many at once, `hand` is for worker programs made of shell.

mod bulk;
mod hand;
mod list;
mod mend;
mod show;
mod submit;

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};

/// Work for workers: submit tasks to a project, see where they stand, mend them
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler task submit thumbnails photos/1.jpg
  find photos -type f | hostler task submit thumbnails --bulk -
  hostler task list thumbnails --status failed
  hostler task requeue 12 15

Tasks that the daemon supervises itself are `hostler run`, `list`, `status`; these here are done by
workers: `hostler worker run`."
)]
pub(super) struct Task {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Submit(Box<submit::Submit>),
    List(list::List),
    Show(show::Show),
    Rm(mend::Rm),
    Requeue(mend::Requeue),
    Fetch(hand::Fetch),
    Release(hand::Release),
    Extend(hand::Extend),
}

impl Task {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Submit(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Show(verb) => verb.run(at).await,
            Verb::Rm(verb) => verb.run(at).await,
            Verb::Requeue(verb) => verb.run(at).await,
            Verb::Fetch(verb) => verb.run(at).await,
            Verb::Release(verb) => verb.run(at).await,
            Verb::Extend(verb) => verb.run(at).await,
        }
    }
}
