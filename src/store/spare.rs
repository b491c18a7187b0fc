//! A second copy of sled's snapshot. It says which parts of the log count: without it, sled takes a log whose older parts were
//! thrown away for one that breaks off there, and drops what follows. So a snapshot that is lost must come back, and must not
//! be made anew from the log.
//!
//! ```text
//! <data>/db/snap.<place in the log>        written by sled whenever it is opened
//! <data>/db/spare/snap.<place in the log>  the same, written once it is open
//! ```
//!
//! A copy of an older snapshot is of no use: parts of the log that it speaks of may be gone.

use super::layout::{sync_dir, write_file};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Copies the present snapshot, unless that is done.
pub(super) fn keep(db: &Path) -> io::Result<()> {
    let Some(name) = newest(db)? else { return Ok(()) };
    let spare = spare(db);
    if newest(&spare)?.as_ref() == Some(&name) {
        return Ok(());
    }
    fs::create_dir_all(&spare)?;
    put(&fs::read(db.join(&name))?, &spare, &name)?;
    for other in snapshots(&spare)?.into_iter().filter(|other| *other != name) {
        fs::remove_file(spare.join(other))?;
    }
    sync_dir(db)
}

/// Puts the copy in the place of a snapshot that is gone; whether there was one to put.
pub(super) fn replace_missing(db: &Path) -> io::Result<bool> {
    match (newest(db)?, newest(&spare(db))?) {
        (None, Some(name)) => put(&fs::read(spare(db).join(&name))?, db, &name).map(|()| true),
        _ => Ok(false),
    }
}

/// Puts the copy in the place of a snapshot that is not what it was; whether it was not, and is now.
pub(super) fn replace_damaged(db: &Path) -> io::Result<bool> {
    let Some(name) = newest(db)? else { return Ok(false) };
    if newest(&spare(db))?.as_ref() != Some(&name) {
        return Ok(false);
    }
    let copy = fs::read(spare(db).join(&name))?;
    if fs::read(db.join(&name))? == copy {
        return Ok(false);
    }
    put(&copy, db, &name).map(|()| true)
}

fn spare(db: &Path) -> PathBuf {
    db.join("spare")
}

/// Their names begin alike, and are of one length: the last one is the newest.
fn newest(dir: &Path) -> io::Result<Option<OsString>> {
    Ok(snapshots(dir)?.into_iter().max())
}

fn snapshots(dir: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("snap.") && !text.ends_with(GENERATING) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Ends the name of a snapshot that is still being written.
pub(super) const GENERATING: &str = ".generating";

/// Writes a snapshot so that it is there whole or not at all.
fn put(bytes: &[u8], dir: &Path, name: &OsString) -> io::Result<()> {
    let mut unfinished = name.clone();
    unfinished.push(GENERATING);
    write_file(&dir.join(&unfinished), bytes)?;
    fs::rename(dir.join(unfinished), dir.join(name))?;
    sync_dir(dir)
}
