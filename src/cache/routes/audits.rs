//! `GET /api/v1/audits`: what the audit log tells of the cache's routes, newest first.
//!
//! The log is that of all of hostler, and what others did elsewhere is not for people of the cache: only `/oapi`, `/api/v1`
//! and `/healthy` are shown. It has refused and changing requests, not every one.

use super::answer::json;
use super::paged::{page_of, paged};
use super::who::person;
use super::{Door, Shared, draft};
use crate::auth::Audit;
use crate::cache::wire::audits::{Record, Wanted};
use crate::cache::wire::page::Page;
use crate::http::{Cx, Doc, Failure, Reply, Route, blocking};
use hyper::Method;
use serde_json::Value;
use std::io;
use tokio::sync::Semaphore;

const PATH: &str = "/api/v1/audits";
/// Lines that are looked at, the newest; what is older is not told.
const MOST: usize = 100_000;
/// Entries in an answer, however many are asked for.
const MOST_SHOWN: usize = 10_000;
/// One reads at a time: files of many megabytes.
static TURN: Semaphore = Semaphore::const_new(1);

/// This route.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    vec![draft(shared, Door::Person, (Method::GET, PATH), AUDITS).with(audits)]
}

const AUDITS: Doc = Doc {
    summary: "Refused and changing requests to the cache, newest first",
    query: &[
        ("actor_type", "only USER, PAT or UNKNOWN"),
        ("actor_name", "only of this name"),
        ("event_type", "API"),
        ("operation", "only with this method"),
        ("state", "only SUCCESS or FAILURE"),
        ("path", "only with this path"),
        ("status_code", "only with this status"),
        ("page", "which page, from 1"),
        ("per_page", "how many on each, 10 if it is not given"),
    ],
    body: None,
    answers: &[(200, "a list, with Link and X-Total-Count"), (422, "a parameter that cannot be meant")],
};

async fn audits(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    person(&shared, &cx.head(), false)?;
    let page = page_of(&cx.query)?;
    let wanted = Wanted::read(|name| cx.query.get(name))?;
    let audit = shared.handle.audit().clone();
    let turn = TURN.acquire().await.map_err(Failure::internal)?;
    let (found, total) = blocking(move || {
        let _turn = turn; // held to the end, also when nobody waits for the answer any longer
        read(&audit, &wanted, page)
    })
    .await?;
    paged(json(&found), page, PATH, &cx.query, total as u64)
}

/// The records of a page, and how many there are on all.
fn read(audit: &Audit, wanted: &Wanted, page: Page) -> io::Result<(Vec<Value>, usize)> {
    let here = page.range(MOST);
    let (mut seen, mut total, mut found) = (0, 0, Vec::new());
    audit.visit(None, |entry| {
        seen += 1;
        let record = Record::of(entry.at, &entry.who, &entry.what, entry.status);
        if is_the_caches(record.path) && wanted.wants(&record) {
            if here.contains(&total) && found.len() < MOST_SHOWN {
                found.push(record.json());
            }
            total += 1;
        }
        seen < MOST
    })?;
    Ok((found, total))
}

fn is_the_caches(path: &str) -> bool {
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/oapi", "/api/v1", "/healthy"].into_iter().any(below)
}

#[cfg(test)]
mod tests;
