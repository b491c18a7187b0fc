//! Each record is read back as it was written, a start finds everything, and what does not fit together is found.

use super::*;
use crate::base::Wall;
use crate::hub::machine::Memory;
use crate::hub::model::{
    Access, DaemonId, Digests, EntryPoint, Health, Item, ItemName, ItemNo, Job, JobId, JobKind, JobState, LookedAt,
    Member, Pool, PoolName, PullSource, Reason, RepName, Repository, Requirement, Requirements, Stamp, State, Tag,
    TagName, TagNo,
};
use crate::store::Store;
use proptest::prelude::*;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store after these changes, each written by itself, and the numbers then.
fn store(changes: &[Change]) -> (Store, Numbers) {
    let (store, mut numbers) = (Store::in_memory(), Numbers::default());
    add(&store, changes, &mut numbers);
    (store, numbers)
}

fn add(store: &Store, changes: &[Change], numbers: &mut Numbers) {
    for change in changes {
        let mut batch = Batch::new();
        write(std::slice::from_ref(change), numbers, &mut batch);
        store.submit(batch).wait().unwrap();
    }
}

fn read(store: &Store) -> Memory {
    load(&store.reader(), None).unwrap().0
}

fn found(store: &Store) -> Vec<String> {
    store.check(&rules()).findings
}

fn at(seconds: i64) -> Wall {
    Wall::from_timestamp(1_700_000_000 + seconds, 123_456_789).unwrap()
}

fn daemon(byte: u8) -> DaemonId {
    DaemonId::of([byte; 20])
}

fn member(account: u32) -> Member {
    Member {
        account,
        daemon: daemon(u8::try_from(account).unwrap()),
        serving: true,
        entries: Vec::new(),
        requires: Requirements::default(),
    }
}

fn pool(name: &str) -> Pool {
    Pool { name: PoolName::new(name).unwrap(), dir: Arc::new("/srv/pools/a".into()), owner: 3, made: at(0) }
}

fn repository(name: &str) -> Repository {
    Repository { name: RepName::new(name).unwrap(), owner: 3, comment: "".into(), made: at(1) }
}

fn item(no: u64, name: &str) -> Item {
    Item {
        no: ItemNo(no),
        rep: RepName::new("maps").unwrap(),
        name: ItemName::new(name).unwrap(),
        pool: PoolName::new("a").unwrap(),
        dir: name.into(),
        access: Access::Public,
        comment: "".into(),
        made: at(2),
    }
}

fn stamp(size: u64) -> Stamp {
    Stamp { dev: 1, ino: 2, size, mtime: 3, ctime: 4 }
}

fn tag(item: u64, no: u64, name: &str) -> Tag {
    Tag {
        no: TagNo(no),
        item: ItemNo(item),
        name: TagName::new(name).unwrap(),
        detail: name.into(),
        comment: "".into(),
        made: at(3),
        digests: Some(Digests { size: 14, md5: [5; 16], sha256: [6; 32] }),
        requires: Requirements::default(),
        health: Health { state: State::Normal, since: at(3), hashed: Some(at(3)), right: Some(stamp(14)) },
        looked: LookedAt::default(),
    }
}

fn job(id: u64, kind: JobKind, state: JobState) -> Job {
    Job {
        id: JobId(id),
        owner: 3,
        kind,
        rep: RepName::new("maps").unwrap(),
        item: ItemName::new("tiles").unwrap(),
        tag: TagName::new("v1").unwrap(),
        state,
        size: None,
        made: at(4),
        over: None,
    }
}

fn line(account: u32, number: u64, drops: Option<u64>) -> Change {
    Change::Line { account, number, at: Some(at(5)), text: format!("line {number}"), drops }
}

/// A pool with one item in a repository.
fn catalogue() -> Vec<Change> {
    vec![
        Change::Member(Arc::new(member(3))),
        Change::Pool(Arc::new(pool("a"))),
        Change::Repository(Arc::new(repository("maps"))),
        Change::Item(Arc::new(item(1, "tiles"))),
    ]
}

fn text() -> impl Strategy<Value = Arc<str>> {
    ".{0,40}".prop_map(Arc::from)
}

fn moment() -> impl Strategy<Value = Wall> {
    any::<i64>().prop_map(Wall::from_timestamp_nanos)
}

fn requires() -> impl Strategy<Value = Requirements> {
    let age = prop::option::of((any::<u64>(), 0..1_000_000_000u32).prop_map(|(s, n)| Duration::new(s, n)));
    let one = prop_oneof![
        text().prop_map(Requirement::Proc),
        (text(), age).prop_map(|(name, age)| Requirement::Dag(name, age)),
        text().prop_map(Requirement::Url),
    ];
    (prop::collection::vec(one, 0..4), any::<u32>()).prop_map(|(all, by)| Requirements { all, by })
}

fn health() -> impl Strategy<Value = Health> {
    let reason = prop_oneof![
        Just(Reason::Missing),
        Just(Reason::NotAFile),
        ".{0,20}".prop_map(Reason::Unreadable),
        Just(Reason::Escaped),
        ".{0,20}".prop_map(Reason::PoolGone),
        Just(Reason::SizeChanged),
        Just(Reason::ContentChanged),
    ];
    let state = prop_oneof![Just(State::Normal), Just(State::Pending), reason.prop_map(State::Abnormal)];
    let stamp = any::<(u64, u64, u64, i64, i64)>().prop_map(|(dev, ino, size, mtime, ctime)| Stamp {
        dev,
        ino,
        size,
        mtime,
        ctime,
    });
    (state, moment(), prop::option::of(moment()), prop::option::of(stamp))
        .prop_map(|(state, since, hashed, right)| Health { state, since, hashed, right })
}

fn tags() -> impl Strategy<Value = Tag> {
    let digests = any::<(u64, [u8; 16], [u8; 32])>().prop_map(|(size, md5, sha256)| Digests { size, md5, sha256 });
    let name = "[^/*\\p{C}]{1,20}".prop_filter("no name", |name| TagName::new(name).is_ok());
    let strategy = (name, text(), text(), moment(), prop::option::of(digests), requires(), health());
    strategy.prop_map(|(name, detail, comment, made, digests, requires, health)| Tag {
        no: TagNo(2),
        item: ItemNo(1),
        name: TagName::new(&name).unwrap(),
        detail,
        comment,
        made,
        digests,
        requires,
        health,
        looked: LookedAt::default(),
    })
}

fn jobs() -> impl Strategy<Value = Job> {
    let access = prop::option::of(prop_oneof![Just(Access::Public), Just(Access::Private)]);
    let pull = (prop::option::of(text()), any::<bool>(), text(), text(), access);
    let pull = pull.prop_map(|(username, secret, dir, file, publish)| {
        let from = EntryPoint::new("http://far.example.net:35800").unwrap();
        let pool = PoolName::new("a").unwrap();
        JobKind::Pull(Box::new(PullSource { from, username, secret, pool, dir, file, publish }))
    });
    let kind = prop_oneof![pull, any::<u64>().prop_map(|no| JobKind::Publish(TagNo(no)))];
    let state = prop_oneof![
        Just(JobState::Queued),
        Just(JobState::Downloading),
        Just(JobState::Verifying),
        Just(JobState::Downloaded),
        Just(JobState::Published),
        ".{0,20}".prop_map(JobState::Failed),
    ];
    let strategy = (kind, state, prop::option::of(any::<u64>()), moment(), prop::option::of(moment()), any::<u32>());
    strategy.prop_map(|(kind, state, size, made, over, owner)| Job { size, made, over, owner, ..job(9, kind, state) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tags_are_read_back_as_they_were(tag in tags(), changed in health()) {
        let (store, mut numbers) = store(&[Change::Tag(Arc::new(tag.clone()))]);
        prop_assert_eq!(&read(&store).tags, std::slice::from_ref(&tag));
        let now = Tag { health: changed, ..tag };
        add(&store, &[Change::Health(Arc::new(now.clone()))], &mut numbers);
        prop_assert_eq!(&read(&store).tags, std::slice::from_ref(&now));
        // Written whole, what was found out before no longer stands beside it.
        add(&store, &[Change::Tag(Arc::new(now.clone()))], &mut numbers);
        prop_assert_eq!(&read(&store).tags, &[now]);
        prop_assert!(store.reader().scan::<shapes::Health>(..).next().is_none());
    }

    #[test]
    fn jobs_are_read_back_as_they_were(job in jobs()) {
        let (store, numbers) = store(&[Change::Job(Arc::new(job.clone()))]);
        prop_assert_eq!(&read(&store).jobs, &[job]);
        prop_assert_eq!(numbers.job, 9);
    }

    #[test]
    fn members_are_read_back_as_they_were(serving: bool, bits: [u8; 20], requires in requires(), account: u32) {
        let entries = ["https://[2001:db8::1]:443", "http://a.example.net:80"].map(|it| EntryPoint::new(it).unwrap());
        let member = Member { account, daemon: DaemonId::of(bits), serving, entries: entries.into(), requires };
        let (store, _) = store(&[Change::Member(Arc::new(member.clone()))]);
        prop_assert_eq!(&read(&store).members, &[member]);
    }

    #[test]
    fn the_catalogue_is_read_back_as_it_was(
        dir in prop::collection::vec(1..=255u8, 1..40), owner: u32, comment in text(), made in moment(), private: bool,
    ) {
        let access = if private { Access::Private } else { Access::Public };
        let dir = Arc::new(PathBuf::from(OsString::from_vec(dir)));
        let pool = Pool { dir, owner, made, ..pool("a") };
        let repository = Repository { owner, comment: comment.clone(), made, ..repository("maps") };
        let item = Item { access, comment, made, ..item(7, "tiles") };
        let (store, _) = store(&[
            Change::Pool(Arc::new(pool.clone())),
            Change::Repository(Arc::new(repository.clone())),
            Change::Item(Arc::new(item.clone())),
        ]);
        let memory = read(&store);
        prop_assert_eq!(&memory.pools, &[pool]);
        prop_assert_eq!(&memory.repositories, &[repository]);
        prop_assert_eq!(&memory.items, &[item]);
    }

    #[test]
    fn lines_are_read_back_as_they_were(text in ".{0,100}", at in prop::option::of(moment())) {
        let (store, _) = store(&[Change::Line { account: 3, number: 7, at, text: text.clone(), drops: None }]);
        prop_assert_eq!(lines(&store.reader(), 3, 7, 7).unwrap(), [(at, text)]);
    }
}

#[test]
fn what_is_gone_is_gone_with_all_that_belongs_to_it() {
    let mut changes = catalogue();
    let ill = Health { state: State::Abnormal(Reason::Missing), ..tag(1, 1, "v1").health };
    for no in 1..=3 {
        let tag = tag(1, no, &format!("v{no}"));
        changes.push(Change::Tag(Arc::new(tag.clone())));
        changes.push(Change::Health(Arc::new(Tag { health: ill.clone(), ..tag })));
    }
    changes.extend([line(3, 1, None), line(3, 2, None), line(3, 3, Some(1))]);
    changes.push(Change::Job(Arc::new(job(1, JobKind::Publish(TagNo(1)), JobState::Published))));
    let (store, mut numbers) = store(&changes);
    let memory = read(&store);
    assert_eq!((memory.tags.len(), memory.logs.as_slice()), (3, &[(3, 2, 3)][..]));
    assert!(memory.tags.iter().all(|tag| tag.health == ill));
    assert_eq!(found(&store), [""; 0]);

    add(&store, &[Change::TagGone(ItemNo(1), TagNo(2))], &mut numbers);
    assert_eq!(read(&store).tags.iter().map(|tag| tag.no.0).collect::<Vec<_>>(), [1, 3]);
    add(
        &store,
        &[
            Change::TagsGone(ItemNo(1)),
            Change::ItemGone(ItemNo(1)),
            Change::RepositoryGone(RepName::new("maps").unwrap()),
            Change::PoolGone(PoolName::new("a").unwrap()),
            Change::JobGone(JobId(1)),
            Change::MemberGone(3),
        ],
        &mut numbers,
    );
    let memory = read(&store);
    assert!(memory.tags.is_empty() && memory.items.is_empty() && memory.jobs.is_empty() && memory.members.is_empty());
    assert!(memory.repositories.is_empty() && memory.pools.is_empty() && memory.logs.is_empty());
    assert!(store.reader().scan::<shapes::Health>(..).next().is_none());
    assert!(lines(&store.reader(), 3, 0, u64::MAX).unwrap().is_empty());
    assert_eq!(found(&store), [""; 0]);
    assert_eq!(memory.numbers, Numbers { item: 1, tag: 3, job: 1 }, "no number is given twice");
}

#[test]
fn after_a_restoration_numbers_go_on_from_then() {
    let (store, _) = store(&catalogue());
    let restored = 1_700_000_000_000_000;
    let (memory, numbers) = load(&store.reader(), Some(restored)).unwrap();
    assert_eq!(numbers, Numbers { item: restored, tag: restored, job: 1_700_000_000 - 1_577_836_800 });
    assert_eq!(memory.numbers, numbers);
}

#[test]
fn lines_are_read_by_their_numbers_newest_first() {
    let (store, _) = store(&(1..=20).map(|number| line(3, number, None)).collect::<Vec<_>>());
    let texts: Vec<_> = lines(&store.reader(), 3, 17, 19).unwrap().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["line 19", "line 18", "line 17"]);
}

#[test]
fn a_check_finds_what_does_not_fit_together() {
    let alone = |change| found(&store(&[change]).0);
    let after = |changes: &[Change]| found(&store(&[catalogue(), changes.to_vec()].concat()).0);
    assert_eq!(after(&[]), [""; 0]);
    assert_eq!(alone(Change::Item(Arc::new(item(1, "tiles")))), ["hub.item 1 belongs to no hub.repository"]);
    assert_eq!(alone(Change::Tag(Arc::new(tag(1, 2, "v1")))), ["hub.tag 1/2 belongs to no hub.item"]);
    assert_eq!(alone(Change::Health(Arc::new(tag(1, 2, "v1")))), ["hub.health 1/2 belongs to no hub.tag"]);
    assert_eq!(alone(line(3, 1, None)), ["hub.line 3/1 belongs to no hub.member"]);
    assert_eq!(after(&[Change::PoolGone(PoolName::new("a").unwrap())]), ["hub.item 1 belongs to no hub.pool"]);
    assert_eq!(after(&[line(3, 1, None), line(3, 4, None)]), ["hub.line 3/2: lines are missing before 4"]);
    let twice = [Change::Item(Arc::new(item(2, "tiles")))];
    assert_eq!(after(&twice), ["hub.item 2 is called as 1 is"]);
    let twice = [Change::Tag(Arc::new(tag(1, 1, "v1"))), Change::Tag(Arc::new(tag(1, 2, "v1")))];
    assert_eq!(after(&twice), ["hub.tag 1/2 is called as 1/1 is"]);
    let baseless = Tag { digests: None, ..tag(1, 1, "v1") };
    assert_eq!(after(&[Change::Tag(Arc::new(baseless))]), ["hub.tag 1/1 is normal, but has no digests"]);
    let same = Member { daemon: daemon(3), ..member(4) };
    assert_eq!(after(&[Change::Member(Arc::new(same))]), ["hub.member 4 has the daemon id of 3"]);
    let reads = |state| Change::Job(Arc::new(job(5, JobKind::Publish(TagNo(8)), state)));
    assert_eq!(after(&[reads(JobState::Verifying)]), ["hub.job 5 reads hub.tag 8, which is not there"]);
    assert_eq!(after(&[reads(JobState::Failed("gone".into()))]), [""; 0]);
}

#[test]
fn a_check_finds_numbers_that_would_be_given_again() {
    let (store, _) = store(&catalogue());
    let mut batch = Batch::new();
    batch.put(&(), &shapes::Numbers::from(Numbers::default()));
    store.submit(batch).wait().unwrap();
    assert_eq!(found(&store), ["hub.numbers would give out item 1 again: 0 is the last that they know"]);
}

#[test]
fn an_export_shows_no_daemon_id() {
    let (store, _) = store(&[Change::Member(Arc::new(member(3)))]);
    let mut out = Vec::new();
    store.export(&TABLES, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("hub.member") && !text.contains(daemon(3).expose()), "{text}");
}

#[test]
fn this_host_keeps_its_id() {
    let store = Store::in_memory();
    assert_eq!(host(&store.reader()).unwrap(), None);
    let mut batch = Batch::new();
    write_host("5e", &mut batch);
    store.submit(batch).wait().unwrap();
    assert_eq!(host(&store.reader()).unwrap().as_deref(), Some("5e"));
}

#[test]
fn a_hundred_thousand_tags_are_read_in_one_go() {
    let (store, mut numbers) = (Store::in_memory(), Numbers::default());
    for thousand in 0..100 {
        let names = thousand * 1_000 + 1..=thousand * 1_000 + 1_000;
        let changes: Vec<_> = names.map(|no| Change::Tag(Arc::new(tag(1, no, &format!("v{no}"))))).collect();
        let mut batch = Batch::new();
        write(&changes, &mut numbers, &mut batch);
        store.submit(batch).wait().unwrap();
    }
    let began = Instant::now();
    assert_eq!(read(&store).tags.len(), 100_000);
    // Far more than it takes, so that a busy machine is no failure: a look-up for each would take longer.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
