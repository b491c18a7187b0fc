//! Processes that leases are tied to: who they are, and when they die.
//!
//! A process is named by its number and the moment of its birth. Whoever asks is told only what one and the same process
//! said: its descriptor (`pidfd_open`(2)) is taken first, and must still be that of a living one when everything was read.

use super::engine::Message;
use super::machine::Event;
use super::model::Process;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
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
    let born = born(pid).ok_or_else(not_there)?;
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
fn born(pid: i32) -> Option<u64> {
    born_of(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
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

/// The processes that are watched: one watch each, however many leases are tied to it.
pub(super) struct Watches {
    watched: HashMap<Process, AbortHandle>,
    driver: UnboundedSender<Message>,
}

impl Watches {
    /// None yet. Deaths are told to this mailbox.
    pub(super) fn new(driver: UnboundedSender<Message>) -> Watches {
        Watches { watched: HashMap::new(), driver }
    }

    /// Tells when it dies: at once if it has died already. Needs a tokio runtime.
    pub(super) fn watch(&mut self, process: Process) {
        if self.watched.contains_key(&process) {
            return;
        }
        match watchable(process) {
            Ok(Some(alive)) => {
                let driver = self.driver.clone();
                let watch = tokio::spawn(async move {
                    if let Err(why) = alive.readable().await {
                        return tracing::warn!(pid = process.pid, "a worker's process is watched no longer: {why}");
                    }
                    let _ = driver.send(Message::Event(Event::Died(process))); // the driver has ended
                });
                self.watched.insert(process, watch.abort_handle());
            }
            Ok(None) => {
                let _ = self.driver.send(Message::Event(Event::Died(process))); // the driver has ended
            }
            // Its tasks come back when their time is up, as everybody's do.
            Err(why) => tracing::warn!(pid = process.pid, "a worker's process cannot be watched: {why}"),
        }
    }

    /// Watches it no longer.
    pub(super) fn forget(&mut self, process: Process) {
        if let Some(watch) = self.watched.remove(&process) {
            watch.abort();
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.watched.values().for_each(AbortHandle::abort);
    }
}

/// A descriptor that becomes readable when this very process dies; none: it has.
fn watchable(process: Process) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    let opened = match open(process.pid) {
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        opened => opened?,
    };
    // The number may be another's by now; from here on it is whose descriptor this is, or nobody's.
    if born(process.pid) != Some(process.born) {
        return Ok(None);
    }
    #[expect(deprecated, reason = "the successor is unsafe, to no gain: an `OwnedFd` never swaps its descriptor")]
    let alive = AsyncFd::with_interest(opened, Interest::READABLE)?;
    Ok(Some(alive))
}

#[cfg(test)]
mod tests;
