//! How long it takes from the first byte of `POST /proc` to the first instruction of the program it starts, with what
//! was asked for on disk before. Beside it the same program started by `Command`, and one write with fdatasync; the
//! three take turns.

use serde_json::json;

use super::bare::Journal;
use super::child::Ear;
use super::client::Connection;
use super::figures::{Sample, over_rounds};
use super::history;
use super::kernel::{between, now, settle};
use super::report::Line;
use super::support::{Daemon, millis};

const ROUNDS: usize = 5;
const STARTS: usize = 150;
/// So many tasks with so many finished runs each.
const HISTORY: (u64, u64) = (10, 10_000);

pub fn measure() -> Vec<Line> {
    let mut lines = report("empty history", &Daemon::start());
    let daemon = history::with_runs(HISTORY.0, HISTORY.1);
    lines.extend(report("100,000 runs in the history", &daemon));
    lines
}

/// What the rounds measured.
#[derive(Default)]
struct Rounds {
    asked: Vec<Sample>,
    answered: Vec<Sample>,
    bare: Vec<Sample>,
    disk: Vec<Sample>,
}

fn report(history: &str, daemon: &Daemon) -> Vec<Line> {
    let mut ear = Ear::open(daemon.dir());
    let mut journal = Journal::open(daemon.dir());
    let mut connection = Connection::open(&daemon.socket());
    settle(&[daemon.keeper_pid(), daemon.core_pid().expect("a core")], millis(250));
    let mut all = Rounds::default();
    for _ in 0..ROUNDS {
        all.measure(&mut ear, &mut journal, &mut connection);
    }
    let Rounds { asked, answered, bare, disk } = all;
    let line = |percent: f64, allowed: f64, aim: String| {
        let (figure, beside) = (over_rounds(&asked, percent), over_rounds(&bare, percent));
        let more = figure.median - beside.median;
        Line::new(format!("{history}: p{percent} ms"), figure)
            .beside(format!("{beside} bare vfork and exec"))
            .ratio(format!("+{more:.2} ms"))
            .aim(aim, more <= allowed)
    };
    let sync = over_rounds(&disk, 99.0).median;
    let answer = Line::new(format!("{history}: answered, p50 ms"), over_rounds(&answered, 50.0))
        .beside(format!("{} write and fdatasync", over_rounds(&disk, 50.0)));
    vec![
        line(50.0, 2.0, "≤ bare + 2 ms".into()),
        line(99.0, sync + 3.0, format!("≤ bare + {sync:.2} (p99 of fdatasync) + 3 ms")),
        answer,
    ]
}

impl Rounds {
    fn measure(&mut self, ear: &mut Ear, journal: &mut Journal, connection: &mut Connection) {
        let (mut asked, mut answered, mut bare, mut disk) = (vec![], vec![], vec![], vec![]);
        let task = json!({ "name": "once", "argv": ear.argv("stamp", &[]), "type": "once" }).to_string();
        for _ in 0..STARTS {
            disk.push(journal.write());

            let began = now();
            let mut child = ear.command("stamp", &[]).spawn().expect("this program");
            bare.push(between(began, ear.numbers()[0]));
            child.wait().expect("our child");

            let began = now();
            connection.call("POST", "/proc", &task).ok();
            answered.push(between(began, now()));
            asked.push(between(began, ear.numbers()[0]));
            connection.call("DELETE", "/proc?name=once&wait=1", "").ok();
        }
        self.asked.push(asked.into_iter().collect());
        self.answered.push(answered.into_iter().collect());
        self.bare.push(bare.into_iter().collect());
        self.disk.push(disk.into_iter().collect());
    }
}
