//! `hostler why`: the chain of causes of a task and of a project, for operators.

use super::*;

/// What is said about a thing; nothing where there is none.
fn why(tracker: &Tracker, name: &str) -> Option<String> {
    let name = name.replace('/', "%2F");
    let answer = tracker.daemon.unix().get(&format!("/hostler/v1/why/{name}"));
    (answer.status == 200).then(|| answer.json()["answers"][0]["sentences"].to_string())
}

#[test]
fn a_task_says_what_it_waits_for_who_has_it_and_how_it_failed() {
    let tracker = shared();
    let (name, worker) = (fresh("why"), tracker.worker_called("miner"));
    let project = tracker.project(json!({"name": name}));
    let said = |name: &str| why(&tracker, name).expect("an answer");
    assert!(said(&format!("project/{name}")).contains("it is not public, and none has access"));

    tracker.grant(project, &worker, "as");
    ok(worker.submit(project, json!({"max_retries": 1})));
    tracker.update(project, json!({"paused": true})).expect(200);
    let list = tracker.admin.get(&format!("/project/tasks/{project}")).expect(200).json();
    let task = format!("task/{}", list["content"]["tasks"][0]["id"]);
    assert!(said(&task).contains(&format!("{name} is paused")), "{}", said(&task));

    tracker.update(project, json!({"paused": false})).expect(200);
    let held = number(&worker.take(project));
    assert!(said(&task).contains("(miner) holds task"), "{}", said(&task));
    assert!(said(&format!("project/{name}")).contains("(miner) holds 1"));

    let given_back = json!({"task_id": held, "result": 1, "reason": "the seam is empty"});
    worker.post("/task/release", &given_back).expect(200);
    let failed = said(&task);
    assert!(failed.contains("has failed for good") && failed.contains("the seam is empty"), "{failed}");
    assert_eq!(why(&tracker, "task/999999999"), None);
    assert_eq!(why(&tracker, "project/no such"), None);
}
