//! Starting, ending and starting again.

use super::world::{FOREVER, Program, World, daemon, daemon_with, millis, name, once, root, secs};
use crate::base::{Mono, RunId};
use crate::proc::machine::{
    Ask, Asker, Difference, Effect, Event, Exit, Found, Offer, Refusal, Room, Scope, Settings, Stored, TaskState,
    Verdict, What,
};
use crate::proc::model::{
    Backoff, Command, Definition, Health, Owner, Probe, READY_INTERVAL, Ready, ReadyWhen, Replicas, Restart, RestartOn,
    RunState, Signal, StartedBy, Status, StoppedBy, Usage,
};
use std::time::Duration;

fn exit(seq: u64, run: RunId) -> Exit {
    let ended = World::new().now.wall;
    let usage = Usage::default();
    Exit { seq, run, status: Status::Code(0), usage, ended, oom: false, tree_empty: true, log: None }
}

fn lives(time: Duration, code: i32) -> Program {
    Program { lives: time, code, ..Program::default() }
}

#[test]
fn a_once_task_runs_counts_down_and_stays() {
    let mut world = World::new();
    world.program("t", lives(secs(5), 0));
    let begun = world.now.wall;
    world.given(once("t").times(2));
    world.run_for(secs(1));
    let task = world.task("t");
    assert_eq!((task.running(), task.state()), (Some(2), TaskState::Running));
    assert_eq!((task.standing().last_time, task.standing().start_time), (Some(begun), Some(begun)));
    world.run_for(secs(60));
    assert_eq!((world.task("t").running(), world.state("t")), (Some(0), TaskState::Succeeded));
    assert_eq!(world.task("t").standing().last_time, Some(begun));
    assert_eq!(world.create(once("t")), Verdict::Refused(Refusal::Exists(name("t"))));
    world.restart("t");
    world.run_for(secs(1));
    assert_eq!(world.alive(), ["t:0", "t:1"]);
    world.run_for(secs(60));
    assert_eq!(world.states("t"), [RunState::Succeeded; 4]);
    world.check();
}

#[test]
fn a_daemon_starts_at_once_and_again_after_its_interval() {
    let mut world = World::new();
    world.program("d", lives(secs(2), 3));
    let begun = world.now.wall;
    world.given(daemon("d"));
    world.run_for(secs(23));
    assert_eq!(world.starts_of("d:0")[0], Mono(secs(1_000)));
    assert_eq!(world.gaps("d:0"), [secs(5); 4]);
    let task = world.task("d");
    assert_eq!((task.running(), task.standing().last_time), (Some(1), Some(begun)));
    world.run_for(secs(0));
    let by: Vec<_> = world.records("d").map(|record| record.started_by.clone()).collect();
    assert_eq!(by[0], StartedBy::Client("uid 0 (root)".into()));
    assert!(by[1..].iter().all(|by| *by == StartedBy::Restart));
    world.check();
}

#[test]
fn a_day_of_crash_loops_delays_nobody_else() {
    let mut world = World::new();
    let restart = Restart { backoff: Some(Backoff::new(2.0, secs(60)).unwrap()), ..Restart::default() };
    let mut web = daemon_with("web", restart);
    web.interval = secs(1);
    world.program("web", lives(millis(200), 1));
    world.program("calm", lives(secs(3_600), 0));
    world.given(web);
    world.given(daemon("calm"));
    world.run_for(secs(86_400));
    let life = millis(200);
    assert_eq!(world.gaps("web:0")[..4], [secs(1) + life, secs(2) + life, secs(4) + life, secs(8) + life]);
    assert!(world.gaps("web:0").len() < 1_500);
    assert_eq!(world.gaps("calm:0"), [secs(3_603); 23]);
    assert_eq!(world.states("web").len(), world.starts_of("web:0").len());
    world.check();
}

#[test]
fn a_stable_life_clears_the_growth() {
    let mut world = World::new();
    let backoff = Some(Backoff::new(10.0, secs(1_000)).unwrap());
    let restart = Restart { backoff, stable_after: secs(30), ..Restart::default() };
    world.program("d", lives(secs(29), 1));
    world.given(daemon_with("d", restart));
    world.run_for(secs(29 + 3 + 29));
    world.program("d", lives(secs(30), 1));
    world.run_for(secs(30 + 30 + 3 + 30 + 3));
    assert_eq!(world.gaps("d:0"), [secs(29 + 3), secs(29 + 30), secs(30 + 3), secs(30 + 3)]);
}

#[test]
fn a_used_up_budget_is_given_up_visibly_and_a_start_begins_anew() {
    let mut world = World::new();
    world.program("d", lives(millis(10), 1));
    world.given(daemon_with("d", Restart { max_restarts: Some(3), ..Restart::default() }).times(2));
    world.run_for(secs(3_600));
    assert_eq!(world.starts_of("d:0").len(), 4, "the first start and three restarts");
    assert_eq!((world.state("d"), world.task("d").running()), (TaskState::Failed, Some(0)));
    assert!(world.whats.iter().any(|(_, what)| *what == What::GaveUp { replica: 1, failures: 4 }));
    world.core_dies();
    world.run_for(secs(3_600));
    assert_eq!((world.state("d"), world.starts_of("d:0").len()), (TaskState::Failed, 4));
    assert_eq!(world.ask(Ask::Start(name("d"))), Verdict::Accepted);
    world.run_for(secs(3_600));
    assert_eq!(world.starts_of("d:0").len(), 8);
    world.check();
}

#[test]
fn who_waits_waits_for_all_that_ends_in_the_place_whoever_told_it() {
    let mut world = World::new();
    world.program("d", Program { heeds: None, ..Program::default() });
    world.given(daemon("d"));
    world.run_for(secs(1));
    let old: Vec<_> = world.room.runs().map(|run| run.facts().run).collect();
    world.stop("d");
    for ask in [Ask::Stop(name("d")), Ask::Restart(name("d")), Ask::Restart(name("d")), Ask::Delete(name("d"))] {
        let plan = world.room.step(Event::Asked { ask, by: root() }, world.now);
        assert_eq!(plan.ending, old);
    }
}

#[test]
fn restarts_follow_their_policy() {
    for (on, code, starts) in
        [(RestartOn::Always, 0, 3), (RestartOn::Failure, 0, 1), (RestartOn::Failure, 1, 3), (RestartOn::Never, 1, 1)]
    {
        let mut world = World::new();
        world.program("d", lives(secs(1), code));
        world.given(daemon_with("d", Restart { on, ..Restart::default() }));
        world.run_for(secs(9));
        assert_eq!(world.starts_of("d:0").len(), starts, "{on:?} after {code}");
        let expected = if code == 0 { TaskState::Succeeded } else { TaskState::Failed };
        if starts == 1 {
            assert_eq!(world.state("d"), expected);
        }
    }
}

#[test]
fn what_cannot_be_launched_is_in_the_history_and_tried_again() {
    let mut world = World::new();
    world.program("d", Program { starts: false, ..Program::default() });
    world.program("o", Program { starts: false, ..Program::default() });
    world.given(daemon("d"));
    world.given(once("o"));
    world.run_for(secs(7));
    assert_eq!(world.states("d"), [RunState::NotStarted; 3]);
    assert!(world.records("d").all(|run| run.error.as_deref() == Some("exec: No such file or directory")));
    assert_eq!((world.state("o"), world.states("o")), (TaskState::Failed, vec![RunState::NotStarted]));
    world.check();
}

#[test]
fn a_stop_is_a_signal_to_the_group_and_a_kill_of_the_tree_after_the_time_out() {
    let mut world = World::new();
    world.program("deaf", Program { heeds: None, ..Program::default() });
    world.given(daemon("deaf"));
    world.run_for(secs(1));
    world.stop("deaf");
    assert_eq!((world.state("deaf"), world.task("deaf").running()), (TaskState::Stopping, Some(0)));
    world.run_for(millis(9_999));
    assert_eq!(world.trees(), 1);
    world.run_for(millis(1));
    assert_eq!((world.trees(), world.state("deaf")), (0, TaskState::Stopped));
    assert_eq!(
        world.signals,
        [("deaf:0".into(), Signal::TERM, Scope::Group), ("deaf:0".into(), Signal::KILL, Scope::Tree)]
    );
    assert_eq!(world.ask(Ask::Stop(name("deaf"))), Verdict::AlreadySo);
    world.run_for(secs(3_600));
    assert_eq!(world.starts.len(), 1);
    let stopped_by = world.records("deaf").next().and_then(|run| run.stopped_by.clone());
    assert_eq!(stopped_by, Some(StoppedBy::Client("uid 0 (root)".into())));
    world.check();
}

#[test]
fn a_run_ends_with_its_leader_and_the_next_waits_for_the_tree() {
    let mut world = World::new();
    world.program("d", Program { lives: secs(1), forks: true, heeds: None, ..Program::default() });
    world.given(daemon("d"));
    world.run_for(secs(10));
    assert_eq!((world.states("d"), world.trees()), (vec![RunState::Succeeded], 1));
    assert_eq!(world.task("d").running(), Some(1), "it waits for its place");
    world.run_for(secs(2));
    // One second of life, ten of patience with what it left behind; its own pause was over long before.
    assert_eq!(world.gaps("d:0"), [secs(11)]);
    assert_eq!(
        world.signals[..2],
        [("d:0".into(), Signal::TERM, Scope::Tree), ("d:0".into(), Signal::KILL, Scope::Tree)]
    );
}

#[test]
fn a_deleted_name_is_free_at_once_but_its_place_is_not() {
    let mut world = World::new();
    world.program("t", Program { heeds: Some(secs(4)), ..Program::default() });
    world.given(once("t"));
    world.run_for(secs(1));
    world.delete("t");
    assert!(world.room.task("t").is_none());
    assert_eq!(world.ask(Ask::Delete(name("t"))), Verdict::Refused(Refusal::NotFound(name("t"))));
    let states: Vec<_> = world.room.runs().map(|run| run.state()).collect();
    assert_eq!(states, [RunState::Stopping]);
    world.given(once("t"));
    world.run_for(secs(3));
    assert_eq!(world.state("t"), TaskState::Starting);
    world.run_for(secs(1));
    assert_eq!((world.gaps("t:0"), world.state("t")), (vec![secs(5)], TaskState::Running));
    world.check();
}

#[test]
fn a_restart_replaces_every_process_once() {
    let mut world = World::new();
    world.program("d", Program { heeds: Some(secs(2)), ..Program::default() });
    world.given(daemon("d").times(3));
    world.run_for(secs(1));
    (0..5).for_each(|_| world.restart("d"));
    assert_eq!(world.task("d").running(), Some(3));
    world.run_for(secs(10));
    assert_eq!((world.alive().len(), world.starts.len()), (3, 6), "restarts of what had not begun cost nothing");
    world.check();
}

#[test]
fn a_daemon_deleted_or_stopped_in_its_pause_never_starts_again() {
    let mut world = World::new();
    world.program("d", lives(secs(1), 0));
    world.program("e", lives(secs(1), 0));
    world.given(daemon("d"));
    world.given(daemon("e"));
    world.run_for(secs(2));
    world.delete("d");
    world.stop("e");
    world.run_for(secs(60));
    assert_eq!(world.starts.len(), 2);
    assert_eq!(world.ask(Ask::Start(name("e"))), Verdict::Accepted);
    world.run_for(millis(1));
    assert_eq!(world.alive(), ["e:0"]);
    assert_eq!(world.ask(Ask::Start(name("e"))), Verdict::AlreadySo);
}

#[test]
fn a_launch_no_longer_wanted_is_withdrawn() {
    let mut world = World::new();
    world.program("t", Program { launch: secs(5), ..Program::default() });
    world.given(once("t"));
    world.run_for(secs(1));
    world.delete("t");
    world.run_for(secs(10));
    assert_eq!((world.starts.len(), world.states("t")), (0, vec![RunState::Stopped]));
    world.check();
}

#[test]
fn an_exit_heard_twice_counts_once() {
    let mut world = World::new();
    world.program("t", lives(secs(1), 0));
    world.given(once("t"));
    world.run_for(secs(2));
    let record = world.records("t").next().cloned().unwrap();
    let plan = world.room.step(Event::Exited(exit(77, record.run)), world.now);
    assert_eq!(plan.heard, [77]);
    assert!(plan.writes.is_empty() && plan.effects.is_empty() && plan.changes.is_empty());
}

#[test]
fn scaling_touches_only_the_difference() {
    let mut world = World::new();
    world.given(daemon("d").times(2));
    world.run_for(secs(1));
    let scale = |world: &mut World, replicas| {
        let verdict = world.ask(Ask::Scale { name: name("d"), replica: Replicas::new(replicas).unwrap() });
        world.run_for(secs(1));
        verdict
    };
    assert_eq!(scale(&mut world, 4), Verdict::Accepted);
    assert_eq!((world.alive().len(), world.starts.len()), (4, 4));
    assert_eq!(scale(&mut world, 4), Verdict::AlreadySo);
    assert_eq!(scale(&mut world, 1), Verdict::Accepted);
    assert_eq!((world.alive(), world.starts.len(), world.task("d").running()), (vec!["d:0".into()], 4, Some(1)));
    world.core_dies();
    assert_eq!(world.task("d").seats().len(), 1);
    world.check();
}

#[test]
fn signals_go_to_what_is_up() {
    let mut world = World::new();
    let usr1 = Signal::parse("USR1").unwrap();
    let mut task = daemon("d").times(2);
    task.reload_signal = Some(Signal::parse("HUP").unwrap());
    task.command = Command::argv(vec!["work".into()]).unwrap();
    world.given(task);
    let signal = |replica| Ask::Signal { name: name("d"), replica, signal: usr1 };
    assert_eq!(world.ask(signal(None)), Verdict::Refused(Refusal::NotRunning(name("d"))));
    world.run_for(secs(1));
    assert_eq!(world.ask(signal(Some(1))), Verdict::Accepted);
    assert_eq!(world.ask(signal(Some(2))), Verdict::Refused(Refusal::NoReplica { name: name("d"), replica: 2 }));
    assert_eq!(world.signals, [("d:1".into(), usr1, Scope::Group)]);
    assert_eq!(world.ask(Ask::Reload(name("d"))), Verdict::Accepted);
    assert_eq!(world.signals.len(), 3);
    assert_eq!(world.signals[1].2, Scope::Leader);
    world.given(once("plain"));
    assert_eq!(world.ask(Ask::Reload(name("plain"))), Verdict::Refused(Refusal::NoReload(name("plain"))));
}

#[test]
fn others_cannot_touch_what_does_not_run_as_them() {
    let mut world = World::new();
    let alice = Asker { owner: Owner { uid: 1000, name: "uid 1000 (alice)".into(), operator: false }, all: false };
    world.given(once("roots"));
    let offer = Offer { definition: once("hers"), runs_as: 1000 };
    assert_eq!(world.ask_as(Ask::Create(Box::new(offer)), alice.clone()), Verdict::Accepted);
    world.run_for(secs(1));
    let no = Verdict::Refused(Refusal::NotAllowed(name("roots")));
    for ask in [Ask::Stop, Ask::Start, Ask::Delete, Ask::Restart, Ask::Reload] {
        assert_eq!(world.ask_as(ask(name("roots")), alice.clone()), no);
    }
    let offers = vec![Offer { definition: once("roots").times(2), runs_as: 1000 }];
    assert_eq!(world.ask_as(Ask::Apply { offers, dry_run: true }, alice.clone()), no);
    assert_eq!(world.ask_as(Ask::Stop(name("hers")), alice), Verdict::Accepted);
    world.run_for(millis(1));
    assert_eq!(world.alive(), ["roots:0"]);
    assert_eq!(world.ask_as(Ask::Delete(name("hers")), root()), Verdict::Accepted);
}

#[test]
fn one_request_begins_no_more_than_one_task_may_have() {
    let mut world = World::new();
    let offers = |replicas| {
        let task = |name| Offer { definition: once(name).times(replicas), runs_as: 0 };
        ["a", "b", "c"].map(task).to_vec()
    };
    let refused = Verdict::Refused(Refusal::TooManyAtOnce { max: 10_000 });
    assert_eq!(world.ask(Ask::Apply { offers: offers(4_000), dry_run: false }), refused);
    assert_eq!(world.room.tasks().count(), 0);
    assert_eq!(world.ask(Ask::Apply { offers: offers(30), dry_run: false }), Verdict::Accepted);
}

#[test]
fn apply_does_what_differs_or_nothing() {
    let mut world = World::new();
    for task in [daemon("same"), daemon("grows"), daemon("changes"), once("stopped")] {
        world.given(task);
    }
    world.run_for(secs(1));
    world.stop("stopped");
    let mut changes = daemon("changes");
    changes.command = Command::shell("other").unwrap();
    let wanted = [daemon("same"), daemon("grows").times(2), changes.clone(), daemon("new"), once("stopped").times(2)];
    let offers: Vec<_> = wanted.into_iter().map(|definition| Offer { definition, runs_as: 0 }).collect();
    let before = world.starts.len();
    let dry = Ask::Apply { offers: offers.clone(), dry_run: true };
    let plan = world.room.step(Event::Asked { ask: dry, by: root() }, world.now);
    assert!(plan.writes.is_empty() && plan.effects.is_empty());
    let differences: Vec<_> = plan.differences.iter().map(|(_, difference)| *difference).collect();
    use Difference::{Adjusted, Created, Restarted, Unchanged};
    assert_eq!(differences, [Unchanged, Adjusted, Restarted, Created, Adjusted]);
    assert_eq!(world.ask(Ask::Apply { offers: offers.clone(), dry_run: false }), Verdict::Accepted);
    world.run_for(secs(20));
    assert_eq!(world.alive(), ["changes:0", "grows:0", "grows:1", "new:0", "same:0"]);
    assert_eq!(world.starts.len(), before + 3);
    assert_eq!(world.task("changes").definition().command, changes.command);
    assert_eq!(world.ask(Ask::Apply { offers: offers.clone(), dry_run: false }), Verdict::AlreadySo);
    let twice = vec![offers[0].clone(), offers[0].clone()];
    assert_eq!(world.ask(Ask::Apply { offers: twice, dry_run: false }), Verdict::Refused(Refusal::Twice(name("same"))));
    world.check();
}

#[test]
fn readiness_is_waited_for_and_its_lack_is_a_failure() {
    let mut world = World::new();
    let ready = |when| Some(Ready { when, interval: READY_INTERVAL, timeout: secs(10) });
    let mut tried = daemon("tried");
    tried.ready = ready(ReadyWhen::Probe(Probe::Tcp("[::1]:80".into())));
    let mut told = daemon("told");
    told.ready = ready(ReadyWhen::Notify);
    let mut never = daemon("never");
    never.ready = ready(ReadyWhen::Log("listening".into()));
    world.program("tried", Program { ready_after: millis(2_500), ..Program::default() });
    world.program("told", Program { ready_after: millis(2_500), ..Program::default() });
    world.program("never", Program { ready_after: FOREVER, ..Program::default() });
    for task in [tried, told, never] {
        world.given(task);
    }
    world.run_for(millis(2_499));
    assert_eq!(world.state("told"), TaskState::Starting);
    world.run_for(millis(1));
    assert_eq!((world.state("told"), world.state("tried")), (TaskState::Running, TaskState::Starting));
    world.run_for(millis(500));
    assert_eq!(world.state("tried"), TaskState::Running);
    world.run_for(secs(20));
    assert_eq!(world.gaps("never:0"), [secs(13)]);
    let record = world.records("never").next().unwrap();
    assert_eq!((record.state, &record.stopped_by), (RunState::Failed, &Some(StoppedBy::NotReady)));
    world.check();
}

#[test]
fn a_run_not_ready_yet_has_its_time_again_under_a_new_core() {
    let mut world = World::new();
    let mut task = daemon("d");
    task.ready = Some(Ready { when: ReadyWhen::Notify, interval: READY_INTERVAL, timeout: secs(10) });
    world.program("d", Program { ready_after: secs(12), ..Program::default() });
    world.given(task);
    world.run_for(secs(9));
    world.core_dies();
    world.run_for(secs(3));
    assert_eq!((world.state("d"), world.starts.len()), (TaskState::Running, 1));
    world.check();
}

#[test]
fn what_has_ended_needs_no_stop() {
    let mut world = World::new();
    world.program("t", lives(secs(1), 0));
    world.given(once("t"));
    world.run_for(secs(2));
    assert_eq!(world.ask(Ask::Stop(name("t"))), Verdict::AlreadySo);
    assert_eq!(world.state("t"), TaskState::Succeeded);
}

#[test]
fn a_replica_that_hangs_is_replaced() {
    let mut world = World::new();
    let mut task = daemon_with("d", Restart { on: RestartOn::Failure, ..Restart::default() });
    task.health =
        Some(Health { probe: Probe::Http("http://[::1]/".into()), interval: secs(5), timeout: secs(1), failures: 3 });
    world.program("d", Program { well_for: secs(12), ..Program::default() });
    world.given(task);
    world.run_for(secs(24));
    assert_eq!(world.starts.len(), 1);
    world.run_for(secs(4));
    // Tries at 5 and 10 s hold, those at 15, 20 and 25 s do not; then the pause of three seconds.
    assert_eq!(world.gaps("d:0"), [secs(28)]);
    let record = world.records("d").next().unwrap();
    assert_eq!((record.state, &record.stopped_by), (RunState::Failed, &Some(StoppedBy::Unhealthy("refused".into()))));
    world.check();
}

fn recovered(max_replicas: u32) -> Room {
    let now = World::new().now;
    Room::recover(Settings { max_replicas }, Stored::default(), Found::default(), now).0
}

fn creation(definition: Definition) -> Event {
    Event::Asked { ask: Ask::Create(Box::new(Offer { definition, runs_as: 0 })), by: root() }
}

#[test]
fn more_replicas_than_configured_are_refused() {
    let plan = recovered(5).step(creation(once("t").times(6)), World::new().now);
    assert_eq!(plan.verdict, Some(Verdict::Refused(Refusal::TooMany { max: 5 })));
    assert!(plan.writes.is_empty());
}

#[test]
fn ten_thousand_replicas_are_one_decision_and_then_one_by_one() {
    let (mut room, now) = (recovered(10_000), World::new().now);
    let plan = room.step(creation(daemon("many").times(10_000)), now);
    let run = |effect| match effect {
        Effect::Launch(launch) => launch.run,
        other => panic!("{other:?}"),
    };
    let launched: Vec<RunId> = plan.effects.into_iter().map(run).collect();
    assert_eq!(launched.len(), 10_000);
    for (run, pid) in launched.iter().copied().zip(1..) {
        let plan = room.step(Event::Spawned { run, pid, start_ticks: 1, log: None }, now);
        assert_eq!((plan.writes.len(), plan.effects.len()), (1, 0));
    }
    assert_eq!(room.task("many").map(|task| task.tally().ready), Some(10_000));
    for (run, seq) in launched.into_iter().zip(1..) {
        let plan = room.step(Event::Exited(exit(seq, run)), now);
        assert_eq!((plan.writes.len(), plan.effects.len()), (3, 0), "history, replica, no longer live");
    }
    assert_eq!(room.deadline(), Some(now.mono + secs(3)));
    let ticks = std::iter::from_fn(|| {
        let plan = room.step(Event::Tick, now.later(secs(3)));
        Some(plan.effects.len()).filter(|launches| *launches > 0)
    });
    assert_eq!(ticks.collect::<Vec<_>>(), [1_000; 10], "a tick holds nobody up for long");
}
