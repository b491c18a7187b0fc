//! What a start finds.

use super::*;
use crate::dag::machine::StoredAddition;
use crate::dag::specification;

const SPECIFICATION: &str = r#"{"tag": "t", "parameters": {"P": ["x", "y"]}, "tasks": {
    "a": {"job": {"command": ["echo", "{{P}}"]}}, "g": {"job": {"command": ["gen"]}, "isGenerator": true}}}"#;
const ADDED: &str = r#"{"b": {"job": {"command": ["true"]}}}"#;

fn runs(stored: &machine::Stored) -> Vec<u64> {
    stored.runs.iter().map(|run| run.row.id.0).collect()
}

fn put_run(id: u64, state: State) -> Vec<Write> {
    let row = row_of(id, &[State::Queued, state]);
    vec![Write::PutRun(Box::new(row)), Write::PutText(DagRunId(id), SPECIFICATION.into())]
}

#[test]
fn a_start_finds_what_is_not_over_and_what_still_runs() {
    let states =
        [State::Queued, State::Running, State::Paused, State::Completed, State::Errored, State::Killed, State::Errored];
    let mut writes: Vec<Write> = (0..).zip(states).flat_map(|(id, state)| put_run(id, state)).collect();
    let live = LiveAttempt { run: DagRunId(6), ..live() };
    writes.push(Write::PutLive(Box::new(live.clone())));
    writes.push(Write::PutNumbers { run: DagRunId(3), slots: RunId(77) });
    let stored = load(&store(writes.clone()).reader()).unwrap();
    assert_eq!(runs(&stored), [0, 1, 2, 6]);
    assert_eq!((stored.live, stored.next_run, stored.slots), (vec![live], DagRunId(7), RunId(77)));
    writes.push(Write::PutNumbers { run: DagRunId(12), slots: RunId(77) });
    writes.push(Write::DeleteLive(RunId(1 << 52)));
    let stored = load(&store(writes).reader()).unwrap();
    assert_eq!((runs(&stored), stored.next_run), (vec![0, 1, 2], DagRunId(12)));
    assert_eq!(load(&Store::in_memory().reader()).unwrap(), machine::Stored::default());
}

#[test]
fn a_run_is_compiled_again_with_what_was_added_and_edited() {
    let blueprint = specification::parse(SPECIFICATION.as_bytes(), &ACCEPTED).unwrap();
    let addition = specification::generated(ADDED.as_bytes(), &blueprint, &ACCEPTED).unwrap();
    // What looks like a parameter now is the value of one: it is not filled in again.
    let job = |command: &[&str]| json!({"command": command, "cores": "2", "environment": []});
    let job = |command| Arc::new(Job::read(job(command).as_object().cloned().unwrap()).unwrap());
    let edits = vec![(task(0, 0), job(&["echo", "{{P}}", "{{none}}"])), (task(2, 0), job(&["false"]))];
    let mut writes = put_run(7, State::Killed);
    writes.push(Write::PutAddition { run: RUN, first: 2, by: task(1, 0), text: addition.text.clone() });
    writes.extend(edits.iter().map(|(task, job)| Write::PutEdit { run: RUN, task: *task, job: job.clone() }));
    writes.push(put_attempt(task(1, 0), 1, 1, attempt(0, Outcome::Completed, 4)));
    writes.push(put_mark(task(0, 0), 2, 0, 0, Mark::Killed("eve".into())));
    let stored = load_run(&store(writes).reader(), RUN).unwrap().unwrap();
    let entry = |task, count, attempts, last| Entry { task, count, attempts, used: attempts, last, pass: 0 };
    let entries = vec![
        entry(task(0, 0), 2, 0, Last::Mark(Mark::Killed("eve".into()))),
        entry(task(1, 0), 1, 1, Last::Attempt { outcome: Outcome::Completed, stop: at(4) }),
    ];
    assert_eq!(stored.row, row_of(7, &[State::Queued, State::Killed]));
    assert_eq!(*stored.blueprint, blueprint);
    assert_eq!(stored.additions, [StoredAddition { first: 2, by: task(1, 0), addition }]);
    assert_eq!((stored.entries, stored.edits), (entries, edits));
    assert!(load_run(&Store::in_memory().reader(), RUN).unwrap().is_none());
}

#[test]
fn a_million_passed_tasks_are_a_thousand_records() {
    let passed = |first| put_attempt(task(0, first), 1_000, 1, attempt(0, Outcome::Completed, 1));
    let store = store((0..1_000).map(|thousand| passed(1_000 * thousand)).collect());
    assert_eq!(store.export(&TABLES, &mut Vec::new()).unwrap(), 1_000);
    let entries = tasks::entries(&store.reader(), RUN).unwrap();
    assert_eq!(entries.iter().map(|entry| (entry.task, entry.count)).collect::<Vec<_>>(), [(task(0, 0), 1_000_000)]);
}

#[test]
fn stored_dags_are_compiled_as_they_fire() {
    let row = dag_row();
    let text = r#"{"tag": "t", "parameters": {"N": "0"}, "tasks": {"a": {"job": {"command": ["echo", "{{N}}"]}}}}"#;
    let writes = vec![Write::PutDag(Box::new(row.clone())), Write::PutDagText(row.name.clone(), text.into())];
    let stored = load(&store(writes).reader()).unwrap();
    let [dag] = &stored.dags[..] else { panic!("there is one") };
    assert_eq!(dag.cursor, row.cursor);
    assert_eq!((&dag.dag.name, &dag.dag.schedule, &dag.dag.owner), (&row.name, &row.schedule, &row.owner));
    assert_eq!((&*dag.dag.text, dag.dag.runs_as), (text, 0));
    assert_eq!(dag.dag.blueprint.templates[0].job(0).unwrap().shown["command"], json!(["echo", "1"]));
    let fired = specification::parse(dag.dag.fired_text.as_bytes(), &ACCEPTED).unwrap();
    assert_eq!(fired, *dag.dag.blueprint);
}

#[test]
fn what_cannot_be_read_back_is_named() {
    let said = |writes: Vec<Write>| load(&store(writes).reader()).unwrap_err().to_string();
    let bad = Write::PutText(RUN, "{}".into());
    let mut writes = put_run(7, State::Running);
    writes.push(bad);
    expect!["run 7: tag: expected a string, and there is none"].assert_eq(&said(writes));
    expect!["run 7: the specification is not in the store"]
        .assert_eq(&said(vec![Write::PutRun(Box::new(row_of(7, &[State::Queued])))]));
    expect!["DAG nightly: the specification is not in the store"]
        .assert_eq(&said(vec![Write::PutDag(Box::new(dag_row()))]));
    let mut writes = put_run(7, State::Running);
    let text = r#"{"a": {"job": 5}}"#.into();
    writes.push(Write::PutAddition { run: RUN, first: 2, by: task(1, 0), text });
    expect!["what a generator added to run 7: task 'a': job: expected an object, not 5"].assert_eq(&said(writes));
}
