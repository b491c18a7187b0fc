//! The tasks of a run, page by page, and changing one.

use super::engine::Handle;
use super::machine::{Ask, View};
use super::model::*;
use super::wire::TaskFacts;
use super::{listing, records, routes, runs, specification, wire};
use crate::http::{Cx, Failure, Reply, blocking};
use crate::store::{ReadError, Reader};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tasks on a page, where the client does not say.
const LIMIT: usize = 100;
/// The most tasks on a page.
const LIMIT_MAX: usize = 1_000;

/// `GET /v1/dagrun/{run}/tasks`
pub async fn page(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let states = cx.query.get("state").map(listing::states).transpose()?;
    let limit = cx.number::<usize>("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let view = Arc::new(runs::view(&handle, &cx).await?);
    let from = match cx.query.get("after") {
        None => TaskId { group: 0, index: 0 },
        Some(name) => {
            let none = || runs::bad(format!("after: the run has no task \"{}\"", name.escape_debug()));
            let after = view.find(name).ok_or_else(none)?;
            TaskId { index: after.index + 1, ..after }
        }
    };
    let viewed = view.clone();
    let choose = move || Ok::<_, ReadError>(choose(&viewed, from, states.as_deref(), limit));
    let (tasks, more) = blocking(choose).await?;
    let next = tasks.last().filter(|_| more).map(|last| runs::name(&view, *last));
    let facts = facts(&handle, view.row.id, tasks).await?;
    let lines = facts.iter().map(|(task, facts)| line(&view, *task, facts)).collect::<Vec<_>>();
    Ok(Reply::json(&json!({ "tasks": lines, "next": next })))
}

/// The next tasks in one of these states, and whether there are more.
fn choose(view: &View, from: TaskId, states: Option<&[State]>, limit: usize) -> (Vec<TaskId>, bool) {
    let wanted = |task: &TaskId| states.is_none_or(|states| states.contains(&runs::state(view, *task)));
    let mut tasks: Vec<TaskId> = runs::tasks_from(view, from).filter(wanted).take(limit + 1).collect();
    let more = tasks.len() > limit;
    tasks.truncate(limit);
    (tasks, more)
}

/// A task as a page shows it.
pub(super) fn line(view: &View, task: TaskId, facts: &TaskFacts) -> Value {
    let (state, mut facts) = (runs::state(view, task), facts.clone());
    facts.mark = facts.mark.filter(|mark| match mark {
        Mark::Killed(_) => state == State::Killed,
        Mark::Done(_) | Mark::Skipped(_) | Mark::NotNeeded => state == State::Completed,
    });
    wire::task_line(&runs::name(view, task), state, &facts)
}

/// What there is to tell of some tasks.
pub(super) async fn facts(
    handle: &Handle,
    run: DagRunId,
    tasks: Vec<TaskId>,
) -> Result<Vec<(TaskId, TaskFacts)>, Failure> {
    let asked = tasks.clone();
    let live: BTreeMap<TaskId, _> = handle
        .look(move |room| {
            let live = |task| room.attempt(run, task).filter(|live| !live.ended);
            asked
                .into_iter()
                .filter_map(|task| Some((task, live(task).map(|live| (live.number, live.start))?)))
                .collect()
        })
        .await?;
    let reader = handle.tools.store.reader();
    blocking(move || {
        let facts = |task: TaskId| {
            let stored = stored(&reader, run, task)?;
            Ok((task, TaskFacts { live: live.get(&task).copied(), ..stored }))
        };
        tasks.into_iter().map(facts).collect::<Result<Vec<_>, ReadError>>()
    })
    .await
}

fn stored(reader: &Reader, run: DagRunId, task: TaskId) -> Result<TaskFacts, ReadError> {
    let last = records::attempts(reader, run, task)?.pop();
    Ok(TaskFacts { last, live: None, mark: records::mark(reader, run, task)? })
}

/// `PATCH /v1/dagrun/{run}/task/{task}`
pub async fn change(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let body = cx.json::<Value>().await.map_err(|why| runs::bad(format!("{why}: {CHANGE}")))?;
    let wanted = wanted(body)?;
    let (view, task) = runs::task(&handle, &cx).await?;
    let edit = match wanted {
        Wanted::Done => Edit::Done,
        Wanted::Skip => Edit::Skip,
        Wanted::Job(job) => {
            let group = view.groups.get(task.group as usize);
            let group = group.ok_or_else(|| runs::no_task(cx.param("task"), view.row.id))?;
            let job = specification::job(&job, &group.template, task.index, &handle.settings.limits());
            Edit::Job(Arc::new(job.map_err(|why| runs::bad(why.0))?))
        }
    };
    routes::decide(&handle, &cx, Ask::Edit(view.row.id, task, edit)).await?;
    Ok(Reply::json(&wire::run_id(view.row.id)))
}

const CHANGE: &str = r#"expected {"job":{…}}, {"skip":true} or {"done":true}"#;

/// What a client wants of a task.
#[derive(Debug, PartialEq)]
enum Wanted {
    Job(Value),
    Skip,
    Done,
}

fn wanted(body: Value) -> Result<Wanted, Failure> {
    let Value::Object(members) = body else { return Err(runs::bad(CHANGE)) };
    let mut members = members.into_iter();
    let (Some((key, value)), None) = (members.next(), members.next()) else { return Err(runs::bad(CHANGE)) };
    match (key.as_str(), value) {
        ("job", job @ Value::Object(_)) => Ok(Wanted::Job(job)),
        ("job", _) => Err(runs::bad("job: expected an object")),
        ("skip", Value::Bool(true)) => Ok(Wanted::Skip),
        ("done", Value::Bool(true)) => Ok(Wanted::Done),
        ("skip" | "done", _) => Err(runs::bad(format!("{key}: expected true"))),
        _ => Err(runs::bad(format!("\"{}\": {CHANGE}", key.escape_debug()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::wire::tests::{attempt, view};

    #[test]
    fn pages_go_through_all_tasks_in_these_states() {
        let task = json!({ "job": { "command": ["{{P}}"] } });
        let mut view = view(&json!({
            "tag": "t", "parameters": { "P": ["x", "y", "z"] }, "tasks": { "a": task, "b": task, "c": { "job": { "command": ["c"] } } },
        }));
        let names = |tasks: &[TaskId]| tasks.iter().map(|task| runs::name(&view, *task)).collect::<Vec<_>>();
        let first = TaskId { group: 0, index: 0 };
        let (page, more) = choose(&view, first, None, 4);
        assert_eq!((names(&page), more), (vec!["a_0".into(), "a_1".into(), "a_2".into(), "b_0".into()], true));
        let (page, more) = choose(&view, TaskId { group: 1, index: 3 }, None, 4);
        assert_eq!((names(&page), more), (vec!["c_0".into()], false));
        assert_eq!(choose(&view, TaskId { group: 9, index: 0 }, None, 4), (vec![], false));

        view.groups[1].states =
            Arc::new([State::Errored, State::Queued, State::Killed].map(|state| state as u8).into());
        let failed = [State::Errored, State::Killed];
        let at = |index| TaskId { group: 1, index };
        assert_eq!(choose(&view, first, Some(&failed), 1), (vec![at(0)], true));
        assert_eq!(choose(&view, at(1), Some(&failed), 1), (vec![at(2)], false));
    }

    #[test]
    fn a_mark_is_shown_while_it_says_why_the_state_is_so() {
        let view = view(&json!({ "tag": "t", "tasks": { "a": { "job": { "command": ["a"] } } } }));
        let task = TaskId { group: 0, index: 0 };
        let facts = TaskFacts { last: Some((1, attempt())), live: None, mark: Some(Mark::Killed("root".into())) };
        assert_eq!(line(&view, task, &facts)["mark"], Value::Null, "it was restarted, and is QUEUED");
        let mut killed = view.clone();
        killed.groups[0].states = Arc::new(vec![State::Killed as u8]);
        assert_eq!(line(&killed, task, &facts)["mark"]["by"], "root");
    }

    #[test]
    fn a_change_is_exactly_one_of_three() {
        assert_eq!(wanted(json!({ "skip": true })).unwrap(), Wanted::Skip);
        assert_eq!(wanted(json!({ "done": true })).unwrap(), Wanted::Done);
        assert_eq!(wanted(json!({ "job": { "command": ["a"] } })).unwrap(), Wanted::Job(json!({ "command": ["a"] })));
        let refused = |body: Value| {
            let why = wanted(body).unwrap_err();
            (why.status().as_u16(), why.message().to_owned())
        };
        for (body, named) in [
            (json!([]), "expected"),
            (json!({}), "expected"),
            (json!({ "skip": true, "done": true }), "expected"),
            (json!({ "skip": 1 }), "skip"),
            (json!({ "done": false }), "done"),
            (json!({ "job": "ls" }), "job"),
            (json!({ "jobs": {} }), "jobs"),
        ] {
            let (status, message) = refused(body);
            assert_eq!(status, 400);
            assert!(message.contains(named), "{message}");
        }
    }
}
