//! Which file a command means, and whether it lies on a file system that could block the keeper.
//!
//! The search happens here because only the core may wait for a slow mount; execution is by the path found, by the
//! child, with the task user's rights. So a program that the user may not execute fails there and not here.

use crate::base::Known;
use nix::sys::statfs::{self, FsType, statfs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the file systems may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a program that was found is believed to be there. Execution is by its path: where it has gone meanwhile, the
/// child says so.
const FRESH: Duration = Duration::from_secs(1);

/// File systems that answer from local memory or disk. Anything else, and anything unknown, might hang.
const LOCAL: [FsType; 9] = [
    statfs::EXT4_SUPER_MAGIC, // also ext2 and ext3
    statfs::XFS_SUPER_MAGIC,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
    statfs::PROC_SUPER_MAGIC,
    FsType(0x2fc1_2fc1), // ZFS, as its module registers it
    FsType(0x7371_7368), // squashfs, linux/magic.h
    FsType(0xf2f5_2010), // f2fs, linux/magic.h
];

/// The program, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file to execute.
    pub program: PathBuf,
    /// Whether it and the working directory lie on file systems that cannot hang.
    pub is_local: bool,
}

/// No such program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// In none of the directories.
    #[error("\"{name}\" is in none of the directories of PATH ({path})")]
    Nowhere {
        /// What was looked for.
        name: String,
        /// Where.
        path: String,
    },
    /// A directory of the path does not answer.
    #[error("looking for \"{name}\": a directory of PATH did not answer within {} s", LIMIT.as_secs())]
    Slow {
        /// What was looked for.
        name: String,
    },
}

/// Looks a program up as a shell would: with a slash it is a path, relative to `cwd`; without one it is searched.
///
/// # Errors
/// It is not there, or a directory does not answer.
pub async fn find(name: &str, path: &str, cwd: &Path) -> Result<Found, NotFound> {
    static KNOWN: Known<(String, String, PathBuf), Found> = Known::for_a(FRESH);
    let key = (name.to_owned(), path.to_owned(), cwd.to_owned());
    let found = KNOWN.or_ask(key, async { look(name, path, cwd).await.map(Some) }).await?;
    found.ok_or_else(|| NotFound::Slow { name: name.to_owned() }) // never: what is not there is an error
}

async fn look(name: &str, path: &str, cwd: &Path) -> Result<Found, NotFound> {
    let (what, path, cwd) = (name.to_owned(), path.to_owned(), cwd.to_owned());
    let search = tokio::task::spawn_blocking(move || search(&what, &path, &cwd));
    match tokio::time::timeout(LIMIT, search).await {
        Ok(Ok(found)) => found,
        // Somebody named a file on a mount that hangs: the child shall find out, and only it shall wait.
        Err(_) if name.contains('/') => Ok(Found { program: PathBuf::from(name), is_local: false }),
        Err(_) | Ok(Err(_)) => Err(NotFound::Slow { name: name.to_owned() }),
    }
}

fn search(name: &str, path: &str, cwd: &Path) -> Result<Found, NotFound> {
    let found = |program: PathBuf| {
        let is_local = is_local(cwd) && is_local(program.parent().unwrap_or(cwd));
        Ok(Found { program, is_local })
    };
    if name.contains('/') {
        return found(cwd.join(name));
    }
    let mut directories = path.split(':').map(|entry| cwd.join(entry)); // an empty entry is the working directory
    match directories.find(|directory| !name.is_empty() && is_program(&directory.join(name))) {
        Some(directory) => found(directory.join(name)),
        None => Err(NotFound::Nowhere { name: name.to_owned(), path: path.to_owned() }),
    }
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

fn is_local(place: &Path) -> bool {
    statfs(place).is_ok_and(|about| LOCAL.contains(&about.filesystem_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_are_found_as_a_shell_would() {
        let cwd = Path::new("/");
        let sh = find("sh", "/nowhere:/bin", cwd).await.unwrap();
        assert_eq!(sh.program, Path::new("/bin/sh"));
        assert_eq!(find("bin/sh", "", cwd).await.unwrap().program, Path::new("/bin/sh"));
        assert_eq!(find("sh", "", Path::new("/bin")).await.unwrap().program, Path::new("/bin/sh"));
        let why = find("no-such-program", "/bin:/usr/bin", cwd).await.unwrap_err();
        assert_eq!(why.to_string(), "\"no-such-program\" is in none of the directories of PATH (/bin:/usr/bin)");
        assert!(find("", "/bin", cwd).await.is_err());
        assert!(find("passwd", "/etc", cwd).await.is_err(), "a file without execute bits was taken");
    }

    #[test]
    fn a_place_that_is_not_there_counts_as_remote() {
        assert!(!is_local(Path::new("/no/such/place")));
    }
}
