//! Waiting for the end of a run, and showing how far it has come: a bar on a terminal, else lines.
//!
//! ```text
//! listen to events ──┬── the run has changed ───────► look at once
//!                    ├── a task of it has changed ──► look, but not twice within a second
//!                    └── INT, TERM ─────────────────► leave the run alone, say how to come back
//! ```

use super::answer::{Counts, cell, is_over, of_run, of_task, text};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use crate::cli::run::interrupts;
use crate::cli::watch::{Watch, patiently};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

/// The shortest time between two looks at a run of which only tasks change.
const PAUSE: Duration = Duration::from_secs(1);
/// So many failed tasks are named …
const NAMED: usize = 5;
/// … each with so many of its last lines.
const LINES: usize = 5;

/// Waits until the run is over, and ends well only when it is COMPLETED.
///
/// # Errors
/// It failed, with the tasks that did and what they said last; or somebody interrupted the waiting.
pub async fn until_over(at: &mut Session, run: u64) -> Result<Exit, Problem> {
    // Listening begins before looking, so that nothing falls between.
    let mut watch = Watch::open(&at.client, Some("dag"), Some(&run.to_string())).await?;
    let mut interrupts = interrupts()?;
    let mut shown = Shown::new(at, run);
    loop {
        let client = &mut at.client;
        let summary = patiently(async || client.ask(Call::get(&of_run(run, "/summary"))).await).await?;
        shown.show(at, &summary)?;
        if is_over(text(&summary, "state")) {
            shown.bar.finish_and_clear();
            return outcome(at, run, &summary).await;
        }
        let mut interrupt = [0];
        tokio::select! {
            _ = interrupts.read(&mut interrupt) => {
                shown.bar.finish_and_clear();
                at.out.aside(&format!("run {run} goes on: `hostler dag wait {run}` comes back to it"));
                return Ok(Exit::Unhealthy);
            }
            changed = change(&mut watch) => changed?,
        }
    }
}

/// Returns when it is time to look at the run again: at once when it has changed itself, but not at each of its tasks.
async fn change(watch: &mut Watch) -> Result<(), Problem> {
    let earliest = Instant::now() + PAUSE;
    let mut is_news = false;
    loop {
        let event = tokio::select! {
            event = watch.next() => event?,
            () = sleep_until(earliest), if is_news => return Ok(()),
        };
        // Anything else tells of a task, or that events were missed.
        if event.kind.starts_with("dag.run.") {
            return Ok(());
        }
        is_news = true;
    }
}

/// What was last shown of a run.
struct Shown {
    bar: ProgressBar,
    line: String,
}

impl Shown {
    fn new(at: &Session, run: u64) -> Shown {
        let target = if at.out.json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("run {prefix} {bar:40} {msg}");
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_prefix(run.to_string());
        Shown { bar, line: String::new() }
    }

    fn show(&mut self, at: &Session, summary: &Value) -> Result<(), Problem> {
        let counts = Counts::of(summary);
        let state = text(summary, "state");
        // The end is told by itself.
        let is_plain = state == "RUNNING" || is_over(state);
        let line = if is_plain { counts.to_string() } else { format!("{counts} ({state})") };
        self.bar.set_length(counts.total);
        self.bar.set_position(counts.done);
        self.bar.set_message(line.clone());
        if at.out.json() || !self.bar.is_hidden() || line == self.line {
            return Ok(());
        }
        at.out.line(&format!("run {}: {line}", self.bar.prefix()))?;
        self.line = line;
        Ok(())
    }
}

/// How the run has ended.
async fn outcome(at: &mut Session, run: u64, summary: &Value) -> Result<Exit, Problem> {
    let state = text(summary, "state");
    if at.out.json() {
        at.out.value(summary)?;
        return Ok(if state == "COMPLETED" { Exit::Done } else { Exit::Unhealthy });
    }
    if state == "COMPLETED" {
        at.out.line(&format!("run {run} is COMPLETED"))?;
        return Ok(Exit::Done);
    }
    let counts = Counts::of(summary);
    let mut why = format!("run {run} is {state}: {} of {} tasks failed", counts.failed, counts.total);
    let page = Call::get(&of_run(run, "/tasks")).query("state", "ERRORED,KILLED").query("limit", NAMED);
    let page = at.client.ask(page).await?;
    for task in page.get("tasks").and_then(Value::as_array).into_iter().flatten() {
        why.push_str(&failure(at, run, task).await);
    }
    if !page.get("next").unwrap_or(&Value::Null).is_null() {
        why.push_str(&format!("\n  …\n`hostler dag show {run} --state errored` shows all"));
    }
    Err(Problem::InVain(why))
}

/// A failed task on a line, and what it said last.
async fn failure(at: &mut Session, run: u64, task: &Value) -> String {
    let name = text(task, "name");
    let mut told = format!("\n  {} is {}", plain(name), text(task, "state"));
    if let Some(rc) = task.get("rc").and_then(Value::as_i64) {
        told.push_str(&format!(", rc {rc}"));
    }
    let remark = cell(task, "executorLog");
    if !remark.is_empty() {
        told.push_str(&format!(": {}", plain(&remark)));
    }
    // It may have said nothing, or never have run: then there is nothing to add.
    let call = Call::get(&of_task(run, name, "/log")).query("stream", "stderr").query("lines", LINES);
    let said = at.client.ask(call.query("format", "json")).await.unwrap_or_default();
    for line in text(&said, "text").lines() {
        told.push_str(&format!("\n    | {}", plain(line)));
    }
    told
}
