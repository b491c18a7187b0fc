//! Whose turn it is to be read.

use super::crowds::Crowd;
use crate::base::{Mono, Now, Wall};
use crate::hub::machine::Rules;
use crate::hub::machine::catalogue::Catalogue;
use crate::hub::model::{PoolName, Reason, State, Tag, TagNo};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The longest pause after which a file that could not be read, or was being changed, is read again.
const RETRY: Duration = Duration::from_secs(600);

/// How long the state of a tag waits for its bytes to be compared, where they are few.
const SOON: Duration = Duration::from_millis(500);

/// Why something is read; what comes first is read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Its file changed, or it was never read.
    Urgent,
    /// Somebody waits for it.
    Awaited,
    /// It was not read for long.
    Periodic,
}

/// A tag that is to be read, or is being read.
#[derive(Debug)]
pub(super) struct Wanted {
    urgency: Urgency,
    ticket: u64,
    lane: usize,
    /// It was never read: a job waits for it.
    is_first: bool,
    /// Being read.
    reading: Option<Going>,
    /// Its file changed while it was read.
    pub again: bool,
    /// Until when its state waits for this reading.
    pub doubted: Option<Mono>,
    /// The verifications that wait for it.
    pub waiters: Vec<u64>,
}

/// A reading that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Going {
    /// See [`ReadOrder::number`](crate::hub::machine::ReadOrder::number).
    pub number: u64,
    /// Nobody waits for it.
    pub gently: bool,
}

/// One file of it is read at a time.
#[derive(Debug, Default)]
struct Lane {
    reading: Option<TagNo>,
    queue: BTreeSet<(Urgency, u64, TagNo)>,
    /// Tags that are not wanted otherwise, by when they are to be read again, in milliseconds since 1970.
    due: BTreeSet<(i64, TagNo)>,
}

/// A verification that somebody waits for.
#[derive(Debug)]
pub(super) struct Waiter {
    /// So many tags are still to be read.
    pub left: usize,
    /// So many were.
    pub read: usize,
}

/// What is read, what is to be read, and who waits for it; and when pools were looked at.
#[derive(Debug, Default)]
pub(in crate::hub::machine) struct Verification {
    hash_every: Duration,
    small: u64,
    /// Small files and large ones.
    lanes: [Lane; 2],
    wanted: BTreeMap<TagNo, Wanted>,
    last_ticket: u64,
    last_reading: u64,
    pub(super) waiters: BTreeMap<u64, Waiter>,
    /// Tags whose state waits for their reading, or did, in the order in which it is waited no longer.
    doubts: VecDeque<(Mono, TagNo)>,
    /// When all files of a pool were last looked at once in this life of the daemon.
    pub(super) passes: BTreeMap<PoolName, Mono>,
    /// What is gathered of pools in which many tags have changed.
    pub(super) crowds: BTreeMap<PoolName, Crowd>,
    /// Pools that do not answer.
    pub(super) hanging: BTreeSet<PoolName>,
}

const SMALL: usize = 0;
const LARGE: usize = 1;

impl Verification {
    /// As it is at a start: of what is stored.
    pub(in crate::hub::machine) fn load(rules: &Rules, catalogue: &Catalogue, _: Now) -> Verification {
        let (hash_every, small) = (rules.hash_every, rules.inline_hash_max);
        let mut verification = Verification { hash_every, small, ..Verification::default() };
        catalogue.all_tags().for_each(|tag| verification.list(tag));
        verification
    }

    /// Which lane a tag is read in. What was never read is read by a job: it is large.
    fn lane(&self, tag: &Tag) -> usize {
        match tag.digests.is_some_and(|digests| digests.size <= self.small) {
            true => SMALL,
            false => LARGE,
        }
    }

    /// When a tag is to be read again; none: a look has to find something first. Spread by its number, so that what was
    /// published in one go is not read in one go for ever.
    fn due(&self, tag: &Tag) -> Option<i64> {
        let pause = match &tag.health.state {
            State::Normal | State::Abnormal(Reason::ContentChanged) => self.hash_every,
            State::Pending | State::Abnormal(Reason::Unreadable(_)) => self.hash_every.min(RETRY),
            State::Abnormal(_) => return None,
        };
        let pause = i64::try_from(spread(pause, tag.no).as_millis()).unwrap_or(i64::MAX);
        Some(tag.health.hashed?.timestamp_millis().saturating_add(pause))
    }

    /// Lists a tag by when it is to be read again, unless that is wanted already.
    pub(in crate::hub::machine) fn list(&mut self, tag: &Tag) {
        if let (Some(due), false) = (self.due(tag), self.wanted.contains_key(&tag.no)) {
            let lane = self.lane(tag);
            self.lanes[lane].due.insert((due, tag.no));
        }
    }

    /// Undoes that: before anything of the tag changes.
    pub(in crate::hub::machine) fn unlist(&mut self, tag: &Tag) {
        if let Some(due) = self.due(tag) {
            let lane = self.lane(tag);
            self.lanes[lane].due.remove(&(due, tag.no));
        }
    }

    /// Puts a tag in line, or further to the front; with a verification that waits for it. True: it was being read gently;
    /// that is to be stopped, since somebody waits now.
    pub(super) fn want(&mut self, tag: &Tag, urgency: Urgency, waiter: Option<u64>) -> bool {
        let no = tag.no;
        let Some(wanted) = self.wanted.get_mut(&no) else {
            self.unlist(tag);
            self.last_ticket += 1;
            let (ticket, lane, is_first) = (self.last_ticket, self.lane(tag), tag.digests.is_none());
            let waiters = waiter.into_iter().collect();
            let wanted =
                Wanted { urgency, ticket, lane, is_first, reading: None, again: false, doubted: None, waiters };
            self.lanes[lane].queue.insert((urgency, ticket, no));
            self.wanted.insert(no, wanted);
            return false;
        };
        let lane = &mut self.lanes[wanted.lane];
        let is_disturbed = wanted.reading.is_some_and(|going| going.gently) && waiter.is_some();
        wanted.waiters.extend(waiter);
        match wanted.reading {
            Some(_) if !is_disturbed => wanted.again |= urgency == Urgency::Urgent,
            _ => {
                lane.queue.remove(&(wanted.urgency, wanted.ticket, no));
                wanted.urgency = wanted.urgency.min(urgency);
                lane.queue.insert((wanted.urgency, wanted.ticket, no));
            }
        }
        if is_disturbed {
            (wanted.reading, wanted.again, lane.reading) = (None, false, None);
        }
        is_disturbed
    }

    /// Whether the state of a tag in line may still wait for its bytes: those of small files, for a moment.
    pub(super) fn doubt(&mut self, no: TagNo, now: Mono) -> bool {
        let Some(wanted) = self.wanted.get_mut(&no).filter(|wanted| wanted.lane == SMALL) else { return false };
        let until = *wanted.doubted.get_or_insert_with(|| {
            self.doubts.push_back((now + SOON, no));
            now + SOON
        });
        now < until
    }

    /// It is read once more; its state waits no longer than it would have.
    pub(super) fn doubt_still(&mut self, no: TagNo, until: Option<Mono>) {
        if let Some(wanted) = self.wanted.get_mut(&no) {
            wanted.doubted = until;
        }
    }

    /// Tags whose state has waited for long enough.
    pub(super) fn end_doubts(&mut self, now: Mono) -> Vec<TagNo> {
        let over = self.doubts.partition_point(|(until, _)| *until <= now);
        let over = self.doubts.drain(..over);
        over.filter(|(until, no)| self.wanted.get(no).is_some_and(|wanted| wanted.doubted == Some(*until)))
            .map(|(_, no)| no)
            .collect()
    }

    /// When that is to be asked next.
    pub(in crate::hub::machine) fn next_doubt(&self) -> Option<Mono> {
        self.doubts.front().map(|(until, _)| *until)
    }

    /// Takes a tag out of line: what was wanted, and whether it is being read.
    pub(super) fn give_up(&mut self, no: TagNo) -> Option<(Wanted, bool)> {
        let wanted = self.wanted.remove(&no)?;
        let lane = &mut self.lanes[wanted.lane];
        let is_read = wanted.reading.is_some();
        match is_read {
            true => lane.reading = None,
            false => drop(lane.queue.remove(&(wanted.urgency, wanted.ticket, no))),
        }
        Some((wanted, is_read))
    }

    /// A reading is over: what was wanted with it. None: it was stopped before; another one may go on.
    pub(super) fn finish(&mut self, no: TagNo, number: u64) -> Option<Wanted> {
        self.wanted.get(&no)?.reading.filter(|going| going.number == number)?;
        self.give_up(no).map(|(wanted, _)| wanted)
    }

    /// Tags whose reading begins now. It may be slow where nobody waits, and it is large or was not changed.
    pub(super) fn begin(&mut self) -> Vec<(TagNo, Going)> {
        let mut begun = Vec::new();
        for (number, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.reading.is_none()) {
            let Some((urgency, _, no)) = lane.queue.pop_first() else { continue };
            let Some(wanted) = self.wanted.get_mut(&no) else { continue };
            let is_awaited = wanted.is_first || !wanted.waiters.is_empty();
            let gently = !is_awaited && (urgency == Urgency::Periodic || number == LARGE);
            self.last_reading += 1;
            let going = Going { number: self.last_reading, gently };
            (wanted.reading, lane.reading) = (Some(going), Some(no));
            begun.push((no, going));
        }
        begun
    }

    /// The next tags that are to be read for no other reason than that it is time, of lanes that have nothing else to do.
    pub(super) fn take_due(&self, now: Wall) -> Vec<TagNo> {
        let longest = i64::try_from(self.hash_every.as_millis()).unwrap_or(i64::MAX).saturating_mul(2);
        let now = now.timestamp_millis();
        let due = self.lanes.iter().filter(|lane| lane.is_idle()).filter_map(|lane| {
            let first = lane.due.first().filter(|(due, _)| *due <= now);
            // Read in a future that the clock was set back from.
            let never = || lane.due.last().filter(|(due, _)| *due > now.saturating_add(longest));
            first.or_else(never).map(|(_, no)| *no)
        });
        due.collect()
    }

    /// When the next of them is to be read.
    pub(super) fn next_due(&self, now: Now) -> Option<Mono> {
        let idle = self.lanes.iter().filter(|lane| lane.is_idle());
        let due = idle.filter_map(|lane| lane.due.first()).map(|(due, _)| *due).min()?;
        let rest = due.saturating_sub(now.wall.timestamp_millis()).max(0);
        Some(now.mono + Duration::from_millis(rest.unsigned_abs()))
    }
}

/// A pause that is up to a tenth longer or shorter, always the same for the same number.
fn spread(pause: Duration, no: TagNo) -> Duration {
    let tenth = pause / 10;
    // Neighbours are far apart from each other (Fibonacci hashing).
    let mixed = no.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53;
    let part = tenth.saturating_mul(u32::try_from(mixed).unwrap_or(0)) / 1_024; // of 0 to 2047
    pause - tenth + part
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.reading.is_none() && self.queue.is_empty()
    }
}

/// What tests look at.
#[cfg(test)]
impl Verification {
    /// Whether a tag is in line or being read.
    pub(in crate::hub::machine) fn is_wanted(&self, no: TagNo) -> bool {
        self.wanted.contains_key(&no)
    }

    /// Whether it is listed by when it is to be read again; asserts that it is so once at most.
    pub(in crate::hub::machine) fn is_listed(&self, no: TagNo) -> bool {
        let listed = self.lanes.iter().flat_map(|lane| &lane.due).filter(|(_, other)| *other == no).count();
        assert!(listed <= 1);
        listed == 1
    }

    /// How many verifications somebody waits for.
    pub(in crate::hub::machine) fn waiting(&self) -> usize {
        self.waiters.len()
    }
}
