//! `restore`: a backup becomes the data of a daemon that does not run.

use crate::cli::offline::{Files, Offline, Work};
use clap::Args;
use std::path::PathBuf;

/// Put a backup in place of the data of a stopped daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  systemctl stop hostler && hostler restore /var/backups/hostler.backup --replace
  hostler restore hostler.backup --data-dir /srv/hostler-copy

Data that is already there is only touched with --replace, and then kept in before-restore/ of the data directory.")]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    #[command(flatten)]
    files: Files,
    /// Also when there is data already
    #[arg(long)]
    replace: bool,
}

impl Restore {
    pub(super) fn offline(self, json: bool) -> Offline {
        Offline { work: Work::Restore { backup: self.backup, files: self.files, replace: self.replace }, json }
    }
}
