//! The entry listener: what is published, handed out to other hosts.

use super::model::{AccountId, JobId};
use super::routes::Shared;
use crate::auth::{Audit, Gate};
use crate::http;
use std::io;
use std::time::Duration;

/// The running listener.
pub struct Entry {}

/// A transfer to another host that goes on, or is just over.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// In the numbers of jobs' form; not of their sequence: from 0xf000_0000 on.
    pub id: JobId,
    /// Whose data.
    pub owner: AccountId,
    /// `rep/item:tag`
    pub tag: String,
    /// The file's name.
    pub file: String,
    /// Whether it is over.
    pub over: bool,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes of the file.
    pub size: u64,
}

impl Entry {
    /// Begins to answer, on the data thread.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(_shared: Shared, _gate: Gate, _audit: Audit, _listeners: Vec<http::Listener>) -> io::Result<Entry> {
        unimplemented!()
    }

    /// Lets what is being handed out end, for so long.
    pub async fn drain(self, _limit: Duration) {
        unimplemented!()
    }
}

/// Transfers to other hosts: those that go on, and the last hundred. Newest first.
pub fn outgoing() -> Vec<Outgoing> {
    unimplemented!()
}
