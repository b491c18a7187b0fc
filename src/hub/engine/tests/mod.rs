//! Stories over a store in memory and files in a directory, and one in which the daemon dies at every commit.

mod crash;
mod newcomers;
mod stories;

use super::{Handle, Settings, Tools, start};
use crate::auth::{Accounts, Audit};
use crate::base::{Bus, Now};
use crate::cache::engine::Owners;
use crate::cache::machine::Quota;
use crate::cache::model::PinOwner;
use crate::cache::{self, origin};
use crate::dag::tests::double::Double;
use crate::hub::files;
use crate::hub::machine::{Ask, By, NewItem, NewPool, NewTag, Room, Rules, Verdict};
use crate::hub::model::{Access, Digests, ItemName, PoolName, Reading, RepName, Requirements, Stamp, Tag, TagName};
use crate::store::Store;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long something may take that is about to happen.
const SOON: Duration = Duration::from_secs(30);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(100_000);
/// The built-in operator.
const OPERATOR: By = By { account: 0, admin: true };

struct Alive;

impl Owners for Alive {
    fn lives<'a>(&'a self, _: &'a PinOwner) -> BoxFuture<'a, bool> {
        async { true }.boxed()
    }
}

/// What the lives of a daemon share: everything but the hub.
struct World {
    double: Double,
    downloads: cache::Handle,
    accounts: Accounts,
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
        let accounts = Accounts::load(Store::in_memory()).unwrap();
        let tools = cache::Tools {
            store: Store::in_memory(),
            accounts: accounts.clone(),
            audit: Audit::discarding(),
            bus: Bus::new(Now::read().wall),
            metrics: double.metrics.clone(),
            owners: Arc::new(Alive),
        };
        let (downloads, engine) = cache::start(tools, cache_settings(dir.path().join("cache"))).await.unwrap();
        tokio::spawn(engine.run());
        World { double, downloads, accounts, dir }
    }

    /// The directory of the only pool.
    fn pool(&self) -> PathBuf {
        self.dir.path().join("pool")
    }

    /// A file of the only item.
    fn write(&self, file: &str, content: &str) {
        let dir = self.pool().join("tiles");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(file), content).unwrap();
    }

    /// A life of the hub with this store; none: it can write nothing, and so does not begin.
    async fn life(&self, store: &Store) -> Option<Life> {
        let tools = Tools {
            store: store.clone(),
            accounts: self.accounts.clone(),
            bus: self.double.bus.clone(),
            metrics: self.double.metrics.clone(),
            tasks: self.double.tasks.clone(),
            runs: self.double.runs.clone(),
            downloads: self.downloads.clone(),
        };
        let (handle, engine) = start(tools, settings(self.dir.path())).await.ok()?;
        Some(Life { handle, driver: tokio::spawn(engine.run()) })
    }
}

fn cache_settings(dir: PathBuf) -> cache::Settings {
    cache::Settings {
        rules: cache::machine::Rules {
            quota: Quota { bytes: None, low_percent: 80, keep_free: 0, tasks: 10 },
            ttl: NEVER,
            keep_jobs: 10,
            keep_jobs_for: NEVER,
            cluster_name: "cluster-1".into(),
            ip: "192.0.2.1".into(),
            accounts: BTreeSet::new(),
            collect_every: NEVER,
            note_use_every: NEVER,
        },
        dir,
        origin: origins(),
        retries: 0,
        retry_after: SOON,
        scrub_rate: 0,
        hostname: "host".into(),
        ip: "192.0.2.1".parse().unwrap(),
        long_peer_ids: false,
        host_type: "super",
        keep_audit_for: NEVER,
        session: NEVER,
        proxy: None,
    }
}

fn origins() -> origin::Settings {
    origin::Settings {
        allow_loopback: true,
        own: Vec::new(),
        connect_timeout: SOON,
        idle_timeout: SOON,
        registries: Vec::new(),
    }
}

fn settings(root: &Path) -> Settings {
    Settings {
        rules: Rules {
            beat_every: NEVER,
            offline_after: NEVER,
            log_ring: 1_000,
            hash_every: NEVER,
            inline_hash_max: 1 << 20,
            keep_jobs: 100,
            keep_jobs_for: NEVER,
            listens: false,
            pulls: 1,
            stat_every: Duration::from_millis(50),
        },
        stat_every: Duration::from_millis(50),
        hash_rate: 0,
        pool_roots: vec![root.to_owned()],
        trust_daemonid: false,
        entry: Vec::new(),
        origin: origins(),
    }
}

/// One life of the hub; its end is that of whoever drives it.
struct Life {
    handle: Handle,
    driver: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Life {
    /// Asks, and is not refused.
    async fn ask(&self, ask: Ask) -> Verdict {
        let verdict = tokio::time::timeout(SOON, self.handle.ask(ask)).await.unwrap().unwrap();
        assert!(!matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
        verdict
    }

    /// Returns when it is so.
    async fn until(&self, so: impl Fn(&Room) -> bool) {
        let mut news = self.handle.0.news.subscribe();
        let wait = async {
            while !self.handle.look(&so) {
                news.changed().await.unwrap();
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("it becomes so");
    }

    fn tag(&self, name: &str) -> Option<Arc<Tag>> {
        self.handle.look(|room| find(room, name))
    }
}

fn find(room: &Room, name: &str) -> Option<Arc<Tag>> {
    let item = room.item(&rep(), &item())?;
    room.tag(item.no, &TagName::new(name).unwrap()).cloned()
}

fn rep() -> RepName {
    RepName::new("maps").unwrap()
}

fn item() -> ItemName {
    ItemName::new("tiles").unwrap()
}

fn make_pool(dir: PathBuf) -> Ask {
    fs::create_dir_all(&dir).unwrap();
    Ask::MakePool(OPERATOR, NewPool { name: PoolName::new("a").unwrap(), dir })
}

fn make_item() -> Ask {
    let new = NewItem {
        rep: rep(),
        name: item(),
        pool: PoolName::new("a").unwrap(),
        dir: "tiles".into(),
        access: Access::Public,
        comment: "".into(),
    };
    Ask::MakeItem(OPERATOR, new)
}

/// What a file is, read now.
async fn measured(pool: PathBuf, file: &'static str) -> (Stamp, Digests) {
    let read = move || files::measure(&pool, "tiles", file, &|_| true);
    match tokio::task::spawn_blocking(read).await.unwrap() {
        Some(Reading::Whole(stamp, digests)) => (stamp, digests),
        other => panic!("{other:?}"),
    }
}

/// A tag of the same name as its file.
fn new_tag(name: &str, read: Option<(Stamp, Digests)>) -> NewTag {
    NewTag {
        rep: rep(),
        item: item(),
        tag: TagName::new(name).unwrap(),
        detail: name.into(),
        comment: "".into(),
        requires: Requirements::default(),
        replace: false,
        size: read.map_or(0, |(stamp, _)| stamp.size),
        read,
    }
}

fn publish(new: NewTag) -> Ask {
    Ask::Publish(OPERATOR, Box::new(new))
}
