//! The driver of the stories: a room, two clocks, processes that end when the story says so, and a disk made of the
//! writes.

use crate::base::{Mono, Now, RunId, Wall};
use crate::dag::machine::*;
use crate::dag::model::*;
use crate::dag::specification::{self, Limits};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: Limits = Limits { capacity: None, max_tasks: 2_000_000 };

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn capacity(cores: u32, memory_mb: u64) -> Capacity {
    Capacity { cores, memory_mb, running: 1_000 }
}

pub(super) fn root() -> Asker {
    Asker { owner: Owner { uid: 0, name: "root".into(), operator: true }, all: true }
}

pub(super) fn user(uid: u32) -> Asker {
    Asker { owner: Owner { uid, name: format!("user {uid}"), operator: false }, all: false }
}

pub(super) fn blueprint(specification: &Value) -> Arc<Blueprint> {
    let read = specification::parse(specification.to_string().as_bytes(), &LIMITS);
    Arc::new(read.unwrap_or_else(|why| panic!("{why}")))
}

/// Tasks that run `work`, unless they say otherwise.
fn filled(mut tasks: Value) -> Value {
    for task in tasks.as_object_mut().into_iter().flat_map(|tasks| tasks.values_mut()) {
        if task["job"]["command"].is_null() {
            task["job"]["command"] = json!(["work"]);
        }
    }
    tasks
}

/// A specification with these tasks.
pub(super) fn run(tasks: Value) -> Value {
    json!({"tag": "t", "tasks": filled(tasks)})
}

/// The same with more keys.
pub(super) fn run_with(more: Value, tasks: Value) -> Value {
    let mut whole = run(tasks);
    for (key, value) in more.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    whole
}

/// A task of so many instances.
pub(super) fn many(count: usize) -> Value {
    let values: Vec<String> = (0..count).map(|at| at.to_string()).collect();
    json!({"job": {"command": ["work", "{{P}}"]}, "parameters": {"P": values}})
}

/// The same with another key.
pub(super) fn with(mut task: Value, key: &str, value: Value) -> Value {
    task[key] = value;
    task
}

/// A room and its world.
pub(super) struct Play {
    pub(super) room: Room,
    pub(super) now: Now,
    settings: Settings,
    /// Processes, by slot.
    pub(super) running: BTreeMap<RunId, Launch>,
    /// All that were ever started, in order: `3:a_0`.
    pub(super) begun: Vec<String>,
    /// What the executor that starts nothing has been given.
    pub(super) passes: Vec<(DagRunId, TaskId, u32)>,
    /// Effects other than starts and passes, in order.
    pub(super) effects: Vec<Effect>,
    pub(super) heard: Vec<u64>,
    pub(super) changes: Vec<What>,
    pub(super) disk: Disk,
    seq: u64,
}

impl Play {
    pub(super) fn new(capacity: Capacity) -> Play {
        Play::with(Settings { capacity, grace: secs(10), max_tasks: LIMITS.max_tasks })
    }

    pub(super) fn with(settings: Settings) -> Play {
        let wall: Wall = "2026-03-01T12:00:00Z".parse().expect("a time");
        let now = Now { mono: Mono(secs(1_000)), wall };
        let (room, plan) = Room::recover(settings, Stored::default(), Found::default(), now);
        let mut play = Play {
            room,
            now,
            settings,
            running: BTreeMap::new(),
            begun: Vec::new(),
            passes: Vec::new(),
            effects: Vec::new(),
            heard: Vec::new(),
            changes: Vec::new(),
            disk: Disk::default(),
            seq: 0,
        };
        play.carry_out(plan);
        play
    }

    pub(super) fn step(&mut self, event: Event) -> Option<Verdict> {
        let plan = self.room.step(event, self.now);
        self.carry_out(plan)
    }

    fn carry_out(&mut self, plan: Plan) -> Option<Verdict> {
        plan.writes.into_iter().for_each(|write| self.disk.write(write));
        self.heard.extend(plan.heard);
        self.changes.extend(plan.changes.into_iter().map(|change| change.what));
        for effect in plan.effects {
            match effect {
                Effect::Start(launch) => {
                    self.begun.push(name(&launch));
                    self.running.insert(launch.live.slot, *launch);
                }
                Effect::Pass { run, first, count } => self.passes.push((run, first, count)),
                other => self.effects.push(other),
            }
        }
        plan.verdict
    }

    pub(super) fn ask_as(&mut self, ask: Ask, by: Asker) -> Verdict {
        let found = ask.run().filter(|run| !self.room.holds(*run)).and_then(|run| self.disk.run(run)).map(Box::new);
        self.step(Event::Asked { ask, by, found }).expect("an answer")
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        self.ask_as(ask, root())
    }

    /// Asks for what must be accepted.
    #[track_caller]
    pub(super) fn must(&mut self, ask: Ask) {
        assert_eq!(self.ask(ask), Verdict::Accepted);
    }

    pub(super) fn submit(&mut self, specification: &Value) -> DagRunId {
        self.submit_as(specification, root())
    }

    pub(super) fn submit_as(&mut self, specification: &Value, by: Asker) -> DagRunId {
        let submission = Submission {
            blueprint: blueprint(specification),
            text: specification.to_string().into(),
            runs_as: by.owner.uid,
            origin: Origin::Client,
            key: None,
        };
        let next = self.room.next_run;
        self.disk.blueprints.insert(next, submission.blueprint.clone());
        match self.ask_as(Ask::Submit(Box::new(submission)), by) {
            Verdict::Submitted(run) => run,
            other => panic!("{other:?}"),
        }
    }

    /// The slot of a running task, by its name with or without the run.
    #[track_caller]
    pub(super) fn slot(&self, task: &str) -> RunId {
        let is = |launch: &Launch| name(launch) == task || name(launch).split_once(':').is_some_and(|(_, n)| n == task);
        let found = self.running.iter().find(|(_, launch)| is(launch)).map(|(slot, _)| *slot);
        found.unwrap_or_else(|| panic!("{task} does not run; {:?} do", self.names()))
    }

    /// What runs, in the order of its start.
    pub(super) fn names(&self) -> Vec<String> {
        self.running.values().map(name).collect()
    }

    /// A process has become one.
    pub(super) fn spawned(&mut self, task: &str) {
        let slot = self.slot(task);
        self.step(Event::Started { slot, leader: Some((4_000, 77)) });
    }

    pub(super) fn end_of(&mut self, slot: RunId, how: How) -> End {
        self.running.remove(&slot);
        self.seq += 1;
        End {
            slot,
            seq: Some(self.seq),
            how,
            at: self.now.wall,
            tree_empty: true,
            output: Kept::default(),
            errors: Kept::default(),
            usage: None,
            generated: None,
        }
    }

    #[track_caller]
    pub(super) fn ends(&mut self, task: &str, code: i32) {
        let slot = self.slot(task);
        let end = self.end_of(slot, How::Code { code, remark: String::new() });
        self.step(Event::Ended(Box::new(end)));
    }

    #[track_caller]
    pub(super) fn dies(&mut self, task: &str, signal: i32) {
        let slot = self.slot(task);
        let end = self.end_of(slot, How::Signal { signal, oom: false });
        self.step(Event::Ended(Box::new(end)));
    }

    /// A task ends with this code, and something of its tree is left.
    #[track_caller]
    pub(super) fn leaves_a_tree(&mut self, task: &str, code: i32) -> RunId {
        let slot = self.slot(task);
        let end = End { tree_empty: false, ..self.end_of(slot, How::Code { code, remark: String::new() }) };
        self.step(Event::Ended(Box::new(end)));
        slot
    }

    /// A generator ends well, having printed this.
    #[track_caller]
    pub(super) fn prints(&mut self, task: &str, output: &Value) {
        let slot = self.slot(task);
        let launch = self.running.get(&slot).expect("a launch").clone();
        let output = filled(output.clone());
        let compiled = specification::generated(output.to_string().as_bytes(), &launch.blueprint, &LIMITS);
        let how = How::Code { code: 0, remark: String::new() };
        let end = End { generated: Some(compiled.map_err(|why| why.0)), ..self.end_of(slot, how) };
        self.step(Event::Ended(Box::new(end)));
    }

    /// Everything that runs ends with this code, and whatever starts then, until nothing runs.
    pub(super) fn all_end(&mut self, code: i32) {
        while let Some(task) = self.running.values().next().map(name) {
            self.ends(&task, code);
        }
    }

    /// The executor that starts nothing answers.
    pub(super) fn pass_all(&mut self) -> usize {
        let mut steps = 0;
        while let Some((run, first, count)) = self.passes.pop() {
            self.step(Event::Passed { run, first, count });
            steps += 1;
        }
        steps
    }

    /// Time goes by; ticks come when they are owed.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now.mono + time;
        while let Some(due) = self.room.deadline().filter(|due| *due <= until) {
            self.now = self.now.later(due - self.now.mono);
            self.step(Event::Tick);
        }
        self.now = self.now.later(until - self.now.mono);
    }

    pub(super) fn view(&self, run: DagRunId) -> View {
        let stored = || View::of_stored(&self.disk.run(run).expect("a stored run"));
        self.room.view(run).unwrap_or_else(stored)
    }

    #[track_caller]
    pub(super) fn task(&self, run: DagRunId, name: &str) -> TaskId {
        self.view(run).find(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The states of all tasks: `a_0 COMPLETED, b_0 QUEUED`.
    pub(super) fn states(&self, run: DagRunId) -> String {
        let view = self.view(run);
        let of_group = |group: &GroupView| -> Vec<String> {
            let state = |index| format!("{} {}", group.template.instance(index), group.state(index).word());
            (0..group.template.count).map(state).collect()
        };
        view.groups.iter().flat_map(of_group).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn state(&self, run: DagRunId) -> State {
        self.view(run).row.state()
    }

    /// The states the run was in.
    pub(super) fn history(&self, run: DagRunId) -> String {
        let view = self.view(run);
        view.row.history.iter().map(|change| change.state.word()).collect::<Vec<_>>().join(" ")
    }

    /// The recorded attempts of a task: number, code, outcome, remark.
    #[track_caller]
    pub(super) fn attempts(&self, run: DagRunId, name: &str) -> Vec<(u32, i32, Outcome, String)> {
        let task = self.task(run, name);
        let of_task = self.disk.attempts.range((run, task, 0)..=(run, task, u32::MAX));
        of_task.map(|((.., number), a)| (*number, a.rc, a.outcome, a.remark.clone())).collect()
    }

    #[track_caller]
    pub(super) fn codes(&self, run: DagRunId, name: &str) -> Vec<i32> {
        self.attempts(run, name).into_iter().map(|(_, rc, ..)| rc).collect()
    }

    /// The core dies; another one reads the disk and asks the keeper, who holds what runs.
    pub(super) fn core_dies(&mut self) {
        let held = self.running.values().map(|launch| Held { live: launch.live.clone(), end: None, tree_empty: false });
        let found = Found { held: held.collect(), ..Found::default() };
        self.start_with(found);
    }

    /// Everything dies; of this boot, if `left` something may be left.
    pub(super) fn service_dies(&mut self, left: bool) {
        self.running.clear();
        self.start_with(Found { new_keeper: true, new_boot: !left, ..Found::default() });
    }

    pub(super) fn start_with(&mut self, found: Found) {
        self.passes.clear();
        self.effects.clear();
        let (room, plan) = Room::recover(self.settings, self.disk.stored(), found, self.now);
        self.room = room;
        self.carry_out(plan);
    }

    /// The store forgets what was written last: the flush was lost.
    pub(super) fn disk_of(&mut self, disk: Disk) {
        self.disk = disk;
    }
}

fn name(launch: &Launch) -> String {
    format!("{}:{}", launch.live.run, launch.template.instance(launch.live.task.index))
}

/// What the writes have made of the store.
#[derive(Clone, Default)]
pub(super) struct Disk {
    blueprints: BTreeMap<DagRunId, Arc<Blueprint>>,
    pub(super) rows: BTreeMap<DagRunId, RunRow>,
    additions: BTreeMap<(DagRunId, u32), (TaskId, Arc<str>)>,
    pub(super) attempts: BTreeMap<(DagRunId, TaskId, u32), Attempt>,
    /// Of each task the last one: pass, after, what.
    pub(super) marks: BTreeMap<(DagRunId, TaskId), (u32, u32, Mark)>,
    edits: BTreeMap<(DagRunId, TaskId), Arc<Job>>,
    pub(super) live: BTreeMap<RunId, LiveAttempt>,
    next_run: DagRunId,
    pub(super) slots: RunId,
}

impl Disk {
    fn write(&mut self, write: Write) {
        let row =
            |task: TaskId, count: u32| (task.index..task.index + count).map(move |index| TaskId { index, ..task });
        match write {
            Write::PutRun(put) => drop(self.rows.insert(put.id, *put)),
            Write::PutAddition { run, first, by, text } => drop(self.additions.insert((run, first), (by, text))),
            Write::PutAttempt { run, task, count, number, attempt } => {
                for task in row(task, count) {
                    assert!(self.attempts.insert((run, task, number), (*attempt).clone()).is_none(), "twice");
                }
            }
            Write::PutMark { run, task, count, pass, after, mark } => {
                self.marks.extend(row(task, count).map(|task| ((run, task), (pass, after, mark.clone()))));
            }
            Write::PutEdit { run, task, job } => drop(self.edits.insert((run, task), job)),
            Write::PutLive(live) => drop(self.live.insert(live.slot, *live)),
            Write::DeleteLive(slot) => drop(self.live.remove(&slot)),
            Write::DeleteRun(run) => {
                self.rows.remove(&run);
                self.blueprints.remove(&run);
                self.attempts.retain(|(of, ..), _| *of != run);
            }
            Write::PutNumbers { run, slots } => (self.next_run, self.slots) = (run, slots),
            Write::PutText(..)
            | Write::PutKey { .. }
            | Write::PutDag(_)
            | Write::PutDagText(..)
            | Write::DeleteDag(_)
            | Write::PutFiring(..) => {}
        }
    }

    fn stored(&self) -> Stored {
        let live = |run: &DagRunId| self.live.values().any(|live| live.run == *run);
        let needed = self.rows.iter().filter(|(run, row)| !row.state().is_over() || live(run));
        Stored {
            runs: needed.filter_map(|(run, _)| self.run(*run)).collect(),
            live: self.live.values().cloned().collect(),
            next_run: self.next_run,
            slots: self.slots,
            dags: Vec::new(),
        }
    }

    /// A run as it would be read back.
    pub(super) fn run(&self, run: DagRunId) -> Option<StoredRun> {
        let blueprint = self.blueprints.get(&run)?;
        let additions = self.additions.range((run, 0)..=(run, u32::MAX)).map(|((_, first), (by, text))| {
            let addition = specification::generated(text.as_bytes(), blueprint, &LIMITS).expect("accepted before");
            StoredAddition { first: *first, by: *by, addition }
        });
        let least = TaskId { group: 0, index: 0 };
        let most = TaskId { group: u32::MAX, index: u32::MAX };
        let mut entries: BTreeMap<TaskId, Entry> = BTreeMap::new();
        for ((_, task, number), attempt) in self.attempts.range((run, least, 0)..=(run, most, u32::MAX)) {
            let before = entries.get(task).filter(|entry| entry.pass == attempt.pass).map_or(0, |entry| entry.used);
            let used = before + u32::from(attempt.outcome != Outcome::Interrupted);
            let last = Last::Attempt { outcome: attempt.outcome, stop: attempt.stop };
            entries.insert(*task, Entry { task: *task, count: 1, attempts: *number, used, last, pass: attempt.pass });
        }
        for ((_, task), (pass, after, mark)) in self.marks.range((run, least)..=(run, most)) {
            let attempts = entries.get(task).map_or(0, |entry| entry.attempts);
            let used = entries.get(task).map_or(0, |entry| entry.used);
            if *after >= attempts {
                let last = Last::Mark(mark.clone());
                entries.insert(*task, Entry { task: *task, count: 1, attempts, used, last, pass: *pass });
            }
        }
        Some(StoredRun {
            row: self.rows.get(&run)?.clone(),
            blueprint: blueprint.clone(),
            additions: additions.collect(),
            entries: entries.into_values().collect(),
            edits: self.edits.range((run, least)..=(run, most)).map(|((_, task), job)| (*task, job.clone())).collect(),
        })
    }
}
