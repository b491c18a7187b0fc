//! Why contents could not be fetched of which nothing was kept: told to whom asks for them next.
//!
//! A task without a single piece goes with its fetch. Who began it by `POST …/tasks` and asks what became of it is owed
//! the reason all the same.

use crate::base::{Now, Wall};
use crate::cache::model::{Task, TaskId};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are remembered.
const KEPT: usize = 1_000;
/// How many seconds: whoever waits for a fetch asks at least that often.
const FOR: i64 = 300;

/// The last of them, the newest at the end. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Failures {
    last: Arc<Mutex<VecDeque<Failed>>>,
}

struct Failed {
    at: Wall,
    id: TaskId,
    task: Value,
}

impl Failures {
    /// Remembers one; `task` is how it was shown last.
    pub(super) fn add(&self, task: &Task, mut shown: Value, why: &str) {
        let id = task.ids.primary.clone();
        shown["state"] = json!("failed");
        shown["error"] = json!(why);
        let at = Now::read().wall;
        let mut last = self.last();
        last.retain(|failed| failed.id != id && is_recent(failed.at, at));
        if last.len() >= KEPT {
            last.pop_front();
        }
        last.push_back(Failed { at, id, task: shown });
    }

    /// It is fetched anew.
    pub(super) fn forget(&self, id: &TaskId) {
        self.last().retain(|failed| failed.id != *id);
    }

    /// The task as it was, with the state `failed` and the reason; none where none of that id has failed lately.
    pub(super) fn of(&self, id: &TaskId) -> Option<Value> {
        let now = Now::read().wall;
        let last = self.last();
        last.iter().find(|failed| failed.id == *id && is_recent(failed.at, now)).map(|failed| failed.task.clone())
    }

    fn last(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(then: Wall, now: Wall) -> bool {
    now.signed_duration_since(then) < TimeDelta::seconds(FOR)
}
