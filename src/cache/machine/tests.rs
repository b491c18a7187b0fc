//! Stories, an oracle, and random days.

mod corners;
mod jobs;
mod keeping;
mod mass;
mod play;
mod random;
mod recovery;
mod sharing;
mod shelf;
