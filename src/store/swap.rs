//! Putting a whole new store in the place of the old one: at the end of a restore and of a compaction.
//!
//! ```text
//! swap.new/ is built and synced --> renamed to swap/ = committed --> each part replaces the old one --> swap/ is gone
//! ```
//!
//! A restore keeps what it replaces in `before-restore/`, until the next one; a compaction has nothing to keep.
//!
//! A crash before the rename leaves the old store, and rubbish that the next start removes. A crash after it leaves work
//! that the next start finishes. Every step can be done again.

use super::layout::{Layout, remove_dir, sync_dir, write_file};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The parts that a new store may bring along. One that it does not bring stays.
const PARTS: [&str; 3] = ["objects", "redo", "db"];

fn building(layout: &Layout) -> PathBuf {
    layout.dir().join("swap.new")
}

fn ready(layout: &Layout) -> PathBuf {
    layout.dir().join("swap")
}

/// In a new store: what it replaces is kept.
const KEEP: &str = "keep";

/// Where it is kept.
fn kept(layout: &Layout) -> PathBuf {
    layout.dir().join("before-restore")
}

/// Has the store that is about to be replaced kept, in place of one that was kept before.
pub(super) fn keep_old(layout: &Layout) -> io::Result<()> {
    remove_dir(&kept(layout))?;
    DirBuilder::new().mode(0o700).create(kept(layout))?;
    sync_dir(layout.dir())?;
    write_file(&building(layout).join(KEEP), b"")
}

/// An empty directory in which a new store is built.
pub(super) fn begin(layout: &Layout) -> io::Result<Layout> {
    let dir = building(layout);
    remove_dir(&dir)?;
    DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(Layout::new(&dir))
}

/// Puts what was built, and is durable, in the place of the old parts.
pub(super) fn commit(layout: &Layout) -> io::Result<()> {
    sync_dir(&building(layout))?;
    fs::rename(building(layout), ready(layout))?;
    sync_dir(layout.dir())?;
    finish(layout)
}

/// Ends what a crash interrupted. Done at each start, before anything else looks at the store.
pub(super) fn finish(layout: &Layout) -> io::Result<()> {
    remove_dir(&building(layout))?;
    let ready = ready(layout);
    if !ready.exists() {
        return Ok(());
    }
    let keeps = ready.join(KEEP).exists();
    for part in PARTS {
        let (new, old) = (ready.join(part), layout.dir().join(part));
        if new.exists() {
            // What is kept already was moved before a crash: then an empty directory may have been made in its place.
            let kept = kept(layout).join(part);
            match keeps && old.exists() && !kept.exists() {
                true => fs::rename(&old, kept)?,
                false => remove_dir(&old)?,
            }
            fs::rename(new, old)?;
            sync_dir(layout.dir())?;
            sync_dir(&ready)?;
        }
    }
    remove_dir(&ready)?;
    sync_dir(layout.dir())
}
