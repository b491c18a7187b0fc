//! Which fetches are going on, and how the last ones ended.
//!
//! Who opened a task holds it as it was then. Its fetch may be over by the time he waits for it; so the ends of the last
//! ones are remembered.

use super::fetch::{Failed, Fetch, Fetched, failure};
use super::known::Known;
use super::live::Live;
use super::thread::lock;
use super::{FetchFailure, Inner, Progress};
use crate::cache::machine::{Event, FetchEnd, Order, Removed};
use crate::cache::model::{Ids, Source, Task, TaskNo, TaskState};
use crate::cache::origin::Authority;
use futures_util::FutureExt as _;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::watch;

/// Ends that are remembered.
const ENDS: usize = 1024;
/// Bytes of origins' answers among them.
const SAID: usize = 4 << 20;

/// See the head of the file.
#[derive(Default)]
pub(super) struct Fetches {
    live: HashMap<TaskNo, Arc<Live>>,
    /// Orders that came while the fetch before was stopping.
    waiting: HashMap<TaskNo, (Order, Arc<dyn Authority>)>,
    ended: HashMap<TaskNo, Progress>,
    order: VecDeque<TaskNo>,
    /// Bytes of the answers that are remembered.
    said: usize,
}

impl Fetches {
    fn remember(&mut self, task: TaskNo, end: Progress) {
        self.forget(task);
        self.said += said(&end);
        self.ended.insert(task, end);
        self.order.push_back(task);
        while self.order.len() > ENDS || self.said > SAID {
            let Some(oldest) = self.order.pop_front() else { return };
            self.said -= self.ended.remove(&oldest).as_ref().map_or(0, said);
        }
    }

    fn forget(&mut self, task: TaskNo) {
        if let Some(end) = self.ended.remove(&task) {
            self.said -= said(&end);
            self.order.retain(|known| *known != task);
        }
    }
}

/// Bytes of what an origin answered to a fetch that failed.
fn said(end: &Progress) -> usize {
    let Some(Err(FetchFailure { answer: Some(said), .. })) = &end.end else { return 0 };
    let headers = said.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    headers + said.body.as_ref().map_or(0, bytes::Bytes::len)
}

/// What becomes of a report of damage.
pub(super) enum Report {
    /// The content is not there any more: there is nothing to report.
    Gone,
    /// Somebody else reported it, and it was repaired.
    ThereAgain,
    /// The fetch by which it comes back.
    Heard(Arc<Live>),
}

/// See [`super::Contents::fetch`].
pub(super) fn begin(inner: &Arc<Inner>, order: Order, authority: Arc<dyn Authority>) {
    let task = order.task;
    let live = {
        let mut fetches = lock(&inner.fetches);
        let live = Arc::clone(fetches.live.entry(task).or_insert_with(Live::new));
        if !live.begin(order.revalidate) {
            if live.is_stopping() {
                fetches.waiting.insert(task, (order, authority));
            }
            return;
        }
        live
    };
    let spawned = inner.thread.handle();
    let (inner, live) = (Arc::clone(inner), live);
    match spawned {
        Ok(handle) => drop(handle.spawn(drive(inner, live, order, authority))),
        Err(why) => {
            let failed = Err(failure(format!("the kernel gives no thread: {why}")).into());
            end(&inner, &live, task, Some(failed));
        }
    }
}

async fn drive(inner: Arc<Inner>, live: Arc<Live>, order: Order, authority: Arc<dyn Authority>) {
    let task = order.task;
    let fetch = Fetch::new(Arc::clone(&inner), Arc::clone(&live), order, authority);
    // Its future is large, and lives for long.
    let fetch = Box::pin(AssertUnwindSafe(fetch.run()).catch_unwind());
    let ended = tokio::select! {
        biased;
        () = live.stopped() => None,
        ended = fetch => Some(ended.unwrap_or_else(|_| Err(failure("the fetch broke down; this is a defect").into()))),
    };
    end(&inner, &live, task, ended);
}

/// The end of a fetch: none where it was stopped.
fn end(inner: &Arc<Inner>, live: &Arc<Live>, task: TaskNo, ended: Option<Result<Fetched, Failed>>) {
    let mut fetches = lock(&inner.fetches);
    let (event, end) = match ended {
        // Between its last look and now, a reader may have found damage.
        Some(Ok(_)) if live.has_lost() => {
            let why = "a piece was damaged at the very end";
            (Event::Fetched(task, FetchEnd::Failed { why: why.to_owned(), discard: false }), Err(failure(why)))
        }
        Some(Ok(Fetched::Whole(length))) => (Event::Fetched(task, FetchEnd::Whole { length }), Ok(())),
        Some(Ok(Fetched::Unchanged)) => (Event::Unchanged(task), Ok(())),
        Some(Err(Failed { failure, discard })) => {
            (Event::Fetched(task, FetchEnd::Failed { why: failure.why.clone(), discard }), Err(failure))
        }
        None => (Event::Fetched(task, FetchEnd::Stopped), Err(failure("the fetch was stopped"))),
    };
    fetches.live.remove(&task);
    // Under the lock: who finds the fetch over hears of it from the room afterwards, not before.
    inner.tell(event);
    live.end(end);
    fetches.remember(task, live.progress().borrow().clone());
    let next = fetches.waiting.remove(&task);
    drop(fetches);
    if let Some((order, authority)) = next {
        begin(inner, order, authority);
    }
}

/// See [`super::Contents::remove`].
pub(super) async fn remove(inner: &Arc<Inner>, task: TaskNo, ids: &Ids) -> Removed {
    let live = {
        let mut fetches = lock(&inner.fetches);
        fetches.waiting.remove(&task);
        fetches.live.get(&task).cloned()
    };
    if let Some(live) = live {
        if live.is_running() {
            live.stop();
            let mut progress = live.progress();
            // It cannot end without saying so.
            let _ = progress.wait_for(|progress| progress.end.is_some()).await;
        } else {
            inner.give_up(task, &live, "the file was removed");
        }
    }
    inner.knowledge.forget(task);
    {
        lock(&inner.fetches).forget(task);
    }
    let (files, id) = (Arc::clone(inner), ids.primary.clone());
    inner.thread.blocking(move || files.files.remove(&id)).await.map_err(|failed| failed.to_string())
}

/// Waits for an answer.
pub(super) async fn source(mut progress: watch::Receiver<Progress>, task: &Task) -> Result<Arc<Source>, FetchFailure> {
    let told = progress.wait_for(|progress| progress.source.is_some() || progress.end.is_some()).await;
    let told = told.map(|told| told.clone()).unwrap_or_default();
    // An origin that says that nothing has changed says nothing else.
    let unchanged = || task.source.clone().map(Arc::new).filter(|_| matches!(told.end, Some(Ok(()))));
    match (told.source.or_else(unchanged), told.end) {
        (Some(source), _) => Ok(source),
        (None, Some(Err(failed))) => Err(failed),
        (None, Some(Ok(())) | None) => Err(failure("it is not being fetched")),
    }
}

/// Waits for the end.
pub(super) async fn whole(mut progress: watch::Receiver<Progress>) -> Result<(), FetchFailure> {
    let told = progress.wait_for(|progress| progress.end.is_some()).await.map(|told| told.end.clone());
    told.ok().flatten().unwrap_or_else(|| Err(failure("it is not being fetched")))
}

impl Inner {
    /// The fetch of a task, where one is going on.
    pub(super) fn running(&self, task: TaskNo) -> Option<Arc<Live>> {
        lock(&self.fetches).live.get(&task).filter(|live| live.is_running()).cloned()
    }

    /// What is known of a fetch that is over.
    pub(super) fn ended(&self, task: TaskNo) -> Option<Progress> {
        lock(&self.fetches).ended.get(&task).cloned()
    }

    /// See [`super::Contents::progress`].
    pub(super) fn progress(&self, task: &Task) -> watch::Receiver<Progress> {
        let fetches = lock(&self.fetches);
        if let Some(live) = fetches.live.get(&task.no).filter(|live| live.is_running()) {
            let running = live.progress();
            // Known before, and not contradicted yet.
            if running.borrow().source.is_none()
                && !live.revalidates()
                && let Some(source) = &task.source
            {
                live.set_source(Arc::new(source.clone()));
            }
            return running;
        }
        let known = || Progress { source: task.source.clone().map(Arc::new), bytes: task.cached_bytes(), end: None };
        let told = match (&task.state, fetches.ended.get(&task.no)) {
            (TaskState::Complete(_), _) => Progress { end: Some(Ok(())), ..known() },
            (_, Some(ended)) => ended.clone(),
            (TaskState::Partial(Some(failed)), None) => Progress { end: Some(Err(failure(&*failed.why))), ..known() },
            (TaskState::Partial(None) | TaskState::Fetching | TaskState::Doomed, None) => {
                Progress { end: Some(Err(failure("it is not being fetched"))), ..known() }
            }
        };
        watch::channel(told).1
    }

    /// Reports pieces that are not what they were, whatever was known of them.
    pub(super) fn damaged(&self, task: TaskNo, known: &Known, numbers: &[u32]) {
        known.bad(numbers);
        self.found_damaged(task, known, numbers);
    }

    /// Reports pieces that were found not to be what they were, unless they are there again by now.
    pub(super) fn found_damaged(&self, task: TaskNo, known: &Known, numbers: &[u32]) -> Report {
        let mut fetches = lock(&self.fetches);
        if known.is_gone() {
            return Report::Gone;
        }
        if !fetches.live.contains_key(&task) && numbers.iter().all(|number| known.is_good(*number)) {
            return Report::ThereAgain;
        }
        let live = Arc::clone(fetches.live.entry(task).or_insert_with(Live::new));
        let Some(fresh) = live.damaged(known, numbers) else { return Report::ThereAgain };
        if !fresh.is_empty() {
            self.knowledge.close(task);
            self.tell(Event::Damaged(task, fresh));
        }
        Report::Heard(live)
    }

    /// Nobody fetches what readers wait for.
    pub(super) fn give_up(&self, task: TaskNo, live: &Arc<Live>, why: &str) {
        let mut fetches = lock(&self.fetches);
        let mine = fetches.live.get(&task).is_some_and(|present| Arc::ptr_eq(present, live));
        if mine && !live.is_running() {
            fetches.live.remove(&task);
            live.end(Err(failure(why)));
        }
    }
}
