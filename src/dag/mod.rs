//! # dag — runs of directed acyclic graphs of commands
//!
//! A run is a specification (templates, parameters, edges) and what has become of its tasks. A template expands to a
//! *group* of instances, the tasks; dependencies hold between groups and are counted per group, so an edge of a
//! thousand to a thousand instances costs two numbers. Speaks under `/v1` and `/ready`; owns the kinds of records from
//! 0x30 on.
//!
//! ```text
//! client --text--> specification --blueprint--> machine --start, signal--> executors --> keeper, proc, nobody (noop)
//!                                               |  ^  `--write--> store
//!                                      verdict <'  `--started, ended--
//!
//! run:   QUEUED -> RUNNING -> COMPLETED | ERRORED          any but COMPLETED --kill--> KILLED
//!                   v    ^                                 ERRORED, KILLED --restart--> QUEUED
//!                   PAUSED
//! task:  QUEUED -> RUNNING -> COMPLETED | ERRORED | KILLED
//!                   v    ^
//!                    RETRY
//! ```
//!
//! An *attempt* is one execution of one task; it has a slot of the keeper, two output files, and ends with its leader.
//! A *pass* is the time between two restarts of a run.
//!
//! * `model` blueprints, templates, states, attempts; `specification` from JSON text to a blueprint
//! * `machine` every decision, pure; `tests` a simulated world and an oracle around it
//! * `engine` the driver that carries the decisions out; `start` what it begins with; `executors` its hands; `output`
//!   the files that attempts write; `events` what listeners are told
//! * `records` what is stored; `stored` DAGs that are kept, as clients write them
//! * `wire` what clients see; `routes` the API; `runs` whom a path names; `rights` as whom; `submit`, `dags`, `wait`,
//!   `latest`, `listing`, `transcript`, `tasks`, `log`, `why` the longer answers; `escape` output within JSON; `graph` a picture
//!
//! **Absent:** forks and signals (the keeper's), other hosts, a million definitions (an instance is its template and an
//! index). From the machine also: clocks, files, user look-ups, status codes.

mod dags;
mod engine;
mod escape;
mod events;
mod executors;
pub mod graph;
mod latest;
mod listing;
mod log;
pub mod machine;
pub mod model;
mod output;
mod records;
mod retention;
mod rights;
mod routes;
mod runs;
pub mod specification;
mod start;
pub mod stored;
mod submit;
mod tasks;
mod transcript;
mod wait;
mod why;
mod wire;

#[cfg(test)]
pub mod tests;

pub use engine::{Engine, Failed, Handle, Settings, Tools};
pub use records::{TABLES, rules};
pub use retention::keep_bounds;
pub use routes::routes;
pub use start::{Host, StartError, start};
