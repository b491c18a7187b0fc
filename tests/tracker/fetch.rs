//! Being handed tasks: cases 79 to 82, and the rest of section 6.3.

use super::*;
use std::collections::BTreeMap;
use std::thread;

/// What a task always shows: clients fail when one is missing.
const KEYS: [&str; 11] = [
    "assign_time",
    "assignee",
    "id",
    "max_assign_time",
    "max_retries",
    "priority",
    "project",
    "recipe",
    "retries",
    "status",
    "verification_count",
];

// 79
#[test]
fn a_task_is_handed_out_with_its_project() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({
        "public": true, "assign_rate": 2, "submit_rate": 2, "priority": 4, "version": "v1", "clone_url": "http://git.example/x",
        "git_repo": "a/b", "motd": "hi",
    }));
    let what = json!({"recipe": "{\"u\":1}", "max_retries": 3, "priority": 9999, "verification_count": 12});
    ok(owner.submit(project, what.clone()));
    let worker = tracker.worker();
    let before = unix_now();
    let mut task = worker.take(project);
    assert_eq!(keys(&task), KEYS);
    let expected = plus(what, json!({"status": 1, "retries": 0, "assignee": worker.id, "max_assign_time": LONG}));
    assert_eq!(some(&task, &keys(&expected)), expected);
    assert!(task["assign_time"].as_i64().is_some_and(|at| (before..=unix_now()).contains(&at)), "{task}");
    assert!(number(&task) >= 1);
    assert_eq!(with_rates(task["project"].take()), tracker.shown(project));
}

// 80
#[test]
fn nobody_is_handed_nothing() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    refused(tracker.guest().get(&format!("/task/get/{project}")), 403, "worker id not specified");
    let unknown = identified(&tracker.guest(), "99999999", &worker.secret);
    refused(unknown.get(&format!("/task/get/{project}")), 403, "worker id does not match any valid worker");
    refused(unknown.get("/task/get/abc"), 403, "worker id does not match any valid worker");
    for id in ["abc", "0", "-1", "1.0"] {
        refused(worker.get(&format!("/task/get/{id}")), 400, "Invalid project id");
    }
    for id in ["99999999", "9999999999"] {
        refused(worker.get(&format!("/task/get/{id}")), 404, "Project not found");
    }
}

// 81
#[test]
fn a_private_task_is_for_those_with_access() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker();
    one.fill(project, &["r"]);
    none(two.fetch(project));
    one.take(project);
    none(one.fetch(project));
}

// 82
#[test]
fn every_task_is_handed_out_once() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({"public": true}));
    let tasks: Vec<Value> = (0..200).map(|n| task(project, json!({"recipe": n.to_string()}))).collect();
    ok(owner.bulk(&tasks));
    let workers: Vec<Worker> = (0..16).map(|_| tracker.worker()).collect();
    let handed: Vec<(i64, i64)> = thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter()
            .map(|worker| {
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    loop {
                        let body = envelope(&worker.fetch(project), 200);
                        if body["ok"] == false {
                            assert_eq!(body["message"], "No task available");
                            return mine;
                        }
                        let task = &body["content"]["task"];
                        assert_eq!(task["assignee"], worker.id);
                        mine.push((number(task), worker.id));
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a worker's thread")).collect()
    });
    let by_task: BTreeMap<i64, i64> = handed.iter().copied().collect();
    assert_eq!((handed.len(), by_task.len()), (200, 200));
}

#[test]
fn the_highest_priority_comes_first_and_then_the_oldest() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    for (recipe, priority) in [("c", 0), ("a", 5), ("d", 0), ("f", -1), ("b", 5), ("e", 0)] {
        ok(worker.submit(project, json!({"recipe": recipe, "priority": priority})));
    }
    let order: Vec<Value> = (0..6).map(|_| worker.take(project)["recipe"].take()).collect();
    assert_eq!(order, ["a", "b", "c", "d", "e", "f"], "and one worker may hold them all");
    none(worker.fetch(project));
}

#[test]
fn a_task_that_comes_back_keeps_its_place() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["old", "new"]);
    let old = number(&worker.take(project));
    released(worker.release(old, 2), true);
    assert_eq!(number(&worker.take(project)), old);
}

// What a fetch passes before it gets to the queue, in order: 8.4.
#[test]
fn a_fetch_is_checked_in_this_order() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"assign_rate": 0.01}));
    let pause =
        |paused: bool| bare(tracker.admin.post("/worker/set_paused", &json!({"worker": worker.id, "paused": paused})));
    pause(true);
    refused(worker.get("/task/get/0"), 400, "A manager has paused you");
    refused(worker.fetch(project), 400, "A manager has paused you");
    pause(false);
    refused(worker.get("/task/get/0"), 400, "Invalid project id");
    refused(worker.get("/task/get/99999999"), 404, "Project not found");
    // None of these has cost the only token; finding nothing does.
    none(worker.fetch(project));
    limited(worker.fetch(project));
}
