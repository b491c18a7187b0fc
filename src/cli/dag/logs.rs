//! `dag logs`: what a task has written, and what it writes as it writes it.

use super::answer::{is_over, of_run, of_task, text};
use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use crate::cli::logs::{Heard, Printer, Tail};
use crate::cli::watch::{Watch, patiently};
use clap::Args;
use hyper::StatusCode;
use serde_json::Value;

/// Show what a task of a run has written to its outputs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag logs 7 pack_3
  hostler dag logs 7 pack_3 --attempt 1 --stderr
  hostler dag logs 7 pack_3 -f

Without --attempt it is the attempt that runs, or else the last one. With -f the attempts that follow
are shown too, until the task or its run is over; a task that has not begun is waited for. With --json each line
is an object.")]
pub(super) struct Logs {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
    /// The task
    #[arg(value_name = "TASK")]
    task: String,
    /// Then show what comes, as it comes
    #[arg(short, long)]
    follow: bool,
    /// Only this attempt; the first is 1
    #[arg(long, value_name = "N")]
    attempt: Option<u64>,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only standard error
    #[arg(long)]
    stderr: bool,
}

impl Logs {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match (self.follow, self.attempt) {
            (true, None) => self.follow(at).await?,
            (_, attempt) => self.show(at, attempt, self.lines).await?,
        }
        Ok(Exit::Done)
    }

    fn call(&self) -> Call {
        let stream = match (self.stdout, self.stderr) {
            (true, _) => "stdout",
            (_, true) => "stderr",
            _ => "both",
        };
        Call::get(&of_task(self.run, &self.task, "/log")).query("stream", stream)
    }

    /// Shows one attempt.
    async fn show(&self, at: &Session, attempt: Option<u64>, lines: Option<u64>) -> Result<(), Problem> {
        let call = self.call().maybe("attempt", attempt).maybe("lines", lines);
        let call = call.maybe("follow", self.follow.then_some(1));
        let mut tail = Tail::open(at.client.another(), call).await?;
        let mut printer = Printer::new(&self.task, false, at.out.clone());
        loop {
            // Only what is followed is worth going on with: the rest is cut, and says so.
            match if self.follow { tail.next().await? } else { tail.piece().await? } {
                Heard::Bytes(bytes) => printer.show(&bytes)?,
                Heard::Gap => at.out.aside("the daemon is back; the last seconds before that may be shown twice"),
                Heard::End => return printer.end(),
            }
        }
    }

    /// Shows the present attempt and all that follow, until the task is over.
    async fn follow(&self, at: &mut Session) -> Result<(), Problem> {
        let mut watch = Watch::open(&at.client, Some("dag"), Some(&self.run.to_string())).await?;
        let (mut attempt, mut lines) = (None, self.lines);
        loop {
            // The state first: an attempt that begins after this look is found by the next one.
            let path = of_task(self.run, &self.task, "/state");
            let client = &mut at.client;
            let state = patiently(async || client.ask(Call::get(&path)).await).await?;
            if attempt.is_none() {
                // A task that has not begun has no last attempt.
                let last = self.call().query("lines", 0).query("format", "json");
                let last = found(patiently(async || client.ask(last.clone()).await).await)?;
                attempt = last.and_then(|last| last.get("attempt").and_then(Value::as_u64));
            }
            if let Some(number) = attempt
                && self.exists(at, number).await?
            {
                self.show(at, attempt, lines.take()).await?;
                attempt = Some(number + 1);
            } else if is_over(text(&state, "state")) || self.is_run_over(at).await? {
                return Ok(());
            } else {
                watch.next().await?;
            }
        }
    }

    /// Whether nothing more will come of a task that is not over: its run is, as when one before it has failed.
    async fn is_run_over(&self, at: &mut Session) -> Result<bool, Problem> {
        let (client, path) = (&mut at.client, of_run(self.run, "/state"));
        Ok(is_over(text(&patiently(async || client.ask(Call::get(&path)).await).await?, "state")))
    }

    async fn exists(&self, at: &mut Session, attempt: u64) -> Result<bool, Problem> {
        let call = self.call().query("attempt", attempt).query("lines", 0).query("format", "json");
        let client = &mut at.client;
        Ok(found(patiently(async || client.ask(call.clone()).await).await)?.is_some())
    }
}

/// The answer, if there is such an attempt.
fn found(answer: Result<Value, CallError>) -> Result<Option<Value>, Problem> {
    match answer {
        Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}
