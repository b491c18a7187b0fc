//! Fetching in ways that the original lacks: waiting for a task, several at once, from any project.

use super::*;
use std::thread;
use std::time::{Duration, Instant};

pub fn wait(worker: &Worker, project: i64, query: &str) -> Answer {
    worker.get(&format!("/task/get/{project}?{query}"))
}

/// What comes to one who waits while this is done.
#[track_caller]
fn meanwhile(worker: &Worker, project: i64, act: impl FnOnce()) -> Answer {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(worker, project, "wait=30"));
        act();
        waiting.join().expect("an answer")
    })
}

#[test]
fn who_waits_gets_the_next_task() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&worker, project, "wait=30"));
        worker.fill(project, &["awaited"]);
        let task = ok(waiting.join().expect("an answer"))["task"].take();
        assert_eq!(some(&task, &["recipe", "assignee"]), json!({"recipe": "awaited", "assignee": worker.id}));
    });
}

#[test]
fn who_waits_gets_what_others_give_back() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    let two = tracker.worker_in(project, "a");
    one.fill(project, &["r"]);
    let task = number(&one.take(project));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&two, project, "wait=30"));
        released(one.release(task, 2), true);
        assert_eq!(number(&ok(waiting.join().expect("an answer"))["task"]), task);
    });
}

#[test]
fn who_waits_in_vain_is_told_so() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let before = Instant::now();
    none(wait(&worker, project, "wait=1"));
    assert!(before.elapsed() >= Duration::from_secs(1), "{:?}", before.elapsed());
    none(wait(&worker, project, "wait=0"));
    // A fraction will do, and so will a project that one has no access to.
    none(wait(&tracker.worker(), project, "wait=0.2"));
}

#[test]
fn waiting_has_bounds() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    for query in
        ["wait=301", "wait=-1", "wait=x", "wait=1e9", "count=0", "count=101", "count=x", "count=-1", "count=1.5"]
    {
        declined(wait(&worker, project, query), 400);
    }
    worker.fill(project, &["r"]);
    ok(wait(&worker, project, "wait=300&count=100"));
}

#[test]
fn who_hangs_up_while_waiting_takes_nothing() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let head = format!(
        "GET /task/get/{project}?wait=60 HTTP/1.1\r\nHost: localhost\r\nX-Worker-Id: {}\r\nX-Secret: {}\r\n\r\n",
        worker.id, worker.secret
    );
    // Half a goodbye: nothing more will be sent, so it is answered at once.
    let answer = String::from_utf8(worker.raw(head.as_bytes()).expect("an answer")).expect("text");
    assert!(answer.contains("No task available"), "{answer}");
    // A whole one.
    let mut gone = worker.open().expect("a connection");
    std::io::Write::write_all(&mut gone, head.as_bytes()).expect("sent");
    drop(gone);
    let task = ok(worker.post("/task/submit?id=1", &task(project, json!({}))));
    let id = number(&task);
    // Should it have been on its way to the one who has gone, it comes back.
    assert_eq!(number(&ok(wait(&worker, project, "wait=30"))["task"]), id);
}

#[test]
fn several_tasks_come_at_once() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["1", "2", "3", "4"]);
    let content = ok(wait(&worker, project, "count=3"));
    assert_eq!(keys(&content), ["tasks"]);
    let recipes: Vec<&Value> = list(&content["tasks"]).iter().map(|task| &task["recipe"]).collect();
    assert_eq!(recipes, ["1", "2", "3"]);
    assert!(list(&content["tasks"]).iter().all(|task| task["assignee"] == worker.id));
    assert_eq!(list(&ok(wait(&worker, project, "count=1"))["tasks"]).len(), 1);
    none(wait(&worker, project, "count=2"));
    none(wait(&worker, project, "count=2&wait=0.1"));
}

#[test]
fn a_task_of_any_project_comes_by_the_projects_priority() {
    let tracker = Tracker::start("");
    let worker = tracker.worker();
    let [low, high, equal, foreign] = [(1, true), (9, true), (1, true), (99, false)].map(|(priority, granted)| {
        let (project, owner) = tracker.queue(json!({"priority": priority}));
        owner.fill(project, &["x"]);
        if granted {
            tracker.grant(project, &worker, "a");
        }
        project
    });
    let next = |query: &str| worker.get(&format!("/task/next{query}"));
    let project_of = |answer: Answer| ok(answer)["task"]["project"]["id"].as_i64();
    assert_eq!([next(""), next(""), next("")].map(project_of), [Some(high), Some(low), Some(equal)]);
    none(next(""));
    none(next("?wait=0.2"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| next("?wait=30&count=5"));
        bare(tracker.update(foreign, json!({"public": true})));
        let content = ok(waiting.join().expect("an answer"));
        assert_eq!(content["tasks"][0]["project"]["id"], foreign);
    });
    refused(tracker.guest().get("/task/next"), 403, "worker id not specified");
    bare(tracker.admin.post("/worker/set_paused", &json!({"worker": worker.id, "paused": true})));
    refused(next(""), 400, "A manager has paused you");
}

#[test]
fn whatever_frees_a_task_wakes_who_waits() {
    let tracker = shared();
    let post = |path: String| ok(tracker.admin.send(Request::new("POST", &path)));
    // A project with one task that is failed or held, and another worker that waits for it.
    let queue = |failed: bool| {
        let (project, owner) = tracker.queue(json!({}));
        owner.fill(project, &["r"]);
        let task = number(&owner.take(project));
        if failed {
            released(owner.release(task, 1), true);
        }
        (project, task, tracker.worker_in(project, "a"), owner)
    };
    let gets = |answer: Answer, task: i64| assert_eq!(number(&ok(answer)["task"]), task);

    let (project, task, waiter, _) = queue(false);
    gets(meanwhile(&waiter, project, || drop(post(format!("/project/reclaim_assigned_tasks/{project}")))), task);
    let (project, task, waiter, _) = queue(true);
    gets(meanwhile(&waiter, project, || drop(post(format!("/project/reset_failed_tasks/{project}")))), task);
    let (project, task, waiter, _) = queue(true);
    let requeue = || drop(ok(tracker.admin.post("/task/requeue", &json!({"task_id": task}))));
    gets(meanwhile(&waiter, project, requeue), task);
    let (project, task, waiter, owner) = queue(false);
    bare(tracker.update(project, json!({"paused": true})));
    released(owner.release(task, 2), true);
    gets(meanwhile(&waiter, project, || bare(tracker.update(project, json!({"paused": false})))), task);
    // Becoming entitled does it too.
    let (project, task, _, owner) = queue(false);
    released(owner.release(task, 2), true);
    let new = tracker.worker();
    ok(new.request(project, "a"));
    gets(meanwhile(&new, project, || bare(tracker.accept(project, &new))), task);
    released(new.release(task, 2), true);
    gets(meanwhile(&tracker.worker(), project, || bare(tracker.update(project, json!({"public": true})))), task);
}

#[test]
fn what_goes_on_in_the_next_project_reaches_who_waits_there() {
    let tracker = shared();
    let (then, waiter) = tracker.queue(json!({}));
    let first = tracker.project(json!({"chain": then}));
    let worker = tracker.worker_in(first, "as");
    worker.fill(first, &["goes on"]);
    let answer = meanwhile(&waiter, then, || {
        worker.finish(first, 0);
    });
    assert_eq!(ok(answer)["task"]["recipe"], "goes on");
}

#[test]
fn of_those_who_wait_each_gets_another_task() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({"public": true}));
    let workers: Vec<Worker> = (0..6).map(|_| tracker.worker()).collect();
    let mut handed: Vec<i64> = thread::scope(|scope| {
        let waiting: Vec<_> = workers.iter().map(|worker| scope.spawn(|| wait(worker, project, "wait=30"))).collect();
        for _ in &workers {
            ok(owner.submit(project, json!({})));
        }
        waiting.into_iter().map(|thread| number(&ok(thread.join().expect("an answer"))["task"])).collect()
    });
    handed.sort_unstable();
    handed.dedup();
    assert_eq!(handed.len(), workers.len());
    none(owner.fetch(project));
}

#[test]
fn who_loses_access_while_he_waits_gets_nothing() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({}));
    let worker = tracker.worker_in(project, "a");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&worker, project, "wait=1"));
        bare(tracker.reject(project, &worker));
        owner.fill(project, &["not for him"]);
        none(waiting.join().expect("an answer"));
    });
    assert_eq!(owner.take(project)["recipe"], "not for him");
}

#[test]
fn who_is_paused_while_he_waits_gets_nothing() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({}));
    let worker = tracker.worker_in(project, "a");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&worker, project, "wait=1"));
        bare(tracker.admin.post("/worker/set_paused", &json!({"worker": worker.id, "paused": true})));
        owner.fill(project, &["not for him"]);
        let body = waiting.join().expect("an answer").json();
        let message = body["message"].as_str().expect("a reason");
        assert!(body["ok"] == false && ["No task available", "A manager has paused you"].contains(&message), "{body}");
    });
    assert_eq!(owner.take(project)["recipe"], "not for him");
}

#[test]
fn who_has_voted_waits_for_other_tasks() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"recipe": "voted for", "verification_count": 2})));
    released(worker.release(number(&worker.take(project)), 0), false);
    let answer = meanwhile(&worker, project, || worker.fill(project, &["another"]));
    assert_eq!(ok(answer)["task"]["recipe"], "another");
}
