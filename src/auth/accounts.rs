//! Accounts: people and programs with a name and a password, for the families that know their clients so.

use super::Source;
use crate::base::{Now, Secret, Wall};
use crate::store::{CommitError, ReadError, Store};
use std::sync::Arc;
use std::time::Duration;

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 64;

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number: from 1, never reused.
    pub id: u32,
    /// Its name: unique, 1 to [`LONGEST_NAME`] bytes without control characters, `/` and `:`.
    pub name: String,
    /// When it was made.
    pub created: Wall,
    /// What it may do.
    pub rights: Rights,
}

/// What an account may do: family by family, none implies another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Everything in `proc`, `dag` and hostler's own routes.
    pub operator: bool,
    /// In the tracker.
    pub tracker: Tracker,
    /// In the data hub.
    pub hub: Hub,
    /// In the download cache.
    pub cache: Cache,
}

impl Rights {
    /// What everybody has for whom an operator makes an account: the ordinary rights of all families.
    pub const ORDINARY: Rights =
        Rights { operator: false, tracker: Tracker::Manager, hub: Hub::Ordinary, cache: Cache::Guest };
    /// All rights of all families, and `operator`.
    pub const ADMIN: Rights = Rights { operator: true, tracker: Tracker::Admin, hub: Hub::Admin, cache: Cache::Admin };
}

/// A right in the tracker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracker {
    /// None.
    #[default]
    None,
    /// Manager, with the roles he is given.
    Manager,
    /// Tracker admin.
    Admin,
}

/// A right in the data hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hub {
    /// None.
    #[default]
    None,
    /// For what is his own.
    Ordinary,
    /// For everything.
    Admin,
}

/// A right in the download cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// None.
    #[default]
    None,
    /// Reading.
    Guest,
    /// Everything.
    Admin,
}

/// An account to be.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// See [`Account::name`].
    pub name: String,
    /// Of any length but 0.
    pub password: Secret,
    /// What it may do.
    pub rights: Rights,
    /// It becomes [`Tracker::Admin`] if nobody is yet; decided and stored in one.
    pub admin_if_first: bool,
}

/// An account of another tracker.
#[derive(Clone, Debug)]
pub struct ImportedAccount {
    /// Its number there, which it keeps.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Wall,
    /// What it may do.
    pub rights: Rights,
    /// SHA-512 of password and name, one behind the other: replaced by a slow hash at the next sign-in.
    pub sha512: [u8; 64],
}

/// An account that is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name cannot be one.
    #[error("name: expected 1 to {LONGEST_NAME} bytes without control characters, \"/\" and \":\"")]
    Name,
    /// The password is empty.
    #[error("password: expected at least one character")]
    Password,
    /// Another account has that name.
    #[error("there is an account named \"{0}\" already")]
    Taken(String),
    /// Another account has that number.
    #[error("there is an account with the number {0} already")]
    NumberTaken(u32),
    /// There is none of that name.
    #[error("there is no account named \"{0}\"")]
    Unknown(String),
    /// The kernel gives no random bytes.
    #[error("no random bytes can be had: {0}")]
    NoRandomness(String),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A sign-in that failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such account, or another password; which of both is not told.
    #[error("wrong name or password")]
    Wrong,
    /// Too many have failed lately, for this account or from there.
    #[error("too many failed sign-ins: try again in {} s", .0.as_secs_f64().ceil())]
    Throttled(Duration),
    /// The check itself failed.
    #[error("the password could not be checked: {0}")]
    Failed(String),
}

/// The accounts and their sessions. Clones are the same.
#[derive(Clone)]
pub struct Accounts(Arc<Store>);

impl Accounts {
    /// Reads them back. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn load(store: Store) -> Result<Accounts, ReadError> {
        Ok(Accounts(Arc::new(store)))
    }

    /// The account of this number.
    pub fn get(&self, id: u32) -> Option<Account> {
        let _ = (id, &self.0);
        None
    }

    /// The account of this name.
    pub fn by_name(&self, name: &str) -> Option<Account> {
        let _ = name;
        None
    }

    /// All accounts, by number.
    pub fn list(&self) -> Vec<Account> {
        Vec::new()
    }

    /// Whether anybody is [`Tracker::Admin`].
    pub fn has_tracker_admin(&self) -> bool {
        false
    }

    /// Makes an account. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn create(&self, new: NewAccount, now: Now) -> Result<Account, AccountError> {
        let _ = now;
        Err(AccountError::Unknown(new.name))
    }

    /// Takes over accounts of another tracker, each by itself: what became of it. Returns once they are on disk.
    pub async fn import(&self, accounts: Vec<ImportedAccount>) -> Vec<Result<(), AccountError>> {
        accounts.into_iter().map(|account| Err(AccountError::NumberTaken(account.id))).collect()
    }

    /// The account with this name and password. Takes some 50 ms on the blocking pool, two at once at most.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_in(&self, name: &str, password: &Secret, from: Source, now: Now) -> Result<Account, SignInError> {
        let _ = (name, password, from, now);
        Err(SignInError::Wrong)
    }

    /// Gives it another password, and ends its sessions. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_password(&self, name: &str, password: &Secret) -> Result<Account, AccountError> {
        let _ = password;
        Err(AccountError::Unknown(name.to_owned()))
    }

    /// Changes what it may do; its next request sees that. Returns once it is on disk. `change` sees what it may now.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_rights(&self, id: u32, change: impl FnOnce(&mut Rights) + Send) -> Result<Account, AccountError> {
        let _ = change;
        Err(AccountError::Unknown(id.to_string()))
    }

    /// Removes it, and ends its sessions. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn remove(&self, name: &str) -> Result<Account, AccountError> {
        Err(AccountError::Unknown(name.to_owned()))
    }

    /// Begins a session that ends at the latest after `lifetime`: the text for its cookie, 32 letters, and when it ends.
    /// Returns once it is on disk.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn open_session(&self, id: u32, lifetime: Duration, now: Now) -> Result<(Secret, Wall), AccountError> {
        let _ = (lifetime, now);
        Err(AccountError::Unknown(id.to_string()))
    }

    /// Whose session this is, if it is one and not over.
    pub fn session(&self, text: &str, now: Wall) -> Option<Account> {
        let _ = (text, now);
        None
    }

    /// Ends a session, if it is one. Returns once that is on disk.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn close_session(&self, text: &str) -> Result<(), CommitError> {
        let _ = text;
        Ok(())
    }
}
