//! `POST /api/v1/users/signin`, `signout` and `refresh_token`: from a password to a text that stands for it for a while.
//!
//! **Absent:** signing up: accounts are made by operators.

use super::Shared;
use super::answer::json;
use super::who::{Asked, Ledger, not_signed_in};
use crate::auth::accounts::SignInError;
use crate::auth::{Accounts, Place};
use crate::base::{Now, Secret, Wall};
use crate::cache::wire::sign_in as wire;
use crate::http::{Access, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use std::time::Duration;

/// For answers with a secret in them: nobody on the way keeps them.
pub(super) const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
/// The largest body: strangers send these.
const BODY_LIMIT: usize = 16 << 10;
/// How long after the password was checked a sign-in can be renewed, as with the original.
const RENEWABLE: Duration = Duration::from_secs(7 * 86_400);

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let route =
        |path, doc| Draft::new(shared, Family::Cache, (Method::POST, path), Access::Credentials, doc).limit(BODY_LIMIT);
    vec![
        route("/api/v1/users/signin", SIGN_IN).with(sign_in),
        route("/api/v1/users/signout", SIGN_OUT).with(sign_out),
        route("/api/v1/users/refresh_token", REFRESH).with(refresh),
    ]
}

const SIGN_IN: Doc = Doc {
    summary: "Signs in: a token and a cookie that stand for the account",
    query: &[],
    body: Some("{name, password}"),
    answers: &[
        (200, "token, expire"),
        (401, "wrong name or password, or no such body"),
        (429, "too many failed sign-ins"),
    ],
};

async fn sign_in(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let lifetime = shared.handle.settings().session;
    let signed = signed_in(shared.handle.accounts(), &cx.body, cx.from, lifetime, Now::read()).await?;
    cx.acts_as(|| signed.who.clone());
    signed.reply(lifetime)
}

const SIGN_OUT: Doc = Doc {
    summary: "Has a browser forget that it signed in",
    query: &[],
    body: None,
    answers: &[(200, "nothing, with a cookie that is over")],
};

async fn sign_out(_: Shared, _: Cx) -> Result<Reply, Failure> {
    with_cookie(Reply::empty(), &Secret::new(""), Duration::ZERO)
}

const REFRESH: Doc = Doc {
    summary: "Renews a sign-in that is younger than seven days",
    query: &[],
    body: None,
    answers: &[(200, "token, expire"), (401, "nobody has signed in, or too long ago")],
};

async fn refresh(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let ledger = Ledger { tokens: &shared.tokens, accounts: shared.handle.accounts() };
    let lifetime = shared.handle.settings().session;
    let signed = refreshed(&ledger, &Asked::of(&cx.head()), lifetime, Now::read()).await?;
    cx.acts_as(|| signed.who.clone());
    signed.reply(lifetime)
}

/// Somebody who has signed in.
pub(super) struct Signed {
    /// For the audit log.
    who: String,
    text: Secret,
    until: Wall,
}

impl Signed {
    fn reply(&self, lifetime: Duration) -> Result<Reply, Failure> {
        with_cookie(json(&wire::signed_in(&self.text, self.until)), &self.text, lifetime)
    }
}

fn with_cookie(reply: Reply, text: &Secret, lifetime: Duration) -> Result<Reply, Failure> {
    let mut value = HeaderValue::from_str(&wire::cookie(text, lifetime)).map_err(Failure::internal)?;
    value.set_sensitive(true);
    Ok(reply.header(SET_COOKIE, value).header(CACHE_CONTROL, NOT_KEPT))
}

/// Signs in with the name and the password in `body`.
async fn signed_in(
    accounts: &Accounts,
    body: &[u8],
    from: Place,
    lifetime: Duration,
    now: Now,
) -> Result<Signed, Failure> {
    // What is wrong with the body is not told, as with the original.
    let (name, password) = wire::read(body).map_err(|_| not_signed_in())?;
    let account = accounts.sign_in(&name, &password, from, now).await.map_err(|why| match why {
        SignInError::Wrong => not_signed_in(),
        SignInError::Throttled(rest) => {
            Failure::public(ErrorStatus::TOO_MANY_REQUESTS, "too_many", why.to_string()).retry_after(rest)
        }
        SignInError::Failed(_) => Failure::internal(why),
    })?;
    let (text, until) = accounts.sign(account.id, now.wall, lifetime, now).await.map_err(Failure::internal)?;
    Ok(Signed { who: format!("account {}", account.name), text, until })
}

/// Signs anew who has signed in not too long ago.
async fn refreshed(ledger: &Ledger<'_>, asked: &Asked<'_>, lifetime: Duration, now: Now) -> Result<Signed, Failure> {
    let signed = ledger.signed_in(asked, now.wall).ok_or_else(not_signed_in)?;
    let age = (now.wall - signed.began).to_std().unwrap_or_default();
    if age >= RENEWABLE {
        return Err(not_signed_in());
    }
    let id = signed.account.id;
    let renewed = ledger.accounts.sign(id, signed.began, lifetime, now).await.map_err(Failure::internal)?;
    Ok(Signed { who: format!("account {}", signed.account.name), text: renewed.0, until: renewed.1 })
}

#[cfg(test)]
mod tests;
