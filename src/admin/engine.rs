//! The room's handle: everything the routes ask, in one place.

use super::house::{House, Room};
use super::stream;
use super::wire::AnswerOut;
use crate::auth::audit::{Audit, Entry, Filter};
use crate::auth::tokens::{Ask, MintError, RevokeError, Token, Tokens};
use crate::auth::{Accounts, Caller, Denied};
use crate::base::{Bus, Now, Secret};
use crate::store::{Report, Store, Table};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::join_all;
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The administration. Clones are the same.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

/// Whose help it takes.
pub struct Services {
    /// The tokens it manages.
    pub tokens: Tokens,
    /// The accounts it manages.
    pub accounts: Accounts,
    /// The log it shows.
    pub audit: Audit,
    /// The store it looks after.
    pub store: Store,
    /// The kinds of records that an export shows: those the store was opened with.
    pub tables: Vec<Table>,
    /// Where it announces what happened to tokens and accounts.
    pub bus: Bus,
    /// The daemon.
    pub house: Arc<dyn House>,
    /// The rooms that can say why, and know rules of the store.
    pub rooms: Vec<Arc<dyn Room>>,
}

struct Inner {
    services: Services,
    /// Who holds it reads through the whole store.
    reading: Arc<Semaphore>,
}

/// Somebody else reads through the whole store already.
#[derive(Debug, thiserror::Error)]
#[error("a backup, export, check or compaction is running already")]
pub struct Busy;

/// Why the store was not read through.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpkeepError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What of the store is streamed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// Everything, to be restored.
    Backup,
    /// The records, to be read by people and programs.
    Export,
}

impl Handle {
    /// The administration with the help of these.
    pub fn new(services: Services) -> Handle {
        Handle(Arc::new(Inner { services, reading: Arc::new(Semaphore::new(1)) }))
    }

    pub(super) fn house(&self) -> &dyn House {
        self.0.services.house.as_ref()
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.services.store
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.0.services.accounts
    }

    /// What the account of this number is called; 0 is the built-in operator's.
    pub(super) fn account_name(&self, id: u32) -> Option<String> {
        if id == 0 {
            return Some(crate::auth::accounts::BUILT_IN.to_owned());
        }
        self.accounts().get(id).map(|account| account.name)
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.0.services.bus
    }

    pub(super) fn list_tokens(&self, by: &Caller) -> Result<Vec<Token>, Denied> {
        self.0.services.tokens.list(by)
    }

    pub(super) async fn mint(&self, by: &Caller, ask: Ask, now: Now) -> Result<(Secret, Token), MintError> {
        let (text, token) = self.0.services.tokens.mint(by, ask, now).await?;
        self.announce("auth.token.made", by, &token, now);
        Ok((text, token))
    }

    pub(super) async fn revoke(&self, by: &Caller, id: u64, now: Now) -> Result<(), RevokeError> {
        let token = self.0.services.tokens.revoke(by, id).await?;
        self.announce("auth.token.revoked", by, &token, now);
        Ok(())
    }

    fn announce(&self, kind: &'static str, by: &Caller, token: &Token, now: Now) {
        let facts = serde_json::json!({ "id": token.id, "scopes": token.scopes, "by": by.name(), "of": token.owner });
        self.0.services.bus.publish(now.wall, kind, token.name.clone(), token.owner.uid(), facts);
    }

    /// The newest lines of the audit log.
    pub(super) async fn recent(&self, filter: Filter) -> io::Result<Vec<Entry>> {
        let audit = self.0.services.audit.clone();
        tokio::task::spawn_blocking(move || audit.recent(&filter)).await.map_err(io::Error::other)?
    }

    /// What every room has to say about this name.
    pub(super) async fn why(&self, by: &Caller, name: &str) -> Vec<AnswerOut> {
        let asked = self
            .0
            .services
            .rooms
            .iter()
            .map(async |room| room.why(by, name).await.map(|why| AnswerOut::of(room.name(), why)));
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// The turn to read through the whole store; given back when it is dropped.
    pub(super) fn alone(&self) -> Result<OwnedSemaphorePermit, Busy> {
        self.0.reading.clone().try_acquire_owned().map_err(|_| Busy)
    }

    /// The store as a stream of bytes.
    pub(super) fn stream(
        &self,
        what: Out,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, UpkeepError> {
        let alone = self.alone()?;
        let store = self.0.services.store.clone();
        let tables = self.0.services.tables.clone();
        let name = match what {
            Out::Backup => "backup",
            Out::Export => "export",
        };
        let produce = move |out: &mut dyn io::Write| {
            let written = match what {
                Out::Backup => store.backup(out).map_err(io::Error::other),
                Out::Export => store.export(&tables, out).map_err(io::Error::other),
            };
            written.map(drop).inspect_err(|why| tracing::warn!(%why, "the {name} was not finished"))
        };
        stream::stream(name, alone, produce).map_err(|why| UpkeepError::Failed(why.into()))
    }

    /// What is not as it should be, in the store, between it and the rooms, and in files that the daemon needs to start.
    pub(super) async fn check(&self) -> Result<Report, UpkeepError> {
        let alone = self.alone()?;
        let store = self.0.services.store.clone();
        let rules: Vec<_> = self.0.services.rooms.iter().flat_map(|room| room.rules()).collect();
        let house = self.0.services.house.clone();
        let check = move || {
            let _alone = alone; // held to the end, also when nobody waits for the answer any longer
            let mut report = store.check(&rules);
            house.check().into_iter().for_each(|finding| report.add(finding));
            report
        };
        tokio::task::spawn_blocking(check).await.map_err(|why| UpkeepError::Failed(why.into()))
    }

    /// Has the store compacted when it is opened next.
    pub(super) async fn compact(&self) -> Result<(), UpkeepError> {
        let store = self.0.services.store.clone();
        match tokio::task::spawn_blocking(move || store.compact_at_next_open()).await {
            Ok(result) => result.map_err(|why| UpkeepError::Failed(why.into())),
            Err(why) => Err(UpkeepError::Failed(why.into())),
        }
    }
}
