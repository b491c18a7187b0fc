//! Questions with one answer each.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Asked, Fake};
use expect_test::expect;
use serde_json::{Value, json};
use std::fs;

fn runs() -> Value {
    json!([
        { "runID": 4, "tag": "til\nes", "state": "ERRORED", "startTime": "0000000000000000000",
          "lastUpdate": "1731000107250000400", "taskCounts": { "COMPLETED": 3, "ERRORED": 1, "KILLED": 1, "QUEUED": 2 } },
        { "runID": 5, "tag": "x", "state": "RUNNING", "startTime": "?", "lastUpdate": null,
          "taskCounts": { "RUNNING": 1 } },
    ])
}

fn summary() -> Value {
    json!({ "runID": 4, "tag": "tiles", "state": "ERRORED", "startTime": "?", "lastUpdate": "?",
        "taskCounts": { "COMPLETED": 3, "ERRORED": 1, "RETRY": 1 }, "owner": "ann", "pass": 2,
        "origin": { "by": "dag", "dag": "nightly" } })
}

fn task(name: &str, state: &str, remark: &str) -> Value {
    json!({ "name": name, "state": state, "attempts": 2, "startTime": "1000000000", "stopTime": "66500000000",
        "rc": 1, "executorLog": remark, "usage": null, "mark": null })
}

fn daemon() -> Fake {
    Fake::start(|asked: &Asked| match asked.what.as_str() {
        what if what.starts_with("GET /v1/dagruns") => Answer::json(runs()),
        "GET /v1/dagrun/4/summary" => Answer::json(summary()),
        "GET /v1/dagrun/4?logs=0" => Answer::pieces([Ok("{\"runID\"".to_owned()), Ok(":4}".to_owned())]),
        "GET /v1/dagrun/4/state" => Answer::json(json!({ "state": "ERRORED" })),
        "GET /v1/dagrun/5/state" => Answer::json(json!({ "state": "PAUSED" })),
        "GET /v1/dagrun/4/tasks?limit=100" => {
            let marked = json!({ "name": "c_0", "state": "COMPLETED", "attempts": 0, "startTime": null,
                "stopTime": null, "rc": null, "executorLog": null, "mark": { "what": "skipped", "by": "bob" } });
            Answer::json(json!({ "tasks": [task("a_0", "ERRORED", "timeout"), marked], "next": "c_0" }))
        }
        "GET /v1/dagrun/4/tasks?limit=1000" => {
            Answer::json(json!({ "tasks": [task("a_0", "ERRORED", "")], "next": "a_0" }))
        }
        "GET /v1/dagrun/4/tasks?limit=1000&after=a_0" => {
            Answer::json(json!({ "tasks": [task("b\t_0", "RETRY", "")], "next": null }))
        }
        what if what.contains("/task/a_0/state") => Answer::json(json!({ "state": "ERRORED" })),
        "GET /v1/dagrun/4/task/a_0" => Answer::json(json!({
            "maxRetries": 1, "job": { "commandString": "cd /\n\tdu -s\n", "environment": [] }, "isGenerator": false })),
        "GET /v1/dagrun/4/task/a_0/attempts?logs=0" => Answer::json(json!([{ "startTime": "?", "stopTime": "?",
            "rc": 7, "outputLog": "", "errorLog": "", "executorLog": "too late", "number": 2, "outcome": "errored",
            "usage": { "userSeconds": 1.25, "systemSeconds": 0.5, "maxRssKiB": 9 } }])),
        "GET /v1/dag/nightly" => Answer::json(json!({ "name": "nightly", "owner": "ann",
            "specification": { "tag": "n", "tasks": { "a": {}, "b": {} } },
            "schedule": { "cron": "@daily", "timezone": null, "overlap": "skip", "parameters": { "D": "1" } } })),
        "GET /v1/dag/bare" => Answer::json(json!({ "name": "bare", "specification": {}, "schedule": null })),
        "GET /v1/dags" => Answer::json(json!([
            { "name": "nightly", "owner": "ann", "schedule": { "cron": "@daily", "overlap": "skip" } },
            { "name": "bare", "owner": "ann", "schedule": null } ])),
        "GET /v1/dag/nightly/firings" => Answer::json(json!({ "past": [
            { "time": "?", "last": "?", "count": 1, "what": "run", "runID": 3 },
            { "time": "?", "last": "?", "count": 9, "what": "missed", "runID": null } ], "next": ["?"] })),
        "POST /v1/dagrun/validate" if asked.body.get("bad").is_some() => {
            Answer::json(json!({ "valid": false, "error": "task 'a': job: missing" }))
        }
        "POST /v1/dagrun/validate" => Answer::json(json!({ "valid": true })),
        what if what.starts_with("POST /v1/dagrun") || what.ends_with("/run") => Answer::json(json!({ "runID": 8 })),
        what if what.contains("/graph") => Answer::pieces([Ok("<svg".to_owned()), Ok("/>".to_owned())]),
        what if what.contains("/99") => Answer::refused(404, "there is no run 99"),
        what if what.starts_with("DELETE") => Answer::pieces([]),
        _ => Answer::json(json!({ "runID": 4 })),
    })
}

#[tokio::test]
async fn runs_are_listed() {
    let daemon = daemon();
    let told = daemon.told(&["dag", "list"]).await.expect(Exit::Done);
    // Times depend on the host's zone and the present.
    let cut = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).take(6).collect::<Vec<_>>().join("|")
    };
    let lines: Vec<String> = told.lines().map(cut).collect();
    assert_eq!(lines, ["RUN|TAG|STATE|DONE|RUNNING|FAILED", "4|til\u{fffd}es|ERRORED|3/7|0|2", "5|x|RUNNING|0/1|1|0"]);
    assert!(told.contains(" ago"), "{told}");
    daemon.told(&["dag", "ls", "-a", "--state", "errored", "--tag", "a b", "-n", "9"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /v1/dagruns?all=1&state=errored&tag=a%20b&limit=9");
    let json: Value = serde_json::from_str(&daemon.told(&["dag", "list", "--json"]).await.expect(Exit::Done)).unwrap();
    assert_eq!(json, runs());
}

#[tokio::test]
async fn a_run_is_shown_with_its_tasks() {
    let daemon = daemon();
    let told = daemon.told(&["dag", "show", "4"]).await.expect(Exit::Done);
    let (head, tasks) = told.split_once("\n\n").expect("two parts");
    expect![[r#"
        run       4
        tag       tiles
        state     ERRORED
        tasks     3/5 done, 0 running, 1 to be tried again, 1 failed
        owner     ann
        origin    dag nightly
        restarts  2"#]]
    .assert_eq(head);
    let rows: Vec<Vec<&str>> =
        tasks.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
    let last = |row: usize| rows[row].iter().map(|cell| cell.trim()).collect::<Vec<_>>();
    assert_eq!(last(0), ["TASK", "STATE", "ATTEMPTS", "STARTED", "TOOK", "RC", "REMARK"]);
    assert_eq!(last(1)[4..], ["1m 5s", "1", "timeout"], "{told}");
    assert_eq!(last(2), ["c_0", "COMPLETED", "0", "skipped by bob"]);
    let all = daemon.told(&["dag", "show", "4", "--all"]).await.expect(Exit::Done);
    assert!(all.contains("a_0") && all.contains("b\u{fffd}_0"), "{all}");
    assert_eq!(daemon.told(&["dag", "show", "4", "--json"]).await.expect(Exit::Done), "{\"runID\":4}\n");
    daemon.told(&["dag", "show", "4", "--state", "retry", "--json"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /v1/dagrun/4/tasks?state=retry&limit=100");
    let (why, exit) = daemon.told(&["dag", "show", "99"]).await.failed();
    assert_eq!((why.as_str(), exit), ("there is no run 99 (404)", Exit::Misuse));
}

#[tokio::test]
async fn a_task_is_shown() {
    let daemon = daemon();
    expect![[r#"
        FIELD              VALUE
        state              ERRORED
        isGenerator        false
        job.commandString  cd /
                               du -s
        maxRetries         1

        ATTEMPT  OUTCOME  STARTED  TOOK  CPU   RC  REMARK
        2        errored                 1.8s  7   too late
    "#]]
    .assert_eq(&daemon.told(&["dag", "show", "4", "a_0"]).await.expect(Exit::Done));
    let json = daemon.told(&["dag", "show", "4", "a_0", "--json"]).await.expect(Exit::Done);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["maxRetries"], &json["state"]), (&json!(1), &json!("ERRORED")));
    assert_eq!((&json["attempts"][0]["rc"], json["attempts"][0].get("outputLog")), (&json!(7), None));
}

#[tokio::test]
async fn each_verb_asks_for_what_it_says() {
    let daemon = daemon();
    let job = daemon.path("job.yaml");
    fs::write(&job, "command: [ls]\n").unwrap();
    let job = job.to_str().unwrap();
    for (line, asked, body, said) in [
        (&["kill", "4"][..], "DELETE /v1/dagrun/4", json!(null), "killed run 4\n"),
        (&["kill", "4", "a/0"], "DELETE /v1/dagrun/4/task/a%2F0", json!(null), "killed a/0 of run 4\n"),
        (&["retry", "4"], "PATCH /v1/dagrun/4/state/QUEUED", json!(null), "restarted run 4\n"),
        (&["pause", "4"], "PATCH /v1/dagrun/4/state/PAUSED", json!(null), "paused run 4\n"),
        (&["resume", "5"], "PATCH /v1/dagrun/5/state/QUEUED", json!(null), "resumed run 5\n"),
        (&["purge", "4"], "DELETE /v1/dagrun/4?purge=1", json!(null), "purged run 4\n"),
        (
            &["edit", "4", "a_0", "--skip"],
            "PATCH /v1/dagrun/4/task/a_0",
            json!({ "skip": true }),
            "skipped a_0 of run 4\n",
        ),
        (
            &["edit", "4", "a_0", "--done"],
            "PATCH /v1/dagrun/4/task/a_0",
            json!({ "done": true }),
            "marked as done a_0 of run 4\n",
        ),
        (
            &["edit", "4", "a_0", "--job", job],
            "PATCH /v1/dagrun/4/task/a_0",
            json!({ "job": { "command": ["ls"] } }),
            "changed the job of a_0 of run 4\n",
        ),
        (
            &["run", "nightly", "--param", "A=1", "--param", "A=2"],
            "POST /v1/dag/nightly/run",
            json!({ "parameters": { "A": ["1", "2"] } }),
            "8\n",
        ),
    ] {
        let told = daemon.told(&[&["dag"], line].concat()).await.expect(Exit::Done);
        assert_eq!(told, said, "{line:?}");
        assert_eq!(daemon.heard().last().map(String::as_str), Some(asked), "{line:?}");
        assert_eq!(daemon.last(asked).body, body, "{line:?}");
    }
    let told = daemon.told(&["dag", "pause", "4", "--json"]).await.expect(Exit::Done);
    assert_eq!(told, "{\"runID\":4}\n");
}

#[tokio::test]
async fn retry_is_not_resume() {
    let daemon = daemon();
    let (why, exit) = daemon.told(&["dag", "retry", "5"]).await.failed();
    assert_eq!(why, "run 5 is PAUSED, not ERRORED or KILLED");
    assert_eq!(exit, Exit::Misuse);
    let (why, _) = daemon.told(&["dag", "resume", "4"]).await.failed();
    assert_eq!(why, "run 4 is ERRORED, not PAUSED");
    assert!(daemon.heard().iter().all(|what| what.starts_with("GET")), "{:?}", daemon.heard());
}

#[tokio::test]
async fn a_submission_with_a_key_can_be_repeated() {
    let daemon = daemon();
    let file = daemon.path("f");
    fs::write(&file, "tag: x\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(daemon.told(&["dag", "submit", file, "--key", "a-1"]).await.expect(Exit::Done), "8\n");
    let asked = daemon.last("POST");
    assert_eq!((asked.headers["idempotency-key"].to_str().unwrap(), &asked.body), ("a-1", &json!({ "tag": "x" })));
    assert_eq!(daemon.told(&["dag", "submit", file, "--json"]).await.expect(Exit::Done), "{\"runID\":8}\n");
    assert!(!daemon.last("POST").headers.contains_key("idempotency-key"));
    let (why, exit) = daemon.told(&["dag", "submit", "/no/such"]).await.failed();
    assert!(why.contains("/no/such") && exit == Exit::Misuse, "{why}");
}

#[tokio::test]
async fn a_specification_is_checked() {
    let daemon = daemon();
    let (good, bad) = (daemon.path("good.yaml"), daemon.path("bad.yaml"));
    fs::write(&good, "tag: x\n").unwrap();
    fs::write(&bad, "bad: 1\n").unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    assert_eq!(daemon.told(&["dag", "validate", good]).await.expect(Exit::Done), format!("{good} is valid\n"));
    let (why, exit) = daemon.told(&["dag", "validate", bad]).await.failed();
    assert_eq!((why, exit), (format!("{bad}: task 'a': job: missing"), Exit::Unhealthy));
    let json = daemon.told(&["dag", "validate", bad, "--json"]).await.expect(Exit::Unhealthy);
    assert_eq!(json, "{\"error\":\"task 'a': job: missing\",\"valid\":false}\n");
}

#[tokio::test]
async fn a_picture_goes_where_it_is_wanted() {
    let daemon = daemon();
    assert_eq!(daemon.told(&["dag", "graph", "4"]).await.expect(Exit::Done), "<svg/>");
    assert_eq!(daemon.last("GET").what, "GET /v1/dagrun/4/graph?format=dot");
    for (name, format) in [("a.svg", "svg"), ("a.mmd", "mermaid"), ("a.json", "json"), ("a.txt", "dot")] {
        let file = daemon.path(name);
        assert_eq!(daemon.told(&["dag", "graph", "4", "-o", file.to_str().unwrap()]).await.expect(Exit::Done), "");
        assert_eq!(daemon.last("GET").what, format!("GET /v1/dagrun/4/graph?format={format}"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "<svg/>");
    }
    daemon.told(&["dag", "graph", "4", "--json"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /v1/dagrun/4/graph?format=json");
}

#[tokio::test]
async fn dags_are_stored_with_and_without_a_schedule() {
    let daemon = daemon();
    let file = daemon.path("f.yaml");
    fs::write(&file, "tag: x\n").unwrap();
    let file = file.to_str().unwrap();
    let put = async |line: &[&str]| {
        daemon.told(&[&["dag", "schedule"], line].concat()).await.expect(Exit::Done);
        let asked = daemon.last("PUT");
        (asked.what, asked.body)
    };
    assert_eq!(put(&["n", file]).await, ("PUT /v1/dag/n".to_owned(), json!({ "specification": { "tag": "x" } })));
    let options =
        ["--cron", "@daily", "--timezone", "Asia/Tokyo", "--overlap", "queue", "--catch-up", "last", "--param", "A=1"];
    let schedule = json!({ "cron": "@daily", "timezone": "Asia/Tokyo", "overlap": "queue", "catch_up": "last",
        "parameters": { "A": "1" } });
    let (_, body) = put(&[&["n", file], &options[..]].concat()).await;
    assert_eq!(body, json!({ "specification": { "tag": "x" }, "schedule": schedule }));
    // What is not given stays as it is.
    let (what, body) = put(&["nightly", "--cron", "@hourly"]).await;
    let schedule = json!({ "cron": "@hourly", "overlap": "skip", "parameters": { "D": "1" } });
    let specification = json!({ "tag": "n", "tasks": { "a": {}, "b": {} } });
    assert_eq!(what, "PUT /v1/dag/nightly");
    assert_eq!(body, json!({ "specification": specification, "schedule": schedule }));
    let (why, exit) = daemon.told(&["dag", "schedule", "bare", "--overlap", "allow"]).await.failed();
    assert_eq!((why.as_str(), exit), ("a schedule needs --cron", Exit::Misuse));
    assert_eq!(daemon.told(&["dag", "schedule", "bare", "--remove"]).await.expect(Exit::Done), "removed bare\n");
    assert_eq!(daemon.heard().last().map(String::as_str), Some("DELETE /v1/dag/bare"));
}

#[tokio::test]
async fn stored_dags_are_shown() {
    let daemon = daemon();
    expect![[r#"
        NAME     CRON    ZONE  OVERLAP  CATCH UP  NEXT  OWNER
        nightly  @daily        skip                     ann
        bare                                            ann
    "#]]
    .assert_eq(&daemon.told(&["dag", "schedule"]).await.expect(Exit::Done));
    expect![[r#"
        FIELD                  VALUE
        name                   nightly
        owner                  ann
        schedule.cron          @daily
        schedule.overlap       skip
        schedule.parameters.D  1
        tag                    n
        tasks                  a b
    "#]]
    .assert_eq(&daemon.told(&["dag", "schedule", "nightly"]).await.expect(Exit::Done));
    expect![[r#"
        TIME  WHAT                    RUN
              run                     3
              missed 9 times, until
              due
    "#]]
    .assert_eq(&daemon.told(&["dag", "firings", "nightly"]).await.expect(Exit::Done));
}
