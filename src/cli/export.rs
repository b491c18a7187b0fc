//! `export`: everything the daemon keeps, as JSON lines for other programs. Secrets are masked.

use crate::cli::Session;
use crate::cli::backup::save;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Write everything the daemon keeps as JSON lines, secrets masked
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler export > everything.jsonl
  hostler export everything.jsonl")]
pub(super) struct Export {
    /// Where to; standard output when left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut pieces = at.client.open(Call::get("/hostler/v1/export")).await?;
        let Some(file) = self.file else {
            while let Some(bytes) = pieces.next().await? {
                at.out.bytes(&bytes)?;
            }
            return Ok(Exit::Done);
        };
        let size = save(pieces, &file).await?;
        match at.out.json() {
            true => at.out.value(&json!({ "file": file.to_string_lossy(), "bytes": size }))?,
            false => at.out.line(&format!("{size} bytes in {}", file.display()))?,
        }
        Ok(Exit::Done)
    }
}
