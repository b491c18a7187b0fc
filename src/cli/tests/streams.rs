//! What comes over time: logs, events, waiting, and commands run to their end.

use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake, cut};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

fn event(id: u64, kind: &str, name: &str) -> String {
    format!("id: {id}\nevent: {kind}\ndata: {}\n\n", json!({ "at": null, "name": name, "data": { "run": 3 } }))
}

#[tokio::test]
async fn a_log_is_passed_on_as_it_is() {
    let daemon = Fake::start(|_| Answer::pieces(["one\ntw", "o\nthree"].map(|piece| Ok(piece.to_owned()))));
    assert_eq!(daemon.told(&["logs", "web"]).await.expect(Exit::Done), "one\ntwo\nthree");
    let line = ["logs", "-n", "20", "--run", "7", "--replica", "1", "--stderr", "-f", "web"];
    daemon.told(&line).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /proc/log?name=web&replica=1&stream=stderr&lines=20&run=7&follow=1");
    daemon.told(&["logs", "web", "--since", "2026-01-31T06:00:00+01:00"]).await.expect(Exit::Done);
    assert_eq!(daemon.last("GET").what, "GET /proc/log?name=web&since=2026-01-31T06%3A00%3A00%2B01%3A00");
}

#[tokio::test]
async fn several_logs_are_told_apart() {
    let daemon = Fake::start(|asked| match asked.what.ends_with("name=a") {
        true => Answer::pieces(["one\ntw", "o\nthree"].map(|piece| Ok(piece.to_owned()))),
        false => Answer::pieces([Ok("x\n".to_owned())]),
    });
    assert_eq!(daemon.told(&["logs", "a", "b"]).await.expect(Exit::Done), "a | one\na | two\na | three\nb | x\n");
    let told = daemon.told(&["logs", "b", "--json"]).await.expect(Exit::Done);
    assert_eq!(told, "{\"line\":\"x\",\"name\":\"b\"}\n");
    let mut followed: Vec<String> =
        daemon.told(&["logs", "-f", "a", "b"]).await.expect(Exit::Done).lines().map(str::to_owned).collect();
    followed.sort();
    assert_eq!(followed, ["a | x", "b | x"], "each name its own stream: {:?}", daemon.heard());
}

#[tokio::test]
async fn a_log_that_is_cut_is_no_whole_log() {
    let daemon = Fake::start(|_| Answer::pieces([Ok("one\n".to_owned()), cut()]));
    let told = daemon.told(&["logs", "web"]).await;
    assert_eq!(told.text, "one\n");
    assert_eq!(told.failed().1, Exit::TryAgain);
}

#[tokio::test]
async fn events_go_on_after_the_last_one_seen() {
    let connections = AtomicUsize::new(0);
    let daemon = Fake::start(move |_| match connections.fetch_add(1, SeqCst) {
        0 => {
            let text =
                [":\n\n".to_owned(), event(5, "proc.run.started", "web"), event(6, "proc.run.exited", "web")].concat();
            let (head, tail) = text.split_at(70);
            Answer::pieces([Ok(head.to_owned()), Ok(tail.to_owned()), cut()])
        }
        1 => Answer::pieces([Ok(event(7, "proc.run.started", "w\u{7}b")), cut()]),
        _ => Answer::refused(403, "enough"),
    });
    let told = daemon.told(&["events", "--name", "web", "--kind", "proc.run"]).await;
    let lines: Vec<&str> = told.text.lines().map(str::trim_start).collect();
    let line = |kind: &str, name: &str| format!("proc.run.{kind}  {name}  run=3");
    assert_eq!(lines, [line("started", "web"), line("exited", "web"), line("started", "w\u{fffd}b")]);
    assert_eq!(told.failed(), ("enough (403)".to_owned(), Exit::Misuse));
    let last = daemon.last("GET /events");
    assert_eq!(last.what, "GET /events?kind=proc.run&name=web");
    assert_eq!(last.headers["last-event-id"], "7");
}

/// A task that goes through `states`, one further at every look; every look is answered by an event.
fn going_through(states: &'static [&'static str]) -> Fake {
    let looks = AtomicUsize::new(0);
    Fake::start(move |asked| {
        if asked.what.starts_with("GET /events") {
            let events: Vec<String> = (1..=20).map(|id| event(id, "proc.task.changed", "web")).collect();
            return Answer::open(&events.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let state = states[looks.fetch_add(1, SeqCst).min(states.len() - 1)];
        let up = matches!(state, "running" | "unready");
        let replica = json!({ "replica": 0, "state": state, "pid": up.then_some(5), "ready": state == "running" });
        Answer::data(json!({ "name": "web", "type": "daemon", "state": state, "replicas": [replica] }))
    })
}

#[tokio::test]
async fn waiting_ends_when_the_task_is_there() {
    let daemon = going_through(&["starting", "unready", "running"]);
    assert_eq!(daemon.told(&["wait", "web", "--until", "ready"]).await.expect(Exit::Done), "web is ready\n");
    assert_eq!(daemon.heard().len(), 3);
}

#[tokio::test]
async fn waiting_ends_when_it_is_in_vain() {
    let daemon = going_through(&["starting", "unready", "failed"]);
    let (why, exit) = daemon.told(&["wait", "web", "--until", "ready"]).await.failed();
    assert_eq!((why.as_str(), exit), ("web does not become ready: it is failed", Exit::Unhealthy));
}

#[tokio::test]
async fn waiting_ends_when_the_time_is_over() {
    let daemon = going_through(&["starting"]);
    let (why, exit) = daemon.told(&["wait", "web", "--until", "ready", "--timeout", "50ms"]).await.failed();
    assert!(why.starts_with("web is not ready after 50ms"), "{why}");
    assert_eq!(exit, Exit::TryAgain);
}

/// A once task whose output is `log` and whose end is `run`, seen after its second event.
fn running(log: impl Fn(bool) -> Answer + Send + Sync + 'static, run: Value) -> Fake {
    let looks = AtomicUsize::new(0);
    let created = Mutex::new(false);
    Fake::start(move |asked| match asked.what.as_str() {
        what if what.starts_with("GET /events") => {
            assert!(!*created.lock().unwrap(), "who listens after the start may miss something");
            Answer::open(&[&event(1, "proc.run.started", "x"), &event(2, "proc.run.exited", "x")])
        }
        "POST /proc" => {
            *created.lock().unwrap() = true;
            Answer::ok()
        }
        what if what.starts_with("GET /proc/history") => match looks.fetch_add(1, SeqCst) {
            0 => Answer::data(json!([])),
            1 => Answer::data(json!([{ "run": 7, "end": null, "state": "running" }])),
            _ => Answer::data(json!([run])),
        },
        what if what.starts_with("GET /proc/log") => log(what.contains("follow=1")),
        _ => Answer::ok(),
    })
}

fn ended(exit_code: Value, signal: Value, bytes: u64) -> Value {
    json!({ "run": 7, "end": 1_700_000_000, "state": "failed", "exit_code": exit_code, "signal": signal,
        "log": { "from": 0, "to": bytes } })
}

#[tokio::test]
async fn a_command_that_is_run_gives_its_output_and_its_code() {
    let daemon = running(|_| Answer::pieces([Ok("hello\n".to_owned())]), ended(json!(3), json!(null), 6));
    let told = daemon.told(&["run", "--wait", "--rm", "--name", "x", "-e", "A=b=c", "--user", "u", "make", "-k"]).await;
    assert_eq!(told.expect(Exit::Child(3)), "hello\n");
    let expected = json!({ "name": "x", "type": "once", "argv": ["make", "-k"], "env": { "A": "b=c" }, "user": "u" });
    assert_eq!(daemon.last("POST /proc").body, expected);
    assert_eq!(daemon.heard().last().map(String::as_str), Some("DELETE /proc?name=x"));
}

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    for signal in [json!(15), json!("TERM"), json!("SIGTERM")] {
        let daemon = running(|_| Answer::open(&[]), ended(json!(null), signal, 0));
        daemon.told(&["run", "--wait", "true"]).await.expect(Exit::Child(143));
    }
}

#[tokio::test]
async fn what_was_not_shown_before_the_end_is_shown_after_it() {
    // The followed log stops in the middle and says nothing more.
    let log = |follow| if follow { Answer::open(&["one\n"]) } else { Answer::pieces([Ok("one\ntwo\n".to_owned())]) };
    let daemon = running(log, ended(json!(0), json!(null), 8));
    assert_eq!(daemon.told(&["run", "--wait", "true"]).await.expect(Exit::Child(0)), "one\ntwo\n");
}

#[tokio::test]
async fn output_is_not_shown_twice_when_the_core_is_replaced() {
    let connections = AtomicUsize::new(0);
    let log = move |follow| match (follow, connections.fetch_add(1, SeqCst)) {
        (true, 0) => Answer::pieces([Ok("one\ntw".to_owned()), cut()]),
        _ => Answer::pieces([Ok("one\ntwo\n".to_owned())]),
    };
    let daemon = running(log, ended(json!(0), json!(null), 8));
    assert_eq!(daemon.told(&["run", "--wait", "true"]).await.expect(Exit::Child(0)), "one\ntwo\n");
}

#[tokio::test]
async fn a_command_without_a_code_says_why() {
    let run = |error: Value| json!({ "run": 7, "end": 5, "state": "interrupted", "exit_code": null, "signal": null, "error": error });
    let line = ["run", "--wait", "--name", "x", "/nowhere"];
    let never = running(|_| Answer::open(&[]), run(json!("exec /nowhere: No such file or directory")));
    let expected = "\"x\" could not be started: exec /nowhere: No such file or directory".to_owned();
    assert_eq!(never.told(&line).await.failed(), (expected, Exit::Misuse));
    let lost = running(|_| Answer::open(&[]), run(json!(null)));
    let expected = "how \"x\" ended is not known: it is interrupted".to_owned();
    assert_eq!(lost.told(&line).await.failed(), (expected, Exit::TryAgain));
}

#[tokio::test]
async fn a_command_is_named_after_its_program() {
    let daemon = Fake::start(|_| Answer::ok());
    let told = daemon.told(&["run", "--", "/usr/bin/rsync", "-a", "--", "b"]).await.expect(Exit::Done);
    let letters = told.trim_end().strip_prefix("rsync-").expect("the program's name");
    assert!(letters.len() == 4 && letters.bytes().all(|byte| byte.is_ascii_lowercase()), "{told}");
    let asked = daemon.last("POST /proc").body;
    assert_eq!(asked["name"], told.trim_end());
    assert_eq!(asked["argv"], json!(["/usr/bin/rsync", "-a", "--", "b"]));
}

#[tokio::test]
async fn a_name_in_use_is_misuse() {
    let daemon = Fake::start(|_| Answer::refused(403, "Program exists, please stop it at first"));
    let (why, exit) = daemon.told(&["run", "--name", "x", "true"]).await.failed();
    assert_eq!(
        (why.as_str(), exit),
        ("there is a task \"x\" already: take another --name, or `hostler rm` it", Exit::Misuse)
    );
}
