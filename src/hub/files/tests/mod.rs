//! A room of three functions with real files, and the whole driver in it.

use super::house::House;
use super::{Verifier, look, open};
use crate::hub::machine::{Event, Expected, ReadOrder};
use crate::hub::model::{ItemNo, Look, LookedAt, PoolName, Reading, TagNo};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a test waits for what must come.
pub(super) const BOUND: Duration = Duration::from_secs(20);

/// The room's double: it believes every look.
#[derive(Clone)]
pub(super) struct Yard {
    state: Arc<Mutex<State>>,
    told: UnboundedSender<Event>,
}

#[derive(Default)]
struct State {
    pools: BTreeMap<PoolName, Arc<PathBuf>>,
    items: BTreeMap<ItemNo, PoolName>,
    files: BTreeMap<(ItemNo, TagNo), Expected>,
}

impl Yard {
    pub(super) fn new() -> (Yard, UnboundedReceiver<Event>) {
        let (told, events) = unbounded_channel();
        (Yard { state: Arc::default(), told }, events)
    }

    pub(super) fn add_pool(&self, name: &str, dir: PathBuf) -> PoolName {
        let name = pool_name(name);
        self.state.lock().unwrap().pools.insert(name.clone(), Arc::new(dir));
        name
    }

    pub(super) fn drop_pool(&self, name: &PoolName) {
        self.state.lock().unwrap().pools.remove(name);
    }

    /// Publishes a file as tag `no` of an item whose directory is called `i` and its number.
    pub(super) fn publish(&self, pool: &PoolName, item: u64, no: u64, file: &str) {
        let mut state = self.state.lock().unwrap();
        state.items.insert(ItemNo(item), pool.clone());
        state.files.insert((ItemNo(item), TagNo(no)), expected(&format!("i{item}"), no, file));
    }

    pub(super) fn withdraw(&self, no: u64) {
        self.state.lock().unwrap().files.retain(|(_, tag), _| *tag != TagNo(no));
    }

    pub(super) fn of(&self, no: u64) -> Expected {
        let state = self.state.lock().unwrap();
        state.files.iter().find(|((_, tag), _)| *tag == TagNo(no)).unwrap().1.clone()
    }
}

pub(super) fn pool_name(name: &str) -> PoolName {
    PoolName::new(name).unwrap()
}

pub(super) fn expected(dir: &str, no: u64, file: &str) -> Expected {
    Expected { no: TagNo(no), dir: dir.into(), detail: file.into(), look: None, looked: LookedAt::default() }
}

impl House for Yard {
    fn pools(&self) -> Vec<PoolName> {
        self.state.lock().unwrap().pools.keys().cloned().collect()
    }

    fn pool(&self, name: &PoolName) -> Option<(Arc<PathBuf>, usize)> {
        let state = self.state.lock().unwrap();
        let count = state.files.keys().filter(|(item, _)| state.items.get(item) == Some(name)).count();
        state.pools.get(name).map(|dir| (dir.clone(), count))
    }

    fn pool_of(&self, item: ItemNo) -> Option<PoolName> {
        self.state.lock().unwrap().items.get(&item).cloned()
    }

    fn files(&self, pool: &PoolName, after: Option<(ItemNo, TagNo)>, most: usize) -> Vec<(ItemNo, Expected)> {
        let state = self.state.lock().unwrap();
        let is_its = |item: &ItemNo| state.items.get(item) == Some(pool);
        let later = state.files.iter().filter(|(key, _)| is_its(&key.0) && after.is_none_or(|after| **key > after));
        later.take(most).map(|((item, _), file)| (*item, file.clone())).collect()
    }

    fn files_of(&self, item: ItemNo, after: Option<TagNo>, most: usize) -> Vec<Expected> {
        let state = self.state.lock().unwrap();
        let its = state.files.iter().filter(|((of, no), _)| *of == item && after.is_none_or(|after| *no > after));
        its.take(most).map(|(_, file)| file.clone()).collect()
    }

    fn files_called(&self, item: ItemNo, names: &HashSet<Arc<str>>) -> Vec<Expected> {
        let all = self.files_of(item, None, usize::MAX).into_iter();
        all.filter(|file| names.contains(&file.detail)).collect()
    }

    fn tell(&self, event: Event) {
        if let Event::Looked(looks) = &event {
            let mut state = self.state.lock().unwrap();
            for ((_, tag), file) in &mut state.files {
                if let Some((_, look)) = looks.iter().find(|(no, _)| no == tag) {
                    file.look = Some(look.clone());
                }
            }
        }
        let _ = self.told.send(event);
    }
}

/// The next event; it must come.
pub(super) async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    tokio::time::timeout(BOUND, events.recv()).await.expect("an event within the bound").expect("the room goes on")
}

/// The next looks that were told, passes left out.
pub(super) async fn looks(events: &mut UnboundedReceiver<Event>) -> Vec<(TagNo, Look)> {
    loop {
        match next(events).await {
            Event::Looked(looks) => return looks,
            Event::Passed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits for the end of the next pass; nothing else may come before.
pub(super) async fn passed(events: &mut UnboundedReceiver<Event>) -> PoolName {
    match next(events).await {
        Event::Passed(pool) => pool,
        other => panic!("{other:?}"),
    }
}

/// A pool's directory without symbolic links in its path.
pub(super) fn pool_dir() -> (TempDir, PathBuf) {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().canonicalize().unwrap().join("pool");
    fs::create_dir(&dir).unwrap();
    (temp, dir)
}

/// What a file is now.
pub(super) fn there(pool: &std::path::Path, dir: &str, file: &str) -> Look {
    let (_, stamp) = open(pool, dir, file).unwrap();
    Look::There(stamp)
}

fn never() -> Duration {
    Duration::from_secs(3600)
}

#[tokio::test]
async fn the_kernel_tells_of_changes_long_before_the_next_pass() {
    let (_temp, dir) = pool_dir();
    fs::create_dir(dir.join("i1")).unwrap();
    fs::write(dir.join("i1/a"), "one").unwrap();
    let (yard, mut events) = Yard::new();
    let pool = yard.add_pool("p", dir.clone());
    yard.publish(&pool, 1, 1, "a");
    let verifier = Verifier::new(never(), 0, 0);
    let running = tokio::spawn(verifier.run_in(yard.clone()));
    assert_eq!(looks(&mut events).await, [(TagNo(1), there(&dir, "i1", "a"))]);
    assert_eq!(passed(&mut events).await, pool);

    // Put in its place.
    fs::write(dir.join("i1/b"), "two").unwrap();
    fs::rename(dir.join("i1/b"), dir.join("i1/a")).unwrap();
    assert_eq!(looks(&mut events).await, [(TagNo(1), there(&dir, "i1", "a"))]);
    // Gone, and there again.
    fs::remove_file(dir.join("i1/a")).unwrap();
    assert_eq!(looks(&mut events).await, [(TagNo(1), Look::Missing)]);
    fs::write(dir.join("i1/a"), "three").unwrap();
    let back = looks(&mut events).await;
    assert!(matches!(back[..], [(TagNo(1), Look::There(_))]), "{back:?}");
    running.abort();
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_seen_and_watched_anew() {
    let (_temp, dir) = pool_dir();
    fs::create_dir_all(dir.join("i1")).unwrap();
    fs::create_dir_all(dir.join("other")).unwrap();
    fs::write(dir.join("i1/a"), "one").unwrap();
    let (yard, mut events) = Yard::new();
    let pool = yard.add_pool("p", dir.clone());
    yard.publish(&pool, 1, 1, "a");
    let verifier = Verifier::new(never(), 0, 0);
    let running = tokio::spawn(verifier.clone().run_in(yard.clone()));
    looks(&mut events).await;
    passed(&mut events).await;

    fs::rename(dir.join("i1"), dir.join("old")).unwrap();
    let gone = looks(&mut events).await;
    assert!(matches!(&gone[..], [(TagNo(1), Look::PoolGone(why))] if why.contains("i1")), "{gone:?}");
    fs::rename(dir.join("other"), dir.join("i1")).unwrap();
    // The pool's own directory is not watched: that is for the passes, or for whoever asks.
    verifier.look_at(ItemNo(1), "a".into());
    assert_eq!(looks(&mut events).await, [(TagNo(1), Look::Missing)]);
    fs::write(dir.join("i1/a"), "two").unwrap();
    let back = looks(&mut events).await;
    assert!(matches!(back[..], [(TagNo(1), Look::There(_))]), "{back:?}");
    running.abort();
}

#[tokio::test]
async fn what_is_asked_before_it_runs_is_done_and_new_pools_are_found() {
    let (_temp, dir) = pool_dir();
    fs::create_dir(dir.join("i1")).unwrap();
    fs::write(dir.join("i1/a"), "abc").unwrap();
    let (yard, mut events) = Yard::new();
    let verifier = Verifier::new(never(), 0, 0);
    let order = ReadOrder {
        tag: TagNo(7),
        number: 1,
        pool: Arc::new(dir.clone()),
        dir: "i1".into(),
        detail: "a".into(),
        gently: false,
    };
    verifier.read(order);
    let running = tokio::spawn(verifier.clone().run_in(yard.clone()));
    let Event::Read(TagNo(7), _, Reading::Whole(stamp, _)) = next(&mut events).await else { panic!() };
    assert_eq!(Look::There(stamp), look(&dir, "i1", "a"));

    let pool = yard.add_pool("p", dir.clone());
    verifier.pools_changed();
    assert_eq!(passed(&mut events).await, pool);
    yard.publish(&pool, 1, 1, "a");
    verifier.look_at(ItemNo(1), "a".into());
    assert_eq!(looks(&mut events).await, [(TagNo(1), Look::There(stamp))]);

    // Forgotten, and made anew under the same name somewhere else.
    yard.drop_pool(&pool);
    verifier.pools_changed();
    let (_other_temp, other) = pool_dir();
    yard.add_pool("p", other);
    verifier.pools_changed();
    let moved = looks(&mut events).await;
    assert!(matches!(&moved[..], [(TagNo(1), Look::PoolGone(_))]), "{moved:?}");
    running.abort();
}
