//! Tokens: text that carries rights.
//!
//! A token is shown once, to the one who makes it; kept is its SHA-256, which is also what it is found by (`text.rs`).
//! There is one table for all of hostler, with two kinds of owners:
//!
//! ```text
//!  a user's:  mint --> valid --time--> expired --mint with the same name--> gone
//!                        `--revoke--> gone
//!  account's: mint --> active <--change--> inactive, or expired --> revoke, or the account is removed --> gone
//! ```
//!
//! Whoever makes a user's token gives away what he holds and nothing else. Its tasks run as its owner, and it touches what
//! its owner may touch by his uid: being in the operators' group does not rub off on a token, the scope `admin` does.
//! An account's token is for the download cache: its scopes are `job`, `job:read` and `cluster`, and it starts nothing.
//! It is made and changed by those who may do so there (`accounts.rs`).
//!
//! **Absent:** tokens made with tokens, save by those with `admin`: a token that leaked could otherwise outlive its own
//! revocation.

mod accounts;
mod known;
mod records;
mod text;
mod words;

pub use records::TABLES;
pub use words::{
    AccountAsk, Ask, Change, ChangeError, LONGEST_ACCOUNT_NAME, LONGEST_BIO, LONGEST_NAME, MintError, OF_ACCOUNTS,
    Owner, PER_OWNER, Refused, RevokeError, SCOPES_OF_ACCOUNTS, Token, USUAL_SCOPES,
};

use super::caller::{Caller, Denied, TokenHolder};
use super::scope::Scope;
use crate::base::{Now, Secret, Wall};
use crate::store::{ReadError, Store};
use known::{Known, New};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All tokens. Clones are the same table.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    store: Store,
    /// Held from a decision until it is with the store, so that both see the same order.
    table: RwLock<Known>,
}

impl Tokens {
    /// Reads the tokens from the store. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn load(store: Store) -> Result<Tokens, ReadError> {
        let table = RwLock::new(Known::load(&store.reader())?);
        Ok(Tokens(Arc::new(Inner { store, table })))
    }

    /// The token with this text, if it opens anything at `now`; it has been used then.
    ///
    /// # Errors
    /// Unknown, inactive or expired: the first of these.
    pub fn shown(&self, text: &str, now: Wall) -> Result<Token, Refused> {
        let table = self.table();
        let held = table.by_hash(&text::hash(text)).ok_or(Refused::Unknown)?;
        held.written().check(now)?;
        held.used(now);
        Ok(held.token())
    }

    /// The holder of the token with this text, at `now`. `reaches_all` tells which users may touch what is not theirs.
    ///
    /// # Errors
    /// See [`Tokens::shown`].
    pub(super) fn holder(
        &self,
        text: &str,
        now: Wall,
        reaches_all: impl Fn(u32) -> bool,
    ) -> Result<TokenHolder, Refused> {
        let token = self.shown(text, now)?;
        Ok(TokenHolder {
            id: token.id,
            owner: token.owner,
            reaches_all: token.owner.uid().is_some_and(reaches_all),
            scopes: token.rights().to_vec(),
            name: token.name,
        })
    }

    /// Makes a user's token. Its text is in the answer, and nowhere else from then on. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`MintError`].
    pub async fn mint(&self, by: &Caller, ask: Ask, now: Now) -> Result<(Secret, Token), MintError> {
        let uid = may_mint(by, &ask)?;
        let Ask { name, scopes, expires, .. } = ask;
        if !is_name(&name) {
            return Err(MintError::Name);
        }
        if scopes.is_empty() {
            return Err(MintError::NoScopes);
        }
        if expires.is_some_and(|at| at <= now.wall) {
            return Err(MintError::Past);
        }
        let text = text::new()?;
        let token = new_token(name, scopes, Owner::User(uid), expires, by.name(), now.wall);
        let (token, ticket) = {
            let mut table = self.table_mut();
            let (token, batch) = table.mint(New { hash: text::hash(text.expose()), token }, uid)?;
            (token, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok((text, token))
    }

    /// Takes a token back, whosever it is: its next request is refused. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`RevokeError`].
    pub async fn revoke(&self, by: &Caller, id: u64) -> Result<Token, RevokeError> {
        may_manage(by)?;
        let (token, ticket) = {
            let mut table = self.table_mut();
            let held = table.by_id(id).filter(|held| may_see(by, held.written()));
            let token = held.ok_or(RevokeError::Unknown(id))?.token();
            (token, self.0.store.submit(table.revoke(id)))
        };
        ticket.durable().await?;
        Ok(token)
    }

    /// The caller's tokens, or all for an operator, those of accounts included, by number; expired ones too.
    ///
    /// # Errors
    /// The one who asks is no user and no operator.
    pub fn list(&self, by: &Caller) -> Result<Vec<Token>, Denied> {
        may_manage(by)?;
        let table = self.table();
        Ok(table.all().filter(|held| may_see(by, held.written())).map(known::Held::token).collect())
    }

    fn table(&self) -> RwLockReadGuard<'_, Known> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that lacks only its number.
fn new_token(
    name: String,
    mut scopes: Vec<Scope>,
    owner: Owner,
    expires: Option<Wall>,
    created_by: String,
    now: Wall,
) -> Token {
    scopes.sort_unstable();
    scopes.dedup();
    Token {
        id: 0,
        name,
        bio: String::new(),
        scopes,
        owner,
        active: true,
        created: now,
        updated: now,
        expires,
        created_by,
        last_used: None,
    }
}

/// Tokens are made, seen and revoked by users and operators, not by other tokens.
fn may_manage(by: &Caller) -> Result<(), Denied> {
    by.require_known()?;
    if by.token_holder().is_some() && !by.is_operator() {
        let message = format!("this needs a user or a token with the scope admin, and {} is neither", by.name());
        return Err(Denied::forbidden(message));
    }
    Ok(())
}

fn may_see(by: &Caller, token: &Token) -> bool {
    by.is_operator() || token.owner.uid().is_some_and(|uid| by.uid() == Some(uid))
}

/// Whether `by` may make such a token, and for whom.
fn may_mint(by: &Caller, ask: &Ask) -> Result<u32, Denied> {
    may_manage(by)?;
    if let Some(scope) = ask.scopes.iter().find(|scope| !by.holds(**scope)) {
        return Err(Denied::forbidden(format!("nobody grants a scope he does not hold: {} lacks {scope}", by.name())));
    }
    match (ask.owner, by.uid()) {
        (Some(owner), own) if own == Some(owner) || by.is_operator() => Ok(owner),
        (None, Some(own)) => Ok(own),
        (Some(_), _) => Err(Denied::forbidden("only operators make tokens for other users")),
        (None, None) => Err(Denied::unknown("the token would have no owner")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c == '/' || c == ':')
}
