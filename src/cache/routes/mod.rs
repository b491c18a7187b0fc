//! The routes under `/oapi/v1` (programs, with tokens) and `/api/v1` (people, signed in): path → who → [`Handle`] → answer.
//!
//! Jobs and clusters are behind both doors, with the same handlers. Tasks, which the original has no routes for, are for
//! programs alone.

mod answer;
mod audits;
mod clusters;
mod content;
mod failures;
mod jobs;
mod paged;
mod resolving;
mod sign_in;
mod tasks;
mod tokens;
mod upkeep;
mod who;
mod words;

use super::engine::Handle;
use crate::auth::tokens::Tokens;
use crate::http::{Access, Cx, Doc, Draft, Failure, Family, Head, Reply, Route};
use failures::Failures;
use hyper::Method;
use who::{Need, Who};

/// The largest body of a job: room for some ten thousand addresses.
const JOB_LIMIT: usize = 8 << 20;

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The room.
    pub handle: Handle,
    /// Tokens of programs.
    pub tokens: Tokens,
}

/// How one comes in.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// `/oapi/v1`, to jobs and tasks.
    Jobs,
    /// `/oapi/v1`, to clusters.
    Clusters,
    /// `/api/v1`
    Person,
}

impl Door {
    /// Who asks; may he? Then: is there a cache to ask?
    async fn enter(self, shared: &Shared, cx: &Cx, changes: bool) -> Result<Who, Failure> {
        let who = self.who(shared, &cx.head(), changes)?;
        shared.handle.is_open()?;
        Ok(who)
    }

    fn who(self, shared: &Shared, head: &Head<'_>, changes: bool) -> Result<Who, Failure> {
        match self {
            Door::Jobs if changes => who::program(shared, head, Need::Jobs),
            Door::Jobs => who::program(shared, head, Need::SeeJobs),
            Door::Clusters if changes => who::program(shared, head, Need::Clusters),
            Door::Clusters => who::program(shared, head, Need::SeeClusters),
            Door::Person => who::person(shared, head, changes),
        }
    }

    /// Asks who it is before the body is read, too.
    fn guard(self, draft: Draft<Shared>) -> Draft<Shared> {
        draft.guarded(match self {
            Door::Jobs => |shared, head, changes| Door::Jobs.who(shared, head, changes).map(drop),
            Door::Clusters => |shared, head, changes| Door::Clusters.who(shared, head, changes).map(drop),
            Door::Person => |shared, head, changes| Door::Person.who(shared, head, changes).map(drop),
        })
    }
}

/// All routes of the cache.
pub fn routes(shared: Shared) -> Vec<Route> {
    let failures = Failures::default();
    let mut routes = vec![
        Draft::new(&shared, Family::Cache, (Method::GET, "/healthy"), Access::Public, words::HEALTHY).with(healthy),
        draft(&shared, Door::Person, (Method::GET, "/api/v1/persistent-cache-tasks"), words::PERSISTENT)
            .with(|shared, cx| upkeep::no_persistent(shared, cx, Door::Person)),
    ];
    routes.extend(jobs_at(&shared, ("/oapi/v1/jobs", "/oapi/v1/jobs/{id}"), Door::Jobs));
    routes.extend(jobs_at(&shared, ("/api/v1/jobs", "/api/v1/jobs/{id}"), Door::Person));
    routes.extend(clusters_at(&shared, ("/oapi/v1/clusters", "/oapi/v1/clusters/{id}"), Door::Clusters));
    routes.extend(clusters_at(&shared, ("/api/v1/clusters", "/api/v1/clusters/{id}"), Door::Person));
    routes.extend(tasks_at(&shared, &failures));
    routes.extend(sign_in::routes(&shared));
    routes.extend(tokens::routes(&shared));
    routes.extend(audits::routes(&shared));
    routes
}

/// A route whose handler knows people by what the request carries.
fn draft(shared: &Shared, door: Door, what: (Method, &'static str), doc: Doc) -> Draft<Shared> {
    door.guard(Draft::new(shared, Family::Cache, what, Access::Credentials, doc))
}

async fn healthy(_: Shared, _: Cx) -> Result<Reply, Failure> {
    Ok(answer::json(&"OK"))
}

fn jobs_at(shared: &Shared, (all, one): (&'static str, &'static str), door: Door) -> Vec<Route> {
    let draft = |method, path, doc| draft(shared, door, (method, path), doc);
    vec![
        draft(Method::POST, all, words::CREATE_JOB)
            .limit(JOB_LIMIT)
            .with(move |shared, cx| jobs::create(shared, cx, door)),
        draft(Method::GET, all, words::JOBS).with(move |shared, cx| jobs::list(shared, cx, door, all)),
        draft(Method::GET, one, words::JOB).with(move |shared, cx| jobs::get(shared, cx, door)),
        draft(Method::PATCH, one, words::CHANGE_JOB).with(move |shared, cx| jobs::change(shared, cx, door)),
        draft(Method::DELETE, one, words::DELETE_JOB).with(move |shared, cx| jobs::delete(shared, cx, door)),
    ]
}

fn clusters_at(shared: &Shared, (all, one): (&'static str, &'static str), door: Door) -> Vec<Route> {
    let draft = |method, path, doc| draft(shared, door, (method, path), doc);
    vec![
        draft(Method::POST, all, words::CREATE_CLUSTER).with(move |shared, cx| clusters::create(shared, cx, door)),
        draft(Method::GET, all, words::CLUSTERS).with(move |shared, cx| clusters::list(shared, cx, door, all)),
        draft(Method::GET, one, words::CLUSTER).with(move |shared, cx| clusters::get(shared, cx, door)),
        draft(Method::PATCH, one, words::CHANGE_CLUSTER).with(move |shared, cx| clusters::change(shared, cx, door)),
        draft(Method::DELETE, one, words::DELETE_CLUSTER).with(move |shared, cx| clusters::delete(shared, cx, door)),
    ]
}

fn tasks_at(shared: &Shared, failures: &Failures) -> Vec<Route> {
    let door = Door::Jobs;
    let get = |path, doc| draft(shared, door, (Method::GET, path), doc);
    let post = |path, doc| draft(shared, door, (Method::POST, path), doc);
    let delete = |path, doc| draft(shared, door, (Method::DELETE, path), doc);
    let (begun, asked) = (failures.clone(), failures.clone());
    let (pin, pins) = ((Method::PUT, "/oapi/v1/tasks/{id}/pins/{owner}"), "/oapi/v1/tasks/{id}/pins/{owner}");
    vec![
        get("/oapi/v1/tasks", words::TASKS).with(move |shared, cx| tasks::list(shared, cx, door)),
        post("/oapi/v1/tasks", words::FETCH).with(move |shared, cx| tasks::fetch(shared, cx, door, begun.clone())),
        delete("/oapi/v1/tasks", words::DELETE_TASKS).with(move |shared, cx| upkeep::delete_many(shared, cx, door)),
        door.guard(post("/oapi/v1/tasks/id", words::IDS).changes(false))
            .with(move |shared, cx| tasks::ids(shared, cx, door)),
        post("/oapi/v1/tasks/verify", words::VERIFY_ALL).with(move |shared, cx| upkeep::verify_all(shared, cx, door)),
        post("/oapi/v1/tasks/gc", words::COLLECT).with(move |shared, cx| upkeep::collect(shared, cx, door)),
        get("/oapi/v1/tasks/{id}", words::TASK).with(move |shared, cx| tasks::get(shared, cx, door, asked.clone())),
        delete("/oapi/v1/tasks/{id}", words::DELETE_TASK).with(move |shared, cx| upkeep::delete(shared, cx, door)),
        get("/oapi/v1/tasks/{id}/content", words::CONTENT).with(move |shared, cx| content::read(shared, cx, door)),
        post("/oapi/v1/tasks/{id}/verify", words::VERIFY).with(move |shared, cx| upkeep::verify(shared, cx, door)),
        draft(shared, door, pin, words::PIN).with(move |shared, cx| tasks::pin(shared, cx, door)),
        delete(pins, words::UNPIN).with(move |shared, cx| tasks::unpin(shared, cx, door)),
        get("/oapi/v1/usage", words::USAGE).with(move |shared, cx| upkeep::usage(shared, cx, door)),
    ]
}
