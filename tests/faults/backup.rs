//! Backups taken while the daemon works, and what becomes of them.

use crate::support::{Client, Daemon, Request, SOON, until};
use crate::{history, hostler, task, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Standard output of what has to end well.
#[track_caller]
fn well(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Makes tasks that run once until it is told to stop; how many there are is in `made`.
fn make_tasks(client: &Client, ledger: &str, made: &AtomicUsize, enough: &AtomicBool) {
    while !enough.load(Ordering::Acquire) {
        let name = format!("load{}", made.load(Ordering::Acquire));
        let body = task(&name, "once", &format!("echo $HOSTLER_RUN >> {ledger}"), &json!({}));
        client.send(Request::new("POST", "/proc").json(&body)).expect(200);
        made.fetch_add(1, Ordering::AcqRel);
    }
}

/// Ends the load, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The numbers that runs were told, each once.
fn numbers(ledger: &str) -> BTreeSet<u64> {
    let text = fs::read_to_string(ledger).unwrap_or_default();
    let numbers: Vec<u64> = text.lines().map(|line| line.parse().expect("a number")).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "a number was given twice");
    distinct
}

fn fifty_runs(daemon: &Daemon, ledger: &str) {
    let body =
        json!({ "name": "more", "type": "once", "replica": 50, "cmd": format!("echo $HOSTLER_RUN >> {ledger}") });
    daemon.post("/proc", &body).expect(200);
    until("its runs are over", SOON, || {
        (history(&daemon.tcp(), "more").iter().filter(|run| !run["end"].is_null()).count() == 50).then_some(())
    });
}

#[test]
fn a_backup_under_load_restores_and_numbers_go_on() {
    let mut daemon = Daemon::start();
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (socket, file, first, second) = (owned("s"), owned("all.backup"), owned("first"), owned("second"));
    let config = owned("hostler.toml");
    let (made, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = daemon.unix();
    let before = thread::scope(|scope| {
        scope.spawn(|| make_tasks(&client, &first, &made, &enough));
        let _over = Over(&enough);
        let some = |n: usize| until("some load", SOON, || (made.load(Ordering::Acquire) >= n).then_some(n));
        let before = some(20);
        well(&hostler(&["--socket", &socket, "backup", &file]));
        let after = made.load(Ordering::Acquire);
        some(after + 20);
        before
    });
    // Numbers the backup knows nothing of, more than are set apart at once.
    for _ in 0..2 {
        daemon.kill_core();
        until("a new core", SOON, || (crate::look(&daemon, "/readyz")?.status == 200).then_some(()));
        daemon.delete("/proc?name=more");
        fifty_runs(&daemon, &first);
    }
    daemon.stop();

    let mut restored = Daemon::prepared("");
    let data = restored.data_dir().to_str().unwrap().to_owned();
    let files = ["--config", &config, "--data-dir", &data];
    well(&hostler(&[&["restore", &file], &files[..]].concat()));
    let checked = well(&hostler(&[&["check", "--offline"], &files[..]].concat()));
    assert!(!checked.contains("PROBLEM"), "{checked}");
    restored.launch();
    let listed = restored.get("/proc").expect(200).json();
    let names: Vec<&String> = listed["data"]["tasks"].as_object().expect("an object").keys().collect();
    let known = |n: usize| !history(&restored.tcp(), &format!("load{n}")).is_empty();
    assert!((0..before).all(known), "not all of {before} tasks are there: {names:?}");
    fifty_runs(&restored, &second);
    let (first, second) = (numbers(&first), numbers(&second));
    assert!(first.len() > 100 && second.len() == 50, "{} and {} runs", first.len(), second.len());
    assert_eq!(first.intersection(&second).collect::<Vec<_>>(), Vec::<&u64>::new(), "numbers were given again");
    let check = restored.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(check["ok"], true, "{check}");
}

#[test]
fn a_damaged_backup_and_occupied_data_are_refused() {
    let daemon = Daemon::start();
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (socket, file, config, data) = (owned("s"), owned("all.backup"), owned("hostler.toml"), owned("data"));
    daemon.post("/proc", &task("kept", "cron", "true", &json!({ "cron": "0 0 1 1 *" }))).expect(200);
    well(&hostler(&["--socket", &socket, "backup", &file]));
    let restore = |file: &str, data: &str, more: &[&str]| {
        let output = hostler(&[&["restore", file, "--config", &config, "--data-dir", data], more].concat());
        assert_ne!(output.status.code(), Some(0), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    assert!(restore(&file, &data, &[]).contains("holds a store already"));
    assert!(restore(&file, &data, &["--replace"]).contains("is in use by process"));
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&file, &bytes).unwrap();
    let elsewhere = owned("elsewhere");
    let said = restore(&file, &elsewhere, &[]);
    assert!(!said.is_empty() && !daemon.path("elsewhere/db/db").exists(), "{said}");
    daemon.get("/proc").expect(200);
}

#[test]
fn what_a_restore_replaces_is_kept() {
    let mut daemon = Daemon::start();
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (socket, file, config, data) = (owned("s"), owned("all.backup"), owned("hostler.toml"), owned("data"));
    let yearly = json!({ "cron": "0 0 1 1 *" });
    daemon.post("/proc", &task("old", "cron", "true", &yearly)).expect(200);
    well(&hostler(&["--socket", &socket, "backup", &file]));
    daemon.post("/proc", &task("new", "cron", "true", &yearly)).expect(200);
    daemon.stop();
    let tasks = |daemon: &Daemon| {
        let listed = daemon.get("/proc").expect(200).json();
        listed["data"]["tasks"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
    };
    // Twice: the second one's predecessor is not in its way.
    for _ in 0..2 {
        well(&hostler(&["restore", &file, "--replace", "--config", &config, "--data-dir", &data]));
        daemon.launch();
        assert_eq!(tasks(&daemon), ["old"]);
        daemon.post("/proc", &task("new", "cron", "true", &yearly)).expect(200);
        daemon.stop();
    }
    // What is kept is a whole store: the one before the last restore.
    fs::remove_dir_all(daemon.path("data/db")).unwrap();
    for part in ["db", "objects", "redo"] {
        let _ = fs::remove_dir_all(daemon.path("data").join(part)); // only the database must be there
        fs::rename(daemon.path("data/before-restore").join(part), daemon.path("data").join(part)).unwrap();
    }
    daemon.launch();
    assert_eq!(tasks(&daemon), ["new", "old"]);
}

#[test]
fn an_export_shows_no_secret() {
    let daemon = Daemon::start();
    let made = daemon.unix().post("/hostler/v1/tokens", &json!({ "name": "ci", "scopes": ["proc:read"] })).expect(201);
    let token = made.json()["token"].as_str().expect("a text").to_owned();
    let socket = daemon.socket().to_str().unwrap().to_owned();
    let export = well(&hostler(&["--socket", &socket, "export"]));
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let about = lines.iter().find(|line| line.to_string().contains("\"ci\"")).expect("the token's record");
    let long = |text: &str| text.len() >= 32;
    assert!(!export.contains(&token), "the token itself");
    assert!(!texts(about).into_iter().any(long), "something like its hash: {about}");
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_compaction_is_done_at_the_next_start_and_without_a_daemon() {
    let mut daemon = Daemon::start();
    daemon.post("/proc", &task("kept", "cron", "true", &json!({ "cron": "0 0 1 1 *" }))).expect(200);
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (socket, config, data) = (owned("s"), owned("hostler.toml"), owned("data"));
    well(&hostler(&["--socket", &socket, "compact"]));
    let wish = daemon.path("data/compact");
    assert!(wish.exists());
    daemon.restart();
    assert!(!wish.exists(), "the wish was not met");
    assert!(!daemon.get("/proc").expect(200).json()["data"]["tasks"]["kept"].is_null());

    let refused = hostler(&["compact", "--offline", "--config", &config, "--data-dir", &data]);
    assert!(text(&refused.stderr).contains("is in use by process"), "{}", text(&refused.stderr));
    daemon.stop();
    well(&hostler(&["compact", "--offline", "--config", &config, "--data-dir", &data]));
    daemon.launch();
    assert!(!daemon.get("/proc").expect(200).json()["data"]["tasks"]["kept"].is_null());
}
