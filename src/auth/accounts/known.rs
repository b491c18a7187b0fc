//! The accounts in memory, and what each decision about them writes down.

use super::passwords::Kept;
use super::records::{LastId, SigningKey, Stored, StoredSession};
use super::sessions::Sessions;
use super::signed::Key;
use super::words::{Account, AccountError, BUILT_IN, ImportedAccount, NewAccount, Rights, Tracker, is_name};
use crate::base::Wall;
use crate::store::{Batch, CommitError, ReadError, Reader};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All accounts and sessions.
#[derive(Default)]
pub(super) struct Known {
    by_id: BTreeMap<u32, Held>,
    by_name: HashMap<String, u32>,
    pub(super) sessions: Sessions,
    last_id: u32,
    tracker_admins: usize,
    /// What sign-ins are signed with; none until somebody needs it.
    pub(super) key: Option<Key>,
}

/// An account with what is kept of its password: another one whenever the password changes.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) account: Account,
    pub(super) kept: Arc<Kept>,
    /// How often all its sessions were ended.
    pub(super) ended: u32,
}

impl Known {
    /// Reads everything back. What is over or belongs to nobody is left out, and to be deleted.
    pub(super) fn load(reader: &Reader, now: Wall) -> Result<(Known, Batch), ReadError> {
        let mut known = Known { last_id: reader.get::<LastId>(&())?.map_or(0, |last| last.0), ..Known::default() };
        for record in reader.scan::<Stored>(..) {
            let (id, stored) = record?;
            match stored.read(id) {
                Some(held) => known.insert(held),
                None => tracing::error!(id, "an account's record has no readable hash: the account is ignored"),
            }
        }
        let key = reader.get::<SigningKey>(&())?;
        known.key = key.as_ref().and_then(SigningKey::read);
        if key.is_some() && known.key.is_none() {
            tracing::error!("the key for sign-ins is unreadable: a new one is made, and those of before are void");
        }
        let mut over = Batch::new();
        for record in reader.scan::<StoredSession>(..) {
            let (key, stored) = record?;
            match stored.hash() {
                Some(hash) if stored.expires > now && known.by_id.contains_key(&key.0) => {
                    known.sessions.insert(key, hash, stored.expires);
                }
                _ => over.delete::<StoredSession>(&key),
            }
        }
        Ok((known, over))
    }

    fn insert(&mut self, held: Held) {
        let account = &held.account;
        self.last_id = self.last_id.max(account.id);
        self.tracker_admins += usize::from(account.rights.tracker == Tracker::Admin);
        self.by_name.insert(account.name.clone(), account.id);
        self.by_id.insert(account.id, held);
    }

    pub(super) fn by_id(&self, id: u32) -> Option<&Held> {
        self.by_id.get(&id)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Held> {
        self.by_id.get(self.by_name.get(name)?)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.by_id.values()
    }

    pub(super) fn has_tracker_admin(&self) -> bool {
        self.tracker_admins > 0
    }

    /// Whether a new account may have this name.
    pub(super) fn admits(&self, name: &str) -> Result<(), AccountError> {
        if !is_name(name) {
            return Err(AccountError::Name);
        }
        if name == BUILT_IN || self.by_name.contains_key(name) {
            return Err(AccountError::Taken(name.to_owned()));
        }
        Ok(())
    }

    fn write(&self, id: u32, batch: &mut Batch) {
        if let Some(held) = self.by_id.get(&id) {
            batch.put(&id, &Stored::of(held));
        }
    }

    /// Adds a new account.
    pub(super) fn create(
        &mut self,
        new: NewAccount,
        kept: Kept,
        created: Wall,
        batch: &mut Batch,
    ) -> Result<Account, AccountError> {
        self.admits(&new.name)?;
        let used_up = || CommitError::Unwritable("every number has been given to an account".to_owned());
        let id = self.last_id.checked_add(1).ok_or_else(used_up)?;
        let mut rights = new.rights;
        if new.admin_if_first && !self.has_tracker_admin() {
            rights.tracker = Tracker::Admin;
        }
        let account = Account { id, name: new.name, created, rights };
        self.insert(Held { account: account.clone(), kept: Arc::new(kept), ended: 0 });
        batch.put(&(), &LastId(self.last_id));
        self.write(id, batch);
        Ok(account)
    }

    /// Adds an account under the number it had elsewhere.
    pub(super) fn import(&mut self, imported: ImportedAccount, batch: &mut Batch) -> Result<(), AccountError> {
        let ImportedAccount { id, name, created, rights, sha512 } = imported;
        if id == 0 || self.by_id.contains_key(&id) {
            return Err(AccountError::NumberTaken(id));
        }
        self.admits(&name)?;
        let account = Account { id, name, created, rights };
        self.insert(Held { account, kept: Arc::new(Kept::Sha512(sha512)), ended: 0 });
        batch.put(&(), &LastId(self.last_id));
        self.write(id, batch);
        Ok(())
    }

    /// Keeps this of its password from now on.
    pub(super) fn set_kept(&mut self, id: u32, kept: Kept, batch: &mut Batch) -> Option<Account> {
        let held = self.by_id.get_mut(&id)?;
        held.kept = Arc::new(kept);
        let account = held.account.clone();
        self.write(id, batch);
        Some(account)
    }

    /// Changes what it may do.
    pub(super) fn set_rights(
        &mut self,
        id: u32,
        change: impl FnOnce(&mut Rights),
        batch: &mut Batch,
    ) -> Option<Account> {
        let held = self.by_id.get_mut(&id)?;
        let mut rights = held.account.rights;
        change(&mut rights);
        let before = std::mem::replace(&mut held.account.rights, rights);
        let account = held.account.clone();
        self.tracker_admins += usize::from(rights.tracker == Tracker::Admin);
        self.tracker_admins -= usize::from(before.tracker == Tracker::Admin);
        if rights != before {
            self.write(id, batch);
        }
        Some(account)
    }

    /// Ends its sessions, and makes void what was signed for it.
    pub(super) fn end_sessions(&mut self, id: u32, batch: &mut Batch) {
        self.sessions.close_all(id, batch);
        if let Some(held) = self.by_id.get_mut(&id) {
            held.ended = held.ended.wrapping_add(1);
            self.write(id, batch);
        }
    }

    /// Removes it with its sessions.
    pub(super) fn remove(&mut self, name: &str, batch: &mut Batch) -> Option<Account> {
        let id = self.by_name.remove(name)?;
        let Held { account, .. } = self.by_id.remove(&id)?;
        self.tracker_admins -= usize::from(account.rights.tracker == Tracker::Admin);
        self.sessions.close_all(id, batch);
        batch.delete::<Stored>(&id);
        Some(account)
    }
}
