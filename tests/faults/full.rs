//! The disk is full: clients wait, the core writes on into its reserve, and when that is gone too it waits itself.

use crate::disk::{Disk, MIB, own_mounts};
use crate::support::{Answer, Daemon, SOON, holds, millis, process, until};
use crate::{degraded, ended_with, history, leader, look, task};
use nix::mount::MsFlags;
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::process::Command;

/// What a client that wants to change something is told, or not.
fn wish(daemon: &Daemon) -> Answer {
    daemon.unix().post("/hostler/v1/tokens", &json!({ "name": "wish", "scopes": ["proc:read"] }))
}

/// A daemon on a disk of 80 MiB, 32 of them its reserve, that runs a quiet task, and one that ends all the time.
fn on_a_small_disk() -> (Daemon, Disk) {
    own_mounts();
    let mut daemon = Daemon::prepared("");
    let disk = Disk::over(&daemon.data_dir(), 80 * MIB, MsFlags::empty());
    daemon.launch();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    daemon.post("/proc", &task("restless", "daemon", "echo again; exit 7", &json!({ "interval": 0.1 }))).expect(200);
    (daemon, disk)
}

#[test]
fn on_a_full_disk_clients_are_refused_and_everything_else_goes_on() {
    let (daemon, disk) = on_a_small_disk();
    let client = daemon.tcp();
    // A child that writes as fast as it can while it is told to, and does not mind when it cannot.
    let (go, enough, eaten) = (daemon.path("go"), daemon.path("enough"), daemon.data_dir().join("eaten"));
    let write = format!("[ -e {} ] && head -c 262144 /dev/zero >> {} || sleep 0.02", go.display(), eaten.display());
    let greedy = format!("until [ -e {} ]; do {write}; done 2>/dev/null; exec sleep 1000", enough.display());
    daemon.post("/proc", &task("greedy", "daemon", &greedy, &json!({}))).expect(200);
    let (steady, greedy) = (leader(&client, "steady"), leader(&client, "greedy"));
    let core = daemon.core_pid();

    disk.fill();
    fs::write(go, "").unwrap();
    until("writes of clients are refused", SOON, || {
        let answer = wish(&daemon);
        (answer.status == 503).then(|| assert!(answer.json()["error"].as_str().unwrap().contains("the disk is full")))
    });
    let refused = daemon.post("/proc", &task("late", "once", "true", &json!({}))).expect(503).json();
    assert_eq!(refused["code"], 503, "{refused}");
    assert!(refused["msg"].as_str().unwrap().contains("the disk is full"), "{refused}");
    daemon.delete("/proc?name=steady").expect(503);

    // Nothing of that has happened, and everything can be read.
    let listed = client.get("/proc").expect(200).json();
    assert!(listed["data"]["tasks"]["late"].is_null() && !listed["data"]["tasks"]["steady"].is_null(), "{listed}");
    client.get("/healthz").expect(200);
    let status = daemon.unix().get("/hostler/v1/status").expect(200).json();
    assert_eq!(status["store"]["full"], true, "{status}");

    // Runs begin, end and are recorded.
    let before = ended_with(&client, "restless", 7);
    until("runs end and are recorded", SOON, || (ended_with(&client, "restless", 7) >= before + 20).then_some(()));
    assert_eq!(daemon.core_pid(), core, "the core has survived all that");
    process::signal(steady, Signal::SIGKILL);
    until("a kill is recorded", SOON, || {
        history(&client, "steady").iter().any(|run| run["pid"] == steady && run["signal"] == 9).then_some(())
    });
    let steady = leader(&client, "steady");
    assert_eq!(daemon.core_pid(), core, "the core has survived all that");

    // A new core is none the worse.
    daemon.kill_core();
    until("a new core serves", SOON, || (look(&daemon, "/readyz")?.status == 200).then_some(()));
    let before = ended_with(&client, "restless", 7);
    until("it records, too", SOON, || (ended_with(&client, "restless", 7) > before).then_some(()));
    assert_eq!(wish(&daemon).status, 503);

    fs::write(enough, "").unwrap();
    disk.clear();
    // Of the reserve it may have got more than there is to fill it again.
    fs::remove_file(eaten).unwrap();
    until("clients may write again", SOON, || (wish(&daemon).status != 503).then_some(()));
    assert_eq!((leader(&client, "steady"), leader(&client, "greedy")), (steady, greedy));
    let check = daemon.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(check["ok"], true, "{check}");
}

#[test]
fn without_a_reserve_a_full_disk_ends_the_core_and_the_next_one_waits_for_space() {
    let (daemon, disk) = on_a_small_disk();
    let client = daemon.tcp();
    let steady = leader(&client, "steady");
    let core = daemon.core_pid().expect("a core");
    // Somebody takes the reserve, and everything else, before the core can claim any of it. The next commit is an I/O error.
    process::signal(core, Signal::SIGSTOP);
    until("the core stands still", SOON, || (process::stat(core)?.state == 'T').then_some(()));
    fs::write(daemon.data_dir().join("reserve"), "").expect("the reserve");
    disk.fill();
    process::signal(core, Signal::SIGCONT);
    until("the core ends", SOON, || (!process::alive(core)).then_some(()));
    let cause = degraded(&daemon);
    assert!(cause.contains("the disk is full"), "{cause}");
    assert!(daemon.stderr().contains("nothing can be promised any more"), "the core ended for another reason");
    let waiting = daemon.core_pid();
    holds("one core waits", millis(1500), || daemon.core_pid() == waiting && process::alive(steady));

    disk.clear();
    until("it serves again", SOON, || (look(&daemon, "/readyz")?.status == 200).then_some(()));
    assert_eq!(daemon.core_pid(), waiting, "the one that waited");
    assert_eq!(leader(&client, "steady"), steady);
    let before = ended_with(&client, "restless", 7);
    until("the other task goes on", SOON, || (ended_with(&client, "restless", 7) > before).then_some(()));
    let check = daemon.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(check["ok"], true, "{check}");
}

#[test]
fn a_core_that_may_not_write_is_replaced() {
    let daemon = Daemon::start();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    let steady = leader(&daemon.tcp(), "steady");
    let core = daemon.core_pid().expect("a core");
    // Its files may not grow beyond a byte from now on (SIGXFSZ or EFBIG). The limit is this core's, not the next one's.
    let limited = Command::new("prlimit").args(["--fsize=1", "--pid", &core.to_string()]).status();
    assert!(limited.expect("prlimit of util-linux").success());
    until("a task is accepted by the next core", SOON, || {
        let body = task("after", "daemon", "exec sleep 1000", &json!({}));
        let request = crate::support::Request::new("POST", "/proc").json(&body);
        let answer = daemon.unix().try_send(request).ok()?;
        (answer.status == 200 || answer.text().contains("already exist")).then_some(())
    });
    assert_ne!(daemon.core_pid(), Some(core));
    assert_eq!(leader(&daemon.tcp(), "steady"), steady);
    leader(&daemon.tcp(), "after");
}
