//! Backup, restore, export, check, compaction, and stores of other formats.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The same kind, in its second shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NewNote {
    lines: Vec<String>,
    password: String,
}

impl Record for NewNote {
    const KIND: Kind = Note::KIND;
    const FORMAT: u8 = 2;
    type Key = (u64, String);

    fn migrate(format: u8, json: Value) -> Option<NewNote> {
        let text = json.get("text")?.as_str()?;
        (format == 1).then(|| NewNote { lines: text.lines().map(Into::into).collect(), password: "secret".into() })
    }

    fn mask(json: &mut Value) {
        if let Some(password) = json.get_mut("password") {
            *password = Value::Null;
        }
    }
}

fn renewed(dir: &Path) -> Settings {
    Settings { tables: vec![Table::of::<NewNote>()], ..settings(dir) }
}

fn filled(dir: &Path) -> Store {
    let store = open(dir);
    for n in 0..600 {
        let _ = put(&store, n, &format!("text {n}"));
    }
    put(&store, 600, &"long ".repeat(4000)).wait().unwrap();
    store
}

fn backup_of(store: &Store, dir: &Path) -> std::path::PathBuf {
    let path = dir.join("backup");
    store.backup(&mut fs::File::create(&path).unwrap()).unwrap();
    path
}

#[test]
fn a_restored_backup_is_the_store() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = filled(old.path());
    let file = backup_of(&store, old.path());
    let target = new.path().join("data");
    assert_eq!(restore(&file, &target, false).unwrap(), 601);
    let restored = open(&target);
    assert_eq!(texts(&restored), texts(&store));
    assert_eq!(restored.check(&[]).findings, Vec::<String>::new());
    put(&restored, 7, "new").wait().unwrap();

    assert!(matches!(restore(&file, &target, true), Err(RestoreError::Locked { .. })));
    drop(restored);
    assert!(matches!(restore(&file, &target, false), Err(RestoreError::NotEmpty(_))));
    restore(&file, &target, true).unwrap();
    assert_eq!(texts(&open(&target)), texts(&store), "the old one was not replaced");
}

/// The new parts are in `swap/`, and a crash came after the old one was put aside: the next start makes an empty directory in
/// its place before it goes on.
#[test]
fn a_restore_goes_on_after_a_crash_between_two_renames() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = filled(dir.path());
    let file = backup_of(&old, other.path());
    put(&old, 5, "since the backup").wait().unwrap();
    drop(old);
    let built = other.path().join("built");
    restore(&file, &built, false).unwrap();
    fs::create_dir_all(dir.path().join("before-restore")).unwrap();
    fs::create_dir(dir.path().join("swap")).unwrap();
    fs::write(dir.path().join("swap/keep"), b"").unwrap();
    for part in ["objects", "redo", "db"] {
        fs::rename(built.join(part), dir.path().join("swap").join(part)).unwrap();
    }
    for part in ["objects", "db"] {
        fs::rename(dir.path().join(part), dir.path().join("before-restore").join(part)).unwrap();
    }
    let store = open(dir.path());
    assert_eq!(texts(&store)[5], (5, "text 5".into()));
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
    assert!(dir.path().join("before-restore/db/db").exists(), "what was replaced is gone");
    assert!(!dir.path().join("swap").exists());
}

/// Calls something at each write.
struct Interrupted<F>(Vec<u8>, F);

impl<F: FnMut()> io::Write for Interrupted<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.1)();
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_backup_is_consistent_while_the_store_is_written_to() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = filled(old.path());
    // One decision always sets both ends of the scan, with and without objects: no backup may see one without the other.
    let both = |n: u64| {
        let mut batch = Batch::new();
        let text = format!("both {n} ").repeat(if n.is_multiple_of(2) { 1 } else { 900 });
        batch.put(&key(0, "first"), &note(&text));
        batch.put(&key(u64::MAX, "last"), &note(&text));
        batch
    };
    store.submit(both(0)).wait().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                store.submit(both(n)).wait().unwrap();
            }
        });
        for round in 0..10 {
            let mut between = 1000 * (round + 1);
            let mut out = Interrupted(Vec::new(), || {
                between += 1;
                put(&store, between, "written while the backup is").wait().unwrap();
            });
            store.backup(&mut out).unwrap();
            let file = old.path().join("backup");
            fs::write(&file, out.0).unwrap();
            let target = new.path().join(round.to_string());
            restore(&file, &target, false).unwrap();
            let restored = open(&target);
            let get = |number, name| restored.reader().get::<Note>(&key(number, name)).unwrap();
            assert_eq!(get(0, "first"), get(u64::MAX, "last"), "a decision is there in part");
            assert!(get(1000 * (round + 1) + 1, "n").is_some(), "an early write is missing");
            assert_eq!(restored.check(&[]).findings, Vec::<String>::new());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let objects = fs::read_dir(old.path().join("objects")).unwrap().count();
    assert!(objects <= 3, "{objects} objects: those replaced during a backup were not unlinked after it");
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let file = backup_of(&store, dir.path());
    let good = fs::read(&file).unwrap();
    let target = dir.path().join("restored");
    let mut damaged: Vec<Vec<u8>> = (0..20).map(|nth| good[..good.len() * nth / 20].to_vec()).collect();
    damaged.push(good[..good.len() - 1].to_vec());
    damaged.push([&good[..], b"x"].concat());
    damaged.extend((0..40).map(|nth| {
        let mut bytes = good.clone();
        let at = bytes.len() * nth / 40;
        bytes[at] ^= 1;
        bytes
    }));
    for (nth, bytes) in damaged.iter().enumerate() {
        fs::write(&file, bytes).unwrap();
        assert!(matches!(restore(&file, &target, true), Err(RestoreError::Archive(_))), "damage {nth} was not noticed");
    }
    assert!(!target.exists(), "something was written before the backup was verified");
}

#[test]
fn an_export_shows_records_and_hides_secrets() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let store = Store::open(renewed(dir.path())).unwrap();
    let mut out = Vec::new();
    assert_eq!(store.export(&[Table::of::<NewNote>()], &mut out).unwrap(), 601);
    let text = String::from_utf8(out).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let record = json!({ "lines": ["text 0"], "password": null });
    assert_eq!(first, json!({ "kind": "test.note", "key": [0, "n"], "record": record }));
    assert!(!text.contains("secret"));

    let mut out = Vec::new();
    store.export(&[], &mut out).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("text"), "a record of an unknown kind was shown");
}

#[test]
fn an_older_kind_is_migrated_after_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let before = texts(&filled(dir.path()));
    let store = Store::open(renewed(dir.path())).unwrap();
    let found: BTreeMap<_, _> = store.reader().scan::<NewNote>(..).map(Result::unwrap).collect();
    let expected = before
        .iter()
        .map(|(number, text)| (key(*number, "n"), NewNote { lines: vec![text.clone()], password: "secret".into() }));
    assert_eq!(found, expected.collect());
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
    drop(store);

    let backup = dir.path().join("before-migration.backup");
    let old = dir.path().join("old");
    restore(&backup, &old, false).unwrap();
    assert_eq!(texts(&open(&old)), before);

    let refused = Store::open(settings(dir.path())).err().unwrap();
    assert_eq!(refused.to_string(), "test.note has format 2, from the future: this version knows up to 1");
}

#[test]
fn a_record_that_cannot_be_migrated_keeps_the_old_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    drop(store);
    #[derive(Serialize, Deserialize)]
    struct Incompatible;
    impl Record for Incompatible {
        const KIND: Kind = Note::KIND;
        const FORMAT: u8 = 2;
        type Key = (u64, String);
    }
    let incompatible = Settings { tables: vec![Table::of::<Incompatible>()], ..settings(dir.path()) };
    assert!(matches!(Store::open(incompatible), Err(OpenError::Migration { kind: "test.note", .. })));
    assert_eq!(texts(&open(dir.path())).len(), 601);
}

/// Commits an operation of the store's own, past the handle.
fn commit_own(dir: &Path, op: batch::Op) {
    let mut opened = open::open(&settings(dir)).unwrap();
    opened.committer.commit(vec![committer::Decision { ops: vec![op], answer: None }], false).unwrap();
}

#[test]
fn a_store_from_the_future_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let mark = |number: &str| batch::Op::Put { key: b"\0format".to_vec(), value: number.into() };
    commit_own(dir.path(), mark("2"));
    for _ in 0..2 {
        let refused = Store::open(settings(dir.path())).err().unwrap();
        assert_eq!(refused.to_string(), "the store has format 2, from the future: this version knows up to 1");
    }
}

/// Writes `tests/data/store-1`, which later versions must open for ever: run it by hand when format 1 is still the
/// present one, never after. It holds an object, and a decision that was committed but not yet applied.
#[test]
#[ignore = "writes the sample anew"]
fn write_the_sample() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store-1");
    assert!(!dir.exists(), "remove it first, if that is what you mean");
    let small = Settings { reserve_bytes: 0, ..settings(&dir) };
    let store = Store::open(small.clone()).unwrap();
    for n in 0..20 {
        put(&store, n, &format!("text {n}")).wait().unwrap();
    }
    put(&store, 20, &"long ".repeat(1000)).wait().unwrap();
    drop(store);
    let opened = open::open(&small).unwrap();
    let ops = (100..400).map(|n| {
        let mut batch = Batch::new();
        batch.put(&key(n, "redo"), &note(&format!("redone {n}")));
        batch.ops.remove(0)
    });
    let written = redo::Redo::open(opened.layout.redo()).write(&ops.collect::<Vec<_>>()).unwrap();
    use backend::Backend;
    opened.tree.apply([(written.key, Some(written.value))].into()).unwrap();
    opened.tree.sync().unwrap();
    drop(opened);
    for file in ["lock", "reserve"] {
        // Made anew by every start.
        fs::remove_file(dir.join(file)).unwrap();
    }
}

#[test]
fn two_kinds_with_one_prefix_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let twice = Settings { tables: vec![Table::of::<Note>(), Table::of::<NewNote>()], ..settings(dir.path()) };
    assert!(matches!(Store::open(twice), Err(OpenError::KindTwice { .. })));
}

#[test]
fn rules_of_rooms_are_part_of_a_check() {
    let rule: Rule = Box::new(|reader, report| {
        for note in reader.scan::<Note>(..) {
            let ((number, _), note) = note?;
            if note.text.contains("599") {
                report(format!("note {number} names a run that does not exist"));
            }
        }
        Ok(())
    });
    let dir = tempfile::tempdir().unwrap();
    let report = filled(dir.path()).check(&[rule]);
    assert_eq!((report.records, report.objects, report.wrong), (601, 1, 1));
    assert_eq!(report.findings, ["note 599 names a run that does not exist"]);
}

#[test]
fn compaction_gives_space_back_and_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    for round in 0..20 {
        let tickets: Vec<_> = (0..600).map(|n| put(&store, n, &format!("{round} {}", "w".repeat(500)))).collect();
        tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    }
    let before = texts(&store);
    drop(store);
    let done = compact(&settings(dir.path())).unwrap();
    // How much there was to give back depends on how many decisions went into one commit.
    assert!(done.after < done.before, "{done:?}");
    let store = open(dir.path());
    assert_eq!(texts(&store), before);
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
}

#[test]
fn a_start_compacts_what_is_mostly_dead_or_when_asked() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let database = || fs::metadata(dir.path().join("db")).unwrap().ino();
    let reopen = |most_dead_bytes| {
        let store = Store::open(Settings { most_dead_bytes, ..settings(dir.path()) }).unwrap();
        assert_eq!(texts(&store).len(), 601);
        store
    };
    let first = database();
    let store = reopen(256 << 20);
    assert_eq!(database(), first, "hardly anything is dead");
    store.compact_at_next_open().unwrap();
    drop(store);
    drop(reopen(256 << 20));
    let second = database();
    assert_ne!(second, first, "it was asked to");
    drop(reopen(256 << 20));
    assert_eq!(database(), second, "it was asked once");
    drop(reopen(0));
    assert_ne!(database(), second, "more is dead than may be");
}
