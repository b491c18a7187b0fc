//! Who may read what is private: its owner, and administrators.
//!
//! Shown are a token in the query, as consumers of the original do it, or an `Authorization` header. The connection lends
//! nobody a right. What is refused is a 400, as in the original.

use crate::auth::Place;
use crate::auth::accounts::{Account, Hub, SignInError};
use crate::base::{Now, Wall};
use crate::http::{ErrorStatus, Failure, Query};
use crate::hub::model::AccountId;
use crate::hub::proof::{Bearer, Ledger, Shown, Unread};
use hyper::HeaderMap;

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
            Shown::Text(text) => self.by_token(text, query.get("username"), now.wall)?,
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
        match self.bearer(text, now).ok_or_else(rejected)? {
            Bearer::Account(account) => {
                let is_his = username.is_none_or(|name| name.is_empty() || name == account.name);
                if is_his { allowed(&account) } else { Err(rejected()) }
            }
            Bearer::Operator(..) => Ok(Reader::Admin),
            Bearer::Stranger(_) => Err(forbidden("this needs a token with the scope hub")),
        }
    }
}

/// What is shown, the query before the header.
fn shown<'a>(query: &'a Query, headers: &'a HeaderMap) -> Result<Shown<'a>, Failure> {
    if let Some(token) = query.get("token").filter(|token| !token.is_empty()) {
        return Ok(Shown::Text(token));
    }
    let nothing = || refusal(1005, "unauthorized", "the item is private: a token is needed");
    Shown::of(headers).map_err(|Unread| rejected())?.ok_or_else(nothing)
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
