//! The binary as a client, and what it says.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::Daemon;

/// `hostler` with these arguments, for this daemon.
pub fn hostler(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    command.arg("--socket").arg(daemon.socket()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What has become of it, having ended with this code.
#[track_caller]
pub fn ended(daemon: &Daemon, args: &[&str], code: i32) -> Output {
    let output = hostler(daemon, args).output().expect("the binary");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    output
}

/// What it says on standard output, having ended with this code.
#[track_caller]
pub fn told(daemon: &Daemon, args: &[&str], code: i32) -> String {
    String::from_utf8(ended(daemon, args, code).stdout).expect("text")
}

/// What it says as JSON, having ended with this code.
#[track_caller]
pub fn json_of(daemon: &Daemon, args: &[&str], code: i32) -> Value {
    let text = told(daemon, &[args, &["--json"]].concat(), code);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error} in {text}"))
}
