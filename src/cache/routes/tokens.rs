//! `/api/v1/personal-access-tokens`: tokens of accounts, for programs that call `/oapi/v1`. Everybody who has signed in
//! sees them, without their texts; only admins of the cache make and change them.

use super::answer::{json, number, unreadable};
use super::paged::{page_of, paged};
use super::sign_in::NOT_KEPT;
use super::who::person;
use super::{Door, Shared, draft};
use crate::auth::tokens::{AccountAsk, Change, ChangeError, MintError, Token, Tokens, USUAL_SCOPES};
use crate::auth::{Accounts, Scope};
use crate::base::{Now, Secret};
use crate::cache::wire::jobs::User;
use crate::cache::wire::tokens::{ChangeIn, TokenIn, TokenOut, active};
use crate::http::{Cx, Doc, ErrorStatus, Failure, Query, Reply, Route};
use hyper::Method;
use hyper::header::CACHE_CONTROL;
use serde_json::Value;

const LIST: &str = "/api/v1/personal-access-tokens";
const ONE: &str = "/api/v1/personal-access-tokens/{id}";

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let route = |what, doc| draft(shared, Door::Person, what, doc);
    vec![
        route((Method::GET, LIST), LISTED).with(list),
        route((Method::POST, LIST), MADE).with(make),
        route((Method::GET, ONE), SHOWN).with(show),
        route((Method::PATCH, ONE), CHANGED).with(change),
        route((Method::DELETE, ONE), REVOKED).with(revoke),
    ]
}

const LISTED: Doc = Doc {
    summary: "Tokens of accounts, without their texts",
    query: &[
        ("state", "only active or inactive ones"),
        ("user_id", "only those of this account"),
        ("page", "which page, from 1"),
        ("per_page", "how many on each, 10 if it is not given"),
    ],
    body: None,
    answers: &[(200, "a list, with Link and X-Total-Count"), (422, "a parameter that cannot be meant")],
};

async fn list(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    person(&shared, &cx.head(), false)?;
    let page = page_of(&cx.query)?;
    let wanted = Wanted::read(&cx.query)?;
    let tokens = shared.tokens.of_accounts(|token| wanted.wants(token));
    let shown = tokens.get(page.range(tokens.len())).unwrap_or_default();
    let shown: Vec<Value> = shown.iter().map(|token| out(token, shared.handle.accounts(), None)).collect();
    paged(json(&shown), page, LIST, &cx.query, tokens.len() as u64)
}

const MADE: Doc = Doc {
    summary: "Makes a token of an account; its text is in this answer and never again",
    query: &[],
    body: Some("{name, bio, scopes: [\"job\", \"job:read\", \"cluster\"], expired_at: RFC 3339, user_id}"),
    answers: &[(200, "the token, with its text"), (409, "there is one of that name"), (422, "what is wrong, by field")],
};

async fn make(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = person(&shared, &cx.head(), true)?;
    let (text, token) = made(&shared.tokens, shared.handle.accounts(), &cx.body, who.name, Now::read()).await?;
    Ok(json(&out(&token, shared.handle.accounts(), Some(&text))).header(CACHE_CONTROL, NOT_KEPT))
}

const SHOWN: Doc = Doc {
    summary: "One token of an account, without its text",
    query: &[],
    body: None,
    answers: &[(200, "the token"), (404, "there is none of this number"), (422, "that is no number")],
};

async fn show(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    person(&shared, &cx.head(), false)?;
    let token = shared.tokens.of_account(number(&cx, "id")?).ok_or_else(not_found)?;
    Ok(json(&out(&token, shared.handle.accounts(), None)))
}

const CHANGED: Doc = Doc {
    summary: "Changes a token of an account; what is not named stays",
    query: &[],
    body: Some("{bio, scopes, state: active or inactive, expired_at, user_id}"),
    answers: &[(200, "the token"), (404, "there is none of this number"), (422, "what is wrong, by field")],
};

async fn change(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    person(&shared, &cx.head(), true)?;
    let id = number(&cx, "id")?;
    let token = changed(&shared.tokens, shared.handle.accounts(), id, &cx.body, Now::read()).await?;
    Ok(json(&out(&token, shared.handle.accounts(), None)))
}

const REVOKED: Doc = Doc {
    summary: "Takes a token of an account back",
    query: &[],
    body: None,
    answers: &[(200, "nothing"), (404, "there is none of this number"), (422, "that is no number")],
};

async fn revoke(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    person(&shared, &cx.head(), true)?;
    shared.tokens.revoke_of_account(number(&cx, "id")?).await.map_err(not_changed)?;
    Ok(Reply::empty())
}

/// Which tokens a list is to show.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    active: Option<bool>,
    account: Option<u32>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Wanted, Failure> {
        let given = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let state = given("state").map(active).transpose();
        let account = given("user_id").map(str::parse::<u32>).transpose();
        Ok(Wanted {
            active: state.map_err(|why| unreadable(format!("state: {why}")))?,
            account: account
                .map_err(|_| unreadable("user_id: expected the number of an account"))?
                .filter(|id| *id > 0),
        })
    }

    fn wants(&self, token: &Token) -> bool {
        self.active.is_none_or(|active| active == token.active)
            && self.account.is_none_or(|account| token.owner.account() == Some(account))
    }
}

/// Makes the token that `body` describes.
async fn made(
    tokens: &Tokens,
    accounts: &Accounts,
    body: &[u8],
    by: String,
    now: Now,
) -> Result<(Secret, Token), Failure> {
    let TokenIn { name, bio, scopes, expired_at, user_id } = TokenIn::read(body)?;
    let mut scopes = scopes_of(&scopes)?;
    if scopes.is_empty() {
        scopes = USUAL_SCOPES.to_vec();
    }
    must_exist(accounts, user_id)?;
    let ask = AccountAsk { name, bio, scopes, account: user_id, expires: expired_at, by };
    tokens.mint_for_account(ask, now).await.map_err(|why| match why {
        MintError::Taken { .. } => Failure::public(ErrorStatus::CONFLICT, "token_exists", "Conflict"),
        MintError::TooMany { .. } => Failure::public(ErrorStatus::CONFLICT, "too_many_tokens", why.to_string()),
        MintError::NoRandomness(_) => Failure::internal(why),
        MintError::Commit(_) => Failure::unavailable(why.to_string()),
        MintError::Denied(_)
        | MintError::Name
        | MintError::AccountName
        | MintError::Bio
        | MintError::Scope(_)
        | MintError::NoScopes
        | MintError::Past => unreadable(why.to_string()),
    })
}

/// Changes the token as `body` says.
async fn changed(tokens: &Tokens, accounts: &Accounts, id: u64, body: &[u8], now: Now) -> Result<Token, Failure> {
    let ChangeIn { bio, scopes, active, expired_at, user_id } = ChangeIn::read(body)?;
    let scopes = scopes.as_deref().map(scopes_of).transpose()?;
    if let Some(id) = user_id {
        must_exist(accounts, id)?;
    }
    let change = Change { bio, scopes, active, expires: expired_at, account: user_id };
    tokens.change(id, change, now).await.map_err(not_changed)
}

fn scopes_of(words: &[String]) -> Result<Vec<Scope>, Failure> {
    let scope = |word: &String| word.parse::<Scope>().map_err(|why| unreadable(format!("scopes: {why}")));
    words.iter().map(scope).collect()
}

fn must_exist(accounts: &Accounts, id: u32) -> Result<(), Failure> {
    match accounts.get(id) {
        Some(_) => Ok(()),
        None => Err(unreadable(format!("user_id: expected the number of an account, and {id} is none"))),
    }
}

/// A token as it is shown; with its text, where there is one to show.
fn out(token: &Token, accounts: &Accounts, text: Option<&Secret>) -> Value {
    let account = token.owner.account().unwrap_or_default();
    let owner = accounts.get(account).map(|account| User { name: account.name, created: account.created });
    let shown = TokenOut {
        id: token.id,
        created: token.created,
        updated: token.updated,
        name: &token.name,
        bio: &token.bio,
        scopes: token.scopes.iter().map(|scope| scope.text()).collect(),
        active: token.active,
        expires: token.expires,
        last_used: token.last_used,
        account,
        user: owner,
    };
    shown.json(text)
}

fn not_found() -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "not_found", "record not found")
}

fn not_changed(why: ChangeError) -> Failure {
    match why {
        ChangeError::Unknown(_) => not_found(),
        ChangeError::Bio | ChangeError::Scope(_) => unreadable(why.to_string()),
        ChangeError::Commit(_) => Failure::unavailable(why.to_string()),
    }
}

#[cfg(test)]
mod tests;
