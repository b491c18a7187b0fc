//! `cache stat`: everything about a content.

use super::naming::Narrowed;
use super::text;
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::fields;
use clap::Args;
use serde_json::Value;

/// As many of the query parameters that do not count are shown.
const NAMES: usize = 4;

/// Show a content of the cache; exits 1 when it is not complete
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache stat https://example.com/big.iso
  hostler cache stat a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316 --pieces

A content is named by any of its ids, or by its address.")]
pub(super) struct Stat {
    /// Its id, or its address
    #[arg(value_name = "ID|URL")]
    what: String,
    #[command(flatten)]
    narrowed: Narrowed,
    /// Its pieces, too
    #[arg(long)]
    pieces: bool,
}

impl Stat {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut tasks = self.narrowed.find(&mut at.client, &self.what).await?;
        let whole = tasks.iter().all(|task| text(task, "state") == "complete");
        for task in &mut tasks {
            if !self.pieces
                && !at.out.json()
                && let Some(fields) = task.as_object_mut()
            {
                fields.remove("pieces");
            }
        }
        if at.out.json() {
            match <[Value; 1]>::try_from(tasks) {
                Ok([task]) => at.out.value(&task)?,
                Err(tasks) => at.out.value(&tasks.into())?,
            }
        } else {
            for (place, task) in tasks.iter().enumerate() {
                if place > 0 {
                    at.out.line("")?;
                }
                let mut rows = fields(task);
                rows.retain(|row| row.get(1).is_some_and(|value| !value.is_empty()));
                for row in &mut rows {
                    shorten(row);
                }
                at.out.table(&["FIELD", "VALUE"], &rows)?;
            }
        }
        Ok(if whole { Exit::Done } else { Exit::Unhealthy })
    }
}

/// The default is a list of some forty names, which would make the table as wide.
fn shorten(row: &mut [String]) {
    let [field, value] = row else { return };
    let names = value.split('&').count();
    if field == "filtered_query_params" && names > NAMES {
        let first: Vec<_> = value.split('&').take(NAMES).collect();
        *value = format!("{}&… ({names})", first.join("&"));
    }
}
