//! The life of a job: written down, taken up with the next step, at work, over.
//!
//! What ends for a job (a fetch, a removal) is put in line, and heard in the same step as far as its plan has room: many
//! jobs may wait for one thing.

mod finding;
mod preheat;
mod purging;

use super::{Answer, Change, Effect, Errand, Refusal, Removed, Room, Verdict};
use crate::base::{Mono, Timers};
use crate::cache::model::{
    Args, Job, JobHead, JobId, JobKind, JobResult, JobState, NewJob, Part, PartState, Task, TaskNo,
};
use preheat::Preheat;
use purging::Purge;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The time that a job has which asks for none, as clients send that ask for the default: Dragonfly's own.
const TIMEOUT: Duration = Duration::from_secs(3_600);

/// A record of a job is written this often at least while its URLs end: of a job of a hundred thousand of them not after
/// each.
const WRITES: usize = 128;

/// What a job ends with that cannot be taken up again.
const INTERRUPTED: &str =
    "interrupted by a restart: the secrets that it was given are not kept, so it could not go on; submit it again";

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    heads: BTreeMap<JobId, JobHead>,
    running: BTreeMap<JobId, Running>,
    pub(super) last: u64,
    deadlines: Timers<Mono, JobId>,
    /// Made in this step.
    fresh: Vec<JobId>,
    /// To be begun, or to be gone on with.
    ready: VecDeque<JobId>,
    /// What jobs are to hear.
    pub(super) ends: VecDeque<End>,
    /// Changed in this step.
    touched: BTreeSet<JobId>,
    purges: VecDeque<Purge>,
    /// How many at work have no head any more.
    forgotten: usize,
}

/// Something has ended that a job waits for.
#[derive(Debug)]
pub(super) enum End {
    /// A fetch, and on whose behalf it was.
    Fetch(JobId, TaskNo, Errand, Result<(), String>),
    /// One URL of a job cannot even be begun.
    Url(JobId, usize, String),
    Removal(u64, Arc<Task>, Removed),
}

/// A job that is not over.
#[derive(Debug)]
struct Running {
    job: Arc<Job>,
    flow: Flow,
    /// Its record is gone; what it does goes on.
    forgotten: bool,
    /// It was begun before the last start.
    is_old: bool,
    /// Steps since it was written down.
    unwritten: usize,
    /// Who waits for its end.
    owed: Option<u64>,
}

/// What a job is at.
#[derive(Debug)]
enum Flow {
    Fresh,
    Resolving,
    Preheating(Preheat),
    Deleting,
    Purging,
}

impl Jobs {
    pub(super) fn touched(&self) -> usize {
        self.touched.len()
    }

    pub(super) fn has_more(&self, now: Mono) -> bool {
        let is_due = self.deadlines.next().is_some_and(|at| at <= now);
        is_due || !(self.fresh.is_empty() && self.ready.is_empty() && self.ends.is_empty() && self.purges.is_empty())
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.next()
    }

    /// When the time of a job is over that is not.
    pub(super) fn deadline(&self, id: JobId) -> Option<Mono> {
        self.deadlines.get(id)
    }

    pub(super) fn heads(&self) -> impl DoubleEndedIterator<Item = &JobHead> {
        self.heads.values().rev()
    }

    pub(super) fn unfinished(&self, id: JobId) -> Option<&Arc<Job>> {
        self.running.get(&id).filter(|running| !running.forgotten).map(|running| &running.job)
    }

    /// What was made in the step before may begin.
    pub(super) fn take_up_fresh(&mut self) {
        self.ready.extend(self.fresh.drain(..));
    }

    pub(super) fn hear_fetch(&mut self, job: JobId, no: TaskNo, by: Errand, end: Result<(), String>) {
        self.ends.push_back(End::Fetch(job, no, by, end));
    }

    pub(super) fn hear_refusal(&mut self, job: JobId, url: usize, why: String) {
        self.ends.push_back(End::Url(job, url, why));
    }

    /// Heads of jobs that were stored.
    pub(super) fn recover_heads(&mut self, heads: Vec<JobHead>) {
        self.heads.extend(heads.into_iter().map(|head| (head.id, head)));
    }

    /// A job that was not over.
    pub(super) fn recover(&mut self, job: Job) {
        self.heads.insert(job.id, head(&job));
        self.ready.push_back(job.id);
        self.take_in(job, None, true);
    }

    fn take_in(&mut self, job: Job, owed: Option<u64>, is_old: bool) -> Arc<Job> {
        let (id, job) = (job.id, Arc::new(job));
        let flow = Flow::Fresh;
        self.running.insert(id, Running { job: job.clone(), flow, forgotten: false, is_old, unwritten: 0, owed });
        job
    }

    /// Changes a job that is not over.
    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(running) = self.running.get_mut(&id) {
            change(Arc::make_mut(&mut running.job));
            self.touched.insert(id);
        }
    }

    fn set_flow(&mut self, id: JobId, flow: Flow) {
        if let Some(running) = self.running.get_mut(&id) {
            running.flow = flow;
        }
    }
}

fn head(job: &Job) -> JobHead {
    JobHead { id: job.id, kind: job.kind(), state: job.state(), user: job.user, created: job.created }
}

/// How long a job has; none: as long as it takes.
fn timeout(args: &Args) -> Option<Duration> {
    let timeout = match args {
        Args::Preheat(args) => args.timeout,
        Args::GetTask(args) | Args::DeleteTask(args) => args.timeout,
        Args::Distribution(args) => args.timeout,
        Args::Gc(_) => return None,
    };
    Some(if timeout.is_zero() { TIMEOUT } else { timeout })
}

/// What came of a job of which nothing has come yet.
fn nothing_yet(kind: JobKind) -> JobResult {
    match kind {
        JobKind::Preheat => JobResult::Preheat(Vec::new()),
        JobKind::GetTask => JobResult::Found(Vec::new()),
        JobKind::DeleteTask => JobResult::Deleted { removed: Vec::new(), failed: Vec::new() },
        JobKind::Distribution => JobResult::Distribution { layers: Vec::new(), cached: Vec::new() },
        JobKind::Gc => JobResult::Purged(0),
    }
}

impl Room {
    /// Makes a job, without taking it in.
    fn new_job(&mut self, new: NewJob) -> Result<Job, Refusal> {
        let kind = new.args.kind();
        let clusters = self.clusters.admit(&new.clusters, kind, self.now.mono)?;
        self.jobs.last += 1;
        let (created, updated) = (self.now.wall, self.now.wall);
        let NewJob { group, unit, bio, user, args, has_secrets, .. } = new;
        let part = Part { unit, state: PartState::Pending, error: String::new(), result: nothing_yet(kind) };
        let id = JobId(self.jobs.last);
        Ok(Job { id, created, updated, group, bio, user, args, clusters, has_secrets, part })
    }

    pub(super) fn submit(&mut self, new: NewJob) -> Answer {
        let job = match self.new_job(new) {
            Ok(job) => job,
            Err(why) => return Answer::Now(Verdict::Refused(why)),
        };
        let (id, kind) = (job.id, job.kind());
        let owed = (kind == JobKind::Gc).then(|| self.owe());
        self.jobs.heads.insert(id, head(&job));
        if let Some(timeout) = timeout(&job.args) {
            self.jobs.deadlines.set(id, self.now.mono + timeout);
        }
        let job = self.jobs.take_in(job, owed, false);
        self.jobs.fresh.push(id);
        self.plan.changes.push(Change::Job(job.clone()));
        self.plan.jobs.push(id);
        match owed {
            Some(owed) => Answer::Later(owed),
            None => Answer::Now(Verdict::Job(job)),
        }
    }

    pub(super) fn patch_job(&mut self, id: JobId, bio: Option<String>, user: Option<u32>) -> Verdict {
        let Some(head) = self.jobs.heads.get_mut(&id) else { return Verdict::Refused(Refusal::NotFound) };
        head.user = user.unwrap_or(head.user);
        let at = self.now.wall;
        self.plan.jobs.push(id);
        let Some(running) = self.jobs.running.get_mut(&id) else {
            self.plan.changes.push(Change::JobText { id, bio, user, at });
            return Verdict::Patched(id);
        };
        let job = Arc::make_mut(&mut running.job);
        job.user = user.unwrap_or(job.user);
        job.updated = at;
        if let Some(bio) = bio {
            job.bio = bio;
        }
        self.plan.changes.push(Change::Job(running.job.clone()));
        Verdict::Job(running.job.clone())
    }

    pub(super) fn forget_job(&mut self, id: JobId) -> Verdict {
        if self.jobs.heads.remove(&id).is_none() {
            return Verdict::Refused(Refusal::NotFound);
        }
        if let Some(running) = self.jobs.running.get_mut(&id) {
            running.forgotten = true;
            self.jobs.forgotten += 1;
        }
        self.plan.changes.push(Change::JobGone(id));
        self.plan.jobs.push(id);
        Verdict::Done
    }

    /// Goes on with the jobs that can, as far as the plan has room.
    pub(super) fn run_jobs(&mut self) {
        // Those that put themselves in line again wait for the next step.
        for _ in 0..self.jobs.ready.len() {
            if !self.has_room() {
                return;
            }
            let Some(id) = self.jobs.ready.pop_front() else { return };
            match self.jobs.running.get(&id).map(|running| &running.flow) {
                Some(Flow::Fresh) => self.begin_job(id),
                Some(Flow::Preheating(_)) => self.go_on_preheating(id),
                Some(Flow::Resolving | Flow::Deleting | Flow::Purging) | None => {}
            }
        }
    }

    fn begin_job(&mut self, id: JobId) {
        let Some(running) = self.jobs.running.get(&id) else { return };
        let (args, is_old) = (running.job.args.clone(), running.is_old);
        let needs_secrets = match args.as_ref() {
            Args::Preheat(_) | Args::Distribution(_) => true,
            Args::GetTask(args) | Args::DeleteTask(args) => args.image,
            Args::Gc(_) => false,
        };
        if is_old && running.job.has_secrets && needs_secrets {
            return self.give_up(id, INTERRUPTED.to_owned());
        }
        if let Some(timeout) = timeout(&args).filter(|_| is_old) {
            self.jobs.deadlines.set(id, self.now.mono + timeout);
        }
        self.jobs.change(id, |job| job.part.state = PartState::Started);
        match args.as_ref() {
            Args::Preheat(args) => self.begin_preheat(id, args),
            Args::GetTask(args) | Args::DeleteTask(args) => self.begin_finding(id, args),
            // It is over when it is made.
            Args::Distribution(_) => self.finish(id, Err(INTERRUPTED.to_owned())),
            Args::Gc(args) => self.begin_purging(id, *args),
        }
    }

    /// The images of a job are resolved.
    pub(super) fn resolved(&mut self, id: JobId, blobs: Result<Vec<String>, String>) {
        let Some(running) = self.jobs.running.get(&id) else { return };
        if !matches!(running.flow, Flow::Resolving) {
            return;
        }
        let args = running.job.args.clone();
        match (args.as_ref(), blobs) {
            (_, Err(why)) => self.finish(id, Err(why)),
            (Args::Preheat(_), Ok(blobs)) => self.preheat_urls(id, blobs),
            (Args::GetTask(args) | Args::DeleteTask(args), Ok(blobs)) => self.find_blobs(id, args, &blobs),
            (Args::Distribution(_) | Args::Gc(_), Ok(_)) => {}
        }
    }

    /// What was put in line for jobs, as much as fits the plan.
    pub(super) fn hear_ends(&mut self) {
        while self.has_room() {
            match self.jobs.ends.pop_front() {
                Some(End::Fetch(job, no, by, end)) => self.preheat_fetched(job, no, by, end),
                Some(End::Url(job, url, why)) => self.preheat_refused(job, url, why),
                Some(End::Removal(removal, task, result)) => self.hear_removal(removal, task, result),
                None => return,
            }
        }
    }

    /// Jobs whose time is over.
    pub(super) fn time_out_jobs(&mut self) {
        while self.has_room() {
            let Some(id) = self.jobs.deadlines.pop(self.now.mono) else { return };
            let Some(running) = self.jobs.running.get(&id) else { continue };
            let time = timeout(&running.job.args).unwrap_or_default();
            self.give_up(id, format!("timed out after {}", humantime::format_duration(time)));
        }
    }

    /// Ends a job before its work is done.
    fn give_up(&mut self, id: JobId, why: String) {
        let why = self.give_up_preheat(id, &why);
        self.finish(id, Err(why));
    }

    /// A job is over.
    fn finish(&mut self, id: JobId, end: Result<(), String>) {
        let Some(mut running) = self.jobs.running.remove(&id) else { return };
        self.jobs.deadlines.clear(id);
        self.jobs.touched.remove(&id);
        let job = Arc::make_mut(&mut running.job);
        job.updated = self.now.wall;
        (job.part.state, job.part.error) = match end {
            Ok(()) => (PartState::Success, String::new()),
            Err(why) => (PartState::Failure, why),
        };
        if running.forgotten {
            self.jobs.forgotten -= 1;
        } else {
            self.jobs.heads.insert(id, head(&running.job));
            self.plan.changes.push(Change::Job(running.job.clone()));
            self.plan.jobs.push(id);
        }
        self.plan.effects.push(Effect::Release(Errand::Job(id)));
        if let Some(owed) = running.owed {
            self.plan.late.push((owed, Verdict::Job(running.job)));
        }
    }

    /// Writes down what has changed of jobs that are not over.
    pub(super) fn write_jobs(&mut self) {
        for id in std::mem::take(&mut self.jobs.touched) {
            let Some(running) = self.jobs.running.get_mut(&id).filter(|running| !running.forgotten) else { continue };
            Arc::make_mut(&mut running.job).updated = self.now.wall;
            self.plan.jobs.push(id);
            let urls = match &running.job.part.result {
                JobResult::Preheat(urls) => urls.len(),
                _ => 0,
            };
            running.unwritten += 1;
            if running.unwritten * WRITES >= urls {
                running.unwritten = 0;
                self.plan.changes.push(Change::Job(running.job.clone()));
            }
        }
    }
}

/// Whether a job is over.
fn is_over(head: &JobHead) -> bool {
    match head.state {
        JobState::Pending => false,
        JobState::Success | JobState::Failure => true,
    }
}
