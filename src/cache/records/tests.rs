//! Each record is read back as it was written, a start finds everything, and what does not fit together is found.

use super::*;
use crate::base::Wall;
use crate::cache::machine::Memory;
use crate::cache::model::{
    Args, BlockList, Cluster as OneCluster, ClusterId, Crc, Digest, Extent, Failure, Filter, FindArgs, FindBy, Found,
    GcArgs, GcKind, Identity, Ids, Image, ImageArgs, Job as OneJob, JobHead, JobId, JobKind, JobResult, JobState,
    LastUse, Limits, Naming, Part, PartState, PinOwner, Platform, PreheatArgs, PreheatKind, Scope, Scopes, Source,
    Task as OneTask, TaskId, TaskState, UrlOutcome, Validators,
};
use crate::store::Store;
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn at(seconds: i64) -> Wall {
    Wall::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds) + TimeDelta::nanoseconds(123_456_789)
}

fn id(byte: u8) -> TaskId {
    TaskId::new(&[byte; 32])
}

fn source(length: Option<u64>) -> Source {
    Source {
        extent: Extent { length, piece_length: 4 << 20 },
        validators: Validators { etag: Some("\"a\"".into()), last_modified: None },
        headers: vec![("content-type".into(), "text/plain".into())],
        checked: at(3),
    }
}

fn pieces(numbers: impl IntoIterator<Item = u32>) -> Pieces {
    let mut pieces = Pieces::new();
    numbers.into_iter().for_each(|number| pieces.put(number, Crc(number.wrapping_mul(0x9E37_79B9))));
    pieces
}

fn task(no: u64, state: TaskState) -> OneTask {
    let primary = id(u8::try_from(no % 256).unwrap());
    OneTask {
        no: TaskNo(no),
        identity: Identity {
            url: format!("https://files.example.net/{no}?a=1"),
            filter: Filter::new("a&b"),
            tag: "nightly".into(),
            application: String::new(),
            piece_length: Some(4 << 20),
            content: None,
            by_digest: no.is_multiple_of(2),
        },
        ids: Ids { manager: Some(primary.clone()), daemon: Some(id(201)), digest: None, primary },
        digest: Some(Digest::Sha256([7; 32])),
        private: no % 2 == 1,
        pins: BTreeSet::from([PinOwner::Dag("4".into()), PinOwner::Name("ada".into())]),
        ttl: Some(Duration::new(5, 6)),
        peer: Uuid::from_u128(77),
        created: at(0),
        used: LastUse::at(at(1)),
        source: Some(source(Some(14))),
        pieces: Arc::default(),
        state,
    }
}

fn naming() -> Naming {
    Naming { piece_length: Some(8 << 20), tag: "t".into(), application: "a".into(), filter: Filter::new("x") }
}

fn image() -> Image {
    let text = str::to_owned;
    Image { scheme: text("https"), host: text("r:5000"), repository: text("team/app"), reference: text("v1") }
}

fn platform(variant: Option<&str>) -> Platform {
    Platform::One { os: "linux".into(), architecture: "arm".into(), variant: variant.map(Into::into) }
}

fn headers() -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([("Authorization".into(), "***".into()), ("X-Kind".into(), "a".into())]))
}

fn preheat() -> Args {
    Args::Preheat(PreheatArgs {
        kind: PreheatKind::Image,
        url: "u".into(),
        urls: Some(vec!["v".into(), "w".into()]),
        images: vec![image()],
        naming: naming(),
        headers: headers(),
        username: "ada".into(),
        password: "***".into(),
        platform_text: "linux/arm/v7".into(),
        platform: platform(Some("v7")),
        scope: Scope::AllPeers,
        ips: Some(vec!["192.0.2.1".into()]),
        count: Some(3),
        percentage: None,
        concurrent_tasks: 8,
        concurrent_peers: 500,
        timeout: Duration::from_secs(3600),
        revalidate: true,
        ttl: Some(Duration::from_secs(60)),
        pin: Some(PinOwner::Proc("web".into())),
        digest: Some(Digest::Sha512(Box::new([9; 64]))),
    })
}

fn find(by: FindBy) -> FindArgs {
    FindArgs {
        by,
        task_id: "abc".into(),
        url: "u".into(),
        content: Some(String::new()),
        naming: naming(),
        concurrent_peers: 500,
        timeout: Duration::from_secs(1),
        image: true,
        headers: None,
        username: String::new(),
        password: String::new(),
        platform: "all".into(),
    }
}

fn distribution() -> Args {
    Args::Distribution(ImageArgs {
        url: "u".into(),
        image: image(),
        naming: naming(),
        headers: headers(),
        username: String::new(),
        password: String::new(),
        platform_text: String::new(),
        platform: Platform::All,
        concurrent_layers: 1,
        concurrent_peers: 2,
        timeout: Duration::MAX,
    })
}

fn all_args() -> Vec<Args> {
    let identity = Identity { content: Some("c".into()), by_digest: true, ..naming().of("https://example.net/") };
    vec![
        preheat(),
        Args::GetTask(find(FindBy::Url(Box::new(identity)))),
        Args::GetTask(find(FindBy::Content("c".into()))),
        Args::GetTask(find(FindBy::Id(None))),
        Args::DeleteTask(find(FindBy::Id(Some(id(3))))),
        Args::DeleteTask(find(FindBy::Image(image(), platform(None)))),
        distribution(),
        Args::Gc(GcArgs { kind: GcKind::Audit, ttl: Duration::from_millis(1) }),
        Args::Gc(GcArgs { kind: GcKind::Job, ttl: Duration::ZERO }),
    ]
}

fn all_results() -> Vec<JobResult> {
    let outcome = |end, bytes| UrlOutcome { url: "u".into(), end, bytes };
    let found = Found {
        id: id(1),
        peer: Uuid::from_u128(1),
        created: at(0),
        used: at(1),
        finished: true,
        length: Some(14),
        piece_length: 4 << 20,
        cached_bytes: 14,
        finished_pieces: 1,
        total_pieces: Some(1),
    };
    vec![
        JobResult::Preheat(vec![
            outcome(None, None),
            outcome(Some(Ok(())), Some(14)),
            outcome(Some(Err("404".into())), None),
        ]),
        JobResult::Found(vec![found]),
        JobResult::Deleted { removed: vec![TaskNo(1)], failed: vec![(TaskNo(2), "busy".into())] },
        JobResult::Distribution { layers: vec!["a".into(), "b".into()], cached: vec!["a".into()] },
        JobResult::Purged(7),
    ]
}

fn job_of(number: u64, args: Args, result: JobResult, state: PartState) -> OneJob {
    OneJob {
        id: JobId(number),
        created: at(0),
        updated: at(2),
        group: Uuid::from_u128(5),
        bio: "bio".into(),
        user: 3,
        args: Arc::new(args),
        clusters: vec![ClusterId(1), ClusterId(4)],
        has_secrets: true,
        part: Part { unit: Uuid::from_u128(6), state, error: "none".into(), result },
    }
}

fn cluster(number: u32) -> OneCluster {
    OneCluster {
        id: ClusterId(number),
        name: format!("cluster-{number}"),
        bio: "b".into(),
        limits: Limits {
            job_rate: Some(10),
            seed_blocks: Some(BlockList::from([("task".into(), json!({ "download": ["a"] }))])),
            ..Limits::default()
        },
        scopes: Scopes { idc: Some("i".into()), cidrs: Some(vec!["10.0.0.0/8".into()]), ..Scopes::default() },
        is_default: number == 1,
        created: at(0),
        updated: at(1),
    }
}

/// A store after these changes, and the highest numbers then.
fn store(changes: &[Change]) -> (Store, Numbers) {
    let (store, mut numbers, mut batch) = (Store::in_memory(), Numbers::default(), Batch::new());
    write(changes, &mut numbers, &mut batch);
    store.submit(batch).wait().unwrap();
    (store, numbers)
}

fn read(store: &Store) -> Memory {
    load(&store.reader(), None).unwrap().0
}

#[test]
fn a_task_is_read_back_as_it_was() {
    let failure = Failure { at: at(9), why: "404".into() };
    for (stored, expected) in [
        (TaskState::Complete(at(8)), TaskState::Complete(at(8))),
        (TaskState::Fetching, TaskState::Partial(None)),
        (TaskState::Partial(None), TaskState::Partial(None)),
        (TaskState::Partial(Some(failure.clone())), TaskState::Partial(Some(failure.clone()))),
        (TaskState::Doomed, TaskState::Doomed),
    ] {
        let (store, _) = store(&[
            Change::Task(Arc::new(task(4, stored))),
            Change::Pieces(TaskNo(4), Arc::new(pieces([0]))),
            Change::Used(TaskNo(4), at(50)),
        ]);
        let memory = read(&store);
        let expected = OneTask { pieces: Arc::new(pieces([0])), ..task(4, expected) };
        let found = &memory.tasks[0];
        assert_eq!(*found, expected);
        assert_eq!(found.ids, expected.ids);
        assert_eq!((found.peer, found.created), (expected.peer, expected.created));
        assert_eq!(found.used.get().timestamp_micros(), at(50).timestamp_micros());
        assert_eq!(memory.last_task, 4);
    }
}

#[test]
fn a_task_of_which_little_is_known_is_read_back() {
    let mut small = task(1, TaskState::Partial(None));
    small.identity.filter = Filter::new("");
    small.identity.content = Some(String::new());
    small.ids = Ids { primary: id(9), manager: None, daemon: None, digest: Some(id(9)) };
    (small.source, small.digest, small.ttl) = (None, Some(Digest::Crc32(5)), None);
    small.pins.clear();
    let (store, _) = store(&[Change::Task(Arc::new(small.clone()))]);
    let memory = read(&store);
    assert_eq!(memory.tasks, [small.clone()]);
    assert_eq!(memory.tasks[0].ids, small.ids);
}

#[test]
fn what_is_gone_leaves_nothing_but_its_number() {
    let (store, numbers) = store(&[
        Change::Task(Arc::new(task(4, TaskState::Doomed))),
        Change::Pieces(TaskNo(4), Arc::new(pieces([0, 1]))),
        Change::Used(TaskNo(4), at(1)),
        Change::TaskGone(TaskNo(4)),
        Change::Job(Arc::new(job_of(7, preheat(), JobResult::Purged(0), PartState::Success))),
        Change::JobText { id: JobId(7), bio: Some("x".into()), user: Some(4), at: at(5) },
        Change::JobGone(JobId(7)),
        Change::Cluster(Box::new(cluster(3))),
        Change::ClusterGone(ClusterId(3)),
    ]);
    let reader = store.reader();
    assert!(read(&store).tasks.is_empty() && read(&store).heads.is_empty() && read(&store).clusters.is_empty());
    assert!(reader.get::<shapes::Pieces>(&4).unwrap().is_none() && reader.get::<shapes::Used>(&4).unwrap().is_none());
    assert!(
        reader.get::<shapes::JobBio>(&7).unwrap().is_none() && reader.get::<shapes::JobUser>(&7).unwrap().is_none()
    );
    assert_eq!(numbers, Numbers { task: 4, job: 7, cluster: 3 });
    assert_eq!(load(&reader, None).unwrap().1, numbers);
    assert_eq!(found(&store), [""; 0]);
}

#[test]
fn numbers_given_after_the_backup_are_not_given_again() {
    let (store, _) = store(&[Change::Task(Arc::new(task(4, TaskState::Partial(None))))]);
    let restored = u64::try_from(at(0).timestamp_micros()).unwrap();
    let (memory, numbers) = load(&store.reader(), Some(restored)).unwrap();
    assert!(memory.last_task >= restored);
    assert!(memory.last_job > 100_000_000 && memory.last_job <= u64::from(u32::MAX), "{}", memory.last_job);
    assert_eq!((numbers.task, numbers.job), (memory.last_task, memory.last_job));
}

#[test]
fn every_job_is_read_back_as_it_was() {
    for args in all_args() {
        for result in all_results() {
            for state in [PartState::Pending, PartState::Started, PartState::Success, PartState::Failure] {
                let whole = job_of(7, args.clone(), result.clone(), state);
                let (store, _) = store(&[Change::Job(Arc::new(whole.clone()))]);
                assert_eq!(job(&store.reader(), JobId(7)).unwrap(), Some(whole.clone()));
                let memory = read(&store);
                assert_eq!(memory.heads, [whole.head()]);
                let pending = matches!(state, PartState::Pending | PartState::Started);
                assert_eq!(memory.unfinished, if pending { vec![whole] } else { vec![] });
            }
        }
    }
}

#[test]
fn what_is_said_of_a_job_after_its_end_is_laid_over_it() {
    let whole = job_of(7, preheat(), JobResult::Purged(1), PartState::Success);
    let text = |bio: Option<&str>, user, seconds| Change::JobText {
        id: JobId(7),
        bio: bio.map(Into::into),
        user,
        at: at(seconds),
    };
    let (store, _) = store(&[Change::Job(Arc::new(whole.clone())), text(Some("x"), None, 5), text(None, Some(9), 6)]);
    let expected = OneJob { bio: "x".into(), user: 9, updated: at(6), ..whole };
    assert_eq!(job(&store.reader(), JobId(7)).unwrap(), Some(expected.clone()));
    let JobHead { user, kind, state, .. } = read(&store).heads[0];
    assert_eq!((user, kind, state), (9, JobKind::Preheat, JobState::Success));
}

#[test]
fn clusters_are_read_back_as_they_were() {
    let (store, _) = store(&[Change::Cluster(Box::new(cluster(2))), Change::Cluster(Box::new(cluster(1)))]);
    let memory = read(&store);
    assert_eq!(memory.clusters, [cluster(1), cluster(2)]);
    assert_eq!(memory.last_cluster, 2);
}

#[test]
fn an_export_shows_no_header_and_no_password() {
    let url = "https://ada:S3CRET@o.test/a".to_owned();
    let mut args = preheat();
    if let Args::Preheat(args) = &mut args {
        args.url.clone_from(&url);
        args.urls = Some(vec![url.clone()]);
    }
    let mut one = task(9, TaskState::Partial(None));
    one.identity.url.clone_from(&url);
    let result = JobResult::Preheat(vec![UrlOutcome { url, end: None, bytes: None }]);
    let (store, _) =
        store(&[Change::Job(Arc::new(job_of(7, args, result, PartState::Success))), Change::Task(Arc::new(one))]);
    let mut out = Vec::new();
    store.export(&TABLES, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("X-Kind") && text.contains("***"), "{text}");
    assert!(!text.contains("\"X-Kind\":\"a\""), "{text}");
    assert_eq!((text.matches("ada:***@o.test").count(), text.matches("S3CRET").count()), (4, 0), "{text}");
}

proptest! {
    #[test]
    fn pieces_are_read_back_as_they_were(numbers in prop::collection::btree_map(0..5_000u32, any::<u32>(), 0..200)) {
        let mut all = Pieces::new();
        numbers.iter().for_each(|(number, crc)| all.put(*number, Crc(*crc)));
        let (store, _) = store(&[
            Change::Task(Arc::new(task(1, TaskState::Partial(None)))),
            Change::Pieces(TaskNo(1), Arc::new(all)),
        ]);
        let read = read(&store);
        let read: BTreeMap<_, _> = read.tasks[0].pieces.iter().map(|(number, Crc(crc))| (number, crc)).collect();
        prop_assert_eq!(read, numbers);
    }

    #[test]
    fn durations_are_read_back_as_they_were(seconds: u64, nanos in 0..1_000_000_000u32) {
        let ttl = Duration::new(seconds, nanos);
        let (store, _) = store(&[Change::Task(Arc::new(OneTask { ttl: Some(ttl), ..task(1, TaskState::Partial(None)) }))]);
        prop_assert_eq!(read(&store).tasks[0].ttl, Some(ttl));
    }
}

/// What a check says, where all files are 14 bytes long.
fn found(store: &Store) -> Vec<String> {
    store.check(&rules(Arc::new(|_| FileState::There(14)))).findings
}

#[test]
fn a_check_finds_what_does_not_fit_together() {
    let complete = |no| Change::Task(Arc::new(task(no, TaskState::Complete(at(1)))));
    let (sound, _) = store(&[complete(1), Change::Pieces(TaskNo(1), Arc::new(pieces([0])))]);
    assert_eq!(found(&sound), [""; 0]);
    let missing = sound.check(&rules(Arc::new(|_| FileState::Missing))).findings;
    let id = task(1, TaskState::Complete(at(1))).ids.primary;
    assert_eq!(missing, [format!("cache.task 1 is complete, but its file is not there: {id}")]);
    let short = sound.check(&rules(Arc::new(|_| FileState::There(3)))).findings;
    assert_eq!(short, [format!("cache.task 1 is 14 bytes long, but its file 3: {id}")]);
    assert_eq!(sound.check(&rules(Arc::new(|_| FileState::Unknown))).findings, [""; 0]);

    let (strays, _) = store(&[
        Change::Pieces(TaskNo(2), Arc::new(pieces([0]))),
        Change::Used(TaskNo(3), at(0)),
        Change::JobText { id: JobId(4), bio: Some("x".into()), user: Some(1), at: at(0) },
    ]);
    assert_eq!(
        found(&strays),
        [
            "cache.pieces 2 belongs to no cache.task",
            "cache.use 3 belongs to no cache.task",
            "cache.job_bio 4 belongs to no cache.job",
            "cache.job_user 4 belongs to no cache.job",
        ]
    );

    let (wrong, _) = store(&[complete(1), complete(257)]);
    let said = found(&wrong);
    assert!(said.iter().any(|line| line.starts_with("cache.task 257 has the id of another task: 0101")), "{said:?}");
    assert!(said.contains(&"cache.task 1 is complete, but has 0 pieces of 1".to_owned()), "{said:?}");
    let mut batch = Batch::new();
    batch.put(&(), &shapes::Numbers::from(Numbers { task: 2, job: 0, cluster: 0 }));
    wrong.submit(batch).wait().unwrap();
    let said = found(&wrong);
    assert!(said.contains(&"cache.numbers would give out task 257 again: 2 is the last that they know".to_owned()));
}
