//! What the daemon says about runs, and where it is asked.

use crate::base::Wall;
use crate::cli::Session;
use crate::cli::client::{Call, CallError, segment};
use crate::cli::exit::Problem;
use crate::cli::out::word;
use crate::cli::why::clock;
use hyper::Method;
use serde_json::Value;

/// `/v1/dagrun/7`, and what is below it: `/state`.
pub fn of_run(run: u64, below: &str) -> String {
    format!("/v1/dagrun/{run}{below}")
}

/// `/v1/dagrun/7/task/pack_3`, and what is below it.
pub fn of_task(run: u64, task: &str, below: &str) -> String {
    format!("/v1/dagrun/{run}/task/{}{below}", segment(task))
}

/// `/v1/dag/nightly`, and what is below it.
pub fn of_dag(name: &str, below: &str) -> String {
    format!("/v1/dag/{}{below}", segment(name))
}

/// Makes a change and says that it is made: with `--json` what the daemon answered.
pub async fn change(at: &mut Session, call: Call, done: &str) -> Result<(), Problem> {
    let answer = at.client.ask(call).await?;
    match at.out.json() {
        true => at.out.value(&answer),
        false => at.out.line(done),
    }
}

/// The call that puts a run into a state.
pub fn put(run: u64, state: &str) -> Call {
    Call::new(Method::PATCH, &of_run(run, &format!("/state/{state}")))
}

/// Refuses unless the run is in one of these states: what is meant for another one is a slip of the pen.
pub async fn only_if(at: &mut Session, run: u64, states: &[&str]) -> Result<(), Problem> {
    let answer = at.client.ask(Call::get(&of_run(run, "/state"))).await?;
    let state = text(&answer, "state");
    match states.contains(&state) {
        true => Ok(()),
        false => Err(Problem::Misuse(format!("run {run} is {state}, not {}", states.join(" or ")))),
    }
}

/// The number of the run that was made.
pub fn run_id(answer: &Value, place: &dyn std::fmt::Display) -> Result<u64, Problem> {
    answer.get("runID").and_then(Value::as_u64).ok_or_else(|| {
        Problem::Call(CallError::Strange { place: place.to_string(), why: "a run without its number".to_owned() })
    })
}

/// A field as text; empty when it is absent.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A field as a cell of a table.
pub fn cell(value: &Value, key: &str) -> String {
    value.get(key).map(word).unwrap_or_default()
}

/// A moment as these routes tell it: nanoseconds since the epoch, as text.
pub fn moment(value: Option<&Value>) -> Option<Wall> {
    let nanoseconds: i64 = value?.as_str()?.parse().ok()?;
    Some(Wall::from_timestamp_nanos(nanoseconds))
}

/// A field that is a moment, in the host's zone.
pub fn time(value: &Value, key: &str) -> String {
    moment(value.get(key)).map(clock).unwrap_or_default()
}

/// How many tasks of a run are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// Completed.
    pub done: u64,
    /// Of which an attempt runs.
    pub running: u64,
    /// Errored or killed.
    pub failed: u64,
    /// Waiting to be tried again.
    pub retrying: u64,
}

impl Counts {
    /// Of a run's line.
    pub fn of(run: &Value) -> Counts {
        let counts = run.get("taskCounts").and_then(Value::as_object);
        let of = |state: &str| counts.and_then(|counts| counts.get(state)?.as_u64()).unwrap_or(0);
        Counts {
            total: counts.into_iter().flat_map(|counts| counts.values().filter_map(Value::as_u64)).sum(),
            done: of("COMPLETED"),
            running: of("RUNNING"),
            failed: of("ERRORED") + of("KILLED"),
            retrying: of("RETRY"),
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} done, {} running", self.done, self.total, self.running)?;
        for (count, word) in [(self.retrying, "to be tried again"), (self.failed, "failed")] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        Ok(())
    }
}

/// Whether a task or a run in this state is over.
pub fn is_over(state: &str) -> bool {
    matches!(state, "COMPLETED" | "ERRORED" | "KILLED")
}
