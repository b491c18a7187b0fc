//! Restarting a run that is over: what has completed is kept, everything else is queued again.
//!
//! What was run on account of a failure (trigger `failure` or `always`) is about that failure: if what it depends on is
//! run again, so is it, and all that depends on it. Generators that have completed are never run again, since the tasks
//! they added are part of the run.

use super::Room;
use super::run::Run;
use crate::dag::model::{DagRunId, State, Trigger};

impl Room {
    pub(super) fn restart(&mut self, id: DagRunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let again = run.reset_groups();
        run.row.pass += 1;
        let pass = run.row.pass;
        for (group, again) in (0..).zip(again) {
            let Some(known) = run.group_mut(group) else { continue };
            let again = again && known.tally().of(State::Completed) > 0;
            known.restart(again);
            if again {
                run.row.resets.push((group, pass));
            }
        }
        run.cut.clear();
        run.begin(&mut self.scratch);
        run.rebuild(&mut self.scratch);
    }
}

impl Run {
    /// For each group whether what has completed of it does not count any more.
    fn reset_groups(&self) -> Vec<bool> {
        let mut waits = vec![0_usize; self.groups.len()];
        for (_, child) in self.graph.edges() {
            if let Some(waits) = waits.get_mut(child as usize) {
                *waits += 1;
            }
        }
        // By group: whether it depends on something that is run again; on something that is reset.
        let mut depends = vec![(false, false); self.groups.len()];
        let mut reset = vec![false; self.groups.len()];
        let mut order: Vec<u32> = (0..).zip(&waits).filter(|(_, waits)| **waits == 0).map(|(group, _)| group).collect();
        while let Some(group) = order.pop() {
            let Some(known) = self.group(group) else { continue };
            let (on_again, on_reset) = depends.get(group as usize).copied().unwrap_or_default();
            let resets = on_reset || (on_again && known.template.trigger != Trigger::Success);
            let again = resets || known.tally().of(State::Completed) < known.count();
            if let Some(reset) = reset.get_mut(group as usize) {
                *reset = resets && !known.template.is_generator;
            }
            for child in self.graph.children(group).iter().copied() {
                if let Some((on_again, on_reset)) = depends.get_mut(child as usize) {
                    *on_again |= again;
                    *on_reset |= resets;
                }
                let Some(waits) = waits.get_mut(child as usize) else { continue };
                *waits = waits.saturating_sub(1);
                if *waits == 0 {
                    order.push(child);
                }
            }
        }
        reset
    }
}
