//! POST `/proc`: what is refused, in which words and order (cases 13 to 28).

use super::*;

#[test]
fn case_13_a_body_is_required() {
    let daemon = Daemon::start();
    refused(daemon.tcp().send(Request::new("POST", "/proc")), 400, REQUIRED);
    let trailing = r#"{"name":"a","cmd":"true","type":"once"} x"#;
    for body in ["", "{}", "[]", "{bad", "5", "\"x\"", "null", trailing] {
        refused(daemon.tcp().send(Request::new("POST", "/proc").body(body)), 400, REQUIRED);
    }
    assert_eq!(list(&daemon)["tasks"], json!({}));
}

#[test]
fn case_14_a_list_is_not_a_task() {
    let daemon = Daemon::start();
    refused(daemon.tcp().send(Request::new("POST", "/proc").body("[1]")), 400, INVALID);
}

#[test]
fn case_15_the_three_required_fields() {
    let daemon = Daemon::start();
    for field in ["name", "cmd", "type"] {
        refused(daemon.post("/proc", &without(field)), 400, INVALID);
    }
    let wrong = [
        ("name", json!("")),
        ("cmd", json!("")),
        ("name", json!(7)),
        ("name", json!(null)),
        ("cmd", json!(["ls"])),
        ("type", json!("oneshot")),
        ("type", json!("Once")),
        ("type", json!(1)),
    ];
    for (field, value) in wrong {
        refused(daemon.post("/proc", &with(field, value)), 400, INVALID);
    }
}

#[test]
fn case_16_numbers_are_numbers() {
    let daemon = Daemon::start();
    for value in [json!("2"), json!(1.5), json!(true)] {
        refused(daemon.post("/proc", &with("replica", value)), 400, INVALID);
    }
    // An interval may have a fraction here; it is in seconds.
    for value in [json!("2"), json!(true), json!([3])] {
        refused(daemon.post("/proc", &with("interval", value)), 400, INVALID);
    }
}

#[test]
fn case_17_replica_is_positive() {
    let daemon = Daemon::start();
    for value in [0, -1] {
        refused(daemon.post("/proc", &with("replica", json!(value))), 400, REPLICA);
    }
}

#[test]
fn case_18_interval_is_positive() {
    let daemon = Daemon::start();
    for value in [json!(0), json!(-5), json!(-0.5)] {
        refused(daemon.post("/proc", &with("interval", value)), 400, INTERVAL);
    }
}

#[test]
fn case_19_deps_is_a_list_of_names() {
    let daemon = Daemon::start();
    for value in [json!("a"), json!([1]), json!([null]), json!({"a": 1}), json!(false)] {
        refused(daemon.post("/proc", &with("deps", value)), 400, INVALID);
    }
}

#[test]
fn case_20_user_and_group_are_texts() {
    let daemon = Daemon::start();
    for (field, value) in [("user", json!(5)), ("user", json!(null)), ("group", json!(null))] {
        refused(daemon.post("/proc", &with(field, value)), 400, INVALID);
    }
}

#[test]
fn case_21_cron_has_no_effect_on_other_types() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t", "cmd": "sleep 30", "type": "once", "cron": "* * * * *"}));
    await_pids(&daemon, "t", 1);
    assert_eq!(task(&daemon, "t")["cron"], "* * * * *");
    create(&daemon, json!({"name": "n", "cmd": "true", "type": "once", "cron": null}));
    await_finished(&daemon, "n");
}

#[test]
fn case_22_bad_cron_expressions() {
    let daemon = Daemon::start();
    let bad = [
        "",
        "bogus",
        "* * * *",
        "61 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "* * * * * *",
    ];
    for expression in bad {
        let body = json!({"name": "c", "cmd": "true", "type": "cron", "cron": expression});
        refused(daemon.post("/proc", &body), 400, "Invalid cron format");
    }
    refused(daemon.post("/proc", &json!({"name": "c", "cmd": "true", "type": "cron", "cron": 5})), 400, INVALID);
}

#[test]
fn case_23_good_cron_expressions() {
    let daemon = Daemon::start();
    for (n, expression) in ["0 0 * * *", "0,30 * * * *", "1-5 * * * *", "0 9 * * 1-5"].into_iter().enumerate() {
        create(&daemon, json!({"name": format!("c{n}"), "cmd": "true", "type": "cron", "cron": expression}));
        assert_eq!(task(&daemon, &format!("c{n}"))["cron"], expression);
    }
}

#[test]
fn case_24_a_reserved_name() {
    let daemon = Daemon::start();
    refused(daemon.post("/proc", &with("name", json!("__coroutine__"))), 400, "name '__coroutine__' is reserved");
}

#[test]
fn case_25_a_name_is_used_once() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "sleep 0.2", "type": "once"}));
    let other = json!({"name": "t1", "cmd": "echo other", "type": "once"});
    refused(daemon.post("/proc", &other), 403, EXISTS);
    assert_eq!(task(&daemon, "t1")["cmd"], "sleep 0.2");
    await_finished(&daemon, "t1");
    refused(daemon.post("/proc", &other), 403, EXISTS);
    assert_eq!(task(&daemon, "t1")["cmd"], "sleep 0.2");
}

#[test]
fn case_26_fields_are_checked_before_the_name() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t1", "cmd": "true", "type": "once"}));
    refused(daemon.post("/proc", &json!({"name": "t1", "cmd": "true", "type": "once", "replica": 0})), 400, REPLICA);
}

#[test]
fn case_27_too_many_replicas_and_three_hundred() {
    let daemon = Daemon::start();
    refused_naming(daemon.post("/proc", &with("replica", json!(1_000_000_000))), 400, &["eplica"]);
    assert_eq!(list(&daemon)["tasks"], json!({}));
    create(&daemon, json!({"name": "many", "cmd": "exec sleep 300", "type": "once", "replica": 300}));
    let pids = await_pids(&daemon, "many", 300);
    assert!(pids.iter().all(|pid| process::alive(*pid)));
}

#[test]
fn case_28_an_unknown_user() {
    let daemon = Daemon::start();
    refused_naming(daemon.post("/proc", &with("user", json!("no_such_user_q"))), 400, &["no_such_user_q"]);
    refused_naming(daemon.post("/proc", &with("group", json!("no_such_group_q"))), 400, &["no_such_group_q"]);
    assert_eq!(list(&daemon)["tasks"], json!({}));
}
