//! Why a task or a project is as it is: the cause nearest to the present first.

use super::engine::Handle;
use super::machine::Room;
use super::model::{Access, Project, Standing, Status, Task, TaskId, WorkerId};
use crate::auth::Caller;
use crate::base::{Now, Wall, Why};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use std::sync::Arc;

/// Holders of a project's tasks that get a sentence of their own.
const HOLDERS: usize = 3;

impl Handle {
    /// Why `task/15` or `project/NAME` is as it is; none when there is none, or the caller is no operator: nobody else is
    /// known to the tracker by who he is on this host.
    pub async fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        if !caller.is_operator() {
            return None;
        }
        let (kind, of) = name.split_once('/')?;
        let now = Now::read();
        match kind {
            "task" => {
                let id = TaskId(of.parse().ok()?);
                self.look(move |room| why_task(room, id, now.wall)).await.ok()?
            }
            "project" => {
                let of = of.to_owned();
                self.look(move |room| why_project(room, &of, now)).await.ok()?
            }
            _ => None,
        }
    }
}

fn why_task(room: &Room, id: TaskId, now: Wall) -> Option<Why> {
    let (task, standing) = room.task(id)?;
    let project = room.project(task.project)?;
    let name = &project.definition.name;
    let mut sentences = vec![headline(room, &task, &standing, name)];
    if standing.status == Status::New && standing.lease.is_none() {
        sentences.extend(task.what.not_before.filter(|at| *at > now).map(|at| format!("it is due at {}", moment(at))));
        sentences.extend(closed_to_all(project));
    }
    if !standing.votes.is_empty() {
        let voters = standing.votes.iter().map(|vote| worker(room, vote.worker)).collect::<Vec<_>>().join(", ");
        let needed = task.what.verification_count;
        sentences.push(format!("{needed} equal results are needed, and there are some from {voters}"));
    }
    if let Some(failing) = &standing.failing {
        let by = worker(room, failing.worker);
        let said = if failing.reason.is_empty() { String::new() } else { format!(":\n{}", failing.reason) };
        sentences.push(format!("{by} has failed at it at {}{said}", moment(failing.at)));
    }
    sentences.push(format!("it has failed {} times, of {} allowed", standing.retries, task.what.max_retries.max(1)));
    Some(Why { sentences, facts: json!({ "task": id.0, "project": name, "state": state(&standing) }) })
}

fn headline(room: &Room, task: &Arc<Task>, standing: &Standing, project: &str) -> String {
    let id = task.id;
    match (standing.status, standing.lease) {
        (Status::Failed, _) => format!("task {id} of {project} has failed for good, until it is requeued"),
        (Status::New, None) => format!("task {id} of {project} waits for a worker"),
        (Status::New, Some(lease)) => {
            let (by, since, until) = (worker(room, lease.worker), moment(lease.since), moment(lease.until));
            let tied = lease.process.map(|process| format!(", while process {} lives", process.pid));
            let tied = tied.unwrap_or_default();
            format!("{by} holds task {id} of {project} since {since}, until {until} at the latest{tied}")
        }
    }
}

fn why_project(room: &Room, name: &str, now: Now) -> Option<Why> {
    let project = room.projects().find(|project| project.definition.name == name)?;
    let count = room.count(project.id, now);
    let holders: Vec<_> =
        room.assignees(project.id, HOLDERS + 1).into_iter().filter(|(who, _)| who.is_some()).collect();
    let mut sentences: Vec<String> = closed_to_all(project).into_iter().collect();
    for (who, tasks) in holders.iter().take(HOLDERS) {
        sentences.extend(who.map(|who| format!("{} holds {tasks}", worker(room, who))));
    }
    let pending = project.access.values().filter(|access| access.pending).count();
    if pending > 0 {
        sentences.push(format!("{pending} workers wait for somebody to grant them access"));
    }
    sentences.extend(
        project
            .definition
            .chain
            .and_then(|next| room.project(next))
            .map(|next| format!("what is closed goes on to {}", next.definition.name)),
    );
    let (new, failed, closed) = (count.new, count.failed, count.closed);
    sentences.insert(0, format!("{name} has {new} tasks to be done and {failed} failed ones; {closed} are closed"));
    let facts: Value = json!({ "project": project.id.0, "new": new, "failed": failed, "closed": closed });
    Some(Why { sentences, facts })
}

/// Why nobody at all is handed tasks of a project.
fn closed_to_all(project: &Project) -> Option<String> {
    let name = &project.definition.name;
    if project.definition.paused {
        return Some(format!("{name} is paused: none of its tasks is handed out"));
    }
    let somebody = project.definition.public || project.access.keys().any(|worker| project.may_fetch(*worker));
    (!somebody).then(|| match project.access.values().any(|access: &Access| access.pending) {
        true => format!("no worker may work for {name} yet: requests for access wait"),
        false => format!("no worker may work for {name}: it is not public, and none has access"),
    })
}

fn state(standing: &Standing) -> &'static str {
    match (standing.status, &standing.lease) {
        (Status::Failed, _) => "failed",
        (Status::New, None) => "free",
        (Status::New, Some(_)) => "held",
    }
}

fn worker(room: &Room, id: WorkerId) -> String {
    match room.worker(id) {
        Some(worker) => format!("worker {id} ({})", worker.alias.escape_debug()),
        None => format!("worker {id}"),
    }
}

fn moment(at: Wall) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
