//! The tree on disk: sled 0.34.7, opened with care.
//!
//! What is known of it, and what is done about it:
//! - Its `flush()` ends in `sync_file_range`, which survives a killed process but no power cut. Each [`sync`] is
//!   followed by an fdatasync through a descriptor of our own.
//! - It never syncs `conf`, nor the names of its files: done here, each time it is opened.
//! - A damaged `snap.*` keeps it from opening. One that is missing keeps it from nothing, and may cost everything. So a copy
//!   takes its place before (see spare.rs).
//! - A damaged `conf` keeps it from opening too, and a cut `db` makes it panic. So it is opened on a thread that may panic,
//!   and once more without `conf`, which it makes anew.
//! - It drops what it cannot replay, without a word, and overwrites it. So its log is looked at before (see log.rs).
//!   Whatever is done about something damaged, its directory is copied aside first.
//! - When it is interrupted while it writes a snapshot, it takes what is left of it for a damaged one. Such files end in
//!   `.generating`, are never complete, and are removed before it is opened.
//! - It keeps seven threads that look for work once a second. They inherit the timer slack of the thread that first
//!   opens a tree, which is why that thread allows its timers to be very late: work wakes them by other means.
//!
//! [`sync`]: Backend::sync

use super::backend::{Backend, Changes, RawPairs};
use super::layout::{size_of_files, sync_dir};
use super::log::{self, Log};
use super::{session, spare};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How late the idle timers of sled's threads may fire, in nanoseconds: an hour.
const TIMER_SLACK: u64 = 3_600_000_000_000;

/// How often, and how long apart, the tree is tried again while it is locked by what this process has just closed. No
/// other process can have it: the data directory is locked.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The tree.
pub(super) struct Tree {
    db: sled::Db,
    /// The file that sled writes, for the fdatasync that it leaves out.
    file: File,
    path: PathBuf,
}

/// Why the tree does not open.
pub(super) enum TreeError {
    /// It is damaged beyond what can be mended; the copy that was made of it before the attempt, if any.
    Damaged { why: String, copy: Option<PathBuf> },
    /// The disk says no.
    Io(io::Error),
}

impl From<io::Error> for TreeError {
    fn from(source: io::Error) -> TreeError {
        TreeError::Io(source)
    }
}

impl Tree {
    /// Opens the tree in this directory, or makes a new one. Beside it: what was done to a damaged one.
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<(Tree, Option<String>), TreeError> {
        let repaired = prepare(path)?;
        match attempt(path, cache_bytes) {
            Ok(db) => Ok((Tree::settle(db, path)?, repaired)),
            Err(Attempt::Io(source)) => Err(TreeError::Io(source)),
            Err(Attempt::Damaged(why)) => {
                let copy = set_aside(path)?;
                tracing::warn!(why, copy = %copy.display(), "the database is damaged: trying without its settings");
                remove_conf(path)?;
                match attempt(path, cache_bytes) {
                    Ok(db) => Ok((Tree::settle(db, path)?, Some(kept(&why, &copy)))),
                    Err(Attempt::Io(source)) => Err(TreeError::Io(source)),
                    Err(Attempt::Damaged(why)) => Err(TreeError::Damaged { why, copy: Some(copy) }),
                }
            }
        }
    }

    /// Makes the files and their names durable before the first promise.
    fn settle(db: sled::Db, path: &Path) -> io::Result<Tree> {
        let file = File::options().read(true).write(true).open(path.join("db"))?;
        File::open(path.join("conf"))?.sync_all()?;
        file.sync_all()?;
        sync_dir(path)?;
        sync_dir(path.parent().unwrap_or(Path::new("/")))?;
        if let Err(why) = spare::keep(path) {
            tracing::warn!(%why, "cannot keep a second copy of the database's snapshot");
        }
        Ok(Tree { db, file, path: path.to_owned() })
    }
}

impl Backend for Tree {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let value = self.db.get(key).map_err(to_io)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], back: bool) -> RawPairs {
        let own = |pair: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = pair.map_err(to_io)?;
            Ok((key.to_vec(), value.to_vec()))
        };
        let pairs = self.db.range(from.to_vec()..to.to_vec());
        if back { Box::new(pairs.rev().map(own)) } else { Box::new(pairs.map(own)) }
    }

    fn apply(&self, changes: Changes) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(to_io)
    }

    fn sync(&self) -> io::Result<()> {
        self.db.flush().map_err(to_io)?;
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        size_of_files(&self.path)
    }
}

fn to_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(source) => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

/// How one try to open it failed.
enum Attempt {
    Damaged(String),
    Io(io::Error),
}

/// Before sled opens it: what sled would leave out in silence is put right, or refused. What was done.
fn prepare(path: &Path) -> Result<Option<String>, TreeError> {
    let mut repaired = None;
    if let Some(spare) = spare::needed(path)? {
        let copy = set_aside(path)?;
        tracing::warn!(why = spare.why, copy = %copy.display(), "putting a copy of the database's snapshot in its place");
        spare.place(path)?;
        repaired = Some(kept(spare.why, &copy));
    }
    let damaged = |why: String| Err(TreeError::Damaged { why, copy: Some(set_aside(path)?) });
    let (snapshot, before) = (spare::newest(path)?, session::witness(path)?.snapshot);
    if let Some(before) = before.filter(|before| snapshot.as_ref().is_none_or(|snapshot| snapshot < before)) {
        return damaged(format!("its {before} is gone, and no copy of it is left"));
    }
    let after = snapshot.and_then(|name| spare::place(&name)).unwrap_or(0);
    let file = path.join("db");
    match log::look(&file, after)? {
        Log::Whole => Ok(repaired),
        Log::Damaged(why) => damaged(why),
        Log::BreaksOff(why, behind) => {
            let copy = set_aside(path)?;
            tracing::warn!(why, copy = %copy.display(), "the database's log breaks off: dropping what is behind that");
            log::take_away(&file, &behind)?;
            Ok(Some(kept(&format!("{why}; what was written after that is dropped"), &copy)))
        }
    }
}

/// What was done, for people.
fn kept(why: &str, copy: &Path) -> String {
    format!("{why}; the files are kept in {}", copy.display())
}

/// Removes snapshots that were never finished.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()), // about to be made
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(spare::GENERATING) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// One try. A tree that this process has just closed is locked until sled's threads have let go of it.
fn attempt(path: &Path, cache_bytes: u64) -> Result<sled::Db, Attempt> {
    remove_unfinished(path).map_err(Attempt::Io)?;
    for _ in 0..LOCK_TRIES {
        match attempt_once(path, cache_bytes) {
            Err(Attempt::Io(why)) if why.to_string().starts_with("could not acquire lock") => thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    attempt_once(path, cache_bytes)
}

/// On a thread of its own: a panic ends that thread and no more. It must not sleep or wait for a time, since its timers
/// may be an hour late.
fn attempt_once(path: &Path, cache_bytes: u64) -> Result<sled::Db, Attempt> {
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .segment_size(log::SEGMENT)
        .flush_every_ms(None)
        .use_compression(false)
        .cache_capacity(cache_bytes);
    let opening = thread::Builder::new().name("store-open".into()).spawn(move || {
        if let Err(why) = nix::sys::prctl::set_timerslack(TIMER_SLACK) {
            tracing::debug!(%why, "sled's idle threads will wake once a second");
        }
        let db = config.open()?;
        db.flush()?; // starts sled's threads, on a new tree too
        Ok(db)
    });
    match opening.map_err(Attempt::Io)?.join() {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(source))) if source.kind() != io::ErrorKind::UnexpectedEof => Err(Attempt::Io(source)),
        Ok(Err(error)) => Err(Attempt::Damaged(error.to_string())),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(Attempt::Damaged(said.unwrap_or("it panicked").to_owned()))
        }
    }
}

/// Copies the directory beside itself, unless that was done at an earlier try: a copy made since it was last opened.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let (copy, unfinished) = (path.with_extension("damaged"), path.with_extension("damaged.new"));
    if !copy.exists() || session::witness(&copy)? != session::witness(path)? {
        super::layout::remove_dir(&unfinished)?;
        copy_dir(path, &unfinished)?;
        super::layout::remove_dir(&copy)?;
        fs::rename(unfinished, &copy)?;
        sync_dir(path.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(copy)
}

/// Has sled make `conf` anew.
fn remove_conf(path: &Path) -> io::Result<()> {
    match fs::remove_file(path.join("conf")) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => sync_dir(path),
    }
}

/// Copies files and directories, durably.
fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(target)?.sync_all()?;
        }
    }
    sync_dir(to)
}
