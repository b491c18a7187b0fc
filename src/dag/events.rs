//! What changed, as listeners of the event stream see it.

use super::machine::What;
use super::model::Outcome;
use super::wire;
use serde_json::{Value, json};

/// The kind of an event, the name it happened to, and its details.
pub(super) fn event(what: &What) -> (&'static str, String, Value) {
    match what {
        What::Run { run, tag, state } => {
            ("dag.run.state", run.to_string(), json!({ "run": run.0, "tag": tag, "state": state.word() }))
        }
        What::Task { run, task, name, state, attempt } => {
            let mut data = json!({
                "run": run.0, "task": name, "group": task.group, "index": task.index, "state": state.word(),
            });
            if let Some((number, rc, outcome)) = attempt {
                data["attempt"] = json!({ "number": number, "rc": rc, "outcome": word(*outcome) });
            }
            ("dag.task.state", run.to_string(), data)
        }
        What::Tasks { run, first, count, group } => {
            let data = json!({ "run": run.0, "group": group, "first": first.index, "count": count });
            ("dag.tasks.completed", run.to_string(), data)
        }
        What::Added { run, groups } => ("dag.run.added", run.to_string(), json!({ "run": run.0, "groups": groups })),
        What::Purged(run) => ("dag.run.purged", run.to_string(), json!({ "run": run.0 })),
        What::Dag(name) => ("dag.stored", name.to_string(), json!({ "dag": name.as_str() })),
        What::NotFired(name, row) => {
            ("dag.firing.missed", name.to_string(), json!({ "dag": name.as_str(), "firing": wire::firing(row) }))
        }
    }
}

/// What an attempt made of its task, in one word; also the label of its counter.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Retry => "retry",
        Outcome::Errored => "errored",
        Outcome::Killed => "killed",
        Outcome::Interrupted => "interrupted",
    }
}
