//! Waiting for a job's end: a bar on a terminal.

use super::jobs::path_of;
use crate::cli::Session;
use crate::cli::cache::{download_bar, number, set_length, text};
use crate::cli::client::Call;
use crate::cli::exit::Problem;
use crate::cli::out::plain;
use crate::cli::run::interrupts;
use crate::cli::watch::patiently;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// The pause between two looks, at the beginning and at most: so often the bar moves. It grows with the time that has
/// passed: a pull of hours is not asked about ten times a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The part of the time so far.
const OF_TIME: u32 = 20;

/// The job when it is over and well.
///
/// # Errors
/// It failed or was forgotten, the waiting was interrupted, or the daemon is gone and has not come back.
pub(super) async fn until_over(at: &mut Session, id: &str) -> Result<Value, Problem> {
    let bar = download_bar(at, false);
    let mut interrupts = interrupts()?;
    let since = Instant::now();
    let call = Call::get(&path_of(id));
    loop {
        let client = &mut at.client;
        let mut interrupt = [0];
        let answer = tokio::select! {
            answer = patiently(async || client.data(call.clone()).await) => answer?,
            _ = interrupts.read(&mut interrupt) => return Err(interrupted(id)),
        };
        let Some(job) = answer.get(0) else {
            return Err(Problem::InVain(format!("job {id} was removed")));
        };
        match text(job, "stat") {
            "downloaded" | "published" => {
                bar.finish_and_clear();
                return Ok(job.clone());
            }
            "failed" => {
                bar.finish_and_clear();
                return Err(Problem::InVain(format!("{}: {}", plain(text(job, "tag")), plain(text(job, "reason")))));
            }
            _ => {}
        }
        if let Some(length) = number(job, "srcsize") {
            set_length(&bar, length);
        }
        bar.set_position(number(job, "size").unwrap_or_default());
        let pause = (since.elapsed() / OF_TIME).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = interrupts.read(&mut interrupt) => return Err(interrupted(id)),
        }
    }
}

fn interrupted(id: &str) -> Problem {
    Problem::InVain(format!("interrupted; job {id} goes on: `hostler data jobs {id}` shows it"))
}
