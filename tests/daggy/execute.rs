//! Execution and retries: cases 64 to 81.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Runs one task `s` to its end; the run's record.
#[track_caller]
fn one(daemon: &Daemon, task: Value, end: &str) -> Value {
    run(daemon, &dag(json!({"s": task})), end)
}

#[test]
fn case_064_an_attempt() {
    let daemon = daemon();
    let record = one(&daemon, sh("echo out; echo err >&2"), "COMPLETED");
    let attempt = attempt(&record, "s_0");
    assert_eq!(keys(attempt), ["errorLog", "executorLog", "outputLog", "rc", "startTime", "stopTime"]);
    assert_eq!(attempt["rc"], json!(0));
    let texts = ["outputLog", "errorLog", "executorLog"].map(|key| attempt[key].as_str().expect("text"));
    assert_eq!(texts, ["out\n", "err\n", ""]);
    span(attempt);
}

#[test]
fn case_065_a_failure() {
    let daemon = daemon();
    let record = one(&daemon, sh("exit 7"), "ERRORED");
    assert_eq!(record["taskStates"]["s_0"], "ERRORED");
    assert_eq!(codes(&record, "s_0"), [7]);
}

#[test]
fn case_066_other_branches_go_on() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let tasks = json!({
        "f": t(&["false"]), "d": after(t(&["true"]), &["f"]), "x": gate.task(), "y": after(t(&["true"]), &["x"]),
    });
    let run = submit(&daemon, &dag(tasks));
    await_task(&daemon, run, "f_0", "ERRORED");
    await_task(&daemon, run, "x_0", "RUNNING");
    assert_eq!(state(&daemon, run), "RUNNING");
    gate.open();
    let record = ends(&daemon, run, "ERRORED");
    let states = json!({"f_0": "ERRORED", "d_0": "QUEUED", "x_0": "COMPLETED", "y_0": "COMPLETED"});
    assert_eq!(record["taskStates"], states);
}

#[test]
fn case_067_retries() {
    let daemon = daemon();
    let record = one(&daemon, plus(t(&["false"]), json!({"maxRetries": 2})), "ERRORED");
    assert_eq!(codes(&record, "s_0"), [1, 1, 1]);
}

#[test]
fn case_068_success_at_the_second_try() {
    let daemon = daemon();
    let marker = daemon.path("marker").display().to_string();
    let script = format!("test -e {marker} && exit 0; touch {marker}; exit 1");
    let record = one(&daemon, plus(sh(&script), json!({"maxRetries": 3})), "COMPLETED");
    assert_eq!(codes(&record, "s_0"), [1, 0]);
}

#[test]
fn case_069_a_pause_before_each_retry() {
    let daemon = daemon();
    let task = plus(t(&["false"]), json!({"maxRetries": 2, "retryIntervalSeconds": 2}));
    let run = submit(&daemon, &dag(json!({"s": task})));
    await_task(&daemon, run, "s_0", "RETRY");
    assert_eq!(summary(&daemon, run)["taskCounts"], json!({"RETRY": 1}));
    let record = ends(&daemon, run, "ERRORED");
    let spans: Vec<(u64, u64)> = attempts(&record, "s_0").iter().map(span).collect();
    assert_eq!(spans.len(), 3);
    assert!(spans.windows(2).all(|pair| pair[1].0 - pair[0].1 >= 2_000_000_000), "{spans:?}");
}

#[test]
fn case_070_what_cannot_be_executed() {
    let daemon = daemon();
    let file = daemon.path("file");
    fs::write(&file, "no program").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode");
    for (program, code) in [("/no/such/prog", 127), ("no-such-prog", 127), (file.to_str().expect("text"), 126)] {
        let record = one(&daemon, t(&[program]), "ERRORED");
        let attempt = attempt(&record, "s_0");
        assert_eq!(attempt["rc"], json!(code), "{program}");
        assert_ne!(attempt["executorLog"], "", "{program}");
    }
}

#[test]
fn case_071_the_environment() {
    let daemon = daemon();
    let with = |script: &str, environment: Value| {
        let mut task = sh(script);
        task["job"]["environment"] = environment;
        task
    };
    let record = one(&daemon, with("echo $A", json!(["A=b c"])), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "b c\n");
    assert_eq!(record["tasks"]["s_0"]["job"]["environment"], json!(["A=b c"]));
    let record = one(&daemon, with("echo $A$B", json!({"B": "2", "A": 1})), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "12\n");
    assert_eq!(record["tasks"]["s_0"]["job"]["environment"], json!(["A=1", "B=2"]));
    for bad in [
        json!(["A"]),
        json!(["=x"]),
        json!(["A=\u{0}"]),
        json!("A=1"),
        json!({"A": true}),
        json!({"=": "x"}),
        json!([1]),
    ] {
        refused(daemon.post("/v1/dagrun", &dag(json!({"s": with("true", bad)}))), 400);
    }
}

#[test]
fn case_072_no_environment() {
    let daemon = daemon();
    let record = one(&daemon, t(&["env"]), "COMPLETED");
    assert_eq!(record["tasks"]["s_0"]["job"]["environment"], json!([]));
    // A clean base, not the daemon's own.
    let names: Vec<&str> = output(&record, "s_0").lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.contains(&"PATH") && names.contains(&"HOME"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
}

#[test]
fn case_073_a_script() {
    let daemon = daemon();
    let record = one(&daemon, json!({"job": {"commandString": "printf ab | wc -c"}}), "COMPLETED");
    assert_eq!(output(&record, "s_0").trim(), "2");
}

#[test]
fn case_074_cores_are_never_overcommitted() {
    let daemon = daemon();
    let task = |cores: Value| json!({"job": {"command": ["sleep", "0.3"], "cores": cores}});
    for (text, number) in [(json!("2"), json!("2")), (json!("2"), json!(2))] {
        let tasks = json!({
            "a": task(text.clone()), "b": task(number.clone()), "c": task(text.clone()), "d": task(number),
        });
        let record = run(&daemon, &dag(tasks), "COMPLETED");
        assert_eq!(overlap(&record), 2);
    }
}

#[test]
fn case_075_nor_is_memory() {
    let daemon = daemon();
    let task = json!({"job": {"command": ["sleep", "0.3"], "memoryMB": "2000"}});
    let record = run(&daemon, &dag(json!({"a": task, "b": task, "c": task})), "COMPLETED");
    assert_eq!(overlap(&record), 2);
}

#[test]
fn case_076_bytes_that_are_no_text() {
    let daemon = daemon();
    let record = one(&daemon, sh("printf '\\377x'"), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "\u{fffd}x");
}

#[test]
fn case_077_a_lot_of_output() {
    const SIZE: usize = 20 << 20;
    let daemon = daemon();
    let record = one(&daemon, sh(&format!("head -c {SIZE} /dev/zero | tr '\\0' x")), "COMPLETED");
    let output = output(&record, "s_0");
    assert_eq!(output.len(), SIZE);
    assert!(output.bytes().all(|byte| byte == b'x'));
}

#[test]
fn case_078_death_by_a_signal() {
    let daemon = daemon();
    let record = one(&daemon, sh("kill -TERM $$"), "ERRORED");
    assert_eq!(codes(&record, "s_0"), [15]);
    assert_ne!(attempt(&record, "s_0")["executorLog"], "");
}

#[test]
fn case_079_there_is_nothing_to_read() {
    let daemon = daemon();
    let record = one(&daemon, t(&["/bin/cat"]), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "");
}

#[test]
fn case_080_a_time_limit() {
    let daemon = daemon();
    let task = json!({"job": {"command": ["sleep", "20"], "timeout": "1"}, "maxRetries": 1});
    let record = one(&daemon, task, "ERRORED");
    assert_eq!(attempts(&record, "s_0").len(), 2);
    for attempt in attempts(&record, "s_0") {
        let (start, stop) = span(attempt);
        assert!((900_000_000..5_000_000_000).contains(&(stop - start)), "{attempt}");
        assert_ne!(attempt["rc"], 0);
        let why = attempt["executorLog"].as_str().expect("text").to_lowercase();
        assert!(why.contains("timeout") || why.contains("time limit") || why.contains("timed out"), "{why}");
    }
}

#[test]
fn case_081_who_leaves_a_child_behind() {
    let daemon = daemon();
    let record = one(&daemon, sh("sleep 30 & echo done"), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "done\n");
}
