//! Why a task or a job is as it is: the cause nearest to the present first.

use super::engine::Handle;
use super::events;
use super::model::{Identity, Job, JobId, JobResult, JobState, PinOwner, Task, TaskId, TaskState};
use crate::auth::Caller;
use crate::base::{Now, Wall, Why};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

/// URLs of a job that get a sentence of their own.
const URLS: usize = 3;

/// Jobs that want a task and get a sentence of their own.
const JOBS: usize = 3;

impl Handle {
    /// Why `cache/ID`, `cache/URL` or `cache/job/7` is as it is; none when there is none, or the caller is no operator: nobody else is
    /// known to the cache by who he is on this host.
    pub async fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        if !caller.is_operator() {
            return None;
        }
        let of = name.strip_prefix("cache/")?;
        match of.strip_prefix("job/") {
            Some(number) => {
                let job = self.job(JobId(number.parse().ok()?)).await.ok()??;
                let bytes = self.job_bytes(&job);
                let now = Now::read();
                let left = self.look(|room| room.job_deadline(job.id)).map(|at| at - now.mono);
                let until = left.and_then(|left| now.wall.checked_add_signed(TimeDelta::from_std(left).ok()?));
                Some(why_job(&job, bytes, until))
            }
            None => {
                let ids = TaskId::parse(of)
                    .map_or_else(|| Identity::of_url(of).ids().own().cloned().collect(), |id| vec![id]);
                let task = self.look(|room| ids.iter().find_map(|id| room.find(id).cloned()))?;
                let wanted = self.look(|room| room.jobs_for(task.no));
                let keep = self.settings().rules.ttl;
                Some(why_task(&task, &wanted, keep, Now::read().wall))
            }
        }
    }
}

fn why_task(task: &Task, wanted: &[JobId], keep: std::time::Duration, now: Wall) -> Why {
    let mut sentences = vec![standing(task)];
    sentences.push(format!("it was first wanted at {}, and last at {}", moment(task.created), moment(task.used.get())));
    sentences.extend(wanted.iter().take(JOBS).map(|job| format!("job {} wants it", job.0)));
    if let Some(more) = wanted.len().checked_sub(JOBS).filter(|more| *more > 0) {
        sentences.push(format!("{more} more jobs want it"));
    }
    if task.private {
        sentences.push(
            "it was fetched with credentials: only operators are given it, and whose own its origin accepts".into(),
        );
    }
    sentences.extend(task.pins.iter().map(pinned));
    sentences.push(leaving(task, keep, now));
    let facts = json!({
        "id": task.ids.primary.to_string(),
        "url": events::shown(&task.identity.url),
        "state": state(task),
        "length": task.length(),
        "cached_bytes": task.cached_bytes(),
        "pins": task.pins.len(),
    });
    Why { sentences, facts }
}

fn standing(task: &Task) -> String {
    let url = events::shown(&task.identity.url);
    let (there, length) = (task.cached_bytes(), task.length());
    let of = length.map_or_else(|| "of a length that is not known".to_owned(), |length| format!("of {length}"));
    match &task.state {
        TaskState::Complete(since) => format!("{url} is complete since {}: {there} bytes", moment(*since)),
        TaskState::Fetching if task.source.is_none() => {
            format!("{url} is asked for, and its origin has not answered yet")
        }
        TaskState::Fetching => format!("{url} is being fetched: {there} bytes {of} are in finished pieces"),
        TaskState::Partial(Some(failure)) => {
            format!(
                "{url} could not be fetched at {}: {}; {there} bytes {of} are there",
                moment(failure.at),
                failure.why
            )
        }
        TaskState::Partial(None) => {
            format!("nobody waits for {url} any more: {there} bytes {of} are there, for the next who does")
        }
        TaskState::Doomed => format!("the file of {url} is being removed"),
    }
}

/// When it goes by itself.
fn leaving(task: &Task, keep: std::time::Duration, now: Wall) -> String {
    if !task.pins.is_empty() {
        return "it stays as long as it is pinned".into();
    }
    let ttl = task.ttl.unwrap_or(keep);
    let until = TimeDelta::from_std(ttl).ok().and_then(|ttl| task.used.get().checked_add_signed(ttl));
    match until {
        Some(until) if until <= now => "it has not been used for so long that the next round throws it away".into(),
        Some(until) => format!("unless it is used again it goes at {}, or earlier where room is needed", moment(until)),
        None => "it goes when room is needed".into(),
    }
}

fn pinned(owner: &PinOwner) -> String {
    match owner {
        PinOwner::Dag(run) => format!("DAG run {run} keeps it until it is over"),
        PinOwner::Proc(task) => format!("the supervised task {task} keeps it as long as it is defined"),
        PinOwner::Name(name) => format!("{name} keeps it until it is unpinned"),
    }
}

fn why_job(job: &Job, (fetched, all): (u64, u64), until: Option<Wall>) -> Why {
    let (id, what) = (job.id.0, job.kind().word());
    let state = job.state();
    let mut sentences = vec![match state {
        JobState::Pending => format!("job {id} ({what}) is at work since {}", moment(job.created)),
        JobState::Success => format!("job {id} ({what}) has succeeded at {}", moment(job.updated)),
        JobState::Failure => format!("job {id} ({what}) has failed at {}: {}", moment(job.updated), job.part.error),
    }];
    if let JobResult::Preheat(urls) = &job.part.result {
        let (mut done, mut failed, mut waiting) = (0, Vec::new(), Vec::new());
        for outcome in urls {
            match &outcome.end {
                Some(Ok(())) => done += 1,
                Some(Err(why)) => failed.push((events::shown(&outcome.url), why)),
                None => waiting.push(events::shown(&outcome.url)),
            }
        }
        if urls.is_empty() && state == JobState::Pending {
            sentences.push("the registry has not said yet what its images consist of".into());
        } else {
            sentences
                .push(format!("{done} of {} URLs are fetched: {fetched} bytes of {all}, as far as known", urls.len()));
        }
        sentences.extend(failed.iter().take(URLS).map(|(url, why)| format!("{url} failed: {why}")));
        if state == JobState::Pending {
            sentences.extend(waiting.iter().take(URLS).map(|url| format!("it waits for {url}")));
        }
    }
    if let (JobState::Pending, Some(until)) = (state, until) {
        sentences.push(format!("it has until {}", moment(until)));
    }
    let facts: Value = json!({ "job": id, "type": what, "state": events::state(state), "error": job.part.error });
    Why { sentences, facts }
}

fn state(task: &Task) -> &'static str {
    match task.state {
        TaskState::Fetching => "fetching",
        TaskState::Partial(_) => "partial",
        TaskState::Complete(_) => "complete",
        TaskState::Doomed => "removing",
    }
}

fn moment(at: Wall) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
