//! # What a task can say beyond the published page
//!
//! The additions to `/proc` over real HTTP: one task and its history, steering without forgetting, what a process
//! finds around itself, restarts that end, readiness, output in pieces, and lists of definitions.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Daemon, SOON, holds, millis, process, require_root, until};

#[track_caller]
fn create(daemon: &Daemon, task: Value) {
    daemon.post("/proc", &task).expect(200);
}

#[track_caller]
fn steer(daemon: &Daemon, what: &str) {
    daemon.post(&format!("/proc/{what}"), &json!({})).expect(200);
}

#[track_caller]
fn shown(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/proc/task?name={name}")).expect(200).json()["data"].take()
}

#[track_caller]
fn history(daemon: &Daemon, name: &str) -> Vec<Value> {
    let answer = daemon.get(&format!("/proc/history?name={name}")).expect(200).json();
    answer["data"].as_array().expect("a list").clone()
}

#[track_caller]
fn log(daemon: &Daemon, name: &str) -> String {
    daemon.get(&format!("/proc/log?name={name}")).expect(200).text()
}

/// The pid of each live replica, by alias.
#[track_caller]
fn pids(daemon: &Daemon, name: &str) -> BTreeMap<String, i32> {
    let listed = daemon.get("/proc").expect(200).json();
    let running = listed["data"]["running"].as_array().expect("a list").clone();
    let one = |item: &Value| Some((item["alias"].as_str()?.to_owned(), item["pid"].as_i64()? as i32));
    running.iter().filter_map(one).filter(|(alias, _)| alias.starts_with(&format!("{name}:"))).collect()
}

#[track_caller]
fn await_pids(daemon: &Daemon, name: &str, count: usize) -> BTreeMap<String, i32> {
    until(&format!("{count} processes of {name}"), SOON, || Some(pids(daemon, name)).filter(|pids| pids.len() == count))
}

/// Waits until `count` runs of the task are over; newest first.
#[track_caller]
fn await_runs(daemon: &Daemon, name: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} ended runs of {name}"), SOON, || {
        Some(history(daemon, name)).filter(|runs| runs.iter().filter(|run| !run["end"].is_null()).count() >= count)
    })
}

/// The output of a once task of this definition, when it has ended.
#[track_caller]
fn output_of(daemon: &Daemon, mut task: Value) -> String {
    task["type"] = json!("once");
    let name = task["name"].as_str().expect("a name").to_owned();
    create(daemon, task);
    await_runs(daemon, &name, 1);
    log(daemon, &name)
}

// What is told

#[test]
fn a_run_is_recorded_with_how_it_ended() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t", "cmd": "echo hello; exit 7", "type": "once"}));
    let run = await_runs(&daemon, "t", 1).remove(0);
    assert_eq!(
        (&run["replica"], &run["exit_code"], &run["signal"], &run["oom"]),
        (&json!(0), &json!(7), &json!(null), &json!(false))
    );
    assert!(run["pid"].as_i64().is_some_and(|pid| pid > 1), "{run}");
    assert!(run["started_by"].as_str().is_some_and(|by| !by.is_empty()) && run["stopped_by"].is_null(), "{run}");
    assert_eq!(run["log"], json!({"from": 0, "to": 6}));
    assert!(run["rusage"].is_object(), "{run}");

    daemon.put("/proc?name=t").expect(200);
    let runs = await_runs(&daemon, "t", 2);
    assert_eq!(runs[0]["log"], json!({"from": 6, "to": 12}), "newest first");
    let id = |run: &Value| run["run"].to_string().trim_matches('"').to_owned();
    assert_ne!(id(&runs[0]), id(&runs[1]));
    let page = |query: &str| daemon.get(&format!("/proc/history?name=t{query}")).expect(200).json()["data"].take();
    assert_eq!(page("&limit=1"), json!([runs[0]]));
    assert_eq!(page(&format!("&limit=1&before={}", id(&runs[0]))), json!([runs[1]]));
    assert_eq!(daemon.get(&format!("/proc/log?name=t&run={}", id(&runs[1]))).expect(200).text(), "hello\n");
}

#[test]
fn one_task_is_shown_with_its_replicas() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "t", "cmd": "sleep 300", "type": "daemon", "replica": 2}));
    await_pids(&daemon, "t", 2);
    let task = shown(&daemon, "t");
    assert_eq!((&task["name"], &task["cmd"], &task["type"]), (&json!("t"), &json!("sleep 300"), &json!("daemon")));
    assert!(task["state"].as_str().is_some_and(|state| !state.is_empty()), "{task}");
    assert_eq!(task["replicas"].as_array().map(Vec::len), Some(2), "{task}");
    daemon.get("/proc/task?name=nope").expect(403);
}

// Steering

#[test]
fn a_stopped_task_is_kept_and_starts_again() {
    let mut daemon = Daemon::start();
    create(&daemon, json!({"name": "d", "cmd": "exec sleep 300", "type": "daemon", "replica": 2, "interval": 0.1}));
    let first = await_pids(&daemon, "d", 2);
    steer(&daemon, "stop?name=d&wait=1");
    assert!(first.values().all(|pid| !process::alive(*pid)), "an answer with wait=1 comes after the end");
    assert!(pids(&daemon, "d").is_empty());
    for run in history(&daemon, "d") {
        assert_eq!(run["signal"], 15, "{run}");
        assert!(run["stopped_by"].is_string(), "{run}");
    }
    holds("it stays stopped", millis(400), || pids(&daemon, "d").is_empty());
    daemon.restart();
    assert_eq!(shown(&daemon, "d")["replica"], 2);
    holds("also after a restart of the daemon", millis(300), || pids(&daemon, "d").is_empty());
    steer(&daemon, "start?name=d");
    await_pids(&daemon, "d", 2);
    daemon.delete("/proc?name=d&keep=1&wait=1").expect(200);
    assert_eq!(shown(&daemon, "d")["replica"], 2, "stopped and kept");
    daemon.delete("/proc?name=d").expect(200);
    daemon.get("/proc/task?name=d").expect(403);
}

#[test]
fn scaling_touches_only_the_difference() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "d", "cmd": "exec sleep 300", "type": "daemon", "replica": 3}));
    let three = await_pids(&daemon, "d", 3);
    steer(&daemon, "scale?name=d&replica=5");
    let five = await_pids(&daemon, "d", 5);
    assert!(three.iter().all(|(alias, pid)| five[alias] == *pid), "{three:?} {five:?}");
    steer(&daemon, "scale?name=d&replica=1&wait=1");
    let one = await_pids(&daemon, "d", 1);
    assert_eq!(one["d:0"], three["d:0"]);
    assert_eq!(shown(&daemon, "d")["replica"], 1);
    for wrong in ["0", "-1", "x", "1000000", ""] {
        let answer = daemon.post(&format!("/proc/scale?name=d&replica={wrong}"), &json!({}));
        assert_eq!(answer.status, 400, "{wrong:?}: {}", answer.text());
    }
}

#[test]
fn signals_reach_the_processes() {
    let daemon = Daemon::start();
    let command = "trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.05; done";
    create(&daemon, json!({"name": "t", "cmd": command, "type": "once", "reload_signal": "HUP"}));
    until("it is ready", SOON, || log(&daemon, "t").contains("ready").then_some(()));
    await_pids(&daemon, "t", 1);
    steer(&daemon, "signal?name=t&signal=USR1");
    until("the signal", SOON, || log(&daemon, "t").contains("got USR1").then_some(()));
    steer(&daemon, "reload?name=t");
    until("the reload signal", SOON, || log(&daemon, "t").contains("got HUP").then_some(()));
    let wrong = daemon.post("/proc/signal?name=t&signal=NOPE", &json!({}));
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

#[test]
fn stop_signal_and_time_out_are_the_tasks() {
    let daemon = Daemon::start();
    let command = "trap 'echo bye; exit 0' INT; trap '' TERM; echo ready; while :; do sleep 0.05; done";
    create(&daemon, json!({"name": "t", "cmd": command, "type": "once", "stop_signal": "INT", "stop_timeout": "30s"}));
    until("it is ready", SOON, || log(&daemon, "t").contains("ready").then_some(()));
    let asked = Instant::now();
    steer(&daemon, "stop?name=t&wait=1");
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert_eq!(log(&daemon, "t"), "ready\nbye\n");
    assert_eq!(history(&daemon, "t")[0]["exit_code"], 0);
}

#[test]
fn a_list_of_definitions_is_applied_once() {
    let daemon = Daemon::start();
    let web = json!({"name": "web", "cmd": "exec sleep 300", "type": "daemon", "replica": 2});
    let job = json!({"name": "job", "cmd": "exec sleep 300", "type": "once"});
    let apply =
        |list: &Value, more: &str| daemon.post(&format!("/proc/apply{more}"), list).expect(200).json()["data"].take();
    let both = json!([web, job]);
    let planned = apply(&both, "?dry_run=1");
    assert_eq!(daemon.get("/proc").json()["data"]["tasks"], json!({}), "only said: {planned}");
    assert_eq!(apply(&both, ""), planned);
    let (web_pids, job_pids) = (await_pids(&daemon, "web", 2), await_pids(&daemon, "job", 1));
    assert_ne!(apply(&both, ""), planned, "nothing is left to do");
    let mut changed = both.clone();
    changed[1]["cmd"] = json!("exec sleep 301");
    changed[0]["replica"] = json!(3);
    apply(&changed, "");
    let job_now =
        until("job is replaced", SOON, || Some(pids(&daemon, "job")).filter(|now| now.len() == 1 && *now != job_pids));
    assert_ne!(job_now, job_pids);
    let web_now = await_pids(&daemon, "web", 3);
    assert!(web_pids.iter().all(|(alias, pid)| web_now[alias] == *pid), "only the number changed");
    let broken = daemon.post("/proc/apply", &json!([{"name": "new", "cmd": "true", "type": "once"}, {"name": "bad"}]));
    assert_eq!(broken.status, 400, "{}", broken.text());
    daemon.get("/proc/task?name=new").expect(403);
}

#[test]
fn a_stop_of_the_daemon_goes_against_the_dependencies() {
    let mut daemon = Daemon::start();
    let order = daemon.path("order");
    let task = |name: &str, deps: Value| {
        let command =
            format!("trap 'echo {name} >> {}; exit 0' TERM; echo up; while :; do sleep 0.05; done", order.display());
        json!({"name": name, "cmd": command, "type": "daemon", "deps": deps})
    };
    create(&daemon, task("db", json!([])));
    create(&daemon, task("api", json!([{"task": "db", "until": "started"}])));
    create(&daemon, task("web", json!([{"task": "api", "until": "started"}])));
    for name in ["db", "api", "web"] {
        until("it is up", SOON, || log(&daemon, name).contains("up").then_some(()));
    }
    daemon.stop();
    assert_eq!(fs::read_to_string(&order).expect("three lines"), "web\napi\ndb\n");
}

// What a process finds around itself

#[test]
fn the_environment_is_clean_and_what_the_task_says() {
    let daemon = Daemon::start();
    let file = daemon.path("more.env");
    fs::write(&file, "# a comment\nFROM_FILE=yes\nBOTH=file\n").expect("a file");
    let text = output_of(
        &daemon,
        json!({"name": "env", "cmd": "env", "replica": 1, "env_file": file, "env": {"MINE": "a b", "BOTH": "task"}}),
    );
    let found: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in [
        ("MINE", "a b"),
        ("BOTH", "task"),
        ("FROM_FILE", "yes"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("HOSTLER_TASK", "env"),
        ("HOSTLER_REPLICA", "0"),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name} in {text}");
    }
    assert_eq!(
        found.get("HOSTLER_RUN").map(|run| (*run).to_owned()),
        Some(history(&daemon, "env")[0]["run"].to_string().trim_matches('"').to_owned())
    );
    let allowed = ["PATH", "LANG", "TZ", "HOME", "SHELL", "HOSTLER_LOG", "PWD", "SHLVL", "_", "OLDPWD"];
    let given = ["MINE", "BOTH", "FROM_FILE", "USER", "LOGNAME", "HOSTLER_TASK", "HOSTLER_REPLICA", "HOSTLER_RUN"];
    let strangers: Vec<_> = found.keys().filter(|name| !allowed.contains(name) && !given.contains(name)).collect();
    assert!(strangers.is_empty(), "also inherited: {strangers:?}");
}

#[test]
fn the_process_starts_clean() {
    let daemon = Daemon::start();
    let text = output_of(
        &daemon,
        json!({"name": "t", "cmd": "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; cut -d' ' -f1,5,6 /proc/$$/stat"}),
    );
    let lines: Vec<&str> = text.lines().collect();
    // 0 to 2, and the directory that ls itself has open.
    assert_eq!(lines[0].trim(), "4", "no descriptor is inherited: {text}");
    assert!(lines[1].ends_with("0000000000000000") && lines[2].ends_with("0000000000000000"), "signals: {text}");
    let ids: Vec<&str> = lines[3].split(' ').collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "leader of its own group and session: {text}");
}

#[test]
fn directory_mask_priority_limits_and_words() {
    require_root();
    let daemon = Daemon::start();
    let text = output_of(
        &daemon,
        json!({"name": "t", "argv": ["sh", "-c", "pwd; umask; nice; ulimit -n; cat /proc/self/oom_score_adj; echo \"$1\"", "sh", "two  words"],
            "cwd": "/usr", "umask": "027", "nice": 5, "oom_score_adj": 300, "limits": {"rlimits": {"nofile": 123}}}),
    );
    assert_eq!(text, "/usr\n0027\n5\n123\n300\ntwo  words\n");
}

#[test]
fn a_failure_to_start_names_its_cause() {
    let daemon = Daemon::start();
    for (name, task, mentions) in [
        ("program", json!({"argv": ["/no/such/program"]}), "/no/such/program"),
        ("search", json!({"argv": ["no-such-program-q"]}), "no-such-program-q"),
        ("directory", json!({"cmd": "true", "cwd": "/no/such/directory"}), "/no/such/directory"),
    ] {
        let mut task = task;
        (task["name"], task["type"]) = (json!(name), json!("once"));
        create(&daemon, task);
        let run = await_runs(&daemon, name, 1).remove(0);
        assert!(run["exit_code"].is_null() && run["signal"].is_null(), "it never ran: {run}");
        assert!(run.to_string().contains(mentions), "{run}");
    }
}

// Restarts that end, readiness

#[test]
fn a_crash_loop_can_be_given_up() {
    let daemon = Daemon::start();
    create(
        &daemon,
        json!({"name": "d", "cmd": "exit 1", "type": "daemon", "interval": 0.05, "max_restarts": 3, "stable_after": 60}),
    );
    until("it is given up", SOON, || (shown(&daemon, "d")["state"] == "failed").then_some(()));
    assert_eq!(history(&daemon, "d").len(), 4, "the first run and three restarts");
    holds("and left alone", millis(300), || history(&daemon, "d").len() == 4);
}

#[test]
fn pauses_between_crashes_can_grow() {
    let daemon = Daemon::start();
    let stamps = daemon.path("stamps");
    let command = format!("date +%s%N >> {}; exit 1", stamps.display());
    create(
        &daemon,
        json!({"name": "d", "cmd": command, "type": "daemon", "interval": 0.1, "backoff": {"factor": 3, "max": 60}}),
    );
    let lives = until("four lives", SOON, || {
        let text = fs::read_to_string(&stamps).unwrap_or_default();
        let lives: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (lives.len() >= 4).then_some(lives)
    });
    let gaps: Vec<u64> = lives.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    assert!(gaps[0] >= 100 && gaps[1] >= 300 && gaps[2] >= 900, "{gaps:?} ms");
    assert!(gaps[0] < 300, "{gaps:?} ms");
}

#[test]
fn a_dependent_waits_until_the_other_is_ready() {
    let daemon = Daemon::start();
    let go = daemon.path("go");
    let command = format!("while ! [ -e {} ]; do sleep 0.02; done; echo now serving; exec sleep 300", go.display());
    create(&daemon, json!({"name": "db", "cmd": command, "type": "daemon", "ready": {"log": "now serving"}}));
    create(
        &daemon,
        json!({"name": "api", "cmd": "exec sleep 300", "type": "daemon", "deps": [{"task": "db", "until": "ready"}]}),
    );
    await_pids(&daemon, "db", 1);
    holds("api waits", millis(400), || pids(&daemon, "api").is_empty());
    fs::write(&go, "").expect("the sign to go on");
    await_pids(&daemon, "api", 1);
}

#[test]
fn readiness_by_port_and_by_command() {
    let daemon = Daemon::start();
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("its address").port()
    };
    let flag = daemon.path("flag");
    let by_port = json!({"name": "port", "cmd": "exec sleep 300", "type": "daemon", "ready": {"tcp": format!("127.0.0.1:{port}"), "interval": 0.05}});
    let by_command = json!({"name": "command", "cmd": "exec sleep 300", "type": "daemon", "ready": {"exec": ["test", "-e", flag], "interval": 0.05}});
    for task in [by_port, by_command] {
        let name = task["name"].as_str().expect("a name").to_owned();
        create(&daemon, task);
        create(
            &daemon,
            json!({"name": format!("after-{name}"), "cmd": "exec sleep 300", "type": "once", "deps": [{"task": name, "until": "ready"}]}),
        );
    }
    await_pids(&daemon, "port", 1);
    await_pids(&daemon, "command", 1);
    holds("both wait", millis(300), || {
        pids(&daemon, "after-port").is_empty() && pids(&daemon, "after-command").is_empty()
    });
    fs::write(&flag, "").expect("the flag");
    await_pids(&daemon, "after-command", 1);
    assert!(pids(&daemon, "after-port").is_empty());
    let _listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is still free");
    await_pids(&daemon, "after-port", 1);
}

#[test]
fn what_hangs_is_restarted() {
    let daemon = Daemon::start();
    let sick = daemon.path("sick");
    let probe = format!("! test -e {}", sick.display());
    create(
        &daemon,
        json!({"name": "d", "cmd": "exec sleep 300", "type": "daemon", "interval": 0.1,
            "health": {"exec": probe, "interval": 0.05, "timeout": 2, "failures": 2}}),
    );
    let first = await_pids(&daemon, "d", 1);
    holds("a healthy one is left alone", millis(300), || pids(&daemon, "d") == first);
    fs::write(&sick, "").expect("the illness");
    let run = await_runs(&daemon, "d", 1).pop().expect("a run");
    assert!(run["stopped_by"].as_str().is_some_and(|by| by.contains("health")), "{run}");
    fs::remove_file(&sick).expect("the cure");
    until("another one", SOON, || Some(pids(&daemon, "d")).filter(|now| now.len() == 1 && *now != first));
}

// Output

#[test]
fn output_in_pieces() {
    let daemon = Daemon::start();
    create(
        &daemon,
        json!({"name": "t", "cmd": "for n in 1 2 3 4 5; do echo line $n; done; echo oops >&2", "type": "once", "split_output": true}),
    );
    await_runs(&daemon, "t", 1);
    let read = |query: &str| daemon.get(&format!("/proc/log?name=t{query}")).expect(200).text();
    assert_eq!(read("&stream=stdout"), "line 1\nline 2\nline 3\nline 4\nline 5\n");
    assert_eq!(read("&stream=stderr"), "oops\n");
    assert_eq!(read("&stream=stdout&lines=2"), "line 4\nline 5\n");
    assert_eq!(read("&stream=stdout&lines=0"), "");
    assert_eq!(read("&stream=stdout&since=1h"), read("&stream=stdout"));
}

#[test]
fn a_loud_process_is_bounded_and_never_blocked() {
    let daemon = Daemon::start();
    // 8 MiB through a cap of 1 MiB; the last line shows that the end was reached.
    let command = "head -c 8388608 /dev/zero | tr '\\0' 'x' | fold -w 1023; echo; echo the end; exec sleep 300";
    create(&daemon, json!({"name": "loud", "cmd": command, "type": "once", "log_max": 1_048_576}));
    until("the last line", SOON, || {
        let tail = daemon.get("/proc/log?name=loud&lines=1").expect(200).text();
        (tail == "the end\n").then_some(())
    });
    let logs = daemon.data_dir().join("logs");
    until("the oldest blocks are released", SOON, || (kept(&logs) < 3 << 20).then_some(()));
    assert!(log(&daemon, "loud").ends_with("the end\n"));
}

/// Bytes of disk below `dir`; a hole takes none.
fn kept(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => kept(&entry.path()),
            Ok(about) => about.blocks() * 512, // st_blocks counts in these, stat(2)
            Err(_) => 0,
        })
        .sum()
}
