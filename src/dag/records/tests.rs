//! Random writes against an obvious model, and the stored form of each record.

use super::*;
use crate::base::{Mono, RunId};
use crate::dag::machine;
use crate::dag::machine::{Cursor, DagRow, Entry, Fired, Last};
use crate::dag::stored;
use crate::store::Store;
use bytes::Bytes;
use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

mod load;

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

/// How records are stored, one line each.
fn export(writes: Vec<Write>) -> String {
    lines(&store(writes))
}

fn lines(store: &Store) -> String {
    let mut lines = Vec::new();
    store.export(&TABLES, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn dag_row() -> DagRow {
    let schedule =
        json!({"cron": "0 3 * * *", "timezone": "Europe/Berlin", "overlap": "queue", "parameters": {"N": "1"}});
    let Value::Object(schedule) = schedule else { unreachable!("it is an object") };
    DagRow {
        name: DagName::new("nightly").unwrap(),
        schedule: Some(stored::read_schedule(schedule).unwrap()),
        owner: Arc::new(Owner { uid: 0, name: "root".into(), operator: true }),
        runs_as: 0,
        cursor: Some(Cursor { decided: at(0), owed: vec![(at(-60), at(0))] }),
    }
}

fn live() -> LiveAttempt {
    LiveAttempt {
        slot: RunId(1 << 52),
        run: RUN,
        task: task(1, 2),
        number: 3,
        pass: 1,
        start: at(0),
        born: Mono(Duration::from_millis(1500)),
        leader: Some((4711, 99)),
        ended: true,
    }
}

fn full_attempt() -> Attempt {
    Attempt {
        slot: Some(RunId(5)),
        remark: "killed by signal 9".into(),
        output: Kept::Here("two\nlines\n".into()),
        errors: Kept::Here(Bytes::from_static(b"\xff\0")),
        usage: Some(Usage { user: Duration::from_micros(1_000_001), system: Duration::from_micros(2), max_rss_kib: 3 }),
        ..attempt(2, Outcome::Errored, 1)
    }
}

#[test]
fn each_record_is_stored_in_this_form() {
    let nightly = DagName::new("nightly").unwrap();
    let origin = Origin::Schedule(nightly.clone(), at(0));
    let counts = Counts([0, 0, 0, 1, 0, 0, 2]);
    let over = RunRow { counts, pass: 1, resets: vec![(1, 1)], origin, ..row_of(8, &[State::Queued, State::Errored]) };
    let job = Job {
        shown: json!({"command": ["true"]}).as_object().cloned().unwrap(),
        work: Work::Command { command: Command::Argv(vec!["true".into()]), env: Vec::new(), dir: None },
        needs: Needs::default(),
        timeout: None,
    };
    let fired = |seconds, last, count, what| Box::new(FiringRow { at: at(seconds), last: at(last), count, what });
    let writes = vec![
        Write::PutRun(Box::new(row_of(7, &[State::Queued, State::Running]))),
        Write::PutRun(Box::new(over)),
        Write::PutText(RUN, r#" {"tasks": {"a": {"job": {"command": ["true"]}}}} "#.into()),
        Write::PutAddition { run: RUN, first: 3, by: task(1, 0), text: r#"{"b": {}}"#.into() },
        put_attempt(task(0, 0), 1000, 1, attempt(0, Outcome::Completed, 1)),
        put_attempt(task(1, 2), 1, 2, full_attempt()),
        put_attempt(task(1, 3), 1, 1, Attempt { output: Kept::File(70_000), ..attempt(0, Outcome::Killed, 1) }),
        put_mark(task(0, 1000), 100, 1, 0, Mark::Killed("eve".into())),
        put_mark(task(1, 4), 1, 0, 2, Mark::NotNeeded),
        Write::PutEdit { run: RUN, task: task(1, 2), job: Arc::new(job) },
        Write::PutLive(Box::new(live())),
        Write::PutNumbers { run: DagRunId(9), slots: RunId((1 << 52) + 1000) },
        Write::PutKey { uid: 1000, key: "once".into(), digest: "abc".into(), run: RUN },
        Write::PutDag(Box::new(dag_row())),
        Write::PutDagText(nightly.clone(), r#"{"tasks": {}}"#.into()),
        Write::PutFiring(nightly.clone(), fired(0, 0, 1, Fired::Run(RUN))),
        Write::PutFiring(nightly.clone(), fired(60, 120, 2, Fired::Skipped)),
        Write::PutFiring(nightly, fired(180, 180, 1, Fired::Missed)),
    ];
    let store = store(writes);
    let mut batch = Batch::new();
    assert_eq!(meet_keeper(&store.reader(), "keeper-1", "boot-1", &mut batch), Ok((true, true)));
    drop(store.submit(batch));
    assert_eq!(meet_keeper(&store.reader(), "keeper-2", "boot-1", &mut Batch::new()), Ok((true, false)));
    let mut lines = Vec::new();
    store.export(&TABLES, &mut lines).unwrap();
    expect![[r#"
        {"key":7,"kind":"dag.run","record":{"history":[[1700000000123456789,"QUEUED"],[1700000001123456789,"RUNNING"]],"last_update":1700000009123456789,"owner":{"name":"ada","uid":1000},"runs_as":1000,"tag":"nightly"}}
        {"key":8,"kind":"dag.run","record":{"counts":[0,0,0,1,0,0,2],"dag":"nightly","due":1700000000123456789,"history":[[1700000000123456789,"QUEUED"],[1700000001123456789,"ERRORED"]],"last_update":1700000009123456789,"owner":{"name":"ada","uid":1000},"pass":1,"resets":[[1,1]],"runs_as":1000,"tag":"nightly"}}
        {"key":7,"kind":"dag.unfinished","record":"RUNNING"}
        {"key":8,"kind":"dag.unfinished","record":"ERRORED"}
        {"key":7,"kind":"dag.text","record":{"tasks":{"a":{"job":{"command":["true"]}}}}}
        {"key":[7,3],"kind":"dag.addition","record":{"by":[1,0],"text":{"b":{}}}}
        {"key":[7,[1,[2,2]]],"kind":"dag.attempt","record":{"err":{"base64":"/wA="},"o":"errored","out":"two\nlines\n","p":2,"rc":1,"s":5,"t":[1700000000123456789,1700000001123456789],"u":[1000001,2,3],"why":"killed by signal 9"}}
        {"key":[7,[1,[3,1]]],"kind":"dag.attempt","record":{"o":"killed","out":70000,"rc":1,"t":[1700000000123456789,1700000001123456789]}}
        {"key":[7,[0,0]],"kind":"dag.passed","record":{"a":{"t":[1700000000123456789,1700000001123456789]},"n":1000}}
        {"key":[7,[0,[1000,[1,24]]]],"kind":"dag.mark","record":{"by":"eve","what":"killed"}}
        {"key":[7,[0,[1024,[1,76]]]],"kind":"dag.mark","record":{"by":"eve","what":"killed"}}
        {"key":[7,[1,[4,[0,1]]]],"kind":"dag.mark","record":{"after":2,"what":"not_needed"}}
        {"key":[7,[1,2]],"kind":"dag.edit","record":{"command":["true"]}}
        {"key":4503599627370496,"kind":"dag.live","record":{"born":{"nanos":500000000,"secs":1},"ended":true,"leader":[4711,99],"number":3,"pass":1,"run":7,"slot":4503599627370496,"start":1700000000123456789,"task":[1,2]}}
        {"key":null,"kind":"dag.numbers","record":{"run":9,"slots":4503599627371496}}
        {"key":[1000,"once"],"kind":"dag.key","record":{"digest":"abc","run":7}}
        {"key":"nightly","kind":"dag.dag","record":{"decided":1700000000123456789,"owed":[[1699999940123456789,1700000000123456789]],"owner":{"name":"root","operator":true,"uid":0},"runs_as":0,"schedule":{"catch_up":"none","cron":"0 3 * * *","overlap":"queue","parameters":{"N":"1"},"timezone":"Europe/Berlin"}}}
        {"key":"nightly","kind":"dag.dag_text","record":{"tasks":{}}}
        {"key":["nightly",1700000000123456789],"kind":"dag.firing","record":{"at":1700000000123456789,"what":{"run":7}}}
        {"key":["nightly",1700000060123456789],"kind":"dag.firing","record":{"at":1700000060123456789,"count":2,"last":1700000120123456789,"what":"skipped"}}
        {"key":["nightly",1700000180123456789],"kind":"dag.firing","record":{"at":1700000180123456789,"what":"missed"}}
        {"key":null,"kind":"dag.keeper","record":"keeper-1"}
        {"key":null,"kind":"dag.boot","record":"boot-1"}
    "#]].assert_eq(&String::from_utf8(lines).unwrap());
}

#[test]
fn what_is_stored_of_a_run_is_read_back() {
    let origins = [Origin::Client, dag_origin(None), dag_origin(Some(at(3)))];
    for (id, origin) in (0..).zip(origins) {
        let row = RunRow { origin, ..row_of(id, &State::ALL) };
        let reader = store(vec![Write::PutRun(Box::new(row.clone()))]).reader();
        assert_eq!(super::row(&reader, row.id), Ok(Some(row)));
    }
    let reader = store(vec![put_attempt(task(1, 2), 1, 2, full_attempt())]).reader();
    assert_eq!(attempts(&reader, RUN, task(1, 2)), Ok(vec![(2, full_attempt())]));
    for live in [live(), LiveAttempt { leader: None, ended: false, ..live() }] {
        assert_eq!(read_intent(&intent(&live)).unwrap(), live);
        let reader = store(vec![Write::PutLive(Box::new(live.clone()))]).reader();
        assert!(
            reader.get::<shapes::Live>(&live.slot.0).unwrap().is_some_and(|found| LiveAttempt::from(found) == live)
        );
    }
    for text in ["{\"a\":  1}", "[]", "no JSON", "\"a string\""] {
        let reader = store(vec![Write::PutText(RUN, text.into())]).reader();
        let kept = super::text(&reader, RUN).unwrap();
        assert_eq!(kept.as_deref(), Some(text.trim_matches('"')), "{text}");
    }
}

fn dag_origin(due: Option<Wall>) -> Origin {
    let name = DagName::new("nightly").unwrap();
    due.map_or(Origin::Dag(name.clone()), |due| Origin::Schedule(name, due))
}

proptest! {
    #[test]
    fn any_output_is_kept_byte_for_byte_in_little_room(bytes in prop::collection::vec(any::<u8>(), 0..1024), quiet: bool) {
        let bytes: Vec<u8> = if quiet { bytes.iter().map(|byte| byte % 16).collect() } else { bytes };
        let here = Kept::Here(Bytes::from(bytes));
        let attempt = Attempt { output: here.clone(), errors: here, ..full_attempt() };
        let reader = store(vec![put_attempt(task(0, 0), 1, 1, attempt.clone())]).reader();
        prop_assert_eq!(attempts(&reader, RUN, task(0, 0)).unwrap(), [(1, attempt.clone())]);
        let size = serde_json::to_vec(&shapes::Attempted::from(&attempt)).unwrap().len();
        prop_assert!(size < 4096, "{size}");
    }
}

#[test]
fn rows_are_found_by_number_and_the_unfinished_by_an_index() {
    let states = [State::Running, State::Completed, State::Errored, State::Completed, State::Paused];
    let mut writes: Vec<Write> =
        (0..).zip(states).map(|(id, state)| Write::PutRun(Box::new(row_of(id, &[State::Queued, state])))).collect();
    writes.push(Write::PutRun(Box::new(row_of(0, &[State::Running, State::Completed]))));
    let reader = store(writes).reader();
    let found = |range, unfinished, descending| -> Vec<u64> {
        rows(&reader, range, unfinished, descending).map(|row| row.unwrap().id.0).collect()
    };
    assert_eq!(found(0..u64::MAX, false, false), [0, 1, 2, 3, 4]);
    assert_eq!(found(1..4, false, true), [3, 2, 1]);
    assert_eq!(found(0..u64::MAX, true, false), [2, 4]);
    assert_eq!(found(0..4, true, true), [2]);
    assert_eq!(found(3..3, true, true), [0; 0]);
}

#[test]
fn a_deleted_run_leaves_nothing_but_its_neighbours() {
    let of_run = |run: u64| {
        let run = DagRunId(run);
        let marks = Write::PutMark { run, task: task(9, 0), count: 3000, pass: 0, after: 0, mark: Mark::NotNeeded };
        let attempts = move |task, count, attempt| Write::PutAttempt { run, task, count, number: 1, attempt };
        [
            Write::PutRun(Box::new(row_of(run.0, &[State::Errored]))),
            Write::PutText(run, "{}".into()),
            Write::PutAddition { run, first: 1, by: task(0, 0), text: "{}".into() },
            attempts(task(0, 0), 50, Box::new(attempt(0, Outcome::Completed, 0))),
            attempts(task(u32::MAX, u32::MAX), 1, Box::new(attempt(0, Outcome::Completed, 0))),
            marks,
        ]
        .into_iter()
        .chain((0..500).map(move |index| attempts(task(1, index), 1, Box::new(attempt(0, Outcome::Completed, 0)))))
    };
    let all = || [6, 7, 8].into_iter().flat_map(of_run);
    let expected = export([6, 8].into_iter().flat_map(of_run).collect());
    let store = store(all().chain([Write::DeleteRun(RUN)]).collect());
    let reader = store.reader();
    assert_eq!((super::row(&reader, RUN), super::text(&reader, RUN)), (Ok(None), Ok(None)), "it is gone at once");
    assert_eq!(store.check(&rules()).findings, Vec::<String>::new());
    assert_eq!(purged(&reader), Ok(vec![RUN]), "the rest follows, whoever dies meanwhile");
    let mut pieces = 0;
    while let Some(piece) = Some(remains(&reader, RUN).unwrap()).filter(|piece| !piece.is_empty()) {
        assert!(piece.len() <= 256, "{} at once", piece.len());
        drop(store.submit(piece));
        pieces += 1;
    }
    assert!(pieces > 2, "{pieces}");
    assert_eq!(purged(&reader), Ok(Vec::new()));
    assert_eq!(lines(&store), expected);
}

#[test]
fn keys_are_as_old_as_their_runs() {
    let key =
        |key: &str, run| Write::PutKey { uid: 5, key: key.into(), digest: format!("of {key}"), run: DagRunId(run) };
    let mut writes = vec![key("a", 3), key("b", 4), key("c", 5)];
    // Run 4 is gone; the others were submitted a minute apart.
    for run in [1, 2, 3, 5, 6] {
        let history = vec![StateChange { at: at(60 * run as i64), state: State::Queued }];
        writes.push(Write::PutRun(Box::new(RunRow { history, ..row_of(run, &[]) })));
    }
    let store = store(writes);
    let reader = store.reader();
    let since = |seconds| super::since(&reader, at(seconds)).unwrap().0;
    assert_eq!([since(0), since(60), since(61), since(180), since(181)], [0, 0, 2, 3, 4]);
    assert_eq!([since(300), since(301), since(360), since(361)], [4, 6, 6, 7]);
    let mut batch = Batch::new();
    forget_keys(&reader, super::since(&reader, at(181)).unwrap(), &mut batch).unwrap();
    drop(store.submit(batch));
    let found = ["a", "b", "c"].map(|name| super::key(&reader, 5, name).unwrap());
    assert_eq!(found, [None, Some(("of b".into(), DagRunId(4))), Some(("of c".into(), DagRunId(5)))]);
    assert_eq!(super::key(&reader, 6, "b"), Ok(None), "a key is its owner's");
}

#[test]
fn the_newest_firings_of_a_dag_are_its_own() {
    let names = ["a", "a.b", "ab"].map(|name| DagName::new(name).unwrap());
    let firing = |minute: i64| FiringRow { at: at(60 * minute), last: at(60 * minute), count: 1, what: Fired::Skipped };
    let put_all =
        names.iter().flat_map(|name| (0..5).map(|minute| Write::PutFiring(name.clone(), Box::new(firing(minute)))));
    let store = store(put_all.collect());
    let reader = store.reader();
    assert_eq!(firings(&reader, &names[0], 2), Ok(vec![firing(4), firing(3)]));
    let mut batch = Batch::new();
    forget_firings(&reader, &names[0], 3, &mut batch).unwrap();
    forget_firings(&reader, &names[1], 5, &mut batch).unwrap();
    drop(store.submit(batch));
    let left = |name: &DagName| firings(&reader, name, 99).unwrap().len();
    assert_eq!(names.each_ref().map(left), [3, 5, 5]);
    put(&store, vec![Write::DeleteDag(names[1].clone())]);
    assert_eq!(names.each_ref().map(left), [3, 0, 5]);
}

#[test]
fn what_belongs_to_nothing_is_found() {
    let (orphan, name) = (DagRunId(3), DagName::new("gone").unwrap());
    let firing = FiringRow { at: at(0), last: at(0), count: 1, what: Fired::Missed };
    let writes = vec![
        Write::PutRun(Box::new(row_of(7, &[State::Completed]))),
        put_attempt(task(0, 0), 1, 1, attempt(0, Outcome::Completed, 0)),
        Write::PutText(orphan, "{}".into()),
        Write::PutLive(Box::new(LiveAttempt { run: orphan, ..live() })),
        Write::PutMark { run: orphan, task: task(0, 0), count: 1, pass: 0, after: 0, mark: Mark::NotNeeded },
        Write::PutDag(Box::new(dag_row())),
        Write::PutFiring(name, Box::new(firing)),
    ];
    let report = store(writes).check(&rules());
    expect![[r#"
        dag.run 7 has no specification
        a dag.live belongs to no run: 3
        dag.dag nightly has no specification
        dag.firing gone belongs to no DAG
        dag.text 3 belongs to no run
        dag.mark 3 belongs to no run"#]]
    .assert_eq(&report.findings.join("\n"));
    let whole = vec![Write::PutRun(Box::new(row_of(7, &[State::Errored]))), Write::PutText(RUN, "{}".into())];
    assert!(store(whole).check(&rules()).findings.is_empty());
}
