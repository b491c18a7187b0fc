//! Task after task: fetch, run, give back, log.

use super::access;
use super::command::{Command, Ended, Told};
use super::outcome::Outcome;
use super::service::{Fetched, Pauses, Service, tell};
use crate::cli::exit::{Exit, Problem};
use serde_json::Value;
use std::ffi::OsString;
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// What fits into one variable of an environment, with room to spare: the kernel takes 128 KiB.
const VARIABLE: usize = 100 << 10;
/// How long a secret is used before it is asked for again.
const SECRET_FOR: Duration = Duration::from_secs(60);
/// How long the daemon may stay away, once this worker was told to end, before a task that was not done is left to
/// the death of its holder.
const FAREWELL: Duration = Duration::from_secs(5);
/// Looks at something that keeps this worker from being handed tasks.
const HELD: Duration = Duration::from_secs(1);
/// The longest pause between them.
const LONGEST_HELD: Duration = Duration::from_secs(15);
/// A task that does not say how long it may be held can be held for the daemon's own time, whatever that is: so more is
/// asked for soon …
const SOON: Duration = Duration::from_millis(500);
/// … and this much.
const UNSAID: Duration = Duration::from_secs(300);
/// Whoever holds a task for longer than this asks again in between.
const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// What a worker does with a task.
#[derive(Debug)]
pub(super) struct Plan {
    /// The command.
    pub(super) argv: Vec<OsString>,
    /// Whether the last line it prints is the result.
    pub(super) votes: bool,
    /// One task, and that is all.
    pub(super) once: bool,
}

/// A task in hand.
struct Task {
    id: u64,
    recipe: String,
    /// What the project is called now; nothing where it is not said.
    project: Option<String>,
    retries: u64,
    /// Seconds it may be held; 0: it does not say.
    lease: i64,
}

impl Task {
    fn of(task: &Value) -> Option<Task> {
        Some(Task {
            id: task.get("id")?.as_u64()?,
            recipe: task.get("recipe")?.as_str()?.to_owned(),
            project: task.get("project").and_then(|project| project.get("name")?.as_str()).map(str::to_owned),
            retries: task.get("retries").and_then(Value::as_u64).unwrap_or(0),
            lease: task.get("max_assign_time").and_then(Value::as_i64).unwrap_or(0),
        })
    }
}

/// Works until told to end, or for one task.
///
/// # Errors
/// The daemon says no to what no time will mend, or the command cannot be started.
pub(super) async fn work(mut service: Service, plan: &Plan, mut told: watch::Receiver<Told>) -> Result<Exit, Problem> {
    let mut secret = Secret { text: None, at: None };
    loop {
        let task = tokio::select! {
            biased;
            _ = told.wait_for(|told| told.times > 0) => return Ok(Exit::Done),
            task = next(&mut service, &mut secret) => task?,
        };
        let exit = handle(&mut service, plan, &task, &secret, &mut told).await?;
        if plan.once {
            return Ok(exit);
        }
    }
}

/// The project's secret, for a while.
struct Secret {
    text: Option<String>,
    at: Option<Instant>,
}

/// Waits for a task, with the project's secret as it is now. Safe to drop: a task on its way goes back.
async fn next(service: &mut Service, secret: &mut Secret) -> Result<Task, Problem> {
    let mut pauses = Pauses::new(HELD, LONGEST_HELD);
    let (mut held, mut renewed) = (String::new(), false);
    loop {
        if secret.at.is_none_or(|at| at.elapsed() > SECRET_FOR) {
            (secret.text, secret.at) = (service.secret().await?, Some(Instant::now()));
            if secret.text.is_none() && !service.project.public {
                access::obtain(service, false).await?;
                secret.at = None;
                continue;
            }
        }
        let who = service.identity().await;
        match service.fetch().await? {
            Fetched::Task(task) => {
                return Task::of(&task).ok_or_else(|| Problem::Local("a task without its number or recipe".to_owned()));
            }
            Fetched::Nothing => {}
            Fetched::Later(pause) => sleep(pause).await,
            Fetched::Unknown => {
                tell(&format!("the daemon does not know worker {} any more: registering a new one", who.id));
                // Once is a daemon that was set up anew; more often is something that only time can mend.
                if std::mem::replace(&mut renewed, true) {
                    sleep(pauses.grow()).await;
                }
                service.renew(&who).await?;
                access::obtain(service, true).await?;
                secret.at = None;
                continue;
            }
            Fetched::Held(why) => {
                if held != why {
                    tell(&why);
                    held = why;
                }
                sleep(pauses.grow()).await;
                continue;
            }
        }
        held.clear();
        pauses = Pauses::new(HELD, LONGEST_HELD);
    }
}

/// Does one task and gives it back.
async fn handle(
    service: &mut Service,
    plan: &Plan,
    task: &Task,
    secret: &Secret,
    told: &mut watch::Receiver<Told>,
) -> Result<Exit, Problem> {
    if told.borrow().times > 0 {
        return give_back(service, task, Outcome::Skipped, told).await;
    }
    let environment = environment(service, task, secret);
    let command = Command { argv: &plan.argv, environment, input: &task.recipe };
    let started = Instant::now();
    let ended = tokio::select! {
        ended = command.run(told) => ended,
        never = keep(service, task) => match never {},
    };
    let Ended { status, told: signal, mut stdout, mut stderr } = match ended {
        Ok(ended) => ended,
        Err(error) => {
            // Nothing is wrong with the task: somebody else may be able to do it.
            give_back(service, task, Outcome::Skipped, told).await?;
            return unstarted(plan, &error, told).await;
        }
    };
    let outcome = Outcome::of(status, signal, plan.votes.then(|| stdout.bytes())).because(stderr.bytes());
    let took = format!("{:.1} s", started.elapsed().as_secs_f64());
    tell(&match &outcome {
        Outcome::Done(_) => format!("task {} is done, in {took}", task.id),
        Outcome::Failed(why) => format!("task {} has failed after {took}: {why}", task.id),
        Outcome::Skipped => format!("task {} is given back after {took}", task.id),
    });
    // The result first: it must not be lost to a slow log.
    let exit = give_back(service, task, outcome, told).await?;
    for (level, tail) in [("info", &mut stdout), ("error", &mut stderr)] {
        if let Some(text) = tail.text() {
            service.log(level, &text).await;
        }
    }
    Ok(exit)
}

/// A command that is not there will not be there for the next task; a host that has no room for a process may have some
/// soon.
async fn unstarted(plan: &Plan, error: &io::Error, told: &watch::Receiver<Told>) -> Result<Exit, Problem> {
    let program = plan.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let why = format!("cannot start {program}: {error}");
    let passes = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(libc::ENFILE | libc::EMFILE | libc::ETXTBSY));
    if !passes {
        return Err(Problem::Misuse(why));
    }
    tell(&why);
    let mut end = told.clone();
    tokio::select! {
        () = sleep(HELD) => {}
        _ = end.wait_for(|told| told.times > 0) => {}
    }
    Ok(Exit::Unhealthy)
}

/// What the command finds in its environment beside the worker's own.
fn environment(service: &Service, task: &Task, secret: &Secret) -> Vec<(&'static str, Option<String>)> {
    let fits = |text: &str| text.len() <= VARIABLE && !text.contains('\0');
    let recipe = Some(task.recipe.clone()).filter(|recipe| fits(recipe));
    let secret = secret.text.clone().unwrap_or_default();
    let name = task.project.clone().unwrap_or_else(|| service.project.name.clone());
    vec![
        ("TASK_ID", Some(task.id.to_string())),
        ("TASK_RETRIES", Some(task.retries.to_string())),
        ("TASK_RECIPE", recipe),
        ("PROJECT_NAME", Some(name).filter(|name| fits(name))),
        ("PROJECT_SECRET", Some(secret).filter(|secret| fits(secret))),
    ]
}

/// Gives a task back. A result is delivered, however long it takes; a task that was not done is free anyway when this
/// process is gone.
async fn give_back(
    service: &mut Service,
    task: &Task,
    outcome: Outcome,
    told: &watch::Receiver<Told>,
) -> Result<Exit, Problem> {
    let ending = told.borrow().times > 0;
    let limit = (ending && outcome == Outcome::Skipped).then(|| Instant::now() + FAREWELL);
    let exit = if matches!(outcome, Outcome::Failed(_)) { Exit::Unhealthy } else { Exit::Done };
    let mut again = told.clone();
    let delivered = tokio::select! {
        delivered = service.release(task.id, &outcome, limit) => delivered,
        // Told a second time: whoever says so does not want to wait for a daemon that is away.
        _ = again.wait_for(|told| told.times > 1), if ending => return Ok(exit),
    };
    match delivered {
        Ok(true) => Ok(exit),
        Ok(false) if matches!(outcome, Outcome::Done(_)) => Ok(exit),
        Ok(false) => {
            tell(&format!("task {} was not this worker's any more", task.id));
            Ok(exit)
        }
        Err(_) if limit.is_some() => Ok(exit),
        // A worker that was forgotten registers anew at its next fetch.
        Err(problem) => {
            tell(&format!("task {} could not be given back: {problem}", task.id));
            Ok(exit.worse(Exit::Unhealthy))
        }
    }
}

/// Sees to it that the task stays this worker's, as long as this is awaited.
async fn keep(service: &mut Service, task: &Task) -> std::convert::Infallible {
    let said = u64::try_from(task.lease).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let lease = said.unwrap_or(UNSAID).min(LONGEST_LEASE);
    let mut pause = if said.is_some() { lease / 2 } else { SOON };
    if task.lease < 0 {
        // It may not be held for any time at all, and is not to be had for longer.
        return std::future::pending().await;
    }
    loop {
        sleep(pause).await;
        match service.extend(task.id, lease).await {
            Ok(true) => pause = lease / 2,
            Ok(false) => {
                tell(&format!("task {} is not this worker's any more; its command goes on", task.id));
                break;
            }
            Err(problem) => {
                tell(&format!("task {} could not be extended: {problem}", task.id));
                break;
            }
        }
    }
    std::future::pending().await
}
