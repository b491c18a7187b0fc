//! The simulated world: a keeper with programs that live as long as they are told to, a disk that knows nothing but
//! the writes, two clocks, and the laws that hold whatever happens.

use crate::base::{Mono, Now, RunId, Wall};
use crate::proc::machine::{
    Ask, Asker, Effect, Event, Exit, Found, Held, LiveRun, Offer, Plan, Probing, Room, Scope, Settings, Standing,
    Stored, StoredRest, StoredTask, Task, TaskState, Verdict, What, Write,
};
use crate::proc::model::{
    Command, Definition, Dependency, Firing, Incarnation, Kind, Owner, ReadyWhen, Replicas, Restart, RunRecord,
    RunState, Schedule, Signal, Status, TaskName, Until, Usage,
};
use crate::schedule::{Cron, Overlap, Zone};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn wall(text: &str) -> Wall {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

pub(super) fn name(text: &str) -> TaskName {
    TaskName::new(text).unwrap()
}

pub(super) fn root() -> Asker {
    Asker { owner: Owner { uid: 0, name: "uid 0 (root)".into(), operator: true }, all: true }
}

fn define(text: &str, kind: Kind) -> Definition {
    Definition::new(name(text), Command::shell("work").unwrap(), kind)
}

pub(super) fn once(text: &str) -> Definition {
    define(text, Kind::Once)
}

pub(super) fn daemon(text: &str) -> Definition {
    define(text, Kind::Daemon(Restart::default()))
}

pub(super) fn daemon_with(text: &str, restart: Restart) -> Definition {
    define(text, Kind::Daemon(restart))
}

pub(super) fn schedule(line: &str) -> Schedule {
    Schedule {
        cron: Cron::parse(line).unwrap(),
        zone: Zone::parse("UTC").unwrap(),
        overlap: Overlap::Skip,
        catch_up: Default::default(),
        jitter: Duration::ZERO,
    }
}

pub(super) fn cron(text: &str, schedule: Schedule) -> Definition {
    define(text, Kind::Cron(schedule))
}

impl Definition {
    pub(super) fn needs(mut self, task: &str, until: Until) -> Definition {
        self.deps.push(Dependency { task: name(task), until });
        self
    }

    pub(super) fn times(self, replicas: i64) -> Definition {
        Definition { replica: Replicas::new(replicas).unwrap(), ..self }
    }
}

/// How the processes of a task behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// How long the leader lives if nobody ends it.
    pub(super) lives: Duration,
    pub(super) code: i32,
    /// How long it takes to end when told to; none: it does not listen.
    pub(super) heeds: Option<Duration>,
    /// Whether it leaves a child behind, which takes as long (or does not listen).
    pub(super) forks: bool,
    /// Whether it can be launched at all.
    pub(super) starts: bool,
    /// How long the launch takes.
    pub(super) launch: Duration,
    /// After which time probes succeed, and until when.
    pub(super) ready_after: Duration,
    pub(super) well_for: Duration,
}

pub(super) const FOREVER: Duration = Duration::from_secs(1_000_000_000);

impl Default for Program {
    fn default() -> Self {
        Program {
            lives: FOREVER,
            code: 0,
            heeds: Some(Duration::ZERO),
            forks: false,
            starts: true,
            launch: Duration::ZERO,
            ready_after: Duration::ZERO,
            well_for: FOREVER,
        }
    }
}

/// A process tree in the keeper's care.
#[derive(Clone, Debug)]
struct Slot {
    intent: LiveRun,
    program: Program,
    born: Mono,
    exit: Option<Exit>,
    /// Whether the leader, and whether anything of the tree, is there.
    leads: bool,
    tree: bool,
    heard: bool,
    /// Whether it belongs to an earlier keeper.
    orphan: bool,
}

/// Something that will happen by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fact {
    Launched(RunId),
    Withdrawn(RunId),
    Ends(RunId, Status),
    TreeEnds(RunId),
    Probed(RunId, Probing),
}

/// What survives everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    tasks: BTreeMap<Incarnation, StoredTask>,
    standings: BTreeMap<Incarnation, Standing>,
    seats: BTreeMap<(Incarnation, u32), StoredRest>,
    live: BTreeMap<RunId, LiveRun>,
    pub(super) history: BTreeMap<RunId, RunRecord>,
    pub(super) firings: Vec<(TaskName, Firing)>,
    ceiling: u64,
    boot: Option<String>,
}

impl Disk {
    fn write(&mut self, write: Write) {
        match write {
            Write::PutTask(task) => drop(self.tasks.insert(task.incarnation, task)),
            Write::PutStanding { incarnation, standing } => drop(self.standings.insert(incarnation, standing)),
            Write::DeleteTask { incarnation, .. } => {
                self.tasks.remove(&incarnation);
                self.standings.remove(&incarnation);
                self.seats.retain(|(of, _), _| *of != incarnation);
            }
            Write::PutSeat { incarnation, replica, rest } => drop(self.seats.insert((incarnation, replica), rest)),
            Write::DeleteSeat { incarnation, replica } => drop(self.seats.remove(&(incarnation, replica))),
            Write::PutLive(live) => drop(self.live.insert(live.run, *live)),
            Write::DeleteLive(run) => drop(self.live.remove(&run)),
            Write::PutRun(record) => {
                let before = self.history.insert(record.run, (*record).clone());
                assert!(before.is_none(), "recorded twice: {before:?} and {record:?}");
            }
            Write::PutFiring { name, firing, .. } => self.firings.push((name, firing)),
            Write::PutCeiling(ceiling) => self.ceiling = ceiling,
            Write::PutBoot(boot) => self.boot = Some(boot),
        }
    }

    fn read(&self) -> Stored {
        let standing = |task: &StoredTask| self.standings.get(&task.incarnation).cloned().unwrap_or_default();
        Stored {
            tasks: self.tasks.values().map(|task| (task.clone(), standing(task))).collect(),
            seats: self.seats.iter().map(|((task, replica), rest)| (*task, *replica, *rest)).collect(),
            live: self.live.values().cloned().collect(),
            ceiling: self.ceiling,
            boot: self.boot.clone(),
        }
    }
}

/// When the core dies next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// After so many more plans are written down, before anything is done about the last.
    AfterWriting(u32),
    /// After so many more plans are carried out, before anything is acknowledged.
    AfterActing(u32),
    /// After so many more events are acted upon, before any of that is written down. (Asks are written first.)
    BeforeWriting(u32),
    Never,
}

pub(super) struct World {
    pub(super) room: Room,
    pub(super) now: Now,
    pub(super) disk: Disk,
    pub(super) death: Death,
    pub(super) deaths: u32,
    /// Starts as (name:replica, when), in order.
    pub(super) starts: Vec<(String, Mono)>,
    /// Ends of leaders, in order.
    pub(super) ends: Vec<String>,
    pub(super) signals: Vec<(String, Signal, Scope)>,
    pub(super) whats: Vec<(TaskName, What)>,
    pub(super) done: bool,
    programs: HashMap<String, Program>,
    /// Every run that ever was a process.
    born: BTreeSet<RunId>,
    slots: BTreeMap<RunId, Slot>,
    facts: BTreeMap<(Mono, u64), Fact>,
    serial: u64,
    boot: u32,
    plans: u64,
}

impl World {
    pub(super) fn new() -> World {
        World::at("2026-03-01T00:00:30Z")
    }

    pub(super) fn at(start: &str) -> World {
        let now = Now { mono: Mono(secs(1_000)), wall: wall(start) };
        let (room, plan) =
            Room::recover(Settings::default(), Stored::default(), Found { boot: "1".into(), ..Found::default() }, now);
        let mut world = World {
            room,
            now,
            disk: Disk::default(),
            death: Death::Never,
            deaths: 0,
            starts: Vec::new(),
            ends: Vec::new(),
            signals: Vec::new(),
            whats: Vec::new(),
            done: false,
            programs: HashMap::new(),
            born: BTreeSet::new(),
            slots: BTreeMap::new(),
            facts: BTreeMap::new(),
            serial: 0,
            boot: 1,
            plans: 0,
        };
        world.carry_out(plan);
        world
    }

    pub(super) fn program(&mut self, task: &str, program: Program) {
        self.programs.insert(task.into(), program);
    }

    // --- what clients do

    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        self.ask_as(ask, root())
    }

    pub(super) fn ask_as(&mut self, ask: Ask, by: Asker) -> Verdict {
        self.step(Event::Asked { ask, by }).expect("an ask is answered")
    }

    pub(super) fn create(&mut self, definition: Definition) -> Verdict {
        self.ask(Ask::Create(Box::new(Offer { definition, runs_as: 0 })))
    }

    #[track_caller]
    pub(super) fn given(&mut self, definition: Definition) {
        assert_eq!(self.create(definition), Verdict::Accepted);
    }

    #[track_caller]
    pub(super) fn restart(&mut self, task: &str) {
        assert_eq!(self.ask(Ask::Restart(name(task))), Verdict::Accepted);
    }

    #[track_caller]
    pub(super) fn delete(&mut self, task: &str) {
        assert_eq!(self.ask(Ask::Delete(name(task))), Verdict::Accepted);
    }

    #[track_caller]
    pub(super) fn stop(&mut self, task: &str) {
        assert_eq!(self.ask(Ask::Stop(name(task))), Verdict::Accepted);
    }

    // --- what the world does

    /// Feeds an event and carries the plan out; answers the verdict.
    pub(super) fn step(&mut self, event: Event) -> Option<Verdict> {
        let plan = self.room.step(event, self.now);
        let verdict = plan.verdict.clone();
        if verdict.is_none() && self.dies(Death::BeforeWriting(0)) {
            self.act_unwritten(plan);
        } else {
            self.carry_out(plan);
        }
        verdict
    }

    /// Acts, and dies before any of it is on disk; what ends at once has ended when the next core comes.
    fn act_unwritten(&mut self, plan: Plan) {
        self.plans += 1;
        plan.effects.into_iter().for_each(|effect| self.perform(effect));
        self.launches_happen();
        let short = |slot: &Slot| slot.leads && !slot.orphan && slot.program.lives.is_zero();
        let ended: Vec<_> = self.slots.iter().filter(|(_, slot)| short(slot)).map(|(run, _)| *run).collect();
        for run in ended {
            if let Some(slot) = self.slots.get(&run) {
                let _ = self.exit_of(run, Status::Code(slot.program.code)); // told by the keeper's table
            }
        }
        self.recover(false);
    }

    fn carry_out(&mut self, plan: Plan) {
        self.plans += 1;
        plan.writes.into_iter().for_each(|write| self.disk.write(write));
        if self.dies(Death::AfterWriting(0)) {
            return self.core_dies();
        }
        self.whats.extend(plan.changes.into_iter().map(|change| (change.name, change.what)));
        for effect in plan.effects {
            self.perform(effect);
        }
        if self.dies(Death::AfterActing(0)) {
            return self.core_dies();
        }
        for seq in plan.heard {
            let heard = |slot: &&mut Slot| slot.exit.as_ref().is_some_and(|exit| exit.seq == seq);
            self.slots.values_mut().filter(heard).for_each(|slot| slot.heard = true);
        }
        self.forget_slots();
    }

    fn dies(&mut self, now: Death) -> bool {
        let counted = match (&mut self.death, now) {
            (Death::AfterWriting(left), Death::AfterWriting(_))
            | (Death::AfterActing(left), Death::AfterActing(_))
            | (Death::BeforeWriting(left), Death::BeforeWriting(_)) => left,
            _ => return false,
        };
        if *counted > 0 {
            *counted -= 1;
            return false;
        }
        self.death = Death::Never;
        true
    }

    /// The keeper needs a slot no longer when its exit was heard and its tree is gone.
    fn forget_slots(&mut self) {
        self.slots.retain(|_, slot| slot.tree || !(slot.heard || slot.orphan));
    }

    fn later(&mut self, after: Duration, fact: Fact) {
        self.serial += 1;
        self.facts.insert((self.now.mono + after, self.serial), fact);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => {
                let program = self.programs.get(launch.definition.name.as_str()).copied().unwrap_or_default();
                let overlaps = launch.definition.schedule().is_some_and(|cron| cron.overlap == Overlap::Allow);
                let live = self.room.run(launch.run).expect("what is launched is known").facts().clone();
                self.never_two_trees(&live, overlaps);
                let slot = Slot {
                    intent: LiveRun { stopped_by: None, kill_at: None, ..live },
                    program,
                    born: self.now.mono,
                    exit: None,
                    leads: false,
                    tree: true,
                    heard: false,
                    orphan: false,
                };
                assert!(!self.disk.history.contains_key(&launch.run), "{} launched after its end", launch.run);
                let twice = self.slots.insert(launch.run, slot);
                assert!(twice.is_none(), "launched twice: {twice:?}");
                self.later(program.launch, Fact::Launched(launch.run));
            }
            Effect::Withdraw { run } => {
                let under_way = self.slots.get(&run).is_some_and(|slot| !slot.leads && slot.exit.is_none());
                if under_way && self.take_facts(run) > 0 {
                    self.slots.remove(&run);
                    self.later(Duration::ZERO, Fact::Withdrawn(run));
                }
            }
            Effect::Signal { run, signal, scope } => self.signal(run, signal, scope),
            Effect::EndLeftover { run, grace, .. } => {
                let heeds = self.slots.get(&run).and_then(|slot| slot.program.heeds);
                self.later(heeds.unwrap_or(grace).min(grace), Fact::TreeEnds(run));
            }
            Effect::Probe { run, what } => self.probe(run, what),
            Effect::StopProbes { run } => {
                self.facts.retain(|_, fact| !matches!(fact, Fact::Probed(of, _) if *of == run));
            }
            Effect::Done => {
                assert!(self.slots.values().all(|slot| !slot.tree), "done, but not everything is gone");
                self.done = true;
            }
        }
    }

    fn take_facts(&mut self, run: RunId) -> usize {
        let before = self.facts.len();
        self.facts.retain(|_, fact| !matches!(fact, Fact::Launched(of) if *of == run));
        before - self.facts.len()
    }

    /// The first law: a replica never has two trees at once, unless its task wants that of itself.
    fn never_two_trees(&self, live: &LiveRun, overlaps: bool) {
        let beside = |slot: &&Slot| {
            let intent = &slot.intent;
            slot.tree
                && (&intent.name, intent.replica) == (&live.name, live.replica)
                && !(overlaps && intent.incarnation == live.incarnation)
        };
        let other = self.slots.values().find(beside);
        assert!(other.is_none(), "{live:?} beside {other:?}");
    }

    fn signal(&mut self, run: RunId, signal: Signal, scope: Scope) {
        let Some(slot) = self.slots.get(&run) else { return };
        let alias = slot.intent.name.alias(slot.intent.replica);
        let (leads, tree, program) = (slot.leads, slot.tree, slot.program);
        self.signals.push((alias, signal, scope));
        let after = if signal == Signal::KILL { Some(Duration::ZERO) } else { program.heeds };
        let Some(after) = after.filter(|_| tree) else { return };
        if leads {
            self.later(after, Fact::Ends(run, Status::Signal { signal: signal.get(), core_dumped: false }));
        }
        if scope == Scope::Tree {
            self.later(after, Fact::TreeEnds(run));
        }
    }

    fn probe(&mut self, run: RunId, what: Probing) {
        let Some(slot) = self.slots.get(&run) else { return };
        let age = self.now.mono - slot.born;
        let definition = self.disk.tasks.get(&slot.intent.incarnation).map(|task| task.definition.clone());
        let waits = definition
            .and_then(|it| it.ready.clone())
            .is_some_and(|it| matches!(it.when, ReadyWhen::Log(_) | ReadyWhen::Notify));
        // What is waited for comes when it comes; what is tried answers at once.
        let after = if waits && what == Probing::Ready {
            slot.program.ready_after - age.min(slot.program.ready_after)
        } else {
            Duration::ZERO
        };
        self.later(after, Fact::Probed(run, what));
    }

    fn happen(&mut self, fact: Fact) {
        match fact {
            Fact::Launched(run) => self.launched(run),
            Fact::Withdrawn(run) => drop(self.step(Event::NotLaunched { run, why: "withdrawn".into() })),
            Fact::Ends(run, status) => self.leader_ends(run, status),
            Fact::TreeEnds(run) => self.tree_ends(run),
            Fact::Probed(run, what) => {
                let Some(slot) = self.slots.get(&run).filter(|slot| slot.leads) else { return };
                let age = self.now.mono - slot.born;
                let holds = age >= slot.program.ready_after && age < slot.program.well_for;
                let outcome = if holds { Ok(()) } else { Err("refused".to_owned()) };
                self.step(Event::Probed { run, what, outcome });
            }
        }
    }

    fn launched(&mut self, run: RunId) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&run) else { return };
        if !slot.program.starts {
            self.slots.remove(&run);
            self.step(Event::NotLaunched { run, why: "exec: No such file or directory".into() });
            return;
        }
        slot.leads = true;
        slot.born = now.mono;
        let pid = i32::try_from(run.0).unwrap();
        slot.intent.leader = Some((pid, 7));
        slot.intent.start = Some(now.wall);
        slot.intent.born = Some(now.mono);
        let program = slot.program;
        assert!(self.born.insert(run), "{run} was born twice");
        self.starts.push((slot.intent.name.alias(slot.intent.replica), now.mono));
        self.later(program.lives, Fact::Ends(run, Status::Code(program.code)));
        self.step(Event::Spawned { run, pid, start_ticks: 7, log: None });
    }

    fn leader_ends(&mut self, run: RunId, status: Status) {
        if let Some(exit) = self.exit_of(run, status) {
            self.step(Event::Exited(exit));
        }
    }

    /// The leader ends; what the keeper has to say about it, if it is this keeper's.
    fn exit_of(&mut self, run: RunId, status: Status) -> Option<Exit> {
        self.serial += 1;
        let (seq, ended) = (self.serial, self.now.wall);
        let slot = self.slots.get_mut(&run).filter(|slot| slot.leads)?;
        slot.leads = false;
        slot.tree = slot.program.forks;
        if slot.orphan {
            return None;
        }
        let exit =
            Exit { seq, run, status, usage: Usage::default(), ended, oom: false, tree_empty: !slot.tree, log: None };
        slot.exit = Some(exit.clone());
        self.ends.push(slot.intent.name.alias(slot.intent.replica));
        Some(exit)
    }

    fn tree_ends(&mut self, run: RunId) {
        let Some(slot) = self.slots.get_mut(&run) else { return drop(self.step(Event::LeftoverGone { run })) };
        if slot.orphan {
            (slot.leads, slot.tree) = (false, false);
            self.forget_slots();
            self.step(Event::LeftoverGone { run });
        } else if slot.leads {
            // The leader's own end comes with this signal too.
            slot.program.forks = false;
        } else if slot.tree {
            slot.tree = false;
            self.forget_slots();
            self.step(Event::TreeEmpty { run });
        }
    }

    /// The next thing that happens by itself, and when.
    fn next(&self) -> Option<Mono> {
        let fact = self.facts.first_key_value().map(|((at, _), _)| *at);
        let due = self.room.deadline().map(|at| at.max(self.now.mono));
        let by_wall = self
            .room
            .wall_deadline()
            .map(|at| self.now.mono + (at - self.now.wall).max(TimeDelta::zero()).to_std().unwrap_or(FOREVER));
        [fact, due, by_wall].into_iter().flatten().min()
    }

    /// Lets everything happen that happens within this time.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now.later(time);
        while let Some(at) = self.next().filter(|at| *at <= end.mono) {
            self.now = self.now.later(at - self.now.mono);
            match self.facts.first_key_value().map(|(key, fact)| (*key, *fact)) {
                Some((key, fact)) if key.0 <= at => {
                    self.facts.remove(&key);
                    self.happen(fact);
                }
                _ => drop(self.step(Event::Tick)),
            }
        }
        self.now = end;
    }

    /// Only the wall clock moves: somebody has set it.
    pub(super) fn set_wall(&mut self, at: &str) {
        self.now.wall = wall(at);
        self.step(Event::Tick);
    }

    fn held(&self) -> Vec<Held> {
        let held = |slot: &Slot| Held {
            intent: slot.intent.clone(),
            exit: slot.exit.clone().filter(|_| !slot.heard),
            tree_empty: !slot.tree,
            recorded: self.disk.history.contains_key(&slot.intent.run),
        };
        // What was launched and did not spawn yet will tell the next core.
        self.slots.values().filter(|slot| !slot.orphan).map(held).collect()
    }

    fn found(&self, new_keeper: bool) -> Found {
        Found { held: self.held(), logged: 0, new_keeper, stopping: false, boot: self.boot.to_string() }
    }

    fn recover(&mut self, new_keeper: bool) {
        self.deaths += 1;
        // The new core asks for probes anew; what the old one waited for is gone with it.
        self.facts.retain(|_, fact| !matches!(fact, Fact::Probed(..) | Fact::Withdrawn(_)));
        let stopping = self.room.is_ending() && !new_keeper;
        let found = Found { stopping, ..self.found(new_keeper) };
        let (room, plan) = Room::recover(Settings::default(), self.disk.read(), found, self.now);
        self.room = room;
        self.carry_out(plan);
    }

    /// The core dies and is replaced; processes go on. A launch under way has happened by then.
    pub(super) fn core_dies(&mut self) {
        self.launches_happen();
        self.recover(false);
    }

    fn launches_happen(&mut self) {
        let under_way: Vec<_> =
            self.facts.iter().filter(|(_, fact)| matches!(fact, Fact::Launched(_))).map(|(key, _)| *key).collect();
        for key in under_way {
            if let Some(Fact::Launched(run)) = self.facts.remove(&key) {
                self.launched_unheard(run);
            }
        }
    }

    /// A launch whose news nobody hears: the next core finds it in the keeper's table.
    fn launched_unheard(&mut self, run: RunId) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&run) else { return };
        if !slot.program.starts {
            self.slots.remove(&run);
            return;
        }
        (slot.leads, slot.born) = (true, now.mono);
        slot.intent.leader = Some((i32::try_from(run.0).unwrap(), 7));
        (slot.intent.start, slot.intent.born) = (Some(now.wall), Some(now.mono));
        let program = slot.program;
        assert!(self.born.insert(run), "{run} was born twice");
        self.starts.push((slot.intent.name.alias(slot.intent.replica), now.mono));
        self.later(program.lives, Fact::Ends(run, Status::Code(program.code)));
    }

    /// The keeper dies and the core with it; processes become orphans.
    pub(super) fn keeper_dies(&mut self) {
        self.facts.retain(|_, fact| matches!(fact, Fact::Ends(..)));
        self.slots.retain(|_, slot| slot.tree);
        self.slots.values_mut().for_each(|slot| slot.orphan = true);
        self.recover(true);
    }

    /// The host goes down and comes up again after a while.
    pub(super) fn host_reboots(&mut self, after: Duration) {
        self.facts.clear();
        self.slots.clear();
        self.boot += 1;
        self.done = false;
        self.now = Now { mono: Mono(secs(10)), wall: self.now.later(after).wall };
        self.recover(true);
    }

    // --- what can be seen

    #[track_caller]
    pub(super) fn task(&self, task: &str) -> &Task {
        self.room.task(task).unwrap_or_else(|| panic!("no task {task}"))
    }

    pub(super) fn state(&self, task: &str) -> TaskState {
        self.task(task).state()
    }

    /// Leaders that live, by alias.
    pub(super) fn alive(&self) -> Vec<String> {
        let mut alive: Vec<_> = self
            .slots
            .values()
            .filter(|slot| slot.leads && !slot.orphan)
            .map(|slot| slot.intent.name.alias(slot.intent.replica))
            .collect();
        alive.sort();
        alive
    }

    /// Trees that are not gone, orphans included.
    pub(super) fn trees(&self) -> usize {
        self.slots.values().filter(|slot| slot.tree).count()
    }

    pub(super) fn starts_of(&self, alias: &str) -> Vec<Mono> {
        self.starts.iter().filter(|(of, _)| of == alias).map(|(_, at)| *at).collect()
    }

    /// The pauses between the starts of one replica.
    pub(super) fn gaps(&self, alias: &str) -> Vec<Duration> {
        self.starts_of(alias).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// History of a task as (state, started at) in order.
    pub(super) fn states(&self, task: &str) -> Vec<RunState> {
        self.records(task).map(|record| record.state).collect()
    }

    pub(super) fn records<'a>(&'a self, task: &'a str) -> impl Iterator<Item = &'a RunRecord> {
        self.disk.history.values().filter(move |record| record.name.as_str() == task)
    }

    /// Starts of a task on the wall clock, as `HH:MM`.
    pub(super) fn times(&self, task: &str) -> Vec<String> {
        self.records(task).filter_map(|record| record.start).map(|at| at.format("%H:%M").to_string()).collect()
    }

    /// The laws at rest: every process that ended is in the history, once; nothing waits to be heard; the disk's
    /// idea of what lives is the keeper's.
    #[track_caller]
    pub(super) fn check(&self) {
        for (run, slot) in &self.slots {
            assert!(slot.exit.is_none() || slot.heard, "exit of {run} was not heard");
            assert_eq!(slot.exit.is_some(), self.disk.history.contains_key(run), "history of {run}");
        }
        for run in self.born.iter().filter(|run| self.room.run(**run).is_none()) {
            assert!(self.disk.history.contains_key(run), "the end of {run} is not in the history");
        }
        let live: BTreeSet<_> = self.disk.live.keys().copied().collect();
        let room: BTreeSet<_> = self.room.runs().map(|run| run.facts().run).collect();
        assert_eq!(live, room, "the disk and the room know the same runs");
        let held: BTreeSet<_> = self.slots.keys().copied().collect();
        assert!(held.is_subset(&room), "the keeper holds {held:?}, the room {room:?}");
        self.check_tallies();
    }

    /// The room's sums are what counting says.
    #[track_caller]
    fn check_tallies(&self) {
        for task in self.room.tasks() {
            let busy = task.seats().iter().filter(|seat| !seat.runs().is_empty()).count();
            assert_eq!(task.tally().busy as usize, busy, "busy replicas of {}", task.name());
            for (replica, seat) in (0..).zip(task.seats()) {
                for run in seat.runs() {
                    let facts = self.room.run(*run).expect("a seat's run exists").facts();
                    assert_eq!((facts.incarnation, facts.replica), (task.incarnation(), replica));
                }
            }
        }
    }

    pub(super) fn plans(&self) -> u64 {
        self.plans
    }
}
