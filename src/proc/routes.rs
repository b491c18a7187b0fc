//! `/proc` over HTTP: path → right → handle → answer. What the original interface answers is answered in its words;
//! where its message names no field, the header `X-Hostler-Detail` does.

use super::document::{self, Refused};
use super::engine::{Answer, Gone, Handle};
use super::machine::{Ask, Asker, Difference, Offer, Refusal, Room, Task, Verdict};
use super::model::*;
use super::wire::Documents;
use super::{detail, history, output, rights, wire};
use crate::auth::{Caller, Scope};
use crate::http::{Access, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const EXISTS: &str = "Program exists, please stop it at first";
const MISSING: &str = "Program not exists, please start it at first";
const NO_NAME: &str = "name is required";
const NO_BODY: &str = "JSON body is required";

/// Tasks in a listing that is written at once; a longer one is written where it keeps nobody waiting.
const AT_ONCE: usize = 200;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let draft = |what, scope, doc| Draft::new(&handle, Family::Proc, what, Access::Scope(scope), doc);
    let read = |path, doc| draft((Method::GET, path), Scope::ProcRead, doc);
    let write = |method, path, doc| draft((method, path), Scope::ProcWrite, doc);
    let documents = Arc::new(Documents::default());
    let mut routes = vec![
        read("/proc", LIST).with(move |handle, cx| list(handle, cx, documents.clone())),
        write(Method::POST, "/proc", CREATE).with(create),
        write(Method::PUT, "/proc", RESTART).with(restart),
        write(Method::DELETE, "/proc", DELETE).with(delete),
        read("/proc/task", TASK).with(detail::task),
        read("/proc/history", HISTORY).with(history::list),
        read("/proc/log", LOG).with(output::log),
        write(Method::POST, "/proc/stop", STOP).with(stop),
        write(Method::POST, "/proc/start", START).with(start),
        write(Method::POST, "/proc/scale", SCALE).with(scale),
        write(Method::POST, "/proc/signal", SIGNAL).with(signal),
        write(Method::POST, "/proc/reload", RELOAD).with(reload),
        write(Method::POST, "/proc/apply", APPLY).with(apply),
    ];
    // The original answers the output to any method.
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let draft = draft((method, "/proc/output"), Scope::ProcRead, OUTPUT);
        routes.push(draft.changes(false).with(output::today));
    }
    routes
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Failure {
        Failure::unavailable(gone.to_string())
    }
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_request", message)
}

impl From<Refused> for Failure {
    fn from(why: Refused) -> Failure {
        let failure = bad(why.text());
        match HeaderValue::from_str(&why.detail()) {
            Ok(detail) => failure.header(HeaderName::from_static("x-hostler-detail"), detail),
            Err(_) => failure, // the field's own name cannot stand in a header
        }
    }
}

impl From<Refusal> for Failure {
    fn from(why: Refusal) -> Failure {
        let (status, code, message) = match &why {
            Refusal::NotFound(_) => (ErrorStatus::FORBIDDEN, "not_found", MISSING.to_owned()),
            Refusal::Exists(_) => (ErrorStatus::FORBIDDEN, "exists", EXISTS.to_owned()),
            Refusal::Cycle(_) => (ErrorStatus::BAD_REQUEST, "cycle", why.to_string()),
            Refusal::TooMany { .. } | Refusal::TooManyAtOnce { .. } => {
                (ErrorStatus::BAD_REQUEST, "too_many", why.to_string())
            }
            Refusal::NoReplica { .. } => (ErrorStatus::BAD_REQUEST, "no_replica", why.to_string()),
            Refusal::Twice(_) => (ErrorStatus::BAD_REQUEST, "twice", why.to_string()),
            Refusal::NotAllowed(_) => (ErrorStatus::FORBIDDEN, "not_yours", why.to_string()),
            Refusal::NoReload(_) => (ErrorStatus::CONFLICT, "no_reload", why.to_string()),
            Refusal::NotRunning(_) => (ErrorStatus::CONFLICT, "not_running", why.to_string()),
            Refusal::ShuttingDown => (ErrorStatus::UNAVAILABLE, "stopping", why.to_string()),
        };
        Failure::public(status, code, message)
    }
}

/// The name in the query, as the original reads it.
pub(super) fn name(cx: &Cx) -> Result<TaskName, Failure> {
    let name = cx.query.plain("name").ok_or_else(|| bad(NO_NAME))?;
    TaskName::new(name).map_err(|_| missing()) // no task has a name that cannot be
}

/// There is no such task, in the original's words.
pub(super) fn missing() -> Failure {
    Failure::public(ErrorStatus::FORBIDDEN, "not_found", MISSING)
}

fn asker(handle: &Handle, caller: &Caller) -> Asker {
    let owner =
        Owner { uid: caller.runs_as(handle.settings.own_uid), name: caller.name(), operator: caller.is_operator() };
    Asker { owner, all: caller.may_touch_all() }
}

async fn decide(handle: &Handle, cx: &Cx, ask: Ask) -> Result<Answer, Failure> {
    let wait = cx.query.flag("wait");
    let answer = handle.ask(ask, asker(handle, &cx.caller), wait).await?;
    match answer.verdict {
        Verdict::Accepted | Verdict::AlreadySo => Ok(answer),
        Verdict::Refused(Refusal::Cycle(names)) => {
            let (caller, among) = (cx.caller.clone(), names.clone());
            let touches = move |task: &Task| caller.may_touch(task.runs_as());
            let all = move |room: &Room| among.iter().all(|name| room.task(name.as_str()).is_none_or(&touches));
            Err(match handle.look(all).await? {
                true => Refusal::Cycle(names).into(),
                false => bad("deps: the task would wait for itself, through tasks of somebody else"),
            })
        }
        Verdict::Refused(why) => Err(why.into()),
    }
}

async fn simply(handle: Handle, cx: Cx, ask: Ask) -> Result<Reply, Failure> {
    decide(&handle, &cx, ask).await?;
    Ok(Reply::json(&wire::ok()))
}

async fn list(handle: Handle, cx: Cx, documents: Arc<Documents>) -> Result<Reply, Failure> {
    let caller = cx.caller;
    let tasks = handle.look(move |room| wire::listed(room, |uid| caller.may_touch(uid))).await?;
    let text = if tasks.len() <= AT_ONCE {
        documents.listing(&tasks)
    } else {
        tokio::task::spawn_blocking(move || documents.listing(&tasks)).await.map_err(Failure::internal)?
    };
    Ok(Reply::bytes("application/json", text))
}

async fn create(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let document = match cx.json::<Value>().await {
        Ok(Value::Object(fields)) if !fields.is_empty() => fields,
        // The original takes a list for an object without the fields it wants.
        Ok(Value::Array(list)) if !list.is_empty() => Map::new(),
        _ => return Err(bad(NO_BODY)),
    };
    let definition = document::read(document, handle.settings.max_replicas)?;
    let runs_as = rights::check(&cx.caller, &definition, &handle.settings).await?;
    simply(handle, cx, Ask::Create(Box::new(Offer { definition, runs_as }))).await
}

async fn restart(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let ask = Ask::Restart(name(&cx)?);
    simply(handle, cx, ask).await
}

async fn delete(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = name(&cx)?;
    let ask = if cx.query.flag("keep") { Ask::Stop(name) } else { Ask::Delete(name) };
    simply(handle, cx, ask).await
}

async fn stop(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let ask = Ask::Stop(name(&cx)?);
    simply(handle, cx, ask).await
}

async fn start(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let ask = Ask::Start(name(&cx)?);
    simply(handle, cx, ask).await
}

async fn scale(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = name(&cx)?;
    let max = handle.settings.max_replicas;
    let wanted = cx.number::<i64>("replica")?.filter(|wanted| (1..=i64::from(max)).contains(wanted));
    let replica = wanted.and_then(|wanted| Replicas::new(wanted).ok());
    let replica = replica.ok_or_else(|| bad(format!("replica: expected a whole number from 1 to {max}")))?;
    simply(handle, cx, Ask::Scale { name, replica }).await
}

async fn signal(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = name(&cx)?;
    let signal = Signal::parse(cx.query.get("signal").unwrap_or_default())
        .map_err(|_| bad("signal: expected a name such as HUP, or a number from 1 to 64"))?;
    let replica = cx.number::<u32>("replica")?;
    simply(handle, cx, Ask::Signal { name, replica, signal }).await
}

async fn reload(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let ask = Ask::Reload(name(&cx)?);
    simply(handle, cx, ask).await
}

async fn apply(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let expected = "expected a list of definitions, or {\"tasks\": [...]}";
    let list = match cx.json::<Value>().await {
        Ok(Value::Array(list)) => list,
        Ok(Value::Object(mut object)) => match object.remove("tasks") {
            Some(Value::Array(list)) => list,
            _ => return Err(bad(expected)),
        },
        Ok(_) => return Err(bad(expected)),
        Err(why) => return Err(bad(format!("{why}: {expected}"))),
    };
    let mut offers = Vec::with_capacity(list.len());
    for (place, entry) in list.into_iter().enumerate() {
        let Value::Object(document) = entry else { return Err(bad(format!("tasks[{place}]: expected an object"))) };
        let called = document.get("name").and_then(Value::as_str).map(|name| format!(" ({name})")).unwrap_or_default();
        let definition = document::read(document, handle.settings.max_replicas);
        let definition = definition.map_err(|why| bad(format!("tasks[{place}]{called}: {}", why.detail())))?;
        let runs_as = rights::check(&cx.caller, &definition, &handle.settings).await?;
        offers.push(Offer { definition, runs_as });
    }
    let changed = changed(&handle, &offers).await?;
    let strange = |offer: &Offer| {
        let definition = &offer.definition;
        (definition.name.to_string(), definition.extra.keys().cloned().collect::<Vec<_>>())
    };
    let unknown: BTreeMap<String, Vec<String>> = offers.iter().map(strange).collect();
    let ask = Ask::Apply { offers, dry_run: cx.query.flag("dry_run") };
    let answer = decide(&handle, &cx, ask).await?;
    let changes = answer.differences.iter().map(|(name, difference)| {
        let fields = match difference {
            Difference::Restarted | Difference::Adjusted => changed.get(name.as_str()),
            Difference::Created | Difference::Unchanged => None,
        };
        json!({
            "name": name.as_str(),
            "action": wire::difference(*difference),
            "fields": fields.map(Vec::as_slice).unwrap_or_default(),
            "unknown": unknown.get(name.as_str()).map(Vec::as_slice).unwrap_or_default(),
        })
    });
    Ok(Reply::json(&wire::ok_with(json!({ "changes": changes.collect::<Vec<_>>() }))))
}

/// The fields in which definitions differ from those of the tasks there are, by task.
async fn changed(handle: &Handle, offers: &[Offer]) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let names: Vec<TaskName> = offers.iter().map(|offer| offer.definition.name.clone()).collect();
    let present = handle
        .look(move |room| {
            let tasks = names.iter().map(|name| room.task(name.as_str()).map(|task| task.definition().clone()));
            tasks.collect::<Vec<_>>()
        })
        .await?;
    let differing = |(offer, present): (&Offer, Option<Arc<Definition>>)| {
        let (new, old) = (document::write_whole(&offer.definition), document::write_whole(&*present?));
        let fields: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
        let fields = fields.into_iter().filter(|field| new.get(*field) != old.get(*field)).cloned();
        Some((offer.definition.name.to_string(), fields.collect()))
    };
    Ok(offers.iter().zip(present).filter_map(differing).collect())
}

const NAME: (&str, &str) = ("name", "the task's name");
const WAIT: (&str, &str) = ("wait", "1: answer when what it ended is gone");
const OK: (u16, &str) = (200, "done, and on disk");
const BAD: (u16, &str) = (400, "which field, and what was expected");
const NOT: (u16, &str) = (403, "no such task, or not yours");

const LIST: Doc = Doc {
    summary: "All tasks and live processes",
    query: &[],
    body: None,
    answers: &[(200, "running: the live processes; tasks: by name")],
};
const CREATE: Doc = Doc {
    summary: "Create a task and start it",
    query: &[],
    body: Some("the definition: name, cmd or argv, type (once, daemon, cron), and what else is wanted"),
    answers: &[OK, BAD, (403, "the name is in use")],
};
const RESTART: Doc = Doc { summary: "Restart a task", query: &[NAME, WAIT], body: None, answers: &[OK, BAD, NOT] };
const DELETE: Doc = Doc {
    summary: "Stop a task and forget it",
    query: &[NAME, ("keep", "1: stop it only"), WAIT],
    body: None,
    answers: &[OK, BAD, NOT],
};
const TASK: Doc = Doc {
    summary: "One task with its state and replicas",
    query: &[NAME],
    body: None,
    answers: &[(200, "the task"), BAD, NOT],
};
const HISTORY: Doc = Doc {
    summary: "Runs and firings of a task, newest first",
    query: &[NAME, ("limit", "how many, at most 1000; 50"), ("before", "only runs below this number")],
    body: None,
    answers: &[(200, "a list"), BAD, NOT],
};
const LOG: Doc = Doc {
    summary: "Output of a task, as text or, where Accept says so, as server-sent events",
    query: &[
        NAME,
        ("replica", "of one replica"),
        ("stream", "stdout or stderr, of tasks with split_output"),
        ("lines", "the last so many lines"),
        ("since", "written since: RFC 3339, or how long ago, such as 5m"),
        ("run", "of one run"),
        ("follow", "1: go on with what is written later"),
    ],
    body: None,
    answers: &[(200, "the output"), BAD, NOT],
};
const OUTPUT: Doc = Doc {
    summary: "Today's output of every replica",
    query: &[NAME],
    body: None,
    answers: &[(200, "alias → base64"), BAD, NOT],
};
const STOP: Doc =
    Doc { summary: "Stop a task and keep it", query: &[NAME, WAIT], body: None, answers: &[OK, BAD, NOT] };
const START: Doc = Doc { summary: "Start what does not run", query: &[NAME], body: None, answers: &[OK, BAD, NOT] };
const SCALE: Doc = Doc {
    summary: "Change the number of replicas",
    query: &[NAME, ("replica", "how many"), WAIT],
    body: None,
    answers: &[OK, BAD, NOT],
};
const SIGNAL: Doc = Doc {
    summary: "Send a signal",
    query: &[NAME, ("signal", "a name or number"), ("replica", "to one replica")],
    body: None,
    answers: &[OK, BAD, NOT, (409, "nothing runs")],
};
const RELOAD: Doc = Doc {
    summary: "Send the task's reload signal",
    query: &[NAME],
    body: None,
    answers: &[OK, BAD, NOT, (409, "it has none, or nothing runs")],
};
const APPLY: Doc = Doc {
    summary: "Make these tasks be so: creates, changes and restarts only what differs",
    query: &[("dry_run", "1: only say what would be done")],
    body: Some("a list of definitions, or {\"tasks\": [...]}"),
    answers: &[(200, "changes: name, action, changed fields and fields nothing reads, of each"), BAD, NOT],
};
