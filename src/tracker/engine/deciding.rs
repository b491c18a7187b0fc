//! The room as it is shared, and a decision of it with its batch: made at once, or aside where it takes long.

use crate::base::{Now, Wall};
use crate::store::Batch;
use crate::tracker::machine::{Change, Effect, Event, Plan, Room, Verdict, Waste, Write};
use crate::tracker::model::ProjectId;
use crate::tracker::records;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A decision that goes through more tasks than this is made aside: so many take some ten milliseconds.
pub(super) const LONG: usize = 2_000;

/// The room, which only the driver changes. Others look at it between two decisions; nobody keeps it across an await.
#[derive(Clone)]
pub(in crate::tracker) struct SharedRoom {
    room: Arc<Mutex<Room>>,
    /// Another thread is at a long decision.
    aside: Arc<watch::Sender<bool>>,
}

/// A decision, ready to be written.
pub(in crate::tracker) struct Decided {
    /// When.
    pub(super) at: Wall,
    pub(super) batch: Batch,
    /// Projects whose queues are gone with it.
    pub(super) wiped: Vec<ProjectId>,
    pub(super) verdict: Option<Verdict>,
    pub(super) effects: Vec<Effect>,
    pub(super) changes: Vec<Change>,
    pub(super) waste: Option<Waste>,
}

impl SharedRoom {
    pub(in crate::tracker) fn new(room: Room) -> SharedRoom {
        SharedRoom { room: Arc::new(Mutex::new(room)), aside: Arc::new(watch::Sender::new(false)) }
    }

    /// The room, between two decisions. Where another thread may be at one, [`SharedRoom::undisturbed`] comes first.
    pub(in crate::tracker) fn get(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when no other thread is at a decision.
    pub(super) async fn undisturbed(&self) {
        if *self.aside.borrow() {
            let _ = self.aside.subscribe().wait_for(|aside| !aside).await; // it ends with the room
        }
    }

    /// Decides what follows from an event, here and now.
    pub(super) fn decide(&self, event: Event) -> Decided {
        let now = Now::read();
        let plan = self.get().step(event, now);
        Decided::of(plan, now.wall)
    }

    /// As [`SharedRoom::decide`], on a thread that may take long. None: the daemon is ending.
    pub(super) async fn decide_aside(&self, event: Event) -> Option<Decided> {
        let room = self.clone();
        let _aside = Aside::begin(&self.aside);
        match tokio::task::spawn_blocking(move || room.decide(event)).await {
            Ok(decided) => Some(decided),
            Err(why) if why.is_panic() => std::panic::resume_unwind(why.into_panic()),
            Err(_) => None,
        }
    }
}

/// While it lives, another thread is at a decision.
struct Aside<'a>(&'a watch::Sender<bool>);

impl Aside<'_> {
    fn begin(aside: &watch::Sender<bool>) -> Aside<'_> {
        aside.send_replace(true);
        Aside(aside)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl Decided {
    /// A plan of that time.
    pub(in crate::tracker) fn of(plan: Plan, at: Wall) -> Decided {
        let Plan { verdict, writes, effects, changes, waste } = plan;
        let wiped = writes.iter().filter_map(wiped_by).collect();
        let mut batch = Batch::new();
        records::write(writes, &mut batch);
        Decided { at, batch, wiped, verdict, effects, changes, waste }
    }
}

/// The project whose queue is gone with this.
fn wiped_by(write: &Write) -> Option<ProjectId> {
    match write {
        Write::PutMarks(project, marks) if marks.wiped > 0 && marks.wiped == marks.epoch => Some(*project),
        _ => None,
    }
}
