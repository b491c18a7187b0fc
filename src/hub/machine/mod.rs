//! The decisions of the hub: who is online and where, what is published by whom, whether it is well, and what jobs do.
//!
//! One [`Room`] is the whole state. [`Room::step`] takes an event and a moment and answers with a [`Plan`]: what to write
//! down, what to do, whom to tell.
//!
//! * `words` the vocabulary
//! * `members` accounts: their ids, where they can be reached, beats, who is online; `lines` their logs
//! * `catalogue` pools, repositories, items, tags: what there is, and who may change it
//! * `health` what looks and readings mean; whose bytes are to be read next
//! * `jobs` publications of large files, and pulls; `facts` what depends on other facts of this host
//! * `long` wishes that go through very many tags; `recover` the start
//!
//! **Absent:** files, the network, clocks. Effects are safe to repeat; recovery repeats those that matter.

mod catalogue;
mod facts;
mod health;
mod jobs;
mod lines;
mod long;
mod members;
mod recover;
mod words;

#[cfg(test)]
mod tests;

pub use long::SLICE;
pub use words::{
    Ask, Beat, By, Change, Effect, Event, Expected, NewItem, NewPool, NewPull, NewTag, Newcomer, News, Plan, ReadOrder,
    Refusal, Shown, Standing, Verdict, Which,
};

use crate::base::{Mono, Now};
use crate::hub::model::{
    AccountId, DaemonId, EntryPoint, Item, ItemName, ItemNo, Job, JobId, Member, Pool, PoolName, RepName, Repository,
    Requirement, Tag, TagName, TagNo,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What the machine needs to know from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The pause between two beats of this host for its members.
    pub beat_every: Duration,
    /// How old the newest beat of somebody who is online may be.
    pub offline_after: Duration,
    /// How many lines of each log are kept.
    pub log_ring: usize,
    /// In this time every published file is looked at once.
    pub stat_every: Duration,
    /// The pause after which a tag's bytes are read and compared anew.
    pub hash_every: Duration,
    /// Files up to so many bytes are read at publication; of them one at a time is checked, and of larger ones one.
    pub inline_hash_max: u64,
    /// How many pulls go on at once.
    pub pulls: usize,
    /// How many jobs that are over are remembered.
    pub keep_jobs: usize,
    /// For how long.
    pub keep_jobs_for: Duration,
    /// Whether there is an entry listener: then a beat needs its answer.
    pub listens: bool,
}

/// What was read back from the store.
#[derive(Debug, Default)]
pub struct Memory {
    /// All members.
    pub members: Vec<Member>,
    /// Of each log: its account, the number of its oldest line, and that of its newest.
    pub logs: Vec<(AccountId, u64, u64)>,
    /// All pools.
    pub pools: Vec<Pool>,
    /// All repositories.
    pub repositories: Vec<Repository>,
    /// All items.
    pub items: Vec<Item>,
    /// All tags, by number.
    pub tags: Vec<Tag>,
    /// All jobs, by number.
    pub jobs: Vec<Job>,
    /// The highest numbers ever given.
    pub numbers: Numbers,
}

/// The highest numbers ever given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of items.
    pub item: u64,
    /// Of tags.
    pub tag: u64,
    /// Of jobs.
    pub job: u64,
}

/// The whole state.
#[derive(Debug)]
pub struct Room {
    rules: Rules,
    members: members::Members,
    lines: lines::Lines,
    catalogue: catalogue::Catalogue,
    health: health::Verification,
    jobs: jobs::Jobs,
    facts: facts::Facts,
    long: Option<long::Long>,
    last_owed: u64,
    now: Now,
    plan: Plan,
}

impl Room {
    /// The state after a start, and what has to be done to go on: jobs that were not over are taken up again (those that
    /// had a secret fail, and say so), tags without digests are read.
    pub fn recover(rules: Rules, memory: Memory, now: Now) -> (Room, Plan) {
        recover::recover(rules, memory, now)
    }

    /// Decides.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        self.now = now;
        while self.is_busy() && event != Event::Tick {
            self.go_on(); // nothing else is decided before its end
        }
        match event {
            Event::Asked(ask) => match self.asked(ask) {
                Answer::Now(verdict) => self.plan.verdict = Some(verdict),
                Answer::Later(owed) => self.plan.owed = Some(owed),
            },
            Event::Removed(account) => self.removed(account),
            Event::Looked(looks) => self.with_each(looks, Room::looked),
            Event::Passed(pool) => self.passed(pool),
            Event::Hangs(pool) => self.hangs(pool),
            Event::Read(no, number, reading) => self.read(no, number, reading),
            Event::Answered(answered) => self.answered(answered),
            Event::Fact(fact, holds) => self.fact(fact, holds),
            Event::JobMoved(id, state) => self.job_moved(id, state),
            Event::JobSized(id, size) => self.job_sized(id, size),
            Event::Placed(job, stamp) => self.placed(job, stamp),
            Event::Pulled(id, tag, look) => self.pulled(id, *tag, look),
            Event::Tick => {}
        }
        self.finish_step()
    }

    fn asked(&mut self, ask: Ask) -> Answer {
        Answer::Now(match ask {
            Ask::Join(account, newcomer) => self.join(account, newcomer),
            Ask::Serve(by, account, serving) => self.serve(by, account, serving),
            Ask::SetEntries(account, entries) => self.set_entries(account, entries),
            Ask::RequireOfMember(by, account, requires) => self.require_of_member(by, account, requires),
            Ask::Beat(account, beat) => self.beat(account, beat),
            Ask::Note(lines) => self.note(lines),
            Ask::Started => self.started(),
            Ask::Stopping => self.stopping(),
            Ask::MakePool(by, new) => self.make_pool(by, new),
            Ask::ForgetPool(by, name) => self.forget_pool(by, &name),
            Ask::MakeRepository(by, name, comment) => self.make_repository(by, name, comment),
            Ask::ForgetRepository(by, name) => self.forget_repository(by, &name),
            Ask::MakeItem(by, new) => self.make_item(by, new),
            Ask::ForgetItem(by, rep, item) => return self.forget_item(by, &rep, &item),
            Ask::Publish(by, new) => self.publish(by, *new),
            Ask::ForgetTags(by, rep, item, which) => return self.forget_tags(by, &rep, &item, &which),
            Ask::RequireOfTag(by, rep, item, tag, requires) => self.require_of_tag(by, &rep, &item, &tag, requires),
            Ask::Verify(by, rep, item, which) => return self.verify(by, &rep, &item, &which),
            Ask::Pull(by, new) => self.pull(by, new),
            Ask::ForgetJob(by, id) => self.forget_job(by, id),
        })
    }

    /// Whatever is in line.
    fn finish_step(&mut self) -> Plan {
        self.go_on();
        self.pass_time();
        self.hand_out_readings();
        self.run_jobs();
        self.tell_online();
        let mut plan = std::mem::take(&mut self.plan);
        // Who asked now hears now, if it went as fast as that.
        let at_once = plan.owed.and_then(|owed| plan.late.iter().position(|(late, _)| *late == owed));
        if let Some(at) = at_once {
            plan.verdict = Some(plan.late.remove(at).1);
            plan.owed = None;
        }
        plan
    }

    /// What is due by the clock: beats, facts and beats that have become old, jobs that are forgotten, readings.
    fn pass_time(&mut self) {
        self.beat_for_members();
        self.forget_old_jobs();
        self.hash_what_is_due();
        self.end_doubts();
    }

    /// When a [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        let at_once = self.long.as_ref().map(|_| self.now.mono);
        let health = [self.next_hash(), self.health.next_doubt()];
        [at_once, self.next_beat(), self.next_job_to_forget()].into_iter().chain(health).flatten().min()
    }

    /// A number for somebody who hears later.
    fn owe(&mut self) -> u64 {
        self.last_owed += 1;
        self.last_owed
    }
}

/// When the one who asked hears.
#[derive(Debug)]
enum Answer {
    Now(Verdict),
    Later(u64),
}

/// What is looked at, not decided.
impl Room {
    /// A member.
    pub fn member(&self, account: AccountId) -> Option<&Arc<Member>> {
        self.members.get(account)
    }

    /// The member with this daemon id.
    pub fn by_daemon(&self, daemon: &DaemonId) -> Option<&Arc<Member>> {
        self.members.by_daemon(daemon)
    }

    /// All members, by account.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.iter()
    }

    /// Where an account can be reached besides the addresses that this host listens on: what it set, and what a beat that is
    /// still fresh has reported; in that order.
    pub fn entries(&self, account: AccountId, now: Mono) -> (Vec<EntryPoint>, Vec<EntryPoint>) {
        self.members.entries(account, now, self.rules.offline_after)
    }

    /// Whether an account is online, and why not.
    pub fn standing(&self, account: AccountId, now: Mono) -> Standing {
        self.stand(account, now)
    }

    /// The numbers of the oldest and the newest line of a log; none: it is empty.
    pub fn log_bounds(&self, account: AccountId) -> Option<(u64, u64)> {
        self.lines.bounds(account)
    }

    /// All pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.catalogue.pools()
    }

    /// A pool.
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.catalogue.pool(name)
    }

    /// All repositories, by name.
    pub fn repositories(&self) -> impl Iterator<Item = &Arc<Repository>> {
        self.catalogue.repositories()
    }

    /// A repository.
    pub fn repository(&self, name: &RepName) -> Option<&Arc<Repository>> {
        self.catalogue.repository(name)
    }

    /// The items of a repository, by name.
    pub fn items(&self, rep: &RepName) -> impl Iterator<Item = &Arc<Item>> {
        self.catalogue.items(rep)
    }

    /// The items of a pool.
    pub fn items_of_pool(&self, pool: &PoolName) -> impl Iterator<Item = &Arc<Item>> {
        self.catalogue.items_of_pool(pool)
    }

    /// An item.
    pub fn item(&self, rep: &RepName, name: &ItemName) -> Option<&Arc<Item>> {
        self.catalogue.item(rep, name)
    }

    /// The item of this number.
    pub fn item_by_no(&self, no: ItemNo) -> Option<&Arc<Item>> {
        self.catalogue.item_by_no(no)
    }

    /// The tags of an item, by name, bytewise.
    pub fn tags(&self, item: ItemNo) -> impl Iterator<Item = &Arc<Tag>> {
        self.catalogue.tags(item)
    }

    /// The same from the one after this name on.
    pub fn tags_after<'a>(&'a self, item: ItemNo, after: Option<&'a TagName>) -> impl Iterator<Item = &'a Arc<Tag>> {
        self.catalogue.tags_after(item, after)
    }

    /// How many tags an item has.
    pub fn tag_count(&self, item: ItemNo) -> usize {
        self.catalogue.tag_count(item)
    }

    /// A tag.
    pub fn tag(&self, item: ItemNo, name: &TagName) -> Option<&Arc<Tag>> {
        self.catalogue.tag(item, name)
    }

    /// The tag of this number.
    pub fn tag_by_no(&self, no: TagNo) -> Option<&Arc<Tag>> {
        self.catalogue.tag_by_no(no)
    }

    /// The tags of an item that are published from this file. Costs the number of those.
    pub fn tags_of_file(&self, item: ItemNo, file: &Arc<str>) -> impl Iterator<Item = &Arc<Tag>> {
        self.catalogue.tags_of_file(item, file)
    }

    /// How a tag is to be shown.
    pub fn shown(&self, tag: &Tag, now: Mono) -> Shown {
        self.show(tag, now)
    }

    /// The tags of an item that are not well, by name. Costs the number of those.
    pub fn unwell(&self, item: ItemNo, now: Mono) -> Vec<(Arc<Tag>, Shown)> {
        self.list_unwell(item, now)
    }

    /// What is to be looked at in a pool: up to `most` files after this one, in an order that stays. Files of one item come
    /// one after the other. Costs the number of those.
    pub fn to_look_at(&self, pool: &PoolName, after: Option<(ItemNo, TagNo)>, most: usize) -> Vec<(ItemNo, Expected)> {
        self.catalogue.to_look_at(pool, after, most)
    }

    /// The same for one item.
    pub fn to_look_at_in(&self, item: ItemNo, after: Option<TagNo>, most: usize) -> Vec<Expected> {
        self.catalogue.to_look_at_in(item, after, most)
    }

    /// The same for files of an item with these names. Costs the number of those.
    pub fn to_look_at_called(&self, item: ItemNo, names: &HashSet<Arc<str>>) -> Vec<Expected> {
        self.catalogue.to_look_at_called(item, names)
    }

    /// How many files there are to look at in a pool.
    pub fn published_in(&self, pool: &PoolName) -> usize {
        self.catalogue.published_in(pool)
    }

    /// Facts of this host that something depends on, each with who says so.
    pub fn requirements(&self) -> Vec<(Requirement, AccountId)> {
        self.facts.all()
    }

    /// All jobs, newest first.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.iter()
    }

    /// A job.
    pub fn job(&self, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.get(id)
    }

    /// How many members are online, and how many are not.
    pub fn presence(&self) -> (usize, usize) {
        self.members.counts()
    }

    /// How many tags there are, and how many of them are not well.
    pub fn counts(&self) -> (usize, usize) {
        self.count_tags()
    }
}
