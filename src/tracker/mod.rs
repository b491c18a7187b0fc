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
//! A held task is a *lease*: it ends with its time, with the process it is tied to, or when its holder gives it back.
//! Several workers may have to come to the same result (*votes*) before a task is closed. What is closed is gone but for
//! its count.
//!
//! Clients of the task_tracker of 2019 speak to it unchanged, at `/` and `/api`: paths, words and statuses are its own,
//! and what goes beyond it is optional. Who somebody is, his own credentials tell: a session cookie, a worker's two
//! headers, a token; over TCP a connection names nobody, save that an operator may be the first admin. Owns the kinds of
//! records from 0x50 on.
//!
//! * `model` projects, tasks, leases, who works and who manages; `machine` every decision, pure
//! * `engine` the driver that carries the decisions out; `start` what it begins with; `watch` processes that leases are
//!   tied to; `events` what listeners are told
//! * `records` what is stored; `journal` logs and samples, which no decision needs; `retention` what is thrown away
//! * `wire` what clients say and see; `routes` the API, by theme in `workers`, `projects`, `access`, `tasks`, `queue`,
//!   `managers`, `monitoring`, `logs`, `webhook`; `people` who asks; `why` the chain of causes; `numbers`, `answer` in the original's manner
//!
//! **Absent:** processes of its own (a worker comes by itself, as a supervised task or from anywhere), results, passwords
//! (they are [`crate::auth::accounts`]'). From the machine also: clocks, logs, samples' past, status codes.

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
mod why;
pub mod wire;
mod workers;

pub use engine::{Engine, Handle, HookHash, Level, LogEntry, Registration, Settings, Tools};
pub use records::{TABLES, rules};
pub use retention::keep_bounds;
pub use routes::routes;
pub use start::start;
