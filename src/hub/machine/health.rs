//! What looks and readings mean, and whose bytes are to be read next.
//!
//! * `judge` what a look and a reading say of a file: two total functions
//! * `lanes` whose turn it is
//! * `findings` what looks and readings lead to; verifications that somebody asked for
//! * `crowds` what owners read of it in their logs
//! * `shown` how tags are shown, how many are not well, and whether looks make progress
//!
//! A tag is read because its file changed (at once), because somebody waits for it (next), or because it was not read for
//! long (when nothing else is to be read). Small files and large ones have a lane each, with one reading at a time, so that
//! a large file does not hold up the small ones.

mod crowds;
mod findings;
mod judge;
mod lanes;
mod shown;

#[cfg(test)]
pub(super) use judge::{Judgement, conclude, judge};
pub(super) use lanes::Verification;
