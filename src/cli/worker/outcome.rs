//! From how a command ended to how its task is given back.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// EX_TEMPFAIL of sysexits.h: as if the worker had never had the task.
const SKIP: i32 = 75;
/// A shell says so that its command was ended by a signal: 128 and the signal's number.
const BY_SIGNAL: i32 = 128;
/// The longest reason the daemon keeps, in bytes.
const LONGEST_REASON: usize = 1024;

/// How a task is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done, with a number that speaks for how: 0 unless the command printed one.
    Done(i64),
    /// Not done, and why.
    Failed(String),
    /// Not touched.
    Skipped,
}

impl Outcome {
    /// `told` is the signal that the worker itself has passed on to the command, if it has. `printed` is what the
    /// command printed, where its last line is to be the result.
    pub(super) fn of(status: ExitStatus, told: Option<i32>, printed: Option<&[u8]>) -> Outcome {
        // Whoever is told to end by a signal, or by KILL when that was not enough, has not failed.
        let obeyed = |signal: i32| told.is_some_and(|told| signal == told || signal == libc::SIGKILL);
        match (status.code(), status.signal()) {
            (Some(0), _) => match printed {
                None => Outcome::Done(0),
                Some(printed) => vote(printed),
            },
            (Some(SKIP), _) => Outcome::Skipped,
            (Some(code), _) if obeyed(code - BY_SIGNAL) => Outcome::Skipped,
            (Some(code), _) => Outcome::Failed(format!("exited with {code}")),
            (None, Some(signal)) if obeyed(signal) => Outcome::Skipped,
            (None, Some(signal)) => Outcome::Failed(format!("ended by {}", signal_name(signal))),
            (None, None) => Outcome::Failed("ended, and nobody knows how".to_owned()),
        }
    }

    /// With the last thing the command complained of.
    pub(super) fn because(self, stderr: &[u8]) -> Outcome {
        let Outcome::Failed(why) = self else { return self };
        let text = String::from_utf8_lossy(stderr);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let whole = match last {
            Some(line) => format!("{why}: {line}"),
            None => why,
        };
        let clean = whole.replace('\0', "\u{fffd}");
        let end = clean.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_REASON).last();
        Outcome::Failed(clean.get(..end.unwrap_or(0)).unwrap_or_default().to_owned())
    }
}

/// The number on the last line that is not empty.
fn vote(printed: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(printed);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    match last.map(str::parse) {
        Some(Ok(number)) => Outcome::Done(number),
        _ => Outcome::Failed("the last line it printed is no number, and --verification stdout wants one".to_owned()),
    }
}

fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn killed(signal: i32) -> ExitStatus {
        ExitStatus::from_raw(signal)
    }

    fn failed(why: &str) -> Outcome {
        Outcome::Failed(why.to_owned())
    }

    #[test]
    fn the_exit_code_says_whether_it_is_done() {
        assert_eq!(Outcome::of(exit(0), None, None), Outcome::Done(0));
        assert_eq!(Outcome::of(exit(75), None, None), Outcome::Skipped);
        assert_eq!(Outcome::of(exit(1), None, None), failed("exited with 1"));
        assert_eq!(Outcome::of(exit(143), None, None), failed("exited with 143"));
        assert_eq!(Outcome::of(killed(11), None, None), failed("ended by SIGSEGV"));
        assert_eq!(Outcome::of(killed(40), None, None), failed("ended by signal 40"));
    }

    #[test]
    fn whoever_was_told_to_end_and_does_has_not_failed() {
        let told = Some(libc::SIGTERM);
        for status in [killed(15), killed(9), exit(143), exit(137), exit(75)] {
            assert_eq!(Outcome::of(status, told, None), Outcome::Skipped, "{status}");
        }
        assert_eq!(Outcome::of(exit(0), told, None), Outcome::Done(0), "it was as good as done");
        assert_eq!(Outcome::of(exit(2), told, None), failed("exited with 2"));
        assert_eq!(Outcome::of(killed(11), told, None), failed("ended by SIGSEGV"));
    }

    #[test]
    fn the_last_line_may_be_the_result() {
        let done = |text: &str| Outcome::of(exit(0), None, Some(text.as_bytes()));
        assert_eq!(done("looking\n 42 \n\n"), Outcome::Done(42));
        assert_eq!(done("-7"), Outcome::Done(-7));
        for none in ["", "42\nfine\n", "9223372036854775808"] {
            assert!(matches!(done(none), Outcome::Failed(_)), "{none}");
        }
        assert_eq!(Outcome::of(exit(1), None, Some(b"42")), failed("exited with 1"));
    }

    #[test]
    fn a_failure_tells_what_the_command_said_last() {
        let because = |text: &[u8]| failed("exited with 1").because(text);
        assert_eq!(because(b"a\n no such file \n\n"), failed("exited with 1: no such file"));
        assert_eq!(because(b""), failed("exited with 1"));
        assert_eq!(because(b"\0"), failed("exited with 1: \u{fffd}"));
        let Outcome::Failed(long) = because("é".repeat(2000).as_bytes()) else { panic!("a failure") };
        assert!((1023..=1024).contains(&long.len()));
        assert_eq!(Outcome::Skipped.because(b"x"), Outcome::Skipped);
    }
}
