//! What is accepted and what is not: cases 11 to 29.

use super::*;

fn two_sleepless() -> Value {
    dag(json!({"a": t(&["true"]), "b": after(t(&["true"]), &["a"])}))
}

#[test]
fn case_011_validating_stores_nothing() {
    let daemon = daemon();
    let answer = daemon.post("/v1/dagrun/validate", &two_sleepless()).expect(200);
    assert_eq!(answer.json(), json!({"valid": true}));
    assert_eq!(list(&daemon, "?all=1"), json!([]));
    assert_eq!(submit(&daemon, &two_sleepless()), 0);
}

#[test]
fn case_012_an_invalid_specification_has_an_error() {
    let daemon = daemon();
    let said = daemon.post("/v1/dagrun/validate", &dag(json!({"a": after(t(&["true"]), &["zz"])}))).expect(200).json();
    assert_eq!(keys(&said), ["error", "valid"]);
    assert_eq!(said["valid"], json!(false));
    assert!(said["error"].as_str().is_some_and(|text| !text.is_empty()), "{said}");
    for body in ["", "{", "[]", "7", "null"] {
        let said = daemon.tcp().send(Request::new("POST", "/v1/dagrun/validate").body(body)).expect(200).json();
        assert_eq!(said["valid"], json!(false), "{body:?}: {said}");
    }
}

#[test]
fn case_013_malformed_json() {
    let daemon = daemon();
    for body in ["{", "", "[1,", "\u{0}", "{\"tag\":\"t\"} {}"] {
        refused(daemon.tcp().send(Request::new("POST", "/v1/dagrun").body(body)), 400);
    }
    assert_eq!(submit(&daemon, &two_sleepless()), 0);
}

#[test]
fn case_014_a_tag_is_a_text() {
    let daemon = daemon();
    let tasks = json!({"a": t(&["true"])});
    for specification in [
        json!({"tasks": tasks}),
        json!({"tag": 7, "tasks": tasks}),
        json!({"tag": "", "tasks": tasks}),
        json!({"tag": null, "tasks": tasks}),
    ] {
        assert!(rejected(&daemon, &specification).contains("tag"), "{specification}");
    }
}

#[test]
fn case_015_tasks_are_an_object_that_is_not_empty() {
    let daemon = daemon();
    for specification in [
        json!({"tag": "t"}),
        json!({"tag": "t", "tasks": [t(&["true"])]}),
        json!({"tag": "t", "tasks": {}}),
        json!({"tag": "t", "tasks": {"a": []}}),
    ] {
        rejected(&daemon, &specification);
    }
    for specification in [json!([]), json!("t"), json!(null)] {
        refused(daemon.post("/v1/dagrun", &specification), 400);
    }
}

#[test]
fn case_016_a_task_needs_a_command() {
    let daemon = daemon();
    for task in [
        json!({}),
        json!({"job": {}}),
        json!({"job": []}),
        json!({"job": {"command": []}}),
        json!({"job": {"command": "ls"}}),
        json!({"job": {"command": ["ls", 1]}}),
        json!({"job": {"commandString": ["ls"]}}),
    ] {
        let text = rejected(&daemon, &dag(json!({"lonely": task})));
        assert!(text.contains("lonely"), "{task}: {text}");
    }
}

#[test]
fn case_017_but_only_one() {
    let daemon = daemon();
    rejected(&daemon, &dag(json!({"a": {"job": {"command": ["true"], "commandString": "true"}}})));
}

#[test]
fn case_018_an_unknown_name() {
    let daemon = daemon();
    for key in ["children", "parents"] {
        let mut task = t(&["true"]);
        task[key] = json!(["zz"]);
        let text = rejected(&daemon, &dag(json!({"a": task})));
        assert!(text.contains("zz"), "{text}");
    }
}

#[test]
fn case_019_a_cycle() {
    let daemon = daemon();
    let one = |parent: &str| after(t(&["true"]), &[parent]);
    rejected(&daemon, &dag(json!({"a": one("c"), "b": one("a"), "c": one("b")})));
    rejected(&daemon, &dag(json!({"a": one("a")})));
}

#[test]
fn case_020_an_edge_from_both_ends_counts_once() {
    let daemon = daemon();
    let a = plus(t(&["true"]), json!({"children": ["b", "b"]}));
    let record = run(&daemon, &dag(json!({"a": a, "b": after(t(&["true"]), &["a"])})), "COMPLETED");
    in_order(&record, &["a_0", "b_0"]);
    assert_eq!(record["tasks"]["a_0"]["children"], json!(["b"]));
}

#[test]
fn case_021_parameters_are_texts() {
    let daemon = daemon();
    for parameters in [json!({"P": 5}), json!({"P": ["a", 1]}), json!(["P"]), json!({"P": {"a": "b"}}), json!("P")] {
        rejected(&daemon, &expanded(parameters, json!({"a": t(&["true"])})));
    }
}

#[test]
fn case_022_an_empty_list_of_values() {
    let daemon = daemon();
    rejected(&daemon, &expanded(json!({"P": []}), json!({"a": t(&["echo", "{{P}}"])})));
    run(&daemon, &expanded(json!({"P": []}), json!({"a": t(&["true"])})), "COMPLETED");
}

#[test]
fn case_023_numbers_and_texts_of_numbers() {
    let daemon = daemon();
    for (cores, memory) in [(json!("1"), json!("100")), (json!(1), json!(100))] {
        let job = json!({"command": ["true"], "cores": cores, "memoryMB": memory});
        let run = submit(&daemon, &dag(json!({"a": {"job": job}})));
        let shown = definition(&daemon, run, "a_0");
        assert_eq!((&shown["job"]["cores"], &shown["job"]["memoryMB"]), (&json!("1"), &json!("100")));
        ends(&daemon, run, "COMPLETED");
    }
}

#[test]
fn case_024_more_than_there_is() {
    let daemon = daemon();
    for (key, value) in [
        ("cores", json!("many")),
        ("cores", json!("-1")),
        ("cores", json!(-1)),
        ("cores", json!(1.5)),
        ("cores", json!("5")),
        ("cores", json!([])),
        ("memoryMB", json!("99999")),
        ("memoryMB", json!("")),
    ] {
        let mut task = t(&["true"]);
        task["job"][key] = value;
        let text = rejected(&daemon, &dag(json!({"greedy": task})));
        assert!(text.contains("greedy") && text.contains(key), "{text}");
    }
}

#[test]
fn case_025_unknown_keys() {
    let daemon = daemon();
    let task = json!({"job": {"command": ["true"], "colour": "red"}, "mood": "calm"});
    let record = run(&daemon, &plus(dag(json!({"a": task})), json!({"autogenerate": true})), "COMPLETED");
    assert_eq!(record["tasks"]["a_0"]["job"]["colour"], "red");
    assert_eq!(definition(&daemon, 0, "a_0")["job"]["colour"], "red");
}

#[test]
fn case_026_whatever_the_content_type() {
    let daemon = daemon();
    for kind in ["application/x-www-form-urlencoded", "text/plain"] {
        let request = Request::new("POST", "/v1/dagrun").header("Content-Type", kind).json(&two_sleepless());
        daemon.tcp().send(request).expect(200);
    }
}

#[test]
fn case_027_retries_are_a_number() {
    let daemon = daemon();
    for (key, value) in [
        ("maxRetries", json!(-1)),
        ("maxRetries", json!("x")),
        ("maxRetries", json!(0.5)),
        ("retryIntervalSeconds", json!(-1)),
        ("isGenerator", json!("yes")),
        ("parents", json!("a")),
        ("children", json!([1])),
    ] {
        let mut task = t(&["true"]);
        task[key] = value;
        let text = rejected(&daemon, &dag(json!({"odd": task})));
        assert!(text.contains("odd") && text.contains(key), "{text}");
    }
    let task = plus(t(&["true"]), json!({"maxRetries": "2", "retryIntervalSeconds": "3"}));
    let run = submit(&daemon, &dag(json!({"a": task})));
    let shown = definition(&daemon, run, "a_0");
    assert_eq!((&shown["maxRetries"], &shown["retryIntervalSeconds"]), (&json!(2), &json!(3)));
}

#[test]
fn case_028_defaults_of_jobs() {
    let daemon = daemon();
    let b = json!({"job": {"command": ["true"], "cores": "1"}});
    let specification = plus(dag(json!({"a": t(&["true"]), "b": b})), json!({"jobDefaults": {"cores": "2"}}));
    let run = submit(&daemon, &specification);
    assert_eq!(definition(&daemon, run, "a_0")["job"]["cores"], "2");
    assert_eq!(definition(&daemon, run, "b_0")["job"]["cores"], "1");
}

#[test]
fn case_029_defaults_of_tasks() {
    let daemon = daemon();
    let defaults = json!({"taskDefaults": {"maxRetries": 1, "job": {"command": ["/bin/false"]}}});
    let tasks = json!({"a": {"job": {"commandString": "exit 0"}}});
    let record = run(&daemon, &plus(dag(tasks.clone()), defaults), "COMPLETED");
    let shown = &record["tasks"]["a_0"];
    assert_eq!(shown["maxRetries"], 1);
    assert_eq!((&shown["job"]["commandString"], shown["job"].get("command")), (&json!("exit 0"), None));
    let edges = json!({"taskDefaults": {"parents": ["a"]}});
    refused(daemon.post("/v1/dagrun", &plus(dag(tasks), edges)), 400);
}
