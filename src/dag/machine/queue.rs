//! Who goes next: runs in a fair order, tasks that fit, and nobody for ever behind smaller ones.
//!
//! Runs stand in one line for each kind of need that one of their ready groups has; a line is in the order of priority,
//! then of attempts under way, then of who was served longest ago. Kinds of need are few: a group stands for its next
//! instance alone. So the next task is the best of a few heads, however many runs and groups there are.
//!
//! The first in order that does not fit may be overtaken [`PATIENCE`] times. Then it has the claim: nothing else starts
//! until it does.

use super::Room;
use super::run::{Class, Run};
use crate::dag::model::{Capacity, DagRunId, Needs, State};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How often a task that does not fit may be overtaken by tasks that do.
pub(super) const PATIENCE: u32 = 64;

/// Rank among the runs: priority, attempts under way, when it was last served, which.
pub(super) type Turn = (Reverse<i32>, u32, u64, DagRunId);

/// The capacity, and who waits for it.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: Capacity,
    used: Needs,
    running: u32,
    lines: BTreeMap<Class, BTreeSet<Turn>>,
    /// A run and its group whose next instance goes before everything else.
    claim: Option<(DagRunId, u32)>,
    turns: u64,
}

impl Queue {
    pub(super) fn new(capacity: Capacity) -> Queue {
        Queue { capacity, used: Needs::default(), running: 0, lines: BTreeMap::new(), claim: None, turns: 0 }
    }

    /// What a task of this need reserves: all there is, if it wants more, which can be after the capacity was lowered.
    pub(super) fn share(&self, needs: Needs) -> Needs {
        Needs { cores: needs.cores.min(self.capacity.cores), memory_mb: needs.memory_mb.min(self.capacity.memory_mb) }
    }

    /// What nobody has reserved.
    pub(super) fn free(&self) -> Needs {
        Needs {
            cores: self.capacity.cores.saturating_sub(self.used.cores),
            memory_mb: self.capacity.memory_mb.saturating_sub(self.used.memory_mb),
        }
    }

    /// Whether as many attempts are under way as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.running >= self.capacity.running.max(1)
    }

    /// Whether a task of this need could start, if it were its turn.
    pub(super) fn fits(&self, (cores, memory_mb): Class) -> bool {
        let (needs, free) = (self.share(Needs { cores, memory_mb }), self.free());
        needs.cores <= free.cores && needs.memory_mb <= free.memory_mb
    }

    /// The run and group for which everything else waits.
    pub(super) fn claim(&self) -> Option<(DagRunId, u32)> {
        self.claim
    }

    /// An attempt begins.
    pub(super) fn reserve(&mut self, needs: Needs) {
        self.used.cores = self.used.cores.saturating_add(needs.cores);
        self.used.memory_mb = self.used.memory_mb.saturating_add(needs.memory_mb);
        self.running += 1;
    }

    /// It has ended.
    pub(super) fn release(&mut self, needs: Needs) {
        self.used.cores = self.used.cores.saturating_sub(needs.cores);
        self.used.memory_mb = self.used.memory_mb.saturating_sub(needs.memory_mb);
        self.running = self.running.saturating_sub(1);
    }

    /// How many attempts are under way.
    pub(super) fn running(&self) -> u32 {
        self.running
    }

    /// A number for being served, higher than all before.
    pub(super) fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Puts a run into its lines, out of those in which it stood before; out of all, unless `open`.
    pub(super) fn line_up(&mut self, run: &mut Run, open: bool) {
        let turn = (Reverse(run.blueprint.priority), run.running, run.served, run.id());
        let classes: Vec<_> = if open { run.classes().collect() } else { Vec::new() };
        let now = (!classes.is_empty()).then_some((turn, classes));
        if run.turn == now {
            return;
        }
        if let Some((turn, classes)) = run.turn.take() {
            for class in classes {
                let Some(line) = self.lines.get_mut(&class) else { continue };
                line.remove(&turn);
                if line.is_empty() {
                    self.lines.remove(&class);
                }
            }
        }
        for class in now.iter().flat_map(|(_, classes)| classes) {
            self.lines.entry(*class).or_default().insert(turn);
        }
        run.turn = now;
    }

    /// The run whose turn it is, among those with a task that fits.
    fn first(&self, fits: impl Fn(Class) -> bool) -> Option<DagRunId> {
        let fitting = self.lines.iter().filter(|(class, _)| fits(**class));
        fitting.filter_map(|(_, line)| line.first()).min().map(|(.., run)| *run)
    }
}

impl Room {
    /// Puts a run in its place among those that want to start something.
    pub(super) fn line_up(&mut self, id: DagRunId) {
        let ending = self.is_ending();
        let Some(run) = self.runs.get_mut(&id) else { return };
        let room = run.blueprint.max_parallel.is_none_or(|most| run.running < most);
        let open = !ending && room && !run.is_noop() && run.state() == State::Running;
        self.queue.line_up(run, open);
    }

    /// The run and the group of which the next instance is to be started now.
    pub(super) fn next(&mut self) -> Option<(DagRunId, u32)> {
        if self.queue.is_full() {
            return None;
        }
        if let Some((id, group)) = self.queue.claim {
            if let Some(class) = self.claimed(id, group) {
                return self.queue.fits(class).then_some((id, group));
            }
            self.queue.claim = None;
        }
        let first = self.queue.first(|_| true)?;
        let (group, class) = self.runs.get(&first)?.next_group(|_| true)?;
        if self.queue.fits(class) {
            return Some((first, group));
        }
        let smaller = self.queue.first(|class| self.queue.fits(class))?;
        let (overtaking, _) = self.runs.get(&smaller)?.next_group(|class| self.queue.fits(class))?;
        let overtaken = self.runs.get_mut(&first)?.group_mut(group)?;
        if overtaken.overtaken >= PATIENCE {
            self.queue.claim = Some((first, group));
            return None;
        }
        overtaken.overtaken += 1;
        Some((smaller, overtaking))
    }

    /// What the holder of the claim needs; none: it does not want to start any more.
    fn claimed(&self, id: DagRunId, group: u32) -> Option<Class> {
        let run = self.runs.get(&id).filter(|run| run.turn.is_some())?;
        run.group(group)?.place.map(|(class, _)| class)
    }

    /// An attempt of a run begins: its reservation, and its place behind the others.
    pub(super) fn serve(&mut self, id: DagRunId, group: u32, needs: Needs) {
        self.queue.reserve(needs);
        if self.queue.claim == Some((id, group)) {
            self.queue.claim = None;
        }
        let turn = self.queue.turn();
        if let Some(run) = self.runs.get_mut(&id) {
            run.running += 1;
            run.served = turn;
            if let Some(group) = run.group_mut(group) {
                group.overtaken = 0;
            }
        }
        self.line_up(id);
    }
}
