//! The life of an attempt: started, timed out or killed, ended, its tree gone; and what it makes of its task.

use super::group::Touched;
use super::judge::{Judged, judge};
use super::stored::LiveAttempt;
use super::words::{Effect, End, Launch, Write};
use super::{Alarm, Room, SLOTS_AHEAD};
use crate::base::{RunId, Wall};
use crate::dag::model::{Attempt, DagRunId, Needs, Outcome, State, TaskId};
use std::time::Duration;

/// An attempt that has not ended, or one that has and of which something is left.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) attempt: LiveAttempt,
    /// What it has reserved, until it ends.
    pub(super) reserved: Option<Needs>,
    /// Why it is being ended.
    pub(super) doom: Option<Doom>,
    /// How far its end has been asked for.
    pub(super) stopping: Stopping,
    /// Its run's record knows of it. The end of another is only acknowledged.
    pub(super) known: bool,
}

/// Why an attempt is being ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    /// On request; by whom, if that is remembered.
    Killed(Option<String>),
    /// It has taken longer than it may.
    TimedOut(Duration),
    /// The daemon stops.
    Shutdown,
}

/// How far the end of an attempt, or of what is left of its tree, has been asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stopping {
    /// Not.
    #[default]
    No,
    /// Kindly.
    Asked,
    /// By force.
    Forced,
}

impl Room {
    /// Starts what goes next, as long as there is room for it.
    pub(super) fn dispatch(&mut self) {
        for _ in 0..super::AT_ONCE {
            let Some((run, group)) = self.next() else { return };
            if !self.start(run, group) {
                return;
            }
        }
        // The rest is for the next tick, which is due at once.
        self.unfinished = true;
    }

    /// Starts the next instance of a group.
    fn start(&mut self, id: DagRunId, group: u32) -> bool {
        let slot = self.slot();
        let now = self.scratch.now;
        let Some(run) = self.runs.get_mut(&id) else { return false };
        let Some(known) = run.group_mut(group) else { return false };
        let Some(index) = known.head() else { return false };
        let (needs, touched) = (self.queue.share(known.needs(index)), known.touched(index));
        let number = touched.attempts + 1;
        known.touch(index, Touched { attempts: number, due: false, ..touched });
        let (template, edited) = (known.template.clone(), known.edits.get(&index).cloned());
        let task = TaskId { group, index };
        let live = LiveAttempt {
            slot,
            run: id,
            task,
            number,
            pass: run.row.pass,
            start: now.wall,
            born: now.mono,
            leader: None,
            ended: false,
        };
        run.live.insert((task, slot));
        run.set(task, State::Running, None, &mut self.scratch);
        let launch = Launch {
            live: live.clone(),
            template,
            edited,
            blueprint: run.blueprint.clone(),
            owner: run.owner().clone(),
            runs_as: run.row.runs_as,
            dag: run.row.origin.dag().cloned(),
        };
        self.scratch.write(Write::PutLive(Box::new(live.clone())));
        self.scratch.effect(Effect::Start(Box::new(launch)));
        self.hold(Live { attempt: live, reserved: Some(needs), doom: None, stopping: Stopping::No, known: true });
        self.serve(id, group, needs);
        true
    }

    /// Takes an attempt into the books, with its time limit.
    pub(super) fn hold(&mut self, live: Live) {
        let LiveAttempt { slot, run, task, born, ended, .. } = live.attempt;
        if let Some(limit) = self.time_limit(run, task).filter(|_| !ended && live.known) {
            self.alarms.set(Alarm::Timeout(slot), born + limit);
        }
        self.lives.insert(slot, live);
    }

    /// How long an attempt of a task may take.
    fn time_limit(&self, run: DagRunId, task: TaskId) -> Option<Duration> {
        let group = self.runs.get(&run)?.group(task.group)?;
        if let Some(job) = group.edits.get(&task.index) {
            return job.timeout;
        }
        // Most jobs have none: then nothing needs to be expanded.
        group.template.job.contains_key("timeout").then(|| group.template.job(task.index).ok()?.timeout)?
    }

    /// A slot that was never given before. The next ones are reserved while there are plenty left: nothing waits for
    /// the reservation to be durable, and if keeper and core were lost with it, nobody would know of those given since.
    fn slot(&mut self) -> RunId {
        self.reserve_slots();
        let slot = self.next_slot;
        self.next_slot = RunId(slot.0 + 1);
        slot
    }

    pub(super) fn reserve_slots(&mut self) {
        if self.slots.0.saturating_sub(self.next_slot.0) < SLOTS_AHEAD {
            self.slots = RunId(self.next_slot.0.saturating_add(2 * SLOTS_AHEAD));
            self.put_numbers();
        }
    }

    pub(super) fn put_numbers(&mut self) {
        self.scratch.write(Write::PutNumbers { run: self.next_run, slots: self.slots });
    }

    pub(super) fn started(&mut self, slot: RunId, leader: Option<(i32, u64)>) {
        let Some(live) = self.lives.get_mut(&slot) else { return };
        if leader.is_some() && live.attempt.leader.is_none() {
            live.attempt.leader = leader;
            if live.known {
                let stored = live.attempt.clone();
                self.scratch.write(Write::PutLive(Box::new(stored)));
            }
        }
    }

    /// Has an attempt ended, for a reason that is to be recorded: kindly first.
    pub(super) fn doom(&mut self, slot: RunId, why: Doom) {
        let Some(live) = self.lives.get_mut(&slot).filter(|live| !live.attempt.ended) else { return };
        // A request outweighs the clock and the daemon's end; otherwise the first reason stays.
        if live.doom.is_none() || matches!((&live.doom, &why), (Some(Doom::TimedOut(_)), Doom::Killed(_))) {
            live.doom = Some(why);
        }
        self.alarms.clear(Alarm::Timeout(slot));
        self.stop(slot, Stopping::Asked);
    }

    /// Asks for the end of what there is of an attempt, unless that was done.
    pub(super) fn stop(&mut self, slot: RunId, how: Stopping) {
        let Some(live) = self.lives.get_mut(&slot).filter(|live| live.stopping < how) else { return };
        live.stopping = how;
        self.scratch.effect(Effect::Stop { slot, force: how == Stopping::Forced });
        if how == Stopping::Asked {
            self.alarms.set(Alarm::Force(slot), self.scratch.now.mono + self.settings.grace);
        } else {
            self.alarms.clear(Alarm::Force(slot));
        }
    }

    pub(super) fn timed_out(&mut self, slot: RunId) {
        let Some(live) = self.lives.get(&slot) else { return };
        if let Some(limit) = self.time_limit(live.attempt.run, live.attempt.task) {
            self.doom(slot, Doom::TimedOut(limit));
        }
    }

    pub(super) fn ended(&mut self, end: End) {
        self.scratch.plan.heard.extend(end.seq);
        let (slot, tree_empty) = (end.slot, end.tree_empty);
        let Some(live) = self.lives.get_mut(&slot).filter(|live| !live.attempt.ended) else {
            if tree_empty {
                self.gone(slot);
            }
            return;
        };
        live.attempt.ended = true;
        let (known, forced) = (live.known, live.stopping == Stopping::Forced);
        if !forced {
            // What is left of the tree is asked anew: the first time only the leader's group was.
            live.stopping = Stopping::No;
        }
        self.alarms.clear(Alarm::Timeout(slot));
        self.alarms.clear(Alarm::Force(slot));
        if known {
            self.record(end);
        }
        if tree_empty {
            return self.gone(slot);
        }
        if known && let Some(live) = self.lives.get(&slot) {
            let stored = live.attempt.clone();
            self.scratch.write(Write::PutLive(Box::new(stored)));
        }
        if forced {
            self.scratch.effect(Effect::Stop { slot, force: true });
        } else {
            self.stop(slot, Stopping::Asked);
        }
    }

    /// Writes down how an attempt ended, and lets its task follow from that.
    pub(super) fn record(&mut self, end: End) {
        let Some(live) = self.lives.get_mut(&end.slot) else { return };
        let (reserved, doom, attempt) = (live.reserved.take(), live.doom.take(), live.attempt.clone());
        let LiveAttempt { slot, run: id, task, number, pass, start, .. } = attempt;
        if let Some(needs) = reserved {
            self.queue.release(needs);
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        if reserved.is_some() {
            run.running = run.running.saturating_sub(1);
        }
        // Otherwise the task was killed meanwhile, or its run even restarted.
        let stands = pass == run.row.pass && run.task(task) == Some(State::Running);
        let doom = if stands { doom } else { Some(doom.filter(is_kill).unwrap_or(Doom::Killed(None))) };
        let judged = judge(&end, doom.as_ref());
        let judged = if judged.outcome == Outcome::Completed { self.take_in(id, task, &end, judged) } else { judged };
        let Judged { rc, mut outcome, remark } = judged;
        if outcome == Outcome::Errored {
            outcome = self.fails(id, task);
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        let state = if stands { outcome.state() } else { run.task(task).unwrap_or_default() };
        run.set(task, state, Some((number, rc, outcome)), &mut self.scratch);
        let Some(group) = run.group_mut(task.group) else { return };
        let touched = group.touched(task.index);
        let counts = stands && !matches!(outcome, Outcome::Interrupted | Outcome::Killed);
        let used = touched.used + u32::from(counts);
        group.touch(task.index, Touched { attempts: touched.attempts.max(number), used, due: false });
        let stop = end.at.max(start);
        let attempt = Attempt {
            slot: Some(slot),
            pass,
            start,
            stop,
            rc,
            outcome,
            remark,
            output: end.output,
            errors: end.errors,
            usage: end.usage,
        };
        let attempt = Box::new(attempt);
        self.scratch.write(Write::PutAttempt { run: id, task, count: 1, number, attempt });
        run.settle(task.group, &mut self.scratch);
        if outcome == Outcome::Retry {
            self.retry_after(id, task, used, stop);
        }
    }

    /// What a failure makes of a task: another try, or none.
    fn fails(&self, id: DagRunId, task: TaskId) -> Outcome {
        let Some(run) = self.runs.get(&id) else { return Outcome::Errored };
        let Some(group) = run.group(task.group) else { return Outcome::Errored };
        let again = !run.is_stopped() && group.touched(task.index).used < group.template.max_retries;
        if again { Outcome::Retry } else { Outcome::Errored }
    }

    /// The next try of a task in RETRY is due when it has waited since its last attempt, the `failed`th. That is stored
    /// on the wall clock, as it outlives the boot; the wait is never longer than it should be.
    pub(super) fn retry_after(&mut self, id: DagRunId, task: TaskId, failed: u32, stop: Wall) {
        let now = self.scratch.now;
        let Some(run) = self.runs.get(&id).filter(|run| run.task(task) == Some(State::Retry)) else { return };
        let Some(group) = run.group(task.group) else { return };
        let passed = (now.wall - stop).to_std().unwrap_or(Duration::ZERO);
        let rest = group.template.retry_wait(failed).saturating_sub(passed);
        if rest.is_zero() {
            self.retry_due(id, task);
        } else {
            self.alarms.set(Alarm::Retry(id, task), now.mono + rest);
        }
    }

    /// A task in RETRY has waited long enough.
    pub(super) fn retry_due(&mut self, id: DagRunId, task: TaskId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.task(task) != Some(State::Retry) {
            return;
        }
        let Some(group) = run.group_mut(task.group) else { return };
        let touched = group.touched(task.index);
        group.touch(task.index, Touched { due: true, ..touched });
        run.repeat(task);
        self.scratch.touched.insert(id);
    }

    /// Nothing is left of an attempt that has ended.
    pub(super) fn gone(&mut self, slot: RunId) {
        if self.lives.get(&slot).is_none_or(|live| !live.attempt.ended) {
            return;
        }
        let Some(Live { attempt, .. }) = self.lives.remove(&slot) else { return };
        self.leftovers.remove(&slot);
        self.alarms.clear(Alarm::Force(slot));
        self.scratch.write(Write::DeleteLive(slot));
        self.scratch.touched.insert(attempt.run);
        if let Some(run) = self.runs.get_mut(&attempt.run) {
            run.live.remove(&(attempt.task, slot));
            run.repeat(attempt.task);
        }
    }
}

fn is_kill(doom: &Doom) -> bool {
    matches!(doom, Doom::Killed(_))
}
