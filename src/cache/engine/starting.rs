//! From what was stored to a room that can be asked, and what goes on in the background.

use super::closing::{Closing, remove};
use super::deciding::SharedRoom;
use super::driving::{Group, Lazy};
use super::errands::Errands;
use super::{Engine, Failed, Handle, Inner, Message, Settings, Tools};
use crate::base::Now;
use crate::cache::content::{self, Contents, DataThread};
use crate::cache::machine::Room;
use crate::cache::model::{Task, TaskId, TaskNo};
use crate::cache::origin::Origins;
use crate::cache::records;
use crate::schedule::Clock;
use crate::store::Debts;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

/// The pause between two tries to use the cache's directory.
const AGAIN: Duration = Duration::from_secs(1);

/// A round in which all that is kept is compared begins at the earliest so long after the one before did: what is kept is
/// small, or the disk would be read all the time.
const ROUND: Duration = Duration::from_secs(24 * 3600);

/// So many tasks are listed in one look at the room.
const LISTED_AT_ONCE: usize = 1_000;

/// Reads the room back from the store and takes up what was going on. Where the cache's directory cannot be used, the room
/// is closed, and its engine tries again.
///
/// # Errors
/// The store cannot be read, or the client cannot be made.
pub async fn start(tools: Tools, settings: Settings) -> Result<(Handle, Engine), Box<dyn std::error::Error>> {
    let (reader, restored, rules) = (tools.store.reader(), tools.store.restored(), settings.rules.clone());
    let read = move || {
        let (memory, numbers) = records::load(&reader, restored)?;
        let now = Now::read();
        let (room, plan) = Room::recover(rules, memory, now);
        Ok::<_, crate::store::ReadError>((room, plan, numbers, now.wall))
    };
    let (room, plan, numbers, at) = tokio::task::spawn_blocking(read).await??;
    let origins = Origins::new(settings.origin.clone())?;
    let (asks, mailbox) = unbounded_channel();
    let (sender, events) = unbounded_channel();
    let (to_remove, removals) = unbounded_channel();
    let (debts, payer) = Debts::new();
    let room = SharedRoom::new(room, numbers);
    let finished = room.clone();
    let close = move |closing: Closing| closing.close(|jobs| finished.forget_finished(jobs), &to_remove);
    tokio::spawn(payer.pay(close));
    let handle = Handle(Arc::new(Inner {
        tools,
        settings,
        room,
        origins,
        thread: DataThread::default(),
        contents: OnceLock::new(),
        obstacle: Mutex::new(String::new()),
        errands: Errands::default(),
        mailbox: asks,
        events: sender,
        readers: AtomicU64::new(0),
        news: watch::Sender::new(0),
        draining: watch::Sender::new(false),
    }));
    handle.try_open().await;
    let engine = Engine {
        handle: handle.clone(),
        mailbox,
        events,
        clock: Clock::new()?,
        debts,
        group: Group::default(),
        lazy: Lazy::default(),
        owed: HashMap::new(),
        doomed: HashMap::new(),
        first: Some((plan, at)),
        removals: Some(removals),
    };
    Ok((handle, engine))
}

impl Handle {
    /// Tries to use the cache's directory; a change is told in the daemon's log.
    async fn try_open(&self) {
        let inner = &self.0;
        let settings = content::Settings {
            dir: inner.settings.dir.clone(),
            retries: inner.settings.retries,
            retry_after: inner.settings.retry_after,
            scrub_rate: inner.settings.scrub_rate,
        };
        let (thread, origins, events) = (inner.thread.clone(), inner.origins.clone(), inner.events.clone());
        let opening = move || Contents::open(settings, thread, origins, events);
        let why = match tokio::task::spawn_blocking(opening).await {
            Ok(Ok(contents)) => {
                let _ = inner.contents.set(contents); // only the driver opens it, and once
                return;
            }
            Ok(Err(why)) => why.to_string(),
            Err(why) => why.to_string(),
        };
        let why = format!("the cache's directory {} cannot be used: {why}", inner.settings.dir.display());
        let mut obstacle = inner.obstacle.lock().unwrap_or_else(PoisonError::into_inner);
        if *obstacle != why {
            tracing::error!("{why}");
            *obstacle = why;
        }
    }

    /// All complete tasks, the oldest first; in short looks, since whoever decides must not wait for one at a million tasks.
    /// Blocks.
    fn complete(&self) -> VecDeque<TaskNo> {
        let (mut found, mut before) = (VecDeque::new(), TaskNo(u64::MAX));
        loop {
            let slice: Vec<_> = self.look(|room| {
                let slice = room.tasks_before(before).take(LISTED_AT_ONCE);
                slice.map(|task| (task.no, task.is_complete())).collect()
            });
            let Some((last, _)) = slice.last() else { return found };
            before = *last;
            for (no, _) in slice.into_iter().filter(|(_, is_complete)| *is_complete) {
                found.push_front(no);
            }
        }
    }

    /// The next of all complete tasks to be compared, round by round. May take some milliseconds: not for a runtime's thread.
    fn round(&self) -> impl Fn() -> Option<Arc<Task>> + Send + Sync + use<> {
        let round = Mutex::new(Round::default());
        let handle = self.clone();
        move || {
            let mut now = round.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                while let Some(no) = now.left.pop_front() {
                    let task = handle.look(|room| room.task(no).filter(|task| task.is_complete()).cloned());
                    if task.is_some() {
                        return task;
                    }
                }
                if now.began.is_some_and(|began| began.elapsed() < ROUND) {
                    return None;
                }
                now.left = handle.complete();
                now.began = Some(Instant::now());
            }
        }
    }
}

/// A round in which all that is kept is compared.
#[derive(Default)]
struct Round {
    left: VecDeque<TaskNo>,
    began: Option<Instant>,
}

impl Engine {
    /// Returns when the room is open; false: the daemon ends before.
    pub(super) async fn opened(&mut self) -> bool {
        while let Err(Failed::Closed(_)) = self.handle.is_open() {
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                message = self.mailbox.recv() => match message {
                    None => return false,
                    // Nothing was decided; whoever asks is told at the door that the room is closed.
                    Some(Message::Ask(_)) => continue,
                    Some(Message::Drain(done)) => {
                        let _ = done.send(()); // nobody waits for it any more
                        continue;
                    }
                },
            }
            self.handle.try_open().await;
            if self.handle.is_open().is_ok() {
                tracing::info!("the cache's directory {} can be used", self.handle.0.settings.dir.display());
            }
        }
        self.begin();
        true
    }

    /// Starts what goes on beside the driver.
    fn begin(&mut self) {
        let contents = self.handle.contents().clone();
        if let Some(removals) = self.removals.take() {
            let contents = contents.clone();
            tokio::spawn(remove(removals, self.handle.0.events.clone(), move |no, ids| {
                let contents = contents.clone();
                async move { contents.remove(no, &ids).await }
            }));
        }
        let thread = match self.handle.0.thread.handle() {
            Ok(thread) => thread,
            Err(why) => {
                tracing::error!("there is no thread for the bytes of the cache: {why}");
                return;
            }
        };
        let handle = self.handle.clone();
        let orphans = contents.clone();
        thread.spawn(async move {
            let known = move |id: &TaskId| handle.look(|room| room.is_known(id));
            match orphans.remove_orphans(Arc::new(known)).await {
                Ok((0, _)) => {}
                Ok((files, bytes)) => tracing::info!(files, bytes, "files of no cached task were removed"),
                Err(why) => tracing::warn!("files of no cached task cannot be looked for: {why}"),
            }
        });
        if self.handle.0.settings.scrub_rate > 0 {
            let handle = self.handle.clone();
            thread.spawn(async move { contents.scrub(handle.round()).await });
        }
    }
}
