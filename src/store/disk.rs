//! The store on disk: the writer's thread behind a queue, and reading past it.

use super::backend::Backend;
use super::batch::{Batch, Op};
use super::handle::{Full, Stats};
use super::objects::{Objects, Reference};
use super::open::{OpenError, Opened, Settings, open};
use super::reader::{Pairs, ReadError, View};
use super::reserve::has_room;
use super::ticket::Ticket;
use super::watch::{SLOW, Watch};
use super::writer::{Gauges, Haste, Message, Writer};
use nix::fcntl::Flock;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// An open store. The last handle that goes closes it.
pub(super) struct Disk {
    pub(super) view: Arc<DiskView>,
    pub(super) settings: Settings,
    pub(super) taps: AtomicU64,
    queue: Sender<Message>,
    gauges: Arc<Gauges>,
    writer: Mutex<Option<JoinHandle<()>>>,
    thread: Thread,
    repaired: Option<String>,
    pub(super) restored: Option<u64>,
}

impl Disk {
    /// Opens it and starts the writer.
    pub(super) fn open(settings: Settings) -> Result<Disk, OpenError> {
        let Opened { lock, tree, objects, committer, reserve, space, live, repaired, restored, .. } = open(&settings)?;
        let gauges = Arc::new(Gauges::default());
        gauges.show(space);
        gauges.live.store(live, Ordering::Relaxed);
        let (queue, inbox) = mpsc::channel();
        let watch = Watch::start(tree.clone(), settings.on_commit_error.clone(), SLOW);
        let writer = Writer {
            watch: watch.map_err(OpenError::doing("start the writer's watch"))?,
            inbox,
            committer,
            backend: tree.clone(),
            reserve,
            gauges: gauges.clone(),
            hook: settings.on_commit_error.clone(),
            metrics: settings.metrics.clone(),
            taps: Vec::new(),
            live_known: live,
        };
        let writer = thread::Builder::new().name("store-writer".into()).spawn(|| writer.run());
        let writer = writer.map_err(OpenError::doing("start the writer"))?;
        let thread = writer.thread().clone();
        let writer = Mutex::new(Some(writer));
        let view = Arc::new(DiskView { backend: tree, objects, lock: Some(lock) });
        Ok(Disk { view, settings, taps: AtomicU64::new(0), queue, gauges, writer, thread, repaired, restored })
    }

    /// Queues a decision.
    pub(super) fn submit(&self, batch: Batch, haste: Haste) -> Ticket {
        let (answer, ticket) = Ticket::awaited();
        self.gauges.queued.fetch_add(1, Ordering::Relaxed);
        let message = Message::Decide(batch, answer, haste); // a writer that is gone drops the answer, which says so
        match haste {
            Haste::Awaited => self.send(message),
            Haste::Lazy => drop(self.queue.send(message)),
        }
        ticket
    }

    /// Tells the writer something, now; in vain when it has ended.
    pub(super) fn send(&self, message: Message) {
        let _ = self.queue.send(message);
        if self.gauges.lingering.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Whether a client's write may start.
    pub(super) fn admits(&self) -> Result<(), Full> {
        match self.gauges.tight.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Full { free: self.gauges.free.load(Ordering::Relaxed) }),
        }
    }

    /// Whether a client's write of so many bytes may start.
    pub(super) fn admits_bytes(&self, bytes: u64) -> Result<(), Full> {
        self.admits()?;
        has_room(&self.settings.dir, bytes).map_err(|free| Full { free })
    }

    /// The store in numbers.
    pub(super) fn stats(&self) -> Stats {
        let gauges = &self.gauges;
        Stats {
            size_on_disk: self.view.backend.size().unwrap_or(0) + self.view.objects.bytes(),
            live_bytes: gauges.live.load(Ordering::Relaxed),
            commits: gauges.commits.load(Ordering::Relaxed),
            last_commit: Duration::from_micros(gauges.last_commit_micros.load(Ordering::Relaxed)),
            queued: gauges.queued.load(Ordering::Relaxed),
            full: gauges.tight.load(Ordering::Acquire),
            free: gauges.free.load(Ordering::Relaxed),
            reserve: gauges.held.load(Ordering::Relaxed),
            repaired: self.repaired.clone(),
        }
    }

    /// Commits what was submitted and ends the writer.
    pub(super) fn close(&self) {
        self.send(Message::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close();
    }
}

/// The tree with its objects, as readers see it.
#[derive(Clone)]
pub(super) struct DiskView {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) objects: Arc<Objects>,
    /// Held by readers too: nobody else may write what they read.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) lock: Option<Arc<Flock<File>>>,
}

fn storage(why: io::Error) -> ReadError {
    ReadError::Storage(why.to_string())
}

impl DiskView {
    /// Follows a reference. The object may be replaced meanwhile: then the key has another value by now.
    pub(super) fn follow(&self, key: &[u8], value: Vec<u8>) -> Result<Option<Vec<u8>>, ReadError> {
        let mut value = value;
        loop {
            let Some(reference) = Reference::in_value(&value) else { return Ok(Some(value)) };
            if let Some(value) = self.objects.read(reference)? {
                return Ok(Some(value));
            }
            match self.backend.get(key).map_err(storage)? {
                Some(now) if now == value => {
                    return Err(ReadError::Object { id: reference.id, why: "the file is missing".into() });
                }
                Some(now) => value = now,
                None => return Ok(None),
            }
        }
    }

    /// An operation with its long value in it. The object must not have been unlinked: a tap sees to that.
    pub(super) fn embed(&self, op: Op) -> Result<Op, ReadError> {
        let Op::Put { key, value } = op else { return Ok(op) };
        let Some(reference) = Reference::in_value(&value) else { return Ok(Op::Put { key, value }) };
        let missing = ReadError::Object { id: reference.id, why: "the file is missing".into() };
        let value = self.objects.read(reference)?.ok_or(missing)?;
        Ok(Op::Put { key, value })
    }
}

impl View for DiskView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.backend.get(key).map_err(storage)? {
            Some(value) => self.follow(key, value),
            None => Ok(None),
        }
    }

    fn scan(&self, from: Vec<u8>, to: Vec<u8>, back: bool) -> Pairs {
        let view = self.clone();
        let pairs = self.backend.scan(&from, &to, back);
        Box::new(pairs.filter_map(move |pair| {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(why) => return Some(Err(storage(why))),
            };
            Some(view.follow(&key, value).transpose()?.map(|value| (key, value)))
        }))
    }
}
