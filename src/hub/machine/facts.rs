//! Facts of this host that tags and accounts depend on.

use super::Room;
use crate::hub::model::{AccountId, ItemNo, Requirement, Requirements, TagNo};

/// What depends on facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependant {
    /// A tag, to be well.
    Tag(ItemNo, TagNo),
    /// An account, to be online.
    Member(AccountId),
}

/// All facts that something depends on.
#[derive(Debug, Default)]
pub(super) struct Facts {}

impl Facts {
    pub(super) fn all(&self) -> Vec<(Requirement, AccountId)> {
        unimplemented!()
    }
    /// It depends on these from now on, and on those no longer: called by whoever sets, replaces or drops some.
    pub(super) fn exchange(&mut self, _: Dependant, _old: &Requirements, _new: &Requirements) {
        unimplemented!()
    }
    /// The first that does not hold, and why; one that was not found out yet does not.
    pub(super) fn broken(&self, _: &Requirements) -> Option<String> {
        unimplemented!()
    }
    /// The tags of an item whose requirements do not all hold.
    pub(super) fn broken_tags(&self, _: ItemNo) -> impl Iterator<Item = TagNo> {
        std::iter::empty()
    }
}

impl Room {
    pub(super) fn fact(&mut self, _: (Requirement, AccountId), _: Result<(), String>) {
        unimplemented!()
    }
}
