//! The tokens in memory, and what each decision about them writes down.

use super::records::{LastId, Stored};
use super::words::{Change, ChangeError, MintError, OF_ACCOUNTS, Owner, PER_OWNER, Token};
use crate::base::Wall;
use crate::store::{Batch, ReadError, Reader};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};

/// What a token is found by: SHA-256 of its text.
pub(super) type Hash = [u8; 32];

/// All tokens.
#[derive(Default)]
pub(super) struct Known {
    by_hash: HashMap<Hash, Held>,
    by_id: BTreeMap<u64, Hash>,
    /// Numbers of the accounts' tokens.
    account_names: HashMap<String, u64>,
    last_id: u64,
}

pub(super) struct Held {
    token: Token,
    /// Microseconds since the epoch; 0 is never.
    last_used: AtomicI64,
}

impl Held {
    /// As it is now.
    pub(super) fn token(&self) -> Token {
        Token { last_used: self.last_used(), ..self.token.clone() }
    }

    /// As it was written down: without its last use.
    pub(super) fn written(&self) -> &Token {
        &self.token
    }

    pub(super) fn used(&self, now: Wall) {
        self.last_used.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    fn last_used(&self) -> Option<Wall> {
        let used = self.last_used.load(Ordering::Relaxed);
        (used != 0).then(|| Wall::from_timestamp_micros(used)).flatten()
    }
}

/// A token to be, but for its number.
pub(super) struct New {
    pub(super) hash: Hash,
    pub(super) token: Token,
}

impl Known {
    /// Reads everything back.
    pub(super) fn load(reader: &Reader) -> Result<Known, ReadError> {
        let mut known = Known { last_id: reader.get::<LastId>(&())?.map_or(0, |last| last.0), ..Known::default() };
        for record in reader.scan::<Stored>(..) {
            let (id, stored) = record?;
            match stored.read(id) {
                Some((hash, token)) => known.insert(hash, token),
                None => tracing::error!(id, "a token's record has no readable hash: the token is ignored"),
            }
        }
        Ok(known)
    }

    fn insert(&mut self, hash: Hash, token: Token) {
        self.last_id = self.last_id.max(token.id);
        self.by_id.insert(token.id, hash);
        if token.owner.account().is_some() {
            self.account_names.insert(token.name.clone(), token.id);
        }
        self.by_hash.insert(hash, Held { token, last_used: AtomicI64::new(0) });
    }

    /// Adds a new token; `replacing` one of the same name, where there is one that may go.
    fn add(&mut self, new: New, replacing: Option<u64>) -> (Token, Batch) {
        let mut batch = Batch::new();
        if let Some(id) = replacing {
            batch.delete::<Stored>(&id);
            self.remove(id);
        }
        let New { hash, mut token } = new;
        token.id = self.last_id + 1;
        batch.put(&(), &LastId(token.id));
        batch.put(&token.id, &Stored::of(&hash, &token));
        self.insert(hash, token.clone());
        (token, batch)
    }

    /// Adds a user's token, in place of one of the same name that has expired, and says what to write down.
    pub(super) fn mint(&mut self, new: New, uid: u32) -> Result<(Token, Batch), MintError> {
        let owner = Owner::User(uid);
        let now = new.token.created;
        let namesake = self.of(owner).find(|held| held.token.name == new.token.name);
        let replacing = match namesake.map(|held| &held.token) {
            Some(token) if token.expires.is_some_and(|at| at <= now) => Some(token.id),
            Some(_) => return Err(MintError::Taken { name: new.token.name, owner }),
            None if self.of(owner).count() >= PER_OWNER => {
                return Err(MintError::TooMany { owner, most: PER_OWNER });
            }
            None => None,
        };
        Ok(self.add(new, replacing))
    }

    /// Adds an account's token, and says what to write down.
    pub(super) fn mint_for_account(&mut self, new: New) -> Result<(Token, Batch), MintError> {
        if let Some(namesake) = self.account_token(&new.token.name) {
            return Err(MintError::Taken { name: new.token.name, owner: namesake.token.owner });
        }
        if self.account_names.len() >= OF_ACCOUNTS {
            return Err(MintError::TooMany { owner: new.token.owner, most: OF_ACCOUNTS });
        }
        Ok(self.add(new, None))
    }

    /// Adds an account's token unless its text is known, in place of the one of the same name.
    pub(super) fn seed(&mut self, new: New) -> Option<Batch> {
        if self.by_hash.contains_key(&new.hash) {
            return None;
        }
        let replacing = self.account_names.get(&new.token.name).copied();
        Some(self.add(new, replacing).1)
    }

    /// Changes an account's token.
    pub(super) fn change(&mut self, id: u64, change: Change, now: Wall) -> Result<(Token, Batch), ChangeError> {
        let unknown = || ChangeError::Unknown(id);
        let hash = self.by_id.get(&id).ok_or_else(unknown)?;
        let held = self.by_hash.get_mut(hash).filter(|held| held.token.owner.account().is_some());
        let held = held.ok_or_else(unknown)?;
        let token = &mut held.token;
        let Change { bio, scopes, active, expires, account } = change;
        token.bio = bio.unwrap_or(std::mem::take(&mut token.bio));
        token.scopes = scopes.unwrap_or(std::mem::take(&mut token.scopes));
        token.active = active.unwrap_or(token.active);
        token.expires = expires.or(token.expires);
        token.owner = account.map_or(token.owner, Owner::Account);
        token.updated = now;
        let mut batch = Batch::new();
        batch.put(&id, &Stored::of(hash, token));
        Ok((held.token(), batch))
    }

    /// Takes one out, and says what to write down.
    pub(super) fn revoke(&mut self, id: u64) -> Batch {
        let mut batch = Batch::new();
        if self.remove(id) {
            batch.delete::<Stored>(&id);
        }
        batch
    }

    fn remove(&mut self, id: u64) -> bool {
        let held = self.by_id.remove(&id).and_then(|hash| self.by_hash.remove(&hash));
        if let Some(Held { token, .. }) = &held
            && token.owner.account().is_some()
        {
            self.account_names.remove(&token.name);
        }
        held.is_some()
    }

    pub(super) fn by_hash(&self, hash: &Hash) -> Option<&Held> {
        self.by_hash.get(hash)
    }

    pub(super) fn by_id(&self, id: u64) -> Option<&Held> {
        self.by_hash.get(self.by_id.get(&id)?)
    }

    /// All, by number.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.by_id.values().filter_map(|hash| self.by_hash.get(hash))
    }

    /// The account's token of this name.
    fn account_token(&self, name: &str) -> Option<&Held> {
        self.by_id(*self.account_names.get(name)?)
    }

    fn of(&self, owner: Owner) -> impl Iterator<Item = &Held> {
        self.by_hash.values().filter(move |held| held.token.owner == owner)
    }
}
