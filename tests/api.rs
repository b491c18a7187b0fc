//! # The rules of HTTP and of identity
//!
//! What every family shares: who answers which path and how it says no, who is calling and what that allows, streams,
//! and what becomes of a client that is slow, broken or hostile. The real binary over real connections; user `nobody`
//! speaks through a process of its own, since the kernel tells the daemon who made a connection.

mod support;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{Answer, Client, Daemon, Request, SOON, holds, process, relay, require_root, until};

const NOBODY: u32 = 65534;

#[test]
fn the_relay_carries_bytes_both_ways() {
    relay::entry();
}

// Which family answers, and how it says no

/// How a refusal looks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// `{"code":C,"msg":…}`, the code being the status.
    Proc,
    /// `{"error":…,"message":…}`, both the same text.
    Dag,
    /// `{"code":N,"msg":…}`, the code being one of the hub's own.
    Hub(i64),
    /// `{"message":…}`
    Cache,
    /// `{"error":…}`
    Own,
    /// The text `Not found`.
    Tracker,
    /// No body to look at.
    Headless,
}

#[track_caller]
fn has_shape(answer: &Answer, shape: Shape, what: &str) {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match shape {
        Shape::Headless => assert!(answer.body.is_empty(), "{what}: {}", answer.text()),
        Shape::Tracker => {
            assert_eq!(answer.text(), "Not found", "{what}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{what}");
        }
        Shape::Proc => {
            let body = answer.json();
            assert_eq!(body["code"], answer.status, "{what}: {body}");
            assert!(text(&body["msg"]) && body.get("data").is_none(), "{what}: {body}");
        }
        Shape::Hub(code) => {
            let body = answer.json();
            assert_eq!(body["code"], code, "{what}: {body}");
            assert!(text(&body["msg"]) && body.get("data").is_none(), "{what}: {body}");
        }
        Shape::Dag => {
            let body = answer.json();
            assert!(text(&body["error"]) && body["error"] == body["message"], "{what}: {body}");
        }
        Shape::Cache => assert!(text(&answer.json()["message"]), "{what}: {}", answer.text()),
        Shape::Own => assert!(answer.json().get("error").is_some(), "{what}: {}", answer.text()),
    }
}

#[test]
fn each_family_says_no_in_its_own_words() {
    let rows = [
        ("GET", "/proc/list", 404, Shape::Proc),
        ("PATCH", "/proc", 405, Shape::Proc),
        ("PATCH", "/proc/", 405, Shape::Proc),
        ("OPTIONS", "/proc", 405, Shape::Proc),
        ("HEAD", "/proc", 405, Shape::Headless),
        ("POST", "/proc/task", 405, Shape::Proc),
        ("GET", "/v1/nothing", 404, Shape::Dag),
        ("GET", "/v1/nothing/", 404, Shape::Dag),
        ("POST", "/ready/made", 404, Shape::Dag),
        ("GET", "/daemon/nothing", 404, Shape::Hub(1404)),
        ("GET", "/heartbeat/nothing", 404, Shape::Hub(1404)),
        ("GET", "/api/daemon/nothing/", 404, Shape::Hub(1404)),
        ("GET", "/api/repositories/a/b/c/d/e", 404, Shape::Hub(1404)),
        ("GET", "/oapi/nothing", 404, Shape::Cache),
        ("GET", "/oapi/v1/nothing/", 404, Shape::Cache),
        ("GET", "/api/v1/nothing", 404, Shape::Cache),
        ("GET", "/hostler/v1/nothing", 404, Shape::Own),
        ("PUT", "/hostler/v1/status", 405, Shape::Own),
        ("POST", "/readyz", 405, Shape::Own),
        ("DELETE", "/openapi.json", 405, Shape::Own),
        ("GET", "/nope", 404, Shape::Tracker),
        ("DELETE", "/nope", 404, Shape::Tracker),
        ("PATCH", "/nope/", 404, Shape::Tracker),
        ("GET", "/PROC", 404, Shape::Tracker),
        ("GET", "/procs", 404, Shape::Tracker),
        ("GET", "/api/nope", 404, Shape::Tracker),
        ("GET", "/v1beta", 404, Shape::Tracker),
        ("HEAD", "/nope", 404, Shape::Headless),
    ];
    let daemon = Daemon::start();
    for client in [daemon.tcp(), daemon.unix()] {
        for (method, path, status, shape) in rows {
            let answer = client.send(Request::new(method, path));
            let what = format!("{method} {path}");
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            has_shape(&answer, shape, &what);
            if status == 405 && shape == Shape::Own {
                assert!(
                    answer.header("allow").is_some_and(|allow| allow.contains("GET")),
                    "{what}: {:?}",
                    answer.headers
                );
            }
        }
    }
}

#[test]
fn options_on_a_path_of_the_tracker() {
    let daemon = Daemon::start();
    for path in ["/nope", "/task/submit", "/"] {
        let answer = daemon.tcp().send(Request::new("OPTIONS", path)).expect(200);
        assert!(answer.body.is_empty());
        for (name, value) in [
            ("Access-Control-Allow-Headers", "Content-Type"),
            ("Access-Control-Allow-Methods", "GET, POST, OPTION"),
            ("Access-Control-Allow-Origin", "*"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    let elsewhere = daemon.get("/nope");
    assert_eq!(elsewhere.header("Access-Control-Allow-Origin"), None, "nowhere else");
}

#[test]
fn spellings_of_a_path() {
    let daemon = Daemon::start();
    let list = daemon.get("/proc").json();
    for same in ["/proc/", "//proc", "/Proc", "/proc?x=y", "/%70roc"] {
        assert_eq!(daemon.get(same).expect(200).json(), list, "{same}");
    }
    // Split first, decoded afterwards: an encoded slash does not make a segment.
    for other in ["/proc%2Foutput?name=x", "/pRoc", "/proc%00"] {
        assert_eq!(daemon.get(other).status, 404, "{other}");
    }
}

#[test]
fn a_browser_finds_a_page_at_the_root() {
    let daemon = Daemon::start();
    let page = daemon.tcp().send(Request::new("GET", "/").header("Accept", "text/html,*/*;q=0.8")).expect(200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", page.headers);
    assert!(page.text().contains("/openapi.json"), "it names the API: {}", page.text());
}

#[test]
fn the_described_routes_are_the_served_routes() {
    let daemon = Daemon::start();
    let described = daemon.get("/openapi.json").expect(200).json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{described}");
    let paths = described["paths"].as_object().expect("paths");
    let must_be_there = [
        ("/proc", "get"),
        ("/proc", "post"),
        ("/proc", "put"),
        ("/proc", "delete"),
        ("/proc/output", "get"),
        ("/proc/log", "get"),
        ("/proc/task", "get"),
        ("/proc/history", "get"),
        ("/proc/stop", "post"),
        ("/proc/start", "post"),
        ("/proc/scale", "post"),
        ("/proc/signal", "post"),
        ("/proc/reload", "post"),
        ("/proc/apply", "post"),
        ("/events", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
        ("/hostler/v1/status", "get"),
        ("/hostler/v1/tokens", "get"),
        ("/hostler/v1/tokens", "post"),
        ("/hostler/v1/audit", "get"),
        ("/hostler/v1/backup", "get"),
        ("/hostler/v1/check", "post"),
        ("/hostler/v1/compact", "post"),
        ("/hostler/v1/upgrade", "post"),
    ];
    for (path, method) in must_be_there {
        assert!(described["paths"][path].get(method).is_some(), "{method} {path} is not described");
    }
    // Asked by nobody in particular, so that nothing happens: what is described is routed, what is not is refused.
    let stranger = daemon.tcp().with("Via", "1.1 somewhere").with("Accept", "text/html");
    for (path, methods) in paths {
        // What is no number is another path here: /task/get is unknown to old clients. And /tasks/id is a path itself.
        let concrete = path.replace("/task/{id}", "/task/1").replace("/tasks/{id}", "/tasks/0123abcd");
        let concrete = concrete.replace(['{', '}'], "");
        for method in ["get", "post", "put", "delete", "patch"] {
            let status = stranger.stream(Request::new(&method.to_uppercase(), &concrete)).status;
            let routed = !matches!(status, 404 | 405);
            assert_eq!(routed, methods.get(method).is_some(), "{method} {path} answered {status}");
        }
    }
}

#[test]
fn health_is_public_and_metrics_are_text() {
    let daemon = Daemon::start();
    let stranger = daemon.tcp().with("Via", "1.1 somewhere");
    for path in ["/healthz", "/readyz"] {
        stranger.get(path).expect(200);
    }
    let metrics = daemon.get("/metrics").expect(200);
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"))
    );
    assert!(metrics.text().lines().any(|line| line.starts_with("hostler_")), "{}", metrics.text());
}

// Who is calling

/// A daemon on which root runs one task that has secrets everywhere a task can have them.
fn with_a_secret_of_roots() -> (Daemon, i32) {
    require_root();
    let daemon = Daemon::start();
    let task = json!({"name": "vault", "cmd": "echo hush-output; exec sleep 300", "type": "once",
        "env": {"KEY": "hush-env"}, "note": "hush-definition"});
    daemon.post("/proc", &task).expect(200);
    let pid = until("root's task", SOON, || {
        daemon.get("/proc/log?name=vault").text().contains("hush-output").then_some(())?;
        daemon.get("/proc").json()["data"]["running"][0]["pid"].as_i64()
    });
    (daemon, pid as i32)
}

/// `nobody` by both ways in.
fn as_nobody(daemon: &Daemon) -> [Client; 2] {
    [daemon.tcp().as_user(NOBODY), daemon.unix().as_user(NOBODY)]
}

#[test]
fn another_user_sees_and_stops_nothing_of_roots() {
    let (daemon, pid) = with_a_secret_of_roots();
    let reading = ["/proc/task", "/proc/output", "/proc/log", "/proc/history"].map(|path| ("GET", path, ""));
    let steering = [
        ("PUT", "/proc", ""),
        ("DELETE", "/proc", ""),
        ("POST", "/proc/stop", ""),
        ("POST", "/proc/start", ""),
        ("POST", "/proc/reload", ""),
        ("POST", "/proc/scale", "&replica=3"),
        ("POST", "/proc/signal", "&signal=KILL"),
    ];
    for nobody in as_nobody(&daemon) {
        let list = nobody.get("/proc").expect(200);
        assert_eq!(list.json()["data"], json!({"running": [], "tasks": {}}));
        for (method, path, more) in reading.into_iter().chain(steering) {
            let answer = nobody.send(Request::new(method, &format!("{path}?name=vault{more}")));
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
            assert!(!answer.text().contains("hush"), "{method} {path}: {}", answer.text());
        }
        let taken = nobody.post("/proc", &json!({"name": "vault", "cmd": "true", "type": "once"}));
        assert_eq!(taken.status, 403, "{}", taken.text());
        let applied = nobody.post("/proc/apply", &json!([{"name": "vault", "cmd": "true", "type": "once"}]));
        assert_eq!(applied.status, 403, "{}", applied.text());
    }
    assert!(process::alive(pid));
    assert_eq!(daemon.get("/proc").json()["data"]["tasks"]["vault"]["cmd"], "echo hush-output; exec sleep 300");
    let data = fs::metadata(daemon.data_dir()).expect("the data directory").permissions().mode();
    assert_eq!(data & 0o077, 0, "mode {data:o}: nobody else may walk into the data directory");
}

#[test]
fn another_user_names_only_himself() {
    require_root();
    let daemon = Daemon::start();
    for nobody in as_nobody(&daemon) {
        for (field, value) in [("user", "root"), ("user", "daemon"), ("group", "root"), ("group", "disk")] {
            let mut task = json!({"name": "climb", "cmd": "id", "type": "once"});
            task[field] = json!(value);
            assert_eq!(nobody.post("/proc", &task).status, 403, "{field} {value}");
            assert_eq!(nobody.post("/proc/apply", &json!([task])).status, 403, "{field} {value}");
        }
    }
    assert_eq!(daemon.get("/proc").json()["data"]["tasks"], json!({}));
}

#[test]
fn another_users_own_tasks_work() {
    require_root();
    let daemon = Daemon::start();
    for (nobody, name) in as_nobody(&daemon).into_iter().zip(["tcp", "unix"]) {
        for user in [None, Some("nobody")] {
            let mut task = json!({"name": name, "cmd": "id -u; id -g; id -G; exec sleep 300", "type": "once"});
            if let Some(user) = user {
                task["user"] = json!(user);
            }
            nobody.post("/proc", &task).expect(200);
            let ids = format!("{NOBODY}\n{NOBODY}\n{NOBODY}\n");
            until("it runs as nobody", SOON, || {
                (nobody.get(&format!("/proc/log?name={name}")).text() == ids).then_some(())
            });
            let list = nobody.get("/proc").json();
            assert_eq!(list["data"]["running"][0]["alias"], format!("{name}:0"));
            let history = nobody.get(&format!("/proc/history?name={name}")).expect(200).json();
            assert!(history["data"][0]["started_by"].as_str().is_some_and(|by| by.contains("65534")), "{history}");
            nobody.delete(&format!("/proc?name={name}")).expect(200);
        }
    }
}

#[test]
fn a_task_of_another_user_opens_nothing_he_could_not() {
    require_root();
    let daemon = Daemon::start();
    let secret = daemon.path("secret.env");
    fs::write(&secret, "KEY=hush-file\n").expect("a file of root's");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("its mode");
    let nobody = daemon.tcp().as_user(NOBODY);
    nobody.post("/proc", &json!({"name": "peek", "cmd": "env", "type": "once", "env_file": secret})).expect(200);
    let closed = daemon.path("closed");
    fs::create_dir(&closed).expect("a directory of root's");
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("its mode");
    nobody.post("/proc", &json!({"name": "enter", "cmd": "pwd", "type": "once", "cwd": closed})).expect(200);
    for (name, path) in [("peek", &secret), ("enter", &closed)] {
        let ended = until("the attempt is over", SOON, || {
            let history = nobody.get(&format!("/proc/history?name={name}")).json();
            (!history["data"][0]["end"].is_null()).then(|| history["data"][0].clone())
        });
        assert_ne!(ended["exit_code"], 0, "{ended}");
        let said = format!("{ended}{}", nobody.get(&format!("/proc/log?name={name}")).text());
        assert!(!said.contains("hush"), "{said}");
        assert!(said.contains(&*path.to_string_lossy()), "the failure names what could not be opened: {said}");
    }
}

#[test]
fn what_a_helper_says_does_not_fill_the_memory() {
    require_root();
    let daemon = Daemon::start();
    let nobody = daemon.tcp().as_user(NOBODY);
    let endless = json!({"name": "endless", "cmd": "true", "type": "once", "env_file": "/dev/zero"});
    nobody.post("/proc", &endless).expect(200);
    let why = until("the file is given up", SOON, || {
        let history = nobody.get("/proc/history?name=endless").json();
        Some(history["data"][0]["error"].as_str()?.to_owned())
    });
    assert!(why.contains("larger than"), "{why}");
    let chatty = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo said > /dev/stderr; exit 3";
    let task = json!({"name": "chatty", "cmd": "exec sleep 300", "type": "once",
        "health": {"exec": chatty, "interval": 0.1, "failures": 1}});
    nobody.post("/proc", &task).expect(200);
    let ended = until("the probe fails by its exit code", SOON, || {
        let history = nobody.get("/proc/history?name=chatty").json();
        Some(history["data"][0]["stopped_by"].as_str()?.to_owned())
    });
    assert!(ended.contains("exit code 3"), "{ended}");
}

#[test]
fn why_quotes_a_bounded_part_of_the_output() {
    let daemon = Daemon::start();
    let task = json!({"name": "long", "cmd": "head -c 3000000 /dev/zero | tr '\\0' x; echo end", "type": "once"});
    daemon.post("/proc", &task).expect(200);
    let why = until("the run is over", SOON, || {
        let why = daemon.get("/hostler/v1/why/long").expect(200);
        why.text().contains("xend").then_some(why)
    });
    assert!(why.body.len() < 16 << 10, "{} bytes", why.body.len());
}

#[test]
fn dependencies_tell_nothing_about_tasks_of_others() {
    require_root();
    let daemon = Daemon::start();
    let sleep = "exec sleep 300";
    daemon.post("/proc", &json!({"name": "hush", "cmd": sleep, "type": "once"})).expect(200);
    let base = json!({"name": "base", "cmd": sleep, "type": "once", "deps": ["hush", "theirs"]});
    daemon.post("/proc", &base).expect(200);
    let nobody = daemon.tcp().as_user(NOBODY);
    let task = json!({"name": "curious", "cmd": "true", "type": "once", "deps": ["base"]});
    nobody.post("/proc", &task).expect(200);
    let why = nobody.get("/hostler/v1/why/curious").expect(200);
    assert!(why.text().contains("a task of somebody else"), "{}", why.text());
    assert!(!why.text().contains("hush"), "{}", why.text());
    let detail = nobody.get("/proc/task?name=curious").expect(200);
    assert_eq!(detail.json()["data"]["replicas"][0]["reason"], "waits for a task of somebody else");
    assert!(!detail.text().contains("hush"), "{}", detail.text());
    let cycle = json!({"name": "theirs", "cmd": "true", "type": "once", "deps": ["base"]});
    let refused = nobody.post("/proc", &cycle).expect(400);
    assert!(refused.text().contains("somebody else") && !refused.text().contains("base"), "{}", refused.text());
    assert!(daemon.post("/proc", &cycle).expect(400).text().contains("base"));
}

#[test]
fn a_name_taken_over_hides_nobodys_own_history() {
    require_root();
    let daemon = Daemon::start();
    let nobody = daemon.tcp().as_user(NOBODY);
    let task = json!({"name": "shared", "cmd": "true", "type": "once"});
    nobody.post("/proc", &task).expect(200);
    let runs = |client: &Client| {
        let history = client.get("/proc/history?name=shared").json();
        history["data"].as_array().map(|runs| runs.iter().map(|run| run["run"].clone()).collect::<Vec<_>>())
    };
    until("it is over", SOON, || {
        (!nobody.get("/proc/history?name=shared").json()["data"][0]["end"].is_null()).then_some(())
    });
    let own = runs(&nobody);
    nobody.delete("/proc?name=shared").expect(200);
    daemon.post("/proc", &task).expect(200);
    assert_eq!(runs(&nobody), own, "while root has the name");
    daemon.delete("/proc?name=shared").expect(200);
    assert_eq!(runs(&nobody), own, "after root has had it");
}

#[test]
fn administration_is_for_operators() {
    require_root();
    let daemon = Daemon::start();
    let routes = [
        // Everybody may have tokens, but nobody grants what he does not hold.
        ("POST", "/hostler/v1/tokens"),
        ("GET", "/hostler/v1/audit"),
        ("GET", "/hostler/v1/backup"),
        ("GET", "/hostler/v1/export"),
        ("POST", "/hostler/v1/check"),
        ("POST", "/hostler/v1/compact"),
        ("POST", "/hostler/v1/upgrade"),
        ("POST", "/hostler/v1/stop"),
    ];
    for nobody in as_nobody(&daemon) {
        for (method, path) in routes {
            let answer = nobody.send(Request::new(method, path).body(r#"{"name":"x","scopes":["admin"]}"#));
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        }
        let status = nobody.get("/hostler/v1/status").expect(200).json();
        assert!(status.get("data_dir").is_none() && status.get("listeners").is_none(), "{status}");
    }
}

#[test]
fn events_of_others_are_not_told() {
    let (daemon, _) = with_a_secret_of_roots();
    let nobody = daemon.tcp().as_user(NOBODY);
    let mut events = nobody.stream(Request::new("GET", "/events").header("Last-Event-ID", "0"));
    assert_eq!(events.status, 200);
    daemon.put("/proc?name=vault").expect(200);
    nobody.post("/proc", &json!({"name": "mine", "cmd": "true", "type": "once"})).expect(200);
    loop {
        let event = events.event().expect("an event in time").expect("a stream that goes on");
        assert!(!event.data.contains("vault"), "{event:?}");
        if event.data.contains("mine") {
            break;
        }
    }
}

#[test]
fn a_client_that_has_already_closed_is_nobody() {
    require_root();
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let core = daemon.core_pid().expect("a core");
    let body = json!({"name": "trick", "cmd": "id -u", "type": "once"}).to_string();
    let length = body.len();
    let request = format!("POST /proc HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: {length}\\r\\n\\r\\n");
    let script = format!(
        "for n in 1 2 3 4 5; do exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; printf %s '{body}' >&3; exec 3>&-; done"
    );
    // While the core is stopped the kernel accepts for it: all of it lies in the buffers of closed connections, which
    // the kernel reports as owned by uid 0, before the core looks.
    process::signal(core, Signal::SIGSTOP);
    let sent = Command::new("bash").args(["-c", &script]).uid(NOBODY).gid(NOBODY).status();
    process::signal(core, Signal::SIGCONT);
    assert!(sent.expect("bash").success());
    // The answer to a later connection comes after the earlier ones were read.
    assert_eq!(daemon.get("/proc").expect(200).json()["data"]["tasks"], json!({}));
    holds("nothing was started", Duration::from_millis(300), || {
        daemon.get("/proc").json()["data"]["tasks"] == json!({})
    });
    assert_eq!(daemon.core_pid(), Some(core));
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let task = json!({"name": "x", "cmd": "true", "type": "once"});
    let post = || Request::new("POST", "/proc").json(&task);
    let foreign = [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost.evil.example"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
    ];
    for (name, value) in foreign {
        let answer = daemon.tcp().send(post().header("Host", &format!("127.0.0.1:{port}")).header(name, value));
        assert_eq!(answer.status, 403, "{name}: {value}: {}", answer.text());
        has_shape(&answer, Shape::Proc, value);
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example"] {
        for request in [post(), Request::new("GET", "/proc")] {
            let answer = daemon.tcp().send(request.header("Host", host));
            assert!(matches!(answer.status, 400 | 403 | 421), "Host {host:?} answered {}", answer.status);
        }
    }
    assert_eq!(daemon.get("/proc").json()["data"]["tasks"], json!({}));
    let ours = ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "127.0.0.1:8606"];
    for host in ours {
        daemon.tcp().send(Request::new("GET", "/proc").header("Host", host)).expect(200);
    }
    let same =
        post().header("Host", &format!("127.0.0.1:{port}")).header("Origin", &format!("http://127.0.0.1:{port}"));
    daemon.tcp().send(same.header("Sec-Fetch-Site", "same-origin")).expect(200);
}

#[test]
fn a_forwarded_request_has_no_user_and_is_told_so() {
    let daemon = Daemon::start();
    for client in [daemon.tcp(), daemon.unix()] {
        for (name, value) in [
            ("X-Forwarded-For", "10.0.0.1"),
            ("Forwarded", "for=10.0.0.1"),
            ("Via", "1.1 proxy"),
            ("X-Forwarded-Host", "a"),
        ] {
            let answer = client.send(Request::new("GET", "/proc").header(name, value));
            assert_eq!(answer.status, 401, "{name}");
            assert!(answer.json()["msg"].as_str().is_some_and(|why| why.contains("forward")), "{}", answer.text());
        }
    }
}

#[test]
fn peer_identity_can_be_turned_off_on_tcp() {
    let daemon = Daemon::configured("[auth]\nloopback_uid = false\n");
    daemon.tcp().get("/proc").expect(401);
    daemon.unix().get("/proc").expect(200);
}

#[test]
fn a_connection_serves_several_requests() {
    let daemon = Daemon::start();
    let mut wire = BufReader::new(daemon.tcp().open().expect("a connection"));
    for _ in 0..3 {
        wire.get_mut().write_all(b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut length = None;
        loop {
            let mut line = String::new();
            wire.read_line(&mut line).expect("a line of the head");
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok(),
                None if line == "\r\n" => break,
                _ => {}
            }
        }
        let mut body = vec![0; length.expect("a length")];
        wire.read_exact(&mut body).expect("the body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["code"], 200);
    }
}

// Tokens

#[track_caller]
fn new_token(daemon: &Daemon, name: &str, scopes: &[&str]) -> Value {
    let answer = daemon.unix().post("/hostler/v1/tokens", &json!({"name": name, "scopes": scopes}));
    assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text());
    let token = answer.json();
    assert_eq!(token["scopes"], json!(scopes), "{token}");
    token
}

#[test]
fn a_token_allows_its_scopes_and_no_more() {
    let daemon = Daemon::start();
    let reading = new_token(&daemon, "ci", &["proc:read"]);
    let text = reading["token"].as_str().expect("shown once").to_owned();
    assert_eq!(text.len(), 48, "{text}");
    let task = json!({"name": "x", "cmd": "sleep 300", "type": "once"});
    for scheme in ["Bearer", "Token"] {
        let reader = daemon.tcp().with("Authorization", &format!("{scheme} {text}"));
        reader.get("/proc").expect(200);
        reader.post("/proc", &task).expect(403);
        reader.get("/hostler/v1/tokens").expect(403);
        reader.get("/hostler/v1/audit").expect(403);
    }
    let writing = new_token(&daemon, "builds", &["proc:read", "proc:write"]);
    let writer = daemon.tcp().with("Authorization", &format!("Bearer {}", writing["token"].as_str().expect("text")));
    // A header secret is no browser's to lend: the rules on Host and Origin are not for it.
    let request = Request::new("POST", "/proc")
        .json(&task)
        .header("Host", "builds.example")
        .header("Origin", "https://ci.example");
    writer.send(request).expect(200);
    // Nobody grants what he does not hold.
    let more = writer.post("/hostler/v1/tokens", &json!({"name": "more", "scopes": ["admin"]}));
    assert_eq!(more.status, 403, "{}", more.text());
}

#[test]
fn a_token_is_kept_as_a_hash_and_ends_when_revoked() {
    let daemon = Daemon::start();
    let token = new_token(&daemon, "ci", &["proc:read"]);
    let text = token["token"].as_str().expect("shown once").to_owned();
    let client = daemon.tcp().with("Authorization", &format!("Bearer {text}"));
    client.get("/proc").expect(200);
    let listed = daemon.get("/hostler/v1/tokens").expect(200).text();
    assert!(listed.contains("\"ci\"") && !listed.contains(&text), "{listed}");
    assert!(!holds_text(&daemon.data_dir(), &text), "the token's text is somewhere on disk");
    let id = token["id"]
        .as_u64()
        .map(|id| id.to_string())
        .or_else(|| token["id"].as_str().map(str::to_owned))
        .expect("an id");
    let gone = daemon.delete(&format!("/hostler/v1/tokens/{id}"));
    assert!(matches!(gone.status, 200 | 204), "{}", gone.text());
    client.get("/proc").expect(401);
    // A shown token counts, and a wrong one is not made good by root's connection.
    daemon.unix().with("Authorization", "Bearer wrong").get("/proc").expect(401);
}

/// Whether any file below `dir` holds `text`.
fn holds_text(dir: &std::path::Path, text: &str) -> bool {
    fs::read_dir(dir).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds_text(&path, text);
        }
        fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    })
}

#[test]
fn refusals_and_changes_are_in_the_audit() {
    require_root();
    let daemon = Daemon::start();
    daemon.post("/proc", &json!({"name": "seen", "cmd": "true", "type": "once"})).expect(200);
    daemon.tcp().as_user(NOBODY).delete("/proc?name=seen").expect(403);
    let audit = until("both are written", SOON, || {
        let text = daemon.get("/hostler/v1/audit").expect(200).text();
        (text.contains("DELETE") && text.contains("POST")).then_some(text)
    });
    assert!(audit.contains("65534") && audit.contains("403"), "{audit}");
}

// Streams

#[test]
fn events_are_resumed_where_they_were_left() {
    let daemon = Daemon::start();
    let subscribe = |after: Option<&str>| {
        let request = Request::new("GET", "/events");
        let events = daemon.tcp().stream(match after {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        });
        assert_eq!(events.status, 200);
        events
    };
    let mut live = subscribe(None);
    for name in ["one", "two", "three"] {
        daemon.post("/proc", &json!({"name": name, "cmd": "true", "type": "once"})).expect(200);
        until("it ran", SOON, || (daemon.get("/proc").json()["data"]["tasks"][name]["running"] == 0).then_some(()));
    }
    let mut told = Vec::new();
    while !told.last().is_some_and(|event: &support::http::Sse| event.data.contains("three")) {
        told.push(live.event().expect("an event in time").expect("a stream that goes on"));
    }
    let about = |name: &str| told.iter().position(|event| event.data.contains(name)).expect("an event about it");
    assert!(about("one") < about("two") && about("two") < about("three"), "{told:?}");
    assert!(told.iter().all(|event| event.id.is_some()), "each has an id: {told:?}");

    let (seen, missed) = told.split_at(told.len() / 2);
    let last = seen.last().and_then(|event| event.id.as_deref()).expect("an id");
    let mut resumed = subscribe(Some(last));
    for expected in missed {
        assert_eq!(resumed.event().expect("an event in time").as_ref(), Some(expected));
    }
}

#[test]
fn a_followed_log_comes_as_it_is_written() {
    let daemon = Daemon::start();
    let go = daemon.path("go");
    let command = format!("echo first; while ! [ -e {} ]; do sleep 0.02; done; echo second", go.display());
    daemon.post("/proc", &json!({"name": "talk", "cmd": command, "type": "once"})).expect(200);
    let mut log = daemon.tcp().stream(Request::new("GET", "/proc/log?name=talk&follow=1"));
    assert_eq!(log.status, 200);
    let mut next = |wanted: &str| {
        loop {
            let line = log.line().expect("a line in time").expect("a stream that goes on");
            if line.contains(wanted) {
                return;
            }
            assert!(!line.contains("second"), "too early: {line}");
        }
    };
    next("first");
    fs::write(&go, "").expect("the sign to go on");
    next("second");
}

// Slow, broken and hostile clients

#[test]
fn half_open_clients_cost_nobody_else_anything() {
    let daemon = Daemon::start();
    let beginnings = [
        &b""[..],
        b"G",
        b"GET /proc HTTP/1.1\r\n",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    ];
    let mut open = Vec::new();
    for n in 0..80 {
        let mut wire = daemon.tcp().open().expect("a connection");
        wire.write_all(beginnings[n % beginnings.len()]).expect("sent");
        open.push(wire);
    }
    let asked = Instant::now();
    daemon.get("/proc").expect(200);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn limits_on_heads_and_bodies() {
    let daemon = Daemon::start();
    let long = "x".repeat(40 * 1024);
    let status = daemon.tcp().send(Request::new("GET", "/proc").header("X-Long", &long)).status;
    assert!(matches!(status, 400 | 431), "a head of 40 KiB answered {status}");
    let body = json!({"name": "big", "cmd": "true", "type": "once", "note": "x".repeat(2 << 20)});
    let answer = daemon.post("/proc", &body);
    assert_eq!(answer.status, 413, "{}", answer.text());
    has_shape(&answer, Shape::Proc, "a body of 2 MiB");
    assert_eq!(daemon.get("/proc").json()["data"]["tasks"], json!({}));
}

/// The status of the first answer in what came back, if there was one.
fn first_status(back: &[u8]) -> Option<u16> {
    let line = back.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[test]
fn what_is_not_http_is_refused() {
    let daemon = Daemon::start();
    let core = daemon.core_pid();
    let broken: [&[u8]; 18] = [
        b"\r\n\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /proc\r\n\r\n",
        b"GET /proc HTTP/9.9\r\n\r\n",
        b"GET proc HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /pr oc HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"G@T( /proc HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /proc HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET /proc HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        b"GET /proc HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /proc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a client of TLS",
    ];
    for bytes in broken {
        let back = daemon.tcp().raw(bytes).expect("a connection");
        let status = first_status(&back);
        let shown = String::from_utf8_lossy(bytes);
        assert!(status.is_none_or(|status| matches!(status, 400..=499 | 501 | 505)), "{shown:?} answered {status:?}");
    }
    daemon.get("/proc").expect(200);
    assert_eq!(daemon.core_pid(), core, "the same core all the time");
}

#[test]
fn mutilated_requests_never_get_a_server_error() {
    let daemon = Daemon::start();
    let core = daemon.core_pid();
    let body = r#"{"name":"m","cmd":"true","type":"cron","cron":"0 0 1 1 *"}"#;
    let whole = format!(
        "POST /proc?name=%41&x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A fixed sequence, so that a failure can be repeated; Knuth's multiplier for 64-bit words.
    let mut seed: u64 = 42;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let client = daemon.unix();
    for round in 0..600 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        let back = client.raw(&bytes).unwrap_or_else(|error| panic!("round {round}: {error}: {bytes:?}"));
        let status = first_status(&back);
        assert!(
            status.is_none_or(|status| status < 500 || matches!(status, 501 | 505)),
            "round {round}: {status:?} for {bytes:?}"
        );
    }
    daemon.get("/proc").expect(200);
    assert_eq!(daemon.core_pid(), core, "the same core all the time");
}
