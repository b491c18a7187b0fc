//! What a run is and what may happen in it, said as plainly as possible: every task is there, every edge between two
//! tasks is there, nothing is counted ahead, and each question looks at everything anew.
//!
//! Where the rules leave the moment open, a question has two answers: `Bold` as early as they allow, `Timid` as late.
//! What is done must be right boldly; what must have been done is due only timidly.

use super::super::sketch::{Group, Sketch};
use crate::base::{RunId, Wall};
use crate::dag::model::{Executor, Needs, OnFailure, State, TaskId, Trigger};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// How the rules are read where they leave something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Reading {
    Bold,
    Timid,
}

use Reading::Bold;

#[derive(Clone, Debug)]
pub(in super::super) struct Task {
    pub(in super::super) id: TaskId,
    /// Every single task it waits for.
    pub(in super::super) parents: Vec<usize>,
    pub(in super::super) state: State,
    /// Attempts that are recorded.
    pub(in super::super) attempts: u32,
    /// Of these, those of this pass that count against the retries.
    pub(in super::super) used: u32,
    /// In RETRY: not before.
    pub(in super::super) due: Option<Wall>,
    /// Handed to the executor that starts nothing.
    pub(in super::super) passing: bool,
    /// What it reserves, how many seconds an attempt may take, and whether it is carried out by the core: by its
    /// group, until somebody replaces its job.
    pub(in super::super) needs: Needs,
    pub(in super::super) timeout: Option<u64>,
    pub(in super::super) step: bool,
    pub(in super::super) edited: bool,
    /// Whether it was ever anything but QUEUED; and whether nothing at all ever happened to it.
    pub(in super::super) begun: bool,
    pub(in super::super) untouched: bool,
}

/// An attempt whose last process is not gone, as far as anybody was told.
#[derive(Clone, Debug)]
pub(in super::super) struct Live {
    pub(in super::super) slot: RunId,
    pub(in super::super) task: usize,
    pub(in super::super) number: u32,
    pub(in super::super) pass: u32,
    pub(in super::super) started: Wall,
    /// Killed with its task or its run.
    pub(in super::super) killed: bool,
    /// Stopped because it took too long.
    pub(in super::super) late: bool,
    /// Only its tree is left, or all of it was left behind by an earlier keeper.
    pub(in super::super) ended: bool,
    /// A new core finds it on disk and nowhere else: it must start it again, with the same number.
    pub(in super::super) lost: bool,
}

#[derive(Clone)]
pub(in super::super) struct Run {
    pub(in super::super) sketch: Rc<Sketch>,
    pub(in super::super) groups: Vec<Rc<Group>>,
    /// For each of them the generator that has made it.
    made_by: Vec<Option<u32>>,
    /// The place of each group's first task.
    firsts: Vec<usize>,
    /// Between groups: parent, child.
    pub(in super::super) edges: BTreeSet<(u32, u32)>,
    pub(in super::super) tasks: Vec<Task>,
    pub(in super::super) lives: Vec<Live>,
    pub(in super::super) history: Vec<State>,
    pub(in super::super) pass: u32,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, pass {}, {:?}", self.history, self.pass, self.sketch)?;
        for (place, task) in self.tasks.iter().enumerate() {
            let (name, index) = (&self.group(place).name, task.id.index);
            let Task { parents, state, attempts, used, due, passing, .. } = task;
            writeln!(f, "{place}: {name}_{index} {state:?}, {attempts}/{used}, {due:?} {passing} after {parents:?}")?;
        }
        self.lives.iter().try_for_each(|live| writeln!(f, "{live:?}"))
    }
}

impl Run {
    pub(in super::super) fn new(sketch: Rc<Sketch>) -> Run {
        let mut run = Run {
            groups: Vec::new(),
            made_by: Vec::new(),
            firsts: Vec::new(),
            edges: BTreeSet::new(),
            tasks: Vec::new(),
            lives: Vec::new(),
            history: vec![State::Queued],
            pass: 0,
            sketch: Rc::clone(&sketch),
        };
        sketch.groups.iter().for_each(|group| run.add_group(group, None));
        let edges = declared(&run.groups, 0).expect("a sketch names its own groups");
        run.add_edges(&edges);
        run
    }

    fn add_group(&mut self, group: &Group, by: Option<usize>) {
        let place = u32::try_from(self.groups.len()).unwrap();
        self.groups.push(Rc::new(group.clone()));
        self.made_by.push(by.map(|generator| self.tasks[generator].id.group));
        self.firsts.push(self.tasks.len());
        for index in 0..group.count {
            self.tasks.push(Task {
                id: TaskId { group: place, index },
                parents: by.into_iter().collect(),
                state: State::Queued,
                attempts: 0,
                used: 0,
                due: None,
                passing: false,
                needs: Needs { cores: group.cores, memory_mb: group.memory },
                timeout: group.timeout,
                step: group.step,
                edited: false,
                begun: false,
                untouched: true,
            });
        }
    }

    fn add_edges(&mut self, edges: &BTreeSet<(u32, u32)>) {
        for (parent, child) in edges.iter().copied().filter(|edge| !self.edges.contains(edge)).collect::<Vec<_>>() {
            let parents: Vec<_> = self.of_group(parent).collect();
            for task in self.of_group(child) {
                self.tasks[task].parents.extend(&parents);
            }
            self.edges.insert((parent, child));
        }
    }

    pub(in super::super) fn of_group(&self, group: u32) -> std::ops::Range<usize> {
        let first = self.firsts[group as usize];
        first..first + self.groups[group as usize].count as usize
    }

    pub(in super::super) fn place(&self, task: TaskId) -> Option<usize> {
        let group = self.groups.get(task.group as usize)?;
        (task.index < group.count).then(|| self.firsts[task.group as usize] + task.index as usize)
    }

    pub(in super::super) fn group(&self, task: usize) -> &Group {
        &self.groups[self.tasks[task].id.group as usize]
    }

    pub(in super::super) fn state(&self) -> State {
        *self.history.last().unwrap()
    }

    pub(in super::super) fn noop(&self) -> bool {
        self.sketch.executor == Executor::Noop
    }

    /// Attempts of this task that are not gone.
    pub(in super::super) fn lives_of(&self, task: usize) -> impl Iterator<Item = &Live> {
        self.lives.iter().filter(move |live| live.task == task)
    }

    /// The one that has not ended, if there is one.
    pub(in super::super) fn running(&self, task: usize) -> Option<&Live> {
        self.lives_of(task).find(|live| !live.ended)
    }

    /// Whether a failure has stopped what depends on nothing but success.
    pub(in super::super) fn is_stopped(&self) -> bool {
        let bad = |task: &Task| matches!(task.state, State::Errored | State::Killed);
        self.sketch.on_failure == OnFailure::Stop && self.tasks.iter().any(bad)
    }

    /// For each task whether it has come to its end, or can never begin.
    pub(in super::super) fn settled(&self, reading: Reading) -> Vec<bool> {
        let stopped = self.is_stopped();
        let over = |task: usize| {
            matches!(self.tasks[task].state, State::Completed | State::Errored | State::Killed)
                && (reading == Bold || self.running(task).is_none())
        };
        let mut settled: Vec<_> = (0..self.tasks.len()).map(over).collect();
        loop {
            let hopeless = |place: usize| {
                let task = &self.tasks[place];
                let bad = |parent: &usize| settled[*parent] && self.tasks[*parent].state != State::Completed;
                task.state == State::Queued
                    && !task.passing
                    && self.group(place).trigger == Trigger::Success
                    && (reading == Bold || task.parents.iter().all(|parent| settled[*parent]))
                    && (stopped || task.parents.iter().any(bad))
            };
            let new: Vec<_> = (0..self.tasks.len()).filter(|place| !settled[*place] && hopeless(*place)).collect();
            if new.is_empty() {
                return settled;
            }
            new.into_iter().for_each(|place| settled[place] = true);
        }
    }

    fn completed(&self, task: usize) -> bool {
        self.tasks[task].state == State::Completed
    }

    /// Whether what it waits for has come as its trigger wants it.
    fn triggered(&self, task: usize, settled: &[bool], stopped: bool) -> bool {
        let parents = &self.tasks[task].parents;
        let all_settled = parents.iter().all(|parent| settled[*parent]);
        match self.group(task).trigger {
            Trigger::Success => !stopped && parents.iter().all(|parent| self.completed(*parent)),
            Trigger::Failure => all_settled && parents.iter().any(|parent| !self.completed(*parent)),
            Trigger::Always => all_settled,
        }
    }

    /// Tasks that will run if nobody interferes, though perhaps not yet.
    pub(in super::super) fn hopeful(&self, reading: Reading) -> Vec<usize> {
        let (settled, stopped) = (self.settled(reading), self.is_stopped());
        let waits = |place: &usize| match self.tasks[*place].state {
            State::Queued => !self.tasks[*place].passing && self.triggered(*place, &settled, stopped),
            State::Retry => true,
            _ => false,
        };
        (0..self.tasks.len()).filter(waits).collect()
    }

    /// Of these, those that nothing holds back but room.
    pub(in super::super) fn startable(&self, reading: Reading, now: Wall) -> Vec<usize> {
        if self.state() != State::Running {
            return Vec::new();
        }
        let mut found = self.hopeful(reading);
        found.retain(|place| {
            self.lives_of(*place).next().is_none() && self.tasks[*place].due.is_none_or(|due| due <= now)
        });
        found
    }

    /// Whether it is passed over: it is there for a failure, and nothing has failed.
    pub(in super::super) fn not_needed(&self, task: usize) -> bool {
        let it = &self.tasks[task];
        it.state == State::Queued
            && self.group(task).trigger == Trigger::Failure
            && it.parents.iter().all(|parent| self.completed(*parent))
    }

    pub(in super::super) fn all_completed(&self) -> bool {
        (0..self.tasks.len()).all(|task| self.completed(task))
    }

    /// Whether it can get no further.
    pub(in super::super) fn is_stuck(&self) -> bool {
        let active = |task: &Task| task.passing || matches!(task.state, State::Running | State::Retry);
        !self.tasks.iter().any(active)
            && self.hopeful(Bold).is_empty()
            && !(0..self.tasks.len()).any(|task| self.not_needed(task))
            && !self.all_completed()
    }

    /// A failure has stopped the run: nothing is tried again.
    pub(in super::super) fn stop_retries(&mut self) {
        if self.is_stopped() {
            for task in self.tasks.iter_mut().filter(|task| task.state == State::Retry) {
                (task.state, task.due) = (State::Errored, None);
            }
        }
    }

    pub(in super::super) fn kill(&mut self) {
        for task in &mut self.tasks {
            if matches!(task.state, State::Running | State::Retry) {
                (task.state, task.due) = (State::Killed, None);
            }
        }
        self.lives.iter_mut().for_each(|live| live.killed = true);
        self.history.push(State::Killed);
    }

    pub(in super::super) fn kill_task(&mut self, task: usize) {
        (self.tasks[task].state, self.tasks[task].due) = (State::Killed, None);
        (self.tasks[task].passing, self.tasks[task].untouched) = (false, false);
        self.lives.iter_mut().filter(|live| live.task == task).for_each(|live| live.killed = true);
        self.stop_retries();
    }

    /// Everything that has not completed runs again, and what looked at its failure.
    pub(in super::super) fn restart(&mut self) {
        let groups = 0..u32::try_from(self.groups.len()).unwrap();
        let incomplete = |group: &u32| self.of_group(*group).any(|task| !self.completed(task));
        let mut again: BTreeSet<u32> = groups.filter(incomplete).collect();
        let mut reset = BTreeSet::new();
        loop {
            let drawn_in = |(parent, child): &&(u32, u32)| {
                let looks = self.groups[*child as usize].trigger != Trigger::Success;
                !reset.contains(child) && (reset.contains(parent) || looks && again.contains(parent))
            };
            let Some((_, child)) = self.edges.iter().find(drawn_in) else { break };
            reset.insert(*child);
            again.insert(*child);
        }
        for task in &mut self.tasks {
            if task.state != State::Completed || reset.contains(&task.id.group) {
                (task.state, task.due, task.passing) = (State::Queued, None, false);
            }
            task.used = 0;
        }
        self.pass += 1;
        self.history.push(State::Queued);
    }

    /// How long to wait before the next attempt.
    pub(in super::super) fn pause(&self, task: usize) -> Duration {
        Duration::from_secs(self.group(task).interval)
    }

    /// What becomes of a task whose attempt has failed.
    pub(in super::super) fn after_failure(&self, task: usize) -> State {
        let left = self.tasks[task].used < self.group(task).retries;
        if left && !self.is_stopped() { State::Retry } else { State::Errored }
    }

    /// The children of a generator that wait for all that is made below it: whatever comes after it, be it by
    /// declaration or because it comes after the generator of this one. What it has made itself does not.
    fn children_that_wait(&self, generator: u32) -> Vec<u32> {
        let own = |child: &u32| self.made_by[*child as usize] == Some(generator);
        let children = self.edges.iter().filter(|(parent, _)| *parent == generator).map(|(_, child)| *child);
        children.filter(|child| !own(child)).collect()
    }

    /// Adds what a generator has printed. The error says why that cannot be, or that it may be refused.
    pub(in super::super) fn attached(&self, generator: usize, new: &[Group]) -> Result<Run, NotAttached> {
        let mut new: Vec<_> = new.to_vec();
        new.sort_by(|one, other| one.name.cmp(&other.name));
        let in_use = |name: &str| self.groups.iter().any(|group| group.name == name);
        if new.iter().any(|group| in_use(&group.name)) {
            return Err(NotAttached::Never); // a name is in use
        }
        let old = self.groups.len();
        let mut after = self.clone();
        new.iter().for_each(|group| after.add_group(group, Some(generator)));
        let mut edges = declared(&after.groups, old).ok_or(NotAttached::Never)?;
        edges.extend(&self.edges);
        let declared = edges.clone();
        let own = self.tasks[generator].id.group;
        let children: Vec<_> = self.children_that_wait(own);
        for group in old..after.groups.len() {
            let group = u32::try_from(group).unwrap();
            let later = |child: &&u32| !reaches(&declared, **child, group);
            edges.extend(children.iter().filter(later).map(|child| (group, *child)));
        }
        let is_old = |group: u32| (group as usize) < old;
        // What a new group itself is put before must not have begun. A child of the generator may have, by hand: then
        // waiting comes too late.
        let mut doubtful = false;
        for edge in edges.iter().filter(|(parent, child)| !is_old(*parent) && is_old(*child)) {
            let tasks = || self.of_group(edge.1).map(|task| &self.tasks[task]);
            let begun = tasks().any(|task| task.passing || !matches!(task.state, State::Queued | State::Killed));
            if begun && declared.contains(edge) {
                return Err(NotAttached::Never);
            }
            doubtful |= begun || tasks().any(|task| task.begun || !task.untouched);
        }
        // The generator comes before all it has made.
        let mut with_generator = edges.clone();
        with_generator.extend((old..after.groups.len()).map(|group| (own, u32::try_from(group).unwrap())));
        if (0..u32::try_from(after.groups.len()).unwrap()).any(|group| reaches(&with_generator, group, group)) {
            return Err(NotAttached::Never);
        }
        after.add_edges(&edges);
        if doubtful { Err(NotAttached::Perhaps(Box::new(after))) } else { Ok(after) }
    }
}

/// Why something is not, or need not be, added.
pub(in super::super) enum NotAttached {
    Never,
    /// Reference and reason leave it open whether something has begun that was only touched.
    Perhaps(Box<Run>),
}

/// The edges that the groups from a place on declare. None: one of them names a group that there is not.
fn declared(groups: &[Rc<Group>], from: usize) -> Option<BTreeSet<(u32, u32)>> {
    let find = |name: &String| groups.iter().position(|group| group.name == *name).map(|at| u32::try_from(at).unwrap());
    let mut edges = BTreeSet::new();
    for (at, group) in groups.iter().enumerate().skip(from) {
        let own = u32::try_from(at).unwrap();
        for parent in &group.parents {
            edges.insert((find(parent)?, own));
        }
        for child in &group.children {
            edges.insert((own, find(child)?));
        }
    }
    Some(edges)
}

/// Whether some way of at least one edge leads there.
fn reaches(edges: &BTreeSet<(u32, u32)>, from: u32, to: u32) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, child) in edges.iter().filter(|(parent, _)| *parent == at) {
            if *child == to {
                return true;
            }
            if seen.insert(*child) {
                open.push(*child);
            }
        }
    }
    false
}
