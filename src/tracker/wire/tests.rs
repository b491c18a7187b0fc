//! The keys of answers, exactly.

use super::*;
use crate::tracker::model::{
    Failing as Failure, Lease, NewTask, Process, Status, TaskId, Vote as Voted, WorkerId, WorkerSecret,
};
use chrono::DateTime;
use serde_json::{json, to_value};

fn at(seconds: i64) -> Wall {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn definition() -> Definition {
    Definition {
        name: "Alpha".to_owned(),
        clone_url: "http://git.example/a/b".to_owned(),
        git_repo: "a/b".to_owned(),
        version: "v1".to_owned(),
        motd: "hi".to_owned(),
        priority: 12,
        public: true,
        hidden: false,
        paused: false,
        chain: None,
        assign: Limit { rate: Rate::new(10.0), ..Limit::default() },
        submit: Limit::default(),
    }
}

fn shown_project() -> serde_json::Value {
    json!({
        "id": 3, "priority": 12, "name": "Alpha", "clone_url": "http://git.example/a/b", "git_repo": "a/b",
        "version": "v1", "motd": "hi", "public": true, "hidden": false, "chain": 0, "paused": false,
        "assign_rate": 10, "submit_rate": f64::MAX,
    })
}

#[test]
fn envelopes_have_only_what_they_need() {
    let text = |envelope: &Envelope<Number>| serde_json::to_string(envelope).unwrap();
    assert_eq!(text(&Envelope { ok: true, message: "", content: None }), r#"{"ok":true}"#);
    let full = Envelope { ok: false, message: "no", content: Some(Number(2.0)) };
    assert_eq!(text(&full), r#"{"ok":false,"message":"no","content":2}"#);
    let later = serde_json::to_string(&Later { ok: false, message: "Too many requests", rate_limit_delay: 0.25 });
    assert_eq!(later.unwrap(), r#"{"ok":false,"message":"Too many requests","rate_limit_delay":0.25}"#);
}

#[test]
fn numbers_come_back_as_they_went() {
    let text = |number: f64| serde_json::to_string(&Number(number)).unwrap();
    assert_eq!(text(20.0), "20");
    assert_eq!(text(0.5), "0.5");
    assert_eq!(text(f64::MAX).parse(), Ok(f64::MAX));
}

#[test]
fn a_project_has_these_keys() {
    assert_eq!(to_value(project(ProjectId(3), &definition())).unwrap(), shown_project());
    let twice = to_value(project_twice(ProjectId(3), &definition())).unwrap();
    let mut expected = shown_project();
    expected["project"] = shown_project();
    assert_eq!(twice, expected);

    let limit = Limit { rate: Rate::new(2.0), burst: 5.0, per_worker: Rate::new(0.5) };
    let limited = Definition { assign: limit, chain: Some(ProjectId(9)), ..definition() };
    let shown = to_value(project(ProjectId(3), &limited)).unwrap();
    assert_eq!((&shown["assign_burst"], &shown["worker_assign_rate"]), (&json!(5), &json!(0.5)));
    assert_eq!((&shown["chain"], shown.get("submit_burst")), (&json!(9), None));
}

#[test]
fn a_worker_shows_its_secret_only_when_told_to() {
    let secret = WorkerSecret([7; 32]);
    let known = model::Worker { id: WorkerId(7), alias: "a".to_owned(), created: 1_700_000_000, secret, paused: true };
    let hidden = to_value(worker(&known, false)).unwrap();
    assert_eq!(hidden, json!({"id": 7, "created": 1_700_000_000, "alias": "a", "secret": null, "paused": true}));
    let open = to_value(worker(&known, true)).unwrap();
    let text = open["secret"].as_str().unwrap();
    assert_eq!(text.len(), 44);
    assert_eq!(super::secret(text.as_bytes()), Some(vec![7; 32]));
    assert_eq!(super::secret(b"AAA"), None, "without its padding");
    let nameless = to_value(worker(&model::Worker { alias: String::new(), ..known }, false)).unwrap();
    assert_eq!(nameless.get("alias"), None);
}

#[test]
fn a_task_has_these_keys() {
    let what = NewTask {
        recipe: "do".into(),
        priority: 9999,
        max_retries: 3,
        max_assign: 60,
        verification_count: 12,
        hash: -5,
        not_before: Some(at(50)),
    };
    let whole = model::Task { id: TaskId(8), project: ProjectId(3), what };
    let lease =
        Lease { worker: WorkerId(7), since: at(100), until: at(160), process: Some(Process { pid: 42, born: 1 }) };
    let standing = Standing {
        status: Status::New,
        retries: 1,
        lease: Some(lease),
        votes: vec![Voted { worker: WorkerId(4), value: -1 }],
        failing: Some(Failure { at: at(90), worker: WorkerId(5), reason: "no disk".to_owned() }),
    };
    let mut expected = json!({
        "id": 8, "priority": 9999, "project": shown_project(), "assignee": 7, "retries": 1, "max_retries": 3,
        "status": 1, "recipe": "do", "max_assign_time": 60, "assign_time": 100, "verification_count": 12,
    });
    assert_eq!(to_value(task(&whole, &standing, &definition())).unwrap(), expected);
    for (key, value) in [
        ("hash", json!(-5)),
        ("votes", json!([{"worker": 4, "verification": -1}])),
        ("not_before", json!(50)),
        ("expires", json!(160)),
        ("worker_pid", json!(42)),
        ("failure", json!({"at": 90, "worker": 5, "reason": "no disk"})),
    ] {
        expected[key] = value;
    }
    assert_eq!(to_value(details(&whole, &standing, &definition())).unwrap(), expected);

    let failed = Standing { status: Status::Failed, ..Standing::default() };
    let shown = to_value(details(&whole, &failed, &definition())).unwrap();
    assert_eq!((&shown["status"], &shown["assignee"], &shown["assign_time"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!((&shown["expires"], &shown["failure"]), (&json!(null), &json!(null)));
}

#[test]
fn a_sample_has_these_keys() {
    let sample = Sample { at: 9, new: 1, failed: 2, closed: 3, access: 4, votes: 5 };
    let expected = json!({
        "new_task_count": 1, "failed_task_count": 2, "closed_task_count": 3, "worker_access_count": 4,
        "awaiting_verification_count": 5, "time_stamp": 9,
    });
    assert_eq!(to_value(snapshot(&sample)).unwrap(), expected);
}
