//! Pulls: from another daemon's entry point through the cache into a pool, taken up again after a restart, verified.
//!
//! ```text
//! ask the source ──> is it there already? ──> fetch through the cache ──> put in place ──> read, compare ──> told
//!    |  says no: over         |  other file: over     |  pieces stay            |             |  other: removed, over
//!    `── silent ──> pause <───┴───────────────────────┘                         `── its rename is atomic
//! ```
//!
//! A pull that is ended while its file is being put in place lets it come there: the machine is told, and has it removed.
//!
//! Each step finds out what is there before it does anything, so that a pull may be begun anew after any of them. What may
//! pass is tried again, after pauses that double, for a day; then it has failed.
//!
//! All of it runs on the data thread; what waits for a disk, on its blocking pool. `source` asks, `target` knows the place
//! where it goes, `course` is the life of one pull.
//!
//! **Absent:** decisions about jobs, and what becomes of the item: the machine hears [`Event`]s.

mod course;
mod source;
mod target;
#[cfg(test)]
mod tests;

use super::engine::Handle;
use super::machine::Event;
use super::model::{Job, JobId, JobKind, JobState, PullSource, Stamp};
use crate::base::Secret;
use course::Course;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use target::Target;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long the secret of a job may be on its way: whoever asked for the job hears its number first.
const SECRET_COMES_WITHIN: Duration = Duration::from_secs(10);

/// The pulls that go on. Clones are the same.
#[derive(Clone, Default)]
pub struct Pulls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    live: Mutex<HashMap<JobId, Live>>,
    secrets: Mutex<HashMap<JobId, Secret>>,
    /// A secret has come.
    told: Notify,
}

struct Live {
    task: AbortHandle,
    watch: Arc<Watch>,
}

/// What is seen of a pull from outside.
#[derive(Default)]
struct Watch {
    bytes: AtomicU64,
    stopped: AtomicBool,
    /// Why it pauses, where it does; for people.
    trouble: Mutex<Option<String>>,
}

/// Why a pull does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// It may pass; for people.
    Passing(String),
    /// It will not; for people.
    Lasting(String),
    /// The daemon is ending: the next start goes on.
    Ending,
}

impl Pulls {
    /// Keeps the secret of a job in memory until it is over.
    pub fn keep_secret(&self, job: JobId, secret: Secret) {
        lock(&self.0.secrets).insert(job, secret);
        self.0.told.notify_waiters();
    }

    /// See [`Effect::Pull`](super::machine::Effect::Pull).
    pub fn begin(&self, handle: Handle, job: Arc<Job>) {
        let JobKind::Pull(source) = &job.kind else { return };
        let source = source.as_ref().clone();
        let runtime = match handle.downloads().thread().handle() {
            Ok(runtime) => runtime,
            Err(why) => {
                let why = format!("there is no thread for it: {why}");
                return handle.tell(Event::JobMoved(job.id, JobState::Failed(why)));
            }
        };
        let mut live = lock(&self.0.live);
        if live.contains_key(&job.id) {
            return;
        }
        let (pulls, watch, id) = (self.clone(), Arc::<Watch>::default(), job.id);
        let watched = watch.clone();
        let task = runtime.spawn(async move {
            pulls.go(handle, job, source, watched).await;
            pulls.forget(id);
        });
        live.insert(id, Live { task: task.abort_handle(), watch });
    }

    /// See [`Effect::StopPulling`](super::machine::Effect::StopPulling).
    pub fn stop(&self, job: JobId) {
        if let Some(live) = self.forget(job) {
            live.watch.stopped.store(true, Ordering::Relaxed);
            live.task.abort();
        }
    }

    /// See [`Effect::Unplace`](super::machine::Effect::Unplace).
    pub fn unplace(&self, handle: Handle, job: Arc<Job>, stamp: Stamp) {
        let Ok(runtime) = handle.downloads().thread().handle() else { return }; // the daemon is ending
        runtime.spawn_blocking(move || {
            let JobKind::Pull(source) = &job.kind else { return };
            // Somebody may have come to it while this waited for its turn.
            if let (Ok((target, _)), true) = (Target::of(&handle, &job, source), handle.look(|room| room.is_left(&job)))
            {
                target.remove(stamp);
            }
        });
    }

    /// How many bytes of a job are there.
    pub fn bytes(&self, job: JobId) -> Option<u64> {
        lock(&self.0.live).get(&job).map(|live| live.watch.bytes.load(Ordering::Relaxed))
    }

    /// Why a job pauses, where it does; for people.
    pub fn trouble(&self, job: JobId) -> Option<String> {
        lock(&self.0.live).get(&job).and_then(|live| lock(&live.watch.trouble).clone())
    }

    fn forget(&self, job: JobId) -> Option<Live> {
        lock(&self.0.secrets).remove(&job);
        lock(&self.0.live).remove(&job)
    }

    async fn go(&self, handle: Handle, job: Arc<Job>, source: PullSource, watch: Arc<Watch>) {
        let secret = match source.secret {
            false => None,
            true => match timeout(SECRET_COMES_WITHIN, self.secret(job.id)).await {
                Ok(secret) => Some(secret),
                Err(_) => {
                    let why = "the token that goes with it is not known any more: ask for it again".to_owned();
                    return handle.tell(Event::JobMoved(job.id, JobState::Failed(why)));
                }
            },
        };
        match Course::new(handle.clone(), job.clone(), source, secret, watch) {
            Ok(course) => course.run().await,
            Err(why) => handle.tell(Event::JobMoved(job.id, JobState::Failed(why))),
        }
    }

    /// The secret of a job, as soon as it is there.
    async fn secret(&self, job: JobId) -> Secret {
        loop {
            let told = self.0.told.notified();
            tokio::pin!(told);
            // Before the look, so that one that comes after it is not missed.
            told.as_mut().enable();
            if let Some(secret) = lock(&self.0.secrets).get(&job).cloned() {
                return secret;
            }
            told.await;
        }
    }
}

/// What is behind a lock, also where a thread died while it held it: every change is complete in itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
