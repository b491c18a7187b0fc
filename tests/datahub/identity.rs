//! Cases 1–8: who somebody is, and how that is shown.

use super::*;
use crate::cast::{basic, password};
use crate::support::cli;

// Case 1.
#[test]
fn a_daemonid_is_forty_digits_and_nothing_else_is_said() {
    let cast = Cast::empty(&Settings::default());
    let body = bare(cast.alice().get("/daemon/id"));
    assert_eq!(keys(&body), ["daemonid"]);
    let id = text(&body["daemonid"]);
    assert!(id.len() == 40 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
}

// Case 2.
#[test]
fn a_daemonid_stays_and_is_nobody_elses() {
    let mut cast = Cast::empty(&Settings::default());
    let id = cast.daemonid(&cast.alice());
    assert_eq!(cast.daemonid(&cast.alice()), id);
    let of_bob = cast.daemonid(&cast.bob());
    assert_ne!(of_bob, id);
    cast.daemon.restart();
    assert_eq!((cast.daemonid(&cast.alice()), cast.daemonid(&cast.bob())), (id, of_bob));
}

// Case 3.
#[test]
fn a_slash_at_the_end_changes_nothing() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.daemonid(&cast.alice());
    assert_eq!(bare(cast.alice().get("/daemon/id/")), json!({"daemonid": id}));
    assert_eq!(bare(cast.alice().get("/daemon/status/")), bare(cast.alice().get("/daemon/status")));
}

// Case 4.
#[test]
fn below_api_the_same_comes_in_an_envelope() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.daemonid(&cast.alice());
    let expected = json!({"code": 0, "msg": "OK", "data": {"daemonid": id}});
    assert_eq!(ok(cast.alice().get("/api/daemon/id")), expected);
}

// Case 5.
#[test]
fn without_authorization_nobody_is_anybody() {
    let cast = Cast::empty(&Settings::default());
    refused(cast.nobody().get("/daemon/id"), 401, 6101);
    refused(cast.nobody().get("/api/daemon/id"), 401, 6101);
}

// Case 6.
#[test]
fn a_token_counts_under_any_spelling_of_its_scheme() {
    let cast = Cast::empty(&Settings::default());
    refused(cast.bearing("deadbeef").get("/daemon/id"), 401, 1005);
    let token = &cast.tokens[1];
    for scheme in ["token", "Token", "TOKEN", "Bearer", "bearer"] {
        bare(cast.nobody().with("authorization", &format!("{scheme} {token}")).get("/daemon/id"));
    }
    for shown in [format!("Token {token}0"), "Token".to_owned(), format!("Digest {token}"), token.clone()] {
        refused(cast.nobody().with("Authorization", &shown).get("/daemon/id"), 401, 1005);
    }
}

// Case 7.
#[test]
fn a_password_counts_and_so_does_its_md5() {
    let cast = Cast::empty(&Settings::default());
    let secret = password("alice");
    let get = |shown: &str| cast.nobody().with("Authorization", shown).get("/daemon/id");
    let id = cast.daemonid(&cast.alice());
    for shown in [secret.clone(), md5(secret.as_bytes())] {
        assert_eq!(bare(get(&basic("alice", &shown))), json!({"daemonid": id}), "{shown}");
    }
    let wrong = refused(get(&basic("alice", "wrong")), 401, 1005);
    assert_eq!(refused(get(&basic("nosuch", &secret)), 401, 1005), wrong, "nobody learns who exists");
    refused(get(&basic("alice", &md5(secret.as_bytes()).to_uppercase())), 401, 1005);
    refused(get("Basic !!!"), 401, 1005);
    let ask = |shown: &str| cast.nobody().with("Authorization", shown).get("/api/");
    assert_eq!(refused(ask(&basic("alice", "wrong")), 401, 1005), refused(ask(&basic("x", "wrong")), 401, 1005));
}

// Case 8.
#[test]
fn there_is_no_daemonid_by_name_and_no_other_method() {
    let cast = Cast::empty(&Settings::default());
    refused(cast.alice().get("/daemon/id/alice"), 404, 1404);
    let answer = cast.alice().post("/daemon/id", &json!({}));
    let allowed = answer.header("allow").expect("what is allowed").to_owned();
    assert!(allowed.split(',').map(str::trim).any(|word| word == "GET"), "{allowed}");
    assert!(!allowed.contains("POST"), "{allowed}");
    refused(answer, 405, 1003);
}

#[test]
fn a_log_out_ends_the_token_that_was_shown_and_no_other() {
    let cast = Cast::empty(&Settings::default());
    let other = cast.token("alice");
    ok(cast.alice().post("/api/users/logout", &json!({})));
    refused(cast.alice().get("/daemon/id"), 401, 1005);
    refused(cast.alice().post("/api/users/logout", &json!({})), 401, 1005);
    bare(cast.bearing(&other).get("/daemon/id"));
}

#[test]
fn a_peek_at_the_root_makes_no_token() {
    let cast = Cast::empty(&Settings::default());
    let first = cast.token("bob");
    let peek = |password: &str| {
        let head = Request::new("HEAD", "/api/").header("Authorization", &basic("bob", password));
        cast.nobody().send(head)
    };
    // More than an account may have tokens: the first would be gone.
    for _ in 0..51 {
        let answer = peek(&password("bob"));
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    assert_eq!(peek("wrong").status, 401);
    bare(cast.bearing(&first).get("/daemon/id"));
    let lines = cast.ring(&cast.bob());
    assert_eq!(lines.iter().filter(|line| line.contains("signed in")).count(), 2, "{lines:?}");
}

#[test]
fn who_is_not_to_be_served_never_was() {
    let cast = Cast::empty(&Settings { entry: false, ..Settings::default() });
    for (serving, expected) in [(false, "offline"), (true, "online")] {
        let name = format!("carol-{serving}");
        let body = json!({"password": password(&name), "serving": serving});
        ok(cast.root().post(&format!("/api/users/{name}"), &body));
        assert_eq!(data(cast.root().get(&format!("/api/users/{name}")))["status"], expected, "{serving}");
    }
}

#[test]
fn somebody_who_has_signed_in_is_told_who_he_is() {
    let cast = Cast::empty(&Settings::default());
    assert_eq!(data(cast.bob().get("/api/users/whoami"))["username"], "bob");
    refused(cast.nobody().get("/api/users/whoami"), 401, 6101);
    let sign_in = Request::new("POST", "/api/users/auth").json(&json!({"username": "bob"}));
    cast.nobody().send(sign_in.clone().header("Authorization", &basic("bob", &password("bob")))).expect(200);
    refused(cast.nobody().send(sign_in.header("Authorization", &basic("bob", "wrong"))), 401, 1005);
}

#[test]
fn tokens_outlive_a_restart_and_end_with_the_account() {
    let mut cast = Cast::empty(&Settings::default());
    let id = cast.daemonid(&cast.bob());
    cast.daemon.kill_core();
    cast.daemon.await_ready();
    assert_eq!(cast.daemonid(&cast.bob()), id);
    cli::told(&cast.daemon, &["account", "rm", "bob"], 0);
    refused(cast.bob().get("/daemon/id"), 401, 1005);
    cast.account("bob", json!({}));
    let token = cast.token("bob");
    assert_ne!(cast.daemonid(&cast.bearing(&token)), id, "another account of the same name is another");
}

#[test]
fn accounts_are_made_shown_and_removed_by_admins() {
    let cast = Cast::empty(&Settings::default());
    let body = json!({"password": password("carol"), "role": "ordinary", "serving": false});
    let made = data(cast.root().post("/api/users/carol", &body));
    assert_eq!((&made["username"], &made["role"]), (&json!("carol"), &json!("ordinary")), "{made}");
    assert_eq!(keys(&made), ["daemonid", "role", "username"]);
    refused(cast.root().post("/api/users/carol", &body), 409, 8002);
    let carol = cast.bearing(&cast.token("carol"));
    assert_eq!(json!(cast.daemonid(&carol)), made["daemonid"]);
    assert_eq!(cast.status(&carol), "offline");
    let shown = data(carol.get("/api/users/carol"));
    assert_eq!(
        (&shown["username"], &shown["serving"], &shown["status"]),
        (&json!("carol"), &json!(false), &json!("offline"))
    );
    ok(cast.root().delete("/api/users/carol"));
    refused(carol.get("/daemon/id"), 401, 1005);
    refused(cast.root().get("/daemon/ep/carol"), 400, 6002);
}
