//! This program as the child of a task: it says by the shared clock when it began to run, through a FIFO that the
//! measurement reads.
//!
//! | words behind [`MARK`] | what it does |
//! | --- | --- |
//! | `stamp FIFO` | says when it began |
//! | `blink FIFO` | says which replica it is, when it began and when it ended |
//! | `pour FIFO RATE SECONDS` | writes so many MB/s to its standard output, 0: as many as it can; says bytes and time |

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::kernel::now;

/// The first argument of this program when it is to be a child.
pub const MARK: &str = "as-child";

/// As much as programs write at once.
const PIECE: [u8; 4096] = [b'x'; 4096];
/// So many pieces between two looks at the clock.
const PIECES: u64 = 64;

/// Does what the words say.
pub fn perform(words: &[String]) -> ExitCode {
    let began = now();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["stamp", fifo] => say(fifo, &format!("{began}\n")),
        ["blink", fifo] => {
            let replica = env::var("HOSTLER_REPLICA").unwrap_or_default();
            say(fifo, &format!("{replica} {began} {}\n", now()))
        }
        ["pour", fifo, rate, seconds] => pour(rate, seconds).and_then(|told| say(fifo, &told)),
        _ => Err(io::Error::other("no such part to play")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{words:?}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn say(fifo: &str, line: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(fifo)?.write_all(line.as_bytes()) // at once: short writes to a FIFO are whole
}

fn pour(rate: &str, seconds: &str) -> io::Result<String> {
    let (rate, seconds): (f64, f64) = rate.parse().ok().zip(seconds.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?); // without std's buffer
    let (began, mut bytes) = (now(), 0_u64);
    let elapsed = || (now() - began) as f64 / 1e9;
    while elapsed() < seconds {
        for _ in 0..PIECES {
            out.write_all(&PIECE)?;
        }
        bytes += PIECES * PIECE.len() as u64;
        let ahead = bytes as f64 / (rate * 1e6) - elapsed();
        if rate > 0.0 && ahead > 0.0 {
            thread::sleep(Duration::from_secs_f64(ahead));
        }
    }
    Ok(format!("{bytes} {}\n", now() - began))
}

/// The FIFO through which children speak, and the end that hears them.
pub struct Ear {
    path: PathBuf,
    fifo: File,
    heard: Vec<u8>,
}

impl Ear {
    /// Makes the FIFO in a directory.
    pub fn open(dir: &Path) -> Ear {
        let path = dir.join("fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        // Also for writing, so that there is no end of file when the last child has gone.
        let fifo = OpenOptions::new().read(true).write(true).open(&path).expect("the FIFO");
        Ear { path, fifo, heard: Vec::new() }
    }

    /// The words that make this program a child that speaks here.
    pub fn argv(&self, part: &str, more: &[&str]) -> Vec<String> {
        let program = env::current_exe().expect("this program").to_string_lossy().into_owned();
        let fifo = self.path.to_string_lossy().into_owned();
        let more = more.iter().map(|word| (*word).to_owned());
        [program, MARK.to_owned(), part.to_owned(), fifo].into_iter().chain(more).collect()
    }

    /// The same as a command of our own.
    pub fn command(&self, part: &str, more: &[&str]) -> Command {
        let argv = self.argv(part, more);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// The numbers of the next line; waits for it, with a bound.
    pub fn numbers(&mut self) -> Vec<i64> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return line.split_ascii_whitespace().map(|word| word.parse().expect("a number")).collect();
            }
            let mut watched = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
            let limit = PollTimeout::from(30_000_u16);
            assert!(poll(&mut watched, limit).expect("poll") > 0, "no child has said anything for half a minute");
            let mut chunk = [0; 4096];
            let count = self.fifo.read(&mut chunk).expect("the FIFO");
            self.heard.extend_from_slice(&chunk[..count]);
        }
    }
}
