//! Projects, tasks and workers on the command line, against a daemon that answers what it is told to.

use crate::cli::args::read;
use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake};
use expect_test::expect;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;

fn projects() -> Value {
    json!({ "ok": true, "content": { "projects": [
        { "id": 3, "name": "thumbs", "priority": 5, "public": true, "hidden": false, "paused": false, "chain": 4,
            "version": "abc", "motd": "hi", "assign_rate": 2, "submit_rate": f64::MAX },
        { "id": 4, "name": "7", "priority": 0, "public": false, "hidden": true, "paused": true, "chain": 0,
            "version": "", "motd": "" },
    ] } })
}

fn content(value: Value) -> Answer {
    Answer::json(json!({ "ok": true, "content": value }))
}

fn daemon() -> Fake {
    Fake::start(|asked| match asked.what.as_str() {
        "GET /project/list" => Answer::json(projects()),
        "GET /project/get/3" => {
            let project = projects()["content"]["projects"][0].clone();
            let mut both = project.clone();
            both["project"] = project;
            content(both)
        }
        "POST /project/create" => content(json!({ "id": 9 })),
        "GET /manager/list" => content(json!({ "managers": [{ "id": 2, "username": "alice" }] })),
        "POST /task/submit?id=1" => content(json!({ "id": 12 })),
        "POST /task/bulk_submit?id=1" => content(json!({
            "submitted": 2, "ids": [20, null, 21], "rejected": [{ "index": 1, "message": "pq: duplicate key …" }],
        })),
        "GET /project/tasks/3?limit=100&status=failed" => content(json!({ "next": null, "tasks": [{
            "id": 12, "status": 2, "priority": 1, "retries": 3, "max_retries": 3, "assignee": 0, "recipe": "a\tb",
        }] })),
        "POST /project/accept_request/3/8" => {
            Answer::json(json!({ "ok": false, "message": "Worker did not have access to this project" }))
        }
        "DELETE /task/5" => Answer::refused(404, "Task not found"),
        _ => Answer::json(json!({ "ok": true })),
    })
}

#[tokio::test]
async fn projects_are_listed_and_named_by_name_or_number() {
    let daemon = daemon();
    expect![[r#"
        ID  NAME    PRIORITY  VISIBILITY  STATE   CHAIN  VERSION  MESSAGE
        3   thumbs  5         public      open    4      abc      hi
        4   7       0         hidden      paused
    "#]]
    .assert_eq(&daemon.told(&["project", "list"]).await.expect(Exit::Done));
    for (text, path) in [("thumbs", "3"), ("3", "3"), ("7", "4"), ("88", "88")] {
        daemon.told(&["project", "reclaim", text]).await.expect(Exit::Done);
        let what = daemon.heard().pop().unwrap();
        assert_eq!(what, format!("POST /project/reclaim_assigned_tasks/{path}"), "{text}");
    }
    let (why, exit) = daemon.told(&["project", "show", "nobody"]).await.failed();
    assert_eq!((why.contains("there is no project \"nobody\""), exit), (true, Exit::Misuse));
    let (why, _) = daemon.told(&["project", "hard-reset", "thumbs"]).await.failed();
    assert!(why.contains("--yes"), "{why}");
}

#[tokio::test]
async fn an_edit_writes_back_what_it_does_not_change() {
    let daemon = daemon();
    daemon
        .told(&["project", "edit", "thumbs", "--motd", "bye", "--private", "--chain", "none"])
        .await
        .expect(Exit::Done);
    let mut expected = projects()["content"]["projects"][0].clone();
    expected.as_object_mut().unwrap().remove("id");
    expected["motd"] = "bye".into();
    expected["public"] = false.into();
    expected["chain"] = 0.into();
    assert_eq!(daemon.last("POST /project/update/3").body, expected);
    daemon.told(&["project", "pause", "thumbs"]).await.expect(Exit::Done);
    let paused = daemon.last("POST /project/update/3").body;
    assert_eq!((&paused["paused"], &paused["motd"]), (&json!(true), &json!("hi")));
    let (why, exit) = daemon.told(&["project", "edit", "thumbs"]).await.failed();
    assert!(why.contains("nothing is to change") && exit == Exit::Misuse, "{why}");
}

#[tokio::test]
async fn what_is_given_of_a_project_is_said_in_the_words_of_the_api() {
    let daemon = daemon();
    let line =
        ["project", "create", "new", "--hidden", "--chain", "thumbs", "--assign-rate", "0.5", "--assign-burst", "10"];
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "9\n");
    let expected =
        json!({ "name": "new", "public": false, "hidden": true, "chain": 3, "assign_rate": 0.5, "assign_burst": 10.0 });
    assert_eq!(daemon.last("POST /project/create").body, expected);
    daemon.told(&["project", "role", "thumbs", "alice", "read,maintenance"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("POST /manager/set_role_for_project/3").body, json!({ "manager": 2, "role": 17 }));
    let (why, exit) = daemon.told(&["project", "access", "grant", "thumbs", "8"]).await.failed();
    assert_eq!((why.as_str(), exit), ("Worker did not have access to this project", Exit::Misuse));
}

#[tokio::test]
async fn an_operator_acts_for_an_account_over_the_socket_only() {
    let daemon = daemon();
    daemon.told(&["project", "list"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET /project/list").headers.get("x-hostler-as"), None);
    daemon.told(&["--as", "alice", "project", "list"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET /project/list").headers["x-hostler-as"], "alice");
    let line = ["hostler", "--url", "http://127.0.0.1:1", "project", "list", "--as", "alice"];
    let crate::cli::Command::Errand(errand) = read(line.map(OsString::from)).unwrap() else { panic!("an errand") };
    let mut out = crate::cli::out::Out::buffer(std::sync::Arc::default(), false, false);
    let problem = errand.perform(&mut out).await.unwrap_err();
    assert!(problem.to_string().contains("--as works over the Unix socket only") && problem.exit() == Exit::Misuse);
    assert!(read(["hostler", "serve", "--as", "alice"].map(OsString::from)).is_err());
}

#[tokio::test]
async fn tasks_are_submitted_one_by_one_or_in_bulk() {
    let daemon = daemon();
    let line = [
        "task",
        "submit",
        "thumbs",
        "{}",
        "--priority",
        "-1",
        "--unique",
        "u",
        "--max-assign-time",
        "1m",
        "--delay",
        "2h",
    ];
    assert_eq!(daemon.told(&line).await.expect(Exit::Done), "12\n");
    let expected = json!({ "project": 3, "recipe": "{}", "priority": -1, "unique_string": "u", "max_assign_time": 60, "delay": 7200 });
    assert_eq!(daemon.last("POST /task/submit").body, expected);

    let file = daemon.path("recipes");
    fs::write(&file, "a\nb\n\nc\n").unwrap();
    let line = ["task", "submit", "thumbs", "--bulk", file.to_str().unwrap(), "--max-retries", "2"];
    assert_eq!(daemon.told(&line).await.expect(Exit::Unhealthy), "20\n21\n");
    let one = |recipe: &str| json!({ "project": 3, "recipe": recipe, "max_retries": 2 });
    assert_eq!(daemon.last("POST /task/bulk_submit").body, json!({ "requests": [one("a"), one("b"), one("c")] }));
    let told = daemon.told(&[&line[..], &["--json"]].concat()).await.expect(Exit::Unhealthy);
    assert!(told.contains(r#"{"error":"the project has such a task already","line":2}"#), "{told}");
}

#[tokio::test]
async fn tasks_are_listed_and_mended() {
    let daemon = daemon();
    expect![[r#"
        ID  STATE   PRIORITY  RETRIES  WORKER  RECIPE
        12  failed  1         3/3              a�b
    "#]]
    .assert_eq(&daemon.told(&["task", "list", "thumbs", "--status", "failed"]).await.expect(Exit::Done));
    assert_eq!(daemon.told(&["task", "requeue", "12"]).await.expect(Exit::Done), "requeued 12\n");
    assert_eq!(daemon.last("POST /task/requeue").body, json!({ "task_id": 12 }));
    assert_eq!(daemon.told(&["task", "rm", "5", "6"]).await.expect(Exit::Misuse), "removed 6\n");
}

#[tokio::test]
async fn a_worker_signs_its_calls_and_its_file_is_checked() {
    let daemon = daemon();
    let file = daemon.path("me.json");
    fs::write(&file, r#"{"id": 7, "alias": "me", "secret": "c2VjcmV0"}"#).unwrap();
    let me = file.to_str().unwrap();
    daemon.told(&["worker", "request", "thumbs", "--submit", "--identity", me]).await.expect(Exit::Done);
    let asked = daemon.last("POST /project/request_access");
    assert_eq!(asked.body, json!({ "project": 3, "assign": false, "submit": true }));
    assert_eq!(
        (&asked.headers["x-worker-id"], &asked.headers["x-secret"]),
        (&"7".parse().unwrap(), &"c2VjcmV0".parse().unwrap())
    );
    daemon.told(&["task", "release", "12", "fail", "--reason", "no", "--identity", me]).await.expect(Exit::Unhealthy);
    let expected = json!({ "task_id": 12, "result": 1, "verification": 0, "reason": "no" });
    assert_eq!(daemon.last("POST /task/release").body, expected);
    let (why, exit) = daemon.told(&["worker", "create", "x", "--identity", me]).await.failed();
    assert!(why.contains("is there already") && exit == Exit::Misuse, "{why}");
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let refused = [
        &["project", "create", "p", "--public", "--hidden"][..],
        &["project", "create", "p", "--assign-rate", "-1"],
        &["project", "create", "p", "--assign-burst", "0"],
        &["project", "role", "p", "alice", "write"],
        &["project", "role", "p", "alice", "32"],
        &["project", "role", "p", "alice"],
        &["task", "submit", "p", "x", "--bulk", "f"],
        &["task", "submit", "p", "x", "--unique", "a", "--hash", "1"],
        &["task", "submit", "p", "x", "--max-retries", "-1"],
        &["task", "submit", "p", "x", "--not-before", "tomorrow"],
        &["worker", "run", "--project", "p"],
        &["worker", "run", "--", "true"],
        &["worker", "run", "--project", "p", "--once", "--jobs", "2", "--", "true"],
        &["worker", "request", "p", "--identity", "f"],
    ];
    for line in refused {
        let whole = std::iter::once(&"hostler").chain(line).map(OsString::from);
        assert!(read(whole).is_err(), "{line:?} was accepted");
    }
}
