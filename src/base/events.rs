//! The bus: what changed, for whoever listens.
//!
//! Rooms publish, `/events` and waiting requests listen. The newest [`KEPT`] events stay for listeners that come
//! back with the last number they saw; whoever has missed more is told so and reads the state anew. Numbers grow
//! across restarts, because they start from the wall clock. The history is the durable record; the bus is not.

use crate::base::time::Wall;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// How many events are kept for listeners that come back.
pub const KEPT: usize = 16_384;

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Grows by at least one from event to event.
    pub id: u64,
    /// When.
    pub at: Wall,
    /// What, as `room.thing.verb`: `proc.run.exited`.
    pub kind: &'static str,
    /// The name of what it happened to: a task, a run, a token.
    pub name: String,
    /// The uid that may see it beside the operators; none: operators only.
    pub owner: Option<u32>,
    /// The details, as the event stream shows them.
    pub data: serde_json::Value,
}

/// A listener has missed events: they are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The oldest number still kept; reading goes on from there.
    pub oldest: u64,
}

struct Ring {
    events: VecDeque<Arc<Event>>,
    last: u64,
    /// The newest number that is no longer kept; also everything before this process began.
    forgotten: u64,
}

/// The bus. Clones are the same bus.
#[derive(Clone)]
pub struct Bus {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Sender<u64>,
}

impl Bus {
    /// An empty bus whose numbers start at the microsecond of `now`.
    pub fn new(now: Wall) -> Bus {
        let last = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        let ring = Ring { events: VecDeque::new(), last, forgotten: last };
        Bus { ring: Arc::new(Mutex::new(ring)), newest: watch::Sender::new(last) }
    }

    /// Announces one change and answers its number.
    pub fn publish(
        &self,
        at: Wall,
        kind: &'static str,
        name: impl Into<String>,
        owner: Option<u32>,
        data: serde_json::Value,
    ) -> u64 {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ring.last + 1;
        ring.last = id;
        if ring.events.len() == KEPT
            && let Some(oldest) = ring.events.pop_front()
        {
            ring.forgotten = oldest.id;
        }
        ring.events.push_back(Arc::new(Event { id, at, kind, name: name.into(), owner, data }));
        self.newest.send_replace(id);
        id
    }

    /// The number of the newest event.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Listens to everything after the event numbered `after`; none: from now on.
    pub fn listen(&self, after: Option<u64>) -> Listener {
        let seen = after.unwrap_or(u64::MAX).min(self.newest());
        Listener { ring: self.ring.clone(), newest: self.newest.subscribe(), seen }
    }
}

/// One reader of the bus, at its own pace.
pub struct Listener {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Receiver<u64>,
    seen: u64,
}

impl Listener {
    /// The next events in order, at least one and at most 256; waits for one when there is none.
    ///
    /// # Errors
    /// [`Missed`] when events after the last one seen are no longer kept. The next call goes on with the oldest kept.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, Missed> {
        loop {
            {
                let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
                if self.seen < ring.forgotten {
                    self.seen = ring.forgotten;
                    return Err(Missed { oldest: ring.forgotten + 1 });
                }
                let from = ring.events.partition_point(|event| event.id <= self.seen);
                let news: Vec<_> = ring.events.range(from..).take(256).cloned().collect();
                if let Some(last) = news.last() {
                    self.seen = last.id;
                    return Ok(news);
                }
            }
            let seen = self.seen;
            // The bus cannot be gone while a room holds it; a closed one simply has nothing more to say.
            if self.newest.wait_for(|newest| *newest > seen).await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn publish(bus: &Bus, name: &str) -> u64 {
        bus.publish(Wall::UNIX_EPOCH, "test.thing.done", name, None, Value::Null)
    }

    #[tokio::test]
    async fn a_listener_goes_on_where_it_was() {
        let bus = Bus::new(Wall::UNIX_EPOCH);
        let first = publish(&bus, "a");
        publish(&bus, "b");
        let names = |events: Vec<Arc<Event>>| events.iter().map(|event| event.name.clone()).collect::<Vec<_>>();
        let mut late = bus.listen(Some(first));
        assert_eq!(names(late.next().await.unwrap()), ["b"]);
        publish(&bus, "c");
        assert_eq!(names(late.next().await.unwrap()), ["c"]);
    }

    #[tokio::test]
    async fn who_missed_events_is_told() {
        let bus = Bus::new(Wall::UNIX_EPOCH);
        let first = publish(&bus, "a");
        for _ in 0..KEPT + 5 {
            publish(&bus, "x");
        }
        let mut slow = bus.listen(Some(first));
        let missed = slow.next().await.unwrap_err();
        let next = slow.next().await.unwrap();
        assert_eq!(next[0].id, missed.oldest);
        let mut from_an_earlier_life = bus.listen(Some(0));
        assert!(from_an_earlier_life.next().await.is_err());
    }
}
