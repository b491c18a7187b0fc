//! # What survives whom, of DAG runs
//!
//! The core killed at random moments under a mix of retries, generators, pauses and submissions, and then the keeper as
//! well. Each task keeps a book of its own: who began, and how he was about to end. Whatever the daemon says afterwards
//! is compared with those books: every process that ran is recorded exactly once, and none ran a second time but where
//! the record says that the first was interrupted or killed.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use support::chance::{Dice, let_pass};
use support::{Answer, Daemon, Request, SOON, millis, until};

const CONFIG: &str = "[dag]\ncores = 16\nmemory_mb = 4096\n";

/// A mix takes a few seconds by itself, and a killed daemon takes its time to come back.
const MIX_ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Both tests load the machine: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

// The mix

/// Tasks in the widest group of a mix.
const WIDE: usize = 200;
/// Instances of its generator, each of which adds two tasks.
const GENERATORS: usize = 10;

/// A run of which each task keeps a book, in a directory of its own.
struct Mix {
    run: u64,
    books: PathBuf,
}

impl Mix {
    fn submit(daemon: &Daemon, name: &str) -> Mix {
        let books = daemon.path(name);
        fs::create_dir(&books).expect("a place for the books");
        for generator in 0..GENERATORS {
            let added = ["a", "b"].map(|letter| format!("n{generator}{letter}"));
            let tasks: Map<String, Value> =
                added.iter().map(|task| (task.clone(), books_kept(&books, &format!("{task}_0"), "true"))).collect();
            fs::write(books.join(format!("print-{generator}")), Value::Object(tasks).to_string()).expect("a file");
        }
        let numbers = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let prints = format!("cat {}/print-{{{{G}}}}", books.display());
        let mut generator = books_kept(&books, "g_{{G}}", &prints);
        generator["isGenerator"] = json!(true);
        generator["children"] = json!(["z"]);
        let mut last = books_kept(&books, "z_0", "true");
        last["parents"] = json!(["w"]);
        let tasks = json!({"w": books_kept(&books, "w_{{W}}", "true"), "g": generator, "z": last});
        let parameters = json!({"W": numbers(WIDE), "G": numbers(GENERATORS)});
        let body = json!({"tag": name, "parameters": parameters, "tasks": tasks});
        let answer = daemon.post("/v1/dagrun", &body).expect(200).json();
        Mix { run: answer["runID"].as_u64().expect("a number"), books }
    }

    fn is_over(&self, daemon: &Daemon) -> bool {
        let state = daemon.get(&format!("/v1/dagrun/{}/state", self.run)).expect(200).json();
        assert_ne!(state["state"], "ERRORED", "{}", self.record(daemon));
        state["state"] == "COMPLETED"
    }

    fn record(&self, daemon: &Daemon) -> Value {
        daemon.get(&format!("/v1/dagrun/{}", self.run)).expect(200).json()
    }

    /// Compares the record with the books.
    fn verify(&self, daemon: &Daemon) -> Tally {
        until("the run is over", MIX_ENDS_WITHIN, || self.is_over(daemon).then_some(()));
        let record = self.record(daemon);
        let attempts = record["taskAttempts"].as_object().expect("an object");
        assert_eq!(attempts.len(), WIDE + 3 * GENERATORS + 1);
        let mut tally = Tally::default();
        for (task, attempts) in attempts {
            let attempts = attempts.as_array().expect("a list");
            compare(&format!("{task} of run {}", self.run), attempts, &self.books.join(task), &mut tally);
        }
        tally
    }
}

/// A task that notes in its book that it begins and how it is about to end, says its pid on standard error, and does
/// this in between. A third of all tries fail, as the pid will have it: scattered, since every try of a task that runs
/// alone takes the same number of pids. The lock tells when two copies run at once.
fn books_kept(books: &Path, name: &str, work: &str) -> Value {
    let book = books.join(name);
    let script = format!(
        r#"exec 9>>"{book}"
note() {{ echo "$*" >&9; }}
flock -n 9 || note twice $$
echo $$ >&2
note begin $$
sleep 0.0$(($$ % 9))
code=$((($$ * 40503 >> 7) % 3 == 0 ? 1 + $$ % 200 : 0))
{work}
note end $code
exit $code"#,
        book = book.display()
    );
    json!({"job": {"command": ["/bin/sh", "-c", script]}, "maxRetries": 100})
}

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    attempts: usize,
    /// Of these, attempts that the record says were interrupted or killed: perhaps before they had begun.
    labelled: usize,
    /// Lives that belong to those.
    cut_short: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.attempts += other.attempts;
        self.labelled += other.labelled;
        self.cut_short += other.cut_short;
    }
}

/// A life of a task in its own words: pid, and the code with which it was about to end.
type Life = (i64, Option<i64>);

#[track_caller]
fn lives(name: &str, book: &Path) -> Vec<Life> {
    let text = fs::read_to_string(book).unwrap_or_default();
    let mut lives: Vec<Life> = Vec::new();
    for line in text.lines() {
        let number = line.rsplit(' ').next().and_then(|word| word.parse().ok());
        match (line.split(' ').next(), number, lives.last_mut()) {
            (Some("begin"), Some(pid), _) => lives.push((pid, None)),
            (Some("end"), Some(code), Some(life)) if life.1.is_none() => life.1 = Some(code),
            _ => panic!("{name}: {line:?} in its book:\n{text}"),
        }
    }
    lives
}

/// Every attempt without a remark is a life that came to its end, in order; each other life belongs to one that has a
/// remark; only the last attempt is a success.
#[track_caller]
fn compare(name: &str, attempts: &[Value], book: &Path, tally: &mut Tally) {
    let lives = lives(name, book);
    let (plain, labelled): (Vec<&Value>, Vec<&Value>) =
        attempts.iter().partition(|attempt| attempt["executorLog"] == "");
    let told = || format!("{name}\nlives: {lives:?}\nattempts: {}", json!(attempts));
    let recorded: Vec<Life> = plain
        .iter()
        .map(|attempt| {
            let pid = attempt["errorLog"].as_str().and_then(|text| text.trim().parse().ok());
            (pid.unwrap_or_else(|| panic!("no pid: {}", told())), attempt["rc"].as_i64())
        })
        .collect();
    let mut rest = lives.iter();
    assert!(recorded.iter().all(|life| rest.any(|other| other == life)), "recorded but not lived: {}", told());
    assert!(lives.len() - recorded.len() <= labelled.len(), "lived but not recorded: {}", told());
    for attempt in &labelled {
        assert_ne!(attempt["rc"], 0, "{}", told());
    }
    let successes: Vec<bool> = attempts.iter().map(|attempt| attempt["rc"] == 0).collect();
    assert_eq!(successes.iter().position(|success| *success), Some(attempts.len() - 1), "{}", told());
    tally.attempts += attempts.len();
    tally.labelled += labelled.len();
    tally.cut_short += lives.len() - recorded.len();
}

// What goes on beside it

/// Asks until there is an answer: a dying core leaves some requests without one.
#[track_caller]
fn asked(daemon: &Daemon, request: &Request) -> Answer {
    let client = daemon.unix();
    until("an answer", SOON, || client.try_send(request.clone()).ok().filter(|answer| answer.status != 503))
}

/// Submits one small run after the other, each under a key of its own until it is answered; their numbers.
fn submit_with_keys(daemon: &Daemon, books: &Path, over: &AtomicBool) -> Vec<u64> {
    let mut runs = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let number = runs.len();
        let body = json!({"tag": "keyed", "tasks": {"k": books_kept(books, &number.to_string(), "true")}});
        let request = Request::new("POST", "/v1/dagrun").header("Idempotency-Key", &format!("key-{number}"));
        let answer = asked(daemon, &request.json(&body)).expect(200).json();
        runs.push(answer["runID"].as_u64().expect("a number"));
        let_pass(millis(100));
    }
    runs
}

/// Pauses and resumes a run.
fn pause_and_resume(daemon: &Daemon, run: u64, dice: &mut Dice) {
    let set = |state: &str| asked(daemon, &Request::new("PATCH", &format!("/v1/dagrun/{run}/state/{state}"))).status;
    // 409: it is over; or it was resumed already, by a request that was left unanswered.
    assert!(matches!(set("PAUSED"), 200 | 409));
    let_pass(millis(dice.below(60)));
    assert!(matches!(set("QUEUED"), 200 | 409));
}

#[test]
fn kills_of_the_core_lose_nothing_and_repeat_nothing() {
    const KILLS: usize = 40;
    let _alone = alone();
    let daemon = Daemon::configured(CONFIG);
    let keyed = daemon.path("keyed");
    fs::create_dir(&keyed).expect("a place for the books");
    let over = AtomicBool::new(false);
    let mut mixes = vec![Mix::submit(&daemon, "mix0")];
    let runs = thread::scope(|scope| {
        let submitting = scope.spawn(|| submit_with_keys(&daemon, &keyed, &over));
        let mut dice = Dice(3);
        for kill in 0..KILLS {
            let_pass(millis(dice.below(150)));
            daemon.kill_core();
            let last = mixes.last().expect("the first");
            if kill % 4 == 0 {
                pause_and_resume(&daemon, last.run, &mut dice);
            }
            let request = Request::new("GET", &format!("/v1/dagrun/{}/state", last.run));
            if asked(&daemon, &request).expect(200).json()["state"] == "COMPLETED" {
                mixes.push(Mix::submit(&daemon, &format!("mix{}", mixes.len())));
            }
        }
        over.store(true, Ordering::SeqCst);
        submitting.join().expect("every submission was answered in the end")
    });
    assert!(runs.len() > 10, "only {} runs were submitted beside the kills", runs.len());
    let mut all = Tally::default();
    for mix in &mixes {
        all += mix.verify(&daemon);
    }
    assert_eq!(runs.iter().collect::<BTreeSet<_>>().len(), runs.len(), "a number was given twice");
    for (number, run) in runs.iter().enumerate() {
        let mix = Mix { run: *run, books: keyed.clone() };
        until("the run is over", SOON, || mix.is_over(&daemon).then_some(()));
        let record = mix.record(&daemon);
        let attempts = record["taskAttempts"]["k_0"].as_array().expect("a list").clone();
        compare(&format!("the run of key {number}"), &attempts, &keyed.join(number.to_string()), &mut all);
    }
    assert_eq!(all.cut_short, 0, "a core's death cuts no process short: {all:?}");
    let listed = daemon.get("/v1/dagruns?all=1").expect(200).json();
    assert_eq!(listed.as_array().expect("a list").len(), mixes.len() + runs.len(), "a run that nobody knows of");
    eprintln!("{} mixes, {} small runs: {all:?}", mixes.len(), runs.len());
}

#[test]
fn kills_of_the_keeper_and_of_the_run_are_labelled() {
    const KILLS: usize = 6;
    let _alone = alone();
    let mut daemon = Daemon::configured(CONFIG);
    let mut mixes = vec![Mix::submit(&daemon, "mix0")];
    let mut dice = Dice(5);
    for kill in 0..KILLS {
        let_pass(millis(100 + dice.below(300)));
        let run = mixes.last().expect("the first").run;
        if kill % 2 == 1 {
            daemon.delete(&format!("/v1/dagrun/{run}")).expect(200);
        }
        daemon.kill_keeper();
        daemon.launch();
        // Killed runs want to be restarted; others go on by themselves.
        let state = daemon.get(&format!("/v1/dagrun/{run}/state")).expect(200).json();
        if state["state"] == "KILLED" {
            daemon.tcp().send(Request::new("PATCH", &format!("/v1/dagrun/{run}/state/QUEUED"))).expect(200);
        }
        if state["state"] == "COMPLETED" {
            mixes.push(Mix::submit(&daemon, &format!("mix{}", mixes.len())));
        }
    }
    let mut all = Tally::default();
    for mix in &mixes {
        all += mix.verify(&daemon);
    }
    assert!(all.labelled > 0, "nothing ran when the keeper was killed: {all:?}");
    eprintln!("{} mixes: {all:?}", mixes.len());
}
