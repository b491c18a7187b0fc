//! Why a run or a task is as it is: the chain of causes in plain sentences, the cause nearest to the present first.

use super::engine::{Handle, Stream as Which};
use super::log::{self, Of, Source};
use super::machine::View;
use super::model::*;
use super::wire::TaskFacts;
use super::{runs, tasks, wire};
use crate::auth::Caller;
use crate::base::{Now, Wall, Why};
use crate::logs::Selection;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Tasks of a run that get a sentence of their own.
const TASKS: usize = 3;
/// Failed tasks among which the first are looked for.
const AMONG: usize = 200;
/// Lines of output that are quoted.
const LINES: usize = 5;
/// Bytes of them at most.
const BYTES: usize = 4096;

impl Handle {
    /// Why `dag/4` or `dag/4/merge_0` is as it is; none when there is none that the caller may see, or the name is no
    /// such name.
    pub async fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        let (run, task) = parts(name)?;
        let view = Arc::new(self.view(run).await.ok()??);
        if !caller.may_touch(view.row.runs_as) {
            return None;
        }
        let now = Now::read().wall;
        let (mut sentences, chosen) = match task {
            Some(name) => (Vec::new(), vec![view.find(name)?]),
            None => {
                let viewed = view.clone();
                // Of a million tasks, each may have to be looked at.
                let chosen = tokio::task::spawn_blocking(move || decisive(&viewed)).await.ok()?;
                (vec![headline(&view.row, now)], chosen)
            }
        };
        let mut told = tasks::facts(self, run, chosen).await.ok()?;
        told.sort_by_key(|(_, facts)| facts.last.as_ref().map(|(_, attempt)| attempt.stop));
        told.truncate(TASKS);
        for (task, facts) in &told {
            sentences.extend(self.of_task(&view, *task, facts, now).await);
        }
        if task.is_some() {
            sentences.push(headline(&view.row, now));
        }
        sentences.push(origin(&view.row, now));
        let lines: Vec<Value> = told.iter().map(|(task, facts)| tasks::line(&view, *task, facts)).collect();
        Some(Why { sentences, facts: json!({ "run": wire::summary(&view.row), "tasks": lines }) })
    }

    /// What a task does or waits for, how its last attempt ended, and what it said last.
    async fn of_task(&self, view: &View, task: TaskId, facts: &TaskFacts, now: Wall) -> Vec<String> {
        let (run, name) = (view.row.id, called(&runs::name(view, task)));
        let mut sentences = vec![format!("task {name} is {}{}", runs::state(view, task).word(), by_hand(facts))];
        if let Some((number, start)) = facts.live {
            sentences.push(format!("its attempt {number} runs since {}", when(start, now)));
        }
        sentences.extend(self.look(move |room| room.why_waiting(run, task)).await.unwrap_or_default());
        let Some((number, attempt)) = &facts.last else { return sentences };
        sentences.push(ended(*number, attempt, now));
        let source = Source { run, task, number: *number, of: Of::Ended(Box::new(attempt.clone())) };
        // What went wrong is said on standard error, where anything is.
        for stream in [Which::Errors, Which::Output] {
            let said = self.said(&source, stream).await;
            if !said.is_empty() {
                sentences.push(format!("it said last:\n{said}"));
                break;
            }
        }
        sentences
    }

    /// The last lines that an attempt wrote to a stream.
    async fn said(&self, source: &Source, stream: Which) -> String {
        let selection = Selection { last_lines: Some(LINES), ..Selection::default() };
        let Ok(mut pieces) = log::all(self, source, &[stream], selection) else { return String::new() };
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            bytes.extend_from_slice(&piece);
            bytes.drain(..bytes.len().saturating_sub(BYTES)); // a line may be as long as the file
        }
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

/// The run, and the task if one is named.
fn parts(name: &str) -> Option<(DagRunId, Option<&str>)> {
    let rest = name.strip_prefix("dag/")?;
    let (run, task) = rest.split_once('/').map_or((rest, None), |(run, task)| (run, Some(task)));
    let run = Some(run).filter(|run| run.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((DagRunId(run.parse().ok()?), task))
}

/// The tasks on account of which a run is as it is: those that failed; failing such, those that run or will run again;
/// failing those, one that waits.
fn decisive(view: &View) -> Vec<TaskId> {
    let some = |states: &[State], most: usize| -> Vec<TaskId> {
        // Where there are none, nothing is looked through.
        if states.iter().all(|state| view.row.counts.of(*state) == 0) {
            return Vec::new();
        }
        let first = TaskId { group: 0, index: 0 };
        runs::tasks_from(view, first).filter(|task| states.contains(&runs::state(view, *task))).take(most).collect()
    };
    let choices = [
        (&[State::Errored, State::Killed][..], AMONG),
        (&[State::Running, State::Retry], TASKS),
        (&[State::Queued], 1),
    ];
    choices.into_iter().map(|(states, most)| some(states, most)).find(|tasks| !tasks.is_empty()).unwrap_or_default()
}

fn headline(row: &RunRow, now: Wall) -> String {
    let since = row.history.last().map(|change| format!(" since {}", when(change.at, now))).unwrap_or_default();
    let counts: Vec<String> = row.counts.present().map(|(state, count)| format!("{count} {}", state.word())).collect();
    let (run, tag, state) = (row.id, called(&row.tag), row.state().word());
    let pass = match row.pass {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        often => format!(", restarted {often} times"),
    };
    format!("run {run} ({tag}) is {state}{since}{pass}; its tasks: {}", counts.join(", "))
}

fn by_hand(facts: &TaskFacts) -> String {
    match &facts.mark {
        Some(Mark::Killed(by)) => format!(": killed by {by}"),
        Some(Mark::Done(by)) => format!(": completed by hand, by {by}"),
        Some(Mark::Skipped(by)) => format!(": passed over by hand, by {by}"),
        Some(Mark::NotNeeded) => ": not needed, since nothing before it has failed".to_owned(),
        None => String::new(),
    }
}

fn ended(number: u32, attempt: &Attempt, now: Wall) -> String {
    let what = match attempt.outcome {
        Outcome::Completed => "succeeded",
        Outcome::Retry => "failed, and another follows",
        Outcome::Errored => "failed",
        Outcome::Killed => "was killed",
        Outcome::Interrupted => "was interrupted, and does not count",
    };
    let remark = if attempt.remark.is_empty() { String::new() } else { format!(": {}", attempt.remark) };
    format!("attempt {number} {what} at {} with rc {}{remark}", when(attempt.stop, now), attempt.rc)
}

fn origin(row: &RunRow, now: Wall) -> String {
    let owner = &row.owner.name;
    match &row.origin {
        Origin::Client => format!("it was submitted by {owner}"),
        Origin::Dag(name) => format!("it is a run of the stored DAG {name}, in the name of {owner}"),
        Origin::Schedule(name, due) => {
            format!("it was made by the schedule of the stored DAG {name}, due at {}, for {owner}", when(*due, now))
        }
    }
}

/// A name within a sentence: no character of it ends the line.
fn called(name: &str) -> String {
    name.escape_debug().to_string()
}

/// A moment, and how long ago it was, to the second.
fn when(at: Wall, now: Wall) -> String {
    let ago = (now - at).num_seconds().max(0).unsigned_abs();
    let ago = humantime::format_duration(Duration::from_secs(ago));
    format!("{} ({ago} ago)", at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::wire::tests::{at, attempt, row, view};

    #[test]
    fn names_are_of_runs_or_their_tasks() {
        assert_eq!(parts("dag/4"), Some((DagRunId(4), None)));
        assert_eq!(parts("dag/4/merge_0"), Some((DagRunId(4), Some("merge_0"))));
        assert_eq!(parts("dag/4/a/b_0"), Some((DagRunId(4), Some("a/b_0"))));
        for none in ["web", "dag", "dag/", "dag/x", "dag/+4", "dag/-1", "dag/99999999999999999999"] {
            assert_eq!(parts(none), None, "{none}");
        }
    }

    #[test]
    fn what_decides_is_the_failed_then_the_running_then_what_waits() {
        let task = json!({ "job": { "command": ["{{P}}"] } });
        let with = |states: [State; 3]| {
            let mut view = view(&json!({ "tag": "t", "parameters": { "P": ["x", "y", "z"] }, "tasks": { "a": task } }));
            view.groups[0].states = Arc::new(states.map(|state| state as u8).into());
            view.row.counts = Counts::default();
            states.iter().for_each(|state| view.row.counts.0[*state as usize] += 1);
            decisive(&view).iter().map(|task| task.index).collect::<Vec<_>>()
        };
        assert_eq!(with([State::Running, State::Errored, State::Killed]), [1, 2]);
        assert_eq!(with([State::Retry, State::Queued, State::Running]), [0, 2]);
        assert_eq!(with([State::Completed, State::Queued, State::Queued]), [1]);
        assert_eq!(with([State::Completed; 3]), [0u32; 0]);
    }

    #[test]
    fn sentences_tell_what_when_and_by_whom() {
        let now = at(60_000_000_000);
        assert_eq!(
            headline(&row(), now),
            "run 4 (tiles) is RUNNING since 2024-11-07T17:21:40.000Z (59s ago), restarted once; \
             its tasks: 1 QUEUED, 3 COMPLETED"
        );
        assert_eq!(
            ended(2, &attempt(), now),
            "attempt 2 failed at 2024-11-07T17:21:43.002Z (56s ago) with rc 7: a \"remark\""
        );
        assert_eq!(origin(&row(), now), "it was submitted by uid 1000 (maps)");
        let scheduled = RunRow { origin: Origin::Schedule(DagName::new("nightly").unwrap(), at(0)), ..row() };
        assert_eq!(
            origin(&scheduled, now),
            "it was made by the schedule of the stored DAG nightly, due at 2024-11-07T17:21:40.000Z (1m ago), \
             for uid 1000 (maps)"
        );
        assert_eq!(called("a\nb"), "a\\nb");
    }
}
