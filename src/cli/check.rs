//! `check`: verifies everything the daemon keeps.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::offline::{Files, Offline, Work};
use crate::cli::{Session, out};
use clap::Args;
use serde_json::Value;

/// Verify checksums, references between records, and that every file the store names exists
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler check
  hostler check --offline --data-dir /var/lib/hostler

The certificates and keys of listeners are read, too. `hostler doctor --config FILE` checks a changed
configuration before the daemon is told to reload it.")]
pub(super) struct Check {
    /// Work on the files of a daemon that does not run
    #[arg(long)]
    pub(super) offline: bool,
    #[command(flatten)]
    files: Files,
}

impl Check {
    pub(super) fn offline(self, json: bool) -> Offline {
        Offline { work: Work::Check(self.files), json }
    }

    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.files.refuse_online()?;
        let found = at.client.ask(Call::post("/hostler/v1/check").patient()).await?;
        let findings = found.get("findings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let well = found.get("ok") == Some(&Value::Bool(true));
        let exit = if well { Exit::Done } else { Exit::Unhealthy };
        if at.out.json() {
            at.out.value(&found)?;
            return Ok(exit);
        }
        let mut facts = found.clone();
        facts.as_object_mut().and_then(|facts| facts.remove("findings"));
        at.out.table(&["WHAT", "FOUND"], &out::fields(&facts))?;
        for finding in findings {
            at.out.line(&format!("PROBLEM  {}", out::plain(&out::word(finding))))?;
        }
        at.out.line(if well { "all is well" } else { "not all is well" })?;
        Ok(exit)
    }
}
