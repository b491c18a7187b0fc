//! `project show`: all that is set of one project.

use super::named::{find, whole};
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use clap::Args;
use serde_json::Value;

/// Show what is set of a project
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler project show thumbnails
  hostler project show 3 --json")]
pub(super) struct Show {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

impl Show {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let fields = whole(&mut at.client, &project).await?;
        if at.out.json() {
            at.out.value(&fields)?;
            return Ok(Exit::Done);
        }
        let all = fields.as_object().into_iter().flatten();
        let rows: Vec<Vec<String>> = all.map(|(key, value)| vec![key.clone(), shown(key, value)]).collect();
        at.out.table(&["FIELD", "VALUE"], &rows)?;
        Ok(Exit::Done)
    }
}

/// Unlimited rates are the largest number there is, on the wire.
fn shown(key: &str, value: &Value) -> String {
    let is_rate = key.ends_with("_rate");
    match value.as_f64() {
        Some(rate) if is_rate && (rate <= 0.0 || rate >= f64::MAX) => "unlimited".to_owned(),
        _ => word(value),
    }
}
