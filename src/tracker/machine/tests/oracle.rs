//! The tracker as one would write it without a thought for speed: a list of tasks that is searched for everything. It
//! hears what the room hears, and what the room did has to be what it would have done.

use super::picture::{Picture, ProjectPicture};
use super::play::SETTINGS;
use crate::base::{Mono, Now, Secret, Wall};
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

struct OneProject {
    id: ProjectId,
    definition: Definition,
    secret: String,
    access: BTreeMap<WorkerId, Access>,
    roles: BTreeMap<ManagerId, Role>,
    closed: u64,
    /// Tokens, and when there were so many: of all, and of each worker; for handing out, and for submitting.
    tokens: HashMap<(bool, Option<WorkerId>), (f64, Mono)>,
}

struct OneTask {
    task: Task,
    standing: Standing,
    /// When its lease ends.
    end: Mono,
    /// Its moment has come.
    ripe: bool,
}

struct Waiter {
    id: WaitId,
    worker: WorkerId,
    from: From,
    count: usize,
    process: Option<Process>,
    until: Mono,
}

#[derive(Default)]
pub(super) struct Oracle {
    workers: BTreeMap<WorkerId, (Worker, u64)>,
    projects: Vec<OneProject>,
    tasks: Vec<OneTask>,
    waiters: Vec<Waiter>,
    now: Option<Now>,
    /// Numbers that the room's writes have given to tasks in this step.
    numbers: Vec<TaskId>,
    last_number: u64,
    hands: Vec<(WaitId, WorkerId, Vec<TaskId>)>,
    given_up: Vec<WaitId>,
    /// Failed, and lost: whether by death.
    failed: Vec<TaskId>,
    lost: Vec<(TaskId, bool)>,
    /// How many tasks were closed in all.
    pub(super) closed: u64,
}

impl Oracle {
    fn now(&self) -> Now {
        self.now.expect("something was heard")
    }

    /// Hears what the room has heard, and compares what came of it.
    pub(super) fn hear(&mut self, event: &Event, now: Now, plan: &Plan) {
        self.now = Some(now);
        self.hands.clear();
        self.given_up.clear();
        self.failed.clear();
        self.lost.clear();
        self.numbers = plan
            .writes
            .iter()
            .rev()
            .filter_map(|write| if let Write::PutTask(task, _) = write { Some(task.id) } else { None })
            .collect();
        self.pass_time();
        let verdict = match event {
            Event::Asked(ask) => Some(self.asked(ask, plan.verdict.as_ref().expect("an answer"))),
            Event::Died(process) => {
                self.free_where(|lease| lease.process == Some(*process), Some(true));
                None
            }
            Event::Left(wait) => {
                self.waiters.retain(|waiter| waiter.id != *wait);
                None
            }
            Event::Undelivered(leases) => {
                for (id, lease) in leases {
                    self.undelivered(*id, *lease);
                }
                None
            }
            Event::Tick => None,
        };
        self.serve();
        assert!(self.numbers.is_empty(), "tasks from nowhere: {:?}", self.numbers);
        alike(plan.verdict.as_ref(), verdict.as_ref());
        self.compare_effects(plan);
    }

    fn compare_effects(&mut self, plan: &Plan) {
        let (mut hands, mut given_up) = (Vec::new(), Vec::new());
        for effect in &plan.effects {
            match effect {
                Effect::Hand(wait, worker, handed) => {
                    hands.push((*wait, *worker, handed.iter().map(|handed| handed.task.id).collect::<Vec<_>>()));
                }
                Effect::GiveUp(wait) => given_up.push(*wait),
                Effect::Watch(_) | Effect::Unwatch(_) => {}
            }
        }
        assert_eq!(hands, self.hands);
        given_up.sort_unstable();
        self.given_up.sort_unstable();
        assert_eq!(given_up, self.given_up);
        let (mut failed, mut lost) = (Vec::new(), Vec::new());
        for change in &plan.changes {
            match &change.what {
                What::Failed(id) => failed.push(*id),
                What::Lost { task, died, .. } => lost.push((*task, *died)),
                _ => {}
            }
        }
        lost.sort_unstable();
        self.lost.sort_unstable();
        assert_eq!((failed, lost), (self.failed.clone(), self.lost.clone()));
    }

    /// What is due has happened.
    fn pass_time(&mut self) {
        let now = self.now();
        let due: Vec<_> = self
            .tasks
            .iter()
            .filter(|one| one.standing.lease.is_some() && one.end <= now.mono)
            .map(|one| one.task.id)
            .collect();
        for id in due {
            self.lost.push((id, false));
            let one = self.one(id);
            one.standing.lease = None;
            self.settle(id);
        }
        for one in &mut self.tasks {
            one.ripe |= one.task.what.not_before.is_none_or(|at| at <= now.wall);
        }
        self.serve();
        let over: Vec<_> =
            self.waiters.iter().filter(|waiter| waiter.until <= now.mono).map(|waiter| waiter.id).collect();
        self.waiters.retain(|waiter| !over.contains(&waiter.id));
        self.given_up = over;
    }

    /// The earliest moment at which something is due.
    pub(super) fn due(&self) -> Option<Mono> {
        let leases = self.tasks.iter().filter(|one| one.standing.lease.is_some()).map(|one| one.end);
        let waits = self.waiters.iter().map(|waiter| waiter.until);
        leases.chain(waits).min()
    }

    /// When a bucket admits somebody who waits for nothing else.
    pub(super) fn refill(&self) -> Option<Duration> {
        let any =
            self.waiters.iter().filter(|waiter| waiter.from == From::Any && !self.workers[&waiter.worker].0.paused);
        let delays = any.flat_map(|waiter| {
            let had = self.projects.iter().filter(|one| self.first(one.id, waiter.worker).is_some());
            had.map(|one| self.delay(one, true, waiter.worker))
        });
        delays.map(Duration::from_secs_f64).min()
    }

    /// The daemon has died and begun again.
    pub(super) fn crash(&mut self, now: Now) {
        self.waiters.clear();
        for one in &mut self.projects {
            one.tokens.clear();
        }
        for one in &mut self.tasks {
            one.ripe = one.task.what.not_before.is_none_or(|at| at <= now.wall);
            if let Some(lease) = one.standing.lease {
                let left = (lease.until - now.wall).to_std().unwrap_or_default();
                one.end = now.mono + left.min((lease.until - lease.since).to_std().unwrap_or_default());
            }
        }
    }

    pub(super) fn processes(&self) -> BTreeSet<Process> {
        self.tasks.iter().filter_map(|one| one.standing.lease?.process).collect()
    }

    fn one(&mut self, id: TaskId) -> &mut OneTask {
        self.tasks.iter_mut().find(|one| one.task.id == id).expect("a task")
    }

    /// A task that is free again may have to wait for its moment again, should the clock have been set back.
    fn settle(&mut self, id: TaskId) {
        let now = self.now().wall;
        let one = self.one(id);
        one.ripe = one.task.what.not_before.is_none_or(|at| at <= now);
    }

    fn free_where(&mut self, which: impl Fn(Lease) -> bool, told: Option<bool>) {
        let those: Vec<_> =
            self.tasks.iter().filter(|one| one.standing.lease.is_some_and(&which)).map(|one| one.task.id).collect();
        for id in those {
            self.one(id).standing.lease = None;
            self.settle(id);
            self.lost.extend(told.map(|died| (id, died)));
        }
    }

    /// Whether a worker holds a task. Whose time is up at once, as in this very step, holds it no longer.
    fn holds(&mut self, worker: WorkerId, id: TaskId) -> bool {
        let now = self.now().mono;
        let over = self.those(|one| one.task.id == id && one.standing.lease.is_some() && one.end <= now);
        for id in over {
            self.one(id).standing.lease = None;
            self.settle(id);
            self.lost.push((id, false));
        }
        let held = |one: &OneTask| one.task.id == id && one.standing.lease.is_some_and(|lease| lease.worker == worker);
        !self.those(held).is_empty()
    }

    fn free_one(&mut self, id: TaskId, worker: WorkerId) {
        if self.holds(worker, id) {
            self.one(id).standing.lease = None;
            self.settle(id);
        }
    }

    fn undelivered(&mut self, id: TaskId, lease: Lease) {
        if self.holds(lease.worker, id) && self.one(id).standing.lease == Some(lease) {
            self.free_one(id, lease.worker);
        }
    }

    fn project(&self, id: ProjectId) -> Option<&OneProject> {
        self.projects.iter().find(|one| one.id == id)
    }

    fn project_mut(&mut self, id: ProjectId) -> &mut OneProject {
        self.projects.iter_mut().find(|one| one.id == id).expect("a project")
    }

    fn may(&self, by: Manager, project: ProjectId, role: Role) -> bool {
        match by {
            Manager::Guest => false,
            Manager::Admin(_) => true,
            Manager::Known(id) => {
                let roles = self.project(project).map(|one| &one.roles);
                roles.and_then(|roles| roles.get(&id)).is_some_and(|has| has.bits() & role.bits() != 0)
            }
        }
    }

    /// The task that a worker would get: all are looked at.
    fn first(&self, project: ProjectId, worker: WorkerId) -> Option<TaskId> {
        let one = self.project(project)?;
        let accepted =
            one.access.get(&worker).is_some_and(|access| !access.pending && (access.assign || access.submit));
        if one.definition.paused || !(accepted || one.definition.public) {
            return None;
        }
        let free = self.tasks.iter().filter(|one| {
            one.task.project == project
                && one.ripe
                && one.standing.status == Status::New
                && one.standing.lease.is_none()
                && one.standing.votes.iter().all(|vote| vote.worker != worker)
        });
        free.min_by_key(|one| (Reverse(one.task.what.priority), one.task.id)).map(|one| one.task.id)
    }

    fn limits(one: &OneProject, assign: bool, worker: WorkerId) -> [(Option<WorkerId>, Option<f64>, f64); 2] {
        let limit = if assign { &one.definition.assign } else { &one.definition.submit };
        [(None, limit.rate.limit(), limit.burst), (Some(worker), limit.per_worker.limit(), 1.0)]
    }

    fn level(&self, one: &OneProject, key: (bool, Option<WorkerId>), rate: f64, burst: f64) -> f64 {
        let Some((level, at)) = one.tokens.get(&key) else { return burst };
        (level + (self.now().mono - *at).as_secs_f64() * rate).min(burst)
    }

    /// Seconds until a worker is admitted; less than a millionth is now.
    fn delay(&self, one: &OneProject, assign: bool, worker: WorkerId) -> f64 {
        let waits = Oracle::limits(one, assign, worker).map(|(whose, rate, burst)| {
            let Some(rate) = rate else { return 0.0 };
            let missing = 1.0 - self.level(one, (assign, whose), rate, burst);
            if missing > 1e-6 { missing / rate } else { 0.0 }
        });
        waits[0].max(waits[1])
    }

    fn spend(&mut self, project: ProjectId, assign: bool, worker: WorkerId, tokens: usize) {
        let now = self.now().mono;
        let one = self.project(project).expect("a project");
        let levels = Oracle::limits(one, assign, worker)
            .map(|(whose, rate, burst)| (whose, rate.map(|rate| self.level(one, (assign, whose), rate, burst))));
        for (whose, level) in levels {
            if let Some(level) = level {
                self.project_mut(project).tokens.insert((assign, whose), (level - tokens as f64, now));
            }
        }
    }

    /// Gives a worker what there is for him.
    fn gather(&mut self, waiter: &Waiter) -> (Vec<TaskId>, Vec<f64>) {
        let (mut got, mut limited) = (Vec::new(), Vec::new());
        let mut projects: Vec<_> = self.projects.iter().map(|one| (Reverse(one.definition.priority), one.id)).collect();
        projects.sort_unstable();
        for (_, project) in projects {
            let fits = waiter.from == From::Any || waiter.from == From::Project(project);
            if !fits || got.len() >= waiter.count || self.first(project, waiter.worker).is_none() {
                continue;
            }
            if waiter.from == From::Any {
                let delay = self.delay(self.project(project).expect("it"), true, waiter.worker);
                if delay > 0.0 {
                    limited.push(delay);
                    continue;
                }
            }
            let before = got.len();
            while got.len() < waiter.count
                && let Some(id) = self.first(project, waiter.worker)
            {
                self.lend(id, waiter);
                got.push(id);
            }
            let paid = usize::from(waiter.from != From::Any);
            let more = (got.len() - before).saturating_sub(paid);
            if more > 0 {
                self.spend(project, true, waiter.worker, more);
            }
        }
        (got, limited)
    }

    fn lend(&mut self, id: TaskId, waiter: &Waiter) {
        let now = self.now();
        let (worker, process) = (waiter.worker, waiter.process);
        let one = self.one(id);
        assert!(one.standing.lease.is_none());
        let span = match one.task.what.max_assign {
            0 => SETTINGS.default_assign,
            seconds => Duration::from_secs(seconds.max(0).unsigned_abs().into()),
        };
        one.end = now.mono + span;
        one.standing.lease = Some(Lease { worker, since: now.wall, until: now.later(span).wall, process });
    }

    /// Whoever can be served is, in the order in which they came.
    fn serve(&mut self) {
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            let got = if self.workers[&waiter.worker].0.paused { Vec::new() } else { self.gather(&waiter).0 };
            if got.is_empty() {
                self.waiters.push(waiter);
            } else {
                self.hands.push((waiter.id, waiter.worker, got));
            }
        }
    }

    fn add(&mut self, project: ProjectId, what: NewTask) -> Result<TaskId, Refusal> {
        let same = |one: &OneTask| one.task.project == project && one.task.what.hash == what.hash;
        if what.hash != 0 && self.tasks.iter().any(same) {
            return Err(Refusal::Duplicate);
        }
        let id = self.numbers.pop().expect("a number was written");
        assert!(id.0 > self.last_number, "{id} was given out before");
        self.last_number = id.0;
        let ripe = what.not_before.is_none_or(|at| at <= self.now().wall);
        let task = Task { id, project, what };
        self.tasks.push(OneTask { task, standing: Standing::default(), end: Mono::default(), ripe });
        Ok(id)
    }

    fn asked(&mut self, ask: &Ask, answer: &Verdict) -> Verdict {
        self.decide(ask, answer).unwrap_or_else(Verdict::Refused)
    }

    fn decide(&mut self, ask: &Ask, answer: &Verdict) -> Result<Verdict, Refusal> {
        match ask.clone() {
            Ask::CreateWorker { alias, secret } => {
                let Verdict::Worker(made) = answer else { panic!("{answer:?}") };
                let created = self.now().wall.timestamp();
                let worker = Worker { id: made.id, alias, created, secret, paused: false };
                assert!(self.workers.insert(made.id, (worker.clone(), 0)).is_none());
                Ok(Verdict::Worker(Box::new(worker)))
            }
            Ask::RenameWorker { worker, alias } => {
                self.workers.get_mut(&worker).ok_or(Refusal::NoWorker)?.0.alias = alias;
                Ok(Verdict::Accepted)
            }
            Ask::PauseWorker { by, worker, paused } => {
                self.admin(by)?;
                self.workers.get_mut(&worker).ok_or(Refusal::NoWorker)?.0.paused = paused;
                Ok(Verdict::Accepted)
            }
            Ask::CreateProject { by, definition, .. } => self.create(by, *definition, answer),
            Ask::UpdateProject { by, project, definition } => self.update(by, project, *definition),
            Ask::SetSecret { by, project, secret } => {
                self.need(by, project, Role::SECRET)?;
                self.project(project).ok_or(Refusal::NoProject)?;
                self.project_mut(project).secret = Secret::expose(&secret).to_owned();
                Ok(Verdict::Accepted)
            }
            Ask::RequestAccess { worker, project, assign, submit } => {
                self.workers.get(&worker).ok_or(Refusal::NoWorker)?;
                let known = self.project(project).ok_or(Refusal::NoRequest)?.access.contains_key(&worker);
                if known {
                    return Err(Refusal::NoRequest);
                }
                self.project_mut(project).access.insert(worker, Access { assign, submit, pending: true });
                Ok(Verdict::Accepted)
            }
            Ask::AcceptAccess { by, project, worker } => {
                self.need(by, project, Role::MANAGE_ACCESS)?;
                self.project(project).and_then(|one| one.access.get(&worker)).ok_or(Refusal::NoAccess)?;
                self.project_mut(project).access.get_mut(&worker).expect("a row").pending = false;
                Ok(Verdict::Accepted)
            }
            Ask::RejectAccess { by, project, worker } => {
                self.need(by, project, Role::MANAGE_ACCESS)?;
                self.project(project).and_then(|one| one.access.get(&worker)).ok_or(Refusal::NoAccess)?;
                self.project_mut(project).access.remove(&worker);
                Ok(Verdict::Accepted)
            }
            Ask::SetRole { by, project, manager, role } => {
                self.need(by, project, Role::MANAGE_ACCESS)?;
                self.project(project).ok_or(Refusal::NoProject)?;
                self.project_mut(project).roles.insert(manager, role);
                self.project_mut(project).roles.retain(|_, role| *role != Role::NONE);
                Ok(Verdict::Accepted)
            }
            Ask::ForgetManager(manager) => {
                for one in &mut self.projects {
                    one.roles.remove(&manager);
                }
                Ok(Verdict::Accepted)
            }
            other => self.decide_tasks(other, answer),
        }
    }

    fn admin(&self, by: Manager) -> Result<(), Refusal> {
        if by.is_admin() { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    fn need(&self, by: Manager, project: ProjectId, role: Role) -> Result<(), Refusal> {
        if self.may(by, project, role) { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    fn create(&mut self, by: Manager, definition: Definition, answer: &Verdict) -> Result<Verdict, Refusal> {
        let chain = definition.chain.is_none_or(|to| self.project(to).is_some() && self.may(by, to, Role::EDIT));
        if by == Manager::Guest || definition.public && !by.is_admin() || !chain {
            return Err(Refusal::NotPermitted);
        }
        if self.projects.iter().any(|one| one.definition.name == definition.name) {
            return Err(Refusal::NameTaken);
        }
        let Verdict::Project(id) = answer else { panic!("{answer:?}") };
        assert!(self.projects.iter().all(|one| one.id < *id));
        self.projects.push(OneProject {
            id: *id,
            definition,
            secret: "{}".into(),
            access: BTreeMap::new(),
            roles: by.id().into_iter().map(|id| (id, Role::ALL)).collect(),
            closed: 0,
            tokens: HashMap::new(),
        });
        Ok(Verdict::Project(*id))
    }

    fn update(&mut self, by: Manager, id: ProjectId, definition: Definition) -> Result<Verdict, Refusal> {
        self.need(by, id, Role::EDIT)?;
        self.project(id).ok_or(Refusal::NoProject)?;
        if definition.chain.is_some_and(|to| to == id || !self.may(by, to, Role::EDIT)) {
            return Err(Refusal::NoChain);
        }
        if self.projects.iter().any(|one| one.id != id && one.definition.name == definition.name) {
            return Err(Refusal::NameTaken);
        }
        if definition.chain.is_some_and(|to| self.project(to).is_none()) {
            return Err(Refusal::ChainUnknown);
        }
        let one = self.project_mut(id);
        one.definition = definition;
        one.tokens.clear();
        Ok(Verdict::Accepted)
    }

    fn decide_tasks(&mut self, ask: Ask, answer: &Verdict) -> Result<Verdict, Refusal> {
        match ask {
            Ask::ResetFailed { by, project } => {
                self.need(by, project, Role::MAINTENANCE)?;
                let mut affected = 0;
                for id in self.those(|one| one.task.project == project && one.standing.status == Status::Failed) {
                    self.reset(id);
                    affected += 1;
                }
                Ok(Verdict::Affected(affected))
            }
            Ask::HardReset { by, project } => {
                self.need(by, project, Role::MAINTENANCE)?;
                let before = self.tasks.len();
                self.tasks.retain(|one| one.task.project != project);
                Ok(Verdict::Affected((before - self.tasks.len()) as u64))
            }
            Ask::Reclaim { by, project } => {
                self.need(by, project, Role::MAINTENANCE)?;
                let new = self.those(|one| one.task.project == project && one.standing.status == Status::New);
                for id in &new {
                    if self.one(*id).standing.lease.take().is_some() {
                        self.settle(*id);
                    }
                }
                Ok(Verdict::Affected(new.len() as u64))
            }
            Ask::Submit { by: Submitter::Worker(worker), project, tasks } => {
                self.workers.get(&worker).ok_or(Refusal::NoWorker)?;
                let one = self.project(project).ok_or(Refusal::NoProject)?;
                let delay = self.delay(one, false, worker);
                if delay > 0.0 {
                    return Err(Refusal::TooMany { delay });
                }
                let may = one.access.get(&worker).is_some_and(|access| access.submit && !access.pending);
                self.spend(project, false, worker, tasks.len());
                if !may {
                    return Err(Refusal::NoSubmit);
                }
                Ok(Verdict::Submitted(tasks.into_iter().map(|what| self.add(project, what)).collect()))
            }
            Ask::Submit { by: Submitter::Manager(by), project, tasks } => {
                if by != Manager::Guest {
                    self.project(project).ok_or(Refusal::NoProject)?;
                }
                self.need(by, project, Role::EDIT)?;
                Ok(Verdict::Submitted(tasks.into_iter().map(|what| self.add(project, what)).collect()))
            }
            Ask::Fetch { worker, from, count, wait, process } => {
                let waiter = Waiter { id: WaitId(0), worker, from, count, process, until: self.now().mono + wait };
                self.fetch(waiter, wait, answer)
            }
            Ask::Release { worker, task, outcome, reason } => {
                Ok(Verdict::Released(self.release(worker, task, outcome, reason)))
            }
            Ask::Extend { worker, task, by } => {
                if !self.holds(worker, task) {
                    return Err(Refusal::NotHeld);
                }
                let end = self.now().later(by);
                let one = self.one(task);
                one.end = end.mono;
                one.standing.lease.as_mut().expect("a lease").until = end.wall;
                Ok(Verdict::Extended(end.wall))
            }
            Ask::DeleteTask { by, task } => {
                self.need_task(by, task)?;
                self.tasks.retain(|one| one.task.id != task);
                Ok(Verdict::Accepted)
            }
            Ask::Requeue { by, task } => {
                self.need_task(by, task)?;
                if self.one(task).standing.status != Status::Failed {
                    return Err(Refusal::NotFailed);
                }
                self.reset(task);
                Ok(Verdict::Accepted)
            }
            other => panic!("not asked here: {other:?}"),
        }
    }

    fn those(&self, which: impl Fn(&OneTask) -> bool) -> Vec<TaskId> {
        self.tasks.iter().filter(|one| which(one)).map(|one| one.task.id).collect()
    }

    fn reset(&mut self, id: TaskId) {
        let one = self.one(id);
        one.standing.status = Status::New;
        one.standing.retries = 0;
        self.settle(id);
    }

    fn need_task(&self, by: Manager, task: TaskId) -> Result<(), Refusal> {
        let found = self.tasks.iter().find(|one| one.task.id == task).ok_or(Refusal::NoTask)?;
        self.need(by, found.task.project, Role::MAINTENANCE)
    }

    fn fetch(&mut self, mut waiter: Waiter, wait: Duration, answer: &Verdict) -> Result<Verdict, Refusal> {
        if self.workers.get(&waiter.worker).ok_or(Refusal::NoWorker)?.0.paused {
            return Err(Refusal::Paused);
        }
        if let From::Project(project) = waiter.from {
            let delay = self.delay(self.project(project).ok_or(Refusal::NoProject)?, true, waiter.worker);
            if delay > 0.0 {
                return Err(Refusal::TooMany { delay });
            }
            self.spend(project, true, waiter.worker, 1);
        }
        let (got, limited) = self.gather(&waiter);
        if got.is_empty() && !wait.is_zero() {
            let Verdict::Waiting(id) = answer else { panic!("{answer:?}") };
            assert!(self.waiters.iter().all(|other| other.id < *id));
            waiter.id = *id;
            self.waiters.push(waiter);
            return Ok(Verdict::Waiting(*id));
        }
        match limited.into_iter().reduce(f64::min) {
            Some(delay) if got.is_empty() => Err(Refusal::TooMany { delay }),
            _ => Ok(Verdict::Handed(got.into_iter().map(|id| self.handed(id)).collect())),
        }
    }

    fn handed(&mut self, id: TaskId) -> Handed {
        let one = self.one(id);
        let (task, standing) = (one.task.clone(), one.standing.clone());
        let project = self.project(task.project).expect("a project").definition.clone();
        Handed { task: task.into(), standing, project: project.into() }
    }

    fn release(&mut self, worker: WorkerId, id: TaskId, outcome: Option<Outcome>, reason: String) -> bool {
        let held = self.holds(worker, id);
        let (Some(outcome), true) = (outcome, held) else { return false };
        let at = self.now().wall;
        let one = self.one(id);
        let (mut closed, mut for_good) = (false, false);
        match outcome {
            Outcome::Done(value) => {
                one.standing.votes.push(Vote { worker, value });
                let agreed = one.standing.votes.iter().filter(|vote| vote.value == value);
                let voters: BTreeSet<_> = agreed.map(|vote| vote.worker).collect();
                closed = voters.len() as i64 >= i64::from(one.task.what.verification_count);
            }
            Outcome::Failed => {
                one.standing.retries += 1;
                one.standing.failing = Some(Failing { at, worker, reason });
                for_good = one.standing.retries >= one.task.what.max_retries;
            }
            Outcome::Skipped => {}
        }
        if closed {
            let task = one.task.clone();
            self.tasks.retain(|one| one.task.id != id);
            self.close(worker, task);
            return true;
        }
        one.standing.lease = None;
        if for_good {
            one.standing.status = Status::Failed;
            self.failed.push(id);
        }
        self.settle(id);
        !matches!(outcome, Outcome::Done(_))
    }

    fn close(&mut self, worker: WorkerId, task: Task) {
        self.closed += 1;
        self.workers.get_mut(&worker).expect("a worker").1 += 1;
        let one = self.project_mut(task.project);
        one.closed += 1;
        if let Some(to) = one.definition.chain {
            let _ = self.add(to, NewTask { not_before: None, ..task.what });
        }
    }

    /// Everything that can be seen.
    pub(super) fn picture(&self, now: Now) -> Picture {
        let mut projects: Vec<_> = self.projects.iter().map(|one| self.project_picture(one, now.wall)).collect();
        projects.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        Picture { workers: self.workers.values().cloned().collect(), projects, tasks: self.tasks.len() }
    }

    fn project_picture(&self, one: &OneProject, now: Wall) -> ProjectPicture {
        let mut tasks: Vec<_> = self.tasks.iter().filter(|other| other.task.project == one.id).collect();
        tasks.sort_by_key(|one| one.task.id);
        let mut holders: BTreeMap<Option<WorkerId>, u64> = BTreeMap::new();
        for one in &tasks {
            *holders.entry(one.standing.lease.map(|lease| lease.worker)).or_default() += 1;
        }
        let mut assignees: Vec<_> = holders.into_iter().collect();
        assignees.sort_by_key(|(worker, count)| (Reverse(*count), *worker));
        let failed = tasks.iter().filter(|one| one.standing.status == Status::Failed).count();
        let fresh = |one: &&&OneTask| one.standing.status == Status::New && one.standing.votes.is_empty();
        let count = Sample {
            at: now.timestamp(),
            new: tasks.iter().filter(fresh).count() as u64,
            failed: failed as u64,
            closed: one.closed,
            access: one.access.len() as u64,
            votes: tasks.iter().map(|one| one.standing.votes.len() as u64).sum(),
        };
        ProjectPicture {
            id: one.id,
            definition: one.definition.clone(),
            secrets: (one.secret.clone(), "hook".into()),
            roles: one.roles.iter().map(|(id, role)| (*id, *role)).collect(),
            access: one.access.iter().map(|(id, access)| (*id, *access)).collect(),
            assignees,
            count,
            tasks: tasks.into_iter().map(|one| (one.task.clone(), one.standing.clone())).collect(),
        }
    }
}

/// Delays may differ by what two ways of counting do.
fn alike(room: Option<&Verdict>, oracle: Option<&Verdict>) {
    match (room, oracle) {
        (
            Some(Verdict::Refused(Refusal::TooMany { delay: a })),
            Some(Verdict::Refused(Refusal::TooMany { delay: b })),
        ) => assert!((a - b).abs() < 1e-5 && *a > 0.0, "{a} {b}"),
        _ => assert_eq!(room, oracle),
    }
}
