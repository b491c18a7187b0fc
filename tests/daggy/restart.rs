//! PATCH and restart: cases 89 to 100, but 94, which stands beside the kills it is like.

use super::*;

/// A task that fails until a file is there.
fn needs(file: &std::path::Path) -> Value {
    t(&["test", "-e", file.to_str().expect("text")])
}

/// Creates it.
fn mark(file: &std::path::Path) {
    fs::write(file, "").expect("a file");
}

#[test]
fn case_089_and_090_a_failed_run_is_restarted() {
    let daemon = daemon();
    let marker = daemon.path("marker");
    let tasks = json!({"ok": t(&["true"]), "bad": needs(&marker), "late": after(t(&["true"]), &["bad"])});
    run(&daemon, &dag(tasks), "ERRORED");
    let started = summary(&daemon, 0)["startTime"].take();
    mark(&marker);
    becomes(&daemon, 0, "QUEUED");
    let record = ends(&daemon, 0, "COMPLETED");
    let tries: Vec<Vec<i64>> = ["ok_0", "bad_0", "late_0"].iter().map(|task| codes(&record, task)).collect();
    assert_eq!(tries, [vec![0], vec![1, 0], vec![0]]);
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "ERRORED", "QUEUED", "RUNNING", "COMPLETED"]);
    assert_eq!(summary(&daemon, 0)["startTime"], started);
}

#[test]
fn case_091_a_killed_run_is_restarted() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let tasks = json!({"a": t(&["true"]), "b": after(gate.task(), &["a"]), "c": after(t(&["true"]), &["b"])});
    let run = submit(&daemon, &dag(tasks));
    await_task(&daemon, run, "b_0", "RUNNING");
    kill(&daemon, &run.to_string());
    becomes(&daemon, run, "QUEUED");
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!(codes(&record, "a_0"), [0]);
    assert!(matches!(codes(&record, "b_0")[..], [9 | 15, 0]), "{record}");
    assert_eq!(codes(&record, "c_0"), [0]);
}

#[test]
fn case_092_retries_start_afresh() {
    let daemon = daemon();
    let record = run(&daemon, &dag(json!({"a": plus(t(&["false"]), json!({"maxRetries": 1}))})), "ERRORED");
    assert_eq!(codes(&record, "a_0"), [1, 1]);
    becomes(&daemon, 0, "QUEUED");
    until("four attempts", SOON, || (attempts(&super::record(&daemon, 0), "a_0").len() == 4).then_some(()));
    let record = ends(&daemon, 0, "ERRORED");
    assert_eq!(codes(&record, "a_0"), [1; 4]);
}

#[test]
fn case_093_what_runs_is_not_restarted() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task()})));
    await_task(&daemon, run, "a_0", "RUNNING");
    for word in ["QUEUED", "RUNNING"] {
        refused(set_state(&daemon, run, word), 409);
    }
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!(codes(&record, "a_0"), [0]);
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "COMPLETED"]);
}

#[test]
fn case_095_a_pause() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["true"]), &["a"])})));
    await_task(&daemon, run, "a_0", "RUNNING");
    becomes(&daemon, run, "PAUSED");
    becomes(&daemon, run, "paused"); // it is already
    assert_eq!(state(&daemon, run), "PAUSED");
    gate.open();
    await_task(&daemon, run, "a_0", "COMPLETED");
    holds("b does not start", millis(500), || task_state(&daemon, run, "b_0") == "QUEUED");
    assert_eq!(state(&daemon, run), "PAUSED");
    becomes(&daemon, run, "QUEUED");
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "PAUSED", "QUEUED", "RUNNING", "COMPLETED"]);
    assert_eq!((codes(&record, "a_0"), codes(&record, "b_0")), (vec![0], vec![0]));
}

#[test]
fn a_paused_run_may_complete_by_its_last_task() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task()})));
    await_task(&daemon, run, "a_0", "RUNNING");
    becomes(&daemon, run, "PAUSED");
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "PAUSED", "COMPLETED"]);
}

#[test]
fn case_096_killing_a_paused_run() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task()})));
    await_task(&daemon, run, "a_0", "RUNNING");
    becomes(&daemon, run, "PAUSED");
    becomes(&daemon, run, "KILLED");
    assert_eq!(state(&daemon, run), "KILLED");
    refused(set_state(&daemon, run, "PAUSED"), 409);
    gate.open();
    becomes(&daemon, run, "RUNNING"); // another word for QUEUED
    ends(&daemon, run, "COMPLETED");
}

#[test]
fn case_097_states_that_cannot_be_set() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task()})));
    await_task(&daemon, run, "a_0", "RUNNING");
    for word in ["COMPLETED", "ERRORED", "RETRY", "completed"] {
        refused(set_state(&daemon, run, word), 409);
    }
    refused(set_state(&daemon, run, "BOGUS"), 400);
    for word in ["QUEUED", "KILLED", "PAUSED"] {
        refused(set_state(&daemon, 99, word), 404);
    }
    assert_eq!(state(&daemon, run), "RUNNING");
    gate.open();
    ends(&daemon, run, "COMPLETED");
}

#[test]
fn case_098_what_is_completed_stays_so() {
    let daemon = daemon();
    let before = run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    for word in ["QUEUED", "RUNNING", "PAUSED", "KILLED"] {
        refused(set_state(&daemon, 0, word), 409);
    }
    assert_eq!(record(&daemon, 0), before);
}

#[test]
fn an_errored_run_is_neither_paused_nor_killed() {
    let daemon = daemon();
    let before = run(&daemon, &dag(json!({"a": t(&["false"])})), "ERRORED");
    for word in ["PAUSED", "KILLED"] {
        refused(set_state(&daemon, 0, word), 409);
    }
    assert_eq!(record(&daemon, 0), before);
}

#[test]
fn case_099_a_generated_task_is_run_again() {
    let daemon = daemon();
    let marker = daemon.path("marker");
    let printed = json!({"n": needs(&marker)}).to_string();
    let generator = plus(t(&["/bin/echo", &printed]), json!({"isGenerator": true, "children": ["z"]}));
    let record = run(&daemon, &dag(json!({"g": generator, "z": t(&["true"])})), "ERRORED");
    assert_eq!(record["taskStates"], json!({"g_0": "COMPLETED", "n_0": "ERRORED", "z_0": "QUEUED"}));
    mark(&marker);
    becomes(&daemon, 0, "QUEUED");
    let record = ends(&daemon, 0, "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "n_0", "z_0"]);
    assert_eq!((codes(&record, "g_0"), codes(&record, "n_0")), (vec![0], vec![1, 0]));
    assert_eq!(record["tasks"]["g_0"]["children"], json!(["z", "n"]));
}

#[test]
fn case_100_a_corrected_generator() {
    let daemon = daemon();
    let printed = daemon.path("printed");
    fs::write(&printed, "not json").expect("a file");
    let generator = plus(t(&["cat", printed.to_str().expect("text")]), json!({"isGenerator": true}));
    run(&daemon, &dag(json!({"g": generator, "z": after(t(&["true"]), &["g"])})), "ERRORED");
    fs::write(&printed, json!({"n": t(&["true"])}).to_string()).expect("a file");
    becomes(&daemon, 0, "QUEUED");
    let record = ends(&daemon, 0, "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "n_0", "z_0"]);
    assert_eq!(codes(&record, "g_0"), [0, 0]);
    assert_eq!(codes(&record, "n_0"), [0]);
}
