//! Stored DAGs and their schedules: which firings become runs.

use crate::base::{Now, Wall};
use crate::dag::model::{Blueprint, DagName, DagRunId, Owner};
use crate::schedule::{Cron, Zone};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

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

/// What a firing does while an earlier run of its DAG is not over (a paused one is not over).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out, which the list of firings shows.
    #[default]
    Skip,
    /// It runs when the earlier ones are over, one after the other.
    Queue,
    /// It runs beside them.
    Allow,
    /// It kills them and runs.
    Replace,
}

/// What becomes of missed firings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They stay missed.
    #[default]
    None,
    /// The last one runs.
    Last,
    /// All run, one after the other.
    All,
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

/// All stored DAGs, and when which is due.
#[derive(Debug, Default)]
pub struct Calendar {}

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

/// How late a firing may be and still simply run: as long as it is in its minute.
pub const LATE: Duration = Duration::from_secs(60);

impl Calendar {
    /// The calendar of a start. What was missed is decided by the first tick.
    pub fn recover(stored: Vec<StoredDag>, now: Now) -> Calendar {
        let _ = (stored, now);
        unimplemented!()
    }

    /// Stores or replaces a DAG. A schedule that has changed begins now.
    pub fn put(&mut self, dag: Dag, now: Now) -> DagRow {
        let _ = (dag, now);
        unimplemented!()
    }

    /// Forgets a DAG. False: there is none of this name.
    pub fn remove(&mut self, name: &DagName) -> bool {
        let _ = name;
        unimplemented!()
    }

    /// A stored DAG.
    pub fn get(&self, name: &str) -> Option<&Arc<Dag>> {
        let _ = name;
        unimplemented!()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dag>> {
        std::iter::empty()
    }

    /// The next moments a DAG is due, at most `count`; owed ones are not among them.
    pub fn next_firings(&self, name: &str, after: Wall, count: usize) -> Vec<Wall> {
        let _ = (name, after, count);
        unimplemented!()
    }

    /// When [`Calendar::tick`] is owed. When the wall clock is set, at once.
    pub fn deadline(&self) -> Option<Wall> {
        unimplemented!()
    }

    /// Decides every firing that is due by now; `busy` is how many runs of a DAG are not over.
    pub fn tick(&mut self, now: Now, busy: &dyn Fn(&DagName) -> usize) -> Decided {
        let _ = (now, busy);
        unimplemented!()
    }

    /// The last run of a DAG is over: what is owed may run.
    pub fn idle(&mut self, name: &DagName, now: Now) -> Decided {
        let _ = (name, now);
        unimplemented!()
    }
}
