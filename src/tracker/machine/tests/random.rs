//! Long random stories: everything that clients ask, time that passes, clocks that are set, deaths and crashes; the
//! oracle judges every step.

use super::oracle::Oracle;
use super::picture::Picture;
use super::play::*;
use crate::base::Secret;
use crate::base::chance::Chance;
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::time::Duration;

struct Story {
    play: Play,
    oracle: Oracle,
    chance: Chance,
    /// What is known by number, gone or not.
    workers: u32,
    projects: u32,
    waits: Vec<WaitId>,
    names: u32,
}

impl Story {
    fn new(seed: u64) -> Story {
        let (play, oracle) = (Play::new(), Oracle::default());
        Story { play, oracle, chance: Chance::new(seed), workers: 0, projects: 0, waits: Vec::new(), names: 0 }
    }

    /// Some workers and projects, or little would ever happen.
    fn begin(&mut self) {
        for _ in 0..4 {
            self.hear(Event::Asked(Ask::CreateWorker { alias: "w".into(), secret: WorkerSecret([3; 32]) }));
        }
        for public in [true, true, false] {
            let definition = Box::new(Definition { public, chain: None, ..self.definition() });
            self.hear(Event::Asked(Ask::CreateProject { by: ADMIN, definition, webhook_secret: Secret::new("hook") }));
        }
        for (worker, project) in [(1, 1), (1, 2), (2, 3), (3, 3)] {
            let (worker, project) = (WorkerId(worker), ProjectId(project));
            self.hear(Event::Asked(Ask::RequestAccess { worker, project, assign: true, submit: true }));
            self.hear(Event::Asked(Ask::AcceptAccess { by: ADMIN, project, worker }));
        }
    }

    fn hear(&mut self, event: Event) {
        self.play.effects.clear();
        let plan = self.play.hear(event.clone());
        self.oracle.hear(&event, self.play.now, &plan);
        match &plan.verdict {
            Some(Verdict::Worker(worker)) => self.workers = self.workers.max(worker.id.0),
            Some(Verdict::Project(project)) => self.projects = self.projects.max(project.0),
            Some(Verdict::Waiting(wait)) => self.waits.push(*wait),
            _ => {}
        }
        assert_eq!(self.play.watched, self.oracle.processes());
        self.nothing_is_overlooked();
    }

    /// The room has to be awake when something is due.
    fn nothing_is_overlooked(&self) {
        let deadline = self.play.room.deadline();
        if let Some(due) = self.oracle.due() {
            assert!(deadline.is_some_and(|deadline| deadline <= due), "asleep at {due:?}");
        }
        if let Some(refill) = self.oracle.refill() {
            let latest = self.play.now.mono + refill + Duration::from_micros(10);
            assert!(deadline.is_some_and(|deadline| deadline <= latest), "asleep while a bucket refills");
        }
    }

    /// What can be seen is what the oracle sees; and what a start would see, should the daemon die now.
    fn compare(&self) {
        let now = self.play.now;
        let picture = self.oracle.picture(now);
        assert_eq!(Picture::of(&self.play.room, now), picture);
        let (reborn, _) = Room::recover(SETTINGS, self.play.shelf.stored(), now);
        assert_eq!(Picture::of(&reborn, now), picture);
    }

    fn worker(&mut self) -> WorkerId {
        WorkerId(1 + self.chance.below(10 * u64::from(self.workers) + 1) as u32 % (self.workers + 1))
    }

    fn project(&mut self) -> ProjectId {
        ProjectId(1 + self.chance.below(10 * u64::from(self.projects) + 1) as u32 % (self.projects + 1))
    }

    fn known_task(&mut self) -> TaskId {
        let project = self.project();
        let (tasks, _) = self.play.room.tasks(project, TaskId(0), (usize::MAX, usize::MAX), |_, _| true);
        if tasks.is_empty() || self.chance.percent(5) {
            return TaskId(self.chance.below(3_000));
        }
        tasks[self.chance.place(tasks.len())].0.id
    }

    fn held_task(&mut self) -> Option<(WorkerId, TaskId)> {
        let held = |_: &Task, standing: &Standing| standing.lease.is_some();
        let all = |id| self.play.room.tasks(ProjectId(id), TaskId(0), (usize::MAX, usize::MAX), held).0;
        let tasks: Vec<_> = (1..=self.projects).flat_map(all).collect();
        let (task, standing) = tasks.get(self.chance.place(tasks.len().max(1)))?;
        let worker = if self.chance.percent(10) { self.worker() } else { standing.lease?.worker };
        Some((worker, task.id))
    }

    fn manager(&mut self) -> Manager {
        match self.chance.below(10) {
            0 => Manager::Guest,
            1..=3 => Manager::Known(ManagerId(2 + self.chance.below(2) as u32)),
            _ => ADMIN,
        }
    }

    fn limit(&mut self) -> Limit {
        let of = |chance: &mut Chance| {
            let rates = [0.5, 1.0, 2.0, 4.0];
            if chance.percent(85) { Rate::UNLIMITED } else { Rate::new(chance.pick(&rates)) }
        };
        let burst = self.chance.pick(&[1.0, 1.0, 2.0, 5.5]);
        Limit { rate: of(&mut self.chance), burst, per_worker: of(&mut self.chance) }
    }

    fn definition(&mut self) -> Definition {
        if self.chance.percent(80) {
            self.names += 1;
        }
        let chance = &mut self.chance;
        let chain = chance.percent(20).then(|| ProjectId(1 + chance.below(u64::from(self.projects) + 2) as u32));
        let mut made = Definition {
            priority: chance.below(3) as i32,
            public: chance.percent(75),
            paused: chance.percent(10),
            chain,
            ..definition(&format!("p{}", self.names))
        };
        (made.assign, made.submit) = (self.limit(), self.limit());
        made
    }

    fn new_task(&mut self) -> NewTask {
        let now = self.play.now;
        let chance = &mut self.chance;
        let not_before = chance.percent(15).then(|| now.later(millis(chance.below(40) * 500)).wall);
        NewTask {
            priority: chance.below(4) as i16,
            max_retries: chance.below(4) as i16,
            max_assign: chance.pick(&[0, 0, 0, -1, 1, 5, 20, 60]),
            verification_count: chance.pick(&[-1, 1, 1, 1, 2, 2, 3]),
            hash: chance.pick(&[0, 0, 0, 1, 2, 3, 4, 5]),
            not_before,
            ..task("recipe")
        }
    }

    fn ask(&mut self) -> Ask {
        match self.chance.below(100) {
            0 if self.chance.percent(30) => Ask::CreateWorker { alias: "w".into(), secret: WorkerSecret([3; 32]) },
            3 => Ask::RenameWorker { worker: self.worker(), alias: format!("w{}", self.chance.below(4)) },
            4..=5 => {
                let paused = self.chance.percent(15);
                Ask::PauseWorker { by: self.manager(), worker: self.worker(), paused }
            }
            6 if self.chance.percent(30) => {
                let definition = Box::new(self.definition());
                Ask::CreateProject { by: self.manager(), definition, webhook_secret: Secret::new("hook") }
            }
            9..=10 => {
                let definition = Box::new(self.definition());
                Ask::UpdateProject { by: self.manager(), project: self.project(), definition }
            }
            12 => Ask::SetSecret { by: self.manager(), project: self.project(), secret: Secret::new("s") },
            13..=16 => {
                let (assign, submit) = (self.chance.percent(70), self.chance.percent(70));
                Ask::RequestAccess { worker: self.worker(), project: self.project(), assign, submit }
            }
            17..=20 => Ask::AcceptAccess { by: self.manager(), project: self.project(), worker: self.worker() },
            21 => Ask::RejectAccess { by: self.manager(), project: self.project(), worker: self.worker() },
            22..=23 => {
                let role = Role::new(self.chance.below(32) as i64).unwrap();
                let manager = ManagerId(2 + self.chance.below(2) as u32);
                Ask::SetRole { by: self.manager(), project: self.project(), manager, role }
            }
            24 if self.chance.percent(20) => Ask::ForgetManager(ManagerId(2)),
            _ => self.ask_about_tasks(),
        }
    }

    fn ask_about_tasks(&mut self) -> Ask {
        match self.chance.below(80) {
            0..=19 => {
                let by = match self.chance.percent(50) {
                    true => Submitter::Worker(self.worker()),
                    false => Submitter::Manager(self.manager()),
                };
                let count = 1 + self.chance.below(4);
                let tasks = (0..count).map(|_| self.new_task()).collect();
                Ask::Submit { by, project: self.project(), tasks }
            }
            20..=44 => {
                let from = if self.chance.percent(40) { From::Any } else { From::Project(self.project()) };
                let wait = self.chance.pick(&[Duration::ZERO, millis(500), secs(5), secs(60)]);
                let tied = self.chance.percent(40);
                let process = tied.then(|| process(self.chance.below(4) as i32));
                Ask::Fetch { worker: self.worker(), from, count: 1 + self.chance.place(3), wait, process }
            }
            45..=69 => {
                let by_chance = (self.worker(), self.known_task());
                let (worker, task) = self.held_task().unwrap_or(by_chance);
                let done = Outcome::Done(self.chance.below(2) as i64);
                let outcome =
                    self.chance.pick(&[Some(done), Some(done), Some(Outcome::Failed), Some(Outcome::Skipped), None]);
                Ask::Release { worker, task, outcome, reason: "why".into() }
            }
            70..=71 => {
                let by_chance = (self.worker(), self.known_task());
                let (worker, task) = self.held_task().unwrap_or(by_chance);
                Ask::Extend { worker, task, by: secs(self.chance.below(30)) }
            }
            72..=73 => Ask::ResetFailed { by: self.manager(), project: self.project() },
            74 if self.chance.percent(30) => Ask::HardReset { by: self.manager(), project: self.project() },
            75..=76 => Ask::Reclaim { by: self.manager(), project: self.project() },
            77 => Ask::DeleteTask { by: self.manager(), task: self.known_task() },
            _ => Ask::Requeue { by: self.manager(), task: self.known_task() },
        }
    }

    /// Time passes, and with luck somebody ticks when it is due.
    fn pass(&mut self) {
        let end = self.play.now.later(millis(self.chance.pick(&[10, 250, 500, 1_000, 5_000, 30_000])));
        let punctual = self.chance.percent(80);
        for _ in 0..200 {
            let Some(due) = self.play.room.deadline().filter(|due| punctual && *due <= end.mono) else { break };
            self.play.now = self.play.now.later(due - self.play.now.mono);
            self.hear(Event::Tick);
        }
        self.play.now = self.play.now.later(end.mono - self.play.now.mono);
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..=14 => self.pass(),
            15..=19 => {
                let process = process(self.chance.below(4) as i32);
                self.hear(Event::Died(process));
            }
            22..=23 => {
                let gone = (!self.waits.is_empty()).then(|| self.chance.pick(&self.waits.clone()));
                self.hear(Event::Left(gone.unwrap_or(WaitId(9_999))));
            }
            24..=25 => {
                let (worker, task) = self.held_task().unwrap_or((WorkerId(1), TaskId(1)));
                let now = self.play.now.wall;
                let lease = self.play.room.task(task).and_then(|(_, standing)| standing.lease);
                let mut lease = lease.unwrap_or(Lease { worker, since: now, until: now, process: None });
                lease.worker = worker;
                if self.chance.percent(10) {
                    lease.since -= chrono::TimeDelta::seconds(1);
                }
                self.hear(Event::Undelivered(vec![(task, lease)]));
            }
            26 => {
                let seconds = self.chance.pick(&[-3_600, -5, 5, 3_600]);
                self.play.now.wall += chrono::TimeDelta::seconds(seconds);
                self.hear(Event::Tick);
            }
            27 => {
                self.play.crash();
                self.waits.clear();
                self.oracle.crash(self.play.now);
            }
            _ => {
                let ask = self.ask();
                self.hear(Event::Asked(ask));
            }
        }
    }
}

#[test]
fn the_room_does_what_the_oracle_would_have_done() {
    let (mut closed, mut served) = (0, 0);
    for seed in 0..600 {
        let mut story = Story::new(seed);
        story.begin();
        for step in 0..400 {
            story.step();
            served += story.play.served().len();
            if step % 5 == 0 {
                story.compare();
            }
        }
        story.compare();
        closed += story.oracle.closed;
    }
    assert!(closed > 2_000 && served > 1_000, "too little happened: {closed} closed, {served} served after waiting");
}
