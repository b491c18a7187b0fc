//! What becomes of firings that meet an earlier run, or that nobody was there to hear: the choices there are, and how
//! those that do not run are counted. What then happens is decided by whoever has a schedule.

use super::cron::Cron;
use super::zone::Zone;
use crate::base::Wall;
use chrono::TimeDelta;

/// How late a firing may be and still simply run: as long as it is in its minute.
pub const LATE: TimeDelta = TimeDelta::seconds(60);
/// A clock that goes back further than this had been wrong before. Vixie cron draws the line there too.
pub const WRONG_CLOCK: TimeDelta = TimeDelta::hours(3);
/// How many firings of one stretch are counted one by one.
const COUNTED: usize = 50_000;

/// What a firing does while an earlier run is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out, which the history shows.
    #[default]
    Skip,
    /// It runs when the earlier ones are over, one after the other.
    Queue,
    /// It runs beside them.
    Allow,
    /// It ends them and runs.
    Replace,
}

impl Overlap {
    /// The words for it.
    pub const WORDS: [(&str, Overlap); 4] =
        [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("allow", Overlap::Allow), ("replace", Overlap::Replace)];
}

/// What becomes of firings missed while nothing was there to hear them.
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

impl CatchUp {
    /// The words for it.
    pub const WORDS: [(&str, CatchUp); 3] = [("none", CatchUp::None), ("last", CatchUp::Last), ("all", CatchUp::All)];
}

/// Firings in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub first: Wall,
    /// The last.
    pub last: Wall,
    /// How many, as far as they were counted.
    pub count: u32,
    /// Whether there were more than were counted.
    pub more: bool,
}

impl Stretch {
    /// The firings after `after` and up to `until`; none: there are none. A long one is counted up to a bound.
    pub fn of(cron: &Cron, zone: Zone, after: Wall, until: Wall) -> Option<Stretch> {
        let mut firings = cron.missed(after, until, zone);
        let first = firings.next()?;
        let (mut last, mut count) = (first, 1);
        for firing in firings.by_ref().take(COUNTED - 1) {
            (last, count) = (firing, count + 1);
        }
        let more = firings.next().is_some();
        if more {
            last = last_firing(cron, zone, last, until).unwrap_or(last);
        }
        Some(Stretch { first, last, count, more })
    }
}

/// The last firing after `after` and up to `until`, found by halving: a year of minutes takes some thirty looks.
pub fn last_firing(cron: &Cron, zone: Zone, after: Wall, until: Wall) -> Option<Wall> {
    let next = |after: Wall| cron.next_after(after, zone).filter(|next| *next <= until);
    let mut last = next(after)?;
    let mut end = until;
    while end - last > TimeDelta::seconds(1) {
        let middle = last + (end - last) / 2;
        match next(middle) {
            Some(later) => last = later,
            None => end = middle,
        }
    }
    Some(last)
}

/// A moment between a firing and the one before it: firings are whole minutes.
pub fn just_before(firing: Wall) -> Wall {
    firing.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(firing)
}
