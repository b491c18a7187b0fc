//! Accounts, as the hub knows them: ids, where they can be reached, beats, and who is online.

use super::{Beat, By, Room, Standing, Verdict};
use crate::base::Mono;
use crate::hub::model::{AccountId, DaemonId, EntryPoint, ItemName, Member, RepName, Requirements, TagName};
use std::sync::Arc;
use std::time::Duration;

/// All members.
#[derive(Debug, Default)]
pub(super) struct Members {}

impl Members {
    pub(super) fn get(&self, _account: AccountId) -> Option<&Arc<Member>> {
        unimplemented!()
    }
    pub(super) fn by_daemon(&self, _daemon: &DaemonId) -> Option<&Arc<Member>> {
        unimplemented!()
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        std::iter::empty()
    }
    /// Whether an account's beat from outside, still fresh, says that a tag is not well. Of items that are its own.
    pub(super) fn reports(&self, _: AccountId, _: &RepName, _: &ItemName, _: &TagName, _: Mono) -> bool {
        unimplemented!()
    }
    /// All that it says so of an item.
    pub(super) fn reported(&self, _: AccountId, _: &RepName, _: &ItemName, _: Mono) -> impl Iterator<Item = &TagName> {
        std::iter::empty()
    }
    pub(super) fn entries(&self, _: AccountId, _: Mono, _: Duration) -> (Vec<EntryPoint>, Vec<EntryPoint>) {
        unimplemented!()
    }
}

impl Room {
    pub(super) fn join(&mut self, _: AccountId, _: DaemonId) -> Verdict {
        unimplemented!()
    }
    pub(super) fn serve(&mut self, _: By, _: AccountId, _: bool) -> Verdict {
        unimplemented!()
    }
    pub(super) fn set_entries(&mut self, _: AccountId, _: Vec<EntryPoint>) -> Verdict {
        unimplemented!()
    }
    pub(super) fn require_of_member(&mut self, _: By, _: AccountId, _: Requirements) -> Verdict {
        unimplemented!()
    }
    pub(super) fn beat(&mut self, _: AccountId, _: Beat) -> Verdict {
        unimplemented!()
    }
    pub(super) fn removed(&mut self, _: AccountId) {
        unimplemented!()
    }
    pub(super) fn answered(&mut self, _: bool) {
        unimplemented!()
    }
    pub(super) fn beat_for_members(&mut self) {
        unimplemented!()
    }
    pub(super) fn next_beat(&self) -> Option<Mono> {
        unimplemented!()
    }
    pub(super) fn stand(&self, _: AccountId, _: Mono) -> Standing {
        unimplemented!()
    }
    /// Tells listeners who came and who went.
    pub(super) fn tell_online(&mut self) {
        unimplemented!()
    }
}
