//! From a decision to start to the request the keeper gets; and where the output of a replica is.

use super::engine::{Message, Settings, Tools};
use super::machine::{Launch, Task};
use super::model::*;
use crate::base::{RunId, Wall};
use crate::keeper::{Cgroup, Rlimit as KeptLimit, Stdio};
use crate::launch::{Command as Line, Order, User};
use crate::logs::{Logs, Stem};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The period of a cgroup's processor quota, in microseconds: the kernel's default (cgroup-v2, `cpu.max`).
const CPU_PERIOD: u64 = 100_000;

/// The file mode mask where the task does not say.
const UMASK: u32 = 0o022;

/// Where a replica writes: one file, or two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub incarnation: Incarnation,
    pub replica: u32,
    pub split: bool,
}

impl Place {
    /// Where a launch will write.
    pub fn of_launch(launch: &Launch) -> Place {
        let split = launch.definition.split_output;
        Place { incarnation: launch.incarnation, replica: launch.replica, split }
    }

    /// Where a replica of a task as it is now defined writes.
    pub fn of_task(task: &Task, replica: u32) -> Place {
        Place { incarnation: task.incarnation(), replica, split: task.definition().split_output }
    }

    /// Where a run wrote whose output begins at `from`: it had two files if it has two beginnings.
    pub fn of_run(incarnation: Incarnation, replica: u32, from: Option<Offsets>) -> Place {
        Place { incarnation, replica, split: from.is_some_and(|from| from.err.is_some()) }
    }

    /// Standard output, or both streams together.
    pub fn out(&self) -> Option<Stem> {
        self.stem("out")
    }

    /// Standard error, where it has a file of its own.
    pub fn err(&self) -> Option<Stem> {
        self.split.then(|| self.stem("err")).flatten()
    }

    /// All of its files.
    pub fn stems(&self) -> impl Iterator<Item = Stem> {
        self.out().into_iter().chain(self.err())
    }

    /// The name of its control group.
    pub fn cgroup(&self) -> String {
        format!("proc-{}-{}", self.incarnation.0, self.replica)
    }

    fn stem(&self, end: &str) -> Option<Stem> {
        Stem::new(&format!("proc/{}/{}.{end}", self.incarnation.0, self.replica)).ok() // digits and dots: always a stem
    }
}

/// Where the output of a place ends now.
pub(super) async fn lengths(logs: &Logs, place: &Place) -> Option<Offsets> {
    let out = logs.length(&place.out()?).await.ok()?;
    let err = match place.err() {
        Some(stem) => logs.length(&stem).await.ok(),
        None => None,
    };
    Some(Offsets { out, err })
}

/// Notes when a run's output ended.
pub(super) fn mark_end(logs: &Logs, place: &Place, at: Wall) {
    for stem in place.stems() {
        logs.mark(&stem, at);
    }
}

/// Marks where the run's output will begin, looks everything up, and tells the driver.
pub(super) async fn prepare(tools: Tools, settings: Arc<Settings>, launch: Launch, driver: UnboundedSender<Message>) {
    let run = launch.run;
    let place = Place::of_launch(&launch);
    let order = order(&tools.logs, &settings, &launch, &place);
    // Each waits for the blocking pool, and none for the other.
    let (offsets, spawn) = tokio::join!(marked(&tools.logs, &place), tools.launcher.prepare(order));
    if offsets.is_none() {
        tracing::warn!(task = launch.definition.name.as_str(), %run, "its output file cannot be prepared");
    }
    let _ = driver.send(Message::Prepared { run, offsets, spawn: Box::new(spawn) }); // the driver has ended
}

async fn marked(logs: &Logs, place: &Place) -> Option<Offsets> {
    let now = chrono::Utc::now();
    let out = logs.mark_run(&place.out()?, now).await.ok()?;
    let err = match place.err() {
        Some(stem) => logs.mark_run(&stem, now).await.ok(),
        None => None,
    };
    Some(Offsets { out, err })
}

fn order(logs: &Logs, settings: &Settings, launch: &Launch, place: &Place) -> Order {
    let definition = &launch.definition;
    let append = |stem: Option<Stem>| stem.map(|stem| Stdio::Append(logs.path(&stem)));
    let stdout = append(place.out()).unwrap_or(Stdio::Null);
    let stderr = append(place.err()).unwrap_or(Stdio::SameAsStdout);
    let mut marks = marks(launch.run, &definition.name, launch.replica);
    if let Stdio::Append(path) = &stdout {
        marks.push(("HOSTLER_LOG", path.to_string_lossy().into_owned()));
    }
    if definition.ready.as_ref().is_some_and(|ready| ready.when == ReadyWhen::Notify) {
        marks.push(("NOTIFY_SOCKET", settings.notify.to_string_lossy().into_owned()));
    }
    Order {
        run: launch.run.0,
        command: command(&definition.command),
        user: user(definition, launch.runs_as),
        group: definition.group.clone(),
        env_file: definition.env_file.clone(),
        env: definition.env.pairs().clone(),
        marks,
        cwd: definition.cwd.clone(),
        umask: definition.umask.map_or(UMASK, Umask::get),
        nice: definition.nice.map_or(0, Nice::get),
        oom_score_adj: Some(definition.oom_score_adj.map_or(0, OomScoreAdj::get)),
        rlimits: definition.limits.rlimits.iter().map(kept_limit).collect(),
        cgroup: Some(Cgroup { name: place.cgroup(), limits: cgroup_files(&definition.limits) }),
        stdout,
        stderr,
        intent: Vec::new(), // the driver adds it, with what the machine then knows
    }
}

/// What a task's probe runs: the same user, place and environment, none of the limits.
pub(super) fn probe_order(definition: &Definition, runs_as: u32, run: RunId, replica: u32, command: Line) -> Order {
    Order {
        run: run.0,
        command,
        user: user(definition, runs_as),
        group: definition.group.clone(),
        env_file: None,
        env: definition.env.pairs().clone(),
        marks: marks(run, &definition.name, replica),
        cwd: definition.cwd.clone(),
        umask: UMASK,
        nice: 0,
        oom_score_adj: Some(0),
        rlimits: Vec::new(),
        cgroup: None,
        stdout: Stdio::Null,
        stderr: Stdio::Null,
        intent: Vec::new(),
    }
}

/// A command as the launcher takes it.
pub(super) fn command(command: &Command) -> Line {
    match command {
        Command::Shell(line) => Line::Shell(line.clone()),
        Command::Argv(words) => Line::Argv(words.clone()),
    }
}

fn user(definition: &Definition, runs_as: u32) -> User {
    definition.user.clone().map_or(User::Number(runs_as), |name| User::Named(name, runs_as))
}

fn marks(run: RunId, name: &TaskName, replica: u32) -> Vec<(&'static str, String)> {
    vec![("HOSTLER_TASK", name.to_string()), ("HOSTLER_REPLICA", replica.to_string()), ("HOSTLER_RUN", run.to_string())]
}

fn kept_limit(limit: &Rlimit) -> KeptLimit {
    KeptLimit { resource: limit.resource().to_owned(), soft: limit.soft(), hard: limit.hard() }
}

/// Limits of the whole tree as files of its control group (the kernel's cgroup-v2 document).
fn cgroup_files(limits: &Limits) -> Vec<(String, String)> {
    let memory = limits.memory.map(|bytes| ("memory.max".to_owned(), bytes.to_string()));
    let cpu = limits.cpu.map(|cpus| {
        let quota = (cpus * CPU_PERIOD as f64).round() as u64;
        ("cpu.max".to_owned(), format!("{quota} {CPU_PERIOD}"))
    });
    let pids = limits.pids.map(|pids| ("pids.max".to_owned(), pids.to_string()));
    memory.into_iter().chain(cpu).chain(pids).collect()
}
