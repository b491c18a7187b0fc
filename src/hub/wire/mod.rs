//! JSON in and out, as clients of the DataHub daemon know it.
//!
//! In: [`fields`] reads objects as forgivingly as the original does and names what it cannot take; the other files make of
//! them what the room is asked. Out: plain values with `From`; how they are wrapped is the routes' business.

pub mod fields;
pub mod heartbeat;
pub mod identity;
pub mod jobs;
pub mod page;
pub mod pools;
pub mod repositories;
pub mod requires;
pub mod tags;
pub mod users;

#[cfg(test)]
mod tests;

use crate::schedule::Zone;
use std::sync::LazyLock;

/// Why a request cannot be served as it was written: which field, and what was expected. For people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A field is not what it should be.
    #[error("{0}")]
    Wrong(String),
    /// This field is missing.
    #[error("{0}: it is missing")]
    Absent(String),
    /// A field that is to name a file names none.
    #[error("{0}")]
    NoFile(String),
}

/// The zone in which moments are shown. The first call reads files: the routes make it before anybody asks them.
pub fn zone() -> Zone {
    static ZONE: LazyLock<Zone> = LazyLock::new(Zone::host);
    *ZONE
}
