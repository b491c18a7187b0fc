//! What the hub knows of an account.

use super::{AccountId, EntryPoint, Requirements};
use crate::base::{Hex, hex};
use std::fmt;
use std::sync::Arc;

/// What a daemon shows to say for whom it works: 160 random bits as 40 small hexadecimal digits. It proves something, and
/// is shown to people in part only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DaemonId(Arc<str>);

impl DaemonId {
    /// Of 160 random bits.
    pub fn of(bits: [u8; 20]) -> DaemonId {
        DaemonId(Hex(&bits).to_string().into())
    }

    /// Reads one; none where it cannot be one.
    pub fn parse(text: &str) -> Option<DaemonId> {
        hex::is_small(text, 40).then(|| DaemonId(text.into()))
    }

    /// The whole text: for its account, and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DaemonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..6])
    }
}

/// An account, as the hub knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Whose.
    pub account: AccountId,
    /// Stays the same for ever.
    pub daemon: DaemonId,
    /// Whether this host serves for it: beats for it, and hands out its data.
    pub serving: bool,
    /// Where it can be reached, as it said itself; at most eight.
    pub entries: Vec<EntryPoint>,
    /// What must hold for it to be online.
    pub requires: Requirements,
}
