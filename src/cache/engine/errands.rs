//! On whose behalf something is fetched: headers and credentials, which are never written down.

use super::JobSecrets;
use crate::cache::machine::Errand;
use crate::cache::model::{Args, JobId};
use crate::cache::origin::Authority;
use crate::cache::registry::Credentials;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a masked value reads.
pub(super) const MASKED: &str = "***";

/// What is known of everybody who has something fetched. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Errands(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    readers: HashMap<u64, Credentials>,
    jobs: HashMap<JobId, OfJob>,
}

/// What a job fetches with.
#[derive(Default)]
struct OfJob {
    credentials: Credentials,
    /// By the address of a blob: who resolved its image.
    resolved: HashMap<String, Arc<dyn Authority>>,
}

/// Who speaks for a fetch.
pub(super) enum Speaker {
    /// He that resolved the image.
    Resolver(Arc<dyn Authority>),
    /// Somebody with these.
    With(Credentials),
    /// The job is not known: its credentials are to be found in what it was given.
    Unknown(JobId),
}

impl Errands {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader comes.
    pub(super) fn add_reader(&self, reader: u64, credentials: Credentials) {
        self.known().readers.insert(reader, credentials);
    }

    /// He has gone.
    pub(super) fn remove_reader(&self, reader: u64) {
        self.known().readers.remove(&reader);
    }

    /// A job fetches with these.
    pub(super) fn add_job(&self, job: JobId, secrets: JobSecrets) {
        self.known().jobs.entry(job).or_default().credentials = secrets.credentials;
    }

    /// The credentials of a job, where it is known.
    pub(super) fn of_job(&self, job: JobId) -> Option<Credentials> {
        self.known().jobs.get(&job).map(|job| job.credentials.clone())
    }

    /// The blobs of an image that a job wants are fetched by whoever resolved it; of a job that is still known.
    pub(super) fn resolved(&self, job: JobId, blobs: &[String], authority: &Arc<dyn Authority>) {
        if let Some(job) = self.known().jobs.get_mut(&job) {
            for blob in blobs {
                job.resolved.entry(blob.clone()).or_insert_with(|| authority.clone());
            }
        }
    }

    /// It is not needed any more.
    pub(super) fn release(&self, errand: Errand) {
        let mut known = self.known();
        match errand {
            Errand::Job(job) => drop(known.jobs.remove(&job)),
            Errand::Reader(reader) => drop(known.readers.remove(&reader)),
            Errand::Repair => {}
        }
    }

    /// Who fetches this address on that errand.
    pub(super) fn speaker(&self, errand: Errand, url: &str) -> Speaker {
        let known = self.known();
        match errand {
            Errand::Repair => Speaker::With(Credentials::default()),
            // Who has gone meanwhile has nothing to send; his fetch is about to be stopped.
            Errand::Reader(reader) => Speaker::With(known.readers.get(&reader).cloned().unwrap_or_default()),
            Errand::Job(id) => match known.jobs.get(&id) {
                None => Speaker::Unknown(id),
                Some(job) => match job.resolved.get(url) {
                    Some(authority) => Speaker::Resolver(authority.clone()),
                    None => Speaker::With(job.credentials.clone()),
                },
            },
        }
    }
}

/// The credentials in what a job was given, as far as they are no secrets: those were masked.
pub(super) fn unmasked(args: &Args) -> Credentials {
    match args {
        Args::Preheat(args) => plain(args.headers.as_ref()),
        Args::GetTask(args) | Args::DeleteTask(args) => plain(args.headers.as_ref()),
        Args::Distribution(args) => plain(args.headers.as_ref()),
        Args::Gc(_) => Credentials::default(),
    }
}

/// An account is of no use without its password, which is always a secret.
fn plain(headers: Option<&BTreeMap<String, String>>) -> Credentials {
    let given = headers.into_iter().flatten().filter(|(_, value)| *value != MASKED);
    // What is no header was refused when the job was submitted.
    let read = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    };
    Credentials { headers: given.filter_map(read).collect::<HeaderMap>(), account: None }
}
