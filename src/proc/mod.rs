//! # proc — supervised processes
//!
//! Tasks are named groups of equal processes: run once, kept up for ever (daemon), or run by a schedule (cron). The
//! room decides when each replica starts and ends, and remembers what it decided; the keeper holds the processes.
//!
//! ```text
//! client --ask--> machine --launch, signal--> keeper          (by way of the engine)
//!                 |  ^  `--write--> store
//!        verdict <'  `--spawned, exited-- keeper
//!
//! task:   New -> Queued -> Starting -> Running -> Succeeded | Failed        once
//!                             ^           v
//!                             `-------- Pausing          Failed             daemon
//!         Scheduled <-> Starting -> Running                                 cron
//!         any --stop--> Stopping -> Stopped --start--> …
//! ```
//!
//! A *run* is one execution of one replica and ends with its leader; what is left of its process tree is then ended,
//! and the next run of that replica waits for that, even across a deletion and a new task of the same name.
//!
//! **Absent from the machine:** clocks, forks, files, user look-ups, status codes, JSON.

pub mod machine;
pub mod model;

#[cfg(test)]
mod tests;
