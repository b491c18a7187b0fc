//! # base — words every room shares
//!
//! Identifiers, the two clocks as values, durations and bytes as people write them, deadlines, secrets that do not print
//! themselves, JSON objects as forgivingly as the originals read them, and the bus on which rooms announce what changed.
//!
//! **Absent:** files, sockets, threads, the store. A machine may use all of this, save [`time::Now::read`].

#[cfg(test)]
pub mod chance;
pub mod duration;
pub mod events;
pub mod hex;
pub mod ids;
pub mod known;
pub mod object;
pub mod owner;
pub mod secret;
pub mod time;
pub mod timers;
pub mod why;

pub use events::Bus;
pub use hex::Hex;
pub use ids::RunId;
pub use known::Known;
pub use object::Object;
pub use owner::Owner;
pub use secret::{Secret, same};
pub use time::{Mono, Nanos, Now, Span, Wall};
pub use timers::Timers;
pub use why::Why;
