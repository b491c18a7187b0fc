//! What goes beyond the original, where clients of the original notice nothing: single tasks, delays, reasons,
//! more rates. `waiting` is about fetching in other ways.

use super::waiting::wait;
use super::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a task shows where single tasks are looked at.
const KEYS: [&str; 17] = [
    "assign_time",
    "assignee",
    "expires",
    "failure",
    "hash",
    "id",
    "max_assign_time",
    "max_retries",
    "not_before",
    "priority",
    "project",
    "recipe",
    "retries",
    "status",
    "verification_count",
    "votes",
    "worker_pid",
];

/// A task as managers see it.
#[track_caller]
fn look(tracker: &Tracker, task: i64) -> Value {
    ok(tracker.admin.get(&format!("/task/{task}")))["task"].take()
}

/// The tasks of a project in the order in which they are listed, page by page.
#[track_caller]
fn pages(tracker: &Tracker, project: i64, query: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let mut content = ok(tracker.admin.get(&format!("/project/tasks/{project}?{query}{after}")));
        let Value::Array(tasks) = content["tasks"].take() else { panic!("no list: {content}") };
        pages.push(tasks);
        match content["next"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => return pages,
        }
        assert!(pages.len() < 100, "a list without an end");
    }
}

/// The recipes of all tasks with this status.
#[track_caller]
fn recipes(tracker: &Tracker, project: i64, query: &str) -> Vec<String> {
    let text = |task: &Value| task["recipe"].as_str().expect("a text").to_owned();
    pages(tracker, project, query).concat().iter().map(text).collect()
}

/// A project with a failed, a held and a free task; their numbers.
#[track_caller]
fn mixed(tracker: &Tracker) -> (i64, Worker, [i64; 3]) {
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["failed", "held"]);
    let failed = worker.finish(project, 1);
    let held = number(&worker.take(project));
    let free = ok(worker.post("/task/submit?id=1", &task(project, json!({"recipe": "free", "hash_u64": 42}))));
    (project, worker, [failed, held, number(&free)])
}

#[test]
fn a_holder_may_ask_for_more_time() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    for recipe in ["extended", "short"] {
        ok(worker.submit(project, json!({"recipe": recipe, "max_assign_time": 3})));
    }
    let extend = |client: &Worker, task: i64, seconds: Value| {
        client.post("/task/extend", &json!({"task_id": task, "seconds": seconds}))
    };
    let task = number(&worker.take(project));
    let before = unix_now();
    let expires = ok(extend(&worker, task, json!(600)))["expires"].as_i64().expect("a time");
    assert!((before + 600..=unix_now() + 601).contains(&expires), "{expires} is not 600 s after {before}");
    assert_eq!(look(&tracker, task)["expires"], expires);
    // When a later lease is over, the extended one is not.
    worker.take(project);
    assert_eq!(ok(wait(&two, project, "wait=30"))["task"]["recipe"], "short");
    none(two.fetch(project));

    declined(extend(&two, task, json!(600)), 400);
    declined(extend(&worker, 99_999_999, json!(600)), 400);
    declined(extend(&worker, task, json!(-1)), 400);
    declined(worker.post("/task/extend", &json!({})), 400);
    declined(tracker.guest().post("/task/extend", &json!({"task_id": task, "seconds": 1})), 403);
    released(worker.release(task, 0), true);
    declined(extend(&worker, task, json!(600)), 400);
}

#[test]
fn a_task_can_be_looked_at() {
    let tracker = shared();
    let (project, worker, [failed, held, free]) = mixed(&tracker);
    let shown = look(&tracker, free);
    assert_eq!(keys(&shown), KEYS);
    let expected = json!({"id": free, "recipe": "free", "status": 1, "hash": 42, "worker_pid": null, "failure": null, "expires": null});
    assert_eq!(some(&shown, &keys(&expected)), expected);
    assert_eq!(shown["project"]["id"], project);

    let shown = look(&tracker, held);
    assert_eq!(
        some(&shown, &["recipe", "status", "assignee"]),
        json!({"recipe": "held", "status": 1, "assignee": worker.id})
    );
    let expires = shown["expires"].as_i64().expect("a time");
    assert!(expires > unix_now() && expires <= unix_now() + LONG + 1, "{shown}");

    let shown = look(&tracker, failed);
    assert_eq!(some(&shown, &["recipe", "status", "retries"]), json!({"recipe": "failed", "status": 2, "retries": 1}));
    assert_eq!(shown["failure"]["worker"], worker.id);
}

#[test]
fn looking_at_tasks_takes_a_right() {
    let tracker = shared();
    let (project, worker, [failed, _, free]) = mixed(&tracker);
    let (one, all) = (format!("/task/{free}"), format!("/project/tasks/{project}"));
    let requeue = json!({"task_id": failed});
    for client in [&tracker.guest(), tracker.role(project, 31 - 1 - 16) as &Client, &worker] {
        refused(client.get(&one), 403, "Unauthorized");
        refused(client.get(&all), 403, "Unauthorized");
        refused(client.delete(&one), 403, "Unauthorized");
        refused(client.post("/task/requeue", &requeue), 403, "Unauthorized");
    }
    let reader = tracker.role(project, 1);
    ok(reader.get(&one));
    ok(reader.get(&all));
    refused(reader.delete(&one), 403, "Unauthorized");
    refused(reader.post("/task/requeue", &requeue), 403, "Unauthorized");
    let maintainer = tracker.role(project, 16);
    ok(maintainer.get(&one));
    ok(maintainer.get(&all));
    ok(maintainer.post("/task/requeue", &requeue));
    ok(maintainer.delete(&one));
}

#[test]
fn tasks_that_are_not_there_are_said_not_to_be() {
    let tracker = shared();
    for id in ["99999999", "9223372036854775807"] {
        refused(tracker.admin.get(&format!("/task/{id}")), 404, "Task not found");
        refused(tracker.admin.delete(&format!("/task/{id}")), 404, "Task not found");
    }
    refused(tracker.admin.post("/task/requeue", &json!({"task_id": 99_999_999})), 404, "Task not found");
    // Who may look at none learns not even which there are.
    let worker = tracker.worker();
    for client in [&tracker.guest(), &worker as &Client] {
        refused(client.get("/task/99999999"), 403, "Unauthorized");
        refused(client.delete("/task/99999999"), 403, "Unauthorized");
    }
    // What is no number is no task either, as it always was.
    for path in ["/task/get", "/task/x", "/task/submit", "/task/"] {
        not_found(tracker.admin.get(path));
    }
}

#[test]
fn a_task_can_be_removed() {
    let tracker = shared();
    let (project, worker, [failed, held, free]) = mixed(&tracker);
    for task in [failed, held, free] {
        ok(tracker.admin.delete(&format!("/task/{task}")));
        refused(tracker.admin.get(&format!("/task/{task}")), 404, "Task not found");
    }
    none(worker.fetch(project));
    released(worker.release(held, 0), false);
    ok(worker.submit(project, json!({"hash_u64": 42})));
    assert_eq!(recipes(&tracker, project, "").len(), 1);
}

#[test]
fn a_failed_task_is_tried_again_when_asked_for() {
    let tracker = shared();
    let (project, worker, [failed, held, free]) = mixed(&tracker);
    ok(tracker.admin.post("/task/requeue", &json!({"task_id": failed})));
    assert_eq!(
        some(&worker.take(project), &["id", "retries", "status"]),
        json!({"id": failed, "retries": 0, "status": 1})
    );
    for task in [held, free] {
        declined(tracker.admin.post("/task/requeue", &json!({"task_id": task})), 400);
    }
}

#[test]
fn tasks_are_listed_by_where_they_stand() {
    let tracker = shared();
    let (project, _, [failed, held, free]) = mixed(&tracker);
    for (query, expected) in [
        ("", &["failed", "held", "free"][..]),
        ("status=free", &["free"]),
        ("status=held", &["held"]),
        ("status=failed", &["failed"]),
        ("status=new", &["held", "free"]),
    ] {
        assert_eq!(recipes(&tracker, project, query), expected, "{query}");
    }
    let listed = pages(&tracker, project, "").concat();
    for (task, id) in listed.iter().zip([failed, held, free]) {
        assert_eq!(task, &look(&tracker, id));
    }
    declined(tracker.admin.get(&format!("/project/tasks/{project}?status=lost")), 400);
    declined(tracker.admin.get("/project/tasks/x"), 400);
    declined(tracker.admin.get("/project/tasks/99999999"), 404);
}

#[test]
fn a_long_list_of_tasks_has_pages() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let tasks: Vec<Value> =
        (0..25).map(|n| task(project, json!({"recipe": n.to_string(), "priority": n % 3}))).collect();
    ok(worker.bulk(&tasks));
    let pages = pages(&tracker, project, "limit=10");
    assert!(pages.iter().all(|page| page.len() <= 10), "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
    let mut seen: Vec<i64> = pages.concat().iter().map(number).collect();
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 25);
}

#[test]
fn votes_can_be_seen() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"verification_count": 2})));
    let task = number(&worker.take(project));
    released(worker.vote(task, 0, -77), false);
    let votes = look(&tracker, task)["votes"].take();
    assert!(votes.to_string().contains("-77"), "{votes}");
    assert_eq!(list(&votes).len(), 1);
}

#[test]
fn a_task_may_have_to_wait_for_its_time() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let now = unix_now();
    ok(worker.submit(project, json!({"recipe": "much later", "delay": 3600})));
    ok(worker.submit(project, json!({"recipe": "later", "not_before": now + 2})));
    ok(worker.submit(project, json!({"recipe": "soon", "delay": 0.25})));
    ok(worker.submit(project, json!({"recipe": "long since", "not_before": now - 10})));
    assert_eq!(worker.take(project)["recipe"], "long since");
    assert_eq!(ok(wait(&worker, project, "wait=30"))["task"]["recipe"], "soon");
    assert_eq!(ok(wait(&worker, project, "wait=30"))["task"]["recipe"], "later");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("past 1970");
    assert!(since >= Duration::from_secs((now + 2).unsigned_abs()), "{since:?} is before {now} + 2");
    none(worker.fetch(project));
    let waiting = pages(&tracker, project, "status=free").concat();
    assert_eq!(waiting.len(), 1);
    let until = waiting[0]["not_before"].as_f64().expect("a time");
    assert!(until >= (now + 3600) as f64 && until <= (unix_now() + 3601) as f64, "{until}");
    for wrong in [json!({"delay": -1}), json!({"delay": "1s"}), json!({"not_before": -1}), json!({"not_before": "x"})] {
        declined(worker.submit(project, wrong), 400);
    }
}

#[test]
fn a_failure_may_have_a_reason() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"max_retries": 2})));
    let before = unix_now();
    let task = number(&worker.take(project));
    let fail = |reason: &str| {
        released(worker.post("/task/release", &json!({"task_id": task, "result": 1, "reason": reason})), true);
        look(&tracker, task)["failure"].take()
    };
    let failure = fail("out of paper: é");
    assert_eq!(some(&failure, &["worker", "reason"]), json!({"worker": worker.id, "reason": "out of paper: é"}));
    assert!(failure["at"].as_f64().is_some_and(|at| at >= before as f64 && at <= (unix_now() + 1) as f64), "{failure}");
    worker.take(project);
    // Of a long one the beginning is kept, and no half letter.
    let long = "é".repeat(2000);
    let kept = fail(&long)["reason"].as_str().expect("a text").to_owned();
    assert!(kept.len() <= 1024 && kept.len() >= 1000 && long.starts_with(&kept), "{} bytes", kept.len());
}

#[test]
fn a_submit_may_ask_for_its_number() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let content = ok(worker.post("/task/submit?id=1", &task(project, json!({"hash_u64": 1}))));
    assert_eq!(keys(&content), ["id"]);
    let id = number(&content);
    assert_eq!(number(&worker.take(project)), id);
    let bulk = json!({"requests": [task(project, json!({})), task(project, json!({"hash_u64": 1})), task(project, json!({}))]});
    let content = ok(worker.post("/task/bulk_submit?id=1", &bulk));
    assert_eq!(content["submitted"], 2);
    let ids = list(&content["ids"]);
    assert!(ids.len() == 3 && ids[1].is_null(), "{content}");
    assert_eq!(
        [worker.take(project)["id"].take(), worker.take(project)["id"].take()],
        [ids[0].clone(), ids[2].clone()]
    );
}

#[test]
fn managers_who_may_change_a_project_submit_to_it() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    bare(tracker.admin.post("/task/submit", &task(project, json!({"recipe": "the admin's"}))));
    let user = tracker.role(project, 2);
    bare(user.post("/task/submit", &task(project, json!({"recipe": "the editor's"}))));
    assert_eq!(ok(user.post("/task/bulk_submit", &json!({"requests": [task(project, json!({}))]})))["submitted"], 1);
    let user = tracker.role(project, 31 - 2);
    for (path, body) in [
        ("/task/submit", task(project, json!({}))),
        ("/task/bulk_submit", json!({"requests": [task(project, json!({}))]})),
    ] {
        let answer = user.post(path, &body);
        assert!(matches!(answer.status, 400 | 401 | 403), "{} {}", answer.status, answer.text());
        declined(answer.clone(), answer.status);
    }
    assert_eq!(
        (worker.take(project)["recipe"].take(), worker.take(project)["recipe"].take()),
        (json!("the admin's"), json!("the editor's"))
    );
}

#[test]
fn a_rate_may_have_a_burst() {
    let tracker = shared();
    let rates = json!({"assign_rate": 0.01, "assign_burst": 3, "submit_rate": 0.01, "submit_burst": 4});
    let (project, worker) = tracker.queue(rates.clone());
    let shown = tracker.shown(project);
    assert_eq!((shown["assign_burst"].as_f64(), shown["submit_burst"].as_f64()), (Some(3.0), Some(4.0)));
    for _ in 0..4 {
        ok(worker.submit(project, json!({})));
    }
    limited(worker.submit(project, json!({})));
    for _ in 0..3 {
        worker.take(project);
    }
    limited(worker.fetch(project));
    for wrong in [json!({"assign_burst": 0.5}), json!({"submit_burst": -1})] {
        declined(tracker.update(project, wrong), 400);
    }
    bare(tracker.update(project, json!({"assign_burst": 1, "submit_burst": 1})));
    let shown = tracker.shown(project);
    assert!(!keys(&shown).iter().any(|key| key.ends_with("_burst")), "the default is not shown: {shown}");
}

#[test]
fn a_rate_may_be_each_workers_own() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({"worker_assign_rate": 0.01, "worker_submit_rate": 0.01}));
    let two = tracker.worker_in(project, "as");
    let shown = tracker.shown(project);
    assert_eq!((shown["worker_assign_rate"].as_f64(), shown["worker_submit_rate"].as_f64()), (Some(0.01), Some(0.01)));
    for worker in [&one, &two] {
        ok(worker.submit(project, json!({})));
        limited(worker.submit(project, json!({})));
    }
    for worker in [&one, &two] {
        worker.take(project);
        limited(worker.fetch(project));
    }
    bare(tracker.update(project, json!({"worker_assign_rate": 0, "worker_submit_rate": 0})));
    let shown = tracker.shown(project);
    assert!(!keys(&shown).iter().any(|key| key.starts_with("worker_")), "the default is not shown: {shown}");
    ok(one.submit(project, json!({})));
    ok(one.submit(project, json!({})));
}
