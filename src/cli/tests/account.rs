//! `account`: what it asks the daemon, what it says, and how passwords come in.

use crate::cli::exit::Exit;
use crate::cli::password::{Key, edit, piped};
use crate::cli::tests::fake::{Answer, Fake};
use expect_test::expect;
use hyper::Method;
use serde_json::{Value, json};

fn alice() -> Value {
    json!({ "id": 1, "name": "alice", "created": "2026-01-02T03:04:05Z", "operator": false, "tracker": "manager",
        "hub": "none", "cache": "guest", "sessions": 2 })
}

fn daemon() -> Fake {
    Fake::start(|asked| match asked.what.as_str() {
        "GET /hostler/v1/accounts" => Answer::json(json!({ "accounts": [alice()] })),
        "PATCH /hostler/v1/accounts/alice" => Answer::json(alice()),
        "DELETE /hostler/v1/accounts/a%20b%26%C3%BC" => Answer::pieces([]),
        "DELETE /hostler/v1/accounts/alice/sessions" => Answer::pieces([]),
        _ => Answer::refused(404, "there is no account named \"bob\""),
    })
}

#[tokio::test]
async fn accounts_are_listed_with_what_they_may_do() {
    let daemon = daemon();
    expect![[r#"
        ID  NAME   OPERATOR  TRACKER  HUB   CACHE  SESSIONS  CREATED
        1   alice  false     manager  none  guest  2         2026-01-02T03:04:05Z
    "#]]
    .assert_eq(&daemon.told(&["account", "list"]).await.expect(Exit::Done));
    let told = daemon.told(&["account", "ls", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({ "accounts": [alice()] }));
}

#[tokio::test]
async fn only_the_rights_that_are_given_are_set() {
    let daemon = daemon();
    let told = daemon.told(&["account", "set", "alice", "--tracker", "admin", "--operator", "false"]).await;
    assert_eq!(told.expect(Exit::Done), "changed alice\n");
    let asked = daemon.last(&format!("{} /hostler/v1/accounts/alice", Method::PATCH));
    assert_eq!(asked.body, json!({ "tracker": "admin", "operator": false }));
    let told = daemon.told(&["account", "set", "alice", "--cache", "guest", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), alice());

    let (why, exit) = daemon.told(&["account", "set", "alice"]).await.failed();
    assert_eq!(why, "nothing to set: give --operator, --tracker, --hub or --cache");
    assert_eq!(exit, Exit::Misuse);
}

#[tokio::test]
async fn what_has_no_answer_is_told_all_the_same() {
    let daemon = daemon();
    assert_eq!(daemon.told(&["account", "rm", "a b&ü"]).await.expect(Exit::Done), "removed a b&ü\n");
    let told = daemon.told(&["account", "sign-out", "alice", "--json"]).await.expect(Exit::Done);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({ "name": "alice", "done": "signed out" }));
    let (why, exit) = daemon.told(&["account", "rm", "bob"]).await.failed();
    assert_eq!((why.as_str(), exit), ("there is no account named \"bob\" (404)", Exit::Misuse));
}

#[test]
fn one_newline_is_left_out_of_what_is_piped_in() {
    let read = |bytes: &[u8]| piped(bytes.to_vec()).map(|secret| secret.expose().to_owned());
    assert_eq!(read(b"secret\n").unwrap(), "secret");
    assert_eq!(read(b"secret").unwrap(), "secret");
    assert_eq!(read(b" a\nb\n\n").unwrap(), " a\nb\n");
    assert_eq!(read("pässwort\n".as_bytes()).unwrap(), "pässwort");
    for (bad, why) in [(&b"\n"[..], "empty"), (b"", "empty"), (b"\xff\xfe", "UTF-8"), (&[b'a'; 70_000], "longer")] {
        let problem = read(bad).unwrap_err();
        assert!(problem.to_string().contains(why) && problem.exit() == Exit::Misuse, "{problem}");
    }
}

#[test]
fn keys_make_a_line() {
    let typed = |keys: &[u8]| {
        let mut line = Vec::new();
        let last = keys.iter().map(|key| edit(&mut line, *key)).last();
        (String::from_utf8(line).unwrap(), last.unwrap())
    };
    assert_eq!(typed(b"secret\r"), ("secret".to_owned(), Key::Enter));
    assert_eq!(typed("sü\u{7f}e\n".as_bytes()), ("se".to_owned(), Key::Enter));
    assert_eq!(typed("€\u{8}\u{8}x\n".as_bytes()), ("x".to_owned(), Key::Enter));
    assert_eq!(typed(b"wrong\x15right\n"), ("right".to_owned(), Key::Enter));
    assert_eq!(typed(b"se\x1b\x1a\x00t"), ("set".to_owned(), Key::More));
    assert_eq!(typed(b"se\x03"), ("se".to_owned(), Key::Stop));
    assert_eq!(typed(b"\x04"), (String::new(), Key::Stop));
    assert_eq!(typed(b"a\x04"), ("a".to_owned(), Key::More));
}
