//! A store written by format 1 opens for ever.

use crate::damage::copy_dir;
use hostler::store::{Kind, Record, Settings, Store, Table};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The record in the sample.
#[derive(Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Record for Note {
    const KIND: Kind = Kind::new(0x10, "test.note");
    const FORMAT: u8 = 1;
    type Key = (u64, String);
}

#[test]
fn a_store_of_format_1_opens() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store-1");
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&sample, dir.path());
    let store = Store::open(Settings { tables: vec![Table::of::<Note>()], ..Settings::new(dir.path()) }).unwrap();
    let found: Vec<_> =
        store.reader().scan::<Note>(..).map(Result::unwrap).map(|(key, note)| (key, note.text)).collect();
    let key = |number: u64, name: &str| (number, name.to_owned());
    let mut expected: Vec<_> = (0..20).map(|n| (key(n, "n"), format!("text {n}"))).collect();
    expected.push((key(20, "n"), "long ".repeat(1000)));
    expected.extend((100..400).map(|n| (key(n, "redo"), format!("redone {n}"))));
    assert_eq!(found, expected);
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
    assert_eq!(store.stats().repaired, None);
}
