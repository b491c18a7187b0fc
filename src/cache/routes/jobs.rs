//! Jobs: made, shown, listed, changed, forgotten.

use super::answer::{self, given, hurried, number};
use super::paged::{page_of, paged};
use super::{Door, Shared, resolving};
use crate::base::Now;
use crate::cache::engine::{Handle, JobSecrets};
use crate::cache::machine::{Ask, Refusal, Verdict};
use crate::cache::model::{
    Args, Cluster, ClusterId, Job, JobHead, JobId, JobKind, JobResult, JobState, NewJob, PreheatKind,
};
use crate::cache::wire::asked::{self, Asked, Asker, What};
use crate::cache::wire::jobs::{self, Around, Host, Occasion, User};
use crate::http::{Cx, ErrorStatus, Failure, Reply, blocking};
use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;

/// The words that lists of jobs may ask with; those that no job is ever in find nothing.
const STATES: [&str; 6] = ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE"];

/// A job may tell of thousands of addresses: as many other entries a list of jobs is as long as, so that not too many of
/// them are in memory at once.
const WEIGHT: usize = 40;

/// `POST …/jobs`
pub(super) async fn create(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    let who = door.enter(&shared, &cx, true).await?;
    let handle = shared.handle;
    let Asked { what, bio, user, clusters } = read(&handle, &cx, who.name).await?;
    let (args, secrets) = match what {
        What::SyncPeers => {
            // What it would look for is looked for in the same places.
            admits(&handle, &clusters, JobKind::GetTask)?;
            return Ok(answer::json(&"OK"));
        }
        What::Job(args, secrets) => (args, secrets),
    };
    let known = handle.accounts().get(user).is_some();
    let new = NewJob {
        group: Uuid::new_v4(),
        unit: Uuid::new_v4(),
        bio,
        user: if known { user } else { 0 },
        args: Arc::new(*args),
        clusters,
        has_secrets: secrets.any,
    };
    let credentials = resolving::credentials(secrets);
    // No registry is asked for what would not be let in.
    admits(&handle, &new.clusters, new.args.kind())?;
    match &*new.args {
        Args::Distribution(args) => {
            let wanted = (vec![args.image.clone()], args.platform.clone(), args.timeout);
            let found = resolving::resolve(&handle, &cx, wanted, credentials).await;
            return distributed(&handle, new, found).await;
        }
        // Whether there is such an image is said at once, and no job is made where there is none. Its work begins with
        // the same question, which is then fresh in memory.
        Args::Preheat(args) if args.kind == PreheatKind::Image => {
            let wanted = (args.images.clone(), args.platform.clone(), args.timeout);
            resolving::resolve(&handle, &cx, wanted, credentials.clone()).await?;
        }
        _ => {}
    }
    match handle.submit(new, JobSecrets { credentials }).await? {
        Verdict::Job(job) => Ok(answer::json(&shown(&handle, &job, Occasion::Made))),
        Verdict::Refused(refusal) => Err(refusal.into()),
        other => Err(answer::unexpected(&other)),
    }
}

async fn read(handle: &Handle, cx: &Cx, name: String) -> Result<Asked, Failure> {
    let handle = handle.clone();
    cx.read(move |body| {
        let settings = handle.settings();
        let plain = |host: &str| handle.origins().registry(host).is_some_and(|registry| registry.plain);
        let asker = Asker {
            plain: &plain,
            name: &name,
            keep_jobs_for: settings.rules.keep_jobs_for,
            keep_audit_for: settings.keep_audit_for,
        };
        asked::job(body, &asker)
    })
    .await
}

/// Whether somebody works for these clusters, and has room for another job.
fn admits(handle: &Handle, clusters: &[ClusterId], kind: JobKind) -> Result<(), Refusal> {
    let now = Now::read().mono;
    handle.look(|room| room.admits(clusters, kind, now))
}

/// The answer to who asks which blobs of an image are cached. The job that remembers it is over when it is made.
async fn distributed(handle: &Handle, new: NewJob, found: Result<Vec<String>, Failure>) -> Result<Reply, Failure> {
    let none = "no valid image layers found";
    let layers = match &found {
        Err(failure) if failure.status() == ErrorStatus::UNAVAILABLE => return found.map(|_| Reply::empty()),
        Err(failure) => Err(failure.message().to_owned()),
        Ok(layers) if layers.is_empty() => Err(none.to_owned()),
        Ok(layers) => Ok(layers.clone()),
    };
    match handle.ask(Ask::Distributed(Box::new(new), layers)).await? {
        Verdict::Job(job) => match &job.part.result {
            _ if found.as_ref().is_ok_and(Vec::is_empty) => Err(Failure::public(ErrorStatus::INTERNAL, "empty", none)),
            JobResult::Distribution { layers, cached } => {
                found?;
                Ok(answer::json(&jobs::distribution(layers, cached, host(handle))))
            }
            _ => Err(answer::unexpected(&Verdict::Job(job))),
        },
        Verdict::Refused(refusal) => Err(refusal.into()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `GET …/jobs/{id}`
pub(super) async fn get(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let (id, wait) = (JobId(number(&cx, "id")?), answer::wait(&cx)?);
    let job = match wait.is_zero() {
        true => shared.handle.job(id).await?,
        false => shared.handle.job_over(id, wait, hurried(&cx)).await?,
    };
    let job = job.ok_or(Refusal::NotFound)?;
    Ok(answer::json(&shown(&shared.handle, &job, Occasion::Asked)))
}

/// `GET …/jobs`
pub(super) async fn list(shared: Shared, cx: Cx, door: Door, path: &'static str) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let page = page_of(&cx.query)?;
    let (kind, state, user) = (given(&cx, "type"), given(&cx, "state"), given(&cx, "user_id"));
    if state.as_ref().is_some_and(|state| !STATES.contains(&state.as_str())) {
        return Err(answer::unreadable(format!("state: expected one of {} (oneof)", STATES.join(", "))));
    }
    let user = user.map(|user| user.parse::<u64>()).transpose();
    let user = user.map_err(|_| answer::unreadable("user_id: expected a number"))?;
    let takes = move |head: &JobHead| {
        kind.as_ref().is_none_or(|kind| kind == head.kind.word())
            && state.as_ref().is_none_or(|state| state == jobs::state(head.state))
            && user.is_none_or(|user| user == u64::from(head.user))
    };
    let handle = shared.handle;
    let looking = handle.clone();
    let look = move || looking.look(|room| room.heads().filter(|head| takes(head)).map(|head| head.id).collect());
    let mut ids: Vec<JobId> = blocking(move || Ok::<_, Infallible>(look())).await?;
    let total = ids.len();
    let ids: Vec<JobId> = ids.drain(page.range(total)).collect();
    let about = ids.len().saturating_mul(WEIGHT);
    let entries = stream::iter(ids).filter_map(move |id| {
        let handle = handle.clone();
        async move {
            // One that was forgotten meanwhile is left out.
            let job = handle.job(id).await.map_err(Failure::from).transpose()?;
            Some(job.map(|job| shown(&handle, &job, Occasion::Listed)))
        }
    });
    paged(answer::list(entries, about).await?, page, path, &cx.query, total as u64)
}

/// `PATCH …/jobs/{id}`
pub(super) async fn change(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let (id, handle) = (JobId(number(&cx, "id")?), shared.handle);
    let change = asked::change(&cx.body)?;
    let user = change.user.filter(|user| handle.accounts().get(*user).is_some());
    let job = match handle.ask(Ask::PatchJob { id, bio: change.bio, user }).await? {
        Verdict::Job(job) => job,
        Verdict::Patched(id) => handle.job(id).await?.ok_or(Refusal::NotFound)?,
        Verdict::Refused(refusal) => return Err(refusal.into()),
        other => return Err(answer::unexpected(&other)),
    };
    Ok(answer::json(&shown(&handle, &job, Occasion::Asked)))
}

/// `DELETE …/jobs/{id}`
pub(super) async fn delete(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    match shared.handle.ask(Ask::ForgetJob(JobId(number(&cx, "id")?))).await? {
        Verdict::Done => Ok(Reply::empty()),
        Verdict::Refused(refusal) => Err(refusal.into()),
        other => Err(answer::unexpected(&other)),
    }
}

fn host(handle: &Handle) -> Host<'_> {
    let settings = handle.settings();
    Host {
        hostname: &settings.hostname,
        ip: settings.ip,
        host_type: settings.host_type,
        long_peer_ids: settings.long_peer_ids,
    }
}

fn shown(handle: &Handle, job: &Job, occasion: Occasion) -> Value {
    let clusters: Vec<Cluster> = match occasion {
        Occasion::Listed => Vec::new(),
        _ => {
            handle.look(|room| room.clusters().filter(|cluster| job.clusters.contains(&cluster.id)).cloned().collect())
        }
    };
    let account = (job.user != 0).then(|| handle.accounts().get(job.user)).flatten();
    let over = job.state() != JobState::Pending;
    let bytes = if over || job.kind() != JobKind::Preheat { (0, 0) } else { handle.job_bytes(job) };
    let kept = TimeDelta::from_std(handle.settings().rules.keep_jobs_for).ok();
    let around = Around {
        host: host(handle),
        clusters: &clusters,
        user: account.map(|account| User { name: account.name, created: account.created }),
        bytes,
        expires: kept.filter(|_| over).and_then(|kept| job.updated.checked_add_signed(kept)),
    };
    jobs::job(job, occasion, &around)
}
