//! The door to the kernel, and the only `unsafe` of the keeper.
//!
//! [`Kernel`] is all that the loop does to processes; [`Linux`] does it, a script plays it in tests. Starting a child
//! is the delicate part. Both ways block every signal first, so that no handler of the keeper runs in the child, and
//! then make only raw system calls on memory prepared before:
//!
//! * **vfork-like**: `clone(CLONE_VM | CLONE_VFORK)` on a stack of its own. The keeper stands still until the child has
//!   executed its program, and reads from the shared memory what failed. Two to three times faster than a fork.
//! * **fork**: the child has its own memory and tells through a pipe, which closes when the program is executed. For
//!   programs or directories that may block, and for every child of another user: such a child belongs to that user
//!   before it executes, who may stop it there, and with it a keeper that stands still.
//!
//! **Absent:** what to start (`launch`), when (`machine`), `/proc` (`procfs`).
#![allow(unsafe_code)]

use crate::keeper::machine::{Kin, Reaped};
use crate::keeper::model::{Rusage, Status};
use crate::keeper::procfs::{self, Descendant, Stat};
use nix::sys::memfd::MFdFlags;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::time::{ClockId, clock_gettime};
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What the loop does to processes.
pub trait Kernel {
    /// Starts a child.
    ///
    /// # Errors
    /// The step that failed, which of several (limits), and errno.
    fn launch(&mut self, launch: &Launch) -> Result<Started, Failure>;
    /// Sends a signal to an unreaped child, or with a negative number to the process group of one.
    fn kill(&mut self, pid: i32, signal: i32);
    /// Sends a signal to any process, if it still is the one that began at that tick.
    fn kill_exact(&mut self, pid: i32, start_ticks: u64, signal: i32);
    /// Watches for the end of that process.
    fn watch(&mut self, pid: i32, start_ticks: u64) -> Watch;
    /// Waits for one child that has ended, if there is one.
    fn reap(&mut self) -> Option<Reaped>;
    /// The living children that are not `known`; the sessions of some are `claimed`, which says enough of them.
    fn kin(&mut self, known: &dyn Fn(i32) -> bool, claimed: &dyn Fn(i32) -> bool) -> Vec<Kin>;
    /// These processes and their descendants.
    fn trees(&mut self, roots: &[i32]) -> Vec<Descendant>;
    /// All living processes; `groups` names the control groups of some.
    fn processes(&mut self, groups: &HashMap<i32, String>) -> Vec<super::leftovers::Process>;
    /// Time since boot, without time asleep: a host that was suspended has not kept the keeper waiting.
    fn now(&self) -> Duration;
}

/// What came of watching a process.
#[derive(Debug)]
pub enum Watch {
    /// This becomes readable when it ends.
    On(OwnedFd),
    /// It has ended.
    Gone,
    /// It lives, but there is no descriptor left, or none of this kind (before Linux 5.3).
    Blind,
}

/// A child to start, with everything prepared: the child itself only makes system calls.
#[derive(Debug)]
pub struct Launch {
    /// The file to execute.
    pub program: CString,
    /// Its arguments.
    pub argv: Strings,
    /// Its environment.
    pub env: Strings,
    /// Where to change to; none: stay.
    pub cwd: Option<CString>,
    /// Whom to become; none: stay.
    pub identity: Option<Identity>,
    /// The file creation mask; none: keep.
    pub umask: Option<u32>,
    /// The scheduling priority; none: keep.
    pub nice: Option<i32>,
    /// The text for `/proc/self/oom_score_adj`.
    pub oom_score_adj: Option<String>,
    /// Limits by `RLIMIT_` number: soft, hard.
    pub rlimits: Vec<(i64, [u64; 2])>,
    /// `cgroup.procs` of the group to join.
    pub cgroup: Option<OwnedFd>,
    /// What become descriptors 0 to 2. Each is 3 or higher, or already in its place.
    pub stdio: [RawFd; 3],
    /// What becomes descriptor 3; 3 or higher.
    pub extra: Option<RawFd>,
    /// Fork instead of standing still.
    pub fork: bool,
}

/// User and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Real, effective, saved.
    pub uid: u32,
    /// Real, effective, saved.
    pub gid: u32,
    /// Supplementary.
    pub groups: Vec<u32>,
}

/// Texts, and the array of pointers to them that `execve` takes.
#[derive(Debug)]
pub struct Strings {
    _texts: Vec<CString>,
    /// Into the texts, whose buffers stay where they are; null at the end.
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Prepares the texts.
    pub fn new(texts: Vec<CString>) -> Strings {
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Strings { _texts: texts, pointers }
    }
}

/// A child that exists.
#[derive(Debug)]
pub struct Started {
    /// Its pid.
    pub pid: i32,
    /// When it began.
    pub start_ticks: u64,
    /// Still on its way: [`Report::read`] tells more when this can be read.
    pub pipe: Option<OwnedFd>,
}

/// The steps of a child up to its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// `clone` or `fork` itself.
    Fork,
    /// See the names.
    Setsid,
    /// Writing into `cgroup.procs`.
    Cgroup,
    /// Writing the score.
    OomScore,
    /// `setpriority`.
    Nice,
    /// `prlimit64`; the detail says which.
    Rlimit,
    /// `setgroups`.
    Groups,
    /// `setresgid`.
    Gid,
    /// `setresuid`.
    Uid,
    /// `chdir`.
    Chdir,
    /// `dup2`.
    Descriptors,
    /// `sigprocmask`.
    Signals,
    /// `execve`.
    Exec,
}

/// In the order of their numbers.
const STEPS: [Step; 13] = [
    Step::Fork,
    Step::Setsid,
    Step::Cgroup,
    Step::OomScore,
    Step::Nice,
    Step::Rlimit,
    Step::Groups,
    Step::Gid,
    Step::Uid,
    Step::Chdir,
    Step::Descriptors,
    Step::Signals,
    Step::Exec,
];

/// Why there is no child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub step: Step,
    /// Which, where there are several.
    pub detail: usize,
    /// Why.
    pub errno: i32,
}

/// A failure as numbers, in shared memory or in a pipe.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Report {
    step: u32,
    detail: u32,
    errno: i32,
}

impl Report {
    fn new(step: Step, detail: usize) -> Report {
        Report { step: step as u32, detail: detail as u32, errno: errno() }
    }

    fn failure(self) -> Failure {
        let step = STEPS.get(self.step as usize).copied().unwrap_or(Step::Exec);
        Failure { step, detail: self.detail as usize, errno: self.errno }
    }

    /// Reads the pipe of a forked child: a failure, or none when it has executed its program (or was killed on the
    /// way there, which its exit will tell).
    pub fn read(pipe: &OwnedFd) -> Option<Failure> {
        let mut bytes = [0; 12];
        let count = nix::unistd::read(pipe, &mut bytes).unwrap_or(0);
        let [a, b, c] = [0, 4, 8].map(|at| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()));
        let (step, detail) = (u32::from_ne_bytes(a?), u32::from_ne_bytes(b?));
        (count == bytes.len())
            .then(|| Report { step, detail, errno: i32::from_ne_bytes(c.unwrap_or_default()) }.failure())
    }
}

fn errno() -> i32 {
    // SAFETY: points to this thread's errno; a vfork-like child shares it with its standing parent.
    unsafe { *libc::__errno_location() }
}

/// How much stack a vfork-like child has: it calls nothing deep.
const STACK: usize = 64 * 1024;

/// The real kernel.
#[derive(Debug)]
pub struct Linux {
    stack: Vec<u8>,
    own: i32,
}

impl Default for Linux {
    fn default() -> Linux {
        Linux { stack: vec![0; STACK], own: nix::unistd::getpid().as_raw() }
    }
}

/// What the vfork-like child is given.
struct Shared {
    launch: *const Launch,
    report: Report,
}

extern "C" fn vfork_child(shared: *mut c_void) -> c_int {
    // SAFETY: `vfork` below passes a live `Shared`, and its thread stands still until this function is left for good,
    // so nobody else touches it. `_exit` runs nothing of the keeper's.
    unsafe {
        let shared = shared.cast::<Shared>();
        (*shared).report = become_program(&*(*shared).launch);
        libc::_exit(127)
    }
}

/// Everything from the new process to its program. Returns only what failed.
///
/// Runs between `clone` and `execve`, possibly on the keeper's own memory: no allocation, no lock, no panic, and
/// identity by raw system calls, since the C library's would tell other threads.
///
/// # Safety
/// Only in a fresh child with all signals blocked.
unsafe fn become_program(launch: &Launch) -> Report {
    // SAFETY: system calls on memory that `launch` owns and that outlives this function. None of them touches the
    // keeper's memory, save errno.
    unsafe {
        if libc::setsid() < 0 {
            return Report::new(Step::Setsid, 0);
        }
        if let Some(procs) = &launch.cgroup
            && libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) < 0
        {
            return Report::new(Step::Cgroup, 0);
        }
        if let Some(score) = &launch.oom_score_adj {
            let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if file < 0 || libc::write(file, score.as_ptr().cast(), score.len()) < 0 {
                return Report::new(Step::OomScore, 0);
            }
        }
        if let Some(nice) = launch.nice
            && libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) < 0
        {
            return Report::new(Step::Nice, 0);
        }
        for (index, (resource, limit)) in launch.rlimits.iter().enumerate() {
            let none = std::ptr::null_mut::<u64>();
            if libc::syscall(libc::SYS_prlimit64, 0, *resource, limit.as_ptr(), none) < 0 {
                return Report::new(Step::Rlimit, index);
            }
        }
        if let Some(Identity { uid, gid, groups }) = &launch.identity {
            // The keeper's session keyring may hold keys of root's, and who possesses it may read them: a new one in its
            // place, while still root, whose quota another user cannot exhaust. Where a sandbox forbids the call, it
            // forbids the child to use keys as well.
            let unnamed = std::ptr::null::<c_char>();
            libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, unnamed);
            if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) < 0 {
                return Report::new(Step::Groups, 0);
            }
            if libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) < 0 {
                return Report::new(Step::Gid, 0);
            }
            if libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) < 0 {
                return Report::new(Step::Uid, 0);
            }
        }
        if let Some(umask) = launch.umask {
            libc::umask(umask);
        }
        if let Some(cwd) = &launch.cwd
            && libc::chdir(cwd.as_ptr()) < 0
        {
            return Report::new(Step::Chdir, 0);
        }
        let targets = launch.stdio.iter().chain(&launch.extra);
        for (target, source) in targets.enumerate() {
            if libc::dup2(*source, target as c_int) < 0 {
                return Report::new(Step::Descriptors, target);
            }
        }
        // Closed by the exec, not here: the pipe of a forked child is among them. An old kernel's refusal is
        // harmless, since every descriptor of the keeper is born close-on-exec.
        let first = if launch.extra.is_some() { 4 } else { 3 };
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        reset_signals();
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut none);
        if libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) < 0 {
            return Report::new(Step::Signals, 0);
        }
        libc::execve(launch.program.as_ptr(), launch.argv.pointers.as_ptr(), launch.env.pointers.as_ptr());
        Report::new(Step::Exec, 0)
    }
}

/// Gives every signal its default disposition. Handlers would be reset by the exec; ignored ones would not.
///
/// # Safety
/// As [`become_program`].
unsafe fn reset_signals() {
    // All zero is the kernel's `sigaction` for SIG_DFL, whatever the order of its fields; it is 32 bytes at most. The C
    // library's wrapper would refuse its two private signals.
    let default = [0u64; 8];
    for signal in 1..=64 {
        // SAFETY: the kernel reads the array, and refuses KILL and STOP.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<c_void>(), 8_usize);
        }
    }
}

impl Linux {
    fn vfork(&mut self, launch: &Launch) -> Result<i32, Failure> {
        let mut shared = Shared { launch, report: Report::default() };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is ours, large enough and aligned as every ABI wants; `shared` lives until `clone`
        // returns, which CLONE_VFORK delays until the child has executed or exited.
        let (pid, report) = unsafe {
            let end = self.stack.as_mut_ptr().add(self.stack.len());
            let top = end.sub(end as usize % 16).cast::<c_void>();
            let pid = libc::clone(vfork_child, top, flags, (&raw mut shared).cast());
            (pid, (&raw const shared.report).read_volatile())
        };
        if pid < 0 {
            return Err(Report::new(Step::Fork, 0).failure());
        }
        if report.errno == 0 {
            return Ok(pid);
        }
        // SAFETY: waits for the child just made, which has called `_exit`.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        Err(report.failure())
    }

    fn fork(&mut self, launch: &Launch) -> Result<(i32, OwnedFd), Failure> {
        let no_pipe =
            |error: io::Error| Failure { step: Step::Fork, detail: 0, errno: error.raw_os_error().unwrap_or(0) };
        let (read, write) = pipe().map_err(no_pipe)?;
        // SAFETY: the keeper has one thread, so the child may use all of its memory; it only makes system calls.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(Report::new(Step::Fork, 0).failure()),
            // SAFETY: this is the fresh child; signals are blocked. The report is plain numbers.
            0 => unsafe {
                let report = become_program(launch);
                libc::write(write.as_raw_fd(), (&raw const report).cast(), size_of::<Report>());
                libc::_exit(127)
            },
            pid => Ok((pid, read)),
        }
    }
}

/// A pipe out of the way of the descriptors that a child moves.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((read, out_of_the_way(&write)?))
}

/// A copy with a number that no child's own descriptors have.
///
/// # Errors
/// No descriptor is left.
pub fn out_of_the_way(fd: &OwnedFd) -> io::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

impl Kernel for Linux {
    fn launch(&mut self, launch: &Launch) -> Result<Started, Failure> {
        let mut before = SigSet::empty();
        let blocked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before));
        blocked.map_err(|errno| Failure { step: Step::Signals, detail: 0, errno: errno as i32 })?;
        let launched = if launch.fork {
            self.fork(launch).map(|(pid, pipe)| (pid, Some(pipe)))
        } else {
            self.vfork(launch).map(|pid| (pid, None))
        };
        // Setting a mask that was in force before cannot fail.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
        let (pid, pipe) = launched?;
        // Present even if it has ended: it has not been waited for.
        let start_ticks = procfs::start_ticks(pid).unwrap_or(0);
        Ok(Started { pid, start_ticks, pipe })
    }

    fn kill(&mut self, pid: i32, signal: i32) {
        // 0 and -1 would mean "everybody": they are nobody's pid here.
        if !(-1..=1).contains(&pid) {
            // SAFETY: sends a signal, touches no memory. A process that is gone is no error worth telling.
            unsafe { libc::kill(pid, signal) };
        }
    }

    fn kill_exact(&mut self, pid: i32, start_ticks: u64, signal: i32) {
        let process = match self.watch(pid, start_ticks) {
            Watch::On(process) => process,
            Watch::Gone => return,
            // The look was a moment ago: as good as it gets.
            Watch::Blind => return self.kill(pid, signal),
        };
        let nothing = std::ptr::null::<c_void>();
        // SAFETY: sends a signal by a descriptor we own; no siginfo is passed.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, nothing, 0) };
    }

    fn watch(&mut self, pid: i32, start_ticks: u64) -> Watch {
        // SAFETY: makes a descriptor, which is close-on-exec from birth; touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0);
        // SAFETY: as above, it is ours alone.
        let process = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        // Asked after the descriptor exists: if it is the right one now, the descriptor is of the right one.
        let right = Stat::of(pid).is_some_and(|stat| stat.lives() && stat.start_ticks == start_ticks);
        if right { process.map_or(Watch::Blind, Watch::On) } else { Watch::Gone }
    }

    fn reap(&mut self) -> Option<Reaped> {
        let mut status = 0;
        // SAFETY: both are plain data, zero is a value of theirs, and the kernel fills them in.
        let (pid, usage) = unsafe {
            let mut usage = std::mem::zeroed::<libc::rusage>();
            (libc::wait4(-1, &mut status, libc::WNOHANG, &mut usage), usage)
        };
        if pid <= 0 {
            return None;
        }
        let status = if libc::WIFSIGNALED(status) {
            Status::Signal { signal: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
        } else {
            Status::Code(libc::WEXITSTATUS(status))
        };
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ended = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        Some(Reaped { pid, status, rusage: rusage(&usage), ended, oom: false, populated: None })
    }

    fn kin(&mut self, known: &dyn Fn(i32) -> bool, claimed: &dyn Fn(i32) -> bool) -> Vec<Kin> {
        procfs::kin(self.own, known, claimed)
    }

    fn trees(&mut self, roots: &[i32]) -> Vec<Descendant> {
        procfs::trees(roots)
    }

    fn processes(&mut self, groups: &HashMap<i32, String>) -> Vec<super::leftovers::Process> {
        procfs::processes(groups)
    }

    fn now(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
    }
}

fn rusage(usage: &libc::rusage) -> Rusage {
    let time = |time: libc::timeval| {
        let (seconds, micros) = (time.tv_sec.try_into().unwrap_or(0), time.tv_usec.try_into().unwrap_or(0));
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
    Rusage {
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        max_rss_kib: count(usage.ru_maxrss),
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        in_blocks: count(usage.ru_inblock),
        out_blocks: count(usage.ru_oublock),
    }
}

/// The number of a resource by its name in `prlimit(1)`.
pub fn resource(name: &str) -> Option<i64> {
    let number = match name {
        "as" => libc::RLIMIT_AS,
        "core" => libc::RLIMIT_CORE,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "rss" => libc::RLIMIT_RSS,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "stack" => libc::RLIMIT_STACK,
        _ => return None,
    };
    Some(i64::from(number))
}

/// An anonymous file, closed on exec.
///
/// # Errors
/// No memory or descriptor is left.
pub fn memfd(name: &str) -> io::Result<OwnedFd> {
    Ok(nix::sys::memfd::memfd_create(name, MFdFlags::MFD_CLOEXEC)?)
}

/// Reads once without waiting; descriptors that come along are appended to `fds`.
///
/// # Errors
/// Those of `recvmsg(2)`.
pub fn receive(socket: BorrowedFd<'_>, into: &mut [u8], fds: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut space = nix::cmsg_space!([RawFd; 253]);
    let mut slices = [IoSliceMut::new(into)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            // SAFETY: the kernel has just made these descriptors for us; nobody else knows them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(received.bytes)
}

/// Writes once without waiting, with descriptors beside the first byte.
///
/// # Errors
/// Those of `sendmsg(2)`; never a signal.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let messages = if raw.is_empty() { &[] } else { &rights[..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    Ok(sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], messages, flags, None)?)
}

/// Takes over a descriptor that this process was given by number (from the service manager, from the keeper before
/// this one, from the keeper to its core), and closes it on exec. None: there is none of this number.
///
/// Each number may be taken once in the life of a program; the callers take theirs from an environment variable or a
/// carried state that is read once, at start.
pub fn inherited(fd: RawFd) -> Option<OwnedFd> {
    if fd <= 2 {
        return None;
    }
    // SAFETY: `fcntl` touches no memory and fails for a number that is no descriptor. Nobody else in this program
    // owns it, by the rule above.
    unsafe {
        let closing = libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        (closing == 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

/// Marks every descriptor above 2 as closed on exec, whoever opened it.
pub fn close_all_on_exec() {
    // SAFETY: touches no memory and closes nothing now. An old kernel's refusal leaves what a parent forgot.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Whether the file has this extended attribute set to `1`.
pub fn has_xattr(path: &Path, name: &str) -> bool {
    let (Ok(path), Ok(name)) = (CString::new(path.as_os_str().as_bytes()), CString::new(name)) else { return false };
    let mut value = [0u8; 1];
    // SAFETY: two texts that end in NUL, and a buffer with its length.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    length == 1 && value == *b"1"
}

/// The effective user.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Executes `program` in place of this one, with these descriptors left open. Returns only what failed; then
/// everything is as before.
pub fn replace(program: &CStr, argv: &[CString], env: &[CString], keep: &[BorrowedFd<'_>]) -> io::Error {
    let mark = |flags| {
        for fd in keep {
            // Fails for no descriptor that is open.
            let _ = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(flags));
        }
    };
    let mut before = SigSet::empty();
    // Blocked signals wait for the new program, which has no handlers yet; it unblocks them when it has.
    if let Err(errno) = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&handled()), Some(&mut before)) {
        return errno.into();
    }
    mark(nix::fcntl::FdFlag::empty());
    let Err(errno) = nix::unistd::execve(program, argv, env);
    mark(nix::fcntl::FdFlag::FD_CLOEXEC);
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    errno.into()
}

/// The signals that the keeper handles.
pub fn handled() -> SigSet {
    use nix::sys::signal::Signal;
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect()
}
