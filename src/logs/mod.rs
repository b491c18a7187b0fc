//! # logs — what children write
//!
//! A child's output goes straight into a file that the keeper opened for append; the child never waits for us and no
//! byte passes through us. This room knows those files: it notes when they grow, bounds their size and reads them.
//!
//! ```text
//!   child ──append──> <stem>          the bytes, holes where old ones were released
//!                        │ inotify, one-shot
//!                        v
//!   quiet ──it grew──> growing ──a second without growth──> quiet     (the thread of `watch`)
//!                        │ at most once a second
//!                        └──> <stem>.marks   at 12:00:01 it was 7,340 bytes long; kept from 4,096 on
//! ```
//!
//! **Offsets are logical and never change**: releasing old bytes punches a hole, and after a truncation by the child
//! the count goes on where it was. The first offset still kept and the truncations are in the sidecar, so everything
//! here is rebuilt from the files alone: a core that dies loses nothing.
//!
//! A silent file costs one inotify watch and no wake-up. All file I/O happens on that thread or the blocking pool.
//!
//! **Absent:** runs and tasks (a caller knows where its run begins and ends), text and JSON (these are bytes), age
//! limits (a caller removes), pipes. Nothing is truncated, blocked or killed because a disk is full.

mod engine;
mod file;
mod marks;
mod read;
mod stem;
mod watch;

#[cfg(test)]
mod tests;

pub use engine::{Facts, Logs, Settings, Usage};
pub use file::Whole;
pub use read::{Piece, Selection, midnight};
pub use stem::{Stem, StemError, highest_number};
