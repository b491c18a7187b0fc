//! What a task is, and what is known of a run: plain values whose constructors keep the invariants.
//!
//! Nothing here is serialised: `wire.rs` and `records.rs` convert, so that neither the API nor the stored format
//! can change by accident.

use crate::base::{RunId, Wall};
use crate::schedule::{Cron, Zone};
use serde_json::{Map, Value};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The longest task name, in bytes: what a file name may have on every Linux file system.
pub const NAME_MAX: usize = 255;
/// The most replicas one task may have, whatever the configuration says.
pub const REPLICAS_MAX: u32 = 10_000;
/// `interval` where the task does not say.
pub const INTERVAL: Duration = Duration::from_secs(3);
/// `stop_timeout` where the task does not say.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a life must last to clear the count of failures, where the task does not say.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);
/// How long a replica may take to become ready, where the task does not say.
pub const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two tries of a readiness probe, where the task does not say.
pub const READY_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two liveness probes, where the task does not say.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
/// How long one liveness probe may take, where the task does not say.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// How many liveness probes in a row must fail, where the task does not say.
pub const HEALTH_FAILURES: u32 = 3;

/// Why a value was not accepted; the field is named by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing was given where something is needed.
    #[error("must not be empty")]
    Empty,
    /// Longer than allowed.
    #[error("is longer than {max} bytes")]
    Long {
        /// The limit.
        max: usize,
    },
    /// A byte that cannot be passed to a program.
    #[error("must not contain a NUL byte")]
    Nul,
    /// A name Meproc keeps to itself.
    #[error("is reserved")]
    Reserved,
    /// Outside of its range.
    #[error("must be between {min} and {max}")]
    Range {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Not a name or number of a signal.
    #[error("is not a signal")]
    NoSignal,
    /// Not a name of a resource limit.
    #[error("is not a resource limit")]
    NoResource,
    /// A soft limit above its hard limit.
    #[error("has a soft limit above the hard limit")]
    SoftAboveHard,
    /// A growth that shrinks, or no number.
    #[error("must be a factor of at least 1")]
    Factor,
    /// The name of an environment variable with `=` in it.
    #[error("must not contain '='")]
    Equals,
    /// A moment that is over as soon as it begins.
    #[error("must be longer than zero")]
    Zero,
}

fn text(text: &str, max: usize) -> Result<&str, Invalid> {
    match text {
        "" => Err(Invalid::Empty),
        long if long.len() > max => Err(Invalid::Long { max }),
        nul if nul.contains('\0') => Err(Invalid::Nul),
        good => Ok(good),
    }
}

/// The name of a task: 1 to [`NAME_MAX`] bytes, any characters but NUL, not `__coroutine__`. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(Arc<str>);

impl TaskName {
    /// Checks a name.
    ///
    /// # Errors
    /// Empty, too long, a NUL byte, or the reserved name.
    pub fn new(name: &str) -> Result<TaskName, Invalid> {
        match text(name, NAME_MAX)? {
            "__coroutine__" => Err(Invalid::Reserved),
            name => Ok(TaskName(name.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias of one replica, `name:index`.
    pub fn alias(&self, replica: u32) -> String {
        format!("{}:{replica}", self.0)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TaskName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One life of a task name, from its creation to its deletion. Output and history belong to it, not to the name.
/// Taken from the same numbers as [`RunId`], so never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// What a replica executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A line for `/bin/sh -c`. Made by [`Command::shell`].
    Shell(String),
    /// A program and its arguments, no shell between. Made by [`Command::argv`].
    Argv(Vec<String>),
}

impl Command {
    /// A line for the shell.
    ///
    /// # Errors
    /// Empty, or a NUL byte.
    pub fn shell(line: &str) -> Result<Command, Invalid> {
        Ok(Command::Shell(text(line, usize::MAX)?.to_owned()))
    }

    /// A program and its arguments; the arguments may be empty texts.
    ///
    /// # Errors
    /// No program, or a NUL byte.
    pub fn argv(words: Vec<String>) -> Result<Command, Invalid> {
        text(words.first().map_or("", String::as_str), usize::MAX)?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err(Invalid::Nul);
        }
        Ok(Command::Argv(words))
    }
}

/// How often a task is executed, with what only that type has.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// At creation and when asked.
    Once,
    /// Always: what ends is started again after `interval`.
    Daemon(Restart),
    /// When the schedule says so.
    Cron(Schedule),
}

impl Kind {
    /// The word for it in requests and listings.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Once => "once",
            Kind::Daemon(_) => "daemon",
            Kind::Cron(_) => "cron",
        }
    }
}

/// When an ended daemon is started again, and when that is given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// After which ends.
    pub on: RestartOn,
    /// How the pause grows; none: it is `interval`, always.
    pub backoff: Option<Backoff>,
    /// How many restarts in a row, none of them stable, before giving up; none: for ever.
    pub max_restarts: Option<u32>,
    /// A life at least this long is stable: it clears the count and the growth.
    pub stable_after: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Restart { on: RestartOn::Always, backoff: None, max_restarts: None, stable_after: STABLE_AFTER }
    }
}

/// After which ends a daemon is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartOn {
    /// Any.
    Always,
    /// Any but exit code 0.
    Failure,
    /// None.
    Never,
}

/// Capped exponential growth of the pause before a restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    factor: f64,
    max: Duration,
}

impl Backoff {
    /// Growth by `factor` per failure in a row, up to `max`.
    ///
    /// # Errors
    /// A factor below 1, or not a number.
    pub fn new(factor: f64, max: Duration) -> Result<Backoff, Invalid> {
        if factor.is_finite() && factor >= 1.0 { Ok(Backoff { factor, max }) } else { Err(Invalid::Factor) }
    }

    /// The growth per failure.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The longest pause.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The pause after the `failures`-th failure in a row: `first · factor^(failures-1)`, never above the cap and
    /// never below `first`.
    pub fn pause(&self, first: Duration, failures: u32) -> Duration {
        let grown = first.as_secs_f64() * self.factor.powf(f64::from(failures.saturating_sub(1)));
        let capped = grown.min(self.max.as_secs_f64());
        Duration::try_from_secs_f64(capped).unwrap_or(self.max).max(first)
    }
}

/// When a cron task is due, and what becomes of firings that cannot simply run.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The crontab line.
    pub cron: Cron,
    /// The zone its fields are meant in.
    pub zone: Zone,
    /// What a firing does while an earlier one still runs.
    pub overlap: Overlap,
    /// What becomes of firings missed while nothing was there to hear them.
    pub catch_up: CatchUp,
    /// Each firing starts up to this much later, by a fixed amount that depends on task and moment alone.
    pub jitter: Duration,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.cron.text() == other.cron.text()
            && (self.zone, self.overlap, self.catch_up, self.jitter)
                == (other.zone, other.overlap, other.catch_up, other.jitter)
    }
}

/// What a firing does while an earlier one still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out, which the history shows.
    #[default]
    Skip,
    /// It runs when the earlier ones have ended, one after the other.
    Queue,
    /// It runs beside them.
    Allow,
    /// It ends them and runs.
    Replace,
}

/// What becomes of missed firings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They stay missed.
    #[default]
    None,
    /// The last one runs.
    Last,
    /// All run, one after the other.
    All,
}

/// Another task this one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name; it need not exist.
    pub task: TaskName,
    /// What is waited for.
    pub until: Until,
}

/// What is waited for before a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// Neither the other task nor one it depends on in this way runs or is queued. Meproc's meaning: a task that
    /// does not exist holds nothing back.
    #[default]
    Idle,
    /// All its replicas have been started.
    Started,
    /// All its replicas are up and ready.
    Ready,
    /// All its replicas have been started and none runs any more.
    Finished,
    /// The same, and all ended with exit code 0.
    Succeeded,
}

/// A whole number within bounds.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($of:ty) in $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($of);

        impl $name {
            /// Checks the bounds.
            ///
            /// # Errors
            /// Out of range.
            pub fn new(value: i64) -> Result<$name, Invalid> {
                let out = Invalid::Range { min: $min, max: $max };
                if !($min..=$max).contains(&value) {
                    return Err(out);
                }
                <$of>::try_from(value).map($name).map_err(|_| out)
            }

            /// The number.
            pub fn get(self) -> $of {
                self.0
            }
        }
    };
}

bounded! {
    /// How many equal processes a task has: 1 to [`REPLICAS_MAX`].
    Replicas(u32) in 1, REPLICAS_MAX as i64
}
bounded! {
    /// The file mode creation mask.
    Umask(u32) in 0, 0o777
}
bounded! {
    /// The scheduling priority; lower is more.
    Nice(i32) in -20, 19
}
bounded! {
    /// How readily the kernel kills it when memory runs out; -1000 is never.
    OomScoreAdj(i32) in -1000, 1000
}

/// Names of signals by number, from 1 on (`signal(7)`, x86 and ARM numbering).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Ends a process that knows how to end.
    pub const TERM: Signal = Signal(15);
    /// Ends any process.
    pub const KILL: Signal = Signal(9);

    /// Reads `TERM`, `SIGTERM`, `sigterm` or `15`.
    ///
    /// # Errors
    /// Neither a known name nor a number from 1 to 64.
    pub fn parse(text: &str) -> Result<Signal, Invalid> {
        if let Ok(number) = text.parse::<i64>() {
            return Signal::new(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let place = SIGNALS.iter().position(|known| *known == name).ok_or(Invalid::NoSignal)?;
        Signal::new(place as i64 + 1)
    }

    /// Checks a number.
    ///
    /// # Errors
    /// Not from 1 to 64.
    pub fn new(number: i64) -> Result<Signal, Invalid> {
        match i32::try_from(number) {
            Ok(number @ 1..=64) => Ok(Signal(number)),
            _ => Err(Invalid::NoSignal),
        }
    }

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0 - 1).ok().and_then(|place| SIGNALS.get(place)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// A check that is tried and either holds or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Something accepts connections at `host:port`.
    Tcp(String),
    /// This address answers with a status below 400.
    Http(String),
    /// This command ends with exit code 0.
    Exec(Command),
}

/// How a replica shows that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What is looked at.
    pub when: ReadyWhen,
    /// The pause between two tries of a [`Probe`].
    pub interval: Duration,
    /// A replica not ready after this is ended, as a failure.
    pub timeout: Duration,
}

/// What makes a replica ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyWhen {
    /// A probe holds.
    Probe(Probe),
    /// A line of its output contains this text.
    Log(String),
    /// It says so itself (`sd_notify`).
    Notify,
}

/// How it is noticed that a replica no longer works although it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is tried.
    pub probe: Probe,
    /// The pause between two tries.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// After this many failed tries in a row the replica is ended, as a failure. At least 1.
    pub failures: u32,
}

/// What a replica may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Per process, by `setrlimit`.
    pub rlimits: Vec<Rlimit>,
    /// Bytes of memory of the whole tree, where a cgroup can enforce it.
    pub memory: Option<u64>,
    /// Processors' worth of time of the whole tree, likewise.
    pub cpu: Option<f64>,
    /// Processes and threads of the whole tree, likewise.
    pub pids: Option<u64>,
}

/// Names of resource limits (`getrlimit(2)`, lower case, without `RLIMIT_`).
pub const RESOURCES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One resource limit. [`u64::MAX`] is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rlimit {
    resource: &'static str,
    soft: u64,
    hard: u64,
}

impl Rlimit {
    /// Checks the name and the order of the two.
    ///
    /// # Errors
    /// No such resource, or soft above hard.
    pub fn new(resource: &str, soft: u64, hard: u64) -> Result<Rlimit, Invalid> {
        let lower = resource.to_ascii_lowercase();
        let resource = RESOURCES.into_iter().find(|known| *known == lower).ok_or(Invalid::NoResource)?;
        if soft > hard { Err(Invalid::SoftAboveHard) } else { Ok(Rlimit { resource, soft, hard }) }
    }

    /// One of [`RESOURCES`].
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// What counts until the process raises it.
    pub fn soft(&self) -> u64 {
        self.soft
    }

    /// Up to where the process may raise it.
    pub fn hard(&self) -> u64 {
        self.hard
    }
}

/// Names and values for a program's environment; checked by [`Env::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Checks names and values.
    ///
    /// # Errors
    /// An empty name, a `=` in a name, or a NUL byte, with the name it is about.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Env, (String, Invalid)> {
        for (name, value) in &pairs {
            let checked = match text(name, usize::MAX) {
                Ok(name) if name.contains('=') => Err(Invalid::Equals),
                Ok(_) if value.contains('\0') => Err(Invalid::Nul),
                other => other.map(|_| ()),
            };
            checked.map_err(|why| (name.clone(), why))?;
        }
        Ok(Env(pairs))
    }

    /// The pairs, by name.
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// All that a client said about a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What it is called.
    pub name: TaskName,
    /// What it executes.
    pub command: Command,
    /// How often.
    pub kind: Kind,
    /// How many at a time.
    pub replica: Replicas,
    /// The pause between the end of a daemon and its next start.
    pub interval: Duration,
    /// The user it runs as, by name; none: the owner's.
    pub user: Option<String>,
    /// The group it runs as, by name; none: the user's.
    pub group: Option<String>,
    /// What it waits for.
    pub deps: Vec<Dependency>,
    /// Its environment beyond the base.
    pub env: Env,
    /// A file with more of it, read as the task's user at each start; `env` wins.
    pub env_file: Option<PathBuf>,
    /// Where it starts; none: the user's home.
    pub cwd: Option<PathBuf>,
    /// Its file mode mask; none: 022.
    pub umask: Option<Umask>,
    /// What ends it.
    pub stop_signal: Signal,
    /// How long it may take to end before the whole tree is killed.
    pub stop_timeout: Duration,
    /// What makes it read its configuration again, if it can.
    pub reload_signal: Option<Signal>,
    /// How it shows that it is ready; none: by being started.
    pub ready: Option<Ready>,
    /// How it is noticed that it hangs.
    pub health: Option<Health>,
    /// What it may use.
    pub limits: Limits,
    /// Its priority.
    pub nice: Option<Nice>,
    /// Its standing with the kernel's memory killer.
    pub oom_score_adj: Option<OomScoreAdj>,
    /// How much output is kept per file, in bytes; none: the configured amount.
    pub log_cap: Option<u64>,
    /// Whether standard error has a file of its own.
    pub split_output: bool,
    /// Fields without a meaning here (`cron` of another type among them), given back as they came.
    pub extra: Map<String, Value>,
}

impl Definition {
    /// A definition with every default.
    pub fn new(name: TaskName, command: Command, kind: Kind) -> Definition {
        Definition {
            name,
            command,
            kind,
            replica: Replicas(1),
            interval: INTERVAL,
            user: None,
            group: None,
            deps: Vec::new(),
            env: Env::default(),
            env_file: None,
            cwd: None,
            umask: None,
            stop_signal: Signal::TERM,
            stop_timeout: STOP_TIMEOUT,
            reload_signal: None,
            ready: None,
            health: None,
            limits: Limits::default(),
            nice: None,
            oom_score_adj: None,
            log_cap: None,
            split_output: false,
            extra: Map::new(),
        }
    }

    /// The schedule of a cron task.
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.kind {
            Kind::Cron(schedule) => Some(schedule),
            Kind::Once | Kind::Daemon(_) => None,
        }
    }

    /// The restart policy of a daemon.
    pub fn restart(&self) -> Option<&Restart> {
        match &self.kind {
            Kind::Daemon(restart) => Some(restart),
            Kind::Once | Kind::Cron(_) => None,
        }
    }

    /// Whether a process of this definition is also a process of `other`: they differ, if at all, in what hostler
    /// does around it (number, pauses, schedule, stopping, probing), not in how it was started.
    pub fn same_process(&self, other: &Definition) -> bool {
        let around = |definition: &Definition| Definition {
            kind: Kind::Once,
            replica: Replicas(1),
            interval: INTERVAL,
            deps: Vec::new(),
            stop_signal: Signal::TERM,
            stop_timeout: STOP_TIMEOUT,
            reload_signal: None,
            // A notify socket is set up at the start; every other probe looks from outside.
            ready: definition.ready.clone().filter(|ready| ready.when == ReadyWhen::Notify),
            health: None,
            log_cap: None,
            extra: Map::new(),
            ..definition.clone()
        };
        self.kind.name() == other.kind.name() && around(self) == around(other)
    }
}

/// Who created a task: it runs with his rights, and he may touch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// His uid.
    pub uid: u32,
    /// How he is named in listings and the audit log, for example `uid 1000 (alice)`.
    pub name: String,
    /// Whether he was an operator then, and might name any user.
    pub operator: bool,
}

/// Why a run was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartedBy {
    /// A client asked; his name.
    Client(String),
    /// The run before it had ended (daemons).
    Restart,
    /// The schedule: the moment it was due.
    Schedule(Wall),
    /// The host has booted (`@reboot`).
    HostBoot,
    /// It had been running when the daemon ended.
    Recovery,
}

/// Why a run was told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoppedBy {
    /// A client asked; his name.
    Client(String),
    /// The daemon itself was stopped.
    Shutdown,
    /// It was not ready in time.
    NotReady,
    /// Its liveness probe failed; what was said last.
    Unhealthy(String),
    /// A later firing took its place.
    Replaced,
    /// Its task is not known: it was started by a decision that was never recorded.
    Unknown,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether a core file was written.
        core_dumped: bool,
    },
}

impl Status {
    /// Exit code 0.
    pub fn is_success(self) -> bool {
        self == Status::Code(0)
    }
}

/// What a run used, as the kernel counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of its own.
    pub user: Duration,
    /// Processor time of the kernel on its behalf.
    pub system: Duration,
    /// The most memory it held at once, in KiB.
    pub max_rss_kib: u64,
    /// Page faults served without reading.
    pub minor_faults: u64,
    /// Page faults that had to read.
    pub major_faults: u64,
    /// File system reads, in blocks of 512 bytes.
    pub blocks_in: u64,
    /// File system writes, likewise.
    pub blocks_out: u64,
}

/// Places in a replica's output files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// In the only file, or that of standard output.
    pub out: u64,
    /// In that of standard error, where it has its own.
    pub err: Option<u64>,
}

/// Where a run is in its life, in one word for listings and the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Decided, not yet a process: the tree of its predecessor still ends, or the launch is under way.
    Starting,
    /// A process that is not ready yet.
    Unready,
    /// A process, ready.
    Running,
    /// Told to end, or ended with processes left behind that are told to.
    Stopping,
    /// Ended by itself with exit code 0.
    Succeeded,
    /// Ended by itself otherwise, or by hostler because it did not do its work.
    Failed,
    /// Ended because somebody wanted so.
    Stopped,
    /// The host or the keeper went down under it; how it ended is not known.
    Interrupted,
    /// It could not be started.
    NotStarted,
}

/// The words for the states of runs.
const RUN_STATES: [(&str, RunState); 9] = [
    ("starting", RunState::Starting),
    ("unready", RunState::Unready),
    ("running", RunState::Running),
    ("stopping", RunState::Stopping),
    ("succeeded", RunState::Succeeded),
    ("failed", RunState::Failed),
    ("stopped", RunState::Stopped),
    ("interrupted", RunState::Interrupted),
    ("not_started", RunState::NotStarted),
];

impl RunState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        RUN_STATES.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }

    /// The state of this word.
    pub fn named(word: &str) -> Option<RunState> {
        RUN_STATES.iter().find(|(known, _)| *known == word).map(|(_, state)| *state)
    }
}

/// What is known of a run that has ended: one line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Which.
    pub run: RunId,
    /// The task's name then.
    pub name: TaskName,
    /// The task.
    pub incarnation: Incarnation,
    /// Who may see it beside the operators.
    pub owner: u32,
    /// The index of the replica.
    pub replica: u32,
    /// Its leader, if it ever was a process.
    pub pid: Option<i32>,
    /// When it became a process.
    pub start: Option<Wall>,
    /// When the leader ended; of an interrupted run: when that was noticed.
    pub end: Wall,
    /// How; unknown when interrupted or never started.
    pub status: Option<Status>,
    /// The same in one word.
    pub state: RunState,
    /// Why it began.
    pub started_by: StartedBy,
    /// Why it was told to end, if it was.
    pub stopped_by: Option<StoppedBy>,
    /// Whether the kernel's memory killer struck in its cgroup.
    pub oom: bool,
    /// What it used.
    pub usage: Option<Usage>,
    /// Where its output begins.
    pub log_from: Option<Offsets>,
    /// Where its output ended with the leader.
    pub log_to: Option<Offsets>,
    /// Why it could not be started.
    pub error: Option<String>,
}

/// Firings of a schedule that did not run: one line of the history for a whole stretch of them.
/// (A firing that ran is its runs' [`StartedBy::Schedule`].)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The first.
    pub first: Wall,
    /// The last.
    pub last: Wall,
    /// How many, as far as they were counted.
    pub count: u32,
    /// Whether there were more than were counted.
    pub more: bool,
    /// Why they did not run.
    pub why: NotRun,
}

/// Why a firing did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// Skipped: an earlier one still ran.
    StillRunning,
    /// Skipped: an earlier one still waited for a dependency.
    StillQueued,
    /// Skipped: the task had been stopped.
    Stopped,
    /// Missed: nobody was there, or the clock jumped over it.
    Missed,
}

/// The words for the reasons.
const NOT_RUNS: [(&str, NotRun); 4] = [
    ("still running", NotRun::StillRunning),
    ("still queued", NotRun::StillQueued),
    ("stopped", NotRun::Stopped),
    ("missed", NotRun::Missed),
];

impl NotRun {
    /// The word for it.
    pub fn word(self) -> &'static str {
        NOT_RUNS.iter().find(|(_, why)| *why == self).map_or("", |(word, _)| word)
    }

    /// The reason of this word.
    pub fn named(word: &str) -> Option<NotRun> {
        NOT_RUNS.iter().find(|(known, _)| *known == word).map(|(_, why)| *why)
    }
}
