//! The hub on the command line, against a daemon that answers what it is told to.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Asked, Fake};
use expect_test::expect;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const ITEM: &str = "/api/repositories/weather/rain";

fn item(dir: &Path) -> Value {
    json!({ "repname": "weather", "itemname": "rain", "datapool": "p1", "itemdesc": "rain", "itemaccesstype": "private",
        "path": dir.to_str().unwrap(), "tags": 0, "abnormal": 0, "taglist": [] })
}

fn tag(name: &str, reason: &str) -> Value {
    let status = if reason.is_empty() { "NORMAL" } else { "ABNORMAL" };
    json!({ "tag": name, "status": status, "reason": reason, "size": 12, "sha256": "ab", "comment": "",
        "checked_at": "2026-01-02T03:04:05.000Z" })
}

/// A daemon that has the item in this directory, and takes every tag.
fn publisher(dir: &Path) -> Fake {
    let item = item(dir);
    Fake::start(move |asked| match asked.what.as_str() {
        what if what == format!("GET {ITEM}?page=1&size=1") => Answer::data(item.clone()),
        what if what.starts_with(&format!("POST {ITEM}/")) => Answer::data(tag("t1", "")),
        _ => Answer::refused(404, "there is none"),
    })
}

#[tokio::test]
async fn pools_are_made_listed_and_forgotten() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        "POST /api/datapools" => Answer::data(asked.body.clone()),
        "GET /api/datapools?size=-1" => Answer::data(json!({ "total": 1, "results": [
            { "name": "p1", "type": "file", "conn": "/srv/p1", "owner": "alice", "optime": "2026-01-02 03:04:05" }] })),
        "DELETE /api/datapools/p%201" => Answer::ok(),
        _ => Answer::refused(409, "the datapool p1 is not empty: it holds 1 item"),
    });
    let told = daemon.told(&["data", "pool", "create", "p1", "pools/p1"]).await.expect(Exit::Done);
    let conn = std::env::current_dir().unwrap().join("pools/p1");
    assert_eq!(told, format!("p1 is {}\n", conn.display()));
    let body = json!({ "name": "p1", "type": "file", "conn": conn.to_str().unwrap() });
    assert_eq!(daemon.last("POST").body, body, "the daemon runs in another directory");
    expect![[r#"
        NAME  OWNER  SINCE                DIRECTORY
        p1    alice  2026-01-02 03:04:05  /srv/p1
    "#]]
    .assert_eq(&daemon.told(&["data", "pool", "ls"]).await.expect(Exit::Done));
    assert_eq!(daemon.told(&["data", "pool", "rm", "p 1"]).await.expect(Exit::Done), "removed p 1\n");
    let (why, exit) = daemon.told(&["data", "pool", "rm", "p1"]).await.failed();
    assert!(why.contains("1 item") && exit == Exit::Misuse, "{why}");
}

#[tokio::test]
async fn a_file_of_the_items_directory_is_published_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = publisher(dir.path());
    let file = dir.path().join("a.bin");
    let line = ["data", "publish", "weather/rain:t:1", file.to_str().unwrap(), "--comment", "ours"];
    let more = ["--requires", "proc=web", "--requires", "dag=rain,26h"];
    let told = daemon.told(&[&line[..], &more].concat()).await.expect(Exit::Done);
    assert_eq!(told, "weather/rain:t:1 (12 B, sha256:ab)\n");
    let asked = daemon.last(&format!("POST {ITEM}/t%3A1"));
    let requires = json!([{ "proc": "web" }, { "dag": "rain", "max_age": "26h" }]);
    let body = json!({ "detail": "a.bin", "replace": false, "comment": "ours", "requires": requires });
    assert_eq!(asked.body, body);
    let told = daemon.told(&["data", "publish", "weather/rain:t1", "a.bin", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), tag("t1", ""));
}

#[tokio::test]
async fn a_file_from_elsewhere_is_copied_where_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = publisher(dir.path());
    let file = daemon.path("a.bin");
    fs::write(&file, "rain").unwrap();
    let line = ["data", "publish", "weather/rain:t1", file.to_str().unwrap()];
    let (why, exit) = daemon.told(&line).await.failed();
    assert!(why.contains(dir.path().to_str().unwrap()) && why.contains("--copy") && exit == Exit::Misuse, "{why}");
    assert!(!daemon.heard().iter().any(|what| what.starts_with("POST")), "nothing is published");
    daemon.told(&[&line[..], &["--copy"]].concat()).await.expect(Exit::Done);
    assert_eq!(fs::read_to_string(dir.path().join("a.bin")).unwrap(), "rain");
    assert_eq!(daemon.last("POST").body["detail"], "a.bin");
    let (why, _) = daemon.told(&[&line[..], &["--copy"]].concat()).await.failed();
    assert!(why.contains("--replace"), "{why}");
    daemon.told(&[&line[..], &["--copy", "--replace"]].concat()).await.expect(Exit::Done);
    assert_eq!(daemon.last("POST").body["replace"], true);
}

#[tokio::test]
async fn an_item_is_made_where_a_pool_is_named() {
    let daemon = Fake::start(|asked| match asked.what.as_str() {
        what if what == format!("POST {ITEM}") => Answer::data(item(Path::new("/nowhere/at/all"))),
        what if what == format!("POST {ITEM}/t1") => Answer::data(tag("t1", "")),
        "GET /api/datapools/p1" => Answer::data(json!({ "name": "p1", "conn": "/nowhere/at/all" })),
        _ => Answer::refused(404, "there is no item weather/rain"),
    });
    let line = ["data", "publish", "weather/rain:t1", "a.bin"];
    let (why, exit) = daemon.told(&line).await.failed();
    assert!(why.contains("--pool POOL makes it") && exit == Exit::Misuse, "{why}");
    let more = ["--pool", "p1", "--dir", "r", "--public"];
    daemon.told(&[&line[..], &more].concat()).await.expect(Exit::Done);
    let posts: Vec<_> = daemon.heard().into_iter().filter(|what| what.starts_with("POST")).collect();
    assert_eq!(posts, [format!("POST {ITEM}"), format!("POST {ITEM}/t1")]);

    let dir = tempfile::tempdir().unwrap();
    let daemon = publisher(dir.path());
    let (why, _) = daemon.told(&[&line[..], &["--pool", "p2"]].concat()).await.failed();
    assert_eq!(why, "weather/rain lies in the data pool p1, not p2");
    let (why, _) = daemon.told(&[&line[..], &["--pool", "p1", "--public"]].concat()).await.failed();
    assert_eq!(why, "weather/rain is private, not public");
}

#[tokio::test]
async fn a_large_file_is_waited_for_where_that_is_said() {
    let looks = AtomicU32::new(0);
    let job = |stat: &str, size: u64| json!({ "id": "0000001f", "tag": "weather/rain:t1", "stat": stat, "size": size, "srcsize": 12 });
    let daemon = Fake::start(move |asked| match asked.what.as_str() {
        what if what.contains("?page=1") => Answer::data(item(Path::new("/nowhere/at/all"))),
        "GET /api/job/0000001f" => match looks.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::data(json!([job("verifying", 4)])),
            _ => Answer::data(json!([job("published", 12)])),
        },
        what if what.starts_with("POST") => {
            let mut tag = tag("t1", "unverified");
            tag["job"] = job("verifying", 0);
            Answer::data(tag)
        }
        _ => Answer::data(tag("t1", "")),
    });
    let line = ["data", "publish", "weather/rain:t1", "a.bin"];
    let told = daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(told, "weather/rain:t1 is being read: job 0000001f\n");
    let told = daemon.told(&[&line[..], &["--wait"]].concat()).await.expect(Exit::Done);
    assert_eq!(told, "weather/rain:t1 (12 B, sha256:ab)\n");
    assert_eq!(daemon.heard().iter().filter(|what| what.contains("/api/job/")).count(), 2);
}

fn catalogue() -> Fake {
    Fake::start(|asked: &Asked| match asked.what.as_str() {
        "GET /api/repositories" => Answer::data(json!([
            { "repname": "weather", "comment": "ours", "optime": "2026-01-02 03:04:05", "owner": "alice" }])),
        "GET /api/repositories/weather?details=true" => {
            let mut item = item(Path::new("/srv/p1/rain"));
            (item["tags"], item["abnormal"]) = (json!(2), json!(1));
            Answer::data(json!({ "dataitems": ["rain"], "items": [item] }))
        }
        "GET /api/repositories/weather" => Answer::data(json!({ "dataitems": ["rain"] })),
        what if what == format!("GET {ITEM}") => {
            Answer::data(json!({ "taglist": [tag("t1", ""), tag("t2", "missing")] }))
        }
        what if what == format!("GET {ITEM}/t2") => Answer::data(tag("t2", "missing")),
        what if what == format!("GET {ITEM}?unwell=true") => Answer::data(json!({ "taglist": [tag("t2", "missing")] })),
        "POST /api/daemon/verify?repname=weather&itemname=rain&tagname=t1" => {
            Answer::data(json!({ "status": "NORMAL", "total": 0, "results": null }))
        }
        "POST /api/daemon/verify?repname=weather&itemname=rain" => {
            Answer::data(json!({ "status": "ABNORMAL", "total": 1, "results": ["weather/rain:t2"] }))
        }
        what if what == format!("DELETE {ITEM}/t%2A") => Answer::data(json!({ "removed": 2 })),
        _ => Answer::refused(404, "there is none"),
    })
}

#[tokio::test]
async fn what_is_published_is_listed_from_the_top_down() {
    let daemon = catalogue();
    expect![[r#"
        REPOSITORY  OWNER  SINCE                COMMENT
        weather     alice  2026-01-02 03:04:05  ours
    "#]]
    .assert_eq(&daemon.told(&["data", "list"]).await.expect(Exit::Done));
    expect![[r#"
        ITEM  ACCESS   TAGS  UNWELL  POOL  COMMENT
        rain  private  2     1       p1
    "#]]
    .assert_eq(&daemon.told(&["data", "list", "weather"]).await.expect(Exit::Done));
    expect![[r#"
        TAG              STATUS    SIZE  LOOKED AT                 REASON   COMMENT
        weather/rain:t1  NORMAL    12 B  2026-01-02T03:04:05.000Z
        weather/rain:t2  ABNORMAL  12 B  2026-01-02T03:04:05.000Z  missing
    "#]]
    .assert_eq(&daemon.told(&["data", "ls", "weather/rain"]).await.expect(Exit::Done));
    let one = daemon.told(&["data", "list", "weather/rain:t2"]).await.expect(Exit::Done);
    assert!(one.lines().count() == 2 && one.contains("weather/rain:t2  ABNORMAL"), "{one}");
    let one = daemon.told(&["data", "list", "weather/rain:t2", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), tag("t2", "missing"), "as the API has it");
    for what in [&["data", "list", "--unwell"][..], &["data", "list", "weather", "--unwell", "--json"]] {
        let told = daemon.told(what).await.expect(Exit::Done);
        assert!(told.contains("weather/rain:t2") && !told.contains("weather/rain:t1"), "{told}");
    }
}

#[tokio::test]
async fn verifying_exits_1_when_something_is_not_well() {
    let daemon = catalogue();
    let told = daemon.told(&["data", "verify", "weather/rain:t1"]).await.expect(Exit::Done);
    assert_eq!(told, "weather/rain:t1 is well\n");
    let told = daemon.told(&["data", "verify", "weather/rain"]).await.expect(Exit::Unhealthy);
    assert!(told.contains("weather/rain:t2") && told.contains("missing"), "{told}");
    let told = daemon.told(&["data", "verify", "weather/rain", "--json"]).await.expect(Exit::Unhealthy);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["total"], 1);
    let (_, exit) = daemon.told(&["data", "verify", "weather/snow"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
    assert_eq!(daemon.told(&["data", "rm", "weather/rain:t*"]).await.expect(Exit::Done), "removed weather/rain:t*\n");
}

#[tokio::test]
async fn a_pull_is_asked_for_and_waited_for() {
    let job = |stat: &str| {
        json!({ "id": "0000001f", "tag": "weather/rain:t1", "stat": stat, "size": 12, "srcsize": 12,
            "path": "/srv/p1/rain/t1", "reason": "it has other bytes" })
    };
    let failing = AtomicU32::new(0);
    let daemon = Fake::start(move |asked| match asked.what.as_str() {
        "POST /api/job" => Answer::data(job("queued")),
        "GET /api/job/0000001f" => {
            Answer::data(json!([job(if failing.load(Ordering::Relaxed) == 0 { "downloaded" } else { "failed" })]))
        }
        "GET /api/job" => Answer::data(json!([job("failed")])),
        "GET /api/job/00000001" => {
            failing.store(1, Ordering::Relaxed);
            Answer::data(json!([]))
        }
        "DELETE /api/job/0000001f" => Answer::ok(),
        _ => Answer::refused(404, "there is none"),
    });
    let token = daemon.path("token");
    fs::write(&token, "ab\n").unwrap();
    let line = ["data", "pull", "http://h:1", "weather/rain:t1", "--pool", "p1"];
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "0000001f\n");
    let body = json!({ "from": "http://h:1", "repname": "weather", "itemname": "rain", "tag": "t1", "datapool": "p1" });
    assert_eq!(daemon.last("POST").body, body);
    let token = token.to_str().unwrap();
    let more = ["--publish", "public", "--username", "bob", "--source-token-file", token, "--dir", "r", "--wait"];
    let told = daemon.told(&[&line[..], &more].concat()).await.expect(Exit::Done);
    assert_eq!(told, "/srv/p1/rain/t1 (12 B)\n");
    let body = daemon.last("POST").body;
    assert_eq!([&body["publish"], &body["username"], &body["token"], &body["itemdesc"]], ["public", "bob", "ab", "r"]);

    let (why, exit) = daemon.told(&["data", "jobs", "00000001"]).await.failed();
    assert!(why.contains("there is no job") && exit == Exit::Misuse, "{why}");
    let (why, exit) = daemon.told(&[&line[..], &["-w"]].concat()).await.failed();
    assert_eq!((why.as_str(), exit), ("weather/rain:t1: it has other bytes", Exit::Unhealthy));
    expect![[r#"
        ID        TAG              STATE   SIZE  PATH             WHY
        0000001f  weather/rain:t1  failed  12 B  /srv/p1/rain/t1  it has other bytes
    "#]]
    .assert_eq(&daemon.told(&["data", "jobs"]).await.expect(Exit::Done));
    assert_eq!(daemon.told(&["data", "jobs", "0000001f", "--rm"]).await.expect(Exit::Done), "removed 0000001f\n");
}

/// A daemon with somebody who is online, and somebody who is not.
fn host() -> Fake {
    Fake::start(|asked| match asked.what.as_str() {
        "GET /api/daemon/id" => {
            let whose = asked.headers.get("x-hostler-as").map_or("operator", |name| name.to_str().unwrap());
            Answer::data(json!({ "daemonid": format!("id of {whose}") }))
        }
        "GET /api/users/whoami" => Answer::data(json!({ "username": "alice" })),
        "GET /api/users/alice" => {
            Answer::data(json!({ "username": "alice", "status": "online", "entrypoint": ["http://h:1"], "why": "" }))
        }
        "GET /api/users/bob" => {
            Answer::data(json!({ "username": "bob", "status": "offline", "entrypoint": [], "why": "no beat for 2m" }))
        }
        "GET /api/users/carol" => Answer::refused(403, "this needs an administrator"),
        "GET /api/heartbeat/status/carol" => Answer::data(json!({ "status": "offline" })),
        "GET /api/daemon/status" => {
            Answer::data(json!({ "status": "online", "entrypoint": ["http://h:1", "http://i:2"] }))
        }
        "POST /api/ep" | "DELETE /api/ep" => Answer::ok(),
        _ => Answer::refused(400, "there is no user"),
    })
}

#[tokio::test]
async fn a_daemon_id_is_shown_to_whom_it_belongs() {
    let daemon = host();
    assert_eq!(daemon.told(&["id"]).await.expect(Exit::Done), "id of operator\n");
    assert_eq!(daemon.told(&["id", "alice"]).await.expect(Exit::Done), "id of alice\n");
    assert_eq!(daemon.told(&["--as", "bob", "id"]).await.expect(Exit::Done), "id of bob\n");
}

#[tokio::test]
async fn entry_points_are_shown_set_and_removed() {
    let daemon = host();
    assert_eq!(daemon.told(&["ep"]).await.expect(Exit::Done), "http://h:1\nhttp://i:2\n");
    assert_eq!(daemon.told(&["ep", "alice"]).await.expect(Exit::Done), "http://h:1\n");
    let told = daemon.told(&["ep", "bob", "--json"]).await.expect(Exit::Done);
    assert_eq!(told, "{\"entrypoint\":[]}\n");
    daemon.told(&["ep", "alice", "set", "http://h:1", "http://i:2"]).await.expect(Exit::Done);
    let asked = daemon.last("POST /api/ep");
    assert_eq!(asked.body, json!({ "entrypoint": ["http://h:1", "http://i:2"] }));
    assert_eq!(asked.headers["x-hostler-as"], "alice");
    daemon.told(&["ep", "rm"]).await.expect(Exit::Done);
    assert!(daemon.last("DELETE /api/ep").headers.get("x-hostler-as").is_none());
}

#[tokio::test]
async fn who_is_offline_is_told_with_the_reason_and_exits_1() {
    let daemon = host();
    assert_eq!(daemon.told(&["online"]).await.expect(Exit::Done), "alice is online\n");
    let told = daemon.told(&["online", "bob"]).await.expect(Exit::Unhealthy);
    assert_eq!(told, "bob is offline: no beat for 2m\n");
    let told = daemon.told(&["online", "carol"]).await.expect(Exit::Unhealthy);
    assert_eq!(told, "carol is offline\n", "why is not everybody's to know");
    let (_, exit) = daemon.told(&["online", "nobody"]).await.failed();
    assert_eq!(exit, Exit::Misuse);
}
