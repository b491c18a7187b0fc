//! Pools, repositories, items and tags: what there is, and who may change it.

use super::{By, Expected, NewItem, NewPool, NewTag, Refusal, Room, Verdict, Which};
use crate::hub::model::{
    Item, ItemName, ItemNo, Pool, PoolName, RepName, Repository, Requirements, Tag, TagName, TagNo,
};
use std::sync::Arc;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Catalogue {}

impl Catalogue {
    /// What was stored, and the highest numbers ever given.
    pub(super) fn load(
        _pools: Vec<Pool>,
        _repositories: Vec<Repository>,
        _items: Vec<Item>,
        _tags: Vec<Tag>,
        _last_item: u64,
        _last_tag: u64,
    ) -> Catalogue {
        unimplemented!()
    }
    pub(super) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        std::iter::empty()
    }
    pub(super) fn pool(&self, _: &PoolName) -> Option<&Arc<Pool>> {
        unimplemented!()
    }
    pub(super) fn repositories(&self) -> impl Iterator<Item = &Arc<Repository>> {
        std::iter::empty()
    }
    pub(super) fn repository(&self, _: &RepName) -> Option<&Arc<Repository>> {
        unimplemented!()
    }
    pub(super) fn items(&self, _: &RepName) -> impl Iterator<Item = &Arc<Item>> {
        std::iter::empty()
    }
    pub(super) fn items_of_pool(&self, _: &PoolName) -> impl Iterator<Item = &Arc<Item>> {
        std::iter::empty()
    }
    pub(super) fn item(&self, _: &RepName, _: &ItemName) -> Option<&Arc<Item>> {
        unimplemented!()
    }
    pub(super) fn item_by_no(&self, _: ItemNo) -> Option<&Arc<Item>> {
        unimplemented!()
    }
    pub(super) fn tags(&self, _: ItemNo) -> impl Iterator<Item = &Arc<Tag>> {
        std::iter::empty()
    }
    pub(super) fn tag_count(&self, _: ItemNo) -> usize {
        unimplemented!()
    }
    pub(super) fn tag(&self, _: ItemNo, _: &TagName) -> Option<&Arc<Tag>> {
        unimplemented!()
    }
    pub(super) fn tag_by_no(&self, _: TagNo) -> Option<&Arc<Tag>> {
        unimplemented!()
    }
    pub(super) fn to_look_at(&self, _: &PoolName, _: Option<(ItemNo, TagNo)>, _: usize) -> Vec<(ItemNo, Expected)> {
        unimplemented!()
    }
    pub(super) fn to_look_at_in(&self, _: ItemNo) -> Vec<Expected> {
        unimplemented!()
    }
    pub(super) fn published_in(&self, _: &PoolName) -> usize {
        unimplemented!()
    }
}

impl Room {
    pub(super) fn make_pool(&mut self, _: By, _: NewPool) -> Verdict {
        unimplemented!()
    }
    pub(super) fn forget_pool(&mut self, _: By, _: &PoolName) -> Verdict {
        unimplemented!()
    }
    pub(super) fn make_repository(&mut self, _: By, _: RepName, _: Arc<str>) -> Verdict {
        unimplemented!()
    }
    pub(super) fn forget_repository(&mut self, _: By, _: &RepName) -> Verdict {
        unimplemented!()
    }
    pub(super) fn make_item(&mut self, _: By, _: NewItem) -> Verdict {
        unimplemented!()
    }
    pub(super) fn forget_item(&mut self, _: By, _: &RepName, _: &ItemName) -> Verdict {
        unimplemented!()
    }
    pub(super) fn publish(&mut self, _: By, _: NewTag) -> Verdict {
        unimplemented!()
    }
    pub(super) fn forget_tags(&mut self, _: By, _: &RepName, _: &ItemName, _: &Which) -> Verdict {
        unimplemented!()
    }
    pub(super) fn require_of_tag(&mut self, _: By, _: &RepName, _: &ItemName, _: &TagName, _: Requirements) -> Verdict {
        unimplemented!()
    }
    /// Whether somebody may publish this, and into what: for whoever is about to read a file for it.
    pub fn admits_publication(
        &self,
        _: By,
        _: &RepName,
        _: &ItemName,
        _: &TagName,
        _replace: bool,
    ) -> Result<(Arc<Pool>, Arc<Item>), Refusal> {
        unimplemented!()
    }
    /// Whether somebody may have something pulled into this pool, or make an item there.
    pub fn admits_into(&self, _: By, _: &PoolName) -> Result<Arc<Pool>, Refusal> {
        unimplemented!()
    }
}
