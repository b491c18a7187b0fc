//! What is to be looked at in a pool before its turn: what was published or changed just now.

use crate::hub::model::ItemNo;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// More names than so many of one item are all of them.
const MOST_NAMES: usize = 1024;

/// Which files of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// All.
    All,
    /// Those that are called so.
    These(HashSet<Arc<str>>),
}

impl Names {
    /// A single one.
    pub(super) fn one(file: Arc<str>) -> Names {
        Names::These(HashSet::from([file]))
    }

    /// These, and others.
    pub(super) fn add(&mut self, more: Names) {
        match (&mut *self, more) {
            (Names::All, _) => {}
            (_, Names::All) => *self = Names::All,
            (Names::These(names), Names::These(more)) => {
                names.extend(more);
                if names.len() > MOST_NAMES {
                    *self = Names::All;
                }
            }
        }
    }
}

/// What somebody wants of a pool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// Files of these items.
    pub items: HashMap<ItemNo, Names>,
    /// Everything, as fast as it goes.
    pub whole: bool,
}

/// Adds names to those that are there already for the same item.
pub(super) fn add_to<K: Eq + Hash>(all: &mut HashMap<K, Names>, item: K, names: Names) {
    match all.entry(item) {
        Entry::Vacant(free) => drop(free.insert(names)),
        Entry::Occupied(mut there) => there.get_mut().add(names),
    }
}

impl Wants {
    /// Files of an item, beside those that are wanted already.
    pub(super) fn want(&mut self, item: ItemNo, names: Names) {
        add_to(&mut self.items, item, names);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.whole
    }
}

/// What is wanted of a pool, and the bell of the task that sees to it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    wants: Mutex<Wants>,
    bell: Notify,
}

impl Wanted {
    fn lock(&self) -> MutexGuard<'_, Wants> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files of an item.
    pub(super) fn want(&self, item: ItemNo, names: Names) {
        self.lock().want(item, names);
        self.ring();
    }

    /// Everything.
    pub(super) fn want_all(&self) {
        self.lock().whole = true;
        self.ring();
    }

    /// Something about the pool has changed.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Returns when it was rung.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// What is wanted so far.
    pub(super) fn take(&self) -> Wants {
        std::mem::take(&mut self.lock())
    }

    /// Returns when something is wanted, or when the pool has changed.
    pub(super) async fn some(&self) {
        if self.lock().is_empty() {
            self.rung().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(names: &[&str]) -> Names {
        Names::These(names.iter().map(|name| Arc::from(*name)).collect())
    }

    #[test]
    fn what_is_wanted_adds_up_until_it_is_taken() {
        let wanted = Wanted::default();
        wanted.want(ItemNo(1), these(&["a"]));
        wanted.want(ItemNo(1), these(&["b"]));
        wanted.want(ItemNo(2), these(&["c"]));
        wanted.want(ItemNo(2), Names::All);
        wanted.want(ItemNo(2), these(&["d"]));
        let wants = wanted.take();
        assert_eq!(wants.items, HashMap::from([(ItemNo(1), these(&["a", "b"])), (ItemNo(2), Names::All)]));
        assert!(!wants.whole && wanted.take().is_empty());
    }

    #[test]
    fn very_many_names_are_all_of_them() {
        let mut names = these(&[]);
        names.add(Names::These((0..=MOST_NAMES).map(|number| number.to_string().into()).collect()));
        assert_eq!(names, Names::All);
    }
}
