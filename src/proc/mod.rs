//! # proc — supervised processes
//!
//! Named tasks of equal processes: once, always, or when a schedule says so. Speaks under `/proc`; owns the kinds of
//! records from 0x10 on; hears the keeper.
//!
//! ```text
//!            start                    exit (daemon)
//!   resting ───────> launching ──> up ─────────────> pausing ──interval──> launching
//!      ^                           │ │
//!      │        exit (once, cron)  │ └─stop─> stopping ──exit, or KILL after stop_timeout──> tree gone ──> resting
//!      └───────────────────────────┘
//! ```
//!
//! * `model` what a task and a run are; `machine` every decision, pure; `tests` a simulated world around it
//! * `engine` the driver that carries the decisions out; `launch`, `probes`, `notify` its hands
//! * `document` a definition as JSON; `records` what is stored; `wire` what clients see
//! * `routes` the API; `rights` who may have what; `output`, `history`, `why` the longer answers
//! * `retention` forgetting
//!
//! **Absent:** forks and signals (the keeper's), DAGs, time spent per idle process.

mod document;
mod engine;
mod history;
mod launch;
pub mod machine;
pub mod model;
mod notify;
mod output;
mod probes;
mod records;
mod retention;
mod rights;
mod routes;
mod why;
mod wire;

pub use engine::{Answer, Engine, Gone, Handle, Host, Settings, StartError, Tools, start};
pub use records::{TABLES, rules};
pub use retention::keep_bounds;
pub use routes::routes;
pub use why::Why;
