//! Tokens of accounts: for programs that call the download cache. Who may make, see and change them is decided there.

use super::known::{Held, New};
use super::words::{AccountAsk, Change, ChangeError, LONGEST_ACCOUNT_NAME, LONGEST_BIO, MintError, Owner, Token};
use super::words::{USUAL_SCOPES, beyond_accounts};
use super::{Tokens, new_token, text};
use crate::auth::Accounts;
use crate::base::{Now, Secret};
use crate::store::{Batch, CommitError};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a seeded token is called, as with the original.
const SEEDED: &str = "default";
/// How long it is good for: ten years.
const SEEDED_FOR: Duration = Duration::from_secs(3653 * 86_400);
/// Whose it is: the built-in operator's.
const BUILT_IN: u32 = 0;
/// Tokens that are taken back in one decision.
const REVOKED_AT_ONCE: usize = 100;

impl Tokens {
    /// Makes an account's token. Its text is in the answer, and nowhere else from then on. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`MintError`].
    pub async fn mint_for_account(&self, ask: AccountAsk, now: Now) -> Result<(Secret, Token), MintError> {
        let AccountAsk { name, bio, scopes, account, expires, by } = ask;
        if !(1..=LONGEST_ACCOUNT_NAME).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(MintError::AccountName);
        }
        if bio.len() > LONGEST_BIO {
            return Err(MintError::Bio);
        }
        if let Some(scope) = beyond_accounts(&scopes) {
            return Err(MintError::Scope(scope));
        }
        let text = text::new()?;
        let token = new_token(name, scopes, Owner::Account(account), Some(expires), by, now.wall);
        let (token, ticket) = {
            let mut table = self.table_mut();
            let new = New { hash: text::hash(text.expose()), token: Token { bio, ..token } };
            let (token, batch) = table.mint_for_account(new)?;
            (token, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok((text, token))
    }

    /// Changes an account's token: its next request sees that. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change(&self, id: u64, mut change: Change, now: Now) -> Result<Token, ChangeError> {
        if change.bio.as_ref().is_some_and(|bio| bio.len() > LONGEST_BIO) {
            return Err(ChangeError::Bio);
        }
        if let Some(scopes) = &mut change.scopes {
            if let Some(scope) = beyond_accounts(scopes) {
                return Err(ChangeError::Scope(scope));
            }
            scopes.sort_unstable();
            scopes.dedup();
        }
        let (token, ticket) = {
            let mut table = self.table_mut();
            let (token, batch) = table.change(id, change, now.wall)?;
            (token, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(token)
    }

    /// Takes an account's token back: its next request is refused. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn revoke_of_account(&self, id: u64) -> Result<Token, ChangeError> {
        let (token, ticket) = {
            let mut table = self.table_mut();
            let held = table.by_id(id).filter(|held| is_accounts(held));
            let token = held.ok_or(ChangeError::Unknown(id))?.token();
            (token, self.0.store.submit(table.revoke(id)))
        };
        ticket.durable().await?;
        Ok(token)
    }

    /// The account's token of this number.
    pub fn of_account(&self, id: u64) -> Option<Token> {
        self.table().by_id(id).filter(|held| is_accounts(held)).map(Held::token)
    }

    /// The accounts' tokens that are wanted, by number.
    pub fn of_accounts(&self, wanted: impl Fn(&Token) -> bool) -> Vec<Token> {
        let table = self.table();
        table.all().filter(|held| is_accounts(held) && wanted(held.written())).map(Held::token).collect()
    }

    /// Sees to it that this text is that of a token named `default`, which opens all of the cache for ten years: how the
    /// original is given its first token. Does nothing when some token has the text already, whatever has become of it
    /// since, and where there is none in it. Another text takes the place of an earlier one. Whether a token was made.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn seed(&self, text: &Secret, now: Now) -> Result<bool, CommitError> {
        let readable = text.expose().chars().all(|c| c.is_ascii_graphic());
        if text.expose().is_empty() || !readable {
            if !readable {
                tracing::warn!("DRAGONFLY_PAT holds what no header can carry: no token is made of it");
            }
            return Ok(false);
        }
        let expires = Some(now.later(SEEDED_FOR).wall);
        let scopes = USUAL_SCOPES.to_vec();
        let by = "DRAGONFLY_PAT".to_owned();
        let token = new_token(SEEDED.to_owned(), scopes, Owner::Account(BUILT_IN), expires, by, now.wall);
        let ticket = {
            let mut table = self.table_mut();
            let Some(batch) = table.seed(New { hash: text::hash(text.expose()), token }) else { return Ok(false) };
            self.0.store.submit(batch)
        };
        ticket.durable().await?;
        tracing::info!("a token named {SEEDED} was made of DRAGONFLY_PAT");
        Ok(true)
    }

    /// Takes back the tokens of accounts that are no more: those removed before, and each that is removed while this runs.
    pub async fn follow(self, accounts: Accounts) {
        let mut removed = accounts.watch_removed();
        let there: BTreeSet<u32> = accounts.list().into_iter().map(|account| account.id).chain([BUILT_IN]).collect();
        self.revoke_all(|owner| !there.contains(&owner)).await;
        while let Some(id) = removed.recv().await {
            self.revoke_all(|owner| owner == id).await;
        }
    }

    async fn revoke_all(&self, gone: impl Fn(u32) -> bool) {
        let ids = self.of_accounts(|token| token.owner.account().is_some_and(&gone));
        for piece in ids.chunks(REVOKED_AT_ONCE) {
            let ticket = {
                let mut table = self.table_mut();
                let mut batch = Batch::new();
                for token in piece {
                    batch.append(table.revoke(token.id));
                }
                self.0.store.submit(batch)
            };
            if let Err(why) = ticket.durable().await {
                tracing::error!(%why, "tokens of an account that is no more could not be taken back for good");
                return;
            }
        }
    }
}

fn is_accounts(held: &Held) -> bool {
    held.written().owner.account().is_some()
}
