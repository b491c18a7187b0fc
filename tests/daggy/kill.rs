//! Killing runs and tasks: cases 82 to 88.

use std::time::{Duration, Instant};

use super::*;

const AT_ONCE: Duration = Duration::from_secs(5);

/// A run of two sleeps in one task, and a task behind it; the pids of shell and sleeps.
fn two_sleeps(daemon: &Daemon) -> (u64, Vec<i32>) {
    let pids = daemon.path("pids");
    let script = format!("echo $$ > {}; sleep 60 & sleep 60", pids.display());
    let run = submit(daemon, &dag(json!({"s": sh(&script), "d": after(t(&["true"]), &["s"])})));
    let tree = until("a shell with two children", SOON, || {
        let tree = process::tree(*noted(&pids).first()?);
        (tree.len() == 3).then(|| tree.into_iter().collect())
    });
    (run, tree)
}

/// Waits until the first attempt of a task is recorded: a killed one takes a moment to end. The run's record.
#[track_caller]
fn await_attempt(daemon: &Daemon, run: u64, task: &str) -> Value {
    until("the attempt is recorded", SOON, || {
        let record = record(daemon, run);
        (!attempts(&record, task).is_empty()).then_some(record)
    })
}

/// What is left of [`two_sleeps`] after a kill.
#[track_caller]
fn is_killed(daemon: &Daemon, run: u64, tree: &[i32]) {
    assert_eq!(state(daemon, run), "KILLED");
    await_gone(tree);
    let record = await_attempt(daemon, run, "s_0");
    assert_eq!(record["taskStates"], json!({"s_0": "KILLED", "d_0": "QUEUED"}));
    let attempt = attempt(&record, "s_0");
    assert!(matches!(attempt["rc"].as_i64(), Some(9 | 15)), "{attempt}");
    assert_ne!(attempt["executorLog"], "", "the reason");
    assert_eq!(attempts(&record, "d_0"), [] as [Value; 0]);
    assert_eq!(history(&record).last(), Some(&"KILLED"));
}

#[test]
fn case_082_killing_a_run() {
    let daemon = daemon();
    let (run, tree) = two_sleeps(&daemon);
    let since = Instant::now();
    kill(&daemon, &run.to_string());
    assert!(since.elapsed() < AT_ONCE, "the answer came after {:?}", since.elapsed());
    is_killed(&daemon, run, &tree);
}

#[test]
fn case_083_a_queue_is_not_waited_for() {
    let daemon = daemon();
    let task = json!({"job": {"command": ["sleep", "3{{N}}"], "cores": "4"}});
    let values: Vec<String> = (10..30).map(|n| n.to_string()).collect();
    let run = submit(&daemon, &expanded(json!({"N": values}), json!({"s": task})));
    until("one runs", SOON, || {
        (summary(&daemon, run)["taskCounts"] == json!({"RUNNING": 1, "QUEUED": 19})).then_some(())
    });
    let since = Instant::now();
    kill(&daemon, &run.to_string());
    assert!(since.elapsed() < AT_ONCE, "the answer came after {:?}", since.elapsed());
    assert_eq!(summary(&daemon, run)["taskCounts"], json!({"KILLED": 1, "QUEUED": 19}));
    let next = submit(&daemon, &dag(json!({"a": {"job": {"command": ["true"], "cores": "4"}}})));
    ends(&daemon, next, "COMPLETED");
}

#[test]
fn case_084_killing_what_is_over() {
    let daemon = daemon();
    let before = run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    kill(&daemon, "0");
    assert_eq!(record(&daemon, 0), before);
    let before = run(&daemon, &dag(json!({"a": t(&["false"])})), "ERRORED");
    kill(&daemon, "1");
    assert_eq!(record(&daemon, 1), before);
    refused(daemon.delete("/v1/dagrun/99"), 404);
}

#[test]
fn case_085_a_killed_task_is_not_tried_again() {
    let daemon = daemon();
    let (never, mut gate) = (Gate::new(&daemon, "never"), Gate::new(&daemon, "gate"));
    let tasks = json!({"s": plus(never.task(), json!({"maxRetries": 3})), "other": gate.task()});
    let run = submit(&daemon, &dag(tasks));
    for task in ["s_0", "other_0"] {
        await_task(&daemon, run, task, "RUNNING");
    }
    kill(&daemon, &format!("{run}/task/s"));
    assert_eq!(task_state(&daemon, run, "s"), "KILLED");
    await_attempt(&daemon, run, "s_0");
    gate.open();
    let record = ends(&daemon, run, "ERRORED");
    assert_eq!(record["taskStates"], json!({"s_0": "KILLED", "other_0": "COMPLETED"}));
    assert!(matches!(codes(&record, "s_0")[..], [9 | 15]), "{record}");
}

#[test]
fn case_086_killing_what_has_not_begun() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["true"]), &["a"])})));
    await_task(&daemon, run, "a_0", "RUNNING");
    kill(&daemon, &format!("{run}/task/b_0"));
    assert_eq!(task_state(&daemon, run, "b_0"), "KILLED");
    gate.open();
    let record = ends(&daemon, run, "ERRORED");
    assert_eq!(record["taskStates"], json!({"a_0": "COMPLETED", "b_0": "KILLED"}));
    assert_eq!(attempts(&record, "b_0"), [] as [Value; 0]);
}

#[test]
fn case_087_killing_between_two_tries() {
    let daemon = daemon();
    let task = plus(t(&["false"]), json!({"maxRetries": 3, "retryIntervalSeconds": 60}));
    let run = submit(&daemon, &dag(json!({"s": task})));
    await_task(&daemon, run, "s_0", "RETRY");
    kill(&daemon, &format!("{run}/task/s_0"));
    assert_eq!(task_state(&daemon, run, "s_0"), "KILLED");
    let record = ends(&daemon, run, "ERRORED");
    assert_eq!(codes(&record, "s_0"), [1]);
}

#[test]
fn case_088_killing_no_task_and_one_that_is_over() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": t(&["true"]), "b": after(gate.task(), &["a"])})));
    await_task(&daemon, run, "b_0", "RUNNING");
    let before = record(&daemon, run);
    refused(daemon.delete(&format!("/v1/dagrun/{run}/task/zz")), 404);
    kill(&daemon, &format!("{run}/task/a_0"));
    assert_eq!(record(&daemon, run), before);
    gate.open();
    ends(&daemon, run, "COMPLETED");
}

#[test]
fn case_094_killing_by_patch() {
    let daemon = daemon();
    for word in ["KILLED", "killed"] {
        let _ = fs::remove_file(daemon.path("pids"));
        let (run, tree) = two_sleeps(&daemon);
        becomes(&daemon, run, word);
        is_killed(&daemon, run, &tree);
        becomes(&daemon, run, "KILLED"); // it is already
    }
}
