//! The room as it is shared, and a decision of it with its batch: made at once, or aside where it takes long.

use crate::base::{Now, Wall};
use crate::hub::events::{self, News};
use crate::hub::machine::{self, Ask, Change, Effect, Event, Numbers, Plan, Room, Verdict, Which};
use crate::hub::model::TagNo;
use crate::hub::records;
use crate::store::Batch;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A decision that goes through more than this is made aside: so many take some milliseconds, and one step.
pub(super) const LONG: usize = machine::SLICE;

/// The room, which only the driver changes. Anybody looks at it between two decisions, from any thread; nobody keeps it
/// across an await.
#[derive(Clone)]
pub(super) struct SharedRoom {
    room: Arc<RwLock<Room>>,
    /// The highest numbers that were written down. The driver's alone.
    numbers: Arc<Mutex<Numbers>>,
}

/// A decision, ready to be written and carried out.
pub(super) struct Decided {
    /// When.
    pub(super) at: Wall,
    pub(super) batch: Batch,
    pub(super) verdict: Option<Verdict>,
    pub(super) owed: Option<u64>,
    pub(super) late: Vec<(u64, Verdict)>,
    pub(super) effects: Vec<Effect>,
    /// For listeners.
    pub(super) news: Vec<News>,
    /// Whether something may depend on other facts than before.
    pub(super) new_facts: bool,
    /// How the jobs ended that are over with it: what each did, and its state.
    pub(super) ended: Vec<(&'static str, &'static str)>,
    /// How many tags there are, and how many are not well; how many accounts are online, and how many are not.
    pub(super) counts: [(usize, usize); 2],
}

impl Decided {
    fn tell(&mut self, tell: &impl Fn(News, Wall)) {
        let at = self.at;
        self.news.drain(..).for_each(|news| tell(news, at));
    }

    /// Another step of the same decision.
    fn add(&mut self, more: Decided) {
        self.batch.append(more.batch);
        self.late.extend(more.late);
        self.effects.extend(more.effects);
        self.new_facts |= more.new_facts;
        self.ended.extend(more.ended);
        self.counts = more.counts;
    }
}

impl SharedRoom {
    pub(super) fn new(room: Room, numbers: Numbers) -> SharedRoom {
        SharedRoom { room: Arc::new(RwLock::new(room)), numbers: Arc::new(Mutex::new(numbers)) }
    }

    /// What there is, between two decisions.
    pub(super) fn get(&self) -> RwLockReadGuard<'_, Room> {
        self.room.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Room> {
        self.room.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what follows from an event, here and now.
    pub(super) fn decide(&self, event: Event) -> Decided {
        let now = Now::read();
        let plan = self.change().step(event, now);
        self.prepared(plan, now)
    }

    /// A plan of that time, as a decision. Only the driver calls it: the room is still as the plan left it.
    pub(super) fn prepared(&self, plan: Plan, now: Now) -> Decided {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.get();
        let last_tag = TagNo(numbers.tag);
        let published = plan.changes.iter().filter_map(|change| match change {
            Change::Tag(tag) if tag.no > last_tag => Some(tag.no),
            _ => None,
        });
        let published: HashSet<TagNo> = published.collect();
        let told = |news: &machine::News| events::event(&room, news, &published, now);
        let news = plan.news.iter().filter_map(told).collect();
        let counts = [room.counts(), room.presence()];
        drop(room);
        let mut batch = Batch::new();
        records::write(&plan.changes, &mut numbers, &mut batch);
        Decided {
            at: now.wall,
            batch,
            verdict: plan.verdict,
            owed: plan.owed,
            late: plan.late,
            effects: plan.effects,
            news,
            new_facts: plan.changes.iter().any(requires),
            ended: plan.changes.iter().filter_map(ended).collect(),
            counts,
        }
    }

    /// How many tags an ask goes through, about.
    pub(super) fn effort(&self, ask: &Ask) -> usize {
        let (rep, item) = match ask {
            Ask::Started | Ask::Stopping => {
                let (online, offline) = self.get().presence();
                return online + offline;
            }
            Ask::ForgetJob(_, None) => return self.get().jobs().count(),
            Ask::ForgetItem(_, rep, item) => (rep, item),
            Ask::ForgetTags(_, rep, item, which) | Ask::Verify(_, rep, item, which) => match which {
                Which::One(_) => return 1,
                Which::Like(_) | Which::All => (rep, item),
            },
            _ => return 1,
        };
        let room = self.get();
        room.item(rep, item).map_or(0, |item| room.tag_count(item.no))
    }

    /// As [`SharedRoom::decide`], on a thread that may take long, step by step: others may look in between. News are told
    /// with each step. None: the daemon is ending.
    pub(super) async fn decide_aside(
        &self,
        event: Event,
        tell: impl Fn(News, Wall) + Send + 'static,
    ) -> Option<Decided> {
        let room = self.clone();
        let decide = move || {
            let mut whole = room.decide(event);
            whole.tell(&tell);
            while room.get().is_busy() {
                std::thread::yield_now(); // whoever waits for the room
                let mut more = room.decide(Event::Tick);
                more.tell(&tell);
                whole.add(more);
            }
            whole
        };
        match tokio::task::spawn_blocking(decide).await {
            Ok(decided) => Some(decided),
            Err(why) if why.is_panic() => std::panic::resume_unwind(why.into_panic()),
            Err(_) => None,
        }
    }
}

/// How a job ended, where that is the change.
fn ended(change: &Change) -> Option<(&'static str, &'static str)> {
    match change {
        Change::Job(job) if job.state.is_over() => Some((job.kind.word(), job.state.word())),
        _ => None,
    }
}

/// Whether a change may bring facts that something depends on. What depends on them no longer need not be known at once.
fn requires(change: &Change) -> bool {
    match change {
        Change::Member(member) => !member.requires.all.is_empty(),
        Change::Tag(tag) => !tag.requires.all.is_empty(),
        _ => false,
    }
}
