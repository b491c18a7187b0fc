//! What went wrong once: each found by a random story, told in short.

use super::keeper::Script;
use super::sketch::{Sketch, group, sketch};
use super::stories::{Deed, Move, Story};
use super::world::{Acted, Manner, Victim, World, millis, secs};
use crate::dag::machine::{Ask, Event, Verdict};
use crate::dag::model::{Edit, State, Trigger};

const LOST: Manner = Manner { applied: false, acted: Acted::Not };

fn lasting(lives: u64) -> Script {
    Script { lives: secs(lives), ..Script::default() }
}

/// In batches that wait for company, so that much is lost with a core.
fn play(seed: u64, sketch: Sketch, moves: &[Move]) {
    Story { seed, lazy: true, sketches: vec![sketch], moves: moves.to_vec() }.play();
}

#[test]
fn what_an_earlier_keeper_left_behind_is_ended_although_the_next_core_dies_as_well() {
    let mut world = World::new();
    world.script("s", [Script { heeds: Some(secs(3)), ..lasting(60) }]);
    let run = world.submit(&sketch([group("s")]));
    world.run_for(secs(1));
    world.dies(Victim::Keeper);
    world.run_for(millis(100));
    world.dies(Victim::Core);
    world.run_for(secs(2));
    assert_eq!(world.started(run), ["s_0"], "the first is still there");
    world.run_for(secs(100)); // interruptions do not count: it lives its first life again
    assert_eq!((world.codes(run, "s"), world.state(run)), (vec![15, 0], State::Completed));
    world.check_end();
}

/// Story 364, and 2806: the new attempt was taken for a stranger, and ended unrecorded.
#[test]
fn what_was_started_after_the_leftovers_were_gone_goes_on() {
    let moves = [Move::Submit(0), Move::WillDie(2, Victim::Core, LOST), Move::Dies(Victim::Keeper), Move::Pass(8_347)];
    play(364, sketch([group("b")]), &moves);
}

/// Story 8634: a slot was given again of which only a lost batch had told.
#[test]
fn nothing_starts_before_a_recovery_is_on_disk() {
    let lost = Manner { applied: false, acted: Acted::All };
    let moves = [Move::Submit(0), Move::WillDie(3, Victim::Keeper, lost), Move::Dies(Victim::Core), Move::Pass(5_579)];
    play(8_634, sketch([group("b").retries(2, 0).when(Trigger::Always)]).stopping().ranked(5), &moves);
}

/// Story 7971.
#[test]
fn what_ends_while_the_keeper_stops_was_interrupted_and_does_not_count() {
    let mut world = World::new();
    world.script("s", [Script { heeds: Some(secs(1)), ..lasting(60) }]);
    let run = world.submit(&sketch([group("s").retries(1, 0)]));
    world.run_for(secs(1));
    world.step(Event::Shutdown, None);
    world.dying = Some((0, Victim::Core, LOST));
    world.until("it has ended", |world| world.done);
    assert_eq!((world.deaths, world.codes(run, "s"), world.state_of(run, "s_0")), (1, vec![15], Some(State::Queued)));
    world.boots();
    world.run_for(secs(100));
    assert_eq!((world.codes(run, "s"), world.state(run)), (vec![15, 0], State::Completed));
    world.check_end();
}

/// Story 7273.
#[test]
fn an_edit_does_not_wait_for_the_rest_of_an_attempt_that_has_ended() {
    let mut world = World::new();
    world.script("f", [Script { ends: 1, lingers: Some(secs(100)), heeds: None, ..lasting(1) }]);
    let run = world.submit(&sketch([group("f")]));
    world.run_for(secs(2));
    assert!(!world.keeper.children.is_empty(), "something is left of it");
    let task = world.task(run, "f");
    assert_eq!(world.ask(Ask::Edit(run, task, Edit::Skip)), Some(Verdict::Accepted));
    world.set(run, State::Queued);
    world.run_for(secs(20));
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}

/// Story 878: a task was passed over when the last attempt of a killed run had ended, and the row did not say so.
#[test]
fn nothing_follows_from_what_ends_in_a_killed_run() {
    let mut world = World::new();
    world.script("a", [Script { heeds: Some(secs(2)), ..lasting(60) }, lasting(1)]);
    let plan = sketch([group("a").needs(4, 0), group("e"), group("x").after("e").when(Trigger::Failure)]);
    let run = world.submit(&plan.stopping());
    world.run_for(secs(1));
    assert_eq!(world.ask(Ask::Kill(run)), Some(Verdict::Accepted));
    let task = world.task(run, "e");
    assert_eq!(world.ask(Ask::Edit(run, task, Edit::Done)), Some(Verdict::Accepted));
    world.run_for(secs(10));
    assert_eq!(world.state_of(run, "x_0"), Some(State::Queued));
    world.check_end();
    world.set(run, State::Queued);
    world.run_for(secs(10));
    assert_eq!((world.state(run), world.started(run)), (State::Completed, vec!["a_0", "a_0"]));
    world.check_end();
}

/// Story 8723: what a failure had cut short was shown as killed once the run was read from the store.
#[test]
fn what_a_failure_has_cut_short_stays_so_when_its_run_is_killed() {
    let mut world = World::new();
    let failing = Script { ends: 1, ..lasting(1) };
    world.script("again", [failing]);
    world.script("bad", [Script { lives: secs(2), ..failing }]);
    world.script("slow", [lasting(60)]);
    let run = world.submit(&sketch([group("again").retries(1, 30), group("bad"), group("slow")]).stopping());
    world.run_for(secs(3));
    assert_eq!(world.state_of(run, "again_0"), Some(State::Errored));
    assert_eq!(world.ask(Ask::Kill(run)), Some(Verdict::Accepted));
    world.run_for(secs(1));
    assert!(!world.room.holds(run));
    assert_eq!(world.state_of(run, "again_0"), Some(State::Errored));
    world.check_end();
}

/// Story 1064.
#[test]
fn what_starts_nothing_is_passed_again_after_a_restart() {
    let moves = [
        Move::Submit(0),
        Move::Ask(0, Deed::KillTask(3), true),
        Move::Pass(7_010),
        Move::Ask(0, Deed::Set(State::Queued), true),
    ];
    let plan = sketch([group("a").after("f").when(Trigger::Always), group("d"), group("e"), group("f")]).stopping();
    play(1_064, plan.noop(), &moves);
}
