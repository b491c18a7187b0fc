//! Output, methods, paths, connections and restarts of the server (cases 58 to 67).

use super::*;

#[test]
fn case_58_the_output_of_each_replica() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "n", "cmd": "echo out; echo err >&2", "type": "once", "replica": 2}));
    let twice =
        |text: &str| [("n:0", text), ("n:1", text)].map(|(alias, text)| (alias.to_owned(), text.as_bytes().to_vec()));
    until("both outputs", SOON, || (output(&daemon, "n") == twice("out\nerr\n")).then_some(()));
    await_finished(&daemon, "n");
    ok(daemon.put("/proc?name=n"));
    until("both outputs twice", SOON, || (output(&daemon, "n") == twice("out\nerr\nout\nerr\n")).then_some(()));
}

#[test]
fn case_59_output_is_kept_byte_by_byte() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "n", "cmd": "printf '\\000\\377\\001'", "type": "once"}));
    until("the bytes", SOON, || (data(daemon.get("/proc/output?name=n")) == json!({"n:0": "AP8B"})).then_some(()));
    create(&daemon, json!({"name": "silent", "cmd": "true", "type": "once"}));
    await_finished(&daemon, "silent");
    assert_eq!(data(daemon.get("/proc/output?name=silent")), json!({"silent:0": ""}));
}

#[test]
fn case_60_output_needs_a_name() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "n", "cmd": "echo hello", "type": "once"}));
    until("its output", SOON, || (output(&daemon, "n")[0].1 == b"hello\n").then_some(()));
    for method in ["GET", "POST"] {
        let ask = |path: &str| daemon.tcp().send(Request::new(method, path));
        refused(ask("/proc/output"), 400, NO_NAME);
        refused(ask("/proc/output?name=nope"), 403, ABSENT);
        assert_eq!(data(ask("/proc/output?name=n")), json!({"n:0": "aGVsbG8K"}));
    }
}

#[test]
fn case_61_other_methods() {
    let daemon = Daemon::start();
    assert_eq!(daemon.tcp().send(Request::new("HEAD", "/proc")).status, 405);
    for method in ["OPTIONS", "PATCH", "PROPFIND"] {
        refused(daemon.tcp().send(Request::new(method, "/proc")), 405, "Method not allowed");
    }
    list(&daemon);
}

#[test]
fn case_62_other_paths() {
    let daemon = Daemon::start();
    let below = daemon.get("/proc/list").expect(404);
    assert_eq!(below.json()["code"], 404);
    for path in ["/nope", "/PROC"] {
        let answer = daemon.get(path).expect(404);
        assert_eq!(answer.text(), "Not found", "{path}");
        assert_eq!(answer.header("content-length"), Some("9"), "{path}");
    }
}

#[test]
fn case_64_a_silent_client_blocks_nobody() {
    let daemon = Daemon::start();
    let silent: Vec<_> = (0..5).map(|_| daemon.tcp().open().expect("a connection")).collect();
    let asked = Instant::now();
    list(&daemon);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(silent);
}

#[test]
fn case_65_the_connection_ends_with_the_answer() {
    let daemon = Daemon::start();
    let body = json!({"name": "long", "cmd": "sleep 300", "type": "once"}).to_string();
    let mut wire = daemon.tcp().open().expect("a connection");
    let asked = Instant::now();
    write!(wire, "POST /proc HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let mut answer = String::new();
    wire.read_to_string(&mut answer).expect("the end of the stream");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(answer.starts_with("HTTP/1.0 200 ") || answer.starts_with("HTTP/1.1 200 "), "{answer}");
    await_pids(&daemon, "long", 1);
}

#[test]
fn case_66_tasks_outlive_the_server() {
    let mut daemon = Daemon::start();
    create(&daemon, json!({"name": "web", "cmd": "sleep 300", "type": "daemon", "replica": 2, "team": "x"}));
    create(&daemon, json!({"name": "job", "cmd": "sleep 300", "type": "once"}));
    create(&daemon, json!({"name": "done", "cmd": "echo once", "type": "once"}));
    create(&daemon, json!({"name": "gone", "cmd": "sleep 300", "type": "daemon"}));
    create(&daemon, json!({"name": "nightly", "cmd": "true", "type": "cron", "cron": hours_from_now()}));
    await_finished(&daemon, "done");
    await_pids(&daemon, "web", 2);
    await_pids(&daemon, "job", 1);
    ok(daemon.delete("/proc?name=gone"));
    daemon.restart();
    let tasks = list(&daemon)["tasks"].take();
    assert_eq!(tasks.as_object().expect("an object").keys().collect::<Vec<_>>(), ["done", "job", "nightly", "web"]);
    assert_eq!(tasks["web"]["team"], "x");
    await_pids(&daemon, "web", 2);
    await_pids(&daemon, "job", 1);
    assert_eq!(output(&daemon, "done")[0].1, b"once\n", "what had finished is not run again");
    assert_eq!(task(&daemon, "done")["running"], 0);
}

#[test]
fn case_67_many_finished_replicas_cost_nothing() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "many", "cmd": "true", "type": "once", "replica": 200}));
    until("all 200 have finished", Duration::from_secs(30), || (task(&daemon, "many")["running"] == 0).then_some(()));
    let fastest = (0..5).map(|_| {
        let asked = Instant::now();
        list(&daemon);
        asked.elapsed()
    });
    let fastest = fastest.min().expect("five tries");
    assert!(fastest < millis(1000), "{fastest:?}");
}
