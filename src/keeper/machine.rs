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
//! **Absent:** clocks (time is an argument: monotonic, since boot), descriptors, processes, and any policy about
//! children. The only thing ever restarted from here is the core.

use crate::keeper::leftovers::{Leftovers, Process};
use crate::keeper::model::*;
use crate::keeper::wire::{Ask, OLDEST, VERSION, fields, variants};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// How often the core is asked whether it is there. Three missed answers and more fit into [`SILENCE`].
pub const PING_EVERY: Duration = Duration::from_secs(5);
/// How long a core may neither answer nor ask before it is replaced.
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
            // A third of the bound, as sd_watchdog_enabled(3) advises half at most.
            ping_every: watchdog.map_or(PING_EVERY, |bound| PING_EVERY.min(bound / 3)),
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
                refuse_upgrade(reason)
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

/// What the core asks for.
impl Machine {
    fn asked(&mut self, ask: Ask, now: Duration) -> Vec<Effect> {
        if let Core::Up(up) = &mut self.core {
            // Whatever it asks, it lives. The next ping counts from here.
            up.patience_until = (!up.connected).then_some(now + SILENCE);
            if !up.connected && !matches!(ask, Ask::Hello { .. }) {
                return self.core_lost(Loss::BadFrame, now);
            }
        }
        match ask {
            Ask::Hello { oldest, newest, hello } => self.hello(oldest, newest, hello, now),
            Ask::Ready => {
                if let Core::Up(up) = &mut self.core {
                    up.ready = true;
                    self.ever_ready = true;
                    self.failures = 0;
                }
                Vec::new()
            }
            Ask::Pong if self.watchdog => vec![Effect::Notify("WATCHDOG=1".to_owned())],
            Ask::Pong => Vec::new(),
            Ask::Spawn(spawn) => self.spawn(spawn),
            Ask::Signal { slot, signal, scope } => self.signal(slot, signal, scope),
            Ask::Acknowledge(seqs) => self.acknowledge(&seqs),
            Ask::EndLeftover(leftover) => {
                self.leftovers.end(leftover);
                Vec::new()
            }
            Ask::HoldListener(name) => vec![Effect::Hold(name)],
            Ask::DropListener(name) => vec![Effect::Drop(name)],
            Ask::Notify(state) => vec![Effect::Notify(state)],
            Ask::Upgrade(binary) => self.upgrade(binary),
            Ask::Done(code) => {
                self.leaving = Some(code);
                self.dismiss_core(now)
            }
        }
    }

    fn hello(&mut self, oldest: u16, newest: u16, hello: Hello, now: Duration) -> Vec<Effect> {
        let Core::Up(up) = &mut self.core else { return Vec::new() };
        if up.connected || oldest > VERSION || newest < OLDEST {
            let mut effects = vec![Effect::Log(format!("the core speaks versions {oldest} to {newest}"))];
            effects.extend(self.core_lost(Loss::BadFrame, now));
            return effects;
        }
        *up = Up { connected: true, patience_until: None, ping_at: now + self.ping_every, ..*up };
        let max_slots = hello.max_slots.and_then(|slots| usize::try_from(slots).ok());
        self.max_slots = max_slots.unwrap_or(MAX_SLOTS);
        let mut effects = vec![Effect::SetUpGroups(hello.cgroup_root), Effect::Welcome];
        if std::mem::take(&mut self.reloaded) {
            effects.push(Effect::Tell(News::Reloaded));
        }
        effects
    }

    fn spawn(&mut self, spawn: Box<Spawn>) -> Vec<Effect> {
        let slot = spawn.slot;
        let fail = |stage, errno| vec![Effect::Tell(News::Failed { slot, stage, errno })];
        if self.slots.contains_key(&slot) {
            return fail(Stage::Slot, libc::EEXIST);
        }
        if self.slots.len() >= self.max_slots {
            return fail(Stage::Slot, libc::EAGAIN);
        }
        // One byte more: the owner, in front.
        if spawn.intent.len() > INTENT_MAX + 1 {
            return fail(Stage::Request("intent".to_owned()), libc::E2BIG);
        }
        let intent = spawn.intent.clone();
        let held = Slot { pid: 0, start_ticks: 0, intent, group: None, phase: Phase::Starting, doomed: false };
        self.slots.insert(slot, held);
        vec![Effect::Start(spawn)]
    }

    fn signal(&mut self, slot: u64, signal: i32, scope: Scope) -> Vec<Effect> {
        // 64 is the highest real-time signal on Linux; 0 only asks whether the process exists.
        if !(1..=64).contains(&signal) {
            return vec![Effect::Log(format!("no such signal: {signal}"))];
        }
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        if signal == libc::SIGKILL && scope == Scope::Tree {
            held.doomed = true;
        }
        let pid = held.pid;
        match (held.phase, scope, held.group.clone()) {
            (Phase::Exited { tree: Tree::Empty, .. }, _, _) | (Phase::Exited { .. }, Scope::Leader, _) => Vec::new(),
            // Before its own session exists the group is the keeper's.
            (Phase::Starting, _, _) | (Phase::Live, Scope::Leader, _) => vec![Effect::Kill { pid, signal }],
            (Phase::Live, Scope::Group, _) => vec![Effect::KillGroup { pid, signal }],
            (Phase::Live | Phase::Exited { .. }, Scope::Tree, Some(group)) => {
                vec![Effect::KillCgroup { group, signal, only: None }]
            }
            // The leader has been waited for: its pid names the group only as long as members are found.
            (Phase::Exited { .. }, Scope::Group, Some(group)) => {
                vec![Effect::KillCgroup { group, signal, only: Some(pid) }]
            }
            (Phase::Live | Phase::Exited { .. }, Scope::Tree | Scope::Group, None) => {
                self.tree_signals.push(TreeSignal { slot, signal, only_group: scope == Scope::Group });
                Vec::new()
            }
        }
    }

    fn acknowledge(&mut self, seqs: &[u64]) -> Vec<Effect> {
        for seq in seqs {
            let Some(slot) = self.unheard.remove(seq) else { continue };
            if let Some(held) = self.slots.get_mut(&slot)
                && let Phase::Exited { acknowledged, .. } = &mut held.phase
            {
                *acknowledged = true;
            }
            self.forget_if_finished(slot);
        }
        Vec::new()
    }

    /// Drops a slot that nobody has anything more to learn of.
    fn forget_if_finished(&mut self, slot: u64) {
        let phase = self.slots.get(&slot).map(|held| held.phase);
        if matches!(phase, Some(Phase::Exited { tree: Tree::Empty, acknowledged: true, .. })) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: u64) -> Option<Slot> {
        let held = self.slots.remove(&slot)?;
        if self.sessions.get(&held.pid) == Some(&slot) {
            self.sessions.remove(&held.pid);
        }
        Some(held)
    }
}

/// What becomes of children.
impl Machine {
    fn started(&mut self, slot: u64, pid: i32, start_ticks: u64, group: Option<String>, running: bool) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        (held.pid, held.start_ticks, held.group) = (pid, start_ticks, group);
        self.leaders.insert(pid, slot);
        self.sessions.insert(pid, slot);
        if running { self.running(slot) } else { Vec::new() }
    }

    fn running(&mut self, slot: u64) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        held.phase = Phase::Live;
        vec![Effect::Tell(News::Spawned { slot, pid: held.pid, start_ticks: held.start_ticks })]
    }

    fn not_started(&mut self, slot: u64, stage: Stage, errno: i32) -> Vec<Effect> {
        let Some(held) = self.forget(slot) else { return Vec::new() };
        // A forked child still has to be waited for. Until then it is nobody's, and no news either.
        if self.leaders.remove(&held.pid).is_some() {
            self.strays.insert(held.pid);
        }
        let remove = held.group.map(|group| Effect::RemoveGroup { group });
        remove.into_iter().chain([Effect::Tell(News::Failed { slot, stage, errno })]).collect()
    }

    fn reaped(&mut self, reaped: Reaped, now: Duration) -> Vec<Effect> {
        let pid = reaped.pid;
        if let Some(slot) = self.leaders.remove(&pid) {
            return self.leader_exited(slot, &reaped);
        }
        if self.core_pid() == Some(pid) {
            return self.core_exited(reaped.status, now);
        }
        if self.checks(pid) {
            return self.checked(reaped.status);
        }
        self.strays.remove(&pid);
        Vec::new()
    }

    fn leader_exited(&mut self, slot: u64, reaped: &Reaped) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        self.seq += 1;
        let Reaped { status, rusage, ended, oom, populated, .. } = *reaped;
        let exit = Exit { seq: self.seq, status, rusage, ended, oom };
        let tree = match populated {
            Some(true) => Tree::Populated,
            Some(false) => Tree::Empty,
            None => Tree::Undecided,
        };
        held.phase = Phase::Exited { exit, tree, acknowledged: false };
        self.unheard.insert(exit.seq, slot);
        match (tree, held.group.clone()) {
            (Tree::Populated, Some(group)) => vec![exited(slot, exit, false), Effect::WatchGroup { slot, group }],
            (Tree::Empty, Some(group)) => vec![exited(slot, exit, true), Effect::RemoveGroup { group }],
            (Tree::Undecided | Tree::Populated | Tree::Empty, _) => {
                self.undecided.push(slot);
                Vec::new()
            }
        }
    }

    /// Decides trees from the list of orphans: who still has some, who must be signalled, and who is nobody's.
    fn kin(&mut self, kin: Vec<Kin>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut members: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
        for Kin { pid, session, run, command } in kin {
            let by_session = self.sessions.get(&session).copied();
            let by_run = || run.filter(|run| self.slots.contains_key(run));
            match by_session.or_else(by_run) {
                Some(slot) => members.entry(slot).or_default().push(pid),
                None if self.strays.insert(pid) => effects.push(Effect::Tell(News::Stray { pid, session, command })),
                None => {}
            }
        }
        for slot in std::mem::take(&mut self.undecided) {
            let empty = !members.contains_key(&slot);
            if let Some(held) = self.slots.get_mut(&slot)
                && let Phase::Exited { exit, tree, .. } = &mut held.phase
            {
                *tree = if empty { Tree::Empty } else { Tree::Populated };
                effects.push(exited(slot, *exit, empty));
                if !empty {
                    self.lingering.insert(slot);
                }
            }
        }
        let emptied: Vec<u64> = self.lingering.iter().copied().filter(|slot| !members.contains_key(slot)).collect();
        for slot in emptied {
            effects.extend(self.tree_emptied(slot));
        }
        effects.extend(self.signal_trees(&members));
        effects
    }

    /// Sends what was asked for, and SIGKILL to what has turned up of doomed trees.
    fn signal_trees(&mut self, members: &BTreeMap<u64, Vec<i32>>) -> Vec<Effect> {
        let mut wishes = std::mem::take(&mut self.tree_signals);
        for slot in members.keys() {
            let doomed = self.slots.get(slot).is_some_and(|held| held.doomed && held.group.is_none());
            if doomed && !wishes.iter().any(|wish| wish.slot == *slot && wish.signal == libc::SIGKILL) {
                wishes.push(TreeSignal { slot: *slot, signal: libc::SIGKILL, only_group: false });
            }
        }
        let effects = wishes.into_iter().filter_map(|TreeSignal { slot, signal, only_group }| {
            let held = self.slots.get(&slot)?;
            let leader = self.leaders.contains_key(&held.pid).then_some(held.pid);
            let orphans = members.get(&slot).into_iter().flatten().copied();
            let roots: Vec<i32> = leader.into_iter().chain(orphans).collect();
            let only = only_group.then_some(held.pid);
            (!roots.is_empty()).then_some(Effect::KillTrees { roots, signal, only })
        });
        effects.collect()
    }

    fn tree_emptied(&mut self, slot: u64) -> Vec<Effect> {
        self.lingering.remove(&slot);
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        let Phase::Exited { tree, .. } = &mut held.phase else { return Vec::new() };
        if *tree != Tree::Populated {
            return Vec::new();
        }
        *tree = Tree::Empty;
        let remove = held.group.clone().map(|group| Effect::RemoveGroup { group });
        self.forget_if_finished(slot);
        remove.into_iter().chain([Effect::Tell(News::TreeEmpty { slot })]).collect()
    }
}

/// What becomes of the core, and of the keeper itself.
impl Machine {
    /// The core has ended.
    fn core_exited(&mut self, status: Status, now: Duration) -> Vec<Effect> {
        let was_ready = match self.core {
            Core::Up(up) => up.ready,
            Core::Ending { was_ready, .. } => was_ready,
            Core::Down { .. } | Core::Launching => false,
        };
        let mut effects = vec![Effect::CloseCore];
        if self.leaving.is_none() {
            effects.push(Effect::Log(format!("the core has ended: {status:?}")));
        }
        let first_and_only = !self.ever_ready && self.failures == 0 && self.slots.is_empty();
        if status == Status::Code(MISUSE) && first_and_only {
            self.leaving = self.leaving.or(Some(MISUSE));
        }
        effects.extend(self.core_gone(was_ready, now));
        effects
    }

    /// Plans the next core, or the end.
    fn core_gone(&mut self, was_ready: bool, now: Duration) -> Vec<Effect> {
        let pause = if was_ready { Duration::ZERO } else { pause_after(self.failures) };
        self.failures = if was_ready { 0 } else { self.failures.saturating_add(1) };
        self.core = Core::Down { start_at: now + pause };
        if self.leaving.is_none() && self.stopping != Stopping::No && self.slots.is_empty() {
            self.leaving = Some(0); // asked to stop, and nothing is left that a core could stop
        }
        match self.leaving {
            Some(code) => vec![Effect::Exit(code)],
            None => Vec::new(),
        }
    }

    fn core_lost(&mut self, loss: Loss, now: Duration) -> Vec<Effect> {
        let Core::Up(Up { pid, ready, .. }) = self.core else { return vec![Effect::CloseCore] };
        match loss {
            Loss::HungUp => self.dismiss_core(now),
            Loss::BadFrame | Loss::Stalled => {
                self.core = Core::Ending { pid, kill_at: None, was_ready: ready };
                let why = if loss == Loss::Stalled { "does not read" } else { "sent a bad frame" };
                let log = Effect::Log(format!("the core {why}: it is replaced"));
                vec![log, Effect::CloseCore, Effect::Kill { pid, signal: libc::SIGKILL }]
            }
        }
    }

    /// Hangs up and gives the core some time to end.
    fn dismiss_core(&mut self, now: Duration) -> Vec<Effect> {
        if let Core::Up(Up { pid, ready, .. }) = self.core {
            self.core = Core::Ending { pid, kill_at: Some(now + FAREWELL), was_ready: ready };
        }
        vec![Effect::CloseCore]
    }

    fn stop_signal(&mut self, now: Duration) -> Vec<Effect> {
        let news = match self.stopping {
            Stopping::No => News::Stop,
            Stopping::Yes | Stopping::Now => News::StopNow,
        };
        self.stopping = if news == News::Stop { Stopping::Yes } else { Stopping::Now };
        match self.core {
            Core::Up(Up { connected: true, .. }) => vec![Effect::Tell(news)],
            Core::Down { .. } if self.slots.is_empty() => vec![Effect::Exit(0)],
            // A core that has not even said hello has nothing to wind up.
            Core::Up(_) if self.stopping == Stopping::Now => self.dismiss_core(now),
            // It learns of the stop from its welcome.
            Core::Up(_) | Core::Down { .. } | Core::Launching | Core::Ending { .. } => Vec::new(),
        }
    }

    fn upgrade(&mut self, binary: Option<PathBuf>) -> Vec<Effect> {
        if self.upgrade.is_some() {
            return refuse_upgrade("another upgrade is under way".to_owned());
        }
        if self.stopping != Stopping::No || self.leaving.is_some() {
            return refuse_upgrade("the daemon is stopping".to_owned());
        }
        self.upgrade = Some(Upgrade::Requested(binary.clone()));
        vec![Effect::StartCheck(binary)]
    }

    fn checked(&mut self, status: Status) -> Vec<Effect> {
        let Some(Upgrade::Checking { binary, kill_at, .. }) = self.upgrade.take() else { return Vec::new() };
        let reason = match (status, kill_at) {
            (Status::Code(0), Some(_)) if self.stopping == Stopping::No => {
                self.upgrade = Some(Upgrade::Executing);
                return vec![Effect::Reexec(binary)];
            }
            (Status::Code(0), Some(_)) => "the daemon is stopping".to_owned(),
            (Status::Code(_) | Status::Signal { .. }, None) => format!("its self-check took over {CHECK_TIME:?}"),
            (Status::Code(code), Some(_)) => format!("its self-check ended with code {code}"),
            (Status::Signal { signal, .. }, Some(_)) => format!("its self-check was ended by signal {signal}"),
        };
        refuse_upgrade(reason)
    }

    /// After an upgrade: the old core has lost its connection with the exec and has to go.
    fn taken_over(&mut self, now: Duration) -> Vec<Effect> {
        self.reloaded = true;
        // The next one is no failure of the old binary's: it starts without a pause.
        self.failures = 0;
        match self.core {
            Core::Up(Up { pid, .. }) | Core::Ending { pid, .. } => {
                self.core = Core::Ending { pid, kill_at: Some(now + FAREWELL), was_ready: true };
            }
            Core::Down { .. } | Core::Launching => self.core = Core::Down { start_at: now },
        }
        Vec::new()
    }

    fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = self.leftovers.tick(now);
        match &mut self.core {
            Core::Down { start_at } if *start_at <= now => {
                self.core = Core::Launching;
                effects.push(Effect::StartCore);
            }
            Core::Up(up) if up.patience_until.is_some_and(|end| end <= now) => {
                let pid = up.pid;
                self.core = Core::Ending { pid, kill_at: None, was_ready: up.ready };
                effects.push(Effect::Log("the core does not answer: it is replaced".to_owned()));
                effects.extend([Effect::CloseCore, Effect::Kill { pid, signal: libc::SIGKILL }]);
            }
            Core::Up(up) if up.connected && up.ping_at <= now => {
                up.ping_at = now + self.ping_every;
                // Counted from a question, not from the last word: a keeper that was itself stopped for a while
                // must not blame the core.
                up.patience_until = up.patience_until.or(Some(now + SILENCE.saturating_sub(PING_EVERY)));
                effects.push(Effect::Ping);
            }
            Core::Ending { pid, kill_at, .. } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = None;
                effects.push(Effect::Kill { pid: *pid, signal: libc::SIGKILL });
            }
            Core::Down { .. } | Core::Up(_) | Core::Ending { .. } | Core::Launching => {}
        }
        if let Some(Upgrade::Checking { pid, kill_at, .. }) = &mut self.upgrade
            && kill_at.is_some_and(|at| at <= now)
        {
            *kill_at = None;
            effects.push(Effect::Kill { pid: *pid, signal: libc::SIGKILL });
        }
        effects
    }
}

fn exited(slot: u64, exit: Exit, tree_empty: bool) -> Effect {
    let Exit { seq, status, rusage, ended, oom } = exit;
    Effect::Tell(News::Exited { seq, slot, status, rusage, ended, oom, tree_empty })
}

fn refuse_upgrade(reason: String) -> Vec<Effect> {
    let log = Effect::Log(format!("upgrade refused: {reason}"));
    vec![log, Effect::Tell(News::UpgradeRefused { reason })]
}

/// The pause before the next core when `failures` in a row were never ready before this one.
fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX)
}
