//! Cases 9–16: where somebody's files are to be fetched.

use super::*;

#[track_caller]
fn listed(cast: &Cast, who: &Client, name: &str) -> Vec<String> {
    let body = bare(who.get(&format!("/daemon/ep/{name}")));
    assert_eq!(keys(&body), ["entrypoint"], "{}", cast.daemon.stderr());
    texts(&body["entrypoint"])
}

#[track_caller]
fn set(who: &Client, entrypoint: Value) -> Answer {
    who.post("/api/ep", &json!({"entrypoint": entrypoint}))
}

// Case 9.
#[test]
fn the_address_of_the_entry_listener_is_listed() {
    let cast = Cast::empty(&Settings::default());
    assert_eq!(listed(&cast, &cast.alice(), "alice"), [cast.entry_url()]);
}

// Case 10.
#[test]
fn nobody_else_may_know_nor_learn_who_exists() {
    let cast = Cast::empty(&Settings::default());
    let foreign = cast.alice().get("/daemon/ep/bob");
    let unknown = cast.alice().get("/daemon/ep/nosuch");
    assert_eq!(foreign.body, unknown.body);
    refused(foreign, 403, 1006);
    refused(unknown, 403, 1006);
}

// Case 11.
#[test]
fn an_admin_may_know_of_everybody() {
    let cast = Cast::empty(&Settings::default());
    assert_eq!(listed(&cast, &cast.root(), "alice"), listed(&cast, &cast.alice(), "alice"));
    refused(cast.root().get("/daemon/ep/nosuch"), 400, 6002);
}

// Case 12.
#[test]
fn a_name_is_needed() {
    let cast = Cast::empty(&Settings::default());
    refused(cast.root().get("/daemon/ep/"), 400, 6001);
}

// Case 13.
#[test]
fn what_an_account_sets_goes_first_in_its_normal_form() {
    let cast = Cast::empty(&Settings::default());
    ok(set(&cast.alice(), json!("HTTP://Example.test:4040/x")));
    let expected = ["http://example.test:4040".to_owned(), cast.entry_url()];
    assert_eq!(listed(&cast, &cast.alice(), "alice"), expected);
    let said = ok(cast.alice().get("/api/ep"));
    assert!(text(&said["msg"]).contains("http://example.test:4040"), "{said}");
    // A list, without what is said twice; it replaces.
    ok(set(&cast.alice(), json!(["http://b.test:1", "http://a.test:2/", "HTTP://B.test:1"])));
    let expected = ["http://b.test:1".to_owned(), "http://a.test:2".to_owned(), cast.entry_url()];
    assert_eq!(listed(&cast, &cast.alice(), "alice"), expected);
}

// Case 14.
#[test]
fn what_is_no_address_changes_nothing() {
    let cast = Cast::empty(&Settings::default());
    ok(set(&cast.alice(), json!("http://example.test:4040")));
    let before = listed(&cast, &cast.alice(), "alice");
    for wrong in ["ftp://h:1", "http://h", "http://:80", "http://h:port", "http://h:99999", "h:80"] {
        refused(set(&cast.alice(), json!(wrong)), 400, 1007);
    }
    let nine: Vec<String> = (1..10).map(|port| format!("http://h.test:{port}")).collect();
    for wrong in [json!(nine), json!(["http://h.test:1", "ftp://h:1"]), json!(7), json!({"a": 1})] {
        refused(set(&cast.alice(), wrong), 400, 1007);
    }
    assert_eq!(listed(&cast, &cast.alice(), "alice"), before);
}

// Case 15.
#[test]
fn what_was_set_can_be_removed() {
    let mut cast = Cast::empty(&Settings::default());
    let before = listed(&cast, &cast.alice(), "alice");
    ok(set(&cast.alice(), json!("http://example.test:4040")));
    ok(cast.alice().delete("/api/ep"));
    assert_eq!(listed(&cast, &cast.alice(), "alice"), before);
    cast.daemon.restart();
    assert_eq!(listed(&cast, &cast.alice(), "alice"), [cast.entry_url()]);
}

// Case 16.
#[test]
fn who_has_none_is_told_so_and_offline() {
    let cast = Cast::empty(&Settings::default());
    cast.silence_bob();
    refused(cast.bob().get("/daemon/ep/bob"), 400, 6003);
    assert_eq!(bare(cast.bob().get("/daemon/status")), json!({"status": "offline", "entrypoint": []}));
}

#[test]
fn without_an_entry_listener_only_what_was_set_is_listed() {
    let cast = Cast::empty(&Settings { entry: false, ..Settings::default() });
    refused(cast.alice().get("/daemon/ep/alice"), 400, 6003);
    ok(set(&cast.alice(), json!("http://example.test:4040")));
    assert_eq!(listed(&cast, &cast.alice(), "alice"), ["http://example.test:4040"]);
    cast.status_becomes(SOON, &cast.alice(), "online");
}
