//! What is said about tokens: what they are, whose, and why one is not made, changed or accepted.

use crate::auth::caller::Denied;
use crate::auth::scope::Scope;
use crate::base::Wall;
use crate::store::CommitError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Tokens one user may own.
pub const PER_OWNER: usize = 100;
/// Tokens all accounts together may own.
pub const OF_ACCOUNTS: usize = 5_000;
/// The longest name of a user's token, in bytes.
pub const LONGEST_NAME: usize = 64;
/// The longest name of an account's token, in bytes: what the original has room for.
pub const LONGEST_ACCOUNT_NAME: usize = 256;
/// The longest description, in bytes: what the original has room for.
pub const LONGEST_BIO: usize = 1024;
/// What an account's token can hold. `job` includes `job:read`.
pub const SCOPES_OF_ACCOUNTS: [Scope; 3] = [Scope::Job, Scope::JobRead, Scope::Cluster];

/// What an account's token is made with when nobody says what it is for: both words of the original.
pub const USUAL_SCOPES: [Scope; 2] = [Scope::Job, Scope::Cluster];

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A user of this host: what is started with it runs as him.
    User(u32),
    /// An account; 0 is the built-in operator's. Nothing can be started with it.
    Account(u32),
}

impl Owner {
    /// The user, where it is one.
    pub fn uid(self) -> Option<u32> {
        match self {
            Owner::User(uid) => Some(uid),
            Owner::Account(_) => None,
        }
    }

    /// The account, where it is one.
    pub fn account(self) -> Option<u32> {
        match self {
            Owner::User(_) => None,
            Owner::Account(id) => Some(id),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::User(uid) => write!(f, "uid {uid}"),
            Owner::Account(id) => write!(f, "account {id}"),
        }
    }
}

/// What is known about a token. Its text is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number, never reused.
    pub id: u64,
    /// What its owner calls it; no two of a user are called the same, and no two of all accounts.
    pub name: String,
    /// What it is for, in its owner's words.
    pub bio: String,
    /// What it is good for, as it was asked for. See [`Token::rights`].
    pub scopes: Vec<Scope>,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it opens anything.
    pub active: bool,
    /// When it was made.
    pub created: Wall,
    /// When it was last changed.
    pub updated: Wall,
    /// When it ends; none: when it is revoked.
    pub expires: Option<Wall>,
    /// Who made it.
    pub created_by: String,
    /// When it was last shown, since this daemon started: not written down.
    pub last_used: Option<Wall>,
}

impl Token {
    /// What it is good for. An account's token without scopes has all that such a token can have, as with the original.
    pub fn rights(&self) -> &[Scope] {
        match self.owner {
            Owner::Account(_) if self.scopes.is_empty() => &SCOPES_OF_ACCOUNTS,
            _ => &self.scopes,
        }
    }

    /// Whether it opens anything at `now`.
    ///
    /// # Errors
    /// It is inactive, or else it has expired.
    pub fn check(&self, now: Wall) -> Result<(), Refused> {
        if !self.active {
            return Err(Refused::Inactive { name: self.name.clone() });
        }
        match self.expires.filter(|at| *at <= now) {
            Some(at) => Err(Refused::Expired { name: self.name.clone(), at }),
            None => Ok(()),
        }
    }
}

/// A user's token to be made.
#[derive(Clone, Debug)]
pub struct Ask {
    /// See [`Token::name`].
    pub name: String,
    /// See [`Token::scopes`]; at least one.
    pub scopes: Vec<Scope>,
    /// The user whose it is; none: the one who asks.
    pub owner: Option<u32>,
    /// See [`Token::expires`].
    pub expires: Option<Wall>,
}

/// An account's token to be made. That somebody may make it was decided elsewhere.
#[derive(Clone, Debug)]
pub struct AccountAsk {
    /// See [`Token::name`].
    pub name: String,
    /// See [`Token::bio`].
    pub bio: String,
    /// See [`Token::scopes`]; only some of [`SCOPES_OF_ACCOUNTS`].
    pub scopes: Vec<Scope>,
    /// Whose it is.
    pub account: u32,
    /// See [`Token::expires`]; may lie in the past.
    pub expires: Wall,
    /// See [`Token::created_by`].
    pub by: String,
}

/// What becomes of an account's token. None leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// See [`Token::bio`].
    pub bio: Option<String>,
    /// See [`Token::scopes`]; only some of [`SCOPES_OF_ACCOUNTS`].
    pub scopes: Option<Vec<Scope>>,
    /// See [`Token::active`].
    pub active: Option<bool>,
    /// See [`Token::expires`]; may lie in the past.
    pub expires: Option<Wall>,
    /// Whose it is.
    pub account: Option<u32>,
}

/// A token that opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Never given out, or revoked.
    #[error("the token is unknown or revoked")]
    Unknown,
    /// It is switched off.
    #[error("the token {name} is inactive")]
    Inactive {
        /// Its name.
        name: String,
    },
    /// Its time is over.
    #[error("the token {name} expired at {at}", at = .at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))]
    Expired {
        /// Its name.
        name: String,
        /// Its last moment.
        at: Wall,
    },
}

/// A token that is not made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The one who asks may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The name cannot be one.
    #[error("a token's name is 1 to {LONGEST_NAME} bytes without control characters, \"/\" and \":\"")]
    Name,
    /// The name of an account's token cannot be one.
    #[error("name: expected 1 to {LONGEST_ACCOUNT_NAME} bytes without control characters")]
    AccountName,
    /// The description is too long.
    #[error("bio: expected at most {LONGEST_BIO} bytes")]
    Bio,
    /// An account's token cannot hold that.
    #[error("scopes: expected some of {list}, not {0}", list = Scope::list(&SCOPES_OF_ACCOUNTS))]
    Scope(Scope),
    /// It would be good for nothing.
    #[error("a token needs at least one scope")]
    NoScopes,
    /// It would never be valid.
    #[error("the expiry lies in the past")]
    Past,
    /// The owner has one of that name.
    #[error("{owner} has a token named \"{name}\" already")]
    Taken {
        /// The name.
        name: String,
        /// Whose the other one is.
        owner: Owner,
    },
    /// The owner has too many.
    #[error("there are {most} tokens of {owner} already")]
    TooMany {
        /// The owner.
        owner: Owner,
        /// How many it may have; accounts, all together.
        most: usize,
    },
    /// The kernel gives no random bytes.
    #[error("no random bytes can be had: {0}")]
    NoRandomness(String),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// An account's token that is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No account has one of this number.
    #[error("there is no token {0} of an account")]
    Unknown(u64),
    /// The description is too long.
    #[error("bio: expected at most {LONGEST_BIO} bytes")]
    Bio,
    /// An account's token cannot hold that.
    #[error("scopes: expected some of {list}, not {0}", list = Scope::list(&SCOPES_OF_ACCOUNTS))]
    Scope(Scope),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A token that is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The one who asks may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none of this number, or it is somebody else's.
    #[error("there is no token {0} of yours")]
    Unknown(u64),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The first of these that an account's token cannot hold.
pub(super) fn beyond_accounts(scopes: &[Scope]) -> Option<Scope> {
    scopes.iter().find(|scope| !SCOPES_OF_ACCOUNTS.contains(scope)).copied()
}
