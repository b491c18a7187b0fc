//! The calls of workers: submitting, being handed tasks, giving them back, asking for more time.

use super::answer::{Answer, ENTRY, aside, bad, body, content, paced, refused, said, unexpected};
use super::engine::Handle;
use super::machine::{Ask, From, Handed, Refusal, Submitter, Verdict};
use super::model::{NewTask, Outcome, ProjectId, TaskId};
use super::numbers;
use super::people::{self, Claim, Known};
use super::wire::asked::{self, Fault, Submit, Wanted};
use super::wire::{self, Envelope};
use crate::base::{Now, duration};
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use serde::Serialize;
use serde_json::json;
use std::future::pending;
use std::time::Duration;

/// The longest wait of one request.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// How many tasks are handed out at once at most.
const COUNT_MAX: usize = 100;
/// How many tasks of a bulk become one decision: what a few milliseconds suffice for.
const SLICE: usize = 1000;
/// How much is kept of the reason for a failure, in bytes.
const REASON_MAX: usize = 1024;
/// The longest time that a lease is extended by, in seconds: what the original's column holds.
const EXTEND_MAX: f64 = 2_147_483_647.0;

/// Who submits: a worker, or a manager where the request says nothing of a worker.
async fn submitter(handle: &Handle, cx: &Cx) -> Result<Submitter, Failure> {
    if !Claim::is_made(&cx.headers) {
        let person = people::person(handle, cx)?;
        if person.is_manager() {
            return Ok(Submitter::Manager(person.manager));
        }
    }
    Ok(Submitter::Worker(people::worker(handle, cx, ErrorStatus::UNAUTHORIZED).await?.id))
}

/// `POST /task/submit`
pub(super) async fn submit(handle: Handle, cx: Cx) -> Answer {
    let by = submitter(&handle, &cx).await?;
    let wanted = body::<Submit>(&cx).await?.check().map_err(|fault| faulty(fault, "Invalid task"))?;
    let project = ProjectId(asked::number(wanted.project));
    let tasks = vec![wanted.at(Now::read().wall)];
    match handle.ask(Ask::Submit { by, project, tasks }, pending()).await? {
        Verdict::Submitted(stored) => match stored.into_iter().next() {
            Some(Ok(id)) if cx.query.flag("id") => content(json!({ "id": id.0 })),
            Some(Ok(_)) => said(true, ""),
            Some(Err(why)) => refused(&why),
            None => Err(Failure::internal("a submitted task came to nothing")),
        },
        Verdict::Refused(why) => not_submitted(&paced(why).await),
        other => Err(unexpected(&other)),
    }
}

/// What became of the tasks of a bulk, in their order.
type Stored = Vec<Result<TaskId, Refusal>>;

#[derive(Serialize)]
struct BulkContent {
    submitted: usize,
    rejected: Vec<wire::Rejected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<Option<u64>>>,
}

impl BulkContent {
    fn of(stored: &Stored, with_ids: bool) -> BulkContent {
        let refusal = |(index, outcome): (usize, &Result<_, Refusal>)| {
            let why = outcome.as_ref().err()?;
            Some(wire::Rejected { index, message: why.to_string() })
        };
        let rejected: Vec<wire::Rejected> = stored.iter().enumerate().filter_map(refusal).collect();
        let id = |outcome: &Result<TaskId, Refusal>| outcome.as_ref().ok().map(|id| id.0);
        let ids = with_ids.then(|| stored.iter().map(id).collect());
        BulkContent { submitted: stored.len() - rejected.len(), rejected, ids }
    }
}

/// `POST /task/bulk_submit`: what is new is stored, and the rest is told.
pub(super) async fn bulk(handle: Handle, cx: Cx) -> Answer {
    let by = submitter(&handle, &cx).await?;
    let (project, tasks) = several(body::<asked::Bulk>(&cx).await?.requests)?;
    // What was begun is finished, also for a client that has gone.
    let stored = tokio::spawn(store(handle, by, project, tasks)).await.map_err(Failure::internal)??;
    let with_ids = cx.query.flag("id");
    match stored {
        Ok(stored) => aside(stored.len() * ENTRY, move || content(BulkContent::of(&stored, with_ids))).await,
        Err(why) => not_submitted(&paced(why).await),
    }
}

/// Stores the tasks slice by slice, so that whoever else wants something meanwhile has his turn. Only the first slice can be
/// refused as a whole.
async fn store(
    handle: Handle,
    by: Submitter,
    project: ProjectId,
    tasks: Vec<Wanted>,
) -> Result<Result<Stored, Refusal>, Failure> {
    let now = Now::read().wall;
    let mut stored = Stored::with_capacity(tasks.len());
    let mut tasks = tasks.into_iter();
    loop {
        let slice: Vec<NewTask> = tasks.by_ref().take(SLICE).map(|wanted| wanted.at(now)).collect();
        let count = slice.len();
        let ask = match (stored.is_empty(), count) {
            (_, 0) => return Ok(Ok(stored)),
            (true, _) => Ask::Submit { by, project, tasks: slice },
            (false, _) => Ask::SubmitMore { by, project, tasks: slice },
        };
        match handle.ask(ask, pending()).await? {
            Verdict::Submitted(these) => stored.extend(these),
            Verdict::Refused(why) if stored.is_empty() => return Ok(Err(why)),
            Verdict::Refused(why) => stored.extend(std::iter::repeat_n(Err(why), count)),
            other => return Err(unexpected(&other)),
        }
    }
}

/// The tasks of a bulk, and their project.
fn several(requests: asked::Requests) -> Result<(ProjectId, Vec<Wanted>), Failure> {
    if let Some(fault) = requests.fault {
        return Err(faulty(fault, "Invalid request"));
    }
    let first = requests.tasks.first().ok_or_else(super::answer::unparsable)?;
    if requests.differing {
        return Err(bad("All the tasks in a bulk submit must be of the same project"));
    }
    Ok((ProjectId(asked::number(first.project)), requests.tasks))
}

fn faulty(fault: Fault, sentence: &'static str) -> Failure {
    bad(match fault {
        Fault::Invalid => sentence,
        Fault::TooLong => "pq: max_assign_time: value is out of range for type integer",
    })
}

fn not_submitted(why: &Refusal) -> Answer {
    match why {
        Refusal::NoWorker => Err(people::Stranger::Unknown.with(ErrorStatus::UNAUTHORIZED)),
        why => refused(why),
    }
}

/// `GET /task/get/{project}`
pub(super) async fn get(handle: Handle, cx: Cx) -> Answer {
    let worker = fetcher(&handle, &cx).await?;
    let project = numbers::positive(cx.param("project")).ok_or_else(|| bad("Invalid project id"))?;
    fetch(handle, cx, worker, From::Project(ProjectId(project))).await
}

/// `GET /task/next`
pub(super) async fn next(handle: Handle, cx: Cx) -> Answer {
    let worker = fetcher(&handle, &cx).await?;
    fetch(handle, cx, worker, From::Any).await
}

/// The worker; that it is not paused comes before everything else that may be wrong with the request.
async fn fetcher(handle: &Handle, cx: &Cx) -> Result<Known, Failure> {
    let worker = people::worker(handle, cx, ErrorStatus::FORBIDDEN).await?;
    if worker.paused { Err(bad(Refusal::Paused.to_string())) } else { Ok(worker) }
}

async fn fetch(handle: Handle, cx: Cx, worker: Known, from: From) -> Answer {
    let wait = wait(cx.query.get("wait"))?;
    let count = numbers::within(&cx, "count", (1, COUNT_MAX))?;
    let process = people::process(&handle, &cx).await?;
    let ask = Ask::Fetch { worker: worker.id, from, count: count.unwrap_or(1), wait, process };
    let verdict = if wait.is_zero() {
        handle.ask(ask, pending()).await?
    } else {
        let (gone, drained) = (cx.gone(), cx.drained());
        let over = async move {
            tokio::select! {
                () = gone => {}
                () = drained => {}
            }
        };
        handle.ask(ask, over).await?
    };
    match verdict {
        Verdict::Handed(tasks) if tasks.is_empty() => said(false, "No task available"),
        Verdict::Handed(tasks) => {
            let bytes = tasks.iter().map(|handed| handed.task.what.recipe.len() + wire::text(&handed.project)).sum();
            let handed = HandedOut { tasks, as_list: count.is_some() };
            aside(bytes, move || content(handed)).await
        }
        Verdict::Refused(why) => refused(&paced(why).await),
        other => Err(unexpected(&other)),
    }
}

/// How long to wait, in the query's words.
fn wait(text: Option<&str>) -> Result<Duration, Failure> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    match duration::parse(text) {
        Ok(wait) if wait <= WAIT_MAX => Ok(wait),
        Ok(_) => Err(bad(format!("wait: expected at most {} seconds", WAIT_MAX.as_secs()))),
        Err(why) => Err(bad(format!("wait: {why}"))),
    }
}

/// Tasks on their way to a worker.
struct HandedOut {
    tasks: Vec<Handed>,
    as_list: bool,
}

impl Serialize for HandedOut {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Content<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            task: Option<wire::Task<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            tasks: Option<Vec<wire::Task<'a>>>,
        }
        let content = if self.as_list {
            Content { task: None, tasks: Some(self.tasks.iter().map(wire::handed).collect()) }
        } else {
            Content { task: self.tasks.first().map(wire::handed), tasks: None }
        };
        content.serialize(to)
    }
}

/// `POST /task/release`
pub(super) async fn release(handle: Handle, cx: Cx) -> Answer {
    let worker = people::worker(&handle, &cx, ErrorStatus::FORBIDDEN).await?.id;
    let sent: asked::Release = body(&cx).await?;
    if sent.task_id == 0 {
        return Err(bad("Invalid request"));
    }
    let outcome = match sent.result {
        0 => Some(Outcome::Done(sent.verification)),
        1 => Some(Outcome::Failed),
        2 => Some(Outcome::Skipped),
        _ => None,
    };
    let reason = beginning(sent.reason, REASON_MAX);
    let ask = Ask::Release { worker, task: numbers::task(sent.task_id), outcome, reason };
    match handle.ask(ask, pending()).await? {
        Verdict::Released(updated) => {
            let message = if updated { "" } else { "Task was not marked as closed" };
            Ok(Reply::json(&Envelope { ok: true, message, content: Some(json!({ "updated": updated })) }))
        }
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

/// As much of the text as so many bytes hold, whole characters only.
fn beginning(mut text: String, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

/// `POST /task/extend`
pub(super) async fn extend(handle: Handle, cx: Cx) -> Answer {
    let worker = people::worker(&handle, &cx, ErrorStatus::FORBIDDEN).await?.id;
    let asked::Extend { task_id, seconds } = body(&cx).await?;
    if task_id == 0 {
        return Err(bad("Invalid request"));
    }
    let by = (seconds > 0.0 && seconds <= EXTEND_MAX).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten();
    let by = by.ok_or_else(|| bad(format!("seconds: expected a number above 0, at most {EXTEND_MAX}")))?;
    match handle.ask(Ask::Extend { worker, task: numbers::task(task_id), by }, pending()).await? {
        Verdict::Extended(until) => content(json!({ "expires": until.timestamp() })),
        Verdict::Refused(Refusal::NoTask) => refused(&Refusal::NotHeld),
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::tests::{new_task, people, running};
    use super::super::model::{Manager, ManagerId};
    use super::*;
    use crate::store::Store;

    fn wanted(number: usize, hash: i64) -> Wanted {
        Wanted { project: 1, task: new_task(&format!("recipe {number}"), hash), delay: Duration::ZERO }
    }

    #[tokio::test]
    async fn a_bulk_is_stored_slice_by_slice_and_told_as_one() {
        let handle = running(Store::in_memory()).await;
        let (_, _, project) = people(&handle).await;
        let by = Submitter::Manager(Manager::Admin(ManagerId(0)));
        let count = 2 * SLICE + 1;
        let mut tasks: Vec<Wanted> = (0..count).map(|number| wanted(number, 0)).collect();
        (tasks[3].task.hash, tasks[4].task.hash, tasks[count - 1].task.hash) = (7, 7, 7);
        let stored = store(handle.clone(), by, project, tasks).await.unwrap().unwrap();
        assert_eq!(stored.len(), count);
        let content = serde_json::to_value(BulkContent::of(&stored, true)).unwrap();
        assert_eq!(content["submitted"], count - 2);
        let told: Vec<_> = content["rejected"].as_array().unwrap().iter().map(|one| one["index"].as_u64()).collect();
        assert_eq!(told, [Some(4), Some(2 * SLICE as u64)]);
        let ids = content["ids"].as_array().unwrap();
        assert!(ids.len() == count && ids[4].is_null() && ids[5].as_u64() > ids[3].as_u64());

        let none = store(handle.clone(), by, ProjectId(99), vec![wanted(0, 0)]).await.unwrap();
        assert_eq!(none.unwrap_err(), Refusal::NoProject);
    }

    #[test]
    fn waits_are_seconds_up_to_five_minutes() {
        assert_eq!(wait(None).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some("0")).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some("1.5")).unwrap(), Duration::from_millis(1500));
        assert_eq!(wait(Some("300")).unwrap(), WAIT_MAX);
        assert_eq!(wait(Some("2m")).unwrap(), Duration::from_secs(120));
        for bad in ["301", "-1", "x", "", "1e99"] {
            assert_eq!(wait(Some(bad)).unwrap_err().status(), ErrorStatus::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(beginning("abc".to_owned(), 4), "abc");
        assert_eq!(beginning("abc".to_owned(), 2), "ab");
        assert_eq!(beginning("aé".to_owned(), 2), "a");
    }
}
