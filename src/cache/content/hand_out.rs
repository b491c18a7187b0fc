//! Files that leave the cache: copies and links for operators, and what belongs to nobody.

use super::files::{Failing, Files, copy_whole, sync_folder};
use super::{Inner, Placing, check};
use crate::cache::model::{Task, TaskId};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See [`super::Contents::place`].
pub(super) async fn place(inner: &Arc<Inner>, task: &Arc<Task>, to: &Path, how: Placing) -> io::Result<()> {
    if !task.is_complete() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the content is not complete"));
    }
    let file = open(inner, task).await?;
    let wrong = check::compare_the_rest(inner, task, &file).await?;
    let from = inner.files.path(&task.ids.primary);
    if !wrong.is_empty() {
        let why = format!("pieces {wrong:?} are not what they were; they are fetched again");
        return Err(io::Error::new(ErrorKind::InvalidData, why)).failing("read", &from);
    }
    let (to, private) = (to.to_owned(), task.private);
    let put = move || {
        let beside = beside(&to)?;
        let made = match how {
            Placing::HardLink => fs::hard_link(&from, &beside).failing("link", &to),
            // As the umask lets it; a private content is for nobody else.
            Placing::Copy => copy_whole(&file, &beside, if private { 0o600 } else { 0o644 }),
        };
        let placed = made.and_then(|()| fs::rename(&beside, &to).failing("replace", &to));
        // Where both are names of one file already, the kernel leaves both.
        let _ = fs::remove_file(&beside);
        placed?;
        to.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
    };
    inner.thread.blocking(put).await
}

/// See [`super::Contents::compare`].
pub(super) async fn compare(inner: &Arc<Inner>, task: &Arc<Task>) -> Result<Vec<u32>, String> {
    let compared = async { check::compare_the_rest(inner, task, &open(inner, task).await?).await };
    compared.await.map_err(|failed: io::Error| failed.to_string())
}

/// The file of a task, to be read; where there is none, all of its pieces are reported.
async fn open(inner: &Arc<Inner>, task: &Arc<Task>) -> io::Result<Arc<File>> {
    let (shared, id) = (Arc::clone(inner), task.ids.primary.clone());
    match inner.thread.blocking(move || shared.files.read(&id)).await {
        Ok(file) => Ok(Arc::new(file)),
        Err(failed) => {
            if failed.kind() == ErrorKind::NotFound {
                let all: Vec<u32> = task.pieces.iter().map(|(number, _)| number).collect();
                inner.damaged(task.no, &inner.knowledge.of(task.no), &all);
            }
            Err(failed)
        }
    }
}

/// A name in the same directory that nobody has.
fn beside(to: &Path) -> io::Result<PathBuf> {
    let Some(name) = to.file_name().filter(|_| !to.is_dir()) else {
        return Err(io::Error::from(ErrorKind::IsADirectory)).failing("replace", to);
    };
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    // Names have 255 bytes at most.
    let short: String = name.to_string_lossy().chars().take(40).collect();
    Ok(to.with_file_name(format!(".{short}.{:016x}", u64::from_le_bytes(number))))
}

impl Files {
    /// Removes what belongs to no task: how many files, and how many bytes they were long. Blocks.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(super) fn remove_orphans(&self, known: &dyn Fn(&TaskId) -> bool) -> io::Result<(usize, u64)> {
        let (mut files, mut bytes) = (0, 0);
        for folder in fs::read_dir(self.tasks()).failing("read", self.tasks())? {
            let folder = folder.failing("read", self.tasks())?.path();
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&folder).failing("read", &folder)? {
                let path = entry.failing("read", &folder)?.path();
                let Ok(found) = fs::symlink_metadata(&path) else { continue };
                let id = path.file_name().and_then(|name| name.to_str()).and_then(named);
                let kept = id.is_some_and(|id| self.path(&id) == path && known(&id));
                if found.is_dir() || kept {
                    continue;
                }
                match fs::remove_file(&path) {
                    Ok(()) => (files, bytes) = (files + 1, bytes + found.len()),
                    Err(why) => tracing::warn!(path = %path.display(), %why, "a file of no task cannot be removed"),
                }
            }
        }
        Ok((files, bytes))
    }

    /// Bytes that are free for us. Blocks for a moment.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(super) fn free(&self) -> io::Result<u64> {
        let told = rustix::fs::statvfs(self.tasks()).map_err(io::Error::from).failing("measure", self.tasks())?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }
}

/// The id that a file is named by; none where we give no such name.
fn named(name: &str) -> Option<TaskId> {
    TaskId::parse(name).filter(|id| id.to_string() == name)
}
