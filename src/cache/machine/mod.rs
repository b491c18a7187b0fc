//! The decisions of the cache: who shares which fetch, what is kept and what is thrown away, what becomes of jobs.
//!
//! One [`Room`] is the whole state: every task, the jobs that are not over and the heads of those that are, the clusters.
//! [`Room::step`] takes an event and a moment and answers with a [`Plan`]: what to write down, what to do, whom to tell.
//!
//! * `words` the vocabulary; `catalogue` the tasks and how they are found; `clusters`, with their rate limits
//! * `fetching` who wants which task, and its fetch; `removal` dooming, and those who wait for the end of it
//! * `eviction` what may be kept, and room for what is coming
//! * `jobs` the life of a job; `jobs/preheat`, `jobs/finding`, `jobs/purging` what the kinds do
//! * `recover` the start
//!
//! An event costs time logarithmic in the number of tasks. What concerns many of them is done in slices, each a plan that
//! fits one batch of the store: a [`Room::deadline`] that is due at once asks for the next slice.
//!
//! **Absent:** bytes, addresses, files, clocks. Effects are safe to repeat; recovery repeats those that matter.

mod catalogue;
mod clusters;
mod eviction;
mod fetching;
mod jobs;
mod recover;
mod removal;
mod words;

#[cfg(test)]
mod tests;

pub use words::{
    Ask, Change, Effect, Errand, Event, FetchEnd, Order, Plan, Pressure, Quota, Refusal, Removed, Verdict, Wanted,
};

use crate::base::{Mono, Now};
use crate::cache::model::{Args, Cluster, Job, JobHead, JobId, PinOwner, Task, TaskId, TaskNo, TaskState};
use catalogue::Catalogue;
use clusters::Clusters;
use eviction::Keeping;
use fetching::Fetching;
use jobs::Jobs;
use removal::Removing;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// When so much is in a plan, the rest waits for the next one. A batch of the store takes 256 changes; what one thing adds
/// after this was looked at stays below the difference.
const SLICE: usize = 200;

/// So many tasks are looked at in one step: for uses that are not written down, and for those that were used since they were
/// put in order.
const LOOKED_AT: usize = 1_000;

/// What the machine needs to know from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// See [`Quota`].
    pub quota: Quota,
    /// How long a task is kept unused, where it does not say so itself.
    pub ttl: Duration,
    /// How many jobs that are over are remembered.
    pub keep_jobs: usize,
    /// For how long.
    pub keep_jobs_for: Duration,
    /// The name of the local cluster, at the first start.
    pub cluster_name: String,
    /// This host's address, as jobs name it.
    pub ip: String,
    /// Hosts for which the configuration has an account, spelled as [`host`](crate::cache::model::address::host) does: what jobs fetch from there is
    /// private.
    pub accounts: BTreeSet<String>,
    /// The pause between two rounds in which what is old is thrown away.
    pub collect_every: Duration,
    /// The pause between two rounds in which what has changed of [`Task::used`] is written down.
    pub note_use_every: Duration,
}

/// The whole state.
#[derive(Debug)]
pub struct Room {
    rules: Rules,
    catalogue: Catalogue,
    fetching: Fetching,
    removing: Removing,
    keeping: Keeping,
    jobs: Jobs,
    clusters: Clusters,
    /// Owners of pins that do not live any more, and may still have some.
    widowed: BTreeSet<PinOwner>,
    /// The task after which uses are to be looked at, while a round is going on.
    noting: Option<TaskNo>,
    next_note: Mono,
    last_owed: u64,
    /// A step has left something for the next tick, which is due at once.
    unfinished: bool,
    /// How many contents this step has opened for jobs and for those who waited: each costs as much as a change, even where it
    /// changes nothing.
    opened: usize,
    /// How many tasks this step may still look at.
    looks: usize,
    now: Now,
    plan: Plan,
}

/// What was read back from the store.
#[derive(Debug, Default)]
pub struct Memory {
    /// All tasks, in order of their numbers. Those that were being fetched are read as partial.
    pub tasks: Vec<Task>,
    /// The highest number of a task ever given.
    pub last_task: u64,
    /// Jobs that are not over.
    pub unfinished: Vec<Job>,
    /// All jobs, in order of their numbers.
    pub heads: Vec<JobHead>,
    /// The highest number of a job ever given.
    pub last_job: u64,
    /// All clusters.
    pub clusters: Vec<Cluster>,
    /// The highest number of a cluster ever given.
    pub last_cluster: u32,
}

impl Room {
    /// The state after a start, and what has to be done to go on: unfinished jobs are taken up again (those that were given
    /// secrets fail, and say so), doomed files are removed, the first cluster is made where there is none.
    pub fn recover(rules: Rules, memory: Memory, now: Now) -> (Room, Plan) {
        recover::recover(rules, memory, now)
    }

    /// Decides.
    pub fn step(&mut self, event: Event, now: Now) -> Plan {
        self.now = now;
        (self.opened, self.looks) = (0, LOOKED_AT);
        self.jobs.take_up_fresh();
        self.pass_time();
        match event {
            Event::Asked(ask) => match self.asked(ask) {
                Answer::Now(verdict) => self.plan.verdict = Some(verdict),
                Answer::Later(owed) => self.plan.owed = Some(owed),
            },
            Event::Left(no, errand) => self.left(no, errand),
            Event::Answered(no, source) => self.answered(no, source),
            Event::Unchanged(no) => self.unchanged(no),
            Event::Piece(no, piece, crc) => self.piece(no, piece, crc),
            Event::Fetched(no, end) => self.fetched(no, end),
            Event::Damaged(no, pieces) => self.damaged(no, &pieces),
            Event::Removed(no, result) => self.removed(no, result),
            Event::Resolved(job, blobs) => self.resolved(job, blobs),
            Event::Purged(job, result) => self.purged(job, result),
            Event::Disk(pressure) => self.measured(pressure),
            Event::Widowed(owners) => self.widowed.extend(owners),
            Event::Tick => {}
        }
        self.finish_step()
    }

    /// Whatever is in line, as much of it as fits this plan.
    fn finish_step(&mut self) -> Plan {
        self.hear_ends();
        self.let_in_parked();
        self.run_jobs();
        self.doom_in_line();
        self.send_removals();
        self.drop_empty();
        self.drop_widowed();
        self.make_room();
        self.watch_quota();
        self.collect();
        self.purge();
        self.note_uses();
        self.hear_ends();
        self.watch_quota();
        self.write_jobs();
        self.unfinished = self.has_more();
        let mut plan = std::mem::take(&mut self.plan);
        // Who asked now hears now, if it went as fast as that.
        let at_once = plan.owed.and_then(|owed| plan.late.iter().position(|(late, _)| *late == owed));
        if let Some(at) = at_once {
            plan.verdict = Some(plan.late.remove(at).1);
            plan.owed = None;
        }
        plan
    }

    fn asked(&mut self, ask: Ask) -> Answer {
        Answer::Now(match ask {
            Ask::Open(wanted, errand) => return self.asked_to_open(wanted, errand),
            Ask::Submit(new) => return self.submit(*new),
            Ask::Distributed(new, blobs) => self.distributed(*new, blobs),
            Ask::PatchJob { id, bio, user } => self.patch_job(id, bio, user),
            Ask::ForgetJob(id) => self.forget_job(id),
            Ask::Remove(tasks) => return Answer::Later(self.remove_all(tasks)),
            Ask::Pin(no, owner) => self.pin(no, &owner),
            Ask::Unpin(no, owner) => self.unpin(no, &owner),
            Ask::Collect => return Answer::Later(self.asked_to_collect()),
            Ask::CreateCluster(new) => self.create_cluster(*new),
            Ask::PatchCluster(id, change) => self.patch_cluster(id, *change),
            Ask::DeleteCluster(id) => self.delete_cluster(id),
        })
    }

    /// What is due by the clock.
    fn pass_time(&mut self) {
        self.time_out_jobs();
        if self.keeping.is_due(self.now.mono) {
            self.keeping.next = self.now.mono + pause(self.rules.collect_every);
            self.plan.effects.push(Effect::Measure);
            let owners: Vec<_> = self.pin_owners();
            let mortal: Vec<_> = owners.into_iter().filter(|owner| !matches!(owner, PinOwner::Name(_))).collect();
            if !mortal.is_empty() {
                self.plan.effects.push(Effect::Inquire(mortal));
            }
            self.begin_collecting();
            self.retry_stuck();
            self.forget_old_jobs();
        }
        if self.next_note <= self.now.mono {
            self.next_note = self.now.mono + pause(self.rules.note_use_every);
            self.noting.get_or_insert(TaskNo(0));
        }
    }

    /// Whether this plan takes more.
    fn has_room(&self) -> bool {
        self.plan.changes.len() + self.jobs.touched() < SLICE && self.plan.effects.len() < SLICE && self.opened < SLICE
    }

    /// Whether something is in line for the next step.
    fn has_more(&self) -> bool {
        self.fetching.has_more()
            || self.removing.has_more()
            || self.keeping.has_more()
            || self.jobs.has_more(self.now.mono)
            || !self.widowed.is_empty()
            || self.noting.is_some()
    }

    /// When a [`Event::Tick`] is owed, should nothing else happen first.
    pub fn deadline(&self) -> Option<Mono> {
        if self.unfinished {
            return Some(self.now.mono);
        }
        [self.jobs.next_deadline(), Some(self.keeping.next), Some(self.next_note)].into_iter().flatten().min()
    }

    /// How many entries deciding this goes through: what is more than some thousands is decided aside.
    pub fn effort(&self, ask: &Ask) -> usize {
        match ask {
            Ask::Submit(job) => match job.args.as_ref() {
                Args::Preheat(args) => args.urls.as_ref().map_or(1, Vec::len),
                _ => 1,
            },
            Ask::Distributed(_, Ok(blobs)) => blobs.len(),
            Ask::Remove(tasks) => tasks.len(),
            _ => 1,
        }
    }

    /// A number for somebody who hears later.
    fn owe(&mut self) -> u64 {
        self.last_owed += 1;
        self.last_owed
    }

    /// Counts a task anew, after anything about it has changed.
    fn settle(&mut self, no: TaskNo) {
        let (held, promised) = (self.fetching.holds(no), self.fetching.is_going(no));
        self.catalogue.settle(no, held, promised);
    }

    /// Changes a task, writes it down, and lets clients know.
    fn change(&mut self, no: TaskNo, change: impl FnOnce(&mut Task)) -> Option<Arc<Task>> {
        let before = self.catalogue.told(no);
        let task = self.catalogue.change(no, change)?;
        self.plan.changes.push(Change::Task(task.clone()));
        self.plan.tasks.push(no);
        if self.catalogue.told(no) != before {
            self.plan.moved.push(no);
        }
        self.settle(no);
        Some(task)
    }

    fn pin(&mut self, no: TaskNo, owner: &PinOwner) -> Verdict {
        if self.task(no).is_none_or(|task| task.state == TaskState::Doomed) {
            return Verdict::Refused(Refusal::NotFound);
        }
        if self.catalogue.pin(no, owner) {
            self.change(no, |_| {});
        }
        Verdict::Done
    }

    fn unpin(&mut self, no: TaskNo, owner: &PinOwner) -> Verdict {
        if self.task(no).is_none_or(|task| task.state == TaskState::Doomed) {
            return Verdict::Refused(Refusal::NotFound);
        }
        if self.catalogue.unpin(no, owner) {
            self.change(no, |_| {});
            self.fetching.suspect(no);
        }
        Verdict::Done
    }

    /// Pins of owners that are gone.
    fn drop_widowed(&mut self) {
        while let Some(owner) = self.widowed.first().cloned().filter(|_| self.has_room()) {
            match self.catalogue.kept_by(&owner) {
                Some(no) => {
                    self.catalogue.unpin(no, &owner);
                    self.change(no, |_| {});
                    self.fetching.suspect(no);
                }
                None => {
                    self.widowed.remove(&owner);
                }
            }
        }
    }

    /// Goes on with a round in which uses are written down.
    fn note_uses(&mut self) {
        while let Some(after) = self.noting.filter(|_| self.looks > 0 && self.has_room()) {
            let (used, next) = self.catalogue.unnoted(after, &mut self.looks);
            if let Some((no, at)) = used {
                self.plan.changes.push(Change::Used(no, at));
            }
            // One more look after the last one finds nothing and says so.
            self.noting = next;
        }
    }

    /// The task of this number.
    pub fn task(&self, no: TaskNo) -> Option<&Arc<Task>> {
        self.catalogue.get(no)
    }

    /// The task that a request by this id means: one of its own ids, or the digest of its blob. Not a doomed one.
    pub fn find(&self, id: &TaskId) -> Option<&Arc<Task>> {
        self.catalogue.any(id).filter(|task| task.state != TaskState::Doomed)
    }

    /// Whether a file of this name belongs to a task, be it one that is being removed: that goes by itself.
    pub fn is_known(&self, id: &TaskId) -> bool {
        self.catalogue.any(id).is_some()
    }

    /// All tasks, newest first.
    pub fn tasks(&self) -> Box<dyn DoubleEndedIterator<Item = &Arc<Task>> + '_> {
        Box::new(self.catalogue.iter())
    }

    /// The tasks whose numbers are below this one, newest first: the way through all of them in short looks.
    pub fn tasks_before(&self, no: TaskNo) -> Box<dyn Iterator<Item = &Arc<Task>> + '_> {
        Box::new(self.catalogue.before(no))
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.catalogue.len()
    }

    /// The bytes that all files are long: of what is fetched right now, all that was reserved.
    pub fn bytes(&self) -> u64 {
        self.catalogue.kept_bytes() + self.catalogue.doomed_bytes()
    }

    /// Heads of all jobs, newest first.
    pub fn heads(&self) -> Box<dyn DoubleEndedIterator<Item = &JobHead> + '_> {
        Box::new(self.jobs.heads())
    }

    /// A job that is not over; those that are lie in the store.
    pub fn unfinished(&self, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.unfinished(id)
    }

    /// All clusters, by number.
    pub fn clusters(&self) -> Box<dyn Iterator<Item = &Cluster> + '_> {
        Box::new(self.clusters.iter())
    }

    /// Unfinished jobs that want this task.
    pub fn jobs_for(&self, no: TaskNo) -> Vec<JobId> {
        let mut jobs = self.fetching.jobs_that_want(no);
        jobs.retain(|job| self.jobs.unfinished(*job).is_some());
        jobs
    }

    /// When the time of an unfinished job is over.
    pub fn job_deadline(&self, id: JobId) -> Option<Mono> {
        self.jobs.deadline(id)
    }

    /// All owners of pins, each once: to ask whether they still live.
    pub fn pin_owners(&self) -> Vec<PinOwner> {
        self.catalogue.owners().cloned().collect()
    }
}

/// When the one who asked hears.
#[derive(Debug)]
enum Answer {
    Now(Verdict),
    Later(u64),
}

/// A pause that lets other things happen, whatever was configured.
fn pause(configured: Duration) -> Duration {
    configured.max(Duration::from_secs(1))
}
