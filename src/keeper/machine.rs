//! What the keeper decides. Pure: the loop in `run` tells it what happened and performs what it answers.
//!
//! ```text
//! slot   Starting --runs--> Live --reaped--> Exited: tree undecided -> empty     (gone once acknowledged)
//!            |                                                     `-> populated -> empty
//!            `--fails--> gone
//! core   Down --its time--> Up --hello--> Up, connected --ready--> Up, ready
//!          ^                 `-- lost, silent, hung up --> Ending --+
//!          `--------------------- reaped --------------------------'
//! ```
//! Whether an exit leaves anything of its tree is read from its control group, or decided from the keeper's list of
//! adopted orphans ([`Event::Kin`]), which the loop reads once per batch and only when [`Machine::wants_kin`].
//!
//! This file has the vocabulary and the state; `children` and `core` decide.
//!
//! **Absent:** clocks (time is an argument: monotonic, since boot), descriptors, processes, and any policy about
//! children. The only thing ever restarted from here is the core.

mod children;
mod core;

use crate::keeper::leftovers::{Leftovers, Process};
use crate::keeper::model::*;
use crate::keeper::wire::{Ask, fields, variants};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// How long after something has happened the core is asked whether it is there. Answers missed since then fit into
/// [`SILENCE`] several times.
pub const PING_EVERY: Duration = Duration::from_secs(5);
/// How often it is asked while nothing happens at all, so that an idle host stays asleep.
pub const PING_IDLE: Duration = Duration::from_secs(40);
/// How long a core may neither answer nor ask, once something has happened, before it is replaced.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long a core that was told to go (or that hung up) may take to end.
pub const FAREWELL: Duration = Duration::from_secs(5);
/// How long the self-check of a new binary may take.
pub const CHECK_TIME: Duration = Duration::from_secs(20);
/// The first pause before a core that was never ready is started again; doubles up to [`PAUSE_MAX`].
pub const PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The exit code by which a core says that the same call will fail again: a wrong flag, a wrong configuration. The
/// very first core ends the keeper with it, so that the operator sees the mistake instead of a loop.
pub const MISUSE: i32 = 100;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The core asks. Its descriptors stay with the loop.
    Asked(Ask),
    /// A child exists: the answer to [`Effect::Start`].
    Started {
        /// In this slot,
        slot: u64,
        /// with this pid,
        pid: i32,
        /// begun at this tick,
        start_ticks: u64,
        /// in this control group (the directory's name),
        group: Option<String>,
        /// and already executing its program; otherwise [`Event::Running`] or [`Event::NotStarted`] follows.
        running: bool,
    },
    /// A forked child has executed its program.
    Running {
        /// Which.
        slot: u64,
    },
    /// There will be no child in this slot.
    NotStarted {
        /// Which.
        slot: u64,
        /// Where it failed.
        stage: Stage,
        /// Why.
        errno: i32,
    },
    /// A child of the keeper, of whatever kind, has been waited for.
    Reaped(Reaped),
    /// Children of the keeper that [`Machine::knows`] nothing of: adopted orphans.
    Kin(Vec<Kin>),
    /// The control group of an ended child has no processes left.
    GroupEmpty {
        /// Which.
        slot: u64,
    },
    /// All processes of the host, for [`Machine::wants_scan`].
    Scanned(Vec<Process>),
    /// A leftover's process under watch is gone.
    LeftoverMoved {
        /// Of which.
        slot: u64,
    },
    /// A leftover's process could not be watched: it must be looked for again.
    LeftoverUnwatched {
        /// Of which.
        slot: u64,
    },
    /// The core's process exists.
    CoreStarted {
        /// Its pid.
        pid: i32,
    },
    /// The core's process could not be started.
    CoreNotStarted {
        /// In words.
        reason: String,
    },
    /// The connection to the core cannot be used any more.
    CoreLost(Loss),
    /// SIGTERM or SIGINT.
    StopSignal,
    /// SIGHUP.
    Hangup,
    /// The self-check of a new binary runs.
    CheckStarted {
        /// As this process.
        pid: i32,
    },
    /// The upgrade is off: the check could not start, or the new binary could not be executed.
    UpgradeFailed {
        /// In words.
        reason: String,
    },
    /// This keeper has been executed in place of an earlier one, whose state it has taken over.
    TakenOver,
    /// [`Machine::deadline`] has come, or something else woke the loop.
    Tick,
}

/// A child that has been waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// Its pid.
    pub pid: i32,
    /// How it ended.
    pub status: Status,
    /// What it used.
    pub rusage: Rusage,
    /// When, in microseconds since the epoch.
    pub ended: u64,
    /// Its control group counted an out-of-memory kill.
    pub oom: bool,
    /// Whether its control group still has processes; none: it has no group.
    pub populated: Option<bool>,
}

/// A child of the keeper by adoption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// Its pid.
    pub pid: i32,
    /// Its session.
    pub session: i32,
    /// `HOSTLER_RUN` of its environment.
    pub run: Option<u64>,
    /// Its name.
    pub command: String,
}

/// How the connection to the core was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The core hung up, as it does when it ends.
    HungUp,
    /// It sent something that is no message.
    BadFrame,
    /// It does not read what it is told.
    Stalled,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a child.
    Start(Box<Spawn>),
    /// Signal one child of the keeper.
    Kill {
        /// Its pid; it has not been waited for, so the pid is its own.
        pid: i32,
        /// What to send.
        signal: i32,
    },
    /// Signal the process group of a leader that has not been waited for.
    KillGroup {
        /// The leader.
        pid: i32,
        /// What to send.
        signal: i32,
    },
    /// Signal the members of a control group.
    KillCgroup {
        /// The directory's name.
        group: String,
        /// What to send.
        signal: i32,
        /// Only members of this process group.
        only: Option<i32>,
    },
    /// Signal these children of the keeper and all their descendants.
    KillTrees {
        /// The children.
        roots: Vec<i32>,
        /// What to send.
        signal: i32,
        /// Only members of this process group.
        only: Option<i32>,
    },
    /// Signal a process that is no child, if it still is the same one.
    KillExact {
        /// Its pid.
        pid: i32,
        /// Its start time.
        start_ticks: u64,
        /// What to send.
        signal: i32,
    },
    /// Report [`Event::GroupEmpty`] once.
    WatchGroup {
        /// For this slot,
        slot: u64,
        /// whose directory has this name.
        group: String,
    },
    /// Report [`Event::LeftoverMoved`] when this process is gone, at once if it already is.
    WatchProcess {
        /// For this leftover.
        slot: u64,
        /// The process.
        pid: i32,
        /// Its start time.
        start_ticks: u64,
    },
    /// Remove an empty control group.
    RemoveGroup {
        /// The directory's name.
        group: String,
    },
    /// Find or prepare the directory for control groups, if that has not been done for this wish.
    SetUpGroups(Option<PathBuf>),
    /// Tell the core all that [`Machine::held`] lists.
    Welcome,
    /// Tell the core.
    Tell(News),
    /// Ask the core whether it is there.
    Ping,
    /// Keep the descriptor that came along, under this name.
    Hold(String),
    /// Forget the descriptor of this name.
    Drop(String),
    /// Pass this to the service manager.
    Notify(String),
    /// Start a core.
    StartCore,
    /// Close the connection to the core.
    CloseCore,
    /// Start the self-check of a new binary.
    StartCheck(Option<PathBuf>),
    /// Become that binary.
    Reexec(Option<PathBuf>),
    /// End the keeper with this code.
    Exit(i32),
    /// Tell the operator.
    Log(String),
}

/// One held child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// 0 until the kernel has given one.
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    pub(super) intent: Vec<u8>,
    /// The name of its control group's directory.
    pub(super) group: Option<String>,
    pub(super) phase: Phase,
    /// Its tree was sent SIGKILL: so is everything of it that turns up later.
    pub(super) doomed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Live,
    Exited { exit: Exit, tree: Tree, acknowledged: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    seq: u64,
    status: Status,
    rusage: Rusage,
    ended: u64,
    oom: bool,
}

/// What is left of an ended child's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// To be read from the orphans. The exit has not been told yet.
    Undecided,
    Populated,
    Empty,
}

fields!(Slot { pid, start_ticks, intent, group, phase, doomed });
fields!(Exit { seq, status, rusage, ended, oom });
variants!(Phase { 0 => Starting, 1 => Live, 2 => Exited { exit, tree, acknowledged } });
variants!(Tree { 0 => Undecided, 1 => Populated, 2 => Empty });

/// The core's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    /// None; the next is due at this time.
    Down {
        start_at: Duration,
    },
    /// Asked for; the loop has not yet said whether it exists.
    Launching,
    Up(Up),
    /// On its way out; killed when it takes too long (no time: it has been killed).
    Ending {
        pid: i32,
        kill_at: Option<Duration>,
        was_ready: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Up {
    pub(super) pid: i32,
    connected: bool,
    ready: bool,
    /// When the next ping is due.
    ping_at: Duration,
    /// When patience ends, unless something is heard before. None: nothing is owed by the core.
    patience_until: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Upgrade {
    /// The check has been asked for.
    Requested(Option<PathBuf>),
    Checking {
        binary: Option<PathBuf>,
        pid: i32,
        kill_at: Option<Duration>,
    },
    /// The loop is about to execute it.
    Executing,
}

/// A wish to signal a tree, until the orphans have been read.
#[derive(Debug, Clone, Copy)]
struct TreeSignal {
    slot: u64,
    signal: i32,
    only_group: bool,
}

/// All that the keeper knows.
#[derive(Debug)]
pub struct Machine {
    pub(super) slots: BTreeMap<u64, Slot>,
    pub(super) seq: u64,
    pub(super) max_slots: usize,
    pub(super) stopping: Stopping,
    pub(super) leftovers: Leftovers,
    pub(super) core: Core,
    /// Cores in a row that ended before they were ready.
    pub(super) failures: u32,
    /// Some core of this keeper was ready once.
    pub(super) ever_ready: bool,
    /// Tell the next core that this is a new keeper.
    pub(super) reloaded: bool,
    /// The service manager wants to hear that the core answers.
    watchdog: bool,
    ping_every: Duration,
    ping_idle: Duration,
    upgrade: Option<Upgrade>,
    /// The code to end with, once the core has ended.
    leaving: Option<i32>,
    /// Exits that have not been acknowledged, and their slots.
    unheard: HashMap<u64, u64>,
    /// Leaders that have not been waited for.
    leaders: HashMap<i32, u64>,
    /// Sessions of all slots held. A pid is not given out again while it still names a session.
    sessions: HashMap<i32, u64>,
    /// Slots whose exit waits for a look at the orphans.
    undecided: Vec<u64>,
    /// Ended slots without a control group whose tree is populated.
    lingering: BTreeSet<u64>,
    tree_signals: Vec<TreeSignal>,
    /// Orphans that were reported.
    strays: BTreeSet<i32>,
}

impl Machine {
    /// A keeper that holds nothing; its first step starts a core. `watchdog` is the service manager's bound, if it
    /// set one.
    pub fn new(watchdog: Option<Duration>) -> Machine {
        Machine {
            slots: BTreeMap::new(),
            seq: 0,
            max_slots: MAX_SLOTS,
            stopping: Stopping::No,
            leftovers: Leftovers::default(),
            core: Core::Down { start_at: Duration::ZERO },
            failures: 0,
            ever_ready: false,
            reloaded: false,
            watchdog: watchdog.is_some(),
            // Half of the bound at most, as sd_watchdog_enabled(3) advises.
            ping_every: watchdog.map_or(PING_EVERY, |bound| PING_EVERY.min(bound / 3)),
            ping_idle: watchdog.map_or(PING_IDLE, |bound| PING_IDLE.min(bound / 2)),
            upgrade: None,
            leaving: None,
            unheard: HashMap::new(),
            leaders: HashMap::new(),
            sessions: HashMap::new(),
            undecided: Vec::new(),
            lingering: BTreeSet::new(),
            tree_signals: Vec::new(),
            strays: BTreeSet::new(),
        }
    }

    /// What follows from an event. The loop hands every effect back as an event where one is named there.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        // A tick and the answer to a ping are our own doing; anything else may be waiting for the core.
        let is_idle = matches!(event, Event::Tick | Event::Asked(Ask::Pong));
        let effects = self.decide(event, now);
        if !is_idle && let Core::Up(up) = &mut self.core {
            up.ping_at = up.ping_at.min(now + self.ping_every);
        }
        effects
    }

    fn decide(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        match event {
            Event::Asked(ask) => self.asked(ask, now),
            Event::Started { slot, pid, start_ticks, group, running } => {
                self.started(slot, pid, start_ticks, group, running)
            }
            Event::Running { slot } => self.running(slot),
            Event::NotStarted { slot, stage, errno } => self.not_started(slot, stage, errno),
            Event::Reaped(reaped) => self.reaped(reaped, now),
            Event::Kin(kin) => self.kin(kin),
            Event::GroupEmpty { slot } => self.tree_emptied(slot),
            Event::Scanned(processes) => self.leftovers.scanned(&processes, now),
            Event::LeftoverMoved { slot } => {
                self.leftovers.moved(slot);
                Vec::new()
            }
            Event::LeftoverUnwatched { slot } => {
                self.leftovers.unwatched(slot, now);
                Vec::new()
            }
            Event::CoreStarted { pid } => {
                let patience_until = Some(now + SILENCE); // to say hello
                self.core =
                    Core::Up(Up { pid, connected: false, ready: false, ping_at: now + SILENCE, patience_until });
                Vec::new()
            }
            Event::CoreNotStarted { reason } => {
                let mut effects = vec![Effect::Log(format!("cannot start the core: {reason}"))];
                effects.extend(self.core_gone(false, now));
                effects
            }
            Event::CoreLost(loss) => self.core_lost(loss, now),
            Event::StopSignal => self.stop_signal(now),
            Event::Hangup => self.upgrade(None),
            Event::CheckStarted { pid } => {
                if let Some(Upgrade::Requested(binary)) = self.upgrade.take() {
                    self.upgrade = Some(Upgrade::Checking { binary, pid, kill_at: Some(now + CHECK_TIME) });
                }
                Vec::new()
            }
            Event::UpgradeFailed { reason } => {
                self.upgrade = None;
                core::refuse_upgrade(reason)
            }
            Event::TakenOver => self.taken_over(now),
            Event::Tick => self.tick(now),
        }
    }

    /// When a [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Duration> {
        let core = match self.core {
            Core::Down { start_at } => Some(start_at),
            Core::Launching => None,
            Core::Up(up) => {
                let ping = up.connected.then_some(up.ping_at);
                ping.into_iter().chain(up.patience_until).min()
            }
            Core::Ending { kill_at, .. } => kill_at,
        };
        let check = match &self.upgrade {
            Some(Upgrade::Checking { kill_at, .. }) => *kill_at,
            Some(Upgrade::Requested(_) | Upgrade::Executing) | None => None,
        };
        core.into_iter().chain(check).chain(self.leftovers.deadline()).min()
    }

    /// Whether the orphans must be read before anything else is decided.
    pub fn wants_kin(&self, something_was_reaped: bool) -> bool {
        !self.undecided.is_empty()
            || !self.tree_signals.is_empty()
            || (something_was_reaped && !self.lingering.is_empty())
    }

    /// Whether the host's processes must be read, for leftovers.
    pub fn wants_scan(&self) -> bool {
        self.leftovers.wants_scan()
    }

    /// Whether this child of the keeper needs no look.
    pub fn knows(&self, pid: i32) -> bool {
        self.leaders.contains_key(&pid)
            || self.strays.contains(&pid)
            || self.core_pid() == Some(pid)
            || self.checks(pid)
    }

    /// Whether this is the session of a held child.
    pub fn claims(&self, session: i32) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The slot and control group of a leader that has not been waited for.
    pub fn leader(&self, pid: i32) -> Option<(u64, Option<&str>)> {
        let slot = *self.leaders.get(&pid)?;
        Some((slot, self.slots.get(&slot)?.group.as_deref()))
    }

    /// Ended slots whose control group must be watched: for a keeper that has just taken over.
    pub fn watched_groups(&self) -> Vec<(u64, String)> {
        let groups = self.slots.iter().filter_map(|(slot, held)| match held.phase {
            Phase::Exited { tree: Tree::Populated, .. } => Some((*slot, held.group.clone()?)),
            Phase::Exited { .. } | Phase::Starting | Phase::Live => None,
        });
        groups.collect()
    }

    /// The control groups that a scan for leftovers must look into.
    pub fn leftover_groups(&self) -> Vec<String> {
        self.leftovers.groups()
    }

    /// Whether any held child has a control group.
    pub fn uses_groups(&self) -> bool {
        self.slots.values().any(|slot| slot.group.is_some())
    }

    /// Everything held, for a new core.
    pub fn held(&self) -> Vec<Held> {
        let held = self.slots.iter().map(|(slot, held)| {
            let (state, tree_empty) = match held.phase {
                Phase::Starting => (HeldState::Starting, false),
                Phase::Live => (HeldState::Live, false),
                Phase::Exited { exit: Exit { seq, status, rusage, ended, oom }, tree, acknowledged } => {
                    let state = HeldState::Exited { seq, status, rusage, ended, oom, acknowledged };
                    (state, tree == Tree::Empty)
                }
            };
            let Slot { pid, start_ticks, intent, .. } = held;
            Held { slot: *slot, pid: *pid, start_ticks: *start_ticks, intent: intent.clone(), state, tree_empty }
        });
        held.collect()
    }

    /// Whether a stop is under way.
    pub fn stopping(&self) -> Stopping {
        self.stopping
    }

    /// Whether a core has been welcomed and is to be told things.
    pub fn core_connected(&self) -> bool {
        matches!(self.core, Core::Up(Up { connected: true, .. }))
    }

    /// The pid of the core's process, if there is one.
    pub fn core_pid(&self) -> Option<i32> {
        match self.core {
            Core::Up(Up { pid, .. }) | Core::Ending { pid, .. } => Some(pid),
            Core::Down { .. } | Core::Launching => None,
        }
    }

    /// Fills the look-up tables that are not carried over an upgrade.
    pub(super) fn index(&mut self) {
        for (slot, held) in &self.slots {
            self.sessions.insert(held.pid, *slot);
            if let Phase::Exited { exit, acknowledged: false, .. } = held.phase {
                self.unheard.insert(exit.seq, *slot);
            }
            match held.phase {
                Phase::Starting | Phase::Live => {
                    self.leaders.insert(held.pid, *slot);
                }
                Phase::Exited { tree: Tree::Undecided, .. } => self.undecided.push(*slot),
                Phase::Exited { tree: Tree::Populated, .. } if held.group.is_none() => {
                    self.lingering.insert(*slot);
                }
                Phase::Exited { tree: Tree::Populated | Tree::Empty, .. } => {}
            }
        }
    }

    fn checks(&self, check: i32) -> bool {
        matches!(self.upgrade, Some(Upgrade::Checking { pid, .. }) if pid == check)
    }
}
