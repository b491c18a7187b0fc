//! Accounts with the real binary: the command line, restarts, exports, and the question for a password on a terminal.

mod support;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};
use support::{Daemon, SOON, until};

/// `hostler account` with these arguments, for this daemon.
fn account(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    command.arg("--socket").arg(daemon.socket()).arg("account").args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it says on standard output, having ended with this code.
#[track_caller]
fn told(daemon: &Daemon, args: &[&str], code: i32) -> String {
    ended(account(daemon, args).output().expect("the binary"), code)
}

/// The same, with this on standard input.
#[track_caller]
fn piped(daemon: &Daemon, args: &[&str], password: &str, code: i32) -> String {
    let mut child = account(daemon, args).stdin(Stdio::piped()).spawn().expect("the binary");
    child.stdin.take().expect("a pipe").write_all(password.as_bytes()).expect("the password is read");
    ended(child.wait_with_output().expect("our child"), code)
}

#[track_caller]
fn ended(output: Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn listed(daemon: &Daemon) -> Value {
    let mut answer: Value = serde_json::from_str(&told(daemon, &["list", "--json"], 0)).expect("JSON");
    for account in answer["accounts"].as_array_mut().expect("a list") {
        account["created"].take();
    }
    answer["accounts"].take()
}

/// What the export says of accounts.
#[track_caller]
fn exported(daemon: &Daemon) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_hostler")).arg("--socket").arg(daemon.socket()).arg("export").output();
    let text = ended(output.expect("the binary"), 0);
    text.lines().filter(|line| line.contains("auth.")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn accounts_come_change_stay_and_go() {
    let mut daemon = Daemon::start();
    let create = ["create", "alice", "--password-stdin"];
    assert_eq!(piped(&daemon, &create, "correct horse\n", 0), "created alice\n");
    piped(&daemon, &create, "again\n", 100);
    piped(&daemon, &["create", "bob", "--password-stdin"], "\n", 100);
    piped(&daemon, &["create", "a:b", "--password-stdin"], "x", 100);
    let root: Value =
        serde_json::from_str(&piped(&daemon, &["create", "root", "--admin", "--password-stdin", "--json"], "x y", 0))
            .expect("JSON");
    assert_eq!((&root["operator"], &root["tracker"]), (&json!(true), &json!("admin")));

    told(&daemon, &["set", "alice", "--tracker", "none", "--operator", "true"], 0);
    told(&daemon, &["set", "alice", "--tracker", "boss"], 100);
    told(&daemon, &["set", "nobody", "--tracker", "none"], 100);
    piped(&daemon, &["passwd", "alice", "--password-stdin"], "battery staple", 0);
    piped(&daemon, &["passwd", "nobody", "--password-stdin"], "x", 100);
    told(&daemon, &["sign-out", "alice"], 0);
    let expected = json!([
        { "id": 1, "name": "alice", "created": null, "operator": true, "tracker": "none", "hub": "ordinary",
            "cache": "guest", "sessions": 0 },
        { "id": 2, "name": "root", "created": null, "operator": true, "tracker": "admin", "hub": "admin",
            "cache": "admin", "sessions": 0 },
    ]);
    assert_eq!(listed(&daemon), expected);
    daemon.kill_core();
    daemon.await_ready();
    assert_eq!(listed(&daemon), expected);
    daemon.restart();
    assert_eq!(listed(&daemon), expected);
    assert_eq!(told(&daemon, &["rm", "alice"], 0), "removed alice\n");
    told(&daemon, &["rm", "alice"], 100);
    daemon.restart();
    assert_eq!(listed(&daemon).as_array().map(Vec::len), Some(1));
    piped(&daemon, &["create", "alice", "--password-stdin"], "x", 0);
    assert_eq!(listed(&daemon)[1]["id"], 3, "no number is given twice");
}

#[test]
fn no_password_and_no_hash_is_shown_anywhere() {
    let daemon = Daemon::start();
    let said = piped(&daemon, &["create", "alice", "--password-stdin", "--json"], "hunter2hunter2", 0);
    let said = said + &piped(&daemon, &["passwd", "alice", "--password-stdin", "--json"], "hunter2again", 0);
    let export = exported(&daemon);
    assert!(export.contains("alice") && export.contains("\"password\":\"…\""), "{export}");
    let audit = daemon.unix().get("/hostler/v1/audit").expect(200).json().to_string();
    assert!(audit.contains("/hostler/v1/accounts/alice/password"), "{audit}");
    let events = daemon.stderr();
    for text in [&said, &export, &audit, &events] {
        assert!(!text.contains("hunter2") && !text.contains("argon2id"), "{text}");
    }
}

#[test]
fn without_a_terminal_a_password_is_piped_in() {
    let daemon = Daemon::start();
    for args in [&["create", "alice"][..], &["passwd", "alice"]] {
        let output = account(&daemon, args).output().expect("the binary");
        assert_eq!(output.status.code(), Some(100));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--password-stdin"), "{output:?}");
    }
    assert_eq!(listed(&daemon), json!([]));
}

/// A client on a terminal of its own.
struct Seated {
    /// The person's side.
    keys: File,
    terminal: OwnedFd,
    child: Child,
    said: Vec<u8>,
}

impl Seated {
    fn start(daemon: &Daemon, args: &[&str]) -> Seated {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let stdin = pty.slave.try_clone().expect("its other side");
        let child = account(daemon, args).stdin(stdin).spawn().expect("the binary");
        Seated { keys: File::from(pty.master), terminal: pty.slave, child, said: Vec::new() }
    }

    /// Waits for the question, then types.
    #[track_caller]
    fn answer(&mut self, question: &str, keys: &str) {
        let from = self.child.stderr.as_mut().expect("a pipe");
        while !self.said.ends_with(question.as_bytes()) {
            let mut byte = [0];
            assert_eq!(from.read(&mut byte).expect("a pipe"), 1, "{}", String::from_utf8_lossy(&self.said));
            self.said.extend(byte);
        }
        assert!(!self.echoes(), "the terminal shows what is typed");
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }

    fn echoes(&self) -> bool {
        let flags = tcgetattr(&self.terminal).expect("a terminal").local_flags;
        flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
    }

    /// Its code; the terminal is as it was, and nothing that was typed has been shown on it.
    #[track_caller]
    fn ends(mut self) -> i32 {
        let status = until("the client ends", SOON, || self.child.try_wait().expect("our child"));
        assert!(self.echoes(), "the terminal was not put back");
        drop(self.terminal);
        let mut shown = Vec::new();
        let _ = self.keys.read_to_end(&mut shown); // it ends with EIO
        assert_eq!(String::from_utf8_lossy(&shown), "");
        status.code().expect("a code")
    }
}

#[test]
fn on_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let daemon = Daemon::start();
    let mut client = Seated::start(&daemon, &["create", "alice"]);
    client.answer("Password: ", "hunter3\u{7f}2\r");
    client.answer("Once more: ", "hunter2\r");
    assert_eq!(client.ends(), 0);
    assert_eq!(listed(&daemon)[0]["name"], "alice");

    let mut client = Seated::start(&daemon, &["create", "bob"]);
    client.answer("Password: ", "hunter2\r");
    client.answer("Once more: ", "hunter3\r");
    assert_eq!(client.ends(), 100);

    for typed in ["hunt\u{3}", "\u{4}"] {
        let mut client = Seated::start(&daemon, &["create", "bob"]);
        client.answer("Password: ", typed);
        assert_eq!(client.ends(), 100);
    }
    assert_eq!(listed(&daemon).as_array().map(Vec::len), Some(1));
}
