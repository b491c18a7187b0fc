//! What has become of a run's tasks: attempts, one by one or a row of tasks at a time, and marks.
//!
//! A row in `dag.passed` is the first attempt of each of its tasks; what they do after it is in `dag.attempt` like any
//! other. Rows do not overlap, so the one that covers a task is the last that begins at or before it. Marks of different
//! passes may overlap; they are cut at multiples of [`BLOCK`], so those that cover a task begin in its block.

use super::shapes::{Attempted, Marked, Passed};
use crate::base::Wall;
use crate::dag::machine::{Entry, Last};
use crate::dag::model::{Attempt, DagRunId, Mark, Outcome, TaskId};
use crate::store::{Batch, ReadError, Reader, Record, Scan};
use std::iter::Peekable;

/// A task and its ended attempts, oldest first, with their numbers.
type Attempts = (TaskId, Vec<(u32, Attempt)>);

/// A record as a scan has it.
type Scanned<R> = Result<(<R as Record>::Key, R), ReadError>;

/// No stored mark reaches beyond a multiple of this.
const BLOCK: u32 = 1024;

const LAST: u32 = u32::MAX;

/// A row of [`Passed`] is for first attempts. Others do not come in rows; if they did, each is written for itself.
pub(super) fn put_attempt(run: DagRunId, task: TaskId, count: u32, number: u32, attempt: &Attempt, batch: &mut Batch) {
    let attempted = Attempted::from(attempt);
    if count > 1 && number == 1 {
        batch.put::<Passed>(&(run.0, (task.group, task.index)), &Passed { n: count, a: attempted });
        return;
    }
    for index in task.index..task.index.saturating_add(count) {
        batch.put::<Attempted>(&(run.0, (task.group, (index, number))), &attempted);
    }
}

pub(super) fn put_mark(run: DagRunId, task: TaskId, count: u32, pass: u32, mark: &Marked, batch: &mut Batch) {
    let (mut first, mut left) = (task.index, count);
    while left > 0 {
        let count = left.min(BLOCK - first % BLOCK);
        batch.put::<Marked>(&(run.0, (task.group, (first, (pass, count)))), mark);
        (first, left) = (first.saturating_add(count), left - count);
    }
}

/// The row that covers a task or, of the same group, the last one before it.
fn row_at(reader: &Reader, run: DagRunId, task: TaskId) -> Result<Option<(u32, Passed)>, ReadError> {
    let group = (run.0, (task.group, 0))..=(run.0, (task.group, task.index));
    let found = reader.scan_back::<Passed>(group).next().transpose()?;
    Ok(found.map(|((_, (_, first)), row)| (first, row)))
}

/// The ended attempts of one task, oldest first, with their numbers. Blocks.
///
/// # Errors
/// The store's.
pub fn attempts(reader: &Reader, run: DagRunId, task: TaskId) -> Result<Vec<(u32, Attempt)>, ReadError> {
    let mut found = Vec::new();
    if let Some((first, row)) = row_at(reader, run, task)?
        && task.index - first < row.n
    {
        found.push((1, row.a.into()));
    }
    let of_task = |number| (run.0, (task.group, (task.index, number)));
    for entry in reader.scan::<Attempted>(of_task(0)..=of_task(LAST)) {
        let ((_, (_, (_, number))), attempted) = entry?;
        found.push((number, attempted.into()));
    }
    Ok(found)
}

/// The ended attempts of a run's tasks from one task on, task by task in the order of their ids; tasks without any are
/// left out. Blocks while it is iterated.
pub fn attempts_from(
    reader: &Reader,
    run: DagRunId,
    from: TaskId,
) -> Box<dyn Iterator<Item = Result<Attempts, ReadError>> + Send> {
    let (group, index) = (from.group, from.index);
    // The row that covers the first task may begin before it.
    let start = row_at(reader, run, from).map(|row| row.map_or(index, |(first, _)| first));
    match start {
        Ok(start) => Box::new(Tasks {
            rows: reader.scan((run.0, (group, start))..=(run.0, (LAST, LAST))),
            row: None,
            singles: reader.scan((run.0, (group, (index, 0)))..=(run.0, (LAST, (LAST, LAST)))).peekable(),
            from: place(group, index),
        }),
        Err(why) => Box::new(std::iter::once(Err(why))),
    }
}

/// A task's place among all tasks of a run.
fn place(group: u32, index: u32) -> u64 {
    u64::from(group) << 32 | u64::from(index)
}

fn task_at(place: u64) -> TaskId {
    #[expect(clippy::cast_possible_truncation, reason = "its two halves")]
    let (group, index) = ((place >> 32) as u32, place as u32);
    TaskId { group, index }
}

/// Rows and single attempts, merged task by task.
struct Tasks {
    rows: Scan<Passed>,
    /// What is left of the present row: from, to, the attempt.
    row: Option<(u64, u64, Attempt)>,
    singles: Peekable<Scan<Attempted>>,
    /// Nothing before this place is told.
    from: u64,
}

impl Tasks {
    fn try_next(&mut self) -> Result<Option<Attempts>, ReadError> {
        while self.row.as_ref().is_none_or(|(from, to, _)| from >= to) {
            let Some(entry) = self.rows.next() else { break };
            let ((_, (group, first)), row) = entry?;
            let first = place(group, first);
            self.row = Some((first.max(self.from), first + u64::from(row.n), row.a.into()));
        }
        let in_row = self.row.as_ref().filter(|(from, to, _)| from < to).map(|(from, ..)| *from);
        let single = match self.singles.peek() {
            Some(Ok(((_, (group, (index, _))), _))) => Some(place(*group, *index)),
            Some(Err(why)) => return Err(why.clone()),
            None => None,
        };
        let Some(next) = in_row.into_iter().chain(single).min() else { return Ok(None) };
        let mut found = Vec::new();
        if let Some((from, _, attempt)) = self.row.as_mut().filter(|_| in_row == Some(next)) {
            found.push((1, attempt.clone()));
            *from += 1;
        }
        let of_task = |entry: &Scanned<Attempted>| matches!(entry, Ok(((_, (group, (index, _))), _)) if place(*group, *index) == next);
        while let Some(entry) = self.singles.next_if(of_task) {
            let ((_, (_, (_, number))), attempted) = entry?;
            found.push((number, attempted.into()));
        }
        Ok(Some((task_at(next), found)))
    }
}

impl Iterator for Tasks {
    type Item = Result<Attempts, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

/// The mark that a task stands under, if no later attempt outweighs it: who killed, skipped or completed it by hand.
/// Whether a later pass has overruled it, only the run's row can tell. Blocks.
///
/// # Errors
/// The store's.
pub fn mark(reader: &Reader, run: DagRunId, task: TaskId) -> Result<Option<Mark>, ReadError> {
    let block = task.index - task.index % BLOCK;
    let keys = (run.0, (task.group, (block, (0, 0))))..=(run.0, (task.group, (task.index, (LAST, LAST))));
    let mut found: Option<PassMark> = None;
    for entry in reader.scan::<Marked>(keys) {
        let ((_, (_, (first, (pass, count)))), mark) = entry?;
        if task.index - first < count {
            let mark = PassMark { pass, mark };
            found = Some(found.map_or_else(|| mark.clone(), |other| other.or_later(mark.clone())));
        }
    }
    let Some(found) = found else { return Ok(None) };
    let numbers = attempts(reader, run, task)?;
    let attempts = numbers.last().map_or(0, |(number, _)| *number);
    Ok((found.mark.after >= attempts).then(|| found.mark.mark()))
}

/// A mark and its pass.
#[derive(Clone)]
struct PassMark {
    pass: u32,
    mark: Marked,
}

impl PassMark {
    /// What came later weighs more. In one pass, after the same attempts, a killed task can be completed by hand, and
    /// nothing more.
    fn weight(&self) -> (u32, u32, bool) {
        (self.pass, self.mark.after, self.mark.completes())
    }

    fn or_later(self, other: PassMark) -> PassMark {
        if other.weight() >= self.weight() { other } else { self }
    }
}

/// What the attempts of a task have come to.
#[derive(Clone, Copy)]
struct Told {
    attempts: u32,
    used: u32,
    pass: u32,
    outcome: Outcome,
    stop: Wall,
}

impl Told {
    /// After one more attempt.
    fn then(before: Option<Told>, number: u32, attempt: &Attempted) -> Told {
        let (pass, outcome) = (attempt.pass(), attempt.outcome());
        let used = before.filter(|before| before.pass == pass).map_or(0, |before| before.used);
        let used = used + u32::from(outcome != Outcome::Interrupted);
        Told { attempts: number, used, pass, outcome, stop: attempt.stop() }
    }
}

/// Something that holds for the tasks from one place up to another.
struct Span<T> {
    from: u64,
    to: u64,
    what: T,
}

/// The span that covers a place, if these come in order and do not overlap; forgets those before it.
fn covering<'a, T>(spans: &mut &'a [Span<T>], at: u64) -> Option<&'a T> {
    while let Some((_, rest)) = spans.split_first().filter(|(first, _)| first.to <= at) {
        *spans = rest;
    }
    spans.first().filter(|span| span.from <= at).map(|span| &span.what)
}

/// What has become of a run's tasks, in the order of their ids; untouched ones are left out, and neighbours alike are
/// one. Blocks.
pub(super) fn entries(reader: &Reader, run: DagRunId) -> Result<Vec<Entry>, ReadError> {
    let rows = rows(reader, run)?;
    let singles = singles(reader, run, &rows)?;
    let marks = marks(reader, run)?;
    let mut borders: Vec<u64> = Vec::with_capacity(2 * (rows.len() + singles.len() + marks.len()));
    borders.extend(rows.iter().chain(&singles).flat_map(|span| [span.from, span.to]));
    borders.extend(marks.iter().flat_map(|span| [span.from, span.to]));
    borders.sort_unstable();
    borders.dedup();

    let (mut rows, mut singles) = (&rows[..], &singles[..]);
    let mut marks = marks.into_iter().peekable();
    let mut marked: Vec<Span<PassMark>> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (from, to) in borders.iter().zip(borders.iter().skip(1)) {
        marked.retain(|span| span.to > *from);
        marked.extend(std::iter::from_fn(|| marks.next_if(|span| span.from == *from)));
        let told = covering(&mut singles, *from).or(covering(&mut rows, *from));
        let mark = marked.iter().map(|span| span.what.clone()).reduce(PassMark::or_later);
        if let Some(entry) = entry(*from, *to, told, mark) {
            append(&mut entries, entry);
        }
    }
    Ok(entries)
}

fn entry(from: u64, to: u64, told: Option<&Told>, mark: Option<PassMark>) -> Option<Entry> {
    let (attempts, used) = told.map_or((0, 0), |told| (told.attempts, told.used));
    let (last, pass) = match (mark.filter(|mark| mark.mark.after >= attempts), told) {
        (Some(mark), _) => (Last::Mark(mark.mark.mark()), mark.pass),
        (None, Some(told)) => (Last::Attempt { outcome: told.outcome, stop: told.stop }, told.pass),
        (None, None) => return None,
    };
    let count = u32::try_from(to - from).unwrap_or(LAST);
    Some(Entry { task: task_at(from), count, attempts, used, last, pass })
}

fn append(entries: &mut Vec<Entry>, next: Entry) {
    match entries.last_mut() {
        Some(last)
            if place(last.task.group, last.task.index) + u64::from(last.count)
                == place(next.task.group, next.task.index)
                && last.task.group == next.task.group
                && (last.attempts, last.used, last.pass) == (next.attempts, next.used, next.pass)
                && last.last == next.last =>
        {
            last.count += next.count;
        }
        _ => entries.push(next),
    }
}

fn rows(reader: &Reader, run: DagRunId) -> Result<Vec<Span<Told>>, ReadError> {
    let span = |entry: Scanned<Passed>| {
        let ((_, (group, first)), row) = entry?;
        let from = place(group, first);
        Ok(Span { from, to: from + u64::from(row.n), what: Told::then(None, 1, &row.a) })
    };
    reader.scan::<Passed>((run.0, (0, 0))..=(run.0, (LAST, LAST))).map(span).collect()
}

/// One span for each task with attempts of its own, begun with the row that covers it.
fn singles(reader: &Reader, run: DagRunId, rows: &[Span<Told>]) -> Result<Vec<Span<Told>>, ReadError> {
    let mut rows = rows;
    let mut tasks: Vec<Span<Told>> = Vec::new();
    for entry in reader.scan::<Attempted>((run.0, (0, (0, 0)))..=(run.0, (LAST, (LAST, LAST)))) {
        let ((_, (group, (index, number))), attempted) = entry?;
        let at = place(group, index);
        match tasks.last_mut().filter(|task| task.from == at) {
            Some(task) => task.what = Told::then(Some(task.what), number, &attempted),
            None => {
                let what = Told::then(covering(&mut rows, at).copied(), number, &attempted);
                tasks.push(Span { from: at, to: at + 1, what });
            }
        }
    }
    Ok(tasks)
}

fn marks(reader: &Reader, run: DagRunId) -> Result<Vec<Span<PassMark>>, ReadError> {
    let span = |entry: Scanned<Marked>| {
        let ((_, (group, (first, (pass, count)))), mark) = entry?;
        let from = place(group, first);
        Ok(Span { from, to: from + u64::from(count), what: PassMark { pass, mark } })
    };
    reader.scan::<Marked>((run.0, (0, (0, (0, 0))))..=(run.0, (LAST, (LAST, (LAST, LAST))))).map(span).collect()
}
