//! Who may read what is private: its owner, and administrators.
//!
//! Shown are a token in the query, as consumers of the original do it, or an `Authorization` header. The connection lends
//! nobody a right. What is refused is a 400, as in the original.

use crate::auth::accounts::{Account, Hub, SignInError};
use crate::auth::tokens::Tokens;
use crate::auth::{Accounts, Place, Scope};
use crate::base::{Now, Secret, Wall};
use crate::http::{ErrorStatus, Failure, Query};
use crate::hub::model::AccountId;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Who is known.
pub(super) struct Ledger<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) accounts: &'a Accounts,
}

/// What a request shows.
enum Shown<'a> {
    Token(&'a str),
    Password(String, Secret),
}

/// Somebody who has proven who he is.
enum Reader {
    /// He may read everything.
    Admin,
    Account(AccountId),
}

impl Ledger<'_> {
    /// Whether this request may read what belongs to `owner`.
    ///
    /// # Errors
    /// 400: with 1005 it is not known who asks, with 1006 he may not. 429: too many wrong passwords.
    pub(super) async fn may_read(
        &self,
        owner: AccountId,
        (query, headers): (&Query, &HeaderMap),
        from: Place,
        now: Now,
    ) -> Result<(), Failure> {
        let reader = match shown(query, headers)? {
            Shown::Token(text) => self.by_token(text, query.get("username"), now.wall)?,
            Shown::Password(name, password) => {
                let account =
                    self.accounts.sign_in_by_digest(&name, &password, from, now).await.map_err(not_signed_in)?;
                allowed(&account)?
            }
        };
        match reader {
            Reader::Admin => Ok(()),
            Reader::Account(account) if account == owner => Ok(()),
            Reader::Account(_) => Err(forbidden("the item is private, and somebody else's")),
        }
    }

    /// `username` is whom the token must be of, where it is said.
    fn by_token(&self, text: &str, username: Option<&str>, now: Wall) -> Result<Reader, Failure> {
        if let Some(account) = self.accounts.hub_session(text, now) {
            let is_his = username.is_none_or(|name| name.is_empty() || name == account.name);
            return if is_his { allowed(&account) } else { Err(rejected()) };
        }
        let token = self.tokens.shown(text, now).map_err(|_| rejected())?;
        let holds = |scope: &Scope| matches!(scope, Scope::Hub | Scope::Admin);
        match token.owner.uid().is_some() && token.rights().iter().any(holds) {
            true => Ok(Reader::Admin),
            false => Err(forbidden("this needs a token with the scope hub")),
        }
    }
}

/// What is shown, the query before the header.
fn shown<'a>(query: &'a Query, headers: &'a HeaderMap) -> Result<Shown<'a>, Failure> {
    if let Some(token) = query.get("token").filter(|token| !token.is_empty()) {
        return Ok(Shown::Token(token));
    }
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = all.next() else {
        return Err(refusal(1005, "unauthorized", "the item is private: a token is needed"));
    };
    let mut words = header.to_str().unwrap_or_default().split_ascii_whitespace();
    let (Some(scheme), Some(text), None, None) = (words.next(), words.next(), words.next(), all.next()) else {
        return Err(rejected());
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("token") || is("bearer") => Ok(Shown::Token(text)),
        () if is("basic") => basic(text).ok_or_else(rejected),
        () => Err(rejected()),
    }
}

/// What follows `Basic`.
fn basic(text: &str) -> Option<Shown<'static>> {
    let text = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown::Password(name.to_owned(), Secret::new(password)))
}

fn allowed(account: &Account) -> Result<Reader, Failure> {
    match account.rights.hub {
        Hub::Admin => Ok(Reader::Admin),
        Hub::Ordinary => Ok(Reader::Account(account.id)),
        Hub::None => Err(forbidden("the account has no right in the data hub")),
    }
}

fn not_signed_in(why: SignInError) -> Failure {
    match why {
        SignInError::Wrong => rejected(),
        SignInError::Throttled(pause) => Failure::public(ErrorStatus::TOO_MANY_REQUESTS, "throttled", why.to_string())
            .numbered(1005)
            .retry_after(pause),
        SignInError::Failed(why) => Failure::internal(why),
    }
}

fn rejected() -> Failure {
    refusal(1005, "unauthorized", "the token or the password is not valid")
}

fn forbidden(message: &str) -> Failure {
    refusal(1006, "forbidden", message)
}

fn refusal(number: u16, code: &'static str, message: &str) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, code, message).numbered(number)
}
