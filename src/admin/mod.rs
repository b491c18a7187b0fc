//! # admin — hostler's own administration, under `/hostler/v1/`
//!
//! | route | for whom | what |
//! | --- | --- | --- |
//! | `GET status` | known callers | version, uptime; for operators also processes, listeners, store, cgroup |
//! | `GET tokens`, `POST tokens`, `DELETE tokens/{id}` | users: their own; operators: all | see [`crate::auth::tokens`] |
//! | `GET accounts`, `POST accounts`, `GET`, `PATCH`, `DELETE accounts/{name}` | operators | see [`crate::auth::accounts`] |
//! | `PUT accounts/{name}/password`, `DELETE accounts/{name}/sessions` | operators | both end its sessions |
//! | `GET audit` | operators | the newest lines of the audit log |
//! | `GET backup`, `GET export` | operators | the store as one file; as JSON lines, secrets masked |
//! | `POST check` | operators | checksums, references, files: what is not as it should be |
//! | `POST compact` | operators | gives unused space back, when the store is opened next |
//! | `POST upgrade`, `POST stop` | operators | the daemon itself |
//! | `GET why/{name}` | known callers | the chain of causes, asked of every room |
//!
//! The room decides nothing: it asks the store, the tokens, the accounts, the audit log, and by the traits of `house.rs`
//! the daemon and the rooms. Reading through the whole store (backup, export, check) is done one at a time.
//!
//! **Absent:** records, state, a task of its own; signing in, which is each family's; `restore`, which needs the daemon to
//! be down.

mod accounts;
mod engine;
mod house;
mod routes;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

pub use engine::{Busy, Handle, Services};
pub use house::{Facts, House, Listener, Room};
pub use routes::routes;
