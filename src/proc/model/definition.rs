//! What a client says about a task, checked and complete.

use super::values::{Command, Env, Invalid, Nice, OomScoreAdj, Replicas, Rlimit, Signal, TaskName, Umask};
use crate::schedule::{CatchUp, Cron, Overlap, Zone};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

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
            replica: Replicas::ONE,
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
            replica: Replicas::ONE,
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
