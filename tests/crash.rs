//! # What survives whom
//!
//! The core killed at random and after every event of a story, the keeper killed, the daemon exchanged while it runs,
//! and a tree of processes that does not want to be stopped. The children themselves keep the books: each writes down
//! when it begins and how it is about to end, once to its output and once to a ledger of its own. Whatever the daemon
//! says afterwards is compared with those ledgers.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::chance::{Dice, let_pass};
use support::{Client, Daemon, Request, SOON, millis, process, require_root, until};

/// These tests load the machine and measure times on it: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

// The load: children that keep books

/// How a run ended, or that it was parked and then stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Code(i64),
    Signal(i64),
}

/// Tasks whose replicas live for a moment and end in many ways, each writing it down beforehand.
struct Load {
    dir: PathBuf,
    tasks: Mutex<Vec<String>>,
}

impl Load {
    fn new(daemon: &Daemon) -> Load {
        let dir = daemon.path("ledgers");
        fs::create_dir(&dir).expect("a place for the ledgers");
        Load { dir, tasks: Mutex::default() }
    }

    /// A line is `RUN begin PID`, `RUN end code N`, `RUN end signal N` or `RUN parked`. The process id decides how long
    /// the run lives and how it ends, so that no two neighbours do the same.
    fn script(&self) -> String {
        let dir = self.dir.display();
        format!(
            r#"note() {{ echo "$HOSTLER_RUN $*"; echo "$HOSTLER_RUN $*" >> "{dir}/$HOSTLER_TASK:$HOSTLER_REPLICA"; }}
note begin $$
if [ -e "{dir}/drain" ]; then note parked; exec sleep 1000; fi
sleep 0.$(($$ % 8 + 1))
case $(($$ % 5)) in
0) note end signal 9; kill -9 $$ ;;
1) note end signal 10; kill -USR1 $$ ;;
*) note end code $(($$ % 250)); exit $(($$ % 250)) ;;
esac"#
        )
    }

    fn definition(&self, name: &str, kind: &str, replicas: usize) -> Value {
        json!({"name": name, "cmd": self.script(), "type": kind, "replica": replicas, "interval": 0.3})
    }

    /// Asks until there is an answer. A request that a dying core left unanswered was either recorded or never was.
    fn create(&self, client: &Client, name: &str, kind: &str, replicas: usize) {
        let body = self.definition(name, kind, replicas);
        let mut unanswered = false;
        until("the task is accepted", SOON, || match client.try_send(Request::new("POST", "/proc").json(&body)) {
            Ok(answer) if answer.status == 200 || (unanswered && answer.status == 403) => Some(()),
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(error) => {
                refused_no_connection(&error);
                unanswered = true;
                None
            }
        });
        self.tasks.lock().expect("no panic while it is held").push(name.to_owned());
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.lock().expect("no panic while it is held").clone()
    }

    /// Lets every daemon's next life wait, then stops them all: from here on nothing moves.
    fn park(&self, daemon: &Daemon) {
        fs::write(self.dir.join("drain"), "").expect("the sign to park");
        let tasks = self.tasks();
        until("every replica has ended or is parked", Duration::from_secs(30), || {
            let listed = daemon.get("/proc").json()["data"].take();
            let all_parked = |name: &String| {
                let live = aliases(&listed, name);
                let wanted =
                    if name.starts_with("daemon") { &listed["tasks"][name]["replica"] } else { &json!(live.len()) };
                *wanted == json!(live.len()) && live.iter().all(|alias| self.ledger(alias).ends_with(" parked\n"))
            };
            tasks.iter().all(all_parked).then_some(())
        });
        for name in &tasks {
            daemon.post(&format!("/proc/stop?name={name}&wait=1"), &json!({})).expect(200);
        }
        let listed = daemon.get("/proc").json()["data"].take();
        assert!(tasks.iter().all(|name| aliases(&listed, name).is_empty()), "{}", listed["running"]);
    }

    fn ledger(&self, alias: &str) -> String {
        fs::read_to_string(self.dir.join(alias)).unwrap_or_default()
    }

    /// The runs of one replica in its own words, in order; asserts that each began once and no two overlapped.
    fn own_words(&self, alias: &str) -> Vec<(String, i64, Fate)> {
        let text = self.ledger(alias);
        let mut runs: Vec<(String, i64, Fate)> = Vec::new();
        let mut open: Option<(String, i64)> = None;
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match (&words[..], open.take()) {
                ([run, "begin", pid], None) => open = Some(((*run).to_owned(), pid.parse().expect("a pid"))),
                ([run, rest @ ..], Some((begun, pid))) if begun == *run => {
                    let fate = match rest {
                        ["end", "code", code] => Fate::Code(code.parse().expect("a code")),
                        ["end", "signal", signal] => Fate::Signal(signal.parse().expect("a signal")),
                        ["parked"] => Fate::Signal(Signal::SIGTERM as i64),
                        _ => panic!("{alias}: {line:?}"),
                    };
                    runs.push((begun, pid, fate));
                }
                (_, open) => panic!("{alias}: {line:?} while {open:?} was open; all of it:\n{text}"),
            }
        }
        assert_eq!(open, None, "{alias} began a run that neither ended nor was stopped");
        let distinct: BTreeSet<&String> = runs.iter().map(|(run, ..)| run).collect();
        assert_eq!(distinct.len(), runs.len(), "{alias} started a run twice:\n{text}");
        runs
    }

    /// Compares history and logs with the ledgers; how many runs there were.
    fn verify(&self, daemon: &Daemon) -> usize {
        let mut count = 0;
        for name in self.tasks() {
            let mut recorded: BTreeMap<u64, Vec<(String, i64, Fate)>> = BTreeMap::new();
            for run in history(&daemon.tcp(), &name).into_iter().rev() {
                let replica = run["replica"].as_u64().expect("a replica");
                recorded.entry(replica).or_default().push((run_id(&run), run["pid"].as_i64().unwrap_or(0), fate(&run)));
            }
            for (replica, recorded) in recorded {
                let alias = format!("{name}:{replica}");
                assert_eq!(recorded, self.own_words(&alias), "the history of {alias} and its own words");
                let log = daemon.get(&format!("/proc/log?name={name}&replica={replica}")).expect(200);
                assert_eq!(log.text(), self.ledger(&alias), "the log of {alias} and its own words");
                count += recorded.len();
            }
        }
        let ledgers = fs::read_dir(&self.dir).expect("the ledgers").filter_map(Result::ok);
        let written: usize =
            ledgers.map(|entry| fs::read_to_string(entry.path()).unwrap_or_default().matches(" begin ").count()).sum();
        assert_eq!(count, written, "runs in the history and runs in the ledgers");
        count
    }
}

/// The aliases of a task that have a live process, from the `data` of a listing.
fn aliases(listed: &Value, name: &str) -> Vec<String> {
    let running = listed["running"].as_array().expect("a list");
    let found = running.iter().filter_map(|item| item["alias"].as_str());
    found.filter(|alias| alias.rsplit_once(':').is_some_and(|(task, _)| task == name)).map(str::to_owned).collect()
}

fn run_id(run: &Value) -> String {
    match &run["run"] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    }
}

#[track_caller]
fn fate(run: &Value) -> Fate {
    match (run["exit_code"].as_i64(), run["signal"].as_i64()) {
        (Some(code), None) => Fate::Code(code),
        (None, Some(signal)) => Fate::Signal(signal),
        _ => panic!("neither code nor signal, or both: {run}"),
    }
}

/// All runs of a task, newest first, whatever a page holds.
#[track_caller]
fn history(client: &Client, name: &str) -> Vec<Value> {
    let mut runs: Vec<Value> = Vec::new();
    loop {
        let before = runs.last().map(|run| format!("&before={}", run_id(run))).unwrap_or_default();
        let page = client.get(&format!("/proc/history?name={name}&limit=500{before}")).expect(200).json();
        let page = page["data"].as_array().expect("a list").clone();
        if page.is_empty() {
            let mut seen = BTreeMap::new();
            for run in &runs {
                if let Some(other) = seen.insert(run_id(run), run) {
                    panic!("a run of {name} is in its history twice:\n{other}\n{run}");
                }
            }
            return runs;
        }
        runs.extend(page);
    }
}

/// A core's death may cut an exchange short, but nobody is turned away: the keeper holds the listeners.
#[track_caller]
fn refused_no_connection(error: &io::Error) {
    assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused, "a connection was refused");
}

/// How long it takes until the daemon answers again.
#[track_caller]
fn time_to_answer(daemon: &Daemon) -> Duration {
    let since = Instant::now();
    let client = daemon.unix();
    until("control is back", SOON, || match client.try_send(Request::new("GET", "/readyz")) {
        Ok(answer) => (answer.status == 200).then_some(()),
        Err(error) => {
            refused_no_connection(&error);
            None
        }
    });
    since.elapsed()
}

#[test]
fn a_hundred_kills_of_the_core_lose_nothing() {
    let _alone = alone();
    let daemon = Daemon::start();
    let load = Load::new(&daemon);
    for n in 0..20 {
        load.create(&daemon.tcp(), &format!("daemon{n}"), "daemon", 10);
    }
    let over = AtomicBool::new(false);
    let mut slowest = Vec::new();
    thread::scope(|scope| {
        let posting = scope.spawn(|| {
            for n in 0.. {
                if over.load(Ordering::SeqCst) {
                    return n;
                }
                load.create(&daemon.tcp(), &format!("once{n}"), "once", 1);
                let_pass(millis(150));
            }
            unreachable!("the loop ends by returning")
        });
        let mut dice = Dice(7);
        for _ in 0..100 {
            let_pass(millis(dice.below(150)));
            daemon.kill_core();
            slowest.push(time_to_answer(&daemon));
        }
        over.store(true, Ordering::SeqCst);
        let posted = posting.join().expect("every POST was answered in the end");
        assert!(posted > 10, "only {posted} tasks were posted beside the kills");
    });
    load.park(&daemon);
    let runs = load.verify(&daemon);
    assert!(runs > 1000, "only {runs} runs: hardly anything was born and died");
    slowest.sort();
    eprintln!("{runs} runs; back after {:?} at the median, {:?} at worst", slowest[50], slowest[99]);
}

#[test]
fn a_core_killed_while_it_recovers_recovers() {
    let _alone = alone();
    let daemon = Daemon::start();
    let load = Load::new(&daemon);
    for n in 0..4 {
        load.create(&daemon.tcp(), &format!("daemon{n}"), "daemon", 10);
    }
    let mut dice = Dice(11);
    for _ in 0..8 {
        let old = daemon.kill_core();
        let young = until("the next core", SOON, || daemon.core_pid().filter(|pid| *pid != old));
        let_pass(Duration::from_micros(dice.below(30_000)));
        process::signal(young, Signal::SIGKILL);
        until("the core is gone", SOON, || (!process::alive(young)).then_some(()));
        time_to_answer(&daemon);
    }
    load.park(&daemon);
    assert!(load.verify(&daemon) > 40);
}

// A story, told once for each event in it

/// What is left when the story is over: the runs of each task as (name, how it ended), in order, and the lines that
/// the processes wrote.
type Ending = (Vec<(String, Fate)>, Vec<String>);

/// The story: each step is asked until it is answered, and may be asked again when a dying core left it unanswered.
struct Teller<'a> {
    daemon: &'a Daemon,
    notes: PathBuf,
}

impl Teller<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<Value>, done: impl Fn() -> bool) {
        let mut unanswered = false;
        until(&format!("{method} {path} is answered"), SOON, || {
            if unanswered && !self.ready() {
                return None;
            }
            // Decided before the core died: the next one carries it out. Else it never was, and is asked again.
            if unanswered && comes_true(&done) {
                return Some(());
            }
            let request = Request::new(method, path);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            match self.daemon.unix().try_send(request) {
                Ok(answer) if answer.status == 200 => Some(()),
                Ok(answer) => panic!("{method} {path}: {} {}", answer.status, answer.text()),
                Err(_) => {
                    unanswered = true;
                    None
                }
            }
        });
    }

    fn ready(&self) -> bool {
        self.daemon.unix().try_send(Request::new("GET", "/readyz")).is_ok_and(|answer| answer.status == 200)
    }

    /// The task as listed, whichever core lists it.
    fn task(&self, name: &str) -> Value {
        until("a list", SOON, || {
            let answer = self.daemon.unix().try_send(Request::new("GET", "/proc")).ok()?;
            (answer.status == 200).then(|| answer.json()["data"]["tasks"][name].take())
        })
    }

    fn runs(&self, name: &str) -> Vec<Value> {
        until("a history", SOON, || {
            let answer =
                self.daemon.unix().try_send(Request::new("GET", &format!("/proc/history?name={name}"))).ok()?;
            (answer.status == 200).then(|| answer.json()["data"].as_array().cloned().unwrap_or_default())
        })
    }

    fn create(&self, name: &str, kind: &str, command: &str, deps: &[&str]) {
        let command = format!("echo {name} >> {}; {command}", self.notes.display());
        let body = json!({"name": name, "cmd": command, "type": kind, "deps": deps, "interval": 0.1});
        self.ask("POST", "/proc", Some(body), || !self.task(name).is_null());
    }

    fn await_ended(&self, name: &str, count: usize) {
        until(&format!("run {count} of {name} has ended"), SOON, || {
            let runs = self.runs(name);
            (runs.len() == count && runs.iter().all(|run| !run["end"].is_null())).then_some(())
        });
    }

    fn await_notes(&self, count: usize) {
        until(&format!("{count} notes"), SOON, || (self.written().len() == count).then_some(()));
    }

    fn written(&self) -> Vec<String> {
        fs::read_to_string(&self.notes).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn tell(&self) -> Ending {
        self.create("a", "once", "sleep 0.1; exit 3", &[]);
        self.create("b", "once", "kill -9 $$", &["a"]);
        self.await_ended("b", 1);
        self.ask("PUT", "/proc?name=a", None, || self.runs("a").len() == 2);
        self.await_ended("a", 2);
        self.create("d", "daemon", "exec sleep 300", &[]);
        self.await_notes(4);
        self.ask("POST", "/proc/stop?name=d&wait=1", None, || {
            self.runs("d").first().is_some_and(|run| !run["end"].is_null())
        });
        self.create("e", "once", "exec sleep 300", &[]);
        self.await_notes(5);
        self.ask("DELETE", "/proc?name=e", None, || self.task("e").is_null());
        let ended =
            |name: &str| self.runs(name).iter().rev().map(|run| (name.to_owned(), fate(run))).collect::<Vec<_>>();
        (["a", "b", "d"].into_iter().flat_map(ended).collect(), self.written())
    }
}

/// Whether `done` comes true shortly: what had been decided needs a moment to be carried out.
fn comes_true(done: &impl Fn() -> bool) -> bool {
    let end = Instant::now() + millis(300);
    while Instant::now() < end {
        if done() {
            return true;
        }
        thread::park_timeout(millis(5));
    }
    false
}

/// Tells the story; the core is killed as soon as it has told its `fatal`-th event. The ending, and whether it was.
fn told_with_a_kill_after(fatal: usize) -> (Ending, bool) {
    let daemon = Daemon::start();
    let core = daemon.core_pid().expect("a core");
    let mut events = daemon.unix().stream(Request::new("GET", "/events"));
    assert_eq!(events.status, 200);
    let killed = AtomicBool::new(false);
    let ending = thread::scope(|scope| {
        scope.spawn(|| {
            let _ = events.patience(SOON);
            let mut seen = 0;
            while seen < fatal {
                match events.event() {
                    Ok(Some(_)) => seen += 1,
                    _ => return, // the story was over before
                }
            }
            killed.store(process::signal(core, Signal::SIGKILL), Ordering::SeqCst);
        });
        let ending = Teller { daemon: &daemon, notes: daemon.path("notes") }.tell();
        // Ends the stream, so that the watcher above is not waited for; its core may be dead already.
        if !killed.load(Ordering::SeqCst) {
            process::signal(core, Signal::SIGKILL);
        }
        ending
    });
    time_to_answer(&daemon);
    (ending, killed.load(Ordering::SeqCst))
}

#[test]
fn killed_after_every_event_a_story_ends_the_same() {
    let _alone = alone();
    let (undisturbed, _) = told_with_a_kill_after(usize::MAX);
    let told = |name: &str, fate| (name.to_owned(), fate);
    let expected =
        [told("a", Fate::Code(3)), told("a", Fate::Code(3)), told("b", Fate::Signal(9)), told("d", Fate::Signal(15))];
    assert_eq!(undisturbed.0, expected);
    assert_eq!(undisturbed.1, ["a", "b", "a", "d", "e"]);
    for fatal in 0..200 {
        let (ending, killed) = told_with_a_kill_after(fatal);
        assert_eq!(ending, undisturbed, "after a kill at event {fatal}");
        if !killed {
            assert!(fatal > 8, "the story has only {fatal} events");
            return;
        }
    }
    panic!("the story never ends");
}

// The keeper

#[test]
fn a_killed_keeper_leaves_nothing_unexplained() {
    let _alone = alone();
    let mut daemon = Daemon::start();
    let notes = daemon.path("notes");
    // A tree of two sessions, so that ending the leftover means more than ending one process.
    let command = format!("setsid sleep 300 & echo $! $$ >> {}; exec sleep 300", notes.display());
    for body in [
        json!({"name": "web", "cmd": command, "type": "daemon", "replica": 3, "stop_timeout": 1}),
        json!({"name": "job", "cmd": "exec sleep 300", "type": "once"}),
        json!({"name": "done", "cmd": "exit 4", "type": "once"}),
        json!({"name": "off", "cmd": "exec sleep 300", "type": "daemon"}),
    ] {
        daemon.post("/proc", &body).expect(200);
    }
    daemon.post("/proc/stop?name=off&wait=1", &json!({})).expect(200);
    let pids = |daemon: &Daemon, name: &str| -> BTreeSet<i64> {
        let listed = daemon.get("/proc").json();
        let running = listed["data"]["running"].as_array().expect("a list").clone();
        let of = |item: &&Value| item["alias"].as_str().is_some_and(|alias| alias.starts_with(&format!("{name}:")));
        running.iter().filter(of).filter_map(|item| item["pid"].as_i64()).collect()
    };
    let before = until("all run", SOON, || {
        let web = pids(&daemon, "web");
        let lines = fs::read_to_string(&notes).unwrap_or_default().lines().count();
        (web.len() == 3 && lines == 3 && pids(&daemon, "job").len() == 1).then_some(web)
    });
    until("done has ended", SOON, || {
        history(&daemon.tcp(), "done").first().is_some_and(|run| !run["end"].is_null()).then_some(())
    });
    let old: Vec<i32> =
        fs::read_to_string(&notes).expect("notes").split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let interrupted: BTreeSet<String> =
        ["web", "job"].iter().flat_map(|name| history(&daemon.tcp(), name)).map(|run| run_id(&run)).collect();

    daemon.kill_keeper();
    assert!(old.iter().all(|pid| process::alive(*pid)), "the children do not die with the daemon");
    daemon.launch();

    until("the leftovers are gone", SOON, || old.iter().all(|pid| !process::alive(*pid)).then_some(()));
    let after = until("web is back", SOON, || Some(pids(&daemon, "web")).filter(|web| web.len() == 3));
    assert!(after.is_disjoint(&before), "{before:?} {after:?}");
    for name in ["web", "job"] {
        for run in history(&daemon.tcp(), name).iter().filter(|run| interrupted.contains(&run_id(run))) {
            assert_eq!(run["state"], "interrupted", "{run}");
            assert!(run["exit_code"].is_null() && !run["end"].is_null(), "{run}");
        }
    }
    let done = history(&daemon.tcp(), "done");
    assert_eq!((done.len(), fate(&done[0])), (1, Fate::Code(4)), "what had ended is not touched");
    assert!(pids(&daemon, "off").is_empty(), "what was stopped stays stopped");
}

// Upgrade

/// Puts a copy of `from` at `to`, in one step, as a package manager does.
fn install(from: &Path, to: &Path) {
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh).expect("a copy");
    fs::set_permissions(&fresh, Permissions::from_mode(0o755)).expect("its mode");
    fs::rename(&fresh, to).expect("in its place");
}

#[test]
fn an_upgrade_under_load_is_not_noticed() {
    let _alone = alone();
    let mut daemon = Daemon::prepared("");
    let built = PathBuf::from(env!("CARGO_BIN_EXE_hostler"));
    let installed = daemon.path("hostler");
    install(&built, &installed);
    daemon.use_binary(installed.clone());
    daemon.launch();
    daemon
        .post("/proc", &json!({"name": "steady", "cmd": "exec sleep 1000", "type": "daemon", "replica": 5}))
        .expect(200);
    let steady = || {
        let listed = daemon.get("/proc").json();
        let running = listed["data"]["running"].as_array().cloned().unwrap_or_default();
        let pids =
            running.iter().filter(|item| item["alias"].as_str().is_some_and(|alias| alias.starts_with("steady:")));
        let stats = pids.filter_map(|item| process::stat(item["pid"].as_i64()? as i32));
        stats.map(|stat| (stat.pid, stat.start_ticks)).collect::<BTreeSet<_>>()
    };
    let before = until("five steady ones", SOON, || Some(steady()).filter(|stats| stats.len() == 5));
    let load = Load::new(&daemon);
    for n in 0..10 {
        load.create(&daemon.tcp(), &format!("daemon{n}"), "daemon", 10);
    }
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let client = daemon.tcp();
            while !over.load(Ordering::SeqCst) {
                match client.try_send(Request::new("GET", "/proc/task?name=steady")) {
                    Ok(answer) => drop(answer.expect(200)),
                    Err(error) => refused_no_connection(&error),
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..5 {
            install(&built, &installed);
            let old = daemon.core_pid().expect("a core");
            process::signal(daemon.keeper_pid(), Signal::SIGHUP);
            until("a new core", SOON, || daemon.core_pid().filter(|pid| *pid != old));
            time_to_answer(&daemon);
            assert_eq!(steady(), before, "children notice nothing");
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(answered.load(Ordering::SeqCst) > 5);
    let exe = fs::read_link(format!("/proc/{}/exe", daemon.keeper_pid())).expect("the keeper's binary");
    assert_eq!(exe, installed, "the keeper itself runs the new file");
    load.park(&daemon);
    assert!(load.verify(&daemon) > 100);
    assert_eq!(steady(), before);
}

#[test]
fn a_binary_that_cannot_take_over_is_refused() {
    let _alone = alone();
    let mut daemon = Daemon::prepared("");
    let installed = daemon.path("hostler");
    install(Path::new(env!("CARGO_BIN_EXE_hostler")), &installed);
    daemon.use_binary(installed.clone());
    daemon.launch();
    let core = daemon.core_pid();
    let script = daemon.path("broken");
    fs::write(&script, "#!/bin/sh\necho this is not hostler >&2\nexit 1\n").expect("a broken binary");
    install(&script, &installed);
    process::signal(daemon.keeper_pid(), Signal::SIGHUP);
    until("the log says why", SOON, || daemon.stderr().contains("refused").then_some(()));
    assert_eq!(daemon.core_pid(), core, "nothing changed");
    daemon.post("/proc", &json!({"name": "t", "cmd": "true", "type": "once"})).expect(200);
}

// A tree that does not want to be stopped

/// Writes a script that makes a chain of `depth` processes: each ignores SIGTERM, notes its pid, and is forked twice
/// into a session of its own; `wiped` also takes the environment and the standard streams away.
fn stubborn(daemon: &Daemon, wiped: bool) -> (String, PathBuf) {
    let (script, pids) = (daemon.path("stubborn.sh"), daemon.path("pids"));
    let (before, after) = if wiped { ("env -i PATH=\"$PATH\" ", " </dev/null >/dev/null 2>&1") } else { ("", "") };
    let text = format!(
        "trap '' TERM\necho $$ >> {}\nif [ $1 -gt 1 ]; then ( {before}setsid sh $0 $(($1 - 1)){after} & ); fi\nexec sleep 1000\n",
        pids.display()
    );
    fs::write(&script, text).expect("a script");
    (format!("exec sh {} 5", script.display()), pids)
}

/// Starts such a tree and ends it, once by a stop that waits and once by forgetting the task.
fn is_gone_after_stop(daemon: &Daemon, wiped: bool) {
    let (command, notes) = stubborn(daemon, wiped);
    for waiting in [true, false] {
        let _ = fs::remove_file(&notes);
        let tree = json!({"name": "tree", "cmd": command, "type": "once", "stop_timeout": 0.3});
        daemon.post("/proc", &tree).expect(200);
        let pids: Vec<i32> = until("five processes", SOON, || {
            let text = fs::read_to_string(&notes).ok()?;
            let pids: Vec<i32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
            (pids.len() == 5).then_some(pids)
        });
        let sessions: BTreeSet<i32> = pids.iter().filter_map(|pid| Some(process::stat(*pid)?.session)).collect();
        assert_eq!(sessions.len(), 5, "each in a session of its own");
        if waiting {
            daemon.post("/proc/stop?name=tree&wait=1", &json!({})).expect(200);
            assert!(pids.iter().all(|pid| !process::alive(*pid)), "an answer with wait=1 comes after the end");
        }
        daemon.delete("/proc?name=tree").expect(200);
        until("the whole tree is gone", SOON, || pids.iter().all(|pid| !process::alive(*pid)).then_some(()));
    }
}

#[test]
fn a_stubborn_tree_is_gone_after_stop_without_cgroups() {
    let daemon = Daemon::start();
    is_gone_after_stop(&daemon, false);
}

/// A fresh cgroup v2 directory, removed with everything below it when dropped.
struct CgroupDir(PathBuf);

impl CgroupDir {
    fn make() -> CgroupDir {
        require_root();
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let mount = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|fields| fields.get(2) == Some(&"cgroup2"));
        let mount = mount.expect("this test needs a cgroup v2 mount");
        let dir = Path::new(mount[1]).join(format!("hostler-test-{}", std::process::id()));
        fs::create_dir(&dir)
            .unwrap_or_else(|error| panic!("this test needs a writable cgroup v2: {}: {error}", dir.display()));
        CgroupDir(dir)
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
            let _ = fs::remove_dir(dir);
        }
        remove(&self.0);
    }
}

#[test]
fn a_stubborn_tree_is_gone_after_stop_with_cgroups() {
    let cgroup = CgroupDir::make();
    let groups = || {
        let entries = fs::read_dir(&cgroup.0).expect("the directory").flatten();
        let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    {
        let daemon = Daemon::configured(&format!("[cgroup]\nroot = {:?}\n", cgroup.0));
        // Nothing but the cgroup still tells where these belong: no session, no environment, no streams.
        is_gone_after_stop(&daemon, true);
        daemon.post("/proc", &json!({"name": "other", "cmd": "exec sleep 300", "type": "once"})).expect(200);
        until("one cgroup, the other task's", SOON, || (groups().len() == 1).then_some(()));
    }
    assert!(cgroup.0.exists(), "the configured root itself is not the daemon's to remove");
}
