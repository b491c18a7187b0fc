//! Finding the run, or the task of a run, that a path names. What the caller may not touch is not there for him.

use super::engine::Handle;
use super::machine::{Refusal, View};
use super::model::*;
use super::records;
use crate::auth::Caller;
use crate::base::events::Event;
use crate::http::{Cx, ErrorStatus, Failure, blocking};
use serde_json::Value;

/// The run in the path, as it is now.
pub async fn view(handle: &Handle, cx: &Cx) -> Result<View, Failure> {
    let run = number(cx)?;
    let view = handle.view(run).await?.filter(|view| cx.caller.may_touch(view.row.runs_as));
    view.ok_or_else(|| Refusal::NoRun(run).into())
}

/// The task in the path, and its run.
pub async fn task(handle: &Handle, cx: &Cx) -> Result<(View, TaskId), Failure> {
    let view = view(handle, cx).await?;
    let task = view.find(cx.param("task")).ok_or_else(|| no_task(cx.param("task"), view.row.id))?;
    Ok((view, task))
}

/// The row of the run in the path.
pub async fn row(handle: &Handle, cx: &Cx) -> Result<RunRow, Failure> {
    let run = number(cx)?;
    visible(handle, &cx.caller, run).await?.ok_or_else(|| Refusal::NoRun(run).into())
}

/// The row of a run that the caller may see.
pub async fn visible(handle: &Handle, caller: &Caller, run: DagRunId) -> Result<Option<RunRow>, Failure> {
    Ok(current(handle, run).await?.filter(|row| caller.may_touch(row.runs_as)))
}

/// The row of a run as it is now.
pub async fn current(handle: &Handle, run: DagRunId) -> Result<Option<RunRow>, Failure> {
    let mut found = None;
    // A run ends in memory a moment before it does in the store. A row that is not over there and not held here is of
    // such a moment: it is read again when the store has followed.
    for _ in 0..2 {
        if let Some(held) = handle.look(move |room| room.row(run)).await? {
            return Ok(Some(held));
        }
        let reader = handle.tools.store.reader();
        found = blocking(move || records::row(&reader, run)).await?;
        if found.as_ref().is_none_or(|row| row.state().is_over()) {
            break;
        }
        handle.settled().await;
    }
    Ok(found)
}

/// The number of the run in the path.
pub fn number(cx: &Cx) -> Result<DagRunId, Failure> {
    let text = cx.param("run");
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()); // a parser of numbers would take a sign as well
    let number = text.parse().ok().filter(|_| digits);
    number.map(DagRunId).ok_or_else(|| not_found(format!("there is no run \"{}\"", text.escape_debug())))
}

/// There is no such task in the run.
pub fn no_task(name: &str, run: DagRunId) -> Failure {
    not_found(format!("run {run} has no task \"{}\"", name.escape_debug()))
}

/// 404
pub fn not_found(message: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "not_found", message)
}

/// 400
pub fn bad(message: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_request", message)
}

/// The tasks of a run in the order of their ids, from one of them on.
pub fn tasks_from(view: &View, from: TaskId) -> impl Iterator<Item = TaskId> {
    let groups = view.groups.iter().zip(0..).skip(from.group as usize);
    groups.flat_map(move |(group, place)| {
        let first = if place == from.group { from.index } else { 0 };
        (first..group.template.count).map(move |index| TaskId { group: place, index })
    })
}

/// Of a task of this view, the name.
pub fn name(view: &View, task: TaskId) -> String {
    view.groups.get(task.group as usize).map(|group| group.template.instance(task.index)).unwrap_or_default()
}

/// Of a task of this view, the state.
pub fn state(view: &View, task: TaskId) -> State {
    view.groups.get(task.group as usize).map(|group| group.state(task.index)).unwrap_or_default()
}

/// Whether an event tells of a change of this run or of something in it.
pub fn concerns(event: &Event, run: DagRunId) -> bool {
    event.kind.starts_with("dag.") && event.data.get("run").and_then(Value::as_u64) == Some(run.0)
}
