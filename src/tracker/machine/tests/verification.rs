//! N workers have to come to the same result: N−1 who have agreed upon a wrong one never carry it through, however often
//! they ask and in whatever order they come.

use super::play::*;
use crate::base::chance::Chance;
use crate::tracker::model::*;
use std::collections::HashMap;

const RIGHT: i64 = 1;
const WRONG: i64 = 2;

/// So many tasks at a time, so many times: 100,000.
const AT_ONCE: usize = 100;
const ROUNDS: usize = 1_000;

#[test]
fn fewer_than_n_liars_carry_nothing_through() {
    let mut chance = Chance::new(1);
    let mut closed = 0;
    for round in 0..ROUNDS {
        let needed = 2 + chance.place(4);
        let mut play = Play::new();
        let project = play.open_project("p");
        let workers: Vec<_> = (0..2 * needed - 1).map(|_| play.worker()).collect();
        let what = NewTask { verification_count: i16::try_from(needed).unwrap(), ..task("x") };
        play.put(project, vec![what; AT_ONCE]);
        let mut right: HashMap<TaskId, usize> = HashMap::new();
        let mut idle = 0;
        while !play.room.is_empty() {
            let place = chance.place(workers.len());
            let worker = workers[place];
            let Some(id) = play.fetch(worker, project) else {
                idle += 1;
                assert!(idle < 100_000, "round {round}: {} tasks are stuck", play.room.len());
                continue;
            };
            // The first N−1 lie, always the same.
            let value = if place < needed - 1 { WRONG } else { RIGHT };
            let updated = play.release(worker, id, Outcome::Done(value));
            if value == RIGHT {
                *right.entry(id).or_default() += 1;
            }
            assert!(!(updated && value == WRONG), "a lie was believed");
            assert_eq!(updated, right.get(&id) == Some(&needed), "neither with fewer votes nor with more");
            closed += usize::from(updated);
        }
        assert_eq!(play.count(project).closed, AT_ONCE as u64);
    }
    assert_eq!(closed, AT_ONCE * ROUNDS);
}
