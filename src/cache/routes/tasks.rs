//! Tasks: what is kept, and how one is shown, fetched, found out about and kept.

use super::answer::{self, given, hurried};
use super::failures::Failures;
use super::paged::{page_of, paged};
use super::{Door, Shared, resolving};
use crate::cache::engine::{Handle, Opened};
use crate::cache::machine::{Ask, Refusal, Verdict, Wanted};
use crate::cache::model::{Task, TaskId, TaskNo, TaskState};
use crate::cache::wire::asked::{self, Fetch};
use crate::cache::wire::tasks::Selection;
use crate::cache::wire::{pins, tasks};
use crate::http::{Cx, Failure, Reply, blocking};
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Above the numbers of all tasks.
pub(super) const NEWEST: TaskNo = TaskNo(u64::MAX);
/// How many tasks one look at the room takes along.
const SLICE: usize = 1_000;
/// How many one look passes over.
const PASSED: usize = 5_000;

/// `GET …/tasks`
pub(super) async fn list(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, false).await?;
    let (page, selection) = (page_of(&cx.query)?, selection(&cx)?);
    let handle = shared.handle;
    let (total, chosen) = if selection.is_all() {
        let total = handle.look(|room| room.task_count());
        let range = page.range(total);
        let from = passed(&handle, range.start).await?;
        (total, scan(&handle, from, range.len(), |_| true).await?)
    } else {
        let mut matching = scan(&handle, NEWEST, usize::MAX, move |task| selection.takes(task)).await?;
        let total = matching.len();
        (total, matching.drain(page.range(total)).collect())
    };
    let about = chosen.len();
    let entries = chosen.into_iter().map(move |task| Ok(shown(&handle, &task, who.operator)));
    let reply = answer::list(stream::iter(entries), about).await?;
    paged(reply, page, "/oapi/v1/tasks", &cx.query, total as u64)
}

/// What a query selects.
///
/// # Errors
/// 422: there is no such state.
pub(super) fn selection(cx: &Cx) -> Result<Selection, Failure> {
    let state = given(cx, "state");
    if state.as_ref().is_some_and(|state| !Selection::STATES.contains(&state.as_str())) {
        let words = Selection::STATES.join(", ");
        return Err(answer::unreadable(format!("state: expected one of {words} (oneof)")));
    }
    let (url, tag, application) = (given(cx, "url"), given(cx, "tag"), given(cx, "application"));
    Ok(Selection { url, tag, application, state, part: given(cx, "q") })
}

/// Where the newest so many tasks end: the number below which the others are. In short looks, aside.
async fn passed(handle: &Handle, count: usize) -> Result<TaskNo, Failure> {
    let handle = handle.clone();
    let passing = move || {
        let (mut before, mut left) = (NEWEST, count);
        while left > 0 {
            let some = PASSED.min(left);
            let last = handle.look(|room| room.tasks_before(before).take(some).last().map(|task| task.no));
            let Some(last) = last else { break };
            (before, left) = (last, left - some);
        }
        Ok::<_, Infallible>(before)
    };
    blocking(passing).await
}

/// The first `most` tasks below this number, newest first, of which those are kept that `takes` says; in short looks, aside.
pub(super) async fn scan(
    handle: &Handle,
    from: TaskNo,
    most: usize,
    mut takes: impl FnMut(&Task) -> bool + Send + 'static,
) -> Result<Vec<Arc<Task>>, Failure> {
    let handle = handle.clone();
    let scanning = move || {
        let (mut kept, mut before, mut left) = (Vec::new(), from, most);
        while left > 0 {
            let slice: Vec<Arc<Task>> =
                handle.look(|room| room.tasks_before(before).take(SLICE.min(left)).cloned().collect());
            let Some(last) = slice.last() else { break };
            (before, left) = (last.no, left - slice.len());
            kept.extend(slice.into_iter().filter(|task| takes(task)));
        }
        Ok::<_, Infallible>(kept)
    };
    blocking(scanning).await
}

/// The task that the path names, by any of its ids.
///
/// # Errors
/// 404: there is none.
pub(super) fn found(handle: &Handle, cx: &Cx) -> Result<Arc<Task>, Failure> {
    let id = id_of(cx)?;
    Ok(handle.look(|room| room.find(&id).cloned()).ok_or(Refusal::NotFound)?)
}

fn id_of(cx: &Cx) -> Result<TaskId, Failure> {
    Ok(TaskId::parse(cx.param("id")).ok_or(Refusal::NotFound)?)
}

fn shown(handle: &Handle, task: &Task, operator: bool) -> Value {
    let mut value = tasks::task(task, handle.settings().rules.ttl);
    if operator {
        value["path"] = json!(handle.contents().path(&task.ids.primary));
    }
    value
}

/// `GET …/tasks/{id}`
pub(super) async fn get(shared: Shared, cx: Cx, door: Door, failures: Failures) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, false).await?;
    let (handle, id, wait) = (shared.handle, id_of(&cx)?, answer::wait(&cx)?);
    // What failed is gone at once, and with it everything but the reason.
    let failed = |gone: Failure| failures.of(&id).ok_or(gone);
    let task = match found(&handle, &cx) {
        Ok(task) => task,
        Err(gone) => return Ok(answer::json(&failed(gone)?)),
    };
    let task = match wait.is_zero() {
        true => task,
        false => match handle.task_settled(task.no, wait, hurried(&cx)).await {
            Some(task) => task,
            None => return Ok(answer::json(&failed(Refusal::NotFound.into())?)),
        },
    };
    let mut value = shown(&handle, &task, who.operator);
    value["pieces"] = tasks::pieces(&task);
    if task.state == TaskState::Fetching {
        // Pieces that are coming count as far as they are here.
        let bytes = handle.contents().progress(&task).borrow().bytes;
        value["cached_bytes"] = json!(bytes.max(task.cached_bytes()));
    }
    Ok(answer::json(&value))
}

/// `POST …/tasks/id`
pub(super) async fn ids(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let identity = asked::identity(&cx.body)?;
    Ok(answer::json(&tasks::ids(&identity, &identity.ids())))
}

/// `POST …/tasks`
pub(super) async fn fetch(shared: Shared, cx: Cx, door: Door, failures: Failures) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, true).await?;
    let handle = shared.handle;
    let Fetch { identity, digest, ttl, pin, revalidate, secrets } = asked::fetch(&cx.body, &who.name)?;
    let wanted = Wanted {
        ids: identity.ids(),
        digest: digest.or_else(|| identity.blob_digest()),
        private: secrets.any, // accounts of the configuration are looked for where a fetch begins
        ttl,
        pin,
        revalidate,
        peer: Uuid::new_v4(),
        identity,
    };
    let opened = handle.open(wanted, resolving::credentials(secrets)).await??;
    failures.forget(&opened.task.ids.primary);
    let value = shown(&handle, &opened.task, who.operator);
    tokio::spawn(hold(handle.clone(), opened, failures, value.clone()));
    Ok(answer::json(&value))
}

/// Wants a content until everything of it is there, or it has failed. As long as it is wanted the room does not forget it:
/// who asks what became of it finds it there, or among the failures.
async fn hold(handle: Handle, opened: Opened, failures: Failures, shown: Value) {
    let Err(why) = handle.contents().whole(&opened.task).await else { return };
    // The room hears of it, too, and knows why it was stopped: that there is no space left, for one.
    let settled = handle.task_settled(opened.task.no, Duration::MAX, std::future::pending()).await;
    match settled.map(|task| task.state.clone()) {
        Some(TaskState::Complete(_)) => {}
        Some(TaskState::Partial(Some(failure))) => failures.add(&opened.task, shown, &failure.why),
        Some(TaskState::Partial(None) | TaskState::Fetching | TaskState::Doomed) | None => {
            failures.add(&opened.task, shown, &why.why);
        }
    }
}

/// `PUT …/tasks/{id}/pins/{owner}`
pub(super) async fn pin(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    change_pin(shared, cx, door, true).await
}

/// `DELETE …/tasks/{id}/pins/{owner}`
pub(super) async fn unpin(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    change_pin(shared, cx, door, false).await
}

async fn change_pin(shared: Shared, cx: Cx, door: Door, keeps: bool) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, true).await?;
    let handle = shared.handle;
    let owner = pins::owner(cx.param("owner")).map_err(|why| answer::unreadable(format!("owner: {why}")))?;
    let no = found(&handle, &cx)?.no;
    let ask = if keeps { Ask::Pin(no, owner) } else { Ask::Unpin(no, owner) };
    match handle.ask(ask).await? {
        Verdict::Done => {}
        Verdict::Refused(refusal) => return Err(refusal.into()),
        other => return Err(answer::unexpected(&other)),
    }
    let task = handle.look(|room| room.task(no).cloned()).ok_or(Refusal::NotFound)?;
    Ok(answer::json(&shown(&handle, &task, who.operator)))
}
