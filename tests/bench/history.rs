//! A start with a long history behind it. The history is made through the library's store: one task is really run, and
//! what the daemon recorded of it is written again under other numbers, as the daemon would have.

use std::time::{Duration, Instant};

use hostler::base::RunId;
use hostler::daemon::{Arguments, store_settings};
use hostler::store::{Batch, Kind, Record, Store, Ticket};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Connection;
use super::figures::Spread;
use super::kernel::rss;
use super::report::Line;
use super::support::{Daemon, Request, until};

const ROUNDS: usize = 3;
/// So many tasks with so many finished runs each: as many as one task keeps by default.
const HISTORY: (u64, u64) = (100, 10_000);
/// Runs written in one decision.
const AT_ONCE: usize = 250;
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of record of `/proc` as it lies on disk, whatever is in it.
macro_rules! record {
    ($record:ident, $byte:expr, $name:expr, $key:ty) => {
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        struct $record(Value);

        impl Record for $record {
            const KIND: Kind = Kind::new($byte, $name);
            const FORMAT: u8 = 1;
            type Key = $key;
        }
    };
}

record!(Task, 0x10, "proc.task", u64);
record!(Standing, 0x11, "proc.standing", u64);
record!(Seat, 0x12, "proc.seat", (u64, u32));
record!(Run, 0x14, "proc.run", (u64, RunId));
record!(Ceiling, 0x17, "proc.ceiling", ());

pub fn measure() -> Vec<Line> {
    let mut daemon = with_runs(HISTORY.0, HISTORY.1);
    let runs = HISTORY.0 * HISTORY.1;
    let newest = count(&daemon);
    assert_eq!(newest, 3, "the history is there to be read");
    let (mut starts, mut returns) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        daemon.stop();
        let began = Instant::now();
        daemon.launch_unready();
        first_answer(&daemon);
        starts.push(began.elapsed().as_secs_f64());
        daemon.await_ready();

        let began = Instant::now();
        daemon.kill_core();
        first_answer(&daemon);
        returns.push(began.elapsed().as_secs_f64());
        daemon.await_ready();
    }
    let memory = rss(daemon.core_pid().expect("a core"));
    let mut empty = Daemon::prepared("");
    let began = Instant::now();
    empty.launch_unready();
    first_answer(&empty);
    let bare = began.elapsed().as_secs_f64();
    empty.await_ready();
    let spread = |measured: Vec<f64>| measured.into_iter().collect::<Spread>().digits(2);
    let (starts, returns) = (spread(starts), spread(returns));
    vec![
        Line::new(format!("start to first answer, {runs} runs, s"), starts)
            .beside(format!("{bare:.2} with an empty store; core {memory:.0} MiB RSS"))
            .aim("< 2 s", starts.median < 2.0),
        Line::new("core killed to first answer, s", returns).aim("< 2 s", returns.median < 2.0),
    ]
}

/// Waits until a client gets the list of tasks.
fn first_answer(daemon: &Daemon) {
    let client = daemon.unix();
    until("the first answer", PATIENCE, || {
        let answer = client.try_send(Request::new("GET", "/proc")).ok()?;
        (answer.status == 200).then_some(())
    });
}

/// A daemon with so many tasks, which have so many finished runs each.
pub fn with_runs(tasks: u64, runs: u64) -> Daemon {
    let mut daemon = Daemon::start();
    let mut connection = Connection::open(&daemon.socket());
    let task = json!({ "name": "model", "argv": ["/bin/true"], "type": "once" });
    connection.call("POST", "/proc", &task.to_string()).ok();
    until("the model's run is recorded", PATIENCE, || {
        let answer = connection.call("GET", "/proc/history?name=model", "").ok();
        let lines: Value = serde_json::from_slice(&answer.body).ok()?;
        (lines["data"][0]["exit_code"] == 0).then_some(())
    });
    drop(connection);
    daemon.stop();
    multiply(&daemon, tasks, runs);
    daemon.launch();
    daemon
}

/// How many of the three newest runs of the last task are listed.
fn count(daemon: &Daemon) -> usize {
    let answer = daemon.get(&format!("/proc/history?name=task-{}&limit=3", HISTORY.0 - 1)).expect(200);
    answer.json()["data"].as_array().map_or(0, Vec::len)
}

/// What the daemon stored of its only task.
struct Model {
    task: Task,
    standing: Standing,
    seat: Option<Seat>,
    run: Run,
    ceiling: u64,
}

impl Model {
    fn read(store: &Store) -> Model {
        let reader = store.reader();
        let (_, task) = reader.scan::<Task>(..).next().expect("a task").expect("readable");
        let (_, standing) = reader.scan::<Standing>(..).next().expect("its standing").expect("readable");
        let (_, run) = reader.scan::<Run>(..).next().expect("its run").expect("readable");
        let seat = reader.scan::<Seat>(..).next().map(|seat| seat.expect("readable").1);
        let ceiling = reader.get::<Ceiling>(&()).expect("readable").and_then(|ceiling| ceiling.0.as_u64());
        Model { task, standing, seat, run, ceiling: ceiling.expect("numbers were handed out") }
    }
}

fn multiply(daemon: &Daemon, tasks: u64, runs: u64) {
    let files = Arguments {
        config: Some(daemon.path("hostler.toml")),
        data_dir: Some(daemon.data_dir()),
        ..Arguments::default()
    };
    let store = Store::open(store_settings(&files.configuration().expect("the configuration"))).expect("the store");
    let mut model = Model::read(&store);
    let first = model.ceiling;
    for task in 0..tasks {
        let (incarnation, name) = (first + task, json!(format!("task-{task}")));
        model.task.0["definition"]["name"] = name.clone();
        model.run.0["name"] = name;
        let mut batch = Batch::new();
        batch.put::<Task>(&incarnation, &model.task);
        batch.put::<Standing>(&incarnation, &model.standing);
        if let Some(seat) = &model.seat {
            batch.put::<Seat>(&(incarnation, 0), seat);
        }
        batch.put::<Ceiling>(&(), &Ceiling(json!(first + tasks + (task + 1) * runs)));
        let mut last = store.submit(batch);
        let numbers: Vec<u64> = (0..runs).map(|run| first + tasks + task * runs + run).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let mut batch = Batch::new();
            for number in numbers {
                batch.put::<Run>(&(incarnation, RunId(*number)), &model.run);
            }
            last = store.submit(batch);
        }
        await_durable(last); // one task's runs at a time, so that the queue stays short
    }
    store.close();
}

fn await_durable(ticket: Ticket) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(ticket.durable()).expect("the disk takes it");
}
