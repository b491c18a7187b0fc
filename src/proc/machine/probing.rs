//! Whether a run is ready, and whether it still works.
//!
//! ```text
//! up --ready probe holds--> ready --health probe fails n times in a row--> told to end, as a failure
//!  `--not in time--> told to end, as a failure
//! ```
//!
//! The machine says when to try; the engine tries once and tells. A run without `ready` is ready when it is up.

use super::stored::LiveRun;
use super::words::{Effect, Probing, What};
use super::{Alarm, Phase, Room};
use crate::base::RunId;
use crate::proc::model::{Incarnation, StoppedBy};

impl Room {
    /// Begins to wait for readiness, or declares it where nothing is to be waited for.
    pub(super) fn watch_ready(&mut self, run: RunId) {
        let Some(known) = self.runs.get(&run) else { return };
        let task = self.tasks.get(&known.live.incarnation);
        match task.and_then(|task| task.stored.definition.ready.as_ref()) {
            Some(ready) if !known.live.ready => {
                // A run that goes on under a new core has its time once more: nobody was looking meanwhile.
                let until = self.scratch.now.mono + ready.timeout;
                self.alarms.set(Alarm::Ready(run), until);
                self.effect(Effect::Probe { run, what: Probing::Ready });
            }
            _ => self.is_ready(run),
        }
    }

    fn is_ready(&mut self, run: RunId) {
        let now = self.scratch.now.mono;
        self.alarms.clear(Alarm::Ready(run));
        self.alarms.clear(Alarm::Probe(run));
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.live.ready = true;
        self.scratch.lives.insert(run);
        let LiveRun { name, incarnation, replica, runs_as, .. } = known.live.clone();
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.seat_mut(replica, |seat| seat.ready |= seat.runs.contains(&run));
            if let Some(health) = &task.stored.definition.health {
                self.alarms.set(Alarm::Probe(run), now + health.interval);
            }
        }
        self.scratch.changed.insert(name.clone());
        self.change(&name, runs_as, What::RunReady { run, replica });
    }

    pub(super) fn probe_due(&mut self, run: RunId) {
        if let Some(known) = self.runs.get(&run).filter(|known| known.phase == Phase::Up) {
            let what = if known.live.ready { Probing::Health } else { Probing::Ready };
            self.effect(Effect::Probe { run, what });
        }
    }

    /// A probe has an answer. One of the wrong kind, or of a run that is ending, comes too late.
    pub(super) fn probed(&mut self, run: RunId, what: Probing, outcome: Result<(), String>) {
        let now = self.scratch.now.mono;
        let Some(known) = self.runs.get_mut(&run).filter(|known| known.phase == Phase::Up) else { return };
        let Some(task) = self.tasks.get(&known.live.incarnation) else { return };
        let definition = task.stored.definition.clone();
        match (what, known.live.ready, outcome) {
            (Probing::Ready, false, Ok(())) => self.is_ready(run),
            (Probing::Ready, false, Err(_)) => {
                // Waiting for a line or a notification that broke off begins again; a probe is tried again.
                if let Some(ready) = &definition.ready {
                    self.alarms.set(Alarm::Probe(run), now + ready.interval);
                }
            }
            (Probing::Health, true, outcome) => {
                let Some(health) = &definition.health else { return };
                known.unwell = if outcome.is_ok() { 0 } else { known.unwell + 1 };
                let enough = known.unwell >= health.failures;
                match outcome {
                    Err(why) if enough => self.stop_run(run, StoppedBy::Unhealthy(why), false),
                    Ok(()) | Err(_) => self.alarms.set(Alarm::Probe(run), now + health.interval),
                }
            }
            (Probing::Ready, true, _) | (Probing::Health, false, _) => {}
        }
    }

    pub(super) fn ready_timed_out(&mut self, run: RunId) {
        self.stop_run(run, StoppedBy::NotReady, false);
    }

    /// No more probes, no longer ready.
    pub(super) fn quieten(&mut self, run: RunId, incarnation: Incarnation, replica: u32) {
        self.alarms.clear(Alarm::Ready(run));
        self.alarms.clear(Alarm::Probe(run));
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.seat_mut(replica, |seat| seat.ready &= !seat.runs.contains(&run));
        if task.stored.definition.ready.is_some() || task.stored.definition.health.is_some() {
            self.effect(Effect::StopProbes { run });
        }
    }
}
