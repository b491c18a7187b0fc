//! What looks and readings mean, and whose bytes are to be read next.

use super::catalogue::Catalogue;
use super::{Answer, By, Room, Rules, Shown, Which};
use crate::base::{Mono, Now};
use crate::hub::model::{ItemName, ItemNo, Look, PoolName, Reading, RepName, Tag, TagNo};
use std::sync::Arc;

/// What is read, what is to be read, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Verification {}

impl Verification {
    /// As it is at a start: of what is stored.
    pub(super) fn load(_: &Rules, _: &Catalogue, _: Now) -> Verification {
        unimplemented!()
    }
}

impl Room {
    /// Takes up readings that a start has interrupted: of tags without digests. Called at the end of the start.
    pub(super) fn resume_readings(&mut self) {
        unimplemented!()
    }
    pub(super) fn looked(&mut self, _: TagNo, _: Look) {
        unimplemented!()
    }
    pub(super) fn passed(&mut self, _: &PoolName) {
        unimplemented!()
    }
    pub(super) fn read(&mut self, _: TagNo, _: Reading) {
        unimplemented!()
    }
    pub(super) fn verify(&mut self, _: By, _: &RepName, _: &ItemName, _: &Which) -> Answer {
        unimplemented!()
    }
    pub(super) fn hash_what_is_due(&mut self) {
        unimplemented!()
    }
    pub(super) fn next_hash(&self) -> Option<Mono> {
        unimplemented!()
    }
    pub(super) fn hand_out_readings(&mut self) {
        unimplemented!()
    }
    /// Whether looks make progress: since when not, where they do not. For beats.
    pub(super) fn is_verifying(&self, _: Mono) -> Result<(), String> {
        unimplemented!()
    }
    pub(super) fn show(&self, _: &Tag, _: Mono) -> Shown {
        unimplemented!()
    }
    pub(super) fn list_unwell(&self, _: ItemNo, _: Mono) -> Vec<(Arc<Tag>, Shown)> {
        unimplemented!()
    }
    pub(super) fn count_tags(&self) -> (usize, usize) {
        unimplemented!()
    }
    /// Whether a beat from outside, still fresh, says that a tag is not well: called by `show`.
    pub(super) fn is_reported(&self, _: &Tag, _: Mono) -> bool {
        unimplemented!()
    }
}
