//! Data pools: made, shown, forgotten.

use super::failures::{bad_pool, no_record};
use super::repositories::finding::walk;
use super::repositories::listing::aside;
use super::who::{Who, draft, known, name_of};
use super::{Shared, answer};
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::machine::{Ask, Refusal, Verdict};
use crate::hub::model::{Item, Pool, PoolName};
use crate::hub::wire::page::Page;
use crate::hub::wire::pools::{self, Content, Listed, PoolView};
use hyper::Method;
use std::sync::Arc;

const ALL: &str = "/api/datapools";
const ONE: &str = "/api/datapools/{dp}";
const UNKNOWN: (u16, &str) = (401, "1005, 6101: no credentials, or none that count");
const MISSING: (u16, &str) = (404, "4002: there is none of that name, or it is somebody else's");

const LIST: Doc = Doc {
    summary: "One's own data pools, by name; an administrator's are all",
    query: &[("page", "from 1"), ("size", "1 to 100, 10 by default; -1: all")],
    body: None,
    answers: &[(200, "total, results: name, type, conn, owner, optime"), (400, "1007"), UNKNOWN],
};
const SHOW: Doc = Doc {
    summary: "A data pool with the items and tags in it",
    query: &[],
    body: None,
    answers: &[(200, "the pool, items with taglist"), UNKNOWN, MISSING],
};
const MAKE: Doc = Doc {
    summary: "Makes a data pool, and its directory where there is none",
    query: &[],
    body: Some("name; type: file; conn: an absolute directory below one of hub.pool_roots"),
    answers: &[
        (200, "the pool"),
        (400, "4001: which field, and what was expected"),
        UNKNOWN,
        (409, "4001: there is one of that name"),
    ],
};
const FORGET: Doc = Doc {
    summary: "Forgets a data pool that no item lies in; files stay",
    query: &[],
    body: None,
    answers: &[(200, "it is gone"), UNKNOWN, MISSING, (409, "4001: items lie in it")],
};

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    vec![
        draft(shared, (Method::GET, ALL), LIST).with(list),
        draft(shared, (Method::POST, ALL), MAKE).with(make),
        draft(shared, (Method::GET, ONE), SHOW).with(show),
        draft(shared, (Method::DELETE, ONE), FORGET).with(forget),
    ]
}

/// `GET …/datapools`
async fn list(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let page = Page::of_list(cx.query.get("page"), cx.query.get("size"))?;
    aside(move || {
        let is_his = |pool: &&Arc<Pool>| who.may_touch(pool.owner);
        let all: Vec<Arc<Pool>> = shared.handle.look(|room| room.pools().filter(is_his).cloned().collect());
        let view = |pool: &Arc<Pool>| PoolView::listed(pool, name_of(&shared, pool.owner));
        let results = all[page.window(all.len())].iter().map(view).collect();
        Ok(answer::data(&Listed { total: all.len(), results }))
    })
    .await
}

/// `POST …/datapools`
async fn make(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let (name, conn) = pools::new(&cx.body).map_err(|why| bad_pool(why.to_string()))?;
    match shared.handle.make_pool(who.by(), name, &conn).await? {
        Verdict::Pool(pool) => Ok(answer::data(&PoolView::listed(&pool, name_of(&shared, pool.owner)))),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `GET …/datapools/{dp}`
async fn show(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let pool = found(&shared, &who, &cx)?;
    aside(move || {
        let items: Vec<Arc<Item>> = shared.handle.look(|room| room.items_of_pool(&pool.name).cloned().collect());
        let items = items.iter().map(|item| content(&shared, item)).collect();
        Ok(answer::data(&PoolView::filled(&pool, name_of(&shared, pool.owner), items)))
    })
    .await
}

/// An item with the names of its tags. Blocks.
fn content(shared: &Shared, item: &Item) -> Content {
    let mut content = Content::of(item);
    for tag in walk(&shared.handle, item.no, 0..usize::MAX, |_, tag| tag.clone()) {
        content.push(&tag.name);
    }
    content
}

fn found(shared: &Shared, who: &Who, cx: &Cx) -> Result<Arc<Pool>, Failure> {
    let name = PoolName::new(cx.param("dp")).ok();
    let pool = name.and_then(|name| shared.handle.look(|room| room.pool(&name).cloned()));
    pool.filter(|pool| who.may_touch(pool.owner)).ok_or_else(|| none(cx))
}

/// There is no such pool, as far as who asks may know.
fn none(cx: &Cx) -> Failure {
    no_record(format!("there is no datapool {}", cx.param("dp").escape_debug()))
}

/// `DELETE …/datapools/{dp}`
async fn forget(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let name = PoolName::new(cx.param("dp")).map_err(|_| none(&cx))?;
    match shared.handle.ask(Ask::ForgetPool(who.by(), name)).await? {
        Verdict::Done => Ok(answer::message("OK; its files stay")),
        Verdict::Refused(Refusal::Unknown { .. }) => Err(none(&cx)),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}
