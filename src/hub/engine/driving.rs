//! The loop: what comes in at once is decided, and goes to the disk in one batch.

use super::closing::Answer;
use super::deciding::{Decided, LONG, SharedRoom};
use super::{Asked, Handle, Message, facts};
use crate::base::{Mono, Now, Wall};
use crate::hub::events::News;
use crate::hub::machine::{Ask, Event, Plan, Refusal, Verdict};
use crate::hub::model::AccountId;
use crate::schedule::Clock;
use crate::store::{Batch, Debts};
use std::collections::HashMap;
use std::io;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How many messages are heard before what they led to goes to the disk.
const HEARD_AT_ONCE: usize = 64;

/// How many events are heard before what somebody asks, at most: more would keep him, and everybody else, waiting.
const CAUGHT_UP: usize = 1024;

/// The driver's state.
pub struct Engine {
    pub(super) handle: Handle,
    pub(super) mailbox: UnboundedReceiver<Message>,
    pub(super) events: UnboundedReceiver<Event>,
    /// Accounts as they are removed.
    pub(super) removed: UnboundedReceiver<u32>,
    /// Those that were removed when nobody listened.
    pub(super) strangers: Vec<AccountId>,
    pub(super) clock: Clock,
    pub(super) debts: Debts<Vec<Answer>>,
    /// What was decided since the last batch.
    pub(super) group: Group,
    /// Who hears later.
    pub(super) owed: HashMap<u64, oneshot::Sender<Verdict>>,
    /// What was counted last: see [`Decided::counts`].
    pub(super) counted: [(usize, usize); 2],
    /// What is to be done first.
    pub(super) first: Option<(Plan, Now)>,
    /// What goes on beside the driver, and ends with it.
    pub(super) beside: JoinSet<()>,
}

/// Decisions on their way to the disk, and who is to be told then.
#[derive(Default)]
pub(super) struct Group {
    batch: Batch,
    answers: Vec<Answer>,
}

/// How an answer is given that need not wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// It tells of something that must hold from then on.
    Binding,
    /// A crash could take nothing of it back.
    Light,
}

impl Engine {
    /// Drives the room until the daemon ends.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(mut self) -> io::Result<()> {
        self.begin().await;
        let (mut asked, mut heard) = (Vec::with_capacity(HEARD_AT_ONCE), Vec::with_capacity(HEARD_AT_ONCE));
        loop {
            let deadline = self.tick_if_due().await;
            self.flush();
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
                    heard.drain(..).for_each(|event| self.step(event));
                }
                Some(account) = self.removed.recv() => self.step(Event::Removed(account)),
                fired = self.clock.due(deadline) => {
                    fired?;
                    self.step(Event::Tick);
                }
            }
        }
    }

    /// Takes up what was going on, says that the host starts, and begins to look.
    async fn begin(&mut self) {
        if let Some((plan, now)) = self.first.take() {
            let decided = self.room().prepared(plan, now);
            self.carry_out(decided, None, Weight::Binding);
        }
        for account in std::mem::take(&mut self.strangers) {
            self.step(Event::Removed(account));
        }
        let started = Event::Asked(Ask::Started);
        match self.room().effort(&Ask::Started) > LONG {
            true => {
                if let Some(decided) = decide_aside(self.handle.clone(), started).await {
                    self.carry_out(decided, None, Weight::Binding);
                }
            }
            false => self.step(started),
        }
        self.beside.spawn(self.handle.0.verifier.clone().run(self.handle.clone()));
        self.beside.spawn(facts::watch(self.handle.clone()));
    }

    /// Takes the events that are there: whoever asks now may have seen what they tell, or may have made them happen.
    fn catch_up(&mut self) {
        for _ in 0..self.events.len().min(CAUGHT_UP) {
            match self.events.try_recv() {
                Ok(event) => self.step(event),
                Err(_) => return,
            }
        }
    }

    fn room(&self) -> &SharedRoom {
        &self.handle.0.room
    }

    /// A full mailbox must not put off what is due. Answers with what is due next.
    async fn tick_if_due(&mut self) -> Option<Mono> {
        let deadline = self.handle.look(|room| room.deadline())?;
        let now = Now::read().mono;
        if deadline > now {
            return Some(deadline);
        }
        self.step(Event::Tick);
        let next = self.handle.look(|room| room.deadline())?;
        if next <= now {
            tokio::task::yield_now().await; // there is much to do: others have a turn in between
        }
        Some(next)
    }

    /// Takes a message; what goes through many tags is decided where it keeps nobody else from working.
    async fn hear(&mut self, message: Message) {
        match message {
            Message::Ask(asked) => {
                let Asked { ask, answer } = *asked;
                if let Ask::Join(account, _) = &ask
                    && !self.handle.is_account(*account)
                {
                    // Removed since he signed in: nobody would ever take him for gone again.
                    let unknown = Refusal::Unknown { what: "user", name: account.to_string() };
                    return drop(answer.send(Verdict::Refused(unknown)));
                }
                let weight = if matches!(ask, Ask::Beat(..)) { Weight::Light } else { Weight::Binding };
                let effort = self.room().effort(&ask);
                let event = Event::Asked(ask);
                let decided = match effort > LONG {
                    true => decide_aside(self.handle.clone(), event).await,
                    false => Some(self.room().decide(event)),
                };
                let Some(decided) = decided else { return };
                self.carry_out(decided, Some(answer), weight);
            }
            Message::Drain(done) => {
                self.flush();
                let settled = self.handle.0.tools.store.submit(Batch::new());
                tokio::spawn(async move {
                    drop(settled.durable().await);
                    let _ = done.send(()); // nobody waits for it any more
                });
            }
        }
    }

    fn step(&mut self, event: Event) {
        let is_about_looks = matches!(event, Event::Looked(_) | Event::Passed(_) | Event::Hangs(_) | Event::Read(..));
        let decided = self.room().decide(event);
        self.carry_out(decided, None, Weight::Binding);
        if is_about_looks {
            self.stir();
        }
    }

    /// Whoever waits for looks has another look himself.
    fn stir(&self) {
        self.handle.0.news.send_modify(|generation| *generation += 1);
    }

    /// Adds what is to be written to the group, performs what need not wait, and leaves the rest for when it is durable.
    fn carry_out(&mut self, decided: Decided, asker: Option<oneshot::Sender<Verdict>>, weight: Weight) {
        if self.group.batch.len() + decided.batch.len() > Batch::TOGETHER {
            self.flush();
        }
        let writes = !decided.batch.is_empty();
        self.group.batch.append(decided.batch);
        decided.effects.into_iter().for_each(|effect| self.perform(effect));
        match (asker, decided.verdict, decided.owed) {
            (Some(to), Some(verdict), _) => self.give(Answer { to, verdict }, writes, weight),
            (Some(to), None, Some(owed)) => drop(self.owed.insert(owed, to)),
            (Some(to), None, None) => self.give(Answer { to, verdict: Verdict::Done }, writes, weight),
            (None, ..) => {}
        }
        for (owed, verdict) in decided.late {
            if let Some(to) = self.owed.remove(&owed) {
                self.give(Answer { to, verdict }, true, Weight::Binding);
            }
        }
        if !decided.news.is_empty() {
            decided.news.into_iter().for_each(|news| publish(&self.handle, news, decided.at));
            self.stir();
        }
        if decided.new_facts {
            self.handle.0.facts.notify_one();
        }
        let metrics = &self.handle.0.tools.metrics;
        decided.ended.into_iter().for_each(|(kind, state)| metrics.hub_job(kind, state));
        if self.counted != decided.counts {
            self.counted = decided.counts;
            let [(tags, unwell), (online, offline)] = decided.counts;
            metrics.hub_tags(tags - unwell, unwell);
            metrics.hub_accounts(online, offline);
        }
    }

    /// Tells somebody: now, where nothing that it tells of is on its way to the disk, else when it is there.
    fn give(&mut self, answer: Answer, writes: bool, weight: Weight) {
        let is_light = weight == Weight::Light || matches!(answer.verdict, Verdict::Refused(Refusal::Name(_)));
        let is_settled = self.group.is_empty() && self.debts.are_paid();
        match !writes && (is_light || is_settled) {
            true => answer.give(),
            false => self.group.answers.push(answer),
        }
    }

    /// Hands the group to the store.
    fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let Group { batch, answers } = std::mem::take(&mut self.group);
        let ticket = (!batch.is_empty()).then(|| self.handle.0.tools.store.submit(batch));
        self.debts.add(ticket, answers);
    }
}

/// What takes long, where it keeps nobody else from working.
async fn decide_aside(handle: Handle, event: Event) -> Option<Decided> {
    let teller = handle.clone();
    let tell = move |news: News, at| publish(&teller, news, at);
    let decided = handle.0.room.decide_aside(event, tell).await;
    // Its news were told on the way.
    handle.0.news.send_modify(|generation| *generation += 1);
    decided
}

/// Tells listeners.
fn publish(handle: &Handle, news: News, at: Wall) {
    news.publish(&handle.0.tools.bus, |account| handle.name_of(account), at);
}

impl Group {
    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.answers.is_empty()
    }
}
