//! Removing tasks: written down as doomed, then the file goes, then the record, then whoever asked hears of it.
//!
//! A file that cannot be removed leaves its task doomed: nobody finds it, and the removal is tried again whenever somebody
//! wants that content, or its removal, and with each round of collecting.

use super::fetching::{Parked, Stop};
use super::jobs::End;
use super::{Change, Effect, Errand, Refusal, Removed, Room, Verdict};
use crate::cache::model::{JobId, Task, TaskNo, TaskState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// All removals.
#[derive(Debug, Default)]
pub(super) struct Removing {
    doomed: BTreeMap<TaskNo, Doomed>,
    removals: BTreeMap<u64, Removal>,
    last: u64,
    /// Removals that have tasks left to doom.
    in_line: VecDeque<u64>,
    /// Files that are to be removed, where the plan had no room.
    files: VecDeque<TaskNo>,
    /// Tasks without a source that may have a file all the same.
    with_file: BTreeSet<TaskNo>,
    /// Doomed ones whose files could not be removed, and the bytes of each: nothing is under way then.
    stuck: BTreeMap<TaskNo, u64>,
    stuck_bytes: u64,
}

#[derive(Debug, Default)]
struct Doomed {
    /// The removals that wait for this.
    waiters: Vec<u64>,
}

/// Some tasks that are removed together.
#[derive(Debug)]
struct Removal {
    asker: Asker,
    /// Those that are still to be doomed.
    tasks: VecDeque<TaskNo>,
    /// More may come.
    open: bool,
    /// Doomed, and not gone yet.
    pending: usize,
    bytes: u64,
    removed: Vec<Arc<Task>>,
    count: usize,
    failed: Vec<(Arc<Task>, String)>,
}

/// Who hears of the end.
#[derive(Debug)]
pub(super) enum Asker {
    /// Who asked for a removal.
    Reader(u64),
    Job(JobId),
    /// Those who asked to collect.
    Collect(Vec<u64>),
}

impl Removing {
    pub(super) fn has_more(&self) -> bool {
        !self.in_line.is_empty() || !self.files.is_empty()
    }

    pub(super) fn may_have_file(&mut self, no: TaskNo) {
        self.with_file.insert(no);
    }

    /// The bytes of files that will not go: room for nobody.
    pub(super) fn stuck_bytes(&self) -> u64 {
        self.stuck_bytes
    }

    /// A file could not be removed.
    fn stick(&mut self, no: TaskNo, bytes: u64) {
        self.stuck_bytes += bytes;
        self.stuck_bytes -= self.stuck.insert(no, bytes).unwrap_or(0);
    }

    /// It is tried once more; whether it had failed before.
    fn unstick(&mut self, no: TaskNo) -> bool {
        let bytes = self.stuck.remove(&no);
        self.stuck_bytes -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    /// A removal to which tasks are added while it is open.
    pub(super) fn begin(&mut self, asker: Asker, tasks: VecDeque<TaskNo>, open: bool) -> u64 {
        self.last += 1;
        if !tasks.is_empty() {
            self.in_line.push_back(self.last);
        }
        let (removed, failed) = (Vec::new(), Vec::new());
        self.removals
            .insert(self.last, Removal { asker, tasks, open, pending: 0, bytes: 0, removed, count: 0, failed });
        self.last
    }

    /// More who wait for this one.
    pub(super) fn join(&mut self, removal: u64, more: Vec<u64>) {
        if let Some(Removal { asker: Asker::Collect(askers), .. }) = self.removals.get_mut(&removal) {
            askers.extend(more);
        }
    }

    /// No more come.
    pub(super) fn close(&mut self, removal: u64) {
        if let Some(removal) = self.removals.get_mut(&removal) {
            removal.open = false;
        }
    }
}

impl Room {
    pub(super) fn remove_all(&mut self, tasks: Vec<TaskNo>) -> u64 {
        let owed = self.owe();
        let removal = self.removing.begin(Asker::Reader(owed), tasks.into(), false);
        self.end_removal(removal);
        owed
    }

    /// A doomed task that was there at the start.
    pub(super) fn recover_doomed(&mut self, no: TaskNo) {
        self.removing.doomed.insert(no, Doomed::default());
        self.removing.files.push_back(no);
    }

    /// Dooms a task, for a removal or for nobody.
    pub(super) fn doom(&mut self, no: TaskNo, removal: Option<u64>) {
        let Some(task) = self.task(no).cloned() else { return };
        if task.state == TaskState::Doomed {
            self.retry_removal(no);
        }
        let doomed = self.removing.doomed.entry(no).or_default();
        if let Some(id) = removal.filter(|id| !doomed.waiters.contains(id)) {
            doomed.waiters.push(id);
            if let Some(removal) = self.removing.removals.get_mut(&id) {
                removal.pending += 1;
            }
        }
        if task.state == TaskState::Doomed {
            return;
        }
        drop(task);
        for job in self.fetching.unwant(no) {
            self.jobs.hear_fetch(job, no, Errand::Job(job), Err("cancelled: the task was deleted".to_owned()));
        }
        self.change(no, |task| task.state = TaskState::Doomed);
        if !self.stop(no, Stop::Doomed) {
            self.remove_file(no);
        }
    }

    /// Nobody uses the file of a doomed task any more.
    pub(super) fn remove_file(&mut self, no: TaskNo) {
        if let Some(task) = self.task(no) {
            self.plan.effects.push(Effect::Remove(no, task.ids.clone()));
        }
    }

    /// Tries once more, where it failed before.
    pub(super) fn retry_removal(&mut self, no: TaskNo) {
        if self.removing.unstick(no) {
            self.removing.files.push_back(no);
        }
    }

    /// Tries all once more that failed before.
    pub(super) fn retry_stuck(&mut self) {
        self.removing.files.extend(std::mem::take(&mut self.removing.stuck).into_keys());
        self.removing.stuck_bytes = 0;
    }

    /// Removes files, as many as fit the plan.
    pub(super) fn send_removals(&mut self) {
        while self.has_room() {
            let Some(no) = self.removing.files.pop_front() else { return };
            self.remove_file(no);
        }
    }

    /// Dooms what was asked to be removed, as much as fits the plan.
    pub(super) fn doom_in_line(&mut self) {
        while let Some(id) = self.removing.in_line.front().copied().filter(|_| self.has_room()) {
            let next = self.removing.removals.get_mut(&id).and_then(|removal| removal.tasks.pop_front());
            match next {
                Some(no) => self.doom(no, Some(id)),
                None => {
                    self.removing.in_line.pop_front();
                    self.end_removal(id);
                }
            }
        }
    }

    /// Forgets a task of which nothing is there.
    pub(super) fn drop_task(&mut self, no: TaskNo) {
        let Some(task) = self.task(no) else { return };
        if task.source.is_some() || self.removing.with_file.contains(&no) {
            self.doom(no, None);
        } else {
            self.forget_task(no);
        }
    }

    fn forget_task(&mut self, no: TaskNo) {
        self.removing.with_file.remove(&no);
        self.catalogue.remove(no);
        self.plan.changes.push(Change::TaskGone(no));
        self.plan.tasks.push(no);
        self.fetching.unpark(no);
    }

    pub(super) fn removed(&mut self, no: TaskNo, result: Removed) {
        let Some(task) = self.task(no).cloned() else { return };
        let Some(doomed) = self.removing.doomed.get_mut(&no) else { return };
        let waiters = std::mem::take(&mut doomed.waiters);
        let ends = waiters.into_iter().map(|removal| End::Removal(removal, task.clone(), result.clone()));
        self.jobs.ends.extend(ends);
        match result {
            Ok(()) => {
                self.removing.doomed.remove(&no);
                self.freed(task.cached_bytes());
                self.forget_task(no);
            }
            Err(why) => {
                self.removing.stick(no, task.cached_bytes());
                for parked in self.fetching.take_parked(no) {
                    match parked {
                        Parked::Reader(owed, ..) => {
                            self.plan.late.push((owed, Verdict::Refused(Refusal::Stuck(why.clone()))));
                        }
                        Parked::Job(job, url) => {
                            self.jobs.hear_refusal(job, url, Refusal::Stuck(why.clone()).to_string())
                        }
                    }
                }
            }
        }
    }

    /// One task of a removal is gone, or not.
    pub(super) fn hear_removal(&mut self, id: u64, task: Arc<Task>, result: Removed) {
        let Some(removal) = self.removing.removals.get_mut(&id) else { return };
        removal.pending -= 1;
        match (&removal.asker, result) {
            (Asker::Job(job), Ok(())) => {
                let job = *job;
                self.jobs.note_removed(job, task.no);
            }
            (Asker::Job(job), Err(why)) => {
                let (job, why) = (*job, format!("task {} failed: {why}", task.ids.primary));
                self.jobs.note_not_removed(job, task.no, why);
            }
            (Asker::Collect(_), Ok(())) => {
                removal.count += 1;
                removal.bytes += task.cached_bytes();
            }
            (Asker::Collect(_), Err(_)) => {}
            (Asker::Reader(_), Ok(())) => removal.removed.push(task),
            (Asker::Reader(_), Err(why)) => removal.failed.push((task, why)),
        }
        self.end_removal(id);
    }

    /// Answers, where everything is done.
    pub(super) fn end_removal(&mut self, id: u64) {
        let is_over = |removal: &Removal| removal.tasks.is_empty() && !removal.open && removal.pending == 0;
        if !self.removing.removals.get(&id).is_some_and(is_over) {
            return;
        }
        let Some(removal) = self.removing.removals.remove(&id) else { return };
        let Removal { asker, bytes, removed, failed, count, .. } = removal;
        match asker {
            Asker::Reader(owed) => self.plan.late.push((owed, Verdict::Removed { removed, failed })),
            Asker::Job(job) => self.end_deletion(job),
            Asker::Collect(askers) => {
                let verdict = Verdict::Collected { tasks: count, bytes };
                self.plan.late.extend(askers.into_iter().map(|owed| (owed, verdict.clone())));
            }
        }
    }
}
