//! Waiting until a content is there: a bar on a terminal.

use super::naming::of_task;
use super::{number, text};
use crate::cli::Session;
use crate::cli::client::CallError;
use crate::cli::exit::Problem;
use crate::cli::out::plain;
use crate::cli::watch::patiently;
use hyper::StatusCode;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// How long the daemon may wait with its answer: how often the bar moves.
const WAIT: &str = "1s";
/// Between two questions, whatever the daemon does.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until the content is complete; as it is then.
///
/// # Errors
/// It cannot be fetched, or somebody interrupted the waiting: the fetch goes on then.
pub(super) async fn until_there(
    at: &mut Session,
    mut task: Value,
    interrupts: &mut UnixStream,
) -> Result<Value, Problem> {
    let id = text(&task, "id").to_owned();
    let bar = bar(at, "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    loop {
        if let Some(length) = number(&task, "content_length") {
            bar.set_length(length);
        }
        bar.set_position(number(&task, "cached_bytes").unwrap_or_default());
        match text(&task, "state") {
            "complete" => break,
            "fetching" => {}
            _ => {
                bar.finish_and_clear();
                let why = Some(text(&task, "error")).filter(|why| !why.is_empty()).unwrap_or("it was stopped");
                return Err(Problem::InVain(format!("{}: {}", plain(text(&task, "url")), plain(why))));
            }
        }
        let client = &mut at.client;
        let asked = async {
            tokio::time::sleep(PAUSE).await;
            patiently(async || client.ask(of_task(&id, "").query("wait", WAIT)).await).await
        };
        let mut interrupt = [0];
        tokio::select! {
            answer = asked => match answer {
                Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                    bar.finish_and_clear();
                    return Err(Problem::InVain(format!("{}: it was removed from the cache", plain(text(&task, "url")))));
                }
                answer => task = answer?,
            },
            _ = interrupts.read(&mut interrupt) => {
                bar.finish_and_clear();
                let why = format!("interrupted; the download goes on: `hostler cache stat {id}` shows it");
                return Err(Problem::InVain(why));
            }
        }
    }
    bar.finish_and_clear();
    Ok(task)
}

/// A bar on standard error, where that is a terminal and nobody wants JSON.
pub(super) fn bar(at: &Session, template: &str) -> ProgressBar {
    let target = if at.out.json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(0), target).with_style(style)
}
