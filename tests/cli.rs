//! # The command line against a real daemon
//!
//! What a person or a script sees: text, exit codes, and what has become of the processes. How the client speaks to a
//! daemon that misbehaves is tested inside the room, against a scripted one.

mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Output};
use std::time::Duration;
use support::cli::{hostler, json_of, told};
use support::{Daemon, SOON, process, until};

/// A client in the background: ended with the test, its output line by line.
struct Running {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn start(daemon: &Daemon, args: &[&str]) -> Running {
        let mut child = hostler(daemon, args).spawn().expect("the binary");
        let lines = child.stdout.take().map(BufReader::new);
        Running { child, lines }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().expect("still read").read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "the output ended with {line:?}");
        line.trim_end().to_owned()
    }

    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        until("the client ends", SOON, || self.child.try_wait().expect("our child")).code()
    }

    fn signal(&self, signal: Signal) {
        process::signal(self.child.id() as i32, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_command_gives_its_output_and_its_code() {
    let daemon = Daemon::start();
    let script = "echo one; echo two >&2; printf three; exit 7";
    assert_eq!(told(&daemon, &["run", "--wait", "--", "sh", "-c", script], 7), "one\ntwo\nthree");
    assert_eq!(
        told(&daemon, &["run", "--wait", "-e", "A=b c", "-C", "/", "sh", "-c", "echo \"$A\" $PWD"], 0),
        "b c /\n"
    );
    told(&daemon, &["run", "--wait", "--name", "killed", "sh", "-c", "kill -9 $$"], 137);
    told(&daemon, &["run", "--wait", "--rm", "--name", "forgotten", "true"], 0);
    let listed = json_of(&daemon, &["list"], 0);
    assert!(listed.get("killed").is_some() && listed.get("forgotten").is_none(), "{listed}");
    told(&daemon, &["run", "--wait", "/nowhere/to/be/found"], 100);
}

#[test]
fn much_output_comes_whole_and_in_order() {
    let daemon = Daemon::start();
    let text = told(&daemon, &["run", "--wait", "--", "seq", "1", "200000"], 0);
    assert!(text.lines().map(str::parse).eq((1..=200_000).map(Ok)), "{} bytes", text.len());
}

#[test]
fn output_comes_as_it_is_made_and_an_interrupt_stops_the_task() {
    let daemon = Daemon::start();
    let script = "exec 2>/dev/null; trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done";
    let mut client = Running::start(&daemon, &["run", "--wait", "--name", "loop", "--", "sh", "-c", script]);
    assert_eq!(client.line(), "up");
    client.signal(Signal::SIGINT);
    assert_eq!(client.line(), "bye");
    assert_eq!(client.code(), Some(5));
}

#[test]
fn a_second_interrupt_kills() {
    let daemon = Daemon::start();
    let script = "exec 2>/dev/null; trap 'echo no' TERM; echo up; while :; do sleep 0.05; done";
    let mut client = Running::start(&daemon, &["run", "--wait", "--", "sh", "-c", script]);
    assert_eq!(client.line(), "up");
    client.signal(Signal::SIGINT);
    assert_eq!(client.line(), "no");
    client.signal(Signal::SIGINT);
    assert_eq!(client.code(), Some(137));
}

#[test]
fn who_waits_does_not_notice_a_new_core() {
    let daemon = Daemon::start();
    let go = daemon.path("go");
    let script = format!("echo first; while ! [ -e {} ]; do sleep 0.02; done; echo second; exit 3", go.display());
    let mut client = Running::start(&daemon, &["run", "--wait", "--", "sh", "-c", &script]);
    assert_eq!(client.line(), "first");
    daemon.kill_core();
    fs::write(&go, "").expect("a file");
    assert_eq!(client.line(), "second");
    let mut rest = String::new();
    client.lines.as_mut().expect("still read").read_to_string(&mut rest).expect("text");
    assert_eq!((rest.as_str(), client.code()), ("", Some(3)));
}

#[test]
fn tasks_are_started_stopped_scaled_and_forgotten() {
    let daemon = Daemon::start();
    let file = daemon.path("tasks.toml");
    let tasks = "[[tasks]]\nname = \"web-1\"\ncmd = \"exec sleep 300\"\ntype = \"daemon\"\n\
                 [[tasks]]\nname = \"web-2\"\ncmd = \"exec sleep 300\"\ntype = \"daemon\"\n";
    fs::write(&file, tasks).expect("a file");
    let file = file.to_str().expect("text");
    let change = |answer: &Value, name: &str| {
        let changes = answer["changes"].as_array().cloned().unwrap_or_default();
        changes.iter().find(|change| change["name"] == name).map(|change| change["action"].clone())
    };
    assert_eq!(change(&json_of(&daemon, &["apply", file, "--dry-run"], 0), "web-1"), Some(json!("created")));
    assert_eq!(json_of(&daemon, &["list"], 0), json!({}));
    told(&daemon, &["apply", file], 0);
    assert_eq!(change(&json_of(&daemon, &["apply", file], 0), "web-1"), Some(json!("unchanged")));
    told(&daemon, &["wait", "web-*", "--until", "ready", "--timeout", "10s"], 0);
    told(&daemon, &["status"], 0);

    let pids = |name: &str| -> Vec<Value> {
        let status = json_of(&daemon, &["status", name], 0);
        let replicas = status[0]["replicas"].as_array().cloned().unwrap_or_default();
        replicas.iter().map(|replica| replica["pid"].clone()).filter(|pid| !pid.is_null()).collect()
    };
    let first = pids("web-1");
    assert_eq!(first.len(), 1);
    told(&daemon, &["restart", "--wait", "web-1"], 0);
    told(&daemon, &["wait", "web-1", "--until", "ready", "--timeout", "10s"], 0);
    assert_ne!(pids("web-1"), first);

    told(&daemon, &["scale", "web-2", "3"], 0);
    told(&daemon, &["wait", "web-2", "--until", "ready", "--timeout", "10s"], 0);
    assert_eq!(pids("web-2").len(), 3);

    told(&daemon, &["stop", "--wait", "web-?"], 0);
    told(&daemon, &["wait", "web-1", "web-2", "--timeout", "10s"], 0);
    assert!(pids("web-1").is_empty() && pids("web-2").is_empty());
    told(&daemon, &["start", "web-1"], 0);
    told(&daemon, &["wait", "web-1", "--until", "started", "--timeout", "10s"], 0);
    assert_eq!(pids("web-1").len(), 1);

    fs::write(daemon.path("none.json"), "[]").expect("a file");
    told(&daemon, &["apply", daemon.path("none.json").to_str().expect("text"), "--prune"], 0);
    told(&daemon, &["wait", "web-1", "--until", "gone", "--timeout", "10s"], 0);
    assert_eq!(json_of(&daemon, &["list"], 0), json!({}));
    told(&daemon, &["rm", "web-1"], 100);
}

#[test]
fn a_signal_arrives_and_is_seen_in_the_followed_log() {
    let daemon = Daemon::start();
    let script = "exec 2>/dev/null; trap 'echo heard' USR1; echo up; while :; do sleep 0.05; done";
    told(&daemon, &["run", "--name", "ear", "--", "sh", "-c", script], 0);
    let mut log = Running::start(&daemon, &["logs", "-f", "ear"]);
    assert_eq!(log.line(), "up");
    told(&daemon, &["signal", "USR1", "ear"], 0);
    assert_eq!(log.line(), "heard");
    assert_eq!(told(&daemon, &["logs", "-n", "1", "ear"], 0), "heard\n");
    let one = json_of(&daemon, &["logs", "-n", "1", "ear"], 0);
    assert_eq!(one, json!({ "name": "ear", "line": "heard" }));
}

#[test]
fn something_down_is_exit_1_and_why_tells_about_it() {
    let daemon = Daemon::start();
    let task = json!({ "name": "bad", "cmd": "echo I give up; exit 9", "type": "daemon", "interval": 0.05, "max_restarts": 1 });
    daemon.post("/proc", &task).expect(200);
    told(&daemon, &["wait", "bad", "--until", "stopped", "--timeout", "10s"], 0);
    let status = told(&daemon, &["status"], 1);
    assert!(status.contains("bad") && status.contains("failed"), "{status}");
    told(&daemon, &["wait", "bad", "--until", "ready", "--timeout", "10s"], 1);
    let why = told(&daemon, &["why", "bad"], 0);
    assert!(why.contains('9') && why.contains("I give up"), "{why}");
    told(&daemon, &["doctor"], 1);
}

#[test]
fn events_are_shown_as_they_happen() {
    let daemon = Daemon::start();
    let mut events = Running::start(&daemon, &["events", "--name", "seen", "--json"]);
    // Until it listens, nobody knows when it does: the task is run again and again.
    let first = std::thread::scope(|scope| {
        let reader = scope.spawn(|| events.line());
        until("an event", SOON, || {
            told(&daemon, &["run", "--wait", "--rm", "--name", "seen", "true"], 0);
            reader.is_finished().then_some(())
        });
        reader.join().expect("a line")
    });
    let event: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(event["name"], "seen", "{event}");
}

#[test]
fn a_token_opens_over_tcp_what_its_scopes_allow() {
    let daemon = Daemon::start();
    let created = hostler(&daemon, &["token", "create", "--name", "ci", "--scope", "proc:read"]).output().expect("it");
    assert!(created.status.success(), "{created:?}");
    let file = daemon.path("token");
    fs::write(&file, &created.stdout).expect("a file");
    let url = format!("http://{}", daemon.address());
    let with_token = |args: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
        command.args(["--url", &url, "--token-file"]).arg(&file).args(args).output().expect("the binary")
    };
    assert_eq!(with_token(&["list"]).status.code(), Some(0));
    assert_eq!(with_token(&["run", "true"]).status.code(), Some(100));
    let id = json_of(&daemon, &["token", "list"], 0);
    let listed = id.as_array().or_else(|| id["tokens"].as_array()).and_then(|tokens| tokens.first()).cloned();
    let id = listed.map(|token| token["id"].to_string().trim_matches('"').to_owned()).expect("a token");
    told(&daemon, &["token", "revoke", &id], 0);
    let refused = with_token(&["list"]);
    assert_eq!(refused.status.code(), Some(100));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
}

#[test]
fn a_backup_brings_everything_back() {
    let mut daemon = Daemon::start();
    let task = json!({ "name": "kept", "cmd": "true", "type": "once" });
    daemon.post("/proc", &task).expect(200);
    let backup = daemon.path("backup");
    let file = backup.to_str().expect("text").to_owned();
    told(&daemon, &["backup", &file], 0);
    assert_eq!(fs::metadata(&backup).expect("the backup").permissions().mode() & 0o7777, 0o600);
    told(&daemon, &["check"], 0);
    told(&daemon, &["compact"], 0);
    let export = told(&daemon, &["export"], 0);
    assert!(
        export.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && export.contains("kept"),
        "{export}"
    );
    told(&daemon, &["rm", "kept"], 0);
    daemon.stop();
    let config = daemon.path("hostler.toml");
    let data = daemon.data_dir();
    let files = ["--config", config.to_str().expect("text"), "--data-dir", data.to_str().expect("text")];
    let refused = hostler(&daemon, &[&["restore", &file], &files[..]].concat()).output().expect("the binary");
    assert!(!refused.status.success(), "data was overwritten without being asked to: {refused:?}");
    told(&daemon, &[&["restore", &file, "--replace"], &files[..]].concat(), 0);
    told(&daemon, &[&["check", "--offline"], &files[..]].concat(), 0);
    told(&daemon, &[&["compact", "--offline"], &files[..]].concat(), 0);
    daemon.launch();
    let listed = json_of(&daemon, &["list"], 0);
    assert!(listed.get("kept").is_some(), "{listed}");
}

#[test]
fn an_absent_daemon_is_111_and_a_wrong_call_is_100() {
    let daemon = Daemon::prepared("");
    let output = hostler(&daemon, &["list"]).output().expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(111), "{said}");
    assert!(said.contains("is it running? start it with `hostler serve`"), "{said}");
    told(&daemon, &["frobnicate"], 100);
    told(&daemon, &["stop"], 100);
    assert!(told(&daemon, &["--help"], 0).contains("Exit codes:"));
    assert!(told(&daemon, &["logs", "--help"], 0).contains("Examples:"));
}

#[test]
fn a_configuration_is_checked_without_a_daemon() {
    let daemon = Daemon::prepared("");
    let config = daemon.path("hostler.toml");
    let file = config.to_str().expect("text");
    told(&daemon, &["doctor", "--config", file], 0);
    fs::write(&config, "no_such_key = 1\n").expect("a file");
    let output = hostler(&daemon, &["doctor", "--config", file]).output().expect("the binary");
    assert!(!output.status.success(), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("no_such_key"));
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let daemon = Daemon::start();
    told(&daemon, &["run", "--wait", "--name", "long", "--", "seq", "1", "100000"], 0);
    let mut client = Running::start(&daemon, &["logs", "long"]);
    assert_eq!(client.line(), "1");
    // The pipe is closed with most of the log still to come.
    drop(client.lines.take());
    assert_eq!(client.code(), Some(0));
    let mut said = String::new();
    client.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(said, "");
}

#[test]
fn probes_exit_by_what_they_see() {
    let daemon = Daemon::start();
    let address = daemon.address().to_string();
    let probe =
        |args: &[&str]| hostler(&daemon, &[&["probe"], args].concat()).output().expect("the binary").status.code();
    assert_eq!(probe(&["tcp", &address, "--timeout", "5s"]), Some(0));
    assert_eq!(probe(&["http", &format!("http://{address}/healthz"), "--timeout", "5s"]), Some(0));
    assert_eq!(probe(&["http", &format!("http://{address}/healthz"), "--expect-status", "418"]), Some(1));
    let limit = Duration::from_secs(30);
    let begun = std::time::Instant::now();
    assert_eq!(probe(&["tcp", "127.0.0.1:1", "--timeout", "60s"]), Some(1));
    assert!(begun.elapsed() < limit, "a refused connection is not waited for");
}

#[test]
fn what_is_down_says_why_and_since_when() {
    let daemon = Daemon::start();
    told(&daemon, &["run", "--wait", "--name", "three", "--", "sh", "-c", "echo I quit; exit 3"], 3);
    told(&daemon, &["run", "--wait", "--name", "nowhere", "/no/such/program"], 100);
    told(&daemon, &["run", "--name", "sleeper", "sleep", "300"], 0);
    told(&daemon, &["wait", "sleeper", "--until", "started", "--timeout", "10s"], 0);
    let blocked = json!({ "name": "blocked", "cmd": "true", "type": "once", "deps": ["sleeper"] });
    daemon.post("/proc", &blocked).expect(200);
    let last =
        json!({ "name": "last", "cmd": "true", "type": "once", "deps": [{ "task": "blocked", "until": "succeeded" }] });
    daemon.post("/proc", &last).expect(200);

    let status = told(&daemon, &["status"], 1);
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("three").ends_with("exit code 3"), "{status}");
    assert!(line("nowhere").contains("could not be started: exec /no/such/program: No such file"), "{status}");
    assert!(line("blocked").contains("waits until sleeper does not run"), "{status}");
    let replica = &json_of(&daemon, &["status", "three"], 1)[0]["replicas"][0];
    assert!(replica["since"].is_string() && replica["last_run"]["exit_code"] == 3, "{replica}");

    let why = told(&daemon, &["why", "last"], 0);
    let links = ["last waits until blocked is succeeded", "blocked waits until sleeper does not run", "sleeper (once)"];
    let places: Vec<_> = links.iter().map(|link| why.find(link)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {why}");
    let why = told(&daemon, &["why", "three"], 0);
    assert!(why.contains("exit code 3") && why.contains("\n    I quit\n"), "{why}");

    told(&daemon, &["stop", "--wait", "sleeper"], 0);
    let status = told(&daemon, &["status", "sleeper"], 0);
    assert!(status.contains("signal SIGTERM, stopped by uid "), "{status}");
    told(&daemon, &["wait", "never-heard-of"], 100);
}

#[test]
fn a_followed_log_goes_on_with_a_new_core() {
    let daemon = Daemon::start();
    let go = daemon.path("go");
    let script =
        format!("echo first; while ! [ -e {} ]; do sleep 0.02; done; echo second; exec sleep 300", go.display());
    told(&daemon, &["run", "--name", "talker", "--", "sh", "-c", &script], 0);
    let mut log = Running::start(&daemon, &["logs", "-f", "talker"]);
    assert_eq!(log.line(), "first");
    daemon.kill_core();
    fs::write(&go, "").expect("a file");
    // What was shown a moment before may be shown again; what comes is not left out.
    let line = until("the next line", SOON, || Some(log.line()).filter(|line| line != "first"));
    assert_eq!(line, "second");
}

#[test]
fn a_definition_that_is_wrong_is_told_by_task_and_field() {
    let daemon = Daemon::start();
    let file = daemon.path("tasks.toml");
    let apply = |text: &str| {
        fs::write(&file, text).expect("a file");
        let output = hostler(&daemon, &["apply", file.to_str().expect("text")]).output().expect("the binary");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let good = "[[tasks]]\nname = \"a\"\ncmd = \"true\"\ntype = \"once\"\n";
    let (code, said) =
        apply(&format!("{good}[[tasks]]\nname = \"web\"\ncmd = \"true\"\ntype = \"daemon\"\nrestart = 1\n"));
    assert!(code == Some(100) && said.contains("(web): restart: expected"), "{said}");
    assert_eq!(json_of(&daemon, &["list"], 0), json!({}), "half of it was applied");
    let (code, said) = apply("[[tasks]\n");
    assert!(code == Some(100) && said.contains("tasks.toml: ") && !said.contains('\u{fffd}'), "{said}");
    let (code, said) = apply(&format!("{good}restrat = \"never\"\n"));
    assert!(code == Some(0) && said.contains("a: no field is called \"restrat\""), "{said}");
    let (_, said) = apply(good);
    assert_eq!(said, "");
}

#[test]
fn the_examples_run_as_they_are() {
    let daemon = Daemon::start();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let hello = examples.join("hello.json");
    // Only the port is another one: that of the file may be taken on this host.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let text = fs::read_to_string(examples.join("tasks.toml")).expect("the example");
    assert!(text.contains("8099"));
    let tasks = daemon.path("tasks.toml");
    fs::write(&tasks, text.replace("8099", &free.to_string())).expect("a file");
    let files = [hello.to_str().expect("text"), tasks.to_str().expect("text")];
    let actions = |options: &[&str]| -> Vec<(String, String)> {
        let output = hostler(&daemon, &[&["apply", "--json"], &files[..], options].concat()).output().expect("it");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |change: &Value, key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let changes = answer["changes"].as_array().cloned().unwrap_or_default();
        changes.iter().map(|change| (text(change, "name"), text(change, "action"))).collect()
    };
    let all = |action: &str| ["hello", "web", "reader", "usage"].map(|name| (name.to_owned(), action.to_owned()));
    assert_eq!(actions(&["--dry-run"]), all("created"));
    assert_eq!(actions(&[]), all("created"));
    told(&daemon, &["wait", "hello", "web", "reader", "--until", "ready", "--timeout", "30s"], 0);
    assert_eq!(actions(&[]), all("unchanged"));
    assert!(Running::start(&daemon, &["logs", "-f", "hello"]).line().contains("hello from "));
    assert_eq!(Running::start(&daemon, &["logs", "-f", "reader"]).line(), "HTTP/1.0 200 OK");
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/hostler.toml");
    told(&daemon, &["doctor", "--config", sample.to_str().expect("text")], 0);
}

#[test]
fn a_good_binary_takes_over_and_a_bad_one_is_refused() {
    let daemon = Daemon::start();
    told(&daemon, &["run", "--name", "through", "sleep", "300"], 0);
    told(&daemon, &["wait", "through", "--until", "started", "--timeout", "10s"], 0);
    let pid = |daemon: &Daemon| json_of(daemon, &["status", "through"], 0)[0]["replicas"][0]["pid"].clone();
    let before = (daemon.core_pid(), pid(&daemon));
    let broken = daemon.path("broken");
    fs::write(&broken, "#!/bin/sh\necho I am not well >&2\nexit 1\n").expect("a file");
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).expect("our file");
    let refused = hostler(&daemon, &["upgrade", "--binary", broken.to_str().expect("text")]).output().expect("it");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("the old one goes on"), "{said}");
    assert_eq!((daemon.core_pid(), pid(&daemon)), before);
    // Operators who listen hear of it, also of one that nobody asked for by HTTP.
    let mut events = Running::start(&daemon, &["events", "--kind", "hostler.upgrade.refused", "--json"]);
    let first = std::thread::scope(|scope| {
        let reader = scope.spawn(|| events.line());
        until("an event", SOON, || {
            told(&daemon, &["upgrade", "--binary", broken.to_str().expect("text")], 1);
            reader.is_finished().then_some(())
        });
        reader.join().expect("a line")
    });
    assert!(first.contains("reason"), "{first}");
    assert!(told(&daemon, &["upgrade"], 0).starts_with("upgraded to "));
    assert_ne!(daemon.core_pid(), before.0);
    assert_eq!(pid(&daemon), before.1);
}
