//! Repositories and the items in them.

use super::{AccountId, ItemName, PoolName, RepName};
use crate::base::Wall;
use std::sync::Arc;

/// A named collection of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What it is called; no two are called the same.
    pub name: RepName,
    /// Whose it is.
    pub owner: AccountId,
    /// In its owner's words.
    pub comment: Arc<str>,
    /// Since when.
    pub made: Wall,
}

/// The number of an item; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemNo(pub u64);

/// Who may read an item's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Its owner and administrators.
    Private,
}

impl Access {
    /// As the wire says it.
    pub fn word(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Private => "private",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Access> {
        [Access::Public, Access::Private].into_iter().find(|access| access.word() == word)
    }
}

/// A data set: a directory in a pool, whose files are its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub no: ItemNo,
    /// The repository it is in.
    pub rep: RepName,
    /// What it is called; no two of a repository are called the same.
    pub name: ItemName,
    /// Where its data lies.
    pub pool: PoolName,
    /// The directory in that pool: one component (a plain name of a file). The wire's `itemdesc`.
    pub dir: Arc<str>,
    /// Who may read it.
    pub access: Access,
    /// In its owner's words.
    pub comment: Arc<str>,
    /// Since when.
    pub made: Wall,
}
