//! What outlives the daemon: case 22, and the state of a queue when the core is killed.

use super::*;

/// How a queue looks from outside.
struct Queue {
    project: i64,
    worker: Worker,
    held: i64,
    paused: Worker,
    waiting: Worker,
}

/// A failed task, a held one, one with a vote, a free one with a hash; a paused worker and a request that waits.
#[track_caller]
fn lay_out(tracker: &Tracker) -> Queue {
    let (project, worker) = tracker.queue(json!({"version": "v1", "public": true}));
    bare(tracker.admin.post(&format!("/project/secret/{project}"), &json!({"secret": "kept"})));
    worker.fill(project, &["failed", "closed", "held"]);
    worker.finish(project, 1);
    worker.finish(project, 0);
    let held = number(&worker.take(project));
    ok(worker.submit(project, json!({"recipe": "voted", "verification_count": 2})));
    released(worker.vote(number(&worker.take(project)), 0, 7), false);
    ok(worker.submit(project, json!({"recipe": "free", "hash_u64": 5})));
    let [paused, waiting] = [(); 2].map(|()| tracker.worker());
    bare(tracker.admin.post("/worker/set_paused", &json!({"worker": paused.id, "paused": true})));
    ok(waiting.request(project, "as"));
    Queue { project, worker, held, paused, waiting }
}

/// All of it is as it was, seen through the daemon that runs now.
#[track_caller]
fn check(tracker: &Tracker, before: &Queue) {
    let Queue { project, held, .. } = *before;
    let guest = tracker.guest();
    let [worker, paused, waiting] = [&before.worker, &before.paused, &before.waiting].map(|worker| worker.over(&guest));
    let admin = tracker.admin.at(&guest);
    assert_eq!(admin.account()["tracker_admin"], true, "sessions go on");
    assert_eq!(admin.shown(project)["version"], "v1");
    assert_eq!(ok(admin.get(&format!("/project/secret/{project}"))), json!({"secret": "kept"}));

    refused(paused.fetch(project), 400, "A manager has paused you");
    bare(paused.post("/worker/update", &json!({"alias": "another"})));
    refused(paused.fetch(project), 400, "A manager has paused you");
    declined(waiting.request(project, "a"), 400);
    refused(waiting.submit(project, json!({})), 400, "unauthorized task submit");

    declined(worker.submit(project, json!({"hash_u64": 5})), 400);
    assert_eq!(tracker.closed_by(&worker), 1);
    // To its voter only the free one is given, to another worker the voted one.
    assert_eq!(worker.take(project)["recipe"], "free");
    none(worker.fetch(project));
    let other = tracker.worker();
    let voted = other.take(project);
    assert_eq!(voted["recipe"], "voted");
    released(other.vote(number(&voted), 0, 7), true);
    none(other.fetch(project));
    released(worker.release(held, 0), true);
    affected(admin.send(Request::new("POST", &format!("/project/reset_failed_tasks/{project}"))), 1);
    let task = worker.take(project);
    assert_eq!(some(&task, &["recipe", "retries"]), json!({"recipe": "failed", "retries": 0}));
}

// 22
#[test]
fn a_queue_outlives_the_daemon() {
    let mut tracker = Tracker::start(SETTINGS);
    let queue = lay_out(&tracker);
    tracker.daemon.restart();
    check(&tracker, &queue);
}

#[test]
fn a_queue_outlives_the_core() {
    let mut tracker = Tracker::start(SETTINGS);
    let queue = lay_out(&tracker);
    tracker.daemon.kill_core();
    tracker.daemon.await_ready();
    check(&tracker, &queue);
}

#[test]
fn the_remaining_time_of_a_lease_outlives_the_daemon() {
    let mut tracker = Tracker::start("");
    let (project, worker) = tracker.queue(json!({}));
    for (recipe, time) in [("over meanwhile", 1), ("not for long", LONG)] {
        ok(worker.submit(project, json!({"recipe": recipe, "max_assign_time": time})));
    }
    worker.take(project);
    // Should the first one's time be over already, it is handed out again.
    let second =
        until("the second one", SOON, || Some(worker.take(project)).filter(|task| task["recipe"] != "over meanwhile"));
    tracker.daemon.restart();
    let worker = worker.over(&tracker.guest());
    let task = ok(worker.get(&format!("/task/get/{project}?wait=30")))["task"].take();
    assert_eq!(task["recipe"], "over meanwhile");
    released(worker.release(number(&second), 0), true);
}

#[test]
fn numbers_are_never_given_twice() {
    let mut tracker = Tracker::start("");
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let task = worker.finish(project, 0);
    tracker.daemon.restart();
    let admin = tracker.admin.at(&tracker.guest());
    let worker = worker.over(&tracker.guest());
    assert!(tracker.worker().id > worker.id);
    assert!(admin.create(json!({"name": fresh("later")})) > project);
    worker.fill(project, &["r"]);
    assert!(number(&worker.take(project)) > task);
    assert!(Person::register(&tracker.guest(), "later").id > admin.id);
}
