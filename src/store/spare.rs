//! A second copy of sled's snapshot. It says which parts of the log count: without it, sled takes a log whose older parts were
//! thrown away for one that breaks off there, and drops what follows. So a snapshot that is lost must come back, and must not
//! be made anew from the log.
//!
//! ```text
//! <data>/db/snap.<place in the log>        written by sled whenever it is opened
//! <data>/db/spare/snap.<place in the log>  the same, written once it is open
//! ```
//!
//! A copy of an older snapshot is of no use: parts of the log that it speaks of may be gone. Nor is a damaged one.

use super::layout::{sync_dir, write_file};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Copies the present snapshot, unless that is done.
pub(super) fn keep(db: &Path) -> io::Result<()> {
    let Some(name) = newest(db)? else { return Ok(()) };
    let spare = spare(db);
    let bytes = fs::read(db.join(&name))?;
    if read(&spare, &name)?.as_ref() != Some(&bytes) {
        DirBuilder::new().recursive(true).mode(0o700).create(&spare)?;
        put(&bytes, &spare, &name)?;
    }
    for entry in fs::read_dir(&spare)? {
        let entry = entry?;
        if entry.file_name().to_str() != Some(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    sync_dir(db)
}

/// A copy that is to take the place of its original.
pub(super) struct Copy {
    name: String,
    bytes: Vec<u8>,
    /// What is wrong with the original; for people.
    pub(super) why: &'static str,
}

/// The copy of a snapshot that is gone, or is not what it was, where there is one that is whole.
pub(super) fn needed(db: &Path) -> io::Result<Option<Copy>> {
    let (name, why) = match newest(db)? {
        Some(name) if read(db, &name)?.is_some_and(|bytes| is_whole(&bytes)) => return Ok(None),
        Some(name) => (name, "a snapshot of the database was damaged"),
        None => match newest(&spare(db))? {
            Some(name) => (name, "a snapshot of the database was missing"),
            None => return Ok(None),
        },
    };
    let copy = read(&spare(db), &name)?.filter(|bytes| is_whole(bytes));
    Ok(copy.map(|bytes| Copy { name, bytes, why }))
}

impl Copy {
    /// Puts it there.
    pub(super) fn place(&self, db: &Path) -> io::Result<()> {
        put(&self.bytes, db, &self.name)
    }
}

/// A snapshot ends in the CRC-32 of what comes before its last twelve bytes.
fn is_whole(bytes: &[u8]) -> bool {
    let sum = bytes.last_chunk().map(|sum| u32::from_le_bytes(*sum));
    bytes.len().checked_sub(12).is_some_and(|end| end > 0 && sum == Some(crc32fast::hash(&bytes[..end])))
}

fn spare(db: &Path) -> PathBuf {
    db.join("spare")
}

fn read(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(dir.join(name)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    }
}

/// The newest snapshot in a directory. Their names begin alike, and are of one length: the last one is the newest.
pub(super) fn newest(dir: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest = None;
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().filter(|name| name.starts_with("snap.") && !name.ends_with(GENERATING));
        newest = newest.max(name.map(Into::into));
    }
    Ok(newest)
}

/// The place in the log up to which a snapshot speaks.
pub(super) fn place(name: &str) -> Option<i64> {
    i64::from_str_radix(name.strip_prefix("snap.")?, 16).ok()
}

/// Ends the name of a snapshot that is still being written.
pub(super) const GENERATING: &str = ".generating";

/// Writes a snapshot so that it is there whole or not at all.
fn put(bytes: &[u8], dir: &Path, name: &str) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}{GENERATING}"));
    write_file(&unfinished, bytes)?;
    fs::rename(unfinished, dir.join(name))?;
    sync_dir(dir)
}
