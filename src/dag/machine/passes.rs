//! The executor that starts nothing: every task succeeds at once, many tasks in one event.

use super::run::Passing;
use super::words::{Effect, Write};
use super::{AT_ONCE, Room};
use crate::dag::model::{Attempt, DagRunId, Kept, Outcome, State, TaskId};

impl Room {
    /// Hands the next tasks of a run without processes to its executor, if nothing of it is there yet.
    pub(super) fn pass_next(&mut self, id: DagRunId) {
        if self.is_ending() {
            return;
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        if !run.is_noop() || run.state() != State::Running || run.passing.is_some() {
            return;
        }
        let Some((group, _)) = run.next_group(|_| true) else { return };
        let Some(known) = run.group_mut(group) else { return };
        let Some(index) = known.head() else { return };
        let (from, number) = (known.state(index).unwrap_or_default(), known.attempts(index) + 1);
        let fresh = known.is_fresh(index);
        // Only fresh instances are alike; the others go one by one.
        let limit = run.blueprint.max_parallel.map_or(AT_ONCE, |most| most.clamp(1, AT_ONCE));
        let count = if fresh { run.group(group).map_or(1, |known| known.fresh_from(index, limit)) } else { 1 };
        let first = TaskId { group, index };
        if count == 1 {
            run.set(first, State::Running, None, &mut self.scratch);
        } else {
            run.paint(group, index..index + count, from, State::Running, &mut self.scratch);
        }
        run.passing = Some(Passing { first, count, number });
        self.scratch.effect(Effect::Pass { run: id, first, count });
    }

    /// Tasks have been passed. Those that were killed meanwhile stay killed.
    pub(super) fn passed(&mut self, id: DagRunId, first: TaskId, count: u32) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(passing) = run.passing.take_if(|passing| (passing.first, passing.count) == (first, count)) else {
            return;
        };
        let (now, pass, number) = (self.scratch.now.wall, run.row.pass, passing.number);
        let Some(known) = run.group(first.group) else { return };
        for (range, _) in known.stretches(first.index..first.index + count, State::Running) {
            let attempt = attempt(now, pass);
            let task = TaskId { group: first.group, index: range.start };
            run.paint(first.group, range.clone(), State::Running, State::Completed, &mut self.scratch);
            run.tell_completed(first.group, range.clone(), Some((number, &attempt)), &mut self.scratch);
            if let Some(known) = run.group_mut(first.group) {
                for index in range.clone() {
                    let touched = known.touched(index);
                    known.touch(index, super::group::Touched { attempts: number, ..touched });
                }
            }
            let count = range.end - range.start;
            self.scratch.write(Write::PutAttempt { run: id, task, count, number, attempt: Box::new(attempt) });
        }
        run.settle(first.group, &mut self.scratch);
        self.scratch.touched.insert(id);
    }
}

/// The attempt of a task that nothing was started for.
fn attempt(now: crate::base::Wall, pass: u32) -> Attempt {
    Attempt {
        slot: None,
        pass,
        start: now,
        stop: now,
        rc: 0,
        outcome: Outcome::Completed,
        remark: String::new(),
        output: Kept::default(),
        errors: Kept::default(),
        usage: None,
    }
}
