//! Stories, an oracle, and random days.

mod jobs;
mod keeping;
mod mass;
mod play;
mod random;
mod recovery;
mod sharing;
mod shelf;
