//! JSON in and out, as clients of Dragonfly write and read it.
//!
//! In: [`fields`] reads objects as forgivingly as the original does and names what it cannot take; [`asked`] makes jobs
//! and tasks of them, [`clusters`] clusters; [`secrets`] keeps what must not be shown. Out: [`jobs`] with their arguments
//! and results, [`clusters`], [`tasks`].

pub mod asked;
pub mod audits;
pub mod clusters;
pub mod fields;
pub mod jobs;
pub mod page;
pub mod pins;
pub mod secrets;
pub mod sign_in;
pub mod tasks;
pub mod tokens;

#[cfg(test)]
mod tests;

use crate::base::Wall;
use chrono::SecondsFormat;

/// A moment as the original writes it: RFC 3339 in UTC, with as many digits of the second as it takes.
pub fn moment(at: Wall) -> String {
    let text = at.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let digits = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{digits}Z")
}

/// The moment that stands for none: the original's zero.
pub const NO_MOMENT: &str = "0001-01-01T00:00:00Z";
