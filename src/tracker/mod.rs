//! # tracker — work for workers
//!
//! Projects are queues. Managers (accounts) make them and decide who may do what; workers (machine accounts) submit
//! tasks, are handed them one by one, and give them back done, failed or untouched.
//!
//! ```text
//!   submit ──> free ──fetch──> held ──release──> closed (gone) ──chain──> a copy in the next project
//!               ^               │  `──with too few equal results──> free, for other workers
//!               `── time is up, holder died, skipped, failed (retries left) ──┘   `── failed for good, until reset
//! ```
//!
//! Clients of the task_tracker of 2019 speak to it unchanged, at `/` and `/api`.

mod access;
mod answer;
mod engine;
mod events;
mod import;
mod journal;
mod logs;
pub mod machine;
mod managers;
pub mod model;
mod monitoring;
mod numbers;
mod people;
mod projects;
mod queue;
mod records;
mod retention;
mod routes;
mod start;
mod tasks;
mod watch;
mod webhook;
pub mod wire;
mod workers;

pub use engine::{Engine, Handle, HookHash, Level, LogEntry, Registration, Settings, Tools};
pub use records::{TABLES, rules};
pub use retention::keep_bounds;
pub use start::start;

use crate::http::Route;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let import = import::route(&handle);
    routes::routes(handle).into_iter().chain([import]).collect()
}
