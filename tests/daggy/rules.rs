//! Beyond the interface: what a specification may say about who goes first, how many at once, and what a failure means.

use super::*;

/// A task that waits for the others to be submitted, holding the whole capacity.
fn holder(gate: &Gate) -> Value {
    let mut task = gate.task();
    task["job"]["cores"] = json!("4");
    task
}

fn greedy() -> Value {
    json!({"job": {"command": ["true"], "cores": "4"}})
}

#[test]
fn at_most_so_many_of_a_run_at_once() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let mut task = gate.task();
    task["job"]["environment"] = json!(["N={{N}}"]);
    let numbers: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let limited = plus(expanded(json!({"N": numbers}), json!({"s": task})), json!({"maxParallel": 2}));
    let run = submit(&daemon, &limited);
    let two = json!({"RUNNING": 2, "QUEUED": 4});
    until("two run", SOON, || (summary(&daemon, run)["taskCounts"] == two).then_some(()));
    holds("only two run", millis(200), || summary(&daemon, run)["taskCounts"] == two);
    // Others are not held up by it.
    let other = submit(&daemon, &dag(json!({"a": t(&["true"])})));
    ends(&daemon, other, "COMPLETED");
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!(overlap(&record), 2);
    for bad in [json!(0), json!(-1), json!("many")] {
        let text = refused(daemon.post("/v1/dagrun", &plus(limited.clone(), json!({"maxParallel": bad}))), 400);
        assert!(text.contains("maxParallel"), "{text}");
    }
}

#[test]
fn the_highest_priority_goes_first() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let first = submit(&daemon, &dag(json!({"h": holder(&gate)})));
    await_task(&daemon, first, "h_0", "RUNNING");
    let with = |priority: i64| plus(dag(json!({"s": greedy()})), json!({"priority": priority}));
    let runs: Vec<u64> = [-1, 5, 0, 7].into_iter().map(|priority| submit(&daemon, &with(priority))).collect();
    gate.open();
    let began = runs.iter().map(|run| span(attempt(&ends(&daemon, *run, "COMPLETED"), "s_0")).0).collect::<Vec<_>>();
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by_key(|place| began[*place]);
    assert_eq!(order, [3, 1, 2, 0]);
}

#[test]
fn within_a_run_as_well() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let with = |priority: i64| plus(greedy(), json!({"priority": priority}));
    let first = submit(&daemon, &dag(json!({"h": holder(&gate)})));
    await_task(&daemon, first, "h_0", "RUNNING");
    let run = submit(&daemon, &dag(json!({"a": with(1), "b": with(3), "c": with(2), "d": greedy()})));
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    in_order(&record, &["b_0", "c_0", "a_0", "d_0"]);
}

#[test]
fn a_failure_may_stop_the_rest() {
    let daemon = daemon();
    let (mut gate, mut fails) = (Gate::new(&daemon, "gate"), Gate::new(&daemon, "fails"));
    let tasks = json!({
        "x": gate.task(),
        "y": after(t(&["true"]), &["x"]),
        "f": sh(&format!("{}; exit 3", fails.wait())),
        "again": plus(sh("exit 4"), json!({"maxRetries": 5, "retryIntervalSeconds": 60})),
        "report": plus(after(t(&["true"]), &["f"]), json!({"trigger": "failure"})),
    });
    let run = submit(&daemon, &plus(dag(tasks), json!({"onFailure": "stop"})));
    await_task(&daemon, run, "x_0", "RUNNING");
    await_task(&daemon, run, "again_0", "RETRY");
    fails.open();
    await_task(&daemon, run, "report_0", "COMPLETED");
    gate.open();
    let record = ends(&daemon, run, "ERRORED");
    assert_eq!(record["taskStates"]["x_0"], "COMPLETED", "what runs goes on");
    assert_eq!(record["taskStates"]["y_0"], "QUEUED", "nothing more is started");
    assert_eq!(codes(&record, "again_0"), [4], "nothing is tried again");
    let text =
        refused(daemon.post("/v1/dagrun", &plus(dag(json!({"a": t(&["true"])})), json!({"onFailure": "x"}))), 400);
    assert!(text.contains("onFailure"), "{text}");
}

#[test]
fn triggers() {
    let daemon = daemon();
    let on = |trigger: &str, parents: &[&str]| plus(after(t(&["true"]), parents), json!({"trigger": trigger}));
    let tasks = json!({
        "good": t(&["true"]),
        "bad": t(&["false"]),
        "usual": on("success", &["good"]),
        "never": after(t(&["true"]), &["good", "bad"]),
        "rescue": on("failure", &["good", "bad"]),
        "not-needed": on("failure", &["good"]),
        "behind": after(t(&["true"]), &["not-needed"]),
        "cleanup": on("always", &["good", "bad", "rescue"]),
    });
    let record = run(&daemon, &dag(tasks), "ERRORED");
    let tries = |task: &str| (record["taskStates"][task].as_str().expect("a state"), attempts(&record, task).len());
    assert_eq!(tries("usual_0"), ("COMPLETED", 1));
    assert_eq!(tries("never_0"), ("QUEUED", 0));
    assert_eq!(tries("rescue_0"), ("COMPLETED", 1));
    assert_eq!(tries("not-needed_0"), ("COMPLETED", 0), "passed over");
    assert_eq!(tries("behind_0"), ("COMPLETED", 1));
    assert_eq!(tries("cleanup_0"), ("COMPLETED", 1));
    in_order(&record, &["bad_0", "rescue_0", "cleanup_0"]);
    let text = refused(daemon.post("/v1/dagrun", &dag(json!({"odd": on("sometimes", &[])}))), 400);
    assert!(text.contains("odd") && text.contains("trigger"), "{text}");
}

#[test]
fn pauses_before_retries_may_grow() {
    let daemon = daemon();
    let backoff = json!({"factor": 2, "maxSeconds": 60});
    let task = plus(t(&["false"]), json!({"maxRetries": 2, "retryIntervalSeconds": 1, "retryBackoff": backoff}));
    let record = run(&daemon, &dag(json!({"s": task})), "ERRORED");
    let spans: Vec<(u64, u64)> = attempts(&record, "s_0").iter().map(span).collect();
    let pauses: Vec<u64> = spans.windows(2).map(|pair| (pair[1].0 - pair[0].1) / 1_000_000_000).collect();
    assert!(pauses.len() == 2 && pauses[0] >= 1 && pauses[1] >= 2, "{spans:?}");
    for bad in [json!(0.5), json!("x"), json!({"maxSeconds": 5}), json!({"factor": 2, "maxSeconds": -1})] {
        let task = plus(t(&["false"]), json!({"retryBackoff": bad}));
        let text = refused(daemon.post("/v1/dagrun", &dag(json!({"odd": task}))), 400);
        assert!(text.contains("odd") && text.contains("retryBackoff"), "{text}");
    }
}

#[test]
fn nothing_is_executed_by_noop() {
    let daemon = daemon();
    let marker = daemon.path("marker");
    let touch = json!({"job": {"command": ["touch", marker]}});
    let tasks = json!({"a": touch, "b": after(t(&["/no/such/prog", "{{N}}"]), &["a"])});
    let specification = plus(expanded(json!({"N": ["1", "2"]}), tasks), json!({"executor": "noop"}));
    let record = run(&daemon, &specification, "COMPLETED");
    for task in ["a_0", "b_0", "b_1"] {
        assert_eq!(codes(&record, task), [0]);
    }
    assert!(!marker.exists());
    refused(daemon.post("/v1/dagrun", &plus(specification, json!({"executor": "magic"}))), 400);
}

// Steps that act on supervised tasks

fn step(what: &str, name: &str) -> Value {
    json!({"job": {"proc": {what: name}}})
}

/// The supervised task.
#[track_caller]
fn supervised(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/proc/task?name={name}")).expect(200).json()["data"].take()
}

/// The pids of its replicas.
fn replicas(daemon: &Daemon, name: &str) -> Vec<i64> {
    let task = supervised(daemon, name);
    task["replicas"].as_array().into_iter().flatten().filter_map(|replica| replica["pid"].as_i64()).collect()
}

#[test]
fn steps_act_on_a_supervised_task() {
    let daemon = daemon();
    let served = daemon.path("served");
    let web =
        json!({"name": "web", "cmd": format!("echo $$ >> {}; exec sleep 300", served.display()), "type": "daemon"});
    daemon.post("/proc", &web).expect(200);
    until("web runs", SOON, || (noted(&served).len() == 1).then_some(()));
    daemon.post("/proc/stop?name=web&wait=1", &json!({})).expect(200);
    assert_eq!(replicas(&daemon, "web"), [] as [i64; 0]);

    let tasks = json!({
        "up": step("start", "web"),
        "ready": after(step("wait_ready", "web"), &["up"]),
        "again": after(step("restart", "web"), &["ready"]),
    });
    let record = run(&daemon, &dag(tasks), "COMPLETED");
    in_order(&record, &["up_0", "ready_0", "again_0"]);
    assert_eq!(record["tasks"]["up_0"]["job"]["proc"], json!({"start": "web"}));
    let running = replicas(&daemon, "web");
    let lives = until("three lives", SOON, || Some(noted(&served)).filter(|lives| lives.len() == 3));
    assert_eq!(running, [i64::from(lives[2])]);

    run(&daemon, &dag(json!({"down": step("stop", "web")})), "COMPLETED");
    assert!(!process::alive(lives[2]), "done when its processes are gone");
    assert_eq!(replicas(&daemon, "web"), [] as [i64; 0]);
}

#[test]
fn a_step_that_cannot_be_done_fails() {
    let daemon = daemon();
    let record =
        run(&daemon, &dag(json!({"s": plus(step("start", "nobody-knows"), json!({"maxRetries": 1}))})), "ERRORED");
    assert_eq!(codes(&record, "s_0"), [1, 1]);
    let why = attempts(&record, "s_0")[0]["executorLog"].as_str().expect("text");
    assert!(why.contains("nobody-knows"), "{why}");
    for bad in
        [json!({}), json!({"start": 1}), json!({"dance": "web"}), json!({"start": "a", "stop": "a"}), json!("web")]
    {
        let text = refused(daemon.post("/v1/dagrun", &dag(json!({"odd": {"job": {"proc": bad}}}))), 400);
        assert!(text.contains("odd") && text.contains("proc"), "{text}");
    }
}
