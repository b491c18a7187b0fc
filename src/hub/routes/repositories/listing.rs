//! What there is: repositories, items and tags, as they are shown.

use super::finding::{self, Found, Seen};
use crate::base::Now;
use crate::http::{Cx, Failure, Reply, blocking};
use crate::hub::machine::Room;
use crate::hub::model::{Item, Repository};
use crate::hub::routes::who::{Who, known, name_of, user};
use crate::hub::routes::{Shared, answer};
use crate::hub::wire::page::Page;
use crate::hub::wire::repositories::{ItemView, RepositoryItems, RepositoryView};
use crate::hub::wire::tags::TagView;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;

/// The part of a list that is asked for: all of it, unless something is said.
pub(in crate::hub::routes) fn page_of(cx: &Cx) -> Result<Page, Failure> {
    Ok(Page::of_health(cx.query.get("page"), cx.query.get("size"))?)
}

/// Whether something is wanted that is not told unasked.
fn is_wanted(cx: &Cx, name: &str) -> bool {
    cx.query.get(name).is_some_and(|value| matches!(value, "" | "1" | "true"))
}

/// Makes an answer of a list that may be long, aside.
pub(in crate::hub::routes) async fn aside(
    make: impl FnOnce() -> Result<Reply, Failure> + Send + 'static,
) -> Result<Reply, Failure> {
    blocking(move || Ok::<_, Infallible>(make())).await?
}

/// `GET …/repositories`
pub(super) async fn repositories(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let (who, page) = (known(&shared, &cx).await?, page_of(&cx)?);
    let of = match cx.query.get("username").filter(|name| !name.is_empty()) {
        Some(name) => Some(user(&shared, name)?.account),
        None => None,
    };
    aside(move || {
        let mut all: Vec<Arc<Repository>> = shared.handle.look(|room| room.repositories().cloned().collect());
        all.retain(|repository| of.is_none_or(|owner| owner == repository.owner));
        all.retain(|repository| finding::is_shown(&shared, Some(&who), repository.owner));
        let view = |repository: &Arc<Repository>| RepositoryView::of(repository, name_of(&shared, repository.owner));
        Ok(answer::data(&all[page.window(all.len())].iter().map(view).collect::<Vec<_>>()))
    })
    .await
}

/// `GET …/repositories/{repo}`
pub(super) async fn repository(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let (who, page) = (known(&shared, &cx).await?, page_of(&cx)?);
    let repository = finding::repository_of_path(&shared, &who, &cx)?;
    let details = is_wanted(&cx, "details");
    aside(move || {
        let mut items: Vec<Arc<Item>> = shared.handle.look(|room| room.items(&repository.name).cloned().collect());
        let total = items.len();
        items = items.drain(page.window(total)).collect();
        let owner = name_of(&shared, repository.owner);
        let view = |item: &Arc<Item>| {
            let found = shared.handle.look(|room| Found::of(room, item))?;
            Some(view(&shared, &found, owner.clone(), &who))
        };
        Ok(answer::data(&RepositoryItems {
            total,
            dataitems: items.iter().map(|item| item.name.to_string()).collect(),
            items: details.then(|| items.iter().filter_map(view).collect()),
            repository: RepositoryView::of(&repository, owner.clone()),
        }))
    })
    .await
}

/// An item without its tags.
pub(super) fn view(shared: &Shared, found: &Found, owner: String, who: &Who) -> ItemView {
    let (no, now) = (found.item.no, Now::read().mono);
    let counts = shared.handle.look(|room| (room.tag_count(no), room.unwell(no, now).len()));
    ItemView::of(&found.item, owner, counts, found.dir.as_deref(), found.sight(who))
}

/// `GET …/repositories/{repo}/{item}`
pub(super) async fn item(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let (who, page) = (known(&shared, &cx).await?, page_of(&cx)?);
    let found = finding::item_of_path(&shared, &who, &cx)?;
    let unwell = is_wanted(&cx, "unwell");
    shared.handle.looked_at(found.item.no, cx.gone()).await;
    aside(move || {
        let seen = seen(&shared, &found, page, unwell);
        let sight = found.sight(&who);
        let tags = seen.iter().map(|(tag, shown)| TagView::listed(tag, shown, sight)).collect();
        let item = view(&shared, &found, name_of(&shared, found.owner), &who);
        Ok(answer::data(&item.with_tags(tags)))
    })
    .await
}

/// A page of an item's tags: of all, or of those that are not well. Blocks.
fn seen(shared: &Shared, found: &Found, page: Page, unwell: bool) -> Vec<Seen> {
    let (handle, no, now) = (&shared.handle, found.item.no, Now::read().mono);
    if unwell {
        let mut seen = handle.look(|room| room.unwell(no, now));
        let range = page.window(seen.len());
        return seen.drain(range).collect();
    }
    let range = page.window(handle.look(|room| room.tag_count(no)));
    finding::walk(handle, no, range, |room: &Room, tag| (tag.clone(), room.shown(tag, now)))
}

/// `GET …/repositories/{repo}/{item}/{tag}`
pub(super) async fn tag(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let found = finding::item_of_path(&shared, &who, &cx)?;
    let name = cx.param("tag");
    let lacks = || found.lacks(name);
    finding::tag(&shared.handle, found.item.no, name).ok_or_else(lacks)?;
    shared.handle.looked_at(found.item.no, cx.gone()).await;
    let (tag, shown) = finding::tag(&shared.handle, found.item.no, name).ok_or_else(lacks)?;
    Ok(answer::data(&TagView::single(&found.item, found.dir.as_deref(), &tag, &shown, found.sight(&who))))
}

/// `GET …/repositories/{repo}/{item}/{tag}/judge`
pub(super) async fn judge(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let found = finding::item(&shared, Some(&who), (cx.param("repo"), cx.param("item")));
    let exists = found.is_some_and(|found| finding::tag(&shared.handle, found.item.no, cx.param("tag")).is_some());
    Ok(answer::data(&json!({ "exists": exists })))
}
