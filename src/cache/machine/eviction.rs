//! What may be kept: so many bytes, so many tasks, so long, and never the last of the disk. What was not used for the
//! longest time goes first; what somebody wants, keeps or fetches never does.
//!
//! The length of a content is promised to its fetch before a byte is written, or refused. One that does not say its length
//! is promised nothing, and counts as it grows.

use super::catalogue::First;
use super::fetching::Stop;
use super::removal::Asker;
use super::{Effect, Pressure, Refusal, Room};
use crate::base::Mono;
use crate::cache::model::TaskNo;
use std::collections::VecDeque;
use std::time::Duration;

/// How old a look at the disk may be before another one is taken.
const FRESH: Duration = Duration::from_secs(10);

/// The state of keeping.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// When the next round of collecting is due.
    pub(super) next: Mono,
    /// Bytes that are free on the disk, by the last look and what was written and removed since; and when that was.
    free: Option<(u64, Mono)>,
    /// Fetches that wait for room, in order.
    in_line: VecDeque<TaskNo>,
    collecting: bool,
    /// Too much was kept: it goes on down to the lower mark.
    lowering: bool,
    /// Those who asked to collect, until the disk was looked at.
    asked: Vec<u64>,
    /// The removal that those wait for who asked.
    removal: Option<u64>,
}

/// Whether something fits.
enum Fit {
    Now,
    /// When something else is thrown away.
    Later,
    /// So many bytes are all that can be had.
    Never(u64),
}

impl Keeping {
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.next <= now
    }

    pub(super) fn has_more(&self) -> bool {
        self.collecting || (self.free.is_some() && !self.in_line.is_empty())
    }
}

impl Room {
    pub(super) fn asked_to_collect(&mut self) -> u64 {
        let owed = self.owe();
        self.keeping.asked.push(owed);
        self.plan.effects.push(Effect::Measure);
        owed
    }

    pub(super) fn measured(&mut self, Pressure { free }: Pressure) {
        self.keeping.free = Some((free, self.now.mono));
        self.begin_collecting();
    }

    pub(super) fn begin_collecting(&mut self) {
        self.keeping.collecting = true;
        let asked = std::mem::take(&mut self.keeping.asked);
        if asked.is_empty() {
            return;
        }
        match self.keeping.removal {
            Some(removal) => self.removing.join(removal, asked),
            None => {
                let removal = self.removing.begin(Asker::Collect(asked), VecDeque::new(), true);
                self.keeping.removal = Some(removal);
            }
        }
    }

    /// Throws away what is old or too much, as much as fits the plan.
    pub(super) fn collect(&mut self) {
        while self.keeping.collecting && self.has_room() {
            let mut next = self.catalogue.expired(self.now.wall, &mut self.looks);
            if next == First::Nothing && self.is_too_much() {
                next = self.catalogue.oldest(&mut self.looks);
            }
            match next {
                First::This(no) => self.evict(no, self.keeping.removal),
                First::Tired => return,
                First::Nothing => {
                    self.keeping.collecting = false;
                    self.keeping.lowering = false;
                    if let Some(removal) = self.keeping.removal.take() {
                        self.removing.close(removal);
                        self.end_removal(removal);
                    }
                }
            }
        }
    }

    /// Throws a task away that nobody wished to be gone.
    fn evict(&mut self, no: TaskNo, removal: Option<u64>) {
        self.plan.evicted += 1;
        self.doom(no, removal);
    }

    /// What was held may have been too much all along; once it is not held any more, for whatever reason, it may go.
    pub(super) fn watch_quota(&mut self) {
        let limit = self.rules.quota.bytes.unwrap_or(u64::MAX);
        self.keeping.collecting |= self.catalogue.kept_bytes() > limit && self.catalogue.free_bytes() > 0;
    }

    fn is_too_much(&mut self) -> bool {
        let quota = self.rules.quota;
        let kept = self.catalogue.kept_bytes();
        let limit = quota.bytes.unwrap_or(u64::MAX);
        self.keeping.lowering |= kept > limit;
        let low = u128::from(limit) * u128::from(quota.low_percent.min(100)) / 100;
        self.catalogue.alive() > quota.tasks
            || (self.keeping.lowering && u128::from(kept) > low)
            || self.disk_left().is_some_and(|left| left < 0)
    }

    /// Bytes on the disk that are nobody's: less than nothing where the rest of it has been touched.
    fn disk_left(&self) -> Option<i128> {
        let (free, _) = self.keeping.free?;
        let going = self.catalogue.doomed_bytes().saturating_sub(self.removing.stuck_bytes());
        let coming = i128::from(free) + i128::from(going);
        Some(coming - i128::from(self.catalogue.unwritten()) - i128::from(self.rules.quota.keep_free))
    }

    /// So much was written since the disk was looked at.
    pub(super) fn written(&mut self, bytes: u64) {
        if let Some((free, _)) = &mut self.keeping.free {
            *free = free.saturating_sub(bytes);
        }
    }

    /// So much was removed since the disk was looked at.
    pub(super) fn freed(&mut self, bytes: u64) {
        if let Some((free, _)) = &mut self.keeping.free {
            *free = free.saturating_add(bytes);
        }
    }

    fn fit(&self, need: u64) -> Fit {
        let limit = self.rules.quota.bytes.unwrap_or(u64::MAX);
        let kept = self.catalogue.kept_bytes();
        let evictable = self.catalogue.free_bytes();
        let left = self.disk_left().unwrap_or(i128::MAX / 2);
        let by_quota = i128::from(limit) - i128::from(kept);
        let need = i128::from(need);
        if need == 0 || need <= left.min(by_quota) {
            return Fit::Now;
        }
        let most = left.min(by_quota) + i128::from(evictable);
        if need <= most { Fit::Later } else { Fit::Never(u64::try_from(most).unwrap_or(0)) }
    }

    /// A fetch knows what it needs.
    pub(super) fn ask_for_room(&mut self, no: TaskNo) {
        if self.keeping.free.is_none_or(|(_, at)| self.now.mono - at > FRESH) {
            self.plan.effects.push(Effect::Measure);
        }
        self.keeping.in_line.push_back(no);
    }

    /// Makes room for those that wait for it, one after the other, as far as the plan has room itself.
    pub(super) fn make_room(&mut self) {
        while self.keeping.free.is_some() && self.has_room() {
            let Some(no) = self.keeping.in_line.front().copied() else { return };
            let Some(need) = self.needed(no) else {
                self.keeping.in_line.pop_front();
                continue;
            };
            match self.fit(need) {
                Fit::Now => {
                    self.keeping.in_line.pop_front();
                    self.proceed(no);
                }
                Fit::Never(available) => {
                    self.keeping.in_line.pop_front();
                    self.stop(no, Stop::Full(full(need, available)));
                }
                Fit::Later => {
                    let limit = self.rules.quota.bytes.unwrap_or(u64::MAX);
                    if self.catalogue.kept_bytes().saturating_add(need) > limit {
                        self.keeping.lowering = true;
                        self.keeping.collecting = true;
                    }
                    let First::This(oldest) = self.catalogue.oldest(&mut self.looks) else { return };
                    self.evict(oldest, None);
                }
            }
        }
    }

    /// The bytes that a waiting fetch needs beyond those that its task takes now.
    fn needed(&self, no: TaskNo) -> Option<u64> {
        let length = self.fetching.waiting(no)?.extent.length.unwrap_or(0);
        Some(length.saturating_sub(self.task(no)?.cached_bytes()))
    }

    /// A content of which nobody knows the end has grown.
    pub(super) fn grown(&mut self, no: TaskNo) {
        let limit = self.rules.quota.bytes.unwrap_or(u64::MAX);
        let (kept, evictable) = (self.catalogue.kept_bytes(), self.catalogue.free_bytes());
        let too_much = kept.saturating_sub(limit);
        let short = self.disk_left().map_or(0, |left| u64::try_from(-left).unwrap_or(0));
        let over = too_much.max(short);
        if over == 0 {
            return;
        }
        if over <= evictable {
            self.keeping.collecting = true;
            self.keeping.lowering |= too_much > 0;
            return;
        }
        let so_far = self.task(no).map_or(0, |task| task.cached_bytes());
        self.stop(no, Stop::Full(full(so_far, so_far.saturating_sub(over - evictable))));
    }

    /// A place for one more task.
    pub(super) fn make_place(&mut self) -> Result<(), Refusal> {
        let most = self.rules.quota.tasks;
        if self.catalogue.alive() < most {
            return Ok(());
        }
        // More than one where so many are kept that the quota was made smaller: the next round takes the rest.
        let oldest = match self.catalogue.oldest(&mut self.looks) {
            First::This(no) => Some(no),
            First::Tired => self.catalogue.foremost(),
            First::Nothing => None,
        };
        let Some(oldest) = oldest else {
            return Err(Refusal::Full(format!("{most} tasks may be kept, and all of them are in use")));
        };
        self.evict(oldest, None);
        Ok(())
    }
}

/// Why something does not fit; for people.
fn full(needed: u64, available: u64) -> String {
    Refusal::Full(format!("{needed} bytes are needed, {available} can be had")).to_string()
}
