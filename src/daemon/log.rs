//! The daemon's own log: to standard error as text or JSON lines, or to journald with its fields.

use crate::config::{Log, LogFormat};
use std::os::linux::fs::MetadataExt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging for the rest of the process's life.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(settings: &Log) -> Result<(), String> {
    let registry = tracing_subscriber::registry().with(filter(settings)?);
    let journal = if settings.format == LogFormat::Auto && stderr_is_the_journal() {
        tracing_journald::layer().ok() // without its socket the text below serves as well
    } else {
        None
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = match (journal, settings.format) {
        (Some(journal), _) => registry.with(journal).try_init(),
        (None, LogFormat::Json) => registry.with(lines.json().flatten_event(true)).try_init(),
        (None, LogFormat::Auto | LogFormat::Text) => {
            let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(colour)).try_init()
        }
    };
    started.map_err(|why| why.to_string())
}

/// What of the log is wanted.
///
/// # Errors
/// A filter that cannot be read.
pub fn filter(settings: &Log) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&settings.level).map_err(|why| format!("log.level: {why}"))
}

/// Whether standard error is the journal: systemd names its device and inode in `JOURNAL_STREAM` (`systemd.exec`(5)).
fn stderr_is_the_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|file| named == format!("{}:{}", file.st_dev(), file.st_ino()))
}
