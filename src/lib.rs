//! # hostler — the map
//!
//! One daemon for everything a host runs. Two processes: the *keeper* starts, holds and reaps children and knows
//! nothing else; the *core*, its child, decides, remembers and answers.
//!
//! ```text
//!  main ─┬─ serve ──> keeper ══ frames ══ core (daemon)            what runs belongs to the keeper,
//!        ├─ core ───────────────────────> │                       what is known to the store
//!        └─ every other verb ──> cli ─HTTP─> http ──> admin, proc, dag, tracker, cache, hub
//!                                             │         │ routes → handle → engine ─┬─> machine (pure)
//!                                            auth       │                           ├─> store
//!                                                       └─ launch ──> keeper::link  └─> logs, bus
//! ```
//!
//! | room | what it is for | may know |
//! | --- | --- | --- |
//! | [`base`] | ids, clocks as values, durations, secrets, the bus | – |
//! | [`config`], [`metrics`], [`schedule`] | settings; counters; cron and time zones | `base` |
//! | [`store`] | the only user of sled: typed records, one atomic batch a decision | `base`, `metrics` |
//! | [`logs`] | the files that children write: marks, bounds, reading | `base`, `metrics` |
//! | [`auth`] | who is calling and what they may do; tokens; accounts; the audit log | `base`, `store` |
//! | [`http`] | listeners, the families' manners, routes, streams | `base`, `auth`, `metrics` |
//! | [`keeper`] | the other process, and the core's end of the socket to it | nothing of ours |
//! | [`launch`] | from what a task says to what the keeper executes | `auth`, `keeper` |
//! | [`proc`] | supervised processes | all of the above |
//! | [`dag`] | runs of directed acyclic graphs of commands | all of the above |
//! | [`tracker`] | work for workers | `auth`, `http`, `store` |
//! | [`cache`] | downloads, kept as verified pieces | `auth`, `http`, `store` |
//! | [`hub`] | who the host works for, where it is reached, whether what it published is well | `auth`, `cache`, `dag`, `http`, `proc`, `store` |
//! | [`admin`] | hostler's own administration | `auth`, `http`, `store` |
//! | [`cli`] | the command line, a client of the API | `base`, `config` |
//! | [`daemon`] | puts the rooms together; nothing imports it | everything |
//!
//! `tests/layout.rs` holds these rules; a new edge is a line there, with its reason.
//!
//! Every domain room has the same inside: `model` (types that keep their invariants), `machine` (events in, plans out;
//! no clock, no I/O), `records` (the stored shape), `engine` (the driver that performs), `wire` and `routes`.
//!
//! To read in order: this page, `proc/mod.rs`, `proc/machine/mod.rs`, `proc/engine.rs`, `keeper/machine.rs`.
//!
//! **Absent:** other hosts. A fork in the core. A lock held across an await. Work for an idle child.

pub mod admin;
pub mod auth;
pub mod base;
pub mod cache;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dag;
pub mod http;
pub mod hub;
pub mod keeper;
pub mod launch;
pub mod logs;
pub mod metrics;
pub mod proc;
pub mod schedule;
pub mod store;
pub mod tracker;
