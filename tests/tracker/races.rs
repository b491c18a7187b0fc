//! Many at once: what can be had once is had once.

use super::*;
use std::sync::Barrier;
use std::thread;

/// Does this so many times at once.
fn at_once(times: usize, act: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let start = Barrier::new(times);
    thread::scope(|scope| {
        let one = |n: usize| {
            start.wait();
            act(n)
        };
        let threads: Vec<_> = (0..times).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    })
}

#[track_caller]
fn succeeded(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200 && answer.json()["ok"] == true).count()
}

#[test]
fn of_equal_hashes_one_is_stored() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let answers = at_once(12, |_| worker.submit(project, json!({"hash_u64": 7})));
    assert_eq!(succeeded(&answers), 1);
    worker.take(project);
    none(worker.fetch(project));
}

#[test]
fn of_equal_releases_one_counts() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let task = number(&worker.take(project));
    let answers = at_once(12, |_| worker.release(task, 0));
    let updated = answers.iter().filter(|answer| answer.json()["content"]["updated"] == true).count();
    assert_eq!((succeeded(&answers), updated, tracker.closed_by(&worker)), (12, 1, 1));
}

#[test]
fn a_name_and_a_request_are_taken_once() {
    let tracker = shared();
    let name = fresh("contested");
    let answers = at_once(8, |_| tracker.admin.post("/project/create", &json!({"name": name})));
    assert_eq!(succeeded(&answers), 1);
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    assert_eq!(succeeded(&at_once(8, |_| worker.request(project, "a"))), 1);
    let person = fresh("mgr");
    let answers = at_once(4, |_| tracker.guest().post("/register", &credentials(&person)));
    assert_eq!(succeeded(&answers), 1);
}

#[test]
fn the_only_token_is_spent_once() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"submit_rate": 0.01}));
    let answers = at_once(12, |_| worker.submit(project, json!({})));
    assert_eq!(succeeded(&answers), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 11);
}

#[test]
fn of_those_who_come_first_one_is_admin() {
    let daemon = Daemon::start();
    let answers = at_once(4, |n| daemon.post("/register", &credentials(&format!("first-{n}"))));
    let admins = answers.iter().enumerate().filter(|(n, answer)| {
        Person::of(&daemon.tcp(), &format!("first-{n}"), answer).account()["tracker_admin"] == true
    });
    assert_eq!(admins.count(), 1);
}

// One identity is used by many threads, each of which works on its own.
#[test]
fn nothing_is_lost_and_nothing_doubled_when_all_work_at_once() {
    const EACH: usize = 10;
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    at_once(8, |n| {
        for k in 0..EACH {
            ok(worker.submit(project, json!({"hash_u64": 1 + n * EACH + k})));
        }
        // Each takes as many as it has brought: somebody's, done, failed, or skipped first.
        for k in 0..EACH {
            let task = number(&ok(waiting::wait(&worker, project, "wait=30"))["task"]);
            released(worker.release(task, [0, 1, 2][k % 3]), true);
            if k % 3 == 2 {
                let again = number(&ok(waiting::wait(&worker, project, "wait=30"))["task"]);
                released(worker.release(again, 0), true);
            }
        }
        worker.get("/")
    });
    none(worker.fetch(project));
    // Of every ten three have failed, and all others are done.
    assert_eq!(tracker.closed_by(&worker), 8 * 7);
    affected(tracker.admin.post(&format!("/project/reset_failed_tasks/{project}"), &json!(null)), 8 * 3);
}
