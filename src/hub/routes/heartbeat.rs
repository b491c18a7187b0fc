//! Heartbeats from outside, and who is online.
//!
//! The daemon id is what a beat is trusted by, and whoever can open the entry listener may learn it: so it is enough only for
//! those on this host, unless the configuration says otherwise. Others have to show who they are as well.

use super::Shared;
use super::answer;
use super::failures::{empty_daemonid, forbidden, no_credentials, unknown_user, unreachable};
use super::who::{self, Who};
use crate::auth::accounts::Hub;
use crate::auth::{Gate, Place};
use crate::base::Now;
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::machine::Ask;
use crate::hub::model::{DaemonId, EntryPoint, Member};
use crate::hub::reach::Reach;
use crate::hub::wire::heartbeat as wire;
use crate::hub::wire::identity::Online;
use futures_util::stream::{self, StreamExt};
use hyper::{HeaderMap, Method};
use std::sync::Arc;

/// Entry points that are asked at once.
const AT_ONCE: usize = 8;

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let post = |path| who::open_draft(shared, (Method::POST, path), BEAT).unaudited().with(beat);
    let get = |path| who::draft(shared, (Method::GET, path), STATUS).with(status);
    vec![
        post("/heartbeat"),
        post("/api/heartbeat"),
        get("/heartbeat/status"),
        get("/api/heartbeat/status"),
        get("/heartbeat/status/{user}"),
        get("/api/heartbeat/status/{user}"),
    ]
}

const BEAT: Doc = Doc {
    summary: "A daemon lives: for the user of its daemonid",
    query: &[],
    body: Some(
        "daemonid; entrypoint: a list of addresses or null; log: lines, oldest first; role: a number; abnormaltags: all \
         that is not well, as rep/item:tag",
    ),
    answers: &[
        (200, "it counts"),
        (400, "6201: no daemonid; 6002: nobody has it; 6202: it counts, but no entrypoint answers; 1007: a field"),
        (401, "6101: from another host, an Authorization is needed as well; 1005: it does not count"),
        (403, "the Authorization is another user's"),
    ],
};

async fn beat(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::maybe(&shared, &cx).await?;
    let trusted = shared.handle.settings().trust_daemonid || is_here(cx.from, &cx.headers);
    if who.is_none() && !trusted {
        return Err(no_credentials());
    }
    let now = Now::read().wall;
    let wire::Posted { daemonid, beat } = cx.read(move |body| wire::read(body, now)).await?;
    if daemonid.is_empty() {
        return Err(empty_daemonid());
    }
    let member = member(&shared, &daemonid)?;
    may_beat(who.as_ref(), &member)?;
    let entries = beat.entries.clone();
    // It counts, whatever the entry points say: the daemon lives.
    let _ = shared.ask(Ask::Beat(member.account, beat)).await?;
    if entries.is_empty() {
        return Ok(answer::ok());
    }
    let answered = ask_all(shared.handle.reach(), entries, &member.daemon, true).await;
    if answered.iter().any(|(_, answers)| *answers) { Ok(answer::ok()) } else { Err(unreachable()) }
}

/// Whether a request was made on this host, by whoever sends it.
fn is_here(from: Place, headers: &HeaderMap) -> bool {
    let near = match from {
        Place::User(_) | Place::Unix => true,
        Place::V4(address) => address.is_loopback(),
        // The network of ::1. Nothing else in it is ever routed.
        Place::V6(network) => network == 0,
    };
    near && !Gate::is_forwarded(headers)
}

/// The member of this daemon id, if the account may use the hub.
fn member(shared: &Shared, daemonid: &str) -> Result<Arc<Member>, Failure> {
    let found = DaemonId::parse(daemonid).and_then(|id| shared.handle.look(|room| room.by_daemon(&id).cloned()));
    let may = |account| shared.handle.rights_of(account).is_some_and(|rights| rights.hub != Hub::None);
    found.filter(|member| may(member.account)).ok_or_else(|| unknown_user("no user has this daemonid"))
}

fn may_beat(who: Option<&Who>, member: &Member) -> Result<(), Failure> {
    match who {
        Some(who) if !who.may_touch(member.account) => Err(forbidden("the daemonid is another user's")),
        _ => Ok(()),
    }
}

/// Whether entry points answer for a daemon; `anew`: whatever was found before.
pub(super) async fn ask_all(
    reach: &Reach,
    entries: Vec<EntryPoint>,
    daemon: &DaemonId,
    anew: bool,
) -> Vec<(EntryPoint, bool)> {
    let asked = entries.into_iter().map(|entry| {
        let (reach, daemon) = (reach.clone(), daemon.clone());
        async move {
            let known = reach.latest(&entry, &daemon).filter(|_| !anew);
            let answers = match known {
                Some(answers) => answers,
                None => reach.probe(&entry, &daemon).await,
            };
            (entry, answers)
        }
    });
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

const STATUS: Doc = Doc {
    summary: "Whether a user is online: anybody may ask about anybody",
    query: &[],
    body: None,
    answers: &[
        (200, "data: status, online or offline"),
        (400, "6001: no user is named; 6002: there is no such user"),
        (401, "6101: no Authorization; 1005: it does not count"),
    ],
};

async fn status(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    who::known(&shared, &cx).await?;
    let user = who::user(&shared, cx.param("user"))?;
    shared.handle.member(user.account).await?;
    Ok(answer::data(&Online::from(&shared.handle.standing(user.account))))
}

#[cfg(test)]
mod tests;
