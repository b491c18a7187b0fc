//! # cli — the command line
//!
//! ```text
//! arguments ── parse ──┬─ Serve, Core   main.rs becomes the keeper or the core: no thread exists yet
//!                      ├─ Offline       main.rs works on a stopped daemon's files, then `Offline::finish`
//!                      └─ Errand ── run: client ── HTTP ── daemon;  out ── standard output
//! ```
//!
//! Every verb is one file: its arguments with their help, and a function from a `Session` to an [`Exit`]. `place`
//! knows where the daemon listens, `client` speaks HTTP to it, `tasks` reads what it says about tasks, `watch` waits
//! for what happens, `out` writes tables, text or JSON. What a verb says as JSON is what the API said.
//!
//! **Absent:** decisions about tasks (the daemon takes them), the store, threads while parsing, polling: who waits
//! listens to `/events`.

mod account;
mod apply;
mod args;
mod backup;
mod cache;
mod check;
mod client;
mod compact;
mod completions;
mod dag;
mod data;
mod doctor;
mod ep;
mod events;
mod exit;
mod export;
mod file;
mod id;
mod import;
mod list;
mod logs;
mod man;
mod offline;
mod online;
mod out;
mod password;
mod place;
mod probe;
mod project;
mod restart;
mod restore;
mod rm;
mod run;
mod scale;
mod serve;
mod signal;
mod sse;
mod start;
mod status;
mod stop;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod upgrade;
mod wait;
mod watch;
mod why;
mod worker;

pub use args::{Command, Errand, parse};
pub use exit::{Exit, Problem};
pub use offline::{Files, Findings, Offline, Work};
pub use serve::{Core, LogFormat, Serve};

use client::Client;
use out::Out;
use std::process::ExitCode;

/// What a verb works with: the daemon, and the place for what it has to say.
struct Session {
    client: Client,
    out: Out,
}

/// Does what a client's command asks, on a runtime of its own.
pub fn run(errand: Errand) -> ExitCode {
    let mut out = Out::standard(errand.json());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.finish(Err(Problem::Local(format!("no runtime: {error}")))),
    };
    let outcome = runtime.block_on(errand.perform(&mut out));
    // A name look-up that hangs must not hold up the end.
    runtime.shutdown_background();
    out.finish(outcome)
}
