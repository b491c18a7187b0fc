//! All pools, repositories, items and tags, and the ways to find one: by name, by number, by pool, by how it stands.

use crate::hub::machine::Expected;
use crate::hub::model::{
    AccountId, Item, ItemName, ItemNo, Look, Pool, PoolName, Reason, RepName, Repository, Stamp, State, Tag, TagName,
    TagNo,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

/// A pool and what lies in it.
#[derive(Debug)]
struct Held {
    pool: Arc<Pool>,
    items: BTreeSet<ItemNo>,
    /// Those of them that have tags.
    filled: BTreeSet<ItemNo>,
    files: usize,
}

/// A repository and its items.
#[derive(Debug)]
struct Collection {
    repository: Arc<Repository>,
    items: BTreeMap<ItemName, ItemNo>,
}

/// An item and its tags.
#[derive(Debug)]
struct Content {
    item: Arc<Item>,
    names: BTreeMap<TagName, TagNo>,
    numbers: BTreeSet<TagNo>,
    /// By the names of their files.
    files: BTreeSet<(Arc<str>, TagNo)>,
    /// Those whose own state is not normal.
    unwell: BTreeMap<TagName, TagNo>,
}

/// See the head of this file. Every operation is logarithmic.
#[derive(Debug, Default)]
pub(in crate::hub::machine) struct Catalogue {
    pools: BTreeMap<PoolName, Held>,
    repositories: BTreeMap<RepName, Collection>,
    items: BTreeMap<ItemNo, Content>,
    tags: BTreeMap<TagNo, Arc<Tag>>,
    /// What the last look at a file found, where it is there, but is not what is known to be right.
    seen: BTreeMap<TagNo, Stamp>,
    /// Pools by owner.
    owned: HashMap<AccountId, BTreeSet<PoolName>>,
    /// Owners of pools in which there is something to look at now, and was nothing, or the other way round.
    stirred: BTreeSet<AccountId>,
    unwell: usize,
    /// That of the last tag: what is published together has the same comment, or none.
    last_comment: Option<Arc<str>>,
    last_item: u64,
    last_tag: u64,
}

/// What was stored.
impl Catalogue {
    /// What was stored, and the highest numbers ever given.
    pub(in crate::hub::machine) fn load(
        pools: Vec<Pool>,
        repositories: Vec<Repository>,
        items: Vec<Item>,
        tags: Vec<Tag>,
        last_item: u64,
        last_tag: u64,
    ) -> Catalogue {
        let mut catalogue = Catalogue { last_item, last_tag, ..Catalogue::default() };
        for pool in pools {
            catalogue.insert_pool(pool);
        }
        for repository in repositories {
            catalogue.insert_repository(repository);
        }
        for item in items {
            catalogue.last_item = catalogue.last_item.max(item.no.0);
            catalogue.insert_item(item);
        }
        for tag in tags {
            catalogue.last_tag = catalogue.last_tag.max(tag.no.0);
            catalogue.insert_tag(tag);
        }
        catalogue
    }
}

/// What is looked up.
impl Catalogue {
    pub(in crate::hub::machine) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values().map(|held| &held.pool)
    }

    pub(in crate::hub::machine) fn pool(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.pools.get(name).map(|held| &held.pool)
    }

    pub(in crate::hub::machine) fn pools_of(&self, owner: AccountId) -> impl Iterator<Item = &PoolName> {
        self.owned.get(&owner).into_iter().flatten()
    }

    pub(in crate::hub::machine) fn repositories(&self) -> impl Iterator<Item = &Arc<Repository>> {
        self.repositories.values().map(|collection| &collection.repository)
    }

    pub(in crate::hub::machine) fn repository(&self, name: &RepName) -> Option<&Arc<Repository>> {
        self.repositories.get(name).map(|collection| &collection.repository)
    }

    pub(in crate::hub::machine) fn items(&self, rep: &RepName) -> impl Iterator<Item = &Arc<Item>> {
        let numbers = self.repositories.get(rep).into_iter().flat_map(|collection| collection.items.values());
        numbers.filter_map(|no| self.item_by_no(*no))
    }

    /// How many items a repository has.
    pub(super) fn item_count(&self, rep: &RepName) -> usize {
        self.repositories.get(rep).map_or(0, |collection| collection.items.len())
    }

    pub(in crate::hub::machine) fn items_of_pool(&self, pool: &PoolName) -> impl Iterator<Item = &Arc<Item>> {
        let numbers = self.pools.get(pool).into_iter().flat_map(|held| &held.items);
        numbers.filter_map(|no| self.item_by_no(*no))
    }

    /// How many items lie in a pool.
    pub(super) fn item_count_of_pool(&self, pool: &PoolName) -> usize {
        self.pools.get(pool).map_or(0, |held| held.items.len())
    }

    pub(in crate::hub::machine) fn item(&self, rep: &RepName, name: &ItemName) -> Option<&Arc<Item>> {
        self.item_by_no(*self.repositories.get(rep)?.items.get(name)?)
    }

    pub(in crate::hub::machine) fn item_by_no(&self, no: ItemNo) -> Option<&Arc<Item>> {
        self.items.get(&no).map(|content| &content.item)
    }

    /// Whose an item is: its repository's owner's.
    pub(in crate::hub::machine) fn owner(&self, item: &Item) -> Option<AccountId> {
        self.repository(&item.rep).map(|repository| repository.owner)
    }

    pub(in crate::hub::machine) fn tags(&self, item: ItemNo) -> impl Iterator<Item = &Arc<Tag>> {
        let numbers = self.items.get(&item).into_iter().flat_map(|content| content.names.values());
        numbers.filter_map(|no| self.tag_by_no(*no))
    }

    /// The same from the one after this name on.
    pub(in crate::hub::machine) fn tags_after<'a>(
        &'a self,
        item: ItemNo,
        after: Option<&'a TagName>,
    ) -> impl Iterator<Item = &'a Arc<Tag>> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let names = self.items.get(&item).into_iter().flat_map(move |content| content.names.range::<TagName, _>(from));
        names.filter_map(|(_, no)| self.tag_by_no(*no))
    }

    /// The tags of an item whose names begin so, by name.
    pub(super) fn tags_like<'a>(&'a self, item: ItemNo, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Tag>> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let names = self.items.get(&item).into_iter().flat_map(move |content| content.names.range::<str, _>(from));
        let alike = names.take_while(move |(name, _)| name.as_str().starts_with(prefix));
        alike.filter_map(|(_, no)| self.tag_by_no(*no))
    }

    /// The tags of an item that are published from this file.
    pub(in crate::hub::machine) fn tags_of_file(
        &self,
        item: ItemNo,
        file: &Arc<str>,
    ) -> impl Iterator<Item = &Arc<Tag>> {
        let all = (Arc::clone(file), TagNo(0))..=(Arc::clone(file), TagNo(u64::MAX));
        let numbers = self.items.get(&item).map(|content| content.files.range(all)).into_iter().flatten();
        numbers.filter_map(|(_, no)| self.tag_by_no(*no))
    }

    pub(in crate::hub::machine) fn tag_count(&self, item: ItemNo) -> usize {
        self.items.get(&item).map_or(0, |content| content.names.len())
    }

    pub(in crate::hub::machine) fn tag(&self, item: ItemNo, name: &TagName) -> Option<&Arc<Tag>> {
        self.tag_by_no(*self.items.get(&item)?.names.get(name)?)
    }

    pub(in crate::hub::machine) fn tag_by_no(&self, no: TagNo) -> Option<&Arc<Tag>> {
        self.tags.get(&no)
    }

    /// All tags, by number.
    pub(in crate::hub::machine) fn all_tags(&self) -> impl Iterator<Item = &Arc<Tag>> {
        self.tags.values()
    }

    /// How many tags there are, and how many of them have a state that is not normal.
    pub(in crate::hub::machine) fn counts(&self) -> (usize, usize) {
        (self.tags.len(), self.unwell)
    }

    /// The tags of an item whose own state is not normal, by name.
    pub(in crate::hub::machine) fn unwell(&self, item: ItemNo) -> impl Iterator<Item = &Arc<Tag>> {
        let numbers = self.items.get(&item).into_iter().flat_map(|content| content.unwell.values());
        numbers.filter_map(|no| self.tag_by_no(*no))
    }

    /// What people call a tag: `rep/item:tag`.
    pub(in crate::hub::machine) fn path(&self, tag: &Tag) -> String {
        match self.item_by_no(tag.item) {
            Some(item) => format!("{}/{}:{}", item.rep, item.name, tag.name),
            None => tag.name.to_string(),
        }
    }
}

/// What looks need.
impl Catalogue {
    pub(in crate::hub::machine) fn to_look_at(
        &self,
        pool: &PoolName,
        after: Option<(ItemNo, TagNo)>,
        most: usize,
    ) -> Vec<(ItemNo, Expected)> {
        let Some(held) = self.pools.get(pool) else { return Vec::new() };
        let first = after.map_or(ItemNo(0), |(item, _)| item);
        let contents = held.filled.range(first..).filter_map(|no| self.items.get(no));
        let files = contents.flat_map(|content| {
            let begun = after.filter(|(item, _)| *item == content.item.no);
            let files = self.expected_after(content, begun.map(|(_, tag)| tag));
            files.map(|file| (content.item.no, file))
        });
        files.take(most).collect()
    }

    pub(in crate::hub::machine) fn to_look_at_in(
        &self,
        item: ItemNo,
        after: Option<TagNo>,
        most: usize,
    ) -> Vec<Expected> {
        let content = self.items.get(&item).into_iter();
        content.flat_map(|content| self.expected_after(content, after)).take(most).collect()
    }

    pub(in crate::hub::machine) fn to_look_at_called(&self, item: ItemNo, names: &HashSet<Arc<str>>) -> Vec<Expected> {
        let Some(content) = self.items.get(&item) else { return Vec::new() };
        let tags = names.iter().flat_map(|name| self.tags_of_file(item, name));
        tags.map(|tag| self.expected(&content.item, tag)).collect()
    }

    /// The files of an item after this one, by number.
    fn expected_after<'a>(
        &'a self,
        content: &'a Content,
        after: Option<TagNo>,
    ) -> impl Iterator<Item = Expected> + use<'a> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tags = content.numbers.range((from, Bound::Unbounded)).filter_map(|no| self.tag_by_no(*no));
        tags.map(|tag| self.expected(&content.item, tag))
    }

    pub(in crate::hub::machine) fn published_in(&self, pool: &PoolName) -> usize {
        self.pools.get(pool).map_or(0, |held| held.files)
    }

    fn expected(&self, item: &Item, tag: &Tag) -> Expected {
        Expected {
            no: tag.no,
            dir: item.dir.clone(),
            detail: tag.detail.clone(),
            look: self.expected_look(tag),
            looked: tag.looked.clone(),
        }
    }

    /// What a look found last, or what is right, as far as either is known.
    pub(in crate::hub::machine) fn expected_look(&self, tag: &Tag) -> Option<Look> {
        if let Some(seen) = self.seen(tag.no) {
            return Some(Look::There(seen));
        }
        match &tag.health.state {
            State::Normal => tag.health.right.map(Look::There),
            State::Pending => None,
            State::Abnormal(reason) => match reason {
                Reason::Missing => Some(Look::Missing),
                Reason::NotAFile => Some(Look::NotAFile),
                Reason::Unreadable(why) => Some(Look::Unreadable(why.clone())),
                Reason::Escaped => Some(Look::Escaped),
                Reason::PoolGone(why) => Some(Look::PoolGone(why.clone())),
                // What it was then is not written down.
                Reason::SizeChanged | Reason::ContentChanged => None,
            },
        }
    }

    /// What the last look found, where that is a file, but not what is known to be right.
    pub(in crate::hub::machine) fn seen(&self, no: TagNo) -> Option<Stamp> {
        self.seen.get(&no).copied()
    }

    /// Remembers that.
    pub(in crate::hub::machine) fn see(&mut self, no: TagNo, stamp: Option<Stamp>) {
        match stamp.filter(|_| self.tags.contains_key(&no)) {
            Some(stamp) => drop(self.seen.insert(no, stamp)),
            None => drop(self.seen.remove(&no)),
        }
    }
}

/// What is changed. Whoever calls has made sure that names are free and that what something lies in is there.
impl Catalogue {
    pub(super) fn insert_pool(&mut self, pool: Pool) -> Arc<Pool> {
        let pool = Arc::new(pool);
        let held = Held { pool: pool.clone(), items: BTreeSet::new(), filled: BTreeSet::new(), files: 0 };
        self.pools.insert(pool.name.clone(), held);
        self.owned.entry(pool.owner).or_default().insert(pool.name.clone());
        pool
    }

    pub(super) fn remove_pool(&mut self, name: &PoolName) {
        let Some(Held { pool, .. }) = self.pools.remove(name) else { return };
        if let Some(owned) = self.owned.get_mut(&pool.owner) {
            owned.remove(name);
            if owned.is_empty() {
                self.owned.remove(&pool.owner);
            }
        }
    }

    pub(super) fn insert_repository(&mut self, repository: Repository) -> Arc<Repository> {
        let repository = Arc::new(repository);
        let collection = Collection { repository: repository.clone(), items: BTreeMap::new() };
        self.repositories.insert(repository.name.clone(), collection);
        repository
    }

    pub(super) fn remove_repository(&mut self, name: &RepName) {
        self.repositories.remove(name);
    }

    /// The number of the next item.
    pub(super) fn next_item(&mut self) -> ItemNo {
        self.last_item += 1;
        ItemNo(self.last_item)
    }

    pub(super) fn insert_item(&mut self, item: Item) -> Arc<Item> {
        let item = Arc::new(item);
        if let Some(collection) = self.repositories.get_mut(&item.rep) {
            collection.items.insert(item.name.clone(), item.no);
        }
        if let Some(held) = self.pools.get_mut(&item.pool) {
            held.items.insert(item.no);
        }
        let (names, numbers, files) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let content = Content { item: item.clone(), names, numbers, files, unwell: BTreeMap::new() };
        self.items.insert(item.no, content);
        item
    }

    /// Its tags are gone already.
    pub(in crate::hub::machine) fn remove_item(&mut self, no: ItemNo) {
        let Some(Content { item, .. }) = self.items.remove(&no) else { return };
        if let Some(collection) = self.repositories.get_mut(&item.rep) {
            collection.items.remove(&item.name);
        }
        if let Some(held) = self.pools.get_mut(&item.pool) {
            held.items.remove(&no);
        }
    }

    /// The number of the next tag.
    pub(super) fn next_tag(&mut self) -> TagNo {
        self.last_tag += 1;
        TagNo(self.last_tag)
    }

    pub(super) fn insert_tag(&mut self, mut tag: Tag) -> Arc<Tag> {
        self.share_texts(&mut tag);
        let tag = Arc::new(tag);
        let Some(content) = self.items.get_mut(&tag.item) else { return tag };
        content.names.insert(tag.name.clone(), tag.no);
        content.numbers.insert(tag.no);
        content.files.insert((tag.detail.clone(), tag.no));
        if let Some(held) = self.pools.get_mut(&content.item.pool) {
            held.files += 1;
            held.filled.insert(tag.item);
            if held.files == 1 {
                self.stirred.insert(held.pool.owner);
            }
        }
        self.count_state(&tag, true);
        self.tags.insert(tag.no, tag.clone());
        tag
    }

    /// There are very many tags: what is the same is kept once.
    fn share_texts(&mut self, tag: &mut Tag) {
        if *tag.detail == *tag.name.as_str() {
            tag.detail = tag.name.shared();
        }
        match &self.last_comment {
            Some(last) if *last == tag.comment => tag.comment = Arc::clone(last),
            _ => self.last_comment = Some(Arc::clone(&tag.comment)),
        }
    }

    pub(super) fn remove_tag(&mut self, no: TagNo) {
        let Some(tag) = self.tags.remove(&no) else { return };
        self.seen.remove(&no);
        self.count_state(&tag, false);
        let Some(content) = self.items.get_mut(&tag.item) else { return };
        content.names.remove(&tag.name);
        content.numbers.remove(&no);
        content.files.remove(&(tag.detail.clone(), no));
        if let Some(held) = self.pools.get_mut(&content.item.pool) {
            held.files -= 1;
            if held.files == 0 {
                self.stirred.insert(held.pool.owner);
            }
            if content.numbers.is_empty() {
                held.filled.remove(&tag.item);
            }
        }
    }

    /// Owners of pools in which something is to be looked at first, or nothing any more, since this was asked last.
    pub(in crate::hub::machine) fn take_stirred(&mut self) -> BTreeSet<AccountId> {
        std::mem::take(&mut self.stirred)
    }

    /// Changes a tag: all but its number, its item, its name and its file.
    pub(in crate::hub::machine) fn change_tag(&mut self, no: TagNo, change: impl FnOnce(&mut Tag)) -> Option<Arc<Tag>> {
        let held = self.tags.get_mut(&no)?;
        let was_well = held.health.state == State::Normal;
        change(Arc::make_mut(held));
        let tag = held.clone();
        if was_well != (tag.health.state == State::Normal) {
            // What it was counted as is counted off first.
            match was_well {
                true => self.count_state(&tag, true),
                false => self.uncount(&tag),
            }
        }
        Some(tag)
    }

    fn count_state(&mut self, tag: &Tag, is_there: bool) {
        if tag.health.state == State::Normal {
            return;
        }
        match is_there {
            true => {
                self.unwell += 1;
                if let Some(content) = self.items.get_mut(&tag.item) {
                    content.unwell.insert(tag.name.clone(), tag.no);
                }
            }
            false => self.uncount(tag),
        }
    }

    fn uncount(&mut self, tag: &Tag) {
        self.unwell -= 1;
        if let Some(content) = self.items.get_mut(&tag.item) {
            content.unwell.remove(&tag.name);
        }
    }
}
