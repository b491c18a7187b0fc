//! Random days: whatever can be asked and can happen, in any order, with deaths in between; and a dumb model that says
//! what must hold after each step.

use super::play::*;
use super::recovery::work_off;
use crate::base::chance::Chance;
use crate::cache::machine::*;
use crate::cache::model::*;
use std::collections::{BTreeMap, BTreeSet};

const QUOTA: u64 = 24 * PIECE;

/// Where a fetch stands, by what was ordered and what was told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fetch {
    Ordered { twin: Option<u64>, revalidate: bool },
    Answered { length: Option<u64> },
    Going { length: Option<u64>, pieces: u32 },
}

struct Day {
    play: Play,
    chance: Chance,
    /// What the engine is at. Nothing but what the plans say.
    fetches: BTreeMap<TaskNo, Fetch>,
    stopping: BTreeSet<TaskNo>,
    removing: BTreeSet<TaskNo>,
    resolving: BTreeSet<JobId>,
    purging: BTreeSet<JobId>,
    /// Readers and what they hold.
    readers: Vec<(TaskNo, u64)>,
    /// Readers who are owed a verdict.
    waiting: BTreeMap<u64, u64>,
    measuring: usize,
    next: u64,
}

impl Day {
    fn new(seed: u64) -> Day {
        let rules = Rules { quota: Quota { tasks: 12, ..with_quota(QUOTA).quota }, ttl: hours(5), ..rules() };
        let mut day = Day {
            play: Play::new(rules),
            chance: Chance::new(seed),
            fetches: BTreeMap::new(),
            stopping: BTreeSet::new(),
            removing: BTreeSet::new(),
            resolving: BTreeSet::new(),
            purging: BTreeSet::new(),
            readers: Vec::new(),
            waiting: BTreeMap::new(),
            measuring: 0,
            next: 0,
        };
        day.take_orders();
        day
    }

    fn hear(&mut self, event: Event) -> Plan {
        let before: BTreeMap<_, _> = self.play.room.tasks().map(|task| (task.no, task.state.clone())).collect();
        let removes_by_will = matches!(event, Event::Asked(Ask::Remove(_)));
        let had_deletions = self
            .play
            .shelf
            .jobs
            .values()
            .any(|job| job.kind() == JobKind::DeleteTask && job.state() == JobState::Pending);
        let plan = self.play.hear(event);
        // Only somebody's will dooms what is wanted, kept or fetched.
        for change in &plan.changes {
            let Change::Task(task) = change else { continue };
            let is_new = task.state == TaskState::Doomed && before.get(&task.no) != Some(&TaskState::Doomed);
            if is_new && !removes_by_will && !had_deletions {
                assert!(task.pins.is_empty(), "a pinned one was thrown away");
                assert!(!self.readers.iter().any(|(no, _)| *no == task.no), "a wanted one was thrown away");
                assert!(!self.fetches.contains_key(&task.no), "a running one was thrown away");
            }
        }
        for (owed, verdict) in &plan.late {
            if let Some(reader) = self.waiting.remove(owed)
                && let Verdict::Opened(task) = verdict
            {
                self.readers.push((task.no, reader));
            }
        }
        self.take_orders();
        self.check();
        plan
    }

    fn tell(&mut self, event: Event) {
        let _ = self.hear(event);
    }

    fn take_orders(&mut self) {
        for effect in std::mem::take(&mut self.play.to_do) {
            match effect {
                Effect::Fetch(order) => {
                    let twin = order.twin.as_ref().and_then(|(_, _, extent, _)| extent.length);
                    let fetch = Fetch::Ordered { twin, revalidate: order.revalidate };
                    assert_eq!(self.fetches.insert(order.task, fetch), None, "two fetches of one task");
                    assert!(!self.removing.contains(&order.task), "its file is being removed");
                }
                Effect::Proceed(no) => {
                    let Some(Fetch::Answered { length }) = self.fetches.get(&no).copied() else { panic!("not asked") };
                    self.fetches.insert(no, Fetch::Going { length, pieces: 0 });
                }
                Effect::Stop(no) => {
                    self.stopping.insert(no);
                }
                Effect::Remove(no, _) => {
                    assert!(self.removing.insert(no), "removed twice at once");
                    assert!(!self.fetches.contains_key(&no), "somebody writes to it");
                    assert_eq!(self.play.state(no), TaskState::Doomed);
                }
                Effect::Resolve(job, ..) => {
                    self.resolving.insert(job);
                }
                Effect::PurgeAudit(job, _) => {
                    self.purging.insert(job);
                }
                Effect::Measure => self.measuring += 1,
                Effect::Inquire(_) | Effect::Release(_) => {}
            }
        }
    }

    /// What must hold at any time.
    fn check(&self) {
        let room = &self.play.room;
        let mut bytes = 0;
        let mut kept = 0;
        for task in room.tasks() {
            let promised = match self.fetches.get(&task.no) {
                Some(Fetch::Going { length, .. }) => length.unwrap_or(0),
                _ => 0,
            };
            // A fetch that is being stopped has nothing promised any more.
            let promised = if self.stopping.contains(&task.no) { 0 } else { promised };
            let charge = task.cached_bytes().max(promised);
            bytes += charge;
            kept += if task.state == TaskState::Doomed { 0 } else { charge };
            let is_fetched = self.fetches.contains_key(&task.no);
            if task.state == TaskState::Fetching {
                assert!(is_fetched, "{task:?} says it is fetched");
            }
            if task.is_complete() {
                assert_eq!(task.total_pieces(), Some(task.pieces.count()));
            }
        }
        assert_eq!(room.bytes(), bytes);
        // More than the quota is kept only of what nobody may throw away, or until the next step.
        let free = room.catalogue.free_bytes();
        let goes_on = room.deadline() == Some(self.play.now.mono);
        assert!(kept <= QUOTA || free == 0 || goes_on, "{kept} are kept, {free} of them for nobody");
        let alive = room.tasks().filter(|task| task.state != TaskState::Doomed).count();
        assert!(alive <= 12);
        let mut heads: Vec<_> = room.heads().map(|head| (head.id, head.state)).collect();
        heads.reverse();
        let stored: Vec<_> = self.play.shelf.jobs.values().map(|job| (job.id, job.state())).collect();
        assert_eq!(heads, stored);
    }

    fn name(&mut self) -> String {
        let names = ["a", "b", "c", "d", "missing1", "missing2", "stream", "large", "e", "f", "g", "h", "i", "j", "k"];
        self.chance.pick(&names).to_owned()
    }

    fn any_task(&mut self) -> TaskNo {
        let all: Vec<_> = self.play.room.tasks().map(|task| task.no).collect();
        if all.is_empty() { TaskNo(1) } else { self.chance.pick(&all) }
    }

    fn ask(&mut self) {
        let name = self.name();
        let ask = match self.chance.below(20) {
            0..=6 => {
                self.next += 1;
                let mut wanted = wanted(&name);
                wanted.revalidate = self.chance.percent(20);
                wanted.pin = self.chance.percent(3).then(|| PinOwner::Name("n".into()));
                if self.chance.percent(10) {
                    wanted.digest = Some(Digest::Crc32(u32::try_from(self.chance.below(2)).unwrap()));
                }
                let reader = self.next;
                let plan = self.hear(Event::Asked(Ask::Open(wanted, Errand::Reader(reader))));
                match (plan.verdict, plan.owed) {
                    (Some(Verdict::Opened(task)), None) => self.readers.push((task.no, reader)),
                    (Some(Verdict::Refused(_)), None) => {}
                    (None, Some(owed)) => {
                        self.waiting.insert(owed, reader);
                    }
                    other => panic!("{other:?}"),
                }
                return;
            }
            7..=10 => {
                let other = self.name();
                let args = PreheatArgs {
                    concurrent_tasks: 1 + u32::try_from(self.chance.below(2)).unwrap(),
                    revalidate: self.chance.percent(20),
                    timeout: self.chance.pick(&[secs(5), hours(1)]),
                    ..preheat_args(&[&name, &other])
                };
                Ask::Submit(Box::new(NewJob { has_secrets: self.chance.percent(20), ..*new_job(Args::Preheat(args)) }))
            }
            11 => Ask::Submit(new_job(Args::Preheat(PreheatArgs { kind: PreheatKind::Image, ..preheat_args(&[]) }))),
            12 => Ask::Submit(new_job(Args::GetTask(find_args(by_url(&name))))),
            13 => Ask::Submit(new_job(Args::DeleteTask(find_args(by_url(&name))))),
            14 => {
                let kind = self.chance.pick(&[GcKind::Job, GcKind::Audit]);
                Ask::Submit(new_job(Args::Gc(GcArgs { kind, ttl: secs(100) })))
            }
            15 => Ask::Remove(vec![self.any_task(), self.any_task()]),
            16 => Ask::Collect,
            17 => Ask::Unpin(self.any_task(), PinOwner::Name("n".into())),
            18 => Ask::ForgetJob(JobId(1 + self.chance.below(20))),
            _ => Ask::PatchJob { id: JobId(1 + self.chance.below(20)), bio: Some("b".into()), user: None },
        };
        let plan = self.hear(Event::Asked(ask));
        assert!(plan.verdict.is_some() != plan.owed.is_some(), "one answer, now or later");
    }

    /// Something happens to a fetch.
    fn fetch(&mut self) {
        let all: Vec<_> = self.fetches.keys().copied().collect();
        if all.is_empty() {
            return;
        }
        let no = self.chance.pick(&all);
        let Some(task) = self.play.room.task(no).cloned() else { panic!("{no:?} is fetched and not there") };
        let fetch = self.fetches[&no];
        if self.stopping.contains(&no) && self.chance.percent(70) {
            return self.over(no, FetchEnd::Stopped);
        }
        if self.chance.percent(8) {
            let discard = self.chance.percent(20);
            return self.over(no, FetchEnd::Failed { why: "broken".into(), discard });
        }
        match fetch {
            Fetch::Ordered { revalidate: true, .. } if self.chance.percent(60) => {
                self.fetches.remove(&no);
                self.stopping.remove(&no);
                self.tell(Event::Unchanged(no));
            }
            Fetch::Ordered { twin: Some(length), .. } => self.over(no, FetchEnd::Whole { length }),
            Fetch::Ordered { .. } if task.identity.url.contains("missing") => {
                self.over(no, FetchEnd::Failed { why: "404".into(), discard: false });
            }
            Fetch::Ordered { .. } => {
                let length = match &task.identity.url {
                    url if url.ends_with("stream") => None,
                    url if url.ends_with("large") => Some(20 * PIECE),
                    _ => Some((1 + self.chance.below(4)) * PIECE),
                };
                self.fetches.insert(no, Fetch::Answered { length });
                let version = self.chance.pick(&["v1", "v2", ""]);
                self.tell(Event::Answered(no, source(length, version)));
            }
            Fetch::Answered { .. } => {}
            Fetch::Going { length, pieces } => {
                let total = length.map_or(30, |length| u32::try_from(length / PIECE).unwrap());
                if pieces < total {
                    self.fetches.insert(no, Fetch::Going { length, pieces: pieces + 1 });
                    self.tell(Event::Piece(no, pieces, Crc(7)));
                    if length.is_some() || self.chance.percent(80) {
                        return;
                    }
                }
                let held = self.play.room.task(no).map_or(0, |task| task.pieces.count());
                self.over(no, FetchEnd::Whole { length: length.unwrap_or(u64::from(held) * PIECE) });
            }
        }
    }

    fn over(&mut self, no: TaskNo, end: FetchEnd) {
        self.fetches.remove(&no);
        self.stopping.remove(&no);
        self.tell(Event::Fetched(no, end));
    }

    /// The engine does something that it owes.
    fn engine(&mut self) {
        if self.measuring > 0 && self.chance.percent(50) {
            self.measuring -= 1;
            let free = self.play.free;
            self.tell(Event::Disk(Pressure { free }));
        } else if let Some(no) = self.removing.pop_first() {
            let result = if self.chance.percent(10) { Err("stuck".to_owned()) } else { Ok(()) };
            self.tell(Event::Removed(no, result));
        } else if let Some(job) = self.resolving.pop_first() {
            let blobs = if self.chance.percent(20) { Err("no".to_owned()) } else { Ok(vec![url("a"), url("k")]) };
            self.tell(Event::Resolved(job, blobs));
        } else if let Some(job) = self.purging.pop_first() {
            self.tell(Event::Purged(job, Ok(3)));
        }
    }

    fn leave(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let at = self.chance.place(self.readers.len());
        let (no, reader) = self.readers.remove(at);
        self.tell(Event::Left(no, Errand::Reader(reader)));
    }

    fn tick(&mut self) {
        match self.play.room.deadline() {
            Some(at) if at <= self.play.now.mono => {}
            Some(at) if self.chance.percent(5) => self.play.now = self.play.now.later(at - self.play.now.mono),
            _ => self.play.now = self.play.now.later(secs(1)),
        }
        self.tell(Event::Tick);
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..=19 => self.ask(),
            20..=59 => self.fetch(),
            60..=74 => self.engine(),
            75..=84 => self.leave(),
            85 => {
                let no = self.any_task();
                self.tell(Event::Damaged(no, vec![0]));
            }
            _ => self.tick(),
        }
    }

    /// Everybody goes home, and all that was begun comes to an end.
    fn end(mut self) {
        while !self.readers.is_empty() {
            self.leave();
        }
        for no in std::mem::take(&mut self.removing) {
            self.play.tell(Event::Removed(no, Ok(())));
        }
        for job in std::mem::take(&mut self.resolving) {
            self.play.tell(Event::Resolved(job, Err("the day is over".into())));
        }
        for job in std::mem::take(&mut self.purging) {
            self.play.tell(Event::Purged(job, Ok(0)));
        }
        let free = self.play.free;
        self.play.tell(Event::Disk(Pressure { free }));
        for no in self.fetches.into_keys() {
            self.play.tell(Event::Fetched(no, FetchEnd::Stopped));
        }
        work_off(&mut self.play);
        self.play.pass(hours(3));
        work_off(&mut self.play);
        assert_eq!(self.play.owed, BTreeSet::new(), "every verdict that is owed is given");
        assert!(self.play.shelf.jobs.values().all(|job| job.state() != JobState::Pending), "every job ends");
        for task in self.play.room.tasks() {
            assert!(!matches!(task.state, TaskState::Doomed | TaskState::Fetching), "{task:?}");
        }
    }

    /// The daemon dies here; what it would find at the next start comes to rest, too.
    fn die(&self) {
        let mut play = Play::of(self.play.room.rules.clone(), self.play.shelf.clone(), self.play.now);
        work_off(&mut play);
        assert!(play.shelf.jobs.values().all(|job| job.state() != JobState::Pending), "every job ends");
        let bytes: u64 = play.room.tasks().map(|task| task.cached_bytes()).sum();
        assert_eq!(play.room.bytes(), bytes);
        assert!(play.room.tasks().all(|task| !matches!(task.state, TaskState::Doomed | TaskState::Fetching)));
    }
}

#[test]
fn random_days_keep_the_rules() {
    // More of them by hand, after a change: CACHE_DAYS=5000.
    let days = std::env::var("CACHE_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(150);
    for seed in 0..days {
        let mut day = Day::new(seed);
        for step in 0..400 {
            day.step();
            if step % 40 == 0 {
                day.die();
            }
        }
        day.end();
    }
}
