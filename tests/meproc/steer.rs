//! GET, PUT and DELETE `/proc`: list, restart, stop (cases 29 to 45).

use super::*;

#[test]
fn case_29_an_empty_list() {
    let daemon = Daemon::start();
    assert_eq!(list(&daemon), json!({"running": [], "tasks": {}}));
}

#[test]
fn case_30_spellings_of_the_path() {
    let daemon = Daemon::start();
    for name in ["t1", "t2"] {
        create(&daemon, json!({"name": name, "cmd": "true", "type": "once"}));
        await_finished(&daemon, name);
    }
    let whole = list(&daemon);
    for path in ["/proc?name=t1", "/proc/", "/Proc"] {
        assert_eq!(data(daemon.get(path)), whole, "{path}");
    }
}

#[test]
fn case_31_any_text_is_strict_json() {
    let daemon = Daemon::start();
    let command = "true '\n\t' \"é\" '\"' \\\\ '\u{1}'";
    create(&daemon, json!({"name": "t", "cmd": command, "type": "once"}));
    assert_eq!(task(&daemon, "t")["cmd"], command);
}

#[test]
fn case_32_a_finished_task_runs_again() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "sleep 0.3", "type": "once", "replica": 2}));
    let first = await_pids(&daemon, "t1", 2);
    await_finished(&daemon, "t1");
    let before = task(&daemon, "t1")["last_time"].as_i64().expect("an integer");
    until("the next second", SOON, || (unix_now() > before).then_some(()));
    ok(daemon.put("/proc?name=t1"));
    let second = await_pids(&daemon, "t1", 2);
    assert!(second.iter().all(|pid| !first.contains(pid)), "{first:?} {second:?}");
    let task = task(&daemon, "t1");
    assert_eq!(task["running"], 2);
    assert!(task["last_time"].as_i64().expect("an integer") > before, "{task}");
    assert_eq!(task["last_time"], task["start_time"]);
}

#[test]
fn case_33_a_running_task_is_replaced() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "sleep 300 & sleep 300", "type": "once", "replica": 2}));
    let old = await_pids(&daemon, "t1", 2);
    let trees = until("shells with two children each", SOON, || {
        let trees: Vec<i32> = old.iter().flat_map(|pid| process::tree(*pid)).collect();
        (trees.len() == 6).then_some(trees)
    });
    ok(daemon.put("/proc?name=t1"));
    until("two new processes", SOON, || {
        let now = pids(&daemon, "t1");
        (now.len() == 2 && now.iter().all(|pid| !old.contains(pid))).then_some(())
    });
    await_gone(&trees);
    assert_eq!(pids(&daemon, "t1").len(), 2);
}

#[test]
fn case_34_a_restart_needs_a_name() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "true", "type": "once"}));
    for path in ["/proc", "/proc?name=", "/proc?name", "/proc?nam=t1", "/proc?name=a=b"] {
        refused(daemon.put(path), 400, NO_NAME);
    }
    let body = json!({"name": "t1", "cmd": "true", "type": "once"});
    refused(daemon.tcp().send(Request::new("PUT", "/proc").json(&body)), 400, NO_NAME);
}

#[test]
fn case_35_a_restart_of_nothing() {
    let daemon = Daemon::start();
    refused(daemon.put("/proc?name=nope"), 403, ABSENT);
}

#[test]
fn case_36_the_body_of_a_restart_is_ignored() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "echo first", "type": "once"}));
    await_finished(&daemon, "t1");
    let before = task(&daemon, "t1");
    let other = json!({"name": "t1", "cmd": "echo other", "type": "once"});
    ok(daemon.tcp().send(Request::new("PUT", "/proc?name=t1").json(&other)));
    until("the second run", SOON, || (output(&daemon, "t1")[0].1 == b"first\nfirst\n").then_some(()));
    await_finished(&daemon, "t1");
    let mut after = task(&daemon, "t1");
    for key in ["last_time", "start_time"] {
        after[key] = before[key].clone();
    }
    assert_eq!(after, before);
}

#[test]
fn case_37_a_cron_task_can_be_run_now() {
    let daemon = Daemon::start();
    let cron = hours_from_now();
    create(&daemon, json!({"name": "c", "cmd": "echo ran", "type": "cron", "cron": cron}));
    ok(daemon.put("/proc?name=c"));
    until("its output", SOON, || (output(&daemon, "c")[0].1 == b"ran\n").then_some(()));
    let task = task(&daemon, "c");
    assert_eq!(task["cron"], json!(cron));
    for key in ["last_time", "start_time"] {
        assert!((task[key].as_i64().expect("an integer") - unix_now()).abs() <= 5, "{task}");
    }
}

#[test]
fn case_38_stopped_is_forgotten() {
    let daemon = Daemon::start();
    let body = json!({"name": "t1", "cmd": "sleep 300", "type": "once"});
    create(&daemon, body.clone());
    let old = await_pids(&daemon, "t1", 1);
    ok(daemon.delete("/proc?name=t1"));
    assert_eq!(list(&daemon), json!({"running": [], "tasks": {}}));
    refused(daemon.put("/proc?name=t1"), 403, ABSENT);
    refused(daemon.get("/proc/output?name=t1"), 403, ABSENT);
    ok(daemon.post("/proc", &body));
    let new = await_pids(&daemon, "t1", 1);
    assert_ne!(new, old);
    await_gone(&old);
}

#[test]
fn case_39_children_of_the_shell_end_too() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t", "cmd": "sleep 300 & sleep 300", "type": "once"}));
    let shell = await_pids(&daemon, "t", 1)[0];
    let tree: Vec<i32> =
        until("both sleeps", SOON, || Some(process::tree(shell)).filter(|tree| tree.len() == 3)).into_iter().collect();
    ok(daemon.delete("/proc?name=t"));
    await_gone(&tree);
}

#[test]
fn case_40_who_ignores_sigterm_is_killed() {
    let daemon = Daemon::start();
    let marker = daemon.path("ready");
    let command = format!("trap '' TERM; echo > {}; while :; do sleep 300; done", marker.display());
    create(&daemon, json!({"name": "t", "cmd": command, "type": "once", "stop_timeout": 3}));
    let shell = await_pids(&daemon, "t", 1)[0];
    until("the trap is set", SOON, || marker.exists().then_some(()));
    let stopped = Instant::now();
    ok(daemon.delete("/proc?name=t"));
    assert!(stopped.elapsed() < millis(3000), "the answer does not wait for the end");
    await_gone(&[shell]);
    assert!(stopped.elapsed() >= millis(3000), "killed before its stop time-out");
}

#[test]
fn case_41_a_stop_needs_a_name() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "true", "type": "once"}));
    refused(daemon.delete("/proc"), 400, NO_NAME);
    refused(daemon.tcp().send(Request::new("DELETE", "/proc").json(&json!({"name": "t1"}))), 400, NO_NAME);
    refused(daemon.delete("/proc?name=nope"), 403, ABSENT);
    ok(daemon.delete("/proc?name=t1"));
    refused(daemon.delete("/proc?name=t1"), 403, ABSENT);
}

#[test]
fn case_42_the_last_name_counts() {
    let daemon = Daemon::start();
    for name in ["zz", "t1"] {
        create(&daemon, json!({"name": name, "cmd": "true", "type": "once"}));
    }
    ok(daemon.delete("/proc?name=zz&name=t1"));
    assert_eq!(list(&daemon)["tasks"].as_object().expect("an object").keys().collect::<Vec<_>>(), ["zz"]);
}

#[test]
fn case_43_names_are_percent_decoded() {
    let daemon = Daemon::start();
    for (name, spelled) in [("a b", "a%20b"), ("a&b=c", "a%26b%3Dc"), ("100%", "100%25"), ("né", "n%C3%A9")] {
        create(&daemon, json!({"name": name, "cmd": "true", "type": "once"}));
        ok(daemon.delete(&format!("/proc?name={spelled}")));
    }
    assert_eq!(list(&daemon)["tasks"], json!({}));
}

#[test]
fn case_44_a_daemon_stopped_between_two_lives_stays_stopped() {
    let daemon = Daemon::start();
    let lives = daemon.path("lives");
    let command = format!("echo life >> {}; sleep 0.1", lives.display());
    create(&daemon, json!({"name": "d", "cmd": command, "type": "daemon", "interval": 0.5}));
    await_pids(&daemon, "d", 1);
    await_pids(&daemon, "d", 0);
    ok(daemon.delete("/proc?name=d"));
    let lived = fs::read_to_string(&lives).expect("it lived");
    holds("it does not start again", millis(1200), || fs::read_to_string(&lives).is_ok_and(|now| now == lived));
}

#[test]
fn case_45_stopping_what_is_just_ending() {
    let daemon = Daemon::start();
    for _ in 0..10 {
        create(&daemon, json!({"name": "t", "cmd": "true", "type": "once", "replica": 30}));
        ok(daemon.delete("/proc?name=t"));
    }
    assert_eq!(list(&daemon), json!({"running": [], "tasks": {}}));
    create(&daemon, json!({"name": "t", "cmd": "echo last", "type": "once"}));
    until("the freed name runs", SOON, || (output(&daemon, "t")[0].1 == b"last\n").then_some(()));
}
