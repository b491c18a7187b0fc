//! Cases 28–30: online or not.

use super::*;

// Case 28.
#[test]
fn who_serves_is_online() {
    let cast = Cast::start();
    cast.status_becomes(SOON, &cast.alice(), "online");
    let body = bare(cast.alice().get("/daemon/status"));
    assert_eq!(keys(&body), ["entrypoint", "status"]);
    assert_eq!(body["entrypoint"], bare(cast.alice().get("/daemon/ep/alice"))["entrypoint"]);
    holds("alice stays online", millis(2500), || cast.status(&cast.alice()) == "online");
    let data = data(cast.alice().get("/api/daemon/status"));
    assert_eq!(data, body);
}

// Case 29.
#[test]
fn who_stops_serving_goes_offline_and_comes_back() {
    let cast = Cast::start();
    cast.status_becomes(SOON, &cast.alice(), "online");
    cast.serving(&cast.alice(), "alice", false);
    cast.status_becomes(millis(1500), &cast.alice(), "offline");
    holds("alice stays offline", millis(600), || cast.status(&cast.alice()) == "offline");
    cast.serving(&cast.alice(), "alice", true);
    cast.status_becomes(millis(1000), &cast.alice(), "online");
}

// Case 30.
#[test]
fn anybody_with_an_account_may_ask_who_is_online() {
    let cast = Cast::start();
    cast.status_becomes(SOON, &cast.alice(), "online");
    for prefix in ["", "/api"] {
        let get = |who: &Client, name: &str| who.get(&format!("{prefix}/heartbeat/status/{name}"));
        assert_eq!(ok(get(&cast.bob(), "alice")), json!({"code": 0, "msg": "OK", "data": {"status": "online"}}));
        refused(get(&cast.nobody(), "alice"), 401, 6101);
        refused(get(&cast.nobody(), "nosuch"), 401, 6101);
        refused(get(&cast.bob(), "nosuch"), 400, 6002);
    }
}

#[test]
fn after_a_restart_one_is_online_only_after_a_new_beat() {
    let mut cast = Cast::start();
    let id = cast.silence_bob();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null})));
    assert_eq!(cast.status(&cast.bob()), "online");
    cast.daemon.restart();
    assert_eq!(cast.status(&cast.bob()), "offline");
    cast.status_becomes(SOON, &cast.alice(), "online");
}
