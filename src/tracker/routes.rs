//! The tracker over HTTP: path → who → handle → answer, in the words of the original.
//!
//! Every route is open to everybody as far as the server is concerned: whether it takes a worker, a manager or a signature
//! is the tracker's own affair, and so is what it says to those who are none. Calls of workers are too many for the audit
//! log; what managers change is told there.
//!
//! A connection lends nobody anything here over TCP, except where somebody begins: who registers may be an operator of
//! this host, and whoever can reach the daemon may make a worker or try passwords. There a page that a browser took for
//! ours by a foreign name is kept out.

use super::engine::{Handle, Level};
use super::projects::Mass;
use super::workers::Newcomers;
use super::{access, answer, import, logs, managers, monitoring, projects, queue, tasks, webhook, workers};
use crate::http::{Access, Cx, Doc, Draft, Family, Route};
use hyper::Method;
use serde_json::json;

/// The largest body.
const LIMIT: usize = 4 << 20;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let mut routes = index_and_managers(&handle);
    routes.extend(of_workers(&handle));
    routes.extend(of_projects(&handle));
    routes.extend(of_tasks(&handle));
    routes.extend(of_logs(&handle));
    routes.push(import::route(&handle));
    routes
}

fn draft(handle: &Handle, what: (Method, &'static str), doc: Doc) -> Draft<Handle> {
    Draft::new(handle, Family::Tracker, what, Access::Credentials, doc).limit(LIMIT)
}

/// Where somebody begins.
fn beginning(handle: &Handle, path: &'static str, doc: Doc) -> Draft<Handle> {
    Draft::new(handle, Family::Tracker, (Method::POST, path), Access::Public, doc).limit(LIMIT)
}

async fn index(_: Handle, _: Cx) -> answer::Answer {
    answer::content(json!({ "name": "task_tracker", "version": "1.1" }))
}

fn index_and_managers(handle: &Handle) -> Vec<Route> {
    let get = |path, doc| draft(handle, (Method::GET, path), doc);
    let post = |path, doc| draft(handle, (Method::POST, path), doc);
    vec![
        get("/", INDEX).with(index),
        beginning(handle, "/register", REGISTER).with(managers::register),
        beginning(handle, "/login", LOGIN).with(managers::login),
        get("/logout", LOGOUT).changes(true).with(managers::logout),
        post("/logout", LOGOUT).with(managers::logout),
        get("/account", ACCOUNT).with(managers::account),
        get("/manager/list", MANAGERS).with(managers::list),
        get("/manager/list_for_project/{id}", MANAGERS_OF).with(managers::list_for_project),
        get("/manager/promote/{id}", PROMOTE).changes(true).with(managers::promote),
        post("/manager/promote/{id}", PROMOTE).with(managers::promote),
        get("/manager/demote/{id}", DEMOTE).changes(true).with(managers::demote),
        post("/manager/demote/{id}", DEMOTE).with(managers::demote),
        post("/manager/set_role_for_project/{id}", SET_ROLE).with(managers::set_role),
    ]
}

fn of_workers(handle: &Handle) -> Vec<Route> {
    let newcomers = Newcomers::new();
    let get = |path, doc| draft(handle, (Method::GET, path), doc);
    let post = |path, doc| draft(handle, (Method::POST, path), doc);
    vec![
        beginning(handle, "/worker/create", CREATE_WORKER)
            .with(move |handle, cx| workers::create(handle, cx, newcomers.clone())),
        post("/worker/update", UPDATE_WORKER).with(workers::update),
        get("/worker/get/{id}", WORKER).with(workers::get),
        post("/worker/set_paused", SET_PAUSED).with(workers::set_paused),
        get("/worker/stats", STATS).with(workers::stats),
    ]
}

fn of_projects(handle: &Handle) -> Vec<Route> {
    let get = |path, doc| draft(handle, (Method::GET, path), doc);
    let post = |path, doc| draft(handle, (Method::POST, path), doc);
    let mass = |path, doc, how| post(path, doc).with(move |handle, cx| projects::mass(handle, cx, how));
    let hook = Draft::new(handle, Family::Tracker, (Method::POST, "/git/receivehook"), Access::Signed, HOOK);
    vec![
        post("/project/create", CREATE_PROJECT).with(projects::create),
        get("/project/get/{id}", PROJECT).with(projects::get),
        post("/project/update/{id}", UPDATE_PROJECT).with(projects::update),
        get("/project/list", PROJECTS).with(projects::list),
        get("/project/assignees/{id}", ASSIGNEES).with(monitoring::assignees),
        get("/project/monitoring/{id}", NEWEST).with(monitoring::newest),
        get("/project/monitoring-between/{id}", BETWEEN).with(monitoring::between),
        get("/project/access_list/{id}", ACCESS_LIST).with(access::list),
        post("/project/request_access", REQUEST_ACCESS).with(access::request),
        post("/project/accept_request/{id}/{worker}", ACCEPT).with(access::accept),
        post("/project/reject_request/{id}/{worker}", REJECT).with(access::reject),
        get("/project/secret/{id}", SECRET).with(projects::secret),
        post("/project/secret/{id}", SET_SECRET).with(projects::set_secret),
        get("/project/webhook_secret/{id}", WEBHOOK_SECRET).with(projects::webhook_secret),
        post("/project/webhook_secret/{id}", SET_WEBHOOK_SECRET).with(projects::set_webhook_secret),
        mass("/project/reset_failed_tasks/{id}", RESET_FAILED, Mass::ResetFailed),
        mass("/project/hard_reset/{id}", HARD_RESET, Mass::HardReset),
        mass("/project/reclaim_assigned_tasks/{id}", RECLAIM, Mass::Reclaim),
        get("/project/tasks/{id}", TASKS).with(queue::list),
        hook.limit(LIMIT).with(webhook::receive),
    ]
}

fn of_tasks(handle: &Handle) -> Vec<Route> {
    let get = |path, doc| draft(handle, (Method::GET, path), doc);
    let post = |path, doc| draft(handle, (Method::POST, path), doc);
    vec![
        post("/task/submit", SUBMIT).unaudited().with(tasks::submit),
        post("/task/bulk_submit", BULK).unaudited().with(tasks::bulk),
        get("/task/get/{project}", FETCH).changes(true).unaudited().with(tasks::get),
        get("/task/next", NEXT).changes(true).unaudited().with(tasks::next),
        post("/task/release", RELEASE).unaudited().with(tasks::release),
        post("/task/extend", EXTEND).unaudited().with(tasks::extend),
        post("/task/requeue", REQUEUE).with(queue::requeue),
        get("/task/{id}", TASK).with(queue::get),
        draft(handle, (Method::DELETE, "/task/{id}"), DELETE_TASK).with(queue::delete),
    ]
}

fn of_logs(handle: &Handle) -> Vec<Route> {
    let log = |path, level: Level| {
        let drafted = draft(handle, (Method::POST, path), LOG).unaudited();
        drafted.with(move |handle, cx| logs::write(handle, cx, level))
    };
    vec![
        log("/log/trace", Level::Trace),
        log("/log/info", Level::Info),
        log("/log/warn", Level::Warn),
        log("/log/error", Level::Error),
        draft(handle, (Method::POST, "/logs"), LOGS).changes(false).with(logs::read),
    ]
}

const BAD: (u16, &str) = (400, "the body cannot be read, or which rule it breaks");
const BAD_ID: (u16, &str) = (400, "the number in the path is none");
const NO_WORKER: (u16, &str) = (401, "which of the headers X-Worker-Id and X-Secret is missing or wrong");
const NO_FETCHER: (u16, &str) = (403, "which of the headers X-Worker-Id and X-Secret is missing or wrong");
const NO_ROLE: (u16, &str) = (403, "a manager without that role");
const NO_MANAGER: (u16, &str) = (401, "not a manager");
const NO_PROJECT: (u16, &str) = (404, "no such project");
const NO_TASK: (u16, &str) = (404, "no such task");
const TOO_MANY: (u16, &str) = (429, "over the project's rate: rate_limit_delay says for how many seconds");
const DONE: (u16, &str) = (200, "it is so, and on disk");

/// A route in words, without query and body.
const fn plain(summary: &'static str, answers: &'static [(u16, &'static str)]) -> Doc {
    Doc { summary, query: &[], body: None, answers }
}

/// The same, with a body.
const fn with_body(summary: &'static str, body: &'static str, answers: &'static [(u16, &'static str)]) -> Doc {
    Doc { summary, query: &[], body: Some(body), answers }
}

const INDEX: Doc = plain("What this is", &[(200, "content: name, version")]);
const REGISTER: Doc = with_body(
    "Make a manager's account and sign in",
    "username, of 3 to 16 bytes; password, of at least 8",
    &[
        (200, "the cookie of a session"),
        BAD,
        (403, "registration is closed"),
        (429, "too many were made from that place"),
    ],
);
const LOGIN: Doc = with_body(
    "Sign in",
    "username, password",
    &[
        (200, "content.manager, and the cookie of a session"),
        BAD,
        (403, "no such name and password"),
        (429, "too many failed"),
    ],
);
const LOGOUT: Doc = plain("End the session", &[(204, "it is over")]);
const ACCOUNT: Doc = plain("Who the caller is", &[(200, "content: logged_in, manager")]);
const MANAGERS: Doc = plain("All managers", &[(200, "content.managers"), NO_MANAGER]);
const MANAGERS_OF: Doc = plain(
    "Managers with a role in a project",
    &[(200, "content.managers: manager, role"), BAD_ID, NO_MANAGER, NO_ROLE],
);
const PROMOTE: Doc =
    plain("Make a manager tracker admin", &[(204, "he is"), BAD_ID, (401, "not a tracker admin, or oneself")]);
const DEMOTE: Doc = plain(
    "Make a tracker admin an ordinary manager",
    &[(204, "he is"), BAD_ID, NO_MANAGER, (403, "not a tracker admin, or oneself")],
);
const SET_ROLE: Doc = with_body(
    "Set what a manager may do in a project; takes MANAGE_ACCESS",
    "manager; role: the sum of 1 READ, 2 EDIT, 4 MANAGE_ACCESS, 8 SECRET, 16 MAINTENANCE",
    &[DONE, BAD, NO_ROLE, NO_PROJECT],
);

const CREATE_WORKER: Doc = with_body(
    "Make a worker",
    "alias",
    &[
        (200, "content.worker, with its secret"),
        BAD,
        (403, "a reserved alias, or only managers make workers here"),
        (429, "too many were made from that place"),
    ],
);
const UPDATE_WORKER: Doc = with_body("Rename the worker that asks", "alias", &[DONE, BAD, NO_WORKER]);
const WORKER: Doc =
    plain("A worker", &[(200, "content.worker; its secret only for admins"), BAD_ID, (404, "no such worker")]);
const SET_PAUSED: Doc = with_body(
    "Keep a worker from being handed tasks, or no longer",
    "worker, paused",
    &[DONE, BAD, (403, "not a tracker admin")],
);
const STATS: Doc = plain("All workers, with how many tasks each has closed", &[(200, "content.stats")]);

const PROJECT_KEYS: &str = "name, clone_url, git_repo, version, priority, motd, public, hidden, chain, assign_rate, submit_rate, \
                            assign_burst, submit_burst, worker_assign_rate, worker_submit_rate; for update also paused";
const CREATE_PROJECT: Doc = with_body(
    "Make a project",
    PROJECT_KEYS,
    &[(200, "content.id"), (400, "it is not valid, or not permitted"), (500, "the name is taken")],
);
const PROJECT: Doc = plain(
    "A project",
    &[(200, "content: its keys, and once more under project"), BAD_ID, (403, "it is hidden"), NO_PROJECT],
);
const UPDATE_PROJECT: Doc = with_body(
    "Replace all keys of a project; takes EDIT",
    PROJECT_KEYS,
    &[DONE, BAD, NO_ROLE, NO_PROJECT, (500, "the name is taken, or there is no such project to chain to")],
);
const PROJECTS: Doc = plain("All projects that the caller may see, by name", &[(200, "content.projects")]);
const ASSIGNEES: Doc = plain(
    "Who holds how many tasks of a project, the most first, at most 16",
    &[(200, "content.assignees"), BAD_ID, (403, "it is hidden")],
);
const SAMPLED: &[(u16, &str)] = &[
    (200, "content.snapshots, newest first"),
    (400, "a parameter is missing or out of range"),
    (403, "the project is hidden"),
];
const NEWEST: Doc = Doc {
    summary: "The newest samples of a queue",
    query: &[("count", "how many: 1 to 999")],
    body: None,
    answers: SAMPLED,
};
const BETWEEN: Doc = Doc {
    summary: "The samples of a queue within a span of time",
    query: &[("from", "Unix seconds, included"), ("to", "Unix seconds, included")],
    body: None,
    answers: SAMPLED,
};
const ACCESS_LIST: Doc =
    plain("Who has access, and who asks for it; takes MANAGE_ACCESS", &[(200, "content.accesses"), BAD_ID, NO_ROLE]);
const REQUEST_ACCESS: Doc = with_body(
    "Ask for access as a worker",
    "project, assign, submit",
    &[DONE, (400, "not valid, asked already, or no such project"), NO_WORKER],
);
const DECIDED: &[(u16, &str)] = &[(200, "ok, or that there was no such request"), BAD_ID, NO_ROLE];
const ACCEPT: Doc = plain("Grant a worker what it asks for; takes MANAGE_ACCESS", DECIDED);
const REJECT: Doc = plain("Refuse a request, or take back access; takes MANAGE_ACCESS", DECIDED);
const SECRET: Doc = plain(
    "A project's secret, for workers with access and managers with SECRET",
    &[(200, "content.secret"), BAD_ID, (403, "neither of both")],
);
const SET_SECRET: Doc = with_body("Replace a project's secret; takes SECRET", "secret", &[DONE, BAD, NO_ROLE]);
const WEBHOOK_SECRET: Doc =
    plain("The key that signs git hooks; takes SECRET", &[(200, "content.webhook_secret"), BAD_ID, NO_ROLE]);
const SET_WEBHOOK_SECRET: Doc =
    with_body("Replace the key that signs git hooks; takes SECRET", "webhook_secret", &[DONE, BAD, NO_ROLE]);
const AFFECTED: &[(u16, &str)] = &[(200, "content.affected_tasks; on disk"), BAD_ID, NO_ROLE];
const RESET_FAILED: Doc = plain("Make every failed task new again; takes MAINTENANCE", AFFECTED);
const HARD_RESET: Doc = plain("Remove every task; takes MAINTENANCE", AFFECTED);
const RECLAIM: Doc = plain("Take back every task that is held; takes MAINTENANCE", AFFECTED);
const TASKS: Doc = Doc {
    summary: "Tasks of a project by number, page by page; takes READ or MAINTENANCE",
    query: &[
        ("status", "only those that are free, held, failed, or new: free or held"),
        ("after", "only those above this number: the last page's next"),
        ("limit", "how many, at most 1000; 100"),
    ],
    body: None,
    answers: &[(200, "content.tasks; content.next: after which there are more"), BAD_ID, NO_ROLE, NO_PROJECT],
};
const HOOK: Doc = with_body(
    "What a git server sends after a push: the projects of that repository are at another version",
    "ref, after, repository.full_name; signed in X-Hub-Signature, X-Hub-Signature-256, X-Gogs-Signature, X-Gitea-Signature \
     or the configured header",
    &[(200, "it is so"), (400, "not a push to a branch that counts, or no such project"), (403, "no signature fits")],
);

const SUBMIT_KEYS: &str = "project, recipe, max_retries, priority, max_assign_time, hash_u64 or unique_string, verification_count, \
                           not_before (Unix seconds), delay (seconds)";
const SUBMIT: Doc = Doc {
    summary: "Submit a task, as a worker with access or as a manager with EDIT",
    query: &[("id", "1: tell its number")],
    body: Some(SUBMIT_KEYS),
    answers: &[
        (200, "it is on disk; content.id where asked for"),
        (400, "not valid, not permitted, or there is one with that hash"),
        NO_WORKER,
        NO_PROJECT,
        TOO_MANY,
    ],
};
const BULK: Doc = Doc {
    summary: "Submit several tasks of one project: what is new is stored",
    query: &[("id", "1: tell their numbers")],
    body: Some("requests: a list of what /task/submit takes, or one of it"),
    answers: &[
        (200, "content.submitted; content.rejected: index, message; content.ids where asked for"),
        (400, "not valid, of several projects, or not permitted: nothing is stored"),
        NO_WORKER,
        NO_PROJECT,
        TOO_MANY,
    ],
};
const FETCH_QUERY: &[(&str, &str)] = &[
    ("wait", "how long to wait for a task, in seconds, at most 300; 0"),
    ("count", "up to how many tasks at once, 1 to 100; then they are a list"),
];
const FETCHED: (u16, &str) =
    (200, "content.task, content.tasks where count was given; or ok: false, No task available");
const FETCH: Doc = Doc {
    summary: "Be handed a task of a project; with the header X-Worker-Pid, for as long as that process lives",
    query: FETCH_QUERY,
    body: None,
    answers: &[FETCHED, (400, "not valid, or the worker is paused"), NO_FETCHER, NO_PROJECT, TOO_MANY],
};
const NEXT: Doc = Doc {
    summary: "Be handed a task of any project, by priority of the projects; headers as for one project",
    query: FETCH_QUERY,
    body: None,
    answers: &[FETCHED, (400, "not valid, or the worker is paused"), NO_FETCHER, TOO_MANY],
};
const RELEASE: Doc = with_body(
    "Give a task back",
    "task_id; result: 0 done, 1 failed, 2 skipped; verification: the result as a number; reason: why it failed",
    &[(200, "content.updated"), BAD, NO_FETCHER],
);
const EXTEND: Doc = with_body(
    "Hold a task for longer: so many seconds from now on",
    "task_id, seconds",
    &[(200, "content.expires, in Unix seconds"), (400, "not valid, or the task is not the worker's"), NO_FETCHER],
);
const REQUEUE: Doc = with_body(
    "Make a failed task new again; takes MAINTENANCE",
    "task_id",
    &[DONE, (400, "not valid, or it has not failed"), NO_ROLE, NO_TASK],
);
const TASK: Doc = plain("A task; takes READ or MAINTENANCE", &[(200, "content.task"), NO_ROLE, NO_TASK]);
const DELETE_TASK: Doc = plain("Remove a task; takes MAINTENANCE", &[DONE, NO_ROLE, NO_TASK]);

const LOG: Doc = with_body(
    "Log something as a worker",
    "scope, message, timestamp (Unix seconds)",
    &[DONE, (400, "not valid, or not a worker")],
);
const LOGS: Doc = with_body(
    "What workers have logged, for managers unless tracker.public_logs is on",
    "level: 3 error, 4 warn, 5 info, 7 trace; since: Unix seconds",
    &[(200, "content.logs, null when there is none"), BAD, NO_MANAGER],
);
