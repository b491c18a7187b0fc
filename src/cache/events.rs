//! What changed, as listeners of the event stream see it: operators only, by the id of the task or the number of the job.

use super::model::address::masked;
use super::model::{Job, JobState, Task, TaskId, TaskState};
use serde_json::{Value, json};

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    pub kind: &'static str,
    pub name: String,
    pub data: Value,
}

/// What there is to say of a task in its new state; nothing of one that was put aside, or that is about to go.
pub(super) fn task(task: &Task) -> Option<News> {
    let mut data = about(task);
    let kind = match &task.state {
        TaskState::Fetching => "cache.task.fetching",
        TaskState::Complete(_) => "cache.task.complete",
        TaskState::Partial(Some(failure)) => {
            data["error"] = failure.why.as_str().into();
            "cache.task.failed"
        }
        TaskState::Partial(None) | TaskState::Doomed => return None,
    };
    Some(News { kind, name: task.ids.primary.to_string(), data })
}

/// Pieces of a task are not what they were.
pub(super) fn damaged(task: &Task, pieces: &[u32]) -> News {
    let mut data = about(task);
    data["pieces"] = pieces.len().into();
    News { kind: "cache.task.damaged", name: task.ids.primary.to_string(), data }
}

/// A task is gone, with its file.
pub(super) fn removed(id: &TaskId) -> News {
    News { kind: "cache.task.removed", name: id.to_string(), data: json!({}) }
}

/// A job was made.
pub(super) fn job_made(job: &Job) -> News {
    let data = json!({ "job": job.id.0, "type": job.kind().word() });
    News { kind: "cache.job.created", name: job.id.0.to_string(), data }
}

/// A job is over.
pub(super) fn job_over(job: &Job) -> News {
    let mut data = json!({ "job": job.id.0, "type": job.kind().word(), "state": state(job.state()) });
    if !job.part.error.is_empty() {
        data["error"] = job.part.error.as_str().into();
    }
    News { kind: "cache.job.over", name: job.id.0.to_string(), data }
}

/// The URL without its query: that may hold a signature, which is as good as a key.
fn about(task: &Task) -> Value {
    json!({
        "task": task.no.0,
        "url": shown(&task.identity.url),
        "tag": task.identity.tag,
        "application": task.identity.application,
        "bytes": task.length(),
    })
}

/// A URL as it may be shown to whoever may know of a task: without account, query and fragment.
pub(super) fn shown(url: &str) -> String {
    let url = &*masked(url);
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let plain = url.get(..end).unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else { return plain.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// How a job stands, as metrics and events call it.
pub(super) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "pending",
        JobState::Success => "success",
        JobState::Failure => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_opens_it() {
        for (url, expected) in [
            ("https://ada:pw@files.example.net/a/b?X-Amz-Signature=1#f", "https://files.example.net/a/b"),
            ("http://files.example.net?key=1", "http://files.example.net"),
            ("http://files.example.net/mail/a@b", "http://files.example.net/mail/a@b"),
            ("https:ada:pw@files.example.net/a?b", "https:ada:***@files.example.net/a"),
            ("no url", "no url"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
