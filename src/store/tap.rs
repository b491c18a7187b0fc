//! Listening to what is committed, in order: how a backup stays consistent while the store is written to.

use super::batch::Op;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

/// Bytes that may wait for a slow listener. Beyond them it is cut off: the daemon's memory matters more.
const MOST_WAITING: usize = 64 << 20;

/// What a listener hears.
pub(super) enum Heard {
    /// From here on it hears everything.
    Began,
    /// These operations were committed.
    Committed(Vec<Op>),
    /// Everything up to the moment it asked for has been heard.
    Ended,
}

/// The writer's end.
pub(super) struct Tap {
    pub(super) id: u64,
    pub(super) to: Sender<Heard>,
    pub(super) backlog: Arc<Backlog>,
}

/// What waits for the listener.
#[derive(Default)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    cut_off: AtomicBool,
}

impl Backlog {
    /// The listener has taken these.
    pub(super) fn taken(&self, ops: &[Op]) {
        self.bytes.fetch_sub(ops.iter().map(Op::weight).sum(), Ordering::Relaxed);
    }

    /// Whether something was left out because the listener was too slow.
    pub(super) fn cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Acquire)
    }
}

impl Tap {
    /// From here on.
    pub(super) fn begin(&self) {
        let _ = self.to.send(Heard::Began); // a listener that is gone says so by Message::Drop
    }

    /// Up to here.
    pub(super) fn end(&self) {
        let _ = self.to.send(Heard::Ended);
    }

    /// Passes a group on.
    pub(super) fn hear(&self, ops: &[Op]) {
        let weight: usize = ops.iter().map(Op::weight).sum();
        if self.backlog.bytes.load(Ordering::Relaxed) + weight > MOST_WAITING {
            self.backlog.cut_off.store(true, Ordering::Release);
        }
        if !self.backlog.cut_off() {
            self.backlog.bytes.fetch_add(weight, Ordering::Relaxed);
            let _ = self.to.send(Heard::Committed(ops.to_vec()));
        }
    }
}
