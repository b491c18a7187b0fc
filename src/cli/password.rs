//! Passwords that a person types or a program pipes in. Never an argument: everybody sees those.
//!
//! On a terminal nothing is echoed, and keys arrive one by one, Ctrl-C and Ctrl-Z among them: no signal can end this
//! process in between and leave the terminal silent. However reading ends, the terminal is put back.

use crate::base::Secret;
use crate::cli::exit::Problem;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal, Read, Stdin, Write};

/// The longest password, in bytes: far below what the daemon takes as a body.
const LONGEST: usize = 64 * 1024;

/// The whole of standard input, but for one newline at its end.
pub(super) fn from_stdin() -> Result<Secret, Problem> {
    let mut bytes = Vec::new();
    let most = LONGEST as u64 + 2;
    let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map_err(|error| Problem::Local(format!("cannot read standard input: {error}")))?;
    piped(bytes)
}

/// What was piped in, as a password.
pub(super) fn piped(mut bytes: Vec<u8>) -> Result<Secret, Problem> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() > LONGEST {
        return Err(Problem::Misuse(format!("the password on standard input is longer than {LONGEST} bytes")));
    }
    password(bytes)
}

/// Asks for it twice on the terminal.
pub(super) fn asked() -> Result<Secret, Problem> {
    if !io::stdin().is_terminal() {
        let why = "standard input is no terminal to ask for a password on: pipe it in with --password-stdin";
        return Err(Problem::Misuse(why.to_owned()));
    }
    let silent = Silent::begin()?;
    let first = silent.ask("Password: ")?;
    let second = silent.ask("Once more: ")?;
    drop(silent);
    if first != second {
        return Err(Problem::Misuse("these were two different passwords: nothing is changed".to_owned()));
    }
    password(first)
}

fn password(bytes: Vec<u8>) -> Result<Secret, Problem> {
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Err(Problem::Misuse("the password is empty".to_owned())),
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(Problem::Misuse("the password is not UTF-8".to_owned())),
    }
}

/// A terminal that echoes nothing, until this is dropped.
struct Silent {
    before: Termios,
}

impl Silent {
    fn begin() -> Result<Silent, Problem> {
        let failed = |why| Problem::Local(format!("the terminal cannot be told not to echo: {why}"));
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let silent = Silent { before };
        let mut now = silent.before.clone();
        now.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        now.local_flags.remove(LocalFlags::IEXTEN);
        let mut set = |at: SpecialCharacterIndices, to: u8| {
            if let Some(place) = now.control_chars.get_mut(at as usize) {
                *place = to;
            }
        };
        set(SpecialCharacterIndices::VMIN, 1);
        set(SpecialCharacterIndices::VTIME, 0);
        // What was typed before the question was echoed: it is no password.
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &now).map_err(failed)?;
        Ok(silent)
    }

    fn ask(&self, question: &str) -> Result<Vec<u8>, Problem> {
        say(question);
        let line = read_line(&io::stdin());
        say("\n");
        line
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// To the person; standard output is for the answer.
fn say(text: &str) {
    let mut to = io::stderr();
    // Who cannot see the question may still type.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

fn read_line(from: &Stdin) -> Result<Vec<u8>, Problem> {
    let mut line = Vec::new();
    for byte in from.lock().bytes() {
        let byte = byte.map_err(|error| Problem::Local(format!("cannot read the terminal: {error}")))?;
        match edit(&mut line, byte) {
            Key::More => {}
            Key::Enter => return Ok(line),
            Key::Stop => break,
        }
    }
    Err(Problem::Misuse("no password was given: nothing is changed".to_owned()))
}

/// What follows from a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The next one.
    More,
    /// The line is complete.
    Enter,
    /// The person wants no more of this.
    Stop,
}

/// Takes in one byte of what is typed.
pub(super) fn edit(line: &mut Vec<u8>, byte: u8) -> Key {
    match byte {
        b'\n' | b'\r' => return Key::Enter,
        // Ctrl-C, Ctrl-\; Ctrl-D on an empty line.
        0x03 | 0x1c => return Key::Stop,
        0x04 if line.is_empty() => return Key::Stop,
        // Backspace, as one or the other terminal sends it: one letter, not one byte of it.
        0x08 | 0x7f => while line.pop().is_some_and(|last| last & 0b1100_0000 == 0b1000_0000) {},
        // Ctrl-U
        0x15 => line.clear(),
        // Other control keys are no part of a password.
        0x00..=0x1f => {}
        _ if line.len() < LONGEST => line.push(byte),
        _ => {}
    }
    Key::More
}
