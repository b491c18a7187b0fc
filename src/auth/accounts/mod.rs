//! Accounts: people and programs with a name and a password, for the families that know their clients so.
//!
//! ```text
//! sign_in ── throttle ── turn ── throttle ── argon2id ──> Account ── open_session ──> text of a cookie
//!                                (again: others ahead in the queue may have failed meanwhile)
//! text ── SHA-256 ──> session ──> Account, with the rights it has at that moment
//!                                                         Account ── sign ──> text of a JSON Web Token: `signed.rs`
//! ```
//!
//! Everything is in memory and in the store alike. A lock is held from a decision until it is with the store, so that
//! both see the same order; it is never held while anything is hashed or waited for. A change is answered once it is on
//! disk. Passwords are in `passwords.rs`, sessions in `sessions.rs`, pauses after failures in `throttle.rs` (a pure
//! machine), decisions and what they write in `known.rs`. Who makes an account for himself stands in a queue of his own,
//! of which one at a time gets to the hashes.
//!
//! A number is given once. Only an import brings its own: it may take one that a removed account had.
//!
//! **Absent:** routes, cookies, roles in projects, and who may change which account: each family's business. Renaming.

mod known;
mod passwords;
mod records;
mod sessions;
mod signed;
#[cfg(test)]
mod tests;
mod throttle;
mod words;

pub use records::TABLES;
pub use sessions::{PER_ACCOUNT as SESSIONS_PER_ACCOUNT, TOKEN_LIFETIME as HUB_TOKEN_LIFETIME};
pub use signed::SignedIn;
pub use words::{
    Account, AccountError, BUILT_IN, Cache, Hub, ImportedAccount, LONGEST_NAME, NewAccount, Rights, SignInError,
    Tracker, UnknownRight,
};

use super::{Allowance, Place};
use crate::base::{Mono, Now, Secret, Wall};
use crate::store::{Batch, CommitError, ReadError, Store, Ticket};
use known::{Held, Known};
use passwords::{Form, Found, HashError, Kept, Passwords, Turn};
use sessions::{LONGEST, TOKEN_LIFETIME, hash, is_cookie, is_token, new_text, new_token};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use throttle::Throttle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Accounts that people at one place may make for themselves at once, and the pause after which they may make one more:
/// each costs a hash, and stays.
const NEWCOMERS: (u32, Duration) = (100, Duration::from_secs(10));

/// Imported accounts that become one decision: below the number of operations that the store writes as one.
const IMPORT_PIECE: usize = 100;

/// The accounts and their sessions. Clones are the same.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    /// Held from a decision until it is with the store.
    known: RwLock<Known>,
    throttles: Mutex<Throttles>,
    passwords: Passwords,
    /// Who wants to hear of removals.
    watchers: Mutex<Vec<UnboundedSender<u32>>>,
}

struct Throttles {
    names: Throttle<String>,
    places: Throttle<Place>,
    newcomers: Allowance,
}

impl Default for Throttles {
    /// Nobody has done anything.
    fn default() -> Throttles {
        let (at_once, every) = NEWCOMERS;
        Throttles { names: Throttle::default(), places: Throttle::default(), newcomers: Allowance::new(at_once, every) }
    }
}

impl Accounts {
    /// Reads them back. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn load(store: Store) -> Result<Accounts, ReadError> {
        Accounts::load_at(store, Now::read().wall)
    }

    fn load_at(store: Store, now: Wall) -> Result<Accounts, ReadError> {
        let (known, over) = Known::load(&store.reader(), now)?;
        if !over.is_empty() {
            drop(store.submit(over)); // what is not deleted now is not taken in next time either
        }
        Ok(Accounts(Arc::new(Inner {
            store,
            known: RwLock::new(known),
            throttles: Mutex::default(),
            passwords: Passwords::new(),
            watchers: Mutex::default(),
        })))
    }

    /// The account of this number.
    pub fn get(&self, id: u32) -> Option<Account> {
        self.known().by_id(id).map(|held| held.account.clone())
    }

    /// The account of this name.
    pub fn by_name(&self, name: &str) -> Option<Account> {
        self.known().by_name(name).map(|held| held.account.clone())
    }

    /// All accounts, by number.
    pub fn list(&self) -> Vec<Account> {
        self.known().all().map(|held| held.account.clone()).collect()
    }

    /// Whether anybody is [`Tracker::Admin`].
    pub fn has_tracker_admin(&self) -> bool {
        self.known().has_tracker_admin()
    }

    /// Numbers of accounts as they are removed. Whoever keeps something about accounts drops it then: what he submits to
    /// the store is behind the removal. Removals before the call, and those of which a process died before it told, are
    /// not in it; at a start he compares with [`Accounts::list`].
    pub fn watch_removed(&self) -> UnboundedReceiver<u32> {
        let (sender, receiver) = unbounded_channel();
        self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Makes an account, as an operator wants it. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn create(&self, new: NewAccount, now: Now) -> Result<Account, AccountError> {
        self.known().admits(&new.name)?; // before the costly part; what counts is decided after it
        let turn = self.0.passwords.turn().await?;
        self.make(new, turn, now).await
    }

    /// Makes an account for somebody who wants it himself: as [`Accounts::create`], but newcomers take no turns away from
    /// those who sign in, and not too many come from one place.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn register(&self, new: NewAccount, from: Place, now: Now) -> Result<Account, AccountError> {
        self.known().admits(&new.name)?;
        self.throttles().newcomers.take(from, now.mono).map_err(AccountError::TooMany)?;
        let turn = self.0.passwords.turn_of_a_newcomer().await?;
        self.make(new, turn, now).await
    }

    async fn make(&self, new: NewAccount, turn: Turn, now: Now) -> Result<Account, AccountError> {
        let kept = hash_in(turn, &new.password).await?;
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            let account = known.create(new, kept, now.wall, &mut batch)?;
            (account, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(account)
    }

    /// Takes over accounts of another tracker, each by itself: what became of it. Returns once they are on disk.
    pub async fn import(&self, accounts: Vec<ImportedAccount>) -> Vec<Result<(), AccountError>> {
        let mut became = Vec::with_capacity(accounts.len());
        let mut rest = accounts.into_iter();
        while rest.len() > 0 {
            let (piece, ticket): (Vec<_>, Ticket) = {
                let mut known = self.known_mut();
                let mut batch = Batch::new();
                let piece = rest.by_ref().take(IMPORT_PIECE).map(|account| known.import(account, &mut batch));
                (piece.collect(), self.0.store.submit(batch))
            };
            let durable = ticket.durable().await;
            became.extend(piece.into_iter().map(|one| one.and(durable.clone().map_err(AccountError::from))));
        }
        became
    }

    /// The account with this name and password. Takes some 50 ms on the blocking pool, two at once at most. A password
    /// that was changed meanwhile is a wrong one; go from the answer to [`Accounts::open_session`] without waiting for
    /// anything else.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_in(&self, name: &str, password: &Secret, from: Place, now: Now) -> Result<Account, SignInError> {
        self.checked(name, (password, Form::Password), from, now).await
    }

    /// As [`Accounts::sign_in`], for clients of the data hub: in place of the password also the 32 small hexadecimal digits
    /// of its MD5 will do, unless the account was imported and has not signed in since. What looks like that costs twice as
    /// much.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_in_by_digest(
        &self,
        name: &str,
        shown: &Secret,
        from: Place,
        now: Now,
    ) -> Result<Account, SignInError> {
        self.checked(name, (shown, Form::OrDigest), from, now).await
    }

    async fn checked(
        &self,
        name: &str,
        (password, form): (&Secret, Form),
        from: Place,
        now: Now,
    ) -> Result<Account, SignInError> {
        let key = throttled_name(name);
        self.throttled(&key, from, now.mono)?;
        let turn = self.0.passwords.turn().await?;
        self.throttled(&key, from, now.mono)?;
        let held = self.known().by_name(name).cloned();
        let (found, turn) = turn.check(name, password, form, held.as_ref().map(|held| held.kept.clone())).await?;
        let Some(held) = held.filter(|_| !matches!(found, Found::Wrong)) else {
            let mut throttles = self.throttles();
            throttles.names.failed(key, now.mono);
            throttles.places.failed(from, now.mono);
            drop(turn); // only now: the next in the queue looks at the pauses
            return Err(SignInError::Wrong);
        };
        let account = self.signed_in(&held, found).await?;
        self.throttles().names.forget(&key);
        Ok(account)
    }

    /// The account whose password was right, as it is now; keeps a better hash of that where there is one.
    async fn signed_in(&self, held: &Held, found: Found) -> Result<Account, SignInError> {
        let is_same = |now: &&Held| Arc::ptr_eq(&now.kept, &held.kept);
        let id = held.account.id;
        let Found::Outdated(kept) = found else {
            let known = self.known();
            return known.by_id(id).filter(is_same).map(|held| held.account.clone()).ok_or(SignInError::Wrong);
        };
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            known.by_id(id).filter(is_same).ok_or(SignInError::Wrong)?;
            let account = known.set_kept(id, kept, &mut batch).ok_or(SignInError::Wrong)?;
            (account, self.0.store.submit(batch))
        };
        ticket.durable().await.map_err(|why| SignInError::Failed(why.to_string()))?;
        Ok(account)
    }

    /// Gives it another password, ends its sessions and forgets failed sign-ins. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_password(&self, name: &str, password: &Secret) -> Result<Account, AccountError> {
        let unknown = || AccountError::Unknown(name.to_owned());
        let id = self.by_name(name).ok_or_else(unknown)?.id;
        let kept = hash_in(self.0.passwords.turn().await?, password).await?;
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            let account = known.set_kept(id, kept, &mut batch).ok_or_else(unknown)?;
            known.sessions.close_all(id, &mut batch);
            (account, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        self.throttles().names.forget(&throttled_name(name));
        Ok(account)
    }

    /// Changes what it may do; its next request sees that. Returns once it is on disk. `change` sees what it may now.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_rights(&self, id: u32, change: impl FnOnce(&mut Rights) + Send) -> Result<Account, AccountError> {
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            let account = known.set_rights(id, change, &mut batch);
            (account.ok_or_else(|| AccountError::Unknown(id.to_string()))?, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(account)
    }

    /// Removes it, and ends its sessions. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn remove(&self, name: &str) -> Result<Account, AccountError> {
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            let account = known.remove(name, &mut batch).ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
            let ticket = self.0.store.submit(batch);
            // At once, not when it is durable: whoever asked may be gone by then, and the store keeps the order.
            let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
            watchers.retain(|watcher| watcher.send(account.id).is_ok());
            (account, ticket)
        };
        ticket.durable().await?;
        Ok(account)
    }

    /// Begins a session that ends at the latest after `lifetime`: the text for its cookie, 32 letters, and when it ends.
    /// An account has [`SESSIONS_PER_ACCOUNT`] at most; one more ends the oldest. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn open_session(&self, id: u32, lifetime: Duration, now: Now) -> Result<(Secret, Wall), AccountError> {
        self.open(id, new_text()?, lifetime, now).await
    }

    /// Begins a session for a client of the data hub, which ends at the latest after [`HUB_TOKEN_LIFETIME`]: its text, 40
    /// small hexadecimal digits, and when it ends. For the rest see [`Accounts::open_session`].
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn open_hub_session(&self, id: u32, now: Now) -> Result<(Secret, Wall), AccountError> {
        self.open(id, new_token()?, TOKEN_LIFETIME, now).await
    }

    async fn open(&self, id: u32, text: Secret, lifetime: Duration, now: Now) -> Result<(Secret, Wall), AccountError> {
        let expires = now.later(lifetime.min(LONGEST)).wall;
        let ticket = {
            let mut known = self.known_mut();
            let hash = hash(text.expose()).filter(|_| known.by_id(id).is_some());
            let hash = hash.ok_or_else(|| AccountError::Unknown(id.to_string()))?;
            let mut batch = Batch::new();
            known.sessions.sweep(now.wall, &mut batch);
            known.sessions.open(id, hash, expires, &mut batch);
            self.0.store.submit(batch)
        };
        ticket.durable().await?;
        Ok((text, expires))
    }

    /// Whose session this is, if it is one of [`Accounts::open_session`] and not over. What was given to a program of the
    /// data hub is none: it opens nothing else.
    pub fn session(&self, text: &str, now: Wall) -> Option<Account> {
        is_cookie(text).then(|| self.found(text, now)).flatten()
    }

    /// The same for what [`Accounts::open_hub_session`] has given: a browser's cookie is none of these.
    pub fn hub_session(&self, text: &str, now: Wall) -> Option<Account> {
        is_token(text).then(|| self.found(text, now)).flatten()
    }

    fn found(&self, text: &str, now: Wall) -> Option<Account> {
        let hash = hash(text)?;
        let known = self.known();
        let id = known.sessions.account(&hash, now)?;
        known.by_id(id).map(|held| held.account.clone())
    }

    /// How many sessions of this account are not over.
    pub fn sessions(&self, id: u32, now: Wall) -> usize {
        self.known().sessions.count(id, now)
    }

    /// Ends a session, if it is one. Returns once that is on disk.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn close_session(&self, text: &str) -> Result<(), CommitError> {
        let Some(hash) = hash(text) else { return Ok(()) };
        let ticket = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            known.sessions.close(&hash, &mut batch);
            self.0.store.submit(batch)
        };
        ticket.durable().await
    }

    /// Ends all sessions of an account, signed ones included. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn close_sessions(&self, name: &str) -> Result<Account, AccountError> {
        let (account, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            let account = known.by_name(name).map(|held| held.account.clone());
            let account = account.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
            known.end_sessions(account.id, &mut batch);
            (account, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(account)
    }

    fn throttled(&self, name: &String, place: Place, now: Mono) -> Result<(), SignInError> {
        let throttles = self.throttles();
        let rest = throttles.names.rest(name, now).max(throttles.places.rest(&place, now));
        rest.map_or(Ok(()), |rest| Err(SignInError::Throttled(rest)))
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttles(&self) -> MutexGuard<'_, Throttles> {
        self.0.throttles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to keep of a password that may be one.
async fn hash_in(turn: Turn, password: &Secret) -> Result<Kept, AccountError> {
    if password.expose().is_empty() {
        return Err(AccountError::Password);
    }
    Ok(turn.hash(password).await?)
}

/// Names that no account can have are counted as one, however long they are.
fn throttled_name(name: &str) -> String {
    if words::is_name(name) { name.to_owned() } else { String::new() }
}

impl From<HashError> for SignInError {
    fn from(why: HashError) -> SignInError {
        SignInError::Failed(why.to_string())
    }
}
