//! Why a task is as it is: the chain of causes in plain sentences, the cause nearest to the present first.

use super::engine::Handle;
use super::launch::Place;
use super::machine::{Blocker, Rest, Room, Task};
use super::model::*;
use super::{history, records, wire};
use crate::auth::Caller;
use crate::base::{Mono, Now, RunId};
use crate::logs::Selection;
use futures_util::StreamExt;
use serde_json::{Value, json};

/// Replicas that get a sentence of their own.
const REPLICAS: usize = 5;
/// Lines of output that are quoted.
const LINES: usize = 5;
/// Bytes of output that are quoted.
const QUOTED: usize = 4096;

/// The chain of causes of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The causes, the nearest first.
    pub sentences: Vec<String>,
    /// The task as `/proc/task` shows it, and its last run.
    pub facts: Value,
}

/// What the room's present state says.
struct Present {
    sentences: Vec<String>,
    detail: Value,
    incarnation: Incarnation,
    split: bool,
}

impl Handle {
    /// Why the task of this name is as it is; none when there is none that the caller may see.
    pub async fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        let (asking, wanted) = (caller.clone(), name.to_owned());
        let now = Now::read();
        let present = self
            .look(move |room| {
                let task = room.task(&wanted).filter(|task| asking.may_touch(task.runs_as()))?;
                Some(Present {
                    sentences: present(room, task, &asking, now),
                    detail: wire::task_detail(room, task),
                    incarnation: task.incarnation(),
                    split: task.definition().split_output,
                })
            })
            .await
            .ok()?;
        let Some(Present { mut sentences, detail, incarnation, split }) = present else {
            return self.why_gone(caller, name).await;
        };
        let last = self.last_run(incarnation).await;
        if let Some(run) = &last {
            sentences.push(ended(run));
            sentences.extend(self.said(run, split).await);
        }
        let facts = json!({ "task": detail, "last_run": last.as_ref().map(wire::run_record) });
        Some(Why { sentences, facts })
    }

    /// A name that was deleted.
    async fn why_gone(&self, caller: &Caller, name: &str) -> Option<Why> {
        let reader = self.tools.store.reader();
        let past = history::blocking(move || records::past(&reader)).await.ok()?;
        let mut past = past.into_iter().rev();
        let (incarnation, past) = past.find(|(_, past)| past.name == name && caller.may_touch(past.runs_as))?;
        let mut sentences =
            vec![format!("there is no task {name:?} any more: it was deleted {}", wire::moment(past.deleted))];
        let last = self.last_run(incarnation).await;
        sentences.extend(last.as_ref().map(ended));
        Some(Why { sentences, facts: json!({ "task": Value::Null, "last_run": last.as_ref().map(wire::run_record) }) })
    }

    async fn last_run(&self, incarnation: Incarnation) -> Option<RunRecord> {
        let reader = self.tools.store.reader();
        let newest = move || records::runs_back(&reader, incarnation, RunId(u64::MAX)).next().transpose();
        history::blocking(newest).await.ok()?
    }

    /// The last lines that a run said.
    async fn said(&self, run: &RunRecord, split: bool) -> Option<String> {
        let place = Place { incarnation: run.incarnation, replica: run.replica, split };
        // What went wrong is said on standard error, where that has a file of its own.
        let (stem, from, to) = match (place.err(), run.log_from?, run.log_to) {
            (Some(stem), from, to) => (stem, from.err?, to.and_then(|to| to.err)),
            (None, from, to) => (place.out()?, from.out, to.map(|to| to.out)),
        };
        let selection = Selection { run: Some((from, to)), last_lines: Some(LINES), ..Selection::default() };
        let mut pieces = std::pin::pin!(self.tools.logs.read(&stem, selection));
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            bytes.extend_from_slice(&piece);
            bytes.drain(..bytes.len().saturating_sub(QUOTED)); // a line may be as long as the file
        }
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        (!text.is_empty()).then(|| format!("the last it said:\n{text}"))
    }
}

fn present(room: &Room, task: &Task, asking: &Caller, now: Now) -> Vec<String> {
    let (name, definition, tally) = (task.name().as_str(), task.definition(), task.tally());
    let mut sentences = vec![format!(
        "task {name:?} ({}) is {}: {} of {} replicas run",
        definition.kind.name(),
        wire::task_state(task.state()),
        tally.busy,
        definition.replica.get(),
    )];
    let may_know = |name: &TaskName| room.task(name.as_str()).is_none_or(|other| asking.may_touch(other.runs_as()));
    if let Some(blocker) = room.blocker(task.incarnation()) {
        sentences.push(match blocker {
            // What it waits for through others, its owner has not named, and what those do is theirs to know.
            Blocker::Runs(other) | Blocker::Queued(other) if !may_know(&other) => {
                "it waits for a task of somebody else".to_owned()
            }
            Blocker::Until(dep) if !may_know(&dep.task) => {
                format!(
                    "it waits until {:?} is {}; that task is somebody else's",
                    dep.task.as_str(),
                    wire::until(dep.until)
                )
            }
            Blocker::Runs(other) => format!("it waits for {:?}, which runs", other.as_str()),
            Blocker::Queued(other) => format!("it waits for {:?}, which itself waits", other.as_str()),
            Blocker::Until(dep) => {
                let held = match room.task(dep.task.as_str()) {
                    Some(other) => format!("is {}", wire::task_state(other.state())),
                    None => "does not exist".to_owned(),
                };
                format!("it waits until {:?} is {}; that task {held}", dep.task.as_str(), wire::until(dep.until))
            }
        });
    }
    if let Some(next) = room.next_firing(task.incarnation()) {
        sentences.push(format!("it is due next at {}", wire::moment(next)));
    }
    let told = task.seats().iter().enumerate().filter_map(|(index, seat)| {
        let index = index as u32;
        match seat.runs().last().and_then(|run| room.run(*run)) {
            Some(run) => Some(running(room, task, run, index)),
            None => resting(seat.rest(), seat.failures(), index, now.mono),
        }
    });
    sentences.extend(told.take(REPLICAS));
    sentences.push(format!("it was created by {}", task.owner().name));
    sentences
}

fn running(room: &Room, task: &Task, run: &super::machine::Run, index: u32) -> String {
    let facts = run.facts();
    let mut text = format!("replica {index} is {}", run.state().word());
    if let (Some((pid, _)), Some(since)) = (facts.leader, facts.start) {
        text.push_str(&format!(": pid {pid} since {}", wire::moment(since)));
    }
    text.push_str(&format!(", started by {}", wire::started_by(&facts.started_by)));
    if let Some(by) = &facts.stopped_by {
        text.push_str(&format!(", told to end by {}", wire::stopped_by(by)));
    }
    let older = room.runs_at(task.name(), index).find(|other| other.facts().run < facts.run);
    if let Some(older) = older {
        text.push_str(&format!("; what is left of run {} is still ending", older.facts().run));
    }
    text
}

fn resting(rest: Rest, failures: u32, index: u32, now: Mono) -> Option<String> {
    match rest {
        Rest::Idle | Rest::Finished { .. } | Rest::Again => None,
        Rest::Pause(until) => {
            let left = (until - now).as_secs_f64();
            Some(format!("replica {index} is started again in {left:.1} s; {failures} lives in a row were short"))
        }
        Rest::Failed => Some(format!("replica {index} was given up after {failures} short lives in a row")),
    }
}

/// How a run ended, and who wanted that.
fn ended(run: &RunRecord) -> String {
    let how = match (run.status, &run.error) {
        (_, Some(error)) => format!("could not be started: {error}"),
        (Some(Status::Code(code)), None) => format!("ended with exit code {code}"),
        (Some(Status::Signal { signal, .. }), None) => {
            let name = Signal::new(i64::from(signal)).map_or_else(|_| signal.to_string(), |signal| signal.to_string());
            format!("was ended by {name}")
        }
        (None, None) => "ended in a way nobody saw".to_owned(),
    };
    let mut text = format!("run {} of replica {} {how} at {}", run.run, run.replica, wire::moment(run.end));
    if run.oom {
        text.push_str(", for want of memory");
    }
    text.push_str(&format!("; started by {}", wire::started_by(&run.started_by)));
    if let Some(by) = &run.stopped_by {
        text.push_str(&format!(", told to end by {}", wire::stopped_by(by)));
    }
    text
}
