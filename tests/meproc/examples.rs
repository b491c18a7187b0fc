//! The published page's own examples with the real `curl`. Only the port differs, and the user is one that every
//! machine has.

use super::*;

fn curl(daemon: &Daemon, arguments: &str) -> Value {
    support::require_root();
    let line = arguments.replace("8606", &daemon.address().port().to_string()).replace("guest", "nobody");
    let out = Command::new("sh").args(["-c", &format!("curl -sS {line}")]).output().expect("a shell");
    assert!(out.status.success(), "curl {line}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out.stdout)))
}

#[test]
fn the_published_examples_work_to_the_letter() {
    let daemon = Daemon::start();
    let post = r#"-XPOST http://127.1:8606/proc -d '{"name": "task1", "cmd": "sleep 5", "type": "once", "replica": 2, "user": "guest", "deps": ["task0"]}'"#;
    assert_eq!(curl(&daemon, post), json!({"code": 200, "msg": "OK"}));
    let first = await_pids(&daemon, "task1", 2);

    let mut listed = curl(&daemon, "-XGET http://127.1:8606/proc");
    let times = ["last_time", "start_time"].map(|key| listed["data"]["tasks"]["task1"][key].take());
    assert!(times.iter().all(|time| time.as_i64().is_some_and(|time| (time - unix_now()).abs() < 5)), "{times:?}");
    let running: Vec<Value> =
        (0..2).map(|n| json!({"command": "sleep 5", "pid": first[n], "alias": format!("task1:{n}")})).collect();
    assert_eq!(
        listed,
        json!({"code": 200, "msg": "OK", "data": {"running": running, "tasks": {"task1": {
            "name": "task1", "cmd": "sleep 5", "type": "once", "replica": 2, "user": "nobody", "deps": ["task0"],
            "interval": 3, "last_time": null, "run_flag": false, "start_time": null, "running": 2, "group": null,
        }}}})
    );
    let status = fs::read_to_string(format!("/proc/{}/status", first[0])).expect("a live process");
    let nobody = "Uid:\t65534\t65534\t65534\t65534";
    assert!(status.contains(nobody), "{status}");

    assert_eq!(curl(&daemon, "-XPUT http://127.1:8606/proc?name=task1"), json!({"code": 200, "msg": "OK"}));
    until("two other processes", SOON, || {
        let now = pids(&daemon, "task1");
        (now.len() == 2 && now.iter().all(|pid| !first.contains(pid))).then_some(())
    });
    assert_eq!(curl(&daemon, "-XDELETE http://127.1:8606/proc?name=task1"), json!({"code": 200, "msg": "OK"}));
    assert_eq!(
        curl(&daemon, "-XGET http://127.1:8606/proc"),
        json!({"code": 200, "msg": "OK", "data": {"running": [], "tasks": {}}})
    );
}
