//! An item's directory, opened once: the files in it are named relative to it, and nothing leads out of it.
//!
//! ```text
//!   pool's directory      absolute, without symbolic links when it was made: with one now, it is another directory
//!     item's directory    one component; a link may stay inside the pool
//!       file              one component; a link may stay inside the item's directory
//! ```
//!
//! The kernel itself keeps to this (openat2); there is no moment between a check and what was checked.

use crate::hub::model::{Look, Stamp};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use rustix::fs::{StatxFlags, StatxTimestamp, makedev, statx};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// A path that is renamed under the kernel's hands is tried again so many times.
const TRIES: usize = 8;
/// Of directories that are made; the daemon's umask takes away from it.
const MODE: Mode = Mode::from_bits_truncate(0o755);

/// Why something could not be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// That is what there is to see.
    Seen(Look),
    /// It is this process that lacks something (descriptors, memory): it says nothing of the file.
    Ours(Errno),
}

impl From<Fault> for Look {
    fn from(fault: Fault) -> Look {
        match fault {
            Fault::Seen(look) => look,
            Fault::Ours(errno) => Look::Unreadable(errno.desc().to_owned()),
        }
    }
}

/// The directory of a pool, opened.
#[derive(Debug)]
pub(super) struct PoolDirectory<'a> {
    fd: OwnedFd,
    path: &'a Path,
}

impl<'a> PoolDirectory<'a> {
    /// Opens it.
    pub(super) fn open(path: &'a Path) -> Result<PoolDirectory<'a>, Fault> {
        let how = how(OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::RESOLVE_NO_SYMLINKS);
        match steadily(|| openat2(AT_FDCWD, path, how)) {
            Ok(fd) => Ok(PoolDirectory { fd, path }),
            Err(errno) => Err(no_directory(errno, path)),
        }
    }

    /// Opens the directory of an item in it.
    pub(super) fn item(&self, dir: &str) -> Result<Directory, Fault> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match steadily(|| openat2(&self.fd, dir, beneath(flags))) {
            Ok(fd) => Ok(Directory(fd)),
            Err(Errno::EXDEV | Errno::ELOOP) => Err(Fault::Seen(Look::Escaped)),
            Err(errno) => Err(no_directory(errno, &self.path.join(dir))),
        }
    }
}

/// The directory of an item, opened.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Opens it.
    pub(super) fn open(pool: &Path, dir: &str) -> Result<Directory, Fault> {
        PoolDirectory::open(pool)?.item(dir)
    }

    /// Which directory it is, wherever it lies now: device and inode.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        fstat(&self.0).ok().map(|stat| (stat.st_dev, stat.st_ino))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Looks at a file; it is opened only where it is not as expected.
    pub(super) fn look(&self, file: &str, expected: Option<&Look>) -> Result<Look, Fault> {
        let stamp = match self.stamp(file) {
            Ok(stamp) => stamp,
            Err(Fault::Seen(look)) => return Ok(look),
            Err(ours) => return Err(ours),
        };
        if expected == Some(&Look::There(stamp)) {
            return Ok(Look::There(stamp));
        }
        match self.open_file(file) {
            Ok((_, stamp)) => Ok(Look::There(stamp)),
            Err(Fault::Seen(look)) => Ok(look),
            Err(ours) => Err(ours),
        }
    }

    /// Opens a file to be read. Nothing but a file is ever opened: a writer may wait for somebody to open his FIFO, and a
    /// device may do anything.
    pub(super) fn open_file(&self, file: &str) -> Result<(File, Stamp), Fault> {
        self.stamp(file)?;
        // It may have become something else just now: even then nothing hangs, and no terminal is taken.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = steadily(|| openat2(&self.0, file, beneath(flags))).map_err(no_file)?;
        let stamp = stamp_of(&fstat(&opened).map_err(no_file)?)?;
        Ok((File::from(opened), stamp))
    }

    /// What the kernel says of a file; nothing is opened where it is no link.
    fn stamp(&self, file: &str) -> Result<Stamp, Fault> {
        let stat = fstatat(&self.0, file, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(no_file)?;
        if kind(&stat) != SFlag::S_IFLNK {
            return stamp_of(&stat);
        }
        let target = steadily(|| openat2(&self.0, file, beneath(OFlag::O_PATH))).map_err(no_file)?;
        stamp_of(&fstat(&target).map_err(no_file)?)
    }
}

/// What the kernel says of an open file.
pub(super) fn stamp_of_open(file: &File) -> Result<Stamp, Fault> {
    stamp_of(&fstat(file).map_err(no_file)?)
}

/// The directory of an item, opened to put files there: wherever it lies by now, and whatever has come in its place.
#[derive(Debug)]
pub(in crate::hub) struct Held {
    fd: OwnedFd,
    path: PathBuf,
}

impl Held {
    /// A path by which this process finds a file in it, and nobody else; for as long as this lives.
    pub(in crate::hub) fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.fd.as_raw_fd()))
    }

    /// What somebody says who knows such a path alone, with the path that people know.
    pub(in crate::hub) fn for_people(&self, text: &str) -> String {
        text.replace(&format!("/proc/self/fd/{}", self.fd.as_raw_fd()), &self.path.to_string_lossy())
    }
}

/// Opens the directory of an item, which is made where there is none; see [`super::directory`].
pub(super) fn make(pool: &Path, dir: &str) -> io::Result<Held> {
    let path = pool.join(dir);
    let failed =
        |errno: Errno| io::Error::new(io::Error::from(errno).kind(), format!("{}: {}", path.display(), errno.desc()));
    let how = how(OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::RESOLVE_NO_SYMLINKS);
    let parent = steadily(|| openat2(AT_FDCWD, pool, how)).map_err(failed)?;
    make_one(&parent, dir).map_err(failed)?;
    let fd = steadily(|| openat2(&parent, dir, beneath(OFlag::O_PATH | OFlag::O_DIRECTORY))).map_err(failed)?;
    Ok(Held { fd, path })
}

/// Makes directories below one that is there and has no links in its path: those of `rest` that are missing, one after the
/// other, through no link.
///
/// # Errors
/// The kernel's; a link, or something else that is no directory, is in the way.
pub(in crate::hub) fn make_below(there: &Path, rest: &Path) -> io::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut at = steadily(|| openat2(AT_FDCWD, there, how(flags, ResolveFlag::RESOLVE_NO_SYMLINKS)))?;
    for component in rest.components() {
        let Component::Normal(name) = component else { return Err(io::Error::from(io::ErrorKind::InvalidInput)) };
        make_one(&at, name)?;
        at = openat(&at, name, flags | OFlag::O_NOFOLLOW, Mode::empty())?;
    }
    Ok(())
}

fn make_one(at: &OwnedFd, name: &(impl nix::NixPath + ?Sized)) -> nix::Result<()> {
    match mkdirat(at, name, MODE) {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    }
}

fn how(flags: OFlag, resolve: ResolveFlag) -> OpenHow {
    OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve)
}

fn beneath(flags: OFlag) -> OpenHow {
    how(flags, ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS)
}

/// Where a path is renamed meanwhile, the kernel would rather be asked again than be wrong.
fn steadily<T>(ask: impl Fn() -> nix::Result<T>) -> nix::Result<T> {
    let mut answer = ask();
    for _ in 1..TRIES {
        match answer {
            Err(Errno::EAGAIN | Errno::EINTR) => answer = ask(),
            answered => return answered,
        }
    }
    answer
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// What is known of an open file, without asking the host it may lie on.
pub(super) fn stamp_as_known(file: &File) -> Option<Stamp> {
    let flags = rustix::fs::AtFlags::EMPTY_PATH | rustix::fs::AtFlags::STATX_DONT_SYNC;
    let stat = statx(file, "", flags, StatxFlags::BASIC_STATS).ok()?;
    let nanos = |at: StatxTimestamp| in_nanos(at.tv_sec, at.tv_nsec.into());
    Some(Stamp {
        dev: makedev(stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        size: stat.stx_size,
        mtime: nanos(stat.stx_mtime),
        ctime: nanos(stat.stx_ctime),
    })
}

fn in_nanos(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

fn stamp_of(stat: &FileStat) -> Result<Stamp, Fault> {
    if kind(stat) != SFlag::S_IFREG {
        return Err(Fault::Seen(Look::NotAFile));
    }
    Ok(Stamp {
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        mtime: in_nanos(stat.st_mtime, stat.st_mtime_nsec),
        ctime: in_nanos(stat.st_ctime, stat.st_ctime_nsec),
    })
}

/// What it means that the directory of a pool or of an item cannot be opened.
fn no_directory(errno: Errno, path: &Path) -> Fault {
    let path = path.display();
    Fault::Seen(match errno {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS => return Fault::Ours(errno),
        Errno::ENOENT => Look::PoolGone(format!("the directory {path} is not there")),
        Errno::ENOTDIR => Look::PoolGone(format!("{path} is not a directory")),
        Errno::ELOOP => Look::PoolGone(format!("{path} leads through a symbolic link")),
        Errno::EACCES | Errno::EPERM => Look::Unreadable(format!("{path}: {}", errno.desc())),
        _ => Look::PoolGone(format!("{path}: {}", errno.desc())),
    })
}

/// What it means that a file in a directory that is there cannot be looked at or opened.
pub(super) fn no_file(errno: Errno) -> Fault {
    Fault::Seen(match errno {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS => return Fault::Ours(errno),
        // A link to below something that is no directory leads nowhere, and so does a name that is too long here.
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => Look::Missing,
        Errno::EXDEV | Errno::ELOOP => Look::Escaped,
        // A socket, or a device without a driver: it was a file a moment ago.
        Errno::ENXIO | Errno::EISDIR => Look::NotAFile,
        // The file system itself does not answer any more.
        Errno::ESTALE | Errno::ENOTCONN | Errno::ENODEV | Errno::ETIMEDOUT | Errno::EHOSTDOWN => {
            Look::PoolGone(errno.desc().to_owned())
        }
        _ => Look::Unreadable(errno.desc().to_owned()),
    })
}
