//! A store at rest costs nothing: the writer sleeps on its queue, and sled's threads on theirs.

use crate::story::{batch, child, decision, open, role};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

/// How long the store is watched.
const WATCHED: Duration = Duration::from_secs(3);

/// Without care each of sled's seven threads would wake so often in that time.
const CARELESS: u64 = 7 * 3;

/// The child's part: a few decisions, then nothing.
#[test]
fn idle_child() {
    let Some(dir) = role("idle::idle_child") else { return };
    let store = open(&dir);
    for n in 0..20 {
        store.submit(batch(&decision(n))).wait().unwrap();
    }
    println!("idle");
    loop {
        std::thread::park();
    }
}

/// How often each thread has gone to sleep of its own will.
fn sleeps(pid: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |status: &str| {
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
    };
    let tasks = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        Some((format!("{} {}", path.display(), name.trim()), count(&fs::read_to_string(path.join("status")).ok()?)?))
    });
    tasks.collect()
}

#[test]
fn a_store_at_rest_does_not_wake() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child("idle::idle_child", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().ends_with("idle")).unwrap().unwrap();
    std::thread::park_timeout(Duration::from_secs(2)); // sled's additional threads go after a second
    let before = sleeps(child.id());
    std::thread::park_timeout(WATCHED);
    let after = sleeps(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let woken: u64 = after.iter().map(|(task, count)| count - before.get(task).unwrap_or(&0)).sum();
    assert!(after.keys().any(|task| task.contains("store-writer")), "{after:?}");
    assert!(woken < CARELESS / 4, "woken {woken} times: {before:#?} {after:#?}");
}
