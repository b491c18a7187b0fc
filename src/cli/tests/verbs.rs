//! Questions with one answer each.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake, cut};
use expect_test::expect;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// Three tasks, one of them down.
fn listed() -> Value {
    json!({ "running": [], "tasks": {
        "db": { "name": "db", "type": "daemon", "replica": 1, "running": 1, "cmd": "postgres" },
        "tick": { "name": "tick", "type": "cron", "cron": "*/5 * * * *", "replica": 1, "running": 0, "argv": ["du", "-s"] },
        "web": { "name": "web", "type": "daemon", "replica": 2, "running": 2, "cmd": "serve\tit" },
    } })
}

fn task(name: &str, state: &str, replicas: Value) -> Answer {
    Answer::data(json!({ "name": name, "type": "daemon", "state": state, "replicas": replicas }))
}

fn daemon() -> Fake {
    Fake::start(|asked| match asked.what.as_str() {
        "GET /proc" => Answer::data(listed()),
        "GET /proc/task?name=db" => task(
            "db",
            "failed",
            json!([{ "replica": 0, "state": "failed", "pid": null, "ready": false, "restarts": 5,
                "run": 9, "since": null, "reason": "exited with 1, 5 times in a row" }]),
        ),
        "GET /proc/task?name=tick" => task("tick", "scheduled", json!([])),
        "GET /proc/task?name=web" => task(
            "web",
            "running",
            json!([
            { "replica": 0, "state": "running", "pid": 11, "ready": true, "restarts": 0, "run": 3, "reason": null },
            { "replica": 1, "state": "running", "pid": 12, "ready": true, "restarts": 2, "run": 4, "reason": null }]),
        ),
        what if what.contains("name=gone") => Answer::refused(403, "Program not exists, please start it at first"),
        what if what.contains("name=roots") => Answer::refused(403, "task \"roots\" is not yours"),
        what if what.contains("name=busy") => Answer::refused(503, "no room on the disk"),
        _ => Answer::ok(),
    })
}

#[tokio::test]
async fn a_list_is_a_table_for_people_text_for_pipes_and_json_for_programs() {
    let daemon = daemon();
    expect![[r#"
        NAME  TYPE              REPLICAS  RUNNING  COMMAND
        db    daemon            1         1        postgres
        tick  cron */5 * * * *  1         0        du -s
        web   daemon            2         2        serve�it
    "#]]
    .assert_eq(&daemon.told(&["list"]).await.expect(Exit::Done));
    expect![[r#"
         NAME   TYPE               REPLICAS   RUNNING   COMMAND  
        ─────────────────────────────────────────────────────────
         db     daemon             1          1         postgres 
         tick   cron */5 * * * *   1          0         du -s    
         web    daemon             2          2         serve�it 
    "#]]
    .assert_eq(&daemon.told_on(true, &["list"]).await.expect(Exit::Done));
    let json: Value = serde_json::from_str(&daemon.told(&["list", "--json", "w*"]).await.expect(Exit::Done)).unwrap();
    assert_eq!(json, json!({ "web": listed()["tasks"]["web"] }));
    let (why, exit) = daemon.told(&["list", "nobody"]).await.failed();
    assert_eq!((why.as_str(), exit), ("there is no task \"nobody\": `hostler list` shows all", Exit::Misuse));
}

#[tokio::test]
async fn status_shows_tasks_or_replicas_and_exits_1_when_one_is_down() {
    let daemon = daemon();
    expect![[r#"
        NAME  STATE      READY  PID    SINCE  RESTARTS  REASON
        db    failed     0/1                  5         exited with 1, 5 times in a row
        tick  scheduled  0/0                  0
        web   running    2/2    11 12         2
    "#]]
    .assert_eq(&daemon.told(&["status"]).await.expect(Exit::Unhealthy));
    expect![[r#"
        REPLICA  STATE    RUN  PID  SINCE  RESTARTS  REASON
        web:0    running  3    11          0
        web:1    running  4    12          2
    "#]]
    .assert_eq(&daemon.told(&["status", "--replicas", "w*"]).await.expect(Exit::Done));
    let json: Value =
        serde_json::from_str(&daemon.told(&["status", "db", "--json"]).await.expect(Exit::Unhealthy)).unwrap();
    assert_eq!(json[0]["replicas"][0]["restarts"], 5);
    let (_, exit) = daemon.told(&["status", "gone"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
}

#[tokio::test]
async fn one_refusal_does_not_keep_the_others_from_it() {
    let daemon = daemon();
    let told = daemon.told(&["stop", "--wait", "gone", "w*", "roots", "db"]).await.expect(Exit::Misuse);
    assert_eq!(told, "stopped web\nstopped db\n");
    let heard = daemon.heard();
    assert_eq!(heard.iter().filter(|what| what.ends_with("&wait=1")).count(), 4, "{heard:?}");
    let told = daemon.told(&["restart", "busy", "web", "--json"]).await.expect(Exit::TryAgain);
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(json[1], json!({ "name": "web", "done": "restarted" }));
    assert_eq!(json[0]["error"], "no room on the disk (503)");
}

#[tokio::test]
async fn each_verb_asks_for_what_it_says() {
    let daemon = daemon();
    for (line, asked) in [
        (&["start", "web"][..], "POST /proc/start?name=web"),
        (&["stop", "web"], "POST /proc/stop?name=web"),
        (&["restart", "a b&c/ü"], "PUT /proc?name=a%20b%26c%2F%C3%BC"),
        (&["rm", "web"], "DELETE /proc?name=web"),
        (&["scale", "web", "4"], "POST /proc/scale?name=web&replica=4"),
        (&["signal", "hup", "web", "--replica", "1"], "POST /proc/signal?name=web&signal=HUP&replica=1"),
        (&["compact"], "POST /hostler/v1/compact"),
        (&["token", "revoke", "3"], "DELETE /hostler/v1/tokens/3"),
    ] {
        daemon.told(line).await.expect(Exit::Done);
        assert_eq!(daemon.heard().last().map(String::as_str), Some(asked), "{line:?}");
    }
}

#[tokio::test]
async fn a_glob_that_fits_nothing_is_misuse() {
    let (why, exit) = daemon().told(&["rm", "nothing-*"]).await.failed();
    assert_eq!((why.as_str(), exit), ("no task fits \"nothing-*\": `hostler list` shows all", Exit::Misuse));
}

#[tokio::test]
async fn an_absent_daemon_is_named_with_what_to_do() {
    let daemon = daemon();
    let socket = daemon.socket();
    std::fs::remove_file(&socket).unwrap();
    let (why, exit) = daemon.told(&["list"]).await.failed();
    let start =
        format!("the daemon does not answer on {}: is it running? start it with `hostler serve`", socket.display());
    assert!(why.starts_with(&start), "{why}");
    assert_eq!(exit, Exit::TryAgain);
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "GET /proc" => Answer::pieces([Ok("{\"code\":200,".to_owned()), cut()]),
        "GET /hostler/v1/tokens" => Answer::pieces([Ok("<html>".to_owned())]),
        "POST /hostler/v1/check" => Answer::refused(401, "the token is unknown or revoked"),
        _ => Answer::json(json!({ "hello": 1 })),
    });
    let (why, exit) = daemon.told(&["list"]).await.failed();
    assert!(why.contains("ended before the answer was complete"), "{why}");
    assert_eq!(exit, Exit::TryAgain);
    let (why, exit) = daemon.told(&["token", "list"]).await.failed();
    assert!(why.contains("is not what a hostler daemon says"), "{why}");
    assert_eq!(exit, Exit::Misuse);
    let (why, exit) = daemon.told(&["check"]).await.failed();
    assert_eq!(
        why,
        "the token is unknown or revoked (401): --token-file takes a token; operators need none over the Unix socket"
    );
    assert_eq!(exit, Exit::Misuse);
}

#[tokio::test]
async fn several_questions_are_asked_in_turn() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "GET /proc/task?name=a" => Answer::refused(404, "no such task"),
        _ => task("b", "running", json!([])),
    });
    let (_, exit) = daemon.told(&["status", "a"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
    daemon.told(&["status", "b", "c"]).await.expect(Exit::Done);
    assert_eq!(daemon.heard().len(), 3);
}

#[tokio::test]
async fn why_tells_the_chain_and_no_name_moves_the_cursor() {
    let daemon = Fake::start(|_| {
        Answer::json(json!({ "name": "web", "answers": [
            { "room": "proc", "sentences": ["waits for db to be ready", "db said \u{1b}[2Jnothing"], "facts": {} },
        ], "lines": [{ "text": "more" }] }))
    });
    let told = daemon.told(&["why", "web/1"]).await.expect(Exit::Done);
    assert_eq!(told, "waits for db to be ready\ndb said \u{fffd}[2Jnothing\nmore\n");
    assert_eq!(daemon.heard(), ["GET /hostler/v1/why/web%2F1"]);
}

#[tokio::test]
async fn a_new_tokens_text_stands_alone_and_a_token_file_is_used() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "POST /hostler/v1/tokens" => Answer::json(json!({ "token": "T0ken", "id": 3, "name": "ci", "expires": null })),
        _ => Answer::json(json!([{ "id": 3, "name": "ci", "scopes": ["proc:read", "job"] }])),
    });
    let line = ["token", "create", "--name", "ci", "--scope", "proc:read,job", "--scope", "hub", "--expires", "1h"];
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "T0ken\n");
    let asked = daemon.last("POST /hostler/v1/tokens").body;
    assert_eq!((&asked["name"], &asked["scopes"]), (&json!("ci"), &json!(["proc:read", "job", "hub"])));
    assert!(chrono::DateTime::parse_from_rfc3339(asked["expires"].as_str().unwrap()).is_ok(), "{asked}");
    let file = daemon.path("token");
    std::fs::write(&file, "T0ken\n").unwrap();
    let told = daemon.told(&["token", "list", "--token-file", file.to_str().unwrap()]).await.expect(Exit::Done);
    assert!(told.contains("3   ci    proc:read job"), "{told}");
    assert_eq!(daemon.last("GET").headers["authorization"], "Bearer T0ken");
    std::fs::write(&file, "\n").unwrap();
    let (why, exit) = daemon.told(&["list", "--token-file", file.to_str().unwrap()]).await.failed();
    assert!(why.ends_with("is empty"), "{why}");
    assert_eq!(exit, Exit::Misuse);
}

#[tokio::test]
async fn a_token_needs_no_name_and_a_list_tells_whose_they_are() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "POST /hostler/v1/tokens" => Answer::json(json!({ "token": "T0ken", "id": 3, "name": "job-0a1b2c3d" })),
        _ => Answer::json(json!({ "tokens": [
            { "id": 3, "name": "job-0a1b2c3d", "scopes": ["job"], "owner": 0, "state": "active", "last_used": null },
            { "id": 4, "name": "nightly", "scopes": ["job", "cluster"], "owner": null, "account": 7,
              "account_name": "alice", "state": "inactive", "last_used": "2026-03-02T10:00:00Z" },
        ] })),
    });
    let line = ["token", "create", "--scope", "job", "--expires", "90d"];
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "T0ken\n");
    assert_eq!(daemon.last("POST /hostler/v1/tokens").body.get("name"), None);
    let told = daemon.told(&["token", "list"]).await.expect(Exit::Done);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["3", "job-0a1b2c3d", "job", "uid", "0", "active"], "{told}");
    let expected = ["4", "nightly", "job", "cluster", "account", "alice", "inactive", "2026-03-02T10:00:00Z"];
    assert_eq!(rows[2], expected, "{told}");
}

#[tokio::test]
async fn apply_sends_all_files_and_prunes_what_none_names() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "GET /proc" => Answer::data(listed()),
        what if what.starts_with("POST /proc/apply") => Answer::data(json!({ "changes": [
            { "name": "web", "action": "changed", "fields": ["cmd", "env"] },
            { "name": "new", "action": "created", "fields": [] },
        ] })),
        _ => Answer::ok(),
    });
    let (web, new) = (daemon.path("web.json"), daemon.path("new.toml"));
    std::fs::write(&web, r#"{"name":"web","cmd":"x","type":"daemon"}"#).unwrap();
    std::fs::write(&new, "[[tasks]]\nname = \"new\"\ncmd = \"y\"\ntype = \"once\"\n").unwrap();
    let files = [web.to_str().unwrap(), new.to_str().unwrap()];
    let told = daemon.told(&["apply", files[0], files[1], "--dry-run", "--prune"]).await.expect(Exit::Done);
    expect![[r#"
        NAME  WOULD BE  FIELDS
        web   changed   cmd env
        new   created
        db    removed
        tick  removed
    "#]]
    .assert_eq(&told);
    assert_eq!(daemon.last("POST").what, "POST /proc/apply?dry_run=1");
    let names: Vec<Value> =
        daemon.last("POST").body.as_array().unwrap().iter().map(|task| task["name"].clone()).collect();
    assert_eq!(names, ["web", "new"]);
    assert!(!daemon.heard().iter().any(|what| what.starts_with("DELETE")), "a dry run deleted something");
    daemon.told(&["apply", files[0], files[1], "--prune"]).await.expect(Exit::Done);
    let deleted: Vec<String> = daemon.heard().into_iter().filter(|what| what.starts_with("DELETE")).collect();
    assert_eq!(deleted, ["DELETE /proc?name=db", "DELETE /proc?name=tick"]);
}

#[tokio::test]
async fn a_check_that_finds_something_exits_1() {
    let daemon = Fake::start(|_| {
        Answer::json(json!({ "ok": false, "records": 7, "wrong": 1, "findings": ["objects/3 is missing"] }))
    });
    let told = daemon.told(&["check"]).await.expect(Exit::Unhealthy);
    assert!(told.contains("records  7") && told.contains("PROBLEM  objects/3 is missing"), "{told}");
    let (why, _) = daemon.told(&["check", "--data-dir", "d"]).await.failed();
    assert!(why.contains("--offline"), "{why}");
}

#[tokio::test]
async fn a_doctor_sees_versions_and_what_is_down() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "GET /healthz" => Answer::pieces([Ok("ok".to_owned())]),
        "GET /hostler/v1/status" => Answer::json(json!({ "version": "0.0.0", "pid": 7 })),
        "GET /proc" => Answer::data(listed()),
        "GET /proc/task?name=db" => task("db", "failed", json!([])),
        _ => task("x", "running", json!([])),
    });
    let told = daemon.told(&["doctor"]).await.expect(Exit::Unhealthy);
    assert!(told.contains("LOOK  version  the daemon is 0.0.0"), "{told}");
    assert!(told.contains("LOOK  tasks    1 of 3 down: db; see `hostler why db`"), "{told}");
    std::fs::remove_file(daemon.socket()).unwrap();
    let told = daemon.told(&["doctor"]).await.expect(Exit::TryAgain);
    assert!(told.starts_with("LOOK  daemon   the daemon does not answer"), "{told}");
}

#[tokio::test]
async fn a_backup_is_whole_and_private_or_not_there() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "GET /hostler/v1/backup" => Answer::pieces([Ok("abc".to_owned()), Ok("def".to_owned())]),
        _ => Answer::pieces([Ok("abc".to_owned()), cut()]),
    });
    let file = daemon.path("b");
    let name = file.to_str().unwrap();
    assert_eq!(daemon.told(&["backup", name]).await.expect(Exit::Done), format!("6 bytes in {name}\n"));
    assert_eq!(std::fs::read(&file).unwrap(), b"abcdef");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let (_, exit) = daemon.told(&["export", name]).await.failed();
    assert_eq!(exit, Exit::TryAgain);
    assert_eq!(std::fs::read(&file).unwrap(), b"abcdef");
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 2, "something half is left behind");
}

/// A server whose `/good` is good and whose other pages are not, if it is asked as a probe asks.
async fn pages() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = port.accept().await {
            let mut head = vec![0; 1024];
            let size = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..size]).to_lowercase();
            let good = head.starts_with("get /good ") && head.contains("via: 1.1 hostler");
            let status = if good { "204 No Content" } else { "500 Internal Server Error" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn probes_look_at_ports_and_pages() {
    let (daemon, address) = (daemon(), pages().await);
    let probe = async |line: &[&str]| daemon.told(&[&["probe"], line, &["--timeout", "10s"]].concat()).await;
    probe(&["tcp", &address]).await.expect(Exit::Done);
    let (good, bad) = (format!("http://{address}/good"), format!("http://{address}/bad"));
    probe(&["http", &good]).await.expect(Exit::Done);
    probe(&["http", &bad, "--expect-status", "500"]).await.expect(Exit::Done);
    let (why, exit) = probe(&["http", &bad]).await.failed();
    assert_eq!((why, exit), (format!("{bad} answers 500 Internal Server Error"), Exit::Unhealthy));
    assert_eq!(probe(&["http", &good, "--expect-status", "200"]).await.failed().1, Exit::Unhealthy);
    assert_eq!(probe(&["tcp", "no-port"]).await.failed().1, Exit::Misuse);
    assert_eq!(probe(&["http", "ftp://h"]).await.failed().1, Exit::Misuse);
    assert_eq!(daemon.heard(), [""; 0], "the daemon has nothing to do with it");
}

#[tokio::test]
async fn a_probe_waits_no_longer_than_it_may() {
    // The kernel takes the connection; nobody ever answers.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", port.local_addr().unwrap());
    let (why, exit) = daemon().told(&["probe", "http", &url, "--timeout", "20ms"]).await.failed();
    assert_eq!((why.as_str(), exit), ("no answer within 20ms", Exit::Unhealthy));
}

#[tokio::test]
async fn tls_is_not_left_out() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", port.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = port.accept().await {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let (why, exit) = daemon().told(&["probe", "http", &url, "--timeout", "10s"]).await.failed();
    assert!(why.starts_with("no TLS connection to https://127.0.0.1:"), "{why}");
    assert_eq!(exit, Exit::Unhealthy);
}

#[tokio::test]
async fn completions_and_pages_name_every_verb() {
    let daemon = daemon();
    for shell in ["bash", "fish", "zsh"] {
        let script = daemon.told(&["completions", shell]).await.expect(Exit::Done);
        assert!(script.contains("restart") && script.contains("--token-file") || shell == "fish", "{shell}");
        assert!(!script.contains("core:") && !script.contains("\"core\""), "{shell} offers what is not for people");
    }
    let page = daemon.told(&["man"]).await.expect(Exit::Done);
    assert!(page.starts_with(".ie") && page.contains("hostler\\-logs"), "{page}");
    assert!(page.contains(".SH EXIT STATUS\n") && !page.contains("EXTRA"), "{page}");
    let page = daemon.told(&["man", "logs"]).await.expect(Exit::Done);
    assert!(page.contains("hostler logs") && page.contains("since"), "{page}");
    assert!(page.contains(".SH EXAMPLES\n") && !page.contains("EXTRA"), "{page}");
    let page = daemon.told(&["man", "dag", "submit"]).await.expect(Exit::Done);
    assert!(page.contains(".SH EXAMPLES") && page.contains("hostler\\-dag\\-submit"), "{page}");
    let (_, exit) = daemon.told(&["man", "dag", "nonsense"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
    let (_, exit) = daemon.told(&["man", "nonsense"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
    assert_eq!(daemon.heard(), [""; 0], "the daemon has nothing to do with it");
}

/// A daemon that is asked to upgrade: what its events say, and the pids of its cores, one for each look.
fn upgrading(event: &'static str, pids: &'static [u32]) -> Fake {
    let looks = std::sync::atomic::AtomicUsize::new(0);
    Fake::start(move |asked| match asked.what.as_str() {
        "POST /hostler/v1/upgrade" => Answer::json(json!({ "upgrading": true })),
        "GET /hostler/v1/status" => {
            let look = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Answer::json(json!({ "version": "7.0", "core_pid": pids[look.min(pids.len() - 1)] }))
        }
        _ if event.is_empty() => Answer::pieces([cut()]),
        _ => Answer::open(&[event]),
    })
}

#[tokio::test]
async fn an_upgrade_is_done_when_another_core_answers() {
    let daemon = upgrading("", &[7, 7, 8]);
    assert_eq!(daemon.told(&["upgrade"]).await.expect(Exit::Done), "upgraded to 7.0\n");
    let (why, exit) = daemon.told(&["upgrade", "--binary", "/nowhere"]).await.failed();
    assert!(why.starts_with("no binary /nowhere"), "{why}");
    assert_eq!(exit, Exit::Misuse);
}

#[tokio::test]
async fn a_refused_upgrade_says_why() {
    let event = "event: hostler.upgrade.refused\ndata: {\"data\": {\"reason\": \"the store is newer\"}}\n\n";
    let (why, exit) = upgrading(event, &[7]).told(&["upgrade"]).await.failed();
    let expected = "the new binary was refused, the old one goes on: the store is newer";
    assert_eq!((why.as_str(), exit), (expected, Exit::Unhealthy));
}
