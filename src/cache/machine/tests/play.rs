//! A stage for stories: a room, what is written down, a clock, and an engine that does as it is told.

use super::shelf::Shelf;
use crate::base::{Mono, Now, Wall};
use crate::cache::machine::*;
use crate::cache::model::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub(super) const MIB: u64 = 1 << 20;
pub(super) const PIECE: u64 = 4 * MIB;

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
        quota: Quota { bytes: None, low_percent: 80, keep_free: 0, tasks: 1_000_000 },
        ttl: hours(24 * 30),
        keep_jobs: 1_000_000,
        keep_jobs_for: hours(24 * 7),
        cluster_name: "cluster-1".into(),
        ip: "192.0.2.1".into(),
        accounts: BTreeSet::from(["registry.example.net:5000".to_owned()]),
        collect_every: secs(900),
        note_use_every: secs(60),
    }
}

pub(super) fn with_quota(bytes: u64) -> Rules {
    let quota = Quota { bytes: Some(bytes), ..rules().quota };
    Rules { quota, ..rules() }
}

pub(super) fn url(name: &str) -> String {
    format!("https://files.example.net/{name}")
}

pub(super) fn wanted(name: &str) -> Box<Wanted> {
    let identity = Identity::of_url(&if name.contains("://") { name.to_owned() } else { url(name) });
    Box::new(Wanted {
        ids: identity.ids(),
        digest: identity.blob_digest(),
        identity,
        private: false,
        ttl: None,
        pin: None,
        revalidate: false,
        peer: Uuid::from_u128(7),
    })
}

pub(super) fn source(length: impl Into<Option<u64>>, etag: &str) -> Box<Source> {
    Box::new(Source {
        extent: Extent { length: length.into(), piece_length: PIECE },
        validators: Validators { etag: (!etag.is_empty()).then(|| etag.to_owned()), last_modified: None },
        headers: Vec::new(),
        checked: beginning().wall,
    })
}

pub(super) fn naming() -> Naming {
    Naming { piece_length: None, tag: String::new(), application: String::new(), filter: Filter::new("") }
}

pub(super) fn preheat_args(urls: &[&str]) -> PreheatArgs {
    PreheatArgs {
        kind: PreheatKind::File,
        url: String::new(),
        urls: Some(urls.iter().map(|name| url(name)).collect()),
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
        concurrent_tasks: 8,
        concurrent_peers: 500,
        timeout: hours(1),
        revalidate: false,
        ttl: None,
        pin: None,
        digest: None,
    }
}

pub(super) fn find_args(by: FindBy) -> FindArgs {
    FindArgs {
        by,
        task_id: String::new(),
        url: String::new(),
        content: None,
        naming: naming(),
        concurrent_peers: 500,
        timeout: hours(1),
        image: false,
        headers: None,
        username: String::new(),
        password: String::new(),
        platform: String::new(),
    }
}

pub(super) fn by_url(name: &str) -> FindBy {
    FindBy::Url(Box::new(naming().of(&url(name))))
}

pub(super) fn new_job(args: Args) -> Box<NewJob> {
    Box::new(NewJob {
        group: Uuid::from_u128(1),
        unit: Uuid::from_u128(2),
        bio: String::new(),
        user: 0,
        args: Arc::new(args),
        clusters: Vec::new(),
        has_secrets: false,
    })
}

pub(super) struct Play {
    pub(super) room: Room,
    pub(super) now: Now,
    pub(super) shelf: Shelf,
    /// What each plan wrote down.
    pub(super) history: Vec<Vec<Change>>,
    /// What is to be done, and has not been done yet.
    pub(super) to_do: VecDeque<Effect>,
    /// All that was to be done.
    pub(super) effects: Vec<Effect>,
    /// Verdicts that came later.
    pub(super) late: BTreeMap<u64, Verdict>,
    pub(super) owed: BTreeSet<u64>,
    /// Bytes that are free on the disk.
    pub(super) free: u64,
    /// Why no file can be removed, where that is so.
    pub(super) stuck: Option<String>,
}

impl Play {
    pub(super) fn new(rules: Rules) -> Play {
        Play::of(rules, Shelf::default(), beginning())
    }

    pub(super) fn of(rules: Rules, shelf: Shelf, now: Now) -> Play {
        let (room, plan) = Room::recover(rules, shelf.memory(), now);
        let mut play = Play {
            room,
            now,
            shelf,
            history: Vec::new(),
            to_do: VecDeque::new(),
            effects: Vec::new(),
            late: BTreeMap::new(),
            owed: BTreeSet::new(),
            free: u64::MAX / 4,
            stuck: None,
        };
        play.take(&plan);
        play
    }

    /// A stage on which the beginning is over.
    pub(super) fn started(rules: Rules) -> Play {
        let mut play = Play::new(rules);
        play.calm();
        play.effects.clear();
        play
    }

    fn take(&mut self, plan: &Plan) {
        assert!(plan.changes.len() <= 256, "{} changes in one plan", plan.changes.len());
        self.shelf.apply(&plan.changes);
        self.history.push(plan.changes.clone());
        self.to_do.extend(plan.effects.iter().cloned());
        self.effects.extend(plan.effects.iter().cloned());
        assert!(plan.verdict.is_none() || plan.owed.is_none(), "two answers to one ask");
        if let Some(owed) = plan.owed {
            assert!(self.owed.insert(owed), "owed twice");
        }
        for (owed, verdict) in &plan.late {
            assert!(self.owed.remove(owed), "{verdict:?} was not owed");
            self.late.insert(*owed, verdict.clone());
        }
    }

    pub(super) fn hear(&mut self, event: Event) -> Plan {
        let plan = self.room.step(event, self.now);
        self.take(&plan);
        plan
    }

    pub(super) fn tell(&mut self, event: Event) {
        let _ = self.hear(event);
    }

    /// The engine does what needs nobody outside: looks at the disk, removes files, comes when it is called.
    pub(super) fn calm(&mut self) {
        for _ in 0..100_000 {
            if let Some(at) =
                self.to_do.iter().position(|effect| matches!(effect, Effect::Measure | Effect::Remove(..)))
            {
                match self.to_do.remove(at) {
                    Some(Effect::Measure) => self.tell(Event::Disk(Pressure { free: self.free })),
                    Some(Effect::Remove(no, _)) => {
                        let result = self.stuck.clone().map_or(Ok(()), Err);
                        self.tell(Event::Removed(no, result))
                    }
                    _ => unreachable!(),
                };
            } else if self.room.deadline().is_some_and(|at| at <= self.now.mono) {
                self.tell(Event::Tick);
            } else {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.later(time);
        while let Some(at) = self.room.deadline().filter(|at| *at <= end.mono) {
            self.now = self.now.later(at - self.now.mono);
            self.tell(Event::Tick);
            self.calm();
        }
        self.now = self.now.later(end.mono - self.now.mono);
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        self.hear(Event::Asked(ask)).verdict.expect("an answer at once")
    }

    /// Asks for what is answered later; what the answer is when all is calm.
    pub(super) fn ask_and_wait(&mut self, ask: Ask) -> Verdict {
        let plan = self.hear(Event::Asked(ask));
        self.calm();
        plan.verdict.unwrap_or_else(|| self.late.remove(&plan.owed.expect("owed")).expect("an answer by now"))
    }

    pub(super) fn open(&mut self, wanted: Box<Wanted>, reader: u64) -> Arc<Task> {
        match self.ask(Ask::Open(wanted, Errand::Reader(reader))) {
            Verdict::Opened(task) => task,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn leave(&mut self, no: TaskNo, reader: u64) {
        self.tell(Event::Left(no, Errand::Reader(reader)));
        self.calm();
    }

    pub(super) fn submit(&mut self, args: Args) -> JobId {
        match self.ask(Ask::Submit(new_job(args))) {
            Verdict::Job(job) => job.id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn preheat(&mut self, urls: &[&str]) -> JobId {
        let id = self.submit(Args::Preheat(preheat_args(urls)));
        self.calm();
        id
    }

    /// The last order for a task, and none before it that is still open.
    pub(super) fn order(&mut self, no: TaskNo) -> Order {
        let is_it = |effect: &Effect| matches!(effect, Effect::Fetch(order) if order.task == no);
        let at = self.to_do.iter().position(is_it).expect("an order");
        match self.to_do.remove(at) {
            Some(Effect::Fetch(order)) => *order,
            _ => unreachable!(),
        }
    }

    pub(super) fn has(&mut self, wanted: impl Fn(&Effect) -> bool) -> bool {
        match self.to_do.iter().position(wanted) {
            Some(at) => self.to_do.remove(at).is_some(),
            None => false,
        }
    }

    pub(super) fn is_stopped(&mut self, no: TaskNo) -> bool {
        self.has(|effect| *effect == Effect::Stop(no))
    }

    pub(super) fn answer(&mut self, no: TaskNo, source: Box<Source>) -> bool {
        self.tell(Event::Answered(no, source));
        self.calm();
        self.has(|effect| *effect == Effect::Proceed(no))
    }

    pub(super) fn pieces(&mut self, no: TaskNo, range: std::ops::Range<u32>) {
        for number in range {
            self.tell(Event::Piece(no, number, Crc(number)));
        }
    }

    pub(super) fn end(&mut self, no: TaskNo, end: FetchEnd) {
        self.tell(Event::Fetched(no, end));
        self.calm();
    }

    pub(super) fn fail(&mut self, no: TaskNo, why: &str) {
        self.end(no, FetchEnd::Failed { why: why.into(), discard: false });
    }

    /// The whole of a content arrives.
    pub(super) fn arrive(&mut self, no: TaskNo, length: u64) {
        self.order(no);
        assert!(self.answer(no, source(length, "v1")), "there is room");
        self.pieces(no, 0..u32::try_from(length.div_ceil(PIECE)).unwrap());
        self.end(no, FetchEnd::Whole { length });
    }

    /// A complete task that nobody wants.
    pub(super) fn cached(&mut self, name: &str, length: u64) -> TaskNo {
        let no = self.open(wanted(name), 1_000).no;
        self.arrive(no, length);
        self.leave(no, 1_000);
        no
    }

    pub(super) fn state(&self, no: TaskNo) -> TaskState {
        self.room.task(no).expect("a task").state.clone()
    }

    pub(super) fn task_of(&self, name: &str) -> TaskNo {
        self.room.find(&wanted(name).ids.primary).expect("a task").no
    }

    pub(super) fn is_gone(&self, no: TaskNo) -> bool {
        self.room.task(no).is_none()
    }
}

/// What became of each URL of a preheat, in a word each.
pub(super) fn ends(job: &Job) -> Vec<String> {
    let JobResult::Preheat(urls) = &job.part.result else { panic!("{job:?}") };
    let word = |url: &UrlOutcome| match &url.end {
        None => "open".to_owned(),
        Some(Ok(())) => "ok".to_owned(),
        Some(Err(why)) => why.clone(),
    };
    urls.iter().map(word).collect()
}
