//! Jobs: pulls, publications of large files, transfers.

use super::failures::no_job;
use super::who::{Who, draft, known};
use super::{Shared, answer};
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::entry;
use crate::hub::machine::{Ask, Verdict};
use crate::hub::model::{Job, JobId, JobKind};
use crate::hub::wire::jobs::{self, JobView};
use hyper::{Method, StatusCode};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const ALL: &str = "/api/job";
const ONE: &str = "/api/job/{id}";
const UNKNOWN: (u16, &str) = (401, "1005, 6101: no credentials, or none that count");

const LIST: Doc = Doc {
    summary: "One's own jobs, newest first, then transfers to other hosts; an administrator's are all",
    query: &[],
    body: None,
    answers: &[(200, "a list of id, tag, path, stat, size, srcsize, reason"), UNKNOWN],
};
const SHOW: Doc =
    Doc { summary: "A job", query: &[], body: None, answers: &[(200, "a list of it; empty: there is none"), UNKNOWN] };
const PULL: Doc = Doc {
    summary: "Pulls a tag of another daemon into a data pool",
    query: &[],
    body: Some(
        "from: its entry point; repname, itemname, tag; datapool; itemdesc: the directory in it; destname: the file's \
         name; username, token: for the other daemon; publish: public or private, to publish it here too",
    ),
    answers: &[
        (202, "the job"),
        (400, "1007: which field, and what was expected; 1400: which is missing"),
        UNKNOWN,
        (403, "1006: somebody else's repository"),
        (404, "4010: no such data pool"),
    ],
};
const FORGET: Doc = Doc {
    summary: "Ends a job and forgets it",
    query: &[],
    body: None,
    answers: &[(200, "it is gone"), UNKNOWN, (404, "4404: there is none")],
};
const FORGET_ALL: Doc = Doc {
    summary: "Ends all of one's own jobs and forgets them",
    query: &[],
    body: None,
    answers: &[(200, "removed: how many"), UNKNOWN],
};

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    vec![
        draft(shared, (Method::GET, ALL), LIST).with(list),
        draft(shared, (Method::POST, ALL), PULL).with(pull),
        draft(shared, (Method::DELETE, ALL), FORGET_ALL).with(forget_all),
        draft(shared, (Method::GET, ONE), SHOW).with(show),
        draft(shared, (Method::DELETE, ONE), FORGET).with(forget),
    ]
}

/// A job, as it is shown to who may see it.
pub(super) fn view(shared: &Shared, job: &Job) -> JobView {
    let (there, trouble) = (shared.handle.bytes_of(job), shared.handle.trouble_of(job));
    JobView::of(job, path(shared, job).unwrap_or_default(), there, trouble)
}

/// Where a job's file lies, or will lie; none: nobody knows any more.
fn path(shared: &Shared, job: &Job) -> Option<String> {
    shared.handle.look(|room| {
        let file = match &job.kind {
            JobKind::Pull(source) => room.pool(&source.pool)?.dir.join(&*source.dir).join(&*source.file),
            JobKind::Publish(no) => {
                let tag = room.tag_by_no(*no)?;
                let item = room.item_by_no(tag.item)?;
                room.pool(&item.pool)?.dir.join(&*item.dir).join(&*tag.detail)
            }
        };
        Some(Path::to_string_lossy(&file).into_owned())
    })
}

/// Transfers to other hosts that are his to see.
fn outgoing(who: &Who) -> impl Iterator<Item = JobView> {
    let his = entry::outgoing().into_iter().filter(|transfer| who.may_touch(transfer.owner));
    his.map(|to| JobView::outgoing(to.id, &to.tag, &to.file, to.over, (to.sent, to.size)))
}

/// `GET …/job`
async fn list(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let is_his = |job: &&Arc<Job>| who.may_touch(job.owner);
    let jobs: Vec<Arc<Job>> = shared.handle.look(|room| room.jobs().filter(is_his).cloned().collect());
    let jobs = jobs.iter().map(|job| view(&shared, job));
    Ok(answer::data(&jobs.chain(outgoing(&who)).collect::<Vec<_>>()))
}

/// `GET …/job/{id}`
async fn show(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let id = JobId::parse(cx.param("id"));
    let job = id.and_then(|id| shared.handle.look(|room| room.job(id).cloned()));
    let job = job.filter(|job| who.may_touch(job.owner)).map(|job| view(&shared, &job));
    let job = job.or_else(|| outgoing(&who).find(|transfer| id.is_some_and(|id| transfer.is(id))));
    Ok(answer::data(&job.into_iter().collect::<Vec<_>>()))
}

/// `POST …/job`
async fn pull(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let (new, secret) = jobs::pull(&cx.body)?;
    match shared.handle.pull(who.by(), new, secret).await? {
        Verdict::Job(job) => Ok(answer::data(&view(&shared, &job)).status(StatusCode::ACCEPTED)),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `DELETE …/job/{id}`
async fn forget(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let none = || no_job(format!("there is no job {}", cx.param("id").escape_debug()));
    let id = JobId::parse(cx.param("id")).ok_or_else(none)?;
    match shared.ask(Ask::ForgetJob(who.by(), Some(id))).await? {
        Verdict::Gone(0) => Err(none()),
        Verdict::Done | Verdict::Gone(_) => Ok(answer::ok()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `DELETE …/job`
async fn forget_all(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    match shared.ask(Ask::ForgetJob(who.by(), None)).await? {
        Verdict::Done => Ok(answer::data(&json!({ "removed": 0 }))),
        Verdict::Gone(count) => Ok(answer::data(&json!({ "removed": count }))),
        other => Err(answer::unexpected(&other)),
    }
}
