//! Where things are in the data directory, and who may be in it: one process at a time.
//!
//! ```text
//! <data>/lock      held for as long as a process has the store open
//! <data>/db/       the tree (sled: conf, db, snap.*, blobs/; our own: session, spare/)
//! <data>/db.damaged/  what `db/` was when it was found damaged
//! <data>/objects/  values over 4 KiB, one file each
//! <data>/redo/     decisions of more than 256 operations, while they are applied
//! <data>/reserve   space that is held for bad days
//! <data>/compact   asks the next start to compact
//! <data>/before-restore/  what the last restore replaced: `db/`, `objects/`, `redo/`
//! <data>/swap…     a restored or compacted store on its way in (see swap.rs)
//! ```

use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The data directory and the names in it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(super) fn new(dir: &Path) -> Layout {
        Layout { dir: dir.to_owned() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn db(&self) -> PathBuf {
        self.dir.join("db")
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(super) fn redo(&self) -> PathBuf {
        self.dir.join("redo")
    }

    pub(super) fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    pub(super) fn compact_wanted(&self) -> PathBuf {
        self.dir.join("compact")
    }

    /// Makes the data directory and what is in it, for its owner only, durably.
    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        for dir in [self.db(), self.objects(), self.redo()] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        self.sync()
    }

    /// Makes the names durable: the directories' entries, and the data directory's own entry in its parent.
    pub(super) fn sync(&self) -> io::Result<()> {
        for dir in [&self.db(), &self.objects(), &self.redo(), &self.dir] {
            sync_dir(dir)?;
        }
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
            _ => sync_dir(Path::new(".")),
        }
    }

    /// Takes the directory for this process. The kernel gives it back when the process ends, however it ends.
    pub(super) fn lock(&self) -> Result<Flock<File>, LockError> {
        let path = self.dir.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Err(LockError::Held(holder.trim().to_owned())),
            Err((_, errno)) => return Err(LockError::Io(errno.into())),
        };
        // Only a hint for the message above: a disk that cannot take it must not keep the store from opening.
        let written = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0)));
        let _ = written.and_then(|_| writeln!(lock, "{}", std::process::id()));
        Ok(lock)
    }
}

/// Why the directory could not be taken.
pub(super) enum LockError {
    /// Another process has it: the process id it left there.
    Held(String),
    /// The lock file cannot be opened.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(source: io::Error) -> LockError {
        LockError::Io(source)
    }
}

/// Makes a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a new file durably; its name is durable once its directory is synced.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a directory with all it holds, or nothing when it is not there.
pub(super) fn remove_dir(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// The sizes of a directory's files, subdirectories not followed.
pub(super) fn size_of_files(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let found = entry?.metadata()?;
        bytes += if found.is_file() { found.len() } else { 0 };
    }
    Ok(bytes)
}
