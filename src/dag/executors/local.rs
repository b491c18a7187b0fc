//! Commands as processes of this host, held by the keeper.
//!
//! ```text
//!   start ──> Preparing ──prepared──> Asked ──spawned──> Up ──exited──> Over ──tree empty──> (forgotten)
//!                 `──stop, refused──> (forgotten)  `──failed──> (forgotten); all places taken: back to Preparing
//! ```
//!
//! The driver is the only one who touches this: what takes time runs beside it and comes back as a message.

use super::{Executor, ended, not_started, refused};
use crate::base::{Mono, Now, RunId, Wall};
use crate::dag::engine::{Message, Settings, Stream, Tools};
use crate::dag::machine::{End, Event, How, Launch};
use crate::dag::model::{Blueprint, Command, DagRunId, Job, Usage, Work};
use crate::dag::output::{self, Collected, Directories, Files, Generator};
use crate::dag::records;
use crate::keeper as kept;
use crate::keeper::{Cgroup, Owner as KeptFor, Scope, Stdio};
use crate::launch::{Command as Line, Order, Refused, User};
use crate::logs::Stem;
use nix::libc::{EAGAIN, ENOENT, SIGKILL, SIGTERM};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedSender;

/// How old a process has to be for its output to be watched: until then it cannot have written much.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a launch waits when the keeper holds as many children as it may.
const FULL: Duration = Duration::from_millis(100);

/// The file mode mask of attempts.
const UMASK: u32 = 0o022;

/// An attempt that the keeper has or is about to get.
#[derive(Debug, Clone)]
pub(in crate::dag) struct Known {
    run: DagRunId,
    phase: Phase,
    /// Of a generator: what its output is read with.
    generator: Option<Arc<Blueprint>>,
    /// It has ended, and its output is being looked at.
    collecting: bool,
    /// Its tree was gone before its end could be told.
    emptied: bool,
    watched: bool,
    /// How it is started again should the keeper have no place for it; none: it is not.
    order: Option<(Launch, Arc<Job>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dag) enum Phase {
    /// The keeper has not heard of it.
    Preparing,
    /// It is on its way.
    Asked,
    /// It is a process.
    Up,
    /// Its leader has ended, or was another keeper's.
    Over,
}

impl Known {
    pub fn new(run: DagRunId, phase: Phase, generator: Option<Arc<Blueprint>>) -> Known {
        Known { run, phase, generator, collecting: false, emptied: false, watched: false, order: None }
    }
}

/// The executor.
pub(in crate::dag) struct Local {
    tools: Tools,
    settings: Arc<Settings>,
    own: UnboundedSender<Message>,
    /// What interprets scripts.
    shell: &'static str,
    known: HashMap<RunId, Known>,
    processes: usize,
    directories: Directories,
    /// Processes in the order of their birth whose output is not watched yet.
    young: VecDeque<(Mono, RunId)>,
}

impl Local {
    /// An executor that has these attempts already.
    pub fn new(
        tools: &Tools,
        settings: &Arc<Settings>,
        own: &UnboundedSender<Message>,
        known: HashMap<RunId, Known>,
    ) -> Local {
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        let now = Now::read().mono;
        let young: VecDeque<_> =
            known.iter().filter(|(_, known)| known.phase == Phase::Up).map(|(slot, _)| (now, *slot)).collect();
        Local {
            tools: tools.clone(),
            settings: settings.clone(),
            own: own.clone(),
            shell,
            processes: young.len(),
            known,
            directories: Directories::default(),
            young,
        }
    }

    /// How many attempts the keeper has or is about to get.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// How many of them are processes.
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// The keeper's news as an event, unless it takes time to find out more.
    pub fn hear(&mut self, news: kept::News) -> Option<Event> {
        match news {
            kept::News::Spawned { slot, pid, start_ticks } => {
                let slot = RunId(slot);
                if let Some(known) = self.known.get_mut(&slot) {
                    self.processes += usize::from(known.phase != Phase::Up);
                    known.phase = Phase::Up;
                    known.order = None;
                    self.young.push_back((Now::read().mono, slot));
                }
                Some(Event::Started { slot, leader: Some((pid, start_ticks)) })
            }
            // Others hold all places. One is free when the end of its process is on disk.
            kept::News::Failed { slot, stage: kept::Stage::Slot, errno: EAGAIN } if self.again(RunId(slot)) => None,
            kept::News::Failed { slot, stage, errno } => {
                if let (kept::Stage::Open(_), ENOENT) = (&stage, errno)
                    && let Some(known) = self.known.get(&RunId(slot))
                {
                    self.directories.forget(known.run); // somebody has removed it: the next attempt makes it again
                }
                // By way of the mailbox, like every end; its files go with it.
                let _ = self.own.send(Message::Ended(Box::new(ended(RunId(slot), refused(&stage, errno)))));
                None
            }
            kept::News::Exited { seq, slot, status, rusage, ended, oom, tree_empty } => {
                self.exited(exit(seq, RunId(slot), status, rusage, ended, oom, tree_empty));
                None
            }
            kept::News::TreeEmpty { slot } => {
                let slot = RunId(slot);
                match self.known.get_mut(&slot) {
                    Some(known) if known.collecting => {
                        known.emptied = true; // told with the end
                        None
                    }
                    _ => {
                        self.forget(slot);
                        Some(Event::TreeEmpty { slot })
                    }
                }
            }
            kept::News::LeftoverGone { slot } => {
                let slot = RunId(slot);
                // Every room is told of every leftover.
                self.forget(slot).map(|_| Event::LeftoverGone { slot })
            }
            // Told to the daemon, not to rooms.
            kept::News::Stray { .. }
            | kept::News::Stop
            | kept::News::StopNow
            | kept::News::Reloaded
            | kept::News::UpgradeRefused { .. } => None,
        }
    }

    /// Looks at what an attempt has written before anybody is told of its end.
    fn exited(&mut self, mut end: End) {
        let Some(known) = self.known.get_mut(&end.slot) else {
            let _ = self.own.send(Message::Ended(Box::new(end))); // the driver is the caller
            return;
        };
        known.collecting = true;
        self.processes -= usize::from(known.phase == Phase::Up);
        known.phase = Phase::Over;
        let files = Files { run: known.run, slot: end.slot };
        if end.tree_empty && std::mem::take(&mut known.watched) {
            files.stems().for_each(|stem| self.tools.logs.forget(&stem));
        }
        let generator = known.generator.clone();
        let generator = generator.map(|blueprint| Generator { blueprint, limits: self.settings.limits() });
        let (logs, own) = (self.tools.logs.clone(), self.own.clone());
        tokio::task::spawn_blocking(move || {
            collect(&logs, files, generator.as_ref(), &mut end);
            let _ = own.send(Message::Ended(Box::new(end))); // the driver has ended
        });
    }

    /// An attempt's end is about to be told. Answers the files that may go once it is durable.
    pub fn over(&mut self, end: &mut End) -> Vec<Stem> {
        let Some(known) = self.known.get_mut(&end.slot) else { return Vec::new() };
        let files = Files { run: known.run, slot: end.slot };
        known.collecting = false;
        end.tree_empty |= known.emptied;
        if end.tree_empty {
            self.forget(end.slot);
        }
        output::spent(files, &end.output, &end.errors)
    }

    /// Has a launch prepared, after a pause.
    fn prepare(&mut self, launch: Launch, job: Arc<Job>, pause: Duration) {
        let (tools, made, shell) = (self.tools.clone(), self.directories.of(launch.live.run), self.shell);
        let own = self.own.clone();
        tokio::spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let spawn = Box::new(prepare(&tools, &made, shell, &launch, &job).await);
            let _ = own.send(Message::Prepared { slot: launch.live.slot, spawn }); // the driver has ended
        });
    }

    /// Tries a launch again that the keeper had no place for. False: nobody wants it any more.
    fn again(&mut self, slot: RunId) -> bool {
        let Some(known) = self.known.get_mut(&slot) else { return false };
        let Some((launch, job)) = known.order.clone() else { return false };
        known.phase = Phase::Preparing;
        self.prepare(launch, job, FULL);
        true
    }

    /// A launch has been prepared: to the keeper with it, unless nobody wants it any more.
    pub fn prepared(&mut self, slot: RunId, prepared: Result<kept::Spawn, How>) {
        let Some(known) = self.known.get_mut(&slot) else { return };
        match prepared {
            Ok(spawn) => {
                known.phase = Phase::Asked;
                self.tools.link.spawn(KeptFor::DAG, spawn);
            }
            Err(how) => drop(self.own.send(Message::Ended(Box::new(ended(slot, how))))), // the driver is the caller
        }
    }

    /// Ends what an earlier keeper has left behind of an attempt.
    pub fn end_leftover(&mut self, slot: RunId, leader: Option<(i32, u64)>, grace: Duration) {
        let (pid, start_ticks) = leader.unwrap_or_default(); // 0 is nobody's: only the control group counts
        let cgroup = self.known.get(&slot).map(|known| cgroup(known.run));
        self.tools.link.end_leftover(kept::Leftover { slot: slot.0, pid, start_ticks, signal: SIGTERM, grace, cgroup });
    }

    /// Nothing of this run will be started for now.
    pub fn rest(&mut self, run: DagRunId) {
        self.directories.forget(run);
    }

    /// When [`Local::watch_due`] is owed.
    pub fn deadline(&self) -> Option<Mono> {
        self.young.front().map(|(born, _)| *born + YOUNG)
    }

    /// Has the output of processes that are not so young any more bounded.
    pub fn watch_due(&mut self, now: Mono) {
        while self.young.front().is_some_and(|(born, _)| *born + YOUNG <= now) {
            let Some((_, slot)) = self.young.pop_front() else { return };
            let Some(known) = self.known.get_mut(&slot).filter(|known| known.phase == Phase::Up) else { continue };
            known.watched = true;
            let files = Files { run: known.run, slot };
            files.stems().for_each(|stem| self.tools.logs.watch(&stem, self.settings.log_max));
        }
    }

    /// Nothing is left of an attempt.
    fn forget(&mut self, slot: RunId) -> Option<Known> {
        let known = self.known.remove(&slot)?;
        self.processes -= usize::from(known.phase == Phase::Up);
        if known.watched {
            let files = Files { run: known.run, slot };
            files.stems().for_each(|stem| self.tools.logs.forget(&stem));
        }
        Some(known)
    }
}

impl Executor for Local {
    fn start(&mut self, launch: Launch, job: Arc<Job>) {
        let (slot, run) = (launch.live.slot, launch.live.run);
        let generator = launch.template.is_generator.then(|| launch.blueprint.clone());
        let order = Some((launch.clone(), job.clone()));
        self.known.insert(slot, Known { order, ..Known::new(run, Phase::Preparing, generator) });
        self.prepare(launch, job, Duration::ZERO);
    }

    fn stop(&mut self, slot: RunId, force: bool) {
        let Some(known) = self.known.get_mut(&slot) else { return };
        known.order = None;
        let phase = known.phase;
        let (signal, scope) = match (phase, force) {
            (Phase::Preparing, _) => {
                // What has been prepared then finds nobody who wants it.
                self.forget(slot);
                let withdrawn = ended(slot, not_started(126, "withdrawn before it was started"));
                let _ = self.own.send(Message::Ended(Box::new(withdrawn))); // the driver is the caller
                return;
            }
            (_, true) => (SIGKILL, Scope::Tree),
            (Phase::Asked | Phase::Up, false) => (SIGTERM, Scope::Group),
            (Phase::Over, false) => (SIGTERM, Scope::Tree),
        };
        self.tools.link.signal(slot.0, signal, scope);
    }
}

/// The facts of an exit, as far as the keeper knows them.
pub(in crate::dag) fn exit(
    seq: u64,
    slot: RunId,
    status: kept::Status,
    rusage: kept::Rusage,
    ended: u64,
    oom: bool,
    tree_empty: bool,
) -> End {
    let how = match status {
        kept::Status::Code(code) => How::Code { code, remark: String::new() },
        kept::Status::Signal { signal, .. } => How::Signal { signal, oom },
    };
    let at = i64::try_from(ended).ok().and_then(Wall::from_timestamp_micros).unwrap_or(Wall::UNIX_EPOCH);
    let usage = Usage { user: rusage.user, system: rusage.system, max_rss_kib: rusage.max_rss_kib };
    End { seq: Some(seq), at, tree_empty, usage: Some(usage), ..super::ended(slot, how) }
}

/// Adds to an exit what the attempt has written. Blocks.
pub(in crate::dag) fn collect(logs: &crate::logs::Logs, files: Files, generator: Option<&Generator>, end: &mut End) {
    let generator = generator.filter(|_| matches!(end.how, How::Code { code: 0, .. }));
    let Collected { output, errors, generated } = output::collect(logs, files, end.tree_empty, generator);
    (end.output, end.errors, end.generated) = (output, errors, generated);
}

/// The name of the control groups of a run's attempts: each is called `<name>.<slot>`.
fn cgroup(run: DagRunId) -> String {
    format!("dag-{run}")
}

/// Looks everything up.
async fn prepare(
    tools: &Tools,
    made: &OnceCell<()>,
    shell: &str,
    launch: &Launch,
    job: &Job,
) -> Result<kept::Spawn, How> {
    let run = launch.live.run;
    output::make(made, &tools.logs, run).await.map_err(|why| not_started(126, format!("its output: {why}")))?;
    let order = order(tools, shell, launch, job).map_err(|why| not_started(126, why))?;
    tools.launcher.prepare(order).await.map_err(|why| {
        let missing = matches!(why, Refused::Program(_));
        not_started(if missing { 127 } else { 126 }, why)
    })
}

fn order(tools: &Tools, shell: &str, launch: &Launch, job: &Job) -> Result<Order, String> {
    let Work::Command { command, env, dir } = &job.work else {
        return Err("a step is not a command".to_owned()); // never: it has an executor of its own
    };
    if let Some(dir) = dir.as_ref().filter(|dir| !dir.is_absolute()) {
        return Err(format!("workDir {} is relative: expected an absolute path", dir.display()));
    }
    let live = &launch.live;
    let files = Files { run: live.run, slot: live.slot };
    let path = |stream| files.stem(stream).map(|stem| tools.logs.path(&stem)).map_err(|why| why.to_string());
    let (stdout, stderr) = (path(Stream::Output)?, path(Stream::Errors)?);
    let marks = vec![
        ("HOSTLER_TASK", launch.template.instance(live.task.index)),
        ("HOSTLER_REPLICA", live.task.index.to_string()),
        ("HOSTLER_RUN", live.slot.to_string()),
        ("HOSTLER_DAGRUN", live.run.to_string()),
        ("HOSTLER_ATTEMPT", live.number.to_string()),
        ("HOSTLER_LOG", stdout.to_string_lossy().into_owned()),
    ];
    // What a task reserves it may also fill; cores are a reservation only, for who has the processor to himself may
    // use all of it.
    let memory = job.needs.memory_mb.checked_mul(1 << 20).filter(|bytes| *bytes > 0);
    let limits = memory.map(|bytes| ("memory.max".to_owned(), bytes.to_string())).into_iter().collect();
    let user = launch.blueprint.user.clone();
    Ok(Order {
        run: live.slot.0,
        command: Line::Argv(argv(command, shell)),
        user: user.map_or(User::Number(launch.runs_as), |name| User::Named(name, launch.runs_as)),
        group: None,
        env_file: None,
        env: env.iter().cloned().collect(),
        marks,
        cwd: dir.clone(),
        umask: UMASK,
        nice: 0,
        oom_score_adj: Some(0),
        rlimits: Vec::new(),
        cgroup: Some(Cgroup { name: cgroup(live.run), limits }),
        stdout: Stdio::Append(stdout),
        stderr: Stdio::Append(stderr),
        intent: records::intent(live),
    })
}

fn argv(command: &Command, shell: &str) -> Vec<String> {
    match command {
        Command::Argv(words) => words.clone(),
        Command::Script(script) => vec![shell.to_owned(), "-c".to_owned(), script.clone()],
    }
}
