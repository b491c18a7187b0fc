//! `GET /proc/task`: one task with its replicas: what the room knows, and of those at rest how their last run ended.

use super::engine::Handle;
use super::model::*;
use super::{records, routes, wire};
use crate::base::{Now, RunId};
use crate::http::{Cx, Failure, Reply, blocking};
use crate::store::{Batch, Reader};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs looked at, beside two for each replica, before a replica's last one counts as forgotten.
const FURTHER: usize = 64;

/// `GET /proc/task`
pub async fn task(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = routes::name(&cx)?;
    let caller = cx.caller;
    let now = Now::read().mono;
    let found = handle
        .look(move |room| {
            let task = room.task(name.as_str()).filter(|task| caller.may_touch(task.runs_as()))?;
            let resting = task.seats().iter().filter(|seat| seat.runs().is_empty()).count();
            let detail = wire::task_detail(room, task, |uid| caller.may_touch(uid), now);
            Some((detail, task.incarnation(), resting))
        })
        .await?;
    let (mut detail, incarnation, resting) = found.ok_or_else(routes::missing)?;
    if resting > 0 {
        // What had ended when the room was looked at is in the store when this is.
        handle.tools.store.submit(Batch::new()).durable().await.map_err(Failure::internal)?;
        let reader = handle.tools.store.reader();
        let replicas = detail.get("replicas").and_then(Value::as_array).map_or(0, Vec::len);
        let last = blocking(move || last_runs(&reader, incarnation, replicas)).await?;
        let replicas = detail.get_mut("replicas").and_then(Value::as_array_mut).into_iter().flatten();
        replicas.zip(0..).for_each(|(replica, index)| rested(replica, last.get(&index)));
    }
    Ok(Reply::json(&wire::ok_with(detail)))
}

/// The last run of each replica that has ended one.
fn last_runs(
    reader: &Reader,
    incarnation: Incarnation,
    replicas: usize,
) -> Result<BTreeMap<u32, RunRecord>, records::LoadError> {
    let mut last = BTreeMap::new();
    for run in records::runs_back(reader, incarnation, RunId(u64::MAX)).take(2 * replicas + FURTHER) {
        let run = run?;
        last.entry(run.replica).or_insert(run);
        if last.len() == replicas {
            break;
        }
    }
    Ok(last)
}

/// Adds to a replica at rest since when it is that, and why.
fn rested(replica: &mut Value, last: Option<&RunRecord>) {
    let (Some(run), Some(replica)) = (last, replica.as_object_mut()) else { return };
    if replica.get("run").is_some_and(|run| !run.is_null()) {
        return;
    }
    // One that waits for its launch says since when it does that, and for whom.
    if replica.get("since").is_none_or(Value::is_null) {
        let known = replica.get("reason").and_then(Value::as_str);
        let reason = known.map_or_else(|| wire::outcome(run), |known| format!("{}; {known}", wire::outcome(run)));
        replica.insert("reason".into(), reason.into());
        replica.insert("since".into(), wire::moment(run.end).into());
    }
    let line = wire::run_record(run);
    let part = |field: &str| (field.to_owned(), line.get(field).cloned().unwrap_or_default());
    let last = ["run", "start", "end", "exit_code", "signal", "state"].map(part);
    replica.insert("last_run".into(), json!(BTreeMap::from(last)));
}
