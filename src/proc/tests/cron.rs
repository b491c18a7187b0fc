//! Schedules on the simulated clock: the reference's cases 55 to 57, clock changes, outages.

use super::world::{Program, World, cron, millis, name, once, schedule, secs, wall};
use crate::proc::machine::{Ask, TaskState, Verdict};
use crate::proc::model::{Firing, NotRun, RunState, Schedule, StartedBy, StoppedBy, Until};
use crate::schedule::{CatchUp, Overlap, Zone};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn lasting(world: &mut World, task: &str, seconds: u64) {
    world.program(task, Program { lives: secs(seconds), ..Program::default() });
}

fn berlin(line: &str) -> Schedule {
    Schedule { zone: Zone::parse("Europe/Berlin").unwrap(), ..schedule(line) }
}

fn not_run(world: &World) -> Vec<(NotRun, u32)> {
    world.disk.firings.iter().map(|(_, firing)| (firing.why, firing.count)).collect()
}

#[test]
fn every_minute_at_second_zero_from_the_next_minute_on() {
    let mut world = World::at("2026-03-01T00:00:30Z");
    lasting(&mut world, "c", 5);
    world.given(cron("c", schedule("* * * * *")));
    let task = world.task("c");
    assert_eq!((task.state(), task.running(), task.standing().start_time), (TaskState::Scheduled, None, None));
    world.run_for(MINUTE * 5);
    assert_eq!(world.times("c"), ["00:01", "00:02", "00:03", "00:04", "00:05"]);
    let starts: Vec<_> = world.records("c").filter_map(|run| run.start).collect();
    assert_eq!(starts[0], wall("2026-03-01T00:01:00Z"));
    let by = world.records("c").next().map(|run| run.started_by.clone());
    assert_eq!(by, Some(StartedBy::Schedule(starts[0])));
    world.check();
}

#[test]
fn a_fixed_minute_runs_once_an_hour_and_even_minutes_when_even() {
    let mut world = World::new();
    lasting(&mut world, "fixed", 1);
    lasting(&mut world, "even", 1);
    world.given(cron("fixed", schedule("17 * * * *")));
    world.given(cron("even", schedule("*/2 * * * *")));
    world.run_for(secs(3 * 3_600));
    assert_eq!(world.times("fixed"), ["00:17", "01:17", "02:17"]);
    assert_eq!(world.times("even").len(), 90);
    assert!(world.times("even").iter().all(|at| at.ends_with(['0', '2', '4', '6', '8'])));
}

#[test]
fn no_second_process_while_the_first_lives_and_the_skip_is_on_record() {
    let mut world = World::new();
    lasting(&mut world, "c", 90);
    world.given(cron("c", schedule("* * * * *")));
    world.run_for(MINUTE * 6);
    assert_eq!(world.times("c"), ["00:01", "00:03", "00:05"]);
    assert_eq!(not_run(&world), [(NotRun::StillRunning, 1); 3]);
}

#[test]
fn overlaps_queue_allow_or_replace_as_wanted() {
    let run = |overlap| {
        let mut world = World::new();
        lasting(&mut world, "c", 150);
        world.given(cron("c", Schedule { overlap, ..schedule("0-3 1 * * *") }));
        world.run_for(secs(3_600) + MINUTE * 20);
        world.check();
        world
    };
    let queued = run(Overlap::Queue);
    let firing = |record: &crate::proc::model::RunRecord| match &record.started_by {
        StartedBy::Schedule(at) => at.format("%H:%M").to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(queued.records("c").map(firing).collect::<Vec<_>>(), ["01:00", "01:01", "01:02", "01:03"]);
    assert_eq!(queued.times("c"), ["01:00", "01:02", "01:05", "01:07"]);
    let allowed = run(Overlap::Allow);
    assert_eq!(allowed.times("c"), ["01:00", "01:01", "01:02", "01:03"]);
    let replaced = run(Overlap::Replace);
    assert_eq!(replaced.times("c"), ["01:00", "01:01", "01:02", "01:03"]);
    let ends: Vec<_> = replaced.records("c").map(|run| run.stopped_by.clone()).collect();
    assert_eq!(ends, [Some(StoppedBy::Replaced), Some(StoppedBy::Replaced), Some(StoppedBy::Replaced), None]);
}

#[test]
fn a_restart_runs_now_and_leaves_the_schedule() {
    let mut world = World::new();
    lasting(&mut world, "c", 1);
    world.given(cron("c", schedule("0 12 * * *")));
    world.run_for(secs(10));
    world.restart("c");
    world.run_for(secs(10));
    assert_eq!(world.times("c"), ["00:00"]);
    assert!(world.task("c").standing().last_time.is_some());
    world.run_for(DAY);
    assert_eq!(world.times("c"), ["00:00", "12:00"]);
}

#[test]
fn a_due_task_waits_for_its_dependency_in_mid_minute() {
    let mut world = World::new();
    lasting(&mut world, "a", 105);
    lasting(&mut world, "c", 1);
    world.given(once("a"));
    world.given(cron("c", schedule("* * * * *")).needs("a", Until::Idle));
    world.run_for(MINUTE * 3);
    let starts: Vec<_> =
        world.records("c").filter_map(|run| run.start).map(|at| at.format("%M:%S").to_string()).collect();
    assert_eq!(starts, ["02:15", "03:00"]);
    assert_eq!(not_run(&world), [(NotRun::StillQueued, 1)]);
}

#[test]
fn daylight_saving_neither_loses_nor_doubles_a_daily_job() {
    // Forward on 29 March (02:00 becomes 03:00), back on 25 October (03:00 becomes 02:00).
    for (start, days) in [("2026-03-27T12:00:00Z", 4), ("2026-10-23T12:00:00Z", 4)] {
        let mut world = World::at(start);
        lasting(&mut world, "daily", 1);
        lasting(&mut world, "often", 1);
        world.given(cron("daily", berlin("30 2 * * *")));
        world.given(cron("often", berlin("30 * * * *")));
        world.run_for(DAY * days);
        assert_eq!(world.times("daily").len(), 4, "{start}");
        let hours = world.times("often").len();
        assert_eq!(hours, 24 * 4, "{start}: an hourly job runs once in every real hour");
        world.check();
    }
}

#[test]
fn a_clock_set_back_fires_nothing_twice() {
    let mut world = World::at("2026-03-01T10:00:30Z");
    lasting(&mut world, "c", 1);
    world.given(cron("c", schedule("*/10 * * * *")));
    world.run_for(MINUTE * 45);
    world.set_wall("2026-03-01T10:15:30Z");
    world.run_for(MINUTE * 45);
    assert_eq!(world.times("c"), ["10:10", "10:20", "10:30", "10:40", "10:50", "11:00"]);
    // A clock that was years ahead must not silence the schedule for years.
    world.set_wall("2038-01-19T03:14:00Z");
    world.run_for(MINUTE * 10);
    world.set_wall("2026-03-01T12:05:00Z");
    world.run_for(MINUTE * 10);
    assert_eq!(world.times("c").last().map(String::as_str), Some("12:10"));
    world.check();
}

#[test]
fn a_clock_set_forward_has_missed_something() {
    let mut world = World::at("2026-03-01T10:00:30Z");
    lasting(&mut world, "none", 1);
    lasting(&mut world, "last", 1);
    world.given(cron("none", schedule("*/10 * * * *")));
    world.given(cron("last", Schedule { catch_up: CatchUp::Last, ..schedule("*/10 * * * *") }));
    world.run_for(MINUTE);
    world.set_wall("2026-03-01T11:05:00Z");
    world.run_for(MINUTE);
    assert_eq!((world.times("none"), world.times("last")), (vec![], vec!["11:05".to_owned()]));
    assert_eq!(not_run(&world), [(NotRun::Missed, 6), (NotRun::Missed, 5)]);
    world.run_for(MINUTE * 5);
    assert_eq!(world.times("none"), ["11:10"]);
    world.set_wall("2026-03-01T11:20:59Z");
    world.run_for(secs(1));
    assert_eq!(world.times("none"), ["11:10", "11:20"], "late, but in its minute");
}

#[test]
fn thirty_days_of_outage_are_accounted_for() {
    for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All] {
        let mut world = World::at("2026-03-01T00:00:30Z");
        lasting(&mut world, "c", 1);
        lasting(&mut world, "minutely", 1);
        world.given(cron("c", Schedule { catch_up, ..schedule("0 6 * * *") }));
        world.given(cron("minutely", schedule("* * * * *")));
        world.run_for(DAY);
        world.host_reboots(DAY * 30);
        world.run_for(secs(300));
        let daily: Vec<_> =
            world.disk.firings.iter().filter(|(of, _)| *of == name("c")).map(|(_, it)| it.clone()).collect();
        let missed = |count, last: &str| Firing {
            first: wall("2026-03-02T06:00:00Z"),
            last: wall(last),
            count,
            more: false,
            why: NotRun::Missed,
        };
        let (runs, expected) = match catch_up {
            CatchUp::None => (1, vec![missed(30, "2026-03-31T06:00:00Z")]),
            CatchUp::Last => (2, vec![missed(29, "2026-03-30T06:00:00Z")]),
            CatchUp::All => (31, vec![]),
        };
        assert_eq!((world.times("c").len(), daily), (runs, expected), "{catch_up:?}");
        let counted: u32 =
            world.disk.firings.iter().filter(|(of, _)| *of == name("minutely")).map(|(_, it)| it.count).sum();
        let ran = u32::try_from(world.times("minutely").len()).unwrap();
        assert_eq!(counted + ran, 31 * 1_440 + 5, "every minute has run or is on record");
        world.check();
    }
}

#[test]
fn what_is_owed_survives_the_core() {
    let mut world = World::at("2026-03-01T00:00:30Z");
    lasting(&mut world, "c", 600);
    world.given(cron("c", Schedule { overlap: Overlap::Queue, ..schedule("1-4 0 * * *") }));
    world.run_for(MINUTE * 6);
    world.core_dies();
    world.run_for(MINUTE * 9);
    world.core_dies();
    world.run_for(secs(3_600));
    assert_eq!(world.times("c"), ["00:01", "00:11", "00:21", "00:31"]);
    assert!(world.disk.firings.is_empty());
    world.check();
}

#[test]
fn a_stopped_schedule_is_accounted_for_when_it_goes_on() {
    let mut world = World::new();
    lasting(&mut world, "c", 1);
    world.given(cron("c", schedule("* * * * *")));
    world.run_for(MINUTE * 2);
    world.stop("c");
    world.run_for(MINUTE * 10);
    assert_eq!((world.times("c").len(), world.state("c")), (2, TaskState::Stopped));
    assert_eq!(world.ask(Ask::Start(name("c"))), Verdict::Accepted);
    assert_eq!(not_run(&world), [(NotRun::Stopped, 10)]);
    world.run_for(MINUTE);
    assert_eq!(world.times("c").len(), 3);
    assert_eq!(world.ask(Ask::Start(name("c"))), Verdict::AlreadySo);
}

#[test]
fn jitter_is_fixed_per_firing_and_spread() {
    let starts = || {
        let mut world = World::at("2026-03-01T00:00:30Z");
        lasting(&mut world, "c", 1);
        world.given(cron("c", Schedule { jitter: secs(300), ..schedule("0 * * * *") }));
        world.run_for(DAY);
        world.core_dies();
        world.records("c").filter_map(|run| run.start).collect::<Vec<_>>()
    };
    let first = starts();
    assert_eq!(first, starts());
    let late: Vec<_> = first.iter().map(|at| at.timestamp() % 3_600).collect();
    assert!(first.len() >= 23 && late.iter().all(|late| *late < 300));
    assert!(late.iter().any(|late| *late < 150) && late.iter().any(|late| *late >= 150), "{late:?}");
}

#[test]
fn reboot_means_a_boot_of_the_host() {
    let mut world = World::new();
    lasting(&mut world, "c", 1);
    world.given(cron("c", schedule("@reboot")));
    world.run_for(DAY);
    world.core_dies();
    world.keeper_dies();
    world.run_for(MINUTE);
    assert!(world.times("c").is_empty());
    world.host_reboots(MINUTE);
    world.run_for(MINUTE);
    world.core_dies();
    world.keeper_dies();
    world.run_for(MINUTE);
    assert_eq!(world.states("c"), [RunState::Succeeded]);
    assert_eq!(world.records("c").next().map(|run| run.started_by.clone()), Some(StartedBy::HostBoot));
    world.run_for(millis(1));
    world.check();
}
