//! Names: what a repository, an item, a tag or a pool may be called, and which file a tag may be.

use std::fmt;
use std::sync::Arc;

/// Names of repositories that paths below `/api/daemon` need for themselves.
const RESERVED: [&str; 5] = ["id", "ep", "log", "status", "tags"];
/// The longest comment, in bytes.
const LONGEST_COMMENT: usize = 600;
/// The longest name of a file, in bytes: what Linux allows.
const LONGEST_FILE: usize = 255;

/// A name that cannot be one: which field, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct BadName {
    /// As the wire calls it.
    pub field: &'static str,
    /// For people.
    pub expected: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal, $longest:literal, $banned:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads it.
            ///
            /// # Errors
            /// It cannot be one.
            pub fn new(text: &str) -> Result<$name, BadName> {
                let banned: &[char] = $banned;
                let plain = !text.chars().any(|c| c.is_control() || banned.contains(&c));
                match plain && (1..=$longest).contains(&text.len()) && text != "." && text != ".." {
                    true => Ok($name(text.into())),
                    false => Err(BadName { field: $field, expected: $expected.to_owned() }),
                }
            }

            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same text, without a copy of it.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a data pool.
    PoolName, "name", 32, &['/'],
    "1 to 32 bytes without control characters and \"/\""
);
name!(
    /// The name of a repository. See [`RepName::is_reserved`].
    RepName, "repname", 52, &['/'],
    "1 to 52 bytes without control characters and \"/\""
);
name!(
    /// The name of an item.
    ItemName, "itemname", 100, &['/', ':'],
    "1 to 100 bytes without control characters, \"/\" and \":\""
);
name!(
    /// The name of a tag.
    TagName, "tagname", 100, &['/', '*'],
    "1 to 100 bytes without control characters, \"/\" and \"*\""
);

impl RepName {
    /// Whether paths need the name for themselves: no repository is made under it.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }
}

/// Checks a comment.
///
/// # Errors
/// It is too long, or holds control characters other than line breaks and tabs.
pub fn comment(text: &str) -> Result<Arc<str>, BadName> {
    let plain = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    match plain && text.len() <= LONGEST_COMMENT {
        true => Ok(text.into()),
        false => Err(BadName { field: "comment", expected: "at most 600 bytes without control characters".to_owned() }),
    }
}

/// The file that a `detail` names: its last component, as with the original; `field` is the wire's word for it.
///
/// # Errors
/// There is none: empty, `.`, `..`, or not a name that Linux could give.
pub fn file_name(field: &'static str, text: &str) -> Result<Arc<str>, BadName> {
    let last = text.rsplit('/').next().unwrap_or_default();
    let is_one = (1..=LONGEST_FILE).contains(&last.len()) && last != "." && last != ".." && !last.contains('\0');
    match is_one {
        true => Ok(last.into()),
        false => Err(BadName { field, expected: "the name of a file, of at most 255 bytes".to_owned() }),
    }
}
