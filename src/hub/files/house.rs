//! What looks and readings need of the room.

use crate::hub::engine::Handle;
use crate::hub::machine::{Event, Expected};
use crate::hub::model::{ItemNo, PoolName, TagNo};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The room, as the driver knows it. Each question costs what it answers.
pub(super) trait House: Clone + Send + Sync + 'static {
    /// All pools.
    fn pools(&self) -> Vec<PoolName>;
    /// Where a pool is, and how many files there are to look at.
    fn pool(&self, name: &PoolName) -> Option<(Arc<PathBuf>, usize)>;
    /// The pool in which an item lies.
    fn pool_of(&self, item: ItemNo) -> Option<PoolName>;
    /// Up to `most` files of a pool after this one; those of one item one after the other.
    fn files(&self, pool: &PoolName, after: Option<(ItemNo, TagNo)>, most: usize) -> Vec<(ItemNo, Expected)>;
    /// Up to `most` files of an item after this one.
    fn files_of(&self, item: ItemNo, after: Option<TagNo>, most: usize) -> Vec<Expected>;
    /// The files of an item that are called so.
    fn files_called(&self, item: ItemNo, names: &HashSet<Arc<str>>) -> Vec<Expected>;
    /// Something was found out.
    fn tell(&self, event: Event);
}

impl House for Handle {
    fn pools(&self) -> Vec<PoolName> {
        self.look(|room| room.pools().map(|pool| pool.name.clone()).collect())
    }

    fn pool(&self, name: &PoolName) -> Option<(Arc<PathBuf>, usize)> {
        self.look(|room| room.pool(name).map(|pool| (Arc::clone(&pool.dir), room.published_in(name))))
    }

    fn pool_of(&self, item: ItemNo) -> Option<PoolName> {
        self.look(|room| room.item_by_no(item).map(|item| item.pool.clone()))
    }

    fn files(&self, pool: &PoolName, after: Option<(ItemNo, TagNo)>, most: usize) -> Vec<(ItemNo, Expected)> {
        self.look(|room| room.to_look_at(pool, after, most))
    }

    fn files_of(&self, item: ItemNo, after: Option<TagNo>, most: usize) -> Vec<Expected> {
        self.look(|room| room.to_look_at_in(item, after, most))
    }

    fn files_called(&self, item: ItemNo, names: &HashSet<Arc<str>>) -> Vec<Expected> {
        self.look(|room| room.to_look_at_called(item, names))
    }

    fn tell(&self, event: Event) {
        Handle::tell(self, event);
    }
}
