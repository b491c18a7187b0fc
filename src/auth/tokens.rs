//! Tokens: text that carries rights.

use super::caller::TokenHolder;
use super::scope::Scope;
use crate::base::Wall;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known about a token. Its text is not: only its SHA-256 is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number, never reused.
    pub id: u64,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// The user as whom its tasks run.
    pub owner: u32,
    /// When it was made.
    pub created: Wall,
    /// When it ends; none: when it is revoked.
    pub expires: Option<Wall>,
    /// Who made it.
    pub created_by: String,
}

/// A token that opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Never given out, or revoked.
    #[error("the token is unknown or revoked")]
    Unknown,
    /// Its time is over.
    #[error("the token {name} expired at {at}", at = .at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))]
    Expired {
        /// Its name.
        name: String,
        /// Its last moment.
        at: Wall,
    },
}

type Hash = [u8; 32];

/// All tokens. Clones are the same table.
#[derive(Clone, Default)]
pub struct Tokens(Arc<RwLock<Table>>);

#[derive(Default)]
struct Table {
    by_hash: HashMap<Hash, Token>,
}

impl Tokens {
    /// The holder of the token with this text, at `now`.
    ///
    /// # Errors
    /// Unknown or expired.
    pub(super) fn holder(
        &self,
        text: &str,
        now: Wall,
        reaches_all: impl Fn(u32) -> bool,
    ) -> Result<TokenHolder, Refused> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let token = table.by_hash.get(&hash(text)).ok_or(Refused::Unknown)?;
        match token.expires {
            Some(at) if at <= now => Err(Refused::Expired { name: token.name.clone(), at }),
            _ => Ok(TokenHolder {
                id: token.id,
                name: token.name.clone(),
                owner: token.owner,
                reaches_all: reaches_all(token.owner),
                scopes: token.scopes.clone(),
            }),
        }
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}
