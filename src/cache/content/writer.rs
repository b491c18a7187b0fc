//! From a connection to the file: what came in while the last write was on is one job on the blocking pool.

use super::files::Failing;
use crate::cache::model::Crc;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// Slices that the kernel takes at once (`IOV_MAX`).
const SLICES: usize = 1024;

/// The piece that a connection is in the middle of.
#[derive(Clone)]
pub(super) struct Current {
    number: u32,
    bytes: u64,
    crc: crc32fast::Hasher,
}

/// Something to write.
pub(super) struct Job {
    pub(super) file: Arc<File>,
    pub(super) path: Arc<Path>,
    /// Where, and what; in order.
    pub(super) parts: Vec<(u64, Bytes)>,
    pub(super) current: Option<Current>,
    pub(super) piece_length: u64,
    /// Of the content; none: not known yet.
    pub(super) length: Option<u64>,
    /// Nothing follows: the last piece ends here, however short it is.
    pub(super) ends: bool,
}

/// What has been written.
pub(super) struct Written {
    /// Pieces that are complete now.
    pub(super) finished: Vec<(u32, Crc)>,
    /// The one that is not.
    pub(super) current: Option<Current>,
}

impl Current {
    /// Which, and how many of its bytes are there.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.number, self.bytes)
    }
}

impl Job {
    /// Writes. Blocks.
    ///
    /// # Errors
    /// The kernel's: above all that the disk is full.
    pub(super) fn write(self) -> io::Result<Written> {
        let piece_length = self.piece_length.max(1);
        let mut finished = Vec::new();
        let mut current = self.current;
        for (at, bytes) in &self.parts {
            let number = u32::try_from(at / piece_length).unwrap_or(u32::MAX);
            let mut piece = match current.take() {
                Some(piece) if piece.number == number => piece,
                Some(_) | None => Current { number, bytes: 0, crc: crc32fast::Hasher::new() },
            };
            piece.crc.update(bytes);
            piece.bytes += bytes.len() as u64;
            let start = u64::from(number) * piece_length;
            let whole = self.length.map_or(piece_length, |length| piece_length.min(length.saturating_sub(start)));
            if piece.bytes >= whole {
                finished.push((number, Crc(piece.crc.finalize())));
            } else {
                current = Some(piece);
            }
        }
        for run in runs(&self.parts) {
            write_all(&self.file, run).failing("write", &self.path)?;
        }
        if self.ends
            && let Some(piece) = current.take()
        {
            finished.push((piece.number, Crc(piece.crc.finalize())));
        }
        Ok(Written { finished, current })
    }
}

/// Parts that lie one behind the other in the file.
fn runs(parts: &[(u64, Bytes)]) -> impl Iterator<Item = &[(u64, Bytes)]> {
    parts.chunk_by(|(at, bytes), (next, _)| at + bytes.len() as u64 == *next)
}

fn write_all(file: &File, run: &[(u64, Bytes)]) -> io::Result<()> {
    for some in run.chunks(SLICES) {
        let Some((start, _)) = some.first() else { continue };
        let mut at = *start;
        let mut slices: Vec<IoSlice<'_>> = some.iter().map(|(_, bytes)| IoSlice::new(bytes)).collect();
        let mut rest = slices.as_mut_slice();
        // Slices without bytes would look like a disk that takes nothing.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(())
}
