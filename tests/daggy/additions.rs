//! Beyond the interface: finding runs, waiting for them, reading them in pieces, and forgetting them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use super::*;

// The list

/// A run in each of four states: 0 COMPLETED, 1 ERRORED, 2 RUNNING, 3 KILLED.
fn four_runs(daemon: &Daemon, gate: &Gate) {
    let tagged = |tag: &str, task: Value| plus(dag(json!({"a": task})), json!({"tag": tag}));
    run(daemon, &tagged("x", t(&["true"])), "COMPLETED");
    run(daemon, &tagged("y", t(&["false"])), "ERRORED");
    let running = submit(daemon, &tagged("x", gate.task()));
    await_task(daemon, running, "a_0", "RUNNING");
    let killed = submit(daemon, &tagged("y", gate.task()));
    await_task(daemon, killed, "a_0", "RUNNING");
    kill(daemon, &killed.to_string());
    ends(daemon, killed, "KILLED");
}

#[test]
fn the_list_is_filtered_and_paged() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    four_runs(&daemon, &gate);
    for (query, expected) in [
        ("?state=ERRORED", vec![1]),
        ("?state=errored,KILLED", vec![1, 3]),
        ("?state=COMPLETED", vec![0]),
        ("?state=RUNNING&tag=y", vec![]),
        ("?all=1&tag=x&state=RUNNING,COMPLETED", vec![0, 2]),
        ("?all=1&limit=2", vec![2, 3]),
        ("?all=1&limit=2&before=2", vec![0, 1]),
        ("?limit=2&before=3", vec![1, 2]),
        ("?all=1&limit=1&tag=x", vec![2]),
        ("?all=1&before=0", vec![]),
        ("?all=1&since=1h", vec![0, 1, 2, 3]),
        ("?all=1&since=2099-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(listed(&daemon, query), expected, "{query}");
    }
    let changed = summary(&daemon, 1)["lastUpdate"].take();
    let since = format!("?all=1&since={}", changed.as_str().expect("a time"));
    assert_eq!(listed(&daemon, &since), [1, 2, 3], "since what changed last");
    gate.open();
    ends(&daemon, 2, "COMPLETED");
}

// Waiting

#[test]
fn news_of_a_state_are_waited_for() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task()})));
    let wait = |query: &str| word(daemon.get(&format!("/v1/dagrun/{run}/state?{query}")));
    assert_eq!(wait("wait=30s&since=QUEUED"), "RUNNING");
    assert_eq!(wait("wait=50ms"), "RUNNING", "only until the time is up");
    thread::scope(|scope| {
        let paused = scope.spawn(|| wait("wait=30s&since=RUNNING"));
        becomes(&daemon, run, "PAUSED");
        assert_eq!(paused.join().expect("an answer"), "PAUSED");
        becomes(&daemon, run, "QUEUED");
        let over = scope.spawn(|| wait("wait=30"));
        gate.open();
        assert_eq!(over.join().expect("an answer"), "COMPLETED");
    });
    assert_eq!(wait("wait=30s"), "COMPLETED", "at once");
}

#[test]
fn changes_are_events() {
    let daemon = daemon();
    let mut events = daemon.unix().stream(Request::new("GET", "/events?kind=dag.run.state"));
    let run = submit(&daemon, &dag(json!({"a": t(&["true"])})));
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "COMPLETED") {
        let event = events.event_within(SOON);
        let told: Value = serde_json::from_str(&event.data).expect("JSON");
        assert_eq!((&told["data"]["run"], &told["data"]["tag"]), (&json!(run), &json!("t")));
        states.push(told["data"]["state"].as_str().expect("a state").to_owned());
    }
    assert_eq!(states, ["QUEUED", "RUNNING", "COMPLETED"]);
}

// Submitting once

#[track_caller]
fn submit_with_key(client: &support::Client, key: &str, body: &Value) -> Answer {
    client.send(Request::new("POST", "/v1/dagrun").header("Idempotency-Key", key).json(body))
}

#[test]
fn a_key_makes_one_run() {
    let mut daemon = daemon();
    let body = dag(json!({"a": t(&["true"])}));
    let first = submit_with_key(&daemon.tcp(), "k", &body).expect(200).json();
    assert_eq!(submit_with_key(&daemon.tcp(), "k", &body).expect(200).json(), first);
    let other = dag(json!({"a": t(&["false"])}));
    refused(submit_with_key(&daemon.tcp(), "k", &other), 409);
    assert_eq!(submit_with_key(&daemon.tcp(), "l", &other).expect(200).json(), json!({"runID": 1}));
    for bad in ["", "a b", &"x".repeat(256)] {
        refused(submit_with_key(&daemon.tcp(), bad, &body), 400);
    }
    // A key of a specification that was refused is free.
    refused(submit_with_key(&daemon.tcp(), "m", &dag(json!({}))), 400);
    assert_eq!(submit_with_key(&daemon.tcp(), "m", &body).expect(200).json(), json!({"runID": 2}));
    for run in [0, 1, 2] {
        ends(&daemon, run, if run == 1 { "ERRORED" } else { "COMPLETED" });
    }
    daemon.restart();
    assert_eq!(submit_with_key(&daemon.tcp(), "k", &body).expect(200).json(), first);
    refused(submit_with_key(&daemon.tcp(), "k", &other), 409);
    // Another user's key is another one.
    support::require_root();
    let nobody = daemon.tcp().as_user(65_534);
    assert_eq!(submit_with_key(&nobody, "k", &body).expect(200).json(), json!({"runID": 3}));
    assert_eq!(listed(&daemon, "?all=1"), [0, 1, 2, 3]);
}

#[test]
fn a_key_used_at_once_makes_one_run() {
    const CLIENTS: usize = 8;
    let daemon = daemon();
    let body = dag(json!({"a": t(&["true"])}));
    let barrier = Barrier::new(CLIENTS);
    let answers: BTreeSet<String> = thread::scope(|scope| {
        let post = || {
            barrier.wait();
            submit_with_key(&daemon.tcp(), "k", &body).expect(200).text()
        };
        let posts: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(post)).collect();
        posts.into_iter().map(|post| post.join().expect("an answer")).collect()
    });
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(listed(&daemon, "?all=1"), [0]);
}

// Reading

#[test]
fn a_record_without_output() {
    let daemon = daemon();
    let mut record = run(&daemon, &dag(json!({"a": sh("echo out; echo err >&2; exit 3")})), "ERRORED");
    let short = daemon.get("/v1/dagrun/0?logs=0").expect(200).json();
    let attempt = &mut record["taskAttempts"]["a_0"][0];
    assert_eq!((&attempt["outputLog"], &attempt["errorLog"]), (&json!("out\n"), &json!("err\n")));
    (attempt["outputLog"], attempt["errorLog"]) = (json!(""), json!(""));
    assert_eq!(short, record);
}

#[test]
fn a_summary() {
    let daemon = daemon();
    run(&daemon, &dag(json!({"a": t(&["true"])})), "COMPLETED");
    let told = daemon.get("/v1/dagrun/0/summary").expect(200).json();
    let line = summary(&daemon, 0);
    for key in keys(&line) {
        assert_eq!(told[key], line[key], "{key}");
    }
    assert_eq!((&told["tasks"], &told["pass"]), (&json!(1), &json!(0)));
}

#[track_caller]
fn page(daemon: &Daemon, run: u64, query: &str) -> (Vec<String>, Value) {
    let mut page = daemon.get(&format!("/v1/dagrun/{run}/tasks{query}")).expect(200).json();
    let names = page["tasks"].as_array().expect("a list").iter();
    (names.map(|task| task["name"].as_str().expect("a name").to_owned()).collect(), page["next"].take())
}

#[test]
fn tasks_page_by_page() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let numbers: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    let tasks = json!({
        "a": sh("exit 3"), "b": gate.task(), "w": after(t(&["true", "{{N}}"]), &["b"]),
    });
    let run = submit(&daemon, &expanded(json!({"N": numbers}), tasks));
    await_task(&daemon, run, "a_0", "ERRORED");
    await_task(&daemon, run, "b_0", "RUNNING");
    let first = daemon.get(&format!("/v1/dagrun/{run}/tasks?limit=3")).expect(200).json();
    let lines = first["tasks"].as_array().expect("a list");
    assert_eq!((&lines[0]["state"], &lines[0]["attempts"], &lines[0]["rc"]), (&json!("ERRORED"), &json!(1), &json!(3)));
    assert_eq!(
        (&lines[1]["state"], &lines[1]["attempts"], &lines[1]["rc"]),
        (&json!("RUNNING"), &json!(1), &json!(null))
    );
    assert!(nanos(&lines[0]["startTime"]) <= nanos(&lines[0]["stopTime"]));
    assert!(lines[1]["stopTime"].is_null() && nanos(&lines[1]["startTime"]) > 0);
    assert_eq!((&lines[2]["name"], &lines[2]["attempts"]), (&json!("w_0"), &json!(0)));
    assert_eq!(first["next"], "w_0");

    assert_eq!(page(&daemon, run, "").0.len(), 100, "unless asked otherwise");
    assert_eq!(page(&daemon, run, "?state=ERRORED,RUNNING"), (vec!["a_0".to_owned(), "b_0".to_owned()], Value::Null));
    let (mut seen, mut query) = (Vec::new(), "?state=QUEUED&limit=60".to_owned());
    loop {
        let (names, next) = page(&daemon, run, &query);
        seen.extend(names);
        let Some(next) = next.as_str() else { break };
        query = format!("?state=QUEUED&limit=60&after={next}");
    }
    assert_eq!(seen, (0..250).map(|n| format!("w_{n}")).collect::<Vec<_>>());
    refused(daemon.get(&format!("/v1/dagrun/{run}/tasks?after=zz")), 400);
    gate.open();
    ends(&daemon, run, "ERRORED");
    assert_eq!(page(&daemon, run, "?state=COMPLETED&limit=1000").0.len(), 251);
}

#[track_caller]
fn log(daemon: &Daemon, query: &str) -> String {
    daemon.get(&format!("/v1/dagrun/0/task/a/log{query}")).expect(200).text()
}

#[test]
fn the_output_of_each_attempt() {
    let daemon = daemon();
    let marker = daemon.path("marker").display().to_string();
    let script = format!(
        "test -e {marker} && {{ echo second; echo two >&2; exit 0; }}\n\
         touch {marker}; seq 1 1000; echo first >&2; exit 1"
    );
    run(&daemon, &dag(json!({"a": plus(sh(&script), json!({"maxRetries": 1}))})), "COMPLETED");
    let numbers: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(log(&daemon, "?attempt=1&stream=stdout"), numbers);
    assert_eq!(log(&daemon, "?attempt=1&stream=stderr"), "first\n");
    assert_eq!(log(&daemon, "?attempt=1&stream=stdout&lines=2"), "999\n1000\n");
    assert_eq!(log(&daemon, ""), "second\ntwo\n", "both of the last one");
    assert_eq!(log(&daemon, "?attempt=2&stream=stderr&follow=1"), "two\n", "over at once");
    let told = daemon.get("/v1/dagrun/0/task/a_0/log?stream=stdout&format=json").expect(200).json();
    assert_eq!(told, json!({"attempt": 2, "stream": "stdout", "text": "second\n"}));
    refused(daemon.get("/v1/dagrun/0/task/a/log?attempt=3"), 404);
}

#[test]
fn output_is_followed_to_its_end() {
    let daemon = daemon();
    let (mut one, mut two) = (Gate::new(&daemon, "one"), Gate::new(&daemon, "two"));
    let script = format!("echo begun; {}; echo more; echo err >&2; {}; echo end", one.wait(), two.wait());
    let run = submit(&daemon, &dag(json!({"a": sh(&script)})));
    await_task(&daemon, run, "a_0", "RUNNING");
    let follow = |query: &str| daemon.tcp().stream(Request::new("GET", &format!("/v1/dagrun/0/task/a/log?{query}")));
    let mut out = follow("follow=1&stream=stdout");
    let mut errors = follow("follow=1&stream=stderr");
    let mut both = follow("follow=1");
    let line = |from: &mut support::http::Streaming| from.line().expect("a line");
    assert_eq!(line(&mut out).as_deref(), Some("begun"));
    assert_eq!(line(&mut both).as_deref(), Some("begun"));
    one.open();
    assert_eq!(line(&mut out).as_deref(), Some("more"));
    assert_eq!(line(&mut errors).as_deref(), Some("err"));
    assert_eq!(log(&daemon, "?stream=stdout"), "begun\nmore\n", "as far as it is there");
    two.open();
    assert_eq!(line(&mut out).as_deref(), Some("end"));
    assert_eq!((line(&mut out), line(&mut errors)), (None, None), "ends with the attempt");
    let rest: BTreeSet<String> = std::iter::from_fn(|| line(&mut both)).collect();
    assert_eq!(rest, ["end", "err", "more"].map(str::to_owned).into());
    ends(&daemon, run, "COMPLETED");
}

// The graph

#[test]
fn the_graph_in_four_forms() {
    let daemon = daemon();
    let numbers: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let tasks = json!({
        "a": t(&["true"]),
        "wide": after(t(&["true", "{{N}}"]), &["a"]),
        "end \"quoted\" <&>": after(t(&["false"]), &["wide"]),
    });
    let body = plus(expanded(json!({"N": numbers}), tasks), json!({"executor": "noop"}));
    run(&daemon, &body, "COMPLETED");
    let graph = daemon.get("/v1/dagrun/0/graph").expect(200).json();
    let labels: BTreeSet<&str> =
        graph["nodes"].as_array().expect("a list").iter().filter_map(|node| node["group"].as_str()).collect();
    assert_eq!(labels, ["a", "end \"quoted\" <&>", "wide"].into());
    assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(3), "more than 200 instances are one node");
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(2));
    for (format, kind, begin) in [
        ("json", "application/json", "{"),
        ("dot", "text/vnd.graphviz", "digraph"),
        ("mermaid", "text/plain", ""),
        ("svg", "image/svg+xml", "<"),
    ] {
        let answer = daemon.get(&format!("/v1/dagrun/0/graph?format={format}")).expect(200);
        assert!(answer.header("content-type").is_some_and(|given| given.starts_with(kind)), "{answer:?}");
        let text = answer.text();
        assert!(text.starts_with(begin) && text.contains("wide"), "{text}");
    }
    let svg = daemon.get("/v1/dagrun/0/graph?format=svg").expect(200).text();
    assert!(svg.contains("&lt;&amp;&gt;") && !svg.contains("<&>"), "{svg}");
}

// Changing a task

#[track_caller]
fn change(daemon: &Daemon, task: &str, to: Value) -> Answer {
    daemon.tcp().send(Request::new("PATCH", &format!("/v1/dagrun/0/task/{task}")).json(&to))
}

#[test]
fn a_task_is_changed_before_a_restart() {
    let daemon = daemon();
    let tasks = json!({
        "ok": t(&["true"]),
        "job": t(&["false", "{{P}}"]),
        "skipped": t(&["false"]),
        "done": t(&["false"]),
        "last": after(t(&["true"]), &["job", "skipped", "done"]),
    });
    run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "ERRORED");
    assert_eq!(
        change(&daemon, "job_1", json!({"job": {"command": ["echo", "{{P}}"]}})).expect(200).json(),
        json!({"runID": 0})
    );
    change(&daemon, "job_0", json!({"job": {"commandString": "echo instead"}})).expect(200);
    change(&daemon, "skipped", json!({"skip": true})).expect(200);
    change(&daemon, "done", json!({"done": true})).expect(200);
    refused(change(&daemon, "ok", json!({"skip": true})), 409);
    refused(change(&daemon, "job_0", json!({"job": {"command": ["true"], "cores": "5"}})), 400);
    assert_eq!(definition(&daemon, 0, "job_1")["job"]["command"], json!(["echo", "v"]), "tokens get its values");
    assert_eq!(
        (task_state(&daemon, 0, "skipped"), task_state(&daemon, 0, "done")),
        ("COMPLETED".into(), "COMPLETED".into())
    );
    becomes(&daemon, 0, "QUEUED");
    let record = ends(&daemon, 0, "COMPLETED");
    for (task, said) in [("job_0", "instead\n"), ("job_1", "v\n")] {
        assert_eq!(codes(&record, task), [1, 0]);
        assert_eq!(attempts(&record, task)[1]["outputLog"], said);
    }
    for task in ["skipped_0", "done_0"] {
        assert_eq!(codes(&record, task), [1], "not executed again");
    }
    assert_eq!(codes(&record, "last_0"), [0]);
    let page = daemon.get("/v1/dagrun/0/tasks").expect(200).json();
    let mark = |name: &str| {
        let task = page["tasks"].as_array().expect("a list").iter().find(|task| task["name"] == name);
        task.expect("the task")["mark"]["what"].clone()
    };
    assert_eq!((mark("skipped_0"), mark("done_0"), mark("ok_0")), (json!("skipped"), json!("done"), json!(null)));
}

#[test]
fn changes_outlive_the_daemon_and_need_a_run_at_rest() {
    let mut daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["false"]), &["a"])})));
    await_task(&daemon, 0, "a_0", "RUNNING");
    refused(change(&daemon, "b", json!({"skip": true})), 409);
    becomes(&daemon, 0, "PAUSED");
    refused(change(&daemon, "a", json!({"skip": true})), 409);
    change(&daemon, "b", json!({"job": {"command": ["echo", "other"]}})).expect(200);
    gate.open();
    await_task(&daemon, 0, "a_0", "COMPLETED");
    daemon.restart();
    assert_eq!(definition(&daemon, 0, "b")["job"]["command"], json!(["echo", "other"]));
    becomes(&daemon, 0, "QUEUED");
    let record = ends(&daemon, 0, "COMPLETED");
    assert_eq!(output(&record, "b_0"), "other\n");
}

// Forgetting

/// Whether a file below `dir` contains this text.
fn contains(dir: &Path, text: &str) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => contains(&path, text),
        false => String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(text),
    })
}

#[test]
fn a_run_is_forgotten_with_what_it_wrote() {
    let mut daemon = daemon();
    let said = "unmistakable ".repeat(200); // too much for the record
    let script = format!("echo '{said}'");
    run(&daemon, &dag(json!({"a": sh(&script)})), "COMPLETED");
    let logs = daemon.data_dir().join("logs");
    assert!(contains(&logs, "unmistakable"), "output of this length is a file below {}", logs.display());
    kill(&daemon, "0?purge=1");
    refused(daemon.get("/v1/dagrun/0"), 404);
    refused(daemon.delete("/v1/dagrun/0?purge=1"), 404);
    assert_eq!(list(&daemon, "?all=1"), json!([]));
    until("its output is gone", SOON, || (!contains(&logs, "unmistakable")).then_some(()));
    daemon.restart();
    refused(daemon.get("/v1/dagrun/0"), 404);
    assert_eq!(submit(&daemon, &dag(json!({"a": t(&["true"])}))), 1, "its number is not given again");
}

#[test]
fn the_attempts_of_one_task() {
    let daemon = daemon();
    let record = run(&daemon, &dag(json!({"f": plus(sh("echo out; exit 3"), json!({"maxRetries": 1}))})), "ERRORED");
    let of = |query: &str| daemon.get(&format!("/v1/dagrun/0/task/f/attempts{query}")).expect(200).json();
    let whole = of("");
    let listed = whole.as_array().expect("a list");
    for (mine, of_record) in listed.iter().zip(attempts(&record, "f_0")) {
        assert!(keys(of_record).iter().all(|key| mine[*key] == of_record[*key]), "{mine} {of_record}");
    }
    let told: Vec<_> = listed.iter().map(|attempt| (&attempt["number"], &attempt["outcome"])).collect();
    assert_eq!(told, [(&json!(1), &json!("retry")), (&json!(2), &json!("errored"))]);
    assert_eq!((&whole[0]["outputLog"], &of("?logs=0")[0]["outputLog"]), (&json!("out\n"), &json!("")));
    refused(daemon.tcp().send(Request::new("GET", "/v1/dagrun/0/task/g/attempts")), 404);
}
