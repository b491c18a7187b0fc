//! The loop: what comes in at once is decided, and goes to the disk in one batch.

use super::closing::{Answer, Asker, Closing};
use super::deciding::{Decided, LONG, SharedRoom};
use super::{Asked, Handle, Message};
use crate::base::{Mono, Now, Wall};
use crate::cache::events::{self, News};
use crate::cache::machine::{Event, Plan, Refusal, Verdict};
use crate::cache::model::{Ids, JobId, Pieces, TaskId, TaskNo, piece};
use crate::cache::records;
use crate::schedule::Clock;
use crate::store::{Batch, Debts};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// How many messages are heard before what they led to goes to the disk.
pub(super) const HEARD_AT_ONCE: usize = 64;

/// How many events are heard before what somebody asks, at most: more would keep him, and everybody else, waiting.
const CAUGHT_UP: usize = 1024;

/// How long pieces that have come wait to be written down where nothing else is, so that those of one task are written
/// together.
const LAZINESS: Duration = Duration::from_millis(250);

/// The driver's state.
pub struct Engine {
    pub(super) handle: Handle,
    pub(super) mailbox: UnboundedReceiver<Message>,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) clock: Clock,
    pub(super) debts: Debts<Closing>,
    /// What was decided since the last batch.
    pub(super) group: Group,
    pub(super) lazy: Lazy,
    /// Who hears later.
    pub(super) owed: HashMap<u64, Asker>,
    /// Names of tasks whose files are being removed.
    pub(super) doomed: HashMap<TaskNo, TaskId>,
    /// What is to be done first, once the room is open.
    pub(super) first: Option<(Plan, Wall)>,
    /// Where files to be removed are told to; taken when the room opens.
    pub(super) removals: Option<UnboundedReceiver<(TaskNo, Ids)>>,
}

/// Decisions on their way to the disk, and what is owed then.
#[derive(Default)]
pub(super) struct Group {
    batch: Batch,
    answers: Vec<Answer>,
    pub(super) removals: Vec<(TaskNo, Ids)>,
    finished: Vec<JobId>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.answers.is_empty() && self.removals.is_empty() && self.finished.is_empty()
    }
}

/// Pieces that wait to be written down: of each task what was there last.
#[derive(Default)]
pub(super) struct Lazy {
    pieces: BTreeMap<TaskNo, Arc<Pieces>>,
    due: Option<Mono>,
}

impl Lazy {
    pub(super) fn add(&mut self, no: TaskNo, pieces: Arc<Pieces>, now: Mono) {
        self.pieces.insert(no, pieces);
        self.due.get_or_insert(now + LAZINESS);
    }

    /// Writes those of this task, where there are some.
    pub(super) fn write(&mut self, no: TaskNo, batch: &mut Batch) {
        if let Some(pieces) = self.pieces.remove(&no) {
            records::write_pieces(no, &pieces, batch);
        }
    }

    /// Takes those of some tasks: as many as fit a batch.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let mut batch = Batch::new();
        self.add_to(&mut batch);
        (!batch.is_empty()).then_some(batch)
    }

    /// Writes those of some tasks: as many as the batch may have.
    pub(super) fn add_to(&mut self, batch: &mut Batch) {
        while batch.len() < Batch::TOGETHER
            && let Some((no, pieces)) = self.pieces.pop_first()
        {
            records::write_pieces(no, &pieces, batch);
        }
        if self.pieces.is_empty() {
            self.due = None;
        }
    }

    pub(super) fn due(&self) -> Option<Mono> {
        self.due
    }
}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(mut self) -> io::Result<()> {
        if !self.opened().await {
            return Ok(());
        }
        if let Some((plan, at)) = self.first.take() {
            let decided = self.room().recovered(plan, at);
            self.carry_out(decided, None);
        }
        let (mut asked, mut heard) = (Vec::with_capacity(HEARD_AT_ONCE), Vec::with_capacity(HEARD_AT_ONCE));
        loop {
            let deadline = self.tick_if_due().await;
            self.flush();
            self.flush_lazy(Now::read().mono);
            let next = [deadline, self.lazy.due()].into_iter().flatten().min();
            tokio::select! {
                count = self.mailbox.recv_many(&mut asked, HEARD_AT_ONCE) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.catch_up();
                    for message in asked.drain(..) {
                        self.hear(message).await;
                    }
                }
                _ = self.events.recv_many(&mut heard, HEARD_AT_ONCE) => {
                    heard.drain(..).for_each(|event| self.happened(event));
                }
                fired = self.clock.due(next) => {
                    fired?;
                    self.step(Event::Tick, None);
                }
            }
        }
    }

    /// Takes the events that are there: whoever asks now may have seen what they tell, or may have made them happen.
    fn catch_up(&mut self) {
        for _ in 0..self.events.len().min(CAUGHT_UP) {
            match self.events.try_recv() {
                Ok(event) => self.happened(event),
                Err(_) => return,
            }
        }
    }

    pub(super) fn room(&self) -> &SharedRoom {
        &self.handle.0.room
    }

    /// A full mailbox must not put off what is due. Answers with what is due next.
    async fn tick_if_due(&mut self) -> Option<Mono> {
        let deadline = self.handle.look(|room| room.deadline())?;
        let now = Now::read().mono;
        if deadline > now {
            return Some(deadline);
        }
        self.step(Event::Tick, None);
        let next = self.handle.look(|room| room.deadline())?;
        if next <= now {
            tokio::task::yield_now().await; // there is much to do: others have a turn in between
        }
        Some(next)
    }

    /// Takes a message; what goes through many entries is decided where it keeps nobody else from working.
    pub(super) async fn hear(&mut self, message: Message) {
        match message {
            Message::Ask(asked) => {
                let Asked { ask, reader, secrets, answer } = *asked;
                let effort = self.handle.look(|room| room.effort(&ask));
                let event = Event::Asked(ask);
                let decided = match effort > LONG {
                    true => self.room().decide_aside(event).await,
                    false => Some(self.room().decide(event)),
                };
                let Some(decided) = decided else { return };
                if let (Some(secrets), Some(Verdict::Job(job))) = (secrets, &decided.verdict) {
                    self.handle.0.errands.add_job(job.id, secrets);
                }
                self.carry_out(decided, Some(Asker { reader, answer }));
            }
            Message::Drain(done) => {
                self.flush();
                while let Some(batch) = self.lazy.take() {
                    drop(self.handle.0.tools.store.submit(batch));
                }
                let settled = self.handle.0.tools.store.submit(Batch::new());
                tokio::spawn(async move {
                    drop(settled.durable().await);
                    let _ = done.send(()); // nobody waits for it any more
                });
            }
        }
    }

    /// Takes an event of those who move bytes.
    fn happened(&mut self, event: Event) {
        let metrics = &self.handle.0.tools.metrics;
        match &event {
            Event::Piece(no, number, _) => {
                let length = |task: &crate::cache::model::Task| {
                    let extent = task.source.as_ref()?.extent;
                    let bytes = match extent.length {
                        Some(length) => piece::bytes_of(*number, length, extent.piece_length),
                        None => 0..extent.piece_length,
                    };
                    Some(bytes.end - bytes.start)
                };
                let bytes = self.handle.look(|room| room.task(*no).and_then(|task| length(task)));
                metrics.cache_fetched(bytes.unwrap_or(0));
            }
            Event::Damaged(no, pieces) => {
                metrics.cache_damaged(pieces.len());
                let task = self.handle.look(|room| room.task(*no).cloned());
                if let Some(task) = task {
                    tracing::warn!(task = %task.ids.primary, pieces = pieces.len(), "damaged pieces of a cached content");
                    self.publish(events::damaged(&task, pieces), Now::read().wall);
                }
            }
            _ => {}
        }
        self.step(event, None);
    }

    pub(super) fn step(&mut self, event: Event, asker: Option<Asker>) {
        let decided = self.room().decide(event);
        self.carry_out(decided, asker);
    }

    /// Adds what is to be written to the group, performs what need not wait, and leaves the rest for when it is durable.
    pub(super) fn carry_out(&mut self, decided: Decided, asker: Option<Asker>) {
        if self.group.batch.len() + decided.batch.len() > Batch::TOGETHER {
            self.flush();
        }
        let writes = !decided.batch.is_empty();
        for no in decided.touched {
            self.lazy.write(no, &mut self.group.batch);
        }
        self.group.batch.append(decided.batch);
        self.group.finished.extend(decided.finished);
        let now = Now::read().mono;
        for (no, pieces) in decided.lazy {
            self.lazy.add(no, pieces, now);
        }
        for effect in decided.effects {
            self.perform(effect);
        }
        self.answer(asker, decided.verdict, decided.owed, writes);
        for (owed, verdict) in decided.late {
            if let Some(asker) = self.owed.remove(&owed) {
                self.give(asker, verdict, true);
            }
        }
        for no in decided.gone {
            if let Some(id) = self.doomed.remove(&no) {
                self.publish(events::removed(&id), decided.at);
            }
        }
        decided.news.into_iter().for_each(|news| self.publish(news, decided.at));
        let metrics = &self.handle.0.tools.metrics;
        metrics.cache_evicted(decided.evicted);
        for (kind, state) in decided.jobs {
            metrics.cache_job(kind.word(), events::state(state));
        }
        if decided.stirs {
            let (tasks, bytes) = self.handle.look(|room| (room.task_count(), room.bytes()));
            metrics.cache_holds(tasks, bytes);
            self.handle.0.news.send_modify(|generation| *generation += 1);
        }
    }

    fn answer(&mut self, asker: Option<Asker>, verdict: Option<Verdict>, owed: Option<u64>, writes: bool) {
        let Some(asker) = asker else { return };
        match (verdict, owed) {
            (Some(verdict), _) => self.give(asker, verdict, writes),
            (None, Some(owed)) => drop(self.owed.insert(owed, asker)),
            (None, None) => self.give(asker, Verdict::Done, writes),
        }
    }

    fn give(&mut self, asker: Asker, verdict: Verdict, writes: bool) {
        let answer = Answer { asker, verdict };
        let at_once = answer.asker.reader.is_some() || tells_nothing(&answer.verdict);
        if at_once || (!writes && self.group.is_empty() && self.debts.are_paid()) {
            answer.give();
        } else {
            self.group.answers.push(answer);
        }
    }

    /// Hands the group to the store.
    pub(super) fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        if !self.group.answers.is_empty() {
            // What somebody may have seen before is durable with what he is answered.
            self.lazy.add_to(&mut self.group.batch);
        }
        let Group { batch, answers, removals, finished } = std::mem::take(&mut self.group);
        let store = &self.handle.0.tools.store;
        let mut ticket = (!batch.is_empty()).then(|| store.submit(batch));
        if ticket.is_some() {
            // Whoever hears that something is written down may have seen these pieces before. They come after whatever was
            // decided of their tasks earlier.
            while let Some(batch) = self.lazy.take() {
                ticket = Some(store.submit(batch));
            }
        }
        self.debts.add(ticket, Closing { answers, removals, finished });
    }

    /// Writes down pieces that have waited long enough. The group was flushed before, so that they come after whatever was
    /// decided of their tasks earlier.
    fn flush_lazy(&mut self, now: Mono) {
        if self.lazy.due().is_some_and(|due| due <= now) {
            while let Some(batch) = self.lazy.take() {
                drop(self.handle.0.tools.store.submit_lazily(batch));
            }
        }
    }

    fn publish(&self, News { kind, name, data }: News, at: Wall) {
        self.handle.0.tools.bus.publish(at, kind, name, None, data);
    }
}

/// Whether a crash could take nothing back of what this says. Those who ask again and again are answered so, and cost the
/// disk nothing.
fn tells_nothing(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Refusal::TooMany))
}
