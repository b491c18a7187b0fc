//! What plans want done: each effect leads to an event, sooner or later.

use super::Engine;
use crate::hub::machine::{Effect, Event};

impl Engine {
    pub(super) fn perform(&mut self, effect: Effect) {
        let inner = &self.handle.0;
        match effect {
            Effect::Read(order) => inner.verifier.read(*order),
            Effect::StopReading(tag) => inner.verifier.stop_reading(tag),
            Effect::LookAt(item, file) => inner.verifier.look_at(item, file),
            Effect::Pull(job) => inner.pulls.begin(self.handle.clone(), job),
            Effect::StopPulling(job) => inner.pulls.stop(job),
            Effect::Unplace(job, stamp) => inner.pulls.unplace(self.handle.clone(), job, stamp),
            Effect::Beat(daemon) => {
                let handle = self.handle.clone();
                // Those that are over leave nothing behind but their place in the set.
                while self.beside.try_join_next().is_some() {}
                self.beside.spawn(async move {
                    let answered = handle.reach().beat(&daemon).await;
                    handle.tell(Event::Answered(answered));
                });
            }
        }
    }
}
