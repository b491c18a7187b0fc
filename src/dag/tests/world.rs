//! The simulated world: it drives the room as the engine would, over a disk that knows nothing but the writes, a keeper
//! whose children do as they are told, and clocks that jump from one happening to the next. It lets cores, keepers and
//! hosts die at any moment, and has every step of the machine judged by the oracle.

use super::disk::Disk;
use super::keeper::{Agenda, By, Fact, Intended, Keeper, SIGKILL, Script, carried_out_by, plain_end, printed};
use super::oracle::{Oracle, Step};
use super::sketch::{Group, Sketch};
use crate::base::chance::Chance;
use crate::base::{Mono, Now, RunId, Wall};
use crate::dag::machine::{
    Ask, Asker, Effect, Event, Found, How, Launch, Plan, Room, Settings, Verdict, View, What, Write,
};
use crate::dag::model::{Capacity, DagName, DagRunId, Outcome, Owner, State, TaskId};
use crate::dag::records;
use crate::store::{Batch, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

pub(super) const SETTINGS: Settings = Settings {
    capacity: Capacity { cores: 4, memory_mb: 4096, running: 5 },
    grace: Duration::from_secs(5),
    max_tasks: super::LIMITS.max_tasks,
};

/// How long a batch may wait for its flush.
const FLUSH: Duration = Duration::from_millis(5);

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn root() -> Asker {
    Asker { owner: Owner { uid: 0, name: "root".into(), operator: true }, all: true }
}

/// How far a core comes with a plan before it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Whether the plan's batch reaches the disk, and all before it.
    pub(super) applied: bool,
    /// How much of the plan's effects. What was asked for is not acted upon before it is on disk.
    pub(super) acted: Acted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acted {
    Not,
    Half,
    All,
}

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// The core: children go on, and the keeper tells of them.
    Core,
    /// The keeper, and with it the core: children go on, and nobody tells of them.
    Keeper,
    /// The host, for so long.
    Host(Duration),
}

/// What a plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Event,
    /// Its effects wait until it is on disk.
    Ask,
    /// So do these: a slot that a lost recovery had given could be given again.
    Recovery,
}

/// A plan that is not on disk yet.
struct Pending {
    since: Mono,
    writes: Vec<Write>,
    heard: Vec<u64>,
    /// To be done once it is.
    effects: Vec<Effect>,
    /// What the oracle thought before, should it be lost.
    before: Option<Oracle>,
    about: About,
}

pub(super) struct World {
    pub(super) room: Room,
    pub(super) now: Now,
    pub(super) oracle: Oracle,
    /// What is on disk, and what will be.
    pub(super) disk: Disk,
    pub(super) ahead: Disk,
    pending: Vec<Pending>,
    /// The room's real records beside it, if they are to be compared.
    pub(super) store: Option<Store>,
    /// Whether batches wait for company.
    pub(super) lazy: bool,
    pub(super) keeper: Keeper,
    pub(super) agenda: Agenda,
    launching: BTreeMap<RunId, Intended>,
    in_core: BTreeSet<RunId>,
    printed: BTreeMap<RunId, Vec<Group>>,
    pub(super) scripts: BTreeMap<String, Vec<Script>>,
    /// Makes up the scripts that are not given.
    pub(super) seed: Option<u64>,
    settings: Settings,
    /// After so many plans more, and how.
    pub(super) dying: Option<(u64, Victim, Manner)>,
    pub(super) deaths: u32,
    /// Processes of which only a keeper knew that then died.
    lost: BTreeSet<RunId>,
    /// How often the host went down.
    boots: u32,
    new_keeper: bool,
    new_boot: bool,
    stopping: bool,
    pub(super) done: bool,
    pub(super) plans: u64,
    /// Every task's first state after a change, in order.
    pub(super) news: Vec<What>,
    /// Instance names in the order of their starts.
    pub(super) starts: Vec<(DagRunId, String, Mono)>,
    pub(super) removed: Vec<DagRunId>,
    /// What stored DAGs fire.
    pub(super) dags: BTreeMap<DagName, Rc<Sketch>>,
}

impl World {
    pub(super) fn new() -> World {
        World::with(SETTINGS)
    }

    /// One whose writes go to this store as well.
    pub(super) fn beside(store: Store) -> World {
        World::begin(SETTINGS, Some(store))
    }

    pub(super) fn with(settings: Settings) -> World {
        World::begin(settings, None)
    }

    fn begin(settings: Settings, store: Option<Store>) -> World {
        let wall: Wall = "2026-03-01T00:00:30Z".parse().unwrap();
        let now = Now { mono: Mono(secs(1_000)), wall };
        let disk = Disk::default();
        let (room, plan) = Room::recover(settings, disk.read(), Found::default(), now);
        let mut world = World {
            room,
            now,
            oracle: Oracle::new(settings.capacity),
            ahead: disk.clone(),
            disk,
            pending: Vec::new(),
            store,
            lazy: false,
            keeper: Keeper::default(),
            agenda: Agenda::default(),
            launching: BTreeMap::new(),
            in_core: BTreeSet::new(),
            printed: BTreeMap::new(),
            scripts: BTreeMap::new(),
            seed: None,
            settings,
            dying: None,
            deaths: 0,
            lost: BTreeSet::new(),
            boots: 0,
            new_keeper: false,
            new_boot: false,
            stopping: false,
            done: false,
            plans: 0,
            news: Vec::new(),
            starts: Vec::new(),
            removed: Vec::new(),
            dags: BTreeMap::new(),
        };
        world.ahead.apply(&plan.writes);
        world.carry_out(plan, None, About::Event);
        world
    }

    /// What the tasks of this group do, time after time; the last life is repeated.
    pub(super) fn script(&mut self, group: &str, lives: impl IntoIterator<Item = Script>) {
        self.scripts.insert(group.into(), lives.into_iter().collect());
    }

    // --- what clients do

    pub(super) fn ask(&mut self, ask: Ask) -> Option<Verdict> {
        self.ask_as(ask, root(), None, true)
    }

    /// Asks; if the client waits, until the answer is durable. None: whoever was asked died.
    pub(super) fn ask_as(&mut self, ask: Ask, by: Asker, sketch: Option<Rc<Sketch>>, waits: bool) -> Option<Verdict> {
        let unknown = ask.run().filter(|run| !self.room.holds(*run));
        if unknown.is_some() {
            self.flush();
        }
        let found = unknown.and_then(|run| self.ahead.stored_run(run)).map(Box::new);
        let verdict = self.step(Event::Asked { ask, by, found }, sketch);
        if waits {
            self.flush();
        }
        verdict
    }

    #[track_caller]
    pub(super) fn submit(&mut self, sketch: &Sketch) -> DagRunId {
        match self.ask_as(Ask::Submit(sketch.submission()), root(), Some(Rc::new(sketch.clone())), true) {
            Some(Verdict::Submitted(run)) => run,
            other => panic!("a submission is accepted, not {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn set(&mut self, run: DagRunId, state: State) {
        assert_eq!(self.ask(Ask::SetState(run, state)), Some(Verdict::Accepted));
    }

    // --- steps of the machine

    pub(super) fn step(&mut self, event: Event, sketch: Option<Rc<Sketch>>) -> Option<Verdict> {
        let before = (self.lazy || self.dying.is_some()).then(|| self.oracle.clone());
        self.stopping |= matches!(event, Event::Shutdown | Event::ShutdownNow);
        let plan = self.room.step(event.clone(), self.now);
        let about = if matches!(event, Event::Asked { .. }) { About::Ask } else { About::Event };
        assert_eq!(plan.verdict.is_some(), about == About::Ask, "asks are answered, and nothing else is");
        self.ahead.apply(&plan.writes);
        self.judged(&plan, |oracle, step| oracle.judge(&Step { event: &event, sketch, ..step }));
        let verdict = plan.verdict.clone();
        self.carry_out(plan, before, about).then_some(verdict).flatten()
    }

    fn judged(&mut self, plan: &Plan, judge: impl FnOnce(&mut Oracle, Step<'_>)) {
        let (room, ahead, all_printed) = (&self.room, &self.ahead, &self.printed);
        let view = |run| room.view(run).or_else(|| ahead.stored_run(run).map(|stored| View::of_stored(&stored)));
        let printed = |slot| all_printed.get(&slot).cloned();
        let (now, view, printed, fired) = (self.now, &view, &printed, &self.dags);
        judge(&mut self.oracle, Step { event: &Event::Tick, plan, now, view, printed, fired, sketch: None });
    }

    /// Carries a plan out. False: the core died over it.
    fn carry_out(&mut self, mut plan: Plan, before: Option<Oracle>, about: About) -> bool {
        self.plans += 1;
        self.news.extend(plan.changes.drain(..).map(|change| change.what));
        if let Some((victim, manner)) = self.dies_now() {
            self.die_over(plan, before, about, manner);
            self.dies(victim);
            return false;
        }
        let (effects, at_once) = self.parted(std::mem::take(&mut plan.effects), about);
        at_once.into_iter().for_each(|effect| self.perform(effect));
        self.pending.push(Pending { effects, ..Pending::of(plan, before, about, self.now) });
        if !self.lazy {
            self.flush();
        }
        true
    }

    /// Effects that wait for the disk, as they do in the engine, and those that do not.
    fn parted(&self, effects: Vec<Effect>, about: About) -> (Vec<Effect>, Vec<Effect>) {
        let undurable = self.pending.iter().any(|batch| batch.about != About::Event);
        let deferred = self.pending.iter().any(|batch| !batch.effects.is_empty());
        effects.into_iter().partition(|effect| match effect {
            _ if about != About::Event => true,
            // It may follow from what is still on its way to the disk.
            Effect::Start(_) => undurable,
            // It must not overtake the start that it is to end.
            Effect::Stop { .. } => deferred,
            _ => false,
        })
    }

    fn dies_now(&mut self) -> Option<(Victim, Manner)> {
        let (left, victim, manner) = self.dying?;
        self.dying = left.checked_sub(1).map(|left| (left, victim, manner));
        (left == 0).then_some((victim, manner))
    }

    fn die_over(&mut self, mut plan: Plan, before: Option<Oracle>, about: About, manner: Manner) {
        let mut effects = std::mem::take(&mut plan.effects);
        if manner.applied {
            self.flush();
            self.write(&plan.writes, about);
        } else {
            effects = self.parted(effects, about).1;
            self.pending.push(Pending::of(plan, before, about, self.now));
        }
        let acted = match manner.acted {
            Acted::Not => 0,
            Acted::Half => effects.len() / 2,
            Acted::All => effects.len(),
        };
        effects.into_iter().take(acted).for_each(|effect| self.perform(effect));
    }

    /// Everything decided so far comes to the disk.
    pub(super) fn flush(&mut self) {
        for batch in std::mem::take(&mut self.pending) {
            self.write(&batch.writes, batch.about);
            batch.effects.into_iter().for_each(|effect| self.perform(effect));
            batch.heard.into_iter().for_each(|seq| self.keeper.heard(seq));
        }
    }

    /// With what a recovery writes, the disk knows the boot and the keeper.
    fn write(&mut self, writes: &[Write], about: About) {
        self.disk.apply(writes);
        if let Some(store) = &self.store {
            let mut batch = Batch::new();
            records::write(writes.to_vec(), &mut batch);
            drop(store.submit(batch));
        }
        if about == About::Recovery {
            (self.new_boot, self.new_keeper) = (false, false);
        }
    }

    /// What is read from the store is what the disk says.
    fn compare_store(&self) {
        let Some(store) = &self.store else { return };
        assert_eq!(records::load(&store.reader()).unwrap(), self.disk.read());
        for run in self.disk.runs.keys() {
            assert_eq!(records::load_run(&store.reader(), *run).unwrap(), self.disk.stored_run(*run));
        }
    }

    // --- deaths

    /// Somebody dies, and a new core comes.
    pub(super) fn dies(&mut self, victim: Victim) {
        self.deaths += 1;
        if let Some(first) = self.pending.drain(..).next() {
            self.oracle = first.before.expect("what may be lost was kept");
        }
        self.launches_happen_or_not();
        self.agenda.retain(Fact::goes_on);
        self.in_core.clear();
        if victim != Victim::Core {
            let unknown = self.keeper.children.keys().filter(|slot| !self.disk.live.contains_key(slot));
            self.lost.extend(unknown);
        }
        match victim {
            Victim::Core => {}
            Victim::Keeper => {
                self.keeper.dies(&self.disk.live.keys().copied().collect());
                (self.new_keeper, self.stopping) = (true, false);
            }
            Victim::Host(down) => {
                self.boots += 1;
                self.keeper.children.clear();
                self.agenda = Agenda::default();
                (self.new_keeper, self.new_boot, self.stopping) = (true, true, false);
                self.now = Now { mono: Mono(secs(10)), wall: self.now.later(down).wall };
            }
        }
        self.reborn();
    }

    /// What was under way to the keeper has arrived there, or never will.
    fn launches_happen_or_not(&mut self) {
        for (slot, intended) in std::mem::take(&mut self.launching) {
            let process = carried_out_by(&intended.launch) == By::Keeper && intended.script.starts;
            if process && Chance::of((self.seed, slot.0)).percent(50) {
                self.process_begins(intended);
            }
        }
    }

    fn reborn(&mut self) {
        self.compare_store();
        self.ahead = self.disk.clone();
        self.done = false;
        let (new_keeper, new_boot, stopping) = (self.new_keeper, self.new_boot, self.stopping);
        let found = Found { held: self.keeper.held(), new_keeper, new_boot, stopping, ..Found::default() };
        let before = Some(self.oracle.clone());
        let (room, plan) = Room::recover(self.settings, self.disk.read(), found.clone(), self.now);
        self.room = room;
        self.ahead.apply(&plan.writes);
        self.judged(&plan, |oracle, step| oracle.judge_recovery(&found, &step));
        self.carry_out(plan, before, About::Recovery);
    }

    /// The daemon has ended in order, and is started again.
    pub(super) fn boots(&mut self) {
        assert!(self.done, "it has not ended");
        self.flush();
        self.keeper.dies(&BTreeSet::new());
        (self.new_keeper, self.stopping) = (true, false);
        self.reborn();
    }

    // --- effects

    fn later(&mut self, after: Duration, fact: Fact) {
        self.agenda.add(self.now.mono + after, fact);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(launch) => self.start(*launch),
            Effect::Pass { run, first, count } => self.later(Duration::ZERO, Fact::Passed(run, first, count)),
            Effect::Stop { slot, force } => self.stop(slot, force),
            Effect::EndLeftover { slot, grace, .. } => {
                let heeds = self.keeper.children.get(&slot).map_or(Some(Duration::ZERO), |child| child.script.heeds);
                self.later(heeds.unwrap_or(grace).min(grace), Fact::LeftoverEnds(slot));
            }
            Effect::RemoveOutput(run) => self.removed.push(run),
            Effect::Done => self.done = true,
        }
    }

    fn start(&mut self, launch: Launch) {
        let (run, task, slot) = (launch.live.run, launch.live.task, launch.live.slot);
        assert!(!self.keeper.children.contains_key(&slot), "{slot} is started, and is there");
        let time = self.lives_lived(run, task);
        let name = &launch.template.name;
        let script = match (self.scripts.get(name), self.seed) {
            (Some(lives), _) => lives[lives.len().min(time as usize + 1) - 1],
            (None, Some(seed)) => Script::any(seed, run, &launch.template.instance(task.index), time),
            (None, None) => Script::default(),
        };
        let group = self.oracle.runs.get(&run).and_then(|it| it.groups.get(task.group as usize)).cloned();
        let group = group.filter(|group| group.name == *name);
        let text = group.as_ref().and_then(|group| printed(group, task.index, &script));
        let print = group.as_ref().filter(|_| script.well).and_then(|group| group.prints.as_ref());
        match print.and_then(|print| print.groups(task.index)) {
            Some(groups) => drop(self.printed.insert(slot, groups)),
            None => drop(self.printed.remove(&slot)),
        }
        let before = self.launching.insert(slot, Intended { launch, script, printed: text });
        assert!(before.is_none(), "{slot} is started twice");
        self.later(script.launch, Fact::Launched(slot));
    }

    /// How often a task's life has come to an end that counts.
    fn lives_lived(&self, run: DagRunId, task: TaskId) -> u32 {
        let attempts = self.ahead.runs.get(&run).and_then(|run| run.attempts.get(&task));
        let counted = attempts.into_iter().flatten().filter(|(_, it)| it.outcome != Outcome::Interrupted);
        u32::try_from(counted.count()).unwrap()
    }

    fn stop(&mut self, slot: RunId, force: bool) {
        if self.launching.remove(&slot).is_some() {
            let how = How::NotStarted { rc: 126, why: "withdrawn".into() };
            return self.later(Duration::ZERO, Fact::CoreEnds(slot, how));
        }
        if self.in_core.contains(&slot) {
            self.agenda.retain(|fact| !matches!(fact, Fact::CoreEnds(of, _) if *of == slot));
            let how = How::Code { code: 1, remark: "given up".into() };
            return self.later(Duration::ZERO, Fact::CoreEnds(slot, how));
        }
        let Some(child) = self.keeper.children.get(&slot).filter(|child| !child.orphan) else { return };
        let (leads, heeds) = (child.leads, child.script.heeds);
        let Some(after) = (if force { Some(Duration::ZERO) } else { heeds }) else { return };
        if leads {
            self.later(after, Fact::LeaderEnds(slot, Some(if force { SIGKILL } else { 15 })));
        } else {
            self.later(after, Fact::TreeEnds(slot));
        }
    }

    // --- what happens

    fn happen(&mut self, fact: Fact) {
        match fact {
            Fact::Launched(slot) => self.launched(slot),
            Fact::LeaderEnds(slot, signal) => self.leader_ends(slot, signal),
            Fact::TreeEnds(slot) => {
                if self.keeper.tree_ends(slot) {
                    let tells = self.keeper.children.get(&slot).is_some_and(|child| !child.orphan);
                    self.keeper.forget();
                    if tells {
                        self.step(Event::TreeEmpty { slot }, None);
                    }
                }
            }
            Fact::CoreEnds(slot, how) => {
                self.in_core.remove(&slot);
                let end = plain_end(slot, how, self.now.wall);
                self.step(Event::Ended(Box::new(end)), None);
            }
            Fact::Passed(run, first, count) => drop(self.step(Event::Passed { run, first, count }, None)),
            Fact::LeftoverEnds(slot) => {
                self.keeper.children.remove(&slot);
                self.step(Event::LeftoverGone { slot }, None);
            }
        }
    }

    fn launched(&mut self, slot: RunId) {
        let Some(intended) = self.launching.remove(&slot) else { return };
        let (live, script) = (&intended.launch.live, intended.script);
        let (run, name) = (live.run, intended.launch.template.instance(live.task.index));
        if carried_out_by(&intended.launch) == By::Core {
            self.in_core.insert(slot);
            self.starts.push((run, name, self.now.mono));
            let fails = script.ends != 0 && intended.launch.executor() == crate::dag::model::Executor::Local;
            let remark = if fails { "it does not start".into() } else { String::new() };
            self.later(script.lives, Fact::CoreEnds(slot, How::Code { code: i32::from(fails), remark }));
            self.step(Event::Started { slot, leader: None }, None);
        } else if script.starts {
            let leader = self.process_begins(intended);
            self.step(Event::Started { slot, leader: Some(leader) }, None);
        } else {
            let how = How::NotStarted { rc: 127, why: "work: not found".into() };
            let end = plain_end(slot, how, self.now.wall);
            self.step(Event::Ended(Box::new(end)), None);
        }
    }

    fn process_begins(&mut self, intended: Intended) -> (i32, u64) {
        let (slot, lives) = (intended.launch.live.slot, intended.script.lives);
        let name = intended.launch.template.instance(intended.launch.live.task.index);
        self.starts.push((intended.launch.live.run, name, self.now.mono));
        let leader = self.keeper.start(intended, &self.oracle.strays);
        self.later(lives, Fact::LeaderEnds(slot, None));
        leader
    }

    fn leader_ends(&mut self, slot: RunId, signal: Option<i32>) {
        let told = self.keeper.leader_ends(slot, signal, self.now.wall);
        let child = self.keeper.children.get(&slot).filter(|child| !child.leads && child.tree);
        if let Some(lingers) = child.and_then(|child| child.script.lingers) {
            self.later(lingers, Fact::TreeEnds(slot));
        }
        match told {
            Some(end) => drop(self.step(Event::Ended(Box::new(end)), None)),
            None => self.keeper.forget(),
        }
    }

    // --- time

    /// When something happens next: by itself, or because the machine wants to be asked.
    fn next(&self) -> Option<Mono> {
        let due = self.room.deadline();
        let by_wall =
            self.room.wall_deadline().map(|at| self.now.mono + (at - self.now.wall).to_std().unwrap_or_default());
        [self.agenda.next(), due, by_wall].into_iter().flatten().min().map(|at| at.max(self.now.mono))
    }

    /// Lets one thing happen, if one does by then.
    pub(super) fn one(&mut self, until: Mono) -> bool {
        loop {
            let next = self.next().filter(|at| *at <= until);
            let old = self.pending.first().is_some_and(|batch| next.unwrap_or(until) - batch.since >= FLUSH);
            if old || next.is_none() && !self.pending.is_empty() {
                self.flush();
                continue;
            }
            let Some(at) = next else { return false };
            if at > self.now.mono {
                self.rests();
                self.now = self.now.later(at - self.now.mono);
            }
            match self.agenda.take(self.now.mono) {
                Some(fact) => self.happen(fact),
                None => drop(self.step(Event::Tick, None)),
            }
            return true;
        }
    }

    /// Nothing more happens at this moment.
    fn rests(&self) {
        if self.pending.iter().any(|batch| !batch.effects.is_empty()) {
            return;
        }
        self.oracle.check_rest(self.now, &|run, task| self.room.why_waiting(run, task));
        for (id, run) in &self.oracle.runs {
            for task in run.tasks.iter().filter(|_| self.room.holds(*id)) {
                let place = run.place(task.id).unwrap();
                let attempt = self.room.attempt(*id, task.id).map(|live| live.slot);
                if let (Some(live), Some(slot)) = (run.running(place), attempt) {
                    assert_eq!(live.slot, slot, "run {id}: the attempt of {task:?}");
                }
                assert!(run.running(place).is_none() || attempt.is_some(), "run {id}: no attempt of {task:?}");
            }
        }
        if self.pending.is_empty() {
            let lives = || self.oracle.runs.values().flat_map(|run| &run.lives);
            assert!(lives().all(|live| self.disk.live.contains_key(&live.slot)), "what runs is on disk");
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let (boots, end) = (self.boots, self.now.later(time));
        let mut happenings = 0;
        while self.one(end.mono) {
            if self.boots != boots {
                return; // the clock begins anew
            }
            happenings += 1;
            assert!(happenings < 100_000, "this never ends");
        }
        if end.mono > self.now.mono {
            self.rests();
            self.now = end;
        }
    }

    /// Lets time pass until something holds.
    #[track_caller]
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        let end = self.now.later(secs(3_600)).mono;
        while !holds(self) {
            assert!(self.one(end), "it never comes to this: {what}");
        }
    }

    // --- what can be seen

    pub(super) fn view(&self, run: DagRunId) -> View {
        let stored = || self.ahead.stored_run(run).map(|stored| View::of_stored(&stored));
        self.room.view(run).or_else(stored).unwrap_or_else(|| panic!("there is no run {run}"))
    }

    pub(super) fn state(&self, run: DagRunId) -> State {
        self.view(run).row.state()
    }

    #[track_caller]
    pub(super) fn task(&self, run: DagRunId, name: &str) -> TaskId {
        self.view(run).find(name).unwrap_or_else(|| panic!("run {run} has no task {name}"))
    }

    /// The state of a task, if there is such a one by now.
    pub(super) fn state_of(&self, run: DagRunId, name: &str) -> Option<State> {
        let view = self.view(run);
        let task = view.find(name)?;
        Some(view.groups[task.group as usize].state(task.index))
    }

    /// Exit codes of a task's attempts.
    pub(super) fn codes(&self, run: DagRunId, name: &str) -> Vec<i32> {
        let task = self.task(run, name);
        let attempts = self.ahead.runs[&run].attempts.get(&task);
        attempts.into_iter().flatten().map(|(_, attempt)| attempt.rc).collect()
    }

    /// Starts of a run's tasks, in order.
    pub(super) fn started(&self, run: DagRunId) -> Vec<&str> {
        self.starts.iter().filter(|(of, ..)| *of == run).map(|(_, name, _)| name.as_str()).collect()
    }

    /// The end: nothing runs, everything is over, everything is recorded once.
    pub(super) fn check_end(&mut self) {
        self.flush();
        self.compare_store();
        self.rests();
        assert!(!self.agenda.has(|fact| !fact.goes_on()), "something will still happen: {:?}", self.agenda);
        assert!(self.keeper.children.is_empty(), "the keeper still holds {:?}", self.keeper.children);
        assert!(self.disk.live.is_empty(), "the disk still knows {:?}", self.disk.live);
        assert_eq!(self.room.running(), 0);
        for (id, run) in &self.oracle.runs {
            assert!(run.state().is_over(), "run {id} hangs: {run:#?}");
            assert!(!self.room.holds(*id), "run {id} is over, and held");
            let stored = self.disk.stored_run(*id).unwrap_or_else(|| panic!("run {id} is not on disk"));
            let view = View::of_stored(&stored);
            assert_eq!((&view.row.counts, &view.row.history), (&stored.row.counts, &stored.row.history), "run {id}");
        }
        let recorded = |slot: RunId| {
            let all = self.disk.runs.values().flat_map(|run| run.attempts.values().flat_map(BTreeMap::values));
            all.filter(|attempt| attempt.slot == Some(slot)).count()
        };
        for (slot, (run, task, how)) in &self.keeper.ever {
            let times = recorded(*slot);
            let known = !self.lost.contains(slot) && !self.oracle.purged.contains(run);
            assert!(
                times <= 1 && (times == 1 || !known),
                "{slot}, {task:?} of run {run}: recorded {times} times: {how:?}"
            );
        }
    }
}

impl Pending {
    fn of(plan: Plan, before: Option<Oracle>, about: About, now: Now) -> Pending {
        let Plan { writes, heard, .. } = plan;
        Pending { since: now.mono, writes, heard, effects: Vec::new(), before, about }
    }
}
