//! # proc — supervised processes
//!
//! Tasks are named groups of equal processes: run once, kept up for ever (daemon), or run by a schedule (cron). The
//! room decides when each replica starts and ends, and remembers what it decided; the keeper holds the processes.
//! Speaks under `/proc`; owns the kinds of records from 0x10 on.
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
//! * `model` what a task and a run are; `machine` every decision, pure; `tests` a simulated world around it
//! * `engine` the driver that carries the decisions out; `known` the runs under its care; `start` what it begins with; `launch`, `probes`, `notify` its
//!   hands; `news` the keeper's words in ours
//! * `document` a definition as JSON; `records` what is stored; `wire` what clients see
//! * `routes` the API; `rights` who may have what; `detail`, `output`, `history`, `why` the longer answers
//! * `retention` forgetting
//!
//! **Absent:** forks and signals (the keeper's), DAGs, time spent per idle process. From the machine also: clocks,
//! files, user look-ups, status codes, JSON.

mod detail;
mod document;
mod engine;
mod history;
mod known;
mod launch;
pub mod machine;
pub mod model;
mod news;
mod notify;
mod output;
mod probes;
mod records;
mod retention;
mod rights;
mod routes;
mod start;
mod why;
mod wire;

#[cfg(test)]
mod tests;

pub use engine::{Answer, Engine, Gone, Handle, Settings, Tools};
pub use records::{TABLES, rules};
pub use retention::keep_bounds;
pub use routes::routes;
pub use start::{Host, StartError, start};
