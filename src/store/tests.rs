//! The store as rooms see it, on disk and in memory.

mod backup;
mod crash;

use super::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

record!(Note, 0x10, "test.note", (u64, String));

fn note(text: &str) -> Note {
    Note { text: text.into() }
}

fn key(number: u64, name: &str) -> (u64, String) {
    (number, name.into())
}

fn put(store: &Store, number: u64, text: &str) -> Ticket {
    let mut batch = Batch::new();
    batch.put(&key(number, "n"), &note(text));
    store.submit(batch)
}

/// A store that takes little space and ends no process.
fn settings(dir: &Path) -> Settings {
    Settings {
        cache_bytes: 8 << 20,
        reserve_bytes: 1 << 20,
        tables: vec![Table::of::<Note>()],
        on_commit_error: std::sync::Arc::new(|why| eprintln!("{why}")),
        ..Settings::new(dir)
    }
}

fn open(dir: &Path) -> Store {
    Store::open(settings(dir)).unwrap()
}

fn texts(store: &Store) -> Vec<(u64, String)> {
    store.reader().scan::<Note>(..).map(Result::unwrap).map(|((number, _), note)| (number, note.text)).collect()
}

#[test]
fn what_was_promised_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let tickets: Vec<_> = (0..1000).map(|number| put(&store, number, "x")).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    put(&store, 5, &"long".repeat(5000)).wait().unwrap();
    put(&store, 6, &"long".repeat(5000)).wait().unwrap();
    put(&store, 6, "short").wait().unwrap();
    let mut batch = Batch::new();
    batch.delete_range::<Note>(key(10, "")..key(990, ""));
    store.submit(batch).wait().unwrap();
    let before = texts(&store);
    assert_eq!(before.len(), 20);
    drop(store);
    let store = open(dir.path());
    assert_eq!(texts(&store), before);
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(dir.path().join("objects")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("redo")).unwrap().count(), 0);
}

#[test]
fn decisions_are_visible_once_durable_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..50_u64 {
        for text in ["first", "second"] {
            drop(put(&store, n, text));
        }
        put(&store, n, "last").wait().unwrap();
        assert_eq!(store.reader().get::<Note>(&key(n, "n")).unwrap(), Some(note("last")));
    }
    store.close();
    assert_eq!(store.stats().commits, 150);
    assert_eq!(put(&store, 0, "late").wait(), Err(CommitError::Stopped));
}

#[test]
fn scans_go_both_ways_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    for store in [open(dir.path()), Store::in_memory()] {
        for n in 0..1000 {
            drop(put(&store, n, "x"));
        }
        put(&store, 500, &"long".repeat(5000)).wait().unwrap();
        let numbers = |scan: Scan<Note>| scan.map(|found| found.unwrap().0.0).collect::<Vec<_>>();
        let reader = store.reader();
        assert_eq!(numbers(reader.scan(..)), (0..1000).collect::<Vec<_>>());
        assert_eq!(numbers(reader.scan_back(..)), (0..1000).rev().collect::<Vec<_>>());
        assert_eq!(numbers(reader.scan(key(498, "n")..key(501, "n"))), [498, 499, 500]);
        assert_eq!(numbers(reader.scan_back(key(498, "n")..=key(501, "n"))), [501, 500, 499, 498]);
        assert_eq!(numbers(reader.scan(key(998, "o")..)), [999]);
        assert_eq!(numbers(reader.scan(key(5, "")..key(5, ""))), [0; 0]);
    }
}

#[test]
fn a_record_from_the_future_is_not_guessed_at() {
    let value = [2, b'{', b'}'];
    let error = record::decode::<Note>(&value).unwrap_err();
    assert_eq!(error, DecodeError::FromTheFuture { kind: "test.note", found: 2, known: 1 });
    assert!(matches!(record::decode::<Note>(b"\x01{"), Err(DecodeError::Malformed { .. })));
    assert!(matches!(record::decode::<Note>(b""), Err(DecodeError::Malformed { .. })));
}

#[test]
fn a_record_is_declared_in_a_line() {
    #[derive(Serialize, Deserialize)]
    struct Hidden(String);
    fn hide(json: &mut serde_json::Value) {
        *json = "…".into();
    }
    record!(Hidden, 0x12, "test.hidden", u32, hide);
    assert_eq!((Hidden::KIND, Hidden::FORMAT), (Kind::new(0x12, "test.hidden"), 1));
    let masked = |mask: fn(&mut serde_json::Value)| {
        let mut json = "secret".into();
        mask(&mut json);
        json
    };
    assert_eq!((masked(Hidden::mask), masked(Note::mask)), ("…".into(), "secret".into()));
}

#[test]
fn what_json_cannot_hold_is_refused_whole() {
    #[derive(Serialize, Deserialize)]
    struct Odd(std::collections::BTreeMap<(u8, u8), u8>);
    record!(Odd, 0x11, "test.odd", ());
    let store = Store::in_memory();
    let mut batch = Batch::new();
    batch.put(&key(1, "n"), &note("fine"));
    batch.put(&(), &Odd([((1, 2), 3)].into()));
    assert!(matches!(store.submit(batch).wait(), Err(CommitError::Unwritable(_))));
    let mut batch = Batch::new();
    batch.put(&key(1, &"n".repeat(2000)), &note("the key is too long"));
    assert!(matches!(store.submit(batch).wait(), Err(CommitError::Unwritable(_))));
    assert_eq!(texts(&store), []);
}

#[tokio::test]
async fn a_dying_store_keeps_what_it_committed() {
    for commits in 0..4 {
        let store = Store::dying_after(commits);
        let mut durable = 0;
        for n in 0..3 {
            match put(&store, n, "x").durable().await {
                Ok(()) => durable += 1,
                Err(why) => assert_eq!(why, CommitError::Stopped),
            }
        }
        assert_eq!(durable, commits.min(3));
        let next = store.survivors();
        assert_eq!(texts(&next).len() as u64, durable);
        put(&next, 9, "it lives").durable().await.unwrap();
    }
}

#[test]
fn keys_keep_their_order() {
    fn bytes(key: &impl Key) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }
    proptest!(|(a: (u64, String), b: (u64, String), c: (u8, (u32, u16)), d: (u8, (u32, u16)))| {
        prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        prop_assert_eq!(bytes(&c).cmp(&bytes(&d)), c.cmp(&d));
        prop_assert_eq!(<(u64, String)>::decode(&bytes(&a)), Some(a));
        prop_assert_eq!(<(u8, (u32, u16))>::decode(&bytes(&c)), Some(c));
    });
    assert_eq!(u64::decode(b"1234567"), None);
    assert_eq!(<(u64, u64)>::decode(&[0; 17]), None);
    assert_eq!(String::decode(&[0xFF]), None);
}

#[derive(Clone, Debug)]
enum Doing {
    Put(u64, usize),
    Delete(u64),
    DeleteRange(u64, u64),
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        4 => (0..40_u64, prop_oneof![5 => 0..50_usize, 1 => 4000..6000_usize]).prop_map(|(k, len)| Doing::Put(k, len)),
        2 => (0..40_u64).prop_map(Doing::Delete),
        1 => (0..40_u64, 0..40_u64).prop_map(|(from, to)| Doing::DeleteRange(from, to)),
    ]
}

#[test]
fn what_nobody_waits_for_is_on_disk_by_itself_and_keeps_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let write = |k, text: &str| {
        let mut batch = Batch::new();
        batch.put(&key(k, "n"), &note(text));
        batch
    };
    store.submit_lazily(write(1, "alone")).wait().unwrap();
    let (first, second) = (store.submit_lazily(write(1, "first")), store.submit(write(1, "second")));
    second.wait().unwrap();
    first.wait().unwrap();
    assert_eq!(store.reader().get::<Note>(&key(1, "n")).unwrap(), Some(note("second")));
    let last = store.submit_lazily(write(1, "last"));
    store.close(); // which does not wait for it to grow old
    last.wait().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// The two engines are one store.
    #[test]
    fn memory_and_disk_agree(decisions in prop::collection::vec(prop::collection::vec(doing(), 0..60), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        let (disk, memory) = (open(dir.path()), Store::in_memory());
        let batch = |decision: &[Doing]| {
            let mut batch = Batch::new();
            for doing in decision {
                match *doing {
                    Doing::Put(k, len) => batch.put(&key(k, "n"), &note(&"t".repeat(len))),
                    Doing::Delete(k) => batch.delete::<Note>(&key(k, "n")),
                    Doing::DeleteRange(from, to) => batch.delete_range::<Note>(key(from, "")..key(to, "")),
                }
            }
            batch
        };
        for decision in &decisions {
            // Whether somebody waits for it makes no difference to what is stored, nor to the order.
            let lazy = decision.len() % 2 == 0;
            drop(if lazy { disk.submit_lazily(batch(decision)) } else { disk.submit(batch(decision)) });
            drop(memory.submit(batch(decision)));
        }
        disk.submit(Batch::new()).wait().unwrap();
        prop_assert_eq!(texts(&disk), texts(&memory));
        disk.close();
        let live = disk.stats().live_bytes;
        drop(disk);
        let disk = open(dir.path());
        prop_assert_eq!(texts(&disk), texts(&memory));
        prop_assert_eq!(disk.check(&[]).findings, Vec::<String>::new());
        prop_assert_eq!(disk.stats().live_bytes, live);
    }
}
