//! Disks that are full or read-only. Each test mounts a small tmpfs in a mount namespace of its own, which needs root.

use crate::story::{Change, batch, contents, open, settings, until};
use hostler::store::{CommitError, OpenError, Settings, Store};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A tmpfs of so many bytes that only this thread, and those it starts, see. It is gone when they are.
#[track_caller]
fn small_disk(bytes: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let nothing = None::<&str>;
    let mounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing))
        .and_then(|()| {
            mount(nothing, dir.path(), Some("tmpfs"), MsFlags::empty(), Some(format!("size={bytes}").as_str()))
        });
    if let Err(why) = mounted {
        panic!("this test mounts a tmpfs and needs the right to (run it as root): {why}");
    }
    dir
}

fn remount(dir: &Path, flags: MsFlags) {
    mount(None::<&str>, dir, None::<&str>, MsFlags::MS_REMOUNT | flags, None::<&str>).unwrap();
}

/// Takes all the space there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [MIB as usize, 4096] {
        let zeros = vec![0; size];
        while file.write_all(&zeros).is_ok() {}
    }
}

fn small(n: u64) -> hostler::store::Batch {
    batch(&[Change::Put(n, format!("{n} {}", "z".repeat(1000)))])
}

#[test]
fn on_a_full_disk_clients_wait_and_the_core_writes_on() {
    let disk = small_disk(64 * MIB);
    let dir = disk.path().join("data");
    let with_reserve = Settings { reserve_bytes: 24 * MIB, ..settings(&dir) };
    let store = Store::open(with_reserve.clone()).unwrap();
    store.submit(small(0)).wait().unwrap();
    assert_eq!(store.admits(), Ok(()));
    assert_eq!(store.stats().reserve, 24 * MIB);
    assert_eq!(store.admits_bytes(20 * MIB), Ok(()));
    assert!(store.admits_bytes(40 * MIB).is_err(), "that much would not fit");

    fill(&disk.path().join("ballast"));
    store.submit(small(1)).wait().unwrap();
    assert!(store.admits().is_err(), "clients may write to a full disk");
    for n in 2..2000 {
        store.submit(small(n)).wait().unwrap();
    }
    let stats = store.stats();
    assert!(stats.full && stats.reserve < 24 * MIB, "the reserve was not used: {stats:?}");

    // A full disk does not keep the store from being opened either.
    drop(store);
    let store = Store::open(with_reserve).unwrap();
    assert!(store.admits().is_err());
    store.submit(small(2000)).wait().unwrap();
    assert_eq!(contents(&store).len(), 2001);

    fs::remove_file(disk.path().join("ballast")).unwrap();
    until("clients may write again, without a write", || store.admits().is_ok());
    assert_eq!(store.stats().reserve, 24 * MIB);
    store.submit(small(2001)).wait().unwrap();
    assert_eq!(store.check(&[]).findings, Vec::<String>::new());
}

#[test]
fn when_the_reserve_is_used_up_too_the_store_stops_and_loses_nothing() {
    let disk = small_disk(24 * MIB);
    let dir = disk.path().join("data");
    let (failed, failure) = mpsc::channel();
    let settings = Settings {
        reserve_bytes: MIB,
        on_commit_error: Arc::new(move |why| failed.send(why.clone()).unwrap()),
        ..settings(&dir)
    };
    let store = Store::open(settings).unwrap();
    store.submit(small(0)).wait().unwrap();
    fill(&disk.path().join("ballast"));
    let mut durable = 0;
    for n in 1.. {
        match store.submit(small(n)).wait() {
            Ok(()) => durable = n,
            Err(_) => break,
        }
    }
    let why = failure.recv_timeout(Duration::from_secs(20)).expect("the hook was not called");
    assert!(matches!(why, CommitError::Storage(_)), "{why}");
    assert_eq!(store.submit(small(0)).wait(), Err(CommitError::Stopped));
    drop(store);

    fs::remove_file(disk.path().join("ballast")).unwrap();
    let found = contents(&open(&dir));
    assert!((0..=durable).all(|n| found.contains_key(&n)), "acknowledged up to {durable}, found {}", found.len());
}

#[test]
fn a_read_only_disk_is_an_error_that_passes() {
    let disk = small_disk(64 * MIB);
    let dir = disk.path().join("data");
    open(&dir).submit(small(7)).wait().unwrap();
    until("the store is closed", || {
        mount(None::<&str>, disk.path(), None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>).is_ok()
    });
    let Err(OpenError::Io { source, .. }) = Store::open(settings(&dir)) else { panic!("opened read-only") };
    assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    remount(disk.path(), MsFlags::empty());
    assert_eq!(contents(&open(&dir)).len(), 1);
}
