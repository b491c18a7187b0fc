//! The driver: one task owns the machine, hears everything through one mailbox, and carries out its plans.
//!
//! ```text
//!   routes ──ask──┐                    ┌──> store (one batch a plan) ──durable──> answer, acknowledge
//!   keeper ─news──┼──> step ──> Plan ──┼──> keeper, probes, launches (at once; safe to repeat)
//!   clock ──tick──┘                    └──> bus, metrics
//! ```
//!
//! What a client asked for is carried out once it is durable: a task that the disk has not heard of never ran. What
//! follows from events (a restart, a firing, a kill) does not wait, because the keeper holds its intent; but as long as
//! asks are on their way to the disk it may be the consequence of one of them, and waits as well.
//!
//! Whatever takes time (looking up a user, the length of a log, a probe) runs beside the driver and comes back as a
//! message. Launches and lengths of different runs overtake each other; those of one run cannot, because each is
//! asked for only after the last has come back.
//!
//! **Absent:** decisions. They are the machine's.

use super::known::{Early, Known};
use super::launch::{self, Place};
use super::machine::{Ask, Asker, Change, Difference, Effect, Event, Exit, Plan, Probing, Room, Scope, Verdict, What};
use super::model::*;
use super::{news, probes, records, wire};
use crate::base::{Bus, Now, RunId, Wall};
use crate::keeper as kept;
use crate::keeper::{Link, Owner as KeptFor};
use crate::launch::{Launcher, Refused};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::schedule::Clock;
use crate::store::{Batch, Store, Ticket};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};

/// The room's name in metrics.
const ROOM: &str = "proc";

/// The longest reason for a failed launch, in characters: it may quote what the task's owner wrote, and each one is
/// kept in the history.
const WHY_MAX: usize = 1_000;

/// The room's settings, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most replicas a task may have.
    pub max_replicas: u32,
    /// Bytes of output kept per file, where the task does not say.
    pub log_max: u64,
    /// Ended runs remembered per task.
    pub keep_runs: usize,
    /// For how long.
    pub keep_for: Duration,
    /// How long a deleted task's history and output are kept.
    pub keep_deleted: Duration,
    /// This program, for probes.
    pub program: PathBuf,
    /// Where children say that they are ready.
    pub notify: PathBuf,
    /// The uid the daemon runs as.
    pub own_uid: u32,
}

/// What the room works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// The keeper.
    pub link: Link,
    /// Output of children.
    pub logs: Logs,
    /// From definition to spawn request.
    pub launcher: Launcher,
    /// Listeners.
    pub bus: Bus,
    /// Counters.
    pub metrics: Metrics,
}

/// The room, as other rooms and its own routes hold it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) mailbox: UnboundedSender<Message>,
    pub(super) done: watch::Receiver<bool>,
    pub(super) children: Arc<AtomicUsize>,
    pub(super) tools: Tools,
    pub(super) settings: Arc<Settings>,
}

/// What came of an ask; everything in it is durable.
#[derive(Debug)]
pub struct Answer {
    /// Yes, already so, or no.
    pub verdict: Verdict,
    /// What an apply does, by task.
    pub differences: Vec<(TaskName, Difference)>,
}

/// The engine is gone: the daemon is ending.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the daemon is ending")]
pub struct Gone;

pub(super) enum Message {
    Ask {
        ask: Ask,
        by: Asker,
        wait: bool,
        answer: oneshot::Sender<Answer>,
    },
    Look(Box<dyn FnOnce(&Room) + Send>),
    /// Something that a task beside the driver found out.
    Event(Event),
    /// An exit, with the places where the run's output ended.
    Measured(Exit),
    Prepared {
        run: RunId,
        offsets: Option<Offsets>,
        spawn: Box<Result<kept::Spawn, Refused>>,
    },
    /// A child said that it is ready.
    Ready {
        leader: i32,
    },
    /// A decision is durable, and so is all before it.
    Perform {
        effects: Vec<Effect>,
        /// Whether it was a client's.
        asked: bool,
    },
    Shutdown {
        now: bool,
    },
}

impl Handle {
    /// Asks for something, and answers when the decision is durable; with `wait`, when what it ended is gone.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn ask(&self, ask: Ask, by: Asker, wait: bool) -> Result<Answer, Gone> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(Message::Ask { ask, by, wait, answer }).map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// Looks at the room's present state, which may be ahead of the disk by one flush.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Room) -> T + Send + 'static) -> Result<T, Gone> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |room: &Room| drop(answer.send(look(room))));
        self.mailbox.send(Message::Look(look)).map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// How many runs the keeper has or is about to get.
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

/// The driver's state.
pub struct Engine {
    pub(super) room: Room,
    pub(super) tools: Tools,
    pub(super) settings: Arc<Settings>,
    pub(super) mailbox: UnboundedReceiver<Message>,
    pub(super) own: UnboundedSender<Message>,
    pub(super) news: UnboundedReceiver<kept::News>,
    pub(super) clock: Clock,
    pub(super) known: HashMap<RunId, Known>,
    /// How many are known, for others to see.
    pub(super) children: Arc<AtomicUsize>,
    /// By the pid of their leader.
    pub(super) leaders: HashMap<i32, RunId>,
    /// Leaders that were ready before the keeper's word of their start had come.
    pub(super) early: Early,
    /// How many runs write to the files of a place.
    pub(super) watched: HashMap<Place, u32>,
    pub(super) probes: HashMap<(RunId, Probing), tokio::task::AbortHandle>,
    /// Who waits for the end of which runs.
    pub(super) waiting: Vec<(HashSet<RunId>, oneshot::Sender<()>)>,
    pub(super) closing: UnboundedSender<Closing>,
    /// How many asks are on their way to the disk.
    pub(super) undurable: usize,
    pub(super) done: watch::Sender<bool>,
}

/// What is owed once a decision is durable.
pub(super) struct Closing {
    ticket: Ticket,
    heard: Vec<u64>,
    effects: Vec<Effect>,
    asked: bool,
    answer: Option<(oneshot::Sender<Answer>, Answer)>,
    /// The answer waits for this, too.
    gone: Option<oneshot::Receiver<()>>,
}

/// Acts, acknowledges and answers in the order of the decisions, each when it is durable.
pub(super) async fn close(mut closed: UnboundedReceiver<Closing>, link: Link, driver: UnboundedSender<Message>) {
    while let Some(Closing { ticket, heard, effects, asked, answer, gone }) = closed.recv().await {
        // A failed commit ends the core; nobody is told anything that is not true.
        if ticket.durable().await.is_err() {
            continue;
        }
        if asked || !effects.is_empty() {
            let _ = driver.send(Message::Perform { effects, asked }); // the driver has ended
        }
        if !heard.is_empty() {
            link.acknowledge(heard);
        }
        let Some((to, answer)) = answer else { continue };
        match gone {
            None => drop(to.send(answer)),
            Some(gone) => drop(tokio::spawn(async move {
                let _ = gone.await; // the sender is dropped when the last run is gone
                drop(to.send(answer));
            })),
        }
    }
}

impl Engine {
    /// Drives the room until the daemon has ended everything.
    ///
    /// # Errors
    /// The kernel refuses a timer.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let (mono, wall) = (self.room.deadline(), self.room.wall_deadline());
            tokio::select! {
                biased; // the kernel's news outranks anybody's wishes; the clock comes last, but its work is bounded
                Some(news) = self.news.recv() => self.hear(news),
                Some(message) = self.mailbox.recv() => self.take(message),
                fired = self.clock.until(mono, wall) => { fired?; self.step(Event::Tick, None) }
                else => return Ok(()),
            }
        }
    }

    fn step(&mut self, event: Event, asked: Option<(bool, oneshot::Sender<Answer>)>) {
        let now = Now::read();
        let plan = self.room.step(event, now);
        self.carry_out(plan, now, asked, Batch::new());
    }

    fn hear(&mut self, news: kept::News) {
        match news {
            kept::News::Spawned { slot, pid, start_ticks } => {
                let run = RunId(slot);
                let log = self.leads(run, pid);
                self.watch_logs(run);
                self.tools.metrics.run_started(ROOM);
                self.step(Event::Spawned { run, pid, start_ticks, log }, None);
                if self.early.remove(pid, Now::read().mono) {
                    self.step(Event::Probed { run, what: Probing::Ready, outcome: Ok(()) }, None);
                }
            }
            kept::News::Failed { slot, stage, errno } => {
                self.step(Event::NotLaunched { run: RunId(slot), why: stage.explain(errno) }, None);
            }
            kept::News::Exited { seq, slot, status, rusage, ended, oom, tree_empty } => {
                self.exited(news::exit(seq, RunId(slot), status, rusage, ended, oom, tree_empty));
            }
            kept::News::TreeEmpty { slot } => match self.known.get_mut(&RunId(slot)) {
                Some(known) if known.measuring => known.emptied = true, // told with the exit
                _ => self.step(Event::TreeEmpty { run: RunId(slot) }, None),
            },
            kept::News::LeftoverGone { slot } => self.step(Event::LeftoverGone { run: RunId(slot) }, None),
            // Told to the daemon, not to rooms.
            kept::News::Stray { .. }
            | kept::News::Stop
            | kept::News::StopNow
            | kept::News::Reloaded
            | kept::News::UpgradeRefused { .. } => {}
        }
    }

    /// Finds out where the output ended, before the machine hears of the exit.
    fn exited(&mut self, mut exit: Exit) {
        let Some(known) = self.known.get_mut(&exit.run) else { return self.step(Event::Exited(exit), None) };
        known.measuring = true;
        let (logs, place, own) = (self.tools.logs.clone(), known.place.clone(), self.own.clone());
        tokio::spawn(async move {
            exit.log = launch::lengths(&logs, &place).await;
            launch::mark_end(&logs, &place, exit.ended);
            let _ = own.send(Message::Measured(exit)); // the driver has ended
        });
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask { ask, by, wait, answer } => self.step(Event::Asked { ask, by }, Some((wait, answer))),
            Message::Look(look) => look(&self.room),
            Message::Event(event) => self.step(event, None),
            Message::Measured(mut exit) => {
                if let Some(known) = self.known.get_mut(&exit.run) {
                    known.measuring = false;
                    exit.tree_empty |= known.emptied;
                }
                self.step(Event::Exited(exit), None);
            }
            Message::Prepared { run, offsets, spawn } => self.prepared(run, offsets, *spawn),
            Message::Ready { leader } => match self.leaders.get(&leader).copied() {
                Some(run) => self.step(Event::Probed { run, what: Probing::Ready, outcome: Ok(()) }, None),
                None => self.early.add(leader, Now::read().mono),
            },
            Message::Perform { effects, asked } => {
                self.undurable -= usize::from(asked);
                effects.into_iter().for_each(|effect| self.perform(effect));
            }
            Message::Shutdown { now: false } => self.step(Event::Shutdown, None),
            Message::Shutdown { now: true } => self.step(Event::ShutdownNow, None),
        }
    }

    /// Submits, acts, publishes, and leaves what must wait for the disk to [`close`].
    pub(super) fn carry_out(
        &mut self,
        plan: Plan,
        now: Now,
        asked: Option<(bool, oneshot::Sender<Answer>)>,
        mut batch: Batch,
    ) {
        records::write(plan.writes, now.wall, &mut batch);
        let of_client = asked.is_some();
        // What starts or ends processes may be an ask's consequence: a task is created, and another one that needs it is
        // started; it is stopped, and one of its runs turns out to have been started meanwhile.
        let may_be_asked =
            |effect: &Effect| matches!(effect, Effect::Launch(_) | Effect::Signal { .. } | Effect::EndLeftover { .. });
        let waits = |effect: &Effect| of_client || self.undurable > 0 && may_be_asked(effect);
        let (effects, at_once): (Vec<_>, Vec<_>) = plan.effects.into_iter().partition(waits);
        if of_client || !plan.heard.is_empty() || !effects.is_empty() || !batch.is_empty() {
            let store = &self.tools.store;
            let awaited = of_client || !effects.is_empty();
            let ticket = if awaited { store.submit(batch) } else { store.submit_lazily(batch) };
            self.undurable += usize::from(of_client);
            let gone = asked.as_ref().filter(|(wait, _)| *wait).map(|_| self.gone(plan.ending));
            let answer = asked.map(|(_, to)| {
                let verdict = plan.verdict.unwrap_or(Verdict::AlreadySo);
                (to, Answer { verdict, differences: plan.differences })
            });
            let owed = Closing { ticket, heard: plan.heard, effects, asked: of_client, answer, gone };
            let _ = self.closing.send(owed); // the runtime is ending
        }
        for effect in at_once {
            self.perform(effect);
        }
        for change in plan.changes {
            self.publish(change, now.wall);
        }
        self.children.store(self.known.len(), Ordering::Relaxed);
        self.tools.metrics.runs_live(ROOM, self.leaders.len());
    }

    /// Resolves when none of these runs is left.
    fn gone(&mut self, runs: Vec<RunId>) -> oneshot::Receiver<()> {
        let runs: HashSet<_> = runs.into_iter().filter(|run| self.room.run(*run).is_some()).collect();
        let (tell, told) = oneshot::channel();
        if runs.is_empty() {
            let _ = tell.send(()); // the other end is in our hands
        } else {
            self.waiting.push((runs, tell));
        }
        told
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => {
                let known = Known::new(Place::of_launch(&launch), Some(launch.definition.clone()), launch.runs_as);
                self.known.insert(launch.run, known);
                tokio::spawn(launch::prepare(self.tools.clone(), self.settings.clone(), launch, self.own.clone()));
            }
            Effect::Withdraw { .. } => {} // the machine is asked once the launch has been prepared
            Effect::Signal { run, signal, scope } => {
                let scope = match scope {
                    Scope::Leader => kept::Scope::Leader,
                    Scope::Group => kept::Scope::Group,
                    Scope::Tree => kept::Scope::Tree,
                };
                self.tools.link.signal(run.0, signal.get(), scope);
            }
            Effect::EndLeftover { run, leader, signal, grace } => {
                let (pid, start_ticks) = leader.unwrap_or_default(); // 0 is nobody's: only the control group counts
                let cgroup = self.known.get(&run).map(|known| known.place.cgroup());
                let leftover = kept::Leftover { slot: run.0, pid, start_ticks, signal: signal.get(), grace, cgroup };
                self.tools.link.end_leftover(leftover);
            }
            Effect::Probe { run, what } => self.probe(run, what),
            Effect::StopProbes { run } => self.stop_probes(run),
            Effect::Done => drop(self.done.send_replace(true)),
        }
    }

    /// A launch has been prepared: to the keeper with it, unless nobody wants it any more.
    fn prepared(&mut self, run: RunId, offsets: Option<Offsets>, spawn: Result<kept::Spawn, Refused>) {
        let Some(known) = self.known.get_mut(&run) else { return };
        known.offsets = offsets;
        let Some(mut live) = self.room.run(run).map(|run| run.facts().clone()) else { return };
        let why = match spawn {
            Ok(_) if live.stopped_by.is_some() => "withdrawn before it was started".to_owned(),
            Ok(mut spawn) => {
                let now = Now::read();
                (live.start, live.born, live.log_from) = (Some(now.wall), Some(now.mono), offsets);
                spawn.intent = records::intent(&live);
                return self.tools.link.spawn(KeptFor::PROC, spawn);
            }
            Err(why) => why.to_string().chars().take(WHY_MAX).collect(),
        };
        self.step(Event::NotLaunched { run, why }, None);
    }

    fn probe(&mut self, run: RunId, what: Probing) {
        let Some(known) = self.known.get(&run) else { return };
        let Some(definition) = known.definition.clone() else { return };
        let target = probes::Target {
            run,
            what,
            definition,
            runs_as: known.runs_as,
            place: known.place.clone(),
            from: known.offsets.unwrap_or_default(),
        };
        let (tools, settings, own) = (self.tools.clone(), self.settings.clone(), self.own.clone());
        let probe = tokio::spawn(async move {
            if let Some(outcome) = probes::try_once(&tools, &settings, target).await {
                let _ = own.send(Message::Event(Event::Probed { run, what, outcome })); // the driver has ended
            }
        });
        self.probes.insert((run, what), probe.abort_handle());
    }

    fn publish(&mut self, change: Change, at: Wall) {
        match &change.what {
            What::RunEnded(record) => self.tools.metrics.run_ended(ROOM, record.state.word()),
            What::RunGone { run, .. } => self.forget(*run),
            _ => {}
        }
        let (kind, data) = wire::change(&change.what);
        self.tools.bus.publish(at, kind, change.name.as_str(), Some(change.owner), data);
    }
}
