//! The logs of accounts: rings of lines, of which the machine knows only the numbers.

use super::{Room, Verdict};
use crate::hub::model::AccountId;

/// All logs.
#[derive(Debug, Default)]
pub(super) struct Lines {}

impl Lines {
    pub(super) fn bounds(&self, _: AccountId) -> Option<(u64, u64)> {
        unimplemented!()
    }
}

impl Room {
    /// Writes a line, stamped now. Line breaks and control characters become spaces.
    pub(super) fn line(&mut self, _: AccountId, _: String) {
        unimplemented!()
    }
    /// Writes a line that has its stamp.
    pub(super) fn stamped_line(&mut self, _: AccountId, _: String) {
        unimplemented!()
    }
    pub(super) fn note(&mut self, _: Vec<(AccountId, String)>) -> Verdict {
        unimplemented!()
    }
    pub(super) fn started(&mut self) -> Verdict {
        unimplemented!()
    }
    pub(super) fn stopping(&mut self) -> Verdict {
        unimplemented!()
    }
}
