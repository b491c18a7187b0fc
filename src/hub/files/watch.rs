//! What the kernel tells of changes in directories of items, so that they are seen at once. What is not told, or lost, is
//! seen by the next pass: nothing depends on this.
//!
//! ```text
//!            keep (a look comes by)                     forget, swept (no look came by in a whole pass)
//!   (none) ─────────────────────────> watched ────────────────────────────────────────────────────────> (none)
//!                                       │  another directory is there now: watched anew
//!                                       └─ event ─> the item, and the names in it that it is about
//! ```
//!
//! Writing alone is not listened for: a large file that grows would be looked at all the time. Where the kernel grants no
//! more watches, that is said once, and the rest is looked at in its turn.

use super::directory::Directory;
use super::wanted::{Names, add_to};
use crate::hub::model::{ItemNo, PoolName};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Reads of news before others get a turn.
const TURN: usize = 64;

/// All watches.
pub(super) struct Watches {
    /// None: the kernel gives none.
    inotify: Option<Inotify>,
    known: Mutex<Known>,
    /// It was said that there are no more.
    said: AtomicBool,
}

#[derive(Default)]
struct Known {
    pools: HashMap<PoolName, HashMap<ItemNo, Kept>>,
    /// Two items may share a directory.
    items: HashMap<WatchDescriptor, Vec<(PoolName, ItemNo)>>,
}

/// The watch of one item's directory.
#[derive(Clone, Copy)]
struct Kept {
    watch: WatchDescriptor,
    /// Which directory: device and inode.
    directory: (u64, u64),
    /// The pass that came by last.
    pass: u64,
}

/// What the kernel told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// About which items, and which names in them.
    pub items: HashMap<(PoolName, ItemNo), Names>,
    /// Something was lost.
    pub lost: bool,
    /// There is more to be heard.
    pub more: bool,
}

impl Watches {
    /// Without any; where the kernel refuses, none are ever kept.
    pub(super) fn new() -> Watches {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        if let Err(why) = &inotify {
            tracing::warn!(%why, "no inotify: published files are looked at in their turn only");
        }
        Watches { inotify: inotify.ok(), known: Mutex::default(), said: AtomicBool::new(false) }
    }

    /// What becomes readable when there is news.
    pub(super) fn ears(&self) -> Option<AsyncFd<OwnedFd>> {
        let inotify = self.inotify.as_ref()?;
        let ears = inotify.as_fd().try_clone_to_owned();
        #[expect(deprecated, reason = "the successor is unsafe, to no gain: an `OwnedFd` never swaps its descriptor")]
        let ears = ears.and_then(|ears| AsyncFd::with_interest(ears, Interest::READABLE));
        ears.inspect_err(|why: &io::Error| tracing::warn!(%why, "inotify cannot be listened to")).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The news so far; a turn's worth.
    pub(super) fn hear(&self) -> Heard {
        let mut heard = Heard::default();
        let Some(inotify) = &self.inotify else { return heard };
        for _ in 0..TURN {
            match inotify.read_events() {
                Ok(events) => self.sort(events, &mut heard),
                Err(Errno::EINTR) => {}
                Err(_) => return heard,
            }
        }
        heard.more = true;
        heard
    }

    fn sort(&self, events: Vec<InotifyEvent>, heard: &mut Heard) {
        let mut known = self.lock();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                heard.lost = true;
                continue;
            }
            let Some(items) = known.items.get(&event.wd) else { continue };
            // About the directory itself, or about one name in it; files are published under names that are text.
            let names = match event.name.as_ref().map(|name| name.to_str()) {
                None => Names::All,
                Some(Some(name)) => Names::one(name.into()),
                Some(None) => continue,
            };
            for about in items {
                add_to(&mut heard.items, about.clone(), names.clone());
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                known.lose(event.wd);
            }
        }
    }

    /// Whether a directory is watched already; the pass came by.
    fn still(&self, pool: &PoolName, pass: u64, item: ItemNo, directory: (u64, u64)) -> bool {
        let mut known = self.lock();
        let kept = known.pools.get_mut(pool).and_then(|items| items.get_mut(&item));
        let Some(kept) = kept.filter(|kept| kept.directory == directory) else { return false };
        kept.pass = pass;
        true
    }

    /// Watches a directory.
    fn begin(&self, pool: &PoolName, pass: u64, item: ItemNo, directory: &Directory) -> Result<(), Errno> {
        let (Some(inotify), Some(directory_now)) = (&self.inotify, directory.identity()) else { return Ok(()) };
        // What was opened, not what may have come under its name since; without the lock, since a mount may hang.
        let path = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
        let watch = inotify.add_watch(path.as_str(), about())?;
        let mut known = self.lock();
        let unused = known.remove(pool, item).filter(|old| *old != watch);
        known.pools.entry(pool.clone()).or_default().insert(item, Kept { watch, directory: directory_now, pass });
        known.items.entry(watch).or_default().push((pool.clone(), item));
        drop(known);
        self.end(unused);
        Ok(())
    }

    fn end(&self, unused: impl IntoIterator<Item = WatchDescriptor>) {
        let Some(inotify) = &self.inotify else { return };
        for watch in unused {
            let _ = inotify.rm_watch(watch); // gone with its directory, perhaps
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().items.len()
    }
}

impl Known {
    /// Forgets an item; answers with its watch where nobody else needs it.
    fn remove(&mut self, pool: &PoolName, item: ItemNo) -> Option<WatchDescriptor> {
        let items = self.pools.get_mut(pool)?;
        let kept = items.remove(&item)?;
        if items.is_empty() {
            self.pools.remove(pool);
        }
        let others = self.items.get_mut(&kept.watch)?;
        others.retain(|(its_pool, other)| !(*other == item && its_pool == pool));
        if !others.is_empty() {
            return None;
        }
        self.items.remove(&kept.watch);
        Some(kept.watch)
    }

    /// The kernel has ended a watch.
    fn lose(&mut self, watch: WatchDescriptor) {
        for (pool, item) in self.items.remove(&watch).unwrap_or_default() {
            if let Some(items) = self.pools.get_mut(&pool) {
                items.remove(&item);
            }
        }
    }
}

fn about() -> AddWatchFlags {
    AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

/// The watches of one pool.
pub(super) struct PoolWatches {
    all: Arc<Watches>,
    pool: PoolName,
    pass: AtomicU64,
    /// The kernel grants no more, for this pass.
    full: AtomicBool,
}

impl PoolWatches {
    pub(super) fn new(all: Arc<Watches>, pool: PoolName) -> PoolWatches {
        PoolWatches { all, pool, pass: AtomicU64::new(0), full: AtomicBool::new(false) }
    }

    /// A pass begins.
    pub(super) fn begin(&self) {
        self.pass.fetch_add(1, Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
    }

    /// A whole pass is over: where it did not come by, nothing is published any more.
    pub(super) fn sweep(&self) {
        let pass = self.pass.load(Ordering::Relaxed);
        self.end(|kept| kept.pass != pass);
    }

    /// Nothing is published in the pool.
    pub(super) fn clear(&self) {
        self.end(|_| true);
    }

    fn end(&self, is_unused: impl Fn(&Kept) -> bool) {
        let mut known = self.all.lock();
        let Some(items) = known.pools.get(&self.pool) else { return };
        let unused: Vec<ItemNo> = items.iter().filter(|(_, kept)| is_unused(kept)).map(|(item, _)| *item).collect();
        let watches: Vec<_> = unused.into_iter().filter_map(|item| known.remove(&self.pool, item)).collect();
        drop(known);
        self.all.end(watches);
    }

    /// Watches the directory of an item from now on. Blocks.
    pub(super) fn keep(&self, item: ItemNo, directory: &Directory) {
        let pass = self.pass.load(Ordering::Relaxed);
        let is_watched = directory.identity().is_none_or(|identity| self.all.still(&self.pool, pass, item, identity));
        if is_watched || self.full.load(Ordering::Relaxed) {
            return;
        }
        if let Err(why) = self.all.begin(&self.pool, pass, item, directory) {
            self.full.store(true, Ordering::Relaxed);
            if !self.all.said.swap(true, Ordering::Relaxed) {
                tracing::warn!(%why, pool = %self.pool, "no inotify watch: some published files are looked at in their turn only");
            }
        }
    }

    /// The directory of an item is not there.
    pub(super) fn forget(&self, item: ItemNo) {
        let unused = self.all.lock().remove(&self.pool, item);
        self.all.end(unused);
    }
}

#[cfg(test)]
#[path = "tests/watch.rs"]
mod tests;
