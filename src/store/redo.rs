//! Decisions too big for one atomic batch: written down whole first, then done, and done again after a crash.
//!
//! ```text
//! operations --> redo/<n>, synced --> marker <n> in the tree, synced = committed
//!                                        --> applied in batches --> marker gone, synced --> file removed
//! ```
//!
//! A file without a marker was never committed: it is removed when the store is opened. A marker whose operations fit
//! 4 KiB (a delete of a range, however many records it hits) carries them itself, without a file.

use super::batch::Op;
use super::frames;
use super::layout::{sync_dir, write_file};
use super::objects::LONGEST_INLINE;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The prefix of markers in the tree.
pub(super) const MARKER: u8 = 0x02;

const INLINE: u8 = b'I';
const FILE: u8 = b'F';

/// A decision that is written down.
pub(super) struct Written {
    /// The marker's key.
    pub(super) key: Vec<u8>,
    /// The marker's value.
    pub(super) value: Vec<u8>,
}

/// The directory of redo files.
pub(super) struct Redo {
    dir: PathBuf,
    next: u64,
}

impl Redo {
    /// The redo files in a directory that exists.
    pub(super) fn open(dir: PathBuf) -> Redo {
        Redo { dir, next: 1 }
    }

    /// Writes a decision down, durably. It counts once the marker is durable as well.
    pub(super) fn write(&mut self, ops: &[Op]) -> io::Result<Written> {
        let number = self.next;
        self.next += 1;
        let mut key = vec![MARKER];
        key.extend_from_slice(&number.to_be_bytes());
        let mut bytes = Vec::new();
        for op in ops {
            frames::encode(op, &mut bytes);
        }
        if bytes.len() < LONGEST_INLINE {
            bytes.insert(0, INLINE);
            return Ok(Written { key, value: bytes });
        }
        write_file(&self.path(number), &bytes)?;
        sync_dir(&self.dir)?;
        let mut value = vec![FILE];
        value.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        value.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        Ok(Written { key, value })
    }

    /// The operations behind a marker found in the tree.
    pub(super) fn read(&mut self, key: &[u8], value: &[u8]) -> io::Result<Vec<Op>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a redo marker or its file is damaged");
        let number = number_of(key).ok_or_else(damaged)?;
        self.next = self.next.max(number + 1);
        match value.split_first() {
            Some((&INLINE, bytes)) => frames::decode_all(bytes).ok_or_else(damaged),
            Some((&FILE, facts)) => {
                let bytes = match fs::read(self.path(number)) {
                    // It goes after its marker: so the marker should have been gone, and the tree is not what it was.
                    Err(why) if why.kind() == io::ErrorKind::NotFound => return Err(damaged()),
                    bytes => bytes?,
                };
                let mut expected = (bytes.len() as u64).to_be_bytes().to_vec();
                expected.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
                if expected != facts {
                    return Err(damaged());
                }
                frames::decode_all(&bytes).ok_or_else(damaged)
            }
            _ => Err(damaged()),
        }
    }

    /// Removes the files: nothing in the tree names them any more.
    pub(super) fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number}"))
    }
}

fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[MARKER])?.try_into().ok()?))
}
