//! Names of log files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of a log file: its path below the directory of all logs, such as `proc/17/0.out`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stem(Arc<str>);

/// A text that cannot name a log file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" cannot name a log file: expected parts of letters, digits, '.', '_' and '-', joined by '/'")]
pub struct StemError(pub String);

/// What the sidecar's name has more than the log's.
pub(super) const SIDECAR: &str = ".marks";

impl Stem {
    /// Checks the text: parts of letters, digits, `.`, `_` and `-`, none beginning with a dot, joined by `/`.
    /// So no stem leaves its directory and none is another's sidecar.
    ///
    /// # Errors
    /// [`StemError`] for anything else.
    pub fn new(text: &str) -> Result<Stem, StemError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let part =
            |part: &str| !part.is_empty() && part.len() <= 200 && !part.starts_with('.') && part.bytes().all(plain);
        let fits = text.split('/').all(part) && text.len() <= 1000;
        if fits && !text.contains(SIDECAR) { Ok(Stem(text.into())) } else { Err(StemError(text.to_owned())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn below(&self, dir: &Path) -> PathBuf {
        dir.join(&*self.0)
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The highest number that is a name in this directory, which need not exist: numbers whose output is still there are
/// not given out again. Blocks.
pub fn highest_number(dir: &Path) -> Option<u64> {
    let names =
        std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stem_leaves_its_directory_or_names_a_sidecar() {
        assert_eq!(Stem::new("proc/17/0.out").unwrap().below(Path::new("/l")), Path::new("/l/proc/17/0.out"));
        for bad in [
            "",
            "/etc/passwd",
            "a//b",
            "../x",
            "a/../b",
            ".hidden",
            "a/.",
            "a b",
            "a\0",
            "ä",
            "a.marks",
            "a.marks.new",
            "a/",
        ] {
            assert!(Stem::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Stem::new(&"a".repeat(201)).is_err());
    }
}
