//! The life of one pull.

use super::source::{self, Said};
use super::target::{Target, There};
use super::{Trouble, Watch, lock};
use crate::base::Secret;
use crate::cache;
use crate::cache::content::{FetchFailure, Placing};
use crate::cache::engine::Opened;
use crate::cache::machine::{Refusal, Wanted};
use crate::cache::model::{Digest, Identity, Task};
use crate::cache::registry::Credentials;
use crate::hub::engine::Handle;
use crate::hub::files;
use crate::hub::machine::{Event, NewTag};
use crate::hub::model::{Digests, Job, JobState, Look, PullSource, Requirements, Stamp};
use hyper::HeaderMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

/// The first pause before another attempt; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so long without progress it has failed.
const GIVES_UP: Duration = Duration::from_secs(24 * 3600);
/// How often a file may come whole and be another one than was said.
const SPOILT: u32 = 3;
/// How long the cache may take to note that a content is complete.
const SETTLES: Duration = Duration::from_secs(30);

/// One pull.
pub(super) struct Course {
    handle: Handle,
    job: Arc<Job>,
    source: PullSource,
    url: Url,
    /// What proves to the source who asks.
    proof: HeaderMap,
    watch: Arc<Watch>,
    /// What was told last.
    state: JobState,
    size: Option<u64>,
    spoilt: u32,
}

impl Course {
    /// # Errors
    /// It cannot be begun at all; for people.
    pub(super) fn new(
        handle: Handle,
        job: Arc<Job>,
        source: PullSource,
        secret: Option<Secret>,
        watch: Arc<Watch>,
    ) -> Result<Course, String> {
        let url = source::url(&source.from, &job).ok_or_else(|| format!("{} is no entry point", source.from))?;
        let proof = source::proof(secret.as_ref().map(Secret::expose)).ok_or("the token cannot be one")?;
        let (state, size) = (job.state.clone(), job.size);
        Ok(Course { handle, job, source, url, proof, watch, state, size, spoilt: 0 })
    }

    /// Goes on until it is over.
    pub(super) async fn run(mut self) {
        let mut pauses = Pauses::default();
        loop {
            // Boxed: a long life, and few of them.
            let why = match Box::pin(self.attempt()).await {
                Ok((stamp, digests)) => return self.done(stamp, digests),
                Err(Trouble::Ending) => return,
                Err(Trouble::Lasting(why)) => return self.moved(JobState::Failed(why)),
                Err(Trouble::Passing(why)) => why,
            };
            let Some(pause) = pauses.next(Instant::now(), self.watch.bytes.load(Ordering::Relaxed)) else {
                return self.moved(JobState::Failed(format!("given up after a day: {why}")));
            };
            tracing::info!(job = %self.job.id, %why, pause = pause.as_secs(), "a pull pauses");
            *lock(&self.watch.trouble) = Some(why);
            sleep(pause).await;
        }
    }

    /// From the question to the file in its place, what is there already taken as it is.
    async fn attempt(&mut self) -> Result<(Stamp, Digests), Trouble> {
        self.moved(JobState::Downloading);
        let said = source::ask(self.handle.downloads().origins(), &self.url, &self.proof).await?;
        *lock(&self.watch.trouble) = None;
        self.sized(said.size);
        if let There::Same(stamp, digests) = self.look(&said).await? {
            return Ok((stamp, digests));
        }
        let (opened, task) = self.fetch(&said).await?;
        self.moved(JobState::Verifying);
        // It may have taken hours.
        if let There::Same(stamp, digests) = self.look(&said).await? {
            return Ok((stamp, digests));
        }
        let target = self.target()?;
        self.place(&task, &target).await?;
        drop(opened);
        self.blocking(move |go_on| target.confirm(&said, go_on)).await
    }

    /// Puts a content where it is to be. On its own: what is being copied comes there also where the pull is ended
    /// meanwhile, into a directory that has to be held until then; and the room has to hear of it.
    async fn place(&self, task: &Arc<Task>, target: &Target) -> Result<(), Trouble> {
        let directory = {
            let target = target.clone();
            // Held until it is there: a link that is put in its place meanwhile leads nowhere.
            self.blocking(move |_| target.directory()).await?
        };
        let (handle, job, task, target) = (self.handle.clone(), self.job.clone(), task.clone(), target.clone());
        let placing = tokio::spawn(async move {
            let to = directory.file(&target.file);
            let placed = handle.downloads().contents().place(&task, &to, Placing::Copy).await;
            placed.map_err(|why| unplaced(&why, &directory))?;
            let look = move || files::look(&target.pool, &target.dir, &target.file);
            if let Ok(Look::There(stamp)) = tokio::task::spawn_blocking(look).await {
                handle.tell(Event::Placed(job, stamp));
            }
            Ok(())
        });
        over(placing).await
    }

    fn target(&self) -> Result<Target, Trouble> {
        Target::of(&self.handle, &self.job, &self.source).map(|(target, _)| target)
    }

    /// What lies where the file is to be.
    async fn look(&self, said: &Said) -> Result<There, Trouble> {
        let (target, holder) = Target::of(&self.handle, &self.job, &self.source)?;
        let said = said.clone();
        let look = move |go_on: &dyn Fn(u64) -> bool| {
            target.directory()?;
            target.look(&said, &holder, go_on)
        };
        self.blocking(look).await
    }

    /// Runs something that waits for a disk; it is told when nobody wants it any more.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn(u64) -> bool) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let watch = self.watch.clone();
        let working = move || work(&|_| !watch.stopped.load(Ordering::Relaxed));
        over(tokio::task::spawn_blocking(working)).await
    }

    /// Has the cache fetch it.
    async fn fetch(&mut self, said: &Said) -> Result<(Opened, Arc<Task>), Trouble> {
        // Another version at the same address is another content.
        let (tag, application) = (said.version(), "hub".to_owned());
        let identity = Identity { tag, application, ..Identity::of_url(self.url.as_str()) };
        let wanted = Wanted {
            ids: identity.ids(),
            identity,
            digest: said.sha256.map(Digest::Sha256),
            private: self.source.secret,
            ttl: None,
            // Whoever reads keeps it. What has come stays in between as well, as long as there is room.
            pin: None,
            revalidate: false,
            peer: Uuid::new_v4(),
        };
        let downloads = self.handle.downloads().clone();
        let credentials = Credentials { headers: self.proof.clone(), account: None };
        let opened = downloads.open(wanted, credentials).await.map_err(closed)?.map_err(|why| match why {
            Refusal::Full(_) => Trouble::Lasting(why.to_string()),
            other => Trouble::Passing(other.to_string()),
        })?;
        let no = opened.task.no;
        self.whole(&opened.task, said).await?;
        let settled = downloads.task_settled(no, SETTLES, std::future::pending()).await;
        let task = settled.filter(|task| task.is_complete());
        task.map(|task| (opened, task)).ok_or_else(|| Trouble::Passing("the cache has let go of it".to_owned()))
    }

    /// Waits until everything is there.
    async fn whole(&mut self, task: &Arc<Task>, said: &Said) -> Result<(), Trouble> {
        let contents = self.handle.downloads().contents();
        let (mut progress, most) = (contents.progress(task), AtomicU64::new(0));
        let follow = async {
            loop {
                let bytes = progress.borrow_and_update().bytes;
                self.watch.bytes.store(bytes, Ordering::Relaxed);
                most.fetch_max(bytes, Ordering::Relaxed);
                if progress.changed().await.is_err() {
                    return std::future::pending::<()>().await;
                }
            }
        };
        let ended = tokio::select! {
            biased; // what came last is seen before the end is
            () = follow => return Err(Trouble::Ending),
            ended = contents.whole(task) => ended,
        };
        let all_came = most.load(Ordering::Relaxed) >= said.size;
        match ended {
            Ok(()) => {
                self.watch.bytes.store(said.size, Ordering::Relaxed);
                Ok(())
            }
            Err(failed) if all_came && said.size > 0 => {
                // All of it, and not what it must be: a source like that does not get better by itself.
                self.spoilt += 1;
                let trouble = if self.spoilt < SPOILT { Trouble::Passing } else { Trouble::Lasting };
                Err(trouble(failed.why))
            }
            Err(failed) => Err(unfetched(failed)),
        }
    }

    /// It is over, and well.
    fn done(&mut self, stamp: Stamp, digests: Digests) {
        self.watch.bytes.store(digests.size, Ordering::Relaxed);
        self.handle.metrics().hub_pulled(digests.size);
        if self.source.publish.is_none() {
            return self.moved(JobState::Downloaded);
        }
        let tag = NewTag {
            rep: self.job.rep.clone(),
            item: self.job.item.clone(),
            tag: self.job.tag.clone(),
            detail: self.source.file.clone(),
            comment: "".into(),
            requires: Requirements::default(),
            // Of a tag that is pulled anew; and where this was told before.
            replace: true,
            read: Some((stamp, digests)),
            size: digests.size,
        };
        self.handle.tell(Event::Pulled(self.job.id, Box::new(tag), Look::There(stamp)));
    }

    fn moved(&mut self, state: JobState) {
        if self.state != state {
            self.state = state.clone();
            self.handle.tell(Event::JobMoved(self.job.id, state));
        }
    }

    fn sized(&mut self, size: u64) {
        if self.size.replace(size) != Some(size) {
            self.handle.tell(Event::JobSized(self.job.id, size));
        }
    }
}

/// What came of something that goes on beside.
async fn over<T>(beside: JoinHandle<Result<T, Trouble>>) -> Result<T, Trouble> {
    match beside.await {
        Ok(over) => over,
        Err(why) if why.is_panic() => Err(Trouble::Lasting("internal error".to_owned())),
        Err(_) => Err(Trouble::Ending),
    }
}

/// A file could not be put in its place.
fn unplaced(why: &io::Error, directory: &files::Held) -> Trouble {
    match why.kind() {
        // Pieces were damaged, and are fetched again.
        ErrorKind::InvalidData | ErrorKind::Interrupted => Trouble::Passing(why.to_string()),
        _ => {
            let why = directory.for_people(&why.to_string());
            Trouble::Lasting(format!("the file cannot be put in its place: {why}"))
        }
    }
}

/// The cache does not answer.
fn closed(why: cache::Failed) -> Trouble {
    match why {
        cache::Failed::Gone => Trouble::Ending,
        other => Trouble::Passing(format!("the cache: {other}")),
    }
}

/// The cache could not fetch it.
fn unfetched(failed: FetchFailure) -> Trouble {
    match failed.answer {
        Some(said) => source::refused(said.status, said.body.as_deref().unwrap_or_default()),
        None if failed.forbidden => Trouble::Lasting(failed.why),
        None => Trouble::Passing(failed.why),
    }
}

/// The pauses between attempts that fail.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Since when nothing has come.
    since: Option<Instant>,
    pause: Duration,
    /// What had come before.
    bytes: u64,
}

impl Pauses {
    /// The next pause, when so many bytes are there; none: it has been tried for long enough.
    pub(super) fn next(&mut self, now: Instant, bytes: u64) -> Option<Duration> {
        if bytes > self.bytes {
            (self.since, self.pause) = (None, Duration::ZERO);
        }
        self.bytes = bytes;
        let since = *self.since.get_or_insert(now);
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        (now.saturating_duration_since(since) < GIVES_UP).then_some(self.pause)
    }
}
