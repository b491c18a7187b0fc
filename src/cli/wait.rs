//! `wait`: comes back when tasks are where the caller wants them.

use crate::base::duration;
use crate::cli::exit::{Exit, Problem};
use crate::cli::tasks::{self, Task};
use crate::cli::watch::{Watch, patiently};
use crate::cli::{Session, out::plain};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

/// Wait until tasks have started, are ready, have stopped, have succeeded or are gone
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler wait web --until ready --timeout 30s
  hostler wait 'job-*' && echo all through
  hostler wait migrate --until succeeded

Exits 1 when it can no longer come to that by itself, 111 when the time is over, 100 when there is
no such task.")]
pub(super) struct Wait {
    /// What to wait for
    #[arg(long, value_name = "STATE", default_value = "stopped")]
    until: Until,
    /// No longer than this, for all of them together
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Until {
    /// Every replica has been started
    Started,
    /// Every replica runs and is ready
    Ready,
    /// Nothing of it runs or is about to
    Stopped,
    /// Its last run ended well
    Succeeded,
    /// It is no longer listed
    Gone,
}

/// Whether a task is where one waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is.
    There,
    /// It may get there.
    NotYet,
    /// It is at rest somewhere else: why.
    Never(String),
}

impl Until {
    /// Looks at a task; none is one that does not exist.
    pub(super) fn look(self, task: Option<&Task>) -> Arrival {
        let Some(task) = task else {
            return match self {
                Until::Gone | Until::Stopped => Arrival::There,
                Until::Started | Until::Ready | Until::Succeeded => Arrival::Never("it does not exist".to_owned()),
            };
        };
        let there = match self {
            Until::Started => task.is_started(),
            Until::Ready => task.is_ready(),
            Until::Stopped => task.is_at_rest(),
            Until::Succeeded => task.is_at_rest() && task.state() == "succeeded",
            Until::Gone => false,
        };
        match there {
            true => Arrival::There,
            // A schedule may start it again; an operator may too, but that is nothing to wait for.
            false if self != Until::Gone && task.is_at_rest() && task.text("type") != "cron" => {
                Arrival::Never(format!("it is {}", task.state()))
            }
            false => Arrival::NotYet,
        }
    }
}

impl Wait {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let names = tasks::resolve(&mut at.client, &self.names).await?;
        let word = self.until.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let waited_for = Cell::new("");
        let all = async {
            for name in &names {
                waited_for.set(name);
                wait_for(at, name, self.until, &word).await?;
            }
            Ok(Exit::Done)
        };
        match self.timeout {
            None => all.await,
            Some(limit) => tokio::time::timeout(limit, all).await.unwrap_or_else(|_| {
                let limit = humantime::format_duration(limit);
                let name = waited_for.get();
                Err(Problem::Late(format!("{name} is not {word} after {limit}: `hostler why {name}` tells more")))
            }),
        }
    }
}

async fn wait_for(at: &mut Session, name: &str, until: Until, word: &str) -> Result<(), Problem> {
    // Listening begins before looking, so that nothing falls between.
    let mut watch = Watch::open(&at.client, None, Some(name)).await?;
    let mut known = until == Until::Gone;
    loop {
        let client = &mut at.client;
        let task = match patiently(async || client.data(tasks::call(name)).await).await {
            Err(error) if tasks::is_unknown(&error) => None,
            task => Some(Task(task?)),
        };
        // One that goes while it is waited for has stopped; one that never was is a slip of the pen.
        known |= task.is_some();
        if !known {
            return Err(tasks::unknown(name));
        }
        match until.look(task.as_ref()) {
            Arrival::There => break,
            Arrival::Never(why) => return Err(Problem::InVain(format!("{name} does not become {word}: {why}"))),
            Arrival::NotYet => watch.next().await?,
        };
    }
    match at.out.json() {
        true => at.out.record(&json!({ "name": name, "until": word })),
        false => at.out.line(&format!("{} is {word}", plain(name))),
    }
}
