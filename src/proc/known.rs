//! The runs that the keeper has or is about to get: where they write, who leads them, who watches them. Taken in when
//! a launch is carried out, dropped when the run is gone with its whole tree.

use super::engine::Engine;
use super::launch::Place;
use super::machine::Probing;
use super::model::{Definition, Offsets};
use crate::base::{Mono, RunId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A run that the keeper has or is about to get.
pub(super) struct Known {
    pub place: Place,
    pub definition: Option<Arc<Definition>>,
    pub runs_as: u32,
    pub leader: Option<i32>,
    pub offsets: Option<Offsets>,
    /// Whether its output is watched.
    watched: bool,
    /// Its tree was gone before its exit could be told.
    pub emptied: bool,
    /// The leader has ended, and it is being found out where its output did.
    pub measuring: bool,
}

impl Known {
    pub fn new(place: Place, definition: Option<Arc<Definition>>, runs_as: u32) -> Known {
        Known {
            place,
            definition,
            runs_as,
            leader: None,
            offsets: None,
            watched: false,
            emptied: false,
            measuring: false,
        }
    }
}

/// Leaders that said they are ready before the keeper's word of their start had come. Anybody may say so at any
/// time, so none is remembered for long.
#[derive(Debug, Default)]
pub(super) struct Early(HashMap<i32, Mono>);

/// For how long: the keeper's word is on its way already.
const EARLY: Duration = Duration::from_secs(5);

impl Early {
    pub fn add(&mut self, leader: i32, now: Mono) {
        self.0.retain(|_, said| now - *said < EARLY);
        self.0.insert(leader, now);
    }

    /// Whether it was there.
    pub fn remove(&mut self, leader: i32, now: Mono) -> bool {
        self.0.remove(&leader).is_some_and(|said| now - said < EARLY)
    }
}

impl Engine {
    /// Notes the leader of a run; answers where its output begins.
    pub(super) fn leads(&mut self, run: RunId, pid: i32) -> Option<Offsets> {
        let known = self.known.get_mut(&run)?;
        known.leader = Some(pid);
        self.leaders.insert(pid, run);
        known.offsets
    }

    /// Has the output of a run marked and bounded from now on. Not before it is a process: then its files are there.
    pub(super) fn watch_logs(&mut self, run: RunId) {
        let Some(known) = self.known.get_mut(&run).filter(|known| !known.watched) else { return };
        known.watched = true;
        *self.watched.entry(known.place.clone()).or_default() += 1;
        let cap = known.definition.as_ref().and_then(|definition| definition.log_cap);
        for stem in known.place.stems() {
            self.tools.logs.watch(&stem, cap.unwrap_or(self.settings.log_max));
        }
    }

    fn unwatch_logs(&mut self, known: &Known) {
        let Some(runs) = self.watched.get_mut(&known.place).filter(|_| known.watched) else { return };
        *runs -= 1;
        if *runs == 0 {
            self.watched.remove(&known.place);
            known.place.stems().for_each(|stem| self.tools.logs.forget(&stem));
        }
    }

    pub(super) fn stop_probes(&mut self, run: RunId) {
        for what in [Probing::Ready, Probing::Health] {
            if let Some(probe) = self.probes.remove(&(run, what)) {
                probe.abort();
            }
        }
    }

    /// A run and its tree are gone: nobody waits for it any longer, and nothing of it needs watching.
    pub(super) fn forget(&mut self, run: RunId) {
        if let Some(known) = self.known.remove(&run) {
            // Its pid may be another's by now.
            if let Some(leader) = known.leader.filter(|leader| self.leaders.get(leader) == Some(&run)) {
                self.leaders.remove(&leader);
            }
            self.unwatch_logs(&known);
        }
        self.stop_probes(run);
        // Dropping the sender is the sign.
        self.waiting.retain_mut(|(runs, _)| {
            runs.remove(&run);
            !runs.is_empty()
        });
    }
}
