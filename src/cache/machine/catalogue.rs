//! All tasks, and the ways to find one: by number, by id, by digest, by who keeps it, by how long it lies unused.
//!
//! [`LastUse`] is set by whoever serves a task, without asking: the orders by use are those of some earlier moment, and
//! whatever comes out of them first is looked at again before it counts.
//!
//! [`LastUse`]: crate::cache::model::LastUse

use crate::base::Wall;
use crate::cache::model::{Digest, Filter, Ids, PinOwner, Task, TaskId, TaskNo, TaskState};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::{self, Discriminant};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// So many different filters are kept only once each; clients rarely use more than two.
const FILTERS: usize = 256;

/// What comes first of those that may be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    This(TaskNo),
    Nothing,
    /// So many were used since they were listed that the rest is to be looked at in the next step.
    Tired,
}

/// What a task counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Somebody wants or keeps it.
    Held,
    /// It may be thrown away.
    Free,
    /// It is being removed.
    Doomed,
}

#[derive(Debug)]
struct Entry {
    task: Arc<Task>,
    /// Bytes that its file takes, or has been promised.
    charge: u64,
    /// Of these, bytes that were promised and are not there yet.
    unwritten: u64,
    class: Class,
    /// The use that is written down.
    noted: i64,
    /// The use and the end of its time under which it is listed; only where it is free.
    listed: Option<(i64, i64)>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// How long a task is kept unused that does not say so itself.
    ttl: Duration,
    tasks: BTreeMap<TaskNo, Entry>,
    /// By their own ids: no two tasks have one in common.
    own: HashMap<TaskId, TaskNo>,
    /// By the digest in their URLs, which is an id, too.
    blobs: BTreeSet<(TaskId, TaskNo)>,
    /// Complete ones, by what they were verified to be.
    verified: HashMap<Digest, Vec<TaskNo>>,
    pins: BTreeMap<PinOwner, BTreeSet<TaskNo>>,
    /// Free ones, by last use.
    uses: BTreeSet<(i64, TaskNo)>,
    /// Free ones, by the end of their time.
    ends: BTreeSet<(i64, TaskNo)>,
    filters: HashSet<Filter>,
    doomed: usize,
    kept_bytes: u64,
    free_bytes: u64,
    doomed_bytes: u64,
    unwritten: u64,
}

impl Catalogue {
    pub(super) fn new(ttl: Duration) -> Catalogue {
        Catalogue {
            ttl,
            tasks: BTreeMap::new(),
            own: HashMap::new(),
            blobs: BTreeSet::new(),
            verified: HashMap::new(),
            pins: BTreeMap::new(),
            uses: BTreeSet::new(),
            ends: BTreeSet::new(),
            filters: HashSet::new(),
            doomed: 0,
            kept_bytes: 0,
            free_bytes: 0,
            doomed_bytes: 0,
            unwritten: 0,
        }
    }

    /// Takes a task in; it is held until [`Catalogue::settle`] says otherwise.
    pub(super) fn insert(&mut self, mut task: Task) -> Arc<Task> {
        task.identity.filter = self.one_filter(&task.identity.filter);
        let no = task.no;
        for id in task.ids.own() {
            self.own.entry(id.clone()).or_insert(no);
        }
        if let Some(id) = &task.ids.digest {
            self.blobs.insert((id.clone(), no));
        }
        for owner in &task.pins {
            self.pins.entry(owner.clone()).or_default().insert(no);
        }
        let task = Arc::new(task);
        self.list_verified(&task);
        let noted = task.used.get().timestamp_micros();
        let entry = Entry { task: task.clone(), charge: 0, unwritten: 0, class: Class::Held, noted, listed: None };
        self.tasks.insert(no, entry);
        task
    }

    /// The same filter, kept once however many tasks have it.
    fn one_filter(&mut self, filter: &Filter) -> Filter {
        if let Some(known) = self.filters.get(filter) {
            return known.clone();
        }
        if self.filters.len() >= FILTERS {
            self.filters.clear();
        }
        self.filters.insert(filter.clone());
        filter.clone()
    }

    pub(super) fn remove(&mut self, no: TaskNo) -> Option<Arc<Task>> {
        let entry = self.tasks.get(&no)?;
        let task = entry.task.clone();
        for id in task.ids.own() {
            if self.own.get(id) == Some(&no) {
                self.own.remove(id);
            }
        }
        if let Some(id) = &task.ids.digest {
            self.blobs.remove(&(id.clone(), no));
        }
        for owner in &task.pins {
            self.forget_pin(owner, no);
        }
        self.unlist_verified(&task);
        self.unlist(no);
        let entry = self.tasks.remove(&no)?;
        self.count(&entry, false);
        Some(task)
    }

    /// Changes a task, all but its pins.
    pub(super) fn change(&mut self, no: TaskNo, change: impl FnOnce(&mut Task)) -> Option<Arc<Task>> {
        let before = self.tasks.get(&no)?.task.clone();
        let (was_complete, digest) = (before.is_complete(), before.digest.clone());
        drop(before); // or the task would always be copied
        let entry = self.tasks.get_mut(&no)?;
        change(Arc::make_mut(&mut entry.task));
        let task = entry.task.clone();
        if (was_complete, &digest) != (task.is_complete(), &task.digest) {
            if let (true, Some(digest)) = (was_complete, &digest) {
                self.unlist_digest(digest, no);
            }
            self.list_verified(&task);
        }
        Some(task)
    }

    /// Says whether somebody wants a task, and whether all of its length was promised; counts it anew.
    pub(super) fn settle(&mut self, no: TaskNo, held: bool, promised: bool) {
        self.unlist(no);
        let Some(mut entry) = self.tasks.remove(&no) else { return };
        self.count(&entry, false);
        let cached = entry.task.cached_bytes();
        let length = entry.task.length().unwrap_or(0);
        entry.charge = if promised { cached.max(length) } else { cached };
        entry.unwritten = entry.charge - cached;
        entry.class = match entry.task.state {
            TaskState::Doomed => Class::Doomed,
            _ if held || !entry.task.pins.is_empty() => Class::Held,
            _ => Class::Free,
        };
        self.count(&entry, true);
        self.tasks.insert(no, entry);
        self.list(no);
    }

    fn count(&mut self, entry: &Entry, more: bool) {
        let add = |sum: &mut u64, by: u64| *sum = if more { *sum + by } else { *sum - by };
        add(&mut self.unwritten, entry.unwritten);
        match entry.class {
            Class::Held => add(&mut self.kept_bytes, entry.charge),
            Class::Free => {
                add(&mut self.kept_bytes, entry.charge);
                add(&mut self.free_bytes, entry.charge);
            }
            Class::Doomed => {
                add(&mut self.doomed_bytes, entry.charge);
                self.doomed = if more { self.doomed + 1 } else { self.doomed - 1 };
            }
        }
    }

    /// Puts a free task where its last use belongs.
    fn list(&mut self, no: TaskNo) {
        self.unlist(no);
        let Some(entry) = self.tasks.get_mut(&no) else { return };
        if entry.class == Class::Free {
            let used = entry.task.used.get().timestamp_micros();
            let ttl = i64::try_from(entry.task.ttl.unwrap_or(self.ttl).as_micros()).unwrap_or(i64::MAX);
            let end = used.saturating_add(ttl);
            entry.listed = Some((used, end));
            self.uses.insert((used, no));
            self.ends.insert((end, no));
        }
    }

    fn unlist(&mut self, no: TaskNo) {
        if let Some((used, end)) = self.tasks.get_mut(&no).and_then(|entry| entry.listed.take()) {
            self.uses.remove(&(used, no));
            self.ends.remove(&(end, no));
        }
    }

    /// Whether a task was used since it was listed; then it is listed anew.
    fn was_used(&mut self, no: TaskNo) -> bool {
        let Some(entry) = self.tasks.get(&no) else { return false };
        let used = entry.task.used.get().timestamp_micros();
        let moved = entry.listed.is_some_and(|(listed, _)| listed != used);
        if moved {
            self.list(no);
        }
        moved
    }

    /// The free task that was not used for the longest time. `looks` says how many that were used since may be listed anew,
    /// and is counted down.
    pub(super) fn oldest(&mut self, looks: &mut usize) -> First {
        loop {
            let Some((_, no)) = self.uses.first().copied() else { return First::Nothing };
            if !self.was_used(no) {
                return First::This(no);
            }
            let Some(left) = looks.checked_sub(1) else { return First::Tired };
            *looks = left;
        }
    }

    /// The free task that was listed as not used for the longest time, whether or not it was since.
    pub(super) fn foremost(&self) -> Option<TaskNo> {
        self.uses.first().map(|(_, no)| *no)
    }

    /// A free task whose time is over; `looks` as above.
    pub(super) fn expired(&mut self, now: Wall, looks: &mut usize) -> First {
        loop {
            let Some((end, no)) = self.ends.first().copied() else { return First::Nothing };
            if end > now.timestamp_micros() {
                return First::Nothing;
            }
            if !self.was_used(no) {
                return First::This(no);
            }
            let Some(left) = looks.checked_sub(1) else { return First::Tired };
            *looks = left;
        }
    }

    /// How a task stands, in the words that are told.
    pub(super) fn told(&self, no: TaskNo) -> Option<Discriminant<TaskState>> {
        self.get(no).map(|task| mem::discriminant(&task.state))
    }

    fn list_verified(&mut self, task: &Task) {
        if let (true, Some(digest)) = (task.is_complete(), &task.digest) {
            self.verified.entry(digest.clone()).or_insert_with(|| Vec::with_capacity(1)).push(task.no);
        }
    }

    fn unlist_verified(&mut self, task: &Task) {
        if let (true, Some(digest)) = (task.is_complete(), &task.digest) {
            self.unlist_digest(digest, task.no);
        }
    }

    fn unlist_digest(&mut self, digest: &Digest, no: TaskNo) {
        if let Some(same) = self.verified.get_mut(digest) {
            same.retain(|other| *other != no);
            if same.is_empty() {
                self.verified.remove(digest);
            }
        }
    }

    /// A complete task that was verified to be this, and that everybody may have.
    pub(super) fn twin(&self, digest: &Digest, but: TaskNo) -> Option<&Arc<Task>> {
        let same = self.verified.get(digest)?.iter().filter(|no| **no != but);
        same.filter_map(|no| self.get(*no)).find(|task| !task.private)
    }

    /// Pins a task; whether that is news.
    pub(super) fn pin(&mut self, no: TaskNo, owner: &PinOwner) -> bool {
        let Some(entry) = self.tasks.get_mut(&no) else { return false };
        let new = !entry.task.pins.contains(owner);
        if new {
            Arc::make_mut(&mut entry.task).pins.insert(owner.clone());
            self.pins.entry(owner.clone()).or_default().insert(no);
        }
        new
    }

    /// Unpins a task; whether that is news.
    pub(super) fn unpin(&mut self, no: TaskNo, owner: &PinOwner) -> bool {
        let Some(entry) = self.tasks.get_mut(&no) else { return false };
        let there = entry.task.pins.contains(owner);
        if there {
            Arc::make_mut(&mut entry.task).pins.remove(owner);
            self.forget_pin(owner, no);
        }
        there
    }

    fn forget_pin(&mut self, owner: &PinOwner, no: TaskNo) {
        if let Some(tasks) = self.pins.get_mut(owner) {
            tasks.remove(&no);
            if tasks.is_empty() {
                self.pins.remove(owner);
            }
        }
    }

    /// Some task that this one keeps.
    pub(super) fn kept_by(&self, owner: &PinOwner) -> Option<TaskNo> {
        self.pins.get(owner)?.first().copied()
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &PinOwner> {
        self.pins.keys()
    }

    pub(super) fn get(&self, no: TaskNo) -> Option<&Arc<Task>> {
        self.tasks.get(&no).map(|entry| &entry.task)
    }

    /// The task with one of these ids of its own, doomed or not.
    pub(super) fn own(&self, ids: &Ids) -> Option<TaskNo> {
        ids.own().find_map(|id| self.own.get(id)).copied()
    }

    /// The task with this id, doomed or not; one that is not doomed goes before, then a complete one, then the newest.
    pub(super) fn any(&self, id: &TaskId) -> Option<&Arc<Task>> {
        if let Some(no) = self.own.get(id) {
            return self.get(*no);
        }
        self.of_blob(id).max_by_key(|task| (task.state != TaskState::Doomed, task.is_complete(), task.no))
    }

    /// All tasks that are meant by this id, doomed or not.
    pub(super) fn all(&self, id: &TaskId) -> Vec<TaskNo> {
        match self.own.get(id) {
            Some(no) => vec![*no],
            None => self.of_blob(id).map(|task| task.no).collect(),
        }
    }

    /// Those with this digest in their URLs.
    fn of_blob(&self, id: &TaskId) -> impl Iterator<Item = &Arc<Task>> {
        let range = (Bound::Included((id.clone(), TaskNo(0))), Bound::Included((id.clone(), TaskNo(u64::MAX))));
        self.blobs.range(range).filter_map(|(_, no)| self.get(*no))
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Task>> {
        self.tasks.values().rev().map(|entry| &entry.task)
    }

    /// Those below this number, newest first.
    pub(super) fn before(&self, no: TaskNo) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.range(..no).rev().map(|(_, entry)| &entry.task)
    }

    /// The first task after this one of which the use is not written down, having looked at no more than `looks`, which is
    /// counted down: its number and that use; and the number to go on after, where that was not the end.
    pub(super) fn unnoted(&mut self, after: TaskNo, looks: &mut usize) -> (Option<(TaskNo, Wall)>, Option<TaskNo>) {
        let mut last = None;
        for (no, entry) in self.tasks.range_mut((Bound::Excluded(after), Bound::Unbounded)).take(*looks) {
            last = Some(*no);
            *looks -= 1;
            let used = entry.task.used.get();
            if entry.noted != used.timestamp_micros() {
                entry.noted = used.timestamp_micros();
                let no = *no;
                self.was_used(no);
                return (Some((no, used)), Some(no));
            }
        }
        (None, last)
    }

    /// How many there are, doomed ones too.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many there are that are not doomed.
    pub(super) fn alive(&self) -> usize {
        self.tasks.len() - self.doomed
    }

    /// The bytes of those that are not doomed.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// The bytes of those that may be thrown away.
    pub(super) fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// The bytes of those that are being removed.
    pub(super) fn doomed_bytes(&self) -> u64 {
        self.doomed_bytes
    }

    /// Bytes that were promised and are not there yet.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }
}
