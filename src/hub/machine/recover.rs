//! The start: what was written down becomes the room again, and what was going on is taken up.

use super::catalogue::Catalogue;
use super::facts::Facts;
use super::health::Verification;
use super::jobs::Jobs;
use super::lines::Lines;
use super::members::Members;
use super::{Memory, Plan, Room, Rules};
use crate::base::Now;

/// See [`Room::recover`].
pub(super) fn recover(rules: Rules, memory: Memory, now: Now) -> (Room, Plan) {
    let Memory { members, logs, pools, repositories, items, tags, jobs, numbers } = memory;
    let facts = Facts::load(&members, &tags);
    let catalogue = Catalogue::load(pools, repositories, items, tags, numbers.item, numbers.tag);
    let health = Verification::load(&rules, &catalogue, now);
    let members = Members::load(members, &rules);
    let (lines, dropped) = Lines::load(logs, rules.log_ring);
    let mut room = Room {
        lines,
        jobs: Jobs::load(jobs, numbers.job),
        members,
        catalogue,
        health,
        facts,
        long: None,
        last_owed: 0,
        now,
        plan: Plan { changes: dropped, ..Plan::default() },
        rules,
    };
    room.take_up_jobs();
    room.resume_readings();
    let plan = room.finish_step();
    (room, plan)
}
