//! Who wants which task, and how it is fetched: once, however many want it, and for as long as somebody does.
//!
//! ```text
//! asked --answer--> waiting for room --there is--> going --end--> over
//!   |                     ^------ other content ------'
//!   `------ nobody wants it, no room, doomed: stopping ---end---> over; then those in who came meanwhile
//! ```
//!
//! A complete task of which the origin is only asked whether it has changed stays complete, and is served, until the origin
//! says otherwise. [`Verdict::Opened`] tells the one who wanted that asked that it is being fetched.

use super::{Answer, Change, Effect, Errand, FetchEnd, Order, Refusal, Room, Verdict, Wanted};
use crate::cache::model::address::{has_account, host_of};
use crate::cache::model::{Crc, Digest, Failure, JobId, LastUse, Pieces, Source, Task, TaskNo, TaskState, Validators};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// All that is wanted, and fetched.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    /// The highest number of a task ever given.
    pub(super) last: u64,
    fetches: BTreeMap<TaskNo, Fetch>,
    /// Who wants what, and whether what he fetches with makes it private.
    wants: BTreeMap<TaskNo, BTreeMap<Errand, bool>>,
    /// Those who came while a fetch was being stopped, or a file removed.
    parked: BTreeMap<TaskNo, Vec<Parked>>,
    /// Those who may come in now.
    coming: VecDeque<Parked>,
    /// Tasks that have nothing to show for themselves.
    empty: VecDeque<TaskNo>,
}

#[derive(Debug)]
struct Fetch {
    /// On whose behalf, and with whose credentials.
    errand: Errand,
    private: bool,
    /// What it was told to make sure of.
    digest: Option<Digest>,
    twin: Option<Box<Source>>,
    twin_pieces: Arc<Pieces>,
    phase: Phase,
    /// What it works on was changed under it: when it ends, another one begins.
    again: bool,
    /// There may be a file.
    has_file: bool,
}

#[derive(Debug)]
enum Phase {
    Asked,
    Waiting(Box<Source>),
    Going,
    Stopping(Stop),
}

/// Why a fetch is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nobody wants it any more.
    Abandoned,
    /// There is no room; for people.
    Full(String),
    /// The task is being removed.
    Doomed,
}

/// Somebody who has to wait before he may want something.
#[derive(Debug)]
pub(super) enum Parked {
    /// One who asked and is owed a verdict.
    Reader(u64, Box<Wanted>, Errand),
    /// One URL of a job.
    Job(JobId, usize),
}

/// How an attempt to open a content went.
#[derive(Debug)]
pub(super) enum Opening {
    Ready(Arc<Task>),
    Running(TaskNo),
    /// Something has to end first.
    Later(TaskNo),
    Refused(Refusal),
}

impl Fetching {
    /// Whether a task is wanted or worked on.
    pub(super) fn holds(&self, no: TaskNo) -> bool {
        self.wants.contains_key(&no) || self.fetches.contains_key(&no)
    }

    /// Whether all of its length is promised to a fetch.
    pub(super) fn is_going(&self, no: TaskNo) -> bool {
        self.fetches.get(&no).is_some_and(|fetch| matches!(fetch.phase, Phase::Going))
    }

    /// What the origin said, where there is no room for it yet.
    pub(super) fn waiting(&self, no: TaskNo) -> Option<&Source> {
        match &self.fetches.get(&no)?.phase {
            Phase::Waiting(source) => Some(source),
            Phase::Asked | Phase::Going | Phase::Stopping(_) => None,
        }
    }

    pub(super) fn has_more(&self) -> bool {
        !self.coming.is_empty() || !self.empty.is_empty()
    }

    /// Somebody has to wait for the end of something.
    pub(super) fn park(&mut self, no: TaskNo, who: Parked) {
        self.parked.entry(no).or_default().push(who);
    }

    /// That has ended.
    pub(super) fn unpark(&mut self, no: TaskNo) {
        self.coming.extend(self.parked.remove(&no).into_iter().flatten());
    }

    /// Those who wait for the end of something that will not end.
    pub(super) fn take_parked(&mut self, no: TaskNo) -> Vec<Parked> {
        self.parked.remove(&no).unwrap_or_default()
    }

    /// Forgets who wants it; which jobs did.
    pub(super) fn unwant(&mut self, no: TaskNo) -> Vec<JobId> {
        self.wants.remove(&no).map(jobs_of).unwrap_or_default()
    }

    /// A task that has nothing, and may go if nobody comes for it.
    pub(super) fn suspect(&mut self, no: TaskNo) {
        self.empty.push_back(no);
    }

    pub(super) fn jobs_that_want(&self, no: TaskNo) -> Vec<JobId> {
        self.wants.get(&no).cloned().map(jobs_of).unwrap_or_default()
    }
}

fn jobs_of(errands: BTreeMap<Errand, bool>) -> Vec<JobId> {
    let job = |errand| if let Errand::Job(job) = errand { Some(job) } else { None };
    errands.into_keys().filter_map(job).collect()
}

/// Whether an origin still means what it meant: the same length, and a name for the version that is the same.
fn is_same(before: &Source, now: &Source) -> bool {
    let named = before.validators != Validators::default();
    named && before.validators == now.validators && before.extent == now.extent
}

impl Room {
    pub(super) fn asked_to_open(&mut self, wanted: Box<Wanted>, errand: Errand) -> Answer {
        match self.open(&wanted, errand) {
            Opening::Later(no) => {
                let owed = self.owe();
                self.fetching.park(no, Parked::Reader(owed, wanted, errand));
                Answer::Later(owed)
            }
            opening => Answer::Now(self.opened(opening, wanted.revalidate)),
        }
    }

    fn opened(&self, opening: Opening, revalidate: bool) -> Verdict {
        let no = match opening {
            Opening::Ready(task) => return Verdict::Opened(task),
            Opening::Refused(why) => return Verdict::Refused(why),
            Opening::Running(no) | Opening::Later(no) => no,
        };
        match self.task(no) {
            // He waits for what the origin says; for others it is complete.
            Some(task) if revalidate && task.is_complete() => {
                // What comes may have been got with credentials; it is noted of the task when it comes.
                let private = task.private || self.fetching.fetches.get(&no).is_some_and(|fetch| fetch.private);
                Verdict::Opened(Arc::new(Task { state: TaskState::Fetching, private, ..Task::clone(task) }))
            }
            Some(task) => Verdict::Opened(task.clone()),
            None => Verdict::Refused(Refusal::NotFound),
        }
    }

    /// Opens a content on somebody's behalf, who is noted as wanting it unless he has to wait or is refused.
    pub(super) fn open(&mut self, wanted: &Wanted, errand: Errand) -> Opening {
        self.opened += 1;
        let Some(no) = self.catalogue.own(&wanted.ids) else { return self.open_new(wanted, errand) };
        let Some(task) = self.task(no).cloned() else { return Opening::Refused(Refusal::NotFound) };
        if task.state == TaskState::Doomed {
            self.retry_removal(no);
            return Opening::Later(no);
        }
        let other_digest = wanted.digest.is_some() && wanted.digest != task.digest;
        let is_done = task.is_complete() && !other_digest && !wanted.revalidate;
        let fetch = self.fetching.fetches.get(&no);
        if !is_done && fetch.is_some_and(|fetch| matches!(fetch.phase, Phase::Stopping(_))) {
            return Opening::Later(no);
        }
        let is_fetched = fetch.is_some();
        drop(task);
        self.want(no, errand, wanted.private);
        self.take_wishes(no, wanted);
        if is_done {
            return self.task(no).cloned().map_or(Opening::Refused(Refusal::NotFound), Opening::Ready);
        }
        if other_digest {
            self.mistrust(no, wanted.digest.clone());
        }
        if !is_fetched {
            self.begin(no, errand, wanted.private);
        }
        Opening::Running(no)
    }

    /// Whether whoever asks for this is let in by an account that the configuration has, or that the URL itself names:
    /// whatever way its host is written.
    fn is_opened_by_account(&self, url: &str) -> bool {
        has_account(url) || host_of(url).is_some_and(|host| self.rules.accounts.contains(&host))
    }

    fn want(&mut self, no: TaskNo, errand: Errand, private: bool) {
        *self.fetching.wants.entry(no).or_default().entry(errand).or_default() |= private;
        if let Some(task) = self.task(no) {
            task.used.touch(self.now.wall);
        }
        self.settle(no);
    }

    /// How long it is to be kept, and for whom.
    fn take_wishes(&mut self, no: TaskNo, wanted: &Wanted) {
        let pinned = wanted.pin.as_ref().is_some_and(|owner| self.catalogue.pin(no, owner));
        let other_ttl = wanted.ttl.filter(|ttl| self.task(no).is_some_and(|task| task.ttl != Some(*ttl)));
        if pinned || other_ttl.is_some() {
            self.change(no, |task| task.ttl = other_ttl.or(task.ttl));
        }
    }

    /// What is there was never compared with what it must be now. What is complete counts for nothing then; what is not is
    /// compared as a whole in the end.
    fn mistrust(&mut self, no: TaskNo, digest: Option<Digest>) {
        if self.task(no).is_some_and(|task| task.is_complete()) {
            self.empty_out(no);
            if let Some(fetch) = self.fetching.fetches.get_mut(&no) {
                fetch.again = true;
            }
            self.change(no, |task| task.state = TaskState::Fetching);
        }
        self.change(no, |task| task.digest = digest);
    }

    /// Nothing of it is there any more.
    fn empty_out(&mut self, no: TaskNo) {
        let empty = Arc::new(Pieces::new());
        self.plan.changes.push(Change::Pieces(no, empty.clone()));
        self.catalogue.change(no, |task| {
            task.source = None;
            task.pieces = empty;
        });
    }

    fn open_new(&mut self, wanted: &Wanted, errand: Errand) -> Opening {
        if let Err(why) = self.make_place() {
            return Opening::Refused(why);
        }
        self.fetching.last += 1;
        let no = TaskNo(self.fetching.last);
        self.catalogue.insert(Task {
            no,
            identity: wanted.identity.clone(),
            ids: wanted.ids.clone(),
            digest: wanted.digest.clone(),
            private: wanted.private,
            pins: wanted.pin.iter().cloned().collect(),
            ttl: wanted.ttl,
            peer: wanted.peer,
            created: self.now.wall,
            used: LastUse::at(self.now.wall),
            source: None,
            pieces: Arc::new(Pieces::new()),
            state: TaskState::Partial(None),
        });
        self.want(no, errand, wanted.private);
        self.begin(no, errand, wanted.private);
        Opening::Running(no)
    }

    /// Begins a fetch. Where the task is complete the origin is only asked whether it has changed.
    fn begin(&mut self, no: TaskNo, errand: Errand, private: bool) {
        let Some(task) = self.task(no).cloned() else { return };
        let private = private || self.is_opened_by_account(&task.identity.url);
        let revalidate = task.is_complete();
        let have = task.source.clone().map(|source| (Box::new(source), task.pieces.clone()));
        let twin = match &task.digest {
            Some(digest) if task.pieces.count() == 0 => self.catalogue.twin(digest, no),
            Some(_) | None => None,
        };
        let twin = twin.and_then(|twin| Some((twin, twin.source.as_ref()?)));
        let twin = twin.map(|(twin, source)| (twin.clone(), Box::new(taken_over(source))));
        let order = Order {
            task: no,
            ids: task.ids.clone(),
            url: task.identity.url.clone(),
            errand,
            piece_length: task.identity.piece_length,
            digest: task.digest.clone(),
            have,
            revalidate,
            twin: twin.as_ref().map(|(twin, source)| (twin.no, twin.ids.clone(), source.extent, twin.pieces.clone())),
        };
        let is_taken = twin.is_some();
        let (twin_pieces, twin) =
            twin.map_or_else(Default::default, |(twin, source)| (twin.pieces.clone(), Some(source)));
        let fetch = Fetch {
            errand,
            private,
            digest: task.digest.clone(),
            twin,
            twin_pieces,
            phase: Phase::Asked,
            again: false,
            has_file: task.source.is_some() || is_taken,
        };
        drop(task);
        self.fetching.fetches.insert(no, fetch);
        if !revalidate {
            self.change(no, |task| {
                task.state = TaskState::Fetching;
                task.private |= private;
            });
        }
        self.plan.effects.push(Effect::Fetch(Box::new(order)));
    }

    /// Stops a fetch; it is over when [`super::Event::Fetched`] says so. Whether there was one.
    pub(super) fn stop(&mut self, no: TaskNo, why: Stop) -> bool {
        let Some(fetch) = self.fetching.fetches.get_mut(&no) else { return false };
        if !matches!(fetch.phase, Phase::Stopping(_)) {
            self.plan.effects.push(Effect::Stop(no));
        }
        // Whoever dooms it has the last word; a reason that was told stays.
        if !matches!(fetch.phase, Phase::Stopping(_)) || why == Stop::Doomed {
            fetch.phase = Phase::Stopping(why);
        }
        self.settle(no);
        true
    }

    pub(super) fn left(&mut self, no: TaskNo, errand: Errand) {
        if let Some(wants) = self.fetching.wants.get_mut(&no) {
            wants.remove(&errand);
            if wants.is_empty() {
                self.fetching.wants.remove(&no);
                if !self.stop(no, Stop::Abandoned) {
                    self.fetching.suspect(no);
                }
                self.settle(no);
            }
        }
        let mut stay = Vec::new();
        for parked in self.fetching.take_parked(no) {
            match parked {
                Parked::Reader(owed, _, gone) if gone == errand => {
                    self.plan.late.push((owed, Verdict::Refused(Refusal::NotFound)));
                }
                parked => stay.push(parked),
            }
        }
        if !stay.is_empty() {
            self.fetching.parked.insert(no, stay);
        }
    }

    /// The origin has answered: is there room for that?
    pub(super) fn answered(&mut self, no: TaskNo, source: Box<Source>) {
        match self.fetching.fetches.get_mut(&no) {
            Some(Fetch { phase: Phase::Stopping(_), .. }) | None => self.plan.effects.push(Effect::Stop(no)),
            Some(fetch) => {
                fetch.phase = Phase::Waiting(source);
                self.settle(no);
                self.ask_for_room(no);
            }
        }
    }

    /// There is room.
    pub(super) fn proceed(&mut self, no: TaskNo) {
        let Some(fetch) = self.fetching.fetches.get_mut(&no) else { return };
        let Phase::Waiting(source) = std::mem::replace(&mut fetch.phase, Phase::Going) else { return };
        fetch.twin = None; // its file was not to be had
        fetch.has_file = true;
        let private = fetch.private;
        let Some(task) = self.task(no) else { return };
        let stays = task.source.as_ref().is_some_and(|before| is_same(before, &source));
        if !stays && task.pieces.count() > 0 {
            self.empty_out(no);
        }
        self.change(no, |task| {
            task.source = Some(*source);
            task.state = TaskState::Fetching;
            task.private |= private;
        });
        self.plan.effects.push(Effect::Proceed(no));
    }

    pub(super) fn piece(&mut self, no: TaskNo, number: u32, crc: Crc) {
        if !self.fetching.fetches.contains_key(&no) {
            return;
        }
        let Some(before) = self.task(no).filter(|task| task.state != TaskState::Doomed) else { return };
        // Past the end there is nothing.
        if before.total_pieces().is_some_and(|total| number >= total) || before.source.is_none() {
            return;
        }
        let was = before.cached_bytes();
        let task = self.catalogue.change(no, |task| Arc::make_mut(&mut task.pieces).put(number, crc));
        let Some(task) = task else { return };
        self.settle(no);
        self.plan.changes.push(Change::Pieces(no, task.pieces.clone()));
        self.written(task.cached_bytes().saturating_sub(was));
        if task.length().is_none() && self.fetching.is_going(no) {
            self.grown(no);
        }
    }

    pub(super) fn unchanged(&mut self, no: TaskNo) {
        let Some(fetch) = self.fetching.fetches.remove(&no) else { return };
        let now = self.now.wall;
        let is_complete = self.task(no).is_some_and(|task| task.is_complete());
        if is_complete && !fetch.again {
            self.change(no, |task| {
                if let Some(source) = &mut task.source {
                    source.checked = now;
                }
            });
        }
        let end =
            if is_complete { Ok(()) } else { Err("the origin has nothing new, and not all of it is here".to_owned()) };
        self.ended(no, fetch, end, None);
    }

    pub(super) fn fetched(&mut self, no: TaskNo, end: FetchEnd) {
        let Some(fetch) = self.fetching.fetches.remove(&no) else { return };
        match end {
            FetchEnd::Whole { length } => self.whole(no, fetch, length),
            FetchEnd::Failed { why, discard } => {
                if discard && self.task(no).is_some_and(|task| task.state != TaskState::Doomed) {
                    self.empty_out(no);
                    self.catalogue.change(no, |task| task.state = TaskState::Fetching); // and not complete, if it was
                }
                self.ended(no, fetch, Err(why.clone()), Some(why));
            }
            FetchEnd::Stopped => match fetch.phase.why_stopped() {
                Some(Stop::Full(why)) => self.ended(no, fetch, Err(why.clone()), Some(why)),
                Some(Stop::Abandoned | Stop::Doomed) | None => {
                    self.ended(no, fetch, Err("it was stopped".to_owned()), None);
                }
            },
        }
    }

    fn whole(&mut self, no: TaskNo, fetch: Fetch, length: u64) {
        let Some(task) = self.task(no) else { return };
        if task.state == TaskState::Doomed {
            return self.ended(no, fetch, Ok(()), None);
        }
        if task.is_complete() && !fetch.again {
            return self.ended(no, fetch, Ok(()), None); // it had been, and nothing was said against it
        }
        let digest_holds = fetch.digest == task.digest;
        let twin = fetch.twin.as_deref().filter(|twin| task.source.is_none() && twin.extent.length == Some(length));
        let source = task.source.clone().or_else(|| twin.cloned());
        let Some(mut source) = source else {
            let why = "it ended before the origin had said anything".to_owned();
            return self.ended(no, fetch, Err(why.clone()), Some(why));
        };
        source.extent.length = Some(length);
        let pieces = if task.source.is_none() { fetch.twin_pieces.clone() } else { task.pieces.clone() };
        let is_taken = task.source.is_none();
        let mut probe = Task::clone(task);
        (probe.source, probe.pieces) = (Some(source.clone()), pieces.clone());
        let has_all = probe.total_pieces() == Some(probe.pieces.count()) && probe.cached_bytes() == length;
        drop(probe);
        if is_taken {
            self.plan.changes.push(Change::Pieces(no, pieces.clone()));
        }
        let now = self.now.wall;
        if has_all && digest_holds && !fetch.again {
            self.change(no, |task| {
                (task.source, task.pieces) = (Some(source), pieces);
                task.state = TaskState::Complete(now);
            });
            return self.ended(no, fetch, Ok(()), None);
        }
        self.catalogue.change(no, |task| (task.source, task.pieces) = (Some(source), pieces));
        if fetch.again || !digest_holds {
            return self.ended(no, Fetch { again: true, ..fetch }, Err("it changed meanwhile".to_owned()), None);
        }
        let why = "it ended, and pieces are missing".to_owned();
        self.ended(no, fetch, Err(why.clone()), Some(why));
    }

    /// A fetch is over: who wanted it is told, or it begins again.
    fn ended(&mut self, no: TaskNo, fetch: Fetch, end: Result<(), String>, failed: Option<String>) {
        let Some(task) = self.task(no).cloned() else { return };
        if task.state == TaskState::Doomed {
            self.settle(no);
            return self.remove_file(no);
        }
        let digest_holds = task.is_complete() || fetch.digest == task.digest;
        let goes_on = match &fetch.phase {
            Phase::Stopping(Stop::Full(_) | Stop::Doomed) => false,
            // Whoever wants it now came because it was complete, and it has been found damaged since.
            Phase::Stopping(Stop::Abandoned) => !task.is_complete(),
            Phase::Asked | Phase::Waiting(_) | Phase::Going => fetch.again || !digest_holds,
        };
        // Rather with what it was fetched with so far; and whoever it is, what he has decides who may read it.
        let wants = self.fetching.wants.get(&no);
        let same = wants.and_then(|wants| wants.get_key_value(&fetch.errand));
        let next = same.or_else(|| wants?.first_key_value()).map(|(errand, private)| (*errand, *private));
        if let Some((errand, private)) = next.filter(|_| goes_on && failed.is_none()) {
            drop(task);
            if !digest_holds {
                self.empty_out(no); // nothing of it was compared with what it must be
            }
            return self.begin(no, errand, private);
        }
        let at = self.now.wall;
        if !task.is_complete() {
            drop(task);
            let failure = failed.map(|why| Failure { at, why });
            self.change(no, |task| task.state = TaskState::Partial(failure));
        }
        for job in self.fetching.jobs_that_want(no) {
            self.jobs.hear_fetch(job, no, fetch.errand, end.clone());
        }
        if let Some(wants) = self.fetching.wants.get_mut(&no) {
            wants.remove(&Errand::Repair);
            if wants.is_empty() {
                self.fetching.wants.remove(&no);
            }
        }
        if fetch.has_file && self.task(no).is_some_and(|task| task.source.is_none()) {
            self.removing.may_have_file(no);
        }
        self.settle(no);
        self.fetching.unpark(no);
        self.fetching.suspect(no);
    }

    pub(super) fn damaged(&mut self, no: TaskNo, numbers: &[u32]) {
        let Some(task) = self.task(no).filter(|task| task.state != TaskState::Doomed) else { return };
        if !numbers.iter().any(|number| task.pieces.get(*number).is_some()) {
            return; // known already
        }
        let was_complete = task.is_complete();
        let task = self.catalogue.change(no, |task| {
            let pieces = Arc::make_mut(&mut task.pieces);
            numbers.iter().for_each(|number| pieces.take(*number));
        });
        let Some(task) = task else { return };
        self.plan.changes.push(Change::Pieces(no, task.pieces.clone()));
        drop(task);
        if let Some(fetch) = self.fetching.fetches.get_mut(&no) {
            fetch.again = true;
            if was_complete {
                // Who reads what was complete need not have said so: the fetch goes on when all others have left.
                self.fetching.wants.entry(no).or_default().insert(Errand::Repair, false);
                self.change(no, |task| task.state = TaskState::Fetching);
            } else {
                self.settle(no);
            }
            return;
        }
        // Being damaged is no use of it: whoever wants it says so himself.
        self.fetching.wants.entry(no).or_default().insert(Errand::Repair, false);
        self.change(no, |task| task.state = TaskState::Partial(None));
        self.begin(no, Errand::Repair, false);
    }

    /// Those who had to wait come in.
    pub(super) fn let_in_parked(&mut self) {
        while self.has_room() {
            let Some(parked) = self.fetching.coming.pop_front() else { return };
            match parked {
                Parked::Job(job, url) => self.start_url_again(job, url),
                Parked::Reader(owed, wanted, errand) => match self.open(&wanted, errand) {
                    Opening::Later(no) => self.fetching.park(no, Parked::Reader(owed, wanted, errand)),
                    opening => {
                        let verdict = self.opened(opening, wanted.revalidate);
                        self.plan.late.push((owed, verdict));
                    }
                },
            }
        }
    }

    /// Tasks of which nothing is there, and which nobody wants or keeps, are forgotten.
    pub(super) fn drop_empty(&mut self) {
        while self.has_room() {
            let Some(no) = self.fetching.empty.pop_front() else { return };
            let Some(task) = self.task(no) else { continue };
            let is_partial = matches!(task.state, TaskState::Partial(_) | TaskState::Fetching);
            let is_kept = self.fetching.holds(no) || !task.pins.is_empty();
            if is_partial && task.pieces.count() == 0 && !is_kept {
                self.drop_task(no);
            }
        }
    }
}

/// What is known of a content that was taken from another address: all but by what name its origin knows the version.
fn taken_over(source: &Source) -> Source {
    Source { validators: Validators::default(), ..source.clone() }
}

impl Phase {
    fn why_stopped(&self) -> Option<Stop> {
        match self {
            Phase::Stopping(why) => Some(why.clone()),
            Phase::Asked | Phase::Waiting(_) | Phase::Going => None,
        }
    }
}
