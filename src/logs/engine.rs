//! What other rooms hold: the logs of this host.

use super::file::{LogFile, Whole};
use super::stem::{SIDECAR, Stem};
use super::watch::{Command, Counters, Pace, Shared, Watcher, lock};
use crate::base::Wall;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How often logs are looked at while they grow. A quiet one is never looked at.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two time marks of one file: how exact `since` is.
    pub mark_every: Duration,
    /// Between two wake-ups of the followers of one file.
    pub follow_every: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { mark_every: Duration::from_secs(1), follow_every: Duration::from_millis(50) }
    }
}

/// What the status page tells of the logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// How often the watching thread woke up since the start.
    pub wakeups: u64,
    /// A file went over its cap on a file system that cannot punch holes, and grows on.
    pub unbounded: bool,
    /// The kernel grants no more inotify watches, so at least one file is polled.
    pub polling: bool,
}

/// One log found below a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Which.
    pub stem: Stem,
    /// Bytes of disk that it and its sidecar take; holes take none.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Wall,
}

/// The logs below one directory. Clones are the same logs; the last one ends the watching thread.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    /// What somebody is using just now; everything else is on disk only.
    files: Mutex<HashMap<Stem, Weak<Mutex<LogFile>>>>,
    watcher: Watcher,
    counters: Arc<Counters>,
    /// Held while directories come or go: none is removed as empty just before its first file is created.
    dirs: Mutex<()>,
}

impl Inner {
    fn directories(&self) -> MutexGuard<'_, ()> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    /// Opens the logs below `dir`, which is created for root alone when it does not exist, and starts the thread that
    /// watches. Nothing is scanned.
    ///
    /// # Errors
    /// The directory cannot be created; no inotify instance or thread is to be had.
    pub fn open(dir: PathBuf, settings: Settings) -> io::Result<Logs> {
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(&dir)?;
        let counters = Arc::new(Counters::default());
        let pace = Pace { mark: settings.mark_every, follow: settings.follow_every };
        let watcher = Watcher::start(pace, counters.clone())?;
        Ok(Logs { inner: Arc::new(Inner { dir, files: Mutex::default(), watcher, counters, dirs: Mutex::default() }) })
    }

    /// Where the file is, for the keeper to open. Its directory exists after [`Logs::mark_run`].
    pub fn path(&self, stem: &Stem) -> PathBuf {
        stem.below(&self.inner.dir)
    }

    /// Marks the file while it grows and keeps at most about `cap` bytes of it (a second's growth more). Again with
    /// another cap: that one counts. The file need not exist yet.
    pub fn watch(&self, stem: &Stem, cap: u64) {
        self.inner.watcher.ask(Command::Watch { stem: stem.clone(), file: self.file(stem), cap });
    }

    /// Marks it no longer: its writers are gone.
    pub fn forget(&self, stem: &Stem) {
        self.inner.watcher.ask(Command::Forget { stem: stem.clone() });
    }

    /// Notes in the background that the log ended where it does now at this time: the end of a run, for one.
    pub fn mark(&self, stem: &Stem, at: Wall) {
        self.inner.watcher.ask(Command::Mark { file: self.file(stem), at });
    }

    /// Prepares a run: creates the directory of the file, marks where it ends, and answers that offset, which is where
    /// the run's output begins.
    ///
    /// # Errors
    /// The directory cannot be created, or something that is no file is in the way.
    pub async fn mark_run(&self, stem: &Stem, at: Wall) -> io::Result<u64> {
        let (inner, file) = (self.inner.clone(), self.file(stem));
        blocking(move || {
            let _directories = inner.directories();
            let mut file = lock(&file);
            file.prepare()?;
            file.mark(Some(at)) // leaves a sidecar, so the directory is not empty
        })
        .await
    }

    /// The logical offset of the end; where the last run stopped when the file is gone.
    ///
    /// # Errors
    /// The file system's.
    pub async fn length(&self, stem: &Stem) -> io::Result<u64> {
        let file = self.file(stem);
        blocking(move || lock(&file).look().map(|ledger| ledger.end)).await
    }

    /// Creates the directory that files with this beginning of their names lie in: a writer whose log needs no marks has
    /// no [`Logs::mark_run`] to do it. Blocks.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn create_dir(&self, dir: &Stem) -> io::Result<()> {
        let _directories = self.inner.directories();
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(self.path(dir))
    }

    /// All of a log whose writers are gone, when it is no longer than `most` bytes; else its length. A file that does not
    /// exist is empty. Blocks.
    ///
    /// # Errors
    /// The file system's.
    pub fn whole(&self, stem: &Stem, most: u64) -> io::Result<Whole> {
        lock(&self.file(stem)).whole(most)
    }

    /// Deletes a log whose bytes are kept elsewhere, but not its directory, and not while somebody reads it. Blocks.
    ///
    /// # Errors
    /// The file system's. A file that is not there is no error.
    pub fn discard(&self, stem: &Stem) -> io::Result<()> {
        let file = self.file(stem);
        if Arc::strong_count(&file) > 1 {
            return Ok(());
        }
        lock(&file).remove()
    }

    /// Deletes a directory with all logs in it, and ends their followers. Blocks.
    ///
    /// # Errors
    /// The file system's. A directory that is not there is no error.
    pub fn remove_dir(&self, dir: &Stem) -> io::Result<()> {
        let _directories = self.inner.directories();
        let within = |stem: &&Stem| stem.as_str().strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let gone: Vec<_> = table(&self.inner).keys().filter(within).cloned().collect();
        for stem in gone {
            self.inner.watcher.ask(Command::Remove { stem: stem.clone() });
            table(&self.inner).remove(&stem);
        }
        match std::fs::remove_dir_all(self.path(dir)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    /// Deletes the file and what was known of it, ends its followers, and removes directories that became empty.
    ///
    /// # Errors
    /// The file system's. A file that is not there is no error.
    pub async fn remove(&self, stem: &Stem) -> io::Result<()> {
        self.inner.watcher.ask(Command::Remove { stem: stem.clone() });
        let file = self.file(stem);
        table(&self.inner).remove(stem);
        let inner = self.inner.clone();
        blocking(move || {
            let _directories = inner.directories();
            let file = lock(&file);
            file.remove()?;
            let parents = file.path().ancestors().skip(1).take_while(|parent| *parent != inner.dir);
            // The first that is not empty ends this, and so does one that another file was just put into.
            let _ = parents.map(std::fs::remove_dir).take_while(Result::is_ok).count();
            Ok(())
        })
        .await
    }

    /// All logs in the directory `below` (`proc/17`, say; by default all there are) and those below it, for retention.
    ///
    /// # Errors
    /// The file system's. What vanishes while this looks is left out.
    pub async fn usage(&self, below: Option<&Stem>) -> io::Result<Vec<Usage>> {
        let root = self.inner.dir.clone();
        let start = below.map_or(root.clone(), |below| self.path(below));
        blocking(move || {
            let mut found = Vec::new();
            walk(&root, &start, &mut found)?;
            found.sort_by(|one, other| one.stem.cmp(&other.stem));
            Ok(found)
        })
        .await
    }

    /// What the status page tells.
    pub fn facts(&self) -> Facts {
        let counters = &self.inner.counters;
        Facts {
            wakeups: counters.wakeups.load(Ordering::Relaxed),
            unbounded: counters.unbounded.load(Ordering::Relaxed),
            polling: counters.polling.load(Ordering::Relaxed),
        }
    }

    /// Waits until the watching thread has done what it was asked before and has looked at what was due.
    pub async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        self.inner.watcher.ask(Command::Settle { done });
        let _ = settled.await; // the thread is gone: nothing more will happen
    }

    /// Wakes the other end when the file may have grown, and once at the beginning.
    pub(super) fn follow(&self, stem: &Stem) -> Following {
        let (follower, news) = watch::channel(());
        let file = self.file(stem);
        self.inner.watcher.ask(Command::Follow { stem: stem.clone(), file, follower });
        Following { logs: self.clone(), stem: stem.clone(), news: Some(news) }
    }

    /// The one shared state of this file. No I/O.
    pub(super) fn file(&self, stem: &Stem) -> Shared {
        let mut files = table(&self.inner);
        if let Some(file) = files.get(stem).and_then(Weak::upgrade) {
            return file;
        }
        if files.len() == files.capacity() {
            files.retain(|_, file| file.strong_count() > 0); // before it grows, it is tidied
        }
        let file = Arc::new(Mutex::new(LogFile::new(self.path(stem))));
        files.insert(stem.clone(), Arc::downgrade(&file));
        file
    }
}

fn table(inner: &Inner) -> MutexGuard<'_, HashMap<Stem, Weak<Mutex<LogFile>>>> {
    inner.files.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A follower of one file.
pub(super) struct Following {
    logs: Logs,
    stem: Stem,
    news: Option<watch::Receiver<()>>,
}

impl Following {
    /// Waits until the file may have grown. False: it was removed.
    pub(super) async fn changed(&mut self) -> bool {
        match &mut self.news {
            Some(news) => news.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.news = None; // first, so that the thread finds this end closed
        self.logs.inner.watcher.ask(Command::Unfollow { stem: self.stem.clone() });
    }
}

/// Runs file I/O where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<Usage>) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(facts) = entry.metadata() else { continue };
        if facts.is_dir() {
            walk(root, &entry.path(), found)?;
            continue;
        }
        let path = entry.path();
        let name = path.strip_prefix(root).ok().and_then(Path::to_str);
        let Some(stem) = name.and_then(|name| Stem::new(name).ok()) else { continue };
        let mut sidecar = path.into_os_string();
        sidecar.push(SIDECAR);
        let sidecar = std::fs::symlink_metadata(sidecar).map_or(0, |facts| facts.blocks());
        let modified = facts.modified().map_or(Wall::UNIX_EPOCH, Wall::from);
        found.push(Usage { stem, bytes: 512 * (facts.blocks() + sidecar), modified });
    }
    Ok(())
}
