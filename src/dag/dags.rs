//! `/v1/dag`: stored DAGs, running them, and what their schedules did and will do.

use super::engine::Handle;
use super::machine::{Ask, Asker, Dag, Refusal, Room, Submission};
use super::model::*;
use super::specification::{self, Limits};
use super::submit::{self, Keys, Read};
use super::{records, rights, routes, runs, stored, wire};
use crate::auth::Caller;
use crate::base::{Now, Wall};
use crate::http::{Cx, Failure, Reply, blocking};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Firings shown of the past, and as many of the future.
const FIRINGS: usize = 10;

/// `GET /v1/dags`
pub async fn list(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (caller, now) = (cx.caller, Now::read().wall);
    let listed = handle
        .look(move |room| {
            let mine = room.calendar().iter().filter(|dag| caller.may_touch(dag.runs_as));
            mine.map(|dag| line(room, dag, now)).collect::<Vec<_>>()
        })
        .await?;
    Ok(Reply::json(&listed))
}

fn line(room: &Room, dag: &Dag, now: Wall) -> Value {
    json!({
        "name": dag.name,
        "tag": dag.blueprint.tag,
        "owner": dag.owner.name,
        "runsAs": dag.runs_as,
        "schedule": dag.schedule.as_ref().map(stored::show_schedule),
        "next": room.calendar().next_firings(dag.name.as_str(), now, 1).first().copied().map(wire::ns),
    })
}

/// `PUT /v1/dag/{name}`
pub async fn put(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = DagName::new(cx.param("name")).map_err(|why| runs::bad(why.to_string()))?;
    let by = rights::asker(&handle, &cx.caller);
    let (body, limits, owner, uid) = (cx.body.clone(), handle.settings.limits(), by.owner.clone(), by.owner.uid);
    let called = name.clone();
    let read = move || stored::read(called, &body, &limits, Arc::new(owner), uid);
    let mut dag = submit::off_thread(cx.body.len(), read).await?;
    dag.runs_as = rights::runs_as(&cx.caller, dag.blueprint.user.as_deref(), handle.settings.own_uid).await?;
    routes::decide(&handle, &cx, Ask::PutDag(Box::new(dag))).await?;
    Ok(Reply::json(&json!({ "name": name })))
}

/// `GET /v1/dag/{name}`
pub async fn get(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let dag = find(&handle, &cx).await?;
    let shown = tokio::task::spawn_blocking(move || stored::show(&dag)).await;
    Ok(Reply::bytes("application/json", shown.map_err(Failure::internal)?))
}

/// `DELETE /v1/dag/{name}`
pub async fn delete(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = name(&cx)?;
    routes::decide(&handle, &cx, Ask::DeleteDag(name)).await?;
    Ok(Reply::empty())
}

/// `GET /v1/dag/{name}/firings`
pub async fn firings(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let dag = find(&handle, &cx).await?;
    let (name, now) = (dag.name.clone(), Now::read().wall);
    let next = handle.look(move |room| room.calendar().next_firings(name.as_str(), now, FIRINGS)).await?;
    handle.settled().await; // what was decided a moment ago is in the store after this
    let reader = handle.tools.store.reader();
    let past = blocking(move || records::firings(&reader, &dag.name, FIRINGS)).await?;
    let past: Vec<Value> = past.iter().map(wire::firing).collect();
    let next: Vec<String> = next.into_iter().map(wire::ns).collect();
    Ok(Reply::json(&json!({ "past": past, "next": next })))
}

/// `POST /v1/dag/{name}/run`
pub async fn run(handle: Handle, cx: Cx, keys: Arc<Keys>) -> Result<Reply, Failure> {
    let wanted = wanted(&cx.body)?;
    let dag = find(&handle, &cx).await?;
    let (limits, asked, length) = (handle.settings.limits(), dag.clone(), dag.text.len());
    let Read { blueprint, text } = submit::off_thread(length, move || compile(&asked, wanted, &limits)).await?;
    let by = on_behalf(&cx.caller, rights::asker(&handle, &cx.caller), &dag);
    let origin = Origin::Dag(dag.name.clone());
    let submission = Submission { blueprint, text, runs_as: dag.runs_as, origin, key: None };
    submit::submit(handle, &cx, submission, by, &keys).await
}

/// In whose name a stored DAG runs that this caller starts: an operator lends it no rights that its owner does not
/// have, and it lends its owner's to nobody.
fn on_behalf(caller: &Caller, by: Asker, dag: &Dag) -> Asker {
    if caller.is_operator() { Asker { owner: (*dag.owner).clone(), ..by } } else { by }
}

/// How a client wants a stored DAG to run.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    parameters: Map<String, Value>,
    tag: Option<String>,
}

fn wanted(body: &[u8]) -> Result<Wanted, Failure> {
    let expected = r#"expected {"parameters":{…}}, or with "tag", or nothing"#;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Wanted::default());
    }
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|why| runs::bad(format!("{why}: {expected}")))?;
    let mut wanted = Wanted::default();
    for (key, value) in members {
        match (key.as_str(), value) {
            ("parameters", Value::Object(parameters)) => wanted.parameters = parameters,
            ("parameters", _) => return Err(runs::bad("parameters: expected an object")),
            ("tag", Value::String(tag)) if !tag.is_empty() => wanted.tag = Some(tag),
            ("tag", _) => return Err(runs::bad("tag: expected a text that is not empty")),
            _ => return Err(runs::bad(format!("\"{}\": {expected}", key.escape_debug()))),
        }
    }
    Ok(wanted)
}

/// The DAG's specification as it is to run this time.
fn compile(dag: &Dag, wanted: Wanted, limits: &Limits) -> Result<Read, Invalid> {
    let mut text = dag.text.clone();
    if !wanted.parameters.is_empty() {
        text = specification::with_parameters(text.as_bytes(), &wanted.parameters)?.into();
    }
    if let Some(tag) = wanted.tag {
        text = specification::with_tag(text.as_bytes(), &tag)?.into();
    }
    submit::compile(Bytes::copy_from_slice(text.as_bytes()), limits)
}

/// The stored DAG in the path.
async fn find(handle: &Handle, cx: &Cx) -> Result<Arc<Dag>, Failure> {
    let (name, caller) = (name(cx)?, cx.caller.clone());
    let wanted = name.clone();
    let found = handle.look(move |room| room.calendar().get(wanted.as_str()).cloned()).await?;
    found.filter(|dag| caller.may_touch(dag.runs_as)).ok_or_else(|| Refusal::NoDag(name).into())
}

/// The name in the path: what can be none is nobody's.
fn name(cx: &Cx) -> Result<DagName, Failure> {
    let text = cx.param("name");
    DagName::new(text).map_err(|_| runs::not_found(format!("there is no DAG \"{}\"", text.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_be_asked_for_with_nothing() {
        assert_eq!(wanted(b" \n").unwrap(), Wanted::default());
        assert_eq!(wanted(b"{}").unwrap(), Wanted::default());
        let full = wanted(br#"{"parameters":{"P":"x"},"tag":"t"}"#).unwrap();
        assert_eq!((full.parameters.get("P"), full.tag.as_deref()), (Some(&json!("x")), Some("t")));
        for (body, named) in [
            (&b"{"[..], "parameters"),
            (b"[]", "parameters"),
            (br#"{"parameters":[]}"#, "parameters"),
            (br#"{"tag":""}"#, "tag"),
            (br#"{"tga":"x"}"#, "tga"),
        ] {
            let why = wanted(body).unwrap_err();
            assert_eq!(why.status().as_u16(), 400);
            assert!(why.message().contains(named), "{}", why.message());
        }
    }
}
