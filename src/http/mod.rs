//! # http — one listener, five APIs
//!
//! Listens, reads requests within limits, learns who asks, finds the route, and answers in the shape the path's
//! family expects. Rooms bring routes; this room brings everything around them, and `/healthz`, `/readyz`,
//! `/metrics`, `/events`, `/openapi.json`.
//!
//! ```text
//! accept --> who is it? --> seat --> [TLS] --> head --> table: which family?
//!                                                         |
//! answer <-- handler <-- body <-- store admits <-- right <-- route <-- Host, Origin
//! ```
//!
//! `table.rs` says how each family treats slashes, HEAD, OPTIONS and wrong methods; `failure.rs` how each says no;
//! `life.rs` is the order of the steps; `conn.rs` and `seats.rs` are what slow, vanished or many clients can cost.
//!
//! What cannot be parsed as HTTP never becomes a request: hyper answers it with an empty 400, 414 or 431 and closes.
//!
//! The cache's proxy, which speaks to no family, has its connections from here too: `conn`, `seats` and `socket`.
//!
//! **Absent:** what any family does; the store (a closure says whether writes may start); passwords and cookies;
//! threads, files and name look-ups on the runtime's thread.

mod body;
mod builtin;
pub(crate) mod conn;
mod events;
pub mod failure;
mod health;
mod life;
mod openapi;
mod origin;
mod path;
mod reply;
mod route;
mod router;
pub(crate) mod seats;
mod server;
mod settings;
pub(crate) mod socket;
pub mod table;
mod tls;

#[cfg(test)]
mod tests;

pub use failure::{ErrorStatus, Failure, blocking};
pub use health::{Health, State};
pub use path::Query;
pub(crate) use reply::Content;
pub use reply::{KEEP_ALIVE, Reply, Sse};
pub use route::{Access, BODY_LIMIT, Cx, Doc, Doorman, Draft, Handler, Head, Params, Route, handler};
pub use router::RouteError;
pub use server::{Admits, Bound, Listener, Server, Services, StartError};
pub use settings::Settings;
pub use table::Family;
pub use tls::{TlsError, TlsFiles};
