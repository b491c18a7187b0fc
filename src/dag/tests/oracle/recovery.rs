//! What a new core must make of what it finds.

use super::rules::Live;
use super::{Oracle, Step, recorded};
use crate::base::RunId;
use crate::dag::machine::{Effect, Event, Found, Held, Plan, Write};
use crate::dag::model::{DagRunId, Outcome, State};

impl Oracle {
    /// Judges the first plan of a new core. Before it, the oracle was put back to what the disk knows.
    pub(in super::super) fn judge_recovery(&mut self, found: &Found, step: &Step<'_>) {
        self.ending = found.stopping;
        self.runs.values_mut().flat_map(|run| &mut run.tasks).for_each(|task| task.passing = false);
        // That a stop was on its way is forgotten; it comes again if it is still owed.
        self.runs.values_mut().flat_map(|run| &mut run.lives).for_each(|live| live.late = false);
        self.reconcile(found, step);
        let mut unknown: Vec<&Held> = found.held.iter().filter(|held| self.find(held.live.slot).is_none()).collect();
        unknown.sort_by_key(|held| (held.live.run, held.live.task, held.live.number));
        let mut ends: Vec<_> = found.held.iter().filter_map(|held| held.end.as_deref()).collect();
        ends.sort_by_key(|end| end.seq);
        self.adopt(&mut unknown, step, |_| true);
        // An end may be what an unknown attempt was started for; so in between, ever again. The machine may take it for
        // started by nobody as well: it cannot tell before it has heard the end.
        let taken_in = |held: &Held| takes_in(step.plan, held.live.slot);
        for end in ends {
            if unknown.iter().any(|held| held.live.slot == end.slot) {
                self.strays.insert(end.slot);
            }
            let event = Event::Ended(Box::new(end.clone()));
            self.ended(end, &Step { event: &event, sketch: None, ..*step });
            self.adopt(&mut unknown, step, taken_in);
        }
        for Held { live, .. } in &unknown {
            // Only its acknowledgement was lost: asks are carried out once they are on disk, so nobody is a stranger.
            let told = self
                .runs
                .get(&live.run)
                .is_some_and(|run| run.place(live.task).is_some_and(|place| live.number <= run.tasks[place].attempts));
            assert!(told || self.purged.contains(&live.run), "nobody wants {live:?}: {:?}", self.runs.get(&live.run));
        }
        self.strays.extend(unknown.iter().filter(|held| !held.tree_empty).map(|held| held.live.slot));
        self.follow(step, false);
    }

    /// What was started by an event that was acted upon, and is not on disk.
    fn adopt(&mut self, unknown: &mut Vec<&Held>, step: &Step<'_>, may: impl Fn(&Held) -> bool) {
        unknown.retain(|held| {
            let live = &held.live;
            if !may(held) {
                return true;
            }
            let Some(run) = self.runs.get_mut(&live.run) else { return true };
            // A number may be missing: that of an attempt which never was a process, and of which the end was lost.
            let place = run.place(live.task).filter(|place| {
                let task = &run.tasks[*place];
                let next = task.attempts + 1 == live.number;
                let later = task.attempts < live.number && takes_in(step.plan, live.slot);
                matches!(task.state, State::Queued | State::Retry) && (next || later)
            });
            let Some(place) = place.filter(|_| !run.state().is_over() && run.pass == live.pass) else { return true };
            if run.running(place).is_some() {
                return true;
            }
            run.adopt(place, live.slot, live.number, step.now);
            if let Some(new) = run.lives.last_mut() {
                new.started = live.start;
            }
            false
        });
    }

    /// Attempts that are known from the disk, one by one.
    fn reconcile(&mut self, found: &Found, step: &Step<'_>) {
        let ids: Vec<DagRunId> = self.runs.keys().copied().collect();
        for id in ids {
            for live in self.runs[&id].lives.clone() {
                match found.held.iter().find(|held| held.live.slot == live.slot) {
                    Some(held) if live.ended && held.tree_empty => self.gone(live.slot),
                    Some(_) => {}
                    None => self.not_held(id, &live, found, step),
                }
            }
        }
    }

    fn not_held(&mut self, id: DagRunId, live: &Live, found: &Found, step: &Step<'_>) {
        let swept =
            step.plan.effects.iter().any(|it| matches!(it, Effect::EndLeftover { slot, .. } if *slot == live.slot));
        // What had ended before may belong to the keeper before the last.
        let left = !found.new_boot && (found.new_keeper || live.ended);
        assert!(!swept || left, "nothing can be left of {live:?}");
        let run = self.runs.get_mut(&id).unwrap();
        let by_core = run.noop() || run.tasks[live.task].step;
        if !live.ended {
            let Some(record) = recorded(step.plan, id, run.tasks[live.task].id, live.number) else {
                // It never was a process: it starts now, or nobody wants it any more. (To call it interrupted and
                // begin another attempt is right as well.)
                assert!(!found.new_keeper || by_core, "run {id}: {live:?} is not recorded as interrupted");
                if live.killed || found.stopping {
                    if run.tasks[live.task].state == State::Running {
                        run.tasks[live.task].state = State::Queued;
                    }
                    return run.lives.retain(|it| it.slot != live.slot);
                }
                run.lives.iter_mut().filter(|it| it.slot == live.slot).for_each(|it| it.lost = true);
                return;
            };
            let right = match record.outcome {
                Outcome::Interrupted => !live.killed || found.new_keeper,
                Outcome::Killed => live.killed,
                Outcome::Retry | Outcome::Errored => live.late,
                Outcome::Completed => false,
            };
            assert!(right && record.rc != 0 && !record.remark.is_empty(), "run {id}: {live:?} became {record:?}");
            run.settle(live, record);
        }
        let run = self.runs.get_mut(&id).unwrap();
        if swept {
            run.lives.iter_mut().filter(|it| it.slot == live.slot).for_each(|it| it.ended = true);
        } else {
            assert!(!left || by_core, "run {id}: {live:?} is not swept");
            run.lives.retain(|it| it.slot != live.slot);
        }
    }
}

/// Whether the plan writes down that there is such an attempt.
fn takes_in(plan: &Plan, slot: RunId) -> bool {
    plan.writes.iter().any(|write| match write {
        Write::PutLive(live) => live.slot == slot,
        Write::PutAttempt { attempt, .. } => attempt.slot == Some(slot),
        _ => false,
    })
}
