//! What workers have to say, over HTTP.

use super::answer::{Answer, bad, body, done, unauthorized, unparsable};
use super::engine::{Handle, Level, LogEntry};
use super::people;
use super::wire::{LogLine, asked};
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use serde_json::json;

/// How many entries are told at most: the newest.
const TOLD: usize = 10_000;

/// `POST /log/{level}`. Whatever is wrong is said in the same words, save that the daemon cannot store it.
pub(super) async fn write(handle: Handle, cx: Cx, level: Level) -> Answer {
    let worker = people::worker(&handle, &cx, ErrorStatus::BAD_REQUEST).await;
    let worker = worker.map_err(|why| match why.status() {
        ErrorStatus::BAD_REQUEST => unparsable(),
        _ => why,
    })?;
    let asked::LogBody { scope, message, timestamp } = body(&cx).await?;
    if scope.is_empty() || message.is_empty() || timestamp <= 0 {
        return Err(unparsable());
    }
    handle.log(LogEntry { level, timestamp, worker: worker.id.0, scope, message }).await?;
    done()
}

/// `POST /logs`
pub(super) async fn read(handle: Handle, cx: Cx) -> Answer {
    let asked::LogsBody { level, since } = body(&cx).await?;
    if since <= 0 {
        return Err(bad("Invalid log request"));
    }
    if !handle.settings.public_logs && !people::person(&handle, &cx)?.is_manager() {
        return Err(unauthorized());
    }
    let entries = match Level::ALL.into_iter().find(|known| known.wire() == level) {
        Some(level) => handle.logged(level, since, TOLD).await?,
        None => Vec::new(),
    };
    let written = tokio::task::spawn_blocking(move || {
        let lines: Vec<LogLine> = entries.into_iter().map(line).collect();
        // Clients tell "none" by null.
        let lines = (!lines.is_empty()).then_some(lines);
        Reply::json(&json!({ "ok": true, "content": { "logs": lines } }))
    });
    written.await.map_err(Failure::internal)
}

fn line(entry: LogEntry) -> LogLine {
    let data = json!({ "scope": entry.scope, "worker": entry.worker }).to_string();
    LogLine { message: entry.message, timestamp: entry.timestamp, data, level: entry.level.wire() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_carries_an_object_as_a_text() {
        let entry = LogEntry {
            level: Level::Info,
            timestamp: 1_700_000_000,
            worker: 7,
            scope: "fe\"tch".to_owned(),
            message: "fetched 10 pages".to_owned(),
        };
        let line = serde_json::to_value(line(entry)).unwrap();
        let expected = json!({
            "message": "fetched 10 pages",
            "timestamp": 1_700_000_000,
            "data": r#"{"scope":"fe\"tch","worker":7}"#,
            "level": 5,
        });
        assert_eq!(line, expected);
    }
}
