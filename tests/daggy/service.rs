//! The service and the list of runs: cases 1 to 10, and the published page's own example.

use super::*;

#[test]
fn case_001_ready() {
    let daemon = daemon();
    for path in ["/ready", "/ready/"] {
        let answer = daemon.get(path).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json(), json!({"msg": "Ya like DAGs?"}));
    }
}

#[test]
fn case_002_numbers_from_0() {
    let daemon = daemon();
    for number in 0..2 {
        let answer = daemon.post("/v1/dagrun", &dag(json!({"a": t(&["true"])}))).expect(200);
        assert_eq!(answer.json(), json!({"runID": number}));
    }
}

#[test]
fn case_003_an_empty_list() {
    let daemon = daemon();
    assert_eq!(list(&daemon, "?all=1"), json!([]));
    assert_eq!(list(&daemon, ""), json!([]));
}

#[test]
fn case_004_a_line_of_the_list() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    let line = summary(&daemon, 0);
    assert_eq!(keys(&line), ["lastUpdate", "runID", "startTime", "state", "tag", "taskCounts"]);
    assert_eq!((&line["state"], &line["tag"]), (&json!("COMPLETED"), &json!("t")));
    assert_eq!(line["taskCounts"], json!({"COMPLETED": 1}));
}

#[test]
fn case_005_times() {
    let daemon = daemon();
    let record = run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    let line = summary(&daemon, 0);
    let changes = record["dagStateChanges"].as_array().expect("a list");
    assert_eq!(nanos(&line["startTime"]), nanos(&changes[0]["time"]));
    let last = nanos(&line["lastUpdate"]);
    assert!(changes.iter().all(|change| nanos(&change["time"]) <= last), "{last}: {record}");
}

#[test]
fn case_006_not_all() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    let waiting = submit(&daemon, &dag(json!({"a": gate.task()})));
    for (query, expected) in [
        ("", vec![waiting]),
        ("?all=0", vec![waiting]),
        ("?all=", vec![waiting]),
        ("?all=1", vec![0, waiting]),
        ("?all=true", vec![0, waiting]),
        ("?all=YES", vec![0, waiting]),
    ] {
        assert_eq!(listed(&daemon, query), expected, "{query}");
    }
    gate.open();
    ends(&daemon, waiting, "COMPLETED");
    assert_eq!(list(&daemon, ""), json!([]));
}

#[test]
fn case_007_failed_and_killed_runs_stay_in_sight() {
    let daemon = daemon();
    let gate = Gate::new(&daemon, "gate");
    run(&daemon, &dag(json!({"a": t(&["false"])})), "ERRORED");
    let killed = submit(&daemon, &dag(json!({"a": gate.task()})));
    kill(&daemon, &killed.to_string());
    ends(&daemon, killed, "KILLED");
    assert_eq!(listed(&daemon, ""), [0, killed]);
}

#[test]
fn case_008_by_tag() {
    let daemon = daemon();
    for tag in ["x", "y", "x"] {
        submit(&daemon, &plus(dag(json!({"a": t(&["true"])})), json!({"tag": tag})));
    }
    assert_eq!(listed(&daemon, "?all=1&tag=x"), [0, 2]);
    assert_eq!(list(&daemon, "?all=1&tag=X"), json!([]));
    for number in 0..3 {
        ends(&daemon, number, "COMPLETED");
    }
    assert_eq!(list(&daemon, "?tag=x"), json!([]), "combines by AND");
}

#[test]
fn case_009_counts_without_zeros() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let tasks = json!({"a": t(&["true"]), "b": after(gate.task(), &["a"]), "c": after(t(&["true"]), &["b"])});
    let run = submit(&daemon, &dag(tasks));
    await_task(&daemon, run, "b_0", "RUNNING");
    assert_eq!(summary(&daemon, run)["taskCounts"], json!({"COMPLETED": 1, "RUNNING": 1, "QUEUED": 1}));
    gate.open();
    ends(&daemon, run, "COMPLETED");
    assert_eq!(summary(&daemon, run)["taskCounts"], json!({"COMPLETED": 3}));
}

#[test]
fn case_010_in_order() {
    let daemon = daemon();
    for _ in 0..10 {
        submit(&daemon, &dag(json!({"a": t(&["true"])})));
    }
    assert_eq!(listed(&daemon, "?all=1"), (0..10).collect::<Vec<u64>>());
}

// The published page's own example

/// As published.
const EXAMPLE_DAG: &str = r#"{
    "tag": "mediumtest",
    "parameters": {
        "JOBNO": [
            "1", "2"
        ]
    },
    "tasks": {
        "simple": {
            "job": {
                "command": [ "/usr/bin/python3", "script.py", "{{JOBNO}}" ],
                "cores": "1",
                "memoryMB": "100"
            }
        }
    }
}"#;

/// As published, but for the times.
fn example_run() -> Value {
    json!({
        "runID": 0,
        "tag": "mediumtest",
        "tasks": {"simple_0": example_task("1"), "simple_1": example_task("2")},
        "taskStates": {"simple_0": "COMPLETED", "simple_1": "COMPLETED"},
        "taskAttempts": {"simple_0": [example_attempt("1")], "simple_1": [example_attempt("2")]},
        "dagStateChanges": [{"state": "QUEUED"}, {"state": "RUNNING"}, {"state": "COMPLETED"}],
    })
}

fn example_task(number: &str) -> Value {
    json!({
        "maxRetries": 0,
        "retryIntervalSeconds": 0,
        "job": {
            "environment": [],
            "memoryMB": "100",
            "cores": "1",
            "command": ["/usr/bin/python3", "script.py", number],
        },
        "children": [],
        "parents": [],
        "isGenerator": false,
    })
}

fn example_attempt(number: &str) -> Value {
    let said = format!("Echoing script.py {number} env is not found, value is >><< \n");
    json!({"rc": 0, "outputLog": said, "errorLog": "", "executorLog": ""})
}

/// Takes all times away, each of which must be one.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for key in ["startTime", "stopTime", "lastUpdate", "time"] {
                if let Some(time) = fields.remove(key) {
                    nanos(&time);
                }
            }
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[test]
fn the_published_example_is_accepted_and_shown_to_the_letter() {
    let daemon = daemon();
    let post = |path: &str| daemon.tcp().send(Request::new("POST", path).body(EXAMPLE_DAG)).expect(200).json();
    assert_eq!(post("/v1/dagrun/validate"), json!({"valid": true}));
    assert_eq!(post("/v1/dagrun"), json!({"runID": 0}));
    assert_eq!(definition(&daemon, 0, "simple_0"), example_task("1"));
    assert_eq!(definition(&daemon, 0, "simple_1"), example_task("2"));
    // There is no script.py, and perhaps no such Python either.
    let record = ends(&daemon, 0, "ERRORED");
    assert_eq!(record["tasks"], example_run()["tasks"]);
    for task in ["simple_0", "simple_1"] {
        assert_ne!(attempt(&record, task)["rc"], 0);
    }
}

#[test]
fn the_published_run_comes_about_to_the_letter() {
    let daemon = daemon();
    // A shell in Python's place, and a script that says what the published one said.
    fs::write(daemon.path("script.py"), "echo \"Echoing script.py $1 env is not found, value is >><< \"\n")
        .expect("a script");
    let mut example: Value = serde_json::from_str(EXAMPLE_DAG).expect("JSON");
    example["tasks"]["simple"]["job"]["command"][0] = json!("/bin/sh");
    example["tasks"]["simple"]["job"]["workDir"] = json!(daemon.dir());
    let mut record = run(&daemon, &example, "COMPLETED");
    without_times(&mut record);
    for task in ["simple_0", "simple_1"] {
        let job = &mut record["tasks"][task]["job"];
        assert_eq!(job.as_object_mut().expect("a job").remove("workDir"), Some(json!(daemon.dir())));
        job["command"][0] = json!("/usr/bin/python3");
    }
    assert_eq!(record, example_run());
    let mut list = list(&daemon, "?all=1");
    without_times(&mut list);
    assert_eq!(list, json!([{"runID": 0, "tag": "mediumtest", "state": "COMPLETED", "taskCounts": {"COMPLETED": 2}}]));
}
