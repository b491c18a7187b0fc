//! The bytes of a task, without a proxy: from the disk, or as they come.
//!
//! What is being fetched is read along, for as long as somebody else wants it; nothing is fetched for a reader here.

use super::answer::{elsewhere, ending};
use super::tasks::found;
use super::{Door, Shared};
use crate::base::Now;
use crate::cache::content::{Contents, FetchFailure};
use crate::cache::machine::Refusal;
use crate::cache::model::{Source, Task, TaskState};
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use futures_util::TryStreamExt;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use std::ops::Range;
use std::sync::Arc;

const FINISHED: HeaderName = HeaderName::from_static("x-dragonfly-task-download-finished");
const TASK_ID: HeaderName = HeaderName::from_static("x-dragonfly-task-id");
/// What the origin said that is passed on.
const PASSED_ON: [&str; 5] =
    ["content-type", "content-disposition", "content-encoding", "content-language", "docker-content-digest"];

/// `GET …/tasks/{id}/content`
pub(super) async fn read(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, false).await?;
    let task = found(&shared.handle, &cx)?;
    if task.private && !who.operator {
        let why = "this content was fetched with credentials: only operators may read it here; \
                   others get it through the proxy, with credentials that its origin accepts";
        return Err(Failure::public(ErrorStatus::FORBIDDEN, "private", why));
    }
    let contents = shared.handle.contents();
    let source = tokio::select! {
        source = source(contents, &task) => source?,
        () = cx.drained() => return Err(ending()),
    };
    task.used.touch(Now::read().wall);
    if unchanged(&cx.headers, &source) {
        return Ok(described(Reply::empty().status(StatusCode::NOT_MODIFIED), &task, &source));
    }
    let length = source.extent.length;
    let range = Contents::range(&cx.headers, &source).map_err(|()| out_of_range(length))?;
    let part = range.clone().unwrap_or(0..length.unwrap_or(u64::MAX));
    let metrics = shared.handle.metrics().clone();
    let sent = contents.read(&task, part.clone()).inspect_ok(move |bytes| metrics.cache_sent(bytes.len() as u64));
    let reply = Reply::finite("application/octet-stream", sent);
    let reply = described(reply, &task, &source);
    Ok(measured(reply, range.is_some(), part, length))
}

/// What the origin said: at once, or as soon as it has answered.
async fn source(contents: &Contents, task: &Arc<Task>) -> Result<Arc<Source>, Failure> {
    let incomplete = |why: &str| {
        let why = format!("the content is not complete, and nobody is fetching it{why}");
        Failure::public(ErrorStatus::CONFLICT, "incomplete", why)
    };
    match (&task.state, &task.source) {
        (TaskState::Doomed, _) => Err(Refusal::NotFound.into()),
        (TaskState::Partial(None), _) => Err(incomplete("")),
        (TaskState::Partial(Some(failure)), _) => Err(incomplete(&format!(": {}", failure.why))),
        (TaskState::Complete(_), Some(source)) => Ok(Arc::new(source.clone())),
        (TaskState::Complete(_) | TaskState::Fetching, _) => contents.source(task).await.map_err(failed),
    }
}

fn failed(failure: FetchFailure) -> Failure {
    elsewhere(failure.why)
}

/// Whether the client has exactly this version.
fn unchanged(headers: &HeaderMap, source: &Source) -> bool {
    let Some(etag) = &source.validators.etag else { return false };
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || weak(tag) == weak(etag))
}

fn out_of_range(length: Option<u64>) -> Failure {
    let length = length.map_or_else(|| "*".to_owned(), |length| length.to_string());
    let status = ErrorStatus::new(416).unwrap_or(ErrorStatus::BAD_REQUEST);
    let failure = Failure::public(status, "range", format!("the range lies beyond the {length} bytes that there are"));
    match HeaderValue::try_from(format!("bytes */{length}")) {
        Ok(range) => failure.header(CONTENT_RANGE, range),
        Err(_) => failure,
    }
}

/// With what is known of the content. It came from anywhere: a browser must not run it as ours.
fn described(mut reply: Reply, task: &Task, source: &Source) -> Reply {
    let validators = [(ETAG, &source.validators.etag), (LAST_MODIFIED, &source.validators.last_modified)];
    let validators = validators.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let passed = source.headers.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str()));
    let passed = passed.filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, value.as_str())));
    for (name, value) in validators.chain(passed) {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply = reply.header(name, value);
        }
    }
    if let Ok(id) = HeaderValue::try_from(task.ids.primary.to_string()) {
        reply = reply.header(TASK_ID, id);
    }
    if task.is_complete() {
        reply = reply.header(FINISHED, HeaderValue::from_static("true"));
    }
    reply.header(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"))
}

/// With how long it is, where that is known.
fn measured(mut reply: Reply, partial: bool, part: Range<u64>, length: Option<u64>) -> Reply {
    if partial || length.is_some() {
        reply = reply.header(CONTENT_LENGTH, HeaderValue::from(part.end.saturating_sub(part.start)));
        reply = reply.header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if partial {
        let (first, last) = (part.start, part.end.saturating_sub(1));
        let length = length.map_or_else(|| "*".to_owned(), |length| length.to_string());
        if let Ok(range) = HeaderValue::try_from(format!("bytes {first}-{last}/{length}")) {
            reply = reply.header(CONTENT_RANGE, range);
        }
        reply = reply.status(StatusCode::PARTIAL_CONTENT);
    }
    reply
}
