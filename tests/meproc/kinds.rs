//! Daemons and cron (cases 53 to 57).

use super::*;

#[test]
fn case_53_a_daemon_runs_again_and_again() {
    let daemon = Daemon::start();
    create(&daemon, json!({"name": "d", "cmd": "echo tick; exit 3", "type": "daemon", "interval": 0.3}));
    let posted = task(&daemon, "d")["last_time"].clone();
    assert!(posted.as_i64().is_some_and(|at| at > 0), "{posted}");
    until("several ticks", SOON, || (output(&daemon, "d")[0].1.len() >= "tick\n".len() * 4).then_some(()));
    let task = task(&daemon, "d");
    assert_eq!((&task["running"], &task["last_time"]), (&json!(1), &posted));
}

#[test]
fn case_54_one_killed_replica_comes_back_alone() {
    let daemon = Daemon::start();
    // With `; true` the pid is the shell's and the sleep is its child: the kill is noticed all the same.
    for (name, command) in [("exec", "exec sleep 60"), ("shell", "sleep 60; true")] {
        create(&daemon, json!({"name": name, "cmd": command, "type": "daemon", "replica": 2, "interval": 1}));
        let before = await_pids(&daemon, name, 2);
        let killed = Instant::now();
        process::signal(before[0], Signal::SIGKILL);
        let after = until("a new process", SOON, || {
            let now = pids(&daemon, name);
            (now.len() == 2 && now[0] != before[0]).then_some(now)
        });
        let pause = killed.elapsed();
        assert!(pause >= millis(950), "not the interval, but {pause:?}");
        assert_eq!(after[1], before[1], "the other replica is left alone");
    }
}

/// One real minute for cases 55, 56 and 57; everything longer is told on a simulated clock, where it costs nothing.
#[test]
fn case_55_56_57_one_real_minute_of_cron() {
    use chrono::{Local, Timelike};
    let daemon = Daemon::start();
    until("clear of the minute's edge", SOON, || (5..55).contains(&Local::now().second()).then_some(()));
    let due = Local::now() + chrono::TimeDelta::minutes(1);
    let cron = |name: &str, expression: &str, command: &str| {
        create(&daemon, json!({"name": name, "cmd": command, "type": "cron", "cron": expression}));
    };
    cron("every", "* * * * *", "date +%M:%S");
    cron("fixed", &format!("{} * * * *", due.minute()), "date +%M:%S");
    cron("even", "*/2 * * * *", "date +%M:%S");
    cron("long", "* * * * *", "sleep 90");
    ok(daemon.put("/proc?name=long"));
    let long = await_pids(&daemon, "long", 1);

    let text = |name: &str| String::from_utf8(output(&daemon, name)[0].1.clone()).expect("digits");
    until("the full minute", Duration::from_secs(65), || (Local::now().minute() == due.minute()).then_some(()));
    until("both due runs", Duration::from_secs(3), || {
        (!text("every").is_empty() && !text("fixed").is_empty()).then_some(())
    });
    holds("no other run in this minute", Duration::from_secs(2), || {
        text("every").lines().count() == 1 && text("fixed").lines().count() == 1 && pids(&daemon, "long") == long
    });
    for name in ["every", "fixed"] {
        let (minute, second) =
            text(name).trim().split_once(':').map(|(m, s)| (m.to_owned(), s.to_owned())).expect("a time");
        assert_eq!(minute.parse(), Ok(due.minute()), "{name}");
        assert!(second.parse::<u32>().is_ok_and(|second| second <= 2), "{name} ran at second {second}");
    }
    assert_eq!(text("even").lines().count(), usize::from(due.minute().is_multiple_of(2)));
    let skipped = data(daemon.get("/proc/history?name=long"));
    assert_eq!(
        skipped.as_array().map(Vec::len),
        Some(2),
        "the firing that found it running is accounted for: {skipped}"
    );
}
