//! A file that appears in its place whole or not at all, without its bytes being copied where that can be helped.

use crate::cli::exit::Problem;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// How a file came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It is the cache's own file under another name.
    HardLink,
    /// Both share their blocks until one of them changes.
    Reflink,
    /// The kernel copied it.
    Copy,
    /// The daemon sent it.
    Stream,
}

impl How {
    /// For people and programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            How::HardLink => "hard link",
            How::Reflink => "reflink",
            How::Copy => "copy",
            How::Stream => "download",
        }
    }
}

/// A file under a name of its own beside its place; removed unless it lands.
pub(in crate::cli) struct Landing {
    beside: PathBuf,
    place: PathBuf,
    force: bool,
}

impl Landing {
    /// Begins one. What is in the place stays until it lands; without `force`, there must be nothing. Where the place is a
    /// link to a file, it is that file which is replaced.
    ///
    /// # Errors
    /// There is something, or that cannot be a file.
    pub(in crate::cli) fn at(place: &Path, force: bool) -> Result<Landing, Problem> {
        let not = |why: &str| Problem::Misuse(format!("{} {why}", place.display()));
        let resolved = match fs::symlink_metadata(place) {
            Ok(found) if found.is_dir() => return Err(not("is a directory")),
            Ok(_) if !force => return Err(not("exists: --force replaces it")),
            Ok(found) if found.is_symlink() => fs::canonicalize(place).ok(),
            Ok(_) | Err(_) => None,
        };
        let place = resolved.unwrap_or_else(|| place.to_owned());
        let name = place.file_name().ok_or_else(|| not("is no file name"))?;
        // Names have 255 bytes at most.
        let short: String = name.to_string_lossy().chars().take(40).collect();
        Ok(Landing { beside: place.with_file_name(format!(".{short}.{}", std::process::id())), place, force })
    }

    /// An empty file beside the place, to be written.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(in crate::cli) fn create(&self) -> Result<File, Problem> {
        // Whoever died with this number has left it.
        self.clear();
        File::options().write(true).create_new(true).open(&self.beside).map_err(|error| self.failed(&error))
    }

    /// Takes another name for this file. None where that cannot be: on another file system, or not this user's to do.
    pub(super) fn link(&self, cached: &Path) -> Option<How> {
        self.clear();
        fs::hard_link(cached, &self.beside).ok().map(|()| How::HardLink)
    }

    /// Writes some of it.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub(super) fn write(&self, mut file: &File, bytes: &[u8]) -> Result<(), Problem> {
        file.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// Something has come to be there, or the kernel says no.
    pub(in crate::cli) fn land(self) -> Result<(), Problem> {
        let landed = match self.force {
            true => fs::rename(&self.beside, &self.place),
            false => match renameat_with(CWD, &self.beside, CWD, &self.place, RenameFlags::NOREPLACE) {
                // This file system cannot. A second name is never put over a first one either.
                Err(Errno::INVAL | Errno::NOSYS) => fs::hard_link(&self.beside, &self.place),
                renamed => renamed.map_err(io::Error::from),
            },
        };
        landed.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Problem::Misuse(format!("{} exists: --force replaces it", self.place.display()))
            }
            _ => self.failed(&error),
        })
    }

    /// What the kernel said, with the file's name.
    pub(in crate::cli) fn failed(&self, error: &io::Error) -> Problem {
        Problem::Local(format!("cannot write {}: {error}", self.place.display()))
    }

    fn clear(&self) {
        // That there is none is as good.
        let _ = fs::remove_file(&self.beside);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Once it has landed there is nothing left under this name.
        self.clear();
    }
}
