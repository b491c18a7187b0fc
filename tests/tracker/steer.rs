//! Mass changes: cases 98 to 102.

use super::*;

const KINDS: [&str; 3] = ["reset_failed_tasks", "hard_reset", "reclaim_assigned_tasks"];

fn maintain(client: &Client, what: &str, project: impl std::fmt::Display) -> Answer {
    client.send(Request::new("POST", &format!("/project/{what}/{project}")))
}

// 98
#[test]
fn a_hard_reset_removes_all_tasks() {
    let tracker = shared();
    let (target, worker) = tracker.queue(json!({}));
    let project = tracker.project(json!({"chain": target}));
    tracker.grant(project, &worker, "as");
    ok(worker.submit(project, json!({"hash_u64": 1})));
    worker.finish(project, 1);
    worker.fill(project, &["held", "free", "free"]);
    let held = number(&worker.take(project));
    affected(maintain(&tracker.admin, "hard_reset", project), 4);
    none(worker.fetch(project));
    none(worker.fetch(target));
    released(worker.release(held, 0), false);
    assert_eq!(tracker.closed_by(&worker), 0);
    affected(maintain(&tracker.admin, "hard_reset", project), 0);
    affected(maintain(&tracker.admin, "reset_failed_tasks", project), 0);
    // What comes afterwards is new.
    ok(worker.submit(project, json!({"recipe": "new", "hash_u64": 1})));
    assert_eq!(worker.take(project)["recipe"], "new");
}

// 99
#[test]
fn failed_tasks_are_tried_again_after_a_reset() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["one", "two", "free"]);
    worker.finish(project, 1);
    worker.finish(project, 1);
    affected(maintain(&tracker.admin, "reset_failed_tasks", project), 2);
    for recipe in ["one", "two", "free"] {
        assert_eq!(
            some(&worker.take(project), &["recipe", "retries", "status"]),
            json!({"recipe": recipe, "retries": 0, "status": 1})
        );
    }
    affected(maintain(&tracker.admin, "reset_failed_tasks", project), 0);
}

// 100
#[test]
fn what_is_held_is_free_after_a_reclaim() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    one.fill(project, &["failed", "held", "free"]);
    one.finish(project, 1);
    let held = one.take(project);
    // All tasks that are NEW are counted, held or not.
    affected(maintain(&tracker.admin, "reclaim_assigned_tasks", project), 2);
    let again = two.take(project);
    assert_eq!(
        some(&again, &["id", "retries", "assignee"]),
        json!({"id": held["id"], "retries": 0, "assignee": two.id})
    );
    released(one.release(number(&held), 0), false);
    released(two.release(number(&held), 0), true);
}

// 101
#[test]
fn mass_changes_take_the_right_to_maintain() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    for kind in KINDS {
        refused(maintain(&tracker.guest(), kind, project), 403, "Unauthorized");
        refused(maintain(tracker.role(project, 15), kind, project), 403, "Unauthorized");
        affected(maintain(tracker.role(project, 16), kind, project), 0);
        for id in ["x", "0", "-1"] {
            refused(maintain(&tracker.guest(), kind, id), 400, "Invalid project id");
        }
        refused(maintain(&tracker.guest(), kind, 99_999_999), 403, "Unauthorized");
    }
}

// 102, D3
#[test]
fn a_project_that_is_not_there_has_no_tasks() {
    let tracker = shared();
    for kind in KINDS {
        for project in ["99999999", "2147483648", "9999999999"] {
            let answer = maintain(&tracker.admin, kind, project);
            assert!(answer.status == 404 || ok(answer.clone()) == json!({"affected_tasks": 0}), "{}", answer.text());
        }
    }
    tracker.alive();
}

#[test]
fn one_projects_changes_do_not_touch_another() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let other = tracker.project(json!({}));
    tracker.grant(other, &worker, "as");
    worker.fill(other, &["failed", "held", "free"]);
    worker.finish(other, 1);
    let held = number(&worker.take(other));
    worker.fill(project, &["gone"]);
    for kind in KINDS {
        ok(maintain(&tracker.admin, kind, project));
    }
    assert_eq!(worker.take(other)["recipe"], "free");
    none(worker.fetch(other));
    released(worker.release(held, 0), true);
    affected(maintain(&tracker.admin, "reset_failed_tasks", other), 1);
}
