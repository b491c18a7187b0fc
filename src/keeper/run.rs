//! The keeper's loop: one thread, one `poll`, no timer when nothing is due.
//!
//! Everything that happens becomes an [`Event`] for the machine, everything it answers is performed here. What wakes
//! the loop: signals (through a self-pipe), the core's socket, pipes of forked children, control groups and leftovers
//! under watch, and the machine's deadline.
//!
//! The core cannot hold up the keeper. What it does not read is queued up to [`QUEUE_MAX`]; beyond that it counts as
//! stalled and is replaced. Nothing is lost by that, because a new core is told everything that is held.
//!
//! **Absent:** decisions (`machine`), `unsafe` (`sys`).

use crate::keeper::carry::{self, Carried};
use crate::keeper::cgroup::{self, Groups};
use crate::keeper::frames::{FDS_MAX, Frame, FrameError, Inbox, Outbox};
use crate::keeper::launch::{self, Common};
use crate::keeper::machine::{Effect, Event, Loss, Machine};
use crate::keeper::model::{Cgroup, News, Spawn, Stage};
use crate::keeper::notify::{self, Notify};
use crate::keeper::procfs;
use crate::keeper::sys::{self, Kernel, Linux, Report, Started, Watch};
use crate::keeper::wire::{Ask, Tell, VERSION};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigmaskHow, sigprocmask};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::env;
use std::ffi::{CString, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes queued for a core that does not read, before it counts as stalled. Big messages are in memfds and hardly
/// count: this is some ten thousand exits.
pub const QUEUE_MAX: usize = 1024 * 1024;
/// How often the socket is read in one turn, 64 KiB each, before children get their turn.
const READS_PER_TURN: usize = 16;

/// What the keeper is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The core's arguments. The keeper executes its own file for it, whatever the first one says.
    pub core_argv: Vec<OsString>,
    /// The arguments with which a new binary checks whether it could take over: see [`carry::check`].
    pub check_argv: Vec<OsString>,
}

impl Settings {
    /// For `hostler serve <the rest>`: the core is `hostler core <the rest>`, the check `hostler core --self-check
    /// <the rest>`.
    pub fn for_serve(argv: &[OsString]) -> Settings {
        let (program, rest) = (argv.first().cloned().unwrap_or_else(|| "hostler".into()), argv.get(2..));
        let with = |words: &[&str]| {
            let words = words.iter().map(OsString::from);
            std::iter::once(program.clone()).chain(words).chain(rest.unwrap_or_default().iter().cloned()).collect()
        };
        Settings { core_argv: with(&["core"]), check_argv: with(&["core", "--self-check"]) }
    }
}

/// Runs the keeper until it has to end. Only in a process that has one thread and no children yet.
pub fn run(settings: Settings) -> ExitCode {
    match Keeper::begin(Linux::default(), settings).and_then(Keeper::serve) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(error) => {
            log(&format!("cannot go on: {error}"));
            ExitCode::from(71) // EX_OSERR of sysexits.h
        }
    }
}

fn log(text: &str) {
    // A closed stderr is no reason to die.
    let _ = writeln!(io::stderr(), "hostler keeper: {text}");
}

/// The machine, and everything that has a descriptor.
pub(super) struct Keeper<K> {
    pub(super) kernel: K,
    machine: Machine,
    settings: Settings,
    /// The path by which the daemon was started: where an upgrade looks for its new binary.
    program: PathBuf,
    common: Common,
    pub(super) groups: Groups,
    notify: Notify,
    signals: SignalDelivery<UnixStream, SignalOnly>,
    pub(super) channel: Option<Channel>,
    listeners: Vec<(String, OwnedFd)>,
    /// Forked children on their way to their program.
    pipes: BTreeMap<u64, OwnedFd>,
    /// The requests behind them, to name what failed. Not carried over an upgrade.
    forking: BTreeMap<u64, Box<Spawn>>,
    /// `cgroup.events` of ended children.
    events: BTreeMap<u64, File>,
    /// A process of each leftover.
    watched: BTreeMap<u64, OwnedFd>,
    /// The self-check under way: its pid, its pipe, its file.
    check: Option<(i32, OwnedFd, PathBuf)>,
    todo: VecDeque<Event>,
    exit: Option<i32>,
}

/// The connection to the core.
pub(super) struct Channel {
    pub(super) socket: UnixStream,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
}

/// What of the loop's descriptors can be used, after a `poll`.
#[derive(Debug, Default)]
struct Ready {
    core_in: bool,
    pipes: Vec<u64>,
    events: Vec<u64>,
    watched: Vec<u64>,
}

impl<K: Kernel> Keeper<K> {
    /// Starts anew, or goes on where the keeper before this one (which executed this program) has stopped.
    fn begin(kernel: K, settings: Settings) -> io::Result<Keeper<K>> {
        let carried = env::var_os(notify::STATE).map(|_| carry::read());
        sys::close_all_on_exec();
        nix::sys::prctl::set_child_subreaper(true)?;
        let (read, write) = UnixStream::pair()?;
        let signals = SignalDelivery::with_pipe(read, write, SignalOnly, [SIGCHLD, SIGTERM, SIGINT, SIGHUP])?;
        let watchdog = notify::watchdog();
        let carried = carried.map(|read| read.and_then(|carried| Ok((carried.machine(watchdog)?, carried))));
        let mut keeper = Keeper::anew(kernel, settings, signals)?;
        match carried {
            Some(Ok((machine, carried))) => keeper.take_over(machine, carried),
            // The self-check read the same bytes, so nothing but a damaged memory leads here. The children are now
            // strays, and the core ends what it finds of them.
            Some(Err(error)) => log(&error.to_string()),
            None => keeper.hold(notify::listeners()),
        }
        // Blocked since before the exec, if there was one; what came meanwhile is delivered now.
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&sys::handled()), None)?;
        keeper.reap();
        keeper.settle(true);
        Ok(keeper)
    }

    pub(super) fn anew(
        kernel: K,
        settings: Settings,
        signals: SignalDelivery<UnixStream, SignalOnly>,
    ) -> io::Result<Keeper<K>> {
        let nofile = raise_open_files()?;
        let first = settings.core_argv.first().map(PathBuf::from).unwrap_or_default();
        Ok(Keeper {
            kernel,
            machine: Machine::new(notify::watchdog()),
            program: locate(&first),
            settings,
            common: Common { null: null()?, nofile },
            groups: Groups::default(),
            notify: Notify::from_env(),
            signals,
            channel: None,
            listeners: Vec::new(),
            pipes: BTreeMap::new(),
            forking: BTreeMap::new(),
            events: BTreeMap::new(),
            watched: BTreeMap::new(),
            check: None,
            todo: VecDeque::new(),
            exit: None,
        })
    }

    fn take_over(&mut self, machine: Machine, carried: Carried) {
        self.machine = machine;
        self.groups = carried.groups();
        self.common.nofile = carried.nofile();
        let listeners = carried.listeners.iter().filter_map(|(name, fd)| Some((name.clone(), sys::inherited(*fd)?)));
        self.listeners = listeners.collect();
        self.pipes = carried.pipes.iter().filter_map(|(slot, fd)| Some((*slot, sys::inherited(*fd)?))).collect();
        self.program = carried.program;
        for (slot, group) in self.machine.watched_groups() {
            self.watch_group(slot, &group);
        }
        self.todo.push_back(Event::TakenOver);
        log("upgraded in place");
    }

    fn serve(mut self) -> io::Result<i32> {
        loop {
            self.todo.push_back(Event::Tick);
            self.settle(false);
            self.flush();
            if let Some(code) = self.exit {
                return Ok(code);
            }
            let ready = self.wait()?;
            let reaped = self.hear_signals();
            for slot in ready.pipes {
                self.conclude_fork(slot);
            }
            for slot in ready.events {
                self.look_at_group(slot);
            }
            for slot in ready.watched {
                self.watched.remove(&slot);
                self.todo.push_back(Event::LeftoverMoved { slot });
            }
            self.settle(reaped);
            if ready.core_in {
                self.hear_core();
            }
        }
    }

    /// Waits until something happens or is due.
    fn wait(&self) -> io::Result<Ready> {
        let due = self.machine.deadline().map(|at| at.saturating_sub(self.kernel.now()));
        // Rounded up, or the last fraction of a millisecond would be spent awake.
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            PollTimeout::try_from(due + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![PollFd::new(self.signals.get_read().as_fd(), PollFlags::POLLIN)];
        if let Some(channel) = &self.channel {
            let out = if channel.outbox.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            fds.push(PollFd::new(channel.socket.as_fd(), PollFlags::POLLIN | out));
        }
        let (pipes, events, watched) = (self.pipes.values(), self.events.values(), self.watched.values());
        fds.extend(pipes.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(events.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLPRI)));
        fds.extend(watched.map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut happened = fds.iter().skip(1).map(|fd| fd.any().unwrap_or(false));
        Ok(Ready {
            core_in: self.channel.is_some() && happened.next() == Some(true),
            pipes: self.pipes.keys().copied().filter(|_| happened.next() == Some(true)).collect(),
            events: self.events.keys().copied().filter(|_| happened.next() == Some(true)).collect(),
            watched: self.watched.keys().copied().filter(|_| happened.next() == Some(true)).collect(),
        })
    }

    /// Keeps listening sockets, as many as a welcome can hand over.
    fn hold(&mut self, listeners: impl IntoIterator<Item = (String, OwnedFd)>) {
        self.listeners.extend(listeners);
        if self.listeners.len() > FDS_MAX {
            log(&format!("only {FDS_MAX} listening sockets are held; the others end with the core"));
            self.listeners.truncate(FDS_MAX);
        }
    }

    /// Takes in the signals that came; true when a child was reaped.
    fn hear_signals(&mut self) -> bool {
        let signals: Vec<i32> = self.signals.pending().collect();
        let mut reaped = false;
        for signal in signals {
            match signal {
                SIGCHLD => reaped |= self.reap(),
                SIGHUP => self.todo.push_back(Event::Hangup),
                _ => self.todo.push_back(Event::StopSignal),
            }
        }
        reaped
    }

    pub(super) fn reap(&mut self) -> bool {
        let mut any = false;
        while let Some(mut reaped) = self.kernel.reap() {
            any = true;
            if let Some((slot, group)) = self.machine.leader(reaped.pid) {
                if let Some(group) = group {
                    reaped.oom = self.groups.oom(group);
                    reaped.populated = Some(self.groups.populated(group));
                }
                // Its last word is in the pipe, and must come before its exit.
                self.conclude_fork(slot);
            }
            if self.machine.core_pid() == Some(reaped.pid) {
                self.hear_core(); // its last words count: they may be that it is done
            }
            let refused = self.check_refused(reaped.pid);
            self.todo.push_back(refused.unwrap_or(Event::Reaped(reaped)));
            self.step_all();
        }
        any
    }

    /// Performs all that follows, until nothing is left to decide.
    pub(super) fn settle(&mut self, mut something_was_reaped: bool) {
        loop {
            self.step_all();
            if self.machine.wants_kin(std::mem::take(&mut something_was_reaped)) {
                let kin = self.kernel.kin(&|pid| self.machine.knows(pid), &|session| self.machine.claims(session));
                self.todo.push_back(Event::Kin(kin));
            } else if self.machine.wants_scan() {
                let groups = self.machine.leftover_groups();
                let members = groups.into_iter().flat_map(|group| {
                    let pids = self.groups.members(&group);
                    pids.into_iter().map(move |pid| (pid, group.clone()))
                });
                let members: HashMap<i32, String> = members.collect();
                let processes = self.kernel.processes(&members);
                self.todo.push_back(Event::Scanned(processes));
            } else {
                return;
            }
        }
    }

    fn step_all(&mut self) {
        while let Some(event) = self.todo.pop_front() {
            self.step(event, Vec::new());
        }
    }

    /// One step, with the descriptors that came with it.
    pub(super) fn step(&mut self, event: Event, mut fds: Vec<OwnedFd>) {
        for effect in self.machine.step(event, self.kernel.now()) {
            self.perform(effect, &mut fds);
        }
    }

    fn perform(&mut self, effect: Effect, fds: &mut Vec<OwnedFd>) {
        match effect {
            Effect::Start(spawn) => self.start(spawn, std::mem::take(fds)),
            Effect::Kill { pid, signal } => self.kernel.kill(pid, signal),
            Effect::KillGroup { pid, signal } => self.kernel.kill(-pid, signal),
            Effect::KillCgroup { group, signal, only } => self.kill_cgroup(&group, signal, only),
            Effect::KillTrees { roots, signal, only } => self.kill_trees(&roots, signal, only),
            Effect::KillExact { pid, start_ticks, signal } => self.kernel.kill_exact(pid, start_ticks, signal),
            Effect::WatchGroup { slot, group } => self.watch_group(slot, &group),
            Effect::WatchProcess { slot, pid, start_ticks } => match self.kernel.watch(pid, start_ticks) {
                Watch::On(process) => drop(self.watched.insert(slot, process)),
                Watch::Gone => self.todo.push_back(Event::LeftoverMoved { slot }),
                Watch::Blind => self.todo.push_back(Event::LeftoverUnwatched { slot }),
            },
            Effect::RemoveGroup { group } => self.groups.remove(&group),
            Effect::SetUpGroups(wish) => {
                let own: Vec<i32> =
                    self.machine.core_pid().into_iter().chain([nix::unistd::getpid().as_raw()]).collect();
                if let Some(remark) = self.groups.set_up(wish, self.machine.uses_groups(), &own) {
                    log(&remark);
                }
            }
            Effect::Welcome => self.welcome(),
            Effect::Tell(news) => self.tell_news(news),
            Effect::Ping => self.tell(&Tell::Ping, Vec::new()),
            Effect::Hold(name) => {
                self.listeners.retain(|(held, _)| *held != name);
                self.hold(fds.pop().map(|fd| (name, fd)));
            }
            Effect::Drop(name) => self.listeners.retain(|(held, _)| *held != name),
            Effect::Notify(state) => {
                if let Err(error) = self.notify.send(&state) {
                    log(&format!("the service manager does not listen: {error}"));
                }
            }
            Effect::StartCore => {
                let started = self.start_core().map(|pid| Event::CoreStarted { pid });
                self.todo.push_back(started.unwrap_or_else(|reason| Event::CoreNotStarted { reason }));
            }
            Effect::CloseCore => self.channel = None,
            Effect::StartCheck(binary) => {
                let started = self.start_check(binary.as_deref()).map(|pid| Event::CheckStarted { pid });
                self.todo.push_back(started.unwrap_or_else(|reason| Event::UpgradeFailed { reason }));
            }
            Effect::Reexec(binary) => {
                let reason = self.reexec(binary.as_deref());
                self.todo.push_back(Event::UpgradeFailed { reason });
            }
            Effect::Exit(code) => self.exit = Some(code),
            Effect::Log(text) => log(&text),
        }
    }
}

/// Children.
impl<K: Kernel> Keeper<K> {
    fn start(&mut self, spawn: Box<Spawn>, fds: Vec<OwnedFd>) {
        let slot = spawn.slot;
        let refuse = |(stage, errno): (Stage, i32)| Event::NotStarted { slot, stage, errno };
        let prepared = match launch::prepare(&spawn, fds, &self.common, &self.groups) {
            Ok(prepared) => prepared,
            Err(refused) => return self.todo.push_back(refuse(refused)),
        };
        let group = prepared.group.clone();
        match self.kernel.launch(&prepared.launch) {
            Ok(Started { pid, start_ticks, pipe }) => {
                self.todo.push_back(Event::Started { slot, pid, start_ticks, group, running: pipe.is_none() });
                if let Some(pipe) = pipe {
                    self.pipes.insert(slot, pipe);
                    self.forking.insert(slot, spawn);
                }
            }
            Err(failure) => {
                self.todo.push_back(refuse(launch::stage(failure, &spawn, self.group_path(&spawn).as_deref())));
                if let Some(group) = group {
                    self.groups.remove(&group);
                }
            }
        }
    }

    fn group_path(&self, spawn: &Spawn) -> Option<PathBuf> {
        self.groups.path(&Cgroup::directory(&spawn.cgroup.as_ref()?.name, spawn.slot)?)
    }

    /// A forked child has said what failed, or has said nothing and is its program now.
    fn conclude_fork(&mut self, slot: u64) {
        let Some(pipe) = self.pipes.remove(&slot) else { return };
        let spawn = self.forking.remove(&slot);
        let event = match (Report::read(&pipe), spawn) {
            (None, _) => Event::Running { slot },
            (Some(failure), Some(spawn)) => {
                let (stage, errno) = launch::stage(failure, &spawn, self.group_path(&spawn).as_deref());
                Event::NotStarted { slot, stage, errno }
            }
            // The request was the keeper's before the upgrade.
            (Some(failure), None) => {
                let stage = Stage::Request(format!("at step {:?}", failure.step));
                Event::NotStarted { slot, stage, errno: failure.errno }
            }
        };
        self.todo.push_back(event);
        self.step_all();
    }

    fn kill_cgroup(&mut self, group: &str, signal: i32, only: Option<i32>) {
        if signal == libc::SIGKILL && only.is_none() && self.groups.kill(group) {
            return;
        }
        let members = self.groups.members(group);
        for found in self.kernel.trees(&members) {
            if only.is_none_or(|only| found.group == only) {
                self.kernel.kill_exact(found.pid, found.start_ticks, signal);
            }
        }
    }

    fn kill_trees(&mut self, roots: &[i32], signal: i32, only: Option<i32>) {
        for found in self.kernel.trees(roots) {
            if only.is_none_or(|only| found.group == only) {
                self.kernel.kill_exact(found.pid, found.start_ticks, signal);
            }
        }
    }

    fn watch_group(&mut self, slot: u64, group: &str) {
        match self.groups.watch(group) {
            Ok(events) => {
                self.events.insert(slot, events);
                self.look_at_group(slot);
            }
            Err(_) => self.todo.push_back(Event::GroupEmpty { slot }), // the directory is gone, so is all in it
        }
    }

    fn look_at_group(&mut self, slot: u64) {
        if self.events.get_mut(&slot).is_some_and(|events| !cgroup::populated(events)) {
            self.events.remove(&slot);
            self.todo.push_back(Event::GroupEmpty { slot });
        }
    }
}

/// The core.
impl<K: Kernel> Keeper<K> {
    fn start_core(&mut self) -> Result<i32, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        ours.set_nonblocking(true).map_err(|error| error.to_string())?;
        let mut env = notify::environment();
        env.push((notify::SOCKET.into(), "3".into()));
        let program = procfs::own_program(Path::new(self.settings.core_argv.first().unwrap_or(&OsString::new())));
        let argv = self.settings.core_argv.clone();
        let Started { pid, .. } = self.start_own(&program, &argv, env, &theirs.into(), false)?;
        self.channel = Some(Channel { socket: ours, inbox: Inbox::default(), outbox: Outbox::default() });
        Ok(pid)
    }

    fn start_own(
        &mut self,
        program: &Path,
        argv: &[OsString],
        env: Vec<(OsString, OsString)>,
        fd: &OwnedFd,
        fork: bool,
    ) -> Result<Started, String> {
        let extra = sys::out_of_the_way(fd).map_err(|error| error.to_string())?;
        let explain = |(stage, errno): (Stage, i32)| stage.explain(errno);
        let launch = launch::own_process(program, argv, env, (extra.as_raw_fd(), fork), &self.common);
        let started = self.kernel.launch(&launch.map_err(explain)?);
        started.map_err(|failure| explain(launch::own_stage(failure, program)))
    }

    fn welcome(&mut self) {
        let copies: io::Result<Vec<OwnedFd>> = self.listeners.iter().map(|(_, fd)| fd.try_clone()).collect();
        let Ok(fds) = copies else {
            // No descriptor left: the next core may have more luck.
            log("no descriptor is left to hand over the listening sockets");
            return self.todo.push_back(Event::CoreLost(Loss::Stalled));
        };
        let welcome = Tell::Welcome {
            version: VERSION,
            held: self.machine.held(),
            listeners: self.listeners.iter().map(|(name, _)| name.clone()).collect(),
            stopping: self.machine.stopping(),
            cgroup: self.groups.facts().clone(),
        };
        self.tell(&welcome, fds);
    }

    fn tell_news(&mut self, news: News) {
        // A core still to come learns all that matters from its welcome.
        if self.machine.core_connected() {
            self.tell(&Tell::News(news), Vec::new());
        }
    }

    fn tell(&mut self, message: &Tell, fds: Vec<OwnedFd>) {
        let Some(channel) = &mut self.channel else { return };
        let (kind, payload) = message.encode();
        if let Err(error) = channel.outbox.push(Frame { kind, payload, fds }) {
            log(&format!("cannot tell the core: {error}"));
            return self.todo.push_back(Event::CoreLost(Loss::Stalled));
        }
        if channel.outbox.queued() > QUEUE_MAX {
            self.flush();
        }
        if self.channel.as_ref().is_some_and(|channel| channel.outbox.queued() > QUEUE_MAX) {
            self.todo.push_back(Event::CoreLost(Loss::Stalled));
        }
    }

    pub(super) fn flush(&mut self) {
        let Some(channel) = &mut self.channel else { return };
        match channel.outbox.flush(channel.socket.as_fd()) {
            Ok(()) => {}
            // Read on: what it asked before it hung up still counts, and the end shows there.
            Err(FrameError::Closed) => channel.outbox = Outbox::default(),
            Err(_) => {
                self.todo.push_back(Event::CoreLost(Loss::HungUp));
                self.step_all();
            }
        }
    }

    /// Reads what the core asks, and does it.
    fn hear_core(&mut self) {
        for _ in 0..READS_PER_TURN {
            let Some(channel) = &mut self.channel else { return };
            let filled = channel.inbox.fill(channel.socket.as_fd());
            while let Some(channel) = &mut self.channel {
                let asked = channel.inbox.take().map(|frame| {
                    frame.map(|Frame { kind, payload, fds }| Ask::decode(kind, &payload).map(|ask| (ask, fds)))
                });
                let lost = match asked {
                    Ok(None) => break,
                    Ok(Some(Ok((ask, fds)))) => {
                        self.step(Event::Asked(ask), fds);
                        self.step_all();
                        continue;
                    }
                    Ok(Some(Err(error))) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                log(&format!("from the core: {lost}"));
                self.step(Event::CoreLost(Loss::BadFrame), Vec::new());
                return self.step_all();
            }
            match filled {
                Ok(true) => {}
                Ok(false) => return,
                Err(FrameError::Bad(what)) => {
                    log(&format!("from the core: {what}"));
                    return self.todo.push_back(Event::CoreLost(Loss::BadFrame));
                }
                Err(FrameError::Closed | FrameError::Socket(_)) => {
                    return self.todo.push_back(Event::CoreLost(Loss::HungUp));
                }
            }
        }
    }
}

/// Upgrade in place.
impl<K: Kernel> Keeper<K> {
    fn start_check(&mut self, binary: Option<&Path>) -> Result<i32, String> {
        let program = self.upgrade_program(binary);
        let state = self.carried().file().map_err(|error| error.to_string())?;
        let mut env = notify::environment();
        env.push((notify::STATE.into(), "3".into()));
        let argv = self.settings.check_argv.clone();
        // Forked: the file may be anywhere, also where reading it takes for ever.
        let Started { pid, pipe, .. } = self.start_own(&program, &argv, env, &state, true)?;
        self.check = pipe.map(|pipe| (pid, pipe, program));
        Ok(pid)
    }

    /// What kept the self-check, if this was it, from executing its file.
    fn check_refused(&mut self, reaped: i32) -> Option<Event> {
        let (_, pipe, program) = self.check.take_if(|(pid, ..)| *pid == reaped)?;
        let (stage, errno) = launch::own_stage(Report::read(&pipe)?, &program);
        Some(Event::UpgradeFailed { reason: stage.explain(errno) })
    }

    fn upgrade_program(&self, binary: Option<&Path>) -> PathBuf {
        binary.map_or_else(|| self.program.clone(), Path::to_owned)
    }

    fn carried(&self) -> Carried {
        let Keeper { machine, groups, common, program, listeners, pipes, .. } = self;
        Carried::of(machine, groups, common.nofile, program.clone(), listeners, pipes)
    }

    /// Becomes the new binary. Returns only when that is impossible, and then nothing has changed.
    fn reexec(&mut self, binary: Option<&Path>) -> String {
        let program = self.upgrade_program(binary);
        let state = match self.carried().file() {
            Ok(state) => state,
            Err(error) => return format!("cannot write down the state: {error}"),
        };
        let mut env: Vec<(OsString, OsString)> =
            env::vars_os().filter(|(name, _)| !notify::is_of_one_start(name)).collect();
        env.push((notify::STATE.into(), state.as_raw_fd().to_string().into()));
        let argv = env::args_os().map(|argument| CString::new(argument.into_vec()));
        let (Ok(path), Ok(argv), Ok(env)) = (
            CString::new(program.as_os_str().as_bytes()),
            argv.collect::<Result<Vec<_>, _>>(),
            launch::environment(&env),
        ) else {
            return format!("{}: NUL byte", program.display());
        };
        let keep: Vec<BorrowedFd<'_>> = std::iter::once(state.as_fd())
            .chain(self.listeners.iter().map(|(_, fd)| fd.as_fd()))
            .chain(self.pipes.values().map(AsFd::as_fd))
            .collect();
        let error = sys::replace(&path, &argv, &env, &keep);
        format!("cannot execute {}: {error}", program.display())
    }
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

/// Raises the limit on open files as far as allowed (each held listener, each fork under way needs one) and answers
/// what it was, for the children.
fn raise_open_files() -> io::Result<[u64; 2]> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Refused where the host's bound (fs.nr_open) is below; then the keeper makes do.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Ok([soft, hard])
}

/// The path of the first argument, made independent of the working directory: as it is, through PATH, or else the
/// file this process executes.
fn locate(first: &Path) -> PathBuf {
    let found = if first.as_os_str().as_bytes().contains(&b'/') {
        std::path::absolute(first).ok()
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|dir| dir.join(first)).find(|file| file.is_file())
    };
    found.filter(|path| path.is_file()).or_else(|| env::current_exe().ok()).unwrap_or_else(|| first.to_owned())
}
