//! What comes with time: leases end, tasks may be handed out at last, buckets refill, patience ends, samples are taken.

use super::{Room, Write};
use crate::base::{Mono, Wall};
use crate::tracker::model::ProjectId;
use std::time::Duration;

/// How many deadlines one step serves; the rest follows at once, with the next. With who is handed what becomes free, that
/// is no more than one batch of the store holds.
pub(super) const AT_ONCE: usize = 100;

impl Room {
    /// Does what is due.
    pub(super) fn pass_time(&mut self) {
        let mut served = self.bury();
        while served < AT_ONCE
            && let Some(task) = self.leases.over(self.now.mono)
        {
            self.lose(task, false);
            served += 1;
        }
        while served < AT_ONCE && self.ripen_next() {
            served += 1;
        }
        while served < AT_ONCE
            && let Some(project) = self.refills.pop(self.now.mono)
        {
            self.stir(project);
            served += 1;
        }
        // What has become free goes to those whose patience ends at this very moment, rather than to nobody.
        self.serve_stirred();
        while served < AT_ONCE && self.give_up() {
            served += 1;
        }
        self.unfinished = served == AT_ONCE;
        self.sample();
    }

    /// Frees the next task whose moment has come, if there is one.
    fn ripen_next(&mut self) -> bool {
        if self.ripening.next().is_none_or(|at| at > self.now.wall) {
            return false;
        }
        let Some(project) = self.ripening.pop(self.now.wall) else { return false };
        if let Some(lane) = self.lanes.get_mut(&project) {
            lane.ripen(self.now.wall);
            self.list(project);
            self.stir(project);
        }
        true
    }

    fn sample(&mut self) {
        if let Some(due) = self.next_sample.filter(|due| *due <= self.now.mono) {
            let every = self.settings.sample_every;
            let into = (self.now.mono - due).as_nanos() % every.as_nanos().max(1);
            let into = Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX));
            self.next_sample = Some(self.now.mono + every.saturating_sub(into));
            self.sampling = Some(ProjectId(0));
        }
        let Some(from) = self.sampling else { return };
        let mut lanes = self.lanes.range(from..);
        let some = lanes.by_ref().take(AT_ONCE).map(|(id, lane)| Write::PutSample(*id, lane.sample(self.now.wall)));
        self.plan.writes.extend(some);
        self.sampling = lanes.next().map(|(id, _)| *id);
        self.unfinished |= self.sampling.is_some();
    }

    /// The first sample after a start is due one interval later.
    pub(super) fn first_sample(now: Mono, every: Duration) -> Option<Mono> {
        (!every.is_zero()).then(|| now + every)
    }

    /// When this moment of the wall clock comes, if nobody sets that clock. When somebody does, a tick is owed.
    pub(super) fn mono_of(&self, at: Wall) -> Mono {
        let left = (at - self.now.wall).to_std().unwrap_or(Duration::ZERO);
        self.now.mono + left
    }
}
