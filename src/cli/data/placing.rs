//! Which file of an item's directory is meant, and how a file gets there.

use crate::cli::cache::Landing;
use crate::cli::exit::Problem;
use rustix::fs::ioctl_ficlone;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The directory of an item.
pub(super) struct Place<'a> {
    /// The item, for people.
    pub(super) item: &'a str,
    /// The directory, where the daemon tells it.
    pub(super) dir: Option<PathBuf>,
    /// The file may take the place of one of its name.
    pub(super) replace: bool,
}

impl Place<'_> {
    /// The name in the item's directory that `file` stands for: a name of a file there, or a path that leads there.
    ///
    /// # Errors
    /// It lies elsewhere: where it should lie.
    pub(super) fn name_of(&self, file: &Path) -> Result<String, Problem> {
        let name = name(file)?;
        let is_name = file.as_os_str() == name.as_str();
        let Some(dir) = &self.dir else {
            // Whoever may not see the directory may not publish there either: the daemon says so.
            return Ok(name);
        };
        let elsewhere = match is_name {
            // A name is meant to be one of the item's, unless there is only another file of that name, here.
            true => dir.is_dir() && !dir.join(&name).exists() && file.exists() && !lies_in(file, dir),
            false => !lies_in(file, dir),
        };
        if elsewhere { Err(self.elsewhere(file, dir)) } else { Ok(name) }
    }

    /// Whether `file` stands for one that is in the item's directory, which need not be there yet.
    ///
    /// # Errors
    /// It does not: where the file should lie.
    pub(super) fn has(&self, file: &Path) -> Result<(), Problem> {
        let name = self.name_of(file)?;
        match &self.dir {
            // A link that leads nowhere is the daemon's to refuse.
            Some(dir) if fs::symlink_metadata(dir.join(name)).is_err() => Err(self.elsewhere(file, dir)),
            _ => Ok(()),
        }
    }

    fn elsewhere(&self, file: &Path, dir: &Path) -> Problem {
        let (file, item, dir) = (file.display(), self.item, dir.display());
        Problem::Misuse(format!("{file}: the files of {item} lie in {dir}: put it there, or say --copy"))
    }

    /// Puts `file` into the item's directory unless it is there already; its name. Both share their blocks where the file
    /// system can. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or not be written there, or there is one of that name.
    pub(super) fn copy(&self, file: &Path) -> Result<String, Problem> {
        let name = name(file)?;
        let unknown = || Problem::Misuse(format!("the daemon does not tell where the files of {} lie", self.item));
        let dir = self.dir.as_ref().ok_or_else(unknown)?;
        if file.exists() && lies_in(file, dir) {
            return Ok(name);
        }
        let mut from = readable(file)?;
        let place = dir.join(&name);
        if !self.replace && fs::symlink_metadata(&place).is_ok() {
            return Err(Problem::Misuse(format!("{} exists: --replace replaces it", place.display())));
        }
        let landing = Landing::at(&place, self.replace)?;
        let mut to = landing.create()?;
        let copied = ioctl_ficlone(&to, &from).or_else(|_| io::copy(&mut from, &mut to).map(drop));
        // It is published at once: what the daemon reads must be what a crash leaves.
        copied.and_then(|()| to.sync_all()).map_err(|error| landing.failed(&error))?;
        landing.land()?;
        Ok(name)
    }
}

/// A file of this host, open.
///
/// # Errors
/// It cannot be read, or is no file.
pub(super) fn readable(file: &Path) -> Result<File, Problem> {
    let cannot = |error: io::Error| Problem::Local(format!("cannot read {}: {error}", file.display()));
    // A FIFO nobody writes into would hold up the opening.
    if !fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(Problem::Misuse(format!("{} is no file", file.display())));
    }
    File::open(file).map_err(cannot)
}

/// The last part of a path.
fn name(file: &Path) -> Result<String, Problem> {
    let name = file.file_name().ok_or_else(|| Problem::Misuse(format!("{} names no file", file.display())))?;
    let name = name.to_str().ok_or_else(|| Problem::Misuse(format!("{}: its name is not UTF-8", file.display())))?;
    Ok(name.to_owned())
}

/// Whether a file lies directly in a directory, whatever links lead there; only the file itself may be a link.
fn lies_in(file: &Path, dir: &Path) -> bool {
    let parent = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned));
    let Some(parent) = parent else { return false };
    let resolved = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    resolved(&parent) == resolved(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use std::os::unix::fs::symlink;

    fn place(dir: &Path, replace: bool) -> Place<'static> {
        Place { item: "weather/rain", dir: Some(dir.to_owned()), replace }
    }

    #[test]
    fn a_path_into_the_directory_is_its_name_there_and_no_other_path_is() {
        let all = tempfile::tempdir().unwrap();
        let [dir, other] = ["rain", "other"].map(|name| all.path().join(name));
        fs::create_dir(&dir).unwrap();
        fs::create_dir(&other).unwrap();
        symlink(&dir, all.path().join("link")).unwrap();
        let place = place(&dir, false);
        for inside in [dir.join("a.bin"), all.path().join("link/a.bin"), other.join("../rain/a.bin"), "a.bin".into()] {
            assert_eq!(place.name_of(&inside).unwrap(), "a.bin", "{}", inside.display());
        }
        for outside in [other.join("a.bin"), all.path().join("a.bin"), dir.join("sub/a.bin"), "./a.bin".into()] {
            let why = place.name_of(&outside).unwrap_err();
            assert!(why.to_string().contains("--copy") && why.exit() == Exit::Misuse, "{why}");
        }
        assert!(place.name_of(Path::new("/")).is_err());
        let hidden = Place { dir: None, ..place };
        assert_eq!(hidden.name_of(&other.join("a.bin")).unwrap(), "a.bin", "the daemon says no");
    }

    #[test]
    fn a_copy_replaces_only_what_it_may() {
        let all = tempfile::tempdir().unwrap();
        let dir = all.path().join("rain");
        fs::create_dir(&dir).unwrap();
        let file = all.path().join("a.bin");
        fs::write(&file, "one").unwrap();
        assert_eq!(place(&dir, false).copy(&file).unwrap(), "a.bin");
        fs::write(&file, "two").unwrap();
        let why = place(&dir, false).copy(&file).unwrap_err().to_string();
        assert!(why.ends_with("exists: --replace replaces it"), "{why}");
        assert_eq!(fs::read_to_string(dir.join("a.bin")).unwrap(), "one");
        place(&dir, true).copy(&file).unwrap();
        assert_eq!(fs::read_to_string(dir.join("a.bin")).unwrap(), "two");
        assert_eq!(place(&dir, false).copy(&dir.join("a.bin")).unwrap(), "a.bin", "it is there already");
        assert!(place(&dir, false).copy(all.path()).is_err(), "a directory is no file");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing else is left");
    }
}
