//! A child that writes 200 MB/s to its standard output, which hostler caps, marks and releases: what it gets done, and
//! what that costs the core. Beside it the same child with a plain file. Once more without a limit of its own.

use std::fs::{self, File};

use serde_json::json;

use super::child::Ear;
use super::client::Connection;
use super::figures::Spread;
use super::kernel::cpu;
use super::report::Line;
use super::support::Daemon;

const ROUNDS: usize = 3;
const SECONDS: &str = "2.5";

pub fn measure() -> Vec<Line> {
    let daemon = Daemon::start();
    let mut ear = Ear::open(daemon.dir());
    let [paced, unpaced] = ["200", "0"].map(|rate| rounds(&daemon, &mut ear, rate));
    let line = |what: &str, pace: &Pace| {
        Line::new(what, pace.ours)
            .beside(format!("{} to a plain file", pace.plain))
            .ratio(format!("{:.2}", pace.ours.median / pace.plain.median))
    };
    let met = paced.ours.median / paced.plain.median >= 0.9;
    vec![
        line("200 MB/s wanted, MB/s", &paced).aim("≥ 0.9 of plain", met),
        Line::new("core meanwhile, % of a processor", paced.core).aim("< 2", paced.core.median < 2.0),
        line("as fast as it can, MB/s", &unpaced),
        Line::new("core meanwhile, % of a processor", unpaced.core),
    ]
}

struct Pace {
    ours: Spread,
    plain: Spread,
    core: Spread,
}

fn rounds(daemon: &Daemon, ear: &mut Ear, rate: &str) -> Pace {
    let core = daemon.core_pid().expect("a core");
    let mut connection = Connection::open(&daemon.socket());
    let task = json!({ "name": "pour", "argv": ear.argv("pour", &[rate, SECONDS]), "type": "once" }).to_string();
    let path = daemon.path("plain");
    let (mut ours, mut plain, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let file = File::options().create(true).append(true).open(&path).expect("a plain file");
        let mut child = ear.command("pour", &[rate, SECONDS]).stdout(file).spawn().expect("this program");
        plain.push(megabytes_per_second(&ear.numbers()));
        child.wait().expect("our child");
        fs::remove_file(&path).expect("the plain file");

        let before = cpu(core);
        connection.call("POST", "/proc", &task).ok();
        let told = ear.numbers();
        let used = (cpu(core) - before).as_secs_f64();
        ours.push(megabytes_per_second(&told));
        busy.push(100.0 * used / (told[1] as f64 / 1e9));
        connection.call("DELETE", "/proc?name=pour&wait=1", "").ok();
    }
    let spread = |measured: Vec<f64>, digits| measured.into_iter().collect::<Spread>().digits(digits);
    Pace { ours: spread(ours, 0), plain: spread(plain, 0), core: spread(busy, 1) }
}

fn megabytes_per_second(told: &[i64]) -> f64 {
    told[0] as f64 / 1e6 / (told[1] as f64 / 1e9)
}
