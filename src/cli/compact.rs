//! `compact`: gives back the disk space of what was deleted.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::offline::{Files, Offline, Work};
use crate::cli::{Session, out};
use clap::Args;

/// Rewrite the store without its dead bytes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler compact
  hostler compact --offline --data-dir /var/lib/hostler")]
pub(super) struct Compact {
    /// Work on the files of a daemon that does not run
    #[arg(long)]
    pub(super) offline: bool,
    #[command(flatten)]
    files: Files,
}

impl Compact {
    pub(super) fn offline(self, json: bool) -> Offline {
        Offline { work: Work::Compact(self.files), json }
    }

    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.files.refuse_online()?;
        let answer = at.client.ask(Call::post("/hostler/v1/compact").patient()).await?;
        if at.out.json() {
            at.out.value(&answer)?;
        } else {
            at.out.table(&["WHAT", "VALUE"], &out::fields(&answer))?;
        }
        Ok(Exit::Done)
    }
}
