//! # store — what must survive
//!
//! Rooms see typed records ([`Record`], [`Key`]), one decision at a time ([`Batch`]), a promise ([`Ticket`]), and
//! what they owe once it is kept ([`Debts`]). Behind it: one sled tree, one thread that writes, files for what does not fit.
//!
//! ```text
//! rooms --Batch--> queue --> writer --> committer --> objects/ (over 4 KiB), redo/ (over 256 operations)
//!   ^                 group commit         `--------> tree: apply, flush, fdatasync --> tickets answered
//!   `---- Reader <---------------------------------- tree
//!
//! db/ objects/ redo/ --backup--> file --restore--> swap.new/ --rename--> swap/ --> db/ objects/ redo/
//!                    `-------------compact-------^
//! ```
//!
//! Promises:
//! - What a ticket answered is on disk: it survives a killed process and a power cut.
//! - A decision is there as a whole or not at all, and never without those submitted before it.
//! - After a failed flush or fsync nothing is promised any more: the process has to end and open the store anew.
//! - Damage is found when it is read, and by a check; only damage in the newest part of the log cannot be told from a
//!   write that a power cut tore, and what follows it is dropped.
//! - A full disk is noticed before a write fails: clients are refused, the core writes on into the reserve.
//!
//! The tree's keys, by their first byte: `00` the store's own numbers, `01` owners of objects, `02` markers of redo
//! files, `10`–`FE` the records of rooms.
//!
//! **Absent:** what records mean; retries; timers while nothing is committed and space is plenty; async, save for waiting on a ticket; anything
//! else that names sled.

mod archive;
mod backend;
mod backup;
mod batch;
mod check;
mod committer;
mod compact;
mod debts;
mod disk;
mod export;
mod formats;
mod frames;
mod handle;
mod layout;
mod log;
mod memory;
mod objects;
mod open;
mod reader;
mod record;
mod redo;
mod reserve;
mod restore;
mod session;
mod spare;
mod swap;
mod tap;
mod ticket;
mod tree;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

pub use archive::ArchiveError;
pub use backup::BackupError;
pub use batch::Batch;
pub use check::{Report, Rule};
pub use compact::{Compacted, compact};
pub use debts::{Debts, Payer};
pub use export::ExportError;
pub use formats::{STORE_FORMAT as FORMAT, Table};
pub use handle::{Full, Stats, Store};
pub use open::{MOST_LIVE, OpenError, Settings};
pub use reader::{ReadError, Reader, Scan, beside};
pub(crate) use record::record;
pub use record::{DecodeError, Key, Kind, Record};
pub use restore::{RestoreError, restore, verify};
pub use ticket::{CommitError, Ticket};
