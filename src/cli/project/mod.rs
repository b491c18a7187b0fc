//! `project`: queues of tasks for workers: what they are, who may use them, how they stand.
//!
//! Every verb is one file. `named` finds a project by its name or number, `definition` holds what can be set of one.

mod access;
mod assignees;
mod create;
mod definition;
mod edit;
mod list;
mod mend;
mod named;
mod role;
mod secret;
mod show;
mod stats;

pub(super) use named::{Named, find};

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};

/// Queues of tasks for workers: create and change them, decide who may use them, see how they stand
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler project create thumbnails --public --priority 5
  hostler project list
  hostler project edit thumbnails --assign-rate 20 --motd 'mind the disk'
  hostler project access list thumbnails
  hostler project access grant thumbnails 7
  hostler project stats thumbnails

A project is named by its name or its number. `hostler task submit` puts work into it, `hostler worker run` does it."
)]
pub(super) struct Project {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Edit(edit::Edit),
    Pause(edit::Pause),
    Resume(edit::Resume),
    Access(access::Access),
    Role(role::Role),
    Secret(secret::Secret),
    WebhookSecret(secret::WebhookSecret),
    ResetFailed(mend::ResetFailed),
    Reclaim(mend::Reclaim),
    HardReset(mend::HardReset),
    Stats(stats::Stats),
    Assignees(assignees::Assignees),
}

impl Project {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Create(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Show(verb) => verb.run(at).await,
            Verb::Edit(verb) => verb.run(at).await,
            Verb::Pause(verb) => verb.run(at).await,
            Verb::Resume(verb) => verb.run(at).await,
            Verb::Access(verb) => verb.run(at).await,
            Verb::Role(verb) => verb.run(at).await,
            Verb::Secret(verb) => verb.run(at).await,
            Verb::WebhookSecret(verb) => verb.run(at).await,
            Verb::ResetFailed(verb) => verb.run(at).await,
            Verb::Reclaim(verb) => verb.run(at).await,
            Verb::HardReset(verb) => verb.run(at).await,
            Verb::Stats(verb) => verb.run(at).await,
            Verb::Assignees(verb) => verb.run(at).await,
        }
    }
}
