//! The core dies at every plan of a story; the story must end the same.

use super::world::{Death, Program, World, cron, daemon, daemon_with, millis, once, root, schedule, secs};
use crate::proc::machine::{Ask, Event, Found, Offer, Room, Settings, Stored};
use crate::proc::model::{Restart, RunState, Schedule, Until};
use crate::schedule::Overlap;

/// A bit of everything.
fn play(death: Death) -> World {
    let mut world = World::at("2026-03-01T00:00:30Z");
    world.death = death;
    world.program("crashy", Program { lives: millis(900), code: 1, ..Program::default() });
    world.program("deaf", Program { heeds: None, forks: true, ..Program::default() });
    world.program("forky", Program { lives: secs(2), forks: true, heeds: Some(secs(1)), ..Program::default() });
    world.program("job", Program { lives: secs(5), ..Program::default() });
    world.program("missing", Program { starts: false, ..Program::default() });
    world.program("cron", Program { lives: secs(90), ..Program::default() });
    world.program("after", Program { lives: secs(0), ..Program::default() });
    world.program("tick", Program { lives: secs(0), ..Program::default() });
    world.given(daemon_with("crashy", Restart { max_restarts: Some(4), ..Restart::default() }));
    world.given(daemon("deaf").times(2));
    world.given(daemon("forky"));
    world.given(once("job").times(2));
    world.given(once("after").needs("job", Until::Succeeded));
    world.given(once("missing"));
    world.given(cron("cron", Schedule { overlap: Overlap::Queue, ..schedule("* * * * *") }));
    world.given(cron("tick", schedule("* * * * *")).times(2));
    world.run_for(secs(4));
    world.restart("deaf");
    world.run_for(secs(3));
    world.delete("forky");
    world.given(once("forky"));
    world.run_for(secs(40));
    world.stop("cron");
    world.run_for(secs(30));
    world.step(Event::Shutdown);
    world.run_for(secs(60));
    world.check();
    world
}

/// Firings that wait for each other, and two replicas of each.
fn play_owed(death: Death) -> World {
    let mut world = World::at("2026-03-01T00:00:30Z");
    world.death = death;
    world.program("owed", Program { lives: secs(90), ..Program::default() });
    world.program("brief", Program { lives: secs(0), ..Program::default() });
    world.given(cron("owed", Schedule { overlap: Overlap::Queue, ..schedule("* * * * *") }).times(2));
    world.given(cron("brief", Schedule { overlap: Overlap::Replace, ..schedule("*/2 * * * *") }).times(2));
    world.run_for(secs(480));
    world.step(Event::Shutdown);
    world.run_for(secs(60));
    world.check();
    world
}

/// What a client would see of the end: it must not depend on when the core died.
fn outcome(world: &World) -> Vec<String> {
    let count = |task: &str, state: RunState| world.states(task).into_iter().filter(|it| *it == state).count();
    let mut seen: Vec<_> = world.room.tasks().map(|task| format!("{} {:?}", task.name(), task.state())).collect();
    for task in ["crashy", "deaf", "job", "after", "cron", "tick", "owed", "brief"] {
        let states = [RunState::Succeeded, RunState::Failed, RunState::Stopped, RunState::Interrupted];
        seen.push(format!("{task} {:?}", states.map(|state| count(task, state))));
    }
    seen
}

fn at_every_plan(play: fn(Death) -> World, death: fn(u32) -> Death) {
    let expected = play(Death::Never);
    assert!(expected.done);
    assert_eq!(expected.deaths, 0);
    for after in 0.. {
        let world = play(death(after));
        assert!(world.done, "died at plan {after}");
        assert_eq!(outcome(&world), outcome(&expected), "died at plan {after}");
        if world.deaths == 0 {
            assert!(u64::from(after) >= expected.plans() / 2, "the story has more plans than were tried");
            return;
        }
    }
}

#[test]
fn between_writing_and_acting() {
    at_every_plan(play, Death::AfterWriting);
}

/// What an event leads to is done at once: the next core learns of it from the keeper alone.
#[test]
fn between_acting_and_writing() {
    at_every_plan(play, Death::BeforeWriting);
    at_every_plan(play_owed, Death::BeforeWriting);
}

#[test]
fn between_acting_and_acknowledging() {
    at_every_plan(play, Death::AfterActing);
}

#[test]
fn a_restored_backup_gives_no_life_the_output_of_another() {
    let found = Found { logged: 5_000, boot: "1".into(), ..Found::default() };
    let (mut room, _) = Room::recover(Settings::default(), Stored::default(), found, World::new().now);
    let offer = Box::new(Offer { definition: once("t"), runs_as: 0 });
    let _ = room.step(Event::Asked { ask: Ask::Create(offer), by: root() }, World::new().now);
    assert!(room.task("t").unwrap().incarnation().0 > 5_000);
}

#[test]
fn a_number_is_never_given_twice_not_even_one_that_only_the_keeper_knew() {
    let mut world = World::at("2026-03-01T00:00:30Z");
    world.given(cron("tick", schedule("* * * * *")));
    world.core_dies(); // what was reserved is left out: the next number reserves more
    world.death = Death::BeforeWriting(0);
    world.run_for(secs(45));
    world.host_reboots(secs(60));
    world.run_for(secs(120));
    assert_eq!(world.states("tick"), [RunState::Interrupted]);
    world.check();
}
