//! POST `/proc`: what is accepted (cases 1 to 12).

use super::*;

#[test]
fn case_01_a_once_task_with_two_replicas() {
    let daemon = Daemon::start();
    let posted = unix_now();
    create(&daemon, json!({"name": "t1", "cmd": "sleep 5", "type": "once", "replica": 2}));
    let listed = until("two processes", SOON, || {
        Some(list(&daemon)).filter(|list| list["running"].as_array().is_some_and(|r| r.len() == 2))
    });
    let task = &listed["tasks"]["t1"];
    for (key, value) in [
        ("name", json!("t1")),
        ("cmd", json!("sleep 5")),
        ("type", json!("once")),
        ("replica", json!(2)),
        ("deps", json!([])),
    ] {
        assert_eq!(task[key], value, "{key}");
    }
    assert_eq!(task["interval"], json!(3), "seconds");
    assert_eq!((&task["run_flag"], &task["running"]), (&json!(false), &json!(2)));
    assert_eq!((task.get("user"), task.get("group")), (Some(&Value::Null), Some(&Value::Null)));
    assert_eq!(task["last_time"], task["start_time"]);
    assert!((task["last_time"].as_i64().expect("an integer") - posted).abs() <= 2, "{task}");
    assert!(task.get("cron").is_none(), "{task}");
    let running = listed["running"].as_array().expect("a list");
    assert!(running.iter().all(|item| item["command"] == "sleep 5"), "{running:?}");
    let found = processes(&daemon, "t1");
    assert_eq!(found.iter().map(|(alias, _)| alias.as_str()).collect::<Vec<_>>(), ["t1:0", "t1:1"]);
    assert_ne!(found[0].1, found[1].1);
    assert!(found.iter().all(|(_, pid)| process::alive(*pid)), "{found:?}");
}

#[test]
fn case_02_a_finished_task_stays_listed() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "sleep 0.3", "type": "once", "replica": 2}));
    await_pids(&daemon, "t1", 2);
    let before = task(&daemon, "t1");
    await_finished(&daemon, "t1");
    assert_eq!(pids(&daemon, "t1"), [0; 0]);
    let after = task(&daemon, "t1");
    assert_eq!((&after["last_time"], &after["start_time"]), (&before["last_time"], &before["start_time"]));
    assert_eq!(after["running"], 0);
}

#[test]
fn case_03_one_replica_by_default() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t2", "cmd": "true", "type": "once"}));
    assert_eq!(task(&daemon, "t2")["replica"], 1);
}

#[test]
fn case_04_null_means_the_default() {
    let daemon = Daemon::start();
    create(
        &daemon,
        json!({"name": "t", "cmd": "true", "type": "once", "replica": null, "interval": null, "deps": null}),
    );
    let task = task(&daemon, "t");
    assert_eq!((&task["replica"], &task["interval"], &task["deps"]), (&json!(1), &json!(3), &json!([])));
}

#[test]
fn case_05_a_whole_number_is_listed_as_an_integer() {
    let daemon = Daemon::start();
    ok(daemon
        .tcp()
        .send(Request::new("POST", "/proc").body(r#"{"name":"whole","cmd":"true","type":"once","interval":250.0}"#)));
    ok(daemon
        .tcp()
        .send(Request::new("POST", "/proc").body(r#"{"name":"part","cmd":"true","type":"once","interval":0.25}"#)));
    let listed = list(&daemon);
    assert_eq!(listed["tasks"]["whole"]["interval"].as_u64(), Some(250));
    assert_eq!(listed["tasks"]["part"]["interval"].as_f64(), Some(0.25));
}

#[test]
fn case_06_unknown_fields_come_back() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t", "cmd": "true", "type": "once", "owner": {"team": ["a"]}}));
    assert_eq!(task(&daemon, "t")["owner"], json!({"team": ["a"]}));
}

#[test]
fn case_07_given_times_and_counters_are_overwritten() {
    let daemon = Daemon::start();
    create(
        &daemon,
        json!({"name": "t", "cmd": "sleep 2", "type": "once", "last_time": 77, "run_flag": true, "running": 9, "start_time": 5}),
    );
    await_pids(&daemon, "t", 1);
    let task = task(&daemon, "t");
    assert_eq!((&task["run_flag"], &task["running"]), (&json!(false), &json!(1)));
    for key in ["last_time", "start_time"] {
        assert!((task[key].as_i64().expect("an integer") - unix_now()).abs() <= 2, "{task}");
    }
}

#[test]
fn case_08_the_content_type_does_not_matter() {
    let daemon = Daemon::start();
    let request = Request::new("POST", "/proc").header("Content-Type", "application/x-www-form-urlencoded");
    ok(daemon.tcp().send(request.json(&with("name", json!("t")))));
    assert_eq!(task(&daemon, "t")["cmd"], "true");
}

#[test]
fn case_09_a_cron_task_is_only_registered() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "c1", "cmd": "true", "type": "cron"}));
    assert_eq!(task(&daemon, "c1")["cron"], "* * * * *");
    create(&daemon, json!({"name": "c2", "cmd": "true", "type": "cron", "cron": hours_from_now()}));
    let task = task(&daemon, "c2");
    assert_eq!((&task["last_time"], &task["run_flag"]), (&json!(0), &json!(false)));
    for key in ["start_time", "running", "user", "group"] {
        assert!(task.get(key).is_none(), "{key} in {task}");
    }
}

#[test]
fn case_10_a_null_cron_is_the_default() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "c", "cmd": "true", "type": "cron", "cron": null}));
    assert_eq!(task(&daemon, "c")["cron"], "* * * * *");
}

#[test]
fn case_11_a_daemon_starts_at_once() {
    let daemon = Daemon::start();
    let posted = Instant::now();
    create(&daemon, json!({"name": "d1", "cmd": "sleep 60", "type": "daemon", "interval": 1500}));
    await_pids(&daemon, "d1", 1);
    assert!(posted.elapsed() < 2 * SOON, "the interval comes before a restart, not before the first start");
    assert_eq!(task(&daemon, "d1")["running"], 1);
}

#[test]
fn case_12_coroutines_are_not_supported() {
    let daemon = Daemon::start();
    refused_naming(daemon.post("/proc", &with("type", json!("coroutine"))), 400, &["coroutine", "not supported"]);
    assert_eq!(list(&daemon)["tasks"], json!({}));
}
