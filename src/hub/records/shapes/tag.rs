//! Items and tags.

use super::{Health, Requirements, is_default};
use crate::base::Nanos;
use crate::hub::model::{self, Access, ItemName, ItemNo, LookedAt, PoolName, RepName, TagName, TagNo};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See [`model::Item`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Item {
    pub(in super::super) rep: String,
    pub(in super::super) name: String,
    pub(in super::super) pool: String,
    dir: String,
    #[serde(default, skip_serializing_if = "is_default")]
    private: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    comment: String,
    made: Nanos,
}

impl From<&model::Item> for Item {
    fn from(item: &model::Item) -> Item {
        Item {
            rep: item.rep.to_string(),
            name: item.name.to_string(),
            pool: item.pool.to_string(),
            dir: item.dir.to_string(),
            private: item.access == Access::Private,
            comment: item.comment.to_string(),
            made: Nanos(item.made),
        }
    }
}

impl Item {
    pub(in super::super) fn into_model(self, no: u64) -> Option<model::Item> {
        Some(model::Item {
            no: ItemNo(no),
            rep: RepName::new(&self.rep).ok()?,
            name: ItemName::new(&self.name).ok()?,
            pool: PoolName::new(&self.pool).ok()?,
            dir: self.dir.into(),
            access: if self.private { Access::Private } else { Access::Public },
            comment: self.comment.into(),
            made: self.made.0,
        })
    }
}

/// See [`model::Tag`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Tag {
    /// Its name.
    pub(in super::super) n: String,
    /// The file, where it is called otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    c: String,
    /// Since when.
    m: Nanos,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<Digests>,
    #[serde(default, skip_serializing_if = "is_default")]
    q: Requirements,
    h: Health,
}

/// See [`model::Digests`]: the size, MD5 and SHA-256 in base64.
#[derive(Serialize, Deserialize)]
struct Digests(u64, String, String);

impl From<&model::Digests> for Digests {
    fn from(digests: &model::Digests) -> Digests {
        Digests(digests.size, BASE64.encode(digests.md5), BASE64.encode(digests.sha256))
    }
}

impl Digests {
    fn into_model(self) -> Option<model::Digests> {
        let Digests(size, md5, sha256) = self;
        Some(model::Digests { size, md5: hash(&md5)?, sha256: hash(&sha256)? })
    }
}

fn hash<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

impl From<&model::Tag> for Tag {
    fn from(tag: &model::Tag) -> Tag {
        Tag {
            n: tag.name.to_string(),
            d: (*tag.detail != *tag.name.as_str()).then(|| tag.detail.to_string()),
            c: tag.comment.to_string(),
            m: Nanos(tag.made),
            g: tag.digests.as_ref().map(Digests::from),
            q: (&tag.requires).into(),
            h: (&tag.health).into(),
        }
    }
}

impl Tag {
    /// With its health, where that has changed since.
    pub(in super::super) fn into_model(self, (item, no): (u64, u64), health: Option<Health>) -> Option<model::Tag> {
        let name = TagName::new(&self.n).ok()?;
        let detail = self.d.map_or_else(|| Arc::from(self.n), Arc::from);
        Some(model::Tag {
            no: TagNo(no),
            item: ItemNo(item),
            name,
            detail,
            comment: self.c.into(),
            made: self.m.0,
            digests: match self.g {
                Some(digests) => Some(digests.into_model()?),
                None => None,
            },
            requires: self.q.into(),
            health: health.unwrap_or(self.h).into(),
            looked: LookedAt::default(),
        })
    }

    /// Whether it is said to be well without anything to compare it with; where its health has not changed since.
    pub(in super::super) fn is_baseless(&self, health: Option<&Health>) -> bool {
        self.g.is_none() && health.unwrap_or(&self.h).is_normal()
    }
}
