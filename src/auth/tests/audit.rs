//! The audit log: what is found, what is put aside, what survives.

use crate::auth::audit::{Audit, CHUNK, Entry, Filter, LONGEST_TEXT, Outcome, Settings};
use crate::base::Wall;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn entry(number: i64, who: &str, status: u16) -> Entry {
    Entry {
        at: Wall::UNIX_EPOCH + chrono::TimeDelta::seconds(number),
        who: who.to_owned(),
        uid: Some(1000),
        from: "unix pid 7".to_owned(),
        what: format!("POST /proc/{number}"),
        target: None,
        status,
        outcome: Outcome::of(status),
        why: (status >= 400).then(|| "because".to_owned()),
    }
}

fn all() -> Filter {
    Filter { limit: usize::MAX, ..Filter::default() }
}

#[test]
fn the_newest_lines_come_first_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    for number in 0..3 {
        audit.note(entry(number, "uid 0 (root)", 200));
    }
    let newest = audit.recent(&Filter { limit: 2, ..Filter::default() }).unwrap();
    assert_eq!(newest, [entry(2, "uid 0 (root)", 200), entry(1, "uid 0 (root)", 200)]);
    drop(audit);
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    audit.note(entry(3, "uid 0 (root)", 200));
    let whats: Vec<_> = audit.recent(&all()).unwrap().into_iter().map(|entry| entry.what).collect();
    assert_eq!(whats, ["POST /proc/3", "POST /proc/2", "POST /proc/1", "POST /proc/0"]);
    let mode = fs::metadata(dir.path().join("audit.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn lines_are_found_by_who_since_and_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    for (number, who, status) in
        [(1, "token ci", 403), (2, "uid 5 (eve)", 401), (3, "token ci", 200), (4, "token ci", 503)]
    {
        audit.note(entry(number, who, status));
    }
    let found =
        |filter: Filter| -> Vec<u16> { audit.recent(&filter).unwrap().into_iter().map(|entry| entry.status).collect() };
    assert_eq!(found(Filter { who: Some("ci".to_owned()), ..all() }), [503, 200, 403]);
    assert_eq!(found(Filter { outcome: Some(Outcome::Refused), ..all() }), [401, 403]);
    let since = Some(Wall::UNIX_EPOCH + chrono::TimeDelta::seconds(3));
    assert_eq!(found(Filter { since, ..all() }), [503, 200]);
    assert_eq!(found(Filter { since, outcome: Some(Outcome::Done), ..all() }), [200]);
    assert_eq!(found(Filter { since: Some(Wall::MAX_UTC), ..all() }), [0; 0]);
}

#[test]
fn full_files_are_put_aside_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 2_000, files: 3 };
    let audit = Audit::open(dir.path(), settings).unwrap();
    for number in 0..200 {
        audit.note(entry(number, "uid 0 (root)", 200));
        audit.settle(); // so that each line meets the size of the file as it is
    }
    let kept = audit.recent(&all()).unwrap();
    for (number, entry) in (0..200).rev().zip(&kept) {
        assert_eq!(entry.what, format!("POST /proc/{number}"), "no gap among what is kept");
    }
    assert!((21..=45).contains(&kept.len()), "{} lines of about 140 bytes are in 3 files of 2000", kept.len());
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2"]);
    for name in names {
        assert!(fs::metadata(dir.path().join(name)).unwrap().len() <= settings.max_bytes);
    }
}

#[test]
fn a_torn_line_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let whole = serde_json::to_string(&entry(1, "uid 0 (root)", 200)).unwrap();
    fs::write(dir.path().join("audit.log"), format!("{whole}\n{}", &whole[..40])).unwrap();
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    audit.note(entry(2, "uid 0 (root)", 200));
    assert_eq!(audit.recent(&all()).unwrap(), [entry(2, "uid 0 (root)", 200), entry(1, "uid 0 (root)", 200)]);
}

#[test]
fn reading_backwards_crosses_chunks_and_cuts_long_texts() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    let long = "ä".repeat(100_000);
    for number in 0..1_000 {
        audit.note(entry(number, &long, 200));
    }
    let kept = audit.recent(&all()).unwrap();
    assert_eq!(kept.len(), 1_000);
    assert!(fs::metadata(dir.path().join("audit.log")).unwrap().len() > 4 * CHUNK as u64);
    assert!(kept.iter().all(|entry| entry.who.len() < LONGEST_TEXT + 8 && entry.who.ends_with('…')));
    assert_eq!(kept.last().unwrap().what, "POST /proc/0");
}

#[test]
fn a_file_that_cannot_be_written_loses_lines_and_says_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings { max_bytes: 1, files: 2 }).unwrap();
    audit.note(entry(1, "uid 0 (root)", 200));
    audit.settle();
    // Putting the file aside fails while its next name is that of a directory with something in it.
    let in_the_way = dir.path().join("audit.log.1/x");
    fs::create_dir_all(&in_the_way).unwrap();
    audit.note(entry(2, "uid 0 (root)", 200));
    audit.settle();
    fs::remove_dir_all(dir.path().join("audit.log.1")).unwrap();
    audit.note(entry(3, "uid 0 (root)", 200));
    let kept = audit.recent(&all()).unwrap();
    assert_eq!(kept[0], entry(3, "uid 0 (root)", 200));
    assert_eq!(kept[1].why.as_deref(), Some("lines that could not be written: about 1"));
    assert_eq!(kept.last(), Some(&entry(1, "uid 0 (root)", 200)));
}

#[test]
fn files_put_aside_are_forgotten_when_all_in_them_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings { max_bytes: 400, files: 10 }).unwrap();
    for number in 0..12 {
        audit.note(entry(number, "uid 0 (root)", 200));
        audit.settle();
    }
    let count = || audit.recent(&all()).unwrap().len() as u64;
    assert_eq!(count(), 12);
    let age = |number: usize, seconds: u64| {
        let file = fs::File::options().append(true).open(dir.path().join(format!("audit.log.{number}"))).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    };
    let aside = fs::read_dir(dir.path()).unwrap().count() - 1;
    assert!(aside >= 3, "{aside}");
    (1..=aside).for_each(|number| age(number, 1_000_000 - number as u64));
    let limit = Wall::UNIX_EPOCH + chrono::TimeDelta::seconds(999_998);
    let forgotten = audit.forget(limit).unwrap();
    assert!(forgotten >= 1);
    assert_eq!(count(), 12 - forgotten);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "the current one, and two that are newer than that");
    assert_eq!(audit.forget(limit).unwrap(), 0);
    audit.note(entry(13, "uid 0 (root)", 200));
    assert_eq!(count(), 13 - forgotten);
}
