//! Giving space back: sled's file hardly shrinks, so the live pairs are written into a new one that takes its place.

use super::backend::{Backend, Changes, MOST_CHANGES};
use super::committer::weigh;
use super::formats::LIVE_KEY;
use super::layout::{Layout, sync_dir, write_file};
use super::open::{MOST_LIVE, OpenError, Opened, Settings, open};
use super::swap;
use super::tree::{Tree, TreeError};
use std::fs;
use std::io;

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the database before.
    pub before: u64,
    /// Bytes of the database after.
    pub after: u64,
}

/// Compacts the store in a data directory in which no process works.
///
/// # Errors
/// As for opening it. The store is then as it was.
pub fn compact(settings: &Settings) -> Result<Compacted, OpenError> {
    let opened = open(settings)?;
    let before = opened.tree.size().map_err(OpenError::reading)?;
    rewrite(&opened, settings).map_err(OpenError::doing("compact the database"))?;
    let (layout, lock) = (opened.layout.clone(), opened.lock.clone());
    drop(opened); // the old tree must be closed before the new one takes its place
    swap::commit(&layout).map_err(OpenError::doing("put the compacted database in its place"))?;
    done(&layout).map_err(OpenError::doing("finish the compaction"))?;
    let opened = super::open::open_locked(settings, &layout, lock)?;
    let after = opened.tree.size().map_err(OpenError::reading)?;
    Ok(Compacted { before, after })
}

/// Asks the next start to compact, whatever is dead.
pub(super) fn request(layout: &Layout) -> io::Result<()> {
    write_file(&layout.compact_wanted(), b"")?;
    sync_dir(layout.dir())
}

/// The request, if there was one, is met.
pub(super) fn done(layout: &Layout) -> io::Result<()> {
    match fs::remove_file(layout.compact_wanted()) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => sync_dir(layout.dir()),
    }
}

/// Whether a start should compact: it was asked to, or much is dead and little is live. Never while space is tight.
pub(super) fn due(opened: &Opened, settings: &Settings) -> Result<bool, OpenError> {
    if opened.space.tight {
        return Ok(false);
    }
    let live = opened.live.saturating_sub(opened.objects.bytes());
    let needed = live.saturating_mul(2); // what a tree takes that is freshly written
    let dead = opened.tree.size().map_err(OpenError::reading)?.saturating_sub(needed);
    let worth_it = dead > settings.most_dead_bytes && live <= MOST_LIVE;
    Ok((worth_it || opened.layout.compact_wanted().exists()) && opened.space.free > needed)
}

/// Builds the compacted tree, ready to be swapped in.
pub(super) fn rewrite(opened: &Opened, settings: &Settings) -> io::Result<()> {
    let fresh = swap::begin(&opened.layout)?;
    let (tree, _) = Tree::open(&fresh.db(), settings.cache_bytes).map_err(|why| match why {
        TreeError::Damaged { why, .. } => io::Error::other(why),
        TreeError::Io(source) => source,
    })?;
    let mut live = 0;
    let mut changes = Changes::new();
    for pair in opened.tree.scan(&[0], &[u8::MAX], false) {
        let (key, value) = pair?;
        let value = Some(value);
        live += weigh(&key, value.as_ref());
        changes.insert(key, value);
        if changes.len() == MOST_CHANGES {
            tree.apply(std::mem::take(&mut changes))?;
        }
    }
    tree.apply(changes)?;
    tree.apply(Changes::from([(LIVE_KEY.to_vec(), Some(live.to_string().into_bytes()))]))?;
    tree.sync()
}
