//! Helper children: what has to be looked at with a task user's rights is looked at by a child of that user.
//!
//! An environment file is read by `cat`, a probe is a command, and both go through the keeper like everything that
//! is started here. A helper has a time limit, after which its whole tree is killed. Helpers of an earlier core mean
//! nothing to the next one and are ended by it.

use crate::auth::users::Account;
use crate::keeper::{HeldState, News, Scope, Spawn, Status, Stdio};
use crate::keeper::{Link, Owner, Welcome};
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, fchown, pipe2};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// Slots of helpers lie above all run numbers. They begin at the microsecond at which the core began, so that two
/// cores never give the same one.
const FIRST_SLOT: u64 = 1 << 62;
/// How long reading an environment file may take.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// The largest environment file, in bytes: what Linux allows for arguments and environment together.
const READ_MAX: usize = 2 << 20;
/// How much of a command's output is kept, in bytes.
const KEPT: usize = 64 << 10;
/// After how many bytes of output a command is no longer listened to: its next write fails with `EPIPE`.
const LISTENED: usize = 64 << 20;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Status, String>>>>>;

/// Starts helpers. Clones share everything.
#[derive(Clone)]
pub struct Helpers {
    link: Link,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

/// What a helper did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The beginning of what it wrote, both streams together.
    pub output: Vec<u8>,
}

impl Helpers {
    /// Takes the room's news from the keeper; ends the helpers of an earlier core. To be called on the runtime.
    pub fn start(link: &Link, welcome: &Welcome) -> Helpers {
        for old in welcome.held_by(Owner::PROBE) {
            match old.state {
                HeldState::Exited { seq, .. } => link.acknowledge([seq]),
                HeldState::Starting | HeldState::Live => link.signal(old.slot, libc::SIGKILL, Scope::Tree),
            }
        }
        let began = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap_or(0);
        let helpers =
            Helpers { link: link.clone(), waiting: Arc::default(), next: Arc::new(AtomicU64::new(FIRST_SLOT + began)) };
        tokio::spawn(hear(link.subscribe(Owner::PROBE), link.clone(), helpers.waiting.clone()));
        helpers
    }

    /// Runs a prepared command, its output aside, and waits for its end, at most `limit`.
    ///
    /// # Errors
    /// It could not be started, or took too long; in words for the task's owner.
    pub async fn run(&self, spawn: Spawn, limit: Duration) -> Result<Outcome, String> {
        self.run_hearing(spawn, limit, Hearing { kept: KEPT, left: LISTENED, bytes: Vec::new() }).await
    }

    async fn run_hearing(&self, spawn: Spawn, limit: Duration, mut hearing: Hearing) -> Result<Outcome, String> {
        let words = |why: nix::Error| format!("a pipe for its output: {why}");
        let (from, output) = pipe2(OFlag::O_CLOEXEC).map_err(words)?;
        if spawn.uid != nix::unistd::geteuid().as_raw() {
            // So that it may open /dev/stdout.
            fchown(&output, Some(Uid::from_raw(spawn.uid)), Some(Gid::from_raw(spawn.gid))).map_err(words)?;
        }
        let from = Receiver::from_owned_fd(from).map_err(|why| why.to_string())?;
        let mut from = Some(from);
        let status = {
            let ended = self.wait(spawn, output, limit);
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    status = &mut ended => break status?,
                    more = hearing.listen(from.as_ref()) => if !more { from = None },
                }
            }
        };
        if let Some(from) = from {
            hearing.rest(from);
        }
        Ok(Outcome { status, output: hearing.bytes })
    }

    /// The text of a file, as far as `account` may read it.
    ///
    /// # Errors
    /// What `cat` says, or that the file is too large or no text.
    pub async fn read_as(&self, path: &Path, account: &Account, cwd: &Path) -> Result<String, String> {
        let argv = ["/bin/cat".into(), "--".into(), path.as_os_str().to_owned()];
        let spawn = Spawn {
            slot: 0,
            program: PathBuf::from("/bin/cat"),
            argv: argv.to_vec(),
            env: Vec::new(),
            cwd: cwd.to_owned(),
            uid: account.uid,
            gid: account.gid,
            groups: account.groups.clone(),
            umask: 0o077,
            nice: 0,
            oom_score_adj: Some(0),
            rlimits: Vec::new(),
            cgroup: None,
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            plain_fork: true, // nothing is known of its directory
            intent: Vec::new(),
        };
        let hearing = Hearing { kept: READ_MAX, left: READ_MAX, bytes: Vec::new() };
        let outcome = self.run_hearing(spawn, READ_LIMIT, hearing).await?;
        if outcome.output.len() >= READ_MAX {
            return Err(format!("it is larger than {READ_MAX} bytes"));
        }
        let text = String::from_utf8(outcome.output).map_err(|_| "it is not UTF-8 text".to_owned())?;
        match outcome.status {
            Status::Code(0) => Ok(text),
            _ => Err(text.trim().to_owned()),
        }
    }

    async fn wait(&self, spawn: Spawn, output: OwnedFd, limit: Duration) -> Result<Status, String> {
        let slot = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.lock().insert(slot, tell);
        let spawn = Spawn { slot, stdout: Stdio::Fd(0), stderr: Stdio::SameAsStdout, ..spawn };
        self.link.spawn_with(Owner::PROBE, spawn, vec![output]);
        match tokio::time::timeout(limit, told).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err("the keeper is gone".to_owned()),
            Err(_) => {
                self.lock().remove(&slot);
                self.link.signal(slot, libc::SIGKILL, Scope::Tree);
                Err(format!("no answer within {}", humantime::format_duration(limit)))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Status, String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a helper says, with bounds: it runs as a user who may mean no good, and what it says is held in memory.
struct Hearing {
    /// How much is kept.
    kept: usize,
    /// How much more is listened to.
    left: usize,
    bytes: Vec<u8>,
}

impl Hearing {
    /// Waits for some bytes and takes them. False: there is nothing more to hear. Without a pipe it waits for ever.
    async fn listen(&mut self, from: Option<&Receiver>) -> bool {
        let Some(from) = from else { return std::future::pending().await };
        if from.readable().await.is_err() {
            return false;
        }
        match self.take(|piece| from.try_read(piece)) {
            Err(why) => why.kind() == ErrorKind::WouldBlock,
            Ok(more) => more,
        }
    }

    /// Takes what was left in the pipe; whoever else holds the pipe is not waited for. The runtime is not asked: it may not
    /// have heard yet that there is anything.
    fn rest(&mut self, from: Receiver) {
        let Ok(pipe) = from.into_nonblocking_fd() else { return };
        let mut pipe = File::from(pipe);
        while self.take(|piece| pipe.read(piece)).is_ok_and(|more| more) {}
    }

    /// Takes what is there. False at its end, and when enough was heard.
    fn take(&mut self, read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<bool> {
        let mut piece = [0; 16 << 10];
        let count = read(&mut piece)?;
        let wanted = count.min(self.kept - self.bytes.len());
        self.bytes.extend_from_slice(&piece[..wanted]);
        self.left = self.left.saturating_sub(count);
        Ok(count > 0 && self.left > 0)
    }
}

/// Tells whoever waits how a helper ended, and the keeper that this is known.
async fn hear(mut news: UnboundedReceiver<News>, link: Link, waiting: Waiting) {
    while let Some(news) = news.recv().await {
        let (slot, ended) = match news {
            News::Exited { seq, slot, status, tree_empty, .. } => {
                link.acknowledge([seq]);
                if !tree_empty {
                    link.signal(slot, libc::SIGKILL, Scope::Tree);
                }
                (slot, Ok(status))
            }
            News::Failed { slot, stage, errno } => (slot, Err(stage.explain(errno))),
            _ => continue,
        };
        let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
        if let Some(waiter) = waiter {
            let _ = waiter.send(ended); // nobody waits any longer: it was too late
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn what_was_said_is_heard_before_the_runtime_knows_of_it() {
        let (from, to) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let from = Receiver::from_owned_fd(from).unwrap();
        let mut to = File::from(to);
        to.write_all(b"A=1\n").unwrap();
        // The writer is not waited for: `to` is still open.
        let mut hearing = Hearing { kept: KEPT, left: LISTENED, bytes: Vec::new() };
        hearing.rest(from);
        assert_eq!(hearing.bytes, b"A=1\n");
        assert!(to.write_all(b"more").is_err(), "nobody listens any more");
    }
}
