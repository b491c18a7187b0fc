//! # schedule — when
//!
//! Crontab text and a moment in, the next moment out; time zones and daylight saving live here, and the clock that
//! wakes an engine at its next deadline.
//!
//! ```text
//! "0 9 * * mon-fri" --parse--> Cron --next_after(moment, zone)--> moment
//!                              Clock --until(deadline)--> now is the time, or the wall clock was set: look again
//! ```
//!
//! Everything but [`Clock`] and [`Zone::host`] is pure. The crate `cron` finds matching wall times; what a field may
//! say, what the two day fields mean together and what a wall time means on a day with a clock change is decided here.
//!
//! **Absent:** jobs, jitter, cursors. A schedule says when, and names what there is to choose where firings meet a run
//! or were missed; whoever asks decides what happens then.

mod clock;
mod cron;
mod field;
mod firings;
mod zone;

#[cfg(test)]
mod tests;

pub use clock::Clock;
pub use cron::{Cron, CronError};
pub use firings::{CatchUp, LATE, Overlap, Stretch, WRONG_CLOCK, just_before, last_firing};
pub use zone::{Zone, ZoneError};
