//! Repositories and items, as clients make and see them.

use super::Fault;
use super::fields::Fields;
use super::tags::{Sight, TagView, local};
use crate::hub::machine::NewItem;
use crate::hub::model::{self, Access, Item, ItemName, PoolName, RepName, Repository};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// What a repository is to be, from `{"comment"}` or nothing at all: its comment.
///
/// # Errors
/// It is not what it should be.
pub fn new_repository(body: &[u8]) -> Result<Arc<str>, Fault> {
    let fields = Fields::read_or_empty(body)?;
    Ok(model::comment(&fields.text("comment")?.unwrap_or_default())?)
}

/// An item to be, from `{"datapool","itemdesc","itemaccesstype","comment"}`.
///
/// # Errors
/// A field is missing, or not what it should be.
pub fn new_item(body: &[u8], rep: RepName, name: ItemName) -> Result<NewItem, Fault> {
    let fields = Fields::read(body)?;
    let pool = fields.needed("datapool")?;
    let pool =
        PoolName::new(&pool).map_err(|why| fields.breach("datapool", format_args!("expected {}", why.expected)))?;
    let dir = directory(&fields, &name)?;
    let access = match fields.text("itemaccesstype")?.as_deref() {
        None | Some("") => Access::Private,
        Some(word) => {
            let expected = || fields.breach("itemaccesstype", "expected public or private");
            Access::parse(word).ok_or_else(expected)?
        }
    };
    let comment = model::comment(&fields.text("comment")?.unwrap_or_default())?;
    Ok(NewItem { rep, name, pool, dir, access, comment })
}

/// The field `itemdesc`: one directory in a pool; the item's name where it is not said.
///
/// # Errors
/// It is none.
pub(super) fn directory(fields: &Fields, item: &ItemName) -> Result<Arc<str>, Fault> {
    match fields.text("itemdesc")?.filter(|dir| !dir.is_empty()) {
        None => Ok(item.as_str().into()),
        Some(dir) if dir.contains('/') => Err(fields.breach("itemdesc", "expected one directory, without \"/\"")),
        Some(dir) => Ok(model::file_name("itemdesc", &dir)?),
    }
}

/// A repository, as one of a list.
#[derive(Debug, Serialize)]
pub struct RepositoryView {
    repname: String,
    comment: String,
    optime: String,
    owner: String,
}

impl RepositoryView {
    /// With its owner's name.
    pub fn of(repository: &Repository, owner: String) -> RepositoryView {
        let Repository { name, comment, made, .. } = repository;
        RepositoryView { repname: name.to_string(), comment: comment.to_string(), optime: local(*made), owner }
    }
}

/// A repository with the names of its items.
#[derive(Debug, Serialize)]
pub struct RepositoryItems {
    /// Itself.
    #[serde(flatten)]
    pub repository: RepositoryView,
    /// How many items it has, on all pages.
    pub total: usize,
    /// Their names.
    pub dataitems: Vec<String>,
    /// More of each, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ItemView>>,
}

/// An item.
#[derive(Debug, Serialize)]
pub struct ItemView {
    repname: String,
    itemname: String,
    owner: String,
    itemaccesstype: &'static str,
    comment: String,
    optime: String,
    tags: usize,
    abnormal: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    datapool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    itemdesc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taglist: Option<Vec<TagView>>,
}

impl ItemView {
    /// An item of this owner with so many tags, so many of which are not well; where it lies is its owner's to know: `dir`.
    pub fn of(
        item: &Item,
        owner: String,
        (tags, abnormal): (usize, usize),
        dir: Option<&Path>,
        sight: Sight,
    ) -> ItemView {
        let his = sight == Sight::Whole;
        ItemView {
            repname: item.rep.to_string(),
            itemname: item.name.to_string(),
            owner,
            itemaccesstype: item.access.word(),
            comment: item.comment.to_string(),
            optime: local(item.made),
            tags,
            abnormal,
            datapool: his.then(|| item.pool.to_string()),
            itemdesc: his.then(|| item.dir.to_string()),
            path: dir.filter(|_| his).map(|dir| dir.to_string_lossy().into_owned()),
            taglist: None,
        }
    }

    /// With these of its tags.
    #[must_use]
    pub fn with_tags(self, tags: Vec<TagView>) -> ItemView {
        ItemView { taglist: Some(tags), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::hub::model::ItemNo;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<NewItem, Fault> {
        let (rep, item) = (RepName::new("weather").expect("a name"), ItemName::new("rain").expect("a name"));
        new_item(body.to_string().as_bytes(), rep, item)
    }

    #[test]
    fn an_item_is_private_and_lies_in_a_directory_of_its_name_unless_that_is_said() {
        let item = read(&json!({ "datapool": "p1", "itemdesc": "", "itemaccesstype": null })).expect("an item");
        assert_eq!((&*item.dir, item.access, &*item.comment), ("rain", Access::Private, ""));
        let item = read(&json!({ "datapool": "p1", "itemdesc": "r", "itemaccesstype": "public" })).expect("an item");
        assert_eq!((&*item.dir, item.access), ("r", Access::Public));
        for (wrong, field) in [
            (json!({}), "datapool"),
            (json!({ "datapool": "a/b" }), "datapool"),
            (json!({ "datapool": "p1", "itemdesc": "a/b" }), "itemdesc"),
            (json!({ "datapool": "p1", "itemdesc": ".." }), "itemdesc"),
            (json!({ "datapool": "p1", "itemaccesstype": "secret" }), "itemaccesstype"),
            (json!({ "datapool": "p1", "comment": "x".repeat(601) }), "comment"),
        ] {
            let why = read(&wrong).expect_err(field).to_string();
            assert!(why.starts_with(field), "{why}");
        }
        assert_eq!(&*new_repository(b"").expect("nothing to say"), "");
        assert_eq!(&*new_repository(br#"{"comment":"ours"}"#).expect("a comment"), "ours");
    }

    #[test]
    fn where_an_item_lies_is_its_owners_to_know() {
        let new = read(&json!({ "datapool": "p1" })).expect("an item");
        let NewItem { rep, name, pool, dir, access, comment } = new;
        let item = Item { no: ItemNo(1), rep, name, pool, dir, access, comment, made: Wall::UNIX_EPOCH };
        let shown = |sight| {
            let view = ItemView::of(&item, "alice".to_owned(), (3, 1), Some(Path::new("/srv/p1/rain")), sight);
            serde_json::to_value(view.with_tags(Vec::new())).expect("JSON")
        };
        let whole = shown(Sight::Whole);
        assert_eq!((&whole["path"], &whole["datapool"]), (&json!("/srv/p1/rain"), &json!("p1")));
        let health = shown(Sight::Health);
        for hidden in ["path", "datapool", "itemdesc"] {
            assert!(health.get(hidden).is_none(), "{hidden}");
        }
        assert_eq!((&health["tags"], &health["abnormal"], &health["taglist"]), (&json!(3), &json!(1), &json!([])));
    }
}
