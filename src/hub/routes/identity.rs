//! Who one is, where one can be reached, what one's log says.

use super::Shared;
use super::answer::{self, Shape};
use super::failures::{forbidden, no_entrypoint};
use super::heartbeat::ask_all;
use super::who;
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::machine::Ask;
use crate::hub::wire::identity::{self as wire, EntryPoints, Id, Log, Reached, Status, Window};
use hyper::Method;

const UNKNOWN: (u16, &str) = (401, "6101: no Authorization; 1005: it does not count");

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(both(shared, ["/daemon/id", "/api/daemon/id"], ID, id));
    routes.extend(both(shared, ["/daemon/ep", "/api/daemon/ep"], ENTRIES, entrypoints));
    routes.extend(both(shared, ["/daemon/ep/{user}", "/api/daemon/ep/{user}"], ENTRIES, entrypoints));
    routes.extend(both(shared, ["/daemon/log/{index}", "/api/daemon/log/{index}"], LOG, log));
    routes.extend(both(shared, ["/daemon/status", "/api/daemon/status"], STATUS, status));
    routes.push(who::draft(shared, (Method::GET, "/api/ep"), EP).with(show_entries));
    routes.push(who::draft(shared, (Method::POST, "/api/ep"), SET_EP).with(set_entries));
    routes.push(who::draft(shared, (Method::DELETE, "/api/ep"), DELETE_EP).with(clear_entries));
    routes
}

/// What is answered bare and in an envelope.
fn both<F, Answer>(shared: &Shared, [bare, enveloped]: [&'static str; 2], doc: Doc, answer: F) -> [Route; 2]
where
    F: Fn(Shared, Cx, Shape) -> Answer + Copy + Send + Sync + 'static,
    Answer: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    [(bare, Shape::Bare), (enveloped, Shape::Enveloped)].map(|(path, shape)| {
        who::draft(shared, (Method::GET, path), doc).with(move |shared, cx| answer(shared, cx, shape))
    })
}

const ID: Doc = Doc {
    summary: "The caller's daemonid; assigned where there is none yet",
    query: &[],
    body: None,
    answers: &[(200, "daemonid: 40 hexadecimal digits, for ever the same"), UNKNOWN],
};

async fn id(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let member = shared.handle.member(who.account).await?;
    Ok(shape.reply(&Id::from(&*member)))
}

const ENTRIES: Doc = Doc {
    summary: "Where a user can be reached: the caller himself, or anybody for an administrator",
    query: &[],
    body: None,
    answers: &[
        (200, "entrypoint: a list of addresses"),
        (400, "6001: no user is named; 6002: there is no such user; 6003: he has no entrypoint"),
        UNKNOWN,
        (403, "it is another user"),
    ],
};

async fn entrypoints(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let foreign = || forbidden("ordinary users see their own entrypoints alone");
    let user = who::spoken_of(&shared, &who, cx.param("user"), foreign)?;
    shared.handle.member(user.account).await?;
    match &shared.handle.entrypoints(user.account)[..] {
        [] => Err(no_entrypoint()),
        entries => Ok(shape.reply(&EntryPoints::from(entries))),
    }
}

const LOG: Doc = Doc {
    summary: "Lines of the caller's log, newest first; index 0 is the newest",
    query: &[("range", "how many lines after the first; 9 by default")],
    body: None,
    answers: &[(200, "log: a list of lines"), (400, "1007: index or range is no whole number from 0"), UNKNOWN],
};

async fn log(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let ring = shared.handle.settings().rules.log_ring;
    let Window { index, count } = Window::read(cx.param("index"), cx.query.get("range"), ring)?;
    let lines = shared.handle.lines(who.account, index, count).await?;
    Ok(shape.reply(&Log::from(lines)))
}

const STATUS: Doc = Doc {
    summary: "Whether the caller is online, and where he can be reached",
    query: &[],
    body: None,
    answers: &[(200, "status: online or offline; entrypoint: a list of addresses, which may be empty"), UNKNOWN],
};

async fn status(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let (standing, entries) = (shared.handle.standing(who.account), shared.handle.entrypoints(who.account));
    Ok(shape.reply(&Status::from((&standing, &entries[..]))))
}

const EP: Doc = Doc {
    summary: "Where the caller can be reached, and whether that answered when it was last asked",
    query: &[],
    body: None,
    answers: &[
        (200, "msg: each address, a space, \"available\" or \"not available\"; data: entrypoint and available"),
        UNKNOWN,
    ],
};

async fn show_entries(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let member = shared.handle.member(who.account).await?;
    let entries = shared.handle.entrypoints(who.account);
    if entries.is_empty() {
        return Ok(answer::message("no entrypoint is set"));
    }
    let reached = ask_all(shared.handle.reach(), entries, &member.daemon, false).await;
    let data: Vec<Reached> = reached.iter().map(Reached::from).collect();
    Ok(answer::said(&wire::reached(&reached), &data))
}

const SET_EP: Doc = Doc {
    summary: "Replaces where the caller can be reached, besides the addresses on which this host listens",
    query: &[],
    body: Some("entrypoint: http://HOST:PORT, or a list of up to 8"),
    answers: &[(200, "it is so"), (400, "1007: one of them is no such address; 1400: there is none"), UNKNOWN],
};

async fn set_entries(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let entries = cx.read(wire::entries).await?;
    let _ = shared.ask(Ask::SetEntries(who.account, entries)).await?;
    Ok(answer::ok())
}

const DELETE_EP: Doc = Doc {
    summary: "Forgets what the caller has set; the addresses on which this host listens stay",
    query: &[],
    body: None,
    answers: &[(200, "it is so"), UNKNOWN],
};

async fn clear_entries(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let _ = shared.ask(Ask::SetEntries(who.account, Vec::new())).await?;
    Ok(answer::ok())
}
