//! Machine accounts: cases 12 to 23, and the rest of section 8.2.

use super::*;

#[track_caller]
fn shown(client: &Client, worker: i64) -> Value {
    let mut content = ok(client.get(&format!("/worker/get/{worker}")));
    assert_eq!(keys(&content), ["worker"]);
    content["worker"].take()
}

fn pause(tracker: &Tracker, worker: i64, paused: bool) -> Answer {
    tracker.admin.post("/worker/set_paused", &json!({"worker": worker, "paused": paused}))
}

/// How many bytes a padded base64 text stands for; none if it is no such text.
fn decoded(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    (text.len().is_multiple_of(4) && text.len() - digits.len() <= 2 && digits.bytes().all(alphabet))
        .then(|| digits.len() * 6 / 8)
}

// 12
#[test]
fn a_worker_is_made_with_a_secret_that_nobody_else_sees() {
    let tracker = shared();
    let alias = fresh("crawler");
    let before = unix_now();
    let made = ok(tracker.guest().post("/worker/create", &json!({"alias": alias})));
    let worker = &made["worker"];
    assert_eq!(keys(worker), ["alias", "created", "id", "paused", "secret"]);
    assert!(worker["id"].as_i64().is_some_and(|id| id >= 1), "{worker}");
    assert_eq!(some(worker, &["alias", "paused"]), json!({"alias": alias, "paused": false}));
    assert!(worker["created"].as_i64().is_some_and(|at| (before..=unix_now()).contains(&at)), "{worker}");
    let secret = worker["secret"].as_str().expect("a text");
    assert_eq!((secret.len(), decoded(secret)), (44, Some(32)), "{secret}");

    let other = shown(&tracker.guest(), worker["id"].as_i64().expect("a number"));
    assert_eq!(other, plus(worker.clone(), json!({"secret": null})));
}

// 13
#[test]
fn a_worker_without_a_name_gets_one() {
    let tracker = shared();
    for body in [json!({}), json!({"alias": ""})] {
        let made = ok(tracker.guest().post("/worker/create", &body));
        assert_eq!(made["worker"]["alias"], "default_alias", "{body}");
    }
}

// 14
#[test]
fn one_name_is_reserved() {
    let tracker = shared();
    let answer = tracker.guest().post("/worker/create", &json!({"alias": "unassigned"}));
    refused(answer, 403, "You are now allowed to create a worker");
    ok(tracker.guest().post("/worker/create", &json!({"alias": "Unassigned"})));
}

// 15, D9
#[test]
fn a_worker_is_not_made_of_nonsense() {
    let answer = shared().guest().send(Request::new("POST", "/worker/create").body("{bad"));
    refused(answer, 400, "Could not parse request");
}

// 16
#[test]
fn workers_that_are_not_there() {
    let tracker = shared();
    let guest = tracker.guest();
    refused(guest.get("/worker/get/99999999"), 404, "Worker not found");
    refused(guest.get("/worker/get/-1"), 400, "Invalid worker id");
    refused(guest.get("/worker/get/0"), 400, "Invalid worker id");
    declined(guest.get("/worker/get/abc"), 400);
}

// 17
#[test]
fn only_the_admin_sees_a_workers_secret() {
    let tracker = shared();
    let worker = tracker.worker();
    assert_eq!(shown(&tracker.admin, worker.id)["secret"], worker.secret);
    assert_eq!(shown(tracker.user(), worker.id)["secret"], json!(null));
    assert_eq!(shown(&worker, worker.id)["secret"], json!(null));
}

// 18
#[test]
fn a_worker_proves_who_it_is_and_is_told_what_is_missing() {
    let tracker = shared();
    let worker = tracker.worker();
    let (guest, id) = (tracker.guest(), worker.id.to_string());
    let update = |client: &Client| client.post("/worker/update", &json!({"alias": "x"}));
    refused(update(&guest), 401, "worker id not specified");
    refused(update(&guest.with("X-Worker-Id", "").with("X-Secret", &worker.secret)), 401, "worker id not specified");
    refused(update(&guest.with("X-Worker-Id", &id)), 401, "secret is not specified");
    refused(update(&guest.with("X-Worker-Id", &id).with("X-Secret", "")), 401, "secret is not specified");
    declined(update(&identified(&guest, "abc", &worker.secret)), 401);
    let unknown = "worker id does not match any valid worker";
    for id in ["99999999", "99999999999", "0", "-1"] {
        refused(update(&identified(&guest, id, &worker.secret)), 401, unknown);
    }
    for secret in ["x", &tracker.worker().secret, worker.secret.trim_end_matches('='), "%%%%", &worker.secret[..43]] {
        refused(update(&identified(&guest, &id, secret)), 401, "invalid secret");
    }
}

#[test]
fn the_workers_headers_are_named_in_any_case_and_may_have_blanks() {
    let tracker = shared();
    let worker = tracker.worker();
    let client = tracker.guest().with("x-wORKER-iD", &format!("  {} ", worker.id));
    bare(client.with("X-SECRET", &format!(" {}  ", worker.secret)).post("/worker/update", &json!({"alias": "blank"})));
    assert_eq!(shown(&tracker.guest(), worker.id)["alias"], "blank");
}

#[test]
fn headers_of_nobody_do_not_matter_where_no_worker_is_needed() {
    let tracker = shared();
    let nobody = identified(&tracker.guest(), "None", "None");
    ok(nobody.post("/worker/create", &json!({"alias": "first"})));
    ok(nobody.get("/project/list"));
    ok(nobody.get("/worker/stats"));
}

// 19, D2
#[test]
fn a_secret_that_is_too_long_is_a_wrong_one() {
    let tracker = shared();
    let worker = tracker.worker();
    for length in [48, 64, 268, 4000] {
        let client = identified(&tracker.guest(), &worker.id.to_string(), &"A".repeat(length));
        refused(client.post("/worker/update", &json!({"alias": "x"})), 401, "invalid secret");
    }
    tracker.alive();
}

// What follows from wrong headers depends on the route.
#[test]
fn a_worker_that_is_not_proven_is_refused_in_each_routes_own_way() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let wrong = identified(&tracker.guest(), &worker.id.to_string(), "wrong");
    let access = json!({"project": project, "assign": true});
    for (path, body, status) in [
        ("/worker/update", json!({"alias": "x"}), 401),
        ("/task/submit", task(project, json!({})), 401),
        ("/task/bulk_submit", json!({"requests": [task(project, json!({}))]}), 401),
        ("/project/request_access", access, 401),
        ("/task/release", json!({"task_id": 1}), 403),
    ] {
        refused(wrong.post(path, &body), status, "invalid secret");
        refused(tracker.guest().post(path, &body), status, "worker id not specified");
    }
    refused(wrong.get(&format!("/task/get/{project}")), 403, "invalid secret");
    refused(tracker.guest().get(&format!("/task/get/{project}")), 403, "worker id not specified");
    let entry = json!({"scope": "s", "message": "m", "timestamp": 1});
    refused(wrong.post("/log/info", &entry), 400, "Could not parse request");
    refused(wrong.get(&format!("/project/secret/{project}")), 403, "Unauthorized");
}

// 20
#[test]
fn a_paused_worker_is_handed_nothing_and_may_do_all_else() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["held", "free"]);
    let held = number(&worker.take(project));
    bare(pause(&tracker, worker.id, true));
    assert_eq!(shown(&tracker.guest(), worker.id)["paused"], true);
    refused(worker.fetch(project), 400, "A manager has paused you");
    refused(worker.get("/task/get/abc"), 400, "A manager has paused you");
    refused(worker.get("/task/get/99999999"), 400, "A manager has paused you");
    ok(worker.submit(project, json!({})));
    released(worker.release(held, 0), true);
    bare(worker.post("/log/info", &json!({"scope": "s", "message": "m", "timestamp": 1})));
    ok(worker.get(&format!("/project/secret/{project}")));
    ok(worker.request(tracker.project(json!({})), "a"));
    bare(pause(&tracker, worker.id, false));
    assert_eq!(worker.take(project)["recipe"], "free");
}

// 21
#[test]
fn pausing_is_for_the_admin_and_for_workers_that_exist() {
    let tracker = shared();
    let worker = tracker.worker();
    refused(pause(&tracker, 9_999_111, true), 400, "Invalid worker");
    refused(pause(&tracker, 0, true), 400, "Invalid worker");
    refused(pause(&tracker, 9_999_999_999, true), 400, "Invalid worker");
    for client in [&tracker.guest(), tracker.user() as &Client, &worker] {
        refused(client.post("/worker/set_paused", &json!({"worker": worker.id, "paused": true})), 403, "Unauthorized");
        let nonsense = Request::new("POST", "/worker/set_paused").body("{bad");
        refused(client.send(nonsense), 403, "Unauthorized");
    }
    assert_eq!(shown(&tracker.guest(), worker.id)["paused"], false);
}

// 22, D10: the other half is in `durable`.
#[test]
fn a_worker_does_not_unpause_itself_by_another_name() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    bare(pause(&tracker, worker.id, true));
    bare(worker.post("/worker/update", &json!({"alias": "innocent", "paused": false})));
    assert_eq!(some(&shown(&worker, worker.id), &["alias", "paused"]), json!({"alias": "innocent", "paused": true}));
    refused(worker.fetch(project), 400, "A manager has paused you");
}

#[test]
fn a_worker_may_call_itself_anything_later_on() {
    let tracker = shared();
    let worker = tracker.worker();
    bare(worker.post("/worker/update", &json!({"alias": "unassigned"})));
    assert_eq!(shown(&worker, worker.id)["alias"], "unassigned");
    bare(worker.post("/worker/update", &json!({})));
    // An empty name is left out.
    assert_eq!(keys(&shown(&worker, worker.id)), ["created", "id", "paused", "secret"]);
    refused(worker.send(Request::new("POST", "/worker/update").body("{")), 400, "Could not parse request");
}

// 23
#[test]
fn statistics_count_what_each_worker_has_closed() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let idle = tracker.worker();
    worker.fill(project, &["a", "b", "c"]);
    worker.finish(project, 0);
    worker.finish(project, 0);
    worker.finish(project, 2);
    let stats = ok(tracker.guest().get("/worker/stats"));
    let of = |id: i64| list(&stats["stats"]).iter().find(|entry| entry["id"] == id).cloned().expect("every worker");
    assert_eq!(keys(&of(worker.id)), ["alias", "closed_task_count", "id", "paused"]);
    assert_eq!(of(worker.id)["closed_task_count"], 2);
    let alias = shown(&idle, idle.id)["alias"].clone();
    assert_eq!(of(idle.id), json!({"id": idle.id, "alias": alias, "closed_task_count": 0, "paused": false}));
}

#[test]
fn making_workers_can_be_left_to_managers() {
    let tracker = Tracker::start("[tracker]\nworkers = \"closed\"\n");
    let answer = tracker.guest().post("/worker/create", &json!({"alias": "x"}));
    assert!(matches!(answer.status, 401 | 403), "{} {}", answer.status, answer.text());
    declined(answer.clone(), answer.status);
    assert_eq!(ok(tracker.guest().get("/worker/stats"))["stats"], json!([]));
    ok(tracker.user().post("/worker/create", &json!({"alias": "x"})));
}
