//! Pulls: from another daemon's entry point through the cache into a pool, taken up again after a restart, verified.

use super::engine::Handle;
use super::model::{Job, JobId};
use crate::base::Secret;
use std::sync::Arc;

/// The pulls that go on. Clones are the same.
#[derive(Clone, Default)]
pub struct Pulls {}

impl Pulls {
    /// Keeps the secret of a job in memory until it is over.
    pub fn keep_secret(&self, _job: JobId, _secret: Secret) {
        unimplemented!()
    }

    /// See [`Effect::Pull`](super::machine::Effect::Pull).
    pub fn begin(&self, _handle: Handle, _job: Arc<Job>) {
        unimplemented!()
    }

    /// See [`Effect::StopPulling`](super::machine::Effect::StopPulling).
    pub fn stop(&self, _job: JobId) {
        unimplemented!()
    }

    /// How many bytes of a job are there.
    pub fn bytes(&self, _job: JobId) -> Option<u64> {
        unimplemented!()
    }
}
