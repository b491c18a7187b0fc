//! Data pools, as clients make and see them.

use super::Fault;
use super::fields::Fields;
use super::tags::local;
use crate::hub::model::{Item, Pool, PoolName, TagName};
use serde::Serialize;

/// The only kind there is.
const FILE: &str = "file";

/// A pool to be, from `{"name","type","conn"}`: its name and its directory.
///
/// # Errors
/// A field is missing, or not what it should be.
pub fn new(body: &[u8]) -> Result<(PoolName, String), Fault> {
    let fields = Fields::read(body)?;
    let name = PoolName::new(&fields.text("name")?.unwrap_or_default())?;
    let kind = fields.text("type")?.unwrap_or_else(|| FILE.to_owned());
    if kind != FILE {
        return Err(fields.breach("type", format_args!("expected \"{FILE}\", not \"{}\"", kind.escape_debug())));
    }
    let conn = fields.text("conn")?.unwrap_or_default();
    if !conn.starts_with('/') || conn.contains('\0') {
        return Err(fields.breach("conn", "expected an absolute directory"));
    }
    Ok((name, conn))
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    /// How many there are on all pages.
    pub total: usize,
    /// Those of this page.
    pub results: Vec<T>,
}

/// A pool.
#[derive(Debug, Serialize)]
pub struct PoolView {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    conn: String,
    owner: String,
    optime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Content>>,
}

impl PoolView {
    /// One of a list.
    pub fn listed(pool: &Pool, owner: String) -> PoolView {
        let conn = pool.dir.to_string_lossy().into_owned();
        PoolView { name: pool.name.to_string(), kind: FILE, conn, owner, optime: local(pool.made), items: None }
    }

    /// One with what lies in it.
    pub fn filled(pool: &Pool, owner: String, items: Vec<Content>) -> PoolView {
        PoolView { items: Some(items), ..PoolView::listed(pool, owner) }
    }
}

/// An item that lies in a pool, with its tags.
#[derive(Debug, Serialize)]
pub struct Content {
    repname: String,
    itemname: String,
    itemdesc: String,
    itemaccesstype: &'static str,
    tags: usize,
    taglist: Vec<String>,
}

impl Content {
    /// An item without its tags.
    pub fn of(item: &Item) -> Content {
        Content {
            repname: item.rep.to_string(),
            itemname: item.name.to_string(),
            itemdesc: item.dir.to_string(),
            itemaccesstype: item.access.word(),
            tags: 0,
            taglist: Vec::new(),
        }
    }

    /// Adds a tag.
    pub fn push(&mut self, tag: &TagName) {
        self.tags += 1;
        self.taglist.push(tag.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use serde_json::json;
    use std::path::PathBuf;
    use std::sync::Arc;

    #[test]
    fn a_pool_has_a_name_and_an_absolute_directory() {
        let read = |body: serde_json::Value| new(body.to_string().as_bytes());
        let (name, conn) = read(json!({ "name": "p1", "type": "file", "conn": "/srv/p1" })).expect("a pool");
        assert_eq!((name.as_str(), conn.as_str()), ("p1", "/srv/p1"));
        assert!(read(json!({ "Name": "p1", "conn": "/srv/p1" })).is_ok(), "there is one kind only");
        for (wrong, field) in [
            (json!({ "type": "file", "conn": "/srv" }), "name"),
            (json!({ "name": "a/b", "type": "file", "conn": "/srv" }), "name"),
            (json!({ "name": "p1", "type": "tape", "conn": "/srv" }), "type"),
            (json!({ "name": "p1", "type": "file" }), "conn"),
            (json!({ "name": "p1", "type": "file", "conn": "srv" }), "conn"),
            (json!({ "name": "p1", "type": "file", "conn": 1 }), "conn"),
        ] {
            let why = read(wrong).expect_err(field).to_string();
            assert!(why.starts_with(field), "{why}");
        }
        assert!(new(b"[]").is_err());
    }

    #[test]
    fn a_list_shows_no_items_and_a_pool_does() {
        let dir = Arc::new(PathBuf::from("/srv/p1"));
        let pool = Pool { name: PoolName::new("p1").expect("a name"), dir, owner: 1, made: Wall::UNIX_EPOCH };
        let shown = serde_json::to_value(PoolView::listed(&pool, "alice".to_owned())).expect("JSON");
        let optime = local(Wall::UNIX_EPOCH);
        let expected = json!({ "name": "p1", "type": "file", "conn": "/srv/p1", "owner": "alice", "optime": optime });
        assert_eq!(shown, expected);
        let shown = serde_json::to_value(PoolView::filled(&pool, "alice".to_owned(), Vec::new())).expect("JSON");
        assert_eq!(shown["items"], json!([]));
    }
}
