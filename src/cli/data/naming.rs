//! What is published has a name: `REPO`, `REPO/ITEM` or `REPO/ITEM:TAG`.

use crate::cli::client::segment;
use std::fmt;

/// A repository, an item of it, or a tag of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The repository.
    pub(super) rep: String,
    /// The item in it.
    pub(super) item: Option<String>,
    /// The tag of it.
    pub(super) tag: Option<String>,
}

impl Name {
    /// Any of the three.
    ///
    /// # Errors
    /// A part is empty, or there are too many.
    pub(super) fn any(text: &str) -> Result<Name, String> {
        let (rep, rest) = match text.split_once('/') {
            Some((rep, rest)) => (rep, Some(rest)),
            None => (text, None),
        };
        // No item's name holds a colon; a tag's may.
        let (item, tag) = match rest.and_then(|rest| rest.split_once(':')) {
            Some((item, tag)) => (Some(item), Some(tag)),
            None => (rest, None),
        };
        let parts = [Some(rep), item, tag];
        if parts.into_iter().flatten().any(|part| part.is_empty() || part.contains('/')) {
            return Err("expected REPO, REPO/ITEM or REPO/ITEM:TAG".to_owned());
        }
        Ok(Name { rep: rep.to_owned(), item: item.map(str::to_owned), tag: tag.map(str::to_owned) })
    }

    /// `REPO/ITEM` or `REPO/ITEM:TAG`.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn item_or_tag(text: &str) -> Result<Name, String> {
        let name = Name::any(text).ok().filter(|name| name.item.is_some());
        name.ok_or_else(|| "expected REPO/ITEM or REPO/ITEM:TAG".to_owned())
    }

    /// `REPO/ITEM:TAG`.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn one_tag(text: &str) -> Result<Name, String> {
        let name = Name::any(text).ok().filter(|name| name.tag.is_some());
        name.ok_or_else(|| "expected REPO/ITEM:TAG".to_owned())
    }

    /// The item it is in, by itself.
    pub(super) fn item(&self) -> Name {
        Name { tag: None, ..self.clone() }
    }

    /// Its path among the routes.
    pub(super) fn path(&self) -> String {
        let parts = [Some(&self.rep), self.item.as_ref(), self.tag.as_ref()];
        parts
            .into_iter()
            .flatten()
            .fold("/api/repositories".to_owned(), |path, part| format!("{path}/{}", segment(part)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rep)?;
        if let Some(item) = &self.item {
            write!(f, "/{item}")?;
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_they_are_joined() {
        let name = Name::any("weather/rain:10:30").expect("a name");
        assert_eq!(
            (name.rep.as_str(), name.item.as_deref(), name.tag.as_deref()),
            ("weather", Some("rain"), Some("10:30"))
        );
        assert_eq!(name.to_string(), "weather/rain:10:30");
        assert_eq!(name.path(), "/api/repositories/weather/rain/10%3A30");
        assert_eq!(name.item().path(), "/api/repositories/weather/rain");
        let name = Name::any("天气:1/雨").expect("a name");
        assert_eq!((name.rep.as_str(), name.tag), ("天气:1", None));
        for wrong in ["", "/", "a/", "a/b:", "/b", "a/:t", "a/b/c", "a/b:c/d"] {
            assert!(Name::any(wrong).is_err(), "{wrong}");
        }
        assert!(Name::item_or_tag("a").is_err() && Name::one_tag("a/b").is_err());
    }
}
