//! `dag`: runs of directed acyclic graphs of commands, and DAGs that are stored to be run again.
//!
//! Every verb is one file. `file` reads specifications, `parameters` what `--param` says, `progress` waits for the end
//! of a run, `answer` reads what the daemon says about runs.

mod answer;
mod edit;
mod file;
mod firings;
mod graph;
mod kill;
mod list;
mod logs;
mod parameters;
mod pause;
mod progress;
mod purge;
mod resume;
mod retry;
mod run;
mod schedule;
mod show;
mod submit;
mod validate;
mod wait;

#[cfg(test)]
pub(super) use file::specification;

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};

/// Run graphs of commands: submit, watch, mend, draw, schedule them
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler dag submit examples/dag/hello.yaml --wait
  hostler dag submit pack.yaml --param DIR=/srv/photos --param OUT=/srv/packed
  hostler dag list
  hostler dag show 7
  hostler dag graph 7 -o run.svg
  hostler dag schedule nightly pack.yaml --cron '0 3 * * *'

A run goes on when this command ends, when its caller logs out and when the daemon is replaced.
Every verb has examples of its own: `hostler dag submit --help`."
)]
pub(super) struct Dag {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Submit(submit::Submit),
    Validate(validate::Validate),
    List(list::List),
    Show(show::Show),
    Logs(logs::Logs),
    Wait(wait::Wait),
    Kill(kill::Kill),
    Retry(retry::Retry),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Edit(edit::Edit),
    Purge(purge::Purge),
    Graph(graph::Graph),
    Schedule(schedule::Schedule),
    Run(run::Run),
    Firings(firings::Firings),
}

impl Dag {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Submit(verb) => verb.run(at).await,
            Verb::Validate(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Show(verb) => verb.run(at).await,
            Verb::Logs(verb) => verb.run(at).await,
            Verb::Wait(verb) => verb.run(at).await,
            Verb::Kill(verb) => verb.run(at).await,
            Verb::Retry(verb) => verb.run(at).await,
            Verb::Pause(verb) => verb.run(at).await,
            Verb::Resume(verb) => verb.run(at).await,
            Verb::Edit(verb) => verb.run(at).await,
            Verb::Purge(verb) => verb.run(at).await,
            Verb::Graph(verb) => verb.run(at).await,
            Verb::Schedule(verb) => verb.run(at).await,
            Verb::Run(verb) => verb.run(at).await,
            Verb::Firings(verb) => verb.run(at).await,
        }
    }
}
