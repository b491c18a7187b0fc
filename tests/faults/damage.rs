//! Damaged and foreign data: repaired, or said so, and never one core after another.

use crate::support::{Daemon, SOON, holds, millis, until};
use crate::{degraded, look, task};
use hostler::store::{self, Batch, Kind, Record, Store, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A daemon that has run, with some tasks, and was stopped twice: the second start leaves a snapshot.
fn stopped() -> Daemon {
    let mut daemon = Daemon::start();
    for n in 0..20 {
        daemon.post("/proc", &task(&format!("task{n}"), "cron", "true", &json!({ "cron": "0 0 1 1 *" }))).expect(200);
    }
    daemon.restart();
    daemon.stop();
    daemon
}

fn tasks(daemon: &Daemon) -> usize {
    daemon.get("/proc").expect(200).json()["data"]["tasks"].as_object().expect("an object").len()
}

fn repaired(daemon: &Daemon) -> Value {
    daemon.unix().get("/hostler/v1/status").expect(200).json()["store"]["repaired"].take()
}

fn in_db(daemon: &Daemon, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(daemon.data_dir().join("db")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect()
}

fn cut(path: &Path, bytes: u64) {
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Starts it; whether it serves or is degraded. Whichever it is, it stays so, with one core.
#[track_caller]
fn settles(daemon: &mut Daemon) -> bool {
    daemon.launch_unready();
    let health = |daemon: &Daemon| look(daemon, "/healthz").map(|answer| answer.status);
    let status = until("an answer", SOON, || health(daemon).filter(|status| matches!(status, 200 | 503)));
    let core = daemon.core_pid();
    holds("it stays as it is", millis(1200), || daemon.core_pid() == core && health(daemon) == Some(status));
    status == 200
}

#[test]
fn a_torn_snapshot_and_a_torn_configuration_are_repaired() {
    let mut daemon = stopped();
    let snapshots = in_db(&daemon, "snap.");
    assert!(!snapshots.is_empty(), "there is no snapshot to damage");
    snapshots.iter().for_each(|snapshot| cut(snapshot, 7));
    daemon.launch();
    assert_eq!(tasks(&daemon), 20);
    assert!(repaired(&daemon).is_string(), "the status does not tell of the repair");
    daemon.stop();

    cut(&daemon.data_dir().join("db/conf"), 3);
    daemon.launch();
    assert_eq!(tasks(&daemon), 20);
    daemon.restart();
    assert_eq!((tasks(&daemon), repaired(&daemon)), (20, Value::Null), "the repair did not last");
}

#[test]
fn a_cut_or_flipped_database_never_leads_to_one_core_after_another() {
    let mut daemon = stopped();
    let db = daemon.data_dir().join("db/db");
    let whole = fs::read(&db).unwrap();
    let mut damaged = Vec::new();
    for tenths in [9, 3] {
        damaged.push(whole[..whole.len() * tenths / 10].to_vec());
    }
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for tenths in [1, 6] {
        let mut flipped = whole.clone();
        flipped[used * tenths / 10..].iter_mut().take(64).for_each(|byte| *byte ^= 0x55);
        damaged.push(flipped);
    }
    for bytes in damaged {
        for file in in_db(&daemon, "snap.") {
            fs::remove_file(file).unwrap();
        }
        fs::write(&db, bytes).unwrap();
        if settles(&mut daemon) {
            daemon.unix().get("/proc").expect(200);
        } else {
            let cause = degraded(&daemon);
            assert!(cause.contains(daemon.data_dir().to_str().unwrap()), "{cause}");
        }
        daemon.stop();
    }
}

#[test]
fn a_damaged_object_is_named_and_service_resumes_when_it_is_whole_again() {
    let mut daemon = Daemon::start();
    let long = json!({ "cron": "0 0 1 1 *", "env": { "LONG": "x".repeat(20_000) } });
    daemon.post("/proc", &task("long", "cron", "true", &long)).expect(200);
    daemon.stop();
    let mut objects = fs::read_dir(daemon.data_dir().join("objects")).unwrap().map(|entry| entry.unwrap().path());
    let object = objects.next().expect("a long definition is an object");
    let whole = fs::read(&object).unwrap();
    cut(&object, 100);

    assert!(!settles(&mut daemon), "a task that cannot be read was passed over");
    let cause = degraded(&daemon);
    assert!(cause.contains("100 bytes"), "{cause}");
    let file = File::options().write(true).open(&object).unwrap();
    file.write_all_at(&whole, 0).unwrap();
    daemon.await_ready();
    assert_eq!(tasks(&daemon), 1);
}

/// A kind of the daemon's, as a later version may have it.
#[derive(Serialize, Deserialize)]
struct Later(u64);

impl Record for Later {
    const KIND: Kind = Kind::new(0x17, "proc.ceiling");
    const FORMAT: u8 = 77;
    type Key = u64;
}

#[test]
fn data_of_a_later_version_is_left_alone() {
    let mut daemon = Daemon::prepared("");
    fs::create_dir(daemon.data_dir()).unwrap();
    let later = store::Settings { tables: vec![Table::of::<Later>()], ..store::Settings::new(daemon.data_dir()) };
    let store = Store::open(later).unwrap();
    let mut batch = Batch::new();
    batch.put(&1, &Later(1));
    store.submit(batch).wait().unwrap();
    drop(store);

    assert!(!settles(&mut daemon));
    let cause = degraded(&daemon);
    assert!(cause.contains("proc.ceiling has format 77, from the future: this version knows up to 1"), "{cause}");
}

#[test]
fn a_binary_that_does_not_know_the_data_is_refused_by_its_own_check() {
    let daemon = Daemon::start();
    let formats = daemon.data_dir().join("formats");
    let mut noted: Value = serde_json::from_slice(&fs::read(&formats).unwrap()).unwrap();
    noted["proc.task"] = json!(99);
    fs::write(&formats, noted.to_string()).unwrap();
    let (keeper, core) = (daemon.keeper_pid(), daemon.core_pid());
    let refused = daemon.unix().post("/hostler/v1/upgrade", &json!({})).expect(409);
    assert!(refused.text().contains("self-check"), "{}", refused.text());
    let said = "the data has format 99 of proc.task, which this version does not know";
    assert!(daemon.stderr().contains(said), "the log does not say why");
    assert_eq!((daemon.keeper_pid(), daemon.core_pid()), (keeper, core));
    daemon.post("/proc", &task("after", "once", "true", &json!({}))).expect(200);
}
