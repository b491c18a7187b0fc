//! Space held for bad days, so that the core can write on while the disk is full.
//!
//! ```text
//! roomy: reserve whole, clients may write
//!   | free space falls below the floor
//!   v
//! tight: clients are refused; the reserve is given up piece by piece, just ahead of the writes of the core
//!   | free space is back, the reserve is whole again
//!   v
//! roomy
//! ```
//!
//! It is looked at before each group commit, and while it is tight once a second as well. The floor and the hold are
//! apart, so that a disk at the brink does not flicker between the two.

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// Free space below which clients are refused.
const FLOOR: u64 = 8 * MIB;

/// Free space to have before a group is committed, beyond what the group itself takes: sled writes whole segments of 512 KiB,
/// and moves old records on while it frees others.
const AHEAD: u64 = 4 * MIB;

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// Free bytes that this process may use.
    pub(super) free: u64,
    /// Bytes in reserve.
    pub(super) held: u64,
    /// Whether clients are refused.
    pub(super) tight: bool,
}

/// What to do about the space there is.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Leave the reserve as it is.
    Keep,
    /// Cut it to so many bytes.
    GiveUpTo(u64),
    /// Make it whole.
    Refill,
}

/// The decision: `coming` bytes are about to be written.
fn step(free: u64, held: u64, whole: u64, coming: u64) -> Step {
    let ahead = AHEAD.saturating_add(coming);
    if free < ahead && held > 0 {
        let given = (ahead - free).next_multiple_of(MIB);
        return Step::GiveUpTo(held.saturating_sub(given));
    }
    if held < whole && free >= whole - held + FLOOR + ahead { Step::Refill } else { Step::Keep }
}

/// The file that holds the space.
pub(super) struct Reserve {
    file: File,
    dir: PathBuf,
    whole: u64,
}

impl Reserve {
    /// Opens the file, or makes an empty one; the first look fills it.
    pub(super) fn open(path: &Path, dir: &Path, whole: u64) -> io::Result<Reserve> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() > whole {
            file.set_len(whole)?; // the setting was lowered
        }
        Ok(Reserve { file, dir: dir.to_owned(), whole })
    }

    /// Looks at the disk and gives up, or takes back, what is right before `coming` bytes are written.
    pub(super) fn look(&self, coming: u64) -> io::Result<Space> {
        match step(free_bytes(&self.dir)?, self.held()?, self.whole, coming) {
            Step::Keep => {}
            Step::GiveUpTo(held) => {
                self.file.set_len(held)?;
                self.file.sync_all()?; // some file systems give the blocks away only then
            }
            Step::Refill => {
                // Another program may be faster: then what was got is cut off again, and the next look tries anew.
                if posix_fallocate(&self.file, 0, i64::try_from(self.whole).unwrap_or(i64::MAX)).is_err() {
                    self.file.set_len(self.held()?.min(self.whole))?;
                }
            }
        }
        let (free, held) = (free_bytes(&self.dir)?, self.held()?);
        Ok(Space { free, held, tight: held < self.whole || free < FLOOR })
    }

    /// Bytes in reserve. Only blocks that are there count: a file restored by a copying tool may have holes.
    fn held(&self) -> io::Result<u64> {
        let found = self.file.metadata()?;
        Ok(found.len().min(found.blocks() * 512))
    }
}

/// Whether a value of so many bytes has room, with the floor left over.
pub(super) fn has_room(dir: &Path, bytes: u64) -> Result<(), u64> {
    match free_bytes(dir) {
        Ok(free) if free < bytes.saturating_add(FLOOR) => Err(free),
        _ => Ok(()), // a disk that does not answer is the writer's trouble
    }
}

/// Free bytes; those kept for root count when this is root.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let found = statvfs(dir)?;
    let blocks = if nix::unistd::geteuid().is_root() { found.blocks_free() } else { found.blocks_available() };
    Ok(blocks * found.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_given_up_just_ahead_of_the_writes() {
        let whole = 32 * MIB;
        assert_eq!(step(100 * MIB, whole, whole, 0), Step::Keep);
        assert_eq!(step(4 * MIB, whole, whole, 0), Step::Keep, "there is just enough");
        assert_eq!(step(4 * MIB - 1, whole, whole, 0), Step::GiveUpTo(31 * MIB));
        assert_eq!(step(0, whole, whole, MIB), Step::GiveUpTo(27 * MIB));
        assert_eq!(step(0, 2 * MIB, whole, 0), Step::GiveUpTo(0));
        assert_eq!(step(0, 0, whole, 0), Step::Keep, "nothing left to give");
    }

    #[test]
    fn the_reserve_comes_back_only_when_the_floor_stays_free() {
        let whole = 32 * MIB;
        assert_eq!(step(30 * MIB, 16 * MIB, whole, 0), Step::Refill);
        assert_eq!(step(28 * MIB - 1, 16 * MIB, whole, 0), Step::Keep);
        assert_eq!(step(100 * MIB, whole, whole, 0), Step::Keep);
    }
}
