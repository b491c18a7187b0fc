//! # hub — who this host works for, where it can be reached, and whether its data is well
//!
//! Accounts have a daemon id, a log and entry points, and are online or not; what they publish (pool, repository, item,
//! tag) is a file of this host whose health is measured. The API is that of the DataHub daemon; the entry listener hands
//! out what is published.
//!
//! ```text
//!                  publish                            look, reading
//!            ------------------> PENDING --read--> NORMAL <---------> ABNORMAL (missing, size_changed, content_changed, …)
//!            pull --file in place--^                  `------ another stamp --> PENDING --read--> …
//!
//!   beat from outside, or own beat (entry listener answers, looks make progress) --> online --offline_after--> offline
//! ```
//!
//! `machine/` decides; `files/` looks, reads and watches; `reach/` asks entry points whether they answer; `entry/` is the
//! listener that hands files out; `transfer/` pulls from other hosts through the cache.
//!
//! **Absent:** subscriptions, prices, other kinds of pools than directories. A server above this one: nothing is forwarded.

pub mod engine;
pub mod entry;
mod events;
pub mod files;
pub mod machine;
pub mod model;
mod proof;
pub mod reach;
pub mod records;
pub mod routes;
pub mod transfer;
mod why;
pub mod wire;

pub use engine::{Engine, Failed, Handle, Settings, Tools, start};
pub use records::TABLES;
pub use routes::{Shared, routes};
