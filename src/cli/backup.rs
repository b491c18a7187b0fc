//! `backup`: everything the daemon keeps, as one file, while it runs.

use crate::cli::Session;
use crate::cli::client::{Call, Pieces};
use crate::cli::exit::{Exit, Problem};
use crate::cli::file::Fresh;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Save everything the daemon keeps into one file, while it runs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler backup /var/backups/hostler-$(date +%F).backup
  hostler restore /var/backups/hostler-2026-01-31.backup

The file is readable by its owner only, and there whole or not at all.")]
pub(super) struct Backup {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let pieces = at.client.open(Call::get("/hostler/v1/backup")).await?;
        let size = save(pieces, &self.file).await?;
        match at.out.json() {
            true => at.out.value(&json!({ "file": self.file.to_string_lossy(), "bytes": size }))?,
            false => at.out.line(&format!("{size} bytes in {}", self.file.display()))?,
        }
        Ok(Exit::Done)
    }
}

/// Writes an answer into a file, with its progress on standard error where that is a terminal; its size.
pub(super) async fn save(mut pieces: Pieces, place: &Path) -> Result<u64, Problem> {
    let progress = match pieces.length {
        Some(length) => ProgressBar::new(length).with_style(style("{bar:40} {bytes}/{total_bytes} {eta}")),
        None => ProgressBar::no_length().with_style(style("{spinner} {bytes} {bytes_per_sec}")),
    };
    let mut file = Fresh::create(place)?;
    let mut size = 0;
    while let Some(bytes) = pieces.next().await? {
        file.write(&bytes)?;
        size += bytes.len() as u64;
        progress.set_position(size);
    }
    file.commit()?;
    progress.finish_and_clear();
    Ok(size)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
