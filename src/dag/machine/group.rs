//! A group of a run: one template, and the states of its instances in one byte each.
//!
//! What an untouched instance has come to follows from its byte. Only instances that were tried more than once, failed
//! or were handled by hand have an entry of their own.

use super::run::{Class, Place};
use crate::dag::model::{Counts, Job, Needs, State, TaskId, Template, Trigger};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Where a group stands in the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not all groups it depends on have settled.
    #[default]
    Waiting,
    /// Its instances may start.
    Ready,
    /// Its instances that have not started never will; others are still running.
    Closed,
    /// Nothing of it will change any more; whether all of it has completed.
    Settled(bool),
}

/// What is known of an instance beside its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// The number of the last attempt, running or ended, over all passes.
    pub(super) attempts: u32,
    /// Attempts of this pass that count against the retries.
    pub(super) used: u32,
    /// In RETRY: the wait is over.
    pub(super) due: bool,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) template: Arc<Template>,
    pub(super) phase: Phase,
    /// The groups it depends on.
    pub(super) parents: Vec<u32>,
    /// How many of them have not settled.
    pub(super) waits: u32,
    /// How many of them have settled, but not well.
    pub(super) bad: u32,
    /// Its rank among the groups of its run by when they became ready, in this pass.
    pub(super) since: Option<u64>,
    /// Where it stands among what may start.
    pub(super) place: Option<(Class, Place)>,
    /// How often something smaller was started while its next instance did not fit.
    pub(super) overtaken: u32,
    /// Jobs that were replaced.
    pub(super) edits: BTreeMap<u32, Arc<Job>>,
    /// The generator instance that added it.
    pub(super) by: Option<TaskId>,
    /// The groups that its instances have added.
    pub(super) added: Vec<u32>,
    touched: BTreeMap<u32, Touched>,
    /// Its untouched instances that have completed were passed over: they have had no attempt. Otherwise they have had
    /// one.
    passed_over: bool,
    states: Arc<Vec<u8>>,
    tally: Counts,
    /// Instances to be repeated, which go before fresh ones.
    again: BTreeSet<u32>,
    /// No instance below this one is fresh.
    fresh: u32,
}

impl Group {
    /// All instances queued.
    pub(super) fn new(template: Arc<Template>, by: Option<TaskId>) -> Group {
        let mut tally = Counts::default();
        shift(&mut tally, State::Queued, template.count, true);
        let states = Arc::new(vec![State::Queued as u8; template.count as usize]);
        Group {
            template,
            phase: Phase::Waiting,
            parents: Vec::new(),
            waits: 0,
            bad: 0,
            since: None,
            place: None,
            overtaken: 0,
            edits: BTreeMap::new(),
            by,
            added: Vec::new(),
            touched: BTreeMap::new(),
            passed_over: false,
            states,
            tally,
            again: BTreeSet::new(),
            fresh: 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.template.count
    }

    pub(super) fn tally(&self) -> &Counts {
        &self.tally
    }

    pub(super) fn states(&self) -> &Arc<Vec<u8>> {
        &self.states
    }

    /// None: there is no such instance.
    pub(super) fn state(&self, index: u32) -> Option<State> {
        let byte = *self.states.get(index as usize)?;
        State::ALL.get(usize::from(byte)).copied()
    }

    /// Brings one instance into a state, and says in which it was.
    pub(super) fn set(&mut self, index: u32, state: State) -> Option<State> {
        let before = self.state(index)?;
        self.paint(index..index + 1, before, state);
        if !matches!(state, State::Queued | State::Retry) {
            self.again.remove(&index);
        }
        Some(before)
    }

    /// Brings instances in a row from one state, which is that of them all, into another.
    pub(super) fn paint(&mut self, range: Range<u32>, from: State, to: State) {
        let count = range.end.saturating_sub(range.start);
        let Some(bytes) = Arc::make_mut(&mut self.states).get_mut(range.start as usize..range.end as usize) else {
            return;
        };
        bytes.fill(to as u8);
        shift(&mut self.tally, from, count, false);
        shift(&mut self.tally, to, count, true);
    }

    /// The stretches of a range whose instances are in a state and have had the same number of attempts.
    pub(super) fn stretches(&self, range: Range<u32>, state: State) -> Vec<(Range<u32>, u32)> {
        let mut found: Vec<(Range<u32>, u32)> = Vec::new();
        for index in range {
            if self.state(index) != Some(state) {
                continue;
            }
            let attempts = self.attempts(index);
            match found.last_mut() {
                Some((last, same)) if last.end == index && *same == attempts => last.end += 1,
                _ => found.push((index..index + 1, attempts)),
            }
        }
        found
    }

    /// What is known of an instance beside its state.
    pub(super) fn touched(&self, index: u32) -> Touched {
        let untouched = || {
            let tried = self.state(index) == Some(State::Completed) && !self.passed_over;
            Touched { attempts: u32::from(tried), ..Touched::default() }
        };
        self.touched.get(&index).copied().unwrap_or_else(untouched)
    }

    /// The number of an instance's last attempt.
    pub(super) fn attempts(&self, index: u32) -> u32 {
        self.touched(index).attempts
    }

    /// Remembers about an instance what does not follow from its state.
    pub(super) fn touch(&mut self, index: u32, touched: Touched) {
        self.touched.remove(&index);
        let follows = match self.state(index) {
            Some(State::Completed) => self.attempts(index) == touched.attempts,
            _ => touched == Touched::default(),
        };
        if !follows {
            self.touched.insert(index, touched);
        }
    }

    /// Completed instances that are not known otherwise have had no attempt. Before any of them is touched.
    pub(super) fn pass_over(&mut self) {
        let completed = self.stretches(0..self.count(), State::Completed);
        for index in completed.into_iter().flat_map(|(range, _)| range) {
            let known = self.touched(index);
            self.touched.insert(index, known);
        }
        self.passed_over = true;
    }

    /// What an instance reserves.
    pub(super) fn needs(&self, index: u32) -> Needs {
        self.edits.get(&index).map_or_else(|| self.template.needs(index), |job| job.needs)
    }

    /// The instance that goes next.
    pub(super) fn head(&mut self) -> Option<u32> {
        if let Some(first) = self.again.first() {
            return Some(*first);
        }
        while self.fresh < self.count() && !self.is_fresh(self.fresh) {
            self.fresh += 1;
        }
        (self.fresh < self.count()).then_some(self.fresh)
    }

    /// How many instances from this one on are fresh, up to a limit.
    pub(super) fn fresh_from(&self, index: u32, limit: u32) -> u32 {
        (index..self.count()).take(limit as usize).take_while(|index| self.is_fresh(*index)).count() as u32
    }

    /// Whether an instance waits for its first attempt.
    pub(super) fn is_fresh(&self, index: u32) -> bool {
        self.state(index) == Some(State::Queued) && self.touched.get(&index).is_none_or(|touched| touched.attempts == 0)
    }

    /// An instance that was tried before waits for nothing but its turn.
    pub(super) fn repeat(&mut self, index: u32) {
        let touched = self.touched(index);
        let waits = match self.state(index) {
            Some(State::Queued) => touched.attempts > 0,
            Some(State::Retry) => touched.due,
            _ => false,
        };
        if waits {
            self.again.insert(index);
        }
    }

    /// Forgets who goes next, and names the instances that may have to be repeated.
    pub(super) fn rewind(&mut self) -> Vec<u32> {
        self.again.clear();
        self.fresh = 0;
        self.touched.keys().copied().collect()
    }

    /// Everything that has not completed is queued again, with a fresh budget; `all`: what has completed as well.
    pub(super) fn restart(&mut self, all: bool) {
        for state in State::ALL {
            let kept = state == State::Completed && !all;
            if kept || state == State::Queued || self.tally.of(state) == 0 {
                continue;
            }
            for (range, attempts) in self.stretches(0..self.count(), state) {
                for index in range.clone().filter(|_| attempts > 0) {
                    self.touched.insert(index, Touched { attempts, ..Touched::default() });
                }
                self.paint(range, state, State::Queued);
            }
        }
        for touched in self.touched.values_mut() {
            (touched.used, touched.due) = (0, false);
        }
        if self.tally.of(State::Completed) == 0 {
            self.passed_over = false;
        }
        (self.since, self.overtaken) = (None, 0);
    }

    /// Whether all of it has completed, if nothing of it will change any more.
    pub(super) fn settles(&self) -> Option<bool> {
        let busy = self.tally.of(State::Running) + self.tally.of(State::Retry) > 0;
        let waiting = self.tally.of(State::Queued) > 0 && self.phase != Phase::Closed;
        let settled = matches!(self.phase, Phase::Settled(_));
        (!settled && !busy && !waiting).then(|| self.tally.of(State::Completed) == self.count())
    }

    /// What its trigger makes of what the groups it depends on have come to: run, never run, or need not run.
    pub(super) fn release(&self, stopped: bool) -> Release {
        match self.template.trigger {
            Trigger::Success if self.bad > 0 || stopped => Release::Close,
            Trigger::Success | Trigger::Always => Release::Run,
            Trigger::Failure if self.bad > 0 => Release::Run,
            Trigger::Failure => Release::PassOver,
        }
    }
}

/// What becomes of a group when the last group it depends on has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Its instances may start.
    Run,
    /// They never will.
    Close,
    /// They need not, which counts as completed.
    PassOver,
}

/// Counts instances into a state or out of it.
pub(super) fn shift(counts: &mut Counts, state: State, by: u32, into: bool) {
    if let Some(count) = counts.0.get_mut(state as usize) {
        *count = if into { count.saturating_add(by) } else { count.saturating_sub(by) };
    }
}
