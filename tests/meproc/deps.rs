//! Dependencies: who waits for whom (cases 46 to 52).

use super::*;

/// A task that writes when it begins and ends, so that the order of several can be read from one file.
fn noting(daemon: &Daemon, name: &str, for_seconds: f64, deps: &[&str]) -> Value {
    let notes = daemon.path("notes");
    let notes = notes.display();
    let command = format!("echo {name}+ >> {notes}; sleep {for_seconds}; echo {name}- >> {notes}");
    json!({"name": name, "cmd": command, "type": "once", "deps": deps})
}

fn notes(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.path("notes")).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn case_46_an_unknown_dependency_does_not_block() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "b", "cmd": "sleep 30", "type": "once", "deps": ["ghost"]}));
    await_pids(&daemon, "b", 1);
}

#[test]
fn case_47_a_task_waits_while_its_dependency_runs() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "a", "cmd": "sleep 1; exit 7", "type": "once"}));
    await_pids(&daemon, "a", 1);
    create(&daemon, json!({"name": "b", "cmd": "sleep 30", "type": "once", "deps": ["a"]}));
    let listed = list(&daemon);
    let waiting = &listed["tasks"]["b"];
    assert_eq!((&waiting["run_flag"], &waiting["last_time"]), (&json!(true), &json!(0)), "{listed}");
    assert!(waiting.get("running").is_none(), "{waiting}");
    assert_eq!(pids(&daemon, "b"), [0; 0]);
    await_finished(&daemon, "a");
    until("b runs within a second of a's end", Duration::from_secs(1), || {
        (pids(&daemon, "b").len() == 1).then_some(())
    });
    let started = task(&daemon, "b");
    assert_eq!(started["run_flag"], false);
    assert!((started["last_time"].as_i64().expect("an integer") - unix_now()).abs() <= 2, "{started}");
}

#[test]
fn case_48_a_chain_runs_in_order() {
    let daemon = Daemon::start();
    create(&daemon, noting(&daemon, "a", 0.4, &[]));
    await_pids(&daemon, "a", 1);
    create(&daemon, noting(&daemon, "b", 0.2, &["a"]));
    create(&daemon, noting(&daemon, "c", 0.2, &["a", "b"]));
    create(&daemon, noting(&daemon, "d", 0.2, &["c"]));
    await_finished(&daemon, "d");
    assert_eq!(notes(&daemon), "a+ a- b+ b- c+ c- d+ d-");
}

#[test]
fn case_49_what_frees_a_waiting_task_and_what_does_not() {
    let daemon = Daemon::start();
    let long = |name: &str| json!({"name": name, "cmd": "sleep 300", "type": "once"});
    let waits = |name: &str, on: &str| json!({"name": name, "cmd": "sleep 300", "type": "once", "deps": [on]});
    create(&daemon, long("a"));
    await_pids(&daemon, "a", 1);
    create(&daemon, waits("b", "a"));
    ok(daemon.put("/proc?name=b"));
    let waiting = task(&daemon, "b");
    assert_eq!((&waiting["run_flag"], &waiting["last_time"]), (&json!(true), &json!(0)), "a restart goes on waiting");
    ok(daemon.delete("/proc?name=a"));
    await_pids(&daemon, "b", 1);

    create(&daemon, json!({"name": "x", "cmd": "sleep 0.5", "type": "once"}));
    await_pids(&daemon, "x", 1);
    create(&daemon, noting(&daemon, "y", 0.0, &["x"]));
    ok(daemon.delete("/proc?name=y"));
    await_finished(&daemon, "x");
    holds("y never starts", millis(600), || notes(&daemon).is_empty());
}

#[test]
fn case_50_a_cycle_is_named() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "xenia", "cmd": "sleep 300", "type": "once"}));
    create(&daemon, json!({"name": "pear", "cmd": "true", "type": "once", "deps": ["xenia", "quince"]}));
    let second = json!({"name": "quince", "cmd": "true", "type": "once", "deps": ["xenia", "pear"]});
    refused_naming(daemon.post("/proc", &second), 400, &["pear", "quince"]);
    assert_eq!(task(&daemon, "quince"), Value::Null);
    refused_naming(
        daemon.post("/proc", &json!({"name": "me", "cmd": "true", "type": "once", "deps": ["me"]})),
        400,
        &["me"],
    );
}

#[test]
fn case_51_a_running_dependency_does_not_keep_a_stop_from_stopping() {
    let daemon = Daemon::start();
    let e2 = json!({"name": "e2", "cmd": "sleep 300", "type": "once", "deps": ["e1"]});
    create(&daemon, e2.clone());
    let first = await_pids(&daemon, "e2", 1);
    create(&daemon, json!({"name": "e1", "cmd": "sleep 300", "type": "once"}));
    await_pids(&daemon, "e1", 1);
    ok(daemon.delete("/proc?name=e2"));
    await_gone(&first);
    assert_eq!(task(&daemon, "e2"), Value::Null);

    ok(daemon.delete("/proc?name=e1"));
    create(&daemon, e2);
    let second = await_pids(&daemon, "e2", 1);
    create(&daemon, json!({"name": "e1", "cmd": "sleep 300", "type": "once"}));
    await_pids(&daemon, "e1", 1);
    ok(daemon.put("/proc?name=e2"));
    await_gone(&second);
    ok(daemon.delete("/proc?name=e1"));
    assert_ne!(await_pids(&daemon, "e2", 1), second);
}

#[test]
fn case_52_a_living_daemon_blocks_its_dependents() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "d", "cmd": "sleep 300", "type": "daemon"}));
    await_pids(&daemon, "d", 1);
    create(&daemon, noting(&daemon, "b", 0.0, &["d"]));
    assert_eq!(task(&daemon, "b")["run_flag"], true);
    holds("b waits", millis(500), || notes(&daemon).is_empty());
    ok(daemon.delete("/proc?name=d"));
    await_finished(&daemon, "b");
}
