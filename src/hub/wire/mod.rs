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

/// Why a request cannot be served as it was written: which field, and what was expected. For people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);
