//! Rates: cases 93 to 96, and the rest of section 5.
//!
//! At [`RARELY`] no machine is so slow that another token comes while a test runs, and every delay can be foretold.

use super::*;
use std::time::{Duration, Instant};

/// A token in a hundred seconds.
const RARELY: f64 = 0.01;

/// A project whose workers are handed tasks rarely, with this many of them.
#[track_caller]
fn rarely(tracker: &Tracker, tasks: usize) -> (i64, Worker) {
    let (project, worker) = tracker.queue(json!({"public": true, "assign_rate": RARELY}));
    let tasks: Vec<Value> = (0..tasks).map(|_| task(project, json!({}))).collect();
    ok(worker.bulk(&tasks));
    (project, worker)
}

/// The delay of one who comes when so many tokens are lacking.
#[track_caller]
fn about(delay: f64, tokens: f64) {
    let most = tokens / RARELY;
    assert!(most - 60.0 < delay && delay <= most, "{delay} is not about {most}");
}

// 93
#[test]
fn tasks_are_handed_out_no_faster_than_the_project_allows() {
    let tracker = shared();
    let (project, one) = rarely(&tracker, 3);
    one.take(project);
    let delay = limited(one.fetch(project));
    about(delay, 1.0);
    about(limited(tracker.worker().fetch(project)), 1.0);
    // Refusals cost nothing.
    assert!(limited(one.fetch(project)) <= delay);
}

// 93, the other half: the delay is what it says.
#[test]
fn who_waits_as_long_as_he_was_told_is_admitted() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"assign_rate": 2}));
    let many: Vec<Value> = (0..100).map(|_| task(project, json!({}))).collect();
    ok(worker.bulk(&many));
    let refusal = (0..99).map(|_| worker.fetch(project)).find(|answer| answer.status == 429);
    let delay = limited(refusal.expect("no machine takes half a second for each of a hundred"));
    assert!(delay <= 0.5, "{delay}");
    let end = Instant::now() + Duration::from_secs_f64(delay) + millis(5);
    until("the time is over", SOON, || (Instant::now() >= end).then_some(()));
    worker.take(project);
}

// 94
#[test]
fn an_update_fills_the_buckets_again() {
    let tracker = shared();
    let (project, worker) = rarely(&tracker, 3);
    worker.take(project);
    limited(worker.fetch(project));
    bare(tracker.update(project, json!({})));
    worker.take(project);
    limited(worker.fetch(project));
}

// 95
#[test]
fn what_is_refused_early_costs_nothing() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"submit_rate": RARELY}));
    refused(worker.submit(project, json!({"recipe": ""})), 400, "Invalid task");
    let body = format!(r#"{{"project":{project},"recipe":7}}"#);
    refused(worker.send(Request::new("POST", "/task/submit").body(body)), 400, "Could not parse request");
    declined(identified(&tracker.guest(), "1", "wrong").post("/task/submit", &task(project, json!({}))), 401);
    refused(worker.bulk(&[task(project, json!({"recipe": ""}))]), 400, "Invalid request");
    ok(worker.submit(project, json!({})));
    about(limited(worker.submit(project, json!({}))), 1.0);
}

// 96, D14
#[test]
fn a_bulk_borrows_what_it_needs() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"submit_rate": RARELY}));
    let three = [(); 3].map(|()| task(project, json!({})));
    assert_eq!(ok(worker.bulk(&three))["submitted"], 3);
    about(limited(worker.submit(project, json!({}))), 3.0);
    about(limited(worker.bulk(&three)), 3.0);
    for _ in 0..3 {
        worker.take(project);
    }
    none(worker.fetch(project));
}

#[test]
fn what_is_refused_late_has_cost_its_token() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"hash_u64": 1})));
    bare(tracker.update(project, json!({"submit_rate": RARELY})));
    declined(worker.submit(project, json!({"hash_u64": 1})), 400);
    limited(worker.submit(project, json!({"hash_u64": 2})));

    let project = tracker.project(json!({"submit_rate": RARELY}));
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
    limited(worker.submit(project, json!({})));
}

#[test]
fn looking_in_vain_costs_a_token() {
    let tracker = shared();
    let (project, worker) = rarely(&tracker, 1);
    bare(tracker.update(project, json!({"paused": true})));
    none(worker.fetch(project));
    limited(worker.fetch(project));
}

#[test]
fn handing_out_and_submitting_have_a_bucket_each() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"assign_rate": RARELY, "submit_rate": RARELY}));
    ok(worker.submit(project, json!({})));
    limited(worker.submit(project, json!({})));
    worker.take(project);
    limited(worker.fetch(project));
    // Giving back is never limited.
    released(worker.release(99_999_999, 2), false);
}

#[test]
fn without_a_rate_nothing_is_limited() {
    let tracker = shared();
    for rate in [json!(0), json!(-1), json!(UNLIMITED), json!(null)] {
        let (project, worker) = tracker.queue(json!({"assign_rate": rate, "submit_rate": rate}));
        for _ in 0..5 {
            ok(worker.submit(project, json!({})));
            worker.take(project);
        }
        none(worker.fetch(project));
        none(worker.fetch(project));
    }
}
