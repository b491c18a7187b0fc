//! A file that is there whole or not at all.

use crate::cli::exit::Problem;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file being written beside its place, mode 0600; it takes its place with [`commit`](Fresh::commit) and is removed
/// when that does not happen.
pub(super) struct Fresh {
    file: File,
    beside: PathBuf,
    place: PathBuf,
}

impl Fresh {
    /// Begins a file.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn create(place: &Path) -> Result<Fresh, Problem> {
        let name = place.file_name().ok_or_else(|| Problem::Misuse(format!("{} is no file name", place.display())))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}", std::process::id()));
        let beside = place.with_file_name(beside);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(|error| failed(place, &error))?;
        Ok(Fresh { file, beside, place: place.to_owned() })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.file.write_all(bytes).map_err(|error| failed(&self.place, &error))
    }

    /// Puts it in its place, on disk for good, instead of a file of that name.
    ///
    /// # Errors
    /// The disk is full or failing, or the place is a directory.
    pub(super) fn commit(self) -> Result<(), Problem> {
        let directory = match self.place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.beside, &self.place));
        done.and_then(|()| File::open(directory)?.sync_all()).map_err(|error| failed(&self.place, &error))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // After a commit there is nothing left under this name.
        let _ = fs::remove_file(&self.beside);
    }
}

fn failed(place: &Path, error: &io::Error) -> Problem {
    Problem::Local(format!("cannot write {}: {error}", place.display()))
}
