//! Who waits for whom: the reference's cases 46 to 52, and the other conditions.

use super::world::{FOREVER, Program, World, daemon, millis, name, once, root, secs};
use crate::proc::machine::{Ask, Blocker, Event, Offer, Refusal, TaskState, Verdict};
use crate::proc::model::{Definition, Probe, READY_INTERVAL, Ready, ReadyWhen, Replicas, Until};

fn lasting(world: &mut World, task: &str, seconds: u64, code: i32) {
    world.program(task, Program { lives: secs(seconds), code, ..Program::default() });
}

#[test]
fn what_does_not_exist_holds_nothing_back() {
    let mut world = World::new();
    world.given(once("b").needs("ghost", Until::Idle));
    world.run_for(millis(1));
    assert_eq!(world.alive(), ["b:0"]);
}

#[test]
fn a_task_waits_while_its_dependency_runs_however_that_ends() {
    let mut world = World::new();
    lasting(&mut world, "a", 3, 7);
    world.given(once("a"));
    world.run_for(secs(1));
    world.given(once("b").needs("a", Until::Idle));
    let task = world.task("b");
    assert_eq!((task.state(), task.running(), task.standing().last_time), (TaskState::Queued, None, None));
    assert_eq!(world.room.blocker(task.incarnation()), Some(Blocker::Runs(name("a"))));
    world.run_for(secs(2));
    let task = world.task("b");
    assert_eq!((task.state(), task.standing().last_time), (TaskState::Running, Some(world.now.wall)));
    assert!(task.standing().queued.is_none());
    world.check();
}

#[test]
fn a_chain_starts_in_order_one_at_a_time() {
    let mut world = World::new();
    for task in ["a", "b", "c", "d"] {
        lasting(&mut world, task, 2, 0);
    }
    world.given(once("a"));
    world.given(once("b").needs("a", Until::Idle));
    world.given(once("c").needs("a", Until::Idle).needs("b", Until::Idle));
    world.given(once("d").needs("c", Until::Idle));
    world.run_for(secs(60));
    let order: Vec<_> = world.starts.iter().map(|(alias, at)| (alias.as_str(), at.0.as_secs() - 1_000)).collect();
    assert_eq!(order, [("a:0", 0), ("b:0", 2), ("c:0", 4), ("d:0", 6)]);
    world.check();
}

#[test]
fn a_deleted_dependency_frees_and_a_deleted_dependent_never_starts() {
    let mut world = World::new();
    world.program("a", Program { heeds: Some(secs(5)), ..Program::default() });
    world.given(once("a"));
    world.given(once("b").needs("a", Until::Idle));
    world.given(once("gone").needs("a", Until::Idle));
    world.run_for(secs(1));
    world.restart("b");
    world.delete("gone");
    assert_eq!(world.state("b"), TaskState::Queued);
    world.delete("a");
    world.run_for(millis(1));
    assert_eq!(world.starts_of("b:0").len(), 1);
    world.run_for(secs(60));
    assert!(world.starts_of("gone:0").is_empty());
    world.check();
}

#[test]
fn a_cycle_is_refused_by_name() {
    let mut world = World::new();
    world.given(once("x"));
    world.given(once("p").needs("x", Until::Idle).needs("q", Until::Ready));
    let cycle = |names: &[&str]| Verdict::Refused(Refusal::Cycle(names.iter().map(|text| name(text)).collect()));
    let verdict = world.create(once("q").needs("x", Until::Idle).needs("p", Until::Idle));
    assert_eq!(verdict, cycle(&["q", "p", "q"]));
    assert!(world.room.task("q").is_none());
    assert_eq!(world.create(once("me").needs("me", Until::Idle)), cycle(&["me", "me"]));
    if let Verdict::Refused(why) = verdict {
        assert_eq!(why.to_string(), "the tasks would wait for each other: q -> p -> q");
    }
    world.given(once("q").needs("x", Until::Idle));
    world.check();
}

#[test]
fn dependencies_never_keep_a_stop_from_stopping() {
    let mut world = World::new();
    for task in ["e2", "e3"] {
        world.given(daemon(task).needs("e1", Until::Idle));
    }
    world.given(once("e1"));
    world.run_for(secs(1));
    assert_eq!(world.alive(), ["e1:0", "e2:0", "e3:0"]);
    world.delete("e2");
    world.restart("e3");
    world.run_for(secs(1));
    assert_eq!(world.alive(), ["e1:0"]);
    world.stop("e1");
    world.run_for(secs(1));
    assert_eq!(world.alive(), ["e3:0"], "replaced as soon as what it depends on is out of the way");
    world.check();
}

#[test]
fn a_daemon_holds_back_only_while_its_process_lives() {
    let mut world = World::new();
    lasting(&mut world, "d", 10, 1);
    world.given(daemon("d"));
    world.given(once("b").needs("d", Until::Idle));
    world.run_for(secs(9));
    assert_eq!(world.state("b"), TaskState::Queued);
    world.run_for(secs(2));
    assert_eq!(world.alive(), ["b:0"]);
    world.run_for(secs(3));
    assert_eq!(world.alive(), ["b:0", "d:0"], "a restart waits for nobody");
}

#[test]
fn the_other_conditions_are_waited_for() {
    let mut world = World::new();
    let mut db = daemon("db").times(2);
    db.ready =
        Some(Ready { when: ReadyWhen::Probe(Probe::Tcp("db:1".into())), interval: READY_INTERVAL, timeout: secs(60) });
    world.program("db", Program { launch: secs(1), ready_after: secs(5), ..Program::default() });
    lasting(&mut world, "good", 8, 0);
    lasting(&mut world, "bad", 8, 1);
    world.given(once("started").needs("db", Until::Started));
    world.given(once("ready").needs("db", Until::Ready));
    world.given(once("finished").needs("bad", Until::Finished));
    world.given(once("succeeded").needs("good", Until::Succeeded));
    world.given(once("hopeless").needs("bad", Until::Succeeded));
    world.run_for(secs(10));
    assert!(world.alive().is_empty(), "none of them exists yet");
    for task in [db, once("good"), once("bad")] {
        world.given(task);
    }
    world.run_for(secs(60));
    let order: Vec<_> = world.starts.iter().map(|(alias, at)| (alias.as_str(), at.0.as_secs() - 1_010)).collect();
    assert_eq!(
        order[..],
        [
            ("good:0", 0),
            ("bad:0", 0),
            ("db:0", 1),
            ("db:1", 1),
            ("started:0", 1),
            ("ready:0", 6),
            ("succeeded:0", 8),
            ("finished:0", 8),
        ]
    );
    assert_eq!(world.state("hopeless"), TaskState::Queued);
    lasting(&mut world, "bad", 1, 0);
    world.restart("bad");
    world.run_for(secs(2));
    assert_eq!(world.state("hopeless"), TaskState::Running);
    world.check();
}

#[test]
fn a_queued_dependency_holds_back_too() {
    let mut world = World::new();
    lasting(&mut world, "b", 5, 0);
    world.given(once("b").needs("x", Until::Started));
    world.given(once("c").needs("b", Until::Idle));
    world.run_for(secs(1));
    assert_eq!(world.room.blocker(world.task("c").incarnation()), Some(Blocker::Queued(name("b"))));
    world.given(daemon("x"));
    world.run_for(secs(4));
    assert_eq!(world.alive(), ["b:0", "x:0"]);
    world.run_for(secs(2));
    assert_eq!(world.alive(), ["c:0", "x:0"]);
}

#[test]
fn what_a_dependency_comes_to_depend_on_holds_back_and_frees() {
    let mut world = World::new();
    lasting(&mut world, "a", 10, 0);
    lasting(&mut world, "y", 1, 0);
    lasting(&mut world, "x", 20, 0);
    world.given(once("a"));
    world.given(once("z").needs("a", Until::Idle).needs("y", Until::Idle));
    world.given(once("y").needs("x", Until::Idle));
    world.run_for(secs(5));
    world.given(once("x"));
    world.run_for(secs(19));
    assert_eq!(world.room.blocker(world.task("z").incarnation()), Some(Blocker::Runs(name("x"))));
    world.run_for(secs(2));
    assert_eq!(world.alive(), ["z:0"]);
}

#[test]
fn an_unready_dependency_holds_back_only_those_that_wait_for_it() {
    let mut world = World::new();
    let mut db = daemon("db");
    db.ready = Some(Ready { when: ReadyWhen::Notify, interval: READY_INTERVAL, timeout: secs(600) });
    world.program("db", Program { ready_after: FOREVER, ..Program::default() });
    world.given(db);
    world.given(once("app").needs("db", Until::Ready));
    world.given(once("other"));
    world.run_for(secs(30));
    assert_eq!(world.alive(), ["db:0", "other:0"]);
    let app = world.task("app").incarnation();
    assert!(matches!(world.room.blocker(app), Some(Blocker::Until(dep)) if dep.until == Until::Ready));
}

#[test]
fn a_long_chain_is_one_request_and_its_cycle_is_found() {
    let names: Vec<String> = (0..3_000).map(|n| format!("t{n}")).collect();
    let mut offers: Vec<_> = names.windows(2).map(|pair| once(&pair[0]).needs(&pair[1], Until::Idle)).collect();
    offers.push(once("t2999"));
    let ask = |offers: &[Definition]| {
        let offers = offers.iter().map(|definition| Offer { definition: definition.clone(), runs_as: 0 });
        Ask::Apply { offers: offers.collect(), dry_run: true }
    };
    let mut world = World::new();
    assert_eq!(world.ask(ask(&offers)), Verdict::Accepted);
    offers[2_999] = once("t2999").needs("t0", Until::Idle);
    assert!(matches!(world.ask(ask(&offers)), Verdict::Refused(Refusal::Cycle(path)) if path.len() == 3_001));
}

#[test]
fn a_long_chain_that_waits_is_made_in_one_request() {
    let names: Vec<String> = (0..5_000).map(|n| format!("t{n}")).collect();
    let links = names.windows(2).map(|pair| once(&pair[1]).needs(&pair[0], Until::Idle));
    let offers = std::iter::once(once("t0")).chain(links).map(|definition| Offer { definition, runs_as: 0 });
    let mut room = World::new().room;
    let ask = Ask::Apply { offers: offers.collect(), dry_run: false };
    let plan = room.step(Event::Asked { ask, by: root() }, World::new().now);
    assert_eq!(plan.verdict, Some(Verdict::Accepted));
    let last = room.task("t4999").unwrap().incarnation();
    assert_eq!(room.blocker(last), Some(Blocker::Queued(name("t4998"))));
}

#[test]
fn replicas_that_come_while_what_was_cut_short_waits_are_launched_with_it() {
    let mut world = World::new();
    lasting(&mut world, "b", 100, 0);
    world.given(once("b"));
    world.given(daemon("c").needs("b", Until::Succeeded));
    world.run_for(secs(200));
    world.restart("b");
    world.run_for(secs(1));
    world.host_reboots(secs(10));
    assert_eq!(world.state("c"), TaskState::Queued);
    let replica = Replicas::new(3).unwrap();
    assert_eq!(world.ask(Ask::Scale { name: name("c"), replica }), Verdict::Accepted);
    world.run_for(secs(200));
    assert_eq!(world.alive(), ["c:0", "c:1", "c:2"]);
    world.check();
}
