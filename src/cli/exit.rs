//! How a command ends: few exit codes, which tell a script whether to mend the call or to try again.

use crate::cli::client::CallError;
use std::io;

/// The exit codes, for every `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    done, and something is not well: a task is down, a check failed
  100  the same call will fail again: mend it
  111  try again: the daemon is absent, starting or busy";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done, or is so already.
    Done,
    /// The answer is there, and it is not a good one.
    Unhealthy,
    /// The same call will fail again.
    Misuse,
    /// The same call may succeed later.
    TryAgain,
    /// `run --wait`: the code of the command itself.
    Child(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Unhealthy => 1,
            Exit::Misuse => 100,
            Exit::TryAgain => 111,
            Exit::Child(code) => code,
        }
    }

    /// The one of the two that a script should hear of: what must be mended before what passes before what is unwell.
    pub(super) fn worse(self, other: Exit) -> Exit {
        let weight = |exit: Exit| match exit {
            Exit::Done | Exit::Child(_) => 0,
            Exit::Unhealthy => 1,
            Exit::TryAgain => 2,
            Exit::Misuse => 3,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The daemon could not be asked, or said no.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The call itself is wrong.
    #[error("{0}")]
    Misuse(String),
    /// The time the caller gave has passed.
    #[error("{0}")]
    Late(String),
    /// It will not come to what was waited for.
    #[error("{0}")]
    InVain(String),
    /// Something on this side failed.
    #[error("{0}")]
    Local(String),
    /// Standard output cannot be written; who closed it does not want to hear about it.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl Problem {
    /// The exit it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Problem::Call(error) => error.exit(),
            Problem::Misuse(_) | Problem::Local(_) => Exit::Misuse,
            Problem::Late(_) => Exit::TryAgain,
            Problem::InVain(_) => Exit::Unhealthy,
            Problem::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Problem::Output(_) => Exit::TryAgain,
        }
    }

    /// Whether it is to be passed over in silence.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self, Problem::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
