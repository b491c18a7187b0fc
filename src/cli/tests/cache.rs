//! The cache on the command line, against a daemon that answers what it is told to.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Asked, Fake};
use expect_test::expect;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const ID: &str = "a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316";

fn task(state: &str) -> Value {
    let digest = format!("crc32:{}", crc32fast::hash(b"hello hostler\n"));
    let pieces = if state == "complete" {
        json!([{ "number": 0, "offset": 0, "length": 14, "digest": digest }])
    } else {
        json!([])
    };
    json!({
        "id": ID, "url": "http://o.example/hello.txt", "tag": "", "state": state, "error": "", "content_length": 14,
        "cached_bytes": if state == "complete" { 14 } else { 4 }, "pins": [], "pieces": pieces,
    })
}

/// A daemon that has the file after one more question.
fn fetching(path: Option<String>) -> Fake {
    let looks = AtomicU32::new(0);
    Fake::start(move |asked| {
        let content = format!("GET /oapi/v1/tasks/{ID}/content");
        match asked.what.as_str() {
            "POST /oapi/v1/tasks" => {
                let mut task = task("fetching");
                if let Some(path) = &path {
                    task["path"] = path.as_str().into();
                }
                Answer::json(task)
            }
            what if what.ends_with("/verify?again=false") => Answer::json(json!({ "ok": true })),
            what if what == content => Answer::pieces(["hello ", "hostler\n"].map(|piece| Ok(piece.to_owned()))),
            what if what.starts_with(&format!("GET /oapi/v1/tasks/{ID}")) => {
                let there = looks.fetch_add(1, Ordering::Relaxed) > 0;
                let mut task = task(if there { "complete" } else { "fetching" });
                if let Some(path) = &path {
                    task["path"] = path.as_str().into();
                }
                Answer::json(task)
            }
            _ => Answer::refused(404, "record not found"),
        }
    })
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Nothing of an unfinished file is left in the directory.
#[track_caller]
fn is_tidy(daemon: &Fake, expected: &[&str]) {
    let names = fs::read_dir(daemon.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "s").collect();
    names.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_file_is_sent_where_the_cache_cannot_be_read() {
    let daemon = fetching(Some("/nowhere/at/all".to_owned()));
    let file = daemon.path("hello");
    let line = ["cache", "get", "http://o.example/hello.txt", "-o", file.to_str().unwrap()];
    let told = daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(told, format!("{} (14 B, download)\n", file.display()));
    assert_eq!(text(&file), "hello hostler\n");
    is_tidy(&daemon, &["hello"]);
    assert_eq!(daemon.last("POST /oapi/v1/tasks").body, json!({ "url": "http://o.example/hello.txt" }));
    assert!(daemon.heard().contains(&format!("GET /oapi/v1/tasks/{ID}/content")), "{:?}", daemon.heard());
}

#[tokio::test]
async fn nothing_is_replaced_without_force() {
    let daemon = fetching(None);
    let file = daemon.path("hello");
    fs::write(&file, "mine").unwrap();
    let line = ["cache", "get", "http://o.example/hello.txt", "-o", file.to_str().unwrap()];
    let (why, exit) = daemon.told(&line).await.failed();
    assert!(why.contains("--force") && exit == Exit::Misuse, "{why}");
    assert!(daemon.heard().is_empty(), "nothing is fetched for what cannot be written");
    daemon.told(&[&line[..], &["--force"]].concat()).await.expect(Exit::Done);
    assert_eq!(text(&file), "hello hostler\n");
    let directory = daemon.path("");
    let line = ["cache", "get", "http://o.example/hello.txt", "-f", "-o", directory.to_str().unwrap()];
    daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(text(&daemon.path("hello.txt")), "hello hostler\n", "in a directory it is named as its address says");
    is_tidy(&daemon, &["hello", "hello.txt"]);
    for line in ["cache get nonsense -o x", "cache get ftp://o.example/a -o x"] {
        let (why, exit) = daemon.told(&line.split(' ').collect::<Vec<_>>()).await.failed();
        assert!(why.contains("http://") && exit == Exit::Misuse, "{why}");
    }
}

#[tokio::test]
async fn whoever_may_read_the_cache_takes_the_file_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let cached = dir.path().join("cached");
    fs::write(&cached, "hello hostler\n").unwrap();
    let path = cached.to_str().unwrap().to_owned();
    let daemon = fetching(Some(path));
    let [copy, link] = ["copy", "link"].map(|name| dir.path().join(name));
    let line = ["cache", "get", "http://o.example/hello.txt", "--json", "-o", copy.to_str().unwrap()];
    let told: Value = serde_json::from_str(&daemon.told(&line).await.expect(Exit::Done)).unwrap();
    assert!(["reflink", "copy"].contains(&told["how"].as_str().unwrap()), "{told}");
    assert_eq!((text(&copy).as_str(), told["bytes"].as_u64(), &told["id"]), ("hello hostler\n", Some(14), &json!(ID)));
    assert_ne!(fs::metadata(&copy).unwrap().ino(), fs::metadata(&cached).unwrap().ino());
    let line = ["cache", "get", "http://o.example/hello.txt", "--hard-link", "-o", link.to_str().unwrap()];
    daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(fs::metadata(&link).unwrap().ino(), fs::metadata(&cached).unwrap().ino());
    assert!(!daemon.heard().iter().any(|what| what.ends_with("/content")), "{:?}", daemon.heard());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn what_is_asked_of_a_file_is_said_in_the_words_of_the_api() {
    let daemon = fetching(None);
    let line = "cache get http://o.example/hello.txt -o - --tag t --application a --filter x --filter y --piece-length 8MiB \
                --content-id c --digest sha256:00 --pin --ttl 90m --revalidate --header X-One:1 --header Authorization:Bearer";
    let line: Vec<_> = line.split_whitespace().collect();
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "hello hostler\n");
    let expected = json!({
        "url": "http://o.example/hello.txt", "tag": "t", "application": "a", "filtered_query_params": "x&y",
        "piece_length": 8 << 20, "content_for_calculating_task_id": "c", "digest": "sha256:00", "pin": true,
        "ttl": "1h 30m", "revalidate": true, "headers": { "X-One": "1", "Authorization": "Bearer" },
    });
    assert_eq!(daemon.last("POST /oapi/v1/tasks").body, expected);
}

#[tokio::test]
async fn what_cannot_be_fetched_says_why_and_leaves_nothing() {
    let daemon = Fake::start(|_| {
        let mut task = task("partial");
        task["error"] = "the origin answered 404".into();
        Answer::json(task)
    });
    let file = daemon.path("hello");
    let line = ["cache", "get", "http://o.example/hello.txt", "-o", file.to_str().unwrap()];
    let (why, exit) = daemon.told(&line).await.failed();
    assert_eq!((why.as_str(), exit), ("http://o.example/hello.txt: the origin answered 404", Exit::Unhealthy));
    is_tidy(&daemon, &[]);
}

#[test]
fn the_last_part_of_an_address_names_the_file() {
    let name = |url: &str| super::super::cache::file_name(url).map(|name| name.to_string_lossy().into_owned()).ok();
    assert_eq!(name("http://o.example/a/b%20c.iso?x=/y#z").as_deref(), Some("b c.iso"));
    for url in ["http://o.example", "http://o.example/", "http://o.example/a/", "http://o/..", "http://o/a%2Fb", "x"] {
        assert_eq!(name(url), None, "{url}");
    }
}

fn job(state: &str, failed: &[Value], error: &str) -> Value {
    let cached = json!({ "url": "http://o/a", "hostname": "h", "ip": "i" });
    json!({ "id": 7, "state": state, "result": { "state": state, "job_states": [{
        "state": state, "error": error, "progress": { "urls_total": 2, "urls_done": 1, "bytes_total": 9, "bytes_done": 3 },
        "results": if state == "PENDING" { Value::Null } else {
            json!([{ "success_tasks": [cached], "failure_tasks": failed, "scheduler_cluster_id": 1 }])
        },
    }] } })
}

fn preheating(last: Value) -> Fake {
    let looks = AtomicU32::new(0);
    Fake::start(move |asked| match asked.what.as_str() {
        "POST /oapi/v1/jobs" => Answer::json(job("PENDING", &[], "")),
        "GET /oapi/v1/jobs/7?wait=1s" if looks.fetch_add(1, Ordering::Relaxed) == 0 => {
            Answer::json(job("PENDING", &[], ""))
        }
        "GET /oapi/v1/jobs/7?wait=1s" => Answer::json(last.clone()),
        _ => Answer::refused(404, "record not found"),
    })
}

#[tokio::test]
async fn a_preheat_says_of_each_address_what_came_of_it() {
    let daemon = preheating(job("SUCCESS", &[], ""));
    assert_eq!(daemon.told(&["cache", "preheat", "http://o/a"]).await.expect(Exit::Done), "7\n");
    let told = daemon.told(&["cache", "preheat", "http://o/a", "--wait"]).await.expect(Exit::Done);
    expect![[r#"
        VERDICT  URL         WHY
        cached   http://o/a
    "#]]
    .assert_eq(&told);
    let missing = json!({ "url": "http://o/b", "hostname": "h", "ip": "i", "description": "the origin answered 404" });
    let daemon = preheating(job("SUCCESS", std::slice::from_ref(&missing), ""));
    let told = daemon.told(&["cache", "preheat", "http://o/a", "http://o/b", "--wait"]).await;
    expect![[r#"
        VERDICT  URL         WHY
        cached   http://o/a
        failed   http://o/b  the origin answered 404
    "#]]
    .assert_eq(&told.text);
    assert_eq!(told.failed(), ("job 7: 1 of 2 could not be fetched".to_owned(), Exit::Unhealthy));
    let daemon = preheating(job("FAILURE", &[missing], "all of it failed"));
    let told = daemon.told(&["cache", "preheat", "http://o/b", "--wait", "--json"]).await.expect(Exit::Unhealthy);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["state"], "FAILURE");
}

#[tokio::test]
async fn images_are_preheated_as_such() {
    let daemon = preheating(job("SUCCESS", &[], ""));
    let line = "cache preheat oci://r.example/a:1 --platform linux/arm64 --at-once 3 --timeout 2h --pin";
    daemon.told(&line.split(' ').collect::<Vec<_>>()).await.expect(Exit::Done);
    let expected = json!({ "type": "preheat", "args": {
        "type": "image", "urls": ["oci://r.example/a:1"], "platform": "linux/arm64", "concurrent_task_count": 3,
        "timeout": "2h", "pin": true,
    } });
    assert_eq!(daemon.last("POST /oapi/v1/jobs").body, expected);
    for line in ["cache preheat oci://r.example/a:1 http://o/a", "cache preheat http://o/a --platform linux/arm64"] {
        assert_eq!(daemon.told(&line.split(' ').collect::<Vec<_>>()).await.failed().1, Exit::Misuse, "{line}");
    }
}

#[tokio::test]
async fn an_image_shows_which_of_its_blobs_are_here() {
    let layers =
        |names: &[&str]| names.iter().map(|name| json!({ "url": format!("https://r/{name}") })).collect::<Value>();
    let answer = json!({ "image": { "layers": layers(&["a", "b"]) }, "peers": [{ "cached_layers": layers(&["b"]) }] });
    let daemon = Fake::start(move |_| Answer::json(answer.clone()));
    let told = daemon.told(&["cache", "image", "oci://r/x:1", "--platform", "all"]).await.expect(Exit::Unhealthy);
    expect![[r#"
        STATE    BLOB
        missing  https://r/a
        cached   https://r/b
    "#]]
    .assert_eq(&told);
    let expected = json!({ "type": "get_image_distribution", "args": { "url": "oci://r/x:1", "platform": "all" } });
    assert_eq!(daemon.last("POST /oapi/v1/jobs").body, expected);
}

/// A daemon that holds two contents of one address.
fn holding() -> Fake {
    Fake::start(|asked: &Asked| {
        let mut tagged = task("partial");
        (tagged["id"], tagged["tag"], tagged["pins"]) = ("e8eb".into(), "t1".into(), json!(["proc:web"]));
        let both = json!([task("complete"), tagged.clone()]);
        match asked.what.as_str() {
            what if what == format!("GET /oapi/v1/tasks/{ID}") => Answer::json(task("complete")),
            what if what == format!("DELETE /oapi/v1/tasks/{ID}") => Answer::json(Value::Null),
            what if what == format!("POST /oapi/v1/tasks/{ID}/verify") => Answer::json(json!({ "damaged": [3] })),
            what if what.starts_with("GET /oapi/v1/tasks?") && what.contains("tag=t1") => Answer::json(json!([tagged])),
            what if what.starts_with("GET /oapi/v1/tasks?") && what.contains("nothing") => Answer::json(json!([])),
            what if what.starts_with("GET /oapi/v1/tasks?") => Answer::json(both),
            what if what.starts_with("DELETE /oapi/v1/tasks?url=http%3A%2F%2Fnothing") => {
                Answer::json(json!({ "removed": [], "failed": [] }))
            }
            what if what.starts_with("DELETE /oapi/v1/tasks?") => {
                Answer::json(json!({ "removed": [task("complete")], "failed": [{ "id": "e8eb", "error": "busy" }] }))
            }
            "POST /oapi/v1/tasks/verify" => Answer::json(json!({ "checked": 2, "damaged": [] })),
            "POST /oapi/v1/tasks/gc" => Answer::json(json!({ "tasks": 2, "bytes": 2048, "orphans": 1 })),
            "GET /oapi/v1/usage" => Answer::json(json!({
                "bytes": 4096, "quota": 0, "free": 1_048_576, "tasks": 2, "by_application": [],
                "by_tag": [{ "tag": "", "tasks": 1, "bytes": 14 }, { "tag": "t1", "tasks": 1, "bytes": 4082 }],
            })),
            what if what.contains("/pins/") => Answer::json(Value::Null),
            _ => Answer::refused(404, "record not found"),
        }
    })
}

#[tokio::test]
async fn what_is_here_is_listed_and_shown() {
    let daemon = holding();
    let told = daemon.told(&["cache", "list", "--q", "hello", "--state", "complete"]).await.expect(Exit::Done);
    expect![[r#"
        ID                                                                STATE            SIZE         TAG  URL
        a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316  complete         14 B              http://o.example/hello.txt
        e8eb                                                              partial, pinned  4 B of 14 B  t1   http://o.example/hello.txt
    "#]]
    .assert_eq(&told);
    assert_eq!(daemon.heard(), ["GET /oapi/v1/tasks?q=hello&state=complete&page=1&per_page=100"]);
    let told = daemon.told(&["cache", "stat", ID]).await.expect(Exit::Done);
    assert!(told.contains("state           complete") && !told.contains("pieces"), "{told}");
    let told = daemon.told(&["cache", "stat", ID, "--pieces"]).await.expect(Exit::Done);
    assert!(told.contains("pieces.0.number"), "{told}");
    daemon.told(&["cache", "stat", "http://o.example/hello.txt"]).await.expect(Exit::Unhealthy);
    let (why, exit) = daemon.told(&["cache", "stat", "http://nothing/"]).await.failed();
    assert!(why.contains("is not in the cache") && exit == Exit::Misuse, "{why}");
    assert_eq!(daemon.told(&["cache", "stat", "00"]).await.failed().1, Exit::Misuse);
}

#[tokio::test]
async fn pages_are_turned_until_there_are_no_more() {
    let daemon = Fake::start(|asked| {
        let full = asked.what.contains("page=1&");
        Answer::json(Value::Array(vec![task("complete"); if full { 500 } else { 3 }]))
    });
    let told = daemon.told(&["cache", "list", "--all", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&told).unwrap().len(), 503);
    assert_eq!(daemon.heard().len(), 2);
}

#[tokio::test]
async fn what_is_removed_and_what_is_not_is_told() {
    let daemon = holding();
    assert_eq!(daemon.told(&["cache", "rm", ID]).await.expect(Exit::Done), format!("removed {ID}\n"));
    let told = daemon.told(&["cache", "rm", "--tag", "t 1", "--q", "hello"]).await.expect(Exit::Unhealthy);
    assert_eq!(told, "removed http://o.example/hello.txt\n");
    assert_eq!(daemon.heard().pop().unwrap(), "DELETE /oapi/v1/tasks?q=hello&tag=t%201");
    daemon.told(&["cache", "rm", "--image", "oci://r/x:1", "-n"]).await.expect(Exit::Unhealthy);
    assert_eq!(daemon.heard().pop().unwrap(), "DELETE /oapi/v1/tasks?image=oci%3A%2F%2Fr%2Fx%3A1&dry_run=true");
    daemon.told(&["cache", "rm", "http://nothing/", "00", ID]).await.expect(Exit::Misuse);
    assert_eq!(daemon.heard().pop().unwrap(), format!("DELETE /oapi/v1/tasks/{ID}"), "one slip does not stop the rest");
}

#[tokio::test]
async fn pins_name_one_content_and_their_owner() {
    let daemon = holding();
    daemon.told(&["cache", "pin", ID, "--for", "proc:web"]).await.expect(Exit::Done);
    assert_eq!(daemon.heard().pop().unwrap(), format!("PUT /oapi/v1/tasks/{ID}/pins/proc%3Aweb"));
    let told = daemon.told(&["cache", "unpin", "http://o.example/hello.txt", "--tag", "t1"]).await.expect(Exit::Done);
    assert_eq!(told, "unpinned http://o.example/hello.txt\n");
    assert_eq!(daemon.heard().pop().unwrap(), "DELETE /oapi/v1/tasks/e8eb/pins/operator");
    let (why, exit) = daemon.told(&["cache", "pin", "http://o.example/hello.txt"]).await.failed();
    assert!(why.contains("is 2 contents") && why.contains("e8eb") && exit == Exit::Misuse, "{why}");
}

#[tokio::test]
async fn upkeep_is_told_in_a_line() {
    let daemon = holding();
    assert_eq!(daemon.told(&["cache", "verify"]).await.expect(Exit::Done), "the cache is what it was\n");
    let told = daemon.told(&["cache", "verify", ID]).await.expect(Exit::Unhealthy);
    assert!(told.starts_with(&format!("{ID} is damaged:\n")) && told.contains("damaged  3"), "{told}");
    let told = daemon.told(&["cache", "gc"]).await.expect(Exit::Done);
    assert_eq!(told, "threw away 2 contents (2.0 KiB) and 1 files that belonged to nothing\n");
    expect![[r#"
        4.0 KiB in 2 contents, free on the disk: 1.0 MiB
        BY   NAME  CONTENTS  SIZE
        tag  t1    1         4.0 KiB
    "#]]
    .assert_eq(&daemon.told(&["cache", "usage"]).await.expect(Exit::Done));
}
