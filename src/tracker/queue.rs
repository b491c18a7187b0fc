//! Single tasks, as managers see and treat them: looking at one or at many, removing, trying again. The original has
//! nothing of this.

use super::answer::{Answer, aside, bad, body, content, forbidden, missing, settled};
use super::engine::Handle;
use super::machine::{Ask, Room};
use super::model::{Definition, Manager, ProjectId, Role, Standing, Status, Task, TaskId};
use super::wire::{self, asked};
use super::{numbers, people};
use crate::http::{Cx, Failure};
use serde::Serialize;
use serde_json::json;
use std::future::pending;
use std::sync::Arc;

/// How many tasks a page holds at most, and how many where nothing is said.
const PAGE_MAX: usize = 1000;
const PAGE: usize = 100;
/// How many bytes of recipes a page holds, unless its first task has more: as much as a body brings.
const RECIPES: usize = 4 << 20;
/// How many tasks are looked at for one page at most.
const LOOKED_AT: usize = 10_000;

/// The task of the path. What is no number is a path that the original does not have.
fn id(cx: &Cx) -> Result<TaskId, Failure> {
    cx.param("id").parse().map(numbers::task).map_err(|_| Failure::unknown_path())
}

fn may_look(room: &Room, by: Manager, project: ProjectId) -> bool {
    room.may(by, project, Role::READ) || room.may(by, project, Role::MAINTENANCE)
}

/// The person who asks. Guests may nothing here, and do not learn which tasks there are.
fn manager(handle: &Handle, cx: &Cx) -> Result<Manager, Failure> {
    match people::person(handle, cx)?.manager {
        Manager::Guest => Err(forbidden()),
        known => Ok(known),
    }
}

/// `GET /task/{id}`
pub(super) async fn get(handle: Handle, cx: Cx) -> Answer {
    let id = id(&cx)?;
    let by = manager(&handle, &cx)?;
    let found = handle.look(move |room| {
        let (task, standing) = room.task(id)?;
        let definition = room.project(task.project)?.definition.clone();
        let allowed = may_look(room, by, task.project);
        Some(allowed.then_some((task, standing, definition)))
    });
    let found = found.await?.ok_or_else(|| missing("Task not found"))?;
    let (task, standing, definition) = found.ok_or_else(forbidden)?;
    let bytes = task.what.recipe.len() + wire::text(&definition);
    aside(bytes, move || content(json!({ "task": wire::details(&task, &standing, &definition) }))).await
}

/// `DELETE /task/{id}`
pub(super) async fn delete(handle: Handle, cx: Cx) -> Answer {
    let task = id(&cx)?;
    let by = manager(&handle, &cx)?;
    settled(handle.ask(Ask::DeleteTask { by, task }, pending()).await?)
}

/// `POST /task/requeue`
pub(super) async fn requeue(handle: Handle, cx: Cx) -> Answer {
    let asked::TaskNumber { task_id } = body(&cx).await?;
    if task_id == 0 {
        return Err(bad("Invalid request"));
    }
    let by = manager(&handle, &cx)?;
    settled(handle.ask(Ask::Requeue { by, task: numbers::task(task_id) }, pending()).await?)
}

/// Which tasks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    New,
    Free,
    Held,
    Failed,
}

impl Wanted {
    fn named(word: Option<&str>) -> Result<Wanted, Failure> {
        Ok(match word {
            None | Some("") => Wanted::All,
            Some("new") => Wanted::New,
            Some("free") => Wanted::Free,
            Some("held") => Wanted::Held,
            Some("failed") => Wanted::Failed,
            Some(word) => {
                let word = word.escape_debug();
                return Err(bad(format!("status: expected free, held, failed or new, not \"{word}\"")));
            }
        })
    }

    fn agrees(self, standing: &Standing) -> bool {
        match (self, standing.status, standing.lease.is_some()) {
            (Wanted::All, ..)
            | (Wanted::New | Wanted::Held, Status::New, true)
            | (Wanted::New | Wanted::Free, Status::New, false)
            | (Wanted::Failed, Status::Failed, _) => true,
            (Wanted::New | Wanted::Held | Wanted::Free, Status::Failed, _)
            | (Wanted::Free, Status::New, true)
            | (Wanted::Held, Status::New, false)
            | (Wanted::Failed, Status::New, _) => false,
        }
    }
}

/// A page of a queue.
struct Page {
    definition: Definition,
    tasks: Vec<(Arc<Task>, Standing)>,
    next: Option<TaskId>,
}

impl Page {
    /// The beginning of it, as far as the recipes have so many bytes; at least one task.
    fn cut(mut self, bytes: usize) -> Page {
        let mut left = bytes;
        let mut fits = |(task, _): &(Arc<Task>, Standing)| {
            let rest = left.checked_sub(task.what.recipe.len());
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let kept = self.tasks.iter().take_while(|entry| fits(entry)).count().max(1);
        if kept < self.tasks.len() {
            self.tasks.truncate(kept);
            self.next = self.tasks.last().map(|(task, _)| task.id);
        }
        self
    }

    /// About how many bytes it takes when it is written: the project is in every task.
    fn bytes(&self) -> usize {
        let project = wire::text(&self.definition);
        self.tasks.iter().map(|(task, _)| task.what.recipe.len() + project).sum()
    }
}

impl Serialize for Page {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Content<'a> {
            tasks: Vec<wire::Details<'a>>,
            next: Option<u64>,
        }
        let tasks = self.tasks.iter().map(|(task, standing)| wire::details(task, standing, &self.definition)).collect();
        Content { tasks, next: self.next.map(|next| next.0) }.serialize(to)
    }
}

/// `GET /project/tasks/{id}`
pub(super) async fn list(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid project id")?;
    let wanted = Wanted::named(cx.query.get("status"))?;
    let after = TaskId(numbers::within(&cx, "after", (0, u64::MAX))?.unwrap_or(0));
    let limit = numbers::within(&cx, "limit", (1, PAGE_MAX))?.unwrap_or(PAGE);
    let by = manager(&handle, &cx)?;
    let page = handle.look(move |room| {
        if !may_look(room, by, project) {
            return Err(forbidden());
        }
        let definition = room.project(project).ok_or_else(|| missing("Project not found"))?.definition.clone();
        let (tasks, next) = room.tasks(project, after, (limit, LOOKED_AT), |_, standing| wanted.agrees(standing));
        Ok(Page { definition, tasks, next }.cut(RECIPES))
    });
    let page = page.await??;
    aside(page.bytes(), move || content(page)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::tracker::model::{Lease, WorkerId};

    #[test]
    fn a_page_ends_where_its_recipes_grow_too_long() {
        let task = |id: u64| {
            let what = crate::tracker::model::NewTask::plain("x".repeat(10));
            (Arc::new(Task { id: TaskId(id), project: ProjectId(1), what }), Standing::default())
        };
        let definition = || asked::ProjectBody::default().definition().unwrap();
        let cut = |bytes: usize| {
            let page = Page { definition: definition(), tasks: vec![task(3), task(5), task(9)], next: None };
            let page = page.cut(bytes);
            (page.tasks.len(), page.next.map(|next| next.0))
        };
        assert_eq!(cut(30), (3, None));
        assert_eq!(cut(29), (2, Some(5)));
        assert_eq!(cut(19), (1, Some(3)));
        assert_eq!(cut(1), (1, Some(3)), "or nobody would ever see it");
        let none = Page { definition: definition(), tasks: Vec::new(), next: Some(TaskId(7)) };
        assert_eq!(none.cut(5).next, Some(TaskId(7)));
    }

    #[test]
    fn a_status_is_a_word_for_where_tasks_stand() {
        let lease = Lease { worker: WorkerId(1), since: Wall::UNIX_EPOCH, until: Wall::UNIX_EPOCH, process: None };
        let free = Standing::default();
        let held = Standing { lease: Some(lease), ..Standing::default() };
        let failed = Standing { status: Status::Failed, ..Standing::default() };
        let found = |word: &str| {
            let wanted = Wanted::named(Some(word)).unwrap();
            [&free, &held, &failed].map(|standing| wanted.agrees(standing))
        };
        assert_eq!(found(""), [true, true, true]);
        assert_eq!(found("new"), [true, true, false]);
        assert_eq!(found("free"), [true, false, false]);
        assert_eq!(found("held"), [false, true, false]);
        assert_eq!(found("failed"), [false, false, true]);
        assert!(Wanted::named(Some("done")).is_err());
        assert_eq!(Wanted::named(None).unwrap(), Wanted::All);
    }
}
