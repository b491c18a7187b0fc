//! # bench — what hostler promises in figures
//!
//! `cargo bench` measures every subject and prints a table for each; `cargo bench -- latency writes` only these. The
//! figures of a machine say little, so each stands beside a bare loop or a peer that was measured in the same run,
//! in turns with it, on the same file system. A figure is the median over several rounds, with the lowest and the
//! highest beside it. An aim that is missed is printed as missed and is no failure: machines differ. A subject that
//! cannot be measured is one.
//!
//! ```text
//! subjects: latency throughput death sleepers memory writes output history
//!           dag-chain dag-wide dag-post dag-edges dag-fair dag-million (`dag`: all of these)
//!           tracker-speed tracker-spin tracker-death tracker-million (`tracker`: all of these)
//!           cache-hot cache-cold cache-crowd cache-jobs cache-many (`cache`: all of these)
//!           hub-many hub-large (`hub`: all of these)
//!              └── bare (the loop beside it) · hello, beanstalk, nginx (peers) · client (keep-alive HTTP) · child (this program as a task)
//!              └── kernel (what /proc knows) · figures (medians) · report (tables)
//! ```
//!
//! The root file is not called `main.rs`, because cargo would take the directory for an integration test.
//!
//! **Absent:** other users, TLS, TCP save for tracker and proxy (the Unix socket is what local clients use); comparisons with
//! other supervisors.

mod bare;
mod beanstalk;
mod cache;
mod cache_size;
mod cache_speed;
mod child;
mod client;
mod dag;
mod dag_size;
mod dag_speed;
mod death;
mod figures;
mod hello;
mod history;
mod hub;
mod kernel;
mod latency;
mod memory;
mod nginx;
mod output;
mod report;
mod sleepers;
#[path = "../support/mod.rs"]
mod support;
mod throughput;
mod tracker;
mod tracker_size;
mod tracker_speed;
mod writes;

use std::env;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{ExitCode, exit};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use report::Line;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use support::{process, until};

/// What is measured together: its name on the command line, its title, and how.
struct Subject {
    name: &'static str,
    title: &'static str,
    measure: fn() -> Vec<Line>,
}

impl Subject {
    /// Whether that is its name, or what its name begins with.
    fn is(&self, word: &str) -> bool {
        self.name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// In the order in which they run: what needs a quiet disk first, what fills it last.
const SUBJECTS: [Subject; 25] = [
    Subject { name: "latency", title: "from POST /proc to exec'd", measure: latency::measure },
    Subject { name: "throughput", title: "once tasks started, run and recorded", measure: throughput::measure },
    Subject { name: "death", title: "from a daemon's death to its next exec", measure: death::measure },
    Subject { name: "writes", title: "durable writes that were acknowledged", measure: writes::measure },
    Subject { name: "memory", title: "idle, with an empty store", measure: memory::measure },
    Subject { name: "sleepers", title: "2,000 tasks that sleep", measure: sleepers::measure },
    Subject { name: "dag-post", title: "from POST /v1/dagrun to exec'd", measure: dag_speed::measure_post },
    Subject { name: "dag-chain", title: "tasks one after the other", measure: dag_speed::measure_chain },
    Subject { name: "dag-wide", title: "tasks beside each other", measure: dag_speed::measure_wide },
    Subject { name: "dag-fair", title: "100 runs beside each other", measure: dag_size::measure_fairness },
    Subject { name: "dag-edges", title: "two complete edges", measure: dag_size::measure_edges },
    Subject { name: "dag-million", title: "a run of 1,000,000 tasks", measure: dag_size::measure_million },
    Subject { name: "tracker-speed", title: "work taken in and handed out", measure: tracker_speed::measure },
    Subject { name: "tracker-spin", title: "clients that do not wait", measure: tracker_speed::measure_spin },
    Subject {
        name: "tracker-death",
        title: "from a holder's death to the next",
        measure: tracker_speed::measure_death,
    },
    Subject { name: "tracker-million", title: "1,000,000 tasks in a queue", measure: tracker_size::measure },
    Subject { name: "cache-hot", title: "what is cached, served", measure: cache_speed::measure_hot },
    Subject { name: "cache-cold", title: "what is not cached, fetched", measure: cache_speed::measure_cold },
    Subject { name: "cache-crowd", title: "many clients on one cold URL", measure: cache_speed::measure_crowd },
    Subject { name: "cache-jobs", title: "jobs that find and remove", measure: cache_speed::measure_jobs },
    Subject { name: "cache-many", title: "100,000 cached tasks", measure: cache_size::measure },
    Subject { name: "hub-many", title: "100,000 published files", measure: hub::measure_many },
    Subject { name: "hub-large", title: "a published file of 1 GiB", measure: hub::measure_large },
    Subject { name: "output", title: "a child that writes a lot", measure: output::measure },
    Subject { name: "history", title: "a start with 1,000,000 finished runs", measure: history::measure },
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == child::MARK) {
        return child::perform(&words[1..]);
    }
    // What cargo says when it runs a benchmark, and not when it looks whether one can be run.
    if !words.iter().any(|word| word == "--bench") {
        println!("nothing to do: cargo bench measures");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    let known = |word: &str| SUBJECTS.iter().any(|subject| subject.is(word));
    if let Some(unknown) = wanted.iter().find(|word| !known(word)) {
        eprintln!("no such subject: {unknown}; there are {}", SUBJECTS.map(|subject| subject.name).join(", "));
        return ExitCode::from(2);
    }
    let dir = tempfile::Builder::new().prefix("hostler-bench-").tempdir().expect("a temporary directory");
    tempfile::env::override_temp_dir(dir.path()).expect("nobody has chosen one before");
    end_all_when_interrupted(dir.path());
    measure(|subject| wanted.is_empty() || wanted.iter().any(|word| subject.is(word)))
}

fn measure(wanted: impl Fn(&Subject) -> bool) -> ExitCode {
    let began = Instant::now();
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for subject in SUBJECTS.iter().filter(|subject| wanted(subject)) {
        let since = Instant::now();
        match catch_unwind(subject.measure) {
            Ok(lines) => {
                report::print(subject.name, subject.title, since.elapsed(), &lines);
                all.extend(lines);
            }
            Err(_) => broken.push(subject.name), // what is wrong has been said by the panic
        }
    }
    report::print_summary(began.elapsed(), &all, &broken);
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A daemon has a process group of its own, so a terminal's interrupt does not reach it.
fn end_all_when_interrupted(dir: &Path) {
    let dir = dir.to_owned();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals can be caught");
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        let me = std::process::id() as i32;
        for pid in process::children(me) {
            process::signal(pid, Signal::SIGTERM);
        }
        until("everything has ended", Duration::from_secs(20), || process::children(me).is_empty().then_some(()));
        let _ = std::fs::remove_dir_all(dir); // nothing else can be done about it
        exit(128 + signal);
    });
}
