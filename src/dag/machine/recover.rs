//! The start: runs as the store has them, attempts as the keeper holds them, and what has become of the rest.
//!
//! What the keeper holds goes on. What it does not hold any more was interrupted, and is repeated; where something may
//! be left of it, after that was ended. What the keeper holds without the store knowing of it was started by a decision
//! of which the flush was lost: it is taken as decided if nothing speaks against it, else ended.
//!
//! That a failure has stopped a run, which groups are closed, and which tasks are cut short by that, is not stored: it
//! follows from the states of the tasks, as after a restart.

use super::attempts::{Doom, Live, Stopping};
use super::calendar::Calendar;
use super::group::Touched;
use super::queue::Queue;
use super::run::Run;
use super::stored::{Entry, Found, Held, Last, LiveAttempt, Stored, StoredRun};
use super::words::{Effect, End, Plan, What, Write};
use super::{FIRST_SLOT, Room, Scratch, Settings};
use crate::base::Timers;
use crate::base::{Now, RunId};
use crate::dag::model::{Attempt, Kept, Mark, OnFailure, Outcome, State, TaskId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Ends that are still to be heard, in the order in which they came.
type Ends = BTreeMap<(Option<u64>, RunId), End>;

fn in_order(end: End) -> ((Option<u64>, RunId), End) {
    ((end.seq, end.slot), end)
}

impl Room {
    /// The room of a start, and what it does first, which is to wait until the plan is durable: only then is it sure
    /// that no slot is given that an earlier core had given.
    pub fn recover(settings: Settings, stored: Stored, found: Found, now: Now) -> (Room, Plan) {
        let Stored { runs, live, next_run, slots, dags } = stored;
        let named = live.iter().map(|live| live.slot).chain(found.held.iter().map(|held| held.live.slot));
        let next_slot = named.map(|slot| RunId(slot.0 + 1)).chain([slots, FIRST_SLOT]).max().unwrap_or(FIRST_SLOT);
        let mut room = Room {
            settings,
            runs: runs.iter().map(|stored| (stored.row.id, Run::of_stored(stored))).collect(),
            lives: BTreeMap::new(),
            leftovers: BTreeSet::new(),
            queue: Queue::new(settings.capacity),
            alarms: Timers::default(),
            calendar: Calendar::recover(dags, now),
            by_dag: HashMap::new(),
            idle: BTreeSet::new(),
            next_run,
            next_slot,
            slots: next_slot,
            ending: None,
            unfinished: false,
            scratch: Scratch::at(now),
        };
        room.reserve_slots();
        let Found { held, new_keeper, new_boot, stopping, mut written } = found;
        let remark = match (new_boot, new_keeper) {
            (true, _) => "interrupted: the host went down",
            (false, true) => "interrupted: the keeper of the processes went down",
            (false, false) => "interrupted: the daemon went down before it had begun",
        };
        let mut held: BTreeMap<RunId, Held> = held.into_iter().map(|held| (held.live.slot, held)).collect();
        let mut ends = Ends::new();
        for live in live {
            match held.remove(&live.slot) {
                Some(held) => ends.extend(room.go_on(live, held).map(in_order)),
                None => {
                    // What had ended before may be what was left behind by the keeper before the last.
                    let left = !new_boot && (new_keeper || live.ended);
                    let written = written.remove(&live.slot).unwrap_or_default();
                    room.lost(live, left, remark, written);
                }
            }
        }
        let unknown: Vec<Held> = held.into_values().filter_map(|held| room.put_aside(held)).collect();
        room.take_up_runs(&runs);
        if stopping {
            // What has ended since the keeper was told to stop everything has ended for that reason.
            room.shutdown();
        }
        room.catch_up(ends, unknown);
        let plan = room.finish();
        (room, plan)
    }

    /// Derives what is not stored of the runs, and lets them go on.
    fn take_up_runs(&mut self, stored: &[StoredRun]) {
        for run in self.runs.values_mut() {
            self.scratch.touched.insert(run.id());
            match run.state() {
                State::Errored | State::Killed | State::Completed => run.count(),
                State::Running | State::Paused | State::Retry => run.rebuild(&mut self.scratch),
                State::Queued => {
                    run.enter(State::Running, &mut self.scratch);
                    run.rebuild(&mut self.scratch);
                }
            }
        }
        for StoredRun { row, entries, .. } in stored {
            for Entry { task, count, used, last, .. } in entries {
                let Last::Attempt { outcome: Outcome::Retry, stop } = last else { continue };
                for index in (task.index..).take(*count as usize) {
                    self.retry_after(row.id, TaskId { index, ..*task }, *used, *stop);
                }
            }
        }
    }

    /// A stored attempt that the keeper holds. Answers with its end, if it has ended meanwhile.
    fn go_on(&mut self, live: LiveAttempt, held: Held) -> Option<End> {
        let Held { live: intent, end, tree_empty } = held;
        let attempt = LiveAttempt { leader: live.leader.or(intent.leader), ..live };
        if attempt.ended {
            self.recorded(attempt, end, tree_empty, true);
            return None;
        }
        if !self.runs.contains_key(&attempt.run) {
            return self.stray(attempt, end, tree_empty);
        }
        self.run_on(attempt);
        end.map(|end| End { tree_empty: end.tree_empty || tree_empty, ..*end })
    }

    /// An attempt that the keeper holds and the store does not know to be live: gives back those that may go on.
    fn put_aside(&mut self, held: Held) -> Option<Held> {
        let LiveAttempt { task, number, .. } = held.live;
        let known = self.runs.get(&held.live.run).and_then(|run| run.group(task.group));
        let recorded = known.is_some_and(|group| number <= group.attempts(task.index));
        if !recorded || held.end.is_none() {
            return Some(held);
        }
        self.recorded(held.live, held.end, held.tree_empty, false);
        None
    }

    /// What ended and what was started since the last flush, in an order in which it can have happened: the start of an
    /// attempt may be owed to the end of another.
    fn catch_up(&mut self, mut ends: Ends, mut unknown: Vec<Held>) {
        unknown.sort_by_key(|held| (held.live.run, held.live.task, held.live.number));
        let mut skipping = false;
        loop {
            let mut changed = BTreeSet::new();
            unknown.retain(|held| {
                let next = self.is_next(&held.live, skipping);
                if next {
                    changed.insert(held.live.run);
                    ends.extend(self.adopt(held.clone()).map(in_order));
                }
                !next
            });
            for run in changed {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.rebuild(&mut self.scratch);
                }
            }
            match ends.pop_first() {
                Some((_, end)) => self.ended(end),
                None if skipping => break,
                // The end of an attempt that never became a process may have been lost: the next one has a later number.
                None => skipping = true,
            }
        }
        for Held { live, end, tree_empty } in unknown {
            if let Some(end) = self.stray(live, end, tree_empty) {
                self.ended(end);
            }
        }
    }

    /// Whether an attempt is the one that its task waits for; `skipping`: or a later one. What the store knows to be left
    /// of an earlier one does not speak against it: it was gone when this one was started.
    fn is_next(&self, attempt: &LiveAttempt, skipping: bool) -> bool {
        let LiveAttempt { task, number, pass, .. } = *attempt;
        let Some(run) = self.runs.get(&attempt.run) else { return false };
        let under_way = self.attempt(attempt.run, task).is_some();
        let waits = matches!(run.task(task), Some(State::Queued | State::Retry)) && !under_way;
        let known = run.group(task.group).map_or(u32::MAX, |group| group.attempts(task.index));
        let next = number.checked_sub(known).is_some_and(|ahead| ahead == 1 || (skipping && ahead > 1));
        waits && next && pass == run.row.pass && !run.state().is_over()
    }

    /// An attempt that the keeper holds was begun by a decision of which the flush was lost.
    fn adopt(&mut self, held: Held) -> Option<End> {
        let Held { live, end, tree_empty } = held;
        let attempt = LiveAttempt { ended: false, ..live };
        self.scratch.write(Write::PutLive(Box::new(attempt.clone())));
        self.run_on(attempt);
        end.map(|end| End { tree_empty: end.tree_empty || tree_empty, ..*end })
    }

    /// An attempt goes on, unless its task was killed.
    fn run_on(&mut self, attempt: LiveAttempt) {
        let LiveAttempt { slot, run: id, task, number, pass, .. } = attempt;
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.live.insert((task, slot));
        run.running += 1;
        let present = pass == run.row.pass;
        let over = run.state().is_over();
        let mut reserved = Default::default();
        let mut stands = false;
        if let Some(group) = run.group_mut(task.group) {
            reserved = self.queue.share(group.needs(task.index));
            let waits = matches!(group.state(task.index), Some(State::Queued | State::Retry));
            stands = present && waits && !over;
            let touched = group.touched(task.index);
            if present && waits {
                group.set(task.index, if over { State::Killed } else { State::Running });
            }
            group.touch(task.index, Touched { attempts: touched.attempts.max(number), due: false, ..touched });
        }
        run.retrying.remove(&task);
        self.queue.reserve(reserved);
        let live = Live { attempt, reserved: Some(reserved), doom: None, stopping: Stopping::No, known: true };
        self.hold(live);
        if !stands {
            self.doom(slot, Doom::Killed(None));
        } else if self.is_ending() {
            self.doom(slot, Doom::Shutdown);
        }
    }

    /// An attempt whose end is recorded: only what is left of its tree matters.
    fn recorded(&mut self, attempt: LiveAttempt, end: Option<Box<End>>, tree_empty: bool, stored: bool) {
        let slot = attempt.slot;
        let empty = tree_empty || end.as_ref().is_some_and(|end| end.tree_empty);
        self.scratch.plan.heard.extend(end.and_then(|end| end.seq));
        if empty {
            if stored {
                self.scratch.write(Write::DeleteLive(slot));
            }
            return;
        }
        let attempt = LiveAttempt { ended: true, ..attempt };
        if !stored {
            self.scratch.write(Write::PutLive(Box::new(attempt.clone())));
        }
        self.keep(attempt, true);
        self.stop(slot, Stopping::Asked);
    }

    /// An attempt that nobody wants: it is ended, and not recorded.
    fn stray(&mut self, attempt: LiveAttempt, end: Option<Box<End>>, tree_empty: bool) -> Option<End> {
        let slot = attempt.slot;
        self.keep(LiveAttempt { ended: false, ..attempt }, false);
        match end {
            Some(end) => Some(End { tree_empty: end.tree_empty || tree_empty, ..*end }),
            None => {
                self.stop(slot, Stopping::Asked);
                None
            }
        }
    }

    /// Takes an attempt into the books that runs for nobody; its task is not repeated before it is gone.
    fn keep(&mut self, attempt: LiveAttempt, known: bool) {
        let (slot, task) = (attempt.slot, attempt.task);
        if let Some(run) = self.runs.get_mut(&attempt.run) {
            run.live.insert((task, slot));
        }
        self.hold(Live { attempt, reserved: None, doom: None, stopping: Stopping::No, known });
    }

    /// A stored attempt that nobody holds any more.
    fn lost(&mut self, attempt: LiveAttempt, left: bool, remark: &str, written: (Kept, Kept)) {
        let slot = attempt.slot;
        if !attempt.ended {
            self.interrupted(&attempt, remark, written);
        }
        if !left || !self.runs.contains_key(&attempt.run) {
            return self.scratch.write(Write::DeleteLive(slot));
        }
        let rest = LiveAttempt { ended: true, ..attempt };
        if !attempt.ended {
            self.scratch.write(Write::PutLive(Box::new(rest.clone())));
        }
        self.keep(rest, true);
        self.leftovers.insert(slot);
        self.end_leftover(slot, self.settings.grace);
    }

    pub(super) fn end_leftover(&mut self, slot: RunId, grace: Duration) {
        let leader = self.lives.get(&slot).and_then(|live| live.attempt.leader);
        self.scratch.effect(Effect::EndLeftover { slot, leader, grace });
    }

    /// Records that an attempt was interrupted. Its task is to be repeated, unless somebody had killed it.
    fn interrupted(&mut self, attempt: &LiveAttempt, remark: &str, (output, errors): (Kept, Kept)) {
        let LiveAttempt { slot, run: id, task, number, pass, start, .. } = *attempt;
        let Some(run) = self.runs.get_mut(&id) else { return };
        let (over, present, owner) = (run.state().is_over(), pass == run.row.pass, run.row.runs_as);
        run.retrying.remove(&task);
        let Some(group) = run.group_mut(task.group) else { return };
        let waits = present && matches!(group.state(task.index), Some(State::Queued | State::Retry));
        let outcome = if waits && !over { Outcome::Interrupted } else { Outcome::Killed };
        let touched = group.touched(task.index);
        if waits {
            group.set(task.index, outcome.state());
        }
        group.touch(task.index, Touched { attempts: touched.attempts.max(number), due: false, ..touched });
        let state = group.state(task.index).unwrap_or_default();
        let name = group.template.instance(task.index);
        let rc = libc::SIGTERM;
        let attempt = Attempt {
            slot: Some(slot),
            pass,
            start,
            stop: self.scratch.now.wall.max(start),
            rc,
            outcome,
            remark: remark.to_owned(),
            output,
            errors,
            usage: None,
        };
        let told = Some((number, rc, outcome));
        self.scratch.change(owner, What::Task { run: id, task, name, state, attempt: told });
        self.scratch.write(Write::PutAttempt { run: id, task, count: 1, number, attempt: Box::new(attempt) });
    }
}

impl Run {
    /// The run as the store has it. What follows from its states is not derived: see [`Run::rebuild`].
    pub(super) fn of_stored(stored: &StoredRun) -> Run {
        let StoredRun { row, blueprint, additions, entries, edits } = stored;
        let mut run = Run::new(row.clone(), blueprint.clone());
        for added in additions {
            let new = &added.addition.templates;
            // It was accepted once.
            let edges = run.graph.attach(added.by.group, new, &|_| false).unwrap_or_default();
            run.append(added.by, new, &edges);
        }
        for Entry { task, attempts, last, .. } in entries {
            if matches!(last, Last::Mark(Mark::NotNeeded))
                && *attempts == 0
                && let Some(group) = run.group_mut(task.group)
            {
                group.pass_over();
            }
        }
        let retry = run.retries_became(entries);
        entries.iter().for_each(|entry| run.restore(entry, retry));
        for (task, job) in edits {
            if let Some(group) = run.group_mut(task.group) {
                group.edits.insert(task.index, job.clone());
            }
        }
        run.count();
        run
    }

    /// The state of what is stored as to be tried again. A run that is over has nothing in RETRY: it failed when another
    /// task's failure stopped the run, or was killed with it.
    fn retries_became(&self, entries: &[Entry]) -> State {
        let state = self.state();
        if !state.is_over() {
            return State::Retry;
        }
        let failed = |entry: &Entry| match &entry.last {
            Last::Attempt { outcome, .. } => *outcome == Outcome::Errored,
            Last::Mark(Mark::Killed(_)) => true,
            // After its last try, by hand.
            Last::Mark(_) => self.group(entry.task.group).is_some_and(|group| entry.used > group.template.max_retries),
        };
        let stops = self.blueprint.on_failure == OnFailure::Stop;
        let stopped = stops && entries.iter().any(|entry| entry.pass == self.row.pass && failed(entry));
        if stopped { State::Errored } else { state }
    }

    /// Takes over what has become of tasks in a row.
    fn restore(&mut self, entry: &Entry, retry: State) {
        let Entry { task, count, attempts, used, last, pass } = entry;
        let present = *pass == self.row.pass;
        let reset = self.row.resets.iter().any(|(group, reset)| *group == task.group && reset > pass);
        let state = match last {
            Last::Attempt { outcome: Outcome::Completed, .. } => State::Completed,
            Last::Mark(Mark::Done(_) | Mark::Skipped(_) | Mark::NotNeeded) => State::Completed,
            Last::Mark(Mark::Killed(_)) => State::Killed,
            Last::Attempt { outcome: Outcome::Retry, .. } => retry,
            Last::Attempt { outcome, .. } => outcome.state(),
        };
        let counts = if state == State::Completed { !reset } else { present };
        let state = if counts { state } else { State::Queued };
        if let Last::Attempt { stop, .. } = last {
            self.row.last_update = self.row.last_update.max(*stop);
        }
        let Some(group) = self.groups.get_mut(task.group as usize) else { return };
        let end = task.index.saturating_add(*count).min(group.count());
        let range = task.index.min(end)..end;
        group.paint(range.clone(), State::Queued, state);
        let used = if present { *used } else { 0 };
        let touched = Touched { attempts: *attempts, used, due: false };
        for index in range.clone() {
            group.touch(index, touched);
        }
        if state == State::Retry {
            self.retrying.extend(range.map(|index| TaskId { group: task.group, index }));
        }
    }
}
