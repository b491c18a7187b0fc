//! Stored DAGs and their schedules: which firings become runs, and the account of those that do not.
//!
//! The cursor of a schedule only moves forward over its moments, so no firing is decided twice, whatever the wall clock
//! does: set back by less than [`WRONG_CLOCK`], the same wall times pass once more without firing; set back by more, the
//! clock had been wrong and the schedule begins anew. A firing that is noticed later than [`LATE`] was missed (outage,
//! suspended host, clock set forward) and is treated by `catch_up`.
//!
//! Firings that wait (`overlap = queue`, `catch_up`) are owed: stretches of the schedule, not lists, so a month of them
//! takes no room. They run one after the other, each when the last run of its DAG is over; while any is owed, those that
//! come due line up behind it.

use super::AT_ONCE;
use crate::base::{Now, Timers, Wall};
use crate::dag::model::{Blueprint, DagName, DagRunId, Owner};
use crate::schedule::{CatchUp, Cron, LATE, Overlap, Stretch, WRONG_CLOCK, Zone, just_before, last_firing};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A stored DAG.
#[derive(Clone, Debug, PartialEq)]
pub struct Dag {
    /// Its name.
    pub name: DagName,
    /// The specification's text.
    pub text: Arc<str>,
    /// Compiled with the schedule's parameters: what a firing runs.
    pub blueprint: Arc<Blueprint>,
    /// That, as text.
    pub fired_text: Arc<str>,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// Who stored it last: its runs have his rights.
    pub owner: Arc<Owner>,
    /// The uid its commands run as.
    pub runs_as: u32,
}

/// When a stored DAG runs by itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The moments.
    pub cron: Cron,
    /// In which zone; and whether the client named it (else the host's).
    pub zone: Zone,
    /// See there.
    pub zone_given: bool,
    /// What a firing does while an earlier run of this DAG is not over.
    pub overlap: Overlap,
    /// What becomes of firings missed while nobody was there.
    pub catch_up: CatchUp,
    /// Parameters over the specification's.
    pub parameters: Map<String, Value>,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Schedule) -> bool {
        self.cron.text() == other.cron.text()
            && (self.zone, self.zone_given, self.overlap, self.catch_up)
                == (other.zone, other.zone_given, other.overlap, other.catch_up)
            && self.parameters == other.parameters
    }
}

/// What is stored of a DAG beside its text.
#[derive(Clone, Debug, PartialEq)]
pub struct DagRow {
    /// Its name.
    pub name: DagName,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// Who stored it last.
    pub owner: Arc<Owner>,
    /// The uid its commands run as.
    pub runs_as: u32,
    /// How far its schedule has been decided, and what of that is still owed.
    pub cursor: Option<Cursor>,
}

/// How far a schedule has been decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Through this moment.
    pub decided: Wall,
    /// Of that, stretches of which every firing is still to run: after, through.
    pub owed: Vec<(Wall, Wall)>,
}

/// A stored DAG as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDag {
    /// Compiled again.
    pub dag: Dag,
    /// How far its schedule had been decided.
    pub cursor: Option<Cursor>,
}

/// What became of firings: one line of the list, for a whole stretch of them where they did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiringRow {
    /// The moment it was due; of a stretch, the first.
    pub at: Wall,
    /// Of a stretch, the last.
    pub last: Wall,
    /// How many, as far as they were counted.
    pub count: u32,
    /// What.
    pub what: Fired,
}

/// What became of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// It made this run.
    Run(DagRunId),
    /// Left out: an earlier run was not over.
    Skipped,
    /// Missed: nobody was there, or the clock jumped over it.
    Missed,
}

/// What the calendar has decided.
#[derive(Debug, Default, PartialEq)]
pub struct Decided {
    /// Runs to make, in this order.
    pub fire: Vec<Fire>,
    /// DAGs whose row has changed.
    pub rows: Vec<DagRow>,
    /// Firings that will not run.
    pub not: Vec<(DagName, FiringRow)>,
}

/// A firing that makes a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Fire {
    /// Of which DAG.
    pub dag: Arc<Dag>,
    /// When it was due.
    pub due: Wall,
    /// The DAG's runs that are not over are killed first.
    pub replace: bool,
}

/// After so many firings, counted or run, a tick leaves the rest to the next one.
const PER_TICK: usize = 10_000;

/// All stored DAGs, and when which is due.
#[derive(Debug)]
pub struct Calendar {
    dags: BTreeMap<String, Known>,
    /// Which is to be looked at when.
    due: Timers<Wall, DagName>,
    /// The wall clock at the last tick.
    clock: Wall,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar { dags: BTreeMap::new(), due: Timers::default(), clock: Wall::MIN_UTC }
    }
}

/// A stored DAG, and how far its schedule has been decided. There is a cursor where there is a schedule.
#[derive(Debug)]
struct Known {
    dag: Arc<Dag>,
    cursor: Option<Cursor>,
}

impl Known {
    fn row(&self) -> DagRow {
        DagRow {
            name: self.dag.name.clone(),
            schedule: self.dag.schedule.clone(),
            owner: self.dag.owner.clone(),
            runs_as: self.dag.runs_as,
            cursor: self.cursor.clone(),
        }
    }

    /// The next moment that was not decided yet.
    fn next(&self) -> Option<Wall> {
        let (schedule, cursor) = (self.dag.schedule.as_ref()?, self.cursor.as_ref()?);
        schedule.next_after(cursor.decided)
    }
}

impl Calendar {
    /// The calendar of a start. What was missed is decided by the first tick.
    pub fn recover(stored: Vec<StoredDag>, now: Now) -> Calendar {
        let mut calendar = Calendar { clock: now.wall, ..Calendar::default() };
        for StoredDag { dag, cursor } in stored {
            let name = dag.name.clone();
            let known = |cursor: &Cursor| !is_wrong(cursor, now.wall);
            let cursor = dag.schedule.as_ref().map(|_| cursor.filter(known).unwrap_or_else(|| Cursor::at(now.wall)));
            // The run that what is owed was waiting for may have ended while nobody was there.
            let owes = cursor.as_ref().is_some_and(|cursor| !cursor.owed.is_empty());
            calendar.dags.insert(name.to_string(), Known { dag: Arc::new(dag), cursor });
            calendar.set_due(&name, owes.then_some(now.wall));
        }
        calendar
    }

    /// Stores or replaces a DAG. A schedule that has changed begins now, and what was owed to the old one is forgotten.
    pub fn put(&mut self, dag: Dag, now: Now) -> DagRow {
        let (name, before) = (dag.name.clone(), self.take(&dag.name));
        let moments = |dag: &Dag| dag.schedule.as_ref().map(|schedule| (schedule.cron.clone(), schedule.zone));
        let cursor = before.filter(|known| moments(&known.dag) == moments(&dag)).and_then(|known| known.cursor);
        let cursor = dag.schedule.as_ref().map(|_| cursor.unwrap_or_else(|| Cursor::at(now.wall)));
        let known = Known { dag: Arc::new(dag), cursor };
        let row = known.row();
        self.dags.insert(name.to_string(), known);
        self.set_due(&name, None);
        row
    }

    /// Forgets a DAG. False: there is none of this name.
    pub fn remove(&mut self, name: &DagName) -> bool {
        self.take(name).is_some()
    }

    fn take(&mut self, name: &DagName) -> Option<Known> {
        self.due.clear(name.clone());
        self.dags.remove(name.as_str())
    }

    /// A stored DAG.
    pub fn get(&self, name: &str) -> Option<&Arc<Dag>> {
        self.dags.get(name).map(|known| &known.dag)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dag>> {
        self.dags.values().map(|known| &known.dag)
    }

    /// The next moments a DAG is due, at most `count`; owed ones are not among them.
    pub fn next_firings(&self, name: &str, after: Wall, count: usize) -> Vec<Wall> {
        let Some(known) = self.dags.get(name) else { return Vec::new() };
        let (Some(schedule), Some(cursor)) = (&known.dag.schedule, &known.cursor) else { return Vec::new() };
        let after = after.max(cursor.decided);
        schedule.cron.missed(after, Wall::MAX_UTC, schedule.zone).take(count).collect()
    }

    /// When [`Calendar::tick`] is owed. When the wall clock is set, at once.
    pub fn deadline(&self) -> Option<Wall> {
        self.due.next()
    }

    /// Decides every firing that is due by now; `busy` is how many runs of a DAG are not over. What is too much for one
    /// tick stays due.
    pub fn tick(&mut self, now: Now, busy: &dyn Fn(&DagName) -> usize) -> Decided {
        let mut decided = Decided::default();
        if now.wall < self.clock {
            self.clock_went_back(now.wall, &mut decided);
        }
        self.clock = now.wall;
        let mut counted = 0;
        while decided.fire.len() < AT_ONCE as usize && counted < PER_TICK {
            let Some(name) = self.due.pop(now.wall) else { break };
            counted += 1;
            let row = self.look(&name, &mut decided, |look| {
                look.busy = busy(&name) > 0;
                look.decide(now.wall);
                look.run_owed();
                counted += look.counted;
            });
            decided.rows.extend(row);
            self.set_due(&name, None);
        }
        decided
    }

    /// The last run of a DAG is over: what is owed may run. What is due is left to the tick.
    pub fn idle(&mut self, name: &DagName) -> Decided {
        let mut decided = Decided::default();
        let row = self.look(name, &mut decided, |look| look.run_owed());
        decided.rows.extend(row);
        decided
    }

    /// Sets the moment of the next look: that of the next firing, or an earlier one.
    fn set_due(&mut self, name: &DagName, earlier: Option<Wall>) {
        let next = || self.dags.get(name.as_str()).and_then(Known::next);
        match earlier.or_else(next) {
            Some(due) => self.due.set(name.clone(), due),
            None => self.due.clear(name.clone()),
        }
    }

    /// Looks at one schedule. Its row, if its cursor has moved.
    fn look(&mut self, name: &DagName, decided: &mut Decided, look: impl FnOnce(&mut Look<'_>)) -> Option<DagRow> {
        let known = self.dags.get_mut(name.as_str())?;
        let (Some(schedule), Some(cursor)) = (&known.dag.schedule, &mut known.cursor) else { return None };
        let before = cursor.clone();
        look(&mut Look { dag: &known.dag, schedule, cursor, busy: false, counted: 0, decided });
        let moved = *cursor != before;
        moved.then(|| known.row())
    }

    /// The wall clock was set back. Cursors that are too far ahead belong to a clock that was wrong.
    fn clock_went_back(&mut self, now: Wall, decided: &mut Decided) {
        let wrong = |known: &&mut Known| known.cursor.as_ref().is_some_and(|cursor| is_wrong(cursor, now));
        let mut anew = Vec::new();
        for known in self.dags.values_mut().filter(wrong) {
            known.cursor = Some(Cursor::at(now));
            decided.rows.push(known.row());
            anew.push(known.dag.name.clone());
        }
        anew.iter().for_each(|name| self.set_due(name, None));
    }
}

impl Cursor {
    /// What lies before is nobody's business.
    fn at(decided: Wall) -> Cursor {
        Cursor { decided, owed: Vec::new() }
    }
}

fn is_wrong(cursor: &Cursor, now: Wall) -> bool {
    cursor.decided - now > WRONG_CLOCK
}

/// One schedule while it is looked at.
struct Look<'a> {
    dag: &'a Arc<Dag>,
    schedule: &'a Schedule,
    cursor: &'a mut Cursor,
    /// A run of this DAG is not over, or was just decided.
    busy: bool,
    /// Firings that were counted one by one.
    counted: usize,
    decided: &'a mut Decided,
}

impl Look<'_> {
    /// Decides every firing that is due by now.
    fn decide(&mut self, now: Wall) {
        let horizon = now.checked_sub_signed(LATE).unwrap_or(Wall::MIN_UTC);
        while let Some(next) = self.schedule.next_after(self.cursor.decided).filter(|next| *next <= now) {
            if next <= horizon { self.missed(horizon) } else { self.due(next) }
        }
    }

    /// One firing, in time.
    fn due(&mut self, at: Wall) {
        let before = std::mem::replace(&mut self.cursor.decided, at);
        let waits = self.busy && self.schedule.overlap == Overlap::Queue || !self.cursor.owed.is_empty();
        match self.schedule.overlap {
            _ if waits => self.owe(before, at),
            Overlap::Skip if self.busy => self.leave_out(before, at, Fired::Skipped),
            Overlap::Replace => self.fire(at, self.busy),
            Overlap::Skip | Overlap::Queue | Overlap::Allow => self.fire(at, false),
        }
    }

    /// The firings up to `until` were missed, and there is at least one.
    fn missed(&mut self, until: Wall) {
        let last = last_firing(&self.schedule.cron, self.schedule.zone, self.cursor.decided, until).unwrap_or(until);
        let before = std::mem::replace(&mut self.cursor.decided, last);
        match self.schedule.catch_up {
            CatchUp::None => self.leave_out(before, last, Fired::Missed),
            CatchUp::Last => {
                let but_one = just_before(last);
                self.leave_out(before, but_one, Fired::Missed);
                self.owe(but_one, last);
            }
            CatchUp::All => self.owe(before, last),
        }
    }

    fn fire(&mut self, due: Wall, replace: bool) {
        self.busy = true;
        self.decided.fire.push(Fire { dag: self.dag.clone(), due, replace });
    }

    /// Notes firings that are to run when there is room for them.
    fn owe(&mut self, after: Wall, through: Wall) {
        match self.cursor.owed.last_mut() {
            Some(last) if last.1 == after => last.1 = through,
            _ => self.cursor.owed.push((after, through)),
        }
    }

    /// Runs the oldest firing that is owed, unless a run is not over.
    fn run_owed(&mut self) {
        while let Some((after, through)) = self.cursor.owed.first_mut().filter(|_| !self.busy) {
            let next = self.schedule.next_after(*after).filter(|next| next <= through);
            match next {
                Some(next) if next < *through => *after = next,
                _ => drop(self.cursor.owed.remove(0)),
            }
            if let Some(next) = next {
                self.fire(next, false);
            }
        }
    }

    /// Accounts for the firings after `after` and up to `until`, which do not run, as one line of the list.
    fn leave_out(&mut self, after: Wall, until: Wall, what: Fired) {
        let stretch = Stretch::of(&self.schedule.cron, self.schedule.zone, after, until);
        let Some(Stretch { first: at, last, count, .. }) = stretch else { return };
        self.counted += count as usize;
        self.decided.not.push((self.dag.name.clone(), FiringRow { at, last, count, what }));
    }
}

impl Schedule {
    fn next_after(&self, after: Wall) -> Option<Wall> {
        self.cron.next_after(after, self.zone)
    }
}
