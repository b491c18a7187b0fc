//! Jobs: publications of large files, and pulls.
//!
//! A pull waits in line, goes on, and is over. A publication goes on from the beginning: it follows the reading of its tag.
//! Jobs that are over are remembered for a while.
//!
//! A pull that is ended before it is over leaves no file: what it has put in place is removed, unless that is published or
//! another pull's by then.

use super::{By, Change, Effect, NewItem, NewPull, NewTag, News, Refusal, Room, Rules, Verdict};
use crate::base::{Mono, Wall};
use crate::hub::model::{
    AccountId, BadName, ItemName, Job, JobId, JobKind, JobState, Look, OPERATOR, PullSource, RepName, Stamp, Tag,
    TagName, TagNo,
};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many pulls may wait and go on.
const MOST_PULLS: usize = 10_000;

/// What a pull ends with that cannot be taken up again.
const INTERRUPTED: &str =
    "interrupted by a restart: the secret that it was given is not kept, so it could not go on; ask for it again";

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    all: BTreeMap<JobId, Arc<Job>>,
    by_owner: HashMap<AccountId, BTreeSet<JobId>>,
    last: u64,
    /// Pulls in line.
    line: BTreeSet<JobId>,
    /// Pulls that go on.
    going: BTreeSet<JobId>,
    /// What those have put in place.
    placed: HashMap<JobId, Stamp>,
    /// Publications that go on, by the tags that are read.
    readings: HashMap<TagNo, JobId>,
    /// Those that are over, by when.
    over: BTreeSet<(Wall, JobId)>,
    /// Pulls that an administrator has asked for. Not written down: after a start they publish with the rights of their
    /// owners alone.
    by_admins: BTreeSet<JobId>,
}

impl Jobs {
    /// What was stored, and the highest number ever given.
    pub(super) fn load(all: Vec<Job>, last: u64) -> Jobs {
        let mut jobs = Jobs { last, ..Jobs::default() };
        for job in all {
            jobs.last = jobs.last.max(job.id.0);
            jobs.insert(Arc::new(job));
        }
        jobs
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.all.values().rev()
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Arc<Job>> {
        self.all.get(&id)
    }

    fn next_id(&mut self) -> JobId {
        self.last += 1;
        JobId(self.last)
    }

    /// Takes in a job, or what has become of one.
    fn insert(&mut self, job: Arc<Job>) {
        let id = job.id;
        if job.state.is_over() {
            self.over.insert((job.over.unwrap_or(job.made), id));
        }
        self.by_owner.entry(job.owner).or_default().insert(id);
        self.all.insert(id, job);
    }

    /// It is at nothing any more.
    fn stop(&mut self, id: JobId, kind: &JobKind) {
        self.line.remove(&id);
        self.going.remove(&id);
        self.placed.remove(&id);
        self.by_admins.remove(&id);
        if let JobKind::Publish(no) = kind
            && self.readings.get(no) == Some(&id)
        {
            self.readings.remove(no);
        }
    }

    /// Takes out a job.
    fn remove(&mut self, id: JobId) -> Option<Arc<Job>> {
        let job = self.all.remove(&id)?;
        self.stop(id, &job.kind);
        self.over.remove(&(job.over.unwrap_or(job.made), id));
        if let Some(own) = self.by_owner.get_mut(&job.owner) {
            own.remove(&id);
            if own.is_empty() {
                self.by_owner.remove(&job.owner);
            }
        }
        Some(job)
    }

    fn owned_by(&self, owner: AccountId) -> Vec<JobId> {
        self.by_owner.get(&owner).into_iter().flatten().copied().collect()
    }

    /// The first that is over and of which there are too many, or which is too old; or else when it will be.
    fn next_to_forget(&self, most: usize, keep_for: Duration, now: Wall) -> Option<Result<JobId, Duration>> {
        let (over, id) = self.over.first()?;
        let age = now.signed_duration_since(*over).max(TimeDelta::zero()).to_std().unwrap_or_default();
        let is_due = self.over.len() > most || age >= keep_for;
        Some(if is_due { Ok(*id) } else { Err(keep_for - age) })
    }
}

/// What a job is about, for people.
fn about(job: &Job) -> String {
    let tag = format!("{}/{}:{}", job.rep, job.item, job.tag);
    match &job.kind {
        JobKind::Pull(source) => format!("pull of {tag} from {} (job {})", source.from, job.id),
        JobKind::Publish(_) => format!("publication of {tag} (job {})", job.id),
    }
}

impl Room {
    pub(super) fn pull(&mut self, by: By, new: NewPull) -> Verdict {
        let NewPull { rep, item, tag, source } = new;
        let may = self.admits_into(by, &source.pool).map(drop);
        let may = may.and_then(|()| match source.publish {
            Some(_) => self.admits_pulled(by, &rep, &item, &tag, &source),
            None => Ok(()),
        });
        if let Err(why) = may {
            return Verdict::Refused(why);
        }
        if self.jobs.line.len() + self.jobs.going.len() >= MOST_PULLS {
            return Verdict::Refused(Refusal::TooMany { what: "pulls", most: MOST_PULLS });
        }
        let job = Arc::new(Job {
            id: self.jobs.next_id(),
            owner: by.account,
            kind: JobKind::Pull(Box::new(source)),
            rep,
            item,
            tag,
            state: JobState::Queued,
            size: None,
            made: self.now.wall,
            over: None,
        });
        self.jobs.line.insert(job.id);
        if by.admin {
            self.jobs.by_admins.insert(job.id);
        }
        self.put_job(job.clone());
        Verdict::Job(job)
    }

    /// Whether what is pulled may be published: an item that is to be made need not be there yet; one that is there has to
    /// lie where the file is put.
    fn admits_pulled(
        &self,
        by: By,
        rep: &RepName,
        item: &ItemName,
        tag: &TagName,
        source: &PullSource,
    ) -> Result<(), Refusal> {
        let Some(repository) = self.catalogue.repository(rep) else {
            let expected = "a name that paths do not need for themselves".to_owned();
            let bad = || Refusal::Name(BadName { field: "repname", expected });
            return if rep.is_reserved() { Err(bad()) } else { Ok(()) };
        };
        if repository.owner != by.account && !by.admin {
            return Err(Refusal::Foreign(format!("repository {rep} is another user's")));
        }
        if self.catalogue.item(rep, item).is_none() {
            return Ok(());
        }
        // A tag that is there is pulled anew.
        let (pool, there) = self.admits_publication(by, rep, item, tag, true)?;
        match pool.name == source.pool && there.dir == source.dir {
            true => Ok(()),
            false => Err(Refusal::Taken { what: "item", name: format!("{rep}/{item}, in another directory,") }),
        }
    }

    /// Takes in a job that is new or has changed, writes it down, and lets others know.
    fn put_job(&mut self, job: Arc<Job>) {
        self.plan.news.push(News::Job(job.id));
        self.plan.changes.push(Change::Job(job.clone()));
        self.jobs.insert(job);
    }

    fn change_job(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        let Some(old) = self.jobs.get(id) else { return };
        let mut job = Job::clone(old);
        change(&mut job);
        if job != **old {
            self.put_job(Arc::new(job));
        }
    }

    /// A job is over: as a state that says so.
    fn end_job(&mut self, id: JobId, state: JobState) {
        let Some(job) = self.jobs.get(id).cloned() else { return };
        self.jobs.stop(id, &job.kind);
        let text = match &state {
            JobState::Failed(why) => format!("{} failed: {why}", about(&job)),
            _ => format!("{} is done: {}", about(&job), state.word()),
        };
        let over = Some(self.now.wall);
        self.change_job(id, |job| (job.state, job.over) = (state, over));
        self.line(job.owner, text);
    }

    pub(super) fn forget_job(&mut self, by: By, id: Option<JobId>) -> Verdict {
        let Some(id) = id else {
            let own = self.jobs.owned_by(by.account);
            own.iter().for_each(|id| self.drop_job(by, *id));
            return Verdict::Gone(own.len());
        };
        // Whoever may not see a job does not learn that there is one.
        let is_his = self.jobs.get(id).is_some_and(|job| by.admin || job.owner == by.account);
        if !is_his {
            return Verdict::Refused(Refusal::Unknown { what: "job", name: id.to_string() });
        }
        self.drop_job(by, id);
        Verdict::Gone(1)
    }

    /// Forgets a job, and ends what it does.
    fn drop_job(&mut self, by: By, id: JobId) {
        let placed = self.jobs.placed.get(&id).copied();
        let Some(job) = self.jobs.remove(id) else { return };
        self.plan.changes.push(Change::JobGone(id));
        self.plan.news.push(News::Job(id));
        if job.state.is_over() {
            return;
        }
        self.stop_pulling(&job, placed);
        self.line(job.owner, format!("{} is cancelled", about(&job)));
        if let JobKind::Publish(no) = &job.kind
            && let Some(tag) = self.catalogue.tag_by_no(*no).filter(|tag| tag.digests.is_none())
        {
            // Nobody ever learned what it is: without its job it would never be published.
            self.forget_tag(by, &tag.clone());
        }
    }

    /// Ends a pull, also one in line: there may be a secret that is kept for it. What it has put in place goes with it.
    fn stop_pulling(&mut self, job: &Arc<Job>, placed: Option<Stamp>) {
        if matches!(job.kind, JobKind::Pull(_)) {
            self.plan.effects.push(Effect::StopPulling(job.id));
        }
        if let Some(stamp) = placed {
            self.unplace(job, stamp);
        }
    }

    /// A pull has put its file in place. One that was ended meanwhile could not keep it from coming there.
    pub(super) fn placed(&mut self, job: Arc<Job>, stamp: Stamp) {
        match self.jobs.going.contains(&job.id) {
            true => drop(self.jobs.placed.insert(job.id, stamp)),
            false => self.unplace(&job, stamp),
        }
    }

    fn unplace(&mut self, job: &Arc<Job>, stamp: Stamp) {
        if self.is_left(job) {
            self.plan.effects.push(Effect::Unplace(job.clone(), stamp));
        }
    }

    /// Whether the file that an ended pull has put in place is nobody's: it is not published, and no other pull goes there
    /// or has come there.
    pub fn is_left(&self, job: &Job) -> bool {
        let JobKind::Pull(source) = &job.kind else { return false };
        let Some(pool) = self.catalogue.pool(&source.pool) else { return false };
        // Pools of one owner may have one directory.
        let pools = self.catalogue.pools().filter(|other| other.dir == pool.dir);
        let mut items = pools.flat_map(|pool| self.catalogue.items_of_pool(&pool.name));
        let is_it = |tag: &Arc<Tag>| tag.detail == source.file;
        let is_published = items.any(|item| item.dir == source.dir && self.catalogue.tags(item.no).any(is_it));
        let is_pulled = self.jobs.iter().any(|other| match &other.kind {
            JobKind::Pull(to) if other.id != job.id && !matches!(other.state, JobState::Failed(_)) => {
                let dir = self.catalogue.pool(&to.pool).map(|pool| &pool.dir);
                dir == Some(&pool.dir) && (&to.dir, &to.file) == (&source.dir, &source.file)
            }
            _ => false,
        });
        !is_published && !is_pulled
    }

    /// Pulls of an account that is no more.
    pub(super) fn end_pulls_of(&mut self, account: AccountId) {
        for id in self.jobs.owned_by(account) {
            if let Some(job) = self.jobs.get(id).filter(|job| !job.state.is_over()).cloned()
                && matches!(job.kind, JobKind::Pull(_))
            {
                let placed = self.jobs.placed.get(&id).copied();
                self.end_job(id, JobState::Failed("the account is removed".to_owned()));
                self.stop_pulling(&job, placed);
            }
        }
    }

    pub(super) fn job_moved(&mut self, id: JobId, state: JobState) {
        if !self.jobs.going.contains(&id) {
            return;
        }
        match state.is_over() {
            true => self.end_job(id, state),
            false => self.change_job(id, |job| job.state = state),
        }
    }

    pub(super) fn job_sized(&mut self, id: JobId, size: u64) {
        if self.jobs.get(id).is_some_and(|job| !job.state.is_over()) {
            self.change_job(id, |job| job.size = Some(size));
        }
    }

    /// The file of a pull is in place: published, where that was asked for; then the job is over.
    pub(super) fn pulled(&mut self, id: JobId, tag: NewTag, look: Look) {
        let Some(job) = self.jobs.get(id).filter(|_| self.jobs.going.contains(&id)).cloned() else { return };
        let JobKind::Pull(source) = &job.kind else { return };
        if source.publish.is_none() {
            return self.end_job(id, JobState::Downloaded);
        }
        let state = match self.publish_pulled(&job, source, tag) {
            Ok(no) => {
                self.looked(no, look);
                JobState::Published
            }
            Err(why) => JobState::Failed(format!("the file is in place, but was not published: {why}")),
        };
        self.end_job(id, state);
    }

    /// Publishes what was pulled, in an item that is made where there is none.
    fn publish_pulled(&mut self, job: &Job, source: &PullSource, tag: NewTag) -> Result<TagNo, Refusal> {
        // The built-in operator is always an administrator.
        let by = By { account: job.owner, admin: job.owner == OPERATOR || self.jobs.by_admins.contains(&job.id) };
        self.admits_into(by, &source.pool)?;
        self.admits_pulled(by, &job.rep, &job.item, &job.tag, source)?;
        if self.catalogue.item(&job.rep, &job.item).is_none()
            && let Some(access) = source.publish
        {
            let (rep, name) = (job.rep.clone(), job.item.clone());
            let (pool, dir, comment) = (source.pool.clone(), source.dir.clone(), "".into());
            if let Verdict::Refused(why) = self.make_item(by, NewItem { rep, name, pool, dir, access, comment }) {
                return Err(why);
            }
        }
        let (rep, name, tag_name) = (job.rep.clone(), job.item.clone(), job.tag.clone());
        let there = self.catalogue.item(&rep, &name).and_then(|item| self.catalogue.tag(item.no, &tag_name));
        // What its owner has said of it holds for what is pulled anew as well.
        let (comment, requires) = match there {
            Some(there) => (there.comment.clone(), there.requires.clone()),
            None => (tag.comment, tag.requires),
        };
        let detail = source.file.clone();
        match self.publish(by, NewTag { rep, item: name, tag: tag_name, detail, comment, requires, ..tag }) {
            Verdict::Published(no, _) => Ok(no),
            Verdict::Refused(why) => Err(why),
            _ => Err(Refusal::Unknown { what: "tag", name: job.tag.to_string() }),
        }
    }

    /// A job for a tag that has to be read: called by the catalogue, which has taken in the tag.
    pub(super) fn job_of_publication(&mut self, by: By, no: TagNo, size: u64) -> Arc<Job> {
        let id = self.jobs.next_id();
        let tag = self.catalogue.tag_by_no(no).expect("the tag is made before its job");
        let item = self.catalogue.item_by_no(tag.item).expect("a tag is of an item");
        let job = Arc::new(Job {
            id,
            owner: by.account,
            kind: JobKind::Publish(no),
            rep: item.rep.clone(),
            item: item.name.clone(),
            tag: tag.name.clone(),
            state: JobState::Verifying,
            size: Some(size),
            made: self.now.wall,
            over: None,
        });
        self.jobs.readings.insert(no, id);
        self.put_job(job.clone());
        self.line(job.owner, format!("{} begins: the file is read", about(&job)));
        job
    }

    /// A tag that a job reads was read (why it failed), or is gone: called by health and catalogue.
    pub(super) fn publication_over(&mut self, no: TagNo, result: Result<(), String>) {
        let Some(id) = self.jobs.readings.get(&no).copied() else { return };
        self.end_job(id, result.map_or_else(JobState::Failed, |()| JobState::Published));
    }

    /// Lets jobs in line begin.
    pub(super) fn run_jobs(&mut self) {
        while self.jobs.going.len() < self.rules.pulls.max(1)
            && let Some(id) = self.jobs.line.pop_first()
        {
            let Some(job) = self.jobs.get(id) else { continue };
            let text = format!("{} begins", about(job));
            let owner = job.owner;
            self.jobs.going.insert(id);
            self.change_job(id, |job| job.state = JobState::Downloading);
            self.line(owner, text);
            self.plan.effects.extend(self.jobs.get(id).cloned().map(Effect::Pull));
        }
    }

    /// After a start: what is not over goes on, or fails where it cannot.
    pub(super) fn take_up_jobs(&mut self) {
        let unfinished: Vec<Arc<Job>> = self.jobs.iter().filter(|job| !job.state.is_over()).cloned().collect();
        for job in unfinished.into_iter().rev() {
            match &job.kind {
                JobKind::Pull(source) if source.secret => {
                    self.end_job(job.id, JobState::Failed(INTERRUPTED.to_owned()));
                }
                JobKind::Pull(_) => {
                    self.jobs.line.insert(job.id);
                }
                JobKind::Publish(no) => match self.catalogue.tag_by_no(*no).map(|tag| tag.digests.is_some()) {
                    Some(false) => drop(self.jobs.readings.insert(*no, job.id)),
                    Some(true) => self.end_job(job.id, JobState::Published),
                    None => self.end_job(job.id, JobState::Failed("the tag is gone".to_owned())),
                },
            }
        }
    }

    pub(super) fn forget_old_jobs(&mut self) {
        let Rules { keep_jobs, keep_jobs_for, .. } = self.rules;
        while let Some(Ok(id)) = self.jobs.next_to_forget(keep_jobs, keep_jobs_for, self.now.wall) {
            self.jobs.remove(id);
            self.plan.changes.push(Change::JobGone(id));
        }
    }

    pub(super) fn next_job_to_forget(&self) -> Option<Mono> {
        let next = self.jobs.next_to_forget(self.rules.keep_jobs, self.rules.keep_jobs_for, self.now.wall)?;
        Some(self.now.mono + next.err().unwrap_or_default())
    }
}
