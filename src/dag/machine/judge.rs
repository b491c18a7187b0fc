//! How the end of an attempt reads: its code, what it means, and the executor's remark.

use super::attempts::Doom;
use super::words::{End, How};
use crate::dag::model::{Outcome, State};

/// What an end means, before retries are looked at: a failure is [`Outcome::Errored`] here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) rc: i32,
    pub(super) outcome: Outcome,
    pub(super) remark: String,
}

impl Outcome {
    /// The state in which an attempt with this outcome leaves its task.
    pub(super) const fn state(self) -> State {
        match self {
            Outcome::Completed => State::Completed,
            Outcome::Retry => State::Retry,
            Outcome::Errored => State::Errored,
            Outcome::Killed => State::Killed,
            Outcome::Interrupted => State::Queued,
        }
    }
}

/// Judges an end. What was to be ended for a reason has ended for that reason, whatever its code, and never with 0.
pub(super) fn judge(end: &End, doom: Option<&Doom>) -> Judged {
    let (rc, remark) = match &end.how {
        How::Code { code, remark } => (*code, remark.clone()),
        How::Signal { signal, oom } => (*signal, ended_by(*signal, *oom)),
        How::NotStarted { rc, why } => (*rc, why.clone()),
    };
    let forced = if rc == 0 { libc::SIGTERM } else { rc };
    match doom {
        None => {
            let fine = matches!(end.how, How::Code { code: 0, .. });
            // Whatever was not started has failed, even where its code says nothing.
            let rc = if fine { 0 } else { nonzero(rc, &end.how) };
            Judged { rc, outcome: if fine { Outcome::Completed } else { Outcome::Errored }, remark }
        }
        Some(Doom::Killed(by)) => {
            let remark = by.as_ref().map_or_else(|| "killed".to_owned(), |by| format!("killed by {by}"));
            Judged { rc: forced, outcome: Outcome::Killed, remark }
        }
        Some(Doom::TimedOut(limit)) => {
            let remark = format!("timeout: ended after {} s", limit.as_secs_f64());
            Judged { rc: forced, outcome: Outcome::Errored, remark }
        }
        Some(Doom::Shutdown) => {
            let remark = "interrupted: the daemon was stopped".to_owned();
            Judged { rc: forced, outcome: Outcome::Interrupted, remark }
        }
    }
}

fn nonzero(rc: i32, how: &How) -> i32 {
    match (rc, how) {
        (0, How::NotStarted { .. }) => 126,
        (rc, _) => rc,
    }
}

fn ended_by(signal: i32, oom: bool) -> String {
    let name = match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGUSR1 => " (SIGUSR1)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGUSR2 => " (SIGUSR2)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGALRM => " (SIGALRM)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXCPU => " (SIGXCPU)",
        libc::SIGXFSZ => " (SIGXFSZ)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    };
    let memory = if oom { ": out of memory" } else { "" };
    format!("ended by signal {signal}{name}{memory}")
}
