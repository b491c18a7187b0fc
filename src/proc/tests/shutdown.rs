//! The orderly end, and what begins again after it.

use super::world::{Program, World, cron, daemon, millis, name, once, schedule, secs};
use crate::proc::machine::{Ask, Event, Refusal, TaskState, Verdict};
use crate::proc::model::{RunState, Signal, StartedBy, StoppedBy, Until};

#[test]
fn tasks_end_in_reverse_order_of_dependency() {
    let mut world = World::new();
    // Were all told at once, what is needed most would be gone first.
    for (task, heeds) in [("db", 1), ("app", 2), ("web", 3), ("side", 0)] {
        world.program(task, Program { heeds: Some(secs(heeds)), ..Program::default() });
    }
    world.given(daemon("db"));
    world.given(daemon("app").needs("db", Until::Ready).times(2));
    world.given(daemon("web").needs("app", Until::Started));
    world.given(daemon("side").needs("nowhere", Until::Idle));
    world.run_for(secs(1));
    assert_eq!(world.alive().len(), 5);
    world.step(Event::Shutdown);
    assert_eq!(world.create(once("late")), Verdict::Refused(Refusal::ShuttingDown));
    world.step(Event::Shutdown);
    world.run_for(secs(60));
    assert_eq!(world.ends[..], ["side:0", "web:0", "app:0", "app:1", "db:0"]);
    assert!(world.done);
    world.check();
}

#[test]
fn each_has_its_own_time_and_then_the_rest_is_killed() {
    let mut world = World::new();
    let mut patient = daemon("patient");
    patient.stop_timeout = secs(90);
    world.program("patient", Program { heeds: Some(secs(80)), ..Program::default() });
    world.program("deaf", Program { heeds: None, forks: true, ..Program::default() });
    world.given(patient);
    world.given(daemon("deaf"));
    world.given(daemon("low").needs("gone", Until::Idle));
    world.run_for(secs(1));
    world.step(Event::Shutdown);
    world.run_for(secs(79));
    assert_eq!((world.alive(), world.done), (vec!["patient:0".to_owned()], false));
    world.run_for(secs(1));
    assert!(world.done);
    assert!(world.signals.iter().any(|(alias, signal, _)| alias == "deaf:0" && *signal == Signal::KILL));
    world.check();
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut world = World::new();
    world.program("deaf", Program { heeds: None, launch: millis(10), ..Program::default() });
    world.given(daemon("deaf").times(3));
    world.given(daemon("above").needs("deaf", Until::Ready));
    world.run_for(secs(1));
    world.step(Event::Shutdown);
    world.step(Event::ShutdownNow);
    world.run_for(millis(1));
    assert!(world.done);
    world.check();
}

#[test]
fn nothing_to_stop_is_done_at_once_and_said_once() {
    let mut world = World::new();
    let plan = world.room.step(Event::Shutdown, world.now);
    assert_eq!(plan.effects, [crate::proc::machine::Effect::Done]);
    assert!(world.room.step(Event::Shutdown, world.now).effects.is_empty());
    assert!(world.room.step(Event::ShutdownNow, world.now).effects.is_empty());
}

#[test]
fn what_was_running_runs_again_and_nothing_else() {
    let mut world = World::new();
    world.program("short", Program { lives: secs(1), ..Program::default() });
    world.program("crashy", Program { lives: secs(1), ..Program::default() });
    let mut crashy = daemon("crashy");
    crashy.interval = secs(600);
    world.given(daemon("up"));
    world.given(crashy);
    world.given(once("long"));
    world.given(once("short"));
    world.given(daemon("stopped"));
    world.given(once("queued").needs("up", Until::Idle));
    world.given(cron("nightly", schedule("0 3 * * *")));
    world.run_for(secs(10));
    world.restart("nightly");
    world.run_for(secs(1));
    world.stop("stopped");
    world.step(Event::Shutdown);
    world.run_for(secs(60));
    assert!(world.done);
    assert!(world.records("long").all(|run| run.stopped_by == Some(StoppedBy::Shutdown)));
    let before = world.starts.len();
    world.host_reboots(secs(3_600));
    world.run_for(millis(1));
    assert_eq!(world.alive(), ["crashy:0", "long:0", "up:0"]);
    assert_eq!(world.starts.len(), before + 3);
    assert_eq!((world.state("stopped"), world.state("short")), (TaskState::Stopped, TaskState::Succeeded));
    assert_eq!(world.state("queued"), TaskState::Queued);
    world.run_for(secs(2));
    assert!(world.records("crashy").any(|run| run.started_by == StartedBy::Recovery));
    world.check();
}

#[test]
fn a_lost_keeper_leaves_interrupted_runs_and_the_wish_stands() {
    let mut world = World::new();
    world.program("d", Program { heeds: Some(secs(4)), ..Program::default() });
    world.given(daemon("d"));
    world.given(once("o"));
    world.run_for(secs(5));
    world.keeper_dies();
    assert_eq!(world.states("d"), [RunState::Interrupted]);
    world.run_for(secs(3));
    assert_eq!(world.starts_of("d:0").len(), 1, "what is left is ended first");
    world.run_for(secs(2));
    assert_eq!(world.alive(), ["d:0", "o:0"]);
    assert_eq!(world.states("o"), [RunState::Interrupted], "never as succeeded");
    world.check();
}

#[test]
fn a_launch_lost_with_its_keeper_is_interrupted_once() {
    let mut world = World::new();
    world.program("o", Program { launch: secs(5), heeds: Some(secs(4)), ..Program::default() });
    world.given(once("o"));
    world.run_for(secs(1));
    world.keeper_dies();
    world.core_dies();
    world.run_for(secs(2));
    world.core_dies();
    world.run_for(secs(20));
    assert_eq!((world.states("o"), world.alive()), (vec![RunState::Interrupted], vec!["o:0".to_owned()]));
    world.check();
}

#[test]
fn a_lost_core_changes_nothing() {
    let mut world = World::new();
    world.program("d", Program { lives: secs(10), ..Program::default() });
    world.given(daemon("d").times(5));
    world.given(once("o"));
    let mut before = Vec::new();
    for _ in 0..50 {
        world.run_for(millis(700));
        before.push(world.starts.len());
        world.core_dies();
        assert_eq!(Some(&world.starts.len()), before.last(), "a new core starts nothing that runs or pauses");
    }
    assert_eq!(world.gaps("d:3"), [secs(13), secs(13)]);
    assert_eq!(world.starts_of("o:0").len(), 1);
    assert_eq!(world.ask(Ask::Stop(name("d"))), Verdict::Accepted);
    world.core_dies();
    world.run_for(secs(60));
    assert_eq!((world.alive(), world.state("d")), (vec!["o:0".to_owned()], TaskState::Stopped));
    world.check();
}

#[test]
fn a_core_lost_in_a_shutdown_goes_on_with_it() {
    let mut world = World::new();
    world.program("deaf", Program { heeds: None, ..Program::default() });
    world.given(daemon("deaf"));
    world.given(once("o").needs("deaf", Until::Ready));
    world.run_for(secs(1));
    world.step(Event::Shutdown);
    world.run_for(secs(3));
    world.core_dies();
    world.run_for(secs(8));
    assert!(world.done);
    world.host_reboots(secs(60));
    world.run_for(secs(1));
    assert_eq!(world.alive(), ["deaf:0", "o:0"]);
    world.check();
}
