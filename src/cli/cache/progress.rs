//! Watching a content until it is there: a bar on a terminal.

use super::naming::of_task;
use super::{number, text};
use crate::cli::Session;
use crate::cli::client::CallError;
use crate::cli::exit::Problem;
use crate::cli::out::plain;
use crate::cli::watch::patiently;
use hyper::StatusCode;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::Value;
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

/// How long the daemon may wait with its answer, at the beginning and at most: so often the bar moves. It grows with the
/// time that has passed: a download of hours is not asked about ten times a second.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The part of the time so far.
const OF_TIME: u32 = 20;

/// Of a download.
const BAR: &str = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
/// The same, where nobody knows how long it will be.
const NO_END: &str = "{spinner} {bytes} {bytes_per_sec}";

/// Who looks at a content again and again.
pub(super) struct Look {
    id: String,
    url: String,
    since: Instant,
}

impl Look {
    pub(super) fn at(task: &Value) -> Look {
        Look { id: text(task, "id").to_owned(), url: text(task, "url").to_owned(), since: Instant::now() }
    }

    /// The content after a while, or as soon as nobody fetches it any more.
    ///
    /// # Errors
    /// It was removed, or the daemon is gone and has not come back.
    pub(super) async fn next(&self, at: &mut Session) -> Result<Value, Problem> {
        let wait = (self.since.elapsed() / OF_TIME).clamp(FIRST_WAIT, LONGEST_WAIT);
        let asked = Instant::now();
        let task = self.look(at, Some(wait)).await?;
        if text(&task, "state") == "fetching" {
            // A daemon that is ending does not wait.
            tokio::time::sleep(wait.saturating_sub(asked.elapsed())).await;
        }
        Ok(task)
    }

    /// The content as it is.
    ///
    /// # Errors
    /// Those of [`next`](Look::next).
    pub(super) async fn now(&self, at: &mut Session) -> Result<Value, Problem> {
        self.look(at, None).await
    }

    async fn look(&self, at: &mut Session, wait: Option<Duration>) -> Result<Value, Problem> {
        let client = &mut at.client;
        let call = of_task(&self.id, "").maybe("wait", wait.map(|wait| format!("{}ms", wait.as_millis())));
        match patiently(async || client.ask(call.clone()).await).await {
            Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                Err(Problem::InVain(format!("{}: it was removed from the cache", plain(&self.url))))
            }
            answer => Ok(answer?),
        }
    }
}

/// Why a content that nobody fetches any more is not whole.
pub(super) fn why_not(task: &Value) -> Problem {
    let why = Some(text(task, "error")).filter(|why| !why.is_empty()).unwrap_or("it was stopped");
    Problem::InVain(format!("{}: {}", plain(text(task, "url")), plain(why)))
}

/// Moves the bar to where the content is.
pub(super) fn show(bar: &ProgressBar, task: &Value) {
    if let Some(length) = number(task, "content_length") {
        set_length(bar, length);
    }
    bar.set_position(number(task, "cached_bytes").unwrap_or_default());
}

/// From now on it is known how long it will be.
pub(in crate::cli) fn set_length(bar: &ProgressBar, length: u64) {
    if bar.length() != Some(length) {
        bar.set_length(length);
        bar.set_style(style(BAR));
    }
}

/// A bar for something of which nobody knows yet how long it is; none where it would be among the bytes themselves.
pub(in crate::cli) fn download_bar(at: &Session, to_output: bool) -> ProgressBar {
    let target = match at.out.json() || to_output && stdout().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    ProgressBar::with_draw_target(None, target).with_style(style(NO_END)).with_finish(ProgressFinish::AndClear)
}

/// A bar on standard error, where that is a terminal and nobody wants JSON.
pub(super) fn bar(at: &Session, template: &str) -> ProgressBar {
    let target = if at.out.json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    ProgressBar::with_draw_target(Some(0), target).with_style(style(template)).with_finish(ProgressFinish::AndClear)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
