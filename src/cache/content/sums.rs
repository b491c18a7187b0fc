//! Checksums: of pieces, and of the whole, which follows the pieces as they come in order.

use super::files::{Failing, read_at};
use crate::cache::model::{Crc, Digest};
use sha2::{Digest as _, Sha256, Sha512};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

/// Bytes read at once while something is compared: large enough that a disk is busy, small enough for the processor's
/// own memory.
const AT_ONCE: u64 = 256 << 10;

/// A digest that is being computed.
#[derive(Clone)]
enum Sum {
    Sha256(Sha256),
    Sha512(Sha512),
    Crc32(crc32fast::Hasher),
}

/// The digest of the first bytes of a file.
#[derive(Clone)]
pub(super) struct Following {
    sum: Sum,
    wanted: Digest,
    upto: u64,
}

impl Following {
    /// Of none yet.
    pub(super) fn new(wanted: &Digest) -> Following {
        let sum = match wanted {
            Digest::Sha256(_) => Sum::Sha256(Sha256::new()),
            Digest::Sha512(_) => Sum::Sha512(Sha512::new()),
            Digest::Crc32(_) => Sum::Crc32(crc32fast::Hasher::new()),
        };
        Following { sum, wanted: wanted.clone(), upto: 0 }
    }

    /// How many bytes are in it.
    pub(super) fn upto(&self) -> u64 {
        self.upto
    }

    /// Takes in what comes next, up to here. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter.
    pub(super) fn follow(&mut self, file: &File, path: &Path, upto: u64) -> io::Result<()> {
        let sum = &mut self.sum;
        each(file, path, self.upto..upto, |bytes| match sum {
            Sum::Sha256(sum) => sum.update(bytes),
            Sum::Sha512(sum) => sum.update(bytes),
            Sum::Crc32(sum) => sum.update(bytes),
        })?;
        self.upto = upto.max(self.upto);
        Ok(())
    }

    /// Whether it is what it must be.
    pub(super) fn holds(self) -> bool {
        match (self.sum, self.wanted) {
            (Sum::Sha256(sum), Digest::Sha256(wanted)) => sum.finalize().as_slice() == wanted.as_slice(),
            (Sum::Sha512(sum), Digest::Sha512(wanted)) => sum.finalize().as_slice() == wanted.as_slice(),
            (Sum::Crc32(sum), Digest::Crc32(wanted)) => sum.finalize() == wanted,
            (Sum::Sha256(_) | Sum::Sha512(_) | Sum::Crc32(_), _) => false,
        }
    }
}

/// The checksum of these bytes of a file; none where it ends before them. Blocks.
///
/// # Errors
/// The file cannot be read.
pub(super) fn crc_of(file: &File, path: &Path, bytes: Range<u64>) -> io::Result<Option<Crc>> {
    let mut sum = crc32fast::Hasher::new();
    match each(file, path, bytes, |bytes| sum.update(bytes)) {
        Ok(()) => Ok(Some(Crc(sum.finalize()))),
        Err(failed) if failed.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(failed) => Err(failed),
    }
}

fn each(file: &File, path: &Path, bytes: Range<u64>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let longest = bytes.end.saturating_sub(bytes.start).min(AT_ONCE);
    let mut buffer = vec![0; usize::try_from(longest).unwrap_or_default()];
    let mut at = bytes.start;
    while at < bytes.end {
        let want = usize::try_from((bytes.end - at).min(longest)).unwrap_or_default();
        let part = &mut buffer[..want];
        let read = read_at(file, part, at).failing("read", path)?;
        if read < want {
            return Err(io::ErrorKind::UnexpectedEof.into()).failing("read", path);
        }
        take(part);
        at += read as u64;
    }
    Ok(())
}
