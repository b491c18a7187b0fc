//! A stage for stories: a room, what is written down, a clock that jumps from deadline to deadline, and an entry listener.

use crate::base::{Mono, Now, Wall};
use crate::hub::machine::*;
use crate::hub::model::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const ALICE: AccountId = 1;
pub(super) const BOB: AccountId = 2;

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn hours(hours: u64) -> Duration {
    secs(hours * 3_600)
}

pub(super) fn beginning() -> Now {
    Now { mono: Mono(secs(1_000)), wall: Wall::from_timestamp(1_700_000_000, 0).unwrap() }
}

pub(super) fn rules() -> Rules {
    Rules {
        beat_every: secs(5),
        offline_after: secs(30),
        log_ring: 1_000,
        stat_every: secs(5),
        hash_every: hours(6),
        inline_hash_max: 64 << 20,
        pulls: 2,
        keep_jobs: 1_000,
        keep_jobs_for: hours(24 * 30),
        listens: false,
    }
}

pub(super) fn by(account: AccountId) -> By {
    By { account, admin: false }
}

pub(super) const ADMIN: By = By { account: 0, admin: true };

pub(super) fn rep(name: &str) -> RepName {
    RepName::new(name).unwrap()
}

pub(super) fn item(name: &str) -> ItemName {
    ItemName::new(name).unwrap()
}

pub(super) fn tag(name: &str) -> TagName {
    TagName::new(name).unwrap()
}

pub(super) fn pool(name: &str) -> PoolName {
    PoolName::new(name).unwrap()
}

pub(super) fn entry(text: &str) -> EntryPoint {
    EntryPoint::new(text).unwrap()
}

pub(super) fn daemon(account: AccountId) -> DaemonId {
    DaemonId::of([u8::try_from(account).unwrap(); 20])
}

pub(super) fn stamp(ino: u64, size: u64) -> Stamp {
    Stamp { dev: 1, ino, size, mtime: 1, ctime: 1 }
}

pub(super) fn digests(size: u64) -> Digests {
    Digests { size, md5: [5; 16], sha256: [2; 32] }
}

pub(super) fn requires(all: &[Requirement], by: AccountId) -> Requirements {
    Requirements { all: all.to_vec(), by }
}

/// A tag of `weather/rain`, whose file was read.
pub(super) fn new_tag(name: &str, size: u64) -> NewTag {
    NewTag {
        rep: rep("weather"),
        item: item("rain"),
        tag: tag(name),
        detail: name.into(),
        comment: "".into(),
        requires: Requirements::default(),
        replace: false,
        read: Some((stamp(7, size), digests(size))),
        size,
    }
}

/// What is written down.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) members: BTreeMap<AccountId, Member>,
    pub(super) logs: BTreeMap<AccountId, BTreeMap<u64, String>>,
    pub(super) pools: BTreeMap<PoolName, Pool>,
    pub(super) repositories: BTreeMap<RepName, Repository>,
    pub(super) items: BTreeMap<ItemNo, Item>,
    pub(super) tags: BTreeMap<TagNo, Tag>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    numbers: Numbers,
}

impl Shelf {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Member(member) => drop(self.members.insert(member.account, Member::clone(member))),
            Change::MemberGone(account) => {
                self.members.remove(account);
                self.logs.remove(account);
            }
            Change::Line { account, number, text, drops, .. } => {
                let log = self.logs.entry(*account).or_default();
                let newest = log.last_key_value().map_or(0, |(newest, _)| *newest);
                assert_eq!(*number, newest + 1, "numbers of lines grow by one");
                log.insert(*number, text.clone());
                if let Some(drops) = drops {
                    assert!(log.remove(drops).is_some(), "line {drops} fell out before");
                }
            }
            Change::LinesGone(account, last) => {
                if let Some(log) = self.logs.get_mut(account) {
                    log.retain(|number, _| number > last);
                }
            }
            Change::Pool(pool) => drop(self.pools.insert(pool.name.clone(), Pool::clone(pool))),
            Change::PoolGone(name) => drop(self.pools.remove(name)),
            Change::Repository(new) => drop(self.repositories.insert(new.name.clone(), Repository::clone(new))),
            Change::RepositoryGone(name) => drop(self.repositories.remove(name)),
            Change::Item(item) => {
                self.numbers.item = self.numbers.item.max(item.no.0);
                self.items.insert(item.no, Item::clone(item));
            }
            Change::ItemGone(no) => drop(self.items.remove(no)),
            Change::Tag(tag) | Change::Health(tag) => {
                self.numbers.tag = self.numbers.tag.max(tag.no.0);
                self.tags.insert(tag.no, Tag { looked: LookedAt::default(), ..Tag::clone(tag) });
            }
            Change::TagGone(_, no) => drop(self.tags.remove(no)),
            Change::TagsGone(item) => self.tags.retain(|_, tag| tag.item != *item),
            Change::Job(job) => {
                self.numbers.job = self.numbers.job.max(job.id.0);
                self.jobs.insert(job.id, Job::clone(job));
            }
            Change::JobGone(id) => drop(self.jobs.remove(id)),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let bounds = |(account, log): (&AccountId, &BTreeMap<u64, String>)| {
            Some((*account, *log.first_key_value()?.0, *log.last_key_value()?.0))
        };
        Memory {
            members: self.members.values().cloned().collect(),
            logs: self.logs.iter().filter_map(bounds).collect(),
            pools: self.pools.values().cloned().collect(),
            repositories: self.repositories.values().cloned().collect(),
            items: self.items.values().cloned().collect(),
            tags: self.tags.values().cloned().map(|tag| Tag { looked: LookedAt::default(), ..tag }).collect(),
            jobs: self.jobs.values().cloned().collect(),
            numbers: self.numbers,
        }
    }
}

pub(super) struct Play {
    pub(super) room: Room,
    pub(super) now: Now,
    pub(super) shelf: Shelf,
    /// What was to be done, save for asking the entry listener.
    pub(super) effects: Vec<Effect>,
    /// For whom the entry listener was asked.
    pub(super) asked: Vec<DaemonId>,
    /// What the entry listener answers; none: nothing.
    pub(super) listener: Option<bool>,
    pub(super) news: Vec<News>,
    /// Who is online, as far as listeners were told.
    pub(super) told: BTreeSet<AccountId>,
    /// Verdicts that came later.
    pub(super) late: BTreeMap<u64, Verdict>,
    /// The number of the last reading of each tag.
    readings: BTreeMap<TagNo, u64>,
    rules: Rules,
}

impl Play {
    pub(super) fn new(rules: Rules) -> Play {
        Play::of(rules, Shelf::default(), beginning())
    }

    pub(super) fn of(rules: Rules, shelf: Shelf, now: Now) -> Play {
        let (room, plan) = Room::recover(rules.clone(), shelf.memory(), now);
        let mut play = Play {
            room,
            now,
            shelf,
            effects: Vec::new(),
            asked: Vec::new(),
            listener: None,
            news: Vec::new(),
            told: BTreeSet::new(),
            late: BTreeMap::new(),
            readings: BTreeMap::new(),
            rules,
        };
        play.take(&plan);
        play
    }

    /// The same after a restart.
    pub(super) fn restart(self) -> Play {
        Play::of(self.rules, self.shelf, self.now.later(secs(10)))
    }

    fn take(&mut self, plan: &Plan) {
        plan.changes.iter().for_each(|change| self.shelf.apply(change));
        for news in &plan.news {
            if let News::Online(account, online) = news {
                let is_new = if *online { self.told.insert(*account) } else { self.told.remove(account) };
                assert!(is_new, "{account} is told to be online: {online}, as before");
            }
        }
        self.news.extend(plan.news.iter().cloned());
        self.late.extend(plan.late.iter().cloned());
        for effect in &plan.effects {
            match effect {
                Effect::Beat(daemon) => self.asked.push(daemon.clone()),
                Effect::Read(order) => {
                    self.readings.insert(order.tag, order.number);
                    self.effects.push(effect.clone());
                }
                other => self.effects.push(other.clone()),
            }
        }
        let is_empty = self.shelf.members.is_empty() && self.shelf.jobs.is_empty() && self.shelf.tags.is_empty();
        assert!(!is_empty || self.room.deadline().is_none(), "a deadline without anything that needs one");
    }

    pub(super) fn hear(&mut self, event: Event) -> Plan {
        let asked = self.asked.len();
        let plan = self.room.step(event, self.now);
        self.take(&plan);
        if let Some(answer) = self.listener.filter(|_| self.asked.len() > asked) {
            self.tell(Event::Answered(answer));
        }
        plan
    }

    /// The reading of a tag that began last is over.
    pub(super) fn was_read(&self, no: TagNo, reading: Reading) -> Event {
        Event::Read(no, self.readings.get(&no).copied().unwrap_or_default(), reading)
    }

    pub(super) fn read(&mut self, no: TagNo, reading: Reading) {
        self.tell(self.was_read(no, reading));
    }

    pub(super) fn tell(&mut self, event: Event) {
        let _ = self.hear(event);
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        self.hear(Event::Asked(ask)).verdict.expect("an answer at once")
    }

    /// Ticks that are due at once.
    pub(super) fn calm(&mut self) {
        for _ in 0..1_000 {
            match self.room.deadline().is_some_and(|at| at <= self.now.mono) {
                true => self.tell(Event::Tick),
                false => return,
            }
        }
        panic!("it never comes to rest");
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.later(time);
        self.calm();
        while let Some(at) = self.room.deadline().filter(|at| *at <= end.mono) {
            self.now = self.now.later(at - self.now.mono);
            self.calm();
        }
        self.now = self.now.later(end.mono - self.now.mono);
    }

    pub(super) fn join(&mut self, account: AccountId) -> Arc<Member> {
        match self.ask(Ask::Join(account, Newcomer { daemon: daemon(account), serving: true })) {
            Verdict::Member(member) => member,
            other => panic!("{other:?}"),
        }
    }

    /// A beat from outside that says nothing else.
    pub(super) fn beat(&mut self, account: AccountId) {
        assert_eq!(self.ask(Ask::Beat(account, Beat::default())), Verdict::Done);
    }

    pub(super) fn serve(&mut self, account: AccountId, serving: bool) {
        assert_eq!(self.ask(Ask::Serve(by(account), account, serving)), Verdict::Done);
    }

    pub(super) fn is_online(&self, account: AccountId) -> bool {
        self.room.standing(account, self.now.mono).online
    }

    pub(super) fn why(&self, account: AccountId) -> String {
        self.room.standing(account, self.now.mono).why
    }

    /// A log, oldest line first.
    pub(super) fn log(&self, account: AccountId) -> Vec<String> {
        self.shelf.logs.get(&account).map(|log| log.values().cloned().collect()).unwrap_or_default()
    }

    /// What was to be done since this was asked last.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What was told since this was asked last.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn make_pool(&mut self, owner: AccountId, name: &str) {
        let new = NewPool { name: pool(name), dir: PathBuf::from(format!("/data/{name}")) };
        let verdict = self.ask(Ask::MakePool(by(owner), new));
        assert!(matches!(verdict, Verdict::Pool(_)), "{verdict:?}");
    }

    /// `weather/rain` in this pool, which is made with it.
    pub(super) fn make_item(&mut self, owner: AccountId, in_pool: &str) {
        self.make_pool(owner, in_pool);
        let new = NewItem {
            rep: rep("weather"),
            name: item("rain"),
            pool: pool(in_pool),
            dir: "rain".into(),
            access: Access::Public,
            comment: "".into(),
        };
        let verdict = self.ask(Ask::MakeItem(by(owner), new));
        assert!(matches!(verdict, Verdict::Item(_)), "{verdict:?}");
    }

    /// Publishes a tag of `weather/rain`; with the job that reads it, where it was not read.
    pub(super) fn publish(&mut self, owner: AccountId, new: NewTag) -> (TagNo, Option<Arc<Job>>) {
        match self.ask(Ask::Publish(by(owner), Box::new(new))) {
            Verdict::Published(no, job) => (no, job),
            other => panic!("{other:?}"),
        }
    }
}
