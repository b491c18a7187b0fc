//! Beyond the interface: who may see and do what, and what no route takes.

use support::{Client, require_root};

use super::*;

const NOBODY: u32 = 65_534;

/// `nobody` by both ways in.
fn as_nobody(daemon: &Daemon) -> [Client; 2] {
    require_root();
    [daemon.tcp().as_user(NOBODY), daemon.unix().as_user(NOBODY)]
}

#[test]
fn runs_of_others_are_not_there() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["true"]), &["a"])})));
    await_task(&daemon, run, "a_0", "RUNNING");
    let before = record(&daemon, run);
    for nobody in as_nobody(&daemon) {
        assert_eq!(nobody.get("/v1/dagruns?all=1").expect(200).json(), json!([]));
        for (method, rest) in [
            ("GET", ""),
            ("DELETE", ""),
            ("DELETE", "?purge=1"),
            ("GET", "/state"),
            ("GET", "/tasks"),
            ("GET", "/graph?format=dot"),
            ("PATCH", "/state/KILLED"),
            ("GET", "/task/a_0"),
            ("PATCH", "/task/b_0"),
            ("DELETE", "/task/a_0"),
            ("GET", "/task/a_0/state"),
            ("GET", "/task/a_0/log"),
            ("GET", "/task/a_0/attempts"),
        ] {
            let request = Request::new(method, &format!("/v1/dagrun/{run}{rest}"));
            let request = if method == "PATCH" { request.json(&json!({"skip": true})) } else { request };
            refused(nobody.send(request), 404);
        }
    }
    assert_eq!(record(&daemon, run), before);
    gate.open();
    ends(&daemon, run, "COMPLETED");
}

#[test]
fn a_step_has_the_rights_of_the_user_its_run_runs_as() {
    let daemon = daemon();
    let web = json!({"name": "web", "cmd": "exec sleep 1000", "type": "daemon"});
    daemon.tcp().send(Request::new("POST", "/proc").json(&web)).expect(200);
    let of = |user: &str, tasks: Value| {
        let mut specification = dag(tasks);
        specification["user"] = json!(user);
        specification
    };
    let step = json!({"job": {"proc": {"stop": "web"}}});
    let refused = |record: &Value, task: &str| {
        let why = attempt(record, task)["executorLog"].as_str().expect("a remark").to_owned();
        assert!(why.contains("web"), "{record}");
    };
    // What a user changes in an operator's run that runs as himself …
    let run = run(&daemon, &of("nobody", json!({"a": t(&["false"])})), "ERRORED")["runID"].as_u64().expect("a number");
    let nobody = as_nobody(&daemon).into_iter().next().expect("a client");
    nobody.send(Request::new("PATCH", &format!("/v1/dagrun/{run}/task/a_0")).json(&step)).expect(200);
    nobody.send(Request::new("PATCH", &format!("/v1/dagrun/{run}/state/QUEUED"))).expect(200);
    ends(&daemon, run, "ERRORED");
    let attempts = daemon.tcp().send(Request::new("GET", &format!("/v1/dagrun/{run}"))).expect(200).json();
    let last = attempts["taskAttempts"]["a_0"].as_array().and_then(|all| all.last()).expect("two attempts").clone();
    assert!(last["executorLog"].as_str().is_some_and(|why| why.contains("web")), "{last}");
    // … and what he prints in it acts with his rights, not with theirs.
    let prints = plus(t(&["echo", &json!({"n": step}).to_string()]), json!({"isGenerator": true}));
    refused(&super::run(&daemon, &of("nobody", json!({"g": prints})), "ERRORED"), "n_0");
    let tasks = daemon.tcp().send(Request::new("GET", "/proc/task?name=web")).expect(200).json();
    assert_eq!(tasks["data"]["state"], "running", "{tasks}");
}

#[test]
fn a_run_runs_as_its_caller() {
    let daemon = daemon();
    let [nobody, _] = as_nobody(&daemon);
    let who = dag(json!({"who": sh("id -u; echo $HOME $USER")}));
    let number = |client: &Client, body: &Value| {
        client.post("/v1/dagrun", body).expect(200).json()["runID"].as_u64().expect("a number")
    };
    let mine = number(&nobody, &who);
    let record = ends(&daemon, mine, "COMPLETED"); // an operator sees everything
    assert!(output(&record, "who_0").starts_with("65534\n"), "{record}");
    assert_eq!(nobody.get(&format!("/v1/dagrun/{mine}")).expect(200).json(), record);
    assert_eq!(nobody.get("/v1/dagruns?all=1").expect(200).json(), list(&daemon, "?all=1"));

    refused(nobody.post("/v1/dagrun", &plus(who.clone(), json!({"user": "root"}))), 403);
    number(&nobody, &plus(who.clone(), json!({"user": "nobody"})));
    refused(daemon.post("/v1/dagrun", &plus(who.clone(), json!({"user": "no-such-user"}))), 400);
    // An operator may have it run as somebody else, who then sees it.
    let given = submit(&daemon, &plus(who.clone(), json!({"user": "nobody"})));
    assert!(output(&ends(&daemon, given, "COMPLETED"), "who_0").starts_with("65534\n"));
    nobody.get(&format!("/v1/dagrun/{given}/state")).expect(200);
    let own = submit(&daemon, &who);
    assert!(output(&ends(&daemon, own, "COMPLETED"), "who_0").starts_with("0\n"));
    refused(nobody.get(&format!("/v1/dagrun/{own}/state")), 404);
}

#[test]
fn a_step_has_the_rights_of_its_owner() {
    let daemon = daemon();
    let [nobody, _] = as_nobody(&daemon);
    let vault = json!({"name": "vault", "cmd": "exec sleep 300", "type": "daemon"});
    daemon.post("/proc", &vault).expect(200);
    let body = dag(json!({"s": {"job": {"proc": {"stop": "vault"}}}}));
    let run = nobody.post("/v1/dagrun", &body).expect(200).json()["runID"].as_u64().expect("a number");
    let record = ends(&daemon, run, "ERRORED");
    assert_ne!(attempt(&record, "s_0")["executorLog"], "");
    let listed = daemon.get("/proc").expect(200).json();
    assert_eq!(listed["data"]["tasks"]["vault"]["running"], 1, "it was not stopped");
}

#[test]
fn what_a_task_writes_is_not_for_others() {
    let daemon = daemon();
    require_root();
    let data = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(daemon.data_dir()).expect("it is").permissions());
    run(&daemon, &dag(json!({"a": sh("echo secret")})), "COMPLETED");
    assert_eq!(data & 0o077, 0, "mode {data:o}: nobody else may walk into the data directory");
}

#[test]
fn bad_requests_change_nothing() {
    let daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let run = submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["true"]), &["a"])})));
    await_task(&daemon, run, "a_0", "RUNNING");
    let before = (record(&daemon, run), list(&daemon, "?all=1"));
    let send = |method: &str, path: &str, body: Option<&str>| {
        let request = Request::new(method, path);
        daemon.tcp().send(match body {
            Some(body) => request.body(body),
            None => request,
        })
    };
    for (method, path, body, status) in [
        ("GET", "/v1/dagruns?state=BOGUS", None, 400),
        ("GET", "/v1/dagruns?limit=x", None, 400),
        ("GET", "/v1/dagruns?before=x", None, 400),
        ("GET", "/v1/dagruns?since=x", None, 400),
        ("POST", "/v1/dagruns", Some("{}"), 405),
        ("GET", "/v1/dagrun", None, 405),
        ("GET", "/v1/dagrun/validate", None, 405),
        ("POST", "/v1/dagrun/0", Some("{}"), 405),
        ("PATCH", "/v1/dagrun/0", Some("{}"), 405),
        ("PUT", "/v1/dagrun/0/state", None, 405),
        ("GET", "/v1/dagrun/0/state?wait=x", None, 400),
        ("GET", "/v1/dagrun/0/state?wait=1s&since=BOGUS", None, 400),
        ("GET", "/v1/dagrun/0/state/QUEUED", None, 405),
        ("DELETE", "/v1/dagrun/0?purge=1", None, 409),
        ("POST", "/v1/dagrun/0/task/a_0", Some("{}"), 405),
        ("PATCH", "/v1/dagrun/0/task/a_0/state", Some("{}"), 405),
        ("PATCH", "/v1/dagrun/0/task/zz", Some("{\"skip\":true}"), 404),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("{\"skip\":true}"), 409),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("{"), 400),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("{}"), 400),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("[]"), 400),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("{\"job\":{}}"), 400),
        ("PATCH", "/v1/dagrun/0/task/b_0", Some("{\"skip\":true,\"done\":true}"), 400),
        ("GET", "/v1/dagrun/0/tasks?state=BOGUS", None, 400),
        ("GET", "/v1/dagrun/0/tasks?limit=x", None, 400),
        ("GET", "/v1/dagrun/99/tasks", None, 404),
        ("POST", "/v1/dagrun/0/tasks", None, 405),
        ("GET", "/v1/dagrun/0/graph?format=gif", None, 400),
        ("GET", "/v1/dagrun/99/graph", None, 404),
        ("PUT", "/v1/dagrun/0/graph", None, 405),
        ("GET", "/v1/dagrun/0/task/a_0/log?stream=bogus", None, 400),
        ("GET", "/v1/dagrun/0/task/a_0/log?attempt=x", None, 400),
        ("GET", "/v1/dagrun/0/task/a_0/log?attempt=7", None, 404),
        ("GET", "/v1/dagrun/0/task/zz/log", None, 404),
        ("DELETE", "/v1/dagrun/0/task/a_0/log", None, 405),
        ("PUT", "/v1/dag/.bad", Some("{}"), 400),
        ("PUT", "/v1/dag/d", Some("{"), 400),
        ("PUT", "/v1/dag/d", Some("{}"), 400),
        ("GET", "/v1/dag/d", None, 404),
        ("DELETE", "/v1/dag/d", None, 404),
        ("POST", "/v1/dag/d/run", None, 404),
        ("GET", "/v1/dag/d/firings", None, 404),
        ("PATCH", "/v1/dag/d", None, 405),
        ("GET", "/v1/dag/d/run", None, 405),
    ] {
        let answer = send(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body:?}: {}", answer.text());
        refused(answer, status);
    }
    assert_eq!((record(&daemon, run), list(&daemon, "?all=1")), before);
    gate.open();
    ends(&daemon, run, "COMPLETED");
}

#[test]
fn a_body_that_is_too_large() {
    let daemon = daemon();
    for path in ["/v1/dagrun", "/v1/dagrun/validate"] {
        // Said before it is sent, so it need not be.
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", (64 << 20) + 1);
        let answer = daemon.unix().raw(head.as_bytes()).expect("an answer");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
        assert!(text.contains("\"error\"") && text.contains("\"message\""), "{text}");
    }
    // Larger than other routes take, and yet not too large.
    let filler = "x".repeat(2 << 20);
    let task = json!({"job": {"command": ["true"], "comment": filler}});
    run(&daemon, &dag(json!({"a": task})), "COMPLETED");
}
