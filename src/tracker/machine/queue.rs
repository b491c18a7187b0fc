//! The free tasks of one project in the order in which they are handed out: the highest priority first, then the lowest
//! number.
//!
//! Nobody is handed a task for which he has voted. So tasks are grouped by who has voted for them: nobody, for most. A
//! worker gets the best of the heads of those groups that he is not in; no task is looked at that he may not have.

use crate::tracker::model::{TaskId, Vote, WorkerId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who has voted, by number.
type Voters = Arc<[WorkerId]>;

/// A place in the order.
type Turn = (Reverse<i16>, TaskId);

/// The free tasks of one project.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Those without a vote.
    plain: Group,
    voted: BTreeMap<Voters, Group>,
    /// The first of each group in `voted`.
    heads: BTreeMap<Turn, Voters>,
}

/// Tasks by priority. Two maps: most tasks share a priority, which is then not kept for each.
#[derive(Debug, Default)]
struct Group(BTreeMap<Reverse<i16>, BTreeSet<TaskId>>);

impl Group {
    fn insert(&mut self, (priority, task): Turn) {
        self.0.entry(priority).or_default().insert(task);
    }

    fn remove(&mut self, (priority, task): Turn) {
        if let Some(tasks) = self.0.get_mut(&priority) {
            tasks.remove(&task);
            if tasks.is_empty() {
                self.0.remove(&priority);
            }
        }
    }

    fn first(&self) -> Option<Turn> {
        let (priority, tasks) = self.0.first_key_value()?;
        Some((*priority, *tasks.first()?))
    }
}

impl Queue {
    /// Whether nothing is free.
    pub(super) fn is_empty(&self) -> bool {
        self.plain.0.is_empty() && self.voted.is_empty()
    }

    /// A task is free.
    pub(super) fn insert(&mut self, task: TaskId, priority: i16, votes: &[Vote]) {
        self.in_group(votes, |group| group.insert((Reverse(priority), task)));
    }

    /// A task is free no longer; its votes are those with which it came.
    pub(super) fn remove(&mut self, task: TaskId, priority: i16, votes: &[Vote]) {
        self.in_group(votes, |group| group.remove((Reverse(priority), task)));
    }

    /// The task that this worker is handed next.
    pub(super) fn first_for(&self, worker: WorkerId) -> Option<TaskId> {
        let plain = self.plain.first();
        for (turn, voters) in &self.heads {
            if plain.is_some_and(|plain| plain < *turn) {
                break;
            }
            if voters.binary_search(&worker).is_err() {
                return Some(turn.1);
            }
        }
        plain.map(|(_, task)| task)
    }

    fn in_group(&mut self, votes: &[Vote], change: impl FnOnce(&mut Group)) {
        if votes.is_empty() {
            return change(&mut self.plain);
        }
        let mut voters: Vec<WorkerId> = votes.iter().map(|vote| vote.worker).collect();
        voters.sort_unstable();
        let voters: Voters = voters.into();
        let group = self.voted.entry(voters.clone()).or_default();
        let before = group.first();
        change(group);
        let after = group.first();
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.heads.remove(&before);
        }
        match after {
            Some(after) => {
                self.heads.insert(after, voters);
            }
            None => {
                self.voted.remove(&voters);
            }
        }
    }
}
