//! Values over 4 KiB: one file each under `objects/`, named by a number that is never used twice while a process runs.
//!
//! In the tree such a value is a reference: the byte 0, the number, the length and the CRC-32 of the file. A second
//! key, `index_key`, names the owner, so that the files nobody names are found without reading every record. A file
//! holds exactly what the value would have been.
//!
//! Written and synced, with the directory, before the commit that names it; unlinked after the commit that does not any
//! more. What a crash leaves in between is removed when the store is opened.
//!
//! Why: sled writes big pages beside its log and never syncs them.

use super::layout::{sync_dir, write_file};
use super::reader::ReadError;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest value that is kept in the tree.
pub(super) const LONGEST_INLINE: usize = 4096;

/// The first byte of a reference: no record has format 0.
const MARK: u8 = 0;

/// The prefix of the keys that name an object's owner.
pub(super) const INDEX: u8 = 0x01;

/// What the tree holds of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) id: u64,
    pub(super) len: u64,
    pub(super) crc: u32,
}

impl Reference {
    /// As a value of the tree.
    pub(super) fn to_value(self) -> Vec<u8> {
        let mut value = vec![MARK];
        value.extend_from_slice(&self.id.to_be_bytes());
        value.extend_from_slice(&self.len.to_be_bytes());
        value.extend_from_slice(&self.crc.to_be_bytes());
        value
    }

    /// The reference in a value; `None` for a value that stands for itself.
    pub(super) fn in_value(value: &[u8]) -> Option<Reference> {
        let rest = value.strip_prefix(&[MARK])?;
        let (id, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let crc = rest.try_into().ok()?;
        Some(Reference { id: u64::from_be_bytes(*id), len: u64::from_be_bytes(*len), crc: u32::from_be_bytes(crc) })
    }
}

/// The key that names the owner of an object.
pub(super) fn index_key(id: u64) -> Vec<u8> {
    let mut key = vec![INDEX];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// The number in an index key.
pub(super) fn indexed(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[INDEX])?.try_into().ok()?))
}

/// The directory of objects.
pub(super) struct Objects {
    dir: PathBuf,
    next: AtomicU64,
    bytes: AtomicU64,
}

impl Objects {
    /// The objects in a directory that exists.
    pub(super) fn open(dir: PathBuf) -> io::Result<Objects> {
        let objects = Objects { dir, next: AtomicU64::new(1), bytes: AtomicU64::new(0) };
        let highest = objects.list()?.into_iter().max().unwrap_or(0);
        objects.next.store(highest + 1, Ordering::Relaxed);
        Ok(objects)
    }

    /// Removes all but these: a crash left them between their writing and their commit, or after their last.
    pub(super) fn retain(&self, named: &HashSet<u64>) -> io::Result<()> {
        let mut bytes = 0;
        for id in self.list()? {
            if named.contains(&id) {
                bytes += self.path(id).metadata()?.len();
            } else {
                tracing::info!(id, "removing an object that nothing names");
                fs::remove_file(self.path(id))?;
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        let highest = named.iter().copied().max().unwrap_or(0);
        self.next.fetch_max(highest + 1, Ordering::Relaxed);
        Ok(())
    }

    /// The numbers of all files.
    pub(super) fn list(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            match name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok()) {
                Some(id) => ids.push(id),
                None => tracing::warn!(?name, "not an object: left alone"),
            }
        }
        Ok(ids)
    }

    /// Where an object is.
    pub(super) fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:016x}"))
    }

    /// Bytes of all objects.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes one, durable once [`Objects::sync`] has returned.
    pub(super) fn write(&self, value: &[u8]) -> io::Result<Reference> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        write_file(&self.path(id), value)?;
        self.bytes.fetch_add(value.len() as u64, Ordering::Relaxed);
        Ok(Reference { id, len: value.len() as u64, crc: crc32fast::hash(value) })
    }

    /// Makes the names of what was written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_dir(&self.dir)
    }

    /// Removes one that nothing names any more. Failing is no harm: the next start removes it.
    pub(super) fn unlink(&self, id: u64) {
        let path = self.path(id);
        let len = path.metadata().map_or(0, |found| found.len());
        match fs::remove_file(&path) {
            Ok(()) => drop(self.bytes.fetch_sub(len, Ordering::Relaxed)),
            Err(why) => tracing::warn!(%why, path = %path.display(), "an object stays until the next start"),
        }
    }

    /// Reads one; `None` when there is no such file.
    pub(super) fn read(&self, wanted: Reference) -> Result<Option<Vec<u8>>, ReadError> {
        let broken = |why: String| ReadError::Object { id: wanted.id, why };
        let value = match fs::read(self.path(wanted.id)) {
            Ok(value) => value,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(broken(why.to_string())),
        };
        if value.len() as u64 != wanted.len {
            return Err(broken(format!("{} bytes instead of {}", value.len(), wanted.len)));
        }
        if crc32fast::hash(&value) != wanted.crc {
            return Err(broken("the checksum differs".into()));
        }
        Ok(Some(value))
    }
}
