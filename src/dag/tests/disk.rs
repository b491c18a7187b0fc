//! The disk: a plain model of what the writes say, and what a start would read from it.

use crate::base::RunId;
use crate::dag::machine::{
    DagRow, Entry, FiringRow, Last, LiveAttempt, Stored, StoredAddition, StoredDag, StoredRun, Write,
};
use crate::dag::model::{Attempt, DagName, DagRunId, Job, Mark, Outcome, RunRow, TaskId};
use crate::dag::records::ACCEPTED;
use crate::dag::specification::{generated, parse};
use crate::dag::stored::compile;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run and all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct RunOnDisk {
    pub(super) row: RunRow,
    text: Arc<str>,
    additions: BTreeMap<u32, (TaskId, Arc<str>)>,
    pub(super) attempts: BTreeMap<TaskId, BTreeMap<u32, Attempt>>,
    pub(super) marks: BTreeMap<TaskId, MarkOnDisk>,
    edits: BTreeMap<TaskId, Arc<Job>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct MarkOnDisk {
    pass: u32,
    after: u32,
    pub(super) mark: Mark,
}

/// What survives everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) runs: BTreeMap<DagRunId, RunOnDisk>,
    /// Texts come before or after the row they belong to.
    texts: BTreeMap<DagRunId, Arc<str>>,
    pub(super) live: BTreeMap<RunId, LiveAttempt>,
    pub(super) keys: BTreeMap<(u32, String), (String, DagRunId)>,
    next_run: DagRunId,
    slots: RunId,
    dags: BTreeMap<DagName, DagRow>,
    dag_texts: BTreeMap<DagName, Arc<str>>,
    pub(super) firings: Vec<(DagName, FiringRow)>,
}

fn instances(first: TaskId, count: u32) -> impl Iterator<Item = TaskId> {
    (first.index..first.index + count).map(move |index| TaskId { index, ..first })
}

impl Disk {
    /// One batch: all of it or nothing.
    pub(super) fn apply(&mut self, writes: &[Write]) {
        // What is in one batch has no order.
        let first = |write: &&Write| match write {
            Write::PutText(..) => 0,
            Write::PutRun(_) => 1,
            _ => 2,
        };
        let mut writes: Vec<_> = writes.iter().collect();
        writes.sort_by_key(first);
        writes.into_iter().for_each(|write| self.write(write.clone()));
    }

    fn run(&mut self, run: DagRunId) -> &mut RunOnDisk {
        self.runs.get_mut(&run).unwrap_or_else(|| panic!("something is written of run {run}, which is not there"))
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::PutRun(row) => self.put_run(*row),
            Write::PutText(run, text) => drop(self.texts.insert(run, text)),
            Write::PutAddition { run, first, by, text } => {
                let before = self.run(run).additions.insert(first, (by, text));
                assert!(before.is_none(), "run {run}: two additions begin at group {first}");
            }
            Write::PutAttempt { run, task, count, number, attempt } => {
                assert!(count > 0, "an attempt of nothing");
                assert!(attempt.start <= attempt.stop, "it ended before it began: {attempt:?}");
                for task in instances(task, count) {
                    let attempts = self.run(run).attempts.entry(task).or_default();
                    // One that never was a process may be missing: its end was lost with the core.
                    let last = attempts.last_key_value().map_or(0, |(last, _)| *last);
                    assert!(number > last, "run {run}, {task:?}: attempt {number} comes after {last}");
                    attempts.insert(number, (*attempt).clone());
                }
            }
            Write::PutMark { run, task, count, pass, after, mark } => {
                for task in instances(task, count) {
                    self.run(run).marks.insert(task, MarkOnDisk { pass, after, mark: mark.clone() });
                }
            }
            Write::PutEdit { run, task, job } => drop(self.run(run).edits.insert(task, job)),
            Write::PutLive(live) => drop(self.live.insert(live.slot, *live)),
            Write::DeleteLive(slot) => drop(self.live.remove(&slot)),
            Write::DeleteRun(run) => {
                self.runs.remove(&run);
                self.texts.remove(&run);
            }
            Write::PutKey { uid, key, digest, run } => drop(self.keys.insert((uid, key), (digest, run))),
            Write::PutNumbers { run, slots } => {
                assert!(run >= self.next_run && slots >= self.slots, "numbers never go back");
                (self.next_run, self.slots) = (run, slots);
            }
            Write::PutDag(row) => drop(self.dags.insert(row.name.clone(), *row)),
            Write::PutDagText(name, text) => drop(self.dag_texts.insert(name, text)),
            Write::DeleteDag(name) => {
                self.dags.remove(&name);
                self.dag_texts.remove(&name);
                self.firings.retain(|(of, _)| *of != name);
            }
            Write::PutFiring(name, row) => self.firings.push((name, *row)),
        }
    }

    /// A row replaces the one before it, and its history only grows.
    fn put_run(&mut self, row: RunRow) {
        if let Some(run) = self.runs.get_mut(&row.id) {
            let grown = row.history.starts_with(&run.row.history);
            assert!(grown, "run {}: its history was {:?} and is {:?}", row.id, run.row.history, row.history);
            run.row = row;
            return;
        }
        let text = self.texts.get(&row.id).cloned();
        let text = text.unwrap_or_else(|| panic!("run {} has no specification", row.id));
        let run = RunOnDisk {
            text,
            additions: BTreeMap::new(),
            attempts: BTreeMap::new(),
            marks: BTreeMap::new(),
            edits: BTreeMap::new(),
            row,
        };
        self.runs.insert(run.row.id, run);
    }

    /// Everything a start reads.
    pub(super) fn read(&self) -> Stored {
        let lives: BTreeSet<_> = self.live.values().map(|live| live.run).collect();
        let held = self.runs.iter().filter(|(id, run)| !run.row.state().is_over() || lives.contains(id));
        Stored {
            runs: held.map(|(_, run)| run.read()).collect(),
            live: self.live.values().cloned().collect(),
            next_run: self.next_run.max(self.runs.keys().next_back().map_or(DagRunId(0), |run| DagRunId(run.0 + 1))),
            slots: self.slots,
            dags: self.dags.values().map(|row| self.read_dag(row)).collect(),
        }
    }

    pub(super) fn stored_run(&self, run: DagRunId) -> Option<StoredRun> {
        self.runs.get(&run).map(RunOnDisk::read)
    }

    fn read_dag(&self, row: &DagRow) -> StoredDag {
        let text = Arc::clone(&self.dag_texts[&row.name]);
        let (owner, schedule) = (Arc::clone(&row.owner), row.schedule.clone());
        let dag = compile(row.name.clone(), text, schedule, &ACCEPTED, owner, row.runs_as).unwrap();
        StoredDag { dag, cursor: row.cursor.clone() }
    }
}

impl RunOnDisk {
    fn read(&self) -> StoredRun {
        let blueprint = Arc::new(parse(self.text.as_bytes(), &ACCEPTED).unwrap());
        let addition = |(first, (by, text)): (&u32, &(TaskId, Arc<str>))| StoredAddition {
            first: *first,
            by: *by,
            addition: generated(text.as_bytes(), &blueprint, &ACCEPTED).unwrap(),
        };
        StoredRun {
            row: self.row.clone(),
            additions: self.additions.iter().map(addition).collect(),
            entries: self.entries(),
            edits: self.edits.iter().map(|(task, job)| (*task, Arc::clone(job))).collect(),
            blueprint,
        }
    }

    /// What has become of each task; neighbours alike in one entry.
    fn entries(&self) -> Vec<Entry> {
        let tasks: BTreeSet<_> = self.attempts.keys().chain(self.marks.keys()).copied().collect();
        let mut entries: Vec<Entry> = Vec::new();
        for task in tasks {
            let new = self.entry(task);
            match entries.last_mut() {
                Some(last)
                    if (last.task.group, last.task.index + last.count) == (task.group, task.index)
                        && *last == (Entry { task: last.task, count: last.count, ..new.clone() }) =>
                {
                    last.count += 1;
                }
                _ => entries.push(new),
            }
        }
        entries
    }

    fn entry(&self, task: TaskId) -> Entry {
        let none = BTreeMap::new();
        let attempts = self.attempts.get(&task).unwrap_or(&none);
        let last = attempts.last_key_value();
        let number = last.map_or(0, |(number, _)| *number);
        let by_mark = self.marks.get(&task).filter(|mark| mark.after >= number);
        let (last, pass) = match (by_mark, last) {
            (Some(mark), _) => (Last::Mark(mark.mark.clone()), mark.pass),
            (None, Some((_, it))) => (Last::Attempt { outcome: it.outcome, stop: it.stop }, it.pass),
            (None, None) => unreachable!("a mark after more attempts than there were"),
        };
        let counts = |it: &&Attempt| it.pass == pass && it.outcome != Outcome::Interrupted;
        let used = u32::try_from(attempts.values().filter(counts).count()).unwrap();
        Entry { task, count: 1, attempts: number, used, last, pass }
    }
}
