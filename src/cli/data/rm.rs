//! `data rm`: what is not published any more.

use super::naming::Name;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;

/// Publish tags, items or empty repositories no longer; their files stay
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler data rm weather/rain:2024-01
  hostler data rm 'weather/rain:2023-*'
  hostler data rm weather/rain

An item goes with all its tags. No file is removed.")]
pub(super) struct Rm {
    /// What: a * in a tag stands for anything
    #[arg(value_name = "REPO[/ITEM[:TAG]]", required = true, value_parser = Name::any)]
    what: Vec<Name>,
}

impl Rm {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        for name in &self.what {
            let answer = at.client.ask(Call::delete(&name.path())).await?;
            match at.out.json() {
                true => at.out.record(&answer)?,
                false => at.out.line(&format!("removed {name}"))?,
            }
        }
        Ok(Exit::Done)
    }
}
