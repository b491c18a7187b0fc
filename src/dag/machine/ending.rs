//! The end of the daemon: what runs is ended and recorded as interrupted, nothing starts, and then the room is done.
//!
//! The runs keep their states, so that the next start goes on with them.

use super::Room;
use super::attempts::{Doom, Stopping};
use super::words::Effect;
use crate::base::RunId;
use crate::dag::model::{State, TaskId};
use std::time::Duration;

/// How far the end of the daemon has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Something still runs.
    Waiting,
    /// It was said that nothing does.
    Said,
}

impl Room {
    pub(super) fn shutdown(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(Ending::Waiting);
        let slots: Vec<RunId> = self.lives.keys().copied().collect();
        slots.into_iter().for_each(|slot| self.doom(slot, Doom::Shutdown));
        for run in self.runs.values_mut() {
            self.scratch.touched.insert(run.id());
            let Some(passing) = run.passing.take() else { continue };
            let TaskId { group, index } = passing.first;
            let running = run.group(group).map(|known| known.stretches(index..index + passing.count, State::Running));
            for (range, _) in running.into_iter().flatten() {
                run.paint(group, range, State::Running, State::Queued, &mut self.scratch);
            }
        }
    }

    pub(super) fn shutdown_now(&mut self) {
        self.shutdown();
        let slots: Vec<RunId> = self.lives.keys().copied().collect();
        for slot in slots {
            if self.leftovers.contains(&slot) {
                self.end_leftover(slot, Duration::ZERO);
            } else {
                self.stop(slot, Stopping::Forced);
            }
        }
    }

    /// Says that the room is done, once.
    pub(super) fn finish_ending(&mut self) {
        if self.ending == Some(Ending::Waiting) && self.lives.is_empty() {
            self.ending = Some(Ending::Said);
            self.scratch.effect(Effect::Done);
        }
    }
}
