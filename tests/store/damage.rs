//! Damaged files: what can be made anew is, what cannot is reported, nothing wrong is served in silence.

use crate::story::{batch, contents, decision, open, settings, state_after};
use hostler::store::{OpenError, Store};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const DECISIONS: u64 = 40;

/// A store that was closed in order, after so many decisions.
fn sample() -> TempDir {
    sample_of(DECISIONS)
}

fn sample_of(decisions: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..decisions {
        store.submit(batch(&decision(n))).wait().unwrap();
    }
    dir
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

/// Reopens, and nothing is missing; answers whether a repair was needed.
fn whole(dir: &Path) -> bool {
    let store = open(dir);
    assert!(contents(&store) == state_after(DECISIONS), "something is missing");
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
    store.stats().repaired.is_some()
}

#[test]
fn an_undamaged_store_needs_no_repair() {
    let dir = sample();
    assert!(!whole(dir.path()));
    assert!(!dir.path().join("db.damaged").exists());
}

#[test]
fn a_damaged_snapshot_comes_back() {
    let damages: [fn(&Path); 3] = [
        |snap| fs::write(snap, b"").unwrap(),
        |snap| fs::File::options().write(true).open(snap).unwrap().set_len(7).unwrap(),
        |snap| fs::write(snap, vec![0xA5; 5000]).unwrap(),
    ];
    for damage in damages {
        let dir = sample();
        drop(open(dir.path())); // a second start writes one
        let snapshots = snapshots(dir.path());
        assert!(!snapshots.is_empty(), "sled wrote no snapshot to damage");
        snapshots.iter().for_each(|snap| damage(snap));
        assert!(whole(dir.path()), "opened without repair");
        assert!(dir.path().join("db.damaged/db").exists(), "no copy was kept");
        assert!(!whole(dir.path()), "the repair did not last");
    }
}

/// The log alone is not enough once parts of it were thrown away: how many, and where it breaks off, differs with what was
/// written, so stores of many lengths are tried.
#[test]
fn what_a_snapshot_said_is_never_guessed() {
    for decisions in (10..60).step_by(7) {
        for name in ["removed", "damaged", "without a copy"] {
            let dir = sample_of(decisions);
            drop(open(dir.path()));
            let (copies, snapshots) = (dir.path().join("db/spare"), snapshots(dir.path()));
            assert!(!snapshots.is_empty(), "sled wrote no snapshot");
            for snap in &snapshots {
                match name {
                    "removed" => fs::remove_file(snap).unwrap(),
                    _ => fs::write(snap, b"snap").unwrap(),
                }
            }
            if name == "without a copy" {
                fs::remove_dir_all(&copies).unwrap();
                match Store::open(settings(dir.path())) {
                    Err(OpenError::Damaged { copy: Some(copy), .. }) => assert!(copy.join("db").exists()),
                    Err(other) => panic!("{other}"),
                    Ok(_) => panic!("opened without what says which parts of the log count"),
                }
                continue;
            }
            let store = open(dir.path());
            assert!(contents(&store) == state_after(decisions), "{name}, {decisions}: something is missing");
            assert!(store.stats().repaired.is_some(), "{name}, {decisions}: opened without repair");
        }
    }
}

/// Whatever the store is told to forget of a snapshot, the next start has a copy of the present one.
#[test]
fn every_start_has_a_copy_of_the_snapshot() {
    let dir = sample();
    for n in 0..5 {
        let store = open(dir.path());
        store.submit(batch(&decision(DECISIONS + n))).wait().unwrap();
        drop(store);
        let names = |dir: &Path| -> Vec<_> {
            let found = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
            found.filter(|name| name.to_string_lossy().starts_with("snap.")).collect()
        };
        assert_eq!(names(&dir.path().join("db/spare")), names(&dir.path().join("db")), "start {n}");
    }
}

#[test]
fn a_snapshot_that_was_never_finished_is_no_damage() {
    let dir = sample();
    fs::write(dir.path().join("db/snap.FFFFFFFFFFFFFFFF.generating"), b"").unwrap();
    assert!(!whole(dir.path()));
    assert!(!dir.path().join("db.damaged").exists());
}

#[test]
fn a_torn_configuration_is_made_anew() {
    for len in [0, 3, 58] {
        let dir = sample();
        fs::File::options().write(true).open(dir.path().join("db/conf")).unwrap().set_len(len).unwrap();
        whole(dir.path());
        assert!(!whole(dir.path()), "the repair did not last");
    }
}

/// Bytes that were promised are gone: no store can bring them back. It must say so, and not panic.
#[test]
fn a_cut_database_is_reported() {
    for kept in [0.9, 0.5, 0.1] {
        let dir = sample();
        drop(open(dir.path()));
        let db = dir.path().join("db/db");
        let len = fs::metadata(&db).unwrap().len();
        fs::File::options().write(true).open(&db).unwrap().set_len((len as f64 * kept) as u64).unwrap();
        match Store::open(settings(dir.path())) {
            Ok(store) => {
                let found = contents(&store);
                let said = store.stats().repaired.is_some() || store.check(&[]).wrong > 0;
                assert!(said || found == state_after(DECISIONS), "{kept}: lost records in silence");
            }
            Err(OpenError::Damaged { why, .. }) => assert!(!why.is_empty()),
            Err(other) => panic!("{kept}: {other}"),
        }
    }
}

#[test]
fn a_flipped_bit_is_never_served() {
    let dir = sample();
    let db = fs::metadata(dir.path().join("db/db")).unwrap().len();
    let mut noticed = 0;
    for nth in 0..24 {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let file = fs::File::options().read(true).write(true).open(copy.path().join("db/db")).unwrap();
        let mut byte = [0];
        let at = db * nth / 24 + 1234;
        if file.read_at(&mut byte, at).unwrap() == 0 {
            continue;
        }
        file.write_at(&[byte[0] ^ 0x10], at).unwrap();
        match Store::open(settings(copy.path())) {
            Ok(store) if store.check(&[]).wrong > 0 || store.stats().repaired.is_some() => noticed += 1,
            // Damage in the newest part of the log looks like its end: what follows is dropped, as after a power cut.
            Ok(store) => {
                let found = contents(&store);
                let decisions = found.get(&0).map_or(0, |last| last.parse::<u64>().unwrap() + 1);
                assert!(found == state_after(decisions), "byte {at}: wrong data in silence");
            }
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 0, "no flip hit anything");
}

#[test]
fn a_damaged_or_missing_object_is_found() {
    let dir = sample();
    let objects: Vec<_> =
        fs::read_dir(dir.path().join("objects")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(objects.len() >= 3, "the story left no objects");
    fs::remove_file(&objects[0]).unwrap();
    fs::File::options().write(true).open(&objects[1]).unwrap().write_at(b"?", 100).unwrap();
    fs::File::options().write(true).open(&objects[2]).unwrap().set_len(100).unwrap();
    let findings = open(dir.path()).check(&[]).findings;
    for said in ["the file is missing", "the checksum differs", "100 bytes instead of"] {
        assert!(findings.iter().any(|finding| finding.contains(said)), "{said} is not among {findings:?}");
    }
    assert_eq!(findings.len(), 3, "{findings:?}");
}

#[test]
fn what_a_crash_left_behind_is_removed() {
    let dir = sample();
    for rubbish in ["objects/00000000000fffff", "redo/77"] {
        fs::write(dir.path().join(rubbish), b"never committed").unwrap();
    }
    fs::create_dir(dir.path().join("swap.new")).unwrap();
    assert!(!whole(dir.path()));
    for rubbish in ["objects/00000000000fffff", "redo/77", "swap.new"] {
        assert!(!dir.path().join(rubbish).exists(), "{rubbish} is still there");
    }
}

#[test]
fn blobs_are_reported() {
    let dir = sample();
    fs::write(dir.path().join("db/blobs/1"), b"unsynced").unwrap();
    let findings = open(dir.path()).check(&[]).findings;
    assert!(findings.iter().any(|finding| finding.contains("blobs/ is not empty")), "{findings:?}");
}

#[test]
fn one_process_at_a_time() {
    let dir = sample();
    let store = open(dir.path());
    let Err(OpenError::Locked { holder, .. }) = Store::open(settings(dir.path())) else { panic!("opened twice") };
    assert_eq!(holder, std::process::id().to_string());
    let reader = store.reader();
    drop(store);
    assert!(matches!(Store::open(settings(dir.path())), Err(OpenError::Locked { .. })), "a reader still reads");
    drop(reader);
    assert!(!whole(dir.path()));
}

pub fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
