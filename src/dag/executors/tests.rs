//! The hands, with a keeper played by the test: what it is asked, and what the driver is told.

use super::*;
use crate::base::{Bus, Wall};
use crate::dag::engine::Settings;
use crate::dag::machine::{Event, FIRST_SLOT, LiveAttempt};
use crate::dag::model::*;
use crate::dag::{records, specification};
use crate::keeper::Ask;
use crate::keeper::link::Twin;
use crate::keeper::{Link, News, Rusage, Scope, Spawn, Stage, Status, Stdio};
use crate::launch::{Base, Helpers, Launcher};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::proc;
use crate::store::Store;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The hands on a table of their own.
struct Bench {
    dir: TempDir,
    tools: Tools,
    twin: Twin,
    hands: Hands,
    told: UnboundedReceiver<Message>,
}

/// What the room works with, in this directory and with this store.
pub(in crate::dag) async fn tools(dir: &TempDir, store: Store) -> (Tools, Twin) {
    let (link, twin) = Link::scripted();
    let logs = Logs::open(dir.path().join("logs"), crate::logs::Settings::default()).unwrap();
    let launcher = Launcher::new(Base::of_this_process(&[]), Helpers::start(&link, &twin.welcome(Vec::new())));
    let (bus, metrics) = (Bus::new(Wall::UNIX_EPOCH), Metrics::new("test"));
    let of_tasks = proc::Tools {
        store: store.clone(),
        link: link.clone(),
        logs: logs.clone(),
        launcher: launcher.clone(),
        bus: bus.clone(),
        metrics: metrics.clone(),
    };
    let settings = proc::Settings {
        max_replicas: 10,
        log_max: 1 << 20,
        keep_runs: 10,
        keep_for: Duration::from_secs(60),
        keep_deleted: Duration::from_secs(60),
        program: "/proc/self/exe".into(),
        notify: dir.path().join("notify"),
        own_uid: nix::unistd::geteuid().as_raw(),
    };
    let host = proc::Host { held: Vec::new(), keeper: "a".into(), boot: "b".into(), stopping: false, numbers_from: 0 };
    let (tasks, engine) = proc::start(of_tasks, settings, host).await.unwrap();
    tokio::spawn(engine.run());
    (Tools { store, link, logs, launcher, tasks, bus, metrics }, twin)
}

/// Settings for four small tasks at once.
pub(in crate::dag) fn settings() -> Settings {
    Settings {
        capacity: Capacity { cores: 4, memory_mb: 4096, running: 100 },
        max_tasks: 1_000,
        grace: Duration::from_secs(1),
        log_max: 1 << 20,
        keep_runs: 10,
        keep_for: Duration::from_secs(60),
        keep_keys: Duration::from_secs(60),
        own_uid: nix::unistd::geteuid().as_raw(),
    }
}

impl Bench {
    async fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (tools, twin) = tools(&dir, Store::in_memory()).await;
        let (own, told) = unbounded_channel();
        let settings = Arc::new(settings());
        let local = Local::new(&tools, &settings, &own, HashMap::new());
        let hands = Hands::new(&tools, &settings, &own, local);
        Bench { dir, tools, twin, hands, told }
    }

    /// The next spawn request of this room.
    async fn spawn(&mut self) -> Spawn {
        match self.told.recv().await {
            Some(Message::Prepared { slot, spawn }) => self.hands.local().prepared(slot, *spawn),
            _ => panic!("nothing was prepared"),
        }
        match self.twin.asked().await {
            Ask::Spawn(spawn) => *spawn,
            other => panic!("the keeper was asked {other:?}"),
        }
    }

    /// The next end.
    async fn end(&mut self) -> (End, Vec<Stem>) {
        match self.told.recv().await {
            Some(Message::Prepared { slot, spawn }) => self.hands.local().prepared(slot, *spawn),
            Some(Message::Ended(mut end)) => {
                let spent = self.hands.over(&mut end);
                return (*end, spent);
            }
            _ => panic!("nothing has ended"),
        }
        Box::pin(self.end()).await
    }

    fn log(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("logs").join(name)
    }
}

const SLOT: RunId = FIRST_SLOT;

/// The launch of the only task of a run with this job.
fn launch_in(executor: &str, job: Value) -> Launch {
    let text = json!({ "tag": "t", "executor": executor, "tasks": { "task": { "job": job } } }).to_string();
    let blueprint = specification::parse(text.as_bytes(), &records::ACCEPTED).unwrap();
    let own_uid = nix::unistd::geteuid().as_raw();
    let live = LiveAttempt {
        slot: SLOT,
        run: DagRunId(7),
        task: TaskId { group: 0, index: 0 },
        number: 3,
        pass: 0,
        start: Wall::UNIX_EPOCH,
        born: Mono::default(),
        leader: None,
        ended: false,
    };
    Launch {
        live,
        template: blueprint.templates[0].clone(),
        edited: None,
        blueprint: Arc::new(blueprint),
        owner: Arc::new(Owner { uid: own_uid, name: "somebody".into(), operator: true }),
        runs_as: own_uid,
        dag: None,
    }
}

fn launch(job: Value) -> Launch {
    launch_in("local", job)
}

fn argv(words: &[&str]) -> Launch {
    launch(json!({ "command": words }))
}

fn exited(status: Status, tree_empty: bool) -> News {
    News::Exited { seq: 9, slot: SLOT.0, status, rusage: Rusage::default(), ended: 5, oom: false, tree_empty }
}

fn env<'a>(spawn: &'a Spawn, name: &str) -> Option<&'a str> {
    spawn.env.iter().find(|(given, _)| given == name).and_then(|(_, value)| value.to_str())
}

#[tokio::test]
async fn a_command_becomes_a_request_to_the_keeper() {
    let mut bench = Bench::new().await;
    let environment = ["COLOUR=blue"];
    let launch = launch(json!({ "command": ["/bin/echo", "hello"], "environment": environment, "memoryMB": "64" }));
    bench.hands.start(launch.clone());
    assert_eq!(bench.hands.busy(), 1);
    let spawn = bench.spawn().await;
    assert_eq!(spawn.slot, SLOT.0);
    assert_eq!(spawn.argv, ["/bin/echo", "hello"]);
    let name = |end: &str| format!("dag/7/{SLOT}.{end}");
    assert_eq!(spawn.stdout, Stdio::Append(bench.log(&name("out"))));
    assert_eq!(spawn.stderr, Stdio::Append(bench.log(&name("err"))));
    assert!(bench.log("dag/7").is_dir());
    for (variable, value) in [
        ("COLOUR", "blue"),
        ("HOSTLER_TASK", "task_0"),
        ("HOSTLER_RUN", &SLOT.to_string()),
        ("HOSTLER_DAGRUN", "7"),
        ("HOSTLER_ATTEMPT", "3"),
    ] {
        assert_eq!(env(&spawn, variable), Some(value), "{variable}");
    }
    let cgroup = spawn.cgroup.clone().unwrap();
    assert_eq!(cgroup.limits, [("memory.max".to_owned(), (64_u64 << 20).to_string())]);
    assert_eq!(spawn.intent[0], KEEPERS_NAME_OF_THE_ROOM);
    assert_eq!(records::read_intent(&spawn.intent[1..]).unwrap(), launch.live);
}

const KEEPERS_NAME_OF_THE_ROOM: u8 = kept::Owner::DAG.0;

#[tokio::test]
async fn a_script_goes_to_a_shell() {
    let mut bench = Bench::new().await;
    bench.hands.start(launch(json!({ "commandString": "echo $0; exit 3" })));
    let spawn = bench.spawn().await;
    assert_eq!(spawn.argv[1..], ["-c", "echo $0; exit 3"]);
    assert!(["/bin/bash", "/bin/sh"].contains(&spawn.argv[0].to_str().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["no-such-program"]));
    let (end, _) = bench.end().await;
    let How::NotStarted { rc: 127, why } = end.how else { panic!("{:?}", end.how) };
    assert!(why.contains("no-such-program"), "{why}");
    assert_eq!(bench.hands.busy(), 0);
    for (stage, errno, rc) in [
        (Stage::Exec("/no/such".into()), nix::libc::ENOENT, 127),
        (Stage::Exec("/etc/passwd".into()), nix::libc::EACCES, 126),
        (Stage::Chdir("/no/such".into()), nix::libc::ENOENT, 126),
    ] {
        let mut bench = Bench::new().await;
        bench.hands.start(argv(&["/no/such"]));
        bench.spawn().await;
        assert_eq!(bench.hands.local().hear(News::Failed { slot: SLOT.0, stage, errno }), None);
        let (end, spent) = bench.end().await;
        assert!(matches!(end.how, How::NotStarted { rc: found, .. } if found == rc), "{:?}", end.how);
        assert_eq!(spent.len(), 2, "the empty files stay");
        assert_eq!(bench.hands.busy(), 0);
    }
}

#[tokio::test]
async fn a_launch_waits_for_a_place_unless_it_is_to_end() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    let full = News::Failed { slot: SLOT.0, stage: Stage::Slot, errno: nix::libc::EAGAIN };
    for _ in 0..3 {
        assert_eq!(bench.spawn().await.slot, SLOT.0);
        assert_eq!(bench.hands.local().hear(full.clone()), None);
    }
    bench.spawn().await;
    bench.hands.stop(SLOT, false); // there is nothing to be stopped: it is on its way
    bench.hands.local().hear(full);
    let (end, _) = bench.end().await;
    assert!(matches!(end.how, How::NotStarted { rc: 126, .. }), "{:?}", end.how);
    assert_eq!(bench.hands.busy(), 0);
}

#[tokio::test]
async fn a_directory_that_somebody_removed_is_made_again() {
    let mut bench = Bench::new().await;
    let [first, second] = [0, 1].map(|place| {
        let mut launch = argv(&["/bin/true"]);
        launch.live.slot = RunId(SLOT.0 + place);
        launch
    });
    bench.hands.start(first);
    bench.spawn().await;
    std::fs::remove_dir_all(bench.log("dag")).unwrap();
    let stage = Stage::Open(bench.log(&format!("dag/7/{SLOT}.out")));
    bench.hands.local().hear(News::Failed { slot: SLOT.0, stage, errno: nix::libc::ENOENT });
    bench.end().await;
    bench.hands.start(second);
    bench.spawn().await;
    assert!(bench.log("dag/7").is_dir());
}

#[tokio::test]
async fn a_launch_under_way_is_withdrawn() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    bench.hands.stop(SLOT, false);
    let (end, _) = bench.end().await;
    assert!(matches!(end.how, How::NotStarted { .. }), "{:?}", end.how);
    let Some(Message::Prepared { slot, spawn }) = bench.told.recv().await else { panic!("nothing was prepared") };
    bench.hands.local().prepared(slot, *spawn);
    assert_eq!(bench.twin.asked_already(), None);
    assert_eq!(bench.hands.busy(), 0);
}

#[tokio::test]
async fn short_output_is_taken_and_its_files_are_to_go() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    bench.spawn().await;
    let started = bench.hands.local().hear(News::Spawned { slot: SLOT.0, pid: 11, start_ticks: 12 });
    assert_eq!(started, Some(Event::Started { slot: SLOT, leader: Some((11, 12)) }));
    assert_eq!(bench.hands.processes(), 1);
    let (out, err) = (bench.log(&format!("dag/7/{SLOT}.out")), bench.log(&format!("dag/7/{SLOT}.err")));
    std::fs::write(&out, "fine\n").unwrap();
    std::fs::write(&err, vec![b'x'; 2000]).unwrap();
    assert_eq!(bench.hands.local().hear(exited(Status::Code(0), true)), None);
    let (end, spent) = bench.end().await;
    assert_eq!((end.seq, end.output, end.errors), (Some(9), Kept::Here("fine\n".into()), Kept::File(2000)));
    assert_eq!(spent.iter().map(|stem| bench.tools.logs.path(stem)).collect::<Vec<_>>(), std::slice::from_ref(&out));
    assert!(out.exists(), "removed before its bytes are durable");
    assert_eq!((bench.hands.busy(), bench.hands.processes()), (0, 0));
}

#[tokio::test]
async fn a_tree_that_outlives_its_leader_keeps_its_files() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    bench.spawn().await;
    bench.hands.local().hear(News::Spawned { slot: SLOT.0, pid: 11, start_ticks: 12 });
    std::fs::write(bench.log(&format!("dag/7/{SLOT}.out")), "more to come").unwrap();
    bench.hands.local().hear(exited(Status::Code(0), false));
    let (end, spent) = bench.end().await;
    assert_eq!((end.tree_empty, end.output, spent.len()), (false, Kept::File(12), 0));
    bench.hands.stop(SLOT, false);
    assert_eq!(bench.twin.asked().await, Ask::Signal { slot: SLOT.0, signal: nix::libc::SIGTERM, scope: Scope::Tree });
    let emptied = bench.hands.local().hear(News::TreeEmpty { slot: SLOT.0 });
    assert_eq!(emptied, Some(Event::TreeEmpty { slot: SLOT }));
    assert_eq!(bench.hands.busy(), 0);
}

#[tokio::test]
async fn a_tree_that_empties_while_the_output_is_read_is_told_with_the_end() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    bench.spawn().await;
    bench.hands.local().hear(News::Spawned { slot: SLOT.0, pid: 11, start_ticks: 12 });
    bench.hands.local().hear(exited(Status::Code(0), false));
    assert_eq!(bench.hands.local().hear(News::TreeEmpty { slot: SLOT.0 }), None);
    let (end, _) = bench.end().await;
    assert!(end.tree_empty);
    assert_eq!(bench.hands.busy(), 0);
}

#[tokio::test]
async fn processes_are_ended_kindly_then_by_force() {
    let mut bench = Bench::new().await;
    bench.hands.start(argv(&["/bin/true"]));
    bench.spawn().await;
    bench.hands.local().hear(News::Spawned { slot: SLOT.0, pid: 11, start_ticks: 12 });
    for (force, signal, scope) in [(false, nix::libc::SIGTERM, Scope::Group), (true, nix::libc::SIGKILL, Scope::Tree)] {
        bench.hands.stop(SLOT, force);
        assert_eq!(bench.twin.asked().await, Ask::Signal { slot: SLOT.0, signal, scope });
    }
}

#[tokio::test]
async fn only_what_lives_for_a_while_is_watched() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.hands.deadline(), None);
    bench.hands.start(argv(&["/bin/true"]));
    bench.spawn().await;
    bench.hands.local().hear(News::Spawned { slot: SLOT.0, pid: 11, start_ticks: 12 });
    let due = bench.hands.deadline().unwrap();
    bench.hands.local().watch_due(due);
    assert_eq!(bench.hands.deadline(), None);
}

#[tokio::test]
async fn nobody_elses_leftover_is_told() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.hands.local().hear(News::LeftoverGone { slot: 3 }), None);
}

#[tokio::test]
async fn the_executor_of_nothing_answers_through_the_mailbox() {
    let mut bench = Bench::new().await;
    bench.hands.pass(DagRunId(7), TaskId { group: 0, index: 4 }, 100);
    let Some(Message::Event(event)) = bench.told.recv().await else { panic!("nothing was told") };
    assert_eq!(event, Event::Passed { run: DagRunId(7), first: TaskId { group: 0, index: 4 }, count: 100 });
    bench.hands.start(launch_in("noop", json!({ "command": ["x"] })));
    let (end, _) = bench.end().await;
    assert_eq!(end.how, How::Code { code: 0, remark: String::new() });
}

#[tokio::test]
async fn a_step_about_a_task_that_is_not_there_fails() {
    for kind in ["start", "restart", "stop", "wait_ready"] {
        let mut bench = Bench::new().await;
        bench.hands.start(launch(json!({ "proc": { kind: "web" } })));
        let Some(Message::Event(Event::Started { leader: None, .. })) = bench.told.recv().await else {
            panic!("{kind} has not begun")
        };
        let (end, _) = bench.end().await;
        let How::Code { code: 1, remark } = end.how else { panic!("{kind}: {:?}", end.how) };
        assert_eq!(remark, "there is no task \"web\"");
        assert_eq!(bench.hands.busy(), 0);
    }
}
