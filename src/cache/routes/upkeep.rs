//! What is done with many tasks at once: removing, verifying, throwing away, counting.

use super::answer::{self, given, hurried};
use super::tasks::{NEWEST, found, scan, selection};
use super::{Door, Shared, resolving};
use crate::cache::engine::Handle;
use crate::cache::machine::{Ask, Verdict};
use crate::cache::model::address::masked;
use crate::cache::model::{Image, Platform, Task, TaskId, TaskNo, TaskState};
use crate::cache::registry::Credentials;
use crate::cache::wire::fields::Fault;
use crate::cache::wire::pins;
use crate::cache::wire::tasks::{Usage, state};
use crate::http::{Cx, ErrorStatus, Failure, Reply, blocking};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many tasks are removed as one decision.
const BATCH: usize = 500;
/// How many of the tasks that were removed are told one by one.
const TOLD: usize = 1_000;
/// How long a registry may take to say what an image is made of.
const TIMEOUT: Duration = Duration::from_secs(60);

/// `DELETE …/tasks/{id}`
pub(super) async fn delete(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let task = found(&shared.handle, &cx)?;
    let mut outcome = Outcome::default();
    outcome.remove(&shared.handle, vec![task.no]).await?;
    match outcome.failed.pop() {
        None => Ok(answer::json(&outcome.told(false))),
        Some((task, why)) => {
            let why = format!("task {} failed: {why}", task.ids.primary);
            Err(Failure::public(ErrorStatus::INTERNAL, "not_removed", why))
        }
    }
}

/// `DELETE …/tasks`
pub(super) async fn delete_many(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let (handle, selection) = (shared.handle, selection(&cx)?);
    let image = given(&cx, "image");
    if selection.is_all() && image.is_none() && !cx.query.flag("all") {
        let selectors = "url, tag, application, state, q, image, or all=true";
        return Err(answer::unreadable(format!("expected at least one of {selectors} (required)")));
    }
    let digests = match image {
        Some(image) => Some(digests_of(&handle, &cx, &image).await?),
        None => None,
    };
    let doomed = |task: &Task| task.state == TaskState::Doomed;
    let chosen = scan(&handle, NEWEST, usize::MAX, move |task| {
        !doomed(task) && selection.takes(task) && digests.as_ref().is_none_or(|digests| has_one(task, digests))
    });
    let chosen = chosen.await?;
    let (dry, mut outcome) = (cx.query.flag("dry_run"), Outcome::default());
    if dry {
        outcome.count(&chosen);
    } else {
        let numbers: Vec<TaskNo> = chosen.iter().map(|task| task.no).collect();
        drop(chosen);
        for batch in numbers.chunks(BATCH) {
            outcome.remove(&handle, batch.to_vec()).await?;
        }
    }
    Ok(answer::json(&outcome.told(dry)))
}

/// What became of tasks that were to be removed.
#[derive(Default)]
struct Outcome {
    tasks: u64,
    bytes: u64,
    removed: Vec<Value>,
    failed: Vec<(Arc<Task>, String)>,
}

impl Outcome {
    async fn remove(&mut self, handle: &Handle, tasks: Vec<TaskNo>) -> Result<(), Failure> {
        match handle.ask(Ask::Remove(tasks)).await? {
            Verdict::Removed { removed, failed } => {
                self.count(&removed);
                self.failed.extend(failed);
                Ok(())
            }
            Verdict::Refused(refusal) => Err(refusal.into()),
            other => Err(answer::unexpected(&other)),
        }
    }

    fn count(&mut self, tasks: &[Arc<Task>]) {
        for task in tasks {
            let bytes = task.cached_bytes();
            (self.tasks, self.bytes) = (self.tasks + 1, self.bytes + bytes);
            if self.removed.len() < TOLD {
                let (id, tag, url) = (task.ids.primary.to_string(), &task.identity.tag, masked(&task.identity.url));
                let (state, pins) = (state(task), task.pins.iter().map(pins::text).collect::<Vec<_>>());
                let told =
                    json!({ "id": id, "url": url, "tag": tag, "state": state, "pins": pins, "cached_bytes": bytes });
                self.removed.push(told);
            }
        }
    }

    fn told(self, dry: bool) -> Value {
        let failed = self.failed.iter().take(TOLD).map(|(task, why)| {
            let (id, url) = (task.ids.primary.to_string(), masked(&task.identity.url));
            json!({ "id": id, "url": url, "description": format!("task {id} failed: {why}") })
        });
        json!({
            "dry_run": dry,
            "tasks": self.tasks,
            "bytes": self.bytes,
            "removed": self.removed,
            "failed": failed.collect::<Vec<_>>(),
        })
    }
}

/// The digests of an image's blobs, by which they are found under whatever name they were fetched.
async fn digests_of(handle: &Handle, cx: &Cx, image: &str) -> Result<HashSet<TaskId>, Failure> {
    let meaning = |why: crate::cache::model::ImageError| Failure::from(Fault::Meaning(why.to_string()));
    let plain = |host: &str| handle.origins().registry(host).is_some_and(|registry| registry.plain);
    let image = Image::parse(image, plain).map_err(meaning)?;
    let platform = Platform::parse(&given(cx, "platform").unwrap_or_default()).map_err(meaning)?;
    let wanted = (vec![image], platform, TIMEOUT);
    let blobs = resolving::resolve(handle, cx, wanted, Credentials::default()).await?;
    let digest = |blob: &String| crate::cache::model::Identity::of_url(blob).ids().digest;
    Ok(blobs.iter().filter_map(digest).collect())
}

fn has_one(task: &Task, digests: &HashSet<TaskId>) -> bool {
    task.ids.digest.as_ref().is_some_and(|digest| digests.contains(digest))
}

/// `POST …/tasks/{id}/verify`
pub(super) async fn verify(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let task = found(&shared.handle, &cx)?;
    let contents = shared.handle.contents();
    let checked = match given(&cx, "again").as_deref() {
        Some("false") => contents.compare(&task).await,
        None | Some("true") => contents.verify(&task).await,
        Some(_) => return Err(answer::unreadable("again: expected true or false")),
    };
    Ok(answer::json(&verified(&task, &checked)))
}

fn verified(task: &Task, checked: &Result<Vec<u32>, String>) -> Value {
    let (damaged, error) = match checked {
        Ok(damaged) => (damaged.as_slice(), ""),
        Err(why) => (&[][..], why.as_str()),
    };
    let id = task.ids.primary.to_string();
    let ok = damaged.is_empty() && error.is_empty();
    json!({ "id": id, "ok": ok, "pieces": task.pieces.count(), "damaged": damaged, "error": error })
}

/// `POST …/tasks/verify`: one after the other, for as long as somebody waits for it.
pub(super) async fn verify_all(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let handle = shared.handle;
    let all =
        scan(&handle, NEWEST, usize::MAX, |task| task.pieces.count() > 0 && task.state != TaskState::Doomed).await?;
    let total = all.len();
    let verifying = async {
        let (mut intact, mut broken) = (0_u64, Vec::new());
        for task in all {
            let checked = handle.contents().verify(&task).await;
            if matches!(&checked, Ok(damaged) if damaged.is_empty()) {
                intact += 1;
            } else if broken.len() < TOLD {
                broken.push(verified(&task, &checked));
            }
        }
        json!({ "tasks": total, "ok": intact, "failed": total as u64 - intact, "damaged": broken })
    };
    tokio::select! {
        told = verifying => Ok(answer::json(&told)),
        () = hurried(&cx) => Err(answer::ending()),
    }
}

/// `POST …/tasks/gc`
pub(super) async fn collect(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let handle = shared.handle;
    let (tasks, bytes) = match handle.ask(Ask::Collect).await? {
        Verdict::Collected { tasks, bytes } => (tasks, bytes),
        Verdict::Refused(refusal) => return Err(refusal.into()),
        other => return Err(answer::unexpected(&other)),
    };
    let looking = handle.clone();
    let known = Arc::new(move |id: &TaskId| looking.look(|room| room.is_known(id)));
    let orphans = handle.contents().remove_orphans(known).await.map_err(Failure::internal)?;
    Ok(answer::json(&json!({ "tasks": tasks, "bytes": bytes, "orphans": orphans.0, "orphan_bytes": orphans.1 })))
}

/// `GET …/usage`
pub(super) async fn usage(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let handle = shared.handle;
    let usage = Arc::new(Mutex::new(Usage::default()));
    let counting = usage.clone();
    scan(&handle, NEWEST, usize::MAX, move |task| {
        counting.lock().unwrap_or_else(PoisonError::into_inner).count(task);
        false
    })
    .await?;
    let contents = handle.contents().clone();
    let free = blocking(move || contents.free()).await?;
    let quota = handle.settings().rules.quota;
    let (tasks, bytes) = handle.look(|room| (room.task_count(), room.bytes()));
    let whole = [
        ("tasks", json!(tasks)),
        ("bytes", json!(bytes)),
        ("quota", json!(quota.bytes)),
        ("most_tasks", json!(quota.tasks)),
        ("free", json!(free)),
        ("keep_free", json!(quota.keep_free)),
    ];
    let whole = whole.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let usage = std::mem::take(&mut *usage.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(answer::json(&usage.told(whole)))
}

/// `GET /api/v1/persistent-cache-tasks`: there are none on one host.
pub(super) async fn no_persistent(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    Ok(answer::json(&json!([])))
}
