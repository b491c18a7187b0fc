//! How tags are: of an item all that are not well, or one.
//!
//! Health is told after a look: in the first moments of a daemon's life the answer waits for it.

use super::Shared;
use super::answer::Shape;
use super::failures::{missing, no_credentials};
use super::repositories::finding::{self, Found, no_item};
use super::repositories::listing::{aside, page_of};
use super::who::{Who, draft, known, maybe, open_draft};
use crate::base::Now;
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::engine::Handle;
use crate::hub::machine::{Ask, Shown, Verdict, Which};
use crate::hub::model::{Access, Item, ItemName, RepName, TagName};
use crate::hub::wire::Fault;
use crate::hub::wire::page::Page;
use crate::hub::wire::tags::Health;
use hyper::Method;

const REPNAME: (&str, &str) = ("repname", "the repository");
const ITEMNAME: (&str, &str) = ("itemname", "the item");
const TAGNAME: (&str, &str) = ("tagname", "one tag; empty or absent: all");
const PAGE: (&str, &str) = ("page", "from 1; all where neither page nor size is said");
const SIZE: (&str, &str) = ("size", "1 to 100, 10 by default; -1: all");
const HEALTHY: (u16, &str) =
    (200, "status NORMAL, total 0, results null; or ABNORMAL, how many, rep/item:tag of those");
const UNKNOWN: (u16, &str) = (401, "1005, 6101: no credentials, and the item is not public; or none that count");
const MISSING: (u16, &str) = (404, "1009: there is no such item or tag");

const STATUS: Doc = Doc {
    summary: "Which tags of an item are not well",
    query: &[REPNAME, ITEMNAME, TAGNAME, PAGE, SIZE],
    body: None,
    answers: &[HEALTHY, (400, "1400: no repname or no itemname; 1007: page or size is no number"), UNKNOWN, MISSING],
};
const OF_PATH: Doc = Doc {
    summary: "The same by path",
    query: &[PAGE, SIZE],
    body: None,
    answers: &[HEALTHY, (400, "1007"), UNKNOWN, MISSING],
};
const VERIFY: Doc = Doc {
    summary: "Reads the files of an item's tags, or of one, and compares them; answers when that is done",
    query: &[REPNAME, ITEMNAME, TAGNAME],
    body: None,
    answers: &[HEALTHY, (400, "1400"), UNKNOWN, (403, "1006: it is somebody else's"), MISSING],
};

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let open = |path, doc| open_draft(shared, (Method::GET, path), doc);
    let verified = |path| draft(shared, (Method::POST, path), VERIFY);
    vec![
        open("/daemon/tags/status", STATUS).with(|shared, cx| status(shared, cx, Shape::Bare)),
        open("/api/daemon/tags/status", STATUS).with(|shared, cx| status(shared, cx, Shape::Enveloped)),
        open("/api/daemon/{repo}/{item}", OF_PATH).with(of_path),
        open("/api/daemon/{repo}/{item}/{tag}", OF_PATH).with(of_path),
        verified("/daemon/verify").with(|shared, cx| verify(shared, cx, Shape::Bare)),
        verified("/api/daemon/verify").with(|shared, cx| verify(shared, cx, Shape::Enveloped)),
    ]
}

/// Whose health is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    rep: &'a str,
    item: &'a str,
    tag: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// 400/1400: the query names no repository, or no item.
    fn of_query(cx: &'a Cx) -> Result<Asked<'a>, Failure> {
        let given = |name| cx.query.get(name).filter(|value| !value.is_empty());
        let needed = |name| given(name).ok_or_else(|| Fault::Absent(name.to_owned()));
        Ok(Asked { rep: needed("repname")?, item: needed("itemname")?, tag: given("tagname") })
    }
}

/// `GET …/daemon/tags/status`
async fn status(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = maybe(&shared, &cx).await?;
    let (asked, page) = (Asked::of_query(&cx)?, page_of(&cx)?);
    health(&shared, &cx, who.as_ref(), asked, page, shape).await
}

/// `GET …/daemon/{repo}/{item}[/{tag}]`
async fn of_path(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = maybe(&shared, &cx).await?;
    let tag = Some(cx.param("tag")).filter(|tag| !tag.is_empty());
    let asked = Asked { rep: cx.param("repo"), item: cx.param("item"), tag };
    health(&shared, &cx, who.as_ref(), asked, page_of(&cx)?, Shape::Enveloped).await
}

/// `POST …/daemon/verify`
async fn verify(shared: Shared, cx: Cx, shape: Shape) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let asked = Asked::of_query(&cx)?;
    let impossible = |why: crate::hub::model::BadName| missing(why.to_string());
    let rep = RepName::new(asked.rep).map_err(impossible)?;
    let item = ItemName::new(asked.item).map_err(impossible)?;
    let which = match asked.tag {
        Some(tag) => Which::One(TagName::new(tag).map_err(impossible)?),
        None => Which::All,
    };
    match shared.ask(Ask::Verify(who.by(), rep, item, which)).await? {
        Verdict::Verified(_) => health(&shared, &cx, Some(&who), asked, Page::All, shape).await,
        other => Err(super::answer::unexpected(&other)),
    }
}

/// How the tags of an item are, or one of them.
async fn health(
    shared: &Shared,
    cx: &Cx,
    who: Option<&Who>,
    asked: Asked<'_>,
    page: Page,
    shape: Shape,
) -> Result<Reply, Failure> {
    let found = item(shared, who, asked)?;
    let Some(name) = asked.tag else {
        shared.handle.looked_at(found.item.no, cx.gone()).await;
        let handle = shared.handle.clone();
        return aside(move || Ok(shape.reply(&of_item(&handle, &found.item, page)?))).await;
    };
    // Nobody waits for what there is not.
    finding::tag(&shared.handle, found.item.no, name).ok_or_else(|| found.lacks(name))?;
    shared.handle.looked_at(found.item.no, cx.gone()).await;
    let (tag, shown) = finding::tag(&shared.handle, found.item.no, name).ok_or_else(|| found.lacks(name))?;
    let unwell = usize::from(shown != Shown::Normal);
    let range = page.range(unwell);
    Ok(shape.reply(&Health::of(&found.item, unwell, std::iter::once(&tag.name).take(range.len()))))
}

/// The item, where who asks may know of it. Whoever does not say who he is learns of public ones alone; not even whether
/// there are others.
fn item(shared: &Shared, who: Option<&Who>, asked: Asked<'_>) -> Result<Found, Failure> {
    let names = (asked.rep, asked.item);
    let found = finding::item(shared, who, names);
    match who {
        Some(_) => found.ok_or_else(|| no_item(names)),
        None => found.filter(|found| found.item.access == Access::Public).ok_or_else(no_credentials),
    }
}

/// A page of the tags of an item that are not well. Blocks.
fn of_item(handle: &Handle, item: &Item, page: Page) -> Result<Health, Failure> {
    let now = Now::read().mono;
    let unwell = handle.look(|room| room.item_by_no(item.no).map(|_| room.unwell(item.no, now)));
    let unwell = unwell.ok_or_else(|| no_item((item.rep.as_str(), item.name.as_str())))?;
    let shown = unwell[page.range(unwell.len())].iter().map(|(tag, _)| &tag.name);
    Ok(Health::of(item, unwell.len(), shown))
}
