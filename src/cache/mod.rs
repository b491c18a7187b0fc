//! # cache — downloads, kept
//!
//! Files and images that somebody on this host wanted once are kept as pieces on disk, verified, and served again without
//! asking their origin. Jobs warm, find and clear them; `/oapi/v1` is the Open API of Dragonfly, whose manager, scheduler
//! and only (super) peer this host is.
//!
//! ```text
//!            absent --open--> fetching --all pieces, digest--> complete --delete, evict--> doomed --file gone--> absent
//!                               ^  | nobody wants it, or it fails      |
//!                               |  v                                   |
//!                              partial <-------- a piece is damaged ---'
//! ```
//!
//! `machine/` decides what is fetched, shared, kept and thrown away, and what becomes of jobs; `content/` moves bytes:
//! from an origin to the disk once, from the disk to whoever asked; `origin/` speaks to origins and refuses where it must
//! not connect; `registry/` turns images into the addresses of their blobs; `proxy/` is the listener for local clients.
//!
//! **Absent:** other hosts. Upstream managers would stand beside the local peer as further sources of a job's states.

pub mod content;
pub mod engine;
mod events;
pub mod machine;
pub mod model;
pub mod origin;
pub mod proxy;
pub mod records;
pub mod registry;
pub mod routes;
mod why;
pub mod wire;

pub use engine::{Engine, Failed, Handle, Settings, Tools, start};
pub use records::TABLES;
pub use routes::{Shared, routes};
