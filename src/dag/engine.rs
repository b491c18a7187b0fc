//! The driver: one task owns the machine, hears everything through one mailbox, and carries out its plans.
//!
//! ```text
//!   routes ──ask──┐                    ┌──> store (one batch a plan) ──durable──> answer, acknowledge, remove files
//!   keeper ─news──┼──> step ──> Plan ──┼──> executors (at once; safe to repeat)
//!   clock ──tick──┤                    └──> bus, metrics
//!   store ──run───┘
//! ```
//!
//! What a client asked for is carried out once it is durable. What follows from events does not wait, because the keeper
//! holds its intent; but a start of which it holds none, or that may be the consequence of an ask on its way to the disk,
//! waits for that.
//!
//! The room holds only what is not over. An ask about another run has that run read from the store first; until it was
//! decided, further asks about the same run wait behind it, so that each sees what the one before has made of it.
//!
//! **Absent:** decisions. They are the machine's.

use super::executors::Hands;
use super::machine::{Ask, Asker, Change, Effect, End, Event, How, Launch, Plan, Room, StoredRun, Verdict, View, What};
use super::model::{Capacity, DagRunId};
use super::records::{self, LoadError};
use super::specification::Limits;
use super::{events, output};
use crate::base::{Bus, Now, RunId, Wall};
use crate::keeper as kept;
use crate::keeper::Link;
use crate::launch::Launcher;
use crate::logs::{Logs, Stem};
use crate::metrics::Metrics;
use crate::proc;
use crate::schedule::Clock;
use crate::store::{Batch, Store, Ticket};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Semaphore, oneshot, watch};

/// The room's name in metrics.
const ROOM: &str = "dag";

/// How many runs are read from the store at once: one of a million tasks takes some memory while it is read.
pub(super) const READ_AT_ONCE: usize = 4;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all attempts together may reserve.
    pub capacity: Capacity,
    /// The most tasks of one run.
    pub max_tasks: u32,
    /// How long an attempt may take to end after SIGTERM.
    pub grace: Duration,
    /// Bytes of output kept per file.
    pub log_max: u64,
    /// Runs that are over remembered.
    pub keep_runs: usize,
    /// For how long.
    pub keep_for: Duration,
    /// How long an `Idempotency-Key` is remembered.
    pub keep_keys: Duration,
    /// The uid the daemon runs as.
    pub own_uid: u32,
}

impl Settings {
    /// What a specification must keep to here.
    pub fn limits(&self) -> Limits {
        Limits { capacity: Some(self.capacity), max_tasks: self.max_tasks }
    }
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// The keeper.
    pub link: Link,
    /// Output of attempts.
    pub logs: Logs,
    /// From job to spawn request.
    pub launcher: Launcher,
    /// Supervised processes, for steps that act on them.
    pub tasks: proc::Handle,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// The room, as other rooms and its own routes hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) tools: Tools,
    pub(super) settings: Arc<Settings>,
    pub(super) mailbox: UnboundedSender<Message>,
    pub(super) done: watch::Receiver<bool>,
    pub(super) children: Arc<AtomicUsize>,
    pub(super) reading: Arc<Semaphore>,
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The store.
    #[error(transparent)]
    Load(#[from] LoadError),
}

pub(super) enum Message {
    Ask(Box<Asked>),
    /// A run that an ask is about, as the store has it.
    Loaded {
        run: DagRunId,
        found: Result<Option<Box<StoredRun>>, Failed>,
    },
    Look(Box<dyn FnOnce(&Room) + Send>),
    /// Something that an executor found out.
    Event(Event),
    /// A launch was prepared: the keeper's request, or why there is none.
    Prepared {
        slot: RunId,
        spawn: Box<Result<kept::Spawn, How>>,
    },
    /// An attempt is over, and its output was looked at.
    Ended(Box<End>),
    /// A decision is durable, and so is all before it.
    Perform {
        effects: Vec<Effect>,
        /// Whether it was a client's, or the first one.
        asked: bool,
    },
    Shutdown {
        now: bool,
    },
}

/// A client's wish, and where the answer goes.
pub(super) struct Asked {
    ask: Ask,
    by: Asker,
    answer: oneshot::Sender<Result<Verdict, Failed>>,
}

impl Handle {
    /// Asks for something, and answers when the decision is durable. A run that the room does not hold is read from the
    /// store first.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn ask(&self, ask: Ask, by: Asker) -> Result<Verdict, Failed> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(Message::Ask(Box::new(Asked { ask, by, answer }))).map_err(|_| Failed::Gone)?;
        answered.await.map_err(|_| Failed::Gone)?
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Room) -> T + Send + 'static) -> Result<T, Failed> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |room: &Room| drop(answer.send(look(room))));
        self.mailbox.send(Message::Look(look)).map_err(|_| Failed::Gone)?;
        answered.await.map_err(|_| Failed::Gone)
    }

    /// A run, held or stored, as it is now. Every attempt that its states tell of is in the store when this returns.
    /// Whoever may not see it must not be told of it: that is the caller's to check.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn view(&self, run: DagRunId) -> Result<Option<View>, Failed> {
        loop {
            let held = self.look(move |room| room.view(run)).await?;
            // What the room has let go by now is in the store after this.
            self.settled().await;
            if held.is_some() {
                return Ok(held);
            }
            let reader = self.tools.store.reader();
            let read = move || -> Result<_, LoadError> {
                let Some(stored) = records::load_run(&reader, run)? else { return Ok(Some(None)) };
                // Whoever took the run up again meanwhile has changed its row, and what was read is of two minds.
                let same = records::row(&reader, run)?.is_some_and(|row| row == stored.row);
                Ok(same.then(|| Some(View::of_stored(&stored))))
            };
            if let Some(view) = read_with(&self.reading, read).await? {
                return Ok(view);
            }
        }
    }

    /// Returns when everything decided so far can be read from the store.
    pub async fn settled(&self) {
        // An empty decision is durable when all earlier ones are. A failed commit ends the core.
        let _ = self.tools.store.submit(Batch::new()).durable().await;
    }

    /// How many attempts run, or are about to.
    pub fn children(&self) -> usize {
        self.children.load(Ordering::Relaxed)
    }

    /// Ends everything, in order or at once, and returns when nothing runs any more.
    pub async fn shutdown(&self, now: bool) {
        let _ = self.mailbox.send(Message::Shutdown { now });
        let mut done = self.done.clone();
        let _ = done.wait_for(|done| *done).await; // the engine is gone: it is done as well
    }
}

/// Reads from the store on the blocking pool, a few at a time.
async fn read_with<T: Send + 'static>(
    reading: &Semaphore,
    read: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, Failed> {
    let _turn = reading.acquire().await.map_err(|_| Failed::Gone)?;
    tokio::task::spawn_blocking(read).await.map_err(|_| Failed::Gone)?.map_err(Failed::Load)
}

/// The driver's state.
pub struct Engine {
    pub(super) room: Room,
    pub(super) tools: Tools,
    pub(super) hands: Hands,
    pub(super) mailbox: UnboundedReceiver<Message>,
    pub(super) own: UnboundedSender<Message>,
    pub(super) news: UnboundedReceiver<kept::News>,
    pub(super) clock: Clock,
    /// Asks that wait for their run to be read, the one it is read for in front.
    pub(super) loading: HashMap<DagRunId, VecDeque<Asked>>,
    pub(super) reading: Arc<Semaphore>,
    pub(super) closing: UnboundedSender<Closing>,
    /// Runs that are gone, of which something is left.
    pub(super) purged: UnboundedSender<DagRunId>,
    /// That this keeper is known: written once nothing of an earlier one is left, so that a start before that looks for
    /// it again.
    pub(super) meeting: Option<Batch>,
    /// How many asks are on their way to the disk.
    pub(super) undurable: usize,
    /// How many decisions are, whose effects wait for that.
    pub(super) deferred: usize,
    /// How many attempts the hands have, for others to see.
    pub(super) children: Arc<AtomicUsize>,
    pub(super) done: watch::Sender<bool>,
}

/// What is owed once a decision is durable.
pub(super) struct Closing {
    ticket: Ticket,
    effects: Vec<Effect>,
    asked: bool,
    heard: Vec<u64>,
    spent: Vec<Stem>,
    answer: Option<(oneshot::Sender<Result<Verdict, Failed>>, Verdict)>,
}

/// Acts, acknowledges, answers and clears away in the order of the decisions, each when it is durable.
pub(super) async fn close(
    mut closed: UnboundedReceiver<Closing>,
    link: Link,
    driver: UnboundedSender<Message>,
    sweeper: UnboundedSender<Stem>,
) {
    while let Some(Closing { ticket, effects, asked, heard, spent, answer }) = closed.recv().await {
        // A failed commit ends the core; nobody is told anything that is not true.
        if ticket.durable().await.is_err() {
            continue;
        }
        if asked || !effects.is_empty() {
            let _ = driver.send(Message::Perform { effects, asked }); // the driver has ended
        }
        link.acknowledge(heard);
        if let Some((to, verdict)) = answer {
            let _ = to.send(Ok(verdict)); // he has given up waiting
        }
        for stem in spent {
            let _ = sweeper.send(stem); // the runtime is ending
        }
    }
}

/// What a plan is carried out for.
#[derive(Default)]
pub(super) struct Cause {
    /// Files whose bytes it has taken into the store.
    pub spent: Vec<Stem>,
    /// Who asked.
    pub answer: Option<oneshot::Sender<Result<Verdict, Failed>>>,
    /// It is the first decision of a start: like an ask's, its effects wait for the disk. The numbers it gives out, for
    /// one, are reserved by it.
    pub first: bool,
}

impl Engine {
    /// Drives the room until the daemon has ended everything.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let mono = self.room.deadline().into_iter().chain(self.hands.deadline()).min();
            let wall = self.room.wall_deadline();
            tokio::select! {
                biased; // the kernel's news outranks anybody's wishes; the clock comes last, but its work is bounded
                Some(news) = self.news.recv() => if let Some(event) = self.hands.local().hear(news) {
                    self.heard(event);
                },
                Some(message) = self.mailbox.recv() => self.take(message),
                fired = self.clock.until(mono, wall) => {
                    fired?;
                    self.hands.local().watch_due(Now::read().mono);
                    self.step(Event::Tick, Cause::default());
                }
                else => return Ok(()),
            }
        }
    }

    fn step(&mut self, event: Event, cause: Cause) {
        let now = Now::read();
        let plan = self.room.step(event, now);
        self.carry_out(plan, now, cause);
    }

    fn heard(&mut self, event: Event) {
        if let Event::Started { .. } = event {
            self.tools.metrics.run_started(ROOM);
        }
        self.step(event, Cause::default());
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(asked) => self.ask(*asked),
            Message::Loaded { run, found } => self.loaded(run, found),
            Message::Look(look) => look(&self.room),
            Message::Event(event) => self.heard(event),
            Message::Prepared { slot, spawn } => self.hands.local().prepared(slot, *spawn),
            Message::Ended(mut end) => {
                let spent = self.hands.over(&mut end);
                self.step(Event::Ended(end), Cause { spent, ..Cause::default() });
            }
            Message::Perform { effects, asked } => {
                self.undurable -= usize::from(asked);
                self.deferred -= 1;
                effects.into_iter().for_each(|effect| self.perform(effect));
                self.count();
            }
            Message::Shutdown { now: false } => self.step(Event::Shutdown, Cause::default()),
            Message::Shutdown { now: true } => self.step(Event::ShutdownNow, Cause::default()),
        }
    }

    fn ask(&mut self, asked: Asked) {
        let Some(run) = asked.ask.run() else { return self.decide(asked, None) };
        if let Some(queue) = self.loading.get_mut(&run) {
            queue.push_back(asked);
        } else if self.room.holds(run) {
            self.decide(asked, None);
        } else {
            self.loading.insert(run, VecDeque::from([asked]));
            self.load(run);
        }
    }

    fn decide(&mut self, Asked { ask, by, answer }: Asked, found: Option<Box<StoredRun>>) {
        let cause = Cause { answer: Some(answer), ..Cause::default() };
        self.step(Event::Asked { ask, by, found }, cause);
    }

    /// Reads a run as all decisions so far have left it.
    fn load(&self, run: DagRunId) {
        let so_far = self.tools.store.submit(Batch::new());
        let (reader, reading, own) = (self.tools.store.reader(), self.reading.clone(), self.own.clone());
        tokio::spawn(async move {
            let found = match so_far.durable().await {
                Ok(()) => read_with(&reading, move || records::load_run(&reader, run)).await,
                Err(_) => Err(Failed::Gone),
            };
            let found = found.map(|found| found.map(Box::new));
            let _ = own.send(Message::Loaded { run, found }); // the driver has ended
        });
    }

    fn loaded(&mut self, run: DagRunId, found: Result<Option<Box<StoredRun>>, Failed>) {
        let Some(mut queue) = self.loading.remove(&run) else { return };
        match (queue.pop_front(), found) {
            (None, _) => {}
            (Some(first), Ok(found)) => self.decide(first, found),
            (Some(first), Err(why)) => drop(first.answer.send(Err(why))),
        }
        // Unless the room holds it now, what was read says nothing about the run as that decision has left it.
        while let Some(next) = queue.pop_front() {
            if !self.room.holds(run) {
                queue.push_front(next);
                self.loading.insert(run, queue);
                return self.load(run);
            }
            self.decide(next, None);
        }
    }

    /// Submits, acts, publishes, and leaves what must wait for the disk to [`close`].
    pub(super) fn carry_out(&mut self, plan: Plan, now: Now, cause: Cause) {
        let Cause { spent, answer, first } = cause;
        let mut batch = Batch::new();
        records::write(plan.writes, &mut batch);
        let asked = answer.is_some() || first;
        let waits = |effect: &Effect| match effect {
            _ if asked => true,
            // It may be an ask's consequence: that of a run which is still on its way to the disk. Of a step the keeper
            // holds no intent: the next core would not know that it was taken.
            Effect::Start(launch) => self.undurable > 0 || is_step(launch),
            // It must not overtake the start that it is to end.
            Effect::Stop { .. } => self.deferred > 0,
            _ => false,
        };
        let (effects, at_once): (Vec<_>, Vec<_>) = plan.effects.into_iter().partition(waits);
        let deferred = asked || !effects.is_empty();
        if deferred || !plan.heard.is_empty() || !spent.is_empty() || !batch.is_empty() {
            let store = &self.tools.store;
            let ticket = if deferred { store.submit(batch) } else { store.submit_lazily(batch) };
            self.undurable += usize::from(asked);
            self.deferred += usize::from(deferred);
            let answer = answer.map(|to| (to, plan.verdict.unwrap_or(Verdict::AlreadySo)));
            let owed = Closing { ticket, effects, asked, heard: plan.heard, spent, answer };
            let _ = self.closing.send(owed); // the runtime is ending
        }
        for effect in at_once {
            self.perform(effect);
        }
        for change in plan.changes {
            self.publish(change, now.wall);
        }
        if !self.room.has_leftovers()
            && let Some(meeting) = self.meeting.take()
        {
            drop(self.tools.store.submit(meeting)); // nobody waits for it
        }
        self.count();
    }

    fn count(&self) {
        self.children.store(self.hands.busy(), Ordering::Relaxed);
        self.tools.metrics.runs_live(ROOM, self.hands.processes());
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(launch) => self.hands.start(*launch),
            Effect::Pass { run, first, count } => self.hands.pass(run, first, count),
            Effect::Stop { slot, force } => self.hands.stop(slot, force),
            Effect::EndLeftover { slot, leader, grace } => self.hands.local().end_leftover(slot, leader, grace),
            Effect::RemoveOutput(run) => drop(self.purged.send(run)), // the runtime is ending
            Effect::Done => drop(self.done.send_replace(true)),
        }
    }

    fn publish(&mut self, change: Change, at: Wall) {
        match &change.what {
            What::Task { attempt: Some((_, _, outcome)), .. } => {
                self.tools.metrics.run_ended(ROOM, events::word(*outcome));
            }
            What::Run { run, state, .. } if state.is_over() => self.hands.local().rest(*run),
            _ => {}
        }
        let (kind, name, data) = events::event(&change.what);
        self.tools.bus.publish(at, kind, name, Some(change.owner), data);
    }
}

/// Whether it acts on a supervised task.
fn is_step(launch: &Launch) -> bool {
    let job = launch.edited.as_ref().map_or(&launch.template.job, |job| &job.shown);
    job.contains_key("proc")
}

/// The two streams of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Where a live attempt writes now, or where an ended one wrote that was not kept in its record.
///
/// # Errors
/// The attempt is not known, or the file system's.
pub fn file_of(run: DagRunId, slot: RunId, stream: Stream) -> io::Result<Stem> {
    output::Files { run, slot }.stem(stream)
}

#[cfg(test)]
mod tests;
