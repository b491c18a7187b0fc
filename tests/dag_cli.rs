//! # `hostler dag` against a real daemon
//!
//! What a person or a script sees of runs: text, exit codes, and what has become of the tasks. How the client speaks to
//! a daemon that misbehaves is tested inside the room, against a scripted one.

mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use support::{Daemon, SOON, process, until};

/// `hostler dag` with these arguments, for this daemon.
fn dag(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    command.arg("dag").args(args).arg("--socket").arg(daemon.socket());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn ended(daemon: &Daemon, args: &[&str], code: i32) -> Output {
    let output = dag(daemon, args).output().expect("the binary");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    output
}

/// What it says on standard output, having ended with this code.
#[track_caller]
fn told(daemon: &Daemon, args: &[&str], code: i32) -> String {
    String::from_utf8(ended(daemon, args, code).stdout).expect("text")
}

/// What it says on standard error, having ended with this code.
#[track_caller]
fn complained(daemon: &Daemon, args: &[&str], code: i32) -> String {
    String::from_utf8(ended(daemon, args, code).stderr).expect("text")
}

#[track_caller]
fn json_of(daemon: &Daemon, args: &[&str]) -> Value {
    let text = told(daemon, &[args, &["--json"]].concat(), 0);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error} in {text}"))
}

/// A client in the background: ended with the test, its output line by line.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(daemon: &Daemon, args: &[&str]) -> Running {
        let mut child = dag(daemon, args).spawn().expect("the binary");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Running { child, lines }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "the output ended with {line:?}");
        line.trim_end().to_owned()
    }

    /// Whatever else it says, and its code.
    #[track_caller]
    fn end(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        (rest, until("the client ends", SOON, || self.child.try_wait().expect("our child")).code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A specification in a file beside the daemon's.
fn file(daemon: &Daemon, name: &str, text: &str) -> String {
    let path = daemon.path(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("text").to_owned()
}

fn script(text: &str) -> Value {
    json!({ "job": { "commandString": text } })
}

/// A specification with one task.
fn one(daemon: &Daemon, text: &str) -> String {
    file(daemon, "one.json", &json!({ "tag": "one", "tasks": { "a": script(text) } }).to_string())
}

#[test]
fn a_run_that_is_waited_for_tells_how_it_ended() {
    let daemon = Daemon::start();
    let yaml = "tag: greet\nparameters:\n  NAME: [you, me]\ntasks:\n  hello:\n    job:\n      command: [echo, \"hello {{NAME}}\"]\n  \
                bye:\n    parents: [hello]\n    job:\n      commandString: |\n        [ \"$HOME\" ] && echo bye\n";
    let greet = file(&daemon, "greet.yaml", yaml);
    assert_eq!(told(&daemon, &["validate", &greet], 0).lines().count(), 1);
    let lines = told(&daemon, &["submit", &greet, "--wait"], 0);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!((lines.first(), lines.last()), (Some(&"0"), Some(&"run 0 is COMPLETED")), "{lines:?}");
    assert_eq!(told(&daemon, &["logs", "0", "hello_1"], 0), "hello me\n");
    assert_eq!(told(&daemon, &["logs", "0", "bye"], 0), "bye\n");

    let fails = one(&daemon, "echo out; echo so it goes >&2; exit 3");
    let why = complained(&daemon, &["submit", &fails, "--wait"], 1);
    assert!(why.contains("run 1 is ERRORED: 1 of 1 tasks failed") && why.contains("a_0 is ERRORED, rc 3"), "{why}");
    assert!(why.contains("    | so it goes"), "{why}");
    assert_eq!(json_of(&daemon, &["list"])[0]["runID"], 1, "a completed run wants nothing any more");
    assert_eq!(json_of(&daemon, &["list", "--all"]).as_array().map(Vec::len), Some(2));

    // With a key there is one run, however often it is asked for.
    let key = ["submit", &fails, "--key", "k", "--wait"];
    for _ in 0..2 {
        assert!(complained(&daemon, &key, 1).contains("run 2 is ERRORED"));
    }
    assert_eq!(json_of(&daemon, &["list", "--all"]).as_array().map(Vec::len), Some(3));
}

#[test]
fn what_is_wrong_is_said_and_tried_again_only_where_that_helps() {
    let mut daemon = Daemon::start();
    let odd = file(&daemon, "odd.yaml", "tag: t\ntasks:\n  a: {job: {command: [x]}, parents: [nobody]}\n");
    // That it is not valid is what was asked for.
    for (verb, code) in [("submit", 100), ("validate", 1)] {
        let why = complained(&daemon, &[verb, &odd], code);
        assert!(why.contains("unknown parent 'nobody' in task 'a'"), "{verb}: {why}");
    }
    let twice = file(&daemon, "twice.yaml", "tag: t\ntag: u\ntasks: {}\n");
    let why = complained(&daemon, &["submit", &twice], 100);
    assert!(why.ends_with("duplicate mapping key: tag at line 2, column 1\n"), "{why}");
    assert!(complained(&daemon, &["submit", "/no/such/file"], 100).contains("/no/such/file"));
    for args in
        [&["show", "7"][..], &["kill", "7"], &["logs", "7", "a"], &["wait", "7"], &["graph", "7"], &["retry", "7"]]
    {
        assert!(complained(&daemon, args, 100).contains("no run 7"), "{args:?}");
    }
    assert_eq!(told(&daemon, &["list", "--all", "--json"], 0), "[]\n", "nothing of this made a run");
    daemon.stop();
    assert!(complained(&daemon, &["list"], 111).contains(daemon.socket().to_str().expect("text")));
}

#[test]
fn a_log_is_followed_through_all_attempts() {
    let daemon = Daemon::start();
    let (go, text) = (
        daemon.path("go"),
        "echo attempt; until [ -e GO ]; do sleep 0.02; done; [ -e GO.2 ] || { touch GO.2; exit 1; }; echo done",
    );
    let task = json!({ "maxRetries": 1, "job": { "commandString": text.replace("GO", go.to_str().expect("text")) } });
    let twice = json!({ "tag": "t", "tasks": { "a": task, "b": { "parents": ["a"], "job": { "command": ["false"] } },
        "never": { "parents": ["b"], "job": { "command": ["true"] } } } });
    told(&daemon, &["submit", &file(&daemon, "twice.json", &twice.to_string())], 0);
    let mut logs = Running::start(&daemon, &["logs", "0", "a", "-f"]);
    assert_eq!(logs.line(), "attempt");
    let mut never = Running::start(&daemon, &["logs", "0", "never", "-f"]);
    daemon.kill_core();
    fs::write(&go, "").expect("a file");
    let (rest, code) = logs.end();
    // What was said last before the core went may be shown twice, and it says so.
    assert!(rest.ends_with("attempt\ndone\n") && code == Some(0), "{rest:?} {code:?}");
    assert_eq!(never.end(), (String::new(), Some(0)), "the run is over, and the task has not begun");

    assert_eq!(told(&daemon, &["logs", "0", "a", "--attempt", "1"], 0), "attempt\n");
    let shown = json_of(&daemon, &["show", "0", "a"]);
    let attempts = shown["attempts"].as_array().expect("a list");
    let codes: Vec<_> = attempts.iter().map(|attempt| (attempt["number"].as_u64(), attempt["rc"].as_i64())).collect();
    assert_eq!((codes, &shown["state"]), (vec![(Some(1), Some(1)), (Some(2), Some(0))], &json!("COMPLETED")));
    let table = told(&daemon, &["show", "0", "a_0"], 0);
    assert!(table.contains("ATTEMPT") && table.contains("retry") && table.contains("completed"), "{table}");
}

#[test]
fn a_run_is_killed_mended_and_retried() {
    let daemon = Daemon::start();
    let hangs = one(&daemon, "echo up; exec sleep 300");
    let mut waiting = Running::start(&daemon, &["submit", &hangs, "--wait"]);
    assert_eq!(waiting.line(), "0");
    let mut logs = Running::start(&daemon, &["logs", "0", "a", "-f"]);
    assert_eq!(logs.line(), "up");
    assert_eq!(told(&daemon, &["kill", "0"], 0), "killed run 0\n");
    assert_eq!((waiting.end().1, logs.end().1), (Some(1), Some(0)));
    assert!(complained(&daemon, &["pause", "0"], 100).contains("KILLED"));

    let job = file(&daemon, "job.yaml", "command: [echo, better]\n");
    until("the attempt has ended", SOON, || {
        dag(&daemon, &["edit", "0", "a", "--job", &job]).output().ok()?.status.success().then_some(())
    });
    assert!(told(&daemon, &["retry", "0", "--wait"], 0).ends_with("run 0 is COMPLETED\n"));
    assert_eq!(told(&daemon, &["logs", "0", "a"], 0), "better\n");
    assert!(complained(&daemon, &["retry", "0"], 100).contains("run 0 is COMPLETED"));
    told(&daemon, &["purge", "0"], 0);
    assert!(complained(&daemon, &["show", "0"], 100).contains("no run 0"));
}

#[test]
fn who_stops_waiting_leaves_the_run_alone() {
    let daemon = Daemon::start();
    let mut waiting = Running::start(&daemon, &["submit", &one(&daemon, "exec sleep 300"), "--wait"]);
    assert_eq!((waiting.line().as_str(), waiting.line().starts_with("run 0: ")), ("0", true));
    process::signal(waiting.child.id() as i32, Signal::SIGINT);
    assert_eq!(waiting.end().1, Some(1));
    assert_eq!(json_of(&daemon, &["list"])[0]["state"], "RUNNING");
    told(&daemon, &["pause", "0"], 0);
    assert_eq!(json_of(&daemon, &["list"])[0]["state"], "PAUSED");
    told(&daemon, &["resume", "0"], 0);
    told(&daemon, &["kill", "0", "a"], 0);
    assert!(complained(&daemon, &["wait", "0"], 1).contains("a_0 is KILLED"));
}

#[test]
fn a_dag_is_stored_drawn_run_and_forgotten() {
    let daemon = Daemon::start();
    let specification = json!({ "tag": "nightly", "parameters": { "P": "x" }, "tasks": { "a": script("echo {{P}}") } });
    let nightly = file(&daemon, "nightly.json", &specification.to_string());
    told(&daemon, &["schedule", "nightly", &nightly, "--cron", "0 3 * * *", "--timezone", "UTC"], 0);
    assert!(told(&daemon, &["schedule"], 0).contains("0 3 * * *"));
    assert_eq!(json_of(&daemon, &["schedule", "nightly"])["specification"], specification);
    let firings = json_of(&daemon, &["firings", "nightly"]);
    assert_eq!(
        (firings["past"].as_array().map(Vec::len), firings["next"].as_array().map(Vec::len)),
        (Some(0), Some(10))
    );
    assert!(complained(&daemon, &["schedule", "nightly", "--cron", "61 * * * *"], 100).contains("minute"));

    told(&daemon, &["run", "nightly", "--param", "P=other", "--wait"], 0);
    assert_eq!(told(&daemon, &["logs", "0", "a"], 0), "other\n");
    for drawn in [told(&daemon, &["graph", "0"], 0), told(&daemon, &["graph", &nightly], 0)] {
        assert!(drawn.starts_with("digraph") && drawn.contains("a_0"), "{drawn}");
    }
    let picture = daemon.path("run.svg");
    told(&daemon, &["graph", "0", "-o", picture.to_str().expect("text")], 0);
    assert!(fs::read_to_string(picture).expect("a picture").starts_with("<svg"));

    told(&daemon, &["schedule", "nightly", "--remove"], 0);
    assert!(complained(&daemon, &["run", "nightly"], 100).contains("no DAG nightly"));
    assert_eq!(json_of(&daemon, &["list", "--all"])[0]["tag"], "nightly", "its runs stay");
}
