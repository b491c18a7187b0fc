//! A story told once for each commit at which the process dies, with contents on a disk and an origin on loopback: what the
//! next process finds is whole, nothing that was answered is missing, and all that was begun comes to an end.

use crate::auth::{Accounts, Audit};
use crate::base::{Bus, Now};
use crate::cache::engine::{Failed, Handle, JobSecrets, Owners, Settings, Tools, start};
use crate::cache::machine::{Ask, Errand, Quota, Refusal, Rules, Verdict, Wanted};
use crate::cache::model::{
    Args, ClusterChange, ClusterId, FindArgs, FindBy, Identity, JobId, JobState, Limits, Naming, NewCluster, NewJob,
    PinOwner, Platform, PreheatArgs, PreheatKind, Scope, Scopes, TaskNo, TaskState,
};
use crate::cache::origin;
use crate::cache::origin::tests::double::{Double, Reply};
use crate::cache::registry::Credentials;
use crate::metrics::Metrics;
use crate::store::Store;
use futures_util::future::{BoxFuture, pending};
use futures_util::{FutureExt, TryStreamExt};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long something may take that is about to happen.
const SOON: Duration = Duration::from_secs(30);
/// Between two looks at what is about to be so.
const MOMENT: Duration = Duration::from_millis(2);

struct Alive;

impl Owners for Alive {
    fn lives<'a>(&'a self, _: &'a PinOwner) -> BoxFuture<'a, bool> {
        async { true }.boxed()
    }
}

/// What the origin has under a name.
fn content(name: &str) -> String {
    format!("the content of {name}, ").repeat(500)
}

async fn origin() -> Double {
    Double::start(|seen| match seen.target.trim_start_matches('/') {
        name if name.starts_with("missing") => Reply::status(404),
        name => Reply::text(content(name)).with(hyper::header::ETAG, "\"1\""),
    })
    .await
}

/// One life of the daemon; its end is that of whoever drives it.
struct Life {
    handle: Handle,
    driver: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn life(store: &Store, dir: &Path) -> Life {
    let quota = Quota { bytes: None, low_percent: 80, keep_free: 0, tasks: 1_000 };
    let rules = Rules {
        quota,
        ttl: Duration::from_secs(3_600),
        keep_jobs: 1_000,
        keep_jobs_for: Duration::from_secs(3_600),
        cluster_name: "cluster-1".into(),
        ip: "192.0.2.1".into(),
        accounts: BTreeSet::new(),
        collect_every: Duration::from_secs(3_600),
        note_use_every: Duration::from_secs(3_600),
    };
    let settings = Settings {
        rules,
        dir: dir.to_owned(),
        origin: origin::Settings {
            allow_loopback: true,
            own: Vec::new(),
            connect_timeout: SOON,
            idle_timeout: SOON,
            registries: Vec::new(),
        },
        retries: 0,
        retry_after: MOMENT,
        scrub_rate: 0,
        hostname: "host".into(),
        ip: "192.0.2.1".parse().unwrap(),
        long_peer_ids: false,
        host_type: "super",
        keep_audit_for: Duration::from_secs(3_600),
        session: Duration::from_secs(3_600),
        proxy: None,
    };
    let tools = Tools {
        store: store.clone(),
        accounts: Accounts::load(Store::in_memory()).unwrap(),
        audit: Audit::discarding(),
        bus: Bus::new(Now::read().wall),
        metrics: Metrics::new("0"),
        owners: Arc::new(Alive),
    };
    let (handle, engine) = start(tools, settings).await.unwrap();
    Life { handle, driver: tokio::spawn(engine.run()) }
}

fn naming() -> Naming {
    let filter = Identity::of_url("https://files.example.net/a").filter;
    Naming { piece_length: None, tag: String::new(), application: String::new(), filter }
}

fn preheat(urls: Vec<String>) -> Args {
    Args::Preheat(PreheatArgs {
        kind: PreheatKind::File,
        url: String::new(),
        urls: Some(urls),
        images: Vec::new(),
        naming: naming(),
        headers: None,
        username: String::new(),
        password: String::new(),
        platform_text: String::new(),
        platform: Platform::All,
        scope: Scope::SingleSeedPeer,
        ips: None,
        count: None,
        percentage: None,
        concurrent_tasks: 2,
        concurrent_peers: 1,
        timeout: Duration::from_secs(3_600),
        revalidate: false,
        ttl: None,
        pin: None,
        digest: None,
    })
}

fn deletion(url: &str) -> Args {
    Args::DeleteTask(FindArgs {
        by: FindBy::Url(Box::new(naming().of(url))),
        task_id: String::new(),
        url: url.to_owned(),
        content: None,
        naming: naming(),
        concurrent_peers: 1,
        timeout: Duration::from_secs(3_600),
        image: false,
        headers: None,
        username: String::new(),
        password: String::new(),
        platform: String::new(),
    })
}

fn wanted(url: &str) -> Wanted {
    let identity = Identity::of_url(url);
    Wanted {
        ids: identity.ids(),
        digest: None,
        identity,
        private: false,
        ttl: None,
        pin: None,
        revalidate: false,
        peer: Uuid::from_u128(9),
    }
}

/// What was answered, and so must hold in every later life.
#[derive(Default)]
struct Known {
    jobs: Vec<JobId>,
    gone_job: Option<JobId>,
    pinned: Option<TaskNo>,
    removed: Vec<TaskNo>,
    cluster: Option<ClusterId>,
}

/// Why a story broke off: the daemon is dead.
struct Dead;

impl From<Failed> for Dead {
    fn from(_: Failed) -> Dead {
        Dead
    }
}

struct Told<'a> {
    life: &'a Life,
    known: &'a mut Known,
    /// Whether it can write no more.
    is_dead: &'a (dyn Fn() -> bool + Sync),
}

impl Told<'_> {
    async fn job(&mut self, args: Args) -> Result<JobId, Dead> {
        let new = NewJob {
            group: Uuid::from_u128(1),
            unit: Uuid::from_u128(2),
            bio: String::new(),
            user: 0,
            args: Arc::new(args),
            clusters: Vec::new(),
            has_secrets: false,
        };
        let verdict = self.life.handle.submit(new, JobSecrets::default()).await?;
        let Verdict::Job(job) = verdict else { panic!("{verdict:?}") };
        self.known.jobs.push(job.id);
        Ok(job.id)
    }

    async fn over(&self, id: JobId) -> Result<JobState, Dead> {
        let began = Instant::now();
        while began.elapsed() < SOON {
            match self.life.handle.job_over(id, MOMENT, pending()).await? {
                Some(job) if job.state() != JobState::Pending => return Ok(job.state()),
                _ if (self.is_dead)() => return Err(Dead),
                _ => {}
            }
        }
        panic!("job {id:?} does not end");
    }

    async fn ask(&self, ask: Ask) -> Result<Verdict, Dead> {
        tokio::select! {
            biased;
            verdict = self.life.handle.ask(ask) => {
                let verdict = verdict?;
                assert!(!matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
                Ok(verdict)
            }
            () = self.death() => Err(Dead),
        }
    }

    /// What waits for a removal is never answered by a daemon that can write no more: it would have ended.
    async fn death(&self) {
        while !(self.is_dead)() {
            tokio::time::sleep(MOMENT).await;
        }
    }

    fn task(&self, url: &str) -> TaskNo {
        let ids = naming().of(url).ids();
        self.life.handle.look(|room| room.find(&ids.primary).map(|task| task.no)).expect("a task that is there")
    }

    async fn tell(&mut self, origin: &Double) -> Result<(), Dead> {
        let url = |name: &str| origin.url(&format!("/{name}"));
        let first = self.job(preheat(vec![url("a"), url("missing"), url("b"), url("c")])).await?;
        assert_eq!(self.over(first).await?, JobState::Success);
        let a = self.task(&url("a"));
        let _ = self.ask(Ask::Pin(a, PinOwner::Name("me".into()))).await?;
        self.known.pinned = Some(a);
        // Who reads is answered before anything is on the disk.
        let opened = match self.life.handle.open(wanted(&url("read")), Credentials::default()).await? {
            Ok(opened) => opened,
            Err(why) => panic!("{why}"),
        };
        let bytes: Vec<_> =
            self.life.handle.contents().read(&opened.task, 0..u64::MAX).try_collect().await.expect("a content");
        assert_eq!(bytes.concat(), content("read").as_bytes());
        drop(opened);
        let b = self.task(&url("b"));
        let second = self.job(deletion(&url("b"))).await?;
        self.over(second).await?;
        if self.life.handle.look(|room| room.task(b).is_none()) {
            self.known.removed.push(b);
        }
        let c = self.task(&url("c"));
        let _ = self.ask(Ask::Remove(vec![c])).await?;
        self.known.removed.push(c);
        let new = NewCluster {
            name: "other".into(),
            bio: String::new(),
            limits: Limits::default(),
            scopes: Scopes::default(),
            is_default: false,
        };
        let Verdict::Cluster(cluster) = self.ask(Ask::CreateCluster(Box::new(new))).await? else { panic!() };
        self.known.cluster = Some(cluster.id);
        let bio = Some("changed".into());
        let _ = self.ask(Ask::PatchJob { id: first, bio, user: None }).await?;
        self.known.jobs.retain(|id| *id != second);
        let _ = self.ask(Ask::ForgetJob(second)).await?;
        self.known.gone_job = Some(second);
        let missing = self.job(preheat(vec![url("missing2")])).await?;
        assert_eq!(self.over(missing).await?, JobState::Failure);
        let change = ClusterChange { bio: Some("more".into()), ..ClusterChange::default() };
        let _ = self.ask(Ask::PatchCluster(ClusterId::LOCAL, Box::new(change))).await?;
        Ok(())
    }
}

/// All files of a directory, in another one: as a dead daemon leaves them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        // What the dead one's thread still does with its own is nobody's matter any more.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy(&entry.path(), &to),
            Ok(_) => drop(fs::copy(entry.path(), &to)),
            Err(_) => {}
        }
    }
}

/// Returns when nothing is left to be done.
async fn calm(life: &Life) {
    let began = Instant::now();
    loop {
        let is_calm = life.handle.look(|room| {
            let tasks = room.tasks().all(|task| !matches!(task.state, TaskState::Doomed | TaskState::Fetching));
            let jobs = room.heads().all(|head| head.state != JobState::Pending);
            tasks && jobs && room.deadline().is_none_or(|at| at > Now::read().mono)
        });
        if is_calm {
            return;
        }
        assert!(began.elapsed() < SOON, "it does not come to rest");
        tokio::time::sleep(MOMENT).await;
    }
}

/// Dies after so many commits, and lives again.
async fn dies(after: u64, origin: &Double) -> bool {
    let (dir, store) = (tempfile::tempdir().unwrap(), Store::dying_after(after));
    let mut known = Known::default();
    let dead = store.clone();
    let finished = {
        let life = life(&store, &dir.path().join("first")).await;
        let is_dead = move || dead.stats().commits >= after;
        let mut told = Told { life: &life, known: &mut known, is_dead: &is_dead };
        let story = tokio::time::timeout(SOON, told.tell(origin)).await.expect("it ends, or dies");
        story.is_ok()
    };
    let reborn = store.survivors();
    let place = dir.path().join("second");
    copy(&dir.path().join("first"), &place);
    let next = life(&reborn, &place).await;
    calm(&next).await;
    for id in &known.jobs {
        let job = next.handle.job(*id).await.unwrap();
        assert!(job.is_some_and(|job| job.state() != JobState::Pending), "after {after}: job {id:?}");
    }
    for no in &known.removed {
        assert!(next.handle.look(|room| room.task(*no).is_none()), "after {after}: {no:?} is back");
    }
    if let Some(id) = known.gone_job {
        assert!(next.handle.job(id).await.unwrap().is_none(), "after {after}: job {id:?} is back");
    }
    if let Some(no) = known.pinned {
        let pins = next.handle.look(|room| room.task(no).map(|task| task.pins.len()));
        assert_eq!(pins, Some(1), "after {after}");
    }
    if let Some(id) = known.cluster {
        assert!(next.handle.look(|room| room.clusters().any(|cluster| cluster.id == id)), "after {after}");
    }
    let tasks: Vec<_> = next.handle.look(|room| room.tasks().cloned().collect());
    for task in tasks.iter().filter(|task| task.is_complete()) {
        let name = task.identity.url.rsplit('/').next().unwrap();
        let bytes: Vec<_> = next.handle.contents().read(task, 0..u64::MAX).try_collect().await.expect("a content");
        assert_eq!(bytes.concat(), content(name).as_bytes(), "after {after}");
    }
    next.handle.drain().await;
    assert_eq!(reborn.check(&next.handle.rules()).findings, [""; 0], "after {after} commits");
    // A number is given once, in all lives.
    let opened = next.handle.open(wanted(&origin.url("/late")), Credentials::default()).await.unwrap();
    let Ok(opened) = opened else { panic!("refused") };
    let before = known.removed.iter().chain(&known.pinned).max();
    assert!(before.is_none_or(|before| opened.task.no > *before), "after {after}");
    finished
}

#[tokio::test]
async fn at_every_commit() {
    let origin = origin().await;
    let mut after = 0;
    while !dies(after, &origin).await {
        after += 1;
        assert!(after < 200, "the story has an end");
    }
    assert!(after > 15, "most of it is written: {after}");
}

#[tokio::test]
async fn whoever_asks_a_closed_room_hears_why_and_it_opens_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("cache");
    fs::write(&place, "in the way").unwrap();
    let store = Store::in_memory();
    let life = life(&store, &place).await;
    let Err(why) = life.handle.ask(Ask::Collect).await else { panic!("it is closed") };
    assert!(matches!(&why, Failed::Closed(why) if why.contains(&*place.to_string_lossy())), "{why}");
    assert!(life.handle.hit(&wanted("https://files.example.net/a").ids).is_none());
    life.handle.drain().await;
    assert_eq!(life.handle.rules().len(), 6);
}

#[tokio::test]
async fn who_asks_for_what_is_being_removed_or_is_not_there_is_answered() {
    let origin = origin().await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::in_memory();
    let life = life(&store, dir.path()).await;
    let url = origin.url("/a");
    let Ok(Ok(first)) = life.handle.open(wanted(&url), Credentials::default()).await else { panic!() };
    let no = first.task.no;
    // While it is fetched, removed, and wanted again, all at once.
    let (removed, again) =
        tokio::join!(life.handle.ask(Ask::Remove(vec![no])), life.handle.open(wanted(&url), Credentials::default()));
    assert!(matches!(removed, Ok(Verdict::Removed { .. })));
    let Ok(Ok(again)) = again else { panic!() };
    assert!(again.task.no > no);
    let bytes: Vec<_> =
        life.handle.contents().read(&again.task, 0..u64::MAX).try_collect().await.expect("the new content");
    assert_eq!(bytes.concat(), content("a").as_bytes());
    drop((first, again));
    calm(&life).await;
    let nobody = life.handle.ask(Ask::Pin(no, PinOwner::Name("me".into()))).await;
    assert!(matches!(nobody, Ok(Verdict::Refused(Refusal::NotFound))));
    assert_eq!(life.handle.look(|room| room.jobs_for(no)), []);
    life.handle.0.events.send(crate::cache::machine::Event::Left(no, Errand::Repair)).unwrap();
    calm(&life).await;
}
