//! A data directory that cannot be written, or not even be made.

use crate::disk::{Disk, MIB, own_mounts};
use crate::support::{Daemon, SOON, holds, millis, process, until};
use crate::{degraded, history, leader, look, task};
use nix::mount::MsFlags;
use serde_json::{Value, json};
use std::fs;

/// One path of every family, and where its refusals carry their text.
const PATHS: [(&str, &str); 10] = [
    ("/proc", "msg"),
    ("/proc/history?name=x", "msg"),
    ("/v1/dagruns", "message"),
    ("/daemon/id", "msg"),
    ("/healthy", "message"),
    ("/healthz", "error"),
    ("/readyz", "error"),
    ("/metrics", "error"),
    ("/openapi.json", "error"),
    ("/hostler/v1/status", "error"),
];

#[test]
fn a_read_only_directory_makes_it_wait_and_nothing_is_lost() {
    own_mounts();
    let daemon = Daemon::start();
    let client = daemon.tcp();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    let sign = daemon.path("sign");
    let ends = format!("until [ -e {} ]; do sleep 0.05; done; exit 42", sign.display());
    daemon.post("/proc", &task("ends", "once", &ends, &json!({}))).expect(200);
    let (steady, ends) = (leader(&client, "steady"), leader(&client, "ends"));

    let cover = Disk::over(&daemon.data_dir(), MIB, MsFlags::MS_RDONLY);
    let end = daemon.kill_core();
    let cause = degraded(&daemon);
    assert!(cause.contains("Read-only file system"), "{cause}");
    assert!(cause.contains(daemon.data_dir().to_str().unwrap()), "{cause} does not say where");
    for client in [daemon.tcp(), daemon.unix()] {
        for (path, key) in PATHS {
            let answer = client.get(path).expect(503);
            let said = answer.json()[key].as_str().unwrap_or_default().to_owned();
            assert!(said.contains("Read-only file system"), "{path}: {}", answer.text());
        }
        client.get("/").expect(503);
        client.get("/project/get").expect(503);
        let refused = client.post("/proc", &task("late", "once", "true", &json!({}))).expect(503).json();
        assert_eq!(refused["code"], 503);
        client.delete("/proc?name=steady").expect(503);
    }

    // A run ends meanwhile; the keeper remembers it for as long as it takes.
    fs::write(&sign, "").unwrap();
    until("the run has ended", SOON, || (!process::alive(ends)).then_some(()));
    let waiting = daemon.core_pid();
    assert!(waiting.is_some_and(|pid| pid != end));
    holds("one core waits", millis(1200), || daemon.core_pid() == waiting && process::alive(steady));

    drop(cover);
    until("it serves again", SOON, || (look(&daemon, "/readyz")?.status == 200).then_some(()));
    assert_eq!(daemon.core_pid(), waiting, "the one that waited");
    let run =
        until("the end is recorded", SOON, || history(&client, "ends").into_iter().find(|run| !run["end"].is_null()));
    assert_eq!((&run["pid"], &run["exit_code"]), (&json!(ends), &json!(42)), "{run}");
    assert_eq!(leader(&client, "steady"), steady);
    assert_eq!(history(&client, "steady").len(), 1, "it was started once");
    let listed = client.get("/proc").expect(200).json();
    assert_eq!(listed["data"]["tasks"]["late"], Value::Null, "{listed}");
}

#[test]
fn a_directory_that_cannot_be_made_is_waited_for() {
    let mut daemon = Daemon::prepared("");
    fs::write(daemon.data_dir(), "a file in its place").unwrap();
    daemon.launch_unready();
    let cause = degraded(&daemon);
    assert!(cause.contains("cannot create the data directory"), "{cause}");
    fs::remove_file(daemon.data_dir()).unwrap();
    daemon.await_ready();
    daemon.post("/proc", &task("first", "once", "true", &json!({}))).expect(200);
}

/// Its tasks cannot be stopped as they wish, but they are stopped, and nobody takes that for their own end.
#[test]
fn told_to_stop_while_degraded_it_ends_what_runs() {
    own_mounts();
    let mut daemon = Daemon::start();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    daemon.post("/proc", &task("tree", "daemon", "sleep 1000 & wait", &json!({}))).expect(200);
    let client = daemon.tcp();
    let (steady, tree) = (leader(&client, "steady"), leader(&client, "tree"));
    let everybody = process::tree(daemon.keeper_pid());
    assert!(everybody.contains(&steady) && everybody.contains(&tree));

    let cover = Disk::over(&daemon.data_dir(), MIB, MsFlags::MS_RDONLY);
    daemon.kill_core();
    degraded(&daemon);
    assert_eq!(daemon.stop().code(), Some(0));
    let left: Vec<i32> = everybody.into_iter().filter(|pid| process::alive(*pid)).collect();
    assert_eq!(left, Vec::<i32>::new(), "processes are left behind");

    drop(cover);
    daemon.launch();
    let client = daemon.tcp();
    for (name, before) in [("steady", steady), ("tree", tree)] {
        assert_ne!(leader(&client, name), before, "{name} runs again");
        let runs = history(&client, name);
        let old = runs.iter().find(|run| run["pid"] == before).unwrap_or_else(|| panic!("no trace of {name}"));
        assert_eq!((&old["state"], &old["exit_code"]), (&json!("interrupted"), &Value::Null), "{old}");
    }
}
