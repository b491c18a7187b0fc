//! What workers log: cases 108 to 113, and the rest of section 10.

use super::*;

fn log(client: &Client, level: &str, entry: &Value) -> Answer {
    client.post(&format!("/log/{level}"), entry)
}

fn entry(scope: &str, message: &str, timestamp: i64) -> Value {
    json!({"scope": scope, "message": message, "timestamp": timestamp})
}

fn read(client: &Client, level: i64, since: i64) -> Answer {
    client.post("/logs", &json!({"level": level, "since": since}))
}

/// The messages of this worker.
#[track_caller]
fn messages(client: &Client, worker: &Worker, level: i64, since: i64) -> Vec<String> {
    let content = ok(read(client, level, since));
    assert_eq!(keys(&content), ["logs"]);
    if content["logs"].is_null() {
        return Vec::new();
    }
    let mine = |entry: &&Value| {
        let data = entry["data"].as_str().expect("a text");
        serde_json::from_str::<Value>(data).expect("JSON within")["worker"] == worker.id
    };
    let text = |entry: &Value| entry["message"].as_str().expect("a text").to_owned();
    list(&content["logs"]).iter().filter(mine).map(text).collect()
}

// 108, as the published page has it; the original's 204 said the same.
#[test]
fn an_entry_is_taken() {
    let tracker = shared();
    let worker = tracker.worker();
    for level in ["trace", "info", "warn", "error"] {
        bare(log(&worker, level, &entry("fetch", "fetched 10 pages", 1_700_000_000)));
    }
}

// 109
#[test]
fn an_entry_is_whole() {
    let tracker = shared();
    let worker = tracker.worker();
    for wrong in [
        entry("s", "", 1),
        entry("", "m", 1),
        entry("s", "m", 0),
        entry("s", "m", -1),
        json!({"scope": "s", "message": "m"}),
        json!({"scope": "s", "timestamp": 1}),
        json!({"message": "m", "timestamp": 1}),
        json!({"scope": "s", "message": "m", "timestamp": "1"}),
        json!(null),
    ] {
        refused(log(&worker, "info", &wrong), 400, "Could not parse request");
    }
}

// 110
#[test]
fn only_workers_log_and_only_at_four_levels() {
    let tracker = shared();
    let worker = tracker.worker();
    refused(log(&tracker.guest(), "info", &entry("s", "m", 1)), 400, "Could not parse request");
    refused(log(&tracker.admin, "info", &entry("s", "m", 1)), 400, "Could not parse request");
    for level in ["debug", "fatal", "panic", "Info", ""] {
        not_found(log(&worker, level, &entry("s", "m", 1)));
    }
}

// 111
#[test]
fn what_is_logged_comes_back() {
    let tracker = shared();
    let worker = tracker.worker();
    bare(log(
        &worker,
        "info",
        &json!({"Scope": "go", "Message": "from the Go client", "Timestamp": 1_000, "level": "x"}),
    ));
    assert_eq!(messages(tracker.user(), &worker, 5, 999), ["from the Go client"]);
    let content = ok(read(tracker.user(), 5, 999));
    let found = list(&content["logs"]).iter().find(|entry| entry["message"] == "from the Go client").expect("there");
    assert_eq!(keys(found), ["data", "level", "message", "timestamp"]);
    assert_eq!((&found["timestamp"], &found["level"]), (&json!(1_000), &json!(5)));
    let data: Value = serde_json::from_str(found["data"].as_str().expect("a text")).expect("JSON");
    assert_eq!(data, json!({"scope": "go", "worker": worker.id}));
}

// 112
#[test]
fn a_look_into_the_log_says_since_when() {
    let tracker = shared();
    for body in [json!({"level": 5, "since": -1}), json!({"level": 5, "since": 0}), json!({"level": 5}), json!({})] {
        refused(tracker.admin.post("/logs", &body), 400, "Invalid log request");
    }
    refused(tracker.admin.post("/logs", &json!({"since": "1"})), 400, "Could not parse request");
}

// 113
#[test]
fn a_level_without_entries_has_no_list() {
    let tracker = shared();
    for level in [0, 1, 2, 6, 8, -1] {
        assert_eq!(ok(read(&tracker.admin, level, 1)), json!({"logs": null}));
    }
    let far = 9_000_000_000_000_000_000_i64;
    assert_eq!(ok(read(&tracker.admin, 5, far)), json!({"logs": null}));
}

#[test]
fn entries_are_later_than_asked_for_of_that_very_level_and_in_order() {
    let tracker = shared();
    let worker = tracker.worker();
    for (level, message, timestamp) in [
        ("warn", "late", 5_000),
        ("warn", "early", 4_000),
        ("error", "worse", 4_500),
        ("warn", "at the limit", 3_000),
        ("trace", "tiny", 4_500),
        ("warn", "middle", 4_500),
    ] {
        bare(log(&worker, level, &entry("s", message, timestamp)));
    }
    let user = tracker.user();
    assert_eq!(messages(user, &worker, 4, 3_000), ["late", "early", "middle"]);
    assert_eq!(messages(user, &worker, 3, 3_000), ["worse"]);
    assert_eq!(messages(user, &worker, 7, 3_000), ["tiny"]);
    assert_eq!(messages(user, &worker, 4, 2_999).len(), 4);
}

#[test]
fn logs_are_for_managers() {
    let tracker = shared();
    for client in [&tracker.guest(), &tracker.worker() as &Client] {
        let answer = read(client, 5, 1);
        assert!(matches!(answer.status, 401 | 403), "{} {}", answer.status, answer.text());
        refused(answer.clone(), answer.status, "Unauthorized");
    }
    ok(read(tracker.user(), 5, 1));
}

#[test]
fn logs_can_be_opened_and_trace_is_kept_only_when_asked_for() {
    let tracker = Tracker::start("[tracker]\npublic_logs = true\n");
    let worker = tracker.worker();
    for level in ["trace", "info", "warn", "error"] {
        bare(log(&worker, level, &entry("s", level, 1_000)));
    }
    let guest = tracker.guest();
    for (level, expected) in [(3, vec!["error"]), (4, vec!["warn"]), (5, vec!["info"]), (7, vec![])] {
        assert_eq!(messages(&guest, &worker, level, 1), expected);
    }
}

#[test]
fn what_workers_log_is_in_the_daemons_own_log() {
    let tracker = shared();
    let worker = tracker.worker();
    let message = fresh("out of paper");
    bare(log(&worker, "error", &entry("print", &message, 1_000)));
    until("it is in the daemon's log", SOON, || tracker.daemon.stderr().contains(&message).then_some(()));
}

#[test]
fn a_long_entry_is_kept_whole() {
    let tracker = shared();
    let worker = tracker.worker();
    let output = "all that the program has printed\n".repeat(2_000);
    bare(log(&worker, "info", &entry("stdout", &output, 1_000)));
    assert!(messages(tracker.user(), &worker, 5, 999) == [output], "it has changed");
}

#[test]
fn as_many_entries_are_kept_as_is_configured() {
    let mut tracker = Tracker::start("[tracker]\npublic_logs = true\nkeep_logs = 3\n");
    let worker = tracker.worker();
    for n in 1..=10 {
        bare(log(&worker, if n % 2 == 0 { "info" } else { "warn" }, &entry("s", &n.to_string(), 1_000 - n)));
    }
    // They are removed now and then, and at the start: the oldest first, whatever time they tell.
    tracker.daemon.restart();
    let left = until("the others are gone", SOON, || {
        let left = [4, 5].map(|level| messages(&tracker.guest(), &worker, level, 1)).concat();
        (left.len() <= 3).then_some(left)
    });
    assert_eq!(left, ["9", "8", "10"]);
}
