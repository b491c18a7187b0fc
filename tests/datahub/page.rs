//! The published document's own requests, word for word, and every field of the answers that it shows.
//!
//! Only what the document cannot know is put in: the token. Its spaces at line ends, which its web page has added, are
//! left out.

use super::*;

/// The token of the document, in whose place the account's own goes.
const TOKEN: &str = "dcabfefb6ad8feb68e6fbce876fbfe778fb";

const ID: &str = "GET /daemon/id HTTP/1.1
Accept: application/json
Content-Type: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const EP: &str = "GET /daemon/ep/cmcc HTTP/1.1
Accept: application/json
Content-Type: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const EP_ANSWER: &str = r#"{
    "entrypoint":[
        "http://211.10.23.23:35800",
        "http://211.10.23.24:35800"
    ]
}"#;

const LOG: &str = "GET /daemon/log/5?range=2 HTTP/1.1
Accept: application/json
Content-Type: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const LOG_ANSWER: &str = r#"{
    "log":[
    "2015/12/01 14:58:29 testlog7",
    "2015/12/01 14:56:21 testlog6",
    "2015/12/01 14:52:54 testlog5"
    ]
}"#;

const STATUS: &str = "GET /daemon/status HTTP/1.1
Accept: application/json
Content-Type: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const STATUS_ANSWER: &str = r#"{
    "status":"online",
    "entrypoint":[
        "http://211.10.23.23:35800",
        "http://211.10.23.24:35800"
    ]
}"#;

const TAGS: &str = "GET /daemon/tags/status?repname=testrepo&itemname=testitem HTTP/1.1
Accept: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const TAG: &str = "GET /daemon/tags/status?repname=testrepo&itemname=testitem&tagname=testtag HTTP/1.1
Accept: application/json
Authorization: Token dcabfefb6ad8feb68e6fbce876fbfe778fb";

const TAG_ANSWER: &str = r#"{ "status": "NORMAL", "total": 0, "results": null }"#;

/// Its account, which is there under that name.
const CMCC: &str = "cmcc";

/// A daemon as the document has it: no entry listener but those that the account names.
#[track_caller]
fn setting() -> (Cast, String) {
    let cast = Cast::empty(&Settings { entry: false, ..Settings::default() });
    cast.account(CMCC, json!({}));
    let token = cast.token(CMCC);
    let cmcc = cast.bearing(&token);
    ok(cmcc.post("/api/ep", &json!({"entrypoint": ["http://211.10.23.23:35800", "http://211.10.23.24:35800"]})));
    cast.status_becomes(SOON, &cmcc, "online");
    (cast, token)
}

/// Sends a request of the document with this token; the body of its answer.
#[track_caller]
fn send(cast: &Cast, token: &str, request: &str) -> Value {
    let mine = request.replace(TOKEN, token);
    let wire = format!("{}\r\nConnection: close\r\n\r\n", mine.replace('\n', "\r\n"));
    let back = cast.nobody().raw(wire.as_bytes()).expect("an answer");
    let said = String::from_utf8(back).expect("text");
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {said}"));
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"))
}

#[track_caller]
fn sample(answer: &str) -> Value {
    serde_json::from_str(answer).expect("the sample is JSON")
}

#[test]
fn its_daemonid() {
    let (cast, token) = setting();
    let body = send(&cast, &token, ID);
    assert_eq!(keys(&body), ["daemonid"]);
    assert!(text(&body["daemonid"]).bytes().all(|byte| byte.is_ascii_hexdigit()), "{body}");
    let slash = ID.replace("/daemon/id ", "/daemon/id/ ");
    assert_eq!(send(&cast, &token, &slash), body);
}

#[test]
fn its_entrypoints() {
    let (cast, token) = setting();
    assert_eq!(send(&cast, &token, EP), sample(EP_ANSWER));
}

#[test]
fn its_log() {
    let (cast, token) = setting();
    let cmcc = cast.bearing(&token);
    let id = cast.daemonid(&cmcc);
    let stamp = |n: u64| match n {
        7 => "14:58:29".to_owned(),
        6 => "14:56:21".to_owned(),
        5 => "14:52:54".to_owned(),
        _ => format!("14:{:02}:00", 40 + n),
    };
    let lines: Vec<String> = (1..=12).map(|n| format!("2015/12/01 {} testlog{n}\n", stamp(n))).collect();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    assert_eq!(send(&cast, &token, LOG), sample(LOG_ANSWER));
}

#[test]
fn its_status() {
    let (cast, token) = setting();
    assert_eq!(send(&cast, &token, STATUS), sample(STATUS_ANSWER));
    assert_eq!(send(&cast, &token, &STATUS.replace("/status ", "/status/ ")), sample(STATUS_ANSWER));
}

#[test]
fn its_tags() {
    let (cast, token) = setting();
    let cmcc = cast.bearing(&token);
    cast.make_pool(&cmcc, "test");
    cast.make_item(&cmcc, "testrepo/testitem", "test", "testitem", "private");
    let names = ["abnormaltag1", "abnormaltag2", "abnormaltag3", "testtag"];
    for name in names {
        std::fs::write(cast.pool("test/testitem").join(name), name).expect("a file");
        cast.publish(&cmcc, &format!("testrepo/testitem/{name}"), name);
    }
    for name in &names[..3] {
        std::fs::remove_file(cast.pool("test/testitem").join(name)).expect("the file");
    }
    // Its placeholders, as a client looks for them.
    let results: Vec<String> = names[..3].iter().map(|name| format!("testrepo/testitem:{name}")).collect();
    let expected = json!({ "status": "ABNORMAL", "total": 3, "results": results });
    settles("they are missed", NOTICED, expected, || send(&cast, &token, TAGS));
    assert_eq!(send(&cast, &token, TAG), sample(TAG_ANSWER));
}
