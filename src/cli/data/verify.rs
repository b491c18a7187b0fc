//! `data verify`: whether published files are what they were, read now.

use super::list;
use super::naming::Name;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::Value;

/// Read published files now and compare them; exits 1 when one is not well
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler data verify weather/rain
  hostler data verify weather/rain:2024-01

Files are read as fast as the disk gives them, one after the other.

Exit codes:
  0    all of them are what they were
  1    one is not: it is listed, with the reason
  100  the same call will fail again: there is no such item or tag, or it is somebody else's
  111  try again: the daemon is absent, starting or busy")]
pub(super) struct Verify {
    /// Which
    #[arg(value_name = "REPO/ITEM[:TAG]", value_parser = Name::item_or_tag)]
    what: Name,
}

impl Verify {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let call = Call::post("/api/daemon/verify")
            .query("repname", &self.what.rep)
            .maybe("itemname", self.what.item.as_ref())
            .maybe("tagname", self.what.tag.as_ref());
        let verdict = at.client.data(call.patient()).await?;
        let well = verdict.get("status").and_then(Value::as_str) == Some("NORMAL");
        let exit = if well { Exit::Done } else { Exit::Unhealthy };
        if at.out.json() {
            at.out.value(&verdict)?;
            return Ok(exit);
        }
        match well {
            true => at.out.line(&format!("{} is well", self.what))?,
            false => {
                let unwell = list::unwell(at, &self.what).await?;
                list::table(at, &unwell)?;
            }
        }
        Ok(exit)
    }
}
