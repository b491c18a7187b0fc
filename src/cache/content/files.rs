//! The files: where they are, how they come to be and go.
//!
//! ```text
//! DIR/content/tasks/ABC/ABCDEF…   one per task, 0600, as long as its content
//! DIR/content/new/                files that are not in their place yet; emptied at each start
//! ```
//!
//! A file may have other names: a twin's, or one that an operator was given. So nothing is ever written into a file that
//! has several, and none is ever cut short: it is replaced.
//!
//! Everything here blocks, but [`in_memory`].

use crate::cache::model::TaskId;
use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{ReadWriteFlags, preadv2};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, IoSliceMut};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The place of all files.
#[derive(Debug)]
pub(super) struct Files {
    tasks: PathBuf,
    new: PathBuf,
    /// Numbers for files in `new`.
    made: AtomicU64,
}

impl Files {
    /// Makes the directories where they are missing.
    ///
    /// # Errors
    /// One of them cannot be made, read or synced.
    pub(super) fn open(dir: &Path) -> io::Result<Files> {
        let content = dir.join("content");
        let files = Files { tasks: content.join("tasks"), new: content.join("new"), made: AtomicU64::new(0) };
        let mut parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        for folder in [dir, &content, &files.tasks, &files.new] {
            let made = make_folder(folder, true)?;
            if let Some(parent) = parent.filter(|_| made) {
                sync_folder(parent)?;
            }
            parent = Some(if folder == files.tasks { &content } else { folder });
        }
        for entry in fs::read_dir(&files.new).failing("read", &files.new)? {
            let path = entry.failing("read", &files.new)?.path();
            fs::remove_file(&path).failing("remove", &path)?;
        }
        Ok(files)
    }

    /// Where tasks are.
    pub(super) fn tasks(&self) -> &Path {
        &self.tasks
    }

    /// The path of a task's file.
    pub(super) fn path(&self, id: &TaskId) -> PathBuf {
        let name = id.to_string();
        self.tasks.join(name.get(..3).unwrap_or(&name)).join(name)
    }

    /// A new, empty place for a task's content, instead of what was there; its blocks are taken where the length is known.
    ///
    /// # Errors
    /// The kernel's: above all that the disk is full.
    pub(super) fn create(&self, id: &TaskId, length: Option<u64>) -> io::Result<File> {
        self.remove(id)?;
        let path = self.path(id);
        self.make_room_for(&path)?;
        let file = create_new(&path, 0o600)?;
        if let Err(failed) = claim(&file, &path, length) {
            // An empty file is of no use to anybody; that it stays is no further failure.
            let _ = fs::remove_file(&path);
            return Err(failed);
        }
        Ok(file)
    }

    /// A task's file, to be read.
    ///
    /// # Errors
    /// The kernel's; there may be none.
    pub(super) fn read(&self, id: &TaskId) -> io::Result<File> {
        let path = self.path(id);
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).failing("open", &path)
    }

    /// A task's file, to be written further: one of its own, where it had other names; and whether it is another one now.
    ///
    /// # Errors
    /// The kernel's; there may be none.
    pub(super) fn write(&self, id: &TaskId, length: Option<u64>) -> io::Result<(File, bool)> {
        let path = self.path(id);
        let open = || OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        let mut file = open().failing("open", &path)?;
        let shared = file.metadata().failing("look at", &path)?.nlink() > 1;
        if shared {
            let temporary = self.temporary();
            let copied = copy(&file, &temporary, 0o600).and_then(|copied| {
                fs::rename(&temporary, &path).failing("replace", &path)?;
                Ok(copied)
            });
            file = copied.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        }
        if length.is_some_and(|length| file.metadata().is_ok_and(|found| found.len() < length)) {
            claim(&file, &path, length)?;
        }
        Ok((file, shared))
    }

    /// Gives a task the content of another one: another name for its file, or a copy.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn share(&self, from: &TaskId, to: &TaskId) -> io::Result<()> {
        self.remove(to)?;
        let (from, to) = (self.path(from), self.path(to));
        self.make_room_for(&to)?;
        match fs::hard_link(&from, &to) {
            Ok(()) => Ok(()),
            Err(failed) if failed.kind() == ErrorKind::NotFound => Err(failed).failing("link", &from),
            // Too many names, or a file system that knows one alone.
            Err(_) => {
                let source = File::open(&from).failing("open", &from)?;
                copy(&source, &to, 0o600).map(drop)
            }
        }
    }

    /// Removes a task's file. That there is none is as good.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn remove(&self, id: &TaskId) -> io::Result<()> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(failed) if failed.kind() != ErrorKind::NotFound => Err(failed).failing("remove", &path),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Brings a task's file to the disk, with its name.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn sync(&self, file: &File, id: &TaskId) -> io::Result<()> {
        let path = self.path(id);
        file.sync_data().failing("sync", &path)?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        sync_folder(&self.tasks)
    }

    fn make_room_for(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(false), |folder| make_folder(folder, false)).map(drop)
    }

    fn temporary(&self) -> PathBuf {
        self.new.join(self.made.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

/// Takes the blocks of a file, as far as its file system can.
fn claim(file: &File, path: &Path, length: Option<u64>) -> io::Result<()> {
    let Some(length) = length.filter(|length| *length > 0) else { return Ok(()) };
    let Ok(whole) = i64::try_from(length) else { return Err(Errno::EFBIG.into()).failing("take room for", path) };
    loop {
        return match fallocate(file, FallocateFlags::empty(), 0, whole) {
            Ok(()) => Ok(()),
            Err(Errno::EINTR) => continue,
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => file.set_len(length).failing("take room for", path),
            Err(errno) => Err(errno.into()).failing("take room for", path),
        };
    }
}

/// A copy under a name that must not exist: a reflink where the file system can.
pub(super) fn copy(from: &File, to: &Path, mode: u32) -> io::Result<File> {
    let file = create_new(to, mode)?;
    fill(&file, from, to).inspect_err(|_| drop(fs::remove_file(to)))?;
    Ok(file)
}

/// The same, brought to the disk before it gets its name, where the file system can do that: nothing is left of it where
/// the daemon is killed meanwhile.
pub(super) fn copy_whole(from: &File, to: &Path, mode: u32) -> io::Result<()> {
    let Some(file) = nameless(to, mode) else {
        return copy(from, to, mode).and_then(|copied| copied.sync_all().failing("sync", to));
    };
    fill(&file, from, to)?;
    file.sync_all().failing("sync", to)?;
    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, opened, CWD, to, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from).failing("link", to)
}

/// A file in the same directory that has no name; none, where the file system has no such files.
fn nameless(beside: &Path, mode: u32) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(beside.parent()?, flags, Mode::from_raw_mode(mode)).ok().map(File::from)
}

/// Copies all of a file into an empty one; `to` is what that is called.
fn fill(file: &File, from: &File, to: &Path) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(file, from).is_err() {
        let (mut from, mut into) = (from, file);
        // Others may have moved the place where this descriptor reads.
        io::Seek::rewind(&mut from).failing("read", to)?;
        io::copy(&mut from, &mut into).failing("write", to)?;
    }
    Ok(())
}

fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path).failing("create", path)
}

/// Whether it had to be made.
fn make_folder(path: &Path, parents: bool) -> io::Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    match DirBuilder::new().mode(0o700).recursive(parents).create(path) {
        Ok(()) => Ok(true),
        Err(failed) if failed.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(failed) => Err(failed).failing("make", path),
    }
}

/// Brings the names in a directory to the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).failing("sync", path)
}

/// What is in memory of a part of a file, from its beginning; none: nothing is, the file ends before it, or its file system
/// cannot tell. Waits for no disk.
pub fn in_memory(file: &File, part: Range<u64>) -> Option<Bytes> {
    let mut buffer = vec![0; usize::try_from(part.end.saturating_sub(part.start)).ok()?];
    match preadv2(file, &mut [IoSliceMut::new(&mut buffer)], part.start, ReadWriteFlags::NOWAIT) {
        Ok(read) if read > 0 => {
            buffer.truncate(read);
            Some(buffer.into())
        }
        // Whatever else an error says will be said again.
        Ok(_) | Err(_) => None,
    }
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(failed) if failed.kind() == ErrorKind::Interrupted => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(filled)
}

/// Says of a failure what was being done, and to which file.
pub(super) trait Failing<T> {
    /// `cannot VERB PATH: …`
    fn failing(self, verb: &str, path: &Path) -> io::Result<T>;
}

impl<T> Failing<T> for io::Result<T> {
    fn failing(self, verb: &str, path: &Path) -> io::Result<T> {
        self.map_err(|why| io::Error::new(why.kind(), format!("cannot {verb} {}: {why}", path.display())))
    }
}
