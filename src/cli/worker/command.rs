//! One command for one task: its own process group, fed with the recipe, its output passed on and remembered.
//!
//! ```text
//! start ── runs ──┬── ends ─────────────────────────────> a moment for its output, then TERM, then KILL for the rest
//!                 └── the worker is told to end: signal ─┬─> ends
//!                                                        └─> 10 s, or told again: KILL
//! ```

use super::tail::Tail;
use crate::cli::exit::Problem;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a command may take to end that was told to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what a command leaves behind may go on writing to its output before it is told to end, too.
const GRACE: Duration = Duration::from_secs(1);
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// Whether the worker was told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// How often.
    pub(super) times: u32,
    /// By which signal first.
    pub(super) signal: i32,
}

/// Hears INT and TERM from now on.
pub(super) fn listen() -> Result<watch::Receiver<Told>, Problem> {
    let failed = |error: io::Error| Problem::Local(format!("cannot listen for signals: {error}"));
    let (sender, receiver) = watch::channel(Told::default());
    for signal in [SIGINT, SIGTERM] {
        let (reader, writer) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, writer).map_err(failed)?;
        reader.set_nonblocking(true).map_err(failed)?;
        let mut reader = tokio::net::UnixStream::from_std(reader).map_err(failed)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while reader.read_u8().await.is_ok() {
                sender.send_modify(|told| {
                    told.times += 1;
                    told.signal = if told.times == 1 { signal } else { told.signal };
                });
            }
        });
    }
    Ok(receiver)
}

/// What is to be run.
#[derive(Debug)]
pub(super) struct Command<'a> {
    /// The program and its arguments; never empty.
    pub(super) argv: &'a [OsString],
    /// Names with their values; those without one are not to be in the environment.
    pub(super) environment: Vec<(&'static str, Option<String>)>,
    /// For its standard input.
    pub(super) input: &'a str,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What the kernel says.
    pub(super) status: ExitStatus,
    /// The signal that was passed on to it, if one was.
    pub(super) told: Option<i32>,
    /// What it wrote.
    pub(super) stdout: Tail,
    /// What it complained of.
    pub(super) stderr: Tail,
}

impl Command<'_> {
    /// Runs it to its end. Should this future be dropped, the whole process group is killed.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) async fn run(&self, told: &mut watch::Receiver<Told>) -> io::Result<Ended> {
        let mut group = self.start()?;
        let pipes = (group.0.stdin.take(), group.0.stdout.take(), group.0.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a child without pipes"));
        };
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(stdin))?;
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        let stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?;
        let mut tails = (Tail::default(), Tail::default());
        let passed = async {
            tokio::join!(
                feed(stdin, self.input.as_bytes()),
                pass(stdout, &mut tails.0, io::stdout),
                pass(stderr, &mut tails.1, io::stderr),
            )
        };
        let told = group.follow(passed, told).await?;
        let status = group.0.wait()?;
        Ok(Ended { status, told, stdout: tails.0, stderr: tails.1 })
    }

    fn start(&self) -> io::Result<Group> {
        let (program, arguments) = self.argv.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(Group(command.spawn()?))
    }
}

/// A child that leads a process group of its own.
struct Group(Child);

impl Group {
    /// Until it is reaped no other process can have its number.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            // Nobody may be left to hear it.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Returns when the leader has ended, not yet reaped, and its output is all there or given up; the signal that was
    /// passed on, if one was.
    async fn follow<T>(
        &self,
        passed: impl Future<Output = T>,
        told: &mut watch::Receiver<Told>,
    ) -> io::Result<Option<i32>> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).map_err(io::Error::other)?);
        // Not reaped by that: its number, and that of its group, stay its own until everything is over.
        let waiting = move || waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let mut end = tokio::task::spawn_blocking(waiting);
        tokio::pin!(passed);
        let (mut ended, mut quiet) = (false, false);
        let mut next: Option<(Instant, Signal)> = None;
        let mut passed_on = None;
        while !(ended && quiet) {
            tokio::select! {
                _ = &mut passed, if !quiet => quiet = true,
                _ = &mut end, if !ended => {
                    ended = true;
                    next = Some((Instant::now() + GRACE, Signal::SIGTERM));
                }
                Ok(()) = told.changed() => {
                    let now = *told.borrow_and_update();
                    let (signal, limit) = match now.times {
                        1 => (Signal::try_from(now.signal).unwrap_or(Signal::SIGTERM), PATIENCE),
                        _ => (Signal::SIGKILL, GRACE),
                    };
                    passed_on.get_or_insert(signal as i32);
                    self.signal(signal);
                    next = Some((Instant::now() + limit, Signal::SIGKILL));
                }
                () = sleep_until(next.map_or_else(Instant::now, |(at, _)| at)), if next.is_some() => {
                    let due = next.take().map_or(Signal::SIGKILL, |(_, signal)| signal);
                    self.signal(due);
                    match (due, ended) {
                        (Signal::SIGTERM, _) => next = Some((Instant::now() + PATIENCE, Signal::SIGKILL)),
                        // Whoever still holds the pipe has left the group: not ours any more.
                        (_, true) => break,
                        (_, false) => {}
                    }
                }
            }
        }
        // What is left of its tree ends with it.
        self.signal(Signal::SIGTERM);
        Ok(passed_on)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // None only while it runs: then nobody is going to wait for it any more.
        if matches!(self.0.try_wait(), Ok(None)) {
            self.signal(Signal::SIGKILL);
            let _ = self.0.wait();
        }
    }
}

/// Whoever does not read it to the end does not want it.
async fn feed(mut to: pipe::Sender, bytes: &[u8]) {
    let _ = to.write_all(bytes).await;
}

/// Passes a stream on until its end, and remembers the end of it. Lines go on whole: several commands, and the two
/// streams of each, may end up in one log.
async fn pass<W: Write + Send + 'static>(mut from: pipe::Receiver, tail: &mut Tail, to: fn() -> W) {
    let mut buffer = vec![0; PIECE];
    let mut begun = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..length).unwrap_or_default();
        tail.push(piece);
        begun.extend_from_slice(piece);
        let whole = match begun.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if begun.len() >= PIECE => begun.len(),
            None => continue,
        };
        let rest = begun.split_off(whole);
        write(std::mem::replace(&mut begun, rest), to).await;
    }
    write(begun, to).await;
}

/// A reader of ours that is slow holds up the command, as it would without us, and nothing else.
async fn write<W: Write + Send + 'static>(bytes: Vec<u8>, to: fn() -> W) {
    let write = move || {
        let mut to = to();
        to.write_all(&bytes).and_then(|()| to.flush())
    };
    // Nobody may read it: the log still has it.
    let _ = tokio::task::spawn_blocking(write).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).to_vec()
    }

    async fn run(script: &str, input: &str, told: &mut watch::Receiver<Told>) -> Ended {
        let environment = vec![("GIVEN", Some("yes".to_owned())), ("HOME", None)];
        Command { argv: &shell(script), environment, input }.run(told).await.unwrap()
    }

    #[tokio::test]
    async fn a_command_is_fed_and_heard() {
        let (_teller, mut told) = watch::channel(Told::default());
        let mut ended = run("cat; echo; echo \"$GIVEN ${HOME-no home}\" >&2; exit 3", "recipe", &mut told).await;
        assert_eq!((ended.status.code(), ended.told), (Some(3), None));
        assert_eq!(
            (ended.stdout.text().unwrap(), ended.stderr.text().unwrap()),
            ("recipe".into(), "yes no home".into())
        );
        let large = "x".repeat(1 << 20);
        assert_eq!(run("exec true", &large, &mut told).await.status.code(), Some(0), "it need not read what it gets");
        assert_eq!(run("wc -c", &large, &mut told).await.stdout.text().unwrap().trim(), "1048576");
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_ends_with_it() {
        let (_teller, mut told) = watch::channel(Told::default());
        let ended = run("sleep 1000 & echo $!", "", &mut told).await;
        assert_eq!(ended.status.code(), Some(0));
        let pid: i32 = String::from_utf8_lossy(ended.stdout.bytes()).trim().parse().unwrap();
        let gone = || nix::sys::signal::kill(Pid::from_raw(pid), None).is_err() || is_dead(pid);
        for _ in 0..2000 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{pid} is still there");
    }

    /// In a container nobody may reap orphans.
    fn is_dead(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn the_first_signal_is_passed_on_and_the_second_kills() {
        let (teller, mut told) = watch::channel(Told::default());
        let tell = |times| teller.send_replace(Told { times, signal: SIGINT });
        let first = async {
            tokio::task::yield_now().await;
            tell(1)
        };
        let (ended, _) = tokio::join!(run("exec sleep 1000", "", &mut told), first);
        assert_eq!(ended.told, Some(SIGINT));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(SIGINT));
        let (teller, mut told) = watch::channel(Told { times: 1, signal: SIGTERM });
        let stubborn = "trap '' TERM; while :; do sleep 1000; done";
        let second = async {
            tokio::task::yield_now().await;
            teller.send_replace(Told { times: 2, signal: SIGTERM })
        };
        let (ended, _) = tokio::join!(run(stubborn, "", &mut told), second);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(libc::SIGKILL));
    }
}
