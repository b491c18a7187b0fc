//! Notices a commit that will never end.
//!
//! When a write of sled's own threads fails at the wrong moment, nobody wakes the flush that waits for it. A second flush
//! would be told of the failure at once. So when a commit takes long, this thread tries one: an error there is the
//! commit's error; a merely slow disk makes both wait, and no harm is done.
//!
//! While nothing is committed it sleeps without a timer.

use super::backend::Backend;
use super::ticket::CommitError;
use super::writer::Hook;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A commit that takes longer is looked into.
pub(super) const SLOW: Duration = Duration::from_secs(5);

/// What the writer tells.
#[derive(Default)]
struct Seen {
    /// Odd while a commit runs; grows at each beginning and end.
    turns: AtomicU64,
    /// The thread sleeps without a timer.
    asleep: AtomicBool,
    over: AtomicBool,
}

/// The writer's end; the thread goes when this does.
pub(super) struct Watch {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts the thread.
    pub(super) fn start(backend: Arc<dyn Backend>, hook: Hook, slow: Duration) -> io::Result<Watch> {
        let seen = Arc::new(Seen::default());
        let watched = seen.clone();
        let watching = move || watch(&watched, &*backend, &hook, slow);
        let thread = thread::Builder::new().name("store-watch".into()).spawn(watching)?;
        Ok(Watch { seen, thread: Some(thread) })
    }

    /// A commit begins.
    pub(super) fn begin(&self) {
        self.seen.turns.fetch_add(1, Ordering::SeqCst);
        if self.seen.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.seen.turns.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::SeqCst);
        self.wake();
        // It holds the backend, which is closed only when all have let go of it.
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the watch over the store's writer panicked");
        }
    }
}

fn watch(seen: &Seen, backend: &dyn Backend, hook: &Hook, slow: Duration) {
    let mut before = 0;
    while !seen.over.load(Ordering::SeqCst) {
        let now = seen.turns.load(Ordering::SeqCst);
        let running = now % 2 == 1;
        if running && now == before {
            tracing::warn!("a commit takes longer than {slow:?}");
            if let Err(why) = backend.sync() {
                hook(&CommitError::Storage(why.to_string()));
                return;
            }
        }
        if running || now != before {
            before = now;
            thread::park_timeout(slow);
            continue;
        }
        seen.asleep.store(true, Ordering::SeqCst);
        // A commit that began before it could see this flag would not wake it.
        if seen.turns.load(Ordering::SeqCst) == now {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::{Changes, RawPairs};
    use super::*;
    use std::sync::mpsc;

    /// Fails every sync.
    struct Failing;

    impl Backend for Failing {
        fn get(&self, _: &[u8]) -> io::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn scan(&self, _: &[u8], _: &[u8], _: bool) -> RawPairs {
            Box::new(std::iter::empty())
        }
        fn apply(&self, _: Changes) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            Err(io::Error::other("the disk is gone"))
        }
        fn size(&self) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn a_commit_that_never_ends_is_reported_and_others_are_not() {
        let (said, heard) = mpsc::channel();
        let hook: Hook = Arc::new(move |why| said.send(why.clone()).unwrap());
        let slow = Duration::from_millis(400);
        let watch = Watch::start(Arc::new(Failing), hook, slow).unwrap();
        watch.begin();
        watch.end();
        assert!(heard.recv_timeout(slow * 3).is_err(), "nothing was running");
        watch.begin();
        let why = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(why, CommitError::Storage("the disk is gone".into()));
    }
}
