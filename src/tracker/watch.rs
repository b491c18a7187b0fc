//! Processes that leases are tied to: who they are, and when they die.
//!
//! A process is named by its number and the moment of its birth. Whoever asks is told only what one and the same process
//! said: its descriptor (`pidfd_open`(2)) is taken first, and must still be that of a living one when everything was read.
//!
//! A watch costs a descriptor, and the daemon needs some for its clients. Where too many are watched, and where the kernel
//! gives none, a process is looked at once a second instead.

use super::engine::Message;
use super::machine::Event;
use super::model::Process;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// The process of this number, if it lives and belongs to `uid`: what owns `/proc/PID` counts.
///
/// # Errors
/// It does not, or the kernel does not tell: a sentence for who named it.
pub(super) fn prove(pid: i32, uid: u32) -> Result<Process, String> {
    let not_there = || format!("process {pid} is not there");
    let process = match open(pid) {
        Ok(process) => process,
        Err(why) => {
            return Err(match why {
                rustix::io::Errno::SRCH => not_there(),
                rustix::io::Errno::INVAL => format!("{pid} is not the number of a process"),
                why => format!("process {pid} cannot be looked at: {why}"),
            });
        }
    };
    let owner = std::fs::metadata(format!("/proc/{pid}")).map_err(|_| not_there())?.uid();
    let born = born(pid).map_err(|why| format!("process {pid} cannot be looked at: {why}"))?.ok_or_else(not_there)?;
    if is_dead(&process) {
        return Err(not_there());
    }
    if owner != uid {
        return Err(format!("process {pid} does not belong to uid {uid}"));
    }
    Ok(Process { pid, born })
}

fn open(pid: i32) -> rustix::io::Result<OwnedFd> {
    // A negative one is no number that `Pid` would take.
    let pid = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or(rustix::io::Errno::INVAL)?;
    pidfd_open(pid, PidfdFlags::NONBLOCK)
}

/// Whether the process has come to its end: a zombie has.
fn is_dead(process: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    // An error says nothing about the process; whoever watches it will hear.
    matches!(poll(&mut asked, PollTimeout::ZERO), Ok(1..))
}

/// When the process of this number was born, in clock ticks since boot: field 22 of its stat (`proc_pid_stat`(5)). None:
/// it is not there, or a zombie.
///
/// # Errors
/// The kernel does not tell, be it for want of descriptors: it may well live.
fn born(pid: i32) -> io::Result<Option<u64>> {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(born_of(&stat)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) if why.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(why) => Err(why),
    }
}

/// The second field, the command in parentheses, may hold anything, parentheses and line ends too.
fn born_of(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace(); // from the third on
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(22 - 4)?.parse().ok()
}

/// How often processes are looked at that have no descriptor.
const LOOK: Duration = Duration::from_secs(1);

/// The processes that are watched: one watch each, however many leases are tied to it.
pub(super) struct Watches {
    watched: HashMap<Process, AbortHandle>,
    /// How many descriptors they may take.
    most: usize,
    looked_at: LookedAt,
    looking: Option<AbortHandle>,
    driver: UnboundedSender<Message>,
}

/// Processes without a descriptor.
type LookedAt = Arc<Mutex<HashSet<Process>>>;

impl Watches {
    /// None yet. Deaths are told to this mailbox. A quarter of the descriptors that the daemon may have are for them.
    pub(super) fn new(driver: UnboundedSender<Message>) -> Watches {
        let all = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        Watches::at_most(usize::try_from(all / 4).unwrap_or(usize::MAX), driver)
    }

    fn at_most(most: usize, driver: UnboundedSender<Message>) -> Watches {
        Watches { watched: HashMap::new(), most, looked_at: LookedAt::default(), looking: None, driver }
    }

    /// Tells when it dies: at once if it has died already. Needs a tokio runtime.
    pub(super) fn watch(&mut self, process: Process) {
        if self.watched.contains_key(&process) {
            return;
        }
        if self.watched.len() >= self.most {
            return self.look_at(process);
        }
        match watchable(process) {
            Ok(Some(alive)) => {
                let driver = self.driver.clone();
                let watch = tokio::spawn(async move {
                    if let Err(why) = alive.readable().await {
                        return tracing::warn!(pid = process.pid, "a worker's process is watched no longer: {why}");
                    }
                    died(process, &driver);
                });
                self.watched.insert(process, watch.abort_handle());
            }
            Ok(None) => died(process, &self.driver),
            Err(why) => {
                tracing::warn!(pid = process.pid, "a worker's process is looked at once a second: {why}");
                self.look_at(process);
            }
        }
    }

    fn look_at(&mut self, process: Process) {
        lock(&self.looked_at).insert(process);
        if self.looking.as_ref().is_none_or(AbortHandle::is_finished) {
            let looking = tokio::spawn(look(self.looked_at.clone(), self.driver.clone()));
            self.looking = Some(looking.abort_handle());
        }
    }

    /// Watches it no longer.
    pub(super) fn forget(&mut self, process: Process) {
        if let Some(watch) = self.watched.remove(&process) {
            watch.abort();
        }
        lock(&self.looked_at).remove(&process);
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.watched.values().chain(&self.looking).for_each(AbortHandle::abort);
    }
}

fn died(process: Process, driver: &UnboundedSender<Message>) {
    let _ = driver.send(Message::Event(Event::Died(process))); // the driver has ended
}

fn lock(looked_at: &LookedAt) -> MutexGuard<'_, HashSet<Process>> {
    looked_at.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at processes as long as there are any, and tells of those that have died.
async fn look(looked_at: LookedAt, driver: UnboundedSender<Message>) {
    loop {
        let all: Vec<Process> = lock(&looked_at).iter().copied().collect();
        if all.is_empty() {
            return;
        }
        // Where the kernel does not tell, it may live.
        let is_gone = |process: &Process| matches!(born(process.pid), Ok(born) if born != Some(process.born));
        let gone = tokio::task::spawn_blocking(move || all.into_iter().filter(is_gone).collect::<Vec<_>>()).await;
        gone.unwrap_or_default().into_iter().for_each(|process| died(process, &driver));
        tokio::time::sleep(LOOK).await;
    }
}

/// A descriptor that becomes readable when this very process dies; none: it has.
fn watchable(process: Process) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    let opened = match open(process.pid) {
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        opened => opened?,
    };
    // The number may be another's by now; from here on it is whose descriptor this is, or nobody's.
    if born(process.pid)? != Some(process.born) {
        return Ok(None);
    }
    #[expect(deprecated, reason = "the successor is unsafe, to no gain: an `OwnedFd` never swaps its descriptor")]
    let alive = AsyncFd::with_interest(opened, Interest::READABLE)?;
    Ok(Some(alive))
}

#[cfg(test)]
mod tests;
