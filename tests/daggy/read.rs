//! Reading: cases 101 to 107.

use super::*;

#[test]
fn case_101_the_record() {
    let daemon = daemon();
    let tasks = json!({"a": t(&["true"]), "b": after(t(&["false"]), &["a"]), "c": after(t(&["true"]), &["b"])});
    let record = run(&daemon, &dag(tasks), "ERRORED");
    assert_eq!(keys(&record), ["dagStateChanges", "runID", "tag", "taskAttempts", "taskStates", "tasks"]);
    for part in ["tasks", "taskStates", "taskAttempts"] {
        assert_eq!(keys(&record[part]), ["a_0", "b_0", "c_0"]);
    }
    assert_eq!(record["taskAttempts"]["c_0"], json!([]), "never attempted, and yet there");
    assert_eq!((&record["runID"], &record["tag"]), (&json!(0), &json!("t")));
}

#[test]
fn case_102_the_history() {
    let daemon = daemon();
    let record = run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "COMPLETED"]);
    let changes = record["dagStateChanges"].as_array().expect("a list");
    assert!(changes.iter().all(|change| keys(change) == ["state", "time"]), "{record}");
    assert!(changes.is_sorted_by_key(|change| nanos(&change["time"])), "{record}");
}

#[test]
fn case_103_states() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"x": t(&["true"])})), "COMPLETED");
    for path in ["/v1/dagrun/0/state", "/v1/dagrun/0/task/x_0/state"] {
        assert_eq!(daemon.get(path).expect(200).json(), json!({"state": "COMPLETED"}));
    }
}

#[test]
fn case_104_a_definition() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"x": t(&["true"])})), "COMPLETED");
    let expected = json!({
        "maxRetries": 0, "retryIntervalSeconds": 0, "job": {"command": ["true"], "environment": []},
        "children": [], "parents": [], "isGenerator": false,
    });
    assert_eq!(definition(&daemon, 0, "x_0"), expected);
}

#[test]
fn case_105_unknown_runs() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"x": t(&["true"])})), "COMPLETED");
    for run in ["99", "abc", "-1", "1.0", "99999999999999999999999"] {
        for (method, rest) in [
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/state"),
            ("PATCH", "/state/QUEUED"),
            ("GET", "/task/x_0"),
            ("DELETE", "/task/x_0"),
            ("GET", "/task/x_0/state"),
        ] {
            refused(daemon.tcp().send(Request::new(method, &format!("/v1/dagrun/{run}{rest}"))), 404);
        }
    }
    for (method, path) in [("GET", "/task/y_0"), ("DELETE", "/task/y_0"), ("GET", "/task/x_1/state")] {
        refused(daemon.tcp().send(Request::new(method, &format!("/v1/dagrun/0{path}"))), 404);
    }
}

#[test]
fn case_106_unknown_paths_and_methods() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"x": t(&["true"])})), "COMPLETED");
    refused(daemon.put("/v1/dagrun/0"), 405);
    refused(daemon.delete("/v1/dagruns"), 405);
    refused(daemon.put("/ready"), 405);
    refused(daemon.get("/v1/nothing"), 404);
    refused(daemon.get("/v1/dagrun/0/nothing"), 404);
}

#[test]
fn case_107_a_slash_at_the_end() {
    let daemon = daemon();
    let answer = daemon.post("/v1/dagrun/", &dag(json!({"x": t(&["true"])}))).expect(200);
    assert_eq!(answer.json(), json!({"runID": 0}));
    ends(&daemon, 0, "COMPLETED");
    for path in ["/v1/dagruns/", "/v1/dagrun/0/", "/v1/dagrun/0/state/", "/v1/dagrun/0/task/x_0/"] {
        assert_eq!(daemon.get(path).expect(200).json(), daemon.get(path.trim_end_matches('/')).expect(200).json());
    }
}
