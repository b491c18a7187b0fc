//! Tags, as clients publish and see them.
//!
//! What a file is called and why it is not well is its owner's to know; of a private item, others see names and health.

use super::fields::Fields;
use super::{Fault, requires, zone};
use crate::base::{Hex, Wall};
use crate::hub::machine::{NewTag, Shown};
use crate::hub::model::{self, Access, AccountId, BadName, Item, ItemName, RepName, Tag, TagName};
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// A tag that is well.
const NORMAL: &str = "NORMAL";
/// One that is not.
const ABNORMAL: &str = "ABNORMAL";

impl From<BadName> for Fault {
    fn from(why: BadName) -> Fault {
        Fault::Wrong(why.to_string())
    }
}

/// A moment as the original shows it: local time, without a zone.
pub fn local(at: Wall) -> String {
    zone().local(at).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment as hostler shows it: RFC 3339, in UTC.
fn moment(at: Wall) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What is to be published under this name: `{"detail","comment","replace","requires"}`. What its requirements need counts
/// because `by` says so.
///
/// # Errors
/// A field is missing, or not what it should be, or `detail` names no file.
pub fn new(body: &[u8], (rep, item, tag): (RepName, ItemName, TagName), by: AccountId) -> Result<NewTag, Fault> {
    let fields = Fields::read(body)?;
    let detail = fields.needed("detail")?;
    let comment = model::comment(&fields.text("comment")?.unwrap_or_default())?;
    let requires = requires::read(&fields, by)?.unwrap_or_default();
    let replace = fields.flag("replace")?.unwrap_or_default();
    let detail = model::file_name("detail", &detail).map_err(|why| Fault::NoFile(why.to_string()))?;
    Ok(NewTag { rep, item, tag, detail, comment, requires, replace, read: None, size: 0 })
}

/// The health of an item's tags, or of one.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    status: &'static str,
    total: usize,
    results: Option<Vec<String>>,
}

impl Health {
    /// There is nothing that is not well.
    pub const NORMAL: Health = Health { status: NORMAL, total: 0, results: None };

    /// So many tags of an item are not well; these of them are shown.
    pub fn of<'a>(item: &Item, total: usize, shown: impl Iterator<Item = &'a TagName>) -> Health {
        if total == 0 {
            return Health::NORMAL;
        }
        let results = shown.map(|tag| format!("{}/{}:{tag}", item.rep, item.name)).collect();
        Health { status: ABNORMAL, total, results: Some(results) }
    }
}

/// How much of a tag somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything: it is his.
    Whole,
    /// What a client that may have the data needs.
    Data,
    /// That there is one, and whether it is well.
    Health,
}

impl Sight {
    /// What somebody sees of an item's tags.
    pub fn of(item: &Item, is_his: bool) -> Sight {
        match (is_his, item.access) {
            (true, _) => Sight::Whole,
            (false, Access::Public) => Sight::Data,
            (false, Access::Private) => Sight::Health,
        }
    }
}

/// A tag, as it is shown.
#[derive(Debug, Serialize)]
pub struct TagView {
    #[serde(skip_serializing_if = "Option::is_none")]
    repname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    itemname: Option<String>,
    tag: String,
    comment: String,
    optime: String,
    status: &'static str,
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    checked_at: Option<String>,
    hashed_at: Option<String>,
    #[serde(flatten)]
    data: Option<Data>,
    #[serde(flatten)]
    file: Option<File>,
}

/// What its bytes are.
#[derive(Debug, Serialize)]
struct Data {
    size: Option<u64>,
    md5: Option<String>,
    sha256: Option<String>,
}

/// Where they lie, and what they depend on.
#[derive(Debug, Serialize)]
struct File {
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    requires: Value,
}

impl TagView {
    /// One of a list.
    pub fn listed(tag: &Tag, shown: &Shown, sight: Sight) -> TagView {
        let (status, reason, why) = match shown {
            Shown::Normal => (NORMAL, None, None),
            Shown::Abnormal { reason, detail } => (ABNORMAL, Some(*reason), Some(detail.clone())),
        };
        let digests = tag.digests.as_ref();
        let data = || Data {
            size: digests.map(|digests| digests.size).or(tag.health.right.map(|stamp| stamp.size)),
            md5: digests.map(|digests| Hex(&digests.md5).to_string()),
            sha256: digests.map(|digests| Hex(&digests.sha256).to_string()),
        };
        let file = || File { detail: tag.detail.to_string(), path: None, requires: requires::show(&tag.requires) };
        TagView {
            repname: None,
            itemname: None,
            tag: tag.name.to_string(),
            comment: tag.comment.to_string(),
            optime: local(tag.made),
            status,
            reason,
            why: why.filter(|why| sight == Sight::Whole && !why.is_empty()),
            checked_at: tag.looked.get().map(moment),
            hashed_at: tag.health.hashed.map(moment),
            data: (sight != Sight::Health).then(data),
            file: (sight == Sight::Whole).then(file),
        }
    }

    /// One by itself, of this item; `dir` is where that lies.
    pub fn single(item: &Item, dir: Option<&Path>, tag: &Tag, shown: &Shown, sight: Sight) -> TagView {
        let mut view = TagView::listed(tag, shown, sight);
        (view.repname, view.itemname) = (Some(item.rep.to_string()), Some(item.name.to_string()));
        if let (Some(file), Some(dir)) = (&mut view.file, dir) {
            file.path = Some(dir.join(&*tag.detail).to_string_lossy().into_owned());
        }
        view
    }

    /// Its length is known, though not yet from its bytes.
    pub fn sized(&mut self, size: Option<u64>) {
        if let Some(data) = &mut self.data {
            data.size = data.size.or(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::model::{Digests, ItemNo, LookedAt, PoolName, Requirement, Requirements, State, TagNo};
    use serde_json::json;
    use std::path::Path;

    fn item(access: Access) -> Item {
        Item {
            no: ItemNo(1),
            rep: RepName::new("天气").expect("a name"),
            name: ItemName::new("rain").expect("a name"),
            pool: PoolName::new("p1").expect("a name"),
            dir: "rain".into(),
            access,
            comment: "".into(),
            made: Wall::UNIX_EPOCH,
        }
    }

    fn tag() -> Tag {
        let at = Wall::from_timestamp_millis(1_700_000_000_123).expect("a moment");
        let state = State::Normal;
        Tag {
            no: TagNo(1),
            item: ItemNo(1),
            name: TagName::new("t1").expect("a name"),
            detail: "a.bin".into(),
            comment: "ours".into(),
            made: at,
            digests: Some(Digests { size: 3, md5: [0xab; 16], sha256: [0xcd; 32] }),
            requires: Requirements { all: vec![Requirement::Proc("web".into())], by: 0 },
            health: model::Health { state, since: at, hashed: Some(at), right: None },
            looked: LookedAt::default(),
        }
    }

    fn json(view: &TagView) -> Value {
        serde_json::to_value(view).expect("JSON")
    }

    #[test]
    fn a_tag_is_shown_whole_to_its_owner() {
        let (item, tag) = (item(Access::Private), tag());
        let view = TagView::single(&item, Some(Path::new("/p/rain")), &tag, &Shown::Normal, Sight::of(&item, true));
        let expected = json!({
            "repname": "天气", "itemname": "rain", "tag": "t1", "comment": "ours", "optime": local(tag.made),
            "status": "NORMAL", "reason": null, "checked_at": null, "hashed_at": "2023-11-14T22:13:20.123Z", "size": 3,
            "md5": "ab".repeat(16), "sha256": "cd".repeat(32), "detail": "a.bin", "path": "/p/rain/a.bin",
            "requires": [{ "proc": "web" }],
        });
        assert_eq!(json(&view), expected);
    }

    #[test]
    fn others_see_what_they_may_have_and_whether_it_is_well() {
        let tag = tag();
        let shown = Shown::Abnormal { reason: "unreadable", detail: "/p/rain/a.bin: denied".to_owned() };
        let seen = |access, his| json(&TagView::listed(&tag, &shown, Sight::of(&item(access), his)));
        let his = seen(Access::Private, true);
        assert_eq!((&his["reason"], &his["why"]), (&json!("unreadable"), &json!("/p/rain/a.bin: denied")));
        let data = seen(Access::Public, false);
        assert_eq!((&data["reason"], &data["size"]), (&json!("unreadable"), &json!(3)));
        let health = seen(Access::Private, false);
        assert_eq!((&health["status"], &health["reason"]), (&json!("ABNORMAL"), &json!("unreadable")));
        assert!(health.get("size").is_none() && health.get("sha256").is_none(), "{health}");
        for hidden in ["why", "detail", "path", "requires"] {
            assert!(data.get(hidden).is_none() && health.get(hidden).is_none(), "{hidden}");
        }
    }

    #[test]
    fn what_is_well_has_no_results_and_a_page_past_the_end_none_of_them() {
        let json = |health: Health| serde_json::to_value(health).expect("JSON");
        let names = ["t1", "t2"].map(|name| TagName::new(name).expect("a name"));
        let item = item(Access::Public);
        assert_eq!(json(Health::of(&item, 0, [].iter())), json!({ "status": "NORMAL", "total": 0, "results": null }));
        let all = json!({ "status": "ABNORMAL", "total": 2, "results": ["天气/rain:t1", "天气/rain:t2"] });
        assert_eq!(json(Health::of(&item, 2, names.iter())), all);
        assert_eq!(json(Health::of(&item, 2, [].iter()))["results"], json!([]));
    }

    #[test]
    fn only_the_last_part_of_a_detail_counts() {
        let names = || {
            let (rep, item) = (RepName::new("weather").expect("a name"), ItemName::new("rain").expect("a name"));
            (rep, item, TagName::new("t1").expect("a name"))
        };
        let read = |body: Value| new(body.to_string().as_bytes(), names(), 7);
        let made = read(json!({ "detail": "../../etc/hosts" })).expect("a tag");
        assert_eq!((&*made.detail, made.replace, made.requires.all.len()), ("hosts", false, 0));
        let made = read(json!({ "detail": "a", "replace": true, "requires": [{ "dag": "d" }] })).expect("a tag");
        assert_eq!((made.replace, made.requires.all.len(), made.requires.by), (true, 1, 7));
        for wrong in [json!({}), json!({ "detail": "" }), json!({ "detail": "a/.." }), json!({ "detail": ["a"] })] {
            assert!(read(wrong).expect_err("no file").to_string().starts_with("detail"));
        }
    }
}
