//! Finding tasks for a job, to tell of them or to remove them; and images of which the blobs were looked for elsewhere.

use super::super::removal::Asker;
use super::super::{Change, Effect, Refusal, Room, Verdict};
use super::{Flow, head};
use crate::cache::model::{
    Args, FindArgs, FindBy, Found, Identity, ImageArgs, Job, JobId, JobKind, JobResult, NewJob, PartState, Task,
    TaskNo, TaskState,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A task as a job tells of it.
fn found(task: &Task) -> Found {
    Found {
        id: task.ids.primary.clone(),
        peer: task.peer,
        created: task.created,
        used: task.used.get(),
        finished: task.is_complete(),
        length: task.length(),
        piece_length: task.source.as_ref().map_or(0, |source| source.extent.piece_length),
        cached_bytes: task.cached_bytes(),
        finished_pieces: task.pieces.count(),
        total_pieces: task.total_pieces(),
    }
}

impl Room {
    pub(super) fn begin_finding(&mut self, id: JobId, args: &FindArgs) {
        let tasks = match &args.by {
            FindBy::Image(image, platform) => {
                self.jobs.set_flow(id, Flow::Resolving);
                self.plan.effects.push(Effect::Resolve(id, vec![image.clone()], platform.clone()));
                return;
            }
            FindBy::Url(identity) => self.catalogue.own(&identity.ids()).into_iter().collect(),
            FindBy::Content(text) => {
                let identity = Identity { content: Some(text.clone()), ..args.naming.of("") };
                self.catalogue.own(&identity.ids()).into_iter().collect()
            }
            FindBy::Id(Some(task)) => self.catalogue.all(task),
            FindBy::Id(None) => Vec::new(),
        };
        self.tell_or_remove(id, tasks);
    }

    /// The blobs of an image are known.
    pub(super) fn find_blobs(&mut self, id: JobId, args: &FindArgs, blobs: &[String]) {
        let tasks = blobs.iter().filter_map(|url| self.catalogue.own(&args.naming.of(url).ids()));
        let tasks: BTreeSet<_> = tasks.collect(); // two addresses may mean one task
        self.tell_or_remove(id, tasks.into_iter().collect());
    }

    fn tell_or_remove(&mut self, id: JobId, tasks: Vec<TaskNo>) {
        let kind = self.jobs.unfinished_kind(id);
        if kind == Some(JobKind::DeleteTask) {
            self.jobs.set_flow(id, Flow::Deleting);
            // What failed before a restart is tried again.
            self.jobs.change(id, |job| {
                if let JobResult::Deleted { failed, .. } = &mut job.part.result {
                    failed.clear();
                }
            });
            let removal = self.removing.begin(Asker::Job(id), tasks.into(), false);
            return self.end_removal(removal);
        }
        let tasks = tasks.into_iter().filter_map(|no| self.task(no));
        let tasks = tasks.filter(|task| task.state != TaskState::Doomed);
        let result = JobResult::Found(tasks.map(|task| found(task)).collect());
        self.jobs.change(id, |job| job.part.result = result);
        self.finish(id, Ok(()));
    }

    /// All that a job was to remove is gone, or will not go.
    pub(in super::super) fn end_deletion(&mut self, id: JobId) {
        self.finish(id, Ok(()));
    }

    /// A job that is over when it is made.
    pub(in super::super) fn distributed(&mut self, new: NewJob, blobs: Result<Vec<String>, String>) -> Verdict {
        let Args::Distribution(args) = new.args.clone().as_ref().clone() else {
            return Verdict::Refused(Refusal::NotFound); // nobody asks this of another kind
        };
        let mut job = match self.new_job(new) {
            Ok(job) => job,
            Err(why) => return Verdict::Refused(why),
        };
        match blobs {
            Ok(layers) => {
                let cached = layers.iter().filter(|url| self.is_cached(&args, url)).cloned().collect();
                job.part.result = JobResult::Distribution { layers, cached };
                job.part.state = PartState::Success;
            }
            Err(why) => (job.part.state, job.part.error) = (PartState::Failure, why),
        }
        let job = Arc::new(job);
        self.jobs.heads.insert(job.id, head(&job));
        self.plan.changes.push(Change::Job(job.clone()));
        self.plan.jobs.push(job.id);
        Verdict::Job(job)
    }

    /// Whether a blob is complete, be it from another address.
    fn is_cached(&self, args: &ImageArgs, url: &str) -> bool {
        let ids = args.naming.of(url).ids();
        let own = self.catalogue.own(&ids).and_then(|no| self.task(no));
        let alias = ids.digest.as_ref().and_then(|id| self.find(id));
        own.into_iter().chain(alias).any(|task| task.is_complete())
    }
}

impl super::Jobs {
    fn unfinished_kind(&self, id: JobId) -> Option<JobKind> {
        self.running.get(&id).map(|running| running.job.kind())
    }

    /// A task that a job was to remove is gone.
    pub(in super::super) fn note_removed(&mut self, id: JobId, no: TaskNo) {
        self.change(id, |job| {
            if let Some((removed, _)) = deleted(job) {
                removed.push(no);
            }
        });
    }

    /// It is not, and why.
    pub(in super::super) fn note_not_removed(&mut self, id: JobId, no: TaskNo, why: String) {
        self.change(id, |job| {
            if let Some((_, failed)) = deleted(job) {
                failed.push((no, why));
            }
        });
    }
}

/// What was removed, and what was not and why.
type Deleted<'a> = (&'a mut Vec<TaskNo>, &'a mut Vec<(TaskNo, String)>);

fn deleted(job: &mut Job) -> Option<Deleted<'_>> {
    match &mut job.part.result {
        JobResult::Deleted { removed, failed } => Some((removed, failed)),
        _ => None,
    }
}
