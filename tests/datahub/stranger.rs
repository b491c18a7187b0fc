//! Nonsense: whatever comes, there is an answer of this family that says what is wrong, and nothing else happens.

use super::*;
use crate::cast::{RAIN, basic};
use std::fs;

/// An error of this family, with one of these statuses; never one of ours.
#[track_caller]
fn declined(answer: Answer, statuses: &[u16]) -> u64 {
    let body = answer.json();
    assert!(statuses.contains(&answer.status), "{}: {body}", answer.status);
    assert_eq!(keys(&body), ["code", "msg"], "{body}");
    body["code"].as_u64().unwrap_or_else(|| panic!("no code: {body}"))
}

/// Every route that takes a body.
fn bodies() -> Vec<(&'static str, String)> {
    [
        ("POST", "/heartbeat"),
        ("POST", "/api/heartbeat"),
        ("POST", "/api/users/carol"),
        ("PUT", "/api/users/alice/serving"),
        ("PUT", "/api/users/alice/requires"),
        ("POST", "/api/ep"),
        ("POST", "/api/datapools"),
        ("POST", "/api/repositories/other"),
        ("POST", "/api/repositories/weather/hail"),
        ("POST", "/api/repositories/weather/rain/t9"),
        ("PUT", "/api/repositories/weather/rain/t1/requires"),
        ("POST", "/api/job"),
    ]
    .map(|(method, path)| (method, path.to_owned()))
    .to_vec()
}

#[test]
fn what_is_no_json_is_refused_everywhere() {
    let cast = Cast::start();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (method, path) in bodies() {
        for body in ["{", "[]", "7", "\"text\"", "{\"a\":", "\u{0}", "\u{feff}{}x", "{}{}", &deep] {
            let answer = cast.root().send(Request::new(method, &path).body(body));
            declined(answer, &[400]);
        }
        let not_text = cast.root().send(Request::new(method, &path).body(b"{\"a\":\"\xff\xfe\"}".to_vec()));
        declined(not_text, &[400]);
    }
    refused(cast.root().get("/api/users/carol"), 400, 6002);
    assert_eq!(data(cast.alice().get(RAIN))["tags"], 3);
}

#[test]
fn wrong_types_and_huge_numbers_are_refused() {
    let cast = Cast::start();
    let alice = cast.alice();
    for (path, body) in [
        ("/api/datapools", r#"{"name":7,"type":"file","conn":"/x"}"#),
        ("/api/datapools", r#"{"name":"x","type":["file"],"conn":"/x"}"#),
        ("/api/datapools", r#"{"name":"x","type":"file","conn":{"a":1}}"#),
        ("/api/datapools", r#"{"type":"file"}"#),
        ("/api/repositories/other", r#"{"comment":1e400}"#),
        ("/api/repositories/other", r#"{"comment":[]}"#),
        ("/api/repositories/weather/hail", r#"{"datapool":7}"#),
        ("/api/repositories/weather/hail", r#"{"datapool":"p1","itemaccesstype":"everybody"}"#),
        ("/api/repositories/weather/hail", r#"{"datapool":"p1","itemdesc":".."}"#),
        ("/api/repositories/weather/hail", r#"{"datapool":"p1","itemdesc":"."}"#),
        ("/api/repositories/weather/hail", r#"{"datapool":"p1","itemdesc":"a\u0000b"}"#),
        ("/api/repositories/weather/rain/t9", r#"{"detail":7}"#),
        ("/api/repositories/weather/rain/t9", r#"{"detail":"a.bin","replace":"yes"}"#),
        ("/api/repositories/weather/rain/t9", r#"{"detail":"a\u0000.bin"}"#),
        ("/api/repositories/weather/rain/t9", r#"{"detail":""}"#),
        ("/api/repositories/weather/rain/t9", "{}"),
        ("/api/ep", r#"{"entrypoint":99999999999999999999999999}"#),
        ("/api/ep", "{}"),
    ] {
        let answer = alice.send(Request::new("POST", path).body(body));
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        declined(answer, &[400]);
    }
    for serving in [json!(1), json!("true"), json!([])] {
        let request = Request::new("PUT", "/api/users/alice/serving").json(&json!({"serving": serving}));
        refused(alice.send(request), 400, 1007);
    }
    // What is null is not there, and that has a number of its own.
    for (method, path, body) in [
        ("PUT", "/api/users/alice/serving", r#"{"serving":null}"#),
        ("PUT", "/api/users/alice/requires", "{}"),
        ("PUT", "/api/repositories/weather/rain/t1/requires", "{}"),
        ("POST", "/api/ep", "{}"),
        ("POST", "/api/repositories/weather/hail", r#"{"itemdesc":"x"}"#),
        ("POST", "/api/repositories/weather/rain/t9", r#"{"comment":"c"}"#),
        ("POST", "/api/job", r#"{"from":"http://h:1","repname":"r","itemname":"i","tag":"t"}"#),
    ] {
        let told = refused(alice.send(Request::new(method, path).body(body)), 400, 1400);
        assert!(told.ends_with(": it is missing"), "{path}: {told}");
    }
    for n in ["99999999999999999999", "18446744073709551616", "9223372036854775808", "1e9", "٣", "", " 1"] {
        let n = encoded(n);
        let answer = alice.get(&format!("/daemon/log/{n}"));
        assert!(matches!(answer.status, 200 | 400 | 404), "{n}: {}", answer.status);
        let answer = alice.get(&format!("/daemon/tags/status?repname=weather&itemname=rain&page={n}&size={n}"));
        assert!(matches!(answer.status, 200 | 400), "{n}: {}", answer.status);
        let answer = alice.get(&format!("/api/datapools?page={n}&size={n}"));
        assert!(matches!(answer.status, 200 | 400), "{n}: {}", answer.status);
    }
}

#[test]
fn unknown_fields_and_parameters_are_passed_over() {
    let cast = Cast::start();
    let body = json!({"comment": "c", "colour": "blue", "nested": {"a": [1, {"b": null}]}});
    ok(cast.alice().post("/api/repositories/other?x=1", &body));
    assert_eq!(bare(cast.tags("&colour=blue&repname2=x")), normal());
    let client =
        cast.alice().with("X-DataHub-Version", "1").with("Accept", "text/html").with("Content-Type", "text/plain");
    assert_eq!(bare(client.get("/daemon/id")), bare(cast.alice().get("/daemon/id")));
    ok(client.post("/api/ep", &json!({"entrypoint": "http://example.test:1", "x": 1})));
}

#[test]
fn names_cannot_lead_elsewhere() {
    let cast = Cast::start();
    let alice = cast.alice();
    let long = "x".repeat(5000);
    let evil = [
        "a%2Fb",
        "%2e%2e",
        "%00",
        "a%00b",
        "a%0Ab",
        "%ff",
        "%2F",
        "%2e",
        "%1b",
        "a%7F",
        &long,
        "%25%32%66",
        "%u0041",
        "%",
    ];
    for name in evil {
        for path in
            [format!("/api/repositories/{name}"), format!("/api/repositories/weather/{name}"), format!("{RAIN}/{name}")]
        {
            for method in ["GET", "POST", "DELETE"] {
                let body = json!({"comment": "c", "datapool": "p1", "itemdesc": "rain", "detail": "a.bin"});
                let answer = alice.send(Request::new(method, &path).json(&body));
                // A percent sign is a name like another where it is no escape, and so are dots where they lead nowhere.
                let odd = ["%u0041", "%", "%25%32%66", "%2e", "%2e%2e"].contains(&name);
                assert!(
                    matches!(answer.status, 400 | 404) || odd && answer.status == 200,
                    "{method} {path}: {}",
                    answer.text()
                );
            }
        }
        for path in [
            format!("/daemon/ep/{name}"),
            format!("/heartbeat/status/{name}"),
            format!("/api/users/{name}"),
            format!("/api/datapools/{name}"),
            format!("/api/daemon/{name}/rain"),
            format!("/daemon/tags/status?repname={name}&itemname=rain"),
            format!("/daemon/tags/status?repname=weather&itemname=rain&tagname={name}"),
            format!("/api/job/{name}"),
        ] {
            let answer = cast.root().get(&path);
            assert!(matches!(answer.status, 200 | 400 | 404), "{path}: {}", answer.status);
            assert!(answer.status != 200 || path.starts_with("/api/job/"), "{path}: {}", answer.text());
        }
        let pulled = cast.entry().get(&format!("/pull/weather/rain/{name}"));
        assert!(matches!(pulled.status, 400 | 404), "{name}: {}", pulled.status);
    }
    for path in ["/pull/../../etc/hosts", "/pull/weather/rain/..%2f..%2fetc%2fhosts", "/pull//rain/t1", "/../etc/hosts"]
    {
        let status = cast.entry().get(path).status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    for name in ["a/b", "a\u{0}b", "a\nb", "", "..", ".", "x y\u{7f}"] {
        let body = json!({"name": name, "type": "file", "conn": cast.pool("fresh")});
        refused(alice.post("/api/datapools", &body), 400, 4001);
    }
    assert!(!cast.pool("fresh").exists());
    assert_eq!(bare(cast.tags("")), normal());
    assert_eq!(fs::read_dir(cast.pool("p1")).expect("the pool").count(), 1, "no other directory was made");
}

#[test]
fn names_of_accounts_have_their_limits() {
    let cast = Cast::empty(&Settings::default());
    let body = json!({"password": "correct-horse", "role": "ordinary"});
    let make = |name: &str| cast.root().post(&format!("/api/users/{}", encoded(name)), &body);
    for name in ["a b", "a/b", "a:b", "ü", "", "a\u{0}", &"n".repeat(65)] {
        let answer = make(name);
        assert!(matches!(answer.status, 400 | 404 | 405), "{name:?}: {}", answer.text());
    }
    for name in [&"n".repeat(64), "first.last@example.test", "a-b_c"] {
        ok(make(name));
    }
    for wrong in [json!({"role": "king"}), json!({"password": ""}), json!({"password": 7}), json!({"serving": "no"})] {
        let answer = cast.root().post("/api/users/dave", &plus(body.clone(), wrong.clone()));
        declined(answer, &[400]);
    }
    declined(cast.root().post("/api/users/dave", &json!({"role": "ordinary"})), &[400]);
    refused(cast.root().get("/api/users/dave"), 400, 6002);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let cast = Cast::start();
    let long = json!({"daemonid": "x", "log": ["y".repeat(1 << 20)]}).to_string();
    let answer = cast.nobody().send(Request::new("POST", "/heartbeat").body(long.clone()));
    assert!(matches!(answer.status, 400 | 413), "{}", answer.text());
    for (method, path) in bodies() {
        let answer = cast.root().send(Request::new(method, &path).body(long.clone()));
        assert!(matches!(answer.status, 400 | 413), "{path}: {}", answer.text());
    }
    assert_eq!(bare(cast.tags("")), normal());
}

#[test]
fn a_comment_and_a_file_name_have_their_limits() {
    let cast = Cast::start();
    let alice = cast.alice();
    declined(alice.post("/api/repositories/other", &json!({"comment": "c".repeat(601)})), &[400]);
    ok(alice.post("/api/repositories/other", &json!({"comment": "c".repeat(600)})));
    let answer = alice.post(&format!("{RAIN}/t9"), &json!({"detail": "d".repeat(300)}));
    declined(answer, &[400]);
    declined(
        alice.post("/api/repositories/weather/hail", &json!({"datapool": "p1", "itemdesc": "d".repeat(300)})),
        &[400],
    );
}

/// Paths that are there, and what they allow.
const PATHS: [(&str, &[&str]); 22] = [
    ("/daemon/id", &["GET"]),
    ("/daemon/ep/alice", &["GET"]),
    ("/daemon/log/0", &["GET"]),
    ("/daemon/status", &["GET"]),
    ("/daemon/tags/status", &["GET"]),
    ("/api/daemon/id", &["GET"]),
    ("/api/daemon/tags/status", &["GET"]),
    ("/api/daemon/verify", &["POST"]),
    ("/heartbeat", &["POST"]),
    ("/api/heartbeat", &["POST"]),
    ("/heartbeat/status/alice", &["GET"]),
    ("/api/users/alice/serving", &["PUT"]),
    ("/api/users/alice/requires", &["PUT"]),
    ("/api/users/alice", &["GET", "POST", "DELETE"]),
    ("/api/users/whoami", &["GET"]),
    ("/api/ep", &["GET", "POST", "DELETE"]),
    ("/api/datapools", &["GET", "POST"]),
    ("/api/datapools/p1", &["GET", "DELETE"]),
    ("/api/repositories", &["GET"]),
    ("/api/repositories/weather/rain/t1", &["GET", "POST", "DELETE"]),
    ("/api/repositories/weather/rain/t1/requires", &["PUT"]),
    ("/api/job/00000000", &["GET", "DELETE"]),
];

#[test]
fn other_methods_are_told_what_is_allowed() {
    let cast = Cast::start();
    for (path, allowed) in PATHS {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            // A name may stand where a word does.
            if allowed.contains(&method) || path == "/api/users/whoami" && matches!(method, "POST" | "DELETE") {
                continue;
            }
            // What is wrong with the path is said before it is asked who comes.
            for client in [cast.root(), cast.nobody()] {
                let answer = client.send(Request::new(method, path));
                let said = answer.header("allow").unwrap_or_default().to_owned();
                assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
                for word in allowed {
                    assert!(said.split(',').any(|one| one.trim() == *word), "{path} allows {word}, not just {said}");
                }
                refused(answer, 405, 1003);
            }
        }
        if allowed.contains(&"GET") {
            let head = cast.root().send(Request::new("HEAD", path));
            assert!(head.body.is_empty() && head.status != 500, "{path}");
        }
    }
}

#[test]
fn unknown_paths_are_not_found_in_this_familys_words() {
    let cast = Cast::start();
    for path in [
        "/daemon",
        "/daemon/nosuch",
        "/daemon/id/alice",
        "/daemon/status/alice",
        "/daemon/tags",
        "/daemon/tags/nosuch",
        "/daemon/log/0/1",
        "/heartbeat/nosuch",
        "/api/daemon",
        "/api/datapools/p1/x",
        "/api/job/1/2",
        "/api/users/alice/nosuch",
        "/api/repositories/a/b/c/d",
        "/daemon//id",
        "/daemon/./id",
        "/DAEMON/id",
    ] {
        for client in [cast.root(), cast.nobody()] {
            let answer = client.get(path);
            // Another family may own what only looks like ours.
            if path == "/DAEMON/id" {
                assert_eq!(answer.status, 404, "{path}");
            } else {
                refused(answer, 404, 1404);
            }
        }
    }
    let not_there = cast.nobody().get("/heartbeats");
    assert_eq!(not_there.status, 404);
}

#[test]
fn a_slash_at_the_end_is_the_same_everywhere() {
    let cast = Cast::start();
    for path in [
        "/daemon/id",
        "/daemon/status",
        "/daemon/log/0",
        "/daemon/ep/alice",
        "/api/daemon/status",
        "/heartbeat/status/alice",
        "/api/ep",
        "/api/datapools",
        "/api/datapools/p1",
        "/api/repositories",
        "/api/repositories/weather",
        RAIN,
        "/api/job",
        "/api/users/whoami",
    ] {
        let (one, other) = (cast.alice().get(path).expect(200), cast.alice().get(&format!("{path}/")).expect(200));
        assert!(other.header("location").is_none(), "{path}");
        assert_eq!(one.json(), other.json(), "{path}");
    }
    let status = "/daemon/tags/status/?repname=weather&itemname=rain";
    assert_eq!(bare(cast.alice().get(status)), normal());
}

#[test]
fn credentials_that_are_nonsense_are_refused() {
    let cast = Cast::empty(&Settings::default());
    let long = "a".repeat(8000);
    for shown in [
        "Basic".to_owned(),
        "Basic =".to_owned(),
        "Basic YWxpY2U=".to_owned(), // a name without a password
        basic("", ""),
        basic("alice", ""),
        basic("alice\u{0}", "x"),
        "Token".to_owned(),
        "Token a b".to_owned(),
        "Token \"\"".to_owned(),
        format!("Token {long}"),
        format!("Basic {long}"),
        "Negotiate x".to_owned(),
    ] {
        let shown = cast.nobody().with("Authorization", &shown);
        refused(shown.get("/daemon/id"), 401, 1005);
        refused(shown.get("/api/"), 401, 1005);
        let entry = cast.entry().with("Authorization", "Basic =").get("/pull/weather/rain/t1");
        assert!(matches!(entry.status, 400 | 401 | 404), "{}", entry.status);
    }
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let cast = Cast::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /daemon/id HTTP/1.1\r\nAuthorization: Token \xff\xff\r\n\r\n",
        b"POST /heartbeat HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /heartbeat HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"",
    ] {
        for client in [cast.nobody(), cast.entry()] {
            let back = client.raw(bytes).expect("an end");
            let said = String::from_utf8_lossy(&back).into_owned();
            assert!(back.is_empty() || said.starts_with("HTTP/1.") && !said.starts_with("HTTP/1.1 500"), "{said}");
        }
    }
    assert_eq!(bare(cast.tags("")), normal());
    cast.entry().get("/pull/weather/rain/t1").expect(200);
}

#[test]
fn a_link_below_the_roots_leads_a_pool_nowhere_else() {
    let cast = Cast::start();
    let outside = cast.daemon.path("outside");
    fs::create_dir_all(outside.join("rain")).expect("a directory");
    std::os::unix::fs::symlink(&outside, cast.pool("link")).expect("a link");
    for path in ["link", "link/deeper"] {
        let body = json!({"name": "p2", "type": "file", "conn": cast.pool(path)});
        refused(cast.alice().post("/api/datapools", &body), 400, 4001);
    }
    assert!(!outside.join("deeper").exists());
    // Nor an item's directory.
    std::os::unix::fs::symlink(outside.join("rain"), cast.pool("p1/out")).expect("a link");
    fs::write(outside.join("rain/x"), b"x").expect("a file");
    let item = cast.alice().post("/api/repositories/weather/out", &json!({"datapool": "p1", "itemdesc": "out"}));
    if item.status == 200 {
        let tag = cast.alice().post("/api/repositories/weather/out/x", &json!({"detail": "x"}));
        assert_eq!(tag.status, 400, "{}", tag.text());
    } else {
        declined(item, &[400]);
    }
    assert_ne!(cast.entry().get("/pull/weather/out/x").status, 200);
}

#[test]
fn many_at_once_are_all_answered() {
    let cast = Cast::start();
    let id = cast.daemonid(&cast.alice());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (cast, id) = (&cast, &id);
            scope.spawn(move || {
                for round in 0..20 {
                    assert_eq!(bare(cast.tags("")), normal());
                    assert_eq!(cast.daemonid(&cast.alice()), *id);
                    let entrypoint = format!("http://h{n}.test:{}", round + 1);
                    ok(cast.alice().post("/api/ep", &json!({"entrypoint": entrypoint})));
                    cast.entry().get("/pull/weather/rain/t1").expect(200);
                }
            });
        }
    });
    assert_eq!(cast.entrypoints(&cast.alice()).len(), 2);
}
