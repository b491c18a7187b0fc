//! Bodies and answers, to the letter; and whatever is sent, reading it ends.

use super::heartbeat::{self, Posted};
use super::identity::{self, EntryPoints, Id, Log, Online, Reached, Status, Window};
use super::requires;
use super::users::{self, Made, Me, Shown, Token};
use super::{Fault, fields::Fields, repositories};
use crate::base::{Secret, Wall};
use crate::hub::machine::Standing;
use crate::hub::model::{DaemonId, EntryPoint, Member, Requirement, Requirements};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const DAEMON: &str = "7be1d0c45a9f3e22861b07d4c9ab5510fe38a6d2";

fn entry(text: &str) -> EntryPoint {
    EntryPoint::new(text).unwrap()
}

fn posted(body: &Value) -> Result<Posted, Fault> {
    heartbeat::read(body.to_string().as_bytes(), Wall::UNIX_EPOCH)
}

/// The lines that become of these.
fn lines(log: &[&str]) -> Vec<String> {
    posted(&json!({ "daemonid": DAEMON, "log": log })).unwrap().beat.lines
}

fn why<T>(read: Result<T, Fault>) -> String {
    read.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_beat_of_the_original_is_read() {
    let body = json!({
        "daemonid": DAEMON,
        "entrypoint": ["http://198.51.100.7:35800"],
        "log": ["2024/03/05 09:10:41 [pull served]\n"],
        "role": 1,
        "abnormaltags": ["weather/rain:2024-01"],
    });
    let Posted { daemonid, beat } = posted(&body).unwrap();
    assert_eq!(daemonid, DAEMON);
    assert_eq!(beat.entries, [entry("http://198.51.100.7:35800")]);
    assert_eq!(beat.lines, ["2024/03/05 09:10:41 [pull served]"]);
    let (rep, item, tag) = &beat.abnormal[0];
    assert_eq!((rep.as_str(), item.as_str(), tag.as_str()), ("weather", "rain", "2024-01"));
}

#[test]
fn what_says_nothing_is_nothing() {
    for entrypoint in [json!(null), json!([]), json!([""]), json!(["", " ", null])] {
        let Posted { beat, .. } = posted(&json!({ "daemonid": DAEMON, "entrypoint": entrypoint })).unwrap();
        assert_eq!(beat, Default::default(), "{entrypoint}");
    }
    for body in [json!({}), json!({ "daemonid": null }), json!({ "daemonid": "", "entrypoint": null })] {
        assert_eq!(posted(&body).unwrap().daemonid, "");
    }
}

#[test]
fn what_is_no_beat_is_refused_by_its_field() {
    for body in ["", "[]", "null", "1", "x", "{", "{}x", "\u{fffd}"] {
        assert!(why(heartbeat::read(body.as_bytes(), Wall::UNIX_EPOCH)).starts_with("the body: "), "{body}");
    }
    for (field, value) in [
        ("daemonid", json!(1)),
        ("entrypoint", json!(1)),
        ("entrypoint", json!([1])),
        ("entrypoint", json!("http://h:1")),
        ("log", json!("2024/03/05 09:10:41 a line")),
        ("entrypoint", json!(["ftp://h:1"])),
        ("entrypoint", json!(["http://h"])),
        ("log", json!({})),
        ("abnormaltags", json!([[]])),
    ] {
        let told = why(posted(&json!({ field: value })));
        assert!(told.starts_with(&format!("{field}: expected")), "{told}");
    }
    assert!(posted(&json!({ "role": "x", "other": [] })).is_ok(), "what is not looked at may be anything");
}

#[test]
fn a_body_is_one_object_and_nothing_else() {
    for (body, told) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("[]", "invalid type: sequence, expected an object at line 1 column 0"),
        ("null", "invalid type: null, expected an object at line 1 column 4"),
        ("true", "invalid type: boolean `true`, expected an object at line 1 column 4"),
        ("-1", "invalid type: integer `-1`, expected an object at line 1 column 2"),
        ("\"x\"", "invalid type: string \"x\", expected an object at line 1 column 3"),
        ("x", "expected value at line 1 column 1"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\"a\":}", "expected value at line 1 column 6"),
        ("{}x", "trailing characters at line 1 column 3"),
    ] {
        assert_eq!(why(users::new(body.as_bytes())), format!("the body: expected a JSON object: {told}"));
    }
    assert_eq!(repositories::new_repository(b" \n").as_deref(), Ok(""));
    let nothing = "the body: expected a JSON object: invalid type: null, expected an object at line 1 column 4";
    assert_eq!(why(repositories::new_repository(b"null")), nothing);
}

#[test]
fn a_field_is_refused_by_its_place_and_its_kind() {
    let beat = |body: &str| why(heartbeat::read(body.as_bytes(), Wall::UNIX_EPOCH));
    for (value, kind) in [("{}", "this object"), ("[]", "this list"), ("false", "true or false"), ("-1", "this number")]
    {
        assert_eq!(beat(&format!(r#"{{"DaemonID":{value}}}"#)), format!("daemonid: expected a text, not {kind}"));
    }
    assert_eq!(beat(r#"{"daemonid":"\ud800"}"#), "daemonid: expected a text of whole characters");
    assert_eq!(beat(r#"{"log":"x"}"#), "log: expected a list of texts, not a text");
    assert_eq!(why(users::serving(br#"{"serving":"x"}"#)), "serving: expected true or false, not a text");
    let set = |body: &str| why(identity::entries(body.as_bytes()));
    assert_eq!(set(r#"{"entrypoint":"\ud800"}"#), "entrypoint: expected a text of whole characters");
    assert_eq!(set(r#"{"entrypoint":7}"#), "entrypoint: expected a list of texts, not this number");
    let facts = |list: &str| why(requires::body(format!(r#"{{"requires":{list}}}"#).as_bytes(), 0));
    for list in ["[null]", "[[]]", "[7]"] {
        assert_eq!(facts(list), "requires: expected a list of objects, not this list");
    }
    assert_eq!(facts(r#"[{"proc":"a"},{"url":[]}]"#), "requires[1].url: expected a text, not this list");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let told = "requires[0].max_age: expected JSON that is not nested too deeply, not this list";
    assert_eq!(facts(&format!(r#"[{{"dag":"a","max_age":{deep}}}]"#)), told);
}

#[test]
fn the_last_of_several_counts_unless_it_is_null() {
    let serving = |body: &str| users::serving(body.as_bytes());
    assert_eq!(serving(r#"{"serving":"x","SERVING":false}"#), Ok(false));
    assert_eq!(serving(r#"{"Serving":true,"serving":null}"#), Ok(true));
}

#[test]
fn of_entry_points_eight_different_ones_count() {
    let many: Vec<String> = (1..=20).flat_map(|port| vec![format!("HTTP://h:{port}/x"); 2]).collect();
    let beat = posted(&json!({ "entrypoint": many })).unwrap().beat;
    let expected: Vec<EntryPoint> = (1..=8).map(|port| entry(&format!("http://h:{port}"))).collect();
    assert_eq!(beat.entries, expected);
}

#[test]
fn lines_are_one_line_each_and_stamped() {
    assert_eq!(lines(&["2024/03/05 09:10:41 a\nb\r\n\u{1}c\td\n\n"]), ["2024/03/05 09:10:41 a b c d"]);
    assert!(lines(&["", "\n", " \r\n", "\u{1}"]).is_empty());
    for text in ["x", "2024/03/05 09:10:41", "2024/03/05 09:10:41 ", "2024/02/30 09:10:41 x", "2024-03-05 09:10:41 x"] {
        let line = lines(&[text]).remove(0);
        assert!(line.ends_with(&format!(" {}", text.trim())) && line.len() == 20 + text.trim().len(), "{line}");
        assert!(line.starts_with("1970/01/01 ") || line.starts_with("1969/12/31 "), "{line}");
    }
}

#[test]
fn of_many_lines_the_newest_count_and_long_ones_are_cut() {
    let many: Vec<String> = (0..600).map(|number| format!("2024/03/05 09:10:41 {number}")).collect();
    let kept = lines(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((kept.len(), kept.first(), kept.last()), (500, many.get(100), many.last()));
    for long in ["x".repeat(5000), "ä".repeat(5000), "\u{1F600}".repeat(5000)] {
        let line = lines(&[&long]).remove(0);
        assert!((2045..=2048).contains(&line.len()), "{}", line.len());
    }
}

#[test]
fn a_line_tells_no_secret() {
    let line = lines(&[&format!("2024/03/05 09:10:41 started with id{DAEMON}, {DAEMON}")]).remove(0);
    assert_eq!(line, "2024/03/05 09:10:41 started with id7be1d0…, 7be1d0…");
    let text = format!("2024/03/05 09:10:41 {}, token={}é", DAEMON.to_uppercase(), "0f".repeat(20));
    assert_eq!(lines(&[&text]), ["2024/03/05 09:10:41 7BE1D0…, token=0f0f0f…é"]);
    let (front, back) = DAEMON.split_at(20);
    assert_eq!(lines(&[&format!("2024/03/05 09:10:41 {front}\u{1}{back}")]), ["2024/03/05 09:10:41 7be1d0…"]);
    // Sums of files are none.
    let sum = format!("2024/03/05 09:10:41 sha256 {} md5 {}", "ab".repeat(32), "cd".repeat(16));
    assert_eq!(lines(&[&sum]), [sum]);
}

#[test]
fn tags_that_cannot_be_are_none() {
    let names = ["a/b:c", "a/b:c:d", "", "/", ":", "a:b", "a/b", "/b:c", "a/:c", "a/b:", "a/b/c:d", "a/b:*"];
    let beat = posted(&json!({ "abnormaltags": names })).unwrap().beat;
    let kept: Vec<String> = beat.abnormal.iter().map(|(rep, item, tag)| format!("{rep}/{item}:{tag}")).collect();
    assert_eq!(kept, ["a/b:c", "a/b:c:d"]);
}

#[test]
fn a_window_has_both_its_ends() {
    let read = |index, range| Window::read(index, range, 1000);
    assert_eq!(read("0", None), Ok(Window { index: 0, count: 10 }));
    assert_eq!(read("5", Some("2")), Ok(Window { index: 5, count: 3 }));
    assert_eq!(read("0", Some("0")), Ok(Window { index: 0, count: 1 }));
    assert_eq!(read("007", Some("5000")), Ok(Window { index: 7, count: 1001 }));
    let far = "99999999999999999999999";
    assert_eq!(read(far, Some(far)), Ok(Window { index: u64::MAX, count: 1001 }));
    for wrong in ["", "x", "-1", "+1", "1.5", " 1", "0x1"] {
        assert!(why(read(wrong, None)).starts_with("index: expected a whole number from 0"));
        assert!(why(read("0", Some(wrong))).starts_with("range: expected a whole number from 0"));
    }
}

#[test]
fn entry_points_are_set_one_or_up_to_eight() {
    let read = |body: Value| identity::entries(body.to_string().as_bytes());
    assert_eq!(
        read(json!({ "entrypoint": "HTTP://Example.test:4040/x" })),
        Ok(vec![entry("http://example.test:4040")])
    );
    let two = read(json!({ "entrypoint": ["http://a:1", "https://b:2", "http://a:1/"] })).unwrap();
    assert_eq!(two, [entry("http://a:1"), entry("https://b:2")]);
    let nine = vec!["http://a:1"; 9];
    assert_eq!(read(json!({ "entrypoint": null })), Err(Fault::Absent("entrypoint".to_owned())));
    for wrong in [json!({ "entrypoint": [] }), json!({ "entrypoint": nine }), json!({ "entrypoint": "" })] {
        assert!(why(read(wrong.clone())).starts_with("entrypoint: expected"), "{wrong}");
    }
    for wrong in ["ftp://h:1", "http://h", "http://:80", "http://h:port", "http://h:0"] {
        assert!(why(read(json!({ "entrypoint": wrong }))).starts_with("entrypoint: expected http"), "{wrong}");
    }
}

#[test]
fn users_have_names_and_fields() {
    for good in ["a", "Alice.B_c-d@example.org", &"x".repeat(64), "operators"] {
        assert_eq!(users::name(good), Ok(good));
    }
    for bad in ["", "a b", "a/b", "a:b", "ä", "a\n", &"x".repeat(65), "auth", "logout", "whoami"] {
        assert!(why(users::name(bad)).starts_with("username: "), "{bad:?}");
    }
    let new = users::new(br#"{"password":"pw"}"#).unwrap();
    assert_eq!(new.password.expose(), "pw");
    assert!(!new.admin && new.serving && !format!("{new:?}").contains("pw"));
    let new = users::new(br#"{"Role":"admin","serving":false,"password":"pw","x":1}"#).unwrap();
    assert!(new.admin && !new.serving);
    for none in ["{}", r#"{"password":""}"#, r#"{"password":null}"#] {
        assert_eq!(users::new(none.as_bytes()).err(), Some(Fault::Absent("password".to_owned())), "{none}");
    }
    for (field, body) in [
        ("role", r#"{"role":"root"}"#),
        ("role", r#"{"role":1}"#),
        ("password", r#"{"password":5}"#),
        ("serving", r#"{"serving":"yes"}"#),
    ] {
        let told = why(users::new(body.as_bytes()));
        assert!(told.starts_with(&format!("{field}: expected")) && !told.contains('5'), "{told}");
    }
    assert_eq!(users::serving(br#"{"serving":false}"#), Ok(false));
    assert_eq!(users::serving(br#"{"serving":null}"#), Err(Fault::Absent("serving".to_owned())));
}

#[test]
fn facts_are_read_and_shown_in_one_form() {
    let body = json!({ "requires": [
        { "proc": "web" },
        { "dag": "nightly", "max_age": "26h" },
        { "dag": "weekly" },
        { "url": "http://127.0.0.1:8080/healthz", "note": "unknown names do not count" },
        { "proc": "web" },
    ]});
    let read = requires::body(body.to_string().as_bytes(), 7).unwrap();
    let expected = [
        Requirement::Proc("web".into()),
        Requirement::Dag("nightly".into(), Some(Duration::from_secs(26 * 3600))),
        Requirement::Dag("weekly".into(), None),
        Requirement::Url("http://127.0.0.1:8080/healthz".into()),
    ];
    assert_eq!(read, Requirements { all: expected.into(), by: 7 });
    let shown = requires::show(&read);
    let again = requires::body(json!({ "requires": shown }).to_string().as_bytes(), 7);
    assert_eq!(again, Ok(read));
    assert_eq!(requires::show(&Requirements::default()), json!([]));
}

#[test]
fn facts_that_are_none_are_named() {
    let told = |body: Value| why(requires::body(body.to_string().as_bytes(), 0));
    assert_eq!(told(json!({})), "requires: it is missing");
    assert!(told(json!({ "requires": "proc" })).starts_with("requires: expected a list of objects"));
    assert!(told(json!({ "requires": vec![json!({ "proc": "a" }); 9] })).starts_with("requires: expected at most 8"));
    let second = |entry: Value| told(json!({ "requires": [{ "proc": "a" }, entry] }));
    assert!(second(json!({})).starts_with("requires[1].proc, dag, url: expected exactly one"));
    assert!(second(json!({ "proc": "a", "url": "http://a" })).starts_with("requires[1].proc, dag, url: "));
    assert!(second(json!({ "proc": "" })).starts_with("requires[1].proc: expected a name"));
    assert!(second(json!({ "dag": "a\n" })).starts_with("requires[1].dag: expected a name"));
    for age in [json!("soon"), json!(-1), json!(0), json!([])] {
        assert!(second(json!({ "dag": "a", "max_age": age })).starts_with("requires[1].max_age: "), "{age}");
    }
    for url in ["", "a", "ftp://a/", "http://u@a/", "http://u:p@a/", "file:///etc/passwd", "http://"] {
        assert!(second(json!({ "url": url })).starts_with("requires[1].url: expected http://"), "{url}");
    }
}

#[test]
fn answers_have_the_originals_names() {
    let text = |value: &dyn erased::Json| value.json();
    let member = Member {
        account: 1,
        daemon: DaemonId::parse(DAEMON).unwrap(),
        serving: true,
        entries: Vec::new(),
        requires: Requirements::default(),
    };
    let entries = [entry("http://h:1")];
    let online = Standing { online: true, last_beat: None, why: String::new() };
    let offline = Standing { online: false, last_beat: None, why: "no beat".to_owned() };
    assert_eq!(text(&Id::from(&member)), json!({ "daemonid": DAEMON }));
    assert_eq!(text(&EntryPoints::from(&entries[..])), json!({ "entrypoint": ["http://h:1"] }));
    assert_eq!(text(&Log::from(vec!["x".to_owned()])), json!({ "log": ["x"] }));
    assert_eq!(text(&Online::from(&offline)), json!({ "status": "offline" }));
    let status = Status::from((&online, &entries[..]));
    assert_eq!(text(&status), json!({ "status": "online", "entrypoint": ["http://h:1"] }));
    assert_eq!(text(&Status::from((&offline, &[][..]))), json!({ "status": "offline", "entrypoint": [] }));
    let secret = Secret::new("t");
    assert_eq!(text(&Token::from(&secret)), json!({ "token": "t" }));
    let me = || Me { username: "alice", role: "ordinary" };
    assert_eq!(text(&me()), json!({ "username": "alice", "role": "ordinary" }));
    let made = json!({ "username": "alice", "role": "ordinary", "daemonid": DAEMON });
    assert_eq!(text(&Made::from((me(), &member))), made);
    let shown = Shown::from((me(), &member, &offline, &entries[..]));
    let expected = json!({ "username": "alice", "role": "ordinary", "serving": true, "status": "offline",
        "entrypoint": ["http://h:1"], "requires": [], "why": "no beat" });
    assert_eq!(text(&shown), expected);
    assert_eq!(text(&Shown::from((me(), &member, &online, &entries[..]))).get("why"), None);
    let reached = [(entry("http://h:1"), true), (entry("http://h:2"), false)];
    assert_eq!(identity::reached(&reached[..1]), "http://h:1 available");
    assert_eq!(identity::reached(&reached), "http://h:1 available, http://h:2 not available");
    assert_eq!(text(&Reached::from(&reached[1])), json!({ "entrypoint": "http://h:2", "available": false }));
}

/// Values of several types in one table.
mod erased {
    use serde::Serialize;
    use serde_json::Value;

    pub(super) trait Json {
        fn json(&self) -> Value;
    }

    impl<T: Serialize> Json for T {
        fn json(&self) -> Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

/// Values of all kinds, and some that mean something to one field or another.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::sample::select(vec!["http://h:1", "a/b:c", "2024/03/05 09:10:41 x\n", "26h", "admin", DAEMON])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("proc|dag|url|max_age|[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

const NAMES: [&str; 10] =
    ["daemonid", "entrypoint", "log", "role", "abnormaltags", "password", "serving", "requires", "Requires", "other"];

fn look_at(body: &[u8]) {
    if let Ok(Posted { beat, .. }) = heartbeat::read(body, Wall::UNIX_EPOCH) {
        assert!(beat.entries.len() <= 8 && beat.lines.len() <= 500);
        for line in &beat.lines {
            assert!(line.len() <= 2048 && line.len() > 20 && !line.chars().any(char::is_control), "{line:?}");
        }
    }
    if let Ok(entries) = identity::entries(body) {
        assert!((1..=8).contains(&entries.len()));
    }
    if let Ok(read) = requires::body(body, 1) {
        assert!(read.all.len() <= 8);
        let again = requires::body(json!({ "requires": requires::show(&read) }).to_string().as_bytes(), 1);
        assert_eq!(again, Ok(read));
    }
    drop(users::new(body));
    drop(users::serving(body));
    drop(Fields::read_or_empty(body));
}

proptest! {
    #[test]
    fn any_object_is_read_or_refused(
        fields in prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), value(), 0..6),
    ) {
        look_at(json!(fields).to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
        look_at(&body);
    }

    #[test]
    fn any_window_is_read_or_refused(index in ".{0,24}", range in "[0-9]{0,24}", ring in any::<usize>()) {
        drop(users::name(&index));
        if let Ok(window) = Window::read(&index, Some(&range), ring) {
            prop_assert!(window.count >= 1);
        }
    }
}
