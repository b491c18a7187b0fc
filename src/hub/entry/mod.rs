//! The entry listener: what is published, handed out to other hosts.
//!
//! ```text
//! GET /pull/REP/ITEM/TAG ── published, served? ── private: who asks? ── open, look ── what it must be? ── range ── bytes
//!                              404                  400                  404          409                416
//! ```
//!
//! It has sockets of its own, and runs on the data thread: what goes out here keeps no answer of the API waiting. It is the
//! server of all other listeners with one family behind it, so that limits, time-outs and the end are the same.
//!
//! `answers` the routes, `access` who may read what is private, `sending` the bytes, `board` what is being sent, `notes` what
//! owners read of it in their logs.
//!
//! **Absent:** writes. Whoever comes here changes nothing but the owner's log.

mod access;
mod answers;
mod board;
mod notes;
mod sending;
#[cfg(test)]
mod tests;

use super::model::{AccountId, JobId};
use super::routes::Shared;
use crate::auth::{Audit, Gate};
use crate::base::{Bus, Now};
use crate::http::{self, Family, Health, Listener, Server, Services, State};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The running listener. Dropping it drains it too, without waiting.
pub struct Entry {
    server: Server,
}

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
    /// Begins to answer, on the data thread. Answers when it does.
    ///
    /// # Errors
    /// The kernel's; a certificate cannot be used.
    pub async fn start(shared: Shared, gate: Gate, audit: Audit, listeners: Vec<Listener>) -> io::Result<Entry> {
        let Shared { handle, tokens } = shared;
        let runtime = handle.downloads().thread().handle()?;
        let settings = http::Settings { only: Some(Family::Hub), ..http::Settings::default() };
        let services = Services {
            audit,
            // Nobody listens to it here.
            bus: Bus::new(Now::read().wall),
            metrics: handle.metrics().clone(),
            health: Health::new(State::Ready),
            admits: Arc::new(|_| Ok(())),
            gate,
        };
        let routes = answers::routes(&answers::Shared::new(handle, tokens));
        let started = runtime.spawn(Server::start(routes, settings, services, listeners)).await;
        let server = started.map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(Entry { server })
    }

    /// Reads certificates and keys again; see [`Server::reload`].
    ///
    /// # Errors
    /// One cannot be used: the old one stays.
    pub async fn reload(&self) -> Result<(), http::StartError> {
        self.server.reload().await
    }

    /// Lets what is being handed out end, for so long.
    pub async fn drain(self, limit: Duration) {
        self.server.drain(limit).await;
    }
}

/// Transfers to other hosts: those that go on, and the last hundred. Newest first.
pub fn outgoing() -> Vec<Outgoing> {
    board::board().list()
}
