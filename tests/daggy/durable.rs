//! Lives of the daemon, and many clients at once: cases 108 to 113.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn case_108_what_is_over_stays_as_it_was() {
    let mut daemon = daemon();
    run(&daemon, &dag(json!({"a": sh("echo out; echo err >&2")})), "COMPLETED");
    run(&daemon, &dag(json!({"a": plus(t(&["false"]), json!({"maxRetries": 1}))})), "ERRORED");
    let printed = json!({"n": t(&["true"])}).to_string();
    run(&daemon, &dag(json!({"g": plus(t(&["/bin/echo", &printed]), json!({"isGenerator": true}))})), "COMPLETED");
    let before = (list(&daemon, "?all=1"), [0, 1, 2].map(|run| record(&daemon, run)));
    daemon.restart();
    let after = (list(&daemon, "?all=1"), [0, 1, 2].map(|run| record(&daemon, run)));
    assert_eq!(after, before);
    assert_eq!(submit(&daemon, &dag(json!({"a": t(&["true"])}))), 3);
}

/// `a`, which is over, then `b`, which notes its pid and waits, then `c`. Gives the run and where `b` notes.
fn b_waits(daemon: &Daemon, gate: &Gate) -> (u64, PathBuf) {
    let pids = daemon.path("pids");
    let b = sh(&format!("echo $$ >> {}; {}", pids.display(), gate.wait()));
    let tasks = json!({"a": t(&["true"]), "b": after(b, &["a"]), "c": after(t(&["true"]), &["b"])});
    let run = submit(daemon, &dag(tasks));
    until("b runs", SOON, || (noted(&pids).len() == 1).then_some(()));
    (run, pids)
}

#[test]
fn case_109_loss_of_the_whole_service() {
    let mut daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let (run, pids) = b_waits(&daemon, &gate);
    daemon.kill_keeper();
    daemon.launch();
    let alone = || {
        let copies = noted(&pids).into_iter().filter(|pid| process::alive(*pid)).count();
        assert!(copies <= 1, "two copies of b at once");
    };
    until("b runs again", SOON, || {
        alone();
        (noted(&pids).len() == 2).then_some(())
    });
    assert_eq!(state(&daemon, run), "RUNNING", "without being asked to");
    alone();
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    assert_eq!((codes(&record, "a_0"), codes(&record, "c_0")), (vec![0], vec![0]));
    let [interrupted, good] = attempts(&record, "b_0") else { panic!("not two attempts: {record}") };
    assert!(interrupted["rc"] != 0 && interrupted["executorLog"] != "", "{interrupted}");
    assert_eq!((&good["rc"], &good["executorLog"]), (&json!(0), &json!("")));
    assert_eq!(history(&record), ["QUEUED", "RUNNING", "COMPLETED"]);
    assert_eq!(noted(&pids).len(), 2);
}

#[test]
fn case_109_loss_of_the_core_alone_is_not_noticed() {
    let mut daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let (run, pids) = b_waits(&daemon, &gate);
    for _ in 0..2 {
        daemon.kill_core();
        daemon.await_ready();
        assert_eq!(task_state(&daemon, run, "b_0"), "RUNNING");
    }
    assert!(process::alive(noted(&pids)[0]), "it simply goes on");
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    for task in ["a_0", "b_0", "c_0"] {
        assert_eq!(codes(&record, task), [0], "recorded once");
    }
    assert_eq!(attempt(&record, "b_0")["executorLog"], "");
    assert_eq!(noted(&pids).len(), 1);
}

#[test]
fn an_orderly_restart_interrupts_and_repeats() {
    let mut daemon = daemon();
    let mut gate = Gate::new(&daemon, "gate");
    let (run, pids) = b_waits(&daemon, &gate);
    daemon.restart();
    until("b runs again", SOON, || (noted(&pids).len() == 2).then_some(()));
    gate.open();
    let record = ends(&daemon, run, "COMPLETED");
    let [interrupted, good] = attempts(&record, "b_0") else { panic!("not two attempts: {record}") };
    assert!(interrupted["rc"] != 0 && interrupted["executorLog"] != "", "{interrupted}");
    assert_eq!(good["rc"], 0);
}

#[test]
fn case_110_what_does_not_move_stays_still() {
    let mut daemon = daemon();
    let (mut gate, marker) = (Gate::new(&daemon, "gate"), daemon.path("marker"));
    let paused = submit(&daemon, &dag(json!({"a": gate.task(), "b": after(t(&["true"]), &["a"])})));
    await_task(&daemon, paused, "a_0", "RUNNING");
    becomes(&daemon, paused, "PAUSED");
    gate.open();
    await_task(&daemon, paused, "a_0", "COMPLETED");
    let errored = submit(&daemon, &dag(json!({"a": t(&["test", "-e", marker.to_str().expect("text")])})));
    ends(&daemon, errored, "ERRORED");
    let killed = submit(&daemon, &plus(dag(json!({"a": t(&["sleep", "60"])})), json!({"tag": "killed"})));
    kill(&daemon, &killed.to_string());
    until("its process is recorded", SOON, || {
        let record = record(&daemon, killed);
        (record["taskStates"]["a_0"] == "QUEUED" || !attempts(&record, "a_0").is_empty()).then_some(())
    });
    let before = [paused, errored, killed].map(|run| record(&daemon, run));
    daemon.restart();
    assert_eq!([paused, errored, killed].map(|run| record(&daemon, run)), before);
    holds("the paused one stays paused", millis(300), || state(&daemon, paused) == "PAUSED");
    fs::write(&marker, "").expect("a file");
    for run in [errored, paused] {
        becomes(&daemon, run, "QUEUED");
        ends(&daemon, run, "COMPLETED");
    }
}

#[test]
fn case_111_a_hundred_submissions_at_once() {
    let daemon = daemon();
    let specification = dag(json!({"a": t(&["true"])}));
    let numbers: BTreeSet<u64> = thread::scope(|scope| {
        let posts: Vec<_> = (0..100).map(|_| scope.spawn(|| submit(&daemon, &specification))).collect();
        posts.into_iter().map(|post| post.join().expect("an answer")).collect()
    });
    assert_eq!(numbers, (0..100).collect());
    until("all are over", SOON, || (list(&daemon, "") == json!([])).then_some(()));
    assert_eq!(listed(&daemon, "?all=1"), (0..100).collect::<Vec<u64>>());
}

#[test]
fn case_112_two_restarts_at_once() {
    let daemon = daemon();
    let (mut gate, marker) = (Gate::new(&daemon, "gate"), daemon.path("marker").display().to_string());
    // Fails the first time, waits the second.
    let script = format!("test -e {marker} || {{ touch {marker}; exit 1; }}; {}", gate.wait());
    run(&daemon, &dag(json!({"a": sh(&script), "b": after(t(&["true"]), &["a"])})), "ERRORED");
    let barrier = Barrier::new(2);
    let mut answers = thread::scope(|scope| {
        let patch = || {
            barrier.wait();
            set_state(&daemon, 0, "QUEUED").status
        };
        let both = [scope.spawn(patch), scope.spawn(patch)];
        both.map(|one| one.join().expect("an answer"))
    });
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    gate.open();
    let record = ends(&daemon, 0, "COMPLETED");
    assert_eq!((codes(&record, "a_0"), codes(&record, "b_0")), (vec![1, 0], vec![0]));
}

#[test]
fn case_113_ten_thousand_tasks() {
    const COUNT: u64 = 10_000;
    let daemon = daemon();
    let values: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
    let run = submit(&daemon, &expanded(json!({"N": values}), json!({"s": t(&["/bin/true", "{{N}}"])})));
    let done = |line: &Value| line["taskCounts"]["COMPLETED"].as_u64().unwrap_or(0);
    let mut looked = 0;
    until("all are over", Duration::from_secs(240), || {
        let since = Instant::now();
        let line = summary(&daemon, run);
        assert!(since.elapsed() < SOON, "the list took {:?}", since.elapsed());
        looked += u32::from((1..COUNT).contains(&done(&line)));
        (line["state"] == "COMPLETED").then_some(())
    });
    assert!(looked > 0, "the list was never read while it ran");
    let record = record(&daemon, run);
    assert_eq!(keys(&record["tasks"]).len() as u64, COUNT);
    assert!((0..COUNT).all(|n| codes(&record, &format!("s_{n}")) == [0]));
    assert_eq!(record["tasks"]["s_9999"]["job"]["command"], json!(["/bin/true", "9999"]));
}
