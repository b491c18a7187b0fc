//! Facts of this host that tags and accounts depend on.

use super::Room;
use crate::hub::model::{AccountId, Requirement, Requirements};

/// All facts that something depends on.
#[derive(Debug, Default)]
pub(super) struct Facts {}

impl Facts {
    pub(super) fn all(&self) -> Vec<(Requirement, AccountId)> {
        unimplemented!()
    }
    /// Something depends on these from now on, and on those no longer: called by whoever sets, replaces or drops some.
    pub(super) fn exchange(&mut self, _old: &Requirements, _new: &Requirements) {
        unimplemented!()
    }
    /// The first that does not hold, and why; one that was not found out yet does not.
    pub(super) fn broken(&self, _: &Requirements) -> Option<String> {
        unimplemented!()
    }
}

impl Room {
    pub(super) fn fact(&mut self, _: (Requirement, AccountId), _: Result<(), String>) {
        unimplemented!()
    }
}
