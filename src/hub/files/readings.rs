//! The files that are being read. How many at once is the room's business; each has a thread while it is read.

use super::Settings;
use super::house::House;
use super::pace::Pace;
use super::patience::{Hanging, Sign, no_answer, patiently};
use super::read;
use crate::hub::machine::{Event, ReadOrder};
use crate::hub::model::{Look, Reading, TagNo};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long a disk may try to read one part of a file. Disks try hard.
const PATIENCE: Duration = Duration::from_secs(30);

/// All of them. Clones are the same.
#[derive(Clone)]
pub(super) struct Readings<H> {
    house: H,
    pace: Arc<Pace>,
    /// See [`Settings::small`].
    kept: u64,
    going_on: Arc<GoingOn>,
    /// Where readings hang.
    hanging: Hanging,
    /// Where looks hang: nothing is read there.
    dead: Hanging,
}

/// By their tags.
#[derive(Default)]
pub(super) struct GoingOn(Mutex<HashMap<TagNo, Arc<Going>>>);

impl GoingOn {
    fn lock(&self) -> MutexGuard<'_, HashMap<TagNo, Arc<Going>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes of a tag's file were read so far; none: it is not being read.
    pub(super) fn bytes(&self, tag: TagNo) -> Option<u64> {
        self.lock().get(&tag).map(|going| going.bytes.load(Ordering::Relaxed))
    }
}

/// One of them.
struct Going {
    sign: Arc<Sign>,
    /// How many were read.
    bytes: AtomicU64,
    stopped: Mutex<bool>,
    bell: Condvar,
}

impl Going {
    /// After a part was read: rests for so long, or until it is stopped; whether to go on.
    fn rest(&self, pause: Duration) -> bool {
        self.sign.give_for(pause);
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(stopped, pause, |stopped| !*stopped);
        let go_on = !*waited.unwrap_or_else(PoisonError::into_inner).0;
        self.sign.give();
        go_on
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }
}

impl<H: House> Readings<H> {
    pub(super) fn new(house: H, settings: Settings, dead: Hanging) -> Readings<H> {
        let pace = Arc::new(Pace::new(settings.hash_rate, Instant::now()));
        let (going_on, hanging) = (Arc::default(), Hanging::default());
        Readings { house, pace, kept: settings.small, going_on, hanging, dead }
    }

    /// What goes on is seen through this.
    pub(super) fn seen_through(self, going_on: Arc<GoingOn>) -> Readings<H> {
        Readings { going_on, ..self }
    }

    /// Reads a file; the room is told once, unless it is stopped. One that is being read for this tag goes on.
    pub(super) fn begin(&self, order: ReadOrder) {
        let going = {
            let mut all = self.going_on.lock();
            if all.contains_key(&order.tag) {
                return;
            }
            let (sign, bytes, stopped) = (Sign::new(), AtomicU64::new(0), Mutex::new(false));
            let going = Going { sign, bytes, stopped, bell: Condvar::new() };
            Arc::clone(all.entry(order.tag).or_insert(Arc::new(going)))
        };
        let all = self.clone();
        tokio::spawn(async move {
            let which = (order.tag, order.number);
            let reading = all.read(order, &going).await;
            all.over(which, &going, reading);
        });
    }

    /// It is not wanted any more: nothing is told.
    pub(super) fn stop(&self, tag: TagNo) {
        if let Some(going) = self.going_on.lock().remove(&tag) {
            going.stop();
        }
    }

    /// None: it was stopped.
    async fn read(&self, order: ReadOrder, going: &Arc<Going>) -> Option<Reading> {
        let pool = Arc::clone(&order.pool);
        if self.dead.is_at(&pool) || self.hanging.is_at(&pool) {
            return Some(unanswered(&pool));
        }
        let (pace, kept, reader) = (Arc::clone(&self.pace), self.kept, Arc::clone(going));
        let work = tokio::task::spawn_blocking(move || {
            let go_on = |bytes| {
                reader.bytes.fetch_add(bytes, Ordering::Relaxed);
                let pause = if order.gently { pace.took(bytes, Instant::now()) } else { Duration::ZERO };
                reader.rest(pause)
            };
            read::measure(&order.pool, &order.dir, &order.detail, kept, &go_on)
        });
        match patiently(work, &going.sign, PATIENCE).await {
            Ok(Some(reading)) => reading,
            Ok(None) => Some(Reading::Failed("reading it broke down".to_owned())),
            Err(work) => {
                tracing::warn!(pool = %pool.display(), "a published file cannot be read: its directory does not answer");
                self.hanging.add(pool.to_path_buf(), work, || ());
                Some(unanswered(&pool))
            }
        }
    }

    fn over(&self, (tag, number): (TagNo, u64), going: &Arc<Going>, reading: Option<Reading>) {
        let mut all = self.going_on.lock();
        // Another one may go on for this tag, begun after this one was stopped.
        if !all.get(&tag).is_some_and(|known| Arc::ptr_eq(known, going)) {
            return;
        }
        all.remove(&tag);
        drop(all);
        self.house.tell(Event::Read(tag, number, reading.unwrap_or(Reading::Unsteady)));
    }
}

fn unanswered(pool: &Path) -> Reading {
    Reading::Nothing(Look::PoolGone(no_answer(pool)))
}

#[cfg(test)]
#[path = "tests/readings.rs"]
mod tests;
