//! What comes over time: runs that are waited for, and logs that are followed.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake, cut};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Events that tell of run 7.
fn events(what: &str) -> Answer {
    assert_eq!(what, "GET /events?kind=dag&name=7", "others are no reason to look");
    let event = |id: u64| {
        let data = json!({ "id": id, "kind": "dag.run.state", "name": "7", "data": { "run": 7 } });
        format!("id: {id}\nevent: dag.run.state\ndata: {data}\n\n")
    };
    let events: Vec<String> = (1..=20).map(event).collect();
    Answer::open(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn summary(state: &str, counts: Value) -> Value {
    json!({ "runID": 7, "tag": "t", "state": state, "taskCounts": counts })
}

/// A run that comes one step further at every look; two tasks of it have failed in the end, or none.
fn going_through(steps: Vec<Value>) -> Fake {
    let looks = AtomicUsize::new(0);
    Fake::start(move |asked| match asked.what.as_str() {
        what if what.starts_with("GET /events") => events(what),
        "GET /v1/dagrun/7/summary" => Answer::json(steps[looks.fetch_add(1, SeqCst).min(steps.len() - 1)].clone()),
        "GET /v1/dagrun/7/tasks?state=ERRORED%2CKILLED&limit=5" => {
            let task = |name: &str, rc: Value, remark: &str| json!({ "name": name, "state": "ERRORED", "rc": rc, "executorLog": remark });
            let tasks = [task("a_0", json!(2), ""), task("b_0", json!(null), "timeout\u{7}")];
            Answer::json(json!({ "tasks": tasks, "next": "b_0" }))
        }
        "GET /v1/dagrun/7/task/a_0/log?stream=stderr&lines=5&format=json" => {
            Answer::json(json!({ "attempt": 2, "stream": "stderr", "text": "no\u{1b}[31m such file\ngiving up\n" }))
        }
        what if what.starts_with("PATCH") || what == "POST /v1/dagrun" => Answer::json(json!({ "runID": 7 })),
        what if what.ends_with("/state") => Answer::json(json!({ "state": "KILLED" })),
        _ => Answer::refused(404, "no such thing"),
    })
}

#[tokio::test]
async fn waiting_shows_what_changes_and_ends_well_when_the_run_is_completed() {
    let daemon = going_through(vec![
        summary("QUEUED", json!({ "QUEUED": 3 })),
        summary("RUNNING", json!({ "QUEUED": 2, "RUNNING": 1 })),
        summary("RUNNING", json!({ "QUEUED": 2, "RUNNING": 1 })),
        summary("PAUSED", json!({ "COMPLETED": 2, "RETRY": 1 })),
        summary("COMPLETED", json!({ "COMPLETED": 3 })),
    ]);
    let file = daemon.path("f.json");
    std::fs::write(&file, "{}").unwrap();
    let told = daemon.told(&["dag", "submit", "--wait", file.to_str().unwrap()]).await.expect(Exit::Done);
    let lines = [
        "7",
        "run 7: 0/3 done, 0 running (QUEUED)",
        "run 7: 0/3 done, 1 running",
        "run 7: 2/3 done, 0 running, 1 to be tried again (PAUSED)",
        "run 7: 3/3 done, 0 running",
        "run 7 is COMPLETED",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    let looks = daemon.heard().iter().filter(|what| what.ends_with("/summary")).count();
    assert_eq!(looks, 5, "one for each event, and the first");
}

#[tokio::test]
async fn a_run_that_fails_names_what_failed_and_what_it_said() {
    let failed = summary("ERRORED", json!({ "COMPLETED": 1, "ERRORED": 6 }));
    let daemon = going_through(vec![summary("RUNNING", json!({ "RUNNING": 7 })), failed.clone()]);
    let (why, exit) = daemon.told(&["dag", "retry", "7", "--wait"]).await.failed();
    let expected = "run 7 is ERRORED: 6 of 7 tasks failed
  a_0 is ERRORED, rc 2
    | no\u{fffd}[31m such file
    | giving up
  b_0 is ERRORED: timeout\u{fffd}
  …
`hostler dag show 7 --state errored` shows all";
    assert_eq!((why.as_str(), exit), (expected, Exit::Unhealthy));
    let told = daemon.told(&["dag", "wait", "7", "--json"]).await.expect(Exit::Unhealthy);
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), failed);
}

#[tokio::test]
async fn waiting_for_no_run_is_misuse() {
    let daemon = Fake::start(|asked| match asked.what.starts_with("GET /events") {
        true => events(&asked.what),
        false => Answer::refused(404, "there is no run 7"),
    });
    assert_eq!(daemon.told(&["dag", "wait", "7"]).await.failed(), ("there is no run 7 (404)".to_owned(), Exit::Misuse));
}

#[tokio::test]
async fn a_log_is_asked_for_as_it_is_wanted() {
    let daemon = Fake::start(|_| Answer::pieces(["one\ntw", "o"].map(|piece| Ok(piece.to_owned()))));
    assert_eq!(daemon.told(&["dag", "logs", "7", "a b"]).await.expect(Exit::Done), "one\ntwo");
    assert_eq!(daemon.last("GET").what, "GET /v1/dagrun/7/task/a%20b/log?stream=both");
    let line = ["dag", "logs", "7", "a", "--attempt", "2", "-n", "9", "--stderr", "-f"];
    daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /v1/dagrun/7/task/a/log?stream=stderr&attempt=2&lines=9&follow=1");
    let json = daemon.told(&["dag", "logs", "7", "a", "--stdout", "--json"]).await.expect(Exit::Done);
    assert_eq!(json, "{\"line\":\"one\",\"name\":\"a\"}\n{\"line\":\"two\",\"name\":\"a\"}\n");
    let broken = Fake::start(|_| Answer::pieces([Ok("one\n".to_owned()), cut()]));
    assert_eq!(broken.told(&["dag", "logs", "7", "a"]).await.failed().1, Exit::TryAgain);
}

/// A task that is not begun at the first look, then has its attempts 1, 2 and 3, of which the last succeeds.
#[tokio::test]
async fn following_goes_on_with_the_next_attempt_until_the_task_is_over() {
    let looks = AtomicUsize::new(0);
    let daemon = Fake::start(move |asked| {
        let state = |look| ["QUEUED", "RUNNING", "RETRY", "RETRY", "COMPLETED"].get(look).unwrap_or(&"COMPLETED");
        // How many attempts there are at each look.
        let attempts = |look: usize| [0, 1, 1, 3].get(look.saturating_sub(1)).copied().unwrap_or(3);
        match asked.what.as_str() {
            what if what.starts_with("GET /events") => events(what),
            what if what.ends_with("/state") => Answer::json(json!({ "state": state(looks.fetch_add(1, SeqCst)) })),
            what => {
                let wanted = what.split_once("attempt=").and_then(|(_, rest)| rest.split('&').next()?.parse().ok());
                let there = attempts(looks.load(SeqCst));
                match wanted.unwrap_or(there) {
                    none if none == 0 || none > there => Answer::refused(404, "no such attempt"),
                    number if what.contains("format=json") => Answer::json(json!({ "attempt": number, "text": "" })),
                    number => Answer::pieces([Ok(format!("attempt {number}\n"))]),
                }
            }
        }
    });
    let told = daemon.told(&["dag", "logs", "7", "a_0", "-f", "-n", "5"]).await.expect(Exit::Done);
    assert_eq!(told, "attempt 1\nattempt 2\nattempt 3\n");
    let asked = daemon.heard();
    let followed: Vec<_> = asked.iter().filter(|what| what.ends_with("follow=1")).collect();
    let log = "GET /v1/dagrun/7/task/a_0/log?stream=both";
    assert_eq!(
        followed,
        [
            &format!("{log}&attempt=1&lines=5&follow=1"),
            &format!("{log}&attempt=2&follow=1"),
            &format!("{log}&attempt=3&follow=1"),
        ]
    );
}
