//! Giving tasks back: cases 83 to 90, and the rest of section 6.4.

use super::*;

/// A task with this many votes needed, and a queue whose workers are W1, W2, W3 of the reference.
#[track_caller]
fn verified(tracker: &Tracker, more: Value) -> (i64, [Worker; 3]) {
    let (project, one) = tracker.queue(json!({}));
    ok(one.submit(project, more));
    let [two, three] = [(); 2].map(|()| tracker.worker_in(project, "a"));
    (project, [one, two, three])
}

/// Fetches, and gives back as done with this result.
#[track_caller]
fn vote(worker: &Worker, project: i64, value: i64, closes: bool) -> i64 {
    let task = number(&worker.take(project));
    released(worker.vote(task, 0, value), closes);
    task
}

// 83
#[test]
fn a_task_that_is_done_is_gone() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let task = number(&worker.take(project));
    released(worker.release(task, 0), true);
    none(worker.fetch(project));
    released(worker.release(task, 0), false);
}

// 84
#[test]
fn only_its_holder_gives_a_task_back() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let other = tracker.worker_in(project, "as");
    worker.fill(project, &["r"]);
    let task = number(&worker.take(project));
    for result in [0, 1, 2] {
        released(other.release(task, result), false);
        released(other.release(99_999_999_999, result), false);
        released(other.release(-5, result), false);
    }
    none(other.fetch(project));
    released(worker.release(task, 0), true);
    // Nobody holds a task that is free.
    worker.fill(project, &["free"]);
    let free = number(&worker.take(project));
    released(worker.release(free, 2), true);
    released(worker.release(free, 0), false);
}

// 85
#[test]
fn a_task_is_tried_as_often_as_it_may_be() {
    let tracker = shared();
    for (max_retries, tries) in [(3, 3), (2, 2), (1, 1), (0, 1)] {
        let (project, worker) = tracker.queue(json!({}));
        ok(worker.submit(project, json!({"max_retries": max_retries})));
        for retries in 0..tries {
            let task = worker.take(project);
            assert_eq!(
                some(&task, &["retries", "max_retries"]),
                json!({"retries": retries, "max_retries": max_retries})
            );
            released(worker.release(number(&task), 1), true);
        }
        none(worker.fetch(project));
    }
}

// 86
#[test]
fn a_skipped_task_was_never_touched() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"max_retries": 1})));
    let first = worker.take(project);
    released(worker.release(number(&first), 2), true);
    let second = worker.take(project);
    assert_eq!(some(&second, &["id", "retries", "status"]), some(&first, &["id", "retries", "status"]));
}

// 87
#[test]
fn a_result_without_a_meaning_changes_nothing() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let task = number(&worker.take(project));
    for result in [9, 3, -1, 2_147_483_647] {
        released(worker.release(task, result), false);
    }
    none(worker.fetch(project));
    released(worker.release(task, 0), true);
}

// 88
#[test]
fn a_release_says_which_task() {
    let tracker = shared();
    let worker = tracker.worker();
    for body in [json!({}), json!(null), json!({"task_id": 0, "result": 1}), json!({"task_id": null})] {
        refused(worker.post("/task/release", &body), 400, "Invalid request");
    }
    refused(tracker.guest().post("/task/release", &json!({"task_id": 1})), 403, "worker id not specified");
    refused(worker.send(Request::new("POST", "/task/release").body("{")), 400, "Could not parse request");
    let text = Request::new("POST", "/task/release").body(r#"{"task_id":1,"verification":"x"}"#);
    refused(worker.send(text), 400, "Could not parse request");
}

// 89
#[test]
fn a_task_closes_when_enough_workers_agree() {
    let tracker = shared();
    let (project, [one, two, three]) = verified(&tracker, json!({"verification_count": 2}));
    vote(&one, project, 123, false);
    none(one.fetch(project));
    vote(&two, project, 1, false);
    none(two.fetch(project));
    vote(&three, project, 123, true);
    none(tracker.worker_in(project, "a").fetch(project));
    assert_eq!([&one, &two, &three].map(|worker| tracker.closed_by(worker)), [0, 0, 1]);
}

// 90
#[test]
fn who_failed_or_skipped_may_still_vote() {
    let tracker = shared();
    let (project, [one, two, _]) = verified(&tracker, json!({"verification_count": 2, "max_retries": 5}));
    vote(&one, project, 123, false);
    two.finish(project, 1);
    two.finish(project, 2);
    let task = two.take(project);
    assert_eq!(task["retries"], 1);
    released(two.vote(number(&task), 0, 123), true);
}

#[test]
fn votes_that_differ_only_need_more_voters() {
    let tracker = shared();
    let (project, [one, two, three]) = verified(&tracker, json!({"verification_count": 2}));
    vote(&one, project, 7, false);
    vote(&two, project, 8, false);
    vote(&three, project, 7, true);

    let (project, [one, two, three]) = verified(&tracker, json!({"verification_count": 3}));
    let four = tracker.worker_in(project, "a");
    vote(&one, project, i64::MIN, false);
    vote(&two, project, i64::MIN, false);
    vote(&three, project, i64::MAX, false);
    vote(&four, project, i64::MIN, true);
}

#[test]
fn one_vote_is_enough_where_less_than_two_are_asked_for() {
    let tracker = shared();
    for count in [0, 1, -1, -32768] {
        let (project, worker) = tracker.queue(json!({}));
        ok(worker.submit(project, json!({"verification_count": count})));
        vote(&worker, project, 5, true);
        none(worker.fetch(project));
        assert_eq!(tracker.closed_by(&worker), 1);
    }
}

#[test]
fn votes_outlive_whatever_else_happens_to_their_task() {
    let tracker = shared();
    let (project, [one, two, three]) = verified(&tracker, json!({"verification_count": 2}));
    let maintain = |what: &str| tracker.admin.post(&format!("/project/{what}/{project}"), &json!(null));
    vote(&one, project, 5, false);
    let taken = number(&two.take(project));
    affected(maintain("reclaim_assigned_tasks"), 1);
    released(two.vote(taken, 0, 5), false);
    none(one.fetch(project));
    two.finish(project, 1);
    affected(maintain("reset_failed_tasks"), 1);
    none(one.fetch(project));
    vote(&three, project, 5, true);
}

#[test]
fn a_vote_counts_once_for_each_worker() {
    let tracker = shared();
    let (project, [one, two, _]) = verified(&tracker, json!({"verification_count": 2}));
    let task = vote(&one, project, 5, false);
    released(one.vote(task, 0, 5), false);
    released(one.vote(task, 0, 5), false);
    none(one.fetch(project));
    vote(&two, project, 5, true);
}
