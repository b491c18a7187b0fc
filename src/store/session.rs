//! What must be in the tree: a number that grows each time it is opened, and the same number in a file beside it.
//!
//! ```text
//! <data>/db/session   "<number> <name of the snapshot>", written once the number is durable in the tree
//! ```
//!
//! The tree's number is never behind the file's, unless what was written to the tree since then is gone: a tree that sled
//! opens empty, or as it once was, without a word. And a snapshot that was there must not be replaced by an older one.
//!
//! The file is a witness, and no more: where it cannot be written, or is missing, the store opens without it.

use super::backend::Backend;
use super::batch::Op;
use super::layout::{sync_dir, write_file};
use std::fs;
use std::io;
use std::path::Path;

/// Where the number is in the tree: decimal text.
const KEY: &[u8] = b"\0session";

/// The file.
const FILE: &str = "session";

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) number: u64,
    /// The newest snapshot at that time, if there was one.
    pub(super) snapshot: Option<String>,
}

/// Reads the file. Without one nothing is known; one that cannot be understood says that there was something.
pub(super) fn witness(db: &Path) -> io::Result<Witness> {
    let bytes = match fs::read(db.join(FILE)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Witness::default()),
        bytes => bytes?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split_whitespace();
    let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let snapshot = words.next().filter(|word| word.starts_with("snap.")).map(Into::into);
    Ok(Witness { number, snapshot })
}

/// The tree's number; 0 when it has none.
pub(super) fn number(tree: &dyn Backend) -> io::Result<u64> {
    let value = tree.get(KEY)?.unwrap_or_default();
    Ok(std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Sets the tree's number.
pub(super) fn mark(number: u64) -> Op {
    Op::Put { key: KEY.to_vec(), value: number.to_string().into_bytes() }
}

/// Writes the file, whole or not at all.
pub(super) fn testify(db: &Path, number: u64, snapshot: Option<&str>) -> io::Result<()> {
    let unfinished = db.join("session.new");
    write_file(&unfinished, format!("{number} {}\n", snapshot.unwrap_or_default()).as_bytes())?;
    fs::rename(unfinished, db.join(FILE))?;
    sync_dir(db)
}
