//! What is made, published, changed and forgotten.

use super::finding::Found;
use super::listing::view;
use crate::base::Now;
use crate::http::{Cx, Failure, Reply};
use crate::hub::machine::{Ask, Refusal, Verdict, Which};
use crate::hub::model::{Item, ItemName, Job, RepName, TagName, TagNo};
use crate::hub::routes::failures::{missing, no_record, parameter};
use crate::hub::routes::who::{Who, known, name_of};
use crate::hub::routes::{Shared, answer, jobs};
use crate::hub::wire::repositories::{self, RepositoryView};
use crate::hub::wire::requires;
use crate::hub::wire::tags::{self, TagView};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// A repository to be made, or to be made something in.
fn new_rep(cx: &Cx) -> Result<RepName, Failure> {
    let name = RepName::new(cx.param("repo"))?;
    match name.is_reserved() {
        true => Err(parameter(format!("repname: paths need the name {name} for themselves"))),
        false => Ok(name),
    }
}

/// A repository that there is; what cannot be a name is none.
fn rep(cx: &Cx) -> Result<RepName, Failure> {
    RepName::new(cx.param("repo")).map_err(|why| missing(why.to_string()))
}

fn item(cx: &Cx) -> Result<ItemName, Failure> {
    ItemName::new(cx.param("item")).map_err(|why| missing(why.to_string()))
}

fn tag(cx: &Cx) -> Result<TagName, Failure> {
    TagName::new(cx.param("tag")).map_err(|why| missing(why.to_string()))
}

/// `POST …/repositories/{repo}`
pub(super) async fn make_repository(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let (name, comment) = (new_rep(&cx)?, repositories::new_repository(&cx.body)?);
    match shared.ask(Ask::MakeRepository(who.by(), name, comment)).await? {
        Verdict::Repository(made) => {
            let owner = name_of(&shared, made.owner);
            Ok(answer::data(&RepositoryView::of(&made, owner)))
        }
        other => Err(answer::unexpected(&other)),
    }
}

/// `DELETE …/repositories/{repo}`
pub(super) async fn forget_repository(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    done(shared.ask(Ask::ForgetRepository(who.by(), rep(&cx)?)).await?)
}

/// It is so, whatever the verdict counts.
fn done(verdict: Verdict) -> Result<Reply, Failure> {
    match verdict {
        Verdict::Done | Verdict::Gone(_) => Ok(answer::ok()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `POST …/repositories/{repo}/{item}`
pub(super) async fn make_item(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let new = repositories::new_item(&cx.body, new_rep(&cx)?, ItemName::new(cx.param("item"))?)?;
    match shared.handle.make_item(who.by(), new).await? {
        Verdict::Item(item) => shown(&shared, &who, &item),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}

fn shown(shared: &Shared, who: &Who, item: &Arc<Item>) -> Result<Reply, Failure> {
    let found = shared.handle.look(|room| Found::of(room, item));
    let found = found.ok_or_else(|| missing(format!("the item {}/{} is gone again", item.rep, item.name)))?;
    Ok(answer::data(&view(shared, &found, name_of(shared, found.owner), who)))
}

/// `DELETE …/repositories/{repo}/{item}`
pub(super) async fn forget_item(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    done(shared.ask(Ask::ForgetItem(who.by(), rep(&cx)?, item(&cx)?)).await?)
}

/// A tag that was published, and the job that reads it.
#[derive(Serialize)]
struct Published {
    #[serde(flatten)]
    tag: TagView,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<crate::hub::wire::jobs::JobView>,
}

/// `POST …/repositories/{repo}/{item}/{tag}`
pub(super) async fn publish(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let names = (new_rep(&cx)?, ItemName::new(cx.param("item"))?, TagName::new(cx.param("tag"))?);
    let new = tags::new(&cx.body, names, who.account)?;
    who.may_require(&new.requires)?;
    match shared.handle.publish(who.by(), new).await? {
        Verdict::Published(no, job) => published(&shared, &who, no, job.as_deref()),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}

fn published(shared: &Shared, who: &Who, no: TagNo, job: Option<&Job>) -> Result<Reply, Failure> {
    let now = Now::read().mono;
    let seen = shared.handle.look(|room| {
        let tag = room.tag_by_no(no)?;
        Some((Found::of(room, room.item_by_no(tag.item)?)?, tag.clone(), room.shown(tag, now)))
    });
    let (found, tag, shown) = seen.ok_or_else(|| missing("the tag is gone again"))?;
    let mut tag = TagView::single(&found.item, found.dir.as_deref(), &tag, &shown, found.sight(who));
    tag.sized(job.and_then(|job| job.size));
    let status = if job.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let job = job.map(|job| jobs::view(shared, job));
    Ok(answer::data(&Published { tag, job }).status(status))
}

/// `DELETE …/repositories/{repo}/{item}/{tag}`, where `*` stands for anything.
pub(super) async fn forget_tags(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let named = cx.param("tag");
    let which = if named.contains('*') { Which::Like(named.to_owned()) } else { Which::One(tag(&cx)?) };
    let none = || no_record(format!("there is no tag {}", named.escape_debug()));
    match shared.handle.ask(Ask::ForgetTags(who.by(), rep(&cx)?, item(&cx)?, which)).await? {
        Verdict::Gone(0) | Verdict::Refused(Refusal::Unknown { what: "tag", .. }) => Err(none()),
        Verdict::Gone(count) => Ok(answer::data(&json!({ "removed": count }))),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(answer::unexpected(&other)),
    }
}

/// `PUT …/repositories/{repo}/{item}/{tag}/requires`
pub(super) async fn require(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = known(&shared, &cx).await?;
    let requires = requires::body(&cx.body, who.account)?;
    who.may_require(&requires)?;
    let shown = requires::show(&requires);
    match shared.ask(Ask::RequireOfTag(who.by(), rep(&cx)?, item(&cx)?, tag(&cx)?, requires)).await? {
        Verdict::Done => Ok(answer::data(&json!({ "requires": shown }))),
        other => Err(answer::unexpected(&other)),
    }
}
