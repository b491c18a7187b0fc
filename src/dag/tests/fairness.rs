//! Who goes first, who has to wait, and who does not wait for ever.

use super::keeper::Script;
use super::sketch::{group, sketch};
use super::world::{SETTINGS, World, millis, secs};
use crate::dag::machine::Settings;
use crate::dag::model::{Capacity, State};

fn room_for(cores: u32, memory_mb: u64) -> World {
    World::with(Settings { capacity: Capacity { cores, memory_mb, running: 100 }, ..SETTINGS })
}

#[test]
fn instances_of_a_group_start_in_their_order() {
    let mut world = room_for(1, 0);
    let run = world.submit(&sketch([group("a").times(4)]));
    world.run_for(secs(10));
    assert_eq!(world.started(run), ["a_0", "a_1", "a_2", "a_3"]);
    world.check_end();
}

#[test]
fn the_task_of_highest_priority_starts_first() {
    let mut world = room_for(1, 0);
    let run =
        world.submit(&sketch([group("a"), group("b").priority(1), group("c").priority(7), group("d").priority(-1)]));
    world.run_for(secs(10));
    assert_eq!(world.started(run), ["c_0", "b_0", "a_0", "d_0"]);
    world.check_end();
}

#[test]
fn the_run_of_highest_priority_starts_first() {
    let mut world = room_for(1, 0);
    let first = world.submit(&sketch([group("a").times(3)]));
    let second = world.submit(&sketch([group("b").times(2)]).ranked(5));
    world.run_for(secs(10));
    let order: Vec<_> = world.starts.iter().map(|(run, ..)| *run).collect();
    assert_eq!(order, [first, second, second, first, first]);
    world.check_end();
}

#[test]
fn runs_take_turns() {
    let mut world = room_for(2, 0);
    let runs = [(); 3].map(|()| world.submit(&sketch([group("a").times(6)])));
    world.run_for(secs(30));
    // After any while, none is more than a round ahead of another.
    for seen in 1..=world.starts.len() {
        let so_far = |run| world.starts[..seen].iter().filter(|(of, ..)| *of == run).count();
        let turns = runs.map(so_far);
        let left = turns.iter().all(|turns| *turns < 6);
        let ahead = turns.iter().max().unwrap() - turns.iter().min().unwrap();
        // The first had the host for itself until the others came.
        assert!(!left || ahead <= 2, "{turns:?}");
    }
    world.check_end();
}

#[test]
fn a_big_task_is_overtaken_but_not_for_ever() {
    let mut world = room_for(4, 0);
    let small = world.submit(&sketch([group("small").times(400)]));
    world.run_for(millis(500));
    let big = world.submit(&sketch([group("big").needs(4, 0)]));
    // They never all end at once.
    let life = |lives| Script { lives: millis(lives), ..Script::default() };
    world.script("small", [life(1_000)]);
    world.run_for(secs(3));
    world.until("the big one has started", |world| !world.started(big).is_empty());
    let before = world.started(small).len();
    assert!(before <= 4 + 12 + 64 + 4, "{before} went before it");
    world.run_for(secs(200));
    assert_eq!(world.state(small), State::Completed);
    world.check_end();
}

#[test]
fn a_big_task_does_not_starve_among_many_runs() {
    let mut world = room_for(3, 0);
    world.seed = Some(7); // lives of all lengths
    let big = world.submit(&sketch([group("a").needs(2, 0).times(3)]));
    let others: Vec<_> = (0..20).map(|_| world.submit(&sketch([group("b").times(10).retries(3, 0)]))).collect();
    world.until("the big ones have started", |world| world.started(big).len() >= 3);
    let before = world.starts.iter().filter(|(run, ..)| *run != big).count();
    assert!(before <= 3 * 70, "{before} went before it");
    world.run_for(secs(3_600));
    assert!(others.into_iter().all(|run| world.state(run).is_over()));
    world.check_end();
}

#[test]
fn what_needs_no_core_runs_beside_what_needs_all() {
    let mut world = room_for(4, 1_000);
    let run = world.submit(&sketch([group("a").needs(4, 0), group("b").needs(0, 1_000), group("c").needs(0, 1_000)]));
    world.run_for(millis(500));
    assert_eq!(world.started(run), ["a_0", "b_0"]);
    world.run_for(secs(5));
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}

#[test]
fn a_run_keeps_to_its_own_limit() {
    let mut world = room_for(4, 0);
    let narrow = world.submit(&sketch([group("a").times(6)]).at_most(1));
    let wide = world.submit(&sketch([group("b").times(6)]));
    world.run_for(millis(500));
    assert_eq!((world.started(narrow).len(), world.started(wide).len()), (1, 3));
    world.run_for(secs(10));
    assert_eq!(world.state(narrow), State::Completed);
    world.check_end();
}

#[test]
fn a_thousand_tasks_at_once_are_more_than_one_plan_and_all_run() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("a").times(1_100), group("b").after("a").times(1_100)]).noop());
    world.run_for(secs(1));
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}
