//! Files that look otherwise than they should, but only just: they are left alone for a moment before anybody hears of it.
//! Who writes a file anew empties it first, and who replaces one may remove it first: neither says anything of what it
//! will be.
//!
//! ```text
//!   (none) ── gone, or changed just now ──> doubted ── as it should be ──────────────> (none)
//!                                             │ `── changed long enough ago, still gone, or doubted for too long ──> told
//!                                             `── after a moment: another look
//! ```

use super::looks::Other;
use super::wanted::{Names, Wants};
use crate::base::Wall;
use crate::hub::model::{ItemNo, Look, TagNo};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What did not change for so long is believed.
const SETTLED: Duration = Duration::from_millis(100);
/// What changes all the time is told after so long.
const LONGEST: Duration = Duration::from_millis(400);
/// Of so many files at most; where more change at once, the rest is told at once.
const MOST: usize = 1024;

/// One of them.
#[derive(Debug)]
struct Doubt {
    item: ItemNo,
    file: Arc<str>,
    /// Whether it was gone when it was looked at last.
    missing: bool,
    /// Since when it looks strange, and since when it does as it did last.
    first: Instant,
    since: Instant,
    /// When it is looked at again; none: that was asked for.
    again: Option<Instant>,
}

/// Those of one pool.
#[derive(Debug, Default)]
pub(super) struct Doubts(HashMap<TagNo, Doubt>);

impl Doubts {
    /// Keeps back what is to be looked at again; what is left is to be told.
    pub(super) fn keep_back(&mut self, others: &mut Vec<Other>, now: Instant, wall: Wall) {
        others.retain(|other| !self.doubts(other, now, wall));
    }

    /// Whether a file is left alone for now.
    fn doubts(&mut self, other: &Other, now: Instant, wall: Wall) -> bool {
        if !is_fresh(other, wall) {
            self.0.remove(&other.tag);
            return false;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&other.tag) {
            return false;
        }
        let missing = other.look == Look::Missing;
        let (item, file) = (other.item, Arc::clone(&other.file));
        let new = || Doubt { item, file, missing, first: now, since: now, again: None };
        let doubt = self.0.entry(other.tag).or_insert_with(new);
        if doubt.missing != missing {
            (doubt.missing, doubt.since) = (missing, now);
        }
        let is_over = now - doubt.first >= LONGEST || missing && now - doubt.since >= SETTLED;
        doubt.again = Some(now + SETTLED);
        if is_over {
            self.0.remove(&other.tag);
        }
        !is_over
    }

    /// When something is to be looked at again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|doubt| doubt.again).min()
    }

    /// What is to be looked at again now; [`settle`](Self::settle) once that is done.
    pub(super) fn take(&mut self, now: Instant) -> Wants {
        let mut wants = Wants::default();
        for doubt in self.0.values_mut().filter(|doubt| doubt.again.is_some_and(|again| again <= now)) {
            doubt.again = None;
            wants.want(doubt.item, Names::one(Arc::clone(&doubt.file)));
        }
        wants
    }

    /// What was looked at again, and is as it should be, is forgotten.
    pub(super) fn settle(&mut self) {
        self.0.retain(|_, doubt| doubt.again.is_some());
    }

    /// Everything is looked at anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether a file may still be about to become what it will be. Of one that nothing was known of nobody has to wait for that.
fn is_fresh(other: &Other, wall: Wall) -> bool {
    match (&other.known, &other.look) {
        (Some(_), Look::Missing) => true,
        // Every change is dated, but the kernel shows the new length a moment before the new date.
        (Some(Look::There(known)), Look::There(stamp)) if known.ctime == stamp.ctime => true,
        (Some(_), Look::There(stamp)) => age(stamp.ctime, wall) < SETTLED,
        _ => false,
    }
}

/// How long ago something was, in nanoseconds since 1970; what is still to come (another host's clock) is as good as old.
fn age(at: i64, now: Wall) -> Duration {
    let passed = now.timestamp_nanos_opt().unwrap_or(i64::MAX).saturating_sub(at);
    u64::try_from(passed).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::model::{LookedAt, Stamp};

    const START: i64 = 1_700_000_000;

    fn wall(millis: i64) -> Wall {
        Wall::from_timestamp_millis(START * 1000 + millis).unwrap()
    }

    fn other(look: Look) -> Other {
        let (looked, known) = (LookedAt::default(), Some(changed(-60_000)));
        Other { tag: TagNo(1), item: ItemNo(2), file: "a".into(), look, looked, known }
    }

    fn changed(millis: i64) -> Look {
        let ctime = (START * 1000 + millis) * 1_000_000;
        Look::There(Stamp { dev: 1, ino: 2, size: 3, mtime: ctime, ctime })
    }

    /// Whether it is told, so many milliseconds after the start.
    fn told(doubts: &mut Doubts, start: Instant, at: u64, look: Look) -> bool {
        let mut others = vec![other(look)];
        doubts.keep_back(&mut others, start + Duration::from_millis(at), wall(at.cast_signed()));
        !others.is_empty()
    }

    #[test]
    fn what_changed_only_just_is_looked_at_again() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        assert!(!told(&mut doubts, start, 10, changed(0)));
        assert_eq!(doubts.next(), Some(start + Duration::from_millis(110)));
        assert!(doubts.take(start).is_empty(), "not yet");
        let wants = doubts.take(start + SETTLED * 2);
        assert!(wants.items[&ItemNo(2)] == Names::one("a".into()) && doubts.next().is_none(), "once");
        assert!(told(&mut doubts, start, 110, changed(0)));
        assert!(told(&mut doubts, start, 200, changed(90)), "long ago");
        assert!(told(&mut doubts, start, 200, changed(5000)), "another clock");
        assert!(told(&mut doubts, start, 200, Look::NotAFile) && doubts.0.is_empty());
    }

    #[test]
    fn what_is_gone_has_to_be_gone_for_a_moment() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        assert!(!told(&mut doubts, start, 0, Look::Missing));
        assert!(!told(&mut doubts, start, 50, changed(50)), "it is back");
        assert!(!told(&mut doubts, start, 120, Look::Missing), "and gone again");
        assert!(told(&mut doubts, start, 220, Look::Missing));
        // As it should be in between: nobody tells of that.
        assert!(!told(&mut doubts, start, 300, Look::Missing));
        assert!(!doubts.take(start + Duration::from_secs(1)).is_empty());
        doubts.settle();
        assert!(doubts.0.is_empty());
    }

    #[test]
    fn a_change_that_is_not_dated_yet_is_looked_at_again() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        let Look::There(known) = changed(-60_000) else { unreachable!() };
        let emptied = || Look::There(Stamp { size: 0, ..known });
        assert!(!told(&mut doubts, start, 0, emptied()));
        assert!(!told(&mut doubts, start, 110, changed(100)), "now it is");
        assert!(told(&mut doubts, start, 210, changed(100)));
        // A file system that dates nothing: told in the end.
        assert!(!told(&mut doubts, start, 300, emptied()) && told(&mut doubts, start, 700, emptied()));
    }

    #[test]
    fn what_changes_all_the_time_is_told_in_the_end() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        let first = (0..).find(|step| told(&mut doubts, start, step * 30, changed((step * 30).cast_signed()))).unwrap();
        assert_eq!(first * 30, 420);
    }

    #[test]
    fn what_is_not_known_yet_and_what_is_too_much_is_told_at_once() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        let mut others = vec![Other { known: None, ..other(Look::Missing) }];
        others.extend((0..2000).map(|no| Other { tag: TagNo(no), ..other(Look::Missing) }));
        doubts.keep_back(&mut others, start, wall(0));
        assert_eq!((others.len(), doubts.0.len()), (2001 - MOST, MOST));
    }
}
