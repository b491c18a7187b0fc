//! What is said about accounts: who they are, what they may do, and why something was not done.

use crate::base::{Secret, Wall};
use crate::store::CommitError;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 64;

/// The name by which the daemon calls operators where a family wants an account: no account may have it.
pub const BUILT_IN: &str = "operator";

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number: from 1, never reused.
    pub id: u32,
    /// Its name: unique, 1 to [`LONGEST_NAME`] bytes without control characters, `/` and `:`; not `.`, `..` or
    /// [`BUILT_IN`].
    pub name: String,
    /// When it was made.
    pub created: Wall,
    /// What it may do.
    pub rights: Rights,
}

/// What an account may do: family by family, none implies another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// None.
    #[default]
    None,
    /// Reading.
    Guest,
    /// Everything.
    Admin,
}

/// A word that is no such right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, not \"{}\"", .found.escape_debug())]
pub struct UnknownRight {
    /// What was given.
    found: String,
    /// The words there are.
    expected: &'static str,
}

/// The words of a family's rights, as they are sent, stored and typed.
macro_rules! words {
    ($right:ident, $expected:literal: $($variant:ident $word:literal),*) => {
        impl $right {
            /// The word for it.
            pub const fn text(self) -> &'static str {
                match self {
                    $($right::$variant => $word),*
                }
            }
        }

        impl FromStr for $right {
            type Err = UnknownRight;
            fn from_str(word: &str) -> Result<$right, UnknownRight> {
                match word {
                    $($word => Ok($right::$variant),)*
                    _ => Err(UnknownRight { found: word.to_owned(), expected: $expected }),
                }
            }
        }
    };
}

words!(Tracker, "none, manager or admin": None "none", Manager "manager", Admin "admin");
words!(Hub, "none, ordinary or admin": None "none", Ordinary "ordinary", Admin "admin");
words!(Cache, "none, guest or admin": None "none", Guest "guest", Admin "admin");

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
    /// Its number there, which it keeps: from 1.
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
    #[error(
        "name: expected 1 to {LONGEST_NAME} bytes without control characters, \"/\" and \":\", and neither \".\" nor \"..\""
    )]
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
    #[error("there is no account named \"{}\"", .0.escape_debug())]
    Unknown(String),
    /// People at that place have made too many for themselves.
    #[error("too many accounts were made from there: try again in {} s", .0.as_secs_f64().ceil())]
    TooMany(Duration),
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
    /// Too many have failed lately, for this account or from there. The password was not looked at.
    #[error("too many failed sign-ins: try again in {} s", .0.as_secs_f64().ceil())]
    Throttled(Duration),
    /// The check itself failed.
    #[error("the password could not be checked: {0}")]
    Failed(String),
}

/// Whether an account could be called this.
pub(super) fn is_name(name: &str) -> bool {
    let plain = !name.chars().any(|c| c.is_control() || c == '/' || c == ':');
    // A path swallows the two.
    (1..=LONGEST_NAME).contains(&name.len()) && plain && name != "." && name != ".."
}
