//! What workers log, and the samples of queues: written and read beside the machine, which knows nothing of them.

use super::engine::{Failed, Handle, Level, LogEntry};
use super::model::{ProjectId, Sample};
use super::records;
use crate::store::{Batch, ReadError, Reader};
use chrono::Utc;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

/// How much of a scope or message goes to the daemon's own log, in bytes.
const SHOWN: usize = 4096;

impl Handle {
    /// Writes a log entry down, if its level is kept, and to the daemon's own log in any case. Returns once it is on disk.
    ///
    /// # Errors
    /// The store's.
    pub async fn log(&self, entry: LogEntry) -> Result<(), Failed> {
        tell(&entry);
        if !self.settings.log_levels.contains(&entry.level) {
            return Ok(());
        }
        let ticket = {
            // Numbered in the order in which they are submitted.
            let mut newest = self.newest_log.lock().unwrap_or_else(PoisonError::into_inner);
            *newest += 1;
            let mut batch = Batch::new();
            records::put_log(*newest, stored(entry), &mut batch);
            self.tools.store.submit(batch)
        };
        ticket.durable().await.map_err(|why| Failed::Write(why.to_string()))
    }

    /// Entries of this level with a timestamp above `since`, in the order in which they were written; the newest `limit`
    /// where there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn logged(&self, level: Level, since: i64, limit: usize) -> Result<Vec<LogEntry>, Failed> {
        let entry = move |found: records::Logged| LogEntry {
            level,
            timestamp: found.at,
            worker: found.worker,
            scope: found.scope,
            message: found.message,
        };
        let found = self.read(move |reader| records::logged(reader, number(level), since, limit)).await?;
        Ok(found.into_iter().map(entry).collect())
    }

    /// The samples of a project within these Unix seconds, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn samples(
        &self,
        project: ProjectId,
        within: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Vec<Sample>, Failed> {
        self.read(move |reader| records::samples(reader, project, within, limit)).await
    }

    /// Reads where that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Failed> {
        let reader = self.tools.store.reader();
        let read = tokio::task::spawn_blocking(move || read(&reader)).await;
        Ok(read.map_err(|_| Failed::Gone)??)
    }
}

/// A level as it is stored: its number on the wire.
fn number(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 5,
        Level::Trace => 7,
    }
}

fn stored(entry: LogEntry) -> records::Logged {
    records::Logged {
        level: number(entry.level),
        at: entry.timestamp,
        worker: entry.worker,
        scope: entry.scope,
        message: entry.message,
        written: Utc::now().timestamp(),
    }
}

/// The daemon's own log hears of it too.
fn tell(LogEntry { level, worker, scope, message, .. }: &LogEntry) {
    let (scope, message) = (Shown(scope), Shown(message));
    /// The target of all of them, to be chosen by `log.level`.
    const TARGET: &str = "hostler::tracker::worker";
    match level {
        Level::Error => tracing::error!(target: TARGET, worker, %scope, "{message}"),
        Level::Warn => tracing::warn!(target: TARGET, worker, %scope, "{message}"),
        Level::Info => tracing::info!(target: TARGET, worker, %scope, "{message}"),
        Level::Trace => tracing::trace!(target: TARGET, worker, %scope, "{message}"),
    }
}

/// The beginning of a text, in which nobody can forge a line of the log or a command for a terminal.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let end = (0..=SHOWN.min(self.0.len())).rev().find(|end| self.0.is_char_boundary(*end)).unwrap_or(0);
        let (shown, left_out) = self.0.split_at(end);
        for letter in shown.chars() {
            match letter {
                letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
                letter => f.write_char(letter)?,
            }
        }
        if left_out.is_empty() { Ok(()) } else { write!(f, "… ({} bytes more)", left_out.len()) }
    }
}

#[cfg(test)]
mod tests;
