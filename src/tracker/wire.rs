//! What clients send (`asked`, read by `reader`) and what they get: the keys are the original's own, exactly; what it
//! has no place for has keys that it does not know.

pub mod asked;
mod reader;

use super::machine::Handed;
use super::model::{self, Access, Definition, Limit, ProjectId, Rate, Role, Sample, Standing};
use crate::base::Wall;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// The shape of every answer.
#[derive(Debug, Serialize)]
pub struct Envelope<Content> {
    /// Whether it was done.
    pub ok: bool,
    /// Why not, or what else there is to say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message: &'static str,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// An answer to somebody who comes too often.
#[derive(Debug, Serialize)]
pub struct Later<'a> {
    /// Never.
    pub ok: bool,
    /// Why not.
    pub message: &'a str,
    /// Seconds until it is worth while; never 0.
    pub rate_limit_delay: f64,
}

/// A number as the original writes it: whole ones without a point.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        /// Whole numbers up to here are exact in either form: 2 to the power of 53.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            // In range, as was just seen.
            #[allow(clippy::cast_possible_truncation)]
            return to.serialize_i64(self.0 as i64);
        }
        to.serialize_f64(self.0)
    }
}

/// A worker.
#[derive(Debug, Serialize)]
pub struct Worker {
    id: u32,
    created: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    alias: String,
    secret: Option<String>,
    paused: bool,
}

/// A worker, with his secret where the caller may see it.
pub fn worker(worker: &model::Worker, with_secret: bool) -> Worker {
    Worker {
        id: worker.id.0,
        created: worker.created,
        alias: worker.alias.clone(),
        secret: with_secret.then(|| STANDARD.encode(worker.secret.0)),
        paused: worker.paused,
    }
}

/// The bytes that `X-Secret` stands for; none when it is not base64.
pub fn secret(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A line of `/worker/stats`.
#[derive(Debug, Serialize)]
pub struct WorkerStats {
    /// What it calls itself.
    pub alias: String,
    /// How many tasks it has closed.
    pub closed_task_count: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// Its number.
    pub id: u32,
}

/// A line of `/project/assignees`.
#[derive(Debug, Serialize)]
pub struct Assignee {
    /// The worker's alias, or `unassigned`.
    pub assignee: String,
    /// How many tasks.
    pub task_count: u64,
}

/// A row of access.
#[derive(Debug, Serialize)]
pub struct AccessRow {
    submit: bool,
    assign: bool,
    request: bool,
    worker: Worker,
    project: u32,
}

/// What a worker may do in a project, or asks to.
pub fn access(project: ProjectId, worker: &model::Worker, access: Access) -> AccessRow {
    AccessRow {
        submit: access.submit,
        assign: access.assign,
        request: access.pending,
        worker: self::worker(worker, false),
        project: project.0,
    }
}

/// A project. Its limits of ours are shown only where they limit something.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Project<'a> {
    id: u32,
    priority: i32,
    name: &'a str,
    clone_url: &'a str,
    git_repo: &'a str,
    version: &'a str,
    motd: &'a str,
    public: bool,
    hidden: bool,
    chain: u32,
    paused: bool,
    assign_rate: Number,
    submit_rate: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    assign_burst: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submit_burst: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_assign_rate: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_submit_rate: Option<Number>,
}

/// How many bytes of text a project has.
pub fn text(definition: &Definition) -> usize {
    let Definition { name, clone_url, git_repo, version, motd, .. } = definition;
    [name, clone_url, git_repo, version, motd].map(String::len).iter().sum()
}

/// What was set of a project.
pub fn project(id: ProjectId, definition: &Definition) -> Project<'_> {
    let burst = |limit: &Limit| (limit.burst != Limit::default().burst).then_some(Number(limit.burst));
    let per_worker = |rate: Rate| rate.limit().map(Number);
    Project {
        id: id.0,
        priority: definition.priority,
        name: &definition.name,
        clone_url: &definition.clone_url,
        git_repo: &definition.git_repo,
        version: &definition.version,
        motd: &definition.motd,
        public: definition.public,
        hidden: definition.hidden,
        chain: definition.chain.map_or(0, |next| next.0),
        paused: definition.paused,
        assign_rate: Number(definition.assign.rate.wire()),
        submit_rate: Number(definition.submit.rate.wire()),
        assign_burst: burst(&definition.assign),
        submit_burst: burst(&definition.submit),
        worker_assign_rate: per_worker(definition.assign.per_worker),
        worker_submit_rate: per_worker(definition.submit.per_worker),
    }
}

/// `/project/get`: the fields themselves, as the published notes have them, and once more under `project`, as the
/// original answers.
#[derive(Debug, Serialize)]
pub struct ProjectTwice<'a> {
    #[serde(flatten)]
    fields: Project<'a>,
    project: Project<'a>,
}

/// See [`ProjectTwice`].
pub fn project_twice(id: ProjectId, definition: &Definition) -> ProjectTwice<'_> {
    let fields = project(id, definition);
    ProjectTwice { fields, project: fields }
}

/// A task.
#[derive(Debug, Serialize)]
pub struct Task<'a> {
    id: u64,
    priority: i16,
    project: Project<'a>,
    assignee: u32,
    retries: i16,
    max_retries: i16,
    status: i64,
    recipe: &'a str,
    max_assign_time: i32,
    assign_time: i64,
    verification_count: i16,
}

/// A task that was handed out.
pub fn handed(handed: &Handed) -> Task<'_> {
    task(&handed.task, &handed.standing, &handed.project)
}

fn task<'a>(task: &'a model::Task, standing: &'a Standing, definition: &'a Definition) -> Task<'a> {
    Task {
        id: task.id.0,
        priority: task.what.priority,
        project: project(task.project, definition),
        assignee: standing.lease.map_or(0, |lease| lease.worker.0),
        retries: standing.retries,
        max_retries: task.what.max_retries,
        status: standing.status.wire(),
        recipe: &task.what.recipe,
        max_assign_time: task.what.max_assign,
        assign_time: standing.lease.map_or(0, |lease| lease.since.timestamp()),
        verification_count: task.what.verification_count,
    }
}

/// A task as managers see it.
#[derive(Debug, Serialize)]
pub struct Details<'a> {
    #[serde(flatten)]
    task: Task<'a>,
    hash: i64,
    votes: Vec<Vote>,
    not_before: Option<i64>,
    expires: Option<i64>,
    worker_pid: Option<i32>,
    failure: Option<Failing<'a>>,
}

#[derive(Debug, Serialize)]
struct Vote {
    worker: u32,
    verification: i64,
}

#[derive(Debug, Serialize)]
struct Failing<'a> {
    at: i64,
    worker: u32,
    reason: &'a str,
}

/// A task with all that is known of it. Moments are in Unix seconds, and none is null.
pub fn details<'a>(whole: &'a model::Task, standing: &'a Standing, definition: &'a Definition) -> Details<'a> {
    Details {
        task: task(whole, standing, definition),
        hash: whole.what.hash,
        votes: standing.votes.iter().map(|vote| Vote { worker: vote.worker.0, verification: vote.value }).collect(),
        not_before: whole.what.not_before.as_ref().map(Wall::timestamp),
        expires: standing.lease.map(|lease| lease.until.timestamp()),
        worker_pid: standing.lease.and_then(|lease| lease.process).map(|process| process.pid),
        failure: standing.failing.as_ref().map(|failing| Failing {
            at: failing.at.timestamp(),
            worker: failing.worker.0,
            reason: &failing.reason,
        }),
    }
}

/// A manager.
#[derive(Debug, Serialize)]
pub struct Manager {
    /// His number.
    pub id: u32,
    /// His name.
    pub username: String,
    /// Whether he may do everything.
    pub tracker_admin: bool,
    /// Since when, in Unix seconds.
    pub register_time: i64,
}

/// A manager and what he may do in a project.
#[derive(Debug, Serialize)]
pub struct ManagerRole {
    manager: Manager,
    role: u8,
}

/// A line of `/manager/list_for_project`.
pub fn manager_role(manager: Manager, role: Role) -> ManagerRole {
    ManagerRole { manager, role: role.bits() }
}

/// A sample of a queue.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    new_task_count: u64,
    failed_task_count: u64,
    closed_task_count: u64,
    worker_access_count: u64,
    awaiting_verification_count: u64,
    time_stamp: i64,
}

/// See [`Snapshot`].
pub fn snapshot(sample: &Sample) -> Snapshot {
    Snapshot {
        new_task_count: sample.new,
        failed_task_count: sample.failed,
        closed_task_count: sample.closed,
        worker_access_count: sample.access,
        awaiting_verification_count: sample.votes,
        time_stamp: sample.at,
    }
}

/// Something that a worker has logged.
#[derive(Debug, Serialize)]
pub struct LogLine {
    /// What.
    pub message: String,
    /// When, in Unix seconds.
    pub timestamp: i64,
    /// An object as a text: `scope` and `worker`.
    pub data: String,
    /// How grave.
    pub level: i64,
}

/// A task of a bulk that was not stored.
#[derive(Debug, Serialize)]
pub struct Rejected {
    /// Its place in the body, from 0.
    pub index: usize,
    /// Why.
    pub message: String,
}

#[cfg(test)]
mod tests;
