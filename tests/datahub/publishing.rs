//! Cases 56–61: publishing, names, pools, and the entry listener.

use super::*;
use crate::cast::{FILES, RAIN};
use std::fs;

#[track_caller]
fn publish(cast: &Cast, tag: &str, body: Value) -> Answer {
    cast.alice().post(&format!("{RAIN}/{tag}"), &body)
}

// Case 56.
#[test]
fn only_a_file_of_the_items_directory_can_be_published() {
    let cast = Cast::start();
    fs::create_dir(cast.file("directory")).expect("a directory");
    std::os::unix::fs::symlink("/etc/hosts", cast.file("link")).expect("a link");
    for detail in ["nofile", "../../etc/hosts", "/etc/hosts", "..", "."] {
        refused(publish(&cast, "t4", json!({"detail": detail})), 400, 4008);
        refused(cast.alice().get(&format!("{RAIN}/t4")), 404, 1009);
    }
    for detail in ["directory", "link"] {
        let answer = publish(&cast, "t4", json!({"detail": detail}));
        assert_eq!(answer.status, 400, "{detail}: {}", answer.text());
        refused(cast.alice().get(&format!("{RAIN}/t4")), 404, 1009);
    }
    // Only the last component counts, and there it is.
    fs::write(cast.file("hosts"), b"ours").expect("a file");
    cast.publish(&cast.alice(), "weather/rain/t4", "../../etc/hosts");
    let shown = cast.tag("t4");
    assert_eq!((&shown["detail"], &shown["size"]), (&json!("hosts"), &json!(4)), "{shown}");
    assert_eq!(data(cast.alice().get(RAIN))["tags"], 4);
}

// Case 57.
#[test]
fn a_tag_is_published_once_unless_it_is_to_be_replaced() {
    let cast = Cast::start();
    refused(publish(&cast, "t1", json!({"detail": "a.bin"})), 409, 4009);
    fs::write(cast.file("a.bin"), b"a new content, of another length").expect("the file");
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:t1"]));
    refused(publish(&cast, "t1", json!({"detail": "a.bin", "replace": false})), 409, 4009);
    ok(publish(&cast, "t1", json!({"detail": "a.bin", "replace": true, "comment": "again"})));
    assert_eq!(bare(cast.tags("")), normal());
    let shown = cast.tag("t1");
    let sum = sha256(b"a new content, of another length");
    assert_eq!(
        (&shown["status"], &shown["sha256"], &shown["comment"]),
        (&json!("NORMAL"), &json!(sum), &json!("again"))
    );
    holds("it stays healthy", millis(600), || bare(cast.tags("")) == normal());
    // What cannot replace it leaves it as it is.
    refused(publish(&cast, "t1", json!({"detail": "nofile", "replace": true})), 400, 4008);
    let now = cast.tag("t1");
    assert_eq!(plus(shown, json!({"checked_at": now["checked_at"]})), now);
}

// Case 58.
#[test]
fn names_have_their_bounds_and_repositories_their_owner() {
    let cast = Cast::start();
    let item = json!({"datapool": "p1", "itemdesc": "snow"});
    refused(cast.bob().post("/api/repositories/weather/snow", &item), 403, 1006);
    let make = |name: &str| cast.alice().post(&format!("/api/repositories/{name}"), &json!({"comment": "c"}));
    for reserved in ["tags", "ep", "log", "id", "status"] {
        refused(make(reserved), 400, 1007);
        refused(cast.alice().post(&format!("/api/repositories/{reserved}/x"), &item), 400, 1007);
    }
    refused(make(&"r".repeat(53)), 400, 1007);
    ok(make(&"r".repeat(52)));
    // Bytes, not letters.
    refused(make(&encoded(&"天".repeat(18))), 400, 1007);
    ok(make(&encoded(&"天".repeat(17))));
    refused(make("weather"), 409, 4009);
    refused(cast.alice().post(&format!("{}/{}", "/api/repositories/weather", "i".repeat(101)), &item), 400, 1007);
    let longest = format!("/api/repositories/weather/{}", "i".repeat(100));
    ok(cast.alice().post(&longest, &item));
    refused(cast.alice().post(&longest, &item), 409, 4009);
    fs::write(cast.pool("p1/snow/s"), b"s").expect("a file");
    refused(cast.alice().post(&format!("{longest}/{}", "t".repeat(101)), &json!({"detail": "s"})), 400, 1007);
    ok(cast.alice().post(&format!("{longest}/{}", "t".repeat(100)), &json!({"detail": "s"})));
    refused(cast.alice().post("/api/repositories/weather/a%3Ab", &item), 400, 1007);
    refused(cast.alice().post(&format!("{longest}/a%2A"), &json!({"detail": "s"})), 400, 1007);
    refused(cast.alice().post("/api/repositories/weather/hail", &json!({"datapool": "nosuch"})), 404, 4010);
    let inner = cast.alice().post("/api/repositories/weather/hail", &json!({"datapool": "p1", "itemdesc": "a/b"}));
    assert_eq!(inner.status, 400, "{}", inner.text());
}

// Case 59.
#[test]
fn pools_lie_where_they_may_and_stay_while_they_are_needed() {
    let cast = Cast::start();
    let make = |body: Value| cast.alice().post("/api/datapools", &body);
    let right = json!({"name": "p9", "type": "file", "conn": cast.pool("p9")});
    for wrong in [
        json!({"type": "tape"}),
        json!({"name": ""}),
        json!({"name": "a/b"}),
        json!({"name": "n".repeat(33)}),
        json!({"conn": "/etc"}),
        json!({"conn": cast.daemon.path("elsewhere")}),
        json!({"conn": cast.pool("../elsewhere")}),
        json!({"conn": "relative"}),
        json!({"conn": ""}),
    ] {
        refused(make(plus(right.clone(), wrong)), 400, 4001);
    }
    assert!(!cast.daemon.path("elsewhere").exists());
    ok(make(right.clone()));
    assert!(cast.pool("p9").is_dir());
    refused(make(right), 409, 4001);

    let pools = data(cast.alice().get("/api/datapools"));
    assert_eq!((&pools["total"], list(&pools["results"]).len()), (&json!(2), 2), "{pools}");
    assert_eq!(data(cast.bob().get("/api/datapools")), json!({"total": 0, "results": []}));
    assert_eq!(data(cast.root().get("/api/datapools?page=1&size=1"))["total"], 2);
    refused(cast.alice().get("/api/datapools/nosuch"), 404, 4002);
    let shown = data(cast.alice().get("/api/datapools/p1")).to_string();
    for word in ["weather", "rain", "t1", "t3"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }

    refused(cast.alice().delete("/api/datapools/p1"), 409, 4001);
    assert_eq!(bare(cast.tags("")), normal());
    cast.entry().get("/pull/weather/rain/t1").expect(200);
    ok(cast.alice().delete("/api/datapools/p9"));
    assert!(cast.pool("p9").is_dir(), "files are kept");
    for path in [&format!("{RAIN}/*"), RAIN, "/api/repositories/weather", "/api/datapools/p1"] {
        ok(cast.alice().delete(path));
    }
    assert!(cast.file("a.bin").is_file());
    refused(cast.tags(""), 404, 1009);
}

#[test]
fn a_repository_is_shown_with_what_is_in_it() {
    let cast = Cast::start();
    let mine = |body: Value| list(&body).iter().any(|one| one["repname"] == "weather");
    assert!(mine(data(cast.alice().get("/api/repositories"))));
    assert!(mine(data(cast.root().get("/api/repositories?username=alice"))));
    assert!(!mine(data(cast.root().get("/api/repositories?username=bob"))));
    assert_eq!(data(cast.alice().get("/api/repositories/weather"))["dataitems"], json!(["rain"]));
    let item = data(cast.alice().get(RAIN));
    assert_eq!((&item["repname"], &item["itemname"], &item["tags"]), (&json!("weather"), &json!("rain"), &json!(3)));
    let names: Vec<&str> = list(&item["taglist"]).iter().map(|tag| text(&tag["tag"])).collect();
    assert_eq!(names, ["t1", "t2", "t3"]);
    for path in ["/api/repositories/nosuch", "/api/repositories/weather/nosuch", &format!("{RAIN}/nosuch")] {
        refused(cast.alice().get(path), 404, 1009);
    }
    let full = cast.alice().delete("/api/repositories/weather");
    assert_eq!(full.status, 409, "it is not empty: {}", full.text());
}

#[test]
fn an_account_with_published_items_stays() {
    let cast = Cast::start();
    let answer = cast.root().delete("/api/users/alice");
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(bare(cast.tags("")), normal());
}

// Case 60.
#[test]
fn a_file_is_served_with_its_sums_unless_it_has_changed() {
    let cast = Cast::start();
    let (entry, content) = (cast.entry(), FILES[0].2);
    let path = "/pull/weather/rain/t1";
    let whole = entry.get(path).expect(200);
    assert_eq!(whole.body, content);
    assert_eq!(whole.header("x-source-md5"), Some(md5(content).as_str()));
    assert_eq!(whole.header("x-source-filesize"), Some(content.len().to_string().as_str()));
    assert_eq!(whole.header("x-source-sha256"), Some(sha256(content).as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let etag = whole.header("etag").expect("a validator").to_owned();
    assert_eq!(etag, format!("\"{}\"", sha256(content)));
    let part = entry.with("Range", "bytes=0-3").get(path).expect(206);
    assert_eq!(part.body, content[..4]);
    let head = entry.send(Request::new("HEAD", path)).expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, whole.header("content-length")));
    assert_eq!(head.header("x-source-md5"), whole.header("x-source-md5"));
    settles("who fetched it is logged", NOTICED, true, || {
        let named = |line: &String| line.contains("weather/rain:t1") && line.contains("127.0.0.1");
        cast.ring(&cast.alice()).iter().any(named)
    });

    for missing in
        ["/pull/weather/rain/nosuch", "/pull/weather/nosuch/t1", "/pull/nosuch/rain/t1", "/pull/weather/rain"]
    {
        entry.get(missing).expect(404);
    }
    // At once: what is sent was looked at when it was asked for.
    fs::write(cast.file("a.bin"), [content, b"x"].concat()).expect("the file");
    assert_eq!(entry.get(path).expect(409).json()["code"], 1010);
    assert_eq!(entry.send(Request::new("HEAD", path)).status, 409);
    cast.reason_becomes(NOTICED, "t1", "size_changed");
    entry.get(path).expect(409);
    fs::remove_file(cast.file("a.bin")).expect("the file");
    settles("it is gone", NOTICED, 404, || entry.get(path).status);
    cast.put_back("a.bin");
    cast.tags_become(Duration::from_secs(2), "", normal());
    assert_eq!(entry.get(path).expect(200).body, content);
}

#[test]
fn ranges_are_as_http_has_them() {
    let cast = Cast::start();
    let (path, content) = ("/pull/weather/rain/t1", FILES[0].2);
    let (end, etag) = (content.len(), format!("\"{}\"", sha256(content)));
    let ask = |range: &str| cast.entry().with("Range", range).get(path);
    let last = ask("bytes=-5").expect(206);
    assert_eq!(
        (&last.body[..], last.header("content-range")),
        (&content[end - 5..], Some(&*format!("bytes {}-{}/{end}", end - 5, end - 1)))
    );
    assert_eq!(ask("bytes=10-").expect(206).body, content[10..]);
    assert_eq!(ask("bytes=3-99999").expect(206).body, content[3..]);
    let beyond = ask(&format!("bytes={end}-")).expect(416);
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{end}")));
    for ignored in ["lines=1-2", "bytes=5-2", "bytes=a-b"] {
        let answer = ask(ignored);
        assert!(matches!(answer.status, 200 | 416), "{ignored}: {}", answer.status);
        assert!(answer.status == 416 || answer.body == content, "{ignored}");
    }
    let if_range = |validator: &str| cast.entry().with("If-Range", validator).with("Range", "bytes=0-3").get(path);
    if_range(&etag).expect(206);
    assert_eq!(if_range("\"another\"").expect(200).body, content);
    cast.entry().send(Request::new("POST", path)).expect(405);
}

// Case 60, for what is private.
#[test]
fn a_private_file_is_for_those_who_have_access() {
    let cast = Cast::start();
    cast.make_item(&cast.alice(), "weather/snow", "p1", "snow", "private");
    fs::write(cast.pool("p1/snow/s"), b"snow").expect("a file");
    cast.publish(&cast.alice(), "weather/snow/s", "s");
    let (entry, path) = (cast.entry(), "/pull/weather/snow/s");
    let [root, alice, bob] = &cast.tokens;
    entry.get(path).expect(400);
    entry.get(&format!("{path}?token=deadbeef&username=alice")).expect(400);
    entry.get(&format!("{path}?token={alice}&username=bob")).expect(400);
    entry.get(&format!("{path}?token={bob}&username=bob")).expect(400);
    assert_eq!(entry.get(&format!("{path}?token={alice}&username=alice")).expect(200).text(), "snow");
    let shown = |token: &str| entry.with("Authorization", &format!("Token {token}")).get(path);
    assert_eq!((shown(alice).text(), shown(root).text()), ("snow".to_owned(), "snow".to_owned()));
    shown(bob).expect(400);
    shown("deadbeef").expect(400);
    // What is not there looks the same to a stranger.
    assert!(matches!(entry.get("/pull/weather/snow/nosuch").status, 400 | 404));
}

// Case 61.
#[test]
fn the_entry_listener_knows_who_serves() {
    let cast = Cast::start();
    let (entry, id) = (cast.entry(), cast.daemonid(&cast.alice()));
    let health = |id: &str| entry.get(&format!("/health?daemonid={id}"));
    let said = health(&id).expect(200).json();
    assert_eq!((&said["daemonid"], &said["entrypoint"]), (&json!(id), &Value::Null), "{said}");
    assert!(said["role"] == 0 || said["role"] == 1, "{said}");
    let host = entry.get("/health").expect(200).json();
    let own = text(&host["daemonid"]).to_owned();
    assert_eq!((keys(&host), own.len()), (vec!["daemonid", "entrypoint", "role"], 40), "{host}");
    for who in [cast.root(), cast.alice(), cast.bob()] {
        assert_ne!(cast.daemonid(&who), own);
    }
    health(&own).expect(404);
    health(&"0".repeat(40)).expect(404);
    cast.serving(&cast.alice(), "alice", false);
    health(&id).expect(404);
    entry.get("/pull/weather/rain/t1").expect(404);
    cast.serving(&cast.alice(), "alice", true);
    health(&id).expect(200);
    entry.get("/pull/weather/rain/t1").expect(200);
    assert!(!entry.get("/").expect(200).body.is_empty());
    // Nothing of the API is there, nor the other way round.
    assert!(matches!(entry.with("Authorization", &format!("Token {}", cast.tokens[1])).get("/daemon/id").status, 404));
    assert_ne!(cast.alice().get("/pull/weather/rain/t1").status, 200);
}
