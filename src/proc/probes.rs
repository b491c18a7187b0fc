//! One try of a probe: is it ready, does it still work? Whatever connects or executes does so as the task's user, in
//! a child; a line of output is waited for, and a notification comes by itself.

use super::engine::{Settings, Tools};
use super::launch::{self, Place};
use super::machine::Probing;
use super::model::*;
use crate::base::RunId;
use crate::keeper::Status;
use crate::launch::Command as Line;
use std::sync::Arc;
use std::time::Duration;

/// The longest a readiness try may take; a longer wait is another try.
const READY_TRY: Duration = Duration::from_secs(10);
/// How much of what a probe wrote is shown.
const SHOWN: usize = 200;

/// What is looked at.
pub(super) struct Target {
    pub run: RunId,
    pub what: Probing,
    pub definition: Arc<Definition>,
    pub runs_as: u32,
    pub place: Place,
    /// Where the run's output begins.
    pub from: Offsets,
}

/// Tries once. None: there is nothing to try, the child itself will say.
pub(super) async fn try_once(tools: &Tools, settings: &Settings, target: Target) -> Option<Result<(), String>> {
    let definition = target.definition.clone();
    match (target.what, &definition.ready, &definition.health) {
        (Probing::Ready, Some(ready), _) => match &ready.when {
            ReadyWhen::Probe(probe) => Some(check(tools, settings, &target, probe, READY_TRY).await),
            ReadyWhen::Log(text) => Some(line(tools, &target, text).await),
            ReadyWhen::Notify => None,
        },
        (Probing::Health, _, Some(health)) => {
            Some(check(tools, settings, &target, &health.probe, health.timeout).await)
        }
        (Probing::Ready, None, _) | (Probing::Health, _, None) => None,
    }
}

async fn line(tools: &Tools, target: &Target, text: &str) -> Result<(), String> {
    let stems = [(target.place.out(), Some(target.from.out)), (target.place.err(), target.from.err)];
    let waits = stems.into_iter().filter_map(|(stem, from)| Some((stem?, from?)));
    let waits: Vec<_> =
        waits.map(|(stem, from)| Box::pin(async move { tools.logs.wait_for_line(&stem, from, text).await })).collect();
    if waits.is_empty() {
        return Err("there is no output to look at".to_owned());
    }
    let (found, _, _) = futures_util::future::select_all(waits).await;
    found.map(drop).map_err(|why| why.to_string())
}

async fn check(
    tools: &Tools,
    settings: &Settings,
    target: &Target,
    probe: &Probe,
    limit: Duration,
) -> Result<(), String> {
    let program = || settings.program.to_string_lossy().into_owned();
    let seconds = format!("{}s", limit.as_secs().max(1));
    let ours = |kind: &str, what: &str| {
        let words = [program(), "probe".into(), kind.into(), what.into(), "--timeout".into(), seconds.clone()];
        Line::Argv(words.to_vec())
    };
    let command = match probe {
        Probe::Tcp(address) => ours("tcp", address),
        Probe::Http(url) => ours("http", url),
        Probe::Exec(command) => launch::command(command),
    };
    let order = launch::probe_order(&target.definition, target.runs_as, target.run, target.place.replica, command);
    let outcome = tools.launcher.run(order, limit).await?;
    match outcome.status {
        Status::Code(0) => Ok(()),
        Status::Code(code) => Err(said(&outcome.output, &format!("exit code {code}"))),
        Status::Signal { signal, .. } => Err(said(&outcome.output, &format!("signal {signal}"))),
    }
}

/// How it ended, with the last of what it said.
fn said(output: &[u8], end: &str) -> String {
    let text = String::from_utf8_lossy(output);
    let last = text.trim().lines().next_back().unwrap_or_default();
    let shown: String = last.chars().take(SHOWN).collect();
    if shown.is_empty() { end.to_owned() } else { format!("{end}: {shown}") }
}
