//! The words of the keeper: what can be asked of it, what it holds, and what it tells.
//!
//! Plain values without behaviour of their own; `wire` writes them, `machine` decides over them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The longest record of intent that the keeper stores with a slot, in bytes.
pub const INTENT_MAX: usize = 4096;

/// How many slots the keeper holds unless the core says otherwise.
pub const MAX_SLOTS: usize = 20_000;

/// The name of the control group below the keeper's own into which it moves itself and the core.
pub const OWN_GROUP: &str = "hostler.daemon";

/// A request to start one child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawn {
    /// The name of the child: chosen by the core, never used twice.
    pub slot: u64,
    /// The file to execute, resolved by the core; relative to `cwd` unless absolute.
    pub program: PathBuf,
    /// The arguments, the program's own name first.
    pub argv: Vec<OsString>,
    /// The whole environment; nothing of the keeper's own is added.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, entered as the child's user.
    pub cwd: PathBuf,
    /// Real, effective and saved user.
    pub uid: u32,
    /// Real, effective and saved group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The file creation mask.
    pub umask: u32,
    /// The scheduling priority, -20 to 19.
    pub nice: i32,
    /// -1000 to 1000; none: as the keeper's own.
    pub oom_score_adj: Option<i32>,
    /// Resource limits that differ from the keeper's.
    pub rlimits: Vec<Rlimit>,
    /// The control group to make for it; ignored where no subtree is delegated to the keeper.
    pub cgroup: Option<Cgroup>,
    /// Descriptor 0.
    pub stdin: Stdio,
    /// Descriptor 1.
    pub stdout: Stdio,
    /// Descriptor 2.
    pub stderr: Stdio,
    /// The program or directory may be on a file system that blocks: fork, so that only the child waits for it.
    pub plain_fork: bool,
    /// Opaque to the keeper, at most [`INTENT_MAX`] bytes; [`crate::keeper::link`] puts the owner in front.
    pub intent: Vec<u8>,
}

/// One resource limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rlimit {
    /// The name as in `prlimit(1)` without `RLIMIT_`, in lower case: `nofile`, `core`, `nproc`.
    pub resource: String,
    /// The soft limit; `u64::MAX` is "unlimited".
    pub soft: u64,
    /// The hard limit; `u64::MAX` is "unlimited".
    pub hard: u64,
}

/// The control group of one child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// One path component. The directory is called `<name>.<slot>`, so two runs never share one.
    pub name: String,
    /// Files of the group and what to write there (`memory.max`, `104857600`). A file that does not exist (its
    /// controller is not enabled) is passed over.
    pub limits: Vec<(String, String)>,
}

impl Cgroup {
    /// The name of the directory for the child in `slot`; none when `name` is not one plain path component.
    pub fn directory(name: &str, slot: u64) -> Option<String> {
        let plain =
            !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && !name.contains(['/', '\0', '\n']);
        plain.then(|| format!("{name}.{slot}"))
    }
}

/// Where one of the child's descriptors 0 to 2 goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdio {
    /// `/dev/null`.
    Null,
    /// A file opened by the keeper for appending (never through a final symbolic link); a new one gets mode 0600
    /// and the child's uid and gid.
    Append(PathBuf),
    /// The same open file as descriptor 1.
    SameAsStdout,
    /// The descriptor at this place among those sent along.
    Fd(usize),
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel wrote a core dump.
        core_dumped: bool,
    },
}

/// What a child and the descendants it waited for have used, from `wait4(2)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rusage {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set, in KiB.
    pub max_rss_kib: u64,
    /// Page faults served without I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// Times the file system had to read.
    pub in_blocks: u64,
    /// Times the file system had to write.
    pub out_blocks: u64,
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The child itself.
    Leader,
    /// The process group of the child.
    Group,
    /// Everything that came from it: its control group, or its session and orphans. With SIGKILL this goes on until
    /// nothing is left.
    Tree,
}

/// A signal for a process tree that an earlier keeper of this boot left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The slot it had; its `HOSTLER_RUN`.
    pub slot: u64,
    /// The leader's pid, which was also its session.
    pub pid: i32,
    /// The leader's start time (field 22 of `/proc/<pid>/stat`): another process with this pid is left alone.
    pub start_ticks: u64,
    /// What to send first.
    pub signal: i32,
    /// How long to wait before SIGKILL.
    pub grace: Duration,
    /// [`Cgroup::name`] of the old request.
    pub cgroup: Option<String>,
}

/// The step at which starting a child failed. Shown as `chdir /srv/x`; [`Stage::explain`] adds the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The request itself: too long an intent, a NUL byte, an unknown resource or descriptor.
    Request(String),
    /// The slot is taken, or all are.
    Slot,
    /// Opening a file for the child's output.
    Open(PathBuf),
    /// Making or joining the control group.
    Cgroup(PathBuf),
    /// `clone` or `fork`.
    Fork,
    /// A session of its own.
    Setsid,
    /// The score for the out-of-memory killer.
    OomScore,
    /// The scheduling priority.
    Nice,
    /// This resource limit.
    Rlimit(String),
    /// Supplementary groups.
    Groups,
    /// The group.
    Gid,
    /// The user.
    Uid,
    /// The working directory.
    Chdir(PathBuf),
    /// Descriptors 0 to 2.
    Descriptors,
    /// Signal dispositions and mask.
    Signals,
    /// Executing the program.
    Exec(PathBuf),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Request(what) => write!(f, "spawn request: {what}"),
            Stage::Slot => f.write_str("slot"),
            Stage::Open(path) => write!(f, "open {}", path.display()),
            Stage::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Stage::Fork => f.write_str("fork"),
            Stage::Setsid => f.write_str("setsid"),
            Stage::OomScore => f.write_str("oom_score_adj"),
            Stage::Nice => f.write_str("nice"),
            Stage::Rlimit(resource) => write!(f, "rlimit {resource}"),
            Stage::Groups => f.write_str("setgroups"),
            Stage::Gid => f.write_str("setgid"),
            Stage::Uid => f.write_str("setuid"),
            Stage::Chdir(path) => write!(f, "chdir {}", path.display()),
            Stage::Descriptors => f.write_str("dup2"),
            Stage::Signals => f.write_str("signals"),
            Stage::Exec(path) => write!(f, "exec {}", path.display()),
        }
    }
}

impl Stage {
    /// The whole sentence: `chdir /srv/x: No such file or directory`.
    pub fn explain(&self, errno: i32) -> String {
        // std's text ends in " (os error 2)", which tells an operator nothing.
        let text = std::io::Error::from_raw_os_error(errno).to_string();
        let reason = text.rsplit_once(" (os error").map_or(text.as_str(), |(reason, _)| reason);
        format!("{self}: {reason}")
    }
}

/// What the keeper tells the core after its welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The child runs its program.
    Spawned {
        /// Which.
        slot: u64,
        /// Its pid, also its session and process group.
        pid: i32,
        /// Its start time in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
        start_ticks: u64,
    },
    /// No child was started; the slot is free.
    Failed {
        /// Which.
        slot: u64,
        /// Where it failed.
        stage: Stage,
        /// Why.
        errno: i32,
    },
    /// The child has ended. Kept until acknowledged by `seq`.
    Exited {
        /// Numbers exits, over the keeper's life.
        seq: u64,
        /// Which.
        slot: u64,
        /// How.
        status: Status,
        /// At what cost.
        rusage: Rusage,
        /// When: microseconds since the epoch.
        ended: u64,
        /// Its control group counted a kill by the out-of-memory killer.
        oom: bool,
        /// Nothing of its tree is left. Otherwise [`News::TreeEmpty`] follows.
        tree_empty: bool,
    },
    /// The last process of an ended child's tree is gone.
    TreeEmpty {
        /// Which.
        slot: u64,
    },
    /// An adopted orphan that belongs to no slot. It is left alone.
    Stray {
        /// Its pid.
        pid: i32,
        /// Its session.
        session: i32,
        /// Its name, as in `/proc/<pid>/comm`.
        command: String,
    },
    /// Nothing is left of what an earlier keeper had in this slot.
    LeftoverGone {
        /// Which.
        slot: u64,
    },
    /// Stop everything, then say done.
    Stop,
    /// The same, without patience.
    StopNow,
    /// The keeper is a new one by upgrade; the core should have re-read its configuration.
    Reloaded,
    /// An upgrade was refused; everything goes on as before.
    UpgradeRefused {
        /// Why.
        reason: String,
    },
}

impl News {
    /// The slot this is about.
    pub fn slot(&self) -> Option<u64> {
        match self {
            News::Spawned { slot, .. }
            | News::Failed { slot, .. }
            | News::Exited { slot, .. }
            | News::TreeEmpty { slot }
            | News::LeftoverGone { slot } => Some(*slot),
            News::Stray { .. } | News::Stop | News::StopNow | News::Reloaded | News::UpgradeRefused { .. } => None,
        }
    }
}

/// One slot, as told to a new core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub slot: u64,
    /// The leader's pid; of a past process once [`HeldState::Exited`].
    pub pid: i32,
    /// The leader's start time.
    pub start_ticks: u64,
    /// The record given with the request.
    pub intent: Vec<u8>,
    /// How far it is.
    pub state: HeldState,
    /// Whether nothing of its tree is left.
    pub tree_empty: bool,
}

/// How far a held slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldState {
    /// On its way to its program (plain fork only): [`News::Spawned`] or [`News::Failed`] follows.
    Starting,
    /// Running.
    Live,
    /// Ended. The facts of [`News::Exited`], which is not sent again.
    Exited {
        /// The number to acknowledge.
        seq: u64,
        /// How.
        status: Status,
        /// At what cost.
        rusage: Rusage,
        /// When: microseconds since the epoch.
        ended: u64,
        /// Killed for want of memory.
        oom: bool,
        /// Already acknowledged by an earlier core; held only because its tree is not empty.
        acknowledged: bool,
    },
}

/// How urgently the keeper has been asked to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stopping {
    /// Not at all.
    #[default]
    No,
    /// By a first SIGTERM or SIGINT.
    Yes,
    /// By a second one.
    Now,
}

/// What the keeper can do with control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupFacts {
    /// The directory below which each child gets its group; none: session and orphans are used instead.
    pub root: Option<PathBuf>,
    /// The controllers enabled there: `memory`, `cpu`, `pids`.
    pub controllers: Vec<String>,
    /// Why there is no root, or what is missing, in words for the log.
    pub remark: String,
}

/// What a core that connects wants of its keeper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// How many slots to hold; none: [`MAX_SLOTS`].
    pub max_slots: Option<u64>,
    /// A control group directory to use, delegated or not; none: the keeper's own, where it is delegated.
    pub cgroup_root: Option<PathBuf>,
}
