//! What is closed in one project goes on in the next: case 97, and the rest of section 7.3.

use super::*;

/// A project, and one that is chained to it: first, then, and a worker with all rights in both.
#[track_caller]
fn chained(tracker: &Tracker, target: Value) -> (i64, i64, Worker) {
    let (then, worker) = tracker.queue(target);
    let first = tracker.project(json!({"chain": then}));
    tracker.grant(first, &worker, "as");
    (first, then, worker)
}

// 97
#[test]
fn a_closed_task_goes_on_in_the_next_project() {
    let tracker = shared();
    let (first, then, worker) = chained(&tracker, json!({}));
    let what = json!({"recipe": "###", "priority": 3, "max_retries": 4, "max_assign_time": 777});
    ok(worker.submit(first, what.clone()));
    worker.finish(first, 1);
    none(worker.fetch(then));
    let id = worker.finish(first, 0);
    let task = worker.take(then);
    let expected = plus(what, json!({"verification_count": 1, "status": 1, "retries": 0, "assignee": worker.id}));
    assert_eq!(some(&task, &keys(&expected)), expected);
    assert!(number(&task) != id && task["project"]["id"] == then, "{task}");
    none(worker.fetch(then));
    none(worker.fetch(first));
}

#[test]
fn only_what_is_closed_goes_on() {
    let tracker = shared();
    let (first, then, worker) = chained(&tracker, json!({}));
    worker.fill(first, &["failed", "skipped"]);
    worker.finish(first, 1);
    worker.finish(first, 2);
    affected(tracker.admin.post(&format!("/project/hard_reset/{first}"), &json!(null)), 2);
    none(worker.fetch(then));
}

#[test]
fn going_on_takes_no_right_no_token_and_no_awake_project() {
    let tracker = shared();
    let (then, owner) = tracker.queue(json!({"submit_rate": 0.01}));
    let first = tracker.project(json!({"chain": then}));
    let worker = tracker.worker_in(first, "as");
    bare(tracker.update(then, json!({"paused": true})));
    ok(owner.submit(then, json!({"recipe": "the only token"})));
    limited(owner.submit(then, json!({})));
    worker.fill(first, &["goes on"]);
    worker.finish(first, 0);
    none(owner.fetch(then));
    bare(tracker.update(then, json!({"paused": false})));
    assert_eq!(
        (owner.take(then)["recipe"].take(), owner.take(then)["recipe"].take()),
        (json!("the only token"), json!("goes on"))
    );
}

#[test]
fn a_hash_goes_on_too_unless_it_is_there_already() {
    let tracker = shared();
    let (first, then, worker) = chained(&tracker, json!({}));
    ok(worker.submit(first, json!({"recipe": "one", "hash_u64": 5})));
    worker.finish(first, 0);
    declined(worker.submit(then, json!({"hash_u64": 5})), 400);
    ok(worker.submit(first, json!({"recipe": "two", "hash_u64": 5})));
    worker.finish(first, 0); // closed, although there is no room for it in the next
    assert_eq!(worker.take(then)["recipe"], "one");
    none(worker.fetch(then));
    assert_eq!(tracker.closed_by(&worker), 2);
}

#[test]
fn a_verified_task_is_verified_in_the_next_project_too() {
    let tracker = shared();
    let (first, then, one) = chained(&tracker, json!({}));
    let two = tracker.worker_in(first, "a");
    ok(one.submit(first, json!({"verification_count": 2})));
    released(one.vote(number(&one.take(first)), 0, 1), false);
    none(one.fetch(then));
    released(two.vote(number(&two.take(first)), 0, 1), true);
    let task = one.take(then);
    assert_eq!(task["verification_count"], 2);
    released(one.vote(number(&task), 0, 1), false);
}

#[test]
fn a_ring_keeps_its_tasks_going_round() {
    let tracker = shared();
    let (first, then, worker) = chained(&tracker, json!({}));
    bare(tracker.update(then, json!({"chain": first})));
    ok(worker.submit(first, json!({"recipe": "round", "hash_u64": 9})));
    for _ in 0..3 {
        worker.finish(first, 0);
        worker.finish(then, 0);
    }
    assert_eq!(worker.take(first)["recipe"], "round");
}
