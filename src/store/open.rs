//! Opening a store on disk: everything between the data directory and the first decision.
//!
//! ```text
//! lock --> finish a swap --> space --> tree (repaired if need be) --> format --> redo files --> objects
//!      --> older kinds migrated, after a backup --> compacted when mostly dead --> the writer starts
//! ```
//!
//! Any step may be cut short by a crash, and is done again at the next start.

use super::backend::Backend;
use super::batch::Op;
use super::committer::{Committer, Decision};
use super::disk::DiskView;
use super::formats::{self, Table};
use super::layout::{Layout, LockError};
use super::objects::{INDEX, Objects, indexed};
use super::reader::View;
use super::redo::{MARKER, Redo};
use super::reserve::{Reserve, Space};
use super::ticket::CommitError;
use super::tree::{Tree, TreeError, set_aside};
use super::writer::Hook;
use super::{backup, compact, session, spare, swap};
use crate::metrics::Metrics;
use nix::fcntl::Flock;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// How a store is opened: plain values.
#[derive(Clone)]
pub struct Settings {
    /// The data directory.
    pub dir: PathBuf,
    /// Bytes of the tree that are kept in memory, 64 MiB by default. At least what is read and written all the time.
    pub cache_bytes: u64,
    /// Bytes held for the time when the disk is full, 32 MiB by default.
    pub reserve_bytes: u64,
    /// The store is compacted when it is opened with more dead bytes than this, 256 MiB by default, unless more than
    /// [`MOST_LIVE`] are live: that would take too long at a start.
    pub most_dead_bytes: u64,
    /// The kinds of records: migrated at the start, shown by exports, verified by checks.
    pub tables: Vec<Table>,
    /// Called when a commit failed, on the writer's thread. The process has to end: what is on disk is unknown, and the
    /// store takes nothing more. By default it is logged, and the process exits with code 70.
    pub on_commit_error: Hook,
    /// Counts the commits.
    pub metrics: Option<Metrics>,
}

/// Live bytes beyond which only a person decides to compact; rewriting them takes seconds.
pub const MOST_LIVE: u64 = 64 * MIB;

impl Settings {
    /// The defaults, for this data directory.
    pub fn new(dir: impl Into<PathBuf>) -> Settings {
        let on_commit_error = |why: &CommitError| {
            tracing::error!(%why, "ending: nothing can be promised any more");
            std::process::exit(70) // EX_SOFTWARE; whoever supervises this process starts it again
        };
        Settings {
            dir: dir.into(),
            cache_bytes: 64 * MIB,
            reserve_bytes: 32 * MIB,
            most_dead_bytes: 256 * MIB,
            tables: Vec::new(),
            on_commit_error: Arc::new(on_commit_error),
            metrics: None,
        }
    }
}

/// Why a store does not open. All of them may be gone at the next try, save for the last three.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works in the data directory.
    #[error("{} is in use by process {holder}", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The process id that it left there.
        holder: String,
    },
    /// A file or directory cannot be used.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing could be written: the reserve is used up, too.
    #[error("the disk is full: {free} bytes are free, and nothing is left in reserve")]
    Full {
        /// Free bytes.
        free: u64,
    },
    /// The database is damaged beyond what can be made anew from its log.
    #[error("the database is damaged: {why}{}", copied(copy))]
    Damaged {
        /// What was found.
        why: String,
        /// The copy made before a repair was tried.
        copy: Option<PathBuf>,
    },
    /// Written by a newer hostler.
    #[error("{what} has format {found}, from the future: this version knows up to {known}")]
    FromTheFuture {
        /// The store, or a kind of record.
        what: &'static str,
        /// The number found.
        found: u32,
        /// The newest number this version knows.
        known: u32,
    },
    /// A record of an older format cannot be brought to the present one.
    #[error("cannot migrate {kind}: {why}; a backup is at {}", backup.display())]
    Migration {
        /// The kind of record.
        kind: &'static str,
        /// What is wrong.
        why: String,
        /// The backup made before.
        backup: PathBuf,
    },
    /// Two kinds of records claim the same byte: a mistake in the program.
    #[error("{one} and {other} have the same prefix")]
    KindTwice {
        /// A kind.
        one: &'static str,
        /// Another kind.
        other: &'static str,
    },
}

fn copied(copy: &Option<PathBuf>) -> String {
    copy.as_ref().map_or(String::new(), |copy| format!(" (a copy is at {})", copy.display()))
}

impl OpenError {
    /// For `map_err`: what was being done.
    pub(super) fn doing(doing: &'static str) -> impl Fn(io::Error) -> OpenError {
        move |source| OpenError::Io { doing, source }
    }

    /// The database does not give back what it holds.
    pub(super) fn reading(source: io::Error) -> OpenError {
        match source.kind() {
            io::ErrorKind::InvalidData => OpenError::Damaged { why: source.to_string(), copy: None },
            _ => OpenError::Io { doing: "read the database", source },
        }
    }
}

/// A store that is open, whole and of the present format. No thread writes yet.
pub(super) struct Opened {
    pub(super) layout: Layout,
    pub(super) lock: Arc<Flock<File>>,
    pub(super) tree: Arc<Tree>,
    pub(super) objects: Arc<Objects>,
    pub(super) committer: Committer,
    pub(super) reserve: Reserve,
    pub(super) space: Space,
    pub(super) live: u64,
    pub(super) repaired: Option<String>,
    pub(super) restored: Option<u64>,
}

/// Opens the store in a data directory.
pub(super) fn open(settings: &Settings) -> Result<Opened, OpenError> {
    let layout = Layout::new(&settings.dir);
    layout.create().map_err(OpenError::doing("create the data directory"))?;
    let lock = layout.lock().map_err(|why| match why {
        LockError::Held(holder) => OpenError::Locked { dir: settings.dir.clone(), holder },
        LockError::Io(source) => OpenError::Io { doing: "lock the data directory", source },
    })?;
    let lock = Arc::new(lock);
    let opened = open_locked(settings, &layout, lock.clone())?;
    if !compact::due(&opened, settings)? {
        return Ok(opened);
    }
    if let Err(why) = compact::rewrite(&opened, settings) {
        tracing::warn!(%why, "could not compact the database: it stays as it is");
        return Ok(opened); // what was built so far goes at the next start
    }
    drop(opened); // the old tree must be closed before the new one takes its place
    swap::commit(&layout).map_err(OpenError::doing("put the compacted database in its place"))?;
    compact::done(&layout).map_err(OpenError::doing("finish the compaction"))?;
    open_locked(settings, &layout, lock)
}

/// All but the lock and the compaction.
pub(super) fn open_locked(settings: &Settings, layout: &Layout, lock: Arc<Flock<File>>) -> Result<Opened, OpenError> {
    swap::finish(layout).map_err(OpenError::doing("finish a restore or a compaction"))?;
    layout.create().map_err(OpenError::doing("create the data directory"))?;
    let reserve = Reserve::open(&layout.reserve(), layout.db().join("db"), layout.dir(), settings.reserve_bytes)
        .map_err(OpenError::doing("open the reserve"))?;
    let (tree, repaired) = open_tree(layout, &reserve, settings.cache_bytes)?;
    let space = reserve.look(0).map_err(OpenError::doing("look at the free space"))?;
    let tree = Arc::new(tree);
    let known = formats::check_store(&*tree)?;
    let objects = Objects::open(layout.objects()).map_err(OpenError::doing("list the objects"))?;
    let objects = Arc::new(objects);
    let session = next_session(&*tree, layout, known, &objects)?;
    let live = formats::live_bytes(&*tree).map_err(OpenError::reading)?;
    let restored = formats::restored(&*tree).map_err(OpenError::reading)?;
    let mut committer = Committer::new(tree.clone(), objects.clone(), Redo::open(layout.redo()), live);
    recover(&*tree, &mut committer, &objects).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData => {
            OpenError::Damaged { why: source.to_string(), copy: set_aside(&layout.db()).ok() }
        }
        _ => OpenError::Io { doing: "recover what a crash interrupted", source },
    })?;
    let mut own = vec![session::mark(session)];
    own.extend((!known).then(formats::store_mark));
    commit_own(&mut committer, own)?;
    let testified =
        spare::newest(&layout.db()).and_then(|name| session::testify(&layout.db(), session, name.as_deref()));
    if let Err(why) = testified {
        tracing::warn!(%why, "cannot write down which snapshot the database has");
    }
    let view = DiskView { backend: tree.clone(), objects: objects.clone(), lock: None };
    migrate(&view, &mut committer, layout, &settings.tables)?;
    let (layout, live) = (layout.clone(), committer.live());
    Ok(Opened { layout, lock, tree, objects, committer, reserve, space, live, repaired, restored })
}

/// Opens the tree. It writes files of its own meanwhile, so while the disk is full it gets more and more of the reserve:
/// others may be faster to take what was set free.
fn open_tree(layout: &Layout, reserve: &Reserve, cache_bytes: u64) -> Result<(Tree, Option<String>), OpenError> {
    let mut space = reserve.make_room(0).map_err(OpenError::doing("look at the free space"))?;
    loop {
        if space.is_none_left() {
            return Err(OpenError::Full { free: space.free });
        }
        match Tree::open(&layout.db(), cache_bytes) {
            Ok(opened) => return Ok(opened),
            Err(TreeError::Io(why)) if why.kind() == io::ErrorKind::StorageFull && space.held > 0 => {
                space = reserve.make_room(space.free).map_err(OpenError::doing("give up some of the reserve"))?;
            }
            Err(TreeError::Io(source)) => return Err(OpenError::Io { doing: "open the database", source }),
            Err(TreeError::Damaged { why, copy }) => return Err(OpenError::Damaged { why, copy }),
        }
    }
}

/// The number of this opening, unless what was there at an earlier one is gone: then nothing may be taken for new, or
/// for left over.
fn next_session(tree: &dyn Backend, layout: &Layout, known: bool, objects: &Objects) -> Result<u64, OpenError> {
    let doing = "look at what the database was";
    let number = session::number(tree).map_err(OpenError::reading)?;
    let before = session::witness(&layout.db()).map_err(OpenError::doing(doing))?.number;
    let why = if number < before {
        "what was written to it since an earlier start is gone"
    } else if !known && !objects.list().map_err(OpenError::doing("list the objects"))?.is_empty() {
        "it is empty, but there are objects that belong to it"
    } else {
        return Ok(number + 1);
    };
    let copy = set_aside(&layout.db()).map_err(OpenError::doing("copy the damaged database"))?;
    Err(OpenError::Damaged { why: why.into(), copy: Some(copy) })
}

/// Redoes what markers name; then removes redo files and objects that nothing names.
fn recover(tree: &dyn Backend, committer: &mut Committer, objects: &Objects) -> io::Result<()> {
    let markers: Vec<_> = tree.scan(&[MARKER], &[MARKER + 1], false).collect::<Result<_, _>>()?;
    for (marker, value) in markers {
        tracing::info!("finishing a decision that a crash interrupted");
        committer.recover(marker, &value)?;
    }
    committer.forget_uncommitted()?;
    let mut named = HashSet::new();
    for pair in tree.scan(&[INDEX], &[INDEX + 1], false) {
        named.extend(indexed(&pair?.0));
    }
    objects.retain(&named)
}

/// Commits operations of the store itself, before the writer runs.
fn commit_own(committer: &mut Committer, ops: Vec<Op>) -> Result<(), OpenError> {
    let decision = Decision { ops, answer: None };
    committer.commit(vec![decision], false).map(drop).map_err(OpenError::doing("write to the database"))
}

/// Brings the records of older kinds to the present format.
fn migrate(view: &DiskView, committer: &mut Committer, layout: &Layout, tables: &[Table]) -> Result<(), OpenError> {
    let (new, old) = formats::compare(&*view.backend, tables)?;
    let mark = |table: &Table| formats::kind_mark(table.kind().byte(), table.format());
    if !new.is_empty() {
        commit_own(committer, new.iter().map(mark).collect())?;
    }
    if old.is_empty() {
        return Ok(());
    }
    let backup = backup::before_migration(view, layout).map_err(OpenError::doing("back up before a migration"))?;
    for table in old {
        tracing::info!(kind = table.kind().name(), format = table.format(), "migrating");
        let failed = |why: String| OpenError::Migration { kind: table.kind().name(), why, backup: backup.clone() };
        let mut ops = Vec::new();
        for pair in view.scan(vec![table.kind().byte()], vec![table.kind().byte() + 1], false) {
            let (key, value) = pair.map_err(|why| failed(why.to_string()))?;
            let value = table.renew(&value).map_err(|why| failed(why.to_string()))?;
            ops.push(Op::Put { key, value });
            if ops.len() == super::backend::MOST_CHANGES {
                commit_own(committer, std::mem::take(&mut ops))?;
            }
        }
        ops.push(mark(&table));
        commit_own(committer, ops)?;
    }
    committer.unlink().map_err(OpenError::doing("remove replaced objects"))
}
