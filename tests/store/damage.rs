//! Damaged files: what can be made anew is, what cannot is reported, nothing wrong is served in silence.

use crate::story::{Change, State, batch, contents, decision, open, play, settings, state_after};
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
        for name in ["removed", "damaged", "without a copy", "removed without a copy"] {
            let dir = sample_of(decisions);
            drop(open(dir.path()));
            let (copies, snapshots) = (dir.path().join("db/spare"), snapshots(dir.path()));
            assert!(!snapshots.is_empty(), "sled wrote no snapshot");
            for snap in &snapshots {
                match name {
                    "removed" | "removed without a copy" => fs::remove_file(snap).unwrap(),
                    _ => fs::write(snap, b"snap").unwrap(),
                }
            }
            if name.ends_with("without a copy") {
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

/// What is in the files while the store is open, as a killed process leaves them.
fn killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir, copy.path());
    copy
}

/// More than one segment of the log.
fn long(n: u64) -> Vec<Change> {
    (0..200).map(|k| Change::Put(5000 + k, format!("{n} ").repeat(600))).collect()
}

/// sled writes a snapshot, renames it, removes the old one and overwrites what is free; then the copy is made, and what
/// stands beside the tree. Whatever of it a kill, or a power cut, left undone, nothing is missing unless it is said.
#[test]
fn an_opening_may_be_cut_short_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::new();
    for session in 0..3 {
        let store = open(dir.path());
        for n in 0..6 {
            play(&mut state, &long(session * 10 + n));
            store.submit(batch(&long(session * 10 + n))).wait().unwrap();
        }
    }
    let store = open(dir.path());
    for n in 0..7 {
        play(&mut state, &long(100 + n));
        store.submit(batch(&long(100 + n))).wait().unwrap();
    }
    let before = killed(dir.path());
    drop(store);
    let after = {
        let twin = killed(before.path());
        let _store = open(twin.path());
        killed(twin.path())
    };
    let (old, new) = (snapshots(before.path()).remove(0), snapshots(after.path()).remove(0));
    let name = |snapshot: &Path| snapshot.file_name().unwrap().to_owned();
    assert_ne!(name(&old), name(&new), "the opening wrote no snapshot");
    let put = |dir: &TempDir, from: &Path, to: PathBuf| fs::copy(from, dir.path().join(to)).map(drop).unwrap();
    for step in 0..7 {
        let dir = killed(before.path());
        let db = PathBuf::from("db");
        if step == 0 {
            let mut unfinished = name(&new);
            unfinished.push(".generating");
            fs::write(dir.path().join(&db).join(&unfinished), b"half").unwrap();
            fs::write(dir.path().join("db/spare").join(unfinished), b"half").unwrap();
        }
        if (1..6).contains(&step) {
            put(&dir, &new, db.join(name(&new)));
        }
        if (2..6).contains(&step) {
            fs::remove_file(dir.path().join(&db).join(name(&old))).unwrap();
        }
        if step >= 3 {
            put(&dir, &after.path().join("db/db"), db.join("db")); // without 1 and 2: the names were never durable
        }
        if (4..6).contains(&step) {
            put(&dir, &new, db.join("spare").join(name(&new)));
        }
        if step == 5 {
            fs::remove_file(dir.path().join("db/spare").join(name(&old))).unwrap();
        }
        match Store::open(settings(dir.path())) {
            Ok(store) => {
                assert!(contents(&store) == state, "step {step}: something is missing");
                assert_eq!(store.check(&[]).findings, Vec::<String>::new(), "step {step}");
                assert_eq!(store.stats().repaired, None, "step {step}");
            }
            Err(OpenError::Damaged { copy: Some(copy), .. }) if step == 6 => assert!(copy.join("db").exists()),
            Err(why) => panic!("step {step}: {why}"),
        }
        let left: Vec<_> = fs::read_dir(dir.path().join("db/spare")).unwrap().collect();
        assert!(step == 6 || left.len() == 1, "step {step}: {left:?}");
    }
}

/// A copy that is damaged, or of an older snapshot, never takes the place of one.
#[test]
fn a_copy_that_is_no_good_is_not_used() {
    let dir = sample();
    let older = {
        let _store = open(dir.path());
        killed(dir.path())
    };
    drop(open(dir.path()));
    let copies = dir.path().join("db/spare");
    let copy = fs::read_dir(&copies).unwrap().next().unwrap().unwrap();

    // The snapshot is good, and only `conf` is not.
    fs::write(copy.path(), b"").unwrap();
    fs::File::options().write(true).open(dir.path().join("db/conf")).unwrap().set_len(58).unwrap();
    assert!(whole(dir.path()), "opened without repair");
    assert!(!whole(dir.path()), "the repair did not last");
    let snapshot_now = snapshots(dir.path()).remove(0);
    let (good, copied) = (fs::read(&snapshot_now).unwrap(), copies.join(snapshot_now.file_name().unwrap()));
    assert!(fs::read(copied).unwrap() == good, "the damaged copy stayed");

    // Both are damaged, or the copy is too old: then it is said, and said again.
    for damage in ["both", "stale", "removed and stale"] {
        let dir = killed(dir.path());
        let (db, copies) = (dir.path().join("db"), dir.path().join("db/spare"));
        let name = snapshot_now.file_name().unwrap();
        fs::remove_file(copies.join(name)).unwrap();
        let stale = snapshots(older.path()).remove(0);
        match damage {
            "both" => fs::write(copies.join(name), &good[1..]).unwrap(),
            _ => drop(fs::copy(&stale, copies.join(stale.file_name().unwrap())).unwrap()),
        }
        match damage {
            "removed and stale" => fs::remove_file(db.join(name)).unwrap(),
            _ => fs::write(db.join(name), &good[1..]).unwrap(),
        }
        for _ in 0..2 {
            match Store::open(settings(dir.path())) {
                Err(OpenError::Damaged { copy: Some(copy), .. }) => assert!(copy.join("db").exists(), "{damage}"),
                Err(why) => panic!("{damage}: {why}"),
                Ok(_) => panic!("{damage}: opened"),
            }
        }
    }
}

/// A tree that is empty, or was put back to an earlier day, is not taken for the one that was there.
#[test]
fn a_database_that_is_gone_is_not_a_new_one() {
    for gone in ["the log", "all but the witness", "the directory", "what came since"] {
        let dir = sample();
        let earlier = killed(dir.path());
        drop(open(dir.path()));
        let db = dir.path().join("db");
        let objects = fs::read_dir(dir.path().join("objects")).unwrap().count();
        match gone {
            "the log" => fs::remove_file(db.join("db")).unwrap(),
            "all but the witness" => {
                let witness = fs::read(db.join("session")).unwrap();
                fs::remove_dir_all(&db).unwrap();
                fs::create_dir(&db).unwrap();
                fs::write(db.join("session"), witness).unwrap();
            }
            "the directory" => fs::remove_dir_all(&db).unwrap(),
            _ => {
                let witness = fs::read(db.join("session")).unwrap();
                fs::remove_dir_all(&db).unwrap();
                fs::create_dir(&db).unwrap();
                copy_dir(&earlier.path().join("db"), &db);
                let number = String::from_utf8(witness).unwrap().split(' ').next().unwrap().to_owned();
                fs::write(db.join("session"), number).unwrap();
            }
        }
        for _ in 0..2 {
            match Store::open(settings(dir.path())) {
                Err(OpenError::Damaged { copy: Some(copy), .. }) => assert!(copy.exists(), "{gone}"),
                Err(why) => panic!("{gone}: {why}"),
                Ok(_) => panic!("{gone}: taken for a whole store"),
            }
        }
        assert_eq!(fs::read_dir(dir.path().join("objects")).unwrap().count(), objects, "{gone}: objects were removed");
    }
}

/// Without the file beside the tree, or a place for the second copy, the store opens all the same.
#[test]
fn the_guards_themselves_may_be_missing() {
    let dir = sample();
    fs::remove_file(dir.path().join("db/session")).unwrap();
    assert!(!whole(dir.path()));
    assert!(dir.path().join("db/session").exists(), "it was not written again");
    fs::write(dir.path().join("db/session"), b"\xFF\xFF").unwrap();
    let _ = fs::remove_dir_all(dir.path().join("db/spare"));
    fs::write(dir.path().join("db/spare"), b"in the way").unwrap();
    let _ = Store::open(settings(dir.path())).map_err(|why| panic!("{why}"));
}

/// A message of the log that is not replayed is no reason to go on as if nothing were missing: sled would, in silence.
/// Either the log breaks off there, and what is before that is there, or the store does not open.
#[test]
fn damage_in_the_log_is_found_before_it_is_replayed() {
    const COUNT: u64 = 4000;
    let dir = sample_of(0);
    let store = open(dir.path());
    let text = |n: u64| format!("{n} ").repeat(200);
    let tickets: Vec<_> =
        (1..=COUNT).map(|n| store.submit(batch(&[Change::Put(n, text(n)), Change::Put(0, n.to_string())]))).collect();
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    let (kept, len) = (killed(dir.path()), fs::metadata(dir.path().join("db/db")).unwrap().len());
    drop(store);
    let (mut refused, mut cut) = (0, 0);
    for at in (100_000..len).step_by(200_000) {
        let dir = killed(kept.path());
        let file = fs::File::options().read(true).write(true).open(dir.path().join("db/db")).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_at(&[byte[0] ^ 0x10], at).unwrap();
        let store = match Store::open(settings(dir.path())) {
            Err(OpenError::Damaged { copy: Some(_), .. }) => {
                refused += 1;
                continue;
            }
            Err(why) => panic!("byte {at}: {why}"),
            Ok(store) => store,
        };
        let (now, repaired) = (contents(&store), store.stats().repaired);
        let last = now.get(&0).map_or(0, |last| last.parse().unwrap());
        assert!((1..=last).all(|n| now.get(&n) == Some(&text(n))), "byte {at}: something before {last} is missing");
        assert_eq!(now.len() as u64, if last > 0 { last + 1 } else { 0 }, "byte {at}: something is behind {last}");
        if let Some(said) = repaired {
            assert!(said.contains("is dropped") && dir.path().join("db.damaged/db").exists(), "{said}");
            drop(store);
            let store = open(dir.path());
            assert!(contents(&store) == now && store.stats().repaired.is_none(), "byte {at}: the repair did not last");
            cut += 1;
        }
    }
    assert!(cut > 0 && refused + cut > 3, "{refused} refused, {cut} cut");
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
