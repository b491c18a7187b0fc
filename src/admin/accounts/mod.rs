//! `/hostler/v1/accounts…`: accounts, for operators.
//!
//! Passwords come in and never go out: not in answers, events, nor the audit log, which knows paths but no bodies.

#[cfg(test)]
mod tests;
mod wire;

use super::engine::Handle;
use super::routes::bad;
use crate::auth::Caller;
use crate::auth::accounts::{Account, AccountError, NewAccount};
use crate::base::Now;
use crate::http::{Access, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::{AccountIn, AccountOut, AccountsOut, PasswordIn, RightsIn};

const ALL: &str = "/hostler/v1/accounts";
const ONE: &str = "/hostler/v1/accounts/{name}";
const ITS_PASSWORD: &str = "/hostler/v1/accounts/{name}/password";
const ITS_SESSIONS: &str = "/hostler/v1/accounts/{name}/sessions";

/// The routes of accounts.
pub(super) fn routes(handle: &Handle) -> Vec<Route> {
    let route = |method, path, doc| Draft::new(handle, Family::Own, (method, path), Access::Operator, doc);
    vec![
        route(Method::GET, ALL, LIST).with(list),
        route(Method::POST, ALL, CREATE).with(create),
        route(Method::GET, ONE, SHOW).with(show),
        route(Method::PATCH, ONE, CHANGE).with(change),
        route(Method::DELETE, ONE, REMOVE).with(remove),
        route(Method::PUT, ITS_PASSWORD, PASSWORD).with(password),
        route(Method::DELETE, ITS_SESSIONS, SIGN_OUT).with(sign_out),
    ]
}

const LIST: Doc = Doc {
    summary: "All accounts, without their passwords",
    query: &[],
    body: None,
    answers: &[(200, "accounts: id, name, created, operator, tracker, hub, cache, sessions")],
};

async fn list(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    // There may be very many, where anybody may register.
    let answer = tokio::task::spawn_blocking(move || {
        let accounts = handle.accounts().list().into_iter();
        Reply::json(&AccountsOut { accounts: accounts.map(|account| shown(&handle, account)).collect() })
    });
    answer.await.map_err(Failure::internal)
}

const CREATE: Doc = Doc {
    summary: "Makes an account",
    query: &[],
    body: Some(
        "{name, password, admin: true for all rights of all families, instead of the ordinary ones; or each by itself: \
         operator: true or false, tracker: none, manager or admin, hub: none, ordinary or admin, \
         cache: none, guest or admin}",
    ),
    answers: &[
        (201, "id, name, created, operator, tracker, hub, cache, sessions"),
        (400, "no such name, password or right"),
        (409, "there is one of that name"),
    ],
};

async fn create(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let now = Now::read();
    let given: AccountIn = object(&cx).await?;
    let (name, password, rights) = given.read().map_err(bad)?;
    let new = NewAccount { name, password, rights, admin_if_first: false };
    let account = handle.accounts().create(new, now).await?;
    announce(&handle, "auth.account.made", &cx.caller, &account);
    Ok(Reply::json(&shown(&handle, account)).status(StatusCode::CREATED))
}

const SHOW: Doc = Doc {
    summary: "An account, without its password",
    query: &[],
    body: None,
    answers: &[
        (200, "id, name, created, operator, tracker, hub, cache, sessions"),
        (404, "there is none of this name"),
    ],
};

async fn show(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let account = of_path(&handle, &cx)?;
    Ok(Reply::json(&shown(&handle, account)))
}

const CHANGE: Doc = Doc {
    summary: "Changes what an account may do; its next request sees that",
    query: &[],
    body: Some("{operator, tracker, hub, cache}: those that are given"),
    answers: &[
        (200, "id, name, created, operator, tracker, hub, cache, sessions"),
        (400, "no such right"),
        (404, "there is none of this name"),
    ],
};

async fn change(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let given: RightsIn = object(&cx).await?;
    let change = given.read().map_err(bad)?;
    let before = of_path(&handle, &cx)?;
    let account = handle.accounts().set_rights(before.id, |rights| change.apply(rights)).await?;
    if account.rights != before.rights {
        announce(&handle, "auth.account.changed", &cx.caller, &account);
    }
    Ok(Reply::json(&shown(&handle, account)))
}

const REMOVE: Doc = Doc {
    summary: "Removes an account and ends its sessions",
    query: &[],
    body: None,
    answers: &[(204, "it is gone"), (404, "there is none of this name")],
};

async fn remove(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let account = handle.accounts().remove(cx.param("name")).await?;
    announce(&handle, "auth.account.removed", &cx.caller, &account);
    Ok(Reply::no_content())
}

const PASSWORD: Doc = Doc {
    summary: "Gives an account another password and ends its sessions",
    query: &[],
    body: Some("{password}"),
    answers: &[(204, "it holds from now on"), (400, "no text, or an empty one"), (404, "there is none of this name")],
};

async fn password(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let given: PasswordIn = object(&cx).await?;
    let password = given.read().map_err(bad)?;
    let account = handle.accounts().set_password(cx.param("name"), &password).await?;
    announce(&handle, "auth.account.password", &cx.caller, &account);
    Ok(Reply::no_content())
}

const SIGN_OUT: Doc = Doc {
    summary: "Ends all sessions of an account",
    query: &[],
    body: None,
    answers: &[(204, "none is left"), (404, "there is none of this name")],
};

async fn sign_out(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let account = handle.accounts().close_sessions(cx.param("name")).await?;
    announce(&handle, "auth.account.signed_out", &cx.caller, &account);
    Ok(Reply::no_content())
}

/// The body as an object. What stands in place of one is not shown: it may be a password, and refusals are logged.
async fn object<T: DeserializeOwned>(cx: &Cx) -> Result<T, Failure> {
    let given: Value = cx.json().await.map_err(|why| bad(why.to_string()))?;
    if !given.is_object() {
        return Err(bad("expected an object"));
    }
    serde_json::from_value(given).map_err(|why| bad(why.to_string()))
}

/// The account that the path names.
fn of_path(handle: &Handle, cx: &Cx) -> Result<Account, AccountError> {
    let name = cx.param("name");
    handle.accounts().by_name(name).ok_or_else(|| AccountError::Unknown(name.to_owned()))
}

fn shown(handle: &Handle, account: Account) -> AccountOut {
    let sessions = handle.accounts().sessions(account.id, Now::read().wall);
    AccountOut::of(account, sessions)
}

/// For operators alone: an account is nobody's uid.
fn announce(handle: &Handle, kind: &'static str, by: &Caller, account: &Account) {
    let facts = json!({ "id": account.id, "rights": account.rights, "by": by.name() });
    handle.bus().publish(Now::read().wall, kind, account.name.clone(), None, facts);
}

impl From<AccountError> for Failure {
    fn from(why: AccountError) -> Failure {
        let (status, code) = match why {
            AccountError::Name | AccountError::Password => (ErrorStatus::BAD_REQUEST, "bad_account"),
            AccountError::Taken(_) | AccountError::NumberTaken(_) => (ErrorStatus::CONFLICT, "account_exists"),
            AccountError::Unknown(_) => (ErrorStatus::NOT_FOUND, "no_such_account"),
            AccountError::TooMany(_) => (ErrorStatus::TOO_MANY_REQUESTS, "too_many_accounts"),
            AccountError::NoRandomness(_) | AccountError::Commit(_) => return Failure::internal(why),
        };
        Failure::public(status, code, why.to_string())
    }
}
