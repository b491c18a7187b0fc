//! # auth — who is calling, and what may they do
//!
//! Three ways in, and one answer, a [`Caller`]:
//!
//! ```text
//! Unix socket ----SO_PEERCRED----.
//! loopback TCP ---socket owner---+--> Arrival --names, groups--> Peer --.
//!                                                                       +--> Gate::identify --> Caller
//! Authorization: Bearer … -------SHA-256-----> Token -------------------'
//! ```
//!
//! A shown token outranks the connection, and a wrong one is not made good by it. A forwarded request (`Forwarded`,
//! `X-Forwarded-*`, `Via`) has no peer. Every request the daemon itself sends carries `Via: 1.1 hostler`: that, and
//! not a comparison of sockets, is how its own TCP connections are kept from lending anybody its rights; on the Unix
//! socket its own processes are known by their pids.
//!
//! Rights are asked of the [`Caller`]: a scope ([`Caller::require`]), and whose things may be touched
//! ([`Caller::may_touch`]). Rooms never look at uids of their own accord.
//!
//! Beside them there are [`Accounts`], with passwords and sessions. No account is a [`Caller`]: the families that know
//! their clients by name ask them in their own handlers, each for its own rights.
//!
//! **Absent:** routes; the rules on `Host` and `Origin`, which the HTTP room applies where [`Caller::is_ambient`].

pub mod accounts;
pub mod audit;
mod caller;
mod gate;
mod peer;
mod place;
mod scope;
mod sockdiag;
pub mod tokens;
pub mod users;

#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use audit::Audit;
pub use caller::{Caller, Denied, Local, TokenHolder, Transport};
pub use gate::{Gate, Settings};
pub use peer::{Arrival, Peer, Source};
pub use place::{Allowance, Place};
pub use scope::{Scope, UnknownScope};
