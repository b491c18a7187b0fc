//! Bringing a backup back.
//!
//! The whole backup is read and verified first; then it is unpacked beside the old store, and only when all of it is
//! durable does it take the old one's place. Until then a crash, or an error, leaves the old store as it was.
//!
//! The new store knows that it is one: what was done since the backup is forgotten, but not by the world, which may have
//! seen numbers that must not be given again.

use super::archive::{ArchiveError, Header, Unpacker};
use super::backend::Backend;
use super::batch::Op;
use super::committer::{Committer, Decision};
use super::formats::{LIVE_KEY, STORE_FORMAT, kind_mark, restored_mark, store_mark};
use super::layout::{Layout, LockError};
use super::objects::Objects;
use super::redo::Redo;
use super::swap;
use super::tree::{Tree, TreeError};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Operations or bytes after which what was unpacked is flushed.
const FLUSH_OPS: usize = 8192;
const FLUSH_BYTES: usize = 16 << 20;

/// The cache while unpacking.
const CACHE: u64 = 64 << 20;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is no good.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Written by a newer hostler.
    #[error("the backup has format {found}, from the future: this version knows up to {known}")]
    FromTheFuture {
        /// The number found.
        found: u32,
        /// The newest number this version knows.
        known: u32,
    },
    /// There is a store already, and nobody said that it may go.
    #[error("{} holds a store already", .0.display())]
    NotEmpty(PathBuf),
    /// A process works in the directory.
    #[error("{} is in use by process {holder}", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The process id that it left there.
        holder: String,
    },
    /// The new store cannot be written.
    #[error("cannot write the restored store: {0}")]
    Write(#[from] io::Error),
}

/// Restores a backup into a data directory in which no process works. `replace`: a store that is there may go,
/// and is kept in `before-restore/`. How many operations were done.
///
/// # Errors
/// The backup's, the directory's and the disk's. What was in the directory is then still there.
pub fn restore(backup: &Path, dir: &Path, replace: bool) -> Result<u64, RestoreError> {
    let operations = verify(backup)?;
    let layout = Layout::new(dir);
    let occupied = layout.db().join("db").exists();
    if occupied && !replace {
        return Err(RestoreError::NotEmpty(dir.to_owned()));
    }
    layout.create()?;
    let _lock = layout.lock().map_err(|why| match why {
        LockError::Held(holder) => RestoreError::Locked { dir: dir.to_owned(), holder },
        LockError::Io(source) => RestoreError::Write(source),
    })?;
    swap::finish(&layout)?;
    let fresh = swap::begin(&layout)?;
    fresh.create()?;
    unpack(backup, &fresh)?;
    fresh.sync()?;
    if occupied {
        swap::keep_old(&layout)?;
    }
    swap::commit(&layout)?;
    Ok(operations)
}

/// Reads a backup to its end.
///
/// # Errors
/// What is wrong with it.
pub fn verify(backup: &Path) -> Result<u64, RestoreError> {
    let mut unpacker = Unpacker::new(BufReader::new(open(backup)?))?;
    let Header { store_format: found, .. } = unpacker.header;
    if found > STORE_FORMAT {
        return Err(RestoreError::FromTheFuture { found, known: STORE_FORMAT });
    }
    let mut operations = 0;
    while unpacker.next()?.is_some() {
        operations += 1;
    }
    Ok(operations)
}

fn open(backup: &Path) -> Result<File, ArchiveError> {
    Ok(File::open(backup)?)
}

/// Builds the store that a verified backup describes.
fn unpack(backup: &Path, fresh: &Layout) -> Result<(), RestoreError> {
    let (tree, _) = Tree::open(&fresh.db(), CACHE).map_err(|why| match why {
        TreeError::Damaged { why, .. } => io::Error::other(why),
        TreeError::Io(source) => source,
    })?;
    let tree = Arc::new(tree);
    let objects = Arc::new(Objects::open(fresh.objects())?);
    let mut committer = Committer::new(tree.clone(), objects, Redo::open(fresh.redo()), 0);
    let mut unpacker = Unpacker::new(BufReader::new(open(backup)?))?;
    let mut own = vec![store_mark(), restored_mark()];
    own.extend(unpacker.header.kinds.iter().map(|(kind, format)| kind_mark(*kind, *format)));
    let mut group = vec![Decision { ops: own, answer: None }];
    let (mut ops, mut bytes) = (0, 0);
    while let Some(op) = unpacker.next()? {
        ops += 1;
        bytes += op.weight();
        group.push(Decision { ops: vec![op], answer: None });
        if ops >= FLUSH_OPS || bytes >= FLUSH_BYTES {
            committer.commit(std::mem::take(&mut group), false)?;
            committer.unlink()?;
            (ops, bytes) = (0, 0);
        }
    }
    committer.commit(group, false)?;
    committer.unlink()?;
    let value = committer.live().to_string().into_bytes();
    let live = Decision { ops: vec![Op::Put { key: LIVE_KEY.to_vec(), value }], answer: None };
    committer.commit(vec![live], false)?;
    tree.sync()?;
    Ok(())
}
