//! The oracle: it hears what the machine hears, looks at what the machine makes of it, and says whether that is right.
//!
//! What must follow from an event it works out itself, by the rules. What the machine is free to choose (which task is
//! started next, when a run notices that it is over) it only checks: nothing too early, and once the machine has
//! nothing more to do at this moment, nothing left out.

mod asks;
mod ends;
mod recovery;
mod rules;

pub(super) use self::rules::Run;
use self::rules::{Live, Reading, Task};
use super::sketch::{Group, Sketch};
use crate::base::{Now, RunId};
use crate::dag::machine::{Effect, Event, Launch, Plan, Refusal, Verdict, View, Write};
use crate::dag::model::{Attempt, Capacity, DagName, DagRunId, Origin, State, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// All runs as they should be.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    capacity: Capacity,
    pub(super) runs: BTreeMap<DagRunId, Run>,
    /// Attempts of runs that nobody knows: what came of an ask that was lost with the core that had heard it.
    pub(super) strays: BTreeSet<RunId>,
    /// Runs that were forgotten on request.
    pub(super) purged: BTreeSet<DagRunId>,
    pub(super) ending: bool,
    /// Attempts started so far.
    starts: u32,
}

/// One step of the machine, and what is needed to judge it.
pub(super) struct Step<'a> {
    pub(super) event: &'a Event,
    pub(super) plan: &'a Plan,
    pub(super) now: Now,
    /// A run as clients see it after the step.
    pub(super) view: &'a dyn Fn(DagRunId) -> Option<View>,
    /// What a generator's attempt has printed.
    pub(super) printed: &'a dyn Fn(RunId) -> Option<Vec<Group>>,
    /// What stored DAGs run when they fire.
    pub(super) fired: &'a BTreeMap<DagName, Rc<Sketch>>,
    /// What was submitted.
    pub(super) sketch: Option<Rc<Sketch>>,
}

/// What was written of the end of this attempt.
fn recorded(plan: &Plan, run: DagRunId, task: TaskId, number: u32) -> Option<&Attempt> {
    plan.writes.iter().find_map(|write| match write {
        Write::PutAttempt { run: of, task: first, count, number: which, attempt } => {
            let inside = first.group == task.group && (first.index..first.index + count).contains(&task.index);
            (*of == run && inside && *which == number).then_some(&**attempt)
        }
        _ => None,
    })
}

impl Oracle {
    pub(super) fn new(capacity: Capacity) -> Oracle {
        Oracle {
            capacity,
            runs: BTreeMap::new(),
            strays: BTreeSet::new(),
            purged: BTreeSet::new(),
            ending: false,
            starts: 0,
        }
    }

    /// Judges a step.
    pub(super) fn judge(&mut self, step: &Step<'_>) {
        match step.event {
            Event::Asked { ask, by, .. } if by.all => self.asked(ask, step),
            Event::Asked { .. } => assert!(matches!(step.plan.verdict, Some(Verdict::Refused(Refusal::NoRun(_))))),
            Event::Started { .. } | Event::Tick => {}
            Event::Ended(end) => self.ended(end, step),
            Event::Passed { run, first, count } => self.passed(*run, *first, *count, step),
            Event::TreeEmpty { slot } | Event::LeftoverGone { slot } => self.gone(*slot),
            Event::Shutdown | Event::ShutdownNow => self.ending = true,
        }
        self.follow(step, *step.event == Event::Tick);
    }

    /// Follows the machine in what it is free to do, and compares all there is to see.
    fn follow(&mut self, step: &Step<'_>, timers_seen: bool) {
        let Step { plan, now, view, .. } = *step;
        self.fired(step);
        let views: BTreeMap<_, _> =
            self.runs.keys().map(|id| (*id, view(*id).unwrap_or_else(|| panic!("run {id} is gone")))).collect();
        for (id, view) in &views {
            self.runs.get_mut(id).unwrap().begin(view);
        }
        for effect in &plan.effects {
            match effect {
                Effect::Start(launch) => self.start(launch, now, timers_seen),
                Effect::Pass { run, first, count } => self.pass(*run, *first, *count, now),
                Effect::Stop { slot, .. } => self.stopped(*slot, now),
                Effect::Done => {
                    let left: Vec<_> = self.runs.values().flat_map(|run| &run.lives).collect();
                    assert!(self.ending && left.is_empty(), "done, but there is {left:?}");
                }
                Effect::EndLeftover { .. } | Effect::RemoveOutput(_) => {}
            }
        }
        for (id, view) in &views {
            let run = self.runs.get_mut(id).unwrap();
            run.end(view);
            run.compare(*id, view);
        }
    }

    /// Schedules make runs by themselves.
    fn fired(&mut self, step: &Step<'_>) {
        for write in &step.plan.writes {
            let Write::PutRun(row) = write else { continue };
            if let (Origin::Schedule(name, _), false) = (&row.origin, self.runs.contains_key(&row.id)) {
                self.runs.insert(row.id, Run::new(Rc::clone(&step.fired[name])));
            }
        }
    }

    fn start(&mut self, launch: &Launch, now: Now, timers_seen: bool) {
        let live = &launch.live;
        if let Some(again) = self.live_mut(live.slot) {
            assert!(again.lost && !again.killed, "started twice: {live:?}");
            again.lost = false;
            return;
        }
        assert!(!self.ending, "started while ending: {live:?}");
        let run = self.runs.get(&live.run).unwrap_or_else(|| panic!("a start of an unknown run: {live:?}"));
        let place = run.place(live.task).unwrap_or_else(|| panic!("a start of an unknown task: {live:?}"));
        let startable = run.startable(Reading::Bold, now.wall);
        assert!(startable.contains(&place), "must not start yet: {:?} of {run:?}", run.tasks[place]);
        assert_eq!(live.number, run.tasks[place].attempts + 1, "number of {live:?}");
        assert_eq!(live.pass, run.pass, "pass of {live:?}");
        let edited = launch.edited.as_ref().map(|job| job.needs);
        let needs = edited.unwrap_or_else(|| launch.template.needs(live.task.index));
        assert_eq!((edited.is_some(), needs), (run.tasks[place].edited, run.tasks[place].needs), "job of {live:?}");
        self.check_order(live.run, place, now, timers_seen);
        let run = self.runs.get_mut(&launch.live.run).unwrap();
        run.adopt(place, live.slot, live.number, now);
        self.starts += 1;
        self.check_room(live.run);
    }

    /// Nothing is ever overcommitted.
    fn check_room(&self, started: DagRunId) {
        let used = self.used(Reading::Bold);
        let within = used.cores <= self.capacity.cores
            && used.memory_mb <= self.capacity.memory_mb
            && used.running <= self.capacity.running;
        assert!(within, "overcommitted: {used:?} of {:?}", self.capacity);
        let run = &self.runs[&started];
        let at_once = run.lives.iter().filter(|live| !live.ended).count();
        assert!(
            run.sketch.max_parallel.is_none_or(|most| at_once <= most as usize),
            "run {started}: {at_once} at once"
        );
    }

    /// What is reserved: by attempts that have not ended; read timidly, by all that is left of any.
    fn used(&self, reading: Reading) -> Capacity {
        let mut used = Capacity { cores: 0, memory_mb: 0, running: 0 };
        for run in self.runs.values().filter(|run| !run.noop()) {
            let counts = |live: &&Live| reading == Reading::Timid || !live.ended && !run.tasks[live.task].step;
            for live in run.lives.iter().filter(counts) {
                let needs = run.tasks[live.task].needs;
                used.cores += needs.cores;
                used.memory_mb += needs.memory_mb;
                used.running += 1;
            }
        }
        used
    }

    /// Tasks of this run that could run at once: nothing holds them back in any reading.
    fn ready(&self, run: &Run, now: Now) -> Vec<usize> {
        let used = self.used(Reading::Timid);
        let full = |most: u32| run.lives.len() >= most as usize;
        if self.ending || run.sketch.max_parallel.is_some_and(full) {
            return Vec::new();
        }
        let strays = u32::try_from(self.strays.len()).unwrap();
        let fits = |place: &usize| {
            let needs = run.tasks[*place].needs;
            run.noop()
                || used.cores + needs.cores <= self.capacity.cores
                    && used.memory_mb + needs.memory_mb <= self.capacity.memory_mb
                    && used.running + strays < self.capacity.running
        };
        let waiting = run.startable(Reading::Bold, now.wall);
        // The tasks of a group go one after the other, whatever each of them needs.
        let held_up = |place: &usize| {
            let group = |at: usize| run.tasks[at].id.group;
            waiting.iter().any(|other| group(*other) == group(*place) && !fits(other))
        };
        let mut ready = run.startable(Reading::Timid, now.wall);
        ready.retain(|place| fits(place) && !held_up(place));
        ready
    }

    /// What goes first is not passed by what could wait: higher runs before lower ones, higher tasks before lower ones.
    fn check_order(&self, id: DagRunId, place: usize, now: Now, timers_seen: bool) {
        let run = &self.runs[&id];
        if run.noop() {
            return;
        }
        let certain = |run: &Run, place: &usize| timers_seen || run.tasks[*place].state == State::Queued;
        for (other, it) in self.runs.iter().filter(|(_, it)| !it.noop()) {
            if it.sketch.priority > run.sketch.priority {
                let ready: Vec<_> = self.ready(it, now).into_iter().filter(|at| certain(it, at)).collect();
                assert!(ready.is_empty(), "run {id} goes before run {other}, which has {ready:?} ready");
            }
        }
        let higher = |at: &usize| run.group(*at).priority > run.group(place).priority && certain(run, at);
        let passed: Vec<_> = self.ready(run, now).into_iter().filter(higher).collect();
        assert!(passed.is_empty(), "run {id}: {place} goes before {passed:?}");
    }

    fn pass(&mut self, id: DagRunId, first: TaskId, count: u32, now: Now) {
        let run = self.runs.get_mut(&id).unwrap_or_else(|| panic!("tasks of unknown run {id} are passed"));
        assert!(run.noop() && !self.ending, "run {id} is not to be passed");
        let startable = run.startable(Reading::Bold, now.wall);
        for index in first.index..first.index + count {
            let place = run.place(TaskId { index, ..first }).expect("what is passed is there");
            assert!(startable.contains(&place), "run {id}: passed too early: {:?}", run.tasks[place]);
            assert!(count == 1 || run.tasks[place].attempts == 0, "only what is fresh is passed at once");
            let task = &mut run.tasks[place];
            (task.passing, task.begun, task.untouched) = (true, true, false);
        }
    }

    fn passed(&mut self, id: DagRunId, first: TaskId, count: u32, step: &Step<'_>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        for index in first.index..first.index + count {
            let task = TaskId { index, ..first };
            let place = run.place(task).expect("what was passed is there");
            let record = recorded(step.plan, id, task, run.tasks[place].attempts + 1);
            let it = &mut run.tasks[place];
            assert!(it.passing || record.is_none(), "run {id}: passed without need: {it:?}");
            if it.passing && self.ending && record.is_none() {
                it.passing = false; // it is passed again in the next life
            } else if it.passing {
                assert!(record.is_some_and(|record| record.rc == 0), "run {id}: {it:?} is not recorded");
                (it.state, it.attempts, it.used, it.passing) = (State::Completed, it.attempts + 1, 1, false);
            }
        }
    }

    /// A stop that nobody has asked for is for an attempt that takes too long.
    fn stopped(&mut self, slot: RunId, now: Now) {
        if self.strays.contains(&slot) || self.ending {
            return;
        }
        for run in self.runs.values_mut() {
            let limits: Vec<_> = run.lives.iter().map(|live| run.tasks[live.task].timeout).collect();
            for (live, limit) in run.lives.iter_mut().zip(limits).filter(|(live, _)| live.slot == slot) {
                if live.killed || live.ended || live.late {
                    return;
                }
                let age = (now.wall - live.started).to_std().unwrap_or_default().as_secs_f64();
                assert!(limit.is_some_and(|limit| age >= limit as f64), "stopped for nothing: {live:?} at {now:?}");
                live.late = true;
            }
        }
    }

    fn gone(&mut self, slot: RunId) {
        self.strays.remove(&slot);
        for run in self.runs.values_mut() {
            run.lives.retain(|live| live.slot != slot || !live.ended);
        }
    }

    fn live_mut(&mut self, slot: RunId) -> Option<&mut Live> {
        self.runs.values_mut().flat_map(|run| &mut run.lives).find(|live| live.slot == slot)
    }

    /// The run and the place in its list of an attempt.
    fn find(&self, slot: RunId) -> Option<(DagRunId, usize)> {
        self.runs.iter().find_map(|(id, run)| Some((*id, run.lives.iter().position(|live| live.slot == slot)?)))
    }

    /// The machine has nothing more to do at this moment: what should have happened has.
    pub(super) fn check_rest(&self, now: Now, waits_for: &dyn Fn(DagRunId, TaskId) -> Vec<String>) {
        if self.ending {
            return;
        }
        let waiting =
            |run: &Run| !run.noop() && run.startable(Reading::Bold, now.wall).len() > self.ready(run, now).len();
        let overtaken = self.starts >= 64 && self.runs.values().any(waiting);
        for (id, run) in &self.runs {
            assert_ne!(run.state(), State::Queued, "run {id} does not begin");
            let ready = self.ready(run, now);
            let said: Vec<_> = ready.iter().map(|task| waits_for(*id, run.tasks[*task].id)).collect();
            assert!(ready.is_empty() || overtaken, "run {id}: {ready:?} could run, and yet {said:?}: {run:?}");
            let idle = run.lives.iter().all(|live| live.ended);
            if run.state() == State::Running {
                let passed_over: Vec<_> = (0..run.tasks.len()).filter(|task| run.not_needed(*task)).collect();
                assert!(passed_over.is_empty(), "run {id}: {passed_over:?} are not needed");
                assert!(!idle || !run.is_stuck(), "run {id} can get no further: {run:?}");
            }
            let done = run.all_completed() && matches!(run.state(), State::Running | State::Paused);
            assert!(!done, "run {id} has completed: {run:?}");
            assert!(run.lives.iter().all(|live| !live.lost || live.killed), "run {id}: not started again: {run:?}");
            for live in run.lives.iter().filter(|live| !live.ended && !live.late && !live.killed && !live.lost) {
                let limit = run.tasks[live.task].timeout.unwrap_or(u64::MAX);
                let age = (now.wall - live.started).num_seconds();
                assert!(u64::try_from(age).unwrap() <= limit.saturating_add(1), "run {id}: takes too long: {live:?}");
            }
            if let Some(task) = run.tasks.iter().find(|task| waits(run, task)) {
                assert!(!waits_for(*id, task.id).is_empty(), "run {id}: {:?} waits for nothing", task.id);
            }
        }
    }
}

/// Whether a client would ask why it does not run.
fn waits(run: &Run, task: &Task) -> bool {
    !run.state().is_over() && !task.passing && matches!(task.state, State::Queued | State::Retry)
}

impl Run {
    /// A task has an attempt.
    fn adopt(&mut self, task: usize, slot: RunId, number: u32, now: Now) {
        let it = &mut self.tasks[task];
        (it.state, it.due, it.begun, it.untouched) = (State::Running, None, true, false);
        let (pass, started) = (self.pass, now.wall);
        let (killed, late, ended, lost) = (false, false, false, false);
        self.lives.push(Live { slot, task, number, pass, started, killed, late, ended, lost });
    }

    /// The run is picked up, and what is not needed is passed over: the machine chooses when.
    fn begin(&mut self, view: &View) {
        if self.state() == State::Killed {
            // What was being passed was killed with its run, or had not begun.
            for task in (0..self.tasks.len()).filter(|task| self.tasks[*task].passing).collect::<Vec<_>>() {
                let killed = self.seen(view, task) == State::Killed;
                self.tasks[task].state = if killed { State::Killed } else { State::Queued };
                self.tasks[task].passing = false;
            }
        }
        if self.state() == State::Queued && view.row.history.len() > self.history.len() {
            self.history.push(State::Running);
        }
        let passed_over = |run: &Run, task: usize| run.not_needed(task) && run.seen(view, task) == State::Completed;
        while let Some(task) = (0..self.tasks.len()).find(|task| !self.state().is_over() && passed_over(self, *task)) {
            (self.tasks[task].state, self.tasks[task].untouched) = (State::Completed, false);
        }
    }

    /// The run is over: the machine chooses when.
    fn end(&mut self, view: &View) {
        let changes = &view.row.history;
        if changes.len() != self.history.len() + 1 {
            return;
        }
        let new = changes[self.history.len()].state;
        let right = match (self.state(), new) {
            (State::Running, State::Errored) => self.is_stuck(),
            (State::Running | State::Paused, State::Completed) => self.all_completed(),
            _ => false,
        };
        assert!(right, "{:?} after {:?}: {self:?}", new, self.history);
        self.history.push(new);
    }

    fn seen(&self, view: &View, task: usize) -> State {
        let id = self.tasks[task].id;
        view.groups.get(id.group as usize).map_or(State::Queued, |group| group.state(id.index))
    }

    /// All that there is to see.
    fn compare(&self, id: DagRunId, view: &View) {
        let history: Vec<_> = view.row.history.iter().map(|change| change.state).collect();
        assert_eq!(history, self.history, "history of run {id}");
        assert!(view.row.history.is_sorted_by_key(|change| change.at), "history of run {id} goes back");
        assert!(view.row.history.iter().all(|change| change.at <= view.row.last_update), "last update of run {id}");
        assert_eq!(view.row.pass, self.pass, "pass of run {id}");
        let names: Vec<_> = view.groups.iter().map(|group| (&group.template.name, group.template.count)).collect();
        let expected: Vec<_> = self.groups.iter().map(|group| (&group.name, group.count)).collect();
        assert_eq!(names, expected, "groups of run {id}");
        let edges: Vec<_> = self.edges.iter().copied().collect();
        assert_eq!(view.edges, edges, "edges of run {id}");
        let mut counts = [0; State::ALL.len()];
        for (place, task) in self.tasks.iter().enumerate() {
            let seen = self.seen(view, place);
            counts[seen as usize] += 1;
            let passing = task.passing && seen == State::Running;
            assert!(passing || seen == task.state, "run {id}: {:?} is {seen:?}: {self:?}", task);
        }
        assert_eq!(view.row.counts.0, counts, "counts of run {id}");
    }
}
