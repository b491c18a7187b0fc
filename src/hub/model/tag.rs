//! A tag: one published file.

use super::{Health, ItemNo, LookedAt, Requirements, TagName};
use crate::base::Wall;
use std::sync::Arc;

/// The number of a tag; never reused. Publishing a tag anew gives it another one, so that nothing found out about the old
/// file is taken for the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagNo(pub u64);

/// What a file was when it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Its length, in bytes.
    pub size: u64,
    /// For clients of the original.
    pub md5: [u8; 16],
    /// What it is compared by.
    pub sha256: [u8; 32],
}

/// A published file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// Its number.
    pub no: TagNo,
    /// The item it is of.
    pub item: ItemNo,
    /// What it is called; no two of an item are called the same.
    pub name: TagName,
    /// The file in the item's directory: its name.
    pub detail: Arc<str>,
    /// In its owner's words.
    pub comment: Arc<str>,
    /// Since when.
    pub made: Wall,
    /// What it was; none while that is not known yet.
    pub digests: Option<Digests>,
    /// What must hold for it to be well, beside its file.
    pub requires: Requirements,
    /// How its file stands, as far as it was found out.
    pub health: Health,
    /// When it was last looked at: kept outside of what is written down.
    pub looked: LookedAt,
}
