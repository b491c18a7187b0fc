//! Stories in a simulated world, whose clock jumps from deadline to deadline.

mod crash;
mod cron;
mod deps;
mod documents;
mod lives;
mod random;
mod shutdown;
mod values;
mod world;

use super::model::{Incarnation, RunRecord, RunState, StartedBy, TaskName};
use crate::base::{RunId, Wall};

/// A line of the history about which nothing is known but when it ended.
pub(super) fn interrupted(incarnation: Incarnation, run: u64, end: Wall) -> RunRecord {
    RunRecord {
        run: RunId(run),
        name: TaskName::new("t").unwrap(),
        incarnation,
        owner: 0,
        replica: 0,
        pid: None,
        start: None,
        end,
        status: None,
        state: RunState::Interrupted,
        started_by: StartedBy::Recovery,
        stopped_by: None,
        oom: false,
        usage: None,
        log_from: None,
        log_to: None,
        error: None,
    }
}
