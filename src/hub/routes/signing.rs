//! From a password to a token that stands for it, and back.

use super::Shared;
use super::answer;
use super::failures::{forbidden, no_credentials, not_made, rejected};
use super::who::{self, Proof, Who};
use crate::auth::Place;
use crate::auth::accounts::AccountError;
use crate::base::Now;
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::machine::Ask;
use crate::hub::wire::users::{Me, Token};
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderValue};

/// The largest body: strangers send these.
const BODY_LIMIT: usize = 16 << 10;

const UNKNOWN: (u16, &str) = (401, "6101: no Authorization; 1005: it does not count");

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    vec![
        // It begins a session, whatever its method says.
        who::draft(shared, (Method::GET, "/api"), TOKEN).changes(true).with(token),
        // It would, without telling anybody the token.
        who::draft(shared, (Method::HEAD, "/api"), PEEK).changes(false).with(peek),
        who::draft(shared, (Method::POST, "/api/users/auth"), AUTH).limit(BODY_LIMIT).with(auth),
        who::draft(shared, (Method::POST, "/api/users/logout"), LOGOUT).limit(BODY_LIMIT).with(logout),
        who::draft(shared, (Method::GET, "/api/users/whoami"), WHOAMI).with(whoami),
    ]
}

const TOKEN: Doc = Doc {
    summary: "A token that stands for the name and the password of a Basic header",
    query: &[],
    body: None,
    answers: &[
        (200, "data: token, 40 hexadecimal digits; good for a year, or until it is logged out"),
        (401, "1005: wrong name or password, or no Basic header"),
        (403, "the account has no rights here"),
        (429, "too many failed sign-ins; Retry-After says when to try again"),
    ],
};

async fn token(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = by_password(&shared, &cx).await?;
    // At once: a password that is changed from now on ends this session, too.
    let opened = shared.handle.accounts().open_hub_session(who.account, Now::read()).await;
    let (text, _) = opened.map_err(|why| match why {
        AccountError::Unknown(_) => rejected(), // it was removed meanwhile
        why => not_made(why),
    })?;
    note(&shared, &who, "signed in", cx.from).await?;
    let reply = answer::data(&Token::from(&text));
    Ok(reply.header(CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

const PEEK: Doc = Doc {
    summary: "Whether the name and the password of a Basic header are right; makes no token",
    query: &[],
    body: None,
    answers: TOKEN.answers,
};

async fn peek(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    by_password(&shared, &cx).await.map(|_| answer::ok())
}

const AUTH: Doc = Doc {
    summary: "Whether the name and the password of a Basic header are right",
    query: &[],
    body: Some("of the original's clients: it says nothing that counts"),
    answers: &[
        (200, "they are"),
        (401, "1005: they are not, or there is no Basic header"),
        (403, "the account has no rights here"),
        (429, "too many failed sign-ins; Retry-After says when to try again"),
    ],
};

async fn auth(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = by_password(&shared, &cx).await?;
    note(&shared, &who, "signed in", cx.from).await?;
    Ok(answer::ok())
}

const LOGOUT: Doc = Doc {
    summary: "Ends the token with which it is asked for",
    query: &[],
    body: None,
    answers: &[
        (200, "it is ended, or there was none to end"),
        UNKNOWN,
        (403, "it is a token of hostler: those are revoked, not logged out"),
    ],
};

async fn logout(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    match &who.proof {
        Proof::Session(text) => {
            let closed = shared.handle.accounts().close_session(text.expose()).await;
            closed.map_err(super::failures::storage)?;
            note(&shared, &who, "signed out", cx.from).await?;
            Ok(answer::ok())
        }
        Proof::Token(_) => Err(forbidden("this token is not ended by logging out: see hostler token revoke")),
        Proof::Password | Proof::Connection => Ok(answer::message("there is no token to end")),
    }
}

const WHOAMI: Doc =
    Doc { summary: "Who the caller is", query: &[], body: None, answers: &[(200, "data: username and role"), UNKNOWN] };

async fn whoami(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    Ok(answer::data(&Me { username: &who.name, role: who.role() }))
}

/// Who has just shown his password: a token is not made from another, which could then outlive its own end.
async fn by_password(shared: &Shared, cx: &Cx) -> Result<Who, Failure> {
    let who = who::proven(shared, cx).await?.ok_or_else(no_credentials)?;
    match who.proof {
        Proof::Password => Ok(who),
        Proof::Connection | Proof::Session(_) | Proof::Token(_) => Err(rejected()),
    }
}

/// A line in the log of whoever signed in or out.
async fn note(shared: &Shared, who: &Who, what: &str, from: Place) -> Result<(), Failure> {
    shared.handle.member(who.account).await?;
    let line = format!("{what} from {}", place(from));
    shared.ask(Ask::Note(vec![(who.account, line)])).await.map(drop)
}

/// Where a request comes from, for people.
fn place(from: Place) -> String {
    match from {
        Place::User(uid) => format!("this host (uid {uid})"),
        Place::Unix => "this host".to_owned(),
        Place::V4(address) => address.to_string(),
        Place::V6(network) => format!("{}/64", std::net::Ipv6Addr::from_bits(u128::from(network) << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_as_people_know_them() {
        let v6 = Place::V6(0x2001_0db8_0000_0001);
        let all = [Place::User(1000), Place::Unix, Place::V4([192, 0, 2, 1].into()), v6].map(place);
        assert_eq!(all, ["this host (uid 1000)", "this host", "192.0.2.1", "2001:db8:0:1::/64"]);
    }
}
