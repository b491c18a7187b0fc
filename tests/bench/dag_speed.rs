//! How fast runs of real programs are: one after the other, many at once, and the first instruction of one. Beside it
//! bare loops over the same program, and two peers that do the same work: GNU parallel and make.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Map, Value, json};

use super::bare::quiet;
use super::child::Ear;
use super::dag::{IN_FLIGHT, Submitter, daemon, specification, wide};
use super::figures::{Sample, Spread, over_rounds};
use super::kernel::{between, now, settle};
use super::report::Line;
use super::support::{Daemon, millis};

const ROUNDS: usize = 5;
const CHAIN: usize = 400;
const WIDE: usize = 10_000;
/// Each of these takes many seconds.
const WIDE_ROUNDS: usize = 3;
const POSTS: usize = 100;

fn spread(rounds: &[f64]) -> Spread {
    rounds.iter().copied().collect()
}

// A chain

/// 400 tasks, each of which waits for the one before.
pub fn measure_chain() -> Vec<Line> {
    let daemon = daemon("");
    let mut submitter = Submitter::of(&daemon);
    let tasks: Map<String, Value> = (0..CHAIN)
        .map(|place| {
            let parents: Vec<String> = place.checked_sub(1).map(|before| format!("t{before}")).into_iter().collect();
            (format!("t{place}"), json!({ "job": { "command": ["/bin/true"] }, "parents": parents }))
        })
        .collect();
    let chain = specification(json!({}), Value::Object(tasks), false);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = now();
        run_bare(CHAIN, 1);
        bare.push(between(began, now()));
        ours.push(submitter.finish(&chain).done);
    }
    let (ours, bare) = (spread(&ours), spread(&bare));
    let allowed = 1.5 * bare.median + CHAIN as f64;
    let line = Line::new(format!("{CHAIN} chained /bin/true, ms"), ours)
        .beside(format!("{bare} bare, one after the other"))
        .ratio(format!("{:.2}", ours.median / bare.median))
        .aim(format!("≤ 1.5 bare + 1 ms each: {allowed:.0}"), ours.median <= allowed);
    vec![line]
}

/// So many programs, so many at once.
fn run_bare(count: usize, in_flight: usize) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..in_flight {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    assert!(quiet("/bin/true").status().expect("/bin/true").success(), "/bin/true is true");
                }
            });
        }
    });
}

// Many at once

/// 10,000 tasks that wait for nothing, sixteen at once; without cgroups, and with one each where this machine lets us.
pub fn measure_wide() -> Vec<Line> {
    let mut lines = against_bare(&daemon(""), "", 0.7);
    match CgroupDir::make() {
        Some(dir) => {
            let daemon = daemon(&format!("[cgroup]\nroot = {:?}\n", dir.0));
            lines.extend(against_bare(&daemon, ", a cgroup each", 0.6));
        }
        None => lines.push(Line::new(format!("{WIDE} × /bin/true, a cgroup each"), "no cgroup v2 to write to here")),
    }
    lines.extend(against_peers());
    lines
}

/// Programs per second of a run of ours.
fn rate(submitter: &mut Submitter, body: &str) -> f64 {
    WIDE as f64 / submitter.finish(body).done * 1000.0
}

/// Programs per second of whatever else runs them.
fn rate_of(work: impl FnOnce()) -> f64 {
    let began = now();
    work();
    WIDE as f64 / between(began, now()) * 1000.0
}

fn against_bare(daemon: &Daemon, how: &str, aim: f64) -> Vec<Line> {
    let (mut submitter, body) = (Submitter::of(daemon), wide(WIDE, false));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..WIDE_ROUNDS {
        bare.push(rate_of(|| run_bare(WIDE, IN_FLIGHT)));
        ours.push(rate(&mut submitter, &body));
    }
    let ratio = ratios(&ours, &bare);
    let line = Line::new(format!("{WIDE} × /bin/true, {IN_FLIGHT} at once{how}, tasks/s"), spread(&ours))
        .beside(format!("{} bare", spread(&bare)))
        .ratio(ratio)
        .aim(format!("≥ {aim} of bare"), ratio.median >= aim);
    vec![line]
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Spread {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Spread>().digits(2)
}

/// A peer's name, the aim, and the command that does the same work.
fn peers(dir: &Path) -> [(&'static str, f64, Command); 2] {
    let list = dir.join("list");
    let numbers: String = (0..WIDE).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}"); // into a String: cannot fail
        text
    });
    fs::write(&list, &numbers).expect("a file");
    let mut parallel = quiet("parallel");
    parallel.args([format!("-j{IN_FLIGHT}"), "-a".into(), list.display().to_string(), "/bin/true".into()]);

    let makefile = dir.join("makefile");
    let targets: String = numbers.lines().map(|number| format!(" t{number}")).collect();
    let rules = format!("T :={targets}\nall: $(T)\n$(T):\n\t@/bin/true $@\n.PHONY: all $(T)\n");
    fs::write(&makefile, rules).expect("a file");
    let mut make = quiet("make");
    make.args([format!("-j{IN_FLIGHT}"), "-r".into(), "-f".into(), makefile.display().to_string()]);
    [("GNU parallel", 5.0, parallel), ("make -r", 0.75, make)]
}

fn against_peers() -> Vec<Line> {
    let daemon = daemon("");
    let (mut lines, body) = (Vec::new(), wide(WIDE, false));
    for (name, aim, mut command) in peers(daemon.dir()) {
        let program = command.get_program().to_owned();
        let what = format!("{WIDE} × /bin/true beside {name} -j{IN_FLIGHT}, tasks/s");
        let known = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        if !known.is_ok_and(|known| known.status.success()) {
            lines.push(Line::new(what, format!("not measured: no {} here", program.display())));
            continue;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            // A new connection each time: a peer may take longer than one is kept while it is idle.
            ours.push(rate(&mut Submitter::of(&daemon), &body));
            theirs.push(rate_of(|| assert!(command.status().expect("the peer").success(), "{name} has failed")));
        }
        let ratio = ratios(&ours, &theirs);
        let line = Line::new(what, spread(&ours))
            .beside(format!("{} {name}", spread(&theirs)))
            .ratio(ratio)
            .aim(format!("≥ {aim} of {name}"), ratio.median >= aim);
        lines.push(line);
    }
    lines
}

/// A cgroup v2 directory of our own, removed with everything below it when dropped.
struct CgroupDir(PathBuf);

impl CgroupDir {
    fn make() -> Option<CgroupDir> {
        let mounts = fs::read_to_string("/proc/mounts").ok()?;
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"))?;
        let dir = Path::new(mount[1]).join(format!("hostler-bench-{}", std::process::id()));
        fs::create_dir(&dir).is_ok().then_some(CgroupDir(dir))
    }
}

impl Drop for CgroupDir {
    fn drop(&mut self) {
        fn remove(dir: &Path) {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    remove(&entry.path());
                }
            }
            let _ = fs::remove_dir(dir); // a cgroup that is still in use stays, and does no harm
        }
        remove(&self.0);
    }
}

// One task

/// From the first byte of `POST /v1/dagrun` to the first instruction of the one program of that run.
pub fn measure_post() -> Vec<Line> {
    let daemon = daemon("");
    let mut ear = Ear::open(daemon.dir());
    let mut submitter = Submitter::of(&daemon);
    let task = json!({ "job": { "command": ear.argv("stamp", &[]) } });
    let body = specification(json!({}), json!({ "s": task }), false);
    settle(&[daemon.keeper_pid(), daemon.core_pid().expect("a core")], millis(250));
    let (mut ours, mut bare): (Vec<Sample>, Vec<Sample>) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut asked, mut spawned) = (Vec::new(), Vec::new());
        for _ in 0..POSTS {
            let began = now();
            let mut child = ear.command("stamp", &[]).spawn().expect("this program");
            spawned.push(between(began, ear.numbers()[0]));
            child.wait().expect("our child");

            let began = now();
            let run = submitter.submit(&body);
            asked.push(between(began, ear.numbers()[0]));
            submitter.await_end(run);
        }
        ours.push(asked.into_iter().collect());
        bare.push(spawned.into_iter().collect());
    }
    let line = |percent: f64| {
        let (figure, beside) = (over_rounds(&ours, percent), over_rounds(&bare, percent));
        let more = figure.median - beside.median;
        let line = Line::new(format!("POST of one task to exec'd, p{percent} ms"), figure)
            .beside(format!("{beside} bare vfork and exec"))
            .ratio(format!("+{more:.2} ms"));
        if percent == 50.0 { line.aim("≤ bare + 3 ms", more <= 3.0) } else { line }
    };
    vec![line(50.0), line(99.0)]
}
