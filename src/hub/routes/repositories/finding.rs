//! What a request names, and what of it somebody sees.
//!
//! That there is an item, what it is called and whether it is well is everybody's to know who has an account. What
//! accounts that are no more have left is for administrators alone.

use crate::http::{Cx, Failure};
use crate::hub::engine::Handle;
use crate::hub::machine::{Room, Shown};
use crate::hub::model::{AccountId, Item, ItemName, ItemNo, RepName, Repository, Tag, TagName};
use crate::hub::routes::Shared;
use crate::hub::routes::failures::missing;
use crate::hub::routes::who::Who;
use crate::hub::wire::tags::Sight;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How many tags one look at the room takes along.
const SLICE: usize = 500;

/// An item that somebody may know of.
pub(in crate::hub::routes) struct Found {
    /// Itself.
    pub(in crate::hub::routes) item: Arc<Item>,
    /// Whose it is.
    pub(in crate::hub::routes) owner: AccountId,
    /// Where its files lie.
    pub(in crate::hub::routes) dir: Option<PathBuf>,
}

impl Found {
    /// How an item stands in the room.
    pub(super) fn of(room: &Room, item: &Arc<Item>) -> Option<Found> {
        let owner = room.repository(&item.rep)?.owner;
        let dir = room.pool(&item.pool).map(|pool| pool.dir.join(&*item.dir));
        Some(Found { item: item.clone(), owner, dir })
    }

    /// What somebody sees of its tags.
    pub(in crate::hub::routes) fn sight(&self, who: &Who) -> Sight {
        Sight::of(&self.item, who.may_touch(self.owner))
    }

    /// The failure that says that there is no such tag of it.
    pub(in crate::hub::routes) fn lacks(&self, tag: &str) -> Failure {
        missing(format!("there is no tag {}/{}:{}", self.item.rep, self.item.name, tag.escape_debug()))
    }
}

/// The item of these names; none, too, where its owner is no more and nobody with a right to such things asks.
pub(in crate::hub::routes) fn item(shared: &Shared, who: Option<&Who>, (rep, item): (&str, &str)) -> Option<Found> {
    let (rep, item) = (RepName::new(rep).ok()?, ItemName::new(item).ok()?);
    let found = shared.handle.look(|room| Found::of(room, room.item(&rep, &item)?))?;
    is_shown(shared, who, found.owner).then_some(found)
}

/// The item that a path names.
///
/// # Errors
/// 404
pub(in crate::hub::routes) fn item_of_path(shared: &Shared, who: &Who, cx: &Cx) -> Result<Found, Failure> {
    let names = (cx.param("repo"), cx.param("item"));
    item(shared, Some(who), names).ok_or_else(|| no_item(names))
}

/// The failure that says that there is no item of these names.
pub(in crate::hub::routes) fn no_item((rep, item): (&str, &str)) -> Failure {
    missing(format!("there is no item {}/{}", rep.escape_debug(), item.escape_debug()))
}

/// The repository that a path names.
///
/// # Errors
/// 404
pub(super) fn repository_of_path(shared: &Shared, who: &Who, cx: &Cx) -> Result<Arc<Repository>, Failure> {
    let name = RepName::new(cx.param("repo")).ok();
    let found = name.and_then(|name| shared.handle.look(|room| room.repository(&name).cloned()));
    let shown = found.filter(|repository| is_shown(shared, Some(who), repository.owner));
    shown.ok_or_else(|| missing(format!("there is no repository {}", cx.param("repo").escape_debug())))
}

/// Whether somebody may know of what this account has made.
pub(super) fn is_shown(shared: &Shared, who: Option<&Who>, owner: AccountId) -> bool {
    who.is_some_and(|who| who.admin) || shared.handle.is_account(owner)
}

/// A tag and how it is.
pub(in crate::hub::routes) type Seen = (Arc<Tag>, Shown);

/// A tag of an item, and how it is.
pub(in crate::hub::routes) fn tag(handle: &Handle, item: ItemNo, name: &str) -> Option<Seen> {
    let name = TagName::new(name).ok()?;
    let now = crate::base::Now::read().mono;
    handle.look(|room| room.tag(item, &name).map(|tag| (tag.clone(), room.shown(tag, now))))
}

/// What `take` makes of these of an item's tags, by name; in short looks. Blocks.
pub(in crate::hub::routes) fn walk<T>(
    handle: &Handle,
    item: ItemNo,
    range: Range<usize>,
    mut take: impl FnMut(&Room, &Arc<Tag>) -> T,
) -> Vec<T> {
    let (mut taken, mut passed, mut after) = (Vec::new(), 0, None::<TagName>);
    while passed < range.end {
        let most = SLICE.min(range.end - passed);
        let slice = handle.look(|room| {
            let mut last = None;
            for tag in room.tags_after(item, after.as_ref()).take(most) {
                if passed >= range.start {
                    taken.push(take(room, tag));
                }
                passed += 1;
                last = Some(tag.name.clone());
            }
            last
        });
        let Some(last) = slice else { break };
        after = Some(last);
    }
    taken
}
