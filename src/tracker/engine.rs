//! The driver: one task owns the decisions, hears everything through one mailbox, and carries out its plans.
//!
//! ```text
//!   routes ──ask──┐                    ┌──> store (one batch for what came in at once) ──durable──> answers
//!   processes ────┼──> step ──> Plan ──┼──> watches (at once; safe to repeat)
//!   clock ──tick──┘                    └──> bus
//! ```
//!
//! Whoever asks is answered when what was decided for him is on disk, and so is all that was decided before. Two answers
//! tell of nothing that a crash could take back, and never wait: that there is no task, and that there were too many
//! requests.
//!
//! Who fetches may go at any moment. What he was handed then was never his: either the answer cannot be sent any more, or
//! it lies unread in the channel; both are noticed, exactly one of them, and the room hears of it.
//!
//! **Absent:** decisions. They are the machine's.

mod closing;
mod deciding;

use super::events;
use super::machine::{Ask, Change, Effect, Event, Handed, Room, Verdict, WaitId};
use super::model::{ManagerId, Process, ProjectId};
use super::watch::{self, Watches};
use crate::auth::Accounts;
use crate::base::{Bus, Mono, Now, Secret, Wall};
use crate::metrics::Metrics;
use crate::schedule::Clock;
use crate::store::{Batch, Debts, ReadError, Store};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, oneshot};

pub(super) use closing::Answer;
use deciding::LONG;
pub(super) use deciding::{Decided, SharedRoom};

/// How many messages are heard before what they led to goes to the disk.
const HEARD_AT_ONCE: usize = 64;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may register as a manager.
    pub registration: Registration,
    /// Whether anybody may create workers; else managers only.
    pub anybody_makes_workers: bool,
    /// The name of the session cookie.
    pub cookie: String,
    /// How long a session lasts.
    pub session: Duration,
    /// How long a task may be held that does not say so itself.
    pub max_assign_time: Duration,
    /// The configured header of git hooks.
    pub webhook_header: String,
    /// The hash in that header.
    pub webhook_hash: HookHash,
    /// The branches whose pushes count.
    pub webhook_branches: Vec<String>,
    /// Whether anybody may read what workers have logged.
    pub public_logs: bool,
    /// Which levels are kept.
    pub log_levels: Vec<Level>,
    /// How many log entries are kept.
    pub keep_logs: usize,
    /// For how long.
    pub keep_logs_for: Duration,
    /// The pause between two samples.
    pub sample_every: Duration,
    /// How long samples are kept.
    pub keep_samples: Duration,
}

/// Who may register as a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Only until there is a tracker admin.
    First,
    /// Nobody.
    Closed,
}

/// A hash that signs git hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// How grave a log entry is, in the original's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 3
    Error,
    /// 4
    Warn,
    /// 5
    Info,
    /// 7
    Trace,
}

impl Level {
    /// All of them, the gravest first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Trace];

    /// The word for it, in paths and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Trace => "trace",
        }
    }

    /// Its number on the wire.
    pub fn wire(self) -> i64 {
        match self {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 5,
            Level::Trace => 7,
        }
    }
}

/// Something that a worker has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// How grave.
    pub level: Level,
    /// When, by the worker's own clock: Unix seconds, positive.
    pub timestamp: i64,
    /// Which worker.
    pub worker: u32,
    /// About what.
    pub scope: String,
    /// What.
    pub message: String,
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// Managers.
    pub accounts: Accounts,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// The room, as its own routes and the daemon hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) tools: Tools,
    pub(super) settings: Arc<Settings>,
    /// What the first admin may show instead of being an operator: told in the daemon's log.
    pub(super) code: Secret,
    pub(super) room: SharedRoom,
    pub(super) mailbox: UnboundedSender<Message>,
    /// How many have fetched: each has a number of its own.
    pub(super) clients: Arc<AtomicU64>,
    /// The number of the newest log entry.
    pub(super) newest_log: Arc<Mutex<u64>>,
    pub(super) wiped: Arc<Wiped>,
}

/// Projects of whose wiped queues something is left in the store.
#[derive(Default)]
pub(super) struct Wiped {
    projects: Mutex<BTreeSet<ProjectId>>,
    news: Notify,
}

impl Wiped {
    pub(super) fn add(&self, projects: impl IntoIterator<Item = ProjectId>) {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner).extend(projects);
        self.news.notify_one();
    }

    /// Takes one out.
    pub(super) fn take(&self) -> Option<ProjectId> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    /// Returns when one was added since.
    pub(super) async fn added(&self) {
        self.news.notified().await;
    }
}

/// What kept the room from answering.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine is gone: the daemon is ending.
    #[error("the daemon is ending")]
    Gone,
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("the entry could not be written: {0}")]
    Write(String),
}

/// The number of one who fetches; never reused while the daemon lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(u64);

pub(super) enum Message {
    Ask(Asked),
    /// Whoever fetched, and was not answered, has gone.
    Gone(Client),
    /// Something that was found out.
    Event(Event),
    /// Nobody is to wait any more.
    Drain,
}

/// A wish, and where the answer goes.
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) client: Option<Client>,
    pub(super) answer: oneshot::Sender<Verdict>,
}

impl Handle {
    /// Asks for something, and answers when the decision is durable. [`Verdict::Waiting`] is never the answer: whoever asks
    /// to wait gets what became of it, or [`Verdict::Handed`] with nothing as soon as `gone` returns. Dropping the future
    /// of a fetch is as good as `gone`; what else was asked for is carried out all the same.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn ask(&self, ask: Ask, gone: impl Future<Output = ()> + Send) -> Result<Verdict, Failed> {
        let (answer, answered) = oneshot::channel();
        let Ask::Fetch { wait, .. } = ask else {
            let asked = Asked { ask, client: None, answer };
            self.mailbox.send(Message::Ask(asked)).map_err(|_| Failed::Gone)?;
            return answered.await.map_err(|_| Failed::Gone);
        };
        let client = Client(self.clients.fetch_add(1, Ordering::Relaxed));
        self.mailbox.send(Message::Ask(Asked { ask, client: Some(client), answer })).map_err(|_| Failed::Gone)?;
        let mut fetching = Fetching { answered: Some(answered), client, mailbox: &self.mailbox };
        tokio::select! {
            biased; // what is there is told
            verdict = fetching.verdict() => verdict,
            () = gone, if !wait.is_zero() => Ok(Verdict::Handed(Vec::new())),
        }
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Room) -> T + Send + 'static) -> Result<T, Failed> {
        if self.mailbox.is_closed() {
            return Err(Failed::Gone);
        }
        self.room.undisturbed().await;
        Ok(look(&self.room.get()))
    }

    /// The process of this number, if it lives and belongs to `uid`. Takes some microseconds.
    ///
    /// # Errors
    /// It does not, or the kernel does not tell: a sentence for the worker.
    pub fn process(&self, pid: i32, uid: u32) -> Result<Process, String> {
        watch::prove(pid, uid)
    }

    /// Whoever waits for a task gets none, from now on: the daemon is about to end.
    pub fn drain(&self) {
        let _ = self.mailbox.send(Message::Drain); // the driver has ended
    }
}

/// Somebody who fetches, until he has his answer.
struct Fetching<'a> {
    /// None: he has it.
    answered: Option<oneshot::Receiver<Verdict>>,
    client: Client,
    mailbox: &'a UnboundedSender<Message>,
}

impl Fetching<'_> {
    async fn verdict(&mut self) -> Result<Verdict, Failed> {
        let Some(answered) = &mut self.answered else { return Err(Failed::Gone) };
        let verdict = answered.await;
        self.answered = None;
        verdict.map_err(|_| Failed::Gone)
    }
}

impl Drop for Fetching<'_> {
    /// Gives back what he was handed and did not take. After `close` nothing can arrive any more, so it is either here or
    /// could not be sent.
    fn drop(&mut self) {
        let Some(mut answered) = self.answered.take() else { return };
        answered.close();
        let message = match answered.try_recv() {
            Ok(Verdict::Handed(handed)) if !handed.is_empty() => Message::Event(undelivered(&handed)),
            Ok(_) => return,
            Err(_) => Message::Gone(self.client),
        };
        let _ = self.mailbox.send(message); // the driver has ended
    }
}

/// That nobody took them.
fn undelivered(handed: &[Handed]) -> Event {
    Event::Undelivered(handed.iter().filter_map(|handed| Some((handed.task.id, handed.standing.lease?))).collect())
}

/// The driver's state.
pub struct Engine {
    pub(super) room: SharedRoom,
    pub(super) tools: Tools,
    pub(super) mailbox: UnboundedReceiver<Message>,
    pub(super) own: UnboundedSender<Message>,
    /// Accounts that are gone.
    pub(super) removed: UnboundedReceiver<u32>,
    pub(super) clock: Clock,
    pub(super) watches: Watches,
    pub(super) wiped: Arc<Wiped>,
    pub(super) debts: Debts<Vec<Answer>>,
    /// What was decided since the last batch.
    pub(super) group: Group,
    /// Who waits, and for what he is known to the machine.
    pub(super) waiting: HashMap<WaitId, Waiter>,
    pub(super) waits: HashMap<Client, WaitId>,
    pub(super) draining: bool,
}

/// Decisions on their way to the disk, and who hears of them then.
#[derive(Default)]
pub(super) struct Group {
    batch: Batch,
    answers: Vec<Answer>,
    /// Queues that are gone with it.
    wiped: Vec<ProjectId>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.answers.is_empty()
    }
}

/// Somebody who waits for a task.
pub(super) struct Waiter {
    client: Option<Client>,
    answer: oneshot::Sender<Verdict>,
}

/// Who asked, and how he is answered.
pub(super) struct Asker {
    /// Only of a fetch.
    client: Option<Client>,
    answer: oneshot::Sender<Verdict>,
}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(mut self) -> io::Result<()> {
        let mut heard = Vec::with_capacity(HEARD_AT_ONCE);
        loop {
            let deadline = self.tick_if_due().await;
            self.flush();
            tokio::select! {
                biased;
                count = self.mailbox.recv_many(&mut heard, HEARD_AT_ONCE) => {
                    if count == 0 {
                        return Ok(());
                    }
                    for message in heard.drain(..) {
                        self.hear(message).await;
                    }
                }
                Some(account) = self.removed.recv() => {
                    self.step(Event::Asked(Ask::ForgetManager(ManagerId(account))), None);
                }
                fired = self.clock.due(deadline) => {
                    fired?;
                    self.step(Event::Tick, None);
                }
            }
        }
    }

    /// A full mailbox must not put off what is due. Answers with what is due next.
    async fn tick_if_due(&mut self) -> Option<Mono> {
        let deadline = self.room.get().deadline()?;
        let now = Now::read().mono;
        if deadline > now {
            return Some(deadline);
        }
        self.step(Event::Tick, None);
        let next = self.room.get().deadline()?;
        if next <= now {
            tokio::task::yield_now().await; // there is much to do: others have a turn in between
        }
        Some(next)
    }

    /// Takes a message; what goes through many tasks is decided where it keeps nobody else from working.
    async fn hear(&mut self, message: Message) {
        match message {
            Message::Ask(Asked { ask, client, answer }) if self.room.get().effort(&ask) > LONG => {
                if let Some(decided) = self.room.decide_aside(Event::Asked(ask)).await {
                    self.carry_out(decided, Some(Asker { client, answer }));
                }
            }
            message => self.take(message),
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(asked) => self.ask(asked),
            Message::Gone(client) => {
                if let Some(wait) = self.waits.remove(&client) {
                    self.waiting.remove(&wait);
                    self.step(Event::Left(wait), None);
                }
            }
            Message::Event(event) => {
                if let Event::Died(process) = event {
                    self.watches.forget(process);
                }
                self.step(event, None);
            }
            Message::Drain => {
                self.draining = true;
                let all: Vec<WaitId> = self.waiting.keys().copied().collect();
                all.into_iter().for_each(|wait| self.send_away(wait));
            }
        }
    }

    fn ask(&mut self, Asked { ask, client, answer }: Asked) {
        // He has gone before anything was decided for him.
        if matches!(ask, Ask::Fetch { .. }) && answer.is_closed() {
            return;
        }
        self.step(Event::Asked(ask), Some(Asker { client, answer }));
    }

    pub(super) fn step(&mut self, event: Event, asker: Option<Asker>) {
        let decided = self.room.decide(event);
        self.carry_out(decided, asker);
    }

    /// Adds what is to be written to the group, and leaves what must wait for the disk to [`Debts`].
    pub(super) fn carry_out(&mut self, decided: Decided, asker: Option<Asker>) {
        let Decided { at, batch, wiped, verdict, effects, changes, waste } = decided;
        if self.group.batch.len() + batch.len() > Batch::TOGETHER {
            self.flush();
        }
        let writes = !batch.is_empty();
        self.group.batch.append(batch);
        self.group.wiped.extend(wiped);
        if let Some(asker) = asker {
            self.answer(asker, verdict.unwrap_or(Verdict::Accepted), writes);
        }
        for effect in effects {
            self.perform(effect);
        }
        for change in changes {
            self.publish(&change, at);
        }
        if let Some(waste) = waste {
            tokio::task::spawn_blocking(move || drop(waste)); // of a million tasks that takes longer than the decision
        }
    }

    fn answer(&mut self, Asker { client, answer: to }: Asker, verdict: Verdict, writes: bool) {
        match verdict {
            Verdict::Waiting(wait) => {
                self.waiting.insert(wait, Waiter { client, answer: to });
                if let Some(client) = client {
                    self.waits.insert(client, wait);
                }
                if self.draining {
                    self.send_away(wait);
                }
            }
            verdict if tells_nothing(&verdict) => drop(to.send(verdict)), // he has given up waiting
            verdict => {
                let answer = Answer { to, verdict };
                if !writes && self.group.is_empty() && self.debts.are_paid() {
                    answer.give(&self.own);
                } else {
                    self.group.answers.push(answer);
                }
            }
        }
    }

    /// He waits no longer, and gets nothing.
    fn send_away(&mut self, wait: WaitId) {
        if let Some(waiter) = self.leave(wait) {
            let _ = waiter.send(Verdict::Handed(Vec::new())); // he has given up waiting
        }
        self.step(Event::Left(wait), None);
    }

    fn leave(&mut self, wait: WaitId) -> Option<oneshot::Sender<Verdict>> {
        let Waiter { client, answer } = self.waiting.remove(&wait)?;
        if let Some(client) = client {
            self.waits.remove(&client);
        }
        Some(answer)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Hand(wait, _, handed) => match self.leave(wait) {
                Some(to) => {
                    self.group.answers.push(Answer { to, verdict: Verdict::Handed(handed) });
                }
                None => {
                    let _ = self.own.send(Message::Event(undelivered(&handed))); // the driver has ended
                }
            },
            Effect::GiveUp(wait) => {
                if let Some(to) = self.leave(wait) {
                    let _ = to.send(Verdict::Handed(Vec::new())); // he has given up himself
                }
            }
            Effect::Watch(process) => self.watches.watch(process),
            Effect::Unwatch(process) => self.watches.forget(process),
        }
    }

    /// Hands the group to the store.
    pub(super) fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let Group { batch, answers, wiped } = std::mem::take(&mut self.group);
        let ticket = (!batch.is_empty()).then(|| self.tools.store.submit(batch));
        if !wiped.is_empty() {
            self.wiped.add(wiped);
        }
        self.debts.add(ticket, answers);
    }

    fn publish(&self, change: &Change, at: Wall) {
        let (kind, data) = events::event(change);
        self.tools.bus.publish(at, kind, change.project.to_string(), None, data);
    }
}

/// Whether a crash could take nothing back of what this says: there is no task, or the bucket is empty, neither of which
/// is written down. Those who ask again and again are answered so, and cost the disk nothing.
fn tells_nothing(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Handed(handed) => handed.is_empty(),
        Verdict::Refused(why) => matches!(why, super::machine::Refusal::TooMany { .. }),
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
