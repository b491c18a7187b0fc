//! How long a task is held: cases 91 and 92, and the rest of section 6.5, without the sweep that this daemon does not need.

use super::*;
use std::time::{Duration, Instant};

/// Waits, as a worker does, until there is a task.
#[track_caller]
fn await_task(worker: &Worker, project: i64) -> Value {
    until("a task is free", SOON, || worker.fetch(project).json()["content"]["task"].as_object().cloned()).into()
}

// 91
#[test]
fn a_task_is_free_when_its_time_is_up_and_not_before() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    ok(one.submit(project, json!({"max_assign_time": 2, "max_retries": 1})));
    let before = Instant::now(); // not after it was handed out
    let first = one.take(project);
    let second = await_task(&two, project);
    assert!(before.elapsed() >= Duration::from_secs(2), "free after {:?}", before.elapsed());
    assert_eq!(
        some(&second, &["id", "retries", "assignee"]),
        json!({"id": first["id"], "retries": 0, "assignee": two.id})
    );
    released(one.release(number(&first), 0), false);
    released(two.release(number(&second), 0), true);
}

// 92, D11
#[test]
fn one_endless_task_does_not_keep_others() {
    let tracker = Tracker::start("[tracker]\nmax_assign_time = \"2s\"\n");
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    ok(one.submit(project, json!({"recipe": "endless", "max_assign_time": 2_147_483_647})));
    ok(one.submit(project, json!({"recipe": "default", "max_assign_time": 0})));
    let before = Instant::now();
    one.take(project);
    one.take(project);
    assert_eq!(await_task(&two, project)["recipe"], "default");
    // 0 stands for the configured time.
    assert!(before.elapsed() >= Duration::from_secs(2), "free after {:?}", before.elapsed());
    none(two.fetch(project));
}

#[test]
fn a_time_below_zero_is_over_at_once() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    ok(one.submit(project, json!({"max_assign_time": -5})));
    let first = one.take(project);
    assert_eq!(first["max_assign_time"], -5);
    assert_eq!(await_task(&two, project)["id"], first["id"]);
    released(one.release(number(&first), 0), false);
}

#[test]
fn votes_outlive_the_end_of_a_lease() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    ok(one.submit(project, json!({"verification_count": 2, "max_assign_time": 3})));
    released(one.vote(number(&one.take(project)), 0, 5), false);
    let late = number(&two.take(project));
    let again = await_task(&two, project);
    assert_eq!(number(&again), late);
    released(two.vote(late, 0, 5), true);
}
