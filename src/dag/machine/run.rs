//! One run: its groups, what of them may start, and what follows for the others when one of them settles.
//!
//! A group counts the groups it depends on that have not settled, so that an edge of a thousand to a thousand instances
//! costs two numbers. All that is counted here follows from the states of the instances, the edges and the row:
//! [`Run::rebuild`] derives it anew.

use super::Scratch;
use super::group::{Group, Phase, Release, Touched, shift};
use super::queue::Turn;
use super::words::{What, Write};
use crate::base::RunId;
use crate::dag::model::graph::Graph;
use crate::dag::model::{
    Attempt, Blueprint, Counts, DagRunId, Executor, Job, Mark, OnFailure, Outcome, Owner, RunRow, State, StateChange,
    TaskId, Template,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Cores and memory: what the next instance of a group needs.
pub(super) type Class = (u32, u64);

/// Rank among the groups of a run: priority, when it became ready, which.
pub(super) type Place = (Reverse<i32>, u64, u32);

/// One run that the room holds.
#[derive(Debug)]
pub struct Run {
    pub(super) row: RunRow,
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) groups: Vec<Group>,
    pub(super) graph: Graph,
    /// Attempts that have not ended, and trees of which something is left. A task has one at most, save for what an
    /// earlier life has left behind; while it has any, it is not repeated.
    pub(super) live: BTreeSet<(TaskId, RunId)>,
    /// How many of them have not ended.
    pub(super) running: u32,
    /// What was last handed to the executor that starts nothing.
    pub(super) passing: Option<Passing>,
    /// Tasks in RETRY.
    pub(super) retrying: BTreeSet<TaskId>,
    /// Tasks that are ERRORED only because nothing is tried again after the first failure.
    pub(super) cut: BTreeSet<TaskId>,
    /// A task has been edited during the pause: what follows from that is derived when it ends.
    pub(super) edited: bool,
    /// The order in which it was last served.
    pub(super) served: u64,
    /// Where it stands among the runs.
    pub(super) turn: Option<(Turn, Vec<Class>)>,
    /// Something has failed, and that is to stop the rest. What it does to others is not stored: it follows from the
    /// states of the tasks (see [`Run::has_failed`]).
    stopped: bool,
    /// Groups that have not settled.
    unsettled: usize,
    /// Groups of which an instance may start, by what the next one needs.
    ready: BTreeMap<Class, BTreeSet<Place>>,
    /// How many groups have become ready in this pass.
    readied: u64,
}

/// Tasks in the hands of the executor that starts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    pub(super) first: TaskId,
    pub(super) count: u32,
    /// Which attempt of each of them it is.
    pub(super) number: u32,
}

impl Run {
    /// A run of which nothing has happened yet. Nothing is derived: see [`Run::rebuild`].
    pub(super) fn new(row: RunRow, blueprint: Arc<Blueprint>) -> Run {
        let groups: Vec<_> = blueprint.templates.iter().map(|template| Group::new(template.clone(), None)).collect();
        let mut run = Run {
            row,
            graph: Graph::new(&blueprint.templates, &blueprint.edges),
            blueprint,
            groups,
            live: BTreeSet::new(),
            running: 0,
            passing: None,
            retrying: BTreeSet::new(),
            cut: BTreeSet::new(),
            edited: false,
            served: 0,
            turn: None,
            stopped: false,
            unsettled: 0,
            ready: BTreeMap::new(),
            readied: 0,
        };
        run.count();
        run
    }

    pub(super) fn id(&self) -> DagRunId {
        self.row.id
    }

    pub(super) fn state(&self) -> State {
        self.row.state()
    }

    pub(super) fn owner(&self) -> &Arc<Owner> {
        &self.row.owner
    }

    pub(super) fn is_noop(&self) -> bool {
        self.blueprint.executor == Executor::Noop
    }

    pub(super) fn group(&self, group: u32) -> Option<&Group> {
        self.groups.get(group as usize)
    }

    pub(super) fn group_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.groups.get_mut(group as usize)
    }

    /// None: there is no such task.
    pub(super) fn task(&self, task: TaskId) -> Option<State> {
        self.group(task.group)?.state(task.index)
    }

    /// Attempts of a task that have not ended, and trees of such that have.
    pub(super) fn lives(&self, task: TaskId) -> impl Iterator<Item = RunId> {
        self.live.range((task, RunId(0))..=(task, RunId(u64::MAX))).map(|(_, slot)| *slot)
    }

    /// Whether anything of an attempt of this task is left.
    pub(super) fn is_held(&self, task: TaskId) -> bool {
        self.lives(task).next().is_some()
    }

    /// Counts the tasks anew.
    pub(super) fn count(&mut self) {
        self.row.counts = Counts::default();
        for group in &self.groups {
            for (state, count) in group.tally().present() {
                shift(&mut self.row.counts, state, count, true);
            }
        }
    }

    /// Whether every task has completed.
    pub(super) fn is_complete(&self) -> bool {
        u64::from(self.row.counts.of(State::Completed)) == self.row.counts.total()
    }

    /// Whether nothing can change any more unless somebody asks for it.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0 && self.passing.is_none()
    }

    /// Whether a failure has stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether a failure is to stop the rest: some task has failed or was killed, leaving out those that have failed
    /// only for that reason.
    fn has_failed(&self) -> bool {
        let failed = self.row.counts.of(State::Errored) + self.row.counts.of(State::Killed);
        self.blueprint.on_failure == OnFailure::Stop && failed as usize > self.cut.len()
    }

    /// The run comes into a state.
    pub(super) fn enter(&mut self, state: State, out: &mut Scratch) {
        self.changed(out);
        let at = self.row.history.last().map_or(out.now.wall, |last| last.at.max(out.now.wall));
        self.row.history.push(StateChange { at, state });
        self.row.last_update = self.row.last_update.max(at);
        out.rows.insert(self.id());
        out.change(self.row.runs_as, What::Run { run: self.id(), tag: self.row.tag.clone(), state });
    }

    /// The run is taken up, for the first time or again.
    pub(super) fn begin(&mut self, out: &mut Scratch) {
        self.enter(State::Queued, out);
        self.enter(State::Running, out);
    }

    /// Whether the run has come to an end, with everything as it is.
    pub(super) fn conclude(&mut self, out: &mut Scratch) {
        match self.state() {
            State::Running | State::Paused if self.is_complete() => self.enter(State::Completed, out),
            State::Running if self.is_settled() => self.enter(State::Errored, out),
            _ => {}
        }
    }

    /// A task comes to its state by hand.
    pub(super) fn mark(&mut self, task: TaskId, mark: Mark, out: &mut Scratch) {
        let state = match mark {
            Mark::Killed(_) => State::Killed,
            Mark::Done(_) | Mark::Skipped(_) | Mark::NotNeeded => State::Completed,
        };
        let (run, pass, running) = (self.id(), self.row.pass, self.is_held(task));
        let Some(group) = self.group(task.group) else { return };
        let (touched, before) = (group.touched(task.index), group.state(task.index));
        // The attempt under way comes after the mark, and says the same when it ends.
        let under_way = u32::from(before == Some(State::Running) && running);
        let after = touched.attempts.saturating_sub(under_way);
        self.set(task, state, None, out);
        if let Some(group) = self.group_mut(task.group) {
            group.touch(task.index, Touched { due: false, ..touched });
        }
        out.write(Write::PutMark { run, task, count: 1, pass, after, mark });
    }

    /// A task gets another job.
    pub(super) fn change_job(&mut self, task: TaskId, job: Arc<Job>, out: &mut Scratch) {
        self.changed(out);
        out.write(Write::PutEdit { run: self.id(), task, job: job.clone() });
        if let Some(group) = self.group_mut(task.group) {
            group.edits.insert(task.index, job);
            self.index(task.group);
        }
    }

    /// A task comes into a state; `attempt`: by this one.
    pub(super) fn set(
        &mut self,
        task: TaskId,
        state: State,
        attempt: Option<(u32, i32, Outcome)>,
        out: &mut Scratch,
    ) -> Option<State> {
        self.changed(out);
        let group = self.groups.get_mut(task.group as usize)?;
        let before = group.set(task.index, state)?;
        let name = group.template.instance(task.index);
        shift(&mut self.row.counts, before, 1, false);
        shift(&mut self.row.counts, state, 1, true);
        match state {
            State::Retry => self.retrying.insert(task),
            _ => self.retrying.remove(&task),
        };
        if state != State::Errored {
            self.cut.remove(&task);
        }
        out.change(self.row.runs_as, What::Task { run: self.id(), task, name, state, attempt });
        self.index(task.group);
        Some(before)
    }

    /// Instances in a row come from one state into another.
    pub(super) fn paint(&mut self, group: u32, range: Range<u32>, from: State, to: State, out: &mut Scratch) {
        self.changed(out);
        let count = range.end.saturating_sub(range.start);
        let Some(known) = self.groups.get_mut(group as usize) else { return };
        known.paint(range, from, to);
        shift(&mut self.row.counts, from, count, false);
        shift(&mut self.row.counts, to, count, true);
        self.index(group);
    }

    /// Tells of instances in a row that they have completed; `attempt`: by this one each.
    pub(super) fn tell_completed(
        &self,
        group: u32,
        range: Range<u32>,
        attempt: Option<(u32, &Attempt)>,
        out: &mut Scratch,
    ) {
        let Some(known) = self.group(group) else { return };
        let (run, first) = (self.id(), TaskId { group, index: range.start });
        let what = if range.len() == 1 {
            let attempt = attempt.map(|(number, attempt)| (number, attempt.rc, attempt.outcome));
            let name = known.template.instance(range.start);
            What::Task { run, task: first, name, state: State::Completed, attempt }
        } else {
            What::Tasks { run, first, count: range.end - range.start, group: known.template.name.clone() }
        };
        out.change(self.row.runs_as, what);
    }

    fn changed(&mut self, out: &mut Scratch) {
        self.row.last_update = self.row.last_update.max(out.now.wall);
        out.touched.insert(self.id());
    }

    /// Puts a group where it belongs among those of which an instance may start.
    pub(super) fn index(&mut self, group: u32) {
        let noop = self.is_noop();
        let Some(known) = self.groups.get_mut(group as usize) else { return };
        let head = if known.phase == Phase::Ready { known.head() } else { None };
        let place = head.map(|index| {
            let needs = if noop { Default::default() } else { known.needs(index) };
            let since = known.since.unwrap_or(u64::MAX);
            ((needs.cores, needs.memory_mb), (Reverse(known.template.priority), since, group))
        });
        let before = std::mem::replace(&mut known.place, place);
        if before == place {
            return;
        }
        if let Some((class, place)) = before
            && let Some(places) = self.ready.get_mut(&class)
        {
            places.remove(&place);
            if places.is_empty() {
                self.ready.remove(&class);
            }
        }
        if let Some((class, place)) = place {
            self.ready.entry(class).or_default().insert(place);
        }
    }

    /// What the instances that may start need, each once.
    pub(super) fn classes(&self) -> impl Iterator<Item = Class> {
        self.ready.keys().copied()
    }

    /// The group that goes next among those whose next instance fits.
    pub(super) fn next_group(&self, fits: impl Fn(Class) -> bool) -> Option<(u32, Class)> {
        let fitting = self.ready.iter().filter(|(class, _)| fits(**class));
        let first = fitting.filter_map(|(class, places)| Some((places.first()?, *class))).min()?;
        Some((first.0.2, first.1))
    }

    /// An instance that was tried before goes again, if it waits for nothing but its turn.
    pub(super) fn repeat(&mut self, task: TaskId) {
        if !self.is_held(task)
            && let Some(group) = self.group_mut(task.group)
        {
            group.repeat(task.index);
            self.index(task.group);
        }
    }

    /// Instances of a group have changed: draws the conclusions for it and for those that depend on it. Of a run that is
    /// over nothing follows any more.
    pub(super) fn settle(&mut self, group: u32, out: &mut Scratch) {
        if self.state().is_over() {
            return;
        }
        let mut work = vec![group];
        if self.has_failed() && !self.stopped {
            work.extend(self.stop(out));
        }
        while let Some(group) = work.pop() {
            let Some(known) = self.groups.get_mut(group as usize) else { continue };
            let Some(well) = known.settles() else { continue };
            known.phase = Phase::Settled(well);
            self.index(group);
            self.unsettled = self.unsettled.saturating_sub(1);
            for child in self.graph.children(group).to_vec() {
                let Some(known) = self.groups.get_mut(child as usize) else { continue };
                known.waits = known.waits.saturating_sub(1);
                known.bad += u32::from(!well);
                if known.waits == 0 {
                    self.release(child, out);
                    work.push(child);
                }
            }
        }
    }

    /// All groups that this one depends on have settled.
    fn release(&mut self, group: u32, out: &mut Scratch) {
        let (stopped, readied) = (self.stopped, self.readied);
        let Some(known) = self.groups.get_mut(group as usize).filter(|known| known.phase == Phase::Waiting) else {
            return;
        };
        match known.release(stopped) {
            Release::Close => known.phase = Phase::Closed,
            Release::PassOver => self.pass_over(group, out),
            Release::Run => {
                known.phase = Phase::Ready;
                known.since.get_or_insert(readied);
                self.readied += 1;
                self.index(group);
            }
        }
    }

    /// The instances of a group that have not started need not: its trigger is `failure`, and nothing failed.
    fn pass_over(&mut self, group: u32, out: &mut Scratch) {
        let (run, pass) = (self.id(), self.row.pass);
        let Some(known) = self.groups.get_mut(group as usize) else { return };
        known.pass_over();
        let queued = known.stretches(0..known.count(), State::Queued);
        known.phase = Phase::Closed;
        for (range, after) in queued {
            let (task, count) = (TaskId { group, index: range.start }, range.end - range.start);
            out.write(Write::PutMark { run, task, count, pass, after, mark: Mark::NotNeeded });
            self.paint(group, range.clone(), State::Queued, State::Completed, out);
            self.tell_completed(group, range, None, out);
        }
    }

    /// Counts groups that were appended.
    pub(super) fn grow(&mut self, templates: &[Arc<Template>]) {
        self.unsettled += templates.len();
        for template in templates {
            shift(&mut self.row.counts, State::Queued, template.count, true);
        }
    }

    /// A group that was appended takes its place in the graph.
    pub(super) fn arrive(&mut self, group: u32, out: &mut Scratch) {
        self.changed(out);
        if self.group(group).is_some_and(|known| known.waits == 0) {
            self.release(group, out);
        }
        self.settle(group, out);
    }

    /// The first failure of a run that is to stop then: what is in RETRY fails, and groups that have become ready are
    /// closed, but for those with another trigger; those that still wait are closed when they are released. Answers with
    /// the groups that may have settled thereby.
    fn stop(&mut self, out: &mut Scratch) -> Vec<u32> {
        self.stopped = true;
        let mut affected = BTreeSet::new();
        for task in std::mem::take(&mut self.retrying) {
            self.set(task, State::Errored, None, out);
            self.cut.insert(task);
            affected.insert(task.group);
        }
        for group in 0..self.groups.len() as u32 {
            let Some(known) = self.group_mut(group).filter(|known| known.phase == Phase::Ready) else { continue };
            if known.release(true) == Release::Close {
                known.phase = Phase::Closed;
                affected.insert(group);
                self.index(group);
            }
        }
        affected.into_iter().collect()
    }

    /// Derives everything from the states of the instances: after a start, a restart, and edits.
    pub(super) fn rebuild(&mut self, out: &mut Scratch) {
        self.ready.clear();
        self.count();
        self.edited = false;
        self.stopped = self.has_failed();
        self.unsettled = self.groups.len();
        let mut parents = vec![Vec::new(); self.groups.len()];
        for (parent, child) in self.graph.edges() {
            if let Some(parents) = parents.get_mut(child as usize) {
                parents.push(parent);
            }
        }
        let mut repeated = Vec::new();
        for (group, (known, parents)) in (0..).zip(self.groups.iter_mut().zip(parents)) {
            (known.phase, known.bad, known.place) = (Phase::Waiting, 0, None);
            known.waits = parents.len() as u32;
            known.parents = parents;
            repeated.extend(known.rewind().into_iter().map(|index| TaskId { group, index }));
        }
        for task in repeated {
            self.repeat(task);
        }
        for group in 0..self.groups.len() as u32 {
            if self.group(group).is_some_and(|known| known.parents.is_empty()) {
                self.release(group, out);
            }
            self.settle(group, out);
        }
        if self.stopped {
            // What was to be tried again when the failure came has failed.
            self.stopped = false;
            let affected = self.stop(out);
            affected.into_iter().for_each(|group| self.settle(group, out));
        }
    }

    /// A failure has been edited away: if it was the last one, what was to be tried again is.
    pub(super) fn resume_retries(&mut self, out: &mut Scratch) {
        if self.has_failed() {
            return;
        }
        self.stopped = false;
        for task in std::mem::take(&mut self.cut) {
            self.set(task, State::Retry, None, out);
            if let Some(group) = self.group_mut(task.group) {
                let touched = group.touched(task.index);
                group.touch(task.index, Touched { due: true, ..touched });
            }
            self.repeat(task);
        }
    }
}
