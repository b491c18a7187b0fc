//! Space held for bad days, so that the core can write on while the disk is full.
//!
//! ```text
//! roomy: reserve whole, clients may write
//!   | free space falls below the floor
//!   v
//! tight: clients are refused; the database's own blocks are claimed ahead of the writes of the core, out of the reserve
//!   | free space is back, the reserve is whole again
//!   v
//! roomy
//! ```
//!
//! Other programs, children of the core among them, take every byte that is free. So what the reserve gives up goes to
//! the database's file at once, as blocks behind its end, and is not merely free for a while. Objects and redo files,
//! which hardly anything but a client's wish needs, have no such claim.
//!
//! It is looked at before each group commit, and while it is tight once a second as well. The floor and the hold are
//! apart, so that a disk at the brink does not flicker between the two.

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate, posix_fallocate};
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// Free space below which clients are refused.
const FLOOR: u64 = 8 * MIB;

/// Space to have before a group is committed, beyond what the group itself takes: sled writes whole segments of 512 KiB,
/// and moves old records on while it frees others.
const AHEAD: u64 = 4 * MIB;

/// Free space that a store needs to be opened, with nothing in reserve: twice what sled writes at once. With less, its
/// first commit would fail, and so would that of the next process.
const LEAST: u64 = MIB;

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

impl Space {
    /// Whether not even the core could write on.
    pub(super) fn is_none_left(&self) -> bool {
        self.held == 0 && self.free < LEAST
    }
}

/// What to do about the space there is.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Leave the reserve as it is.
    Keep,
    /// Claim so many bytes behind the end of the database, out of the reserve where nothing else is left.
    Claim(u64),
    /// Make it whole.
    Refill,
}

/// The decision: `coming` bytes are about to be written.
fn step(free: u64, held: u64, whole: u64, coming: u64) -> Step {
    let ahead = AHEAD.saturating_add(coming);
    if free < FLOOR.max(ahead) {
        return Step::Claim(ahead);
    }
    if held < whole && free >= whole - held + FLOOR + ahead { Step::Refill } else { Step::Keep }
}

/// The file that holds the space.
pub(super) struct Reserve {
    file: File,
    /// The file of the database, which may not be there yet.
    db: PathBuf,
    dir: PathBuf,
    whole: u64,
}

impl Reserve {
    /// Opens the file, or makes an empty one; the first look fills it.
    pub(super) fn open(path: &Path, db: PathBuf, dir: &Path, whole: u64) -> io::Result<Reserve> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() > whole {
            file.set_len(whole)?; // the setting was lowered
        }
        Ok(Reserve { file, db, dir: dir.to_owned(), whole })
    }

    /// Looks at the disk and gives up, or takes back, what is right before `coming` bytes are written.
    pub(super) fn look(&self, coming: u64) -> io::Result<Space> {
        match step(free_bytes(&self.dir)?, self.held()?, self.whole, coming) {
            Step::Keep => {}
            Step::Claim(ahead) => self.claim(ahead)?,
            Step::Refill => {
                // Another program may be faster: then what was got is cut off again, and the next look tries anew.
                if posix_fallocate(&self.file, 0, i64::try_from(self.whole).unwrap_or(i64::MAX)).is_err() {
                    self.file.set_len(self.held()?.min(self.whole))?;
                }
            }
        }
        self.found()
    }

    fn found(&self) -> io::Result<Space> {
        let (free, held) = (free_bytes(&self.dir)?, self.held()?);
        Ok(Space { free, held, tight: held < self.whole || free < FLOOR })
    }

    /// Sees to it that so many bytes can be written behind the end of the database, as far as the reserve reaches.
    fn claim(&self, ahead: u64) -> io::Result<()> {
        let db = match File::options().write(true).open(&self.db) {
            Ok(db) => db,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return self.give_up(ahead), // about to be made
            Err(why) => return Err(why),
        };
        let found = db.metadata()?;
        // Without holes, blocks beyond the length are what was claimed before. The claim fills the holes.
        if (found.blocks() * 512).saturating_sub(found.len()) >= ahead {
            return Ok(());
        }
        let end = i64::try_from(found.len().saturating_add(ahead)).unwrap_or(i64::MAX);
        while let Err(errno) = fallocate(&db, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, end) {
            match errno {
                Errno::ENOSPC if self.held()? > 0 => self.give_up(MIB)?,
                Errno::ENOSPC => break,
                Errno::EOPNOTSUPP => return self.give_up(ahead), // then free space has to do
                other => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Sets so many bytes of the reserve free, besides what is free already.
    fn give_up(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(self.held()?.saturating_sub(bytes))?;
        self.file.sync_all() // some file systems give the blocks away only then
    }

    /// Sets enough of the reserve free for files that are about to be made, beyond what is free and was not enough.
    pub(super) fn make_room(&self, not_enough: u64) -> io::Result<Space> {
        let wanted = FLOOR.saturating_add(not_enough);
        let free = free_bytes(&self.dir)?;
        if free < wanted && self.held()? > 0 {
            self.give_up(wanted - free)?;
        }
        self.found()
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
    fn room_is_claimed_just_ahead_of_the_writes() {
        let whole = 32 * MIB;
        assert_eq!(step(100 * MIB, whole, whole, 0), Step::Keep);
        assert_eq!(step(8 * MIB, whole, whole, 0), Step::Keep, "there is just enough");
        assert_eq!(step(8 * MIB - 1, whole, whole, 0), Step::Claim(4 * MIB));
        assert_eq!(step(0, whole, whole, MIB), Step::Claim(5 * MIB));
        assert_eq!(step(20 * MIB, whole, whole, 30 * MIB), Step::Claim(34 * MIB));
    }

    #[test]
    fn the_reserve_comes_back_only_when_the_floor_stays_free() {
        let whole = 32 * MIB;
        assert_eq!(step(30 * MIB, 16 * MIB, whole, 0), Step::Refill);
        assert_eq!(step(28 * MIB - 1, 16 * MIB, whole, 0), Step::Keep);
        assert_eq!(step(100 * MIB, whole, whole, 0), Step::Keep);
    }

    #[test]
    fn a_claim_costs_the_reserve_only_what_the_disk_does_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        std::fs::write(&db, [1; 1000]).unwrap();
        let reserve = Reserve::open(&dir.path().join("reserve"), db.clone(), dir.path(), MIB).unwrap();
        reserve.look(0).unwrap();
        let held = reserve.held().unwrap();
        assert_eq!(held, MIB, "no room for this test");
        reserve.claim(3 * MIB).unwrap();
        let found = db.metadata().unwrap();
        assert_eq!(found.len(), 1000, "the file must not look longer");
        assert!(found.blocks() * 512 >= 3 * MIB, "nothing was claimed");
        assert_eq!(reserve.held().unwrap(), held);
    }
}
