//! A stage for stories: a room, its store and a clock, with short words for what clients ask.

use super::picture::Picture;
use super::shelf::Shelf;
use crate::base::{Mono, Now, Secret, Wall};
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const SETTINGS: Settings =
    Settings { default_assign: Duration::from_secs(300), sample_every: Duration::from_secs(120) };

pub(super) const ADMIN: Manager = Manager::Admin(ManagerId(1));

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The third of September 2020: far from the beginning of all clocks.
pub(super) fn beginning() -> Now {
    Now { mono: Mono(secs(1_000)), wall: Wall::from_timestamp(1_599_091_200, 0).unwrap() }
}

pub(super) fn definition(name: &str) -> Definition {
    Definition::named(name)
}

pub(super) fn rate(per_second: f64) -> Limit {
    Limit { rate: Rate::new(per_second), ..Limit::default() }
}

pub(super) fn task(recipe: &str) -> NewTask {
    NewTask {
        recipe: recipe.into(),
        priority: 0,
        max_retries: 3,
        max_assign: 0,
        verification_count: 1,
        hash: 0,
        not_before: None,
    }
}

pub(super) fn process(pid: i32) -> Process {
    Process { pid, born: 7 }
}

pub(super) struct Play {
    pub(super) room: Room,
    pub(super) now: Now,
    pub(super) shelf: Shelf,
    /// What the last step, or the last stretch of time, led to.
    pub(super) effects: Vec<Effect>,
    pub(super) changes: Vec<Change>,
    /// The processes that the engine watches.
    pub(super) watched: BTreeSet<Process>,
}

impl Play {
    pub(super) fn new() -> Play {
        let now = beginning();
        let (room, plan) = Room::recover(SETTINGS, Stored::default(), now);
        assert!(plan.writes.is_empty() && plan.effects.is_empty());
        let (effects, changes, watched) = (Vec::new(), Vec::new(), BTreeSet::new());
        Play { room, now, shelf: Shelf::default(), effects, changes, watched }
    }

    pub(super) fn hear(&mut self, event: Event) -> Plan {
        let plan = self.room.step(event, self.now);
        self.shelf.apply(&plan.writes);
        self.effects.extend(plan.effects.iter().cloned());
        self.changes.extend(plan.changes.iter().cloned());
        for effect in &plan.effects {
            match effect {
                Effect::Watch(process) => assert!(self.watched.insert(*process), "watched already"),
                Effect::Unwatch(process) => assert!(self.watched.remove(process), "not watched"),
                Effect::Hand(..) | Effect::GiveUp(_) => {}
            }
        }
        plan
    }

    pub(super) fn step(&mut self, event: Event) -> Plan {
        self.effects.clear();
        self.changes.clear();
        self.hear(event)
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        self.step(Event::Asked(ask)).verdict.expect("every ask is answered")
    }

    /// The lease of this task, or any where it has none, never came to this worker.
    pub(super) fn undelivered(&mut self, worker: WorkerId, task: TaskId) {
        let lease = self.room.task(task).and_then(|(_, standing)| standing.lease);
        let now = self.now.wall;
        let lease = lease.unwrap_or(Lease { worker, since: now, until: now, process: None });
        self.step(Event::Undelivered(vec![(task, Lease { worker, ..lease })]));
    }

    /// Time passes; what is due happens when it is.
    pub(super) fn pass(&mut self, time: Duration) {
        self.effects.clear();
        self.changes.clear();
        let end = self.now.later(time);
        while let Some(due) = self.room.deadline().filter(|due| *due <= end.mono) {
            self.now = self.now.later(due - self.now.mono);
            self.hear(Event::Tick);
        }
        self.now = self.now.later(end.mono - self.now.mono);
    }

    /// The daemon dies and starts again; nothing that can be seen has changed.
    pub(super) fn crash(&mut self) {
        let before = Picture::of(&self.room, self.now);
        let (room, plan) = Room::recover(SETTINGS, self.shelf.stored(), self.now);
        self.room = room;
        self.watched = plan
            .effects
            .iter()
            .map(|effect| if let Effect::Watch(process) = effect { *process } else { panic!("{effect:?}") })
            .collect();
        self.shelf.apply(&plan.writes);
        assert_eq!(Picture::of(&self.room, self.now), before);
    }

    pub(super) fn worker(&mut self) -> WorkerId {
        let ask = Ask::CreateWorker { alias: "w".into(), secret: WorkerSecret([7; 32]) };
        let Verdict::Worker(worker) = self.ask(ask) else { panic!("no worker") };
        worker.id
    }

    pub(super) fn project(&mut self, definition: Definition) -> ProjectId {
        let verdict = self.create(ADMIN, definition);
        let Verdict::Project(id) = verdict else { panic!("{verdict:?}") };
        id
    }

    pub(super) fn create(&mut self, by: Manager, definition: Definition) -> Verdict {
        let definition = Box::new(definition);
        self.ask(Ask::CreateProject { by, definition, webhook_secret: Secret::new("hook") })
    }

    pub(super) fn update(&mut self, by: Manager, project: ProjectId, change: impl FnOnce(&mut Definition)) -> Verdict {
        let mut definition = self.room.project(project).map_or_else(|| definition("x"), |p| p.definition.clone());
        change(&mut definition);
        self.ask(Ask::UpdateProject { by, project, definition: Box::new(definition) })
    }

    /// A project that any worker may fetch from.
    pub(super) fn open_project(&mut self, name: &str) -> ProjectId {
        self.project(Definition { public: true, ..definition(name) })
    }

    pub(super) fn grant(&mut self, project: ProjectId, worker: WorkerId, assign: bool, submit: bool) {
        let asked = self.ask(Ask::RequestAccess { worker, project, assign, submit });
        assert_eq!(asked, Verdict::Accepted);
        assert_eq!(self.ask(Ask::AcceptAccess { by: ADMIN, project, worker }), Verdict::Accepted);
    }

    /// Submits as the admin; the number of each task.
    pub(super) fn put(&mut self, project: ProjectId, tasks: Vec<NewTask>) -> Vec<TaskId> {
        let verdict = self.ask(Ask::Submit { by: Submitter::Manager(ADMIN), project, tasks });
        let Verdict::Submitted(answers) = verdict else { panic!("{verdict:?}") };
        answers.into_iter().map(|answer| answer.expect("a new task")).collect()
    }

    pub(super) fn put_one(&mut self, project: ProjectId, what: NewTask) -> TaskId {
        self.put(project, vec![what])[0]
    }

    pub(super) fn submit(&mut self, worker: WorkerId, project: ProjectId, tasks: Vec<NewTask>) -> Verdict {
        self.ask(Ask::Submit { by: Submitter::Worker(worker), project, tasks })
    }

    pub(super) fn fetch_from(&mut self, worker: WorkerId, from: From, count: usize, wait: Duration) -> Verdict {
        self.ask(Ask::Fetch { worker, from, count, wait, process: None })
    }

    pub(super) fn fetch(&mut self, worker: WorkerId, project: ProjectId) -> Option<TaskId> {
        let verdict = self.fetch_from(worker, From::Project(project), 1, Duration::ZERO);
        let Verdict::Handed(handed) = verdict else { panic!("{verdict:?}") };
        assert!(handed.len() <= 1);
        handed.first().map(|handed| handed.task.id)
    }

    pub(super) fn fetch_tied(&mut self, worker: WorkerId, project: ProjectId, pid: i32) -> Option<TaskId> {
        let process = Some(process(pid));
        let from = From::Project(project);
        let verdict = self.ask(Ask::Fetch { worker, from, count: 1, wait: Duration::ZERO, process });
        let Verdict::Handed(handed) = verdict else { panic!("{verdict:?}") };
        handed.first().map(|handed| handed.task.id)
    }

    pub(super) fn wait(&mut self, worker: WorkerId, from: From, wait: Duration) -> WaitId {
        let verdict = self.fetch_from(worker, from, 1, wait);
        let Verdict::Waiting(id) = verdict else { panic!("{verdict:?}") };
        id
    }

    /// Whom the last step handed what, of those who waited.
    pub(super) fn served(&self) -> Vec<(WaitId, Vec<TaskId>)> {
        let hands = self.effects.iter().filter_map(|effect| match effect {
            Effect::Hand(wait, _, handed) => Some((*wait, handed.iter().map(|handed| handed.task.id).collect())),
            _ => None,
        });
        hands.collect()
    }

    pub(super) fn release(&mut self, worker: WorkerId, task: TaskId, outcome: Outcome) -> bool {
        let reason = "because".into();
        let verdict = self.ask(Ask::Release { worker, task, outcome: Some(outcome), reason });
        let Verdict::Released(updated) = verdict else { panic!("{verdict:?}") };
        updated
    }

    pub(super) fn standing(&self, task: TaskId) -> Standing {
        self.room.task(task).expect("a task").1
    }

    pub(super) fn count(&self, project: ProjectId) -> Sample {
        self.room.count(project, self.now)
    }
}
