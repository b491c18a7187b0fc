//! `/hostler/v1/…`: path → right → [`Handle`] → answer.

use super::accounts;
use super::engine::{Handle, Out, UpkeepError};
use super::wire::{self, AuditOut, CheckOut, StatusOut, TokenIn, TokenOut, TokensOut, UpgradeIn, WhyOut};
use crate::auth::audit::Filter;
use crate::auth::tokens::{Ask, MintError, RevokeError};
use crate::auth::{Scope, users};
use crate::base::Now;
use crate::http::{Access, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use hyper::{Method, StatusCode};

/// Lines of the audit log in an answer, unless the request says another number.
const AUDIT_LINES: usize = 100;
/// The most it may say.
const AUDIT_MOST: usize = 10_000;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let route = |what, access, doc| Draft::new(&handle, Family::Own, what, access, doc);
    let mut routes = vec![
        route((get.clone(), "/hostler/v1/status"), Access::Caller, STATUS).with(status),
        route((get.clone(), "/hostler/v1/tokens"), Access::Caller, TOKENS).with(tokens),
        route((post.clone(), "/hostler/v1/tokens"), Access::Caller, MINT).with(mint),
        route((delete, "/hostler/v1/tokens/{id}"), Access::Caller, REVOKE).with(revoke),
        route((get.clone(), "/hostler/v1/audit"), Access::Operator, AUDIT).with(audit),
        route((get.clone(), "/hostler/v1/backup"), Access::Operator, BACKUP).with(backup),
        route((get.clone(), "/hostler/v1/export"), Access::Operator, EXPORT).with(export),
        route((post.clone(), "/hostler/v1/check"), Access::Operator, CHECK).with(check),
        route((post.clone(), "/hostler/v1/compact"), Access::Operator, COMPACT).with(compact),
        route((post.clone(), "/hostler/v1/upgrade"), Access::Operator, UPGRADE).with(upgrade),
        route((post, "/hostler/v1/stop"), Access::Operator, STOP).with(stop),
        route((get, "/hostler/v1/why/{name}"), Access::Caller, WHY).with(why),
    ];
    routes.extend(accounts::routes(&handle));
    routes
}

const STATUS: Doc = Doc {
    summary: "How the daemon stands; operators see more",
    query: &[],
    body: None,
    answers: &[(200, "version, state, started, uptime; for operators pids, listeners, store, cgroup")],
};

async fn status(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (facts, store) = (handle.house().facts(), handle.store().stats());
    Ok(Reply::json(&StatusOut::of(facts, store, cx.caller.is_operator(), Now::read().wall)))
}

const TOKENS: Doc = Doc {
    summary: "The caller's tokens; for operators all, those of accounts included",
    query: &[],
    body: None,
    answers: &[(200, "tokens: a list without their texts"), (403, "a token without the scope admin asked")],
};

async fn tokens(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let now = Now::read().wall;
    let tokens = handle.list_tokens(&cx.caller)?;
    let tokens = tokens.into_iter().map(|token| TokenOut::of(token, None, |id| handle.account_name(id), now)).collect();
    Ok(Reply::json(&TokensOut { tokens }))
}

const MINT: Doc = Doc {
    summary: "Makes a token; its text is in this answer and never again",
    query: &[],
    body: Some(
        "{name: made up if it is missing, scopes: [\"proc:read\", …], user: name of the user its tasks run as, expires: RFC 3339 or a duration}",
    ),
    answers: &[
        (201, "token, id, name, scopes, expires, owner"),
        (400, "no such name, scope, user or expiry"),
        (403, "the caller lacks a scope, or names another user"),
        (409, "the owner has a token of that name, or too many"),
    ],
};

async fn mint(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let now = Now::read();
    let given: TokenIn = cx.json().await.map_err(|why| bad(why.to_string()))?;
    let expires = given.expiry(now.wall).map_err(bad)?;
    let owner = match &given.user {
        None => None,
        Some(name) => {
            let found = users::by_name(name).await.map_err(|why| Failure::unavailable(why.to_string()))?;
            let account = found.ok_or_else(|| bad(format!("there is no user \"{}\"", name.escape_debug())))?;
            Some(account.uid)
        }
    };
    let name = match given.name {
        Some(name) => name,
        None => made_up_name(&given.scopes)?,
    };
    let ask = Ask { name, scopes: given.scopes, owner, expires };
    let (text, token) = handle.mint(&cx.caller, ask, now).await?;
    Ok(Reply::json(&TokenOut::of(token, Some(&text), |_| None, now.wall)).status(StatusCode::CREATED))
}

/// A name for a token that was given none: what it is for, and eight random digits, so that it is nobody else's.
fn made_up_name(scopes: &[Scope]) -> Result<String, Failure> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|why| Failure::internal(why.to_string()))?;
    let what = match scopes {
        [scope] => scope.text().replace(':', "-"),
        _ => "token".to_owned(),
    };
    Ok(format!("{what}-{:08x}", u32::from_be_bytes(random)))
}

const REVOKE: Doc = Doc {
    summary: "Takes a token back",
    query: &[],
    body: None,
    answers: &[(204, "its next request is refused"), (404, "there is none of this number, or it is not the caller's")],
};

async fn revoke(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let id = cx.param("id");
    let none = || Failure::public(ErrorStatus::NOT_FOUND, "no_such_token", format!("there is no token {id} of yours"));
    let id = id.parse().map_err(|_| none())?;
    handle.revoke(&cx.caller, id, Now::read()).await?;
    Ok(Reply::no_content())
}

const AUDIT: Doc = Doc {
    summary: "The newest lines of the audit log, newest first",
    query: &[
        ("limit", "how many, at most 10000; 100 if it is not given"),
        ("who", "only those whose caller's name contains this"),
        ("since", "only those from then on: RFC 3339, or how long ago"),
        ("outcome", "only done, refused or failed ones"),
    ],
    body: None,
    answers: &[(200, "entries: at, who, uid, from, what, target, status, outcome, why")],
};

async fn audit(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let since = cx.query.get("since").map(|text| wire::since(text, Now::read().wall)).transpose().map_err(bad)?;
    let outcome = cx.query.get("outcome").map(wire::outcome).transpose().map_err(bad)?;
    let who = cx.query.get("who").map(str::to_owned);
    let limit = cx.number("limit")?.unwrap_or(AUDIT_LINES).min(AUDIT_MOST);
    let entries = handle.recent(Filter { limit, who, since, outcome }).await.map_err(Failure::internal)?;
    Ok(Reply::json(&AuditOut { entries }))
}

const BACKUP: Doc = Doc {
    summary: "The store as one file, as it is while the daemon runs",
    query: &[],
    body: None,
    answers: &[(200, "the file, for hostler restore"), (409, "another one reads through the store")],
};

async fn backup(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    let pieces = handle.stream(Out::Backup)?;
    let name = HeaderValue::from_static("attachment; filename=\"hostler.backup\"");
    Ok(Reply::stream("application/octet-stream", pieces).header(CONTENT_DISPOSITION, name))
}

const EXPORT: Doc = Doc {
    summary: "The records as JSON lines, secrets masked",
    query: &[],
    body: None,
    answers: &[(200, "one record on each line"), (409, "another one reads through the store")],
};

async fn export(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    Ok(Reply::stream("application/x-ndjson", handle.stream(Out::Export)?))
}

const CHECK: Doc = Doc {
    summary: "Verifies checksums, references between records, that every file named exists, and certificates",
    query: &[],
    body: None,
    answers: &[(200, "ok, records, objects, wrong, findings"), (409, "another one reads through the store")],
};

async fn check(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    Ok(Reply::json(&CheckOut::from(handle.check().await?)))
}

const COMPACT: Doc = Doc {
    summary: "Has the store give unused space back when it is opened next",
    query: &[],
    body: None,
    answers: &[(202, "it will be done at the next start or upgrade")],
};

async fn compact(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    handle.compact().await?;
    Ok(Reply::json(&serde_json::json!({ "compacting": "at the next start" })).status(StatusCode::ACCEPTED))
}

const UPGRADE: Doc = Doc {
    summary: "Replaces the daemon's binary in place; children run on",
    query: &[],
    body: Some("{binary: absolute path}; or nothing: the path the daemon was started by"),
    answers: &[(202, "it has passed its check and takes over"), (409, "it has not, and nothing has changed")],
};

async fn upgrade(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let given = match cx.body.is_empty() {
        true => UpgradeIn::default(),
        false => cx.json().await.map_err(|why| bad(why.to_string()))?,
    };
    if given.binary.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(bad("binary: an absolute path is needed, for the daemon has another working directory"));
    }
    let refused = |why| Failure::public(ErrorStatus::CONFLICT, "upgrade_refused", why);
    handle.house().upgrade(given.binary).await.map_err(refused)?;
    Ok(Reply::json(&serde_json::json!({ "upgrading": true })).status(StatusCode::ACCEPTED))
}

const STOP: Doc =
    Doc { summary: "Stops every task, then the daemon", query: &[], body: None, answers: &[(202, "it has begun")] };

async fn stop(handle: Handle, _: Cx) -> Result<Reply, Failure> {
    handle.house().stop();
    Ok(Reply::json(&serde_json::json!({ "stopping": true })).status(StatusCode::ACCEPTED))
}

const WHY: Doc = Doc {
    summary: "Why something is as it is: what it waits for or how it ended, who asked, since when",
    query: &[],
    body: None,
    answers: &[(200, "answers: room, sentences, facts"), (404, "no room has anything of this name for the caller")],
};

async fn why(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let name = cx.param("name").to_owned();
    let answers = handle.why(&cx.caller, &name).await;
    if answers.is_empty() {
        let message = format!("nothing of yours is named \"{}\"", name.escape_debug());
        return Err(Failure::public(ErrorStatus::NOT_FOUND, "no_such_name", message));
    }
    Ok(Reply::json(&WhyOut { name, answers }))
}

pub(super) fn bad(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_request", why)
}

impl From<MintError> for Failure {
    fn from(why: MintError) -> Failure {
        let (status, code) = match why {
            MintError::Denied(denied) => return denied.into(),
            MintError::Name
            | MintError::AccountName
            | MintError::Bio
            | MintError::Scope(_)
            | MintError::NoScopes
            | MintError::Past => (ErrorStatus::BAD_REQUEST, "bad_token"),
            MintError::Taken { .. } => (ErrorStatus::CONFLICT, "token_exists"),
            MintError::TooMany { .. } => (ErrorStatus::CONFLICT, "too_many_tokens"),
            MintError::NoRandomness(_) | MintError::Commit(_) => return Failure::internal(why),
        };
        Failure::public(status, code, why.to_string())
    }
}

impl From<RevokeError> for Failure {
    fn from(why: RevokeError) -> Failure {
        match why {
            RevokeError::Denied(denied) => denied.into(),
            RevokeError::Unknown(_) => Failure::public(ErrorStatus::NOT_FOUND, "no_such_token", why.to_string()),
            RevokeError::Commit(why) => Failure::internal(why),
        }
    }
}

impl From<UpkeepError> for Failure {
    fn from(why: UpkeepError) -> Failure {
        match why {
            UpkeepError::Busy(why) => Failure::public(ErrorStatus::CONFLICT, "busy", why.to_string()),
            UpkeepError::Failed(why) => Failure::internal(why),
        }
    }
}
