//! The store as rooms see it, on disk and in memory; and the committer over a backend that counts and fails.

use super::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Record for Note {
    const KIND: Kind = Kind::new(0x10, "test.note");
    const FORMAT: u8 = 1;
    type Key = (u64, String);
}

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
