//! Who asks, and whether he may.
//!
//! Programs show a token, people what a sign-in gave them. Over TCP the connection itself lends nobody a right here; on the
//! Unix socket an operator who shows nothing acts as the built-in `operator`, or for the account that `X-Hostler-As` names.
//! What is shown counts, also where it is wrong.

use super::Shared;
use crate::auth::accounts::{Account, BUILT_IN, Cache, SignedIn};
use crate::auth::tokens::{Refused, Token, Tokens};
use crate::auth::{Accounts, Caller, Scope, Transport};
use crate::base::{Now, Wall};
use crate::cache::wire::sign_in::COOKIE;
use crate::http::{ErrorStatus, Failure, Head, Query};
use hyper::HeaderMap;
use hyper::header::{self, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

/// Whoever may do what he asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// For the audit log and for pins.
    pub name: String,
    /// All rights are his: he sees what was fetched with credentials, and may name files of this host.
    pub operator: bool,
    /// The account that signed in, or that a token belongs to.
    pub account: Option<u32>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To see jobs and tasks.
    SeeJobs,
    /// To make and change them.
    Jobs,
    /// To see clusters.
    SeeClusters,
    /// To make and change them.
    Clusters,
}

impl Need {
    /// The scope that is enough, and the word that the original has for it.
    fn scope(self) -> (Scope, &'static str) {
        match self {
            Need::SeeJobs => (Scope::JobRead, "job"),
            Need::Jobs => (Scope::Job, "job"),
            Need::SeeClusters | Need::Clusters => (Scope::Cluster, "cluster"),
        }
    }
}

impl Need {
    /// Whether it is more than to look.
    fn changes(self) -> bool {
        matches!(self, Need::Jobs | Need::Clusters)
    }
}

/// Under `/oapi/v1`: by token, or an operator on the Unix socket.
///
/// # Errors
/// 401 or 403, in the words of the original.
pub fn program(shared: &Shared, head: &Head<'_>, need: Need) -> Result<Who, Failure> {
    let ledger = Ledger { tokens: &shared.tokens, accounts: shared.handle.accounts() };
    told(head, ledger.program(&Asked::of(head), need, Now::read().wall))
}

/// Under `/api/v1`: by sign-in, or an operator on the Unix socket or with a token. Guests may look, and nothing else.
///
/// # Errors
/// 401, in the words of the original.
pub fn person(shared: &Shared, head: &Head<'_>, changes: bool) -> Result<Who, Failure> {
    let ledger = Ledger { tokens: &shared.tokens, accounts: shared.handle.accounts() };
    told(head, ledger.person(&Asked::of(head), changes, Now::read().wall))
}

/// Tells the audit log who it was, also of somebody who may not.
fn told(head: &Head<'_>, answer: Result<Who, No>) -> Result<Who, Failure> {
    match answer {
        Ok(who) => {
            head.acts_as(|| who.name.clone());
            Ok(who)
        }
        Err(No { who, failure }) => {
            if let Some(who) = who {
                head.acts_as(|| who);
            }
            Err(failure)
        }
    }
}

/// A request, as far as it tells who makes it.
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a Query,
}

impl<'a> Asked<'a> {
    pub(super) fn of(head: &Head<'a>) -> Asked<'a> {
        Asked { caller: head.caller, headers: head.headers, query: head.query }
    }

    /// A value of the query; a blank one is none.
    fn given(&self, name: &str) -> Option<&'a str> {
        self.query.get(name).filter(|value| !value.trim().is_empty())
    }

    /// What follows `Bearer`: exactly one word. None where the header is missing; wrong where it is something else.
    fn bearer(&self) -> Option<Result<&'a str, Wrong>> {
        let mut all = self.headers.get_all(AUTHORIZATION).iter();
        let header = all.next()?;
        let mut words = header.to_str().unwrap_or_default().split_ascii_whitespace();
        let words = (words.next(), words.next(), words.next(), all.next());
        Some(match words {
            (Some(scheme), Some(text), None, None) if scheme.eq_ignore_ascii_case("bearer") => Ok(text),
            _ => Err(Wrong),
        })
    }

    /// The cookie that a sign-in gave.
    fn cookie(&self) -> Option<&'a str> {
        let all = self.headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(key, _)| *key == COOKIE)
            .map(|(_, value)| value.trim_matches('"'))
            .filter(|value| !value.is_empty())
    }

    /// What stands for a sign-in: cookie, header, query, the first that is there.
    fn shown(&self) -> Option<Result<&'a str, Wrong>> {
        let cookie = self.cookie().map(Ok);
        cookie.or_else(|| self.bearer()).or_else(|| self.given("token").map(Ok))
    }
}

/// Something is shown that is none of what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong;

/// A refusal, and who it was, where that is known.
#[derive(Debug)]
pub(super) struct No {
    pub(super) who: Option<String>,
    pub(super) failure: Failure,
}

impl From<Failure> for No {
    fn from(failure: Failure) -> No {
        No { who: None, failure }
    }
}

/// Who is known.
pub(super) struct Ledger<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) accounts: &'a Accounts,
}

impl Ledger<'_> {
    /// See [`program`].
    pub(super) fn program(&self, asked: &Asked<'_>, need: Need, now: Wall) -> Result<Who, No> {
        let text = match asked.given("access_token").map(Ok).or_else(|| asked.bearer()) {
            Some(Ok(text)) => text,
            Some(Err(Wrong)) => return Err(unauthorized().into()),
            None => return self.on_the_socket(asked, need.changes())?.ok_or_else(|| unauthorized().into()),
        };
        let token = match self.tokens.shown(text, now) {
            Ok(token) => token,
            Err(Refused::Unknown) => return Err(unauthorized().into()),
            Err(Refused::Inactive { name }) => return Err(refused(&name, "token_inactive", "Token is inactive")),
            Err(Refused::Expired { name, .. }) => return Err(refused(&name, "token_expired", "Token has expired")),
        };
        // Whose account is no more is nobody, also while his tokens are being taken back.
        let account = token.owner.account().filter(|id| *id != 0);
        if account.is_some_and(|id| self.accounts.get(id).is_none()) {
            return Err(unauthorized().into());
        }
        let (scope, word) = need.scope();
        if !token.rights().iter().any(|held| held.covers(scope)) {
            let message = format!("Token has insufficient permissions. Required permission: {word}");
            return Err(refused(&token.name, "scope_missing", message));
        }
        Ok(Who { name: format!("token {}", token.name), operator: is_operators(&token), account })
    }

    /// See [`person`].
    pub(super) fn person(&self, asked: &Asked<'_>, changes: bool, now: Wall) -> Result<Who, No> {
        if let Some(who) = self.on_the_socket(asked, changes)? {
            return Ok(who);
        }
        if let Some(signed) = self.signed_in(asked, now) {
            return allowed(&signed.account, changes);
        }
        // An operator's token is no sign-in, but as good as one; the cookie, if there is one, comes first.
        if let Some(Ok(text)) = asked.shown()
            && let Ok(token) = self.tokens.shown(text, now)
            && is_operators(&token)
        {
            return Ok(Who { name: format!("token {}", token.name), operator: true, account: None });
        }
        Err(not_signed_in().into())
    }

    /// Who has signed in.
    pub(super) fn signed_in(&self, asked: &Asked<'_>, now: Wall) -> Option<SignedIn> {
        self.accounts.signed(asked.shown()?.ok()?, now)
    }

    /// The operator on the Unix socket who shows nothing, or for whom he acts.
    fn on_the_socket(&self, asked: &Asked<'_>, changes: bool) -> Result<Option<Who>, No> {
        let shows = asked.shown().is_some() || asked.given("access_token").is_some();
        let caller = asked.caller;
        let lends = caller.is_ambient() && caller.transport() == Transport::Unix && caller.is_operator();
        if shows || !lends {
            return Ok(None);
        }
        let Some(name) = asked.headers.get("x-hostler-as") else {
            return Ok(Some(Who { name: BUILT_IN.to_owned(), operator: true, account: None }));
        };
        let name = String::from_utf8_lossy(name.as_bytes());
        let account = self.accounts.by_name(&name).ok_or_else(|| {
            let message = format!("X-Hostler-As: there is no account named \"{}\"", name.escape_debug());
            Failure::public(ErrorStatus::UNPROCESSABLE, "no_such_account", message)
        })?;
        allowed(&account, changes).map(Some)
    }
}

/// Whether all rights come with a token.
fn is_operators(token: &Token) -> bool {
    token.owner.uid().is_some() && token.rights().contains(&Scope::Admin)
}

/// What an account may do here.
fn allowed(account: &Account, changes: bool) -> Result<Who, No> {
    let name = format!("account {}", account.name);
    match account.rights.cache {
        Cache::Admin => {}
        Cache::Guest if !changes => {}
        Cache::Guest | Cache::None => {
            let failure = Failure::public(ErrorStatus::UNAUTHORIZED, "permission_denied", "permission deny");
            return Err(No { who: Some(name), failure });
        }
    }
    Ok(Who { name, operator: account.rights.operator, account: Some(account.id) })
}

/// 403 for the token of this name.
fn refused(name: &str, code: &'static str, message: impl Into<String>) -> No {
    No { who: Some(format!("token {name}")), failure: Failure::public(ErrorStatus::FORBIDDEN, code, message) }
}

fn unauthorized() -> Failure {
    Failure::public(ErrorStatus::UNAUTHORIZED, "unauthorized", "Unauthorized")
}

/// 401 for people: with the header that the original adds.
pub(super) fn not_signed_in() -> Failure {
    unauthorized().header(WWW_AUTHENTICATE, HeaderValue::from_static("JWT realm=Dragonfly"))
}

#[cfg(test)]
pub(super) mod tests;
