//! Jobs, as clients see them.

mod args;
mod result;

pub use args::of as echo;
pub use result::distribution;

use super::{NO_MOMENT, clusters, moment};
use crate::base::Wall;
use crate::cache::model::{Cluster, Job, JobKind, JobState, PartState};
use serde_json::{Value, json};
use std::net::IpAddr;

/// This host, as jobs name it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// Its name.
    pub hostname: &'a str,
    /// Its address.
    pub ip: IpAddr,
    /// `super` or `normal`.
    pub host_type: &'a str,
    /// Ids of peers have the task's UUID in them.
    pub long_peer_ids: bool,
}

/// On which occasion a job is shown: three of its fields depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It was made: no result yet, except where it was waited for.
    Made,
    /// It was asked for by its number.
    Asked,
    /// In a list.
    Listed,
}

/// What is shown with a job and is not its own.
pub struct Around<'a> {
    /// This host.
    pub host: Host<'a>,
    /// The clusters it was sent to; those of them that there still are.
    pub clusters: &'a [Cluster],
    /// The account it is for.
    pub user: Option<User>,
    /// Bytes fetched, and to be fetched, of the addresses that are being fetched.
    pub bytes: (u64, u64),
    /// When it is forgotten.
    pub expires: Option<Wall>,
}

/// Whom a job is for.
#[derive(Clone, Debug)]
pub struct User {
    /// The account's name.
    pub name: String,
    /// When it was made.
    pub created: Wall,
}

/// A job.
pub fn job(job: &Job, occasion: Occasion, around: &Around<'_>) -> Value {
    let waited_for = job.kind() == JobKind::Gc && job.state() != JobState::Pending;
    let result = match occasion {
        Occasion::Made if !waited_for => Value::Null,
        _ => result::of(job, around),
    };
    let rows = || around.clusters.iter().map(clusters::row).collect::<Vec<_>>();
    json!({
        "id": job.id.0,
        "created_at": moment(job.created),
        "updated_at": moment(job.updated),
        "is_del": 0,
        "task_id": group(job),
        "bio": job.bio,
        "type": job.kind().word(),
        "state": state(job.state()),
        "args": args::of(&job.args),
        "result": result,
        "user_id": job.user,
        "user": user(job.user, around.user.as_ref()),
        "seed_peer_clusters": if occasion == Occasion::Asked { json!([]) } else { Value::Null },
        "scheduler_clusters": if occasion == Occasion::Listed { Value::Null } else { json!(rows()) },
        "expires_at": around.expires.map(moment),
    })
}

/// The name of a job's group.
fn group(job: &Job) -> String {
    match job.kind() {
        JobKind::Gc => job.group.to_string(),
        _ => format!("group_{}", job.group),
    }
}

/// How a job stands, in the original's words.
pub fn state(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "PENDING",
        JobState::Success => "SUCCESS",
        JobState::Failure => "FAILURE",
    }
}

/// How the part of a job that is done here stands.
fn part_state(state: PartState) -> &'static str {
    match state {
        PartState::Pending => "PENDING",
        PartState::Started => "STARTED",
        PartState::Success => "SUCCESS",
        PartState::Failure => "FAILURE",
    }
}

/// Always an object; of nobody, with nothing in it.
pub(super) fn user(id: u32, user: Option<&User>) -> Value {
    let known = user.is_some();
    let at = user.map_or_else(|| NO_MOMENT.to_owned(), |user| moment(user.created));
    json!({
        "id": if known { id } else { 0 },
        "created_at": at,
        "updated_at": at,
        "is_del": 0,
        "email": "",
        "name": user.map_or("", |user| user.name.as_str()),
        "avatar": "",
        "phone": "",
        "state": if known { "enable" } else { "" },
        "location": "",
        "bio": "",
        "configs": null,
    })
}
