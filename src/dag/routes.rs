//! `/v1` and `/ready` over HTTP: path → right → handle → answer.

use super::engine::{Failed, Handle};
use super::graph::{self, Format};
use super::machine::{Ask, Refusal, Verdict};
use super::model::*;
use super::submit::{self, Keys};
use super::{dags, listing, log, rights, runs, tasks, transcript, wait, wire};
use crate::auth::Scope;
use crate::http::{Access, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use hyper::Method;
use serde_json::json;
use std::sync::Arc;

/// The largest specification.
const SPECIFICATION_LIMIT: usize = 64 << 20;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let draft = |what, access, doc| Draft::new(&handle, Family::Dag, what, access, doc);
    let read = |path, doc| draft((Method::GET, path), Access::Scope(Scope::DagRead), doc);
    let write = |method, path, doc| draft((method, path), Access::Scope(Scope::DagWrite), doc);
    let keys = Arc::new(Keys::default());
    let same_keys = keys.clone();
    vec![
        draft((Method::GET, "/ready"), Access::Public, READY).with(ready),
        read("/v1/dagruns", LIST).with(listing::list),
        write(Method::POST, "/v1/dagrun", SUBMIT)
            .limit(SPECIFICATION_LIMIT)
            .with(move |handle, cx| submit::run(handle, cx, keys.clone())),
        draft((Method::POST, "/v1/dagrun/validate"), Access::Scope(Scope::DagRead), VALIDATE)
            .changes(false)
            .limit(SPECIFICATION_LIMIT)
            .with(submit::validate),
        read("/v1/dagrun/{run}", RUN).with(transcript::run),
        write(Method::DELETE, "/v1/dagrun/{run}", DELETE).with(delete),
        read("/v1/dagrun/{run}/state", STATE).with(wait::state),
        write(Method::PATCH, "/v1/dagrun/{run}/state/{state}", SET_STATE).with(set_state),
        read("/v1/dagrun/{run}/task/{task}", TASK).with(task),
        write(Method::DELETE, "/v1/dagrun/{run}/task/{task}", KILL_TASK).with(kill_task),
        read("/v1/dagrun/{run}/task/{task}/state", TASK_STATE).with(task_state),
        read("/v1/dagrun/{run}/task/{task}/attempts", ATTEMPTS).with(transcript::attempts),
        read("/v1/dagrun/{run}/summary", SUMMARY).with(listing::summary),
        read("/v1/dagrun/{run}/graph", GRAPH).with(graph),
        read("/v1/dagrun/{run}/tasks", TASKS).with(tasks::page),
        read("/v1/dagrun/{run}/task/{task}/log", LOG).with(log::log),
        write(Method::PATCH, "/v1/dagrun/{run}/task/{task}", CHANGE).with(tasks::change),
        read("/v1/dags", DAGS).with(dags::list),
        read("/v1/dag/{name}", DAG).with(dags::get),
        write(Method::PUT, "/v1/dag/{name}", PUT_DAG).limit(SPECIFICATION_LIMIT).with(dags::put),
        write(Method::DELETE, "/v1/dag/{name}", DELETE_DAG).with(dags::delete),
        read("/v1/dag/{name}/firings", FIRINGS).with(dags::firings),
        write(Method::POST, "/v1/dag/{name}/run", RUN_DAG)
            .with(move |handle, cx| dags::run(handle, cx, same_keys.clone())),
    ]
}

impl From<Failed> for Failure {
    fn from(why: Failed) -> Failure {
        match why {
            Failed::Gone => Failure::unavailable(why.to_string()),
            Failed::Load(why) => Failure::internal(why),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(why: Refusal) -> Failure {
        let (status, code) = match &why {
            Refusal::NoRun(_) | Refusal::NoTask(_) | Refusal::NoDag(_) => (ErrorStatus::NOT_FOUND, "not_found"),
            Refusal::NotYours(_) => (ErrorStatus::FORBIDDEN, "not_yours"),
            Refusal::Transition { .. } => (ErrorStatus::CONFLICT, "transition"),
            Refusal::Active(_) => (ErrorStatus::CONFLICT, "active"),
            Refusal::StillEnding(_) => (ErrorStatus::CONFLICT, "still_ending"),
            Refusal::TaskRunning => (ErrorStatus::CONFLICT, "task_running"),
            Refusal::TaskCompleted => (ErrorStatus::CONFLICT, "task_completed"),
            Refusal::ShuttingDown => (ErrorStatus::UNAVAILABLE, "stopping"),
        };
        Failure::public(status, code, why.to_string())
    }
}

/// Asks in the caller's name.
pub(super) async fn decide(handle: &Handle, cx: &Cx, ask: Ask) -> Result<(), Failure> {
    match handle.ask(ask, rights::asker(handle, &cx.caller)).await? {
        Verdict::Accepted | Verdict::AlreadySo => Ok(()),
        Verdict::Refused(why) => Err(why.into()),
        Verdict::Submitted(_) => Err(Failure::internal("a change was answered with a new run")),
    }
}

async fn ready(_: Handle, _: Cx) -> Result<Reply, Failure> {
    Ok(Reply::json(&json!({ "msg": "Ya like DAGs?" })))
}

async fn delete(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let run = runs::number(&cx)?;
    let ask = if cx.query.flag("purge") { Ask::Purge(run) } else { Ask::Kill(run) };
    decide(&handle, &cx, ask).await?;
    Ok(Reply::empty())
}

async fn set_state(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let run = runs::number(&cx)?;
    let word = cx.param("state");
    let state = State::named(word).ok_or_else(|| {
        let known = State::ALL.map(State::word).join(", ");
        runs::bad(format!("\"{}\" is no state: expected one of {known}", word.escape_debug()))
    })?;
    decide(&handle, &cx, Ask::SetState(run, state)).await?;
    Ok(Reply::json(&wire::run_id(run)))
}

async fn task(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (view, task) = runs::task(&handle, &cx).await?;
    let definition = wire::definition(&view, task).map_err(Failure::internal)?;
    let definition = definition.ok_or_else(|| runs::no_task(cx.param("task"), view.row.id))?;
    Ok(Reply::json(&definition))
}

async fn kill_task(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (view, task) = runs::task(&handle, &cx).await?;
    decide(&handle, &cx, Ask::KillTask(view.row.id, task)).await?;
    Ok(Reply::empty())
}

async fn task_state(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (view, task) = runs::task(&handle, &cx).await?;
    Ok(Reply::json(&wire::state(runs::state(&view, task))))
}

async fn graph(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (format, content_type) = match cx.query.get("format") {
        None | Some("json") => (Format::Json, "application/json"),
        Some("dot") => (Format::Dot, "text/vnd.graphviz; charset=utf-8"),
        Some("mermaid") => (Format::Mermaid, "text/plain; charset=utf-8"),
        Some("svg") => (Format::Svg, "image/svg+xml"),
        Some(_) => return Err(runs::bad("format: expected json, dot, mermaid or svg")),
    };
    let view = runs::view(&handle, &cx).await?;
    let drawn = tokio::task::spawn_blocking(move || graph::draw(&view, format)).await;
    Ok(Reply::bytes(content_type, drawn.map_err(Failure::internal)?))
}

const BAD: (u16, &str) = (400, "which key or parameter, and what was expected");
const NO_RUN: (u16, &str) = (404, "no such run, or not yours");
const NO_TASK: (u16, &str) = (404, "no such run or task, or not yours");
const CONFLICT: (u16, &str) = (409, "the present state does not allow it");
const TOO_LARGE: (u16, &str) = (413, "the body is larger than 64 MiB");

const READY: Doc = Doc { summary: "Whether work is accepted", query: &[], body: None, answers: &[(200, "it is")] };
const LIST: Doc = Doc {
    summary: "Runs by number, without completed ones unless asked for",
    query: &[
        ("all", "1: completed ones too"),
        ("tag", "only those with this tag"),
        ("state", "only those in one of these states, with commas between them"),
        ("since", "only those that changed since: RFC 3339, nanoseconds, or how long ago, such as 2h"),
        ("limit", "only the newest so many, at most 10000"),
        ("before", "only those below this number"),
    ],
    body: None,
    answers: &[(200, "a list, ascending by number"), BAD],
};
const SUBMIT: Doc = Doc {
    summary: "Run a specification; with the header Idempotency-Key, once",
    query: &[],
    body: Some("the specification: tag, tasks, and what else is wanted"),
    answers: &[
        (200, "the run's number; it is on disk"),
        BAD,
        (403, "the user is not yours to name"),
        (409, "the Idempotency-Key was used with another body"),
        TOO_LARGE,
    ],
};
const VALIDATE: Doc = Doc {
    summary: "Check a specification as if it were to be run",
    query: &[],
    body: Some("the specification"),
    answers: &[(200, "whether it is valid, and if not, why"), TOO_LARGE],
};
const RUN: Doc = Doc {
    summary: "Everything about a run: definitions, states, attempts with their output",
    query: &[("logs", "0: without output")],
    body: None,
    answers: &[(200, "the record"), NO_RUN],
};
const DELETE: Doc = Doc {
    summary: "Kill a run, or forget one that is over",
    query: &[("purge", "1: forget it with all that it has written")],
    body: None,
    answers: &[(200, "it is so, and on disk"), NO_RUN, (409, "it is not over")],
};
const STATE: Doc = Doc {
    summary: "A run's state, at once or when there is news",
    query: &[
        ("wait", "answer only when the run is over, but after this time at the latest, such as 30s; at most 10m"),
        ("since", "with wait: answer when the state is not this one"),
    ],
    body: None,
    answers: &[(200, "the state"), BAD, NO_RUN],
};
const SET_STATE: Doc = Doc {
    summary: "Restart, resume, pause or kill a run",
    query: &[],
    body: None,
    answers: &[(200, "it will be so; on disk"), BAD, NO_RUN, CONFLICT],
};
const TASK: Doc =
    Doc { summary: "A task's definition", query: &[], body: None, answers: &[(200, "the definition"), NO_TASK] };
const KILL_TASK: Doc = Doc {
    summary: "Kill a task, which is then not tried again",
    query: &[],
    body: None,
    answers: &[(200, "it is so, and on disk"), NO_TASK],
};
const TASK_STATE: Doc =
    Doc { summary: "A task's state", query: &[], body: None, answers: &[(200, "the state"), NO_TASK] };
const ATTEMPTS: Doc = Doc {
    summary: "A task's attempts as in its run's record, with their numbers, outcomes and usage",
    query: &[("logs", "0: without output")],
    body: None,
    answers: &[(200, "a list, the oldest first"), NO_TASK],
};
const SUMMARY: Doc = Doc {
    summary: "A run in short, with whose it is, where it comes from, and what it was submitted with",
    query: &[],
    body: None,
    answers: &[(200, "its line in the list, with more keys"), NO_RUN],
};
const GRAPH: Doc = Doc {
    summary: "A run's graph; groups of more than 200 tasks are one node",
    query: &[("format", "json, dot, mermaid or svg")],
    body: None,
    answers: &[(200, "the graph"), BAD, NO_RUN],
};
const TASKS: Doc = Doc {
    summary: "The tasks of a run, page by page",
    query: &[
        ("state", "only those in one of these states, with commas between them"),
        ("limit", "how many, at most 1000; 100"),
        ("after", "only those behind this task: the last page's next"),
    ],
    body: None,
    answers: &[(200, "tasks, and next: after which there are more"), BAD, NO_RUN],
};
const LOG: Doc = Doc {
    summary: "Output of an attempt, as text, as JSON or, where Accept says so, as server-sent events",
    query: &[
        ("attempt", "which, from 1; that which runs, or else the last"),
        ("stream", "stdout, stderr or both"),
        ("lines", "the last so many lines"),
        ("since", "written since: RFC 3339, nanoseconds, or how long ago, such as 5m"),
        ("follow", "1: go on with what is written later, until the attempt ends"),
        ("format", "text or json"),
    ],
    body: None,
    answers: &[(200, "the output"), BAD, (404, "no such run, task or attempt, or not yours")],
};
const CHANGE: Doc = Doc {
    summary: "Change a task that does not run, of a run that is over or paused",
    query: &[],
    body: Some("one of: job, another job; skip: true; done: true"),
    answers: &[(200, "it is so, and on disk"), BAD, NO_TASK, CONFLICT],
};
const DAGS: Doc = Doc {
    summary: "Stored DAGs by name",
    query: &[],
    body: None,
    answers: &[(200, "a list: name, tag, owner, schedule, and when it is due next")],
};
const NO_DAG: (u16, &str) = (404, "no such DAG, or not yours");
const DAG: Doc = Doc {
    summary: "A stored DAG, as it can be put again",
    query: &[],
    body: None,
    answers: &[(200, "specification and schedule"), NO_DAG],
};
const PUT_DAG: Doc = Doc {
    summary: "Store a DAG, or replace it; a changed schedule begins now",
    query: &[],
    body: Some("a specification, or {specification, schedule: {cron, timezone, overlap, catch_up, parameters}}"),
    answers: &[(200, "it is on disk"), BAD, (403, "the name or the user is not yours to take"), TOO_LARGE],
};
const DELETE_DAG: Doc = Doc {
    summary: "Forget a stored DAG; its runs stay",
    query: &[],
    body: None,
    answers: &[(200, "it is so, and on disk"), NO_DAG],
};
const FIRINGS: Doc = Doc {
    summary: "The last ten firings of a schedule, newest first, and the next ten",
    query: &[],
    body: None,
    answers: &[(200, "past and next"), NO_DAG],
};
const RUN_DAG: Doc = Doc {
    summary: "Run a stored DAG now; with the header Idempotency-Key, once",
    query: &[],
    body: Some("nothing, or {parameters, tag}"),
    answers: &[
        (200, "the run's number; it is on disk"),
        BAD,
        NO_DAG,
        (409, "the Idempotency-Key was used with another body"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_status() {
        let run = DagRunId(4);
        let status = |why: Refusal| Failure::from(why).status().as_u16();
        assert_eq!(status(Refusal::NoRun(run)), 404);
        assert_eq!(status(Refusal::NoTask(run)), 404);
        assert_eq!(status(Refusal::NoDag(DagName::new("d").unwrap())), 404);
        assert_eq!(status(Refusal::NotYours(DagName::new("d").unwrap())), 403);
        assert_eq!(status(Refusal::Transition { run, from: State::Completed, to: State::Queued }), 409);
        assert_eq!(status(Refusal::Active(run)), 409);
        assert_eq!(status(Refusal::StillEnding(run)), 409);
        assert_eq!(status(Refusal::TaskRunning), 409);
        assert_eq!(status(Refusal::TaskCompleted), 409);
        assert_eq!(status(Refusal::ShuttingDown), 503);
        assert_eq!(Failure::from(Failed::Gone).status().as_u16(), 503);
    }
}
