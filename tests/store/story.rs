//! A story: decisions in a fixed order, each with a known state of the store after it. Whatever befalls the store, what
//! is found afterwards must be the state after one of them, not before the last one that was acknowledged.

use hostler::store::{Batch, Kind, Record, Settings, Store, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Says to a child what it is for.
const ROLE: &str = "HOSTLER_STORE_TEST_ROLE";

/// Says to a child where.
const DIR: &str = "HOSTLER_STORE_TEST_DIR";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
}

impl Record for Note {
    const KIND: Kind = Kind::new(0x20, "test.note");
    const FORMAT: u8 = 1;
    type Key = u64;
}

/// What the store holds, without the store.
pub type State = BTreeMap<u64, String>;

/// One operation of a story.
#[derive(Clone, Debug)]
pub enum Change {
    Put(u64, String),
    Delete(u64),
    DeleteRange(u64, u64),
}

/// Does a decision to a state.
pub fn play(state: &mut State, decision: &[Change]) {
    for change in decision {
        match change {
            Change::Put(key, text) => drop(state.insert(*key, text.clone())),
            Change::Delete(key) => drop(state.remove(key)),
            Change::DeleteRange(from, to) => state.retain(|key, _| key < from || key >= to),
        }
    }
}

/// The same decision for the store.
pub fn batch(decision: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for change in decision {
        match change {
            Change::Put(key, text) => batch.put(key, &Note { text: text.clone() }),
            Change::Delete(key) => batch.delete::<Note>(key),
            Change::DeleteRange(from, to) => batch.delete_range::<Note>(*from..*to),
        }
    }
    batch
}

/// The `n`th decision of a story without an end: small and large values, replaced and deleted; decisions of more than
/// 256 operations; ranges, short and long. Each also writes its own number under key 0.
pub fn decision(n: u64) -> Vec<Change> {
    use Change::{Delete, DeleteRange, Put};
    let mut changes = match n % 10 {
        3 => (0..6).map(|k| Put(1000 + (n + k) % 12, format!("{n} ").repeat(2000))).collect(), // objects
        4 => vec![Put(1000 + n % 12, "y".repeat(4000)), Delete(1000 + (n + 1) % 12)],
        5 => (0..300).map(|k| Put(2000 + k, format!("all {n}"))).collect(), // a redo file
        7 => vec![DeleteRange(2000, 2290)],                                 // a redo marker
        8 => vec![DeleteRange(2290, 2400), Put(2295, format!("after {n}"))],
        9 => (0..100).map(|k| Put(3000 + k, format!("equal {n}"))).collect(),
        _ => vec![Put(n % 50 + 1, format!("small {n}")), Delete((n * 7) % 50 + 1)],
    };
    changes.push(Put(0, n.to_string()));
    changes
}

/// The state after `count` decisions.
pub fn state_after(count: u64) -> State {
    let mut state = State::new();
    for n in 0..count {
        play(&mut state, &decision(n));
    }
    state
}

/// What a store holds.
pub fn contents(store: &Store) -> State {
    store.reader().scan::<Note>(..).map(Result::unwrap).map(|(key, note)| (key, note.text)).collect()
}

/// Settings that take little space and end no process.
pub fn settings(dir: &Path) -> Settings {
    Settings {
        cache_bytes: 8 << 20,
        reserve_bytes: 1 << 20,
        tables: vec![Table::of::<Note>()],
        on_commit_error: Arc::new(|why| eprintln!("commit error: {why}")),
        ..Settings::new(dir)
    }
}

/// Opens a store that must open.
#[track_caller]
pub fn open(dir: &Path) -> Store {
    match Store::open(settings(dir)) {
        Ok(store) => store,
        Err(why) => panic!("{} does not open: {why}", dir.display()),
    }
}

/// This program again, as a child that runs one test in a role.
pub fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(ROLE, test).env(DIR, dir);
    command
}

/// In a child with this role: the directory to work in.
pub fn role(test: &str) -> Option<std::path::PathBuf> {
    (std::env::var(ROLE).ok()? == test).then(|| std::env::var_os(DIR))?.map(Into::into)
}

/// Waits until something is so, with a bound.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "still not so after 20 s: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
