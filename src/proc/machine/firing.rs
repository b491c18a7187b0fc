//! Cron tasks: which firings run, and the account of those that do not.
//!
//! The cursor of a task only moves forward over the moments of its schedule, so no firing is decided twice, whatever
//! the wall clock does: set back by less than [`WRONG_CLOCK`], the same wall times pass once more without firing; set
//! back by more, the clock had been wrong and the schedule begins anew. A firing that is noticed later than
//! [`LATE`] was missed (outage, suspended host, clock set forward) and is treated by `catch_up`.
//!
//! Firings that wait (`overlap = queue`, `catch_up`) are owed: stretches of the schedule, not lists, so a month of
//! them takes no room.

use super::Room;
use super::stored::{Cursor, Owed, Seats};
use super::task::Task;
use super::words::{What, Write};
use crate::base::Wall;
use crate::proc::model::{Firing, Incarnation, NotRun, StartedBy, StoppedBy, TaskName};
use crate::schedule::{CatchUp, LATE, Overlap, Stretch, WRONG_CLOCK, just_before, last_firing};
use chrono::TimeDelta;
use std::collections::VecDeque;
use std::time::Duration;

impl Room {
    /// The schedule of a task begins now: what lies before is nobody's business.
    pub(super) fn schedule_from_now(&mut self, incarnation: Incarnation) {
        let decided = self.scratch.now.wall;
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.standing.cursor = Some(Cursor { decided, owed: VecDeque::new() });
        self.scratch.standings.insert(incarnation);
        self.set_firing(incarnation);
    }

    /// Sets the deadline of the next firing.
    pub(super) fn set_firing(&mut self, incarnation: Incarnation) {
        let next = self.tasks.get(&incarnation).filter(|task| !task.standing.stopped).and_then(next_firing);
        match next {
            Some((_, due)) => self.firings.set(incarnation, due),
            None => self.firings.clear(incarnation),
        }
    }

    /// Decides every firing that is due by now.
    pub(super) fn look_at_schedule(&mut self, incarnation: Incarnation) {
        let now = self.scratch.now.wall;
        loop {
            let Some(task) = self.tasks.get(&incarnation).filter(|task| !task.standing.stopped) else { return };
            let Some((next, _)) = next_firing(task).filter(|(_, due)| *due <= now) else { break };
            let jitter = task.definition().schedule().map_or(Duration::ZERO, |schedule| schedule.jitter);
            let horizon = now.checked_sub_signed(LATE + delta(jitter)).unwrap_or(Wall::MIN_UTC);
            if next <= horizon {
                self.missed(incarnation, horizon);
            } else {
                self.fire(incarnation, next);
            }
        }
        self.set_firing(incarnation);
    }

    /// One firing, in time.
    fn fire(&mut self, incarnation: Incarnation, at: Wall) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let Some(schedule) = task.definition().schedule() else { return };
        let overlap = schedule.overlap;
        let backlog = task.standing.cursor.as_ref().is_some_and(|cursor| !cursor.owed.is_empty());
        let (queued, busy) = (task.standing.queued.is_some(), task.tally.busy > 0);
        let before = self.decide(incarnation, at);
        match overlap {
            _ if backlog => self.owe(incarnation, before, at),
            Overlap::Queue if queued || busy => self.owe(incarnation, before, at),
            Overlap::Skip | Overlap::Allow | Overlap::Replace if queued => {
                self.account(incarnation, before, at, NotRun::StillQueued);
            }
            Overlap::Skip if busy => self.account(incarnation, before, at, NotRun::StillRunning),
            Overlap::Allow if busy => self.begin_beside(incarnation, StartedBy::Schedule(at)),
            Overlap::Replace if busy => {
                self.clear_task(incarnation, &StoppedBy::Replaced);
                self.launch_task(incarnation, StartedBy::Schedule(at), Seats::Idle);
            }
            Overlap::Skip | Overlap::Queue | Overlap::Allow | Overlap::Replace => {
                self.launch_task(incarnation, StartedBy::Schedule(at), Seats::Idle);
            }
        }
    }

    /// The firings up to `until` were missed, and there is at least one.
    fn missed(&mut self, incarnation: Incarnation, until: Wall) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let (Some(schedule), Some(cursor)) = (task.definition().schedule(), &task.standing.cursor) else { return };
        let last = last_firing(&schedule.cron, schedule.zone, cursor.decided, until).unwrap_or(until);
        let catch_up = schedule.catch_up;
        let before = self.decide(incarnation, last);
        let but_one = just_before(last);
        match catch_up {
            CatchUp::None => self.account(incarnation, before, last, NotRun::Missed),
            CatchUp::Last => {
                self.account(incarnation, before, but_one, NotRun::Missed);
                self.owe(incarnation, but_one, last);
            }
            CatchUp::All => self.owe(incarnation, before, last),
        }
    }

    /// Moves the cursor; answers where it was.
    fn decide(&mut self, incarnation: Incarnation, through: Wall) -> Wall {
        self.scratch.standings.insert(incarnation);
        let cursor = self.tasks.get_mut(&incarnation).and_then(|task| task.standing.cursor.as_mut());
        cursor.map_or(through, |cursor| std::mem::replace(&mut cursor.decided, through))
    }

    /// A firing has run: it and those before it are neither to come nor owed.
    pub(super) fn has_fired(&mut self, incarnation: Incarnation, at: Wall) {
        let cursor = self.tasks.get_mut(&incarnation).and_then(|task| task.standing.cursor.as_mut());
        let Some(cursor) = cursor else { return };
        cursor.decided = cursor.decided.max(at);
        while let Some(owed) = cursor.owed.front_mut().filter(|owed| owed.after < at) {
            if at < owed.through {
                owed.after = at;
                break;
            }
            cursor.owed.pop_front();
        }
        self.scratch.standings.insert(incarnation);
    }

    /// Notes firings that are to run when there is room for them.
    fn owe(&mut self, incarnation: Incarnation, after: Wall, through: Wall) {
        let cursor = self.tasks.get_mut(&incarnation).and_then(|task| task.standing.cursor.as_mut());
        let Some(cursor) = cursor else { return };
        match cursor.owed.back_mut() {
            Some(last) if last.through == after => last.through = through,
            _ => cursor.owed.push_back(Owed { after, through }),
        }
        self.scratch.idle.insert(incarnation);
    }

    /// What is queued or owed to a schedule will not run after all.
    pub(super) fn waive(&mut self, incarnation: Incarnation, owed_too: bool) {
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        let mut waived = Vec::new();
        self.scratch.changed.insert(task.name().clone());
        if let Some(StartedBy::Schedule(at)) = task.standing.queued.take().map(|queued| queued.by) {
            waived.push(Owed { after: just_before(at), through: at });
        }
        if let Some(cursor) = task.standing.cursor.as_mut().filter(|_| owed_too) {
            waived.extend(cursor.owed.drain(..));
        }
        for Owed { after, through } in waived {
            self.account(incarnation, after, through, NotRun::Stopped);
        }
    }

    /// Runs the oldest firing that is owed, if there is room for it.
    pub(super) fn run_owed(&mut self, incarnation: Incarnation) {
        if self.is_ending() {
            return;
        }
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        if task.standing.stopped || task.standing.queued.is_some() || task.tally.busy > 0 {
            return;
        }
        let definition = task.definition().clone();
        let (Some(schedule), Some(cursor)) = (definition.schedule(), task.standing.cursor.as_mut()) else { return };
        while let Some(owed) = cursor.owed.front_mut() {
            let next = schedule.cron.next_after(owed.after, schedule.zone).filter(|next| *next <= owed.through);
            match next {
                Some(next) if next < owed.through => owed.after = next,
                _ => drop(cursor.owed.pop_front()),
            }
            if let Some(next) = next {
                self.scratch.standings.insert(incarnation);
                return self.launch_task(incarnation, StartedBy::Schedule(next), Seats::Idle);
            }
        }
    }

    /// Accounts for the firings after `after` and up to `until` that do not run, as one line of the history.
    pub(super) fn account(&mut self, incarnation: Incarnation, after: Wall, until: Wall, why: NotRun) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let Some(schedule) = task.definition().schedule() else { return };
        let stretch = Stretch::of(&schedule.cron, schedule.zone, after, until);
        let Some(Stretch { first, last, count, more }) = stretch else { return };
        let (name, owner) = (task.name().clone(), task.runs_as());
        let firing = Firing { first, last, count, more, why };
        self.change(&name, owner, What::NotFired(firing.clone()));
        self.write(Write::PutFiring { incarnation, name, firing });
    }

    /// The wall clock was set back. Cursors that are too far ahead belong to a clock that was wrong.
    pub(super) fn clock_went_back(&mut self) {
        let now = self.scratch.now.wall;
        let wrong = |task: &&Task| {
            let decided = task.standing.cursor.as_ref().map(|cursor| cursor.decided);
            decided.is_some_and(|decided| decided - now > WRONG_CLOCK)
        };
        let wrong: Vec<_> = self.tasks.values().filter(wrong).map(Task::incarnation).collect();
        wrong.into_iter().for_each(|incarnation| self.schedule_from_now(incarnation));
    }
}

/// The next firing of a task that was not decided yet, and when it is due with its jitter.
fn next_firing(task: &Task) -> Option<(Wall, Wall)> {
    let (schedule, cursor) = (task.definition().schedule()?, task.standing.cursor.as_ref()?);
    let next = schedule.cron.next_after(cursor.decided, schedule.zone)?;
    let due = next.checked_add_signed(delta(jitter(task.name(), next, schedule.jitter)))?;
    Some((next, due))
}

/// How much later than its moment a firing starts: spread evenly below `most`, and the same whenever it is asked.
///
/// The bits are FNV-1a over the name and the moment (`http://www.isthe.com/chongo/tech/comp/fnv/`), finished by
/// the mixing step of `SplitMix64` so that neighbouring moments do not end up side by side.
fn jitter(name: &TaskName, at: Wall, most: Duration) -> Duration {
    let Some(most) = u64::try_from(most.as_millis()).ok().filter(|most| *most > 0) else { return Duration::ZERO };
    let bytes = name.as_str().bytes().chain(at.timestamp().to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis((mixed ^ (mixed >> 31)) % most)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(365))
}
