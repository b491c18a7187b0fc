//! What the room shows without deciding anything: its state, jobs that are over, how far a job is.

use super::{Failed, Handle};
use crate::cache::machine::Room;
use crate::cache::model::{Args, Job, JobId, JobResult, Task, TaskId, TaskNo, TaskState, UrlOutcome};
use crate::cache::records::{self, FileState};
use crate::store::Rule;
use std::sync::Arc;
use std::time::Duration;

/// URLs of one job that are looked at for its progress: more would keep others waiting, since it takes an id for each.
const MEASURED: usize = 100;

impl Handle {
    /// Looks at the room's present state, which may be ahead of the disk by one flush. From any thread; a few microseconds
    /// at most.
    pub fn look<T>(&self, look: impl FnOnce(&Room) -> T) -> T {
        look(&self.0.room.get().room)
    }

    /// A job, be it over or not.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, Failed> {
        {
            let inside = self.0.room.get();
            if let Some(job) = inside.room.unfinished(id).or_else(|| inside.finished.get(&id)) {
                return Ok(Some(job.clone()));
            }
        }
        let reader = self.0.tools.store.reader();
        let read = tokio::task::spawn_blocking(move || records::job(&reader, id)).await;
        Ok(read.map_err(|_| Failed::Gone)??.map(Arc::new))
    }

    /// The same, as soon as it is over, or at the latest after `wait`, or when `gone` returns.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn job_over(
        &self,
        id: JobId,
        wait: Duration,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Option<Arc<Job>>, Failed> {
        let pending = |handle: &Handle| handle.look(|room| room.unfinished(id).is_some());
        self.wait_while(pending, wait, gone).await;
        self.job(id).await
    }

    /// The task, as soon as it is no longer fetched, or at the latest after `wait`, or when `gone` returns. None: there is
    /// none of that number.
    pub async fn task_settled(
        &self,
        no: TaskNo,
        wait: Duration,
        gone: impl Future<Output = ()> + Send,
    ) -> Option<Arc<Task>> {
        let fetching = |task: &Arc<Task>| task.state == TaskState::Fetching;
        let pending = |handle: &Handle| handle.look(|room| room.task(no).is_some_and(fetching));
        self.wait_while(pending, wait, gone).await;
        self.look(|room| room.task(no).cloned())
    }

    /// Returns when it is not so any more, or nobody wants to wait for that.
    async fn wait_while(&self, so: impl Fn(&Handle) -> bool, wait: Duration, gone: impl Future<Output = ()> + Send) {
        let (mut news, mut draining) = (self.0.news.subscribe(), self.0.draining.subscribe());
        let changed = async {
            loop {
                news.borrow_and_update();
                if !so(self) || news.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased; // what is so already needs no waiting
            () = changed => {}
            () = gone => {}
            _ = draining.wait_for(|draining| *draining) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// What must hold between the records, and between them and the files, for a check of the whole store.
    pub fn rules(&self) -> Vec<Rule> {
        let handle = self.clone();
        let file = move |id: &TaskId| {
            let Some(contents) = handle.0.contents.get() else { return FileState::Unknown };
            match std::fs::metadata(contents.path(id)) {
                Ok(file) => FileState::There(file.len()),
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => FileState::Missing,
                Err(_) => FileState::Unknown,
            }
        };
        records::rules(Arc::new(file))
    }

    /// Bytes a job has fetched and is to fetch, as far as known: progress of those of its URLs that are being fetched.
    pub fn job_bytes(&self, job: &Job) -> (u64, u64) {
        let (Args::Preheat(args), JobResult::Preheat(urls)) = (&*job.args, &job.part.result) else { return (0, 0) };
        let (mut fetched, mut all) = (0u64, 0u64);
        // They are begun in order: those that are being fetched are the first that are not over.
        let most = MEASURED.min(args.concurrent_tasks.max(1) as usize);
        let mut measured = 0;
        for UrlOutcome { url, end, bytes } in urls {
            let (there, length) = match end {
                Some(Ok(())) => (bytes.unwrap_or(0), bytes.unwrap_or(0)),
                Some(Err(_)) => continue,
                None if measured >= most => (0, bytes.unwrap_or(0)),
                None => {
                    measured += 1;
                    let id = args.naming.of(url).ids().primary;
                    match self.look(|room| room.find(&id).cloned()) {
                        Some(task) => (self.bytes_of(&task), task.length().or(*bytes).unwrap_or(0)),
                        None => (0, bytes.unwrap_or(0)),
                    }
                }
            };
            fetched = fetched.saturating_add(there);
            all = all.saturating_add(length.max(there));
        }
        (fetched, all)
    }

    /// Bytes of a task that are on disk.
    fn bytes_of(&self, task: &Arc<Task>) -> u64 {
        match (self.0.contents.get(), &task.state) {
            (Some(contents), TaskState::Fetching) => contents.progress(task).borrow().bytes,
            _ => task.cached_bytes(),
        }
    }
}
