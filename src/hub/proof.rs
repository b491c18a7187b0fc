//! What a request shows to prove who makes it, and for whom a text stands. The API and the entry listener read it alike;
//! each says in its own words what it refuses.
//!
//! ```text
//! Token | Bearer TEXT   what a sign-in gave: its account; a token of hostler (hub, admin): the operator
//! Basic BASE64          a name and a password, or the MD5 of it
//! ```

use crate::auth::accounts::Account;
use crate::auth::tokens::Tokens;
use crate::auth::{Accounts, Scope};
use crate::base::{Secret, Wall};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// One word, that stands for somebody.
    Text(&'a str),
    /// A name and a password.
    Password(String, Secret),
}

/// It shows something else than what the hub reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread;

impl<'a> Shown<'a> {
    /// None where there is no header.
    ///
    /// # Errors
    /// See [`Unread`].
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Option<Shown<'a>>, Unread> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let Some(header) = all.next() else { return Ok(None) };
        let mut words = header.to_str().unwrap_or_default().split_ascii_whitespace();
        let (Some(scheme), Some(text), None, None) = (words.next(), words.next(), words.next(), all.next()) else {
            return Err(Unread);
        };
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let shown = match () {
            () if is("token") || is("bearer") => Some(Shown::Text(text)),
            () if is("basic") => basic(text),
            () => None,
        };
        shown.map(Some).ok_or(Unread)
    }
}

/// What follows `Basic`; none where it cannot be that.
fn basic(text: &str) -> Option<Shown<'static>> {
    let text = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown::Password(name.to_owned(), Secret::new(password)))
}

/// Who is known.
pub(super) struct Ledger<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) accounts: &'a Accounts,
}

/// For whom a text stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bearer {
    /// A sign-in gave it: for this account.
    Account(Account),
    /// It is a token of hostler that opens the hub: its name, and whether it opens all of this host.
    Operator(String, bool),
    /// It is a token of hostler that opens other things: its name.
    Stranger(String),
}

impl Ledger<'_> {
    /// For whom a text stands; none: for nobody.
    pub(super) fn bearer(&self, text: &str, now: Wall) -> Option<Bearer> {
        if let Some(account) = self.accounts.hub_session(text, now) {
            return Some(Bearer::Account(account));
        }
        let token = self.tokens.shown(text, now).ok()?;
        let holds = |scope: Scope| token.owner.uid().is_some() && token.rights().contains(&scope);
        Some(match (holds(Scope::Admin), holds(Scope::Hub)) {
            (false, false) => Bearer::Stranger(token.name),
            (whole, _) => Bearer::Operator(token.name, whole),
        })
    }
}

#[cfg(test)]
mod tests;
