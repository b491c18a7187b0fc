//! Tasks as clients see them, and which of them a list is asked for.

use super::at;
use crate::cache::model::{
    Crc, Extent, Failure, Identity, LastUse, Pieces, PinOwner, Source, Task, TaskNo, TaskState, Validators,
};
use crate::cache::wire::asked;
use crate::cache::wire::tasks::{Selection, Usage, ids, pieces, task};
use expect_test::expect;
use serde_json::{Map, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// Two of three pieces of ten million bytes.
fn partial() -> Task {
    let mut there = Pieces::new();
    there.put(0, Crc(2_504_815_813));
    there.put(2, Crc(7));
    let identity = Identity { tag: "nightly".to_owned(), ..Identity::of_url("http://a/get?b=2&a=1") };
    let validators = Validators { etag: Some("\"v1\"".to_owned()), last_modified: None };
    let source = Source {
        extent: Extent { length: Some(10_000_000), piece_length: 4 << 20 },
        validators,
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        checked: at(2),
    };
    Task {
        no: TaskNo(1),
        ids: identity.ids(),
        identity,
        digest: None,
        private: false,
        pins: BTreeSet::new(),
        ttl: None,
        peer: Uuid::nil(),
        created: at(0),
        used: LastUse::at(at(10)),
        source: Some(source),
        pieces: Arc::new(there),
        state: TaskState::Partial(Some(Failure { at: at(3), why: "the origin broke off".to_owned() })),
    }
}

#[test]
fn a_task_tells_what_is_there_and_why_not_all() {
    let shown = task(&partial(), DAY);
    let mut keys = shown.clone();
    keys["id"] = json!("…");
    keys["aliases"] = json!(shown["aliases"].as_array().map(Vec::len));
    keys["filtered_query_params"] = json!("…");
    expect![[r#"
        {
          "aliases": 1,
          "application": "",
          "cached_bytes": 5805696,
          "checked_at": "2026-03-02T10:00:02.104Z",
          "content_length": 10000000,
          "content_type": "text/plain",
          "created_at": "2026-03-02T10:00:00.104Z",
          "digest": null,
          "error": "the origin broke off",
          "etag": "\"v1\"",
          "expires_at": "2026-03-03T10:00:10.104Z",
          "filtered_query_params": "…",
          "finished_at": null,
          "finished_pieces": 2,
          "id": "…",
          "last_modified": null,
          "piece_length": 4194304,
          "pins": [],
          "private": false,
          "state": "partial",
          "tag": "nightly",
          "total_pieces": 3,
          "url": "http://a/get?b=2&a=1",
          "used_at": "2026-03-02T10:00:10.104Z"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&keys).unwrap());
    assert_ne!(shown["aliases"][0], shown["id"]);
    expect![[r#"[{"digest":"crc32:2504815813","length":4194304,"number":0,"offset":0},{"digest":"crc32:7","length":1611392,"number":2,"offset":8388608}]"#]]
        .assert_eq(&pieces(&partial()).to_string());
}

#[test]
fn what_is_kept_by_somebody_does_not_expire() {
    let mut kept = partial();
    kept.pins = [PinOwner::Dag("7".to_owned()), PinOwner::Name("x".to_owned())].into();
    kept.state = TaskState::Complete(at(5));
    let shown = task(&kept, DAY);
    assert_eq!((&shown["pins"], &shown["expires_at"]), (&json!(["dag:7", "x"]), &json!(null)));
    assert_eq!((&shown["state"], &shown["error"]), (&json!("complete"), &json!("")));
    assert_eq!(shown["finished_at"], "2026-03-02T10:00:05.104Z");
    let mut longer = partial();
    longer.ttl = Some(2 * DAY);
    assert_eq!(task(&longer, DAY)["expires_at"], "2026-03-04T10:00:10.104Z");
}

#[test]
fn of_what_is_not_known_nothing_is_told() {
    let unknown = Task { source: None, pieces: Arc::default(), state: TaskState::Fetching, ..partial() };
    let shown = task(&unknown, DAY);
    for key in ["piece_length", "content_length", "total_pieces", "etag", "content_type", "checked_at"] {
        assert!(shown[key].is_null(), "{key}");
    }
    assert_eq!((&shown["cached_bytes"], pieces(&unknown)), (&json!(0), json!([])));
}

#[test]
fn all_selectors_have_to_hold() {
    let holds = |selection: Selection| selection.takes(&partial());
    let some = |text: &str| Some(text.to_owned());
    assert!(Selection::default().is_all() && holds(Selection::default()));
    assert!(holds(Selection {
        tag: some("nightly"),
        state: some("partial"),
        part: some("get?"),
        ..Selection::default()
    }));
    assert!(holds(Selection { part: some("night"), ..Selection::default() }));
    assert!(holds(Selection { url: some("http://a/get?b=2&a=1"), ..Selection::default() }));
    assert!(!holds(Selection { url: some("http://a/get"), ..Selection::default() }));
    let mut secret = partial();
    secret.identity.url = "http://ada:S3CRET@a/get".to_owned();
    let part = |text: &str| Selection { part: some(text), ..Selection::default() }.takes(&secret);
    assert!(part("ada:***@a/get") && !part("S3") && !part("ada:S"), "a password is not found piece by piece");
    assert_eq!(task(&secret, DAY)["url"], "http://ada:***@a/get");
    assert!(!holds(Selection { tag: some("night"), ..Selection::default() }));
    assert!(!holds(Selection { tag: some("nightly"), application: some("ci"), ..Selection::default() }));
    assert!(!holds(Selection { state: some("complete"), ..Selection::default() }));
}

#[test]
fn ids_are_told_by_their_kinds() {
    let told = |body: &str| {
        let identity = asked::identity(body.as_bytes()).unwrap();
        ids(&identity, &identity.ids())
    };
    let both = told(r#"{"url":"https://files.example.net/get?b=2&a=1"}"#);
    let manager = "19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60";
    let daemon = "093120e943a80c3870d245c789853cb6125232759343c703745e03bf12532edb";
    assert_eq!(
        (&both["manager_id"], &both["daemon_id"], &both["primary"]),
        (&json!(manager), &json!(daemon), &json!(manager))
    );
    assert!(both["blob_digest_id"].is_null() && both["content_id"].is_null());
    let content = told(r#"{"content_for_calculating_task_id":"release-2026-08"}"#);
    let id = "06f5e2c46e5d3870d64019b6469e0c3520e1c1c996ba8fd60a517de1b7d27aeb";
    assert_eq!(content, json!({"manager_id":null,"daemon_id":null,"blob_digest_id":null,"content_id":id,"primary":id}));
    let blob = told(&format!(r#"{{"url":"https://r/v2/a/blobs/sha256:{id}"}}"#));
    assert_eq!(blob["blob_digest_id"], id);
    assert!(asked::identity(b"{}").is_err());
}

#[test]
fn one_file_is_asked_for_with_all_that_goes_with_it() {
    let fetch = |body: &str| asked::fetch(body.as_bytes(), "alice");
    let read =
        fetch(r#"{"url":"http://a/b","tag":"t","headers":{"Cookie":"c"},"ttl":"1d","pin":true,"revalidate":true}"#);
    let read = read.unwrap();
    assert_eq!((read.identity.url.as_str(), read.identity.tag.as_str(), read.ttl), ("http://a/b", "t", Some(DAY)));
    assert_eq!(read.pin, Some(PinOwner::Name("alice".to_owned())));
    assert!(read.secrets.any && read.revalidate && read.digest.is_none());
    assert!(fetch("{}").is_err() && fetch(r#"{"url":"http://a","digest":"x"}"#).is_err());
}

#[test]
fn what_is_kept_is_told_by_tag_and_application() {
    let mut usage = Usage::default();
    let mut pinned = partial();
    pinned.identity.tag = String::new();
    pinned.pins = [PinOwner::Name("x".to_owned())].into();
    for task in [&partial(), &partial(), &pinned] {
        usage.count(task);
    }
    let whole: Map<_, _> = [("tasks".to_owned(), json!(3))].into_iter().collect();
    expect![[r#"{"by_application":[{"application":"","bytes":17417088,"tasks":3}],"by_tag":[{"bytes":11611392,"tag":"nightly","tasks":2},{"bytes":5805696,"tag":"","tasks":1}],"pinned":{"bytes":5805696,"tasks":1},"tasks":3}"#]]
        .assert_eq(&usage.told(whole).to_string());
}
