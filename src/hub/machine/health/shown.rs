//! How tags are shown, how many are not well, and whether looks make progress.

use super::lanes::Verification;
use crate::base::Mono;
use crate::hub::machine::{Room, Shown};
use crate::hub::model::{AccountId, ItemNo, PoolName, Reason, State, Tag};
use std::sync::Arc;
use std::time::Duration;

/// Reasons beside those that a look or a reading finds.
const UNVERIFIED: &str = "unverified";
const REPORTED: &str = "reported";
const REQUIRES: &str = "requires";

/// A pool whose files were not all looked at in so many times what a pass takes, and then some, is not looked at.
const PASSES: u32 = 3;
const THEN_SOME: Duration = Duration::from_secs(15);

impl Verification {
    /// All files of a pool were looked at once, or there were none.
    pub(in crate::hub::machine) fn pass(&mut self, pool: PoolName, at: Mono) {
        self.hanging.remove(&pool);
        self.passes.insert(pool, at);
    }

    pub(in crate::hub::machine) fn forget_pool(&mut self, pool: &PoolName) {
        self.hanging.remove(pool);
        self.passes.remove(pool);
        self.crowds.remove(pool);
    }
}

impl Room {
    pub(in crate::hub::machine) fn passed(&mut self, name: PoolName) {
        if let Some(owner) = self.catalogue.pool(&name).map(|pool| pool.owner) {
            self.tell_crowd(&name);
            self.health.pass(name, self.now.mono);
            self.members.sort(owner);
        }
    }

    pub(in crate::hub::machine) fn hangs(&mut self, name: PoolName) {
        if let Some(owner) = self.catalogue.pool(&name).map(|pool| pool.owner) {
            self.tell_crowd(&name);
            self.health.hanging.insert(name);
            self.members.sort(owner);
        }
    }

    /// Whether looks at the files of an account's own pools make progress, and whether there are any; why they do not. For
    /// its beats.
    pub(in crate::hub::machine) fn is_verifying(&self, owner: AccountId, now: Mono) -> Result<bool, String> {
        let mut has_files = false;
        for name in self.catalogue.pools_of(owner).filter(|name| self.catalogue.published_in(name) > 0) {
            has_files = true;
            self.is_looked_at(name, now)?;
        }
        Ok(has_files)
    }

    fn is_looked_at(&self, name: &PoolName, now: Mono) -> Result<(), String> {
        let longest = self.rules.stat_every.saturating_mul(PASSES) + THEN_SOME;
        if self.health.hanging.contains(name) {
            return Err(format!("the data pool {name} does not answer"));
        }
        match self.health.passes.get(name) {
            None => Err(format!("the data pool {name} has not been looked at whole since hostler started")),
            Some(last) if now - *last > longest => {
                Err(format!("the data pool {name} was last looked at {} s ago", (now - *last).as_secs()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Owners of pools that are not looked at as they should be. There are few pools.
    pub(in crate::hub::machine) fn unwatched_owners(&self, now: Mono) -> Vec<AccountId> {
        let filled = self.catalogue.pools().filter(|pool| self.catalogue.published_in(&pool.name) > 0);
        filled.filter(|pool| self.is_looked_at(&pool.name, now).is_err()).map(|pool| pool.owner).collect()
    }

    pub(in crate::hub::machine) fn show(&self, tag: &Tag, now: Mono) -> Shown {
        let abnormal = |reason, detail: &str| Shown::Abnormal { reason, detail: detail.to_owned() };
        if tag.looked.get().is_none() {
            return abnormal(UNVERIFIED, "it was not looked at since the daemon started");
        }
        match &tag.health.state {
            State::Normal => {}
            State::Pending => return abnormal(UNVERIFIED, "its bytes are to be compared"),
            State::Abnormal(reason) => return abnormal(reason.word(), detail(reason)),
        }
        if self.is_reported(tag, now) {
            return abnormal(REPORTED, "a heartbeat says so");
        }
        match self.facts.broken(&tag.requires) {
            Some(detail) => Shown::Abnormal { reason: REQUIRES, detail },
            None => Shown::Normal,
        }
    }

    /// The tags of an item that are not well, or may still have to be looked at, by name.
    pub fn doubtful(&self, item: ItemNo) -> impl Iterator<Item = &Arc<Tag>> {
        let place = self.catalogue.item_by_no(item);
        // What was published since then was read, or is not well before it was.
        let was_passed = place.is_some_and(|place| self.health.passes.contains_key(&place.pool));
        let unwell = was_passed.then(|| self.catalogue.unwell(item));
        let all = (!was_passed).then(|| self.catalogue.tags(item));
        unwell.into_iter().flatten().chain(all.into_iter().flatten())
    }

    pub(in crate::hub::machine) fn list_unwell(&self, item: ItemNo, now: Mono) -> Vec<(Arc<Tag>, Shown)> {
        let Some(place) = self.catalogue.item_by_no(item) else { return Vec::new() };
        let mut tags: Vec<&Arc<Tag>> = self.doubtful(item).collect();
        let in_order = tags.len();
        if let Some(owner) = self.catalogue.owner(place) {
            let reported = self.members.reported(owner, &place.rep, &place.name, now);
            tags.extend(reported.filter_map(|name| self.catalogue.tag(item, name)));
        }
        tags.extend(self.facts.broken_tags(item).filter_map(|no| self.catalogue.tag_by_no(no)));
        if tags.len() > in_order {
            tags.sort_by(|one, other| one.name.cmp(&other.name));
            tags.dedup_by_key(|tag| tag.no);
        }
        let shown = tags.into_iter().map(|tag| (tag.clone(), self.show(tag, now)));
        shown.filter(|(_, shown)| *shown != Shown::Normal).collect()
    }

    pub(in crate::hub::machine) fn count_tags(&self) -> (usize, usize) {
        self.catalogue.counts()
    }

    /// Whether a beat from outside, still fresh, says that a tag is not well.
    fn is_reported(&self, tag: &Tag, now: Mono) -> bool {
        let item = self.catalogue.item_by_no(tag.item);
        let owned = item.and_then(|item| Some((item, self.catalogue.owner(item)?)));
        owned.is_some_and(|(item, owner)| self.members.reports(owner, &item.rep, &item.name, &tag.name, now))
    }
}

/// What people want to know beside the word.
fn detail(reason: &Reason) -> &str {
    match reason {
        Reason::Unreadable(why) | Reason::PoolGone(why) => why,
        Reason::Missing => "there is no file of that name",
        Reason::NotAFile => "it is not a file",
        Reason::Escaped => "a symbolic link leads out of the item's directory",
        Reason::SizeChanged => "it is not as long as it was when it was published",
        Reason::ContentChanged => "it has other bytes than when it was published",
    }
}
