//! Random writes against an obvious model, and the stored form of each record.

use super::*;
use crate::base::{Mono, RunId};
use crate::dag::machine::{Entry, Last};
use crate::store::Store;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const RUN: DagRunId = DagRunId(7);

fn store(writes: Vec<Write>) -> Store {
    let store = Store::in_memory();
    put(&store, writes);
    store
}

fn put(store: &Store, writes: Vec<Write>) {
    let mut batch = Batch::new();
    write(writes, &mut batch);
    drop(store.submit(batch));
}

fn at(seconds: i64) -> Wall {
    Wall::from_timestamp_nanos(1_700_000_000_123_456_789 + seconds * 1_000_000_000)
}

fn task(group: u32, index: u32) -> TaskId {
    TaskId { group, index }
}

fn attempt(pass: u32, outcome: Outcome, stop: i64) -> Attempt {
    Attempt {
        slot: None,
        pass,
        start: at(0),
        stop: at(stop),
        rc: i32::from(outcome != Outcome::Completed),
        outcome,
        remark: String::new(),
        output: Kept::default(),
        errors: Kept::default(),
        usage: None,
    }
}

fn row_of(id: u64, states: &[State]) -> RunRow {
    let change = |(seconds, state): (usize, &State)| StateChange { at: at(seconds as i64), state: *state };
    RunRow {
        id: DagRunId(id),
        tag: "nightly".into(),
        history: states.iter().enumerate().map(change).collect(),
        last_update: at(9),
        counts: Counts::default(),
        pass: 0,
        resets: Vec::new(),
        owner: Arc::new(Owner { uid: 1000, name: "ada".into(), operator: false }),
        runs_as: 1000,
        origin: Origin::Client,
    }
}

fn put_attempt(task: TaskId, count: u32, number: u32, attempt: Attempt) -> Write {
    Write::PutAttempt { run: RUN, task, count, number, attempt: Box::new(attempt) }
}

fn put_mark(task: TaskId, count: u32, pass: u32, after: u32, mark: Mark) -> Write {
    Write::PutMark { run: RUN, task, count, pass, after, mark }
}

/// A run's tasks as a machine would have them: every attempt and every mark, in the order in which they came.
#[derive(Clone, Debug, Default)]
struct Task {
    attempts: Vec<Attempt>,
    /// After how many attempts, in which pass, what.
    marks: Vec<(u32, u32, Mark)>,
}

impl Task {
    fn entry(&self, task: TaskId) -> Option<Entry> {
        let attempts = self.attempts.len() as u32;
        let last = self.attempts.last();
        let counts = |attempt: &&Attempt| {
            Some(attempt.pass) == last.map(|last| last.pass) && attempt.outcome != Outcome::Interrupted
        };
        let used = self.attempts.iter().filter(counts).count() as u32;
        let (last, pass) = match (self.marks.last().filter(|(after, ..)| *after == attempts), last) {
            (Some((_, pass, mark)), _) => (Last::Mark(mark.clone()), *pass),
            (None, Some(last)) => (Last::Attempt { outcome: last.outcome, stop: last.stop }, last.pass),
            (None, None) => return None,
        };
        Some(Entry { task, count: 1, attempts, used, last, pass })
    }
}

type Tasks = BTreeMap<TaskId, Task>;

/// What happens to a row of tasks, as far as each of them allows it.
#[derive(Clone, Debug)]
enum Happening {
    Passes { group: u32, first: u32, count: u32 },
    Attempts { task: TaskId, outcome: Outcome },
    Marks { group: u32, first: u32, count: u32, mark: Mark },
    NextPass,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let span = || (0..3u32, prop_oneof![0..40u32, 1000..1060u32], 1..60u32);
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Retry),
        Just(Outcome::Errored),
        Just(Outcome::Killed),
        Just(Outcome::Interrupted)
    ];
    let mark = prop_oneof![
        Just(Mark::Killed("eve".into())),
        Just(Mark::Done("ada".into())),
        Just(Mark::Skipped("bob".into())),
        Just(Mark::NotNeeded)
    ];
    let one = prop_oneof![
        2 => span().prop_map(|(group, first, count)| Happening::Passes { group, first, count }),
        4 => (span(), outcome).prop_map(|((group, first, _), outcome)| Happening::Attempts { task: task(group, first), outcome }),
        2 => (span(), mark).prop_map(|((group, first, count), mark)| Happening::Marks { group, first, count, mark }),
        1 => Just(Happening::NextPass),
    ];
    prop::collection::vec(one, 0..60)
}

/// Plays them on both sides: the writes, and the tasks as they should be read back.
fn play(happenings: Vec<Happening>) -> (Vec<Write>, Tasks) {
    let (mut writes, mut tasks, mut pass) = (Vec::new(), Tasks::new(), 0);
    for (time, happening) in happenings.into_iter().enumerate() {
        match happening {
            Happening::NextPass => pass += 1,
            Happening::Attempts { task, outcome } => {
                let attempt = attempt(pass, outcome, time as i64);
                let known = tasks.entry(task).or_default();
                known.attempts.push(attempt.clone());
                writes.push(put_attempt(task, 1, known.attempts.len() as u32, attempt));
            }
            Happening::Passes { group, first, count } => {
                // Only a row of fresh tasks passes at once.
                let fresh = |index: &u32| tasks.get(&task(group, *index)).is_none_or(|known| known.attempts.is_empty());
                let count = (first..first + count).take_while(fresh).count() as u32;
                let attempt = attempt(pass, Outcome::Completed, time as i64);
                for index in first..first + count {
                    tasks.entry(task(group, index)).or_default().attempts.push(attempt.clone());
                }
                writes.push(put_attempt(task(group, first), count, 1, attempt));
            }
            Happening::Marks { group, first, count, mark } => {
                // A row of tasks with as many attempts each, none of which was completed by a mark in this pass, nor
                // killed twice.
                let after = tasks.get(&task(group, first)).map_or(0, |known| known.attempts.len());
                let may = |index: &u32| {
                    let known = tasks.get(&task(group, *index)).cloned().unwrap_or_default();
                    let marked = known.marks.last().filter(|(_, of, _)| *of == pass);
                    let killed = matches!(marked, Some((_, _, Mark::Killed(_)))) && !matches!(mark, Mark::Killed(_));
                    known.attempts.len() == after && (marked.is_none() || killed)
                };
                let count = (first..first + count).take_while(may).count() as u32;
                for index in first..first + count {
                    tasks.entry(task(group, index)).or_default().marks.push((after as u32, pass, mark.clone()));
                }
                writes.push(put_mark(task(group, first), count, pass, after as u32, mark));
            }
        }
    }
    (writes, tasks)
}

/// One entry for each task, however they were joined.
fn apart(entries: Vec<Entry>) -> Vec<Entry> {
    let one = |entry: Entry| {
        (0..entry.count).map(move |nth| {
            let task = task(entry.task.group, entry.task.index + nth);
            Entry { task, count: 1, ..entry.clone() }
        })
    };
    entries.into_iter().flat_map(one).collect()
}

fn numbered(known: &Task) -> Vec<(u32, Attempt)> {
    (1..).zip(known.attempts.iter().cloned()).collect()
}

proptest! {
    #[test]
    fn what_became_of_tasks_is_read_as_it_was_written(happenings in happenings(), from in (0..3u32, 0..1100u32)) {
        let (writes, tasks) = play(happenings);
        let reader = store(writes).reader();
        let expected: Vec<Entry> = tasks.iter().filter_map(|(task, known)| known.entry(*task)).collect();
        let entries = tasks::entries(&reader, RUN).unwrap();
        prop_assert_eq!(apart(entries), expected);
        for (task, known) in &tasks {
            prop_assert_eq!(attempts(&reader, RUN, *task).unwrap(), numbered(known));
            let stands = known.entry(*task).and_then(|entry| match entry.last {
                Last::Mark(mark) => Some(mark),
                Last::Attempt { .. } => None,
            });
            prop_assert_eq!(mark(&reader, RUN, *task).unwrap(), stands);
        }
        let from = task(from.0, from.1);
        let expected = tasks.range(from..).filter(|(_, known)| !known.attempts.is_empty());
        let expected: Vec<_> = expected.map(|(task, known)| (*task, numbered(known))).collect();
        let told: Vec<_> = attempts_from(&reader, RUN, from).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(told, expected);
    }
}
