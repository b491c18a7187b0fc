//! Who goes next: capacity, fairness, priorities, and nobody for ever behind smaller ones.

use super::play::*;
use crate::dag::machine::*;
use crate::dag::model::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A task of so many instances that each need this.
fn heavy(count: usize, cores: u32, memory: u64) -> Value {
    with(many(count), "job", json!({"command": ["work", "{{P}}"], "cores": cores, "memoryMB": memory}))
}

#[test]
fn neither_cores_nor_memory_are_given_twice() {
    let mut play = Play::new(capacity(4, 4096));
    play.submit(&run(json!({"a": heavy(4, 2, 0)})));
    assert_eq!(play.names(), ["0:a_0", "0:a_1"]);
    play.all_end(0);
    let id = play.submit(&run(json!({"a": heavy(3, 1, 2000)})));
    assert_eq!(play.names(), ["1:a_0", "1:a_1"]);
    let why = play.room.why_waiting(id, TaskId { group: 0, index: 2 });
    assert_eq!(why, ["it needs 1 cores and 2000 MB of memory; free are 2 cores and 96 MB"]);
}

#[test]
fn no_more_attempts_than_there_may_be() {
    let mut play = Play::new(Capacity { cores: 100, memory_mb: 0, running: 3 });
    play.submit(&run(json!({"a": many(9)})));
    assert_eq!(play.room.running(), 3);
    let id = play.submit(&run_with(json!({"maxParallel": 2}), json!({"b": many(9)})));
    play.ends("a_0", 0);
    play.ends("a_1", 0);
    assert_eq!(play.names(), ["0:a_2", "1:b_0", "0:a_3"]);
    play.ends("a_2", 0);
    assert_eq!(play.names(), ["1:b_0", "0:a_3", "1:b_1"]);
    let why = play.room.why_waiting(id, TaskId { group: 0, index: 2 });
    assert_eq!(why, ["its run may have 2 attempts at once (maxParallel), and has them"]);
}

#[test]
fn a_hundred_runs_of_a_hundred_tasks_advance_together() {
    let mut play = Play::new(capacity(8, 0));
    let spec = run(json!({"a": many(100)}));
    let runs: Vec<DagRunId> = (0..100).map(|_| play.submit(&spec)).collect();
    for _ in 0..2_000 {
        let oldest = play.names().remove(0);
        play.ends(&oldest, 0);
    }
    let done = |run: &DagRunId| play.view(*run).row.counts.of(State::Completed);
    let (least, most) = (runs.iter().map(done).min(), runs.iter().map(done).max());
    // The first one had the host to itself for a moment, and eight tasks of it started.
    assert!(least.unwrap() >= 19 && most.unwrap() <= 28, "{least:?} to {most:?}");
}

#[test]
fn runs_and_tasks_with_a_higher_priority_go_first() {
    let mut play = Play::new(capacity(1, 0));
    play.submit(&run(json!({"a": many(2)})));
    let spec = run_with(json!({"priority": 5}), json!({"low": {}, "high": {"priority": 9}, "also": {}}));
    play.submit(&spec);
    play.all_end(0);
    assert_eq!(play.begun, ["0:a_0", "1:high_0", "1:also_0", "1:low_0", "0:a_1"]);
}

#[test]
fn what_is_repeated_goes_before_what_is_fresh() {
    let mut play = Play::new(capacity(1, 0));
    play.submit(&run(json!({"a": with(many(3), "maxRetries", json!(1))})));
    play.ends("a_0", 1);
    play.all_end(0);
    assert_eq!(play.begun, ["0:a_0", "0:a_0", "0:a_1", "0:a_2"]);
}

#[test]
fn a_big_task_is_overtaken_so_often_and_no_oftener() {
    let mut play = Play::new(capacity(4, 0));
    play.submit(&run(json!({"first": {}})));
    play.submit(&run(json!({"big": heavy(1, 4, 0)})));
    play.submit(&run(json!({"small": many(300)})));
    // There is always one small task about, so that the big one never finds everything free.
    while !play.names().contains(&"1:big_0".to_owned()) {
        let oldest = play.names().remove(0);
        play.ends(&oldest, 0);
    }
    let before = play.begun.iter().filter(|name| name.starts_with("2:")).count();
    assert!((64..=67).contains(&before), "{before}");
    play.ends("big_0", 0);
    assert_eq!(play.room.running(), 4);
}

#[test]
fn who_waits_with_a_claim_and_goes_away_keeps_nobody_waiting() {
    let mut play = Play::new(capacity(2, 0));
    play.submit(&run(json!({"first": {}})));
    let big = play.submit(&run(json!({"big": heavy(1, 2, 0)})));
    play.submit(&run(json!({"small": many(200)})));
    while play.room.running() == 2 {
        let newest = play.names().pop().expect("one");
        play.ends(&newest, 0);
    }
    assert_eq!(play.names(), ["0:first_0"], "the claim keeps a core free");
    play.must(Ask::SetState(big, State::Paused));
    assert_eq!(play.room.running(), 2);
}

#[test]
fn a_task_that_needs_more_than_there_is_runs_alone() {
    // It was accepted when there was more.
    let mut play = Play::new(capacity(2, 100));
    play.submit(&run(json!({"big": heavy(1, 16, 9_000), "small": many(5)})));
    let ended = |play: &mut Play| {
        while let Some(oldest) = play.names().first().cloned() {
            assert!(play.names().len() == 1 || !play.names().contains(&"0:big_0".to_owned()));
            play.ends(&oldest, 0);
        }
    };
    ended(&mut play);
    assert!(play.begun.contains(&"0:big_0".to_owned()));
}

#[test]
fn one_step_starts_so_many_and_the_next_tick_the_rest() {
    let mut play = Play::new(Capacity { cores: 5_000, memory_mb: 0, running: 5_000 });
    play.submit(&run(json!({"a": many(2_500)})));
    assert_eq!(play.room.running(), 1_000);
    play.wait(secs(0));
    assert_eq!(play.room.running(), 2_500);
    assert_eq!(play.room.deadline(), None);
}

proptest! {
    /// Whatever comes and ends: nothing is given twice, and nothing that fits waits unless something has the claim.
    #[test]
    fn capacity_is_used_and_never_given_twice(
        tasks in prop::collection::vec((1_usize..6, 0_u32..6, 0_u64..5), 1..8),
        ends in prop::collection::vec((any::<prop::sample::Index>(), 0_i32..2), 0..60),
    ) {
        let total = capacity(5, 4);
        let mut play = Play::new(total);
        for (count, cores, memory) in tasks {
            play.submit(&run(json!({"a": heavy(count, cores, memory)})));
        }
        for (which, code) in ends {
            let names = play.names();
            if names.is_empty() {
                break;
            }
            let name = which.get(&names).clone();
            play.ends(&name, code);
            let needs: Vec<Needs> =
                play.running.values().map(|launch| launch.template.needs(launch.live.task.index)).collect();
            prop_assert!(needs.iter().map(|needs| needs.cores.min(5)).sum::<u32>() <= total.cores);
            prop_assert!(needs.iter().map(|needs| needs.memory_mb).sum::<u64>() <= total.memory_mb);
        }
        play.all_end(0);
        prop_assert_eq!(play.room.rows().count(), 0);
    }
}
