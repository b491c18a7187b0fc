//! Jobs: publications of large files, and pulls.

use super::{By, NewPull, NewTag, Room, Verdict};
use crate::base::Mono;
use crate::hub::model::{Job, JobId, JobState, Look, TagNo};
use std::sync::Arc;

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {}

impl Jobs {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Job>> {
        std::iter::empty()
    }
    pub(super) fn get(&self, _: JobId) -> Option<&Arc<Job>> {
        unimplemented!()
    }
}

impl Room {
    pub(super) fn pull(&mut self, _: By, _: NewPull) -> Verdict {
        unimplemented!()
    }
    pub(super) fn forget_job(&mut self, _: By, _: Option<JobId>) -> Verdict {
        unimplemented!()
    }
    pub(super) fn job_moved(&mut self, _: JobId, _: JobState) {
        unimplemented!()
    }
    pub(super) fn job_sized(&mut self, _: JobId, _: u64) {
        unimplemented!()
    }
    /// The file of a pull is in place: published, where that was asked for; then the job is over.
    pub(super) fn pulled(&mut self, _: JobId, _: NewTag, _: Look) {
        unimplemented!()
    }
    /// A job for a tag that has to be read: called by the catalogue.
    pub(super) fn job_of_publication(&mut self, _: By, _: TagNo) -> Arc<Job> {
        unimplemented!()
    }
    /// A tag that a job reads was read (why it failed), or is gone: called by health and catalogue.
    pub(super) fn publication_over(&mut self, _: TagNo, _: Result<(), String>) {
        unimplemented!()
    }
    /// Lets jobs in line begin.
    pub(super) fn run_jobs(&mut self) {
        unimplemented!()
    }
    pub(super) fn forget_old_jobs(&mut self) {
        unimplemented!()
    }
    pub(super) fn next_job_to_forget(&self) -> Option<Mono> {
        unimplemented!()
    }
}
