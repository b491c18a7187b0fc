//! Pools, repositories, items and tags: what there is, and who may change it.
//!
//! * `index` all of it, and the ways to find something
//! * `pools`, `items`, `tags` what may be done to them, and by whom
//! * `pattern` names with `*`
//!
//! Names of repositories are public; whose they are is said to nobody else. Of a pool, others do not learn that it exists.

mod index;
mod items;
mod pattern;
mod pools;
mod tags;

pub(super) use index::Catalogue;

use super::{By, Refusal, Room};
use crate::hub::model::AccountId;

/// Whether somebody may change what is this account's.
pub(super) fn may(by: By, owner: AccountId) -> bool {
    by.admin || by.account == owner
}

/// There is none of that name.
pub(super) fn unknown(what: &'static str, name: impl ToString) -> Refusal {
    Refusal::Unknown { what, name: name.to_string() }
}

fn taken(what: &'static str, name: impl ToString) -> Refusal {
    Refusal::Taken { what, name: name.to_string() }
}

/// `1 item`, `3 items`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What was done to something of somebody's, for his log: and whether it was not he who did it.
fn deed(by: By, owner: AccountId, text: String) -> String {
    if by.account == owner { text } else { format!("{text} (by an administrator)") }
}

impl Room {
    /// Writes that into its owner's log.
    fn log_deed(&mut self, by: By, owner: AccountId, text: String) {
        self.line(owner, deed(by, owner, text));
    }
}
