//! The one thread that writes.
//!
//! ```text
//! waiting --message--> gather what else is there --> look at the space --> commit --> answer --> waiting
//!                                                                            `--error--> the hook, then the end
//! ```
//!
//! It sleeps on its queue and wakes for nothing else, save once a second while space is tight. What comes in while it
//! commits is the next group: the slower the disk, the bigger the groups. A group that nobody waits for lingers a moment
//! for others to share its flush.

use super::backend::Backend;
use super::batch::{Batch, Op};
use super::committer::{Committer, Decision};
use super::formats::LIVE_KEY;
use super::objects::LONGEST_INLINE;
use super::reserve::{Reserve, Space};
use super::tap::Tap;
use super::ticket::{Answer, CommitError};
use super::watch::Watch;
use crate::metrics::Metrics;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// A group takes no further decision beyond so many operations or bytes: those who wait are not kept waiting for long.
const FULL_GROUP: usize = 8192;
const HEAVY_GROUP: usize = 16 << 20;

/// How often space is looked at while it is tight.
const TIGHT_LOOK: Duration = Duration::from_secs(1);

/// How long a group that nobody waits for lingers for others: well within the 5 ms after which everything is on disk.
const LINGER: Duration = Duration::from_millis(3);

/// The estimate of live bytes is written down when it has drifted by so much.
const LIVE_DRIFT: u64 = 1 << 20;

/// How many bytes sled writes for one of a decision, at worst: the log, then the pages made anew.
const AMPLIFICATION: usize = 4;

/// What the writer is asked.
pub(super) enum Message {
    /// Commit this.
    Decide(Batch, Answer, Haste),
    /// From here on tell this tap what is committed.
    Open(Tap),
    /// The tap has what it needs when it has heard everything up to here.
    End(u64),
    /// The tap follows no references any more.
    Drop(u64),
    /// Commit what came before, then stop.
    Close,
}

/// Whether somebody waits for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// Somebody does.
    Awaited,
    /// Nobody does: it may linger.
    Lazy,
}

/// Called with the error when a commit failed. The process is expected to end.
pub(super) type Hook = Arc<dyn Fn(&CommitError) + Send + Sync>;

/// What others may read of the writer.
#[derive(Default)]
pub(super) struct Gauges {
    pub(super) commits: AtomicU64,
    pub(super) last_commit_micros: AtomicU64,
    pub(super) queued: AtomicUsize,
    pub(super) tight: AtomicBool,
    pub(super) free: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) live: AtomicU64,
    /// The writer lingers: who sends something that is awaited has to wake it.
    pub(super) lingering: AtomicBool,
}

impl Gauges {
    pub(super) fn show(&self, space: Space) {
        self.free.store(space.free, Ordering::Relaxed);
        self.held.store(space.held, Ordering::Relaxed);
        self.tight.store(space.tight, Ordering::Release);
    }
}

/// The writer's state.
pub(super) struct Writer {
    pub(super) inbox: Receiver<Message>,
    pub(super) committer: Committer,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) reserve: Reserve,
    pub(super) gauges: Arc<Gauges>,
    pub(super) hook: Hook,
    pub(super) metrics: Option<Metrics>,
    pub(super) watch: Watch,
    pub(super) taps: Vec<Tap>,
    /// The live bytes as last written down.
    pub(super) live_known: u64,
}

impl Writer {
    /// Writes until it is closed, or until a commit fails. What is still in the queue then is answered by its end.
    pub(super) fn run(mut self) {
        if let Err(why) = self.serve() {
            let why = CommitError::Storage(why.to_string());
            (self.hook)(&why);
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut held_over = None;
        while let Some(message) = held_over.take().or_else(|| self.next()) {
            match message {
                Message::Decide(batch, answer, haste) => {
                    let mut group = Group::default();
                    group.take(batch, answer, haste);
                    held_over = self.gather(&mut group);
                    if held_over.is_none() && group.may_linger() {
                        held_over = self.linger(&mut group);
                    }
                    self.commit(group.decisions)?;
                }
                Message::Open(tap) => {
                    tap.begin();
                    self.taps.push(tap);
                }
                Message::End(id) => self.taps.iter().filter(|tap| tap.id == id).for_each(Tap::end),
                Message::Drop(id) => {
                    self.taps.retain(|tap| tap.id != id);
                    self.unlink()?;
                }
                Message::Close => break,
            }
        }
        self.close()
    }

    /// The next message; none when nobody can send any more.
    fn next(&mut self) -> Option<Message> {
        loop {
            if !self.gauges.tight.load(Ordering::Acquire) {
                return self.inbox.recv().ok();
            }
            match self.inbox.recv_timeout(TIGHT_LOOK) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.look(0),
            }
        }
    }

    /// Adds the decisions that wait already; answers the message that ended it, which is none of them.
    fn gather(&mut self, group: &mut Group) -> Option<Message> {
        while !group.is_full() {
            match self.inbox.try_recv() {
                Ok(Message::Decide(batch, answer, haste)) => group.take(batch, answer, haste),
                Ok(other) => return Some(other),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
        None
    }

    /// Waits for others to join a group that nobody waits for, as [`gather`](Writer::gather) does.
    fn linger(&mut self, group: &mut Group) -> Option<Message> {
        let until = Instant::now() + LINGER;
        // Who sends after this wakes the writer; what was sent before it is gathered now.
        self.gauges.lingering.store(true, Ordering::SeqCst);
        let mut held_over = None;
        while held_over.is_none() && group.may_linger() {
            held_over = self.gather(group);
            let left = until.saturating_duration_since(Instant::now());
            if held_over.is_some() || !group.may_linger() || left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.gauges.lingering.store(false, Ordering::SeqCst);
        held_over
    }

    fn commit(&mut self, mut group: Vec<Decision>) -> io::Result<()> {
        let decisions = group.len();
        let operations: usize = group.iter().map(|decision| decision.ops.len()).sum();
        let coming: usize = group.iter().flat_map(|decision| &decision.ops).map(footprint).sum();
        if self.committer.live().abs_diff(self.live_known) > LIVE_DRIFT {
            group.push(self.live_decision());
        }
        self.look(coming as u64);
        let began = Instant::now();
        let listening = !self.taps.is_empty();
        // sled panics on some kinds of damage: a commit that panicked has failed like any other.
        self.watch.begin();
        let committed = catch_unwind(AssertUnwindSafe(|| self.committer.commit(group, listening)));
        self.watch.end();
        let heard = committed.unwrap_or_else(|_| Err(io::Error::other("the database panicked")))?;
        self.taps.iter().for_each(|tap| tap.hear(&heard));
        let took = began.elapsed();
        if let Some(metrics) = &self.metrics {
            metrics.committed(operations as u64, took);
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.gauges.last_commit_micros.store(took, Ordering::Relaxed);
        self.gauges.commits.fetch_add(decisions as u64, Ordering::Relaxed);
        self.gauges.queued.fetch_sub(decisions, Ordering::Relaxed);
        self.gauges.live.store(self.committer.live(), Ordering::Relaxed);
        self.unlink()
    }

    /// Removes files that nothing names, unless a tap may still have to read them.
    fn unlink(&mut self) -> io::Result<()> {
        if self.taps.is_empty() { self.committer.unlink() } else { Ok(()) }
    }

    fn live_decision(&mut self) -> Decision {
        self.live_known = self.committer.live();
        let value = self.live_known.to_string().into_bytes();
        Decision { ops: vec![Op::Put { key: LIVE_KEY.to_vec(), value }], answer: None }
    }

    fn look(&self, coming: u64) {
        match self.reserve.look(coming) {
            Ok(space) => {
                if space.tight != self.gauges.tight.load(Ordering::Relaxed) {
                    tracing::warn!(free = space.free, reserve = space.held, tight = space.tight, "disk space");
                }
                self.gauges.show(space);
            }
            Err(why) => tracing::warn!(%why, "cannot look at the free space"),
        }
    }

    /// Writes the estimate down, so that the next start knows it exactly.
    fn close(&mut self) -> io::Result<()> {
        if self.committer.live() != self.live_known {
            let decision = self.live_decision();
            self.committer.commit(vec![decision], false)?;
        }
        self.backend.sync()
    }
}

/// Decisions that share a flush.
#[derive(Default)]
struct Group {
    decisions: Vec<Decision>,
    operations: usize,
    bytes: usize,
    awaited: bool,
}

impl Group {
    fn take(&mut self, batch: Batch, answer: Answer, haste: Haste) {
        self.operations += batch.ops.len().max(1);
        self.bytes += batch.ops.iter().map(Op::weight).sum::<usize>();
        self.awaited |= haste == Haste::Awaited;
        self.decisions.push(Decision { ops: batch.ops, answer: Some(answer) });
    }

    fn is_full(&self) -> bool {
        self.operations >= FULL_GROUP || self.bytes >= HEAVY_GROUP
    }

    fn may_linger(&self) -> bool {
        !self.awaited && !self.is_full()
    }
}

/// About how many bytes an operation takes on disk.
fn footprint(op: &Op) -> usize {
    match op {
        Op::Put { value, .. } if value.len() > LONGEST_INLINE => value.len(),
        other => other.weight() * AMPLIFICATION,
    }
}
