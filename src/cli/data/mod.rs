//! `data`: files that are published, watched over, and pulled from other hosts.
//!
//! Every verb is one file. `naming` reads `REPO/ITEM:TAG`, `placing` finds out which file of an item's directory is meant
//! and puts it there, `following` waits for a job's end.

mod following;
mod jobs;
mod list;
mod naming;
mod placing;
mod pool;
mod publish;
mod pull;
mod rm;
mod verify;

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand, ValueEnum};

/// Data for others: publish files, see whether they are what they were, pull those of other hosts
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler data pool create weather /var/lib/hostler/pools/weather
  hostler data publish weather/rain:2024-01 rain.csv --copy --pool weather --public
  hostler data list weather/rain
  hostler data verify weather/rain
  hostler data pull http://198.51.100.7:35800 weather/rain:2024-01 --pool weather --wait

A repository holds items, an item is a directory in a data pool, a tag is a file there. A published
file is looked at every few seconds and read anew now and then; it is never changed or removed."
)]
pub(super) struct Data {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Pool(pool::Pool),
    Publish(Box<publish::Publish>),
    List(list::List),
    Verify(verify::Verify),
    Rm(rm::Rm),
    Pull(Box<pull::Pull>),
    Jobs(jobs::Jobs),
}

impl Data {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Pool(verb) => verb.run(at).await,
            Verb::Publish(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Verify(verb) => verb.run(at).await,
            Verb::Rm(verb) => verb.run(at).await,
            Verb::Pull(verb) => verb.run(at).await,
            Verb::Jobs(verb) => verb.run(at).await,
        }
    }
}

/// Who may have the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Access {
    /// Anybody.
    Public,
    /// Its owner.
    Private,
}

impl Access {
    /// As the API says it.
    fn word(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Private => "private",
        }
    }
}
