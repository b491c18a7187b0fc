//! What changed, as listeners of the event stream see it: operators only, by the number of the project.

use super::machine::{Change, What};
use serde_json::{Value, json};

/// The kind of an event and its details.
pub(super) fn event(change: &Change) -> (&'static str, Value) {
    let project = change.project.0;
    match &change.what {
        What::Project => ("tracker.project.changed", json!({ "project": project })),
        What::Access(worker) => ("tracker.access.changed", json!({ "project": project, "worker": worker.0 })),
        What::Failed(task) => ("tracker.task.failed", json!({ "project": project, "task": task.0 })),
        What::Lost { task, lease, died } => {
            let mut data = json!({ "project": project, "task": task.0, "worker": lease.worker.0, "died": died });
            if let Some(process) = lease.process {
                data["pid"] = process.pid.into();
            }
            ("tracker.lease.lost", data)
        }
        What::Mass { how, affected } => {
            ("tracker.queue.changed", json!({ "project": project, "how": how, "affected": affected }))
        }
    }
}
